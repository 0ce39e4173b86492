"""The lock is complete: it is installed without a resolver (decision 1)."""

import subprocess
import sys


def test_what_is_installed_from_the_lock_lacks_nothing() -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "pip", "check", "--disable-pip-version-check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
