"""Gates: runs, what breaks them, and what the record says of the chance to pass."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from meterstone.measure.gates import maintenance_windows

from .build import D, H, World, attestation, probe
from .custom import (
    START,
    Measured,
    catalogue,
    day,
    days,
    end_of,
    metric,
    result_row,
    rule,
)


def gate(needed: int = 3, **given: Any) -> dict[str, Any]:
    usual = {
        "id": "sites",
        "title": "Sites up",
        "group": "Own.up",
        "hold": {"periods": needed, "unit": "day", "consecutive": True},
    }
    return usual | given


def run_of(tmp_path, marks, rows=(), *, metrics=(), at=None, known_at=None, **given):
    """The gate's result at the end of the marked days."""
    with World(days(marks), rows) as world:
        own = catalogue(tmp_path, metric("up"), *metrics, gates=[gate(**given)])
        return Measured(world, own).gate(at or end_of(marks), known_at)


@pytest.mark.parametrize(
    ("marks", "run", "since", "broken", "passed"),
    [
        ("+++", 3, 0, -1, True),
        ("-++", 2, 1, 0, False),
        ("+++++-", 0, None, 5, False),
        ("+-++++", 4, 2, 1, True),
        ("+.++", 2, 2, 1, False),
        ("++.", 0, None, 2, False),
    ],
)
def test_the_run_is_the_met_days_up_to_now(tmp_path, marks, run, since, broken, passed):
    found = run_of(tmp_path, marks)
    assert (found.run, found.passed, found.needed) == (run, passed, 3)
    assert found.since == (None if since is None else day(since))
    assert found.broken_on == day(broken)
    assert found.days[-1].day == day(len(marks) - 1)


def test_the_result_says_what_broke_it_last(tmp_path):
    other = metric("other", target={"cmp": ">=", "value": 0, "unit": "%"})
    found = run_of(tmp_path, "+-+", metrics=[other], group="Own")
    assert found.broken_by == ("Own.up",)
    assert found.reason == "1 of 3 days in a row; last broken on 2 March 2026: held back by up."
    missing = run_of(tmp_path, "+.+")
    assert missing.reason.endswith("2 March 2026: there was no result.")
    assert run_of(tmp_path, "+++").reason == "Passed: 3 of 3 days in a row."


def test_many_that_hold_back_are_counted(tmp_path):
    more = [metric(f"m{n}") for n in range(4)]
    found = run_of(tmp_path, "+-", metrics=more, group="Own")
    assert found.reason.endswith("held back by up, m0, m1 and 2 more.")


def test_a_gate_without_results(tmp_path):
    found = run_of(tmp_path, "...")
    assert found.reason == "There are no results yet."
    assert (found.run, found.passed, found.chance, found.chance_all) == (0, False, {}, None)
    assert found.reconstructed is False
    assert all(mark.verdict == "missing" for mark in found.days)
    assert len(found.days) == 90


def test_missing_days_break_or_are_skipped(tmp_path):
    breaks = run_of(tmp_path, "++.+")
    assert (breaks.run, breaks.broken_on) == (1, day(2))
    skips = run_of(tmp_path, "++.+", missing_day="skips")
    assert (skips.run, skips.since, skips.broken_on, skips.passed) == (3, day(0), None, True)
    two = run_of(tmp_path, "+.+", missing_day="skips")
    assert two.reason == "2 of 3 days in a row; nothing has broken the run."


def test_one_leaf_without_a_result_breaks_a_day_on_which_others_have_one(tmp_path):
    silent = metric("silent", terms={"up": "count(*)", "all": "count(*)"},
                    scopes=["network"], **{"from": "load_sample"},
                    numerator="up", denominator="all")  # fmt: skip
    found = run_of(tmp_path, "+++", metrics=[silent], group="Own", missing_day="skips")
    assert (found.run, found.broken_by) == (0, ("Own.silent",))


def test_a_day_with_nothing_to_judge_neither_counts_nor_breaks(tmp_path):
    recovering = metric(
        "recovering",
        empty="not_applicable",
        terms={"good": "count(*) filter (where not ok)", "rows": "count(*)"},
        numerator="good", denominator="good", heartbeat="rows",
    )  # fmt: skip
    found = run_of(tmp_path, "-+--", metrics=[recovering], group="Own.recovering")
    assert (found.run, found.passed) == (3, True)
    assert [mark.verdict for mark in found.days[-4:]] == ["met", "missing", "met", "met"]
    beside = run_of(tmp_path, "++++", metrics=[recovering], group="Own")
    assert (beside.run, beside.passed) == (4, True)


