"""What all tests share: where the shared data lies."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

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


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where tests run side by side, those that share costly fixtures go to one process: a file, or
    all that use the simulated networks, which are begun first because they take longest."""
    for item in items:
        file = item.path.relative_to(_ROOT).as_posix()
        group = "networks" if _on_networks(item) else file
        if file.startswith("tests/browser/"):
            group = "browser"  # one demonstration for all
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: not _on_networks(item))


def _on_networks(item: pytest.Item) -> bool:
    """Whether a test reads the simulated networks of `tests/sandbox/conftest.py`."""
    fixtures: list[str] = getattr(item, "fixturenames", [])
    return "network" in fixtures and item.path.parent.name == "sandbox"


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """In CI (METERSTONE_NO_SKIP=1) a test that was skipped for a missing part is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    stats = reporter.stats.get("skipped", []) if reporter else []
    # An empty set of parameters (no page has such an example) is no missing part.
    skipped = [report for report in stats if "empty parameter set" not in str(report.longrepr)]
    if os.environ.get("METERSTONE_NO_SKIP") == "1" and skipped and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


# A machine that is busy for a moment is no failure: nothing here is a test of time.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
