"""How values look: one table of examples, and that no rounding hides a difference."""

from datetime import UTC, datetime
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterstone.measure.results import Verdict
from meterstone.scorecard.values import (
    VERDICTS,
    count_text,
    format_day,
    format_duration,
    format_interval,
    format_moment,
    format_target,
    format_value,
    target_value,
    unbroken,
    verdict_text,
)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (99.95, "%", "99.95 %"),
        (99.9, "%", "99.9 %"),
        (99.7123, "%", "99.71 %"),
        (99.9999268, "%", "99.999927 %"),
        (99.99999999999999, "%", "100 %"),
        (100.0, "%", "100 %"),
        (231.4, "%", "231 %"),
        (27.41, "%", "27.4 %"),
        (27.41, "% change", "+27.4 %"),
        (-3.0, "% change", "−3 %"),
        (12.0, "% change of speed", "+12 % of speed"),
        (1.0, "% of weeks", "1 % of weeks"),
        (2.1, "percentage points", "+2.1 percentage points"),
        (182.4, "ms", "182 ms"),
        (0.8, "s", "0.8 s"),
        (0.03333, "s", "0.0333 s"),
        (1250.0, "requests/s", "1,250 requests/s"),
        (11.5, "h", "11.5 h"),
        (1.0, "integrations", "1 integration"),
        (2.0, "stories", "2 stories"),
        (1.0, "stories", "1 story"),
        (0.0, "incidents", "0 incidents"),
        (-0.0, "incidents", "0 incidents"),
        (2500.0, "USD per franchise-month", "$2,500 per franchise-month"),
        (418.2, "USD", "$418.20"),
        (-418.2, "USD", "−$418.20"),
        (1234567.89, "USD", "$1,234,568"),
        (2.42, "x", "2.42×"),
        (1.0, "rank", "rank 1"),
        (9.1, "points on 0..10", "9.1 of 10"),
        (3.0, "state", "3"),
        (True, "boolean", "yes"),
        (False, "boolean", "no"),
        ("real_time", "state", "real time"),
        ("A+", "grade A+..F", "A+"),
        (None, "%", "—"),
        (1e-14, "%", "0 %"),
    ],
)
def test_a_value_and_its_unit(value, unit, text):
    assert format_value(value, unit) == text


def test_no_line_ends_between_a_number_and_its_unit() -> None:
    assert unbroken("It rose by 20.3 % in 4 min, 12 ms") == (
        "It rose by 20.3\u00a0% in 4\u00a0min, 12\u00a0ms"
    )
    assert unbroken("5 shops, 3 %x, 2 minutes, a %") == "5 shops, 3 %x, 2 minutes, a %"


def test_a_value_never_rounds_to_what_it_stands_beside():
    assert format_value(499.96, "ms", beside=[500]) == "499.96 ms"
    assert format_value(99.896, "%", beside=[99.9, None, True, "x"]) == "99.896 %"
    assert format_value(0.00001234, "s") == "0.0000123 s"
    assert format_interval((99.931, 99.97), "%") == "99.931 % to 99.97 %"
    assert format_interval(None, "%") == "—"


@given(
    st.floats(-1e6, 1e6).map(lambda value: round(value, 6)),
    st.floats(-1e6, 1e6).map(lambda value: round(value, 6)),
    st.sampled_from(["%", "ms", "USD", "% change", "x"]),
)
def test_two_different_numbers_never_look_alike(one, other, unit):
    texts = [format_value(value, unit, beside=[one, other]) for value in (one, other)]
    assert (texts[0] == texts[1]) == (one == other)


def test_every_verdict_has_a_shape_and_a_word():
    assert set(VERDICTS) == set(get_args(Verdict))
    assert {verdict: verdict_text(verdict) for verdict in VERDICTS} == {
        "met": "● Met",
        "not_met": "▲ Not met",
        "inconclusive": "◐ Not yet provable",
        "insufficient_data": "◐ Not yet provable",
        "no_data": "— No data",
        "expired": "— Expired",
        "not_applicable": "— Not applicable",
        "reference": "○ Reference",
    }


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ({"cmp": ">=", "value": 99.9, "unit": "%"}, "at least 99.9 %"),
        ({"cmp": "<", "value": 500, "unit": "ms"}, "less than 500 ms"),
        ({"cmp": ">", "value": 1, "unit": "patents"}, "more than 1 patent"),
        ({"cmp": "<=", "value": 5, "unit": "% change"}, "at most +5 %"),
        ({"cmp": "==", "value": True, "unit": "boolean"}, "yes"),
        ({"cmp": "at_least", "value": "healthy", "unit": "state"}, "healthy or better"),
        ({"cmp": "within", "value": [90, 110], "unit": "%"}, "from 90 % to 110 %"),
        ({"cmp": "within_interval", "value": 15, "unit": "%"}, "15 % inside the interval"),
        ({}, "—"),
    ],
)
def test_a_target_in_words(target, words):
    assert format_target(target) == words


def test_the_value_of_a_target():
    assert target_value({"value": True}) == ""
    assert target_value({}) == ""
    assert target_value({"value": 99.9, "unit": "%"}) == "99.9 %"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.84, "0.84 s"),
        (11, "11 s"),
        (240, "4 min"),
        (7500, "2 h 5 min"),
        (3605, "1 h"),
        (86_400, "1 day"),
        (3 * 86_400 + 7200, "3 days 2 h"),
    ],
)
def test_a_duration(seconds, words):
    assert format_duration(seconds) == words


def test_days_and_moments_as_people_say_them():
    assert format_day("2026-03-02") == "2 March 2026"
    assert format_day("2026-03-02", near="2026-12-31") == "2 March"
    assert format_day("2026-03-02", near="2025-12-31") == "2 March 2026"
    moment = datetime(2026, 3, 2, 2, 30, tzinfo=UTC)
    assert format_moment(moment, "America/Los_Angeles") == "1 March 2026, 18:30"
    assert format_moment("2026-03-02T02:30:00Z", "UTC", near="2026-01-01") == "2 March, 02:30"


@pytest.mark.parametrize(
    ("n", "unit", "words"),
    [
        (1, "closed months", "1 closed month"),
        (1, "records checked", "1 record checked"),
        (1, "registry entries", "1 registry entry"),
        (1, "more slots", "1 more slot"),
        (12, "slots", "12 slots"),
        (1440, "slots", "1,440 slots"),
        (1, "ms", "1 ms"),
    ],
)
def test_counts_of_things(n, unit, words):
    assert count_text(n, unit) == words