def test_what_is_left_out_and_what_is_reference_does_not_count(tmp_path):
    shown = metric(
        "shown", target={"cmp": ">=", "value": 1000, "unit": "%"}, verdict_on="reference"
    )
    worse = metric("worse", target={"cmp": ">", "value": 100, "unit": "%"})
    found = run_of(
        tmp_path,
        "+++",
        metrics=[shown, worse],
        group=["Own.up", "Own"],
        **{"except": ["Own.worse"]},
    )
    assert found.passed
    assert set(found.chance) == {"Own.up"}


def window(start, end, approved, scope="network", **given: Any):
    """An approved maintenance window."""
    claim = f"maintenance_window:{scope}:{start.isoformat()}Z/{end.isoformat()}Z"
    usual = {"statement": "upgrade", "entered_by": "Ana"}
    return attestation(approved, claim, **usual | given)


def test_maintenance_that_was_approved_before_excuses_a_day(tmp_path):
    start = START + D + 2 * H
    before = window(start, start + 2 * H, START)
    found = run_of(tmp_path, "+-++", [before])
    assert (found.run, found.passed, found.broken_on) == (3, True, day(-1))
    assert [mark.verdict for mark in found.days[-4:]] == ["met", "excused", "met", "met"]
    assert found.maintenance == (
        {
            "scope": "network", "from": "2026-03-02T02:00:00Z", "to": "2026-03-02T04:00:00Z",
            "reason": "upgrade", "person": "Ana",
        },
    )  # fmt: skip
    counts = run_of(tmp_path, "+-++", [before], maintenance="counts")
    assert (counts.run, counts.maintenance) == (2, ())


def test_maintenance_that_was_approved_afterwards_excuses_nothing(tmp_path):
    start = START + D + 2 * H
    for approved in (start + timedelta(seconds=1), start + D):
        found = run_of(tmp_path, "+-++", [window(start, start + 2 * H, approved)])
        assert (found.run, found.maintenance) == (2, ())
    at_once = run_of(tmp_path, "+-++", [window(start, start + 2 * H, start)])
    assert at_once.passed


def test_maintenance_is_as_it_was_known(tmp_path):
    start = START + D + 2 * H
    with World(days("+-++"), recorded_at=START + 4 * D) as world:
        world.add(window(start, start + 2 * H, START), recorded_at=START + 6 * D)
        own = catalogue(tmp_path, metric("up"), gates=[gate()])
        found = Measured(world, own)
        assert found.gate(end_of("++++")).passed
        assert not found.gate(end_of("++++"), START + 5 * D).passed
        assert not found.gate(end_of("++++"), START + 5 * D).maintenance


def test_a_window_that_touches_only_the_next_day_excuses_nothing(tmp_path):
    start = START + 2 * D
    found = run_of(tmp_path, "+-++", [window(start, start + H, START)])
    assert found.run == 2


@pytest.mark.parametrize(
    "claim",
    [
        "maintenance_window:square",
        "maintenance_window:square:tomorrow/later",
        "maintenance_window:square:2026-13-01/2026-14-01",
        "maintenance_window::",
        "maintenance_window:integration:square",
    ],
)
def test_a_claim_that_is_no_window_harms_nothing(tmp_path, claim):
    assert run_of(tmp_path, "+-+", [attestation(START, claim)]).run == 1


def test_the_scope_of_a_window_may_have_a_colon(tmp_path):
    start = START + D
    rows = [window(start, start + H, START, scope="integration:square")]
    found = run_of(tmp_path, "+-+", rows)
    assert found.maintenance[0]["scope"] == "integration:square"


def test_times_of_a_window_without_zone_are_utc(tmp_path):
    claim = "maintenance_window:network:2026-03-02T02:00:00/2026-03-02T05:00:00+01:00"
    with World(attestation(START, claim)) as world:
        own = catalogue(tmp_path, metric("up"))
        (found,) = maintenance_windows(
            Measured(world, own).measuring(end_of("++"))._history.rows, end_of("++")
        )
    assert (found.start.hour, found.end.hour) == (2, 4)


