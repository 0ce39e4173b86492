"""The study of worth on books whose truth is known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from measure.build import AT, D, Row, World, attestation, connection, forecast, framework
from measure.build import _row as row
from meterstone.insight.findings import Finding, KeptFinding, as_dict
from meterstone.insight.studies.money import NETWORK
from meterstone.insight.studies.worth import Worth
from meterstone.measure.results import Scope
from meterstone.scorecard.canonical import canonical

from .asked import SmallBoard, source

DAY = date(2026, 3, 30)
ROI, NEEDED, LEDGER = "roi_percentage", "roi_percentage:more", "gross_annual_benefit"


def metric(value: float | None, verdict: str = "not_met", **parts: float) -> dict[str, Any]:
    return {
        "value": value, "interval": None, "verdict": verdict, "n": 12, "parts": parts,
        "reason": "Not judged: needs books of the months closed.", "unit": "USD",
        "target": {"cmp": ">=", "value": 1.0},
    }  # fmt: skip


BOOKS: Mapping[str, Mapping[str, Any]] = {
    "development_investment": metric(300_000, "met"),
    "annual_operating_costs": metric(100_000, "met"),
    "annual_revenue_increase": metric(800_000, now=2_000_000, before=1_200_000),
    "annual_cost_savings": metric(200_000, work=150_000, retired_tools=50_000),
}


@dataclass
class CardBoard(SmallBoard):
    """A board with scorecards."""

    cards: Mapping[Scope, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)

    @property
    def catalogue(self) -> Any:
        return framework()

    def card(self, scope: Scope, *_: object) -> Any:
        found = self.cards.get(scope)
        if found is None:
            return None
        metrics = [{"id": id_, **each} for id_, each in found.items()]
        return SimpleNamespace(document={"metrics": metrics}, day=DAY)

    def scopes(self, kind: str) -> list[Any]:
        return [
            SimpleNamespace(scope=s, name=f"Shop {s.key}") for s in self.cards if s.kind == kind
        ]


def month(back: int) -> datetime:
    """The first of a month, so many before March 2026."""
    whole = 2026 * 12 + 2 - back
    return datetime(whole // 12, whole % 12 + 1, 1)  # noqa: DTZ001  # naive, as stored


def bills(more: float, shops: int = 60, ahead: float = 0.0, seed: int = 4) -> Iterator[Row]:
    """Bills of 1,000 a shop and month for 36 months, a quarter each; half of the shops go live,
    four at a time, and pay ``more`` from then on. ``ahead``: more each quarter before."""
    random = np.random.default_rng(seed)
    for shop in range(shops):
        live = went_live(shop) if shop < shops // 2 else None
        own = random.normal(0, 100)
        if live is not None:
            yield connection(month(live), connection_id=f"c{shop}", franchise_id=f"f{shop:02}")
        for back in range(36, 0, -3):
            since, until = month(back), month(back - 3) - D
            usd = 1_000 + own + random.normal(0, 25)
            if live is not None:
                usd += more if back <= live else ahead * (36 - back) / 3
            yield invoice(since, until, 3 * usd, f"f{shop:02}")


def went_live(shop: int) -> int:
    """So many months before March 2026, the first of a quarter as they are counted here."""
    return 24 - shop // 4 * 3


def invoice(since: datetime, until: datetime, usd: float, shop: str) -> Row:
    id_ = f"{shop}-{since:%Y%m}"
    return row("invoice", {}, {
        "invoice_line_id": id_, "invoice_id": id_, "issued_at": until, "kind": "subscription",
        "deal_kind": "none", "service_from": since.date(), "service_to": until.date(),
        "amount": f"{usd:.2f}", "credited": "0", "currency": "USD", "net_usd": f"{usd:.2f}",
        "due_on": until.date(), "status": "paid", "franchise_id": shop,
    })  # fmt: skip


def asked(
    *rows: Row | Iterable[Row], books: Mapping[str, Any] = BOOKS,
    found: Mapping[Any, KeptFinding] | None = None,
) -> dict[str, Finding]:  # fmt: skip
    board = CardBoard(cards={NETWORK: books})
    with World(*rows) as world:
        made = Worth().run(source(world, DAY, board, found), lambda _: None)
    for each in made.findings:
        canonical(as_dict(each))
    return {each.key: each for each in made.findings}


def value(finding: Finding, id_: str) -> float:
    figure = finding.figure(id_)
    assert figure is not None, id_
    assert isinstance(figure.value, float), id_
    return figure.value


def evidence(finding: Finding) -> dict[tuple[str, str], tuple[str, str]]:
    [table] = [each for each in finding.tables if each.id == "evidence"]
    return {(str(r[0]), str(r[1])): (str(r[2]), str(r[3])) for r in table.rows}


@pytest.fixture(scope="module")
def dearer() -> dict[str, Finding]:
    """Going live brings 500 a shop and month."""
    return asked(bills(500))


def test_as_claimed_is_what_the_framework_says(dearer: dict[str, Finding]) -> None:
    found = dearer[ROI]
    assert value(found, "roi_claimed") == pytest.approx(242.1634, abs=1e-3)
    [own] = [c for c in found.checks if c.name.startswith("The framework")]
    assert own.passed
    assert "(1,550,000 − 453,000) / 453,000 = 242.16 %" in own.says


def test_as_proven_counts_what_shops_pay_more_and_bills_that_ended(
    dearer: dict[str, Finding],
) -> None:
    found = dearer[ROI]
    months = sum(min(12, went_live(shop)) for shop in range(30))
    truth = 500.0 * months + 50_000
    [table] = [each for each in found.tables if each.id == "by_evidence"]
    [proven] = [each for each in table.rows if each[0] == "As proven"]
    assert proven[1] == pytest.approx(truth, rel=0.06)
    assert value(found, "roi_proven") == pytest.approx(
        100 * (float(str(proven[1])) - 400_000) / 400_000, abs=0.2
    )
    roi = found.figure("roi_proven")
    assert roi is not None
    assert roi.low is not None
    assert roi.high is not None
    assert roi.low < 100 * (truth - 400_000) / 400_000 < roi.high
    [observed] = [each for each in table.rows if each[0] == "As observed"]
    assert observed[3] == pytest.approx(150.0)
    # by the means of their triangles: 800,000 and 150,000 to 5/6 of it, bills of tools in full
    assert value(found, "roi_observed") == pytest.approx(110, abs=3)
    assert "As claimed" in found.sentence
    assert "as proven" in found.sentence


def test_the_ledger_says_what_each_stage_rests_on(dearer: dict[str, Finding]) -> None:
    told = evidence(dearer[LEDGER])
    assert told["More revenue of the operator", "proven"][0] == "yes"
    assert told["More revenue of the operator", "forecast"][0] == "no"
    assert told["Tools that were given up", "proven"][0] == "yes"
    assert "no money until a cost falls" in told["Less work of the operator", "proven"][1]
    assert "not studied" in told["More sales of the owners", "proven"][1]
    assert value(dearer[LEDGER], "claimed") == 1_550_000
    assert value(dearer[LEDGER], "observed") == 1_000_000


def test_what_is_needed_is_said_for_the_best_evidence(dearer: dict[str, Finding]) -> None:
    found = dearer[NEEDED]
    [table] = [each for each in found.tables if each.id == "needed_observed"]
    needs = {str(r[0]): r[2] for r in table.rows}
    assert needs["More revenue of the operator"] == pytest.approx(3.42 * 400_000 - 200_000)
    assert needs["Investment"] == pytest.approx(1_000_000 / 3.42 - 100_000)
    assert found.withheld is None


def test_no_effect_is_no_proof_and_a_trend_before_withholds_it() -> None:
    none = asked(bills(0))
    assert evidence(none[LEDGER])["More revenue of the operator", "proven"][0] == "no"
    told = [a for a in none[ROI].advice if a.id == "prove_revenue"]
    assert "$800,000 a year wait for a proof" in told[0].worth
    assert value(none[ROI], "roi_proven") == pytest.approx(-87.5)  # 50,000 of bills that ended
    ahead = asked(bills(500, ahead=60))
    reached, why = evidence(ahead[LEDGER])["More revenue of the operator", "proven"]
    assert (reached, "cannot be told" in why) == ("no", True)


def test_without_booked_costs_nothing_but_the_claim_is_said() -> None:
    for cost in (metric(None, "no_data"), metric(100_000, "insufficient_data")):
        found = asked(books={**BOOKS, "annual_operating_costs": cost})[ROI]
        assert found.withheld
        assert "needs books of the months closed" in found.withheld
        assert found.figure("roi_proven") is None
        assert value(found, "roi_claimed") == pytest.approx(242.1634, abs=1e-3)
        assert any(advice.id == "close_books" for advice in found.advice)


def test_nothing_at_all_is_withheld_and_does_not_fail() -> None:
    found = asked(books={})
    assert found[ROI].withheld
    assert "none are observed and none proven" in found[LEDGER].sentence


def test_a_stated_claim_and_a_stated_assumption_count_while_they_hold() -> None:
    rows = [
        attestation(AT - 20 * D, "benefit:revenue", value=100_000.0, statement="By the sales team"),
        attestation(AT - 20 * D, "benefit:fewer_fines", value=30_000.0),
        attestation(AT - 20 * D, "assumption:claimed_low", value=1.0),
        attestation(AT - 900 * D, "benefit:savings", value=9.0),  # it has expired
    ]
    found = asked(rows)
    told = evidence(found[LEDGER])
    assert told["More revenue of the operator", "claimed"] == ("yes", "By the sales team")
    assert told["Fewer fines", "claimed"][0] == "yes"
    assert value(found[LEDGER], "claimed") == 100_000 + 350_000 + 30_000
    claimed = found[ROI].figure("roi_adjusted")
    assert claimed is not None
    assert claimed.low is not None
    assert claimed.low > -20  # with nothing left of a claim in the worst case it would be lower


def test_a_forecast_counts_with_its_own_interval() -> None:
    issued = {
        "quantity": "platform_revenue_12m", "point": 2_400_000.0, "lower95": 2_200_000.0,
        "upper95": 2_600_000.0, "horizon_start": AT, "horizon_end": AT + 365 * D, "alarm": None,
    }  # fmt: skip
    found = asked(forecast(AT - 10 * D, **issued))
    figure = found[ROI].figure("roi_forecast")
    assert figure is not None
    assert figure.value == pytest.approx(100 * (1_200_000 - 400_000) / 400_000, abs=2)
    assert figure.low == pytest.approx(150, abs=3)
    old = asked(forecast(AT - 60 * D, **issued))
    assert old[ROI].figure("roi_forecast") is None


def test_where_the_framework_contradicts_itself_is_told(dearer: dict[str, Finding]) -> None:
    [table] = [each for each in dearer[ROI].tables if each.id == "contradictions"]
    told = " ".join(str(cell) for r in table.rows for cell in r)
    for word in ("200%", 'Named "net"', "$1.6M", "$1.5M+", "$1,097,000"):
        assert word in told


def test_twice_the_same() -> None:
    assert asked(bills(500)) == asked(bills(500))
