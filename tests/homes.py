"""A home to run commands in, and a command run as a person would."""

from __future__ import annotations

import atexit
import json
import shutil
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from meterstone import cli, demo
from meterstone.app import Home
from meterstone.record.ingest import ingest

CATALOGUE = """\
name: own
version: "1"
metrics:
  - ref: Own.up
    id: up
    title: Good checks <b>of</b> the day
    kind: ratio
    unit: '%'
    target: {cmp: '>=', value: 50, unit: '%'}
    scopes: [network, integration]
    window: calendar day
    definition: 100 x good / all
    from: probe
    terms: {good: count(*) filter (where ok), all: count(*)}
    numerator: good
    denominator: all
    sample_unit: checks
    uncertainty: wilson
  - ref: Own.asked
    id: asked
    title: Up on two days
    kind: threshold
    unit: boolean
    target: {cmp: ==, value: true, unit: boolean}
    scopes: [network]
    window: all time
    definition: as it says
    verdict_on: rule
    rule: {group: Own.up, verdict: met, hold: {periods: 2, unit: day}}
gates:
  - id: two_days
    title: Up on two days in a row
    group: Own.up
    hold: {periods: 2, unit: day}
"""


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on standard output."""
        return json.loads(self.out)


class Meterstone:
    """Runs commands in one home."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
        self.home = home
        self._monkeypatch = monkeypatch
        self._capfd = capfd

    def __call__(self, *arguments: object, home: bool = True) -> Ran:
        """Run ``meterstone ARGUMENTS --home HOME``."""
        words = [str(word) for word in arguments] + (["--home", str(self.home)] if home else [])
        self._capfd.readouterr()
        self._monkeypatch.setattr(sys, "argv", ["meterstone", *words])
        try:
            cli.main()
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 0
        out, err = self._capfd.readouterr()
        return Ran(code, out, err)


def probe_line(at: str, ok: bool = True, **given: Any) -> str:
    """A probe as a line of facts."""
    usual = {
        "fact": "probe", "probe_id": f"p-{at}-{ok}", "at": at, "integration": "square",
        "component": "integration", "check_key": "ping", "interval_s": 60, "ok": ok,
        "latency_ms": 20.0, "location": "eu", "fail_reason": "none" if ok else "timeout",
        "maintenance": False, "alerting": True,
    }  # fmt: skip
    return json.dumps(usual | given)


def write_lines(path: Path, lines: Iterable[str]) -> Path:
    path.write_text("".join(line + "\n" for line in lines))
    return path


def own_catalogue(home: Path) -> None:
    """Give a home the small catalogue."""
    (home / "catalogue").mkdir(parents=True)
    (home / "catalogue" / "catalogue.yaml").write_text(CATALOGUE)


@cache
def demo_home() -> Path:
    """The home of the demonstration, loaded once; open it and leave it as it is."""
    folder = Path(tempfile.mkdtemp(prefix="meterstone-demo-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    demo.prepare(folder)
    with Home(folder) as opened:
        ingest(opened.recorder, demo.paths(), context=demo.CONTEXT)
    return folder
