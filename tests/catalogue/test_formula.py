"""Formulas: what they compute, and every form that they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterstone.catalogue.formula import MAX_LENGTH, parse_formula
from meterstone.catalogue.problems import ExpressionError

TERMS = {"a": np.array([1.0, 2.0, np.nan]), "b": np.array([4.0, 0.0, 3.0])}
NAN = float("nan")


def value(text: str) -> list[Any]:
    found: list[Any] = parse_formula(text, TERMS)(TERMS).tolist()
    return found


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a", [1, 2, NAN]),
        ("100 * a / b", [25, NAN, NAN]),
        ("a + b - 1", [4, 1, NAN]),
        ("-a", [-1, -2, NAN]),
        ("a < b", [True, False, False]),
        ("a <= 1 and b >= 4", [True, False, False]),
        ("a == 2 or b > 3 or a != a", [True, True, True]),
        ("not a > 1", [True, False, True]),
        ("min(a, b)", [1, 0, 3]),
        ("max(a, b)", [4, 2, 3]),
        ("abs(a - b)", [3, 2, NAN]),
        ("known(a)", [True, True, False]),
        ("where(known(a), a, 0)", [1, 2, 0]),
        ("  a\n  + b ", [5, 2, NAN]),
        ("(a)", [1, 2, NAN]),
        ("True and a > 0", [True, True, False]),
    ],
)
def test_what_a_formula_computes(text: str, wanted: list[Any]) -> None:
    np.testing.assert_equal(value(text), wanted)


def test_a_number_divided_by_zero_is_no_number() -> None:
    assert np.isnan(parse_formula("1 / a", ["a"])({"a": np.array([0.0])})).all()


def test_a_formula_knows_its_names() -> None:
    formula = parse_formula("min(a, 2) / b", ["a", "b", "c"])
    assert formula.text == "min(a, 2) / b"
    assert formula.names == {"a", "b"}


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "cannot read the formula ''"),
        ("a +", "cannot read the formula 'a +': invalid syntax"),
        ("a b", "cannot read the formula"),
        ("a = b", "cannot read the formula"),
        ("a\0", "cannot read the formula"),
        ("(" * 500 + "a" + ")" * 500, "cannot read the formula"),
        ("-" * 1999 + "a", ""),
        ("not " * 100 + "a", "the formula 'not not not"),
        ("a + " * 600 + "a", f"a formula has at most {MAX_LENGTH} characters"),
        ("c / a", "unknown term 'c' in 'c / a'"),
        ("sum(a)", "unknown function 'sum'"),
        ("a.real", "'a.real' in 'a.real' is not part of the formula language"),
        ("a.real(b)", "unknown function 'a.real'"),
        ("(lambda: a)()", "unknown function"),
        ("a ** b", "'a ** b' in 'a ** b' is not part of"),
        ("a // b", "'a // b'"),
        ("a % b", "'a % b'"),
        ("a & b", "'a & b'"),
        ("+a", "'+a'"),
        ("~a", "'~a'"),
        ("a < b < 1", "'a < b < 1'"),
        ("a is b", "'a is b'"),
        ("a in b", "'a in b'"),
        ("a if b else 1", "'a if b else 1'"),
        ("[a]", "'[a]'"),
        ("a[0]", "'a[0]'"),
        ("a + 'x'", "\"'x'\""),
        ("a + 1j", "'1j'"),
        ("a + None", "'None'"),
        ("...", "'...'"),
        ("min(a)", "min() takes 2 values"),
        ("min(a, b, 1)", "min() takes 2 values"),
        ("abs(a, out=b)", "abs() takes 1 values"),
        ("max(*a)", "max() takes 2 values"),
        ("where(a, *b, 1)", "'*b'"),
        ("(x := a)", "'(x := a)'"),
        ("__import__('os')", "unknown function '__import__'"),
    ],
    ids=lambda text: text[:25],
)
def test_refused(text: str, cause: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_formula(text, TERMS)
    assert str(caught.value).startswith(cause)
    assert caught.value.mend


def test_a_text_that_the_parser_gives_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def give_up(*_: Any, **__: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("meterstone.catalogue.formula.ast.parse", give_up)
    with pytest.raises(ExpressionError, match="cannot read the formula 'a'"):
        parse_formula("a", TERMS)


def test_a_misspelt_term_gets_the_likely_one() -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_formula("erors / requests", ["errors", "requests"])
    assert caught.value.mend == "did you mean 'errors'?"


@given(st.text("ab01.()+-*/<>=!,~ andortkwhe", max_size=30))
def test_any_text_is_computed_or_refused(text: str) -> None:
    try:
        formula = parse_formula(text, TERMS)
    except ExpressionError:
        return
    formula(TERMS)
