"""Return on investment: as claimed, as forecast, as observed and as proven, side by side."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from meterstone.errors import InputError
from meterstone.insight.benefits import STAGES, Assumptions, Benefit, Stage
from meterstone.insight.cashflow import MOST_MONTHS
from meterstone.insight.findings import (
    Advice,
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
from meterstone.insight.roi import Inputs, Return, Span, Spread, fixed, returns, roi
from meterstone.insight.studies.money import Money
from meterstone.insight.studies.reading import NETWORK
from meterstone.insight.studies.worth_flow import flow_of
from meterstone.insight.studies.worth_words import contradictions, usd
from meterstone.scorecard.values import count_text, format_value

ROI = "roi_percentage"
INVESTMENT, OPERATING = "development_investment", "annual_operating_costs"
_TITLES = {
    "claimed": "As claimed", "forecast": "As forecast", "observed": "As observed",
    "proven": "As proven", "furthest": "By the best evidence, risk-adjusted",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """The return when only evidence of one stage counts.

    Attributes:
        stage: one of the ledger, or ``furthest``: of each benefit what is known best.
        found: None where it cannot be told, for ``why``.
    """

    stage: str
    inputs: Inputs | None
    found: Return | None
    why: str = ""

    @property
    def title(self) -> str:
        """For people."""
        return _TITLES[self.stage]

    @property
    def benefits(self) -> Collection[str]:
        """Names of the inputs that are benefits; the others are costs."""
        return self.inputs.benefits if self.inputs else ()


class Returns:
    """The return by stage; what is claimed is held against planned costs, all else against booked
    ones.

    Args:
        ledger: all benefits; those of the operator count.
    """

    def __init__(self, money: Money, assume: Assumptions, ledger: Sequence[Benefit]) -> None:
        self.money, self.assume, self.ledger = money, assume, ledger
        self.own = [each for each in ledger if each.party == "operator"]
        self.target = money.target(ROI) or 0.0
        found = flow_of(money)
        self.flow = None if isinstance(found, str) else found
        self.even = found if isinstance(found, str) else ""
        stages = [self._row(stage) for stage in STAGES]
        self.rows = {row.stage: row for row in (*stages, self._row("furthest"))}

    def _row(self, stage: str) -> Row:
        costs = self._planned() if stage == "claimed" else self._booked()
        if isinstance(costs, str):
            return Row(stage, None, None, costs)
        benefits = {each.id: _counted(each, stage) for each in self.own}
        if stage != "proven" and not any(s.kind != "fixed" or s.likely for s in benefits.values()):
            return Row(stage, None, None, f"nothing is {stage}")
        try:
            inputs = Inputs(
                benefits,
                *costs,
                rate=self.assume.discount_rate,
                years=int(self.assume.years),
                flow=self.flow,
            )
        except InputError as error:
            return Row(stage, None, None, error.cause)
        return Row(stage, inputs, returns(inputs))

    def _planned(self) -> tuple[Spread, Spread] | str:
        found = [self.money.target(metric) for metric in (INVESTMENT, OPERATING)]
        if found[0] is None or found[1] is None:
            return "the catalogue sets no budget"
        return self.assume.plan(found[0]), self.assume.plan(found[1])

    def _booked(self) -> tuple[Spread, Spread] | str:
        found = []
        for metric, what in ((INVESTMENT, "the investment"), (OPERATING, "a year of running it")):
            cost = self.money.result(metric)
            if cost.value is None or not cost.decided:
                reason = cost.reason[:1].lower() + cost.reason[1:]
                return f"what was spent is not known for certain ({what}: {reason})"
            found.append(fixed(cost.value))
        return found[0], found[1]


def _counted(benefit: Benefit, stage: str) -> Spread:
    if stage == "furthest":
        return benefit.upto("claimed")
    of: Stage = next(each for each in STAGES if each == stage)
    return benefit.at(of)


def return_finding(made: Returns) -> Finding:
    """The finding about the metric ROI."""
    claimed, proven = made.rows["claimed"], made.rows["proven"]
    return Finding(
        study="worth", key=ROI, scope=NETWORK, title="Return on investment",
        sentence=_sentence(made), withheld=proven.why or None,
        method=(
            "ROI = 100 × (benefit of a year − cost) / cost; cost is the whole investment so far "
            f"and the last twelve closed months of running it. {_over_time(made)} Intervals: "
            "20,000 draws from the "
            "declared distributions; a benefit that has not come to a stage counts nothing there. "
            "Risk adjustment by the mean of low, likely and high (Total Economic Impact)."
        ),
        figures=tuple(_figures(made)), pictures=tuple(_pictures(made)),
        tables=(
            _by_stage(made), *_declared(made, claimed, proven), _assumptions(made.assume),
            *contradictions(made.money),
        ),
        checks=tuple(_checks(made)), advice=tuple(_advice(made)),
    )  # fmt: skip


def _over_time(made: Returns) -> str:
    """How net present value and payback come about, in words."""
    rate, years = f"{100 * made.assume.discount_rate:g} % a year", f"{made.assume.years:g} years"
    if made.flow is None:
        return (
            "Net present value and payback suppose that all is invested at once and an even year "
            f"goes on for {years}, discounted at {rate} ({made.even})."
        )
    return (
        "Net present value and payback go by month, from the first in which money was spent or a "
        f"shop was live, {count_text(len(made.flow.gained), 'months')} ago: costs in the months in "
        "which they were booked (planned ones alike), benefits as the shops that were live, beside "
        f"their mean of the last twelve months. After that the last year goes on: {years} in the "
        f"net present value, at most {MOST_MONTHS // 12} until it has paid back. Discounted at "
        f"{rate}; payback is told without and with discount."
    )


def _sentence(made: Returns) -> str:
    claimed, proven, observed = (made.rows[each] for each in ("claimed", "proven", "observed"))
    said = ""
    if claimed.found:
        face = format_value(claimed.found.roi.value, "%")
        said = f"As claimed the programme returns {face} in a year"
    if proven.found is None:
        said = f"{said}; what" if said else "What"
        return f"{said} it returned is not known: {proven.why}."
    parts = [f"as proven {_percent(proven)} ({_interval(proven)})"]
    if observed.found:
        parts.insert(0, f"as observed, risk-adjusted, {_percent(observed)} ({_interval(observed)})")
    both = ", ".join(parts)
    return f"{said}; {both}." if said else f"The programme returns {both}."


def _percent(row: Row) -> str:
    return format_value(row.found.roi.middle if row.found else None, "%")


def _interval(row: Row) -> str:
    if row.found is None or row.found.roi.low == row.found.roi.high:
        return "from closed books"
    low, high = (format_value(edge, "%") for edge in (row.found.roi.low, row.found.roi.high))
    return f"95 %: {low} to {high}"


def _figures(made: Returns) -> Iterator[Figure]:
    claimed = made.rows["claimed"]
    if claimed.found:
        yield Figure("roi_claimed", "ROI as claimed, at face value", claimed.found.roi.value, "%")
    for stage in ("proven", "observed", "forecast", "furthest", "claimed"):
        row = made.rows[stage]
        if row.found:
            span, id_ = row.found.roi, "roi_adjusted" if stage == "claimed" else f"roi_{stage}"
            adjusted = "" if stage in ("proven", "furthest") else ", risk-adjusted"
            title = f"ROI {row.title[:1].lower()}{row.title[1:]}{adjusted}"
            yield Figure(id_, title, span.middle, "%", span.low, span.high)
    first = made.money.result(ROI)
    if first.value is not None:
        title = "ROI of the first twelve months, as on the scorecard"
        yield Figure("roi_first_year", title, first.value, "%", *(first.interval or (None, None)))
        margin = first.part("on_gross_margin")
        if margin is not None:
            yield Figure("roi_gross_margin", "The same on gross margin", margin, "%")
    for stage in ("furthest", "proven"):
        row = made.rows[stage]
        if row.found:
            span, of = row.found.npv, row.title[:1].lower() + row.title[1:]
            title = f"Net present value {of}"
            yield Figure(f"npv_{stage}", title, span.middle, "USD", span.low, span.high)
            back = row.found.payback
            yield _payback(f"payback_{stage}", f"Payback {of}", back)
            late = row.found.discounted
            yield _payback(f"payback_discounted_{stage}", f"Payback {of}, discounted", late)


def _payback(id_: str, title: str, found: Span) -> Figure:
    """Without an interval where some draws never pay back: half of one would mislead."""
    low, high = (found.low, found.high) if found.high is not None else (None, None)
    return Figure(id_, title, found.middle, "months", low, high)


def _pictures(made: Returns) -> Iterator[Picture]:
    points = tuple(
        Point(row.title.split(",")[0], row.found.roi.middle, row.found.roi.low, row.found.roi.high)
        for row in made.rows.values()
        if row.found
    )
    if points:
        curve = Curve("roi", "ROI, risk-adjusted, with its 95 % interval", "expected", points)
        yield Picture("Return on investment by evidence", "evidence", "%", (curve,), made.target)


def _by_stage(made: Returns) -> Table:
    columns = (
        Column("evidence", "Evidence"), Column("benefit", "Benefit a year", "USD"),
        Column("cost", "Cost", "USD"), Column("roi", "ROI at face value", "%"),
        Column("middle", "Risk-adjusted", "%"), Column("low", "95 % from", "%"),
        Column("high", "to", "%"), Column("npv", "Net present value", "USD"),
        Column("payback", "Payback", "months"), Column("later", "Discounted", "months"),
        Column("chance", f"Chance of {made.target:g} %", "%"), Column("why", "Remark"),
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = []
    for row in made.rows.values():
        if row.inputs is None or row.found is None:
            rows.append((row.title, *(None,) * 10, row.why))
            continue
        span = row.found.roi
        never = "" if row.found.payback.middle is not None else "it never pays back at this rate"
        benefit = sum(each.likely for each in row.inputs.benefits.values())
        cost = row.inputs.investment.likely + row.inputs.operating.likely
        rows.append((
            row.title, benefit, cost, span.value, span.middle, span.low,
            span.high, row.found.npv.middle, row.found.payback.middle,
            row.found.discounted.middle, round(100 * row.found.chance(made.target), 1), never,
        ))  # fmt: skip
    return Table("by_evidence", "As claimed and as proven", columns, tuple(rows))


def _declared(made: Returns, *rows: Row) -> Iterator[Table]:
    titles = {each.id: each.title for each in made.own}
    titles |= {"investment": "Investment", "operating": "A year of running it"}
    columns = (
        Column("input", "Input"), Column("figure", "Figure", "USD"),
        Column("adjusted", "Risk-adjusted", "USD"), Column("distribution", "Distribution"),
    )  # fmt: skip
    for row in (*rows, made.rows["furthest"]):
        if row.inputs is not None:
            parts = row.inputs.parts().items()
            told = tuple((titles[name], s.likely, s.mean, s.says) for name, s in parts)
            title = f"{row.title}: what goes in"
            yield Table(f"inputs_{row.stage}", title, columns, told)


def _assumptions(assume: Assumptions) -> Table:
    rows = (
        ("discount_rate", _share(assume.discount_rate), "% a year"),
        ("years", assume.years, "years that a year goes on for"),
        ("claimed_low", _share(assume.claimed_low), "% of a claim that may be left of it"),
        ("claimed_high", _share(assume.claimed_high), "% of a claim that it may come to"),
        ("observed_low", _share(assume.observed_low), "% of what is observed that came by this"),
        ("cost_low", _share(assume.cost_low), "% of a planned cost that it may come to"),
        ("cost_high", _share(assume.cost_high), "% of a planned cost that it may grow to"),
    )
    title = "Declared, not measured (attest assumption:NAME to change one; shares as 0 to 1)"
    columns = (Column("name", "Name"), Column("value", "Value"), Column("of", "Of what"))
    return Table("assumptions", title, columns, rows)


def _share(value: float) -> float:
    return round(100 * value, 6)


def _checks(made: Returns) -> Iterator[Check]:
    plan = [made.money.target(each) for each in (INVESTMENT, OPERATING)]
    asked = [made.money.target(m) for m in ("annual_revenue_increase", "annual_cost_savings")]
    if None not in (*plan, *asked):
        benefit, cost = sum(v or 0 for v in asked), sum(v or 0 for v in plan)
        own = roi(benefit, cost, 0)
        says = (
            f"({benefit:,.0f} − {cost:,.0f}) / {cost:,.0f} = {own:.2f} %; the framework asks for "
            f"{made.target:g} %"
        )
        name = "The framework's own inputs give its figure"
        yield Check(name, abs(own - made.target) < 0.5, says)
    proven = made.rows["proven"]
    says = proven.why or "investment and twelve months of running it stand in closed books"
    yield Check("Costs are known", proven.found is not None, says)
    by_stage = [each.newest for each in made.own]
    count = sum(1 for each in by_stage if each is not None and each.stage == "proven")
    says = f"{count} of {len(made.own)} benefits of the operator have come to a proof"
    yield Check("Something is proven", count > 0, says)


def _advice(made: Returns) -> Iterator[Advice]:
    """What waits for a proof, the largest first."""
    waiting = []
    for each in made.own:
        newest = each.newest
        if newest is not None and newest.stage != "proven" and newest.value:
            why = each.evidence.get("proven") or each.evidence.get("observed")
            says = why.says if why else "nothing measures it"
            waiting.append((newest.value, each, says))
    for value, each, says in sorted(waiting, key=lambda entry: -entry[0]):
        yield Advice(
            f"prove_{each.id}", f"Prove: {each.title.lower()}",
            f"{says[:1].upper()}{says[1:]}.", f"{usd(value)} a year wait for a proof",
            "/insight/worth/gross_annual_benefit",
        )  # fmt: skip
    if made.rows["proven"].found is None:
        yield Advice(
            "close_books", "Close the books of the programme",
            f"{made.rows['proven'].why[:1].upper()}{made.rows['proven'].why[1:]}.",
            link="/attestations",
        )  # fmt: skip
