"""Every kind of change has a sentence, and the sentence names the cause that the documents show."""

import json
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterstone.errors import InputError
from meterstone.measure.results import DayVerdict, Scope
from meterstone.scorecard.diff import diff
from meterstone.scorecard.sign import sign

from .conftest import (
    AT,
    KNOWN,
    NETWORK,
    UPTIME_TARGET,
    WINDOW,
    build_card,
    gate,
    measurement,
    network_card,
    place,
    response,
    uptime,
)

LATER = datetime(2026, 3, 4, 9, 0, tzinfo=UTC)
NO_CAUSE = "neither document shows a cause: moment, knowledge, definitions and sample are the same"
CAUSE = "rows were corrected after 2 March"


def pair(before, after, **frame):
    """The changes from one result to another; by default known two days later."""
    frame = {"known_at": LATER} | frame
    return diff(build_card(measurement(before)), build_card(measurement(after, **frame)))


def only(changes):
    [change] = changes
    return change


def sentence(changes):
    return only(changes).sentence


def test_nothing_changed(key):
    card = build_card()
    assert diff(card, card) == []
    assert diff(card.as_bytes(), sign(card, key)) == []


def test_the_example_of_the_design():
    change = only(pair(uptime(), uptime(value=99.71, n=1452, verdict="not_met")))
    assert change.sentence == (
        "Integration uptime of square fell from 99.95 % to 99.71 %: 12 more slots became known "
        "after 2 March; the target 99.9 % is now missed."
    )
    assert change.as_dict() == {
        "kind": "value",
        "subject": "metric:integration_uptime",
        "before": 99.95,
        "after": 99.71,
        "unit": "%",
        "verdicts": ["met", "not_met"],
        "why": ["12 more slots became known after 2 March"],
        "sentence": change.sentence,
    }
    json.dumps(change.as_dict())


@pytest.mark.parametrize(
    ("after", "frame", "words"),
    [
        ({"n": 1441}, {}, "1 more slot became known after 2 March"),
        ({"n": 1428}, {}, "12 slots were taken back after 2 March"),
        ({"n": 1439}, {}, "1 slot was taken back after 2 March"),
        ({}, {}, CAUSE),
        ({}, {"known_at": KNOWN.replace(hour=11)}, "rows were corrected after 2 March, 09:00"),
        ({"n": 1452}, {"known_at": KNOWN}, "12 more slots became known"),
        ({}, {"known_at": KNOWN}, NO_CAUSE),
        ({}, {"catalogue": "new"}, "the definitions changed"),
        ({}, {"at": AT.replace(hour=7)}, "it is of 2 March, 07:00, not of 2 March, 08:00"),
        (
            {"n": 1400},
            {"known_at": datetime(2026, 3, 1, tzinfo=UTC)},
            "it counts only what was known by 1 March, 00:00",
        ),
    ],
)
def test_the_cause_of_a_value(after, frame, words):
    changes = pair(uptime(), uptime(value=99.99, **after), **frame)
    assert changes[-1].kind == "value"
    assert changes[-1].sentence == (
        f"Integration uptime of square rose from 99.95 % to 99.99 %: {words}."
    )
    assert changes[-1].verdicts is None


def test_another_day_is_the_cause():
    old = build_card(day=date(2025, 12, 31))
    new = build_card(measurement(uptime(value=99.99), response()))
    assert diff(old, new)[0].why == ("it is of 2 March, not of 31 December 2025",)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ({"value": None}, {}, "has a value now, 99.95 %"),
        ({}, {"value": None}, "has no value any more, it was 99.95 %"),
        (
            {"value": "healthy", "unit": "state"},
            {"value": "degraded", "unit": "state"},
            "changed from healthy to degraded",
        ),
        ({"value": True}, {"value": False}, "changed from yes to no"),
        ({"value": True}, {"value": 1.0}, "changed from yes to 1 %"),
        ({}, {"value": 999.5, "unit": "ms"}, "changed from 99.95 % to 1,000 ms"),
        ({"value": 182.41, "unit": "ms"}, {"value": 182.43, "unit": "ms"},
         "rose from 182.41 ms to 182.43 ms"),
        ({"value": 99.9}, {"value": 99.8996}, "fell from 99.9 % to 99.8996 %"),
    ],
)  # fmt: skip
def test_the_move_of_a_value(before, after, words):
    changes = pair(uptime(**before), uptime(**after))
    assert sentence(changes) == f"Integration uptime of square {words}: {CAUSE}."


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ("not_met", "the target 99.9 % is now missed"),
        ("inconclusive", "whether the target 99.9 % is met cannot be proven now"),
        ("insufficient_data", "there is too little data now to judge the target 99.9 %"),
        ("no_data", "there is no data now to judge the target 99.9 %"),
        ("expired", "the evidence for the target 99.9 % has expired"),
        ("not_applicable", "the target 99.9 % does not apply now"),
        ("reference", "the target 99.9 % is now shown for reference only"),
    ],
)
def test_a_verdict_alone(verdict, words):
    change = only(pair(uptime(), uptime(verdict=verdict)))
    assert change.kind == "verdict"
    assert change.verdicts == ("met", verdict)
    assert change.sentence == f"Integration uptime of square stays at 99.95 %: {CAUSE}; {words}."