def up(n: int, verdict: str, **given: Any):
    """The published verdict of day n."""
    return result_row("Own.up", START + (n + 1) * D, verdict=verdict, **given)


def test_what_was_published_beats_what_is_computed_now(tmp_path):
    found = run_of(tmp_path, "++-", [up(0, "met"), up(1, "not_met"), up(2, "met")])
    assert [(m.verdict, m.kind) for m in found.days[-3:]] == [
        ("met", "published"),
        ("broken", "published"),
        ("met", "published"),
    ]
    assert found.reconstructed is False
    half = run_of(tmp_path, "++-", [up(1, "not_met")])
    assert [m.kind for m in half.days[-3:]] == ["reconstructed", "published", "reconstructed"]
    assert half.reconstructed is True
    assert (half.run, half.broken_on) == (0, day(2))


def test_results_of_other_scopes_reports_and_moments_are_not_days(tmp_path):
    noon = START + D + 12 * H
    rows = [
        up(1, "not_met", scope="integration", scope_key="square"),
        up(1, "not_met", report="monthly"),
        result_row("Own.up", noon, verdict="not_met"),
        result_row("Own.gone", START + 2 * D, verdict="not_met"),
    ]
    found = run_of(tmp_path, "+++", rows)
    assert (found.run, found.passed) == (3, True)


def restated(tmp_path, first, second, **given: Any):
    """A gate over three days, of which the second was published twice."""
    with World(days("+++"), up(0, "met"), up(1, first), up(2, "met")) as world:
        world.add(up(1, second, value=1.0))
        own = catalogue(tmp_path, metric("up"), gates=[gate(**given)])
        return Measured(world, own).gate(end_of("+++"))


def test_a_restatement_breaks_from_that_day_or_the_published_stands(tmp_path):
    breaks = restated(tmp_path, "met", "not_met")
    assert (breaks.run, breaks.broken_on, breaks.restated) == (1, day(1), (day(1),))
    for option in ("restatement", "late_facts"):
        stands = restated(tmp_path, "met", "not_met", **{option: "published_stands"})
        assert (stands.run, stands.passed, stands.restated) == (3, True, (day(1),))
    mended = restated(tmp_path, "not_met", "met")
    assert mended.passed
    assert not restated(tmp_path, "not_met", "met", restatement="published_stands").passed
    assert restated(tmp_path, "met", "met").restated == ()


def test_a_late_fact_and_a_second_publication_are_a_restatement_as_known(tmp_path):
    early, late = START + 4 * D, START + 6 * D
    with World(days("+++"), up(0, "met"), up(1, "met"), up(2, "met"), recorded_at=early) as world:
        world.add(up(1, "not_met", value=0.0), recorded_at=late)
        own = catalogue(tmp_path, metric("up"), gates=[gate()])
        found = Measured(world, own)
        assert found.gate(end_of("+++")).run == 1
        assert found.gate(end_of("+++"), known_at=START + 5 * D).passed


# The chance to stay met is (stayed + 1/2) / (met days with a next day + 1), after Jeffreys; from a
# broken day the first step is (recovered + 1/2) / (broken days with a next day + 1).
@pytest.mark.parametrize(
    ("marks", "needed", "chance"),
    [
        ("++++", 6, (3.5 / 4) ** 2),  # 2 more days; stayed 3 of 3
        ("+-++", 6, (1.5 / 3) ** 4),  # stayed 1 of 2
        ("+++-", 3, 0.5 * (2.5 / 4) ** 2),  # broken now, never seen what follows
        ("-+-", 2, (1.5 / 2) * (0.5 / 2)),  # recovered 1 of 1, then stayed 0 of 1
        ("+", 2, 0.5),
        ("+++", 3, 1.0),
    ],
)
def test_the_chance_is_that_of_a_chain_with_the_prior_of_jeffreys(tmp_path, marks, needed, chance):
    found = run_of(tmp_path, marks, needed=needed)
    assert found.chance["Own.up"] == pytest.approx(chance)
    assert found.chance_all == pytest.approx(chance)


