"""When is each gate passed, and what breaks it first?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from meterstone.board.model import Card
from meterstone.catalogue import Catalogue
from meterstone.insight.findings import (
    Advice,
    Column,
    Curve,
    Figure,
    Finding,
    Found,
    Picture,
    Point,
    Table,
)
from meterstone.insight.outlook import LEAST_DAYS, Breaker, Outlook, judged
from meterstone.insight.study import Say, Source
from meterstone.insight.words import percent
from meterstone.measure.results import Scope

WITHIN = 180
_MARGINS = (30, 90)
_MOST_BREAKERS = 12
_NETWORK = Scope("network")
_METHOD = (
    "Days are a chain: how likely a met day follows a bad, a young and a settled run is taken from "
    "the judged days of the gate, newer ones counting more, with what so few days leave open; "
    "calibrated on simulated programmes."
)


class GateOutlook:
    """The study of gates."""

    name = "outlook"
    title = "Outlook of gates"
    version = "1"
    facts = ()

    def run(self, source: Source, say: Say) -> Found:
        """See `meterstone.insight.study.Study.run`."""
        card = source.board.card(_NETWORK, source.day, source.known_at)
        if card is None:
            return Found(())
        found = []
        for gate in card.document["gates"]:
            say(gate["title"])
            found.append((_order(gate), _finding(gate, card, source.board.catalogue)))
        return Found(tuple(finding for _, finding in sorted(found, key=lambda each: each[0])))


def _order(gate: Mapping[str, Any]) -> tuple[bool, bool, float, str]:
    """What is open and can be passed comes first, the longest run leading."""
    return gate["passed"], not gate["run"], -gate["run"] / gate["needed"], gate["id"]


def _finding(gate: Mapping[str, Any], card: Card, catalogue: Catalogue) -> Finding:
    rule = catalogue.gates.get(gate["id"])
    record = judged(gate["days"], missing_breaks=rule is None or rule.missing_day == "breaks")
    if len(record) < LEAST_DAYS:
        why = (
            f"{len(record)} days of it were judged; at least {LEAST_DAYS} have to be before "
            "anything is said"
        )
        return Finding(
            study="outlook", key=gate["id"], scope=_NETWORK, title=gate["title"],
            sentence=f"{gate['title']}: when it is passed is not told: {why}.",
            method=_METHOD, withheld=why,
        )  # fmt: skip
    outlook = Outlook(record, gate["needed"], gate["run"], WITHIN)
    if gate["passed"]:
        return _passed(gate, outlook)
    return _open(gate, outlook, card, catalogue)


def _passed(gate: Mapping[str, Any], outlook: Outlook) -> Finding:
    chances = {days: outlook.holds(days) for days in _MARGINS}
    said = " and ".join(f"{days} days with {percent(of)}" for days, of in chances.items())
    return Finding(
        study="outlook", key=gate["id"], scope=_NETWORK, title=gate["title"], method=_METHOD,
        sentence=f"{gate['title']}: passed; every day of the next {said}.",
        figures=tuple(
            Figure(f"holds_{days}", f"Met on each of the next {days} days", 100 * of, "%")
            for days, of in chances.items()
        ),
    )  # fmt: skip


def _open(gate: Mapping[str, Any], outlook: Outlook, card: Card, catalogue: Catalogue) -> Finding:
    left = gate["needed"] - gate["run"]
    aims = [min(left + margin, WITHIN) for margin in _MARGINS]
    breakers = outlook.breakers()
    half = outlook.on(0.5)
    figures = [
        Figure("run", "Days in a row", float(gate["run"]), "days"),
        *(
            Figure(
                f"by_{ahead}", f"Passed by {_on(card.day, ahead)}",
                100 * float(outlook.chances[ahead - 1]), "%",
            )
            for ahead in dict.fromkeys(aims)
        ),
        Figure(
            "even", "Passed as likely as not by",
            f"later than {_on(card.day, WITHIN)}" if half is None else _on(card.day, half),
        ),
    ]  # fmt: skip
    return Finding(
        study="outlook", key=gate["id"], scope=_NETWORK, title=gate["title"], method=_METHOD,
        sentence=_sentence(gate, outlook, card.day, aims[-1], breakers, catalogue),
        figures=tuple(figures), pictures=(_picture(outlook, card.day),),
        tables=(_table(breakers, outlook, catalogue),) if breakers else (),
        advice=_advice(breakers, outlook, card.day, catalogue),
    )  # fmt: skip


def _sentence(
    gate: Mapping[str, Any], outlook: Outlook, day: date, aim: int, breakers: list[Breaker],
    catalogue: Catalogue,
) -> str:  # fmt: skip
    run = f"{gate['run']} of {gate['needed']} days in a row"
    chance = percent(float(outlook.chances[aim - 1]))
    said = f"{gate['title']}: {run}; passed by {_on(day, aim)} with {chance}"
    always = [each for each in breakers if each.days == len(outlook.record)]
    if len(always) > 1:
        return f"{said}. {len(always)} targets were not met on any of {len(outlook.record)} days."
    if breakers:
        first = breakers[0]
        return (
            f"{said}. {_title(first.ref, catalogue)} holds it back most often."
            if (first.days == max(each.days for each in breakers))
            else f"{said}. Most is won by mending {_title(first.ref, catalogue)}."
        )
    return f"{said}. Nothing has broken it."


def _picture(outlook: Outlook, day: date) -> Picture:
    points = tuple(
        Point((day + timedelta(days=ahead)).isoformat(), round(100 * float(chance), 3))
        for ahead, chance in enumerate(outlook.chances, start=1)
    )
    return Picture(
        "The chance that it is passed by a day", "day", "%",
        (Curve("chance", "Passed by then", "expected", points),),
    )  # fmt: skip


def _table(breakers: list[Breaker], outlook: Outlook, catalogue: Catalogue) -> Table:
    return Table(
        "breakers",
        f"What holds it back, of {len(outlook.record)} judged days",
        (
            Column("metric", "Metric"), Column("ref", "Place in the framework"),
            Column("days", "Days not met", "days"),
            Column("breaks", "Breaks the run", "%"),
            Column("gain", "Passed more often without it", "%"),
        ),
        tuple(
            (
                _title(each.ref, catalogue), each.ref, float(each.days),
                round(100 * each.breaks, 2), round(100 * each.gain, 2),
            )
            for each in breakers[:_MOST_BREAKERS]
        ),
    )  # fmt: skip


def _advice(
    breakers: list[Breaker], outlook: Outlook, day: date, catalogue: Catalogue
) -> tuple[Advice, ...]:
    if not breakers:
        return ()
    first = breakers[0]
    metric, _ = catalogue.by_ref()[first.ref]
    worth = ""
    if first.gain >= 0.005:
        better = percent(float(outlook.chances[-1]) + first.gain)
        worth = (
            f"passed by {_on(day, WITHIN)} with {better} instead of "
            f"{percent(float(outlook.chances[-1]))}"
        )
    return (
        Advice(
            f"mend:{metric.id}",
            f"Mend {metric.raw.title}",
            f"It was not met on {first.days} of {len(outlook.record)} days.",
            worth,
            f"/catalogue/{metric.id}",
        ),
    )


def _title(ref: str, catalogue: Catalogue) -> str:
    return str(catalogue.by_ref()[ref][0].raw.title)


def _on(day: date, ahead: int) -> str:
    return f"{day + timedelta(days=ahead):%-d %B %Y}"
