"""Do shops that are live stay open more often?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

from meterstone.insight.findings import Advice, Check, Column, Figure, Finding, Table
from meterstone.insight.staying import Spell, Staying, staying
from meterstone.insight.studies.reading import NETWORK, eligible
from meterstone.insight.study import Source

_PAST = timedelta(days=4 * 365)
_METHOD = (
    "Each day of each shop counts for what the shop was on that day, live or not, and is compared "
    "within the same calendar month and age of the shop (Mantel-Haenszel rate difference). "
    "Who went live had to be open until then: a comparison of shops instead of days would take "
    "that for an effect."
)


def staying_finding(source: Source, live: Mapping[str, date]) -> Finding:
    """The finding about closings.

    Args:
        live: the day on which each shop went live.
    """
    spells = _spells(source, live)
    end = source.day + timedelta(days=1)
    begin = max(end - _PAST, min((spell.opened for spell in spells), default=end))
    found = staying(spells, begin, end)
    return Finding(
        study="effect", key="retention", scope=NETWORK, title="Shops that stay open",
        sentence=_sentence(found), method=_METHOD, withheld=found.withheld,
        figures=_figures(found), tables=(_table(found),),
        checks=tuple(Check(each.name, each.passed, f"{each.says}.") for each in found.checks),
        advice=() if found.withheld is None else (_ADVICE,),
    )  # fmt: skip


_ADVICE = Advice(
    "effect:retention", "Let the effect be told",
    "More shops, or a longer time in which some are live and others of their age are not, bring "
    "the closings that it takes.",
)  # fmt: skip


def _spells(source: Source, live: Mapping[str, date]) -> list[Spell]:
    rows = source.rows(
        "SELECT f.franchise_id, "
        "coalesce(max(f.opened_on), CAST(min(f.status_at) FILTER (f.status = 'opened') AS DATE)) "
        "AS opened, coalesce(max(f.closed_on), "
        "CAST(max(f.status_at) FILTER (f.status = 'closed') AS DATE)) AS closed "
        "FROM {franchise} AS f WHERE " + eligible("f") + " "
        "AND NOT f.retracted GROUP BY 1 ORDER BY 1"
    )
    return [
        Spell(row["franchise_id"], row["opened"], row["closed"], live.get(row["franchise_id"]))
        for row in rows
        if row["opened"] is not None and row["opened"] <= source.day
    ]


def _sentence(found: Staying) -> str:
    told = found.estimate
    if told is None:
        return f"What going live did to closings is not claimed: {found.withheld}."
    bounds = f"95 %: {100 * told.low:,.1f} to {100 * told.high:,.1f}"
    if told.low <= 0 <= told.high:
        return f"No effect of going live on closings is shown ({bounds} of 100 shops a year)."
    word = "Fewer" if told.att < 0 else "More"
    return (
        f"{word} live shops close: {100 * told.att:+,.1f} of 100 a year beside those of the same "
        f"age not live ({bounds})."
    )


def _figures(found: Staying) -> tuple[Figure, ...]:
    closings = Figure("closings", "Closings that can be compared", float(sum(found.closings)))
    if found.estimate is None:
        return (closings,)
    att, low, high = (
        100 * each for each in (found.estimate.att, found.estimate.low, found.estimate.high)
    )
    return Figure("att", "Closings of 100 shops a year", att, "", low, high), closings


def _table(found: Staying) -> Table:
    columns = (
        Column("side", "Shops"), Column("closings", "Closings"), Column("years", "Shop-years"),
    )  # fmt: skip
    rows = tuple(
        (side, float(closings), round(years, 1))
        for side, closings, years in zip(
            ("live", "not live"), found.closings, found.years, strict=True
        )
    )
    return Table("sides", "What is compared", columns, rows)
