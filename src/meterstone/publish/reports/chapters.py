"""The chapters of reports: each a question that somebody asks, answered from the documents."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from meterstone.board.model import Card
from meterstone.detect.state import BudgetNow, IntegrationNow, Now
from meterstone.publish.reports import insight
from meterstone.publish.reports.model import (
    KindOf,
    Line,
    Lines,
    Mark,
    Point,
    Points,
    Promises,
    Ribbon,
    Section,
    Table,
)
from meterstone.publish.reports.view import View, listed, period_start, titles
from meterstone.scorecard.values import (
    NOTHING,
    VERDICTS,
    VerdictLook,
    count_text,
    format_day,
    format_duration,
    format_moment,
    format_value,
    target_value,
)

SUCCESS = "success_declaration"
_UPTIME = "integration_uptime"
_MOST_POINTS = 8
_GATE_TONES: Mapping[str, Any] = {"met": "met", "broken": "miss", "excused": "excused"}


def is_last_day(kind: KindOf, day: date) -> bool:
    """Whether the period ends with this day."""
    return kind.every == "day" or period_start(kind, day) != period_start(
        kind, day + timedelta(days=1)
    )


def promises(lines: list[Line]) -> Section:
    """The four promises of the programme."""
    met = sum(line.number.verdict == "met" for line in lines)
    return Section(
        "promises",
        "What was promised",
        f"{met} of {count_text(len(lines), 'promises')} kept so far." if lines else "",
        (Promises(tuple(lines)),) if lines else (),
    )


def declaration(view: View) -> Section:
    """The run of days that success is declared after."""
    gates = {gate["id"]: gate for gate in view.document["gates"]}
    gate = gates.get(SUCCESS) or next(iter(gates.values()), None)
    if gate is None:
        return Section("declaration", "", "", ())
    lead = (
        f"Declared: {gate['needed']} days in a row."
        if gate["passed"]
        else f"{gate['run']} of {gate['needed']} days in a row."
    )
    return Section(
        "declaration", _before_colon(gate["title"]), lead,
        (Ribbon(gate["title"], gate_marks(gate), _gate_says(view, gate)),),
    )  # fmt: skip


def gate_marks(gate: Mapping[str, Any]) -> tuple[Mark, ...]:
    """The days of a gate."""
    return tuple(
        Mark(day["day"], _GATE_TONES.get(day["verdict"], "none"), day["verdict"])
        for day in gate["days"]
    )


def _gate_says(view: View, gate: Mapping[str, Any]) -> str:
    said = []
    if gate["since"] and gate["run"]:
        said.append(f"The run began on {format_day(gate['since'], near=view.card.day)}.")
    if gate["broken_on"]:
        known = view.board.catalogue.by_ref()
        names = [known[ref][0].raw.title if ref in known else ref for ref in gate["broken_by"]]
        unique = list(dict.fromkeys(names))
        more = f" and {len(unique) - 2} more" if len(unique) > 2 else ""
        by = listed(unique[:2]) if not more else ", ".join(unique[:2])
        day = format_day(gate["broken_on"], near=view.card.day)
        said.append(f"It was last broken on {day}, by {by}{more}." if by else f"Broken on {day}.")
    if gate["chance_all"] is not None and not gate["passed"]:
        said.append(
            f"At today's level a run of {gate['needed']} days passes with a chance of "
            f"{chance_text(gate['chance_all'])}."
        )
    if gate["reconstructed"]:
        said.append("Days before the records began were computed afterwards.")
    return " ".join(said) or gate["reason"]


def chance_text(share: float) -> str:
    """A chance (0 to 1) in percent."""
    return "less than 0.01 %" if 0 < share < 1e-4 else format_value(100 * share, "%")


def _before_colon(title: str) -> str:
    return "The declaration" if title.startswith("Success") else title


def phases(view: View) -> Section:
    """Every gate but the declaration."""
    rows = tuple(
        (
            gate["title"],
            "● Passed" if gate["passed"] else count_text(gate["run"], "days"),
            count_text(gate["needed"], "days"),
            NOTHING if gate["chance_all"] is None else chance_text(gate["chance_all"]),
            held_by(view, gate),
        )
        for gate in view.document["gates"]
        if gate["id"] != SUCCESS
    )
    passed = sum(1 for row in rows if row[1].endswith("Passed"))
    return Section(
        "phases", "Phases and levels", f"{passed} of {len(rows)} passed.",
        (Table(("Gate", "Run", "Needed", "Chance to pass", "Held back by"), rows),) if rows else (),
    )  # fmt: skip


def held_by(view: View, gate: Mapping[str, Any]) -> str:
    """What holds a gate back on its newest day."""
    if gate["passed"] or not gate["days"]:
        return NOTHING
    known = view.board.catalogue.by_ref()
    held = gate["days"][-1]["held_back_by"]
    names = list(dict.fromkeys(known[r][0].raw.title if r in known else r for r in held))
    if not names:
        return NOTHING
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def decisions(view: View) -> Section:
    """What somebody has to decide or to do, the most telling first."""
    needs = [line for line in view.having("insufficient_data") if "needs" in line.number.reason]
    points = [
        *insight.steps(view),
        *(
            Point(
                f"Renew the evidence of {_lower(line.number.title)}",
                "It has expired, and counts no more.", VERDICTS["expired"], line.number.link,
            )
            for line in view.having("expired")
        ),
        *(
            Point(
                f"{line.number.title}: {line.number.value}", _gap(line), line.number.look,
                line.number.link,
            )
            for line in _nearest(view.having("not_met"))
        ),
        *(
            Point(
                f"Let {_lower(line.number.title)} be judged", _needs(line), line.number.look,
                line.number.link,
            )
            for line in needs[:3]
        ),
    ]  # fmt: skip
    missing = view.having("no_data")
    if missing:
        points.append(
            Point(
                f"Connect or attest what {count_text(len(missing), 'metrics')} lack",
                f"Without data: {titles(missing)}.", VERDICTS["no_data"],
                "/catalogue?verdict=no_data",
            )
        )  # fmt: skip
    return Section(
        "decisions", "Needs a decision",
        "What would move the verdicts, the most telling first." if points else "",
        (Points(tuple(points[:_MOST_POINTS])),) if points else (),
    )  # fmt: skip


def _nearest(lines: list[Line], most: int = 4) -> list[Line]:
    """Missed targets, the nearest first: what one more step would meet."""

    def distance(line: Line) -> float:
        value, target = line.metric["value"], line.metric["target"]["value"]
        if not _is_number(value) or not _is_number(target):
            return float("inf")
        return float(abs(value - target) / (abs(target) or 1.0))

    return sorted(lines, key=distance)[:most]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _gap(line: Line) -> str:
    value, target = line.metric["value"], line.metric["target"]
    if _is_number(value) and _is_number(target["value"]):
        gap = format_value(abs(value - target["value"]), _plain(line.metric["unit"]))
        return f"{gap.removeprefix('+')} from the target of {target_value(target)}."
    return f"The target is {line.number.target}."


def _plain(unit: str) -> str:
    """The unit of a difference: a change in percent differs by percentage points."""
    return "percentage points" if unit.startswith("%") else unit


def _needs(line: Line) -> str:
    return re.sub(r"^Not judged: ", "It ", line.number.reason)


def _lower(title: str) -> str:
    """A title within a sentence; what is written in capitals stays."""
    first = title.partition(" ")[0]
    return title if first.isupper() else title[:1].lower() + title[1:]


def wrong(view: View) -> Section:
    """What is wrong now, and what was missed on the day."""
    blocks: list[Any] = []
    incidents = view.now.incidents if view.now else ()
    if incidents and view.now:
        blocks.append(Points(tuple(_incident(view, view.now, i) for i in incidents), "Open now"))
    missed = view.having("not_met")
    if missed:
        blocks.append(Lines(tuple(missed), "Missed on this day"))
    lead = (
        f"{count_text(len(incidents), 'incidents')} open, "
        f"{count_text(len(missed), 'daily targets')} missed."
        if view.now
        else f"{count_text(len(missed), 'daily targets')} missed."
    )
    if not blocks:
        lead = "Nothing is wrong."
        blocks.append(
            Points((Point("Every target that can be judged daily is met.", "", VERDICTS["met"]),))
        )
    return Section("wrong", "What is wrong", lead, tuple(blocks))


def _incident(view: View, now: Now, incident: Any) -> Point:
    since = format_moment(incident.started_at, view.board.zone.key, near=view.card.day)
    parts = [
        f"Since {since}, for {format_duration((now.at - incident.started_at).total_seconds())}.",
        incident.says, f"Next: {incident.next}" if incident.next else "",
        f"{incident.acknowledged_by} is on it." if incident.acknowledged_by else "",
    ]  # fmt: skip
    return Point(
        incident.title, " ".join(part for part in parts if part),
        VerdictLook("▲", _SEVERITIES[incident.severity], "miss"),
    )  # fmt: skip


_SEVERITIES: Mapping[str, str] = {
    "sev1": "Severity 1", "sev2": "Severity 2", "sev3": "Severity 3", "sev4": "Severity 4",
}  # fmt: skip


def integrations(view: View) -> Section:
    """Each integration: how it is now, and its targets."""
    now = {each.integration: each for each in view.now.integrations} if view.now else {}
    rows = []
    for named in view.board.scopes("integration"):
        card = view.board.card(named.scope, view.card.day, None)
        rows.append(_integration(view, named.name, now.get(named.scope.key), card))
    head = ("Integration", "State", "Uptime", "Targets", "Says")
    return Section(
        "integrations", "Integrations",
        f"{count_text(len(rows), 'integrations')}"
        + (f", as of {format_moment(view.now.at, view.board.zone.key)}." if view.now else "."),
        (Table(head, tuple(rows), figures=frozenset({2})),) if rows else (),
    )  # fmt: skip


def _integration(
    view: View, name: str, now: IntegrationNow | None, card: Card | None
) -> tuple[str, ...]:
    summary = card.document["summary"]["sentence"].partition(": ")[2] if card else NOTHING
    uptime = NOTHING
    for metric in card.document["metrics"] if card else ():
        if metric["id"] == _UPTIME:
            beside = (metric["target"]["value"],)
            uptime = format_value(metric["value"], metric["unit"], beside=beside)
    if now is None:
        return name, NOTHING, uptime, summary, NOTHING
    since = (
        f" since {format_moment(now.since, view.board.zone.key, near=view.card.day)}"
        if now.since and now.health != "healthy"
        else ""
    )
    return name, f"{_HEALTH[now.health]}{since}", uptime, summary, now.says or NOTHING


_HEALTH: Mapping[str, str] = {
    "healthy": "● healthy", "late": "◐ late", "failing": "▲ failing", "down": "▲ down",
    "broken": "▲ needs a person", "quiet": "— quiet", "paused": "— paused",
}  # fmt: skip


def budgets(view: View) -> Section:
    """Error budgets that are being spent."""
    found = view.now.budgets if view.now else ()
    rows = tuple(_budget(budget) for budget in found)
    spent = sum(1 for budget in found if budget.left is not None and budget.left <= 0)
    return Section(
        "budgets", "Error budgets",
        f"{spent} of {len(rows)} used up." if rows else "",
        (
            Table(("Objective", "At least", "Left", "Burn", "Used up in"), rows,
                  figures=frozenset({1, 2, 3, 4})),
        ) if rows else (),
    )  # fmt: skip


def _budget(budget: BudgetNow) -> tuple[str, ...]:
    return (
        budget.title,
        format_value(100 * budget.objective, "%"),
        NOTHING if budget.left is None else format_value(100 * budget.left, "%"),
        NOTHING if budget.burn is None else format_value(budget.burn, "x"),
        NOTHING if budget.exhausted_in_s is None else format_duration(budget.exhausted_in_s),
    )


def moved(view: View) -> Section:
    """Verdicts that changed since the period before."""
    if view.before is None:
        return Section("moved", "", "", ())
    changed = view.moved()
    rows = tuple((new.title, old.value, old.look, new.value, new.look) for old, new in changed)
    then = format_day(view.before.day, near=view.card.day)
    won = sum(new.verdict == "met" for _, new in changed)
    lost = sum(old.verdict == "met" for old, _ in changed)
    lead = (
        f"Since {then}: {won} newly met, {lost} no longer met."
        if rows
        else f"No verdict changed since {then}."
    )
    head = ("Metric", f"On {then}", "", f"On {format_day(view.card.day, near=view.card.day)}", "")
    return Section(
        "moved", "What moved", lead,
        (Table(head, rows, figures=frozenset({1, 3})),) if rows
        else (Points((Point("Every verdict is as it was."),)),),
    )  # fmt: skip


def franchises(view: View) -> Section:
    """Each franchise in one row, as of its own scorecard."""
    rows = []
    for named in view.board.scopes("franchise"):
        card = view.board.card(named.scope, view.card.day, None)
        if card is None:
            continue
        counts = card.document["summary"]["counts"]
        judged = counts["met"] + counts["not_met"]
        rows.append(
            (
                named.name, str(counts["met"]), str(counts["not_met"]),
                str(card.document["summary"]["places"] - judged),
            )
        )  # fmt: skip
    return Section(
        "franchises", "Franchises",
        f"{count_text(len(rows), 'franchises')}, each by its own scorecard." if rows else "",
        (
            Table(("Franchise", "Met", "Not met", "Not judged"), tuple(rows),
                  figures=frozenset({1, 2, 3})),
        ) if rows else (),
    )  # fmt: skip


def systems(view: View, title: str) -> Section:
    """All lines of the report, by system."""
    blocks = tuple(Lines(tuple(lines), name) for name, lines in view.systems())
    counted = count_text(sum(len(block.lines) for block in blocks), "metrics")
    return Section("targets", title, f"{counted}, by system of the framework.", blocks)


def standing(view: View) -> Section:
    """How each system stands, and what is missed: the nearest first."""
    rows = tuple(
        (name, *(str(_count(lines, verdicts)) for verdicts in _JUDGED), str(len(lines)))
        for name, lines in view.systems()
    )
    missed = tuple(_nearest(view.having("not_met"), 15))
    head = ("System", "Met", "Not met", "Not yet provable", "No data", "All")
    table = Table(head, rows, figures=frozenset(range(1, 6)))
    listed_ = (Lines(missed, "Missed, the nearest to its target first"),) if missed else ()
    return Section(
        "targets", "Where the targets stand",
        "By system of the framework; the spreadsheet of this report has every number.",
        (table, *listed_),
    )  # fmt: skip


_JUDGED: tuple[tuple[str, ...], ...] = (
    ("met",), ("not_met",), ("inconclusive", "insufficient_data"), ("no_data", "expired"),
)  # fmt: skip


def _count(lines: list[Line], verdicts: tuple[str, ...]) -> int:
    return sum(line.number.verdict in verdicts for line in lines)


def each_system(view: View) -> list[Section]:
    """A chapter for each system, with definitions."""
    return [
        Section(f"system-{index}", name, _standing(lines), (Lines(tuple(lines), detail=True),))
        for index, (name, lines) in enumerate(view.systems(), 1)
    ]


def _standing(lines: list[Line]) -> str:
    met, missed = _count(lines, ("met",)), _count(lines, ("not_met",))
    return f"{met} of {count_text(len(lines), 'metrics')} met, {missed} not met."


def restated(view: View) -> Section:
    """Numbers of this day that were corrected, and approved maintenance."""
    points = [Point(change["sentence"], "") for change in view.document["changes"]]
    for window in view.document["maintenance"]:
        start, end = (format_moment(window[edge], view.board.zone.key) for edge in ("from", "to"))
        points.append(
            Point(
                f"Maintenance: {window['reason']}",
                f"{start} to {end}, approved by {window['person']}.",
            )
        )
    return Section(
        "restated", "Corrections and maintenance",
        "What changed since this was first reported, and what was agreed." if points else "",
        (Points(tuple(points)),) if points else (),
    )  # fmt: skip
