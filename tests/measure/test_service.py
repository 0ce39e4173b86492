"""A whole measurement: what is in it, in which order and words; and where a number is from."""

from __future__ import annotations

import json
import re
from datetime import UTC, timedelta

import pytest

from meterstone.errors import InputError
from meterstone.measure.evaluate import Evaluator
from meterstone.measure.explain import explain
from meterstone.measure.results import Scope
from meterstone.measure.service import measure

from .build import D, H, M, World, attestation, probe
from .custom import NETWORK, START, Measured, catalogue, day, days, end_of, metric, result_row, rule

SQUARE = Scope("integration", "square")
AT = (START + D).replace(tzinfo=UTC)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    asked = rule("asked", {"group": "Own.up", "verdict": "met"})
    place = {"ref": "Own.square_up", "same_as": "up", "at": {"integration": "square"},
             "target": {"cmp": ">=", "value": 50, "unit": "%"}, "min_sample": 9}  # fmt: skip
    gate = {"id": "g", "title": "g", "group": "Own.up", "hold": {"periods": 2, "unit": "day"}}
    up = metric("up", uncertainty="wilson", note="a note", sample_unit="probes")
    return catalogue(tmp_path_factory.mktemp("own"), up, asked, place, gates=[gate])


@pytest.fixture(scope="module")
def found(own):
    rows = [days("+"), probe(START + 8 * H, integration="clover", ok=False)]
    with World(rows) as world:
        yield Measured(world, own)


def test_results_come_in_the_order_of_the_catalogue(found):
    results = found.all(AT)
    assert [(r.id, str(r.scope)) for r in results] == [
        ("up", "network"),
        ("up", "integration:clover"),
        ("up", "integration:square"),
        ("asked", "network"),
    ]


def test_a_result_is_judged_at_its_places(found):
    network = found.one("up", AT)
    assert [(p.ref, p.verdict) for p in network.places] == [("Own.up", "not_met")]
    square = found.one("up", AT, SQUARE)
    assert [(p.ref, p.verdict) for p in square.places] == [("Own.square_up", "insufficient_data")]
    assert found.one("up", AT, Scope("integration", "clover")).places == ()


def test_freshness_and_window(found):
    result = found.one("up", AT)
    assert result.freshness_s == 16 * 3600
    assert result.window == (AT - D, AT)
    assert (result.n, result.evidence) == (2, "measured")


def test_without_gates_no_rule_is_evaluated(found):
    quick = measure(found.subject, AT, gates=False)
    assert [r.id for r in quick.metrics] == ["up"] * 3
    assert quick.gates == []


def test_a_new_day_is_measured_together_with_the_day_before(own, monkeypatch):
    asked = []
    evaluate = Evaluator.evaluate

    def counted(self, moments, *args, **kwargs):
        asked.append(list(moments))
        return evaluate(self, moments, *args, **kwargs)

    # on the first days there is an integration that the new day does not have
    first = [days("++-"), probe(START + D + H, integration="clover")]
    late = probe(START + 2 * D + 5 * H)  # of the day before
    new = [days("+", START + 3 * D), late]
    end = end_of("++-+")
    with World(first) as world:
        measured = Measured(world, own)
        measured.all(end - D)
        world.add(new)
        monkeypatch.setattr(Evaluator, "evaluate", counted)
        step_by_step = measure(measured.subject, end)
        assert asked == [[end - D, end]]
        asked.clear()
        assert measure(measured.subject, end).metrics == step_by_step.metrics
        assert asked == [[end]], "nothing was touched in between"
        at_noon = measure(measured.subject, end + 12 * H)
        assert asked == [[end], [end + 12 * H]]
    with World(first, new) as world:
        whole = measure(Measured(world, own).subject, end)
        assert whole.metrics == step_by_step.metrics
        assert whole.gates == step_by_step.gates
        assert measure(Measured(world, own).subject, end + 12 * H).gates == at_noon.gates