def test_the_joint_chance_comes_from_the_joint_record(tmp_path):
    terms = {"n": "count(*) filter (where latency_ms < 10)", "all": "count(*)"}
    quick = metric("quick", terms=terms, numerator="n", denominator="all")
    rows = [
        probe(START + n * D + H, ok=up_ == "+", latency_ms=1.0 if fast == "+" else 50.0)
        for n, (up_, fast) in enumerate(zip("++++-+", "+-++++", strict=True))
    ]
    with World(rows) as world:
        own = catalogue(tmp_path, metric("up"), quick, gates=[gate(needed=4, group="Own")])
        found = Measured(world, own).gate(end_of("++++++"))
    assert (found.run, found.needed) == (1, 4)
    # up: ++++-+ stays 3 of 4; quick: +-++++ stays 3 of 4; both: +-++-+ stays 1 of 3; 3 days to go
    assert found.chance["Own.up"] == pytest.approx((3.5 / 5) ** 3)
    assert found.chance["Own.quick"] == pytest.approx((3.5 / 5) ** 3)
    assert found.chance_all == pytest.approx((1.5 / 4) ** 3)


def test_a_leaf_without_any_verdict_has_no_chance(tmp_path):
    empty = metric(
        "empty", empty="not_applicable",
        terms={"n": "count(*) filter (where latency_ms < 0)", "rows": "count(*)"},
        numerator="n", denominator="n", heartbeat="rows",
    )  # fmt: skip
    found = run_of(tmp_path, "+++", metrics=[empty], group="Own")
    assert found.chance.keys() == {"Own.up"}


def test_a_gate_looks_back_as_far_as_it_needs(tmp_path):
    assert len(run_of(tmp_path, "+", needed=120).days) == 120
    assert len(run_of(tmp_path, "+", needed=3).days) == 90


def test_days_are_those_of_the_reporting_zone(tmp_path):
    # 23:30 on 1 March in Los Angeles is 07:30 on 2 March, UTC
    rows = [
        probe(START + D + timedelta(hours=7.5), ok=False),
        days("++++", START + timedelta(hours=12)),
    ]
    with World(rows) as world:
        own = catalogue(tmp_path, metric("up"), gates=[gate()], time_zone="America/Los_Angeles")
        found = Measured(world, own).gate(end_of("+++") + 9 * H)
    marks = {mark.day: mark.verdict for mark in found.days}
    assert marks[day(0)] == "broken"
    assert marks[day(1)] == marks[day(2)] == "met"


def test_a_threshold_in_a_group_is_judged_on_each_day(tmp_path):
    hold = {"periods": 2, "unit": "day"}
    asked = rule("asked", {"group": "Own.up", "verdict": "met", "hold": hold})
    found = run_of(tmp_path, "+++-+++", metrics=[asked], group="Own.asked")
    assert [mark.verdict for mark in found.days[-7:]] == [
        "broken", "met", "met", "broken", "broken", "met", "met",
    ]  # fmt: skip
    assert (found.run, found.broken_by) == (2, ("Own.asked",))


def test_what_holds_it_back_now_since_when_and_what_is_wanted(tmp_path):
    other = metric("other", terms={"up": "count(*) filter (where not ok)", "all": "count(*)"},
                   numerator="up", denominator="all")  # fmt: skip
    found = run_of(tmp_path, "+-++--", metrics=[other], group=["Own.up", "Own.other"])
    assert [(h.ref, h.verdict, h.since, h.value, h.target) for h in found.held_back] == [
        ("Own.up", "not_met", day(4), 0.0, "≥ 99 %"),
    ]  # fmt: skip
    assert found.reason == (
        "0 of 3 days in a row; held back now by up since 5 March 2026 (0 %; wanted ≥ 99 %); "
        "last broken on 6 March 2026: held back by up."
    )
    both = run_of(tmp_path, "+++-", metrics=[other], group=["Own.up", "Own.other"])
    assert [(h.ref, h.since) for h in both.held_back] == [("Own.up", day(3))]
    bad = run_of(tmp_path, "---", group="Own.up")
    assert bad.held_back[0].since == day(0)
    assert run_of(tmp_path, "--+").held_back == ()


def test_the_result_as_json(tmp_path):
    found = run_of(tmp_path, "+-+", [up(1, "not_met")]).as_dict()
    assert found["since"] == "2026-03-03"
    assert found["broken_on"] == "2026-03-02"
    assert found["days"][-2] == {
        "day": "2026-03-02", "verdict": "broken", "kind": "published", "held_back_by": ["Own.up"],
    }  # fmt: skip
