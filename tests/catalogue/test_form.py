"""The form of entries: keys, types and words, each with its line and what to write."""

from __future__ import annotations

import pytest

from .conftest import BASE, Load, Refuse, changed

KIND = "kind: ratio\n"
TARGET = "target: {cmp: '>=', value: 95, unit: '%'}\n"
TERM = "all_: sum(amount)\n"
SCOPES = "scopes: [network, franchise]\n"
HOLD = "hold: {periods: 30}\n"
RELATION = "desc: sales that were paid\n"
AT = "at: {integration: square}\n"


def test_the_base_is_sound(load: Load) -> None:
    catalogue = load(BASE)
    assert (catalogue.name, catalogue.version, catalogue.time_zone) == (
        "shop",
        "3",
        "Europe/Berlin",
    )
    assert list(catalogue.metrics) == ["paid_share", "wait", "mood"]
    assert catalogue.metrics["paid_share"].raw.title == "Share of sales that were paid"


@pytest.mark.parametrize(
    ("old", "new", "cause", "mend"),
    [
        (KIND, "knid: ratio # <-\n", "unknown key 'knid'", "did you mean 'kind'?"),
        ("    kind: ratio\n", "", "'kind' is missing", "add `kind:`"),
        (
            KIND,
            "kind: ratoi # <-\n",
            "'kind' is 'ratoi', which is not one of its words",
            "did you mean 'ratio'?",
        ),
        (
            KIND,
            "kind: 3 # <-\n",
            "'kind' must be text, not a whole number",
            "put the text in quotes",
        ),
        (KIND, "kind: # <-\n", "'kind' must be text, not nothing", "write text"),
        (KIND, "kind: [ratio] # <-\n", "'kind' must be text, not a list", "write text"),
        (TARGET, "target: 95 # <-\n", "'target' must be a mapping", "write a mapping (key: value)"),
        (
            TARGET,
            "target:\n      cmp: '>='\n      val: 95 # <-\n      unit: '%'\n",
            "unknown key 'val'",
            "did you mean 'value'?",
        ),
        (TARGET, "target: {cmp: '>='} # <-\n", "'value' is missing", "add `value:`"),
        (
            TARGET,
            "target:\n      cmp: =>  # <-\n      value: 95\n      unit: '%'\n",
            "'cmp' is '=>', which is not one of its words",
            "did you mean '>'?",
        ),
        (
            TARGET,
            "target: {cmp: within, value: [1, x], unit: '%'} # <-\n",
            "'value' must be a number, not text",
            "write a number",
        ),
        (
            TARGET,
            "target: {cmp: '>=', value: {a: 1}, unit: '%'} # <-\n",
            "'value' must be true or false or a number or text or a list",
            "write true or false",
        ),
        (
            TERM,
            "all_:\n        agg: sum(amount)\n        wheer: void # <-\n",
            "unknown key 'wheer'",
            "did you mean 'where'?",
        ),
        (TERM, "all_: 3 # <-\n", "'all_' must be text or a mapping", "put the text in quotes"),
        (
            TERM,
            "all_: {agg: sum(amount), shift: last_year} # <-\n",
            "'shift' is 'last_year'",
            "known: previous_period, year_earlier",
        ),
        (TERM, "all_: {quantile_of: amount, q: 2} # <-\n", "'q' must be a number <= 1.0", "write"),
        (
            "terms:\n      good",
            "terms: [a] # <-\n    shown:\n      good",
            "'terms' must be a map",
            "",
        ),
        (SCOPES, "scopes: [network, shop] # <-\n", "'scopes' is 'shop'", "known: endpoint_group"),
        (SCOPES, "scopes: network # <-\n", "'scopes' must be a list, not text", "write a list"),
        (
            SCOPES,
            SCOPES + "    min_sample: -1 # <-\n",
            "'min_sample' must be a whole number >= 0",
            "",
        ),
        (
            SCOPES,
            SCOPES + "    min_sample: 1.5 # <-\n",
            "'min_sample' must be a whole number, not",
            "",
        ),
        (AT, "at:\n      integratoin: square # <-\n", "unknown key 'integratoin'", "did you mean"),
        (AT, "at: {integration: 3} # <-\n", "'integration' must be text", "put the text in quotes"),
        (HOLD, "hold: {periods: 0} # <-\n", "'periods' must be a whole number >= 1", ""),
        (HOLD, "hold: {periods: 3, unit: week} # <-\n", "'unit' is 'week'", "known: day, month"),
        (RELATION, "descr: x # <-\n", "unknown key 'descr'", "did you mean 'desc'?"),
        (
            RELATION,
            "scopes:\n      netwrok: {} # <-\n",
            "unknown key 'netwrok'",
            "did you mean 'network'?",
        ),
        (
            RELATION,
            "scopes:\n      network:\n      franchise: {}\n",
            "'network' must be a mapping (key: value), not nothing",
            "write a mapping (key: value)",
        ),
        (
            RELATION,
            "materialize:\n      measures: {amount: avg} # <-\n",
            "'amount' is 'avg'",
            "known: max, min, sum",
        ),
        ("name: shop", "nmae: shop # <-", "unknown key 'nmae'", "did you mean 'name'?"),
        ("name: shop", "name: [shop] # <-", "'name' must be text, not a list", "write text"),
        ("version: 3", "version: {} # <-", "'version' must be", "write"),
        ("name: shop", "extends: frame # <-", "'extends' is 'frame'", "did you mean 'framework'?"),
        (
            "time_zone: Europe/Berlin",
            "time_zone: Berlin # <-",
            "unknown time zone 'Berlin'",
            "IANA",
        ),
        ("time_zone: Europe/Berlin", "time_zone: ../x # <-", "unknown time zone '../x'", "IANA"),
        ("name: shop", "files: [3] # <-", "'files' must be text", "put the text in quotes"),
    ],
)
def test_a_wrong_form(refuse: Refuse, old: str, new: str, cause: str, mend: str) -> None:
    [error] = refuse(changed(old, new))
    assert error.cause.startswith(cause)
    assert mend in error.mend


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "the file is empty"),
        ("# nothing\n", "the file is empty"),
        ("- a\n", "a catalogue is a mapping (key: value)"),
        ("shop\n", "a catalogue is a mapping (key: value)"),
        ("metrics: {a: 1} # <-\n", "'metrics' must be a list, not a mapping (key: value)"),
        ("relations: [a] # <-\n", "'relations' must be a mapping (key: value), not a list"),
        ("metrics:\n  - 3 # <-\n", "'metrics' must be a mapping (key: value), not a whole number"),
        ("relations:\n  a: SELECT 1 # <-\n", "'a' must be a mapping (key: value), not text"),
    ],
)
def test_a_wrong_file(refuse: Refuse, text: str, cause: str) -> None:
    [error] = refuse(text)
    assert error.cause == cause


def test_every_entry_reports_its_own_first_error(refuse: Refuse) -> None:
    text = changed("title: Wait", "titel: Wait # <-\n    title: Wait")
    text = changed("kind: ratio", "kind: ratoi # <-", text)
    text = changed("rollup: call", "rolup: call # <-\n    rollup: call", text)
    text = changed("group: Shop", "gruop: Shop # <-\n    group: Shop", text)
    errors = sorted(refuse(text), key=lambda e: e.place)
    assert len(errors) == 4


def test_empty_lists_are_no_error(load: Load) -> None:
    assert load("metrics:\nrelations:\ngates:\n").metrics == {}
