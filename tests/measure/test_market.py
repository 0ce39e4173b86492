"""The market with worked numbers: what the simulated networks do not contain."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from .build import AT, FAR, D, Row, World, _row, attestation, on

ATTESTED = {
    "source": "attestation",
    "entered_by": "tester",
    "entered_role": "tester",
    "evidence_uri": "https://evidence.example/1",
    "expires_at": FAR,
}
QUARTER = date(2026, 3, 20)


def saw(company: str, value: float, measure: str = "units_on_platform", **given: Any) -> Row:
    day = given.get("observed_on", QUARTER)
    usual = {
        "observation_id": f"{day}-{company}-{measure}-{value}-{given.get('source_name')}",
        "observed_on": day, "company": company, "measure": measure, "value": float(value),
        "market": "franchise_management in US", "unit": "count", "source_name": "report",
        "independent": True,
    }  # fmt: skip
    return _row("market_observation", usual | ATTESTED, given)


def contract(client: str, starts: date, ends: date, **given: Any) -> Row:
    usual = {
        "contract_id": f"{client}-{starts}", "agreement": "platform_contract", "client_id": client,
        "signed_at": datetime(starts.year, starts.month, starts.day), "starts_on": starts,  # noqa: DTZ001
        "ends_on": ends,
    }  # fmt: skip
    return _row("franchise_contract", usual, given)


def unit(client: str, **given: Any) -> Row:
    usual = {
        "franchise_id": f"F-{client}", "status_at": on(2020, 1, 1), "client_id": client,
        "client_segment": "enterprise", "status": "opened", "region": "US-CA", "country": "US",
    }  # fmt: skip
    return _row("franchise", usual, given)


SHARES = [
    saw("own", 400), saw("a", 300), saw("b", 100), saw("c", 50), saw("*", 1000, "market_units"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "rank", "verdict"),
    [
        ([], 1, "met"),
        ([saw("d", 400)], 1, "met"),  # as large is not larger
        ([saw("d", 401)], 2, "not_met"),
        ([saw("d", 900, market="franchise_management in CA")], 1, "met"),
        ([saw("d", 900, source_name="another")], 1, "met"),
        ([saw("d", 900, expires_at=AT)], 1, "met"),
        ([saw("a", 900, observed_on=QUARTER - 5 * D)], 1, "met"),
        ([saw("d", 900, observed_on=date(2025, 12, 20))], 1, "met"),
        ([saw("d", 900, observed_on=AT.date())], 1, "met"),
    ],
)
def test_rank_among_the_vendors_of_the_newest_quarter(
    changed: list[Row], rank: float, verdict: str
) -> None:
    with World(SHARES, changed) as world:
        cell = world.cell("market_position")
    assert (cell.value, cell.verdict) == (rank, verdict)


def test_too_little_of_the_market_observed() -> None:
    with World(
        saw("own", 400), saw("a", 150), saw("b", 49), saw("*", 1000, "market_units")
    ) as world:
        assert world.cell("market_position").verdict == "insufficient_data"
        world.add(saw("c", 1))
        assert world.cell("market_position").verdict == "met"


def test_all_expired_is_expired_and_not_absent() -> None:
    with World([row | {"expires_at": AT} for row in SHARES]) as world:
        cell = world.cell("market_position")
    assert (cell.value, cell.verdict) == (1, "expired")


def test_own_units_are_those_of_the_register_where_the_source_agrees() -> None:
    shops = [unit(f"{n}") for n in range(100)]
    market = saw("*", 250, "market_units")
    for seen, share in ((105, 40.0), (95, 40.0), (106, 42.4), (94, 37.6)):
        with World(shops, saw("own", seen), market) as world:
            assert world.cell("market_share").value == pytest.approx(share)


def test_a_client_merged_into_a_retained_one_is_retained() -> None:
    whole = (date(2024, 1, 1), date(2027, 1, 1))
    cut = on(2025, 9, 1)

    def merged(client: str, into: str) -> Row:
        return contract(client, *whole, terminated_at=cut, termination_reason=f"merged:{into}")

    with World(
        [unit(client) for client in "KMNGXL"],
        [contract("K", *whole), merged("M", "K"), merged("N", "G")],
        contract("G", *whole, terminated_at=cut, termination_reason="left"),
        # renewed without a gap; and a term that ended before the window
        [
            contract("X", date(2024, 1, 1), date(2025, 6, 30)),
            contract("X", date(2025, 7, 1), whole[1]),
        ],
        contract("L", date(2022, 1, 1), date(2025, 2, 27)),
    ) as world:
        cell = world.cell("customer_retention_rate")
    # at the start: K M N G X; kept: K, M (with K), X
    assert (cell.value, cell.n) == (60, 5)


def test_two_connectors_of_one_product_count_once() -> None:
    def connector(key: str, name: str) -> list[Row]:
        return [
            _row(
                "integration",
                {
                    "integration": key, "name": name, "status_at": AT - 300 * D, "category": "pos",
                    "status": "live", "certified": True, "framework": "universal",
                    "capabilities_required": "a", "in_public_catalogue": True,
                },
                {},
            ),
            _row(
                "connection",
                {
                    "connection_id": key, "integration": key, "connected_at": AT - 200 * D,
                    "auth": "token",
                },
                {},
            ),
            _row(
                "sync_run",
                {
                    "run_id": key, "connection_id": key, "started_at": AT - 3 * D,
                    "finished_at": AT - 3 * D, "direction": "in", "entity": "sale",
                    "mode": "full", "interval_s": 3600, "status": "success", "records_read": 1,
                    "records_written": 1, "records_failed": 0, "backlog": 0, "integration": key,
                },
                {},
            ),
        ]  # fmt: skip

    review = attestation(AT - 9 * D, "register_review:integration")
    with World(connector("till", "Till"), connector("till_2", "till"), review) as world:
        cell = world.cell("integration_count", at=AT + timedelta(days=1))
    assert (cell.value, cell.n) == (1, 2)


def recognised(kind: str, title: str, dated: date, **given: Any) -> Row:
    usual = {
        "recognition_id": f"{title}-{dated}-{given}", "kind": kind, "title": title,
        "issuer": "jury", "independent": True, "dated_on": dated, "status": "granted",
    }  # fmt: skip
    return _row("recognition", usual | ATTESTED, given)


def test_an_award_whose_evidence_has_expired_makes_the_count_expired() -> None:
    awards = [recognised("award", f"Prize {n}", date(2025, 9, n)) for n in (1, 2, 3)]
    review = attestation(AT - 9 * D, "register_review:recognition")
    with World(awards, review) as world:
        assert world.cell("industry_recognition").verdict == "met"
        world.add(recognised("award", "Prize 4", date(2025, 9, 4), expires_at=AT))
        cell = world.cell("industry_recognition")
    assert (cell.value, cell.verdict) == (4, "expired")


def test_a_zero_needs_the_review_of_the_register() -> None:
    with World(recognised("story", "Story", date(2025, 9, 1))) as world:
        assert world.cell("thought_leadership").verdict == "no_data"
        world.add(attestation(AT - 101 * D, "register_review:recognition"))
        assert world.cell("thought_leadership").verdict == "no_data"
        world.add(attestation(AT - 100 * D, "register_review:recognition"))
        cell = world.cell("thought_leadership")
    assert (cell.value, cell.verdict) == (0, "not_met")


def test_a_share_that_is_older_than_twelve_months_is_none() -> None:
    old: dict[str, Any] = {"observed_on": date(2025, 3, 30)}
    with World(saw("own", 40, **old), saw("*", 100, "market_units", **old)) as world:
        assert world.cell("market_share").verdict == "no_data"
        assert world.cell("market_share", at=AT - 2 * D).value == 40
