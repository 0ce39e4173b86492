"""The benefit ledger as a finding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from meterstone.insight.benefits import STAGES, Benefit, Stage, adjusted
from meterstone.insight.findings import (
    Advice,
    Cell,
    Column,
    Curve,
    Figure,
    Finding,
    Picture,
    Point,
    Table,
)
from meterstone.insight.studies.gains import CLAIM
from meterstone.insight.studies.reading import NETWORK
from meterstone.insight.studies.worth_return import Returns
from meterstone.insight.studies.worth_words import usd

LEDGER = "gross_annual_benefit"


def ledger_finding(made: Returns) -> Finding:
    """Every benefit at every stage; claims that nothing bears out yet are said to be such."""
    by_stage = {stage: _sum(made.own, stage) for stage in STAGES}
    claimed, observed, proven = (by_stage[s] for s in ("claimed", "observed", "proven"))
    sentence = (
        f"Of {usd(claimed)} a year that are claimed for the operator, " if claimed is not None
        else "Nothing is claimed for the operator; "
    )  # fmt: skip
    sentence += "none are observed" if observed is None else f"{usd(observed)} are observed"
    sentence += " and none proven." if proven is None else f" and {usd(proven)} are proven."
    return Finding(
        study="worth", key=LEDGER, scope=NETWORK, title="Benefit ledger", sentence=sentence,
        method=(
            "Claimed: said by somebody, or the framework's target. Forecast: by a model that beat "
            "naive. Observed: in the facts, whatever brought it. Proven: by a comparison of shops "
            "that went live with those that had not (two-stage difference-in-differences, all "
            "checks passed), or a bill that ended. What owners gain is theirs and no part of the "
            "operator's return."
        ),
        figures=(
            *(
                Figure(stage, f"{stage.capitalize()}, operator", by_stage[stage], "USD a year")
                for stage in STAGES
            ),
            Figure("adjusted", "By the furthest evidence, risk-adjusted, operator",
                   adjusted(made.ledger, "operator"), "USD a year"),
        ),
        pictures=tuple(_pictures(made)),
        tables=(_table(made), _why(made)),
        advice=(Advice(
            "claim", "Put a claim on record",
            f"Attest {CLAIM}NAME with USD a year as its value; it stays a claim until facts bear "
            "it out.", link="/attestations",
        ),) if not made.money.stated(CLAIM) else (),
    )  # fmt: skip


def _sum(benefits: Sequence[Benefit], stage: Stage) -> float | None:
    """Of those that have come to it; None where none has."""
    found = [each.evidence[stage].value for each in benefits if stage in each.evidence]
    known = [value for value in found if value is not None]
    return sum(known) if known else None


def _pictures(made: Returns) -> Iterator[Picture]:
    curves = []
    for each in made.ledger:
        points = tuple(
            Point(stage.capitalize(), found.value, found.spread.low, found.spread.high)
            for stage in STAGES
            if (found := each.evidence.get(stage)) and found.value is not None and found.spread
        )
        if points:
            curves.append(Curve(each.id, each.title, "observed", points))
    if curves:
        yield Picture("From claimed to proven", "stage", "USD a year", tuple(curves))


def _table(made: Returns) -> Table:
    columns = (
        Column("benefit", "Benefit"), Column("party", "Whose"),
        *(Column(stage, stage.capitalize(), "USD") for stage in STAGES),
        Column("low", "95 % from", "USD"), Column("high", "to", "USD"),
        Column("adjusted", "Risk-adjusted", "USD"), Column("stage", "Has come to"),
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = []
    for each in made.ledger:
        newest = each.newest
        values = tuple(each.evidence[s].value if s in each.evidence else None for s in STAGES)
        spread = newest.spread if newest else None
        whose = "operator" if each.party == "operator" else "owners"
        rows.append((
            each.title, whose, *values, spread.low if spread else None,
            spread.high if spread else None, spread.mean if spread else None,
            newest.stage if newest else "nothing",
        ))  # fmt: skip
    return Table("ledger", "Benefits, USD a year", columns, tuple(rows))


def _why(made: Returns) -> Table:
    rows = tuple(
        (each.title, stage, "yes" if found.value is not None else "no", found.says)
        for each in made.ledger
        for stage in STAGES
        if (found := each.evidence.get(stage)) is not None
    )
    columns = (
        Column("benefit", "Benefit"), Column("stage", "Stage"), Column("reached", "Reached"),
        Column("evidence", "Evidence, or what it takes"),
    )  # fmt: skip
    return Table("evidence", "What each stage rests on", columns, rows)
