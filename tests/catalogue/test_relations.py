"""Relations: what they resolve to, and every way in which one can be wrong."""

from __future__ import annotations

from datetime import timedelta

import pytest

from meterstone.catalogue import Relation

from .conftest import BASE, Load, Refuse, changed

DESC = "    desc: sales that were paid\n"
SELECT = "SELECT at, franchise_id, amount, status\n"
WHOLE = f"    sql: |\n      {SELECT}      FROM sale\n      WHERE NOT void\n"
ROLLUP = "    rollup: call\n    where: outcome <> 'caller'\n"
OVER_MOMENT = """\
relations:
  open_sale:
    over: moment
    sql: |
      SELECT m.i, s.franchise_id FROM moment AS m JOIN sale AS s ON s.at < m.at
  by_minute:
    over: minute
    sql: SELECT n.at, 1 AS one FROM instant AS n
    materialize: {dimensions: [], measures: {one: sum}}
  again:
    over: minute
    same_sql_as: by_minute
  built:
    sql: |
      SELECT b.at, b.one, s.amount FROM by_minute AS b JOIN sale AS s ON s.at = b.at
    reads: {sale: P3D, metric_result: for ever}
  base:
    sql: SELECT at FROM metric_result
"""


@pytest.fixture
def relations(load: Load) -> dict[str, Relation]:
    return dict(load(BASE).relations)


def test_a_fact_is_a_relation(relations: dict[str, Relation]) -> None:
    sale = relations["sale"]
    assert (sale.time, sale.over, sale.facts) == ("at", "rows", ("sale",))
    assert list(sale.scopes) == ["network", "franchise", "integration"]
    assert {"newest", "evidence_rank", "_seq", "amount"} <= sale.readable


def test_sql_over_a_fact(relations: dict[str, Relation]) -> None:
    paid = relations["paid_sale"]
    assert paid.columns == paid.readable == {"at", "franchise_id", "amount", "status"}
    assert (paid.uses, paid.facts, paid.time) == (("sale",), ("sale",), "at")
    assert list(paid.scopes) == ["network", "franchise"]
    assert paid.place.endswith("shop.yaml:5")


def test_a_rollup_reads_what_is_stored(relations: dict[str, Relation]) -> None:
    answered = relations["answered"]
    assert "ms" in answered.columns
    assert "ms" not in answered.readable
    assert {"requests", "timed_requests", "value_total", "outcome"} <= answered.readable
    assert answered.reads == {"call": timedelta(days=1)}


def test_relations_over_minutes_and_moments(load: Load) -> None:
    text = OVER_MOMENT.replace(", metric_result: for ever", "")
    relations = load(text).relations
    assert relations["open_sale"].time == "i"
    assert relations["by_minute"].readable == {"at", "one", "newest", "evidence_rank"}
    assert relations["again"].sql == relations["by_minute"].sql
    assert relations["built"].reads == {"sale": timedelta(days=3)}


def test_reads_names_stored_days_that_are_looked_back_at(load: Load) -> None:
    text = OVER_MOMENT.replace("metric_result: for ever", "by_minute: P7D")
    relations = load(text).relations
    assert relations["built"].looks_back == {"by_minute": timedelta(days=7)}
    assert relations["built"].reads == {"sale": timedelta(days=3)}
    assert relations["by_minute"].looks_back == {}


def test_what_is_read_through_others_counts_longest(load: Load) -> None:
    text = changed(DESC, DESC + "    reads: {sale: for ever}\n")
    text = changed(
        "  answered:\n",
        "  both:\n    sql: SELECT p.at FROM paid_sale AS p, sale\n  answered:\n",
        text,
    )
    assert load(text).relations["both"].reads == {"sale": None}


