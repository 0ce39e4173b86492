"""Gates: a rule over verdicts and time, such as "all of the group met, 30 days in a row".

Each day of a gate is met, broken, excused by an approved maintenance window, or missing. The
catalogue declares what a missing day, late facts, a restatement and maintenance do to the run.

A maintenance window is an attestation with claim key
``maintenance_window:<scope>:<start>/<end>`` (ISO 8601), attested before the window starts; its
statement is the reason and its ``entered_by`` the person.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any, Literal
from zoneinfo import ZoneInfo

from meterstone.catalogue import Catalogue
from meterstone.catalogue.describe import target_text
from meterstone.catalogue.model import RawHoldGate
from meterstone.measure.compile import literal
from meterstone.measure.days import day_end, last_closed_day
from meterstone.measure.history import DayResult, History
from meterstone.measure.results import DayVerdict, GateResult, HeldBack

NEUTRAL = ("met", "not_applicable", "reference")
"""Verdicts that do not break a run; of them only ``met`` speaks for it."""

UNJUDGED = ("no_data", "insufficient_data", "not_applicable", "reference")
"""Verdicts that say nothing about a target: a day with only these has no result."""

_CLAIM = re.compile(
    r"maintenance_window:(?P<scope>.+?):(?P<start>\d{4}-[^/]+)/(?P<end>\d{4}-[^/]+)"
)

LEAST_DAYS = 90
"""Days of record that a gate shows, however short its rule."""


@dataclass(frozen=True, slots=True)
class MaintenanceWindow:
    """An approved window: which scope, from when to when (UTC), why, and who approved it."""

    scope: str
    start: datetime
    end: datetime
    reason: str
    person: str

    def touches(self, start: datetime, end: datetime) -> bool:
        """Whether it overlaps [start, end)."""
        return self.start < end and self.end > start

    def as_dict(self) -> dict[str, str]:
        """JSON-ready fields."""
        return {
            "scope": self.scope,
            "from": self.start.isoformat().replace("+00:00", "Z"),
            "to": self.end.isoformat().replace("+00:00", "Z"),
            "reason": self.reason,
            "person": self.person,
        }


def maintenance_windows(
    asked: Callable[[str], list[dict[str, Any]]], at: datetime
) -> list[MaintenanceWindow]:
    """Windows approved before they started.

    Args:
        asked: gives the rows of a query in which ``{attestation}`` stands for that fact.
        at: only what was attested before.
    """
    rows = asked(
        "SELECT claim_key, attested_at, statement, entered_by FROM {attestation} "
        f"WHERE claim_key LIKE 'maintenance_window:%' AND attested_at < {literal(at)} "
        "ORDER BY claim_key"
    )
    windows = []
    for row in rows:
        bounds = _bounds(row["claim_key"])
        if bounds and row["attested_at"].replace(tzinfo=UTC) <= bounds[1]:
            windows.append(MaintenanceWindow(*bounds, row["statement"], row["entered_by"] or ""))
    return windows


def _bounds(claim: str) -> tuple[str, datetime, datetime] | None:
    """Scope, start and end of a claim; None for one that is no window: it was entered by hand."""
    found = _CLAIM.fullmatch(claim)
    try:
        return found and (found["scope"], _moment(found["start"]), _moment(found["end"]))
    except ValueError:
        return None


def evaluate_gate(
    gate: RawHoldGate,
    catalogue: Catalogue,
    history: History,
    at: datetime,
    windows: Sequence[MaintenanceWindow],
) -> GateResult:
    """The run of a gate at a moment, what broke it last, and how likely it is to pass."""
    zone = ZoneInfo(catalogue.time_zone)
    refs = group_refs(catalogue, gate)
    newest = last_closed_day(at, zone)
    span = max(gate.hold.periods, LEAST_DAYS)
    days = [newest - timedelta(days=back) for back in reversed(range(span))]
    results = history.days(refs, days, rules=True)
    marks = [_mark(gate, day, results[day], windows, zone) for day in days]
    run, since = _run(gate, marks)
    broken = next((m for m in reversed(marks) if _breaks(gate, m)), None)
    held_back = _held_back(catalogue, marks, results)
    used = [w for w in windows for m in marks if m.verdict == "excused" and _on(w, m.day, zone)]
    return GateResult(
        id=gate.id,
        title=gate.title,
        needed=gate.hold.periods,
        run=run,
        passed=run >= gate.hold.periods,
        since=since,
        broken_on=broken.day if broken else None,
        broken_by=broken.held_back_by if broken else (),
        chance=_chances(gate, refs, results, days, run),
        chance_all=_chance([m.verdict for m in marks], max(gate.hold.periods - run, 0)),
        reconstructed=any(m.kind == "reconstructed" and m.verdict != "missing" for m in marks),
        restated=tuple(d for d in days if any(r.restated for r in results[d].values())),
        maintenance=tuple(w.as_dict() for w in dict.fromkeys(used)),
        days=tuple(marks),
        reason=_reason(gate, run, broken, marks, held_back),
        held_back=held_back,
    )


def group_refs(catalogue: Catalogue, gate: RawHoldGate) -> list[str]:
    """The refs of a gate's group that carry a verdict, in the order of the catalogue."""
    judged = catalogue.by_ref()
    groups = [gate.group] if isinstance(gate.group, str) else gate.group
    return [
        ref
        for group in groups
        for ref in catalogue.group(group)
        if judged[ref][0].raw.verdict_on != "reference"
        and not any(ref == out or ref.startswith(out + ".") for out in gate.excluding)
    ]


