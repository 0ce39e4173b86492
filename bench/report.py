"""What a benchmark yields, how it is shown, and where it is written down."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import duckdb
from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).with_name("RESULTS.md")


@dataclass(frozen=True, slots=True)
class Figure:
    """One ratio: ours over the other side, both measured in the same run.

    ``goal`` is the bound that the ratio should keep: at most it, or at least it where ``at_least``.
    """

    title: str
    ours: str
    other: str
    ratio: float
    goal: float | None = None
    at_least: bool = False
    percent: bool = False

    @property
    def shown(self) -> str:
        """The ratio as people read it."""
        return f"{100 * self.ratio:.2f} %" if self.percent else f"{self.ratio:.2f} ×"

    @property
    def wanted(self) -> str:
        """The goal as people read it."""
        if self.goal is None:
            return "–"
        bound = f"{100 * self.goal:g} %" if self.percent else f"{self.goal:g} ×"
        return f"{'≥' if self.at_least else '≤'} {bound}"

    @property
    def met(self) -> bool | None:
        """Whether the ratio keeps its goal; None without one."""
        if self.goal is None:
            return None
        return self.ratio >= self.goal if self.at_least else self.ratio <= self.goal


@dataclass(slots=True)
class Outcome:
    """The figures of one benchmark, and what a reader has to know about them."""

    name: str
    figures: list[Figure]
    notes: list[str]


def spread(seconds: Sequence[float]) -> str:
    """A median with the range it comes from."""
    return f"{median(seconds):.3g} s (n={len(seconds)}, {min(seconds):.3g} to {max(seconds):.3g})"


def show(console: Console, outcome: Outcome) -> None:
    """A table of the figures, and the notes below it."""
    table = Table(title=outcome.name)
    for heading in ("what", "ours", "other side", "ratio", "goal", ""):
        table.add_column(heading, overflow="fold")
    for figure in outcome.figures:
        table.add_row(
            figure.title, figure.ours, figure.other, figure.shown, figure.wanted, _word(figure)
        )
    console.print(table)
    for note in outcome.notes:
        console.print(f"- {note}", highlight=False)


def append(outcome: Outcome) -> None:
    """Add a dated section to ``RESULTS.md``."""
    lines = [
        f"## {datetime.now(UTC):%Y-%m-%d %H:%M} UTC: {outcome.name}",
        "",
        machine(),
        "",
        "| what | ours | other side | ratio | goal | |",
        "|---|---|---|---|---|---|",
        *(
            f"| {f.title} | {f.ours} | {f.other} | {f.shown} | {f.wanted} | {_word(f)} |"
            for f in outcome.figures
        ),
        "",
        *(f"- {note}" for note in outcome.notes),
        "",
    ]
    before = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else _HEADING
    RESULTS.write_text(before + "\n" + "\n".join(lines), encoding="utf-8")


def machine() -> str:
    """What the figures were measured on, without names."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GiB, {_processor()}, Python "
        f"{platform.python_version()}, DuckDB {duckdb.__version__}; load of the last minute at the "
        f"end {load:.1f}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _word(figure: Figure) -> str:
    return {True: "met", False: "missed", None: ""}[figure.met]


_HEADING = """# Results of the benchmarks

Newest last; written by `./run bench`. What the figures mean stands in `docs/speed.md`.
"""
