"""Proven capacity and concurrent connections, in worked numbers."""

from __future__ import annotations

from datetime import timedelta

import pytest

from .build import AT, RECORDED, D, H, M, Row, World, load_sample, load_test, release

US = timedelta(microseconds=1)
CAPACITY, PEAK = "concurrent_user_capacity", "concurrent_connections"


def level(users: int, requests: int = 20_000, at: timedelta = D, **columns: object) -> Row:
    given = {"concurrent_users": users, "requests": requests} | columns
    return load_test(AT - at, **given)


@pytest.mark.parametrize(
    ("rows", "users", "requests", "verdict"),
    [
        ([level(50_000)], 50_000, 20_000, "met"),
        ([level(49_999)], 49_999, 20_000, "not_met"),
        ([level(50_000, 10_000)], 50_000, 10_000, "met"),
        ([level(50_000, 9_999)], 50_000, 9_999, "insufficient_data"),
        ([level(10_000), level(60_000, 30_000)], 60_000, 30_000, "met"),
        ([level(10_000), level(60_000, hold_s=899)], 10_000, 20_000, "not_met"),
        ([level(10_000), level(60_000, p95_ms=500.0)], 10_000, 20_000, "not_met"),
        ([level(10_000), level(60_000, success_rate=99.89)], 10_000, 20_000, "not_met"),
        ([level(10_000), level(60_000, production_like=False)], 10_000, 20_000, "not_met"),
        ([level(60_000, hold_s=1), level(70_000, 7, hold_s=1)], 0, 20_000, "not_met"),
        # the newest test counts, though an older one reached more
        ([level(60_000, at=2 * D, test_id="old"), level(40_000)], 40_000, 20_000, "not_met"),
        ([level(60_000, at=90 * D)], 60_000, 20_000, "met"),
        ([level(60_000, test_id="b"), level(1_000, test_id="a")], 60_000, 20_000, "met"),
    ],
    ids=range(13),
)
def test_capacity_is_the_largest_level_held_in_the_newest_test(
    rows: list[Row], users: int, requests: int, verdict: str
) -> None:
    with World(rows) as world:
        cell = world.cell(CAPACITY, known_at=RECORDED)
        assert (cell.value, cell.n, cell.verdict) == (users, requests, verdict)


def test_capacity_without_a_recent_test() -> None:
    with World(level(60_000, at=90 * D + US), level(60_000, at=timedelta(0), test_id="b")) as world:
        assert world.cell(CAPACITY).verdict == "no_data"


@pytest.mark.parametrize(
    ("releases", "users"),
    [
        ([], 60_000),
        ([release(AT - 50 * D, "2.0.1")], 60_000),
        ([release(AT - D, "3.0"), release(AT - 50 * D, "2.0.1")], None),
        ([release(AT - 3 * D, "1.9")], 50_000),
        ([release(AT, "1.0"), release(AT - 5 * D, "2.0")], 50_000),
        ([release(AT + US, "1.0"), release(AT - 5 * D, "2.0")], 60_000),
        ([release(AT - 3 * D, "1.9", rolled_back_at=AT), release(AT - 5 * D, "2.0")], 60_000),
        ([release(AT - 3 * D, "1.9", rolled_back_at=AT + US), release(AT - 5 * D, "2.0")], 50_000),
    ],
    ids=range(8),
)
def test_capacity_is_that_of_the_current_major_release(
    releases: list[Row], users: int | None
) -> None:
    rows = [
        level(50_000, at=2 * D, test_id="one", release_version="1.4.0"),
        level(60_000, at=D, test_id="two", release_version="2.0.0"),
    ]
    with World(rows, releases) as world:
        assert world.cell(CAPACITY, known_at=RECORDED).value == users


def test_capacity_by_an_attested_test_that_expires() -> None:
    attested = {
        "source": "attestation", "entered_by": "ann", "entered_role": "lead",
        "evidence_uri": "https://evidence.example/load", "expires_at": AT + D,
    }  # fmt: skip
    with World(level(60_000, **attested)) as world:
        measured = world.evaluate([AT, AT + D - US, AT + D], CAPACITY)
        cells = [measured.cell(CAPACITY, moment=n) for n in range(3)]
        assert [c.verdict for c in cells] == ["met", "met", "expired"]
        assert cells[2].value == 60_000, "the value is shown"
        assert cells[0].evidence == 2, "attested"


def test_peak_of_connections_over_all_instances_at_one_time() -> None:
    noon = AT - 12 * H
    with World(
        load_sample(noon, connections=1_000),
        load_sample(noon, connections=1_500, instance="two"),
        load_sample(noon + M, connections=2_499),
        load_sample(noon + 2 * M, connections=None, queue_depth=9),
        load_sample(AT, connections=9_000),
        load_sample(AT - D - US, connections=9_000),
        load_sample(noon, connections=50_000, instance="three", environment="test"),
    ) as world:
        measured = world.evaluate([AT, AT + 5 * D], PEAK)
        cell = measured.cell(PEAK)
        assert (cell.value, cell.n, cell.verdict) == (2_500, 2, "reference")
        assert measured.cell(PEAK, moment=1).verdict == "no_data"