def test_the_document_is_plain_json(found):
    document = measure(found.subject, AT).as_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["at"] == "2026-03-02T00:00:00Z"
    assert document["metrics"][0]["window"] == ["2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"]
    assert document["gates"][0]["id"] == "g"


@pytest.mark.parametrize(
    ("marks", "reason"),
    [
        ("+", "The target >= 99 % is met."),
        ("-", "The target >= 99 % is missed."),
        (".", "No rows in the window, or a zero that nothing shows to be real."),
    ],
)
def test_reasons_are_sentences(own, marks, reason):
    with World(days(marks)) as world:
        assert Measured(world, own).one("up", AT).reason == reason


def test_unaligned_windows_are_exact(tmp_path):
    rows = [probe(START + n * M + timedelta(seconds=7), ok=n % 3 > 0) for n in range(600)]
    wide = metric("up", window="trailing 2 hours", uncertainty="wilson", scopes=["network"])
    with World(rows) as world:
        found = Measured(world, catalogue(tmp_path, wide))
        for offset in (0, 7, 7.000001, 8, 59.999999):
            at = START + 4 * H + timedelta(seconds=offset)
            mine = [r for r in rows if at - 2 * H <= r["at"] < at]
            result = found.one("up", at)
            assert result.n == len(mine), offset
            assert result.value == pytest.approx(100 * sum(r["ok"] for r in mine) / len(mine))
            assert found.one("up", at, known_at=START + 90 * D).value == result.value


def test_what_was_known_then(own):
    with World(days("+"), recorded_at=START + 40 * D) as world:
        world.add(probe(START + H, ok=False), recorded_at=START + 50 * D)
        found = Measured(world, own)
        then = [found.one("up", AT, known_at=START + n * D).value for n in (39, 40, 49, 50)]
        assert then == [None, 100, 100, 50]
        assert found.one("up", AT).value == 50


def test_a_target_for_every_integration_is_met_where_each_meets_it(tmp_path):
    each = metric("up", scopes=["integration"])
    gate = {"id": "g", "title": "g", "group": "Own.up", "hold": {"periods": 2, "unit": "day"}}
    rows = [days("+++"), days("+-+", integration="clover")]
    with World(rows) as world:
        found = Measured(world, catalogue(tmp_path, each, gates=[gate]))
        computed = found.gate(end_of("+++"))
        world.add(
            result_row("Own.up", START + D, scope="integration", scope_key="square"),
            result_row("Own.up", START + D, scope="integration", scope_key="clover",
                       verdict="not_met"),
            result_row("Own.up", START + 2 * D, scope="integration", scope_key="square"),
            result_row("Own.up", START + 2 * D, scope="integration", scope_key="clover"),
        )  # fmt: skip
        published = found.gate(end_of("+++"))
        nobody = found.gate(START - 9 * D)
    assert [m.verdict for m in computed.days[-3:]] == ["met", "broken", "met"]
    assert [m.verdict for m in published.days[-3:]] == ["broken", "met", "met"]
    assert [m.kind for m in published.days[-3:]] == ["published", "published", "reconstructed"]
    assert nobody.reason == "There are no results yet."


def test_a_result_at_a_place_with_its_own_key(tmp_path):
    at_square = metric("up", scopes=["integration"], at={"integration": "square"})
    gate = {"id": "g", "title": "g", "group": "Own.up", "hold": {"periods": 2, "unit": "day"}}
    with World(days("++"), days("--", integration="clover")) as world:
        found = Measured(world, catalogue(tmp_path, at_square, gates=[gate]))
        assert found.gate(end_of("++")).passed
    with World(days("++", integration="clover")) as world:
        found = Measured(world, catalogue(tmp_path, at_square, gates=[gate]))
        assert found.gate(end_of("++")).run == 0
        assert found.one("up", end_of("++"), SQUARE).verdict == "no_data"


