"""One simulated network a preset, ingested once a session through the public way in."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from meterstone.app import Home
from meterstone.measure.evaluate import Evaluator
from meterstone.measure.results import MetricResult
from meterstone.measure.service import Measuring


@dataclass
class Network:
    """A home with a simulated network in it, and what is true of it."""

    story: str
    home: Home
    truth: dict[str, Any]
    quarantined: int
    _results: list[MetricResult] = field(default_factory=list)

    @property
    def at(self) -> datetime:
        return datetime.fromisoformat(self.truth["at"])

    def evaluator(self) -> Evaluator:
        return Evaluator(
            self.home.warehouse, self.home.subject.vocabulary, self.home.catalogue, None
        )

    def results(self) -> list[MetricResult]:
        """All results at the end, measured once."""
        if not self._results:
            measuring = Measuring(self.home.subject, self.at, None)
            self._results = measuring.of(self.home.catalogue.metrics)
        return self._results


class Networks:
    """Makes networks when a test first asks for one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[str, Network] = {}

    def __call__(self, story: str) -> Network:
        if story not in self._made:
            self._made[story] = network_in(self._folder, story)
        return self._made[story]

    def close(self) -> None:
        for network in self._made.values():
            network.home.close()


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Networks]:
    """``network("honest")`` is the home of a preset with its truth."""
    networks = Networks(tmp_path_factory.mktemp("networks"))
    yield networks
    networks.close()


def network_in(folder: Path, story: str, *more: str) -> Network:
    """A preset, simulated and ingested in a folder; one that is there already is used again.

    By the commands that people use, in processes of their own: what is traced for coverage is slow,
    and a million facts are many.

    Args:
        more: further options of ``meterstone simulate``.
    """
    made = folder / "-".join([story, *(word.strip("-") for word in more)])
    home, done = made / "home", made / "quarantined"
    if not done.exists():
        _meterstone("simulate", story, "--out", str(made), *more)
        told = '{"quarantined": 0}'
        if story != "quiet":  # it has no files
            told = _meterstone("ingest", str(made / "facts"), "--home", str(home))
        done.write_text(str(json.loads(told)["quarantined"]))
    truth = json.loads((made / "truth.json").read_text(encoding="utf-8"))
    return Network(story, Home(home), truth, int(done.read_text()))


def _meterstone(*words: str) -> str:
    """Standard output of a command with ``--json``."""
    command = [sys.executable, "-m", "meterstone", *words, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def at(text: str) -> datetime:
    """``at("2026-10-01")`` in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
