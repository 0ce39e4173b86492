"""Words of the studies of worth: money, and where the framework contradicts itself."""

from __future__ import annotations

from collections.abc import Iterator

from meterstone.insight.findings import Cell, Column, Table
from meterstone.insight.studies.money import Money
from meterstone.scorecard.values import format_value

_FAMILY = (
    "roi_percentage", "revenue_growth_success", "gross_annual_benefit", "annual_revenue_increase",
    "annual_cost_savings", "development_investment", "annual_operating_costs",
    "annual_revenue_forecast",
)  # fmt: skip
"""What an ROI is made of, and what else speaks of the same money."""


def usd(value: float) -> str:
    """``$1,200,000``; cents where there are less than ten."""
    return format_value(round(value) if abs(value) >= 10 else value, "USD")


def contradictions(money: Money) -> Iterator[Table]:
    """What the framework says about one figure in several places, and how it is read here. From
    the notes of the catalogue, so that they say the same everywhere."""
    rows: list[tuple[Cell, ...]] = []
    for id_ in _FAMILY:
        metric = money.source.board.catalogue.metrics.get(id_)
        rows += [
            (place.ref.rpartition(".")[2], place.literal, place.note.strip())
            for place in (metric.places if metric else ())
            if place.note
        ]
    if rows:
        columns = (Column("place", "Place"), Column("says", "It says"), Column("read", "How read"))
        title = "Where the framework's figures do not agree, and how they are read"
        yield Table("contradictions", title, columns, tuple(rows))
