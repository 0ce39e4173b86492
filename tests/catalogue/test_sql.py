"""SQL of relations, aggregates and conditions: what is taken, and what is refused at which line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlglot import exp, parse_one

from meterstone.catalogue import sql
from meterstone.catalogue.problems import ExpressionError

TABLES = {
    "sale": {"at": "TIMESTAMP", "shop": "VARCHAR", "amount": "DOUBLE"},
    "shop": {"shop": "VARCHAR", "opened_at": "TIMESTAMP"},
}


def columns(text: str) -> list[str]:
    return list(sql.columns_of_query(sql.parse_query(text), TABLES))


def fragment(parse: Callable[[str], exp.Expr], text: str) -> exp.Expr:
    tree = parse(text)
    sql.check_columns(tree, "sale", TABLES["sale"])
    return tree


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("SELECT at, amount FROM sale", ["at", "amount"]),
        ("SELECT * FROM sale", ["at", "shop", "amount"]),
        ("SELECT s.* EXCLUDE (shop) FROM sale AS s", ["at", "amount"]),
        ("FROM sale", ["at", "shop", "amount"]),
        ("SELECT shop, sum(amount) AS total FROM sale GROUP BY shop", ["shop", "total"]),
        ("SELECT shop, count(*) AS n FROM sale GROUP BY ALL ORDER BY n", ["shop", "n"]),
        ("WITH a AS (SELECT at FROM sale) SELECT at FROM a", ["at"]),
        ("SELECT at FROM sale UNION ALL SELECT opened_at FROM shop", ["at"]),
        ("SELECT at FROM sale WHERE at >= $start AND at < $end", ["at"]),
        ("SELECT s.at FROM sale AS s JOIN shop AS p ON p.shop = s.shop", ["at"]),
        ("SELECT at FROM sale AS s WHERE EXISTS (FROM shop WHERE shop.shop = s.shop)", ["at"]),
        (
            "SELECT at, lag(at) OVER (PARTITION BY shop ORDER BY at) AS before FROM sale",
            ["at", "before"],
        ),
        ("SELECT k.name FROM (VALUES ('a'), ('b')) AS k (name)", ["name"]),
        ("SELECT date_diff('day', at, at) AS days FROM sale HAVING days > 1", ["days"]),
    ],
)
def test_output_columns(text: str, wanted: list[str]) -> None:
    assert columns(text) == wanted


def test_a_query_knows_what_it_reads() -> None:
    query = sql.parse_query("WITH a AS (SELECT at FROM sale) SELECT a.at FROM a, shop, sale")
    assert query.tables == ("sale", "shop")


@pytest.mark.parametrize(
    ("text", "line", "cause", "mend"),
    [
        (
            "SELECT at,\n amount\nFROM sale WHERE",
            2,
            "cannot read the SQL: Required keyword",
            "DuckDB",
        ),
        ("SELECT (at\nFROM sale", 1, "cannot read the SQL: Expecting )", "DuckDB"),
        ("SELECT at\nFROM sale\nWHERE shop = 'x", 2, "cannot read the SQL: a quote or", "close it"),
        (
            "SELECT at,\n 'a\nb' AS x,\n 'c FROM sale",
            3,
            "cannot read the SQL: a quote or",
            "close it",
        ),
        ("SELECT /* at\nFROM sale", 0, "cannot read the SQL: a quote or a comment", "close it"),
        ("", 0, "cannot read the SQL: No expression was parsed", "DuckDB"),
        ("-- nothing", 0, "cannot read the SQL: No expression was parsed", "DuckDB"),
        ("DROP TABLE sale", 0, "the SQL of a relation is one SELECT", "SELECT"),
        (
            "SELECT at FROM sale;\nDELETE FROM sale",
            0,
            "the SQL of a relation is one SELECT",
            "SELECT",
        ),
        ("amount > 3", 0, "the SQL of a relation is one SELECT", "SELECT"),
        ("ATTACH 'x'", 0, "the SQL of a relation is one SELECT", "SELECT"),
        (
            "WITH x AS (\n INSERT INTO sale VALUES (1)\n) SELECT at FROM sale",
            1,
            "INSERT is not part of the metric language",
            "only selects",
        ),
        ("SELECT at INTO x FROM sale", 0, "INTO is not part of", "only selects"),
        ("SELECT at\nFROM sale\nUSING SAMPLE 3", 2, "TABLESAMPLE is not part of", "all of them"),
        (
            "FROM sale PIVOT (sum(amount) FOR shop IN ('a'))",
            0,
            "PIVOT is not part of",
            "only selects",
        ),
        ("WITH RECURSIVE a AS (SELECT at FROM sale) SELECT at FROM a", 0, "WITH RECURSIVE", "WITH"),
        ("SELECT at\nFROM sale\nWHERE at > $now", 2, "unknown parameter $now", "$start and $end"),
        ("SELECT at FROM sale WHERE shop = ?", 0, "unknown parameter ?", "$start and $end"),
        (
            "SELECT at,\n nwo() AS x FROM sale",
            1,
            "nwo() is not in the metric language",
            "known: abs",
        ),
        ("SELECT at,\n now() AS x FROM sale", 1, "now() is not in", "use `at` of `moment`"),
        (
            "SELECT current_date AS x FROM sale",
            0,
            "current_date() is not in",
            "use `at` of `moment`",
        ),
        ("SELECT random() AS x FROM sale", 0, "rand() is not in", "intervals are made by"),
        ("SELECT any_value(at) AS x FROM sale", 0, "any_value() is not in", "max()"),
        ("SELECT flor(amount) AS x FROM sale", 0, "flor() is not in", "did you mean 'floor'?"),
        ("SELECT at FROM\n read_csv('/etc/x')", 1, "read_csv() is not in", "known:"),
        ("SELECT at\nFROM 'x.csv'", 1, "unknown fact or relation 'x.csv'", "known: sale, shop"),
        ("SELECT at\nFROM sael", 1, "unknown fact or relation 'sael'", "did you mean 'sale'?"),
        ("SELECT at\nFROM facts.sale", 1, "'facts.sale' names a schema", "write sale"),
        (
            "SELECT at,\n amuont\nFROM sale",
            1,
            "Column 'amuont' could not be",
            "did you mean 'amount'?",
        ),
        ("SELECT at FROM sale\nORDER BY amuont", 1, "Column 'amuont'", "did you mean 'amount'?"),
        (
            "SELECT shop FROM sale\nGROUP BY shop\nHAVING amuont > 1",
            2,
            "unknown column 'amuont'",
            "did",
        ),
        (
            "SELECT s.at FROM sale AS s\nJOIN shop AS p ON p.shop = s.shop\n AND p.shpo = 1",
            2,
            "Unknown column: shpo",
            "did you mean 'shop'?",
        ),
        ("SELECT\n q.at FROM sale", 1, "Column 'at' could not be resolved for table: 'q'", ""),
        ("SELECT\n q.* FROM sale", 1, "Unknown table: q", ""),
        ("WITH a AS (SELECT at FROM sale)\nSELECT shop FROM a", 1, "Column 'shop'", ""),
        ("SELECT at, count(*) FROM sale GROUP BY at", 0, "output column 2 has no name", "AS name"),
        ("SELECT at, amount AS at FROM sale", 0, "two output columns are named 'at'", "rename"),
        (
            "SELECT " + "(" * 800 + "at" + ")" * 800 + " FROM sale",
            0,
            "the SQL is nested too deeply",
            "",
        ),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else None,
)
def test_a_wrong_query(text: str, line: int, cause: str, mend: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        columns(text)
    assert str(caught.value).startswith(cause)
    assert mend in caught.value.mend
    assert caught.value.line == line


def test_a_query_that_only_resolving_finds_too_deep(monkeypatch: pytest.MonkeyPatch) -> None:
    nested = "SELECT at FROM " + "(SELECT at FROM " * 40 + "sale" + ")" * 40
    assert columns(nested) == ["at"]

    def give_up(*_: Any, **__: Any) -> None:
        raise RecursionError

    monkeypatch.setattr(sql, "qualify", give_up)
    with pytest.raises(ExpressionError, match="the SQL is nested too deeply"):
        columns(nested)


@pytest.mark.parametrize(
    ("text", "merge"),
    [
        ("sum(amount)", "sum"),
        ("count(*)", "sum"),
        ("count(*) FILTER (WHERE shop = 'a')", "sum"),
        ("count_if(amount > 1)", "sum"),
        ("min(amount)", "min"),
        ("max(amount / nullif(amount, 0))", "max"),
        ("count(DISTINCT shop)", None),
        ("count(DISTINCT shop) FILTER (WHERE amount > 1)", None),
        ("sum(amount) / count(*)", None),
        ("quantile_disc(amount, 0.5)", None),
        ("bool_and(amount > 0)", None),
        ("arg_max(amount, at)", None),
    ],
)
def test_how_an_aggregate_merges(text: str, merge: str | None) -> None:
    assert sql.mergeable(fragment(sql.parse_aggregate, text)) == merge


@pytest.mark.parametrize(
    ("text", "line", "cause", "mend"),
    [
        ("amount", 0, "'amount' aggregates nothing", "sum(amount)"),
        ("3", 0, "'3' aggregates nothing", "count(*)"),
        ("sum(amount) +\n at", 1, "column 'at' stands outside of an aggregate", "max(at)"),
        ("sum(\nmax(amount))", 1, "max() stands inside of another aggregate", "aggregate once"),
        ("sum(amount) FILTER (WHERE max(at) > at)", 0, "max() stands inside", "aggregate once"),
        ("sum(amount) OVER ()", 0, "WINDOW belongs into a relation", "`from:`"),
        ("sum((SELECT 1))", 0, "SUBQUERY belongs into a relation", "`sql:`"),
        ("SELECT sum(amount) FROM sale", 0, "'SELECT sum(amount) FROM sale' is not an exp", "FROM"),
        ("sum(amount) AS x", 0, "'sum(amount) AS x' is not an expression", "AS"),
        ("sum(amount); DROP TABLE sale", 0, "'sum(amount); DROP TABLE sale' is not", ""),
        ("*", 0, "'*' is not an expression", ""),
        ("sum(amount) filter (where", 0, "cannot read the SQL", "DuckDB"),
        ("sum(amuont)", 0, "sale has no column 'amuont'", "did you mean 'amount'?"),
        ("sum(s.amount)", 0, "'s.amount' names a table", "write amount"),
        ("avg(amount)", 0, "avg() is not in the metric language", "divide them in a formula"),
        ("list(amount)", 0, "array_agg() is not in", "`resample:`"),
        ("sum($start)", 0, "unknown parameter $start", "window of the term"),
        ("lag(amount)", 0, "lag() is not in the metric language here", "known:"),
    ],
)
def test_a_wrong_aggregate(text: str, line: int, cause: str, mend: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        fragment(sql.parse_aggregate, text)
    assert str(caught.value).startswith(cause)
    assert mend in caught.value.mend
    assert caught.value.line == line


@pytest.mark.parametrize(
    "text", ["shop = 'a'", "amount", "TRUE", "shop IN ('a', 'b')", "lower(shop) LIKE 'a%'"]
)
def test_conditions_and_values(text: str) -> None:
    fragment(sql.parse_value, text)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("max(amount) > 1", "MAX is an aggregate: this is read for one row at a time"),
        ("shop IN (SELECT shop FROM shop)", "SUBQUERY belongs into a relation"),
        ("shpo = 'a'", "sale has no column 'shpo'"),
        ("md5(shop) = 'a'", "md5() is not in the metric language here"),
        ("DROP TABLE sale", "'DROP TABLE sale' is not an expression"),
    ],
)
def test_a_wrong_condition(text: str, cause: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        fragment(sql.parse_value, text)
    assert str(caught.value) == cause or str(caught.value).startswith(cause)


#: How each function is called, where one column is not enough.
CALLS = {
    "and": "x AND y", "or": "x OR y", "case": "CASE WHEN x THEN 1 END", "cast": "CAST(x AS INT)",
    "exists": "EXISTS (SELECT 1)", "extract": "EXTRACT(year FROM x)", "row_number": "row_number()",
    "rank": "rank()", "date_add": "date_add(x, INTERVAL 1 DAY)",
    "date_diff": "date_diff('day', x, y)", "date_trunc": "date_trunc('day', x)",
    "string_split": "string_split(x, '.')", "list_contains": "list_contains(x, 1)",
    "starts_with": "starts_with(x, 'a')", "nullif": "nullif(x, 1)", "if": "if(x, 1, 2)",
    "arg_max": "arg_max(x, y)", "arg_min": "arg_min(x, y)",
    "quantile_disc": "quantile_disc(x, 0.5)",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted({**sql.SCALARS, **sql.AGGREGATES, **sql.RELATIONAL}))
def test_a_function_is_parsed_to_its_node(name: str) -> None:
    kinds: dict[str, Any] = {**sql.SCALARS, **sql.AGGREGATES, **sql.RELATIONAL}
    tree = parse_one(CALLS.get(name, f"{name}(x)"), dialect="duckdb")
    assert type(tree) in kinds[name]


def test_what_is_refused_on_purpose_is_not_allowed() -> None:
    assert not set(sql.INSTEAD) & {*sql.SCALARS, *sql.AGGREGATES}
