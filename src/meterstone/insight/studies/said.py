"""How forecasts are told: the sentence, the figures, what came of earlier ones."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from meterstone.insight.findings import (
    Check,
    Column,
    Curve,
    Figure,
    Finding,
    Picture,
    Point,
    Table,
)
from meterstone.insight.series import Series
from meterstone.insight.studies.issued import Issue
from meterstone.insight.studies.quantities import months_after
from meterstone.insight.studies.reading import NETWORK, newest_points
from meterstone.insight.totals import Record, Replay, Total, scored

SHOWN = 12
"""So many earlier forecasts stand beside what happened."""

_HELD = 0.85
"""The share of outcomes that intervals have held at least (metrics.yaml)."""

_SEEN = 120
_FEW = 4

METHOD = (
    "The mean of those candidates (ARIMA, ETS, CES, theta, with a season STL with ETS or ARIMA) "
    "that beat naive and seasonal naive at rolling origins; the interval is Student's, of the "
    "errors of the same number at these origins. Once issued, a forecast stays as it is, and what "
    "came is added. Where fewer than twelve outcomes are known, the record is filled up with what "
    "would have been said at origins of the past: replayed, learnt before the first of them."
)


def amount(value: float, unit: str) -> str:
    """A number with its unit, as people read it."""
    if unit == "USD":
        return f"−${-value:,.0f}" if value < 0 else f"${value:,.0f}"
    digits = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{digits} %" if unit == "%" else f"{digits} {unit}"


def bare(value: float, unit: str) -> str:
    """The same without a unit of words, for bounds."""
    return amount(value, unit if unit in ("USD", "%") else "").strip()


@dataclass(frozen=True, slots=True)
class Told:
    """One number that is forecast, and all that is known of such forecasts.

    Attributes:
        when: the time that it is of, in words.
        issued: those on record, oldest first; ours and others'.
        found: as seen today.
        months: of one step of the history; 0: its steps are days.
    """

    key: str
    title: str
    unit: str
    when: str
    history: Series
    found: Total
    issued: Sequence[Issue] = ()
    months: int = 0
    line: float | None = None
    more: tuple[Figure, ...] = ()

    @property
    def ours(self) -> list[Issue]:
        """Those that were issued here."""
        return [issue for issue in self.issued if issue.ours]

    def finding(self) -> Finding:
        """The finding; withheld where the past does not bear it out."""
        found, replays = self.found, self._beside
        record = scored([replay for _, replay in replays], found.usual)
        checks = tuple(self._checks(record))
        withheld = found.withheld
        if withheld is None and record and record.count >= _FEW and record.coverage < _HELD:
            withheld = f"the interval held {record.coverage:.0%} of {record.count} outcomes only"
        return Finding(
            study="forecasts", key=self.key, scope=NETWORK, title=self.title,
            sentence=self._sentence(record, withheld), withheld=withheld, method=METHOD,
            figures=tuple(self._figures(record, withheld)),
            pictures=tuple(self._pictures(replays, withheld)),
            tables=tuple(self._tables(replays)), checks=checks,
        )  # fmt: skip

    @property
    def _beside(self) -> list[tuple[str, Replay]]:
        """The last twelve whose outcome is known, newest first: issued ones, then replayed ones of
        the time before them that do not overlap."""
        issued = [("issued", each.replay) for each in reversed(self.ours)]
        known = [(how, replay) for how, replay in issued if replay is not None][:SHOWN]
        apart = max(1, len(self.found.replays) // SHOWN)
        replayed = [
            ("replayed", replace(each, ends=self._last_day(each.ends)))
            for each in self.found.replays[::-1][::apart]
        ]
        oldest = min((replay.ends for _, replay in known), default="~")
        return (known + [each for each in replayed if each[1].ends < oldest])[:SHOWN]

    def _last_day(self, stamp: str) -> str:
        """The last day of the step that begins on a day."""
        if not self.months:
            return stamp
        following = months_after(date.fromisoformat(stamp), self.months)
        return (following - timedelta(days=1)).isoformat()

    def _sentence(self, record: Record | None, withheld: str | None) -> str:
        found = self.found
        if found.point is None or found.low is None or found.high is None:
            return f"{self.title}: nothing is forecast: {withheld}."
        what = f"{self.title}, {self.when}"
        if withheld:
            return f"{what}: no forecast is claimed: {withheld}."
        bounds = f"{bare(found.low, self.unit)} to {bare(found.high, self.unit)}"
        told = f"{what}: {amount(found.point, self.unit)} (95 %: {bounds})."
        if record is None:
            return told
        share = "as large as" if record.ratio >= 1 else f"{1 - record.ratio:.0%} smaller than"
        return (
            f"{told} Over {record.count} such times of the past the error was {share} naive's, and "
            f"the interval held {record.coverage:.0%}."
        )

    def _figures(self, record: Record | None, withheld: str | None) -> Iterator[Figure]:
        found = self.found
        if withheld is None:
            yield Figure("expected", "Expected", found.point, self.unit, found.low, found.high)
        yield from self.more
        if self.ours:
            row, newest = self.ours[-1].row, self.ours[-1]
            title = f"As issued on {newest.issued:%Y-%m-%d}, of {newest.start} on"
            yield Figure("issued", title, row["point"], self.unit, row["lower95"], row["upper95"])
        if found.naive is not None:
            yield Figure("naive", "As naive says", found.naive, self.unit)
        if record is not None:
            if math.isfinite(record.ratio):
                yield Figure("ratio", "Error over naive's", record.ratio)
            if record.mase is not None:
                yield Figure("mase", "Error over the usual change (MASE)", record.mase)
            yield Figure("coverage", "Outcomes within the interval", 100 * record.coverage, "%")
            yield Figure("pinball", "Quantile loss (pinball)", record.pinball, self.unit)
            yield Figure("record", "Times that the record is of", float(record.count))
            replayed = sum(how == "replayed" for how, _ in self._beside)
            yield Figure("replayed", "Of these replayed; such overlap", float(replayed))

    def _pictures(
        self, replays: Sequence[tuple[str, Replay]], withheld: str | None
    ) -> Iterator[Picture]:
        series = self.history
        seen = newest_points(series, _SEEN)
        curves = [Curve("history", "What it was", "observed", seen)]
        if withheld is None and self.found.path:
            ahead = series.after(len(self.found.path))
            path = tuple(Point(ds, *y) for ds, y in zip(ahead, self.found.path, strict=True))
            curves.append(Curve("path", "What is expected", "expected", path))
        yield Picture(
            "What it was, and what is expected", "day", self.unit, tuple(curves), self.line
        )
        if replays:
            old = [replay for _, replay in reversed(replays)]
            came = tuple(Point(each.ends, each.came) for each in old)
            said = [Point(each.ends, each.point, each.low, each.high) for each in old]
            if withheld is None and self.found.point is not None:
                found = self.found
                said.append(Point(self._last_day(found.ends), found.point, found.low, found.high))
            yield Picture(
                "What was said, and what happened", "last day", self.unit,
                (Curve("said", "What was said", "expected", tuple(said)),
                 Curve("came", "What happened", "observed", came)),
            )  # fmt: skip

    def _tables(self, replays: Sequence[tuple[str, Replay]]) -> Iterator[Table]:
        unit = self.unit
        columns = (
            Column("ends", "Last day"), Column("said", "Said", unit), Column("low", "From", unit),
            Column("high", "To", unit), Column("came", "Happened", unit),
            Column("naive", "Naive said", unit), Column("within", "Within"), Column("how", "How"),
        )  # fmt: skip
        rows = tuple(
            (each.ends, each.point, each.low, each.high, each.came, each.naive,
             each.low <= each.came <= each.high, how)
            for how, each in replays
        )  # fmt: skip
        if rows:
            yield Table("last", f"The last {len(rows)}, beside what happened", columns, rows)
        others = [issue for issue in self.issued if not issue.ours]
        if others:
            yield self._others(others)

    def _others(self, issues: Sequence[Issue]) -> Table:
        """The record of everybody else who forecasts it."""
        columns = (
            Column("model", "Model"), Column("issued", "Issued"), Column("known", "Outcome known"),
            Column("ratio", "Error over naive's"), Column("coverage", "Within the interval", "%"),
            Column("newest", "Newest", self.unit),
        )  # fmt: skip
        rows = []
        for model in sorted({issue.row["model"] for issue in issues}):
            its = [issue for issue in issues if issue.row["model"] == model]
            replays = [replay for issue in its if (replay := issue.replay)]
            record = scored(replays)
            error = record.ratio if record and math.isfinite(record.ratio) else None
            held = 100 * record.coverage if record else None
            rows.append((model, len(its), len(replays), error, held, its[-1].row["point"]))
        return Table("others", "Forecasts of others on record", columns, tuple(rows))

    def _checks(self, record: Record | None) -> Iterator[Check]:
        found = self.found
        ready = found.point is not None
        much = f"{len(self.history.values) - self.history.gaps} observations"
        yield Check("There is enough to learn from", ready, much if ready else str(found.withheld))
        if not ready:
            return
        better = found.withheld is None
        yield Check(
            "It beats naive and seasonal naive", better,
            f"at rolling origins, by {found.model}" if better else str(found.withheld),
        )  # fmt: skip
        if record is not None:
            enough = record.count >= _FEW
            yield Check(
                "Its intervals hold", enough and record.coverage >= _HELD,
                f"{record.coverage:.0%} of {record.count} outcomes were inside; it takes "
                f"{_HELD:.0%} of {_FEW} or more",
            )  # fmt: skip
        for note in found.notes:
            yield Check("What was found in its past", True, note)
