"""Kinds of values: what is counted is a number, what is asked is true or false."""

from __future__ import annotations

import pytest

from meterstone.catalogue import sql, types
from meterstone.catalogue.problems import ExpressionError

from .conftest import Load, Refuse, changed

SALE = {
    "at": "TIMESTAMP", "day": "DATE", "shop": "VARCHAR", "amount": "DOUBLE", "void": "BOOLEAN",
    "other": types.UNKNOWN,
}  # fmt: skip


def test_types_of_facts() -> None:
    assert types.of_facts({"a": "enum", "b": "decimal", "c": "date", "d": "shape"}) == {
        "a": "VARCHAR", "b": "DECIMAL(18, 2)", "c": "DATE", "d": types.UNKNOWN,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("SELECT at AS x FROM sale", "TIMESTAMPNTZ"),
        ("SELECT count(*) AS x FROM sale", "BIGINT"),
        ("SELECT epoch(at) - epoch(day) AS x FROM sale", "DOUBLE"),
        ("SELECT CASE WHEN void THEN 1 ELSE 0 END AS x FROM sale", "INT"),
        ("SELECT amount > 3 AND NOT void AS x FROM sale", "BOOLEAN"),
        ("SELECT lower(shop) AS x FROM sale", "VARCHAR"),
        ("SELECT NULL AS x FROM sale", types.UNKNOWN),
        ("SELECT other AS x FROM sale", types.UNKNOWN),
        ("SELECT x FROM (SELECT max(amount) AS x FROM sale) AS q", "DOUBLE"),
    ],
)
def test_types_of_columns(text: str, wanted: str) -> None:
    assert sql.columns_of_query(sql.parse_query(text), {"sale": SALE})["x"] == wanted


@pytest.mark.parametrize(
    "text",
    [
        "SELECT at FROM sale WHERE at > '2026-01-01' AND day <= $end",
        "SELECT at FROM sale WHERE at = other OR other > 3",
        "SELECT at FROM sale WHERE amount > '3'",
        "SELECT at FROM sale WHERE shop IS NOT DISTINCT FROM 'a'",
        "SELECT date_trunc('day', at) AS at FROM sale",
    ],
)
def test_comparisons_of_one_kind(text: str) -> None:
    sql.columns_of_query(sql.parse_query(text), {"sale": SALE})


@pytest.mark.parametrize(
    ("text", "line", "cause"),
    [
        ("SELECT at FROM sale\nWHERE shop > 3", 1, "text is compared with a number"),
        ("SELECT at FROM sale\nWHERE at > amount", 1, "a time is compared with a number"),
        ("SELECT at FROM sale WHERE void = 1", 0, "true or false is compared with a number"),
        ("SELECT at,\n epoch(shop) AS x FROM sale", 1, "what is taken apart is text, not a time"),
    ],
)
def test_comparisons_of_two_kinds(text: str, line: int, cause: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        sql.columns_of_query(sql.parse_query(text), {"sale": SALE})
    assert (str(caught.value), caught.value.line) == (cause, line)


@pytest.mark.parametrize(
    "text",
    [
        "sum(amount)", "max(epoch(at))", "bool_and(void)", "arg_max(amount, at)", "sum(other)",
        "count(*) filter (where void)", "count(DISTINCT shop)", "median(amount)", "max(void)",
    ],
)  # fmt: skip
def test_terms_are_numbers(text: str) -> None:
    types.check_aggregate(sql.parse_aggregate(text), SALE)


@pytest.mark.parametrize(
    "text", ["max(shop)", "arg_max(shop, at)", "min(shop) filter (where void)"]
)
def test_terms_that_are_words(text: str) -> None:
    assert types.check_aggregate(sql.parse_aggregate(text), SALE) == "text"


@pytest.mark.parametrize(
    "shown", ["newest: newest", "newest: newest\n      twice: 2 * newest", "twice: 2 * newest"]
)
def test_a_word_is_shown_and_not_counted_with(load: Load, refuse: Refuse, shown: str) -> None:
    newest = "      newest: max(status)\n"
    text = changed("    numerator: good\n", f"    shown:\n      {shown}\n    numerator: good\n")
    text = changed("    terms:\n      good", f"    terms:\n{newest}      good", text)
    if "twice" not in shown:
        term = load(text).metrics["paid_share"].terms["newest"]
        assert (term.is_text, term.mergeable) == (True, False)
        return
    [error] = refuse(text.replace("max(status)\n", "max(status) # <-\n", 1))
    assert error.cause == "term 'newest' is text, and a formula counts with numbers"


@pytest.mark.parametrize(
    ("text", "cause", "mend"),
    [
        ("max(at)", "a term is a number, not a time", "write epoch(column)"),
        ("sum(void)", "what sum() reads is true or false, not a number", "filter (where column)"),
        ("sum(shop)", "what sum() reads is text, not a number", "count what it says"),
        ("median(at)", "what median() reads is a time, not a number", "write epoch(column)"),
        (
            "count(*) filter (where amount)",
            "the condition is a number, not true or false",
            "compar",
        ),
        ("count(*) filter (where shop = 3)", "text is compared with a number", "one kind"),
    ],
)
def test_terms_that_are_no_numbers(text: str, cause: str, mend: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        types.check_aggregate(sql.parse_aggregate(text), SALE)
    assert str(caught.value) == cause
    assert mend in caught.value.mend


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        ("outcome <> 'caller'", "outcome # <-", "the condition is text, not true or false"),
        ("sum(amount) filter", "sum(status) filter", "what sum() reads is text, not a number"),
        (
            "{quantile_of: ms}",
            "{quantile_of: ms, where: outcome} # <-",
            "the condition is text, not",
        ),
        ("p95: {", "p95: {weight: outcome, ", "the value is text, not a number"),
        (
            "uncertainty: wilson",
            "uncertainty: bootstrap\n    resample: status # <-",
            "the value is text, not a number",
        ),
        ("WHERE NOT void", "WHERE status > 3 -- <-", "text is compared with a number"),
    ],
)
def test_wrong_kinds_in_a_catalogue(refuse: Refuse, old: str, new: str, cause: str) -> None:
    [error] = refuse(changed(old, new))
    assert error.cause.startswith(cause)