@pytest.mark.parametrize(
    ("old", "new", "cause", "mend"),
    [
        (
            "      FROM sale\n",
            "      FROM sael -- <-\n",
            "unknown fact or relation 'sael'",
            "'sale'?",
        ),
        (SELECT, "SELECT at, amuont AS amount -- <-\n", "Column 'amuont' could not", "'amount'?"),
        ("      WHERE NOT void\n", "      WHERE (NOT void -- <-\n", "cannot read the SQL: Exp", ""),
        (
            "    sql: |\n      SELECT at, franchise_id, amount, status\n      FROM sale\n",
            "    sql: |\n\n\n      SELECT at\n      , broken() AS x -- <-\n      FROM sale\n",
            "broken() is not in the metric language",
            "known:",
        ),
        (
            WHOLE,
            "    sql: SELECT at, nothing FROM sale # <-\n",
            "Column 'nothing' could not be resolved",
            "",
        ),
        (
            WHOLE,
            "    sql:\n      SELECT at, 'x # <-\n",
            "cannot read the SQL: a quote or a comment is not closed",
            "close it",
        ),
        (
            SELECT,
            "SELECT franchise_id, amount, status\n",
            "relation 'paid_sale' has no column 'at'",
            "",
        ),
        (
            DESC,
            DESC + "    time: day # <-\n",
            "relation 'paid_sale' has no column 'day'",
            "known: am",
        ),
        (DESC, "    where: amount > 0 # <-\n", "`where` belongs to a rollup", "into the SQL"),
        (DESC, "    rollup: call\n", "relation 'paid_sale' has sql and rollup", "one of"),
        (
            "    rollup: call\n",
            "",
            "relation 'answered' has neither sql nor rollup",
            "write one of",
        ),
        ("rollup: call", "rollup: cal # <-", "unknown fact 'cal'", "did you mean 'call'?"),
        (
            "rollup: call",
            "rollup: sale # <-",
            "fact sale has no rollup",
            "facts with one: ['call']",
        ),
        (ROLLUP, ROLLUP + "    time: at # <-\n", "a rollup has no `time`", "write `sql:`"),
        (ROLLUP, ROLLUP + "    reads: {call: P1D} # <-\n", "a rollup has no `reads`", ""),
        (
            ROLLUP,
            ROLLUP + "    materialize: {measures: {requests: sum}} # <-\n",
            "a rollup has no `materialize`",
            "",
        ),
        (ROLLUP, ROLLUP + "    over: minute # <-\n", "a rollup is over rows", "remove `over:`"),
        (
            "outcome <> 'caller'",
            "outcom <> 'caller' # <-",
            "relation 'answered' has no column 'outcom'",
            "did you mean 'outcome'?",
        ),
        ("outcome <> 'caller'", "ms > 3 # <-", "relation 'answered' has no column 'ms'", ""),
        ("outcome <> 'caller'", "outcome <> # <-", "cannot read the SQL", ""),
        (
            DESC,
            DESC + "    scopes: {franchise: {key: franchise}} # <-\n",
            "relation 'paid_sale' has no column 'franchise'",
            "did you mean 'franchise_id'?",
        ),
        (
            DESC,
            DESC + "    scopes:\n      network:\n        where: amont > 1 # <-\n",
            "relation 'paid_sale' has no column 'amont'",
            "did you mean 'amount'?",
        ),
        (
            DESC,
            DESC
            + "    materialize:\n      dimensions: [franchise] # <-\n"
            + "      measures: {amount: sum}\n",
            "relation 'paid_sale' has no column 'franchise'",
            "did you mean 'franchise_id'?",
        ),
        (
            DESC,
            DESC + "    materialize: {measures: {sum: sum}} # <-\n",
            "relation 'paid_sale' has no column 'sum'",
            "known:",
        ),
        (
            DESC,
            DESC + "    scopes: {franchise: {key: franchise_id}} # <-\n"
            "    materialize: {measures: {amount: sum}}\n",
            "relation 'paid_sale' has no column 'franchise_id'",
            "known: amount, at",
        ),
        (
            DESC,
            "    over: moment\n    materialize: {measures: {amount: sum}} # <-\n",
            "a relation over moments cannot be stored by day",
            "over: minute",
        ),
        (DESC, "    reads: {call: P1D} # <-\n", "the relation does not read 'call'", "known: sale"),
        (DESC, "    reads: {sale: ever} # <-\n", "unknown duration 'ever'", "`for ever`"),
        (
            "  paid_sale:\n",
            "  sale: # <-\n",
            "'sale' is the name of a fact or parameter",
            "another",
        ),
        ("  paid_sale:\n", "  moment: # <-\n", "'moment' is the name of a fact or parameter", ""),
        ("  paid_sale:\n", "  paid sale: # <-\n", "'paid sale' is no name", "letters, digits"),
        (
            "FROM sale\n",
            "FROM sale JOIN moment AS m ON true\n",
            "'moment' is there only for",
            "moment",
        ),
        (
            "FROM sale\n",
            "FROM sale JOIN instant AS m ON true\n",
            "'instant' is there only for",
            "minute",
        ),
    ],
    ids=lambda value: value[:35] if isinstance(value, str) else None,
)
def test_a_wrong_relation(refuse: Refuse, old: str, new: str, cause: str, mend: str) -> None:
    [error] = refuse(changed(old, new))
    assert error.cause.startswith(cause)
    assert mend in error.mend


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (
            "relations:\n  a: # <-\n    sql: SELECT at FROM b\n  b:\n    sql: SELECT at FROM c\n"
            "  c:\n    sql: SELECT at FROM a\n",
            "relations read each other: ",
        ),
        ("relations:\n  a: # <-\n    sql: SELECT at FROM a\n", "relations read each other: a → a"),
        (
            "relations:\n  a:\n    same_sql_as: b # <-\n  b:\n    same_sql_as: a # <-\n",
            "relations take each other's SQL: ",
        ),
        (
            "relations:\n  a:\n    sql: SELECT at FROM b\n  b: # <-\n    same_sql_as: a\n",
            "relations read each other: b → b",
        ),
        ("relations:\n  a:\n    same_sql_as: c # <-\n", "no relation 'c' with sql"),
        (
            "relations:\n  a:\n    same_sql_as: r # <-\n  r:\n    rollup: call\n",
            "no relation 'r' with sql",
        ),
        (
            "relations:\n  m:\n    over: moment\n    sql: SELECT i FROM moment\n"
            "  a: # <-\n    sql: SELECT i AS at FROM m\n",
            "'m' is there only for the moments measured",
        ),
    ],
)
def test_relations_among_each_other(refuse: Refuse, text: str, cause: str) -> None:
    errors = refuse(text)
    assert all(error.cause.startswith(cause) for error in errors)


def test_the_sql_of_another_is_wrong_where_it_is_written(refuse: Refuse) -> None:
    text = """\
relations:
  b:
    over: minute
    same_sql_as: a
  a:
    over: minute
    sql: |
      SELECT n.at,
             n.nothing -- <-
      FROM instant AS n
"""
    [error] = refuse(text)
    assert "nothing" in error.cause


def test_every_independent_error_is_reported_and_no_follower(refuse: Refuse) -> None:
    text = """\
relations:
  a:
    sql: SELECT nothing FROM sale # <-
  b:
    sql: SELECT at FROM a
  c:
    sql: SELECT at, nope() AS x FROM sale # <-
  d:
    sql: SELECT at FROM c
  e:
    rollup: sale # <-
"""
    assert len(refuse(text)) == 3
