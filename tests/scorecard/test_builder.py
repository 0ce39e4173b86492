"""Building a scorecard: the scope, the order, the summary, the revision."""

import json
from datetime import date
from typing import get_args

import numpy as np
import pytest

from meterstone.errors import InputError
from meterstone.measure.results import Scope, Verdict
from meterstone.scorecard import content_hash, is_restatement, read

from .conftest import (
    NETWORK,
    WINDOW,
    build_card,
    gate,
    measurement,
    network_card,
    place,
    response,
    uptime,
)


def test_only_the_metrics_of_the_scope_are_taken_in_the_order_of_their_id():
    other = uptime(scope=Scope("integration", "clover"))
    card = build_card(measurement(uptime(), other, response(), uptime(scope=NETWORK)))
    assert [metric.id for metric in card.metrics] == ["api_response_p95", "integration_uptime"]
    assert {metric.scope.key for metric in card.metrics} == {"square"}


def test_the_order_of_the_evaluation_does_not_show():
    one = network_card(gate(), gate(id="a"), metrics=(uptime(scope=NETWORK),))
    other = network_card(gate(id="a"), gate(), metrics=(uptime(scope=NETWORK),))
    assert one.as_bytes() == other.as_bytes()
    assert build_card().as_bytes() == build_card(measurement(response(), uptime())).as_bytes()


def test_a_metric_carries_what_the_measurement_says_and_what_is_known_about_it():
    metric = build_card().as_dict()["metrics"][1]
    assert uptime().as_dict().items() <= metric.items()
    assert metric["title"] == "Integration uptime"
    assert metric["sample_unit"] == "slots"
    assert metric["run"] == 31
    assert metric["lineage"] == [
        {
            "fact": "probe_result",
            "from": "2026-01-31T08:00:00Z",
            "to": "2026-03-02T08:00:00Z",
            "where": "integration = 'square'",
            "rows": 1440,
        }
    ]


def test_a_metric_nobody_described_has_a_title_all_the_same():
    metric = build_card(about=None).metrics[1]
    assert (metric.title, metric.sample_unit, metric.run) == ("Integration uptime", "rows", None)


def test_gates_are_of_the_network():
    assert build_card(measurement(uptime(), gates=(gate(),))).gates == ()
    assert network_card(gate()).as_dict()["gates"] == [gate().as_dict()]


def test_labels_and_windows_have_one_order():
    later = WINDOW | {"from": "2026-03-09T02:00:00Z"}
    card = build_card(
        labels=["simulated", "reconstructed", "simulated"], maintenance=[later, WINDOW]
    )
    assert card.labels == ("reconstructed", "simulated")
    assert card.as_dict()["maintenance"] == [WINDOW, later]


def test_numbers_of_numpy_are_numbers():
    card = build_card(measurement(uptime(value=np.float64(99.95))))
    assert card.as_bytes() == build_card(measurement(uptime())).as_bytes()


@pytest.mark.parametrize(
    "broken",
    [
        {"value": float("nan")},
        {"interval": (0.0, float("inf"))},
        {"parts": {"up": np.int64(3)}},
        {"n": -1},
    ],
)
def test_what_json_cannot_hold_names_the_metric(broken):
    with pytest.raises(InputError) as raised:
        build_card(measurement(uptime(**broken)))
    assert raised.value.place == "metric integration_uptime"


def test_a_scope_without_results_is_refused_with_what_is_known():
    with pytest.raises(InputError, match="integration:square"):
        build_card(scope=Scope("integration", "sqare"))


def test_two_results_of_one_metric_are_refused():
    with pytest.raises(InputError, match="two results"):
        build_card(measurement(uptime(), uptime()))


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc/passwd"])
def test_an_unknown_time_zone_is_refused(name):
    with pytest.raises(InputError) as raised:
        build_card(time_zone=name)
    assert raised.value.place == "time_zone"


def test_a_window_without_a_person_is_refused():
    with pytest.raises(InputError, match="person"):
        build_card(maintenance=[{name: WINDOW[name] for name in ("from", "to", "reason")}])


def _card_with(*verdicts, scope=NETWORK):
    places = tuple(place(f"P.{i}", verdict) for i, verdict in enumerate(verdicts))
    return build_card(measurement(uptime(scope=scope, places=places)), scope=scope)


def test_the_summary_counts_places_and_names_every_verdict():
    summary = _card_with(*get_args(Verdict), "met").summary
    assert summary.places == 9
    assert summary.counts == dict.fromkeys(get_args(Verdict), 1) | {"met": 2}
    assert summary.sentence == (
        "2 of 9 targets met, 1 not met, 2 not yet provable, 1 without data, "
        "1 with expired evidence, 1 not applicable, 1 for reference."
    )


def test_the_summary_of_one_and_of_none():
    square = Scope("integration", "square")
    assert _card_with("met").summary.sentence == "1 of 1 target met."
    assert _card_with("not_met", scope=square).summary.sentence == (
        "square: 0 of 1 target met, 1 not met."
    )
    assert _card_with(scope=square).summary.sentence == "square: no target is set here."
    assert _card_with().summary.sentence == "No target is set here."


def test_a_revision_names_what_it_supersedes_and_what_changed():
    first = build_card()
    second = build_card(
        measurement(uptime(value=99.71, verdict="not_met"), response()), former=first
    )
    assert (first.revision, first.supersedes, first.changes) == (0, None, ())
    assert second.revision == 1
    assert second.supersedes == content_hash(first.as_dict())
    assert [change.kind for change in second.changes] == ["value"]
    assert is_restatement(second.changes)


def test_more_input_alone_is_no_restatement():
    again = build_card(former=build_card(), highest_seq=1300)
    assert [change.kind for change in again.changes] == ["input"]
    assert not is_restatement(again.changes)


def test_a_former_scorecard_of_another_scope_is_refused():
    with pytest.raises(InputError, match="the network"):
        build_card(former=network_card())


def test_what_is_written_is_read_as_the_same():
    card = network_card(gate(), maintenance=[WINDOW], day=date(2026, 3, 1))
    assert read(card.as_bytes()) == card
    assert read(card.as_dict()) == card
    assert read(card) is card
    assert json.loads(card.as_bytes()) == card.as_dict()


def test_reading_what_is_no_scorecard_names_the_path():
    document = build_card().as_dict()
    document["metrics"][0]["n"] = "many"
    with pytest.raises(InputError) as raised:
        read(document)
    assert raised.value.place == "$.metrics[0].n"
    assert "version" in raised.value.mend
