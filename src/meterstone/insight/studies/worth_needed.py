"""What would have to be true for the return that the framework asks for."""

from __future__ import annotations

from collections.abc import Iterator

from meterstone.insight.findings import (
    Cell,
    Check,
    Column,
    Curve,
    Figure,
    Finding,
    Picture,
    Point,
    Table,
)
from meterstone.insight.roi import Inputs, Needed, Span, needed, swings
from meterstone.insight.studies.reading import NETWORK
from meterstone.insight.studies.worth_return import ROI, Returns, Row
from meterstone.insight.studies.worth_words import usd
from meterstone.scorecard.values import format_value


def needed_finding(made: Returns) -> Finding:
    """By the best evidence there is; where that cannot be told, by what is claimed."""
    row = next((made.rows[s] for s in ("furthest", "claimed") if made.rows[s].found), None)
    title = f"What would have to be true for {made.target:g} %"
    method = (
        "One input at a time is solved for the target, all others as they are. How much an input "
        "matters: the ROI while it alone goes through the 95 % of its declared distribution."
    )
    if row is None or row.inputs is None or row.found is None:
        why = made.rows["furthest"].why
        return Finding(
            study="worth", key=f"{ROI}:more", scope=NETWORK, title=title, method=method,
            sentence=f"What {made.target:g} % would take cannot be told: {why}.", withheld=why,
        )  # fmt: skip
    titles = {each.id: each.title for each in made.own}
    titles |= {"investment": "Investment", "operating": "A year of running it"}
    asked = needed(row.inputs, made.target)
    chance = row.found.chance(made.target)
    return Finding(
        study="worth", key=f"{ROI}:more", scope=NETWORK, title=title, method=method,
        sentence=_sentence(made, row, asked, titles, chance),
        figures=tuple(_figures(made, row, asked, titles)),
        pictures=(_picture(row.inputs, row.found.roi, titles, made.target),),
        tables=tuple(_tables(made, titles)),
        checks=(Check(
            "Held against booked costs", row.stage == "furthest",
            "investment and running costs stand in closed books" if row.stage == "furthest"
            else f"{made.rows['furthest'].why}: these are the framework's own inputs",
        ),),
    )  # fmt: skip


def _sentence(
    made: Returns, row: Row, asked: list[Needed], titles: dict[str, str], chance: float
) -> str:
    span = row.found.roi.value if row.found else None
    by = row.title.split(",")[0]
    by = by[:1].lower() + by[1:]
    said = (
        f"At face value the ROI is {format_value(span, '%')} {by}; the chance that it is "
        f"{made.target:g} % or more is {100 * chance:.0f} %"
    )
    if span is not None and span >= made.target:
        lowest = [(each, titles[each.name]) for each in asked if (each.times or 0) > 0]
        near = min(lowest, key=lambda pair: abs(1 - (pair[0].times or 0)), default=None)
        if near is None or near[0].value is None:
            return f"{said}."
        least = usd(near[0].value)
        return f"{said}. It would be missed if {near[1].lower()} came to less than {least} a year."
    ways = [
        f"{titles[each.name].lower()} would have to be {usd(each.value)} a year "
        f"({usd(each.now)} now)"
        for each in asked
        if each.value is not None and each.name in row.benefits
    ]
    ways += [
        f"{titles[each.name].lower()} {usd(each.value)} ({usd(each.now)} now)"
        for each in asked
        if each.value is not None and each.name not in row.benefits
    ]
    return f"{said}. For {made.target:g} % " + ", or ".join(ways) + ", all else as it is."


def _figures(
    made: Returns, row: Row, asked: list[Needed], titles: dict[str, str]
) -> Iterator[Figure]:
    if row.found:
        chance = 100 * row.found.chance(made.target)
        yield Figure("chance", f"Chance of {made.target:g} % or more", round(chance, 1), "%")
        dashboard = made.money.target(ROI, "roi_achievement")
        if dashboard is not None and dashboard != made.target:
            title = f"Chance of {dashboard:g} %, the target of the executive dashboard"
            of = round(100 * row.found.chance(dashboard), 1)
            yield Figure("chance_dashboard", title, of, "%")
    for each in asked:
        if each.value is not None and each.value > 0:
            word = "at least" if each.name in row.benefits else "at most"
            yield Figure(f"needed_{each.name}", f"{titles[each.name]}, {word}", each.value, "USD")


def _picture(inputs: Inputs, span: Span, titles: dict[str, str], target: float) -> Picture:
    points = tuple(
        Point(titles[each.name], span.value, *sorted((each.low, each.high)))
        for each in swings(inputs)
        if each.width > 0
    )
    curve = Curve("swing", "ROI while this alone varies", "expected", points)
    return Picture("What the ROI hangs on", "input", "%", (curve,), target)


def _tables(made: Returns, titles: dict[str, str]) -> Iterator[Table]:
    columns = (
        Column("input", "Input"), Column("now", "Now", "USD"),
        Column("needed", f"Needed for {made.target:g} %", "USD"), Column("times", "Times", "x"),
        Column("remark", "Remark"),
    )  # fmt: skip
    for stage in ("furthest", "observed", "proven", "claimed"):
        row = made.rows[stage]
        if row.inputs is None:
            continue
        rows: list[tuple[Cell, ...]] = []
        for each in needed(row.inputs, made.target):
            spared = each.value is not None and each.value <= 0 and each.name in row.benefits
            remark = "reached without it" if spared else ""
            if each.value is None:
                remark = "no cost is low enough by itself"
            value, times = (None, None) if spared else (each.value, each.times)
            rows.append((titles[each.name], each.now, value, times, remark))
        yield Table(f"needed_{stage}", f"{row.title}: needed", columns, tuple(rows))