def _mark(
    gate: RawHoldGate,
    day: date,
    results: Mapping[str, DayResult],
    windows: Sequence[MaintenanceWindow],
    zone: ZoneInfo,
) -> DayVerdict:
    verdicts = {ref: _verdict(gate, result) for ref, result in results.items()}
    holding = tuple(ref for ref, verdict in verdicts.items() if verdict not in NEUTRAL)
    published = bool(results) and all(r.kind == "published" for r in results.values())
    kind: Literal["published", "reconstructed"] = "published" if published else "reconstructed"
    if all(verdict in UNJUDGED for verdict in verdicts.values()):
        return DayVerdict(day, "missing", kind, holding)
    if not holding:
        return DayVerdict(day, "met", kind)
    if gate.maintenance == "excuses_the_day" and any(_on(w, day, zone) for w in windows):
        return DayVerdict(day, "excused", kind, holding)
    return DayVerdict(day, "broken", kind, holding)


def _verdict(gate: RawHoldGate, result: DayResult) -> str:
    """The verdict that counts: the newest, or the first published where the gate says so."""
    stands = "published_stands" in (gate.late_facts, gate.restatement)
    return result.first_verdict if stands and result.first_verdict else result.verdict


def _on(window: MaintenanceWindow, day: date, zone: ZoneInfo) -> bool:
    end = day_end(day, zone)
    return window.touches(day_end(day - timedelta(days=1), zone), end)


def _breaks(gate: RawHoldGate, mark: DayVerdict) -> bool:
    """A day on which nothing was to be judged (all not applicable) holds no ref back."""
    missing = mark.verdict == "missing" and bool(mark.held_back_by)
    return mark.verdict == "broken" or (missing and gate.missing_day == "breaks")


def _run(gate: RawHoldGate, marks: Sequence[DayVerdict]) -> tuple[int, date | None]:
    """Met days in a row up to the newest day, and the first of them. Excused and skipped days
    neither count nor break."""
    run, since = 0, None
    for mark in reversed(marks):
        if _breaks(gate, mark):
            break
        if mark.verdict == "met":
            run, since = run + 1, mark.day
    return run, since


def _chances(
    gate: RawHoldGate,
    refs: Iterable[str],
    results: Mapping[date, Mapping[str, DayResult]],
    days: Sequence[date],
    run: int,
) -> dict[str, float]:
    """Per ref: the chance to stay met on the days that are still needed. A day without a verdict
    says nothing of the level."""
    chances = {}
    for ref in refs:
        verdicts = [
            "met" if verdict == "met" else "broken"
            for verdict in (
                _verdict(gate, results[day][ref]) for day in days if ref in results[day]
            )
            if verdict not in UNJUDGED
        ]
        chance = _chance(verdicts, max(gate.hold.periods - run, 0))
        if chance is not None:
            chances[ref] = chance
    return chances


def _chance(verdicts: Sequence[str], needed: int) -> float | None:
    """Chance that the next ``needed`` days are all met, at today's level.

    Days are a chain of two states: the chance that a met day follows a met day is estimated from
    the record with the Jeffreys prior, (stayed + ½) / (met days + 1), since good and bad days
    come in spells; from a broken day the first step is the chance that a met day follows it.
    """
    known = [v for v in verdicts if v in ("met", "broken")]
    if not known:
        return None
    pairs = list(pairwise(known))

    def step(before: str) -> float:
        following = [after for first, after in pairs if first == before]
        return (following.count("met") + 0.5) / (len(following) + 1)

    if needed == 0:
        return 1.0
    return step(known[-1]) * step("met") ** (needed - 1)


def _held_back(
    catalogue: Catalogue,
    marks: Sequence[DayVerdict],
    results: Mapping[date, Mapping[str, DayResult]],
) -> tuple[HeldBack, ...]:
    """What holds a gate back on the newest day, the longest spell first."""
    newest = marks[-1]
    if newest.verdict in ("met", "missing"):
        return ()
    found = []
    for ref in newest.held_back_by:
        metric, place = catalogue.by_ref()[ref]
        since = newest.day
        for mark in reversed(marks):
            if ref not in mark.held_back_by or mark.verdict == "missing":
                break
            since = mark.day
        result = results[newest.day][ref]
        found.append(
            HeldBack(
                ref=ref,
                verdict=result.verdict,
                since=None if since == marks[0].day else since,
                value=result.value,
                unit=metric.raw.unit,
                target=target_text(place.target),
            )
        )
    return tuple(sorted(found, key=lambda held: held.since or date.min))


def _reason(
    gate: RawHoldGate,
    run: int,
    broken: DayVerdict | None,
    marks: Sequence[DayVerdict],
    held_back: Sequence[HeldBack],
) -> str:
    if all(mark.verdict == "missing" for mark in marks):
        return "There are no results yet."
    days = f"{run} of {gate.hold.periods} days in a row"
    if run >= gate.hold.periods:
        return f"Passed: {days}."
    if broken is None:
        return f"{days.capitalize()}; nothing has broken the run."
    names = ", ".join(ref.rsplit(".", 1)[-1] for ref in broken.held_back_by[:3])
    more = len(broken.held_back_by) - 3
    tail = f" and {more} more" if more > 0 else ""
    what = "there was no result" if broken.verdict == "missing" else f"held back by {names}{tail}"
    now = ""
    if held_back:
        shown = "; ".join(map(str, held_back[:3]))
        now = f"; held back now by {shown}" + (
            f"; and {len(held_back) - 3} more" if held_back[3:] else ""
        )
    return f"{days.capitalize()}{now}; last broken on {broken.day:%-d %B %Y}: {what}."


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
