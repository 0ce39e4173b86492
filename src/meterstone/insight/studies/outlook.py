"""When is each gate passed, and what breaks it first?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
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
from meterstone.insight.studies.reading import NETWORK
from meterstone.insight.study import Say, Source
from meterstone.insight.words import percent
from meterstone.scorecard.values import count_text

WITHIN = 180
_MARGINS = (30, 90)
_MOST_BREAKERS = 12
_WORTH_IT = 0.005
"""Gain in the chance of passing below which mending is not advised."""
_METHOD = (
    "Days are a chain: how likely a met day follows a bad, a young and a settled run is taken from "
    "the judged days of the gate, which may have got better, with what so few days leave open; "
    "the more targets, the less a short record without a break says. Held against simulated "
    "programmes."
)


class GateOutlook:
    """The study of gates."""

    name = "outlook"
    title = "Outlook of gates"
    version = "3"
    facts = ()

    def run(self, source: Source, say: Say) -> Found:
        """See `meterstone.insight.study.Study.run`."""
        card = source.board.card(NETWORK, source.day, source.known_at)
        if card is None:
            return Found(())
        found = []
        for gate in sorted(card.document["gates"], key=_order):
            say(gate["title"])
            found.append(_finding(gate, card, source.board.catalogue))
        return Found(tuple(_once(found)))


def _order(gate: Mapping[str, Any]) -> tuple[bool, bool, float, str]:
    """What is open and can be passed comes first, the longest run leading."""
    return gate["passed"], not gate["run"], -gate["run"] / gate["needed"], gate["id"]


def _once(found: Iterable[Finding]) -> Iterator[Finding]:
    """Of gates that stand still one alone advises: they mostly wait for the same targets."""
    advised = False
    for each in found:
        if each.withheld is None or not each.advice:
            yield each
            continue
        yield replace(each, advice=()) if advised else each
        advised = True


def _finding(gate: Mapping[str, Any], card: Card, catalogue: Catalogue) -> Finding:
    rule = catalogue.gates.get(gate["id"])
    record = judged(gate["days"], missing_breaks=rule is None or rule.missing_day == "breaks")
    if len(record) < LEAST_DAYS:
        why = (
            f"{len(record)} days of it were judged; at least {LEAST_DAYS} have to be before "
            "anything is said"
        )
        return Finding(
            study="outlook", key=gate["id"], scope=NETWORK, title=gate["title"],
            sentence=f"{gate['title']}: when it is passed is not told: {why}.",
            method=_METHOD, withheld=why,
        )  # fmt: skip
    targets = max(len(gate["chance"]), 1)  # those that were ever judged
    outlook = Outlook(record, gate["needed"], gate["run"], WITHIN, targets)
    if gate["passed"]:
        return _passed(gate, outlook)
    if not outlook.ever_met:
        return _still(gate, outlook, catalogue)
    return _open(gate, outlook, card, catalogue)


def _passed(gate: Mapping[str, Any], outlook: Outlook) -> Finding:
    chances = {days: outlook.holds(days) for days in _MARGINS}
    said = " and ".join(f"{days} days with {percent(of)}" for days, of in chances.items())
    return Finding(
        study="outlook", key=gate["id"], scope=NETWORK, title=gate["title"], method=_METHOD,
        sentence=f"{gate['title']}: passed; every day of the next {said}.",
        figures=tuple(
            Figure(f"holds_{days}", f"Met on each of the next {days} days", 100 * of, "%")
            for days, of in chances.items()
        ),
    )  # fmt: skip


def _still(gate: Mapping[str, Any], outlook: Outlook, catalogue: Catalogue) -> Finding:
    """A gate that was met on no day: its record cannot tell when that ends."""
    breakers = outlook.breakers()
    always = [each for each in breakers if each.days == len(outlook.record)]
    days = f"{len(outlook.record)} days"
    if always:
        names = _title(always[0].ref, catalogue)
        whom = names if len(always) == 1 else count_text(len(always), "targets")
        was = "was" if len(always) == 1 else "were"
        why = f"{whom} {was} not met on any of {days}; time alone does not pass it"
    else:
        why = f"each of {days} was held back by one target or another; none was met"
    advice = () if not always else (_mend(always[0], outlook, catalogue, ""),)
    return Finding(
        study="outlook", key=gate["id"], scope=NETWORK, title=gate["title"], method=_METHOD,
        sentence=f"{gate['title']}: when it is passed is not told: {why}.", withheld=why,
        tables=(_table(breakers, outlook, catalogue, gains=False),), advice=advice,
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
        study="outlook", key=gate["id"], scope=NETWORK, title=gate["title"], method=_METHOD,
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


def _table(
    breakers: list[Breaker], outlook: Outlook, catalogue: Catalogue, *, gains: bool = True
) -> Table:
    """
    Args:
        gains: with chances; without them days alone are told, which are no claim.
    """
    columns = (
        Column("metric", "Metric"), Column("ref", "Place in the framework"),
        Column("days", "Days not met", "days"),
        Column("breaks", "Breaks the run", "%"),
        Column("gain", "Passed more often without it", "%"),
    )  # fmt: skip
    rows = [
        (
            _title(each.ref, catalogue), each.ref, float(each.days),
            round(100 * each.breaks, 2), round(100 * each.gain, 2),
        )
        for each in breakers[:_MOST_BREAKERS]
    ]  # fmt: skip
    shown = len(columns) if gains else 3
    return Table(
        "breakers", f"What holds it back, of {len(outlook.record)} judged days",
        columns[:shown], tuple(row[:shown] for row in rows),
    )  # fmt: skip


def _advice(
    breakers: list[Breaker], outlook: Outlook, day: date, catalogue: Catalogue
) -> tuple[Advice, ...]:
    if not breakers or breakers[0].gain < _WORTH_IT:
        return ()
    now = float(outlook.chances[-1])
    worth = (
        f"passed by {_on(day, WITHIN)} with {percent(now + breakers[0].gain)} instead of "
        f"{percent(now)}"
    )
    return (_mend(breakers[0], outlook, catalogue, worth),)


def _mend(breaker: Breaker, outlook: Outlook, catalogue: Catalogue, worth: str) -> Advice:
    metric, _ = catalogue.by_ref()[breaker.ref]
    return Advice(
        f"mend:{metric.id}",
        f"Mend {metric.raw.title}",
        f"It was not met on {breaker.days} of {len(outlook.record)} days.",
        worth,
        f"/catalogue/{metric.id}",
    )


def _title(ref: str, catalogue: Catalogue) -> str:
    return str(catalogue.by_ref()[ref][0].raw.title)


def _on(day: date, ahead: int) -> str:
    return f"{day + timedelta(days=ahead):%-d %B %Y}"
