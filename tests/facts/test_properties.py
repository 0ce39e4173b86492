"""Whatever surrounds a good row, it is kept, in its place; and nothing vanishes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from meterstone.facts import build_batch, vocabulary

from .conftest import RECEIVED, VISIT

ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.binary(max_size=4),
    st.lists(st.integers(), max_size=2),
    st.datetimes(),
    st.dates(),
    st.decimals(),
)
TIMES = st.datetimes(datetime(1990, 1, 1), datetime(2026, 3, 1))  # noqa: DTZ001
GOOD_ROW = st.fixed_dictionaries(
    {"visit_id": st.text(st.characters(codec="utf-8"), min_size=1), "at": TIMES},
    optional={
        "minutes": st.integers(0, 10**6),
        "share": st.floats(0, 1),
        "paid_usd": st.decimals(-(10**9), 10**9, places=2),
        "cut": st.sampled_from(["long", "short"]),
        "walk_in": st.booleans(),
    },
)
BAD_ROW = st.dictionaries(st.sampled_from([*VISIT.columns, "nonsense"]), ANYTHING, max_size=8).map(
    lambda row: row | {"nonsense": 1}
)


@given(st.lists(st.one_of(GOOD_ROW.map(lambda r: (True, r)), BAD_ROW.map(lambda r: (False, r)))))
def test_good_rows_around_bad_ones_are_kept_in_order(
    rows: list[tuple[bool, dict[str, Any]]],
) -> None:
    numbered = [(n, row | ({"chair": n} if good else {})) for n, (good, row) in enumerate(rows, 1)]
    batch = build_batch(VISIT, numbered, received_at=RECEIVED)
    wanted = [n for n, (good, _) in enumerate(rows, 1) if good]
    assert batch.table.column("_item").to_pylist() == wanted
    refused = [reject.item for reject in batch.rejects]
    assert refused == [n for n, (good, _) in enumerate(rows, 1) if not good]
    assert all(reject.reason and reject.mend for reject in batch.rejects)


@given(st.dictionaries(st.sampled_from(list(VISIT.columns)), ANYTHING))
def test_any_row_is_kept_or_refused_and_never_breaks_the_batch(row: dict[str, Any]) -> None:
    batch = build_batch(VISIT, [(1, row)], received_at=RECEIVED)
    assert batch.table.num_rows + len(batch.rejects) == 1


@given(GOOD_ROW)
def test_a_kept_row_has_the_values_that_were_sent(row: dict[str, Any]) -> None:
    batch = build_batch(VISIT, [(1, row | {"chair": 1})], received_at=RECEIVED)
    [kept] = batch.table.to_pylist()
    assert {name: kept[name] for name in row} == row


@given(st.sampled_from(list(vocabulary())), st.data())
def test_every_fact_survives_any_row(name: str, data: st.DataObject) -> None:
    fact = vocabulary()[name]
    row = data.draw(st.dictionaries(st.sampled_from(list(fact.columns)), ANYTHING, max_size=30))
    batch = build_batch(fact, [(1, row)], received_at=datetime(2026, 3, 1, tzinfo=UTC))
    assert batch.table.num_rows + len(batch.rejects) == 1