def test_a_target_without_a_number():
    target = {"cmp": "==", "value": True, "unit": "boolean"}
    old = uptime(value=None, target=target, verdict="not_met", places=())
    new = uptime(value=None, target=target, verdict="met", places=())
    assert sentence(pair(old, new)) == (
        f"Integration uptime of square still has no value: {CAUSE}; the target is now met."
    )


def test_late_data_that_change_no_value():
    change = only(pair(uptime(), uptime(n=1452, interval=(99.94, 99.96))))
    assert (change.kind, change.before, change.after, change.unit) == (
        "late_data", 1440, 1452, "slots",
    )  # fmt: skip
    assert change.sentence == (
        "Integration uptime of square stays at 99.95 %: 12 more slots became known after 2 March."
    )


def test_an_interval_alone():
    change = only(pair(uptime(), uptime(interval=(99.9, 99.97))))
    assert change.kind == "interval"
    assert change.after == [99.9, 99.97]
    assert change.sentence == (
        "The 95 % interval of integration uptime of square was 99.93 % to 99.97 % and is "
        "99.9 % to 99.97 %."
    )


def test_evidence_that_became_weaker_or_is_gone():
    assert sentence(pair(uptime(), uptime(evidence="attested"))) == (
        "The weakest evidence for integration uptime of square was measured and is attested."
    )
    assert only(pair(uptime(), uptime(evidence=None))).after is None


def test_a_target_that_moved_changes_the_verdict_too():
    target = UPTIME_TARGET | {"value": 99.99}
    changes = pair(uptime(), uptime(target=target, verdict="not_met"), catalogue="91bc" * 16)
    assert [change.kind for change in changes] == ["catalogue", "target", "verdict"]
    assert [change.sentence for change in changes] == [
        "The definitions changed from framework 1.2 (3f2a3f2a3f2a) to framework 1.2 "
        "(91bc91bc91bc). Values and verdicts may differ by that.",
        "The target of integration uptime of square changed from at least 99.9 % to at least "
        "99.99 %.",
        "Integration uptime of square stays at 99.95 %: the definitions changed and the target "
        "changed from at least 99.9 % to at least 99.99 %; the target 99.99 % is now missed.",
    ]


def test_a_target_over_another_period_or_in_another_unit():
    target = UPTIME_TARGET | {"period": "trailing 7 days"}
    assert sentence(pair(uptime(), uptime(target=target))) == (
        "The target of integration uptime of square is still at least 99.9 %, but its period or "
        "baseline changed."
    )
    band = {"cmp": "within", "value": [99.0, 99.96], "unit": "%"}
    minutes = {"cmp": "<=", "value": 43, "unit": "min"}
    assert len(pair(uptime(target=band), uptime(target=minutes, value=99.99))) == 2


def test_a_catalogue_that_was_only_renamed():
    card = build_card(catalogue_version="1.3")
    assert sentence(diff(build_card(), card)).endswith("Their content is the same.")


def test_a_place_with_its_own_target():
    strict = place("Ops.uptime", "not_met", value=99.99)
    changes = pair(uptime(), uptime(places=(place("Api.uptime"), strict)))
    assert only(changes).kind == "target"
    assert only(changes).verdicts == ("met", "not_met")
    assert sentence(changes) == (
        "Integration uptime of square, judged at Ops.uptime: the target changed from at least "
        "99.5 % to at least 99.99 %; the target 99.99 % is now missed."
    )
    missed = place("Ops.uptime", "not_met", value=99.5)
    changes = pair(uptime(), uptime(places=(place("Api.uptime"), missed)))
    assert only(changes).kind == "verdict"
    assert sentence(changes) == (
        "Integration uptime of square, judged at Ops.uptime: the target 99.5 % is now missed."
    )


def test_metrics_that_appear_and_disappear():
    changes = pair(uptime(), response())
    assert [(change.kind, change.sentence) for change in changes] == [
        ("appeared", "API response time, p95 of square is new: 182 ms, met."),
        ("disappeared", "Integration uptime of square is no longer reported; it was 99.95 %."),
    ]


def test_the_network_needs_no_name():
    old = network_card()
    new = network_card(metrics=(uptime(scope=NETWORK), response(scope=NETWORK, value=190.0)))
    assert sentence(diff(old, new)) == (
        f"API response time, p95 rose from 182 ms to 190 ms: {NO_CAUSE}."
    )


