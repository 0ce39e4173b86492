"""What all tests share: where the shared data lies."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, settings
from playwright.sync_api import expect
from xdist.scheduler import LoadScopeScheduling

_ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """Gives the path of ``data/<name>`` in the shared folder; skips the test when it is absent.

    The folder is ``$METERSTONE_SHARED``, else ``../shared`` beside the repository.
    """
    shared = Path(os.environ.get("METERSTONE_SHARED", _ROOT.parent / "shared"))

    def path(name: str) -> Path:
        found = shared / "data" / name
        if not found.exists():
            pytest.skip(f"no shared data at {found}; set METERSTONE_SHARED")
        return found

    return path


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes are named by their argument: what gzip makes differs from second to second, and all
    processes have to collect the same tests."""
    return argname if isinstance(val, bytes) else None


class BySharedFixtures(LoadScopeScheduling):
    """Where tests run side by side, those that share costly fixtures go to one process."""

    def _split_scope(self, nodeid: str) -> str:
        return shared_by(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> BySharedFixtures:
    """By the names of tests: the marks of ``--dist loadgroup`` have no effect with pytest 9.2."""
    return BySharedFixtures(config, log)


def shared_by(nodeid: str) -> str:
    """What one process does: a file, or all files that use the simulated networks of
    `tests/sandbox/conftest.py`, or the demonstration of `tests/browser/conftest.py`."""
    file = nodeid.split("::", maxsplit=1)[0]
    folder = file.rpartition("/")[0]
    return folder if folder in _COSTLY else file


_COSTLY = ("tests/sandbox", "tests/browser")
_FIRST = (
    *_COSTLY,
    "tests/measure/test_oracle.py",
    "tests/test_demo.py",
    "tests/measure/test_incidents.py",
    "tests/measure/test_synchronisation.py",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first: no process waits for the other at the end."""
    turns = {shared: turn for turn, shared in enumerate(_FIRST)}
    items.sort(key=lambda item: turns.get(shared_by(item.nodeid), len(turns)))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """In CI (METERSTONE_NO_SKIP=1) a test that was skipped for a missing part is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    stats = reporter.stats.get("skipped", []) if reporter else []
    # An empty set of parameters (no page has such an example) is no missing part.
    skipped = [report for report in stats if "empty parameter set" not in str(report.longrepr)]
    if os.environ.get("METERSTONE_NO_SKIP") == "1" and skipped and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


# A machine that is busy for a moment is no failure: nothing here is a test of time. What waits by
# the libraries' own patience, 5 s, waits for a minute.
BUSY_S = 60.0
httpx2._config.DEFAULT_TIMEOUT_CONFIG.read = BUSY_S
httpx2._config.DEFAULT_TIMEOUT_CONFIG.connect = BUSY_S
expect.set_options(timeout=BUSY_S * 1000)
# CI looks at the same examples each time: whoever runs the tests by hand searches for new ones.
settings.register_profile(
    "untimed",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=os.environ.get("METERSTONE_NO_SKIP") == "1",
)
settings.load_profile("untimed")
