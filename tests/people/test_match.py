"""Which rule an address stands in."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterstone.errors import InputError
from meterstone.people.match import Matcher
from meterstone.people.rights import Right, Rule
from meterstone.people.rules import RULES

WORDS = st.sampled_from(["owners", "live", "a", "F1", "login", ""])
PARTS = st.lists(st.sampled_from(["owners", "live", "a", "login"]), min_size=1, max_size=3)


def fits(rule: Rule, path: str) -> bool:
    """The slow, plain reading of a rule."""
    pattern = re.sub(r"\\\{rest:path\\\}", "(?=.*[^/]).+", re.escape(rule.path))
    pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", pattern)
    return re.fullmatch(pattern, path) is not None


def rank(rule: Rule) -> list[int]:
    """Literal before name before rest, part by part."""
    return [
        2 if part == "{rest:path}" else 1 if part.startswith("{") else 0
        for part in rule.path.split("/")
    ]


@st.composite
def rule_paths(draw: st.DrawFn) -> list[str]:
    paths = set()
    for _ in range(draw(st.integers(1, 6))):
        parts = draw(PARTS)
        parts = [draw(st.sampled_from([part, "{franchise}"])) for part in parts]
        rest = draw(st.sampled_from([[], ["{rest:path}"]]))
        paths.add("/" + "/".join(parts + rest))
    return sorted(paths)


@given(rule_paths(), st.lists(WORDS, min_size=1, max_size=5))
def test_it_finds_what_the_plain_reading_finds(paths: list[str], words: list[str]) -> None:
    rules = [Rule(path, Right.METRICS) for path in paths]
    path = "/" + "/".join(words)
    found = Matcher(rules).match(path)
    fitting = sorted((rule for rule in rules if fits(rule, path)), key=rank)
    assert (found.rule if found else None) == (fitting[0] if fitting else None)


@given(st.text(max_size=40))
def test_no_text_breaks_it(text: str) -> None:
    found = Matcher(RULES).match(text)
    assert found is None or fits(found.rule, text.replace("\n", "_"))


@pytest.mark.parametrize(
    "path", ["", "executive", "//executive", "/executive/", "/owners//F1", "/x"]
)
def test_what_is_not_written_has_no_rule(path: str) -> None:
    assert (
        Matcher([r for r in RULES if r.path in ("/executive", "/owners/{franchise}")]).match(path)
        is None
    )


def test_the_franchise_of_an_address() -> None:
    matcher = Matcher(RULES)
    assert matcher.match("/owners/F1").franchise == "F1"
    assert matcher.match("/owners/F1/metrics/aov").franchise == "F1"
    assert matcher.match("/owners").franchise is None
    assert matcher.match("/incidents/F1").franchise is None


def test_two_rules_for_the_same_addresses_are_refused() -> None:
    with pytest.raises(InputError, match="two rules"):
        Matcher([Rule("/a/{one}", Right.AUDIT), Rule("/a/{two}", Right.METRICS)])
    with pytest.raises(InputError, match="two rules"):
        Matcher([Rule("/a/{rest:path}", Right.AUDIT)] * 2)
    with pytest.raises(InputError, match="franchise"):
        Matcher([Rule("/a/{franchise}", Right.AUDIT), Rule("/a/{two}/b", Right.METRICS)])


def test_no_address_of_ours_stands_in_two_rules() -> None:
    assert len({rule.path for rule in RULES}) == len(RULES)
    Matcher(RULES)