BROKEN = {
    "run": 0,
    "since": None,
    "broken_on": date(2026, 3, 9),
    "broken_by": ("Api.uptime", "Elsewhere.x"),
}


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ({}, BROKEN, "the run broke on 9 March because of integration uptime and Elsewhere.x; "
         "it was at 31, now 0 of 90 days"),
        ({"broken_on": None}, BROKEN | {"broken_by": ("Api.p95",)},
         "the run broke on 9 March because of API response time, p95; it was at 31, now 0 of 90 "
         "days"),
        ({}, BROKEN | {"broken_by": ()},
         "the run broke on 9 March; it was at 31, now 0 of 90 days"),
        ({}, {"run": 32}, "the run grew from 31 to 32 of 90 days"),
        ({}, {"run": 30}, "the run fell from 31 to 30 of 90 days"),
        ({}, {"run": 90, "passed": True},
         "the run grew from 31 to 90 of 90 days; it is passed now"),
        ({}, {"reason": "tomorrow"}, ""),
        ({"run": 90, "passed": True}, {"run": 89}, "the run fell from 90 to 89 of 90 days; it is "
         "not passed any more"),
        ({}, {"needed": 30}, "it asks for 30 days, not 90, and is at 31"),
        ({}, {"days": (DayVerdict(date(2026, 3, 1), "excused", "published"),)},
         "1 March was met and is excused"),
    ],
)  # fmt: skip
def test_gates(before, after, words):
    change = only(diff(network_card(gate(**before)), network_card(gate(**after))))
    if not words:
        assert change.kind == "other"
        return
    assert (change.kind, change.subject) == ("gate", "gate:reliability")
    assert change.sentence == f"Gate “Reliability”: {words}."
    assert change.before["run"] == before.get("run", 31)
    assert change.after["run"] == after.get("run", 31)


def test_gates_that_appear_and_disappear():
    assert sentence(diff(network_card(), network_card(gate()))) == (
        "Gate “Reliability”: it is new, and stands at 31 of 90 days."
    )
    change = only(diff(network_card(gate()), network_card()))
    assert (
        change.sentence
        == "Gate “Reliability”: it is no longer reported; it stood at 31 of 90 days."
    )
    assert change.after is None


def test_maintenance_added_and_taken_back():
    with_window = build_card(maintenance=[WINDOW], time_zone="America/New_York")
    without = build_card(time_zone="America/New_York")
    added = only(diff(without, with_window))
    assert added.sentence == (
        "Maintenance from 7 March, 21:00 to 23:00 was approved by Ana Ruiz: Clover upgrade."
    )
    assert added.after == WINDOW
    assert diff(with_window, with_window) == []
    removed = only(diff(with_window, without))
    assert removed.sentence == (
        "Maintenance from 7 March, 21:00 to 23:00 (Clover upgrade) is no longer approved."
    )


def test_maintenance_over_midnight_names_both_days():
    over = WINDOW | {"from": "2026-03-07T23:00:00+00:00"}
    assert "from 7 March, 23:00 to 8 March, 04:00" in sentence(
        diff(build_card(), build_card(maintenance=[over]))
    )


def test_labels_and_input():
    assert sentence(diff(build_card(), build_card(labels=("real", "reconstructed")))) == (
        "The labels were simulated and are real and reconstructed."
    )
    assert sentence(diff(build_card(), build_card(labels=()))) == (
        "The labels were simulated and are none."
    )
    for seq, words in [
        (1950, "750 more records had landed by 2 March, 09:00."),
        (1199, "1 fewer record had landed by 2 March, 09:00."),
    ]:
        assert sentence(diff(build_card(), build_card(highest_seq=seq))) == words
    assert "the landing log was changed" in sentence(
        diff(build_card(), build_card(input_digest="other"))
    )


def test_revisions():
    first = build_card()
    second = build_card(measurement(uptime(value=99.9), response()), former=first)
    last = diff(first, second)[-1]
    assert last.kind == "revision"
    assert last.sentence == "Revision 0 became revision 1, which replaces the former one."
    third = build_card(former=second)
    assert diff(first, third)[-1].sentence.endswith(", not the former.")
    assert "replaces nothing, not the former" in diff(second, first)[-1].sentence


def test_what_no_rule_has_words_for_is_still_said():
    change = only(pair(uptime(), uptime(freshness_s=12.0)))
    assert change.kind == "other"
    assert change.sentence == (
        "No value or verdict changed; $.known_at and $.metrics[0].freshness_s "
        "(integration_uptime) did."
    )
    many = uptime(freshness_s=12.0, reason="x", revision=1, refs=("A", "B"))
    assert sentence(pair(uptime(), many)).endswith(", and 3 more members.")


def test_two_scopes_cannot_be_compared():
    other = build_card(
        measurement(uptime(scope=Scope("integration", "clover"))),
        scope=Scope("integration", "clover"),
    )
    with pytest.raises(InputError, match="of square, the other of clover"):
        diff(build_card(), other)


RESULTS = st.builds(
    uptime,
    value=st.none() | st.booleans() | st.sampled_from(["healthy", "late"]) | st.floats(0, 100),
    n=st.integers(0, 2000),
    verdict=st.sampled_from(["met", "not_met", "no_data", "inconclusive"]),
    evidence=st.sampled_from(["measured", "reported", None]),
    interval=st.none() | st.tuples(st.floats(0, 50), st.floats(50, 100)),
)


@given(RESULTS, RESULTS)
def test_no_difference_goes_unsaid(before, after):
    old, new = build_card(measurement(before)), build_card(measurement(after))
    changes = diff(old, new)
    assert bool(changes) == (old.as_bytes() != new.as_bytes())
    assert all(change.sentence.endswith(".") for change in changes)