def test_an_explanation_names_rows_and_records(found):
    told = explain(found.subject, "up", SQUARE, AT)
    assert told.terms == {"up": 1, "all": 1}
    (rows,) = told.facts
    assert (rows.fact, rows.rows, rows.records) == ("probe", 1, 1)
    assert rows.sample[0]["_seq"] == 1
    assert "a note" in told.notes
    assert told.result == found.one("up", AT, SQUARE)


def test_an_explanation_by_ref_and_of_a_rule(found):
    assert explain(found.subject, "Own.square_up", NETWORK, AT).metric.id == "up"
    asked = explain(found.subject, "asked", NETWORK, AT)
    assert asked.result == found.one("asked", AT)
    assert asked.terms == {}


@pytest.mark.parametrize(
    ("metric_id", "scope", "words"),
    [
        ("upp", NETWORK, "unknown metric 'upp'.*'up'"),
        ("up", Scope("franchise", "f1"), "up is not measured by franchise.*--scope network"),
        ("up", Scope("integration", "squar"), "nothing is known of integration:squar.*'square'"),
        ("asked", SQUARE, "asked is not measured by integration"),
    ],
)
def test_an_explanation_of_what_is_not_there_says_what_is(found, metric_id, scope, words):
    with pytest.raises(InputError) as error:
        explain(found.subject, metric_id, scope, AT)
    assert re.search(words, " ".join(str(error.value).split()))


def test_an_explanation_of_a_scope_without_the_network(tmp_path):
    each = metric("up", scopes=["integration"])
    judged = rule(
        "asked", {"metric": "up", "verdict": "met"}, scopes=["integration"],
        at={"integration": "square"},
    )  # fmt: skip
    with World(days("+")) as world:
        subject = Measured(world, catalogue(tmp_path, each, judged)).subject
        with pytest.raises(InputError, match="--scope integration:KEY"):
            explain(subject, "up", NETWORK, AT)
        with pytest.raises(InputError, match="not judged for integration:clover"):
            explain(subject, "asked", Scope("integration", "clover"), AT)


def test_an_explanation_shows_rows_as_known_and_of_a_register_older_ones(tmp_path):
    entry = metric(
        "claims", kind="count", unit="claims", value="n", sample="n", scopes=["network"],
        target={"cmp": ">=", "value": 1, "unit": "claims"}, terms={"n": "count(*)"},
        window="trailing 7 days", **{"from": "standing"},
    )  # fmt: skip
    relations = {
        "standing": {
            "sql": "SELECT attested_at AS at, evidence_rank, newest FROM attestation",
            "reads": {"attestation": "for ever"},
        }
    }
    with World(attestation(START - 90 * D, "iso"), recorded_at=START + 40 * D) as world:
        world.add(attestation(START, "iso"), recorded_at=START + 50 * D)
        subject = Measured(world, catalogue(tmp_path, entry, relations=relations)).subject
        (rows,) = explain(subject, "claims", NETWORK, AT).facts
        assert rows.rows == 2
        then = (START + 45 * D).replace(tzinfo=UTC)
        (rows,) = explain(subject, "claims", NETWORK, AT, then).facts
        assert rows.rows == 1


def test_a_key_with_a_quote_is_a_key(tmp_path):
    with World(days("+", integration="o'hara")) as world:
        found = Measured(world, catalogue(tmp_path, metric("up")))
        told = explain(found.subject, "up", Scope("integration", "o'hara"), AT)
        assert told.facts[0].rows == 1


def test_series_and_verdicts_of_what_is_not_there(own):
    with World(days("+")) as world:
        history = Measured(world, own).measuring(AT)._history
        up = own.metrics["up"]
        assert history.series("up", Scope("franchise", "f"), [AT]) == [None]
        assert history.series("up", SQUARE, [AT]) == [100]
        assert history.verdicts(up, Scope("integration", "none"), [AT]) == ["no_data"]
        assert history.verdicts(up, Scope("franchise", "f"), [AT]) == ["no_data"]
        assert history.days([], [day(0)]) == {day(0): {}}
        assert history.days(["Own.up"], []) == {}
