"""Rules find what they are for, say whose fault it is and who is affected, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.detect.scenes import (
    DEFAULT,
    House,
    Told,
    ago,
    counted,
    feed_of_runs,
    found,
    rule,
    scene,
)

from meterstone.detect import control
from meterstone.detect.around import Shops
from meterstone.detect.finding import Finding
from meterstone.detect.rules import look
from meterstone.detect.slo import Rule


def test_calls_that_fail_alarm_from_the_first_of_them_on() -> None:
    well = [(seconds, 5.0, 5.0) for seconds in range(12, 60, 2)]
    bad = [(10.0, 0.0, 1.0), (6.0, 0.0, 1.0), (2.0, 0.0, 1.0)]
    [one] = found("calls_fail", scene(counted("calls", well + bad)))
    assert one.started_at == ago(10)
    assert one.says.startswith("100 % of the calls to Square of the last 60 s failed.")
    assert one.fault == "provider"
    assert one.franchises == ("F1", "F2"), "nobody is named: all that are connected"
    assert one.next


def test_what_was_good_since_counts_too() -> None:
    mixed = [(seconds, 9.0, 10.0) for seconds in range(2, 60, 2)]
    assert found("calls_fail", scene(counted("calls", mixed))) == [], "10 % is not 25 %"


def test_few_failures_are_no_alarm() -> None:
    assert found("calls_fail", scene(counted("calls", [(5, 0, 1), (2, 0, 1)]))) == []


def test_it_is_over_when_the_newest_were_good_for_long_enough() -> None:
    bad = [(seconds, 0.0, 1.0) for seconds in (30, 28, 26)]
    still = scene(counted("calls", bad))
    assert found("calls_fail", still), "nothing says that it is well again"
    assert found("calls_fail", scene(counted("calls", [*bad, (1.0, 1.0, 1.0)]))) == []


def test_what_an_alarm_told_before_is_not_told_again() -> None:
    before = [(seconds, 0.0, 1.0) for seconds in (50, 48, 46, 44)]
    well = [(seconds, 1.0, 1.0) for seconds in range(20, 40, 2)]
    told = {"square:service": ago(41)}

    def again(*since: float) -> list[Finding]:
        feed = counted("calls", [*before, *well, *((s, 0.0, 1.0) for s in since)])
        return found("calls_fail", replace(scene(feed), over=told))

    assert again() == again(4.0) == again(4.0, 2.0) == []
    [one] = again(6.0, 4.0, 2.0)
    assert one.started_at == ago(6)
    assert one.value == 1.0, "what was good before this fault does not hide it"


def test_failures_of_some_shops_affect_those_alone() -> None:
    events = [(seconds, 0.0, 1.0) for seconds in (8, 5, 2)]
    feed = counted("calls", events, franchise="F2", fault="caller", error_class="authentication")
    [one] = found("calls_fail", scene(feed))
    assert one.franchises == ("F2",)
    assert one.fault == "caller"


def test_when_no_vendor_can_be_reached_it_is_our_own_network() -> None:
    both = {"square": Shops(1, ("F1",)), "clover": Shops(1, ("F2",))}
    house = House(
        down=[Told("square", error_class="timeout"), Told("clover", error_class="connection")]
    )
    assert {one.fault for one in found("down", scene(counted("calls", []), house, **both))} == {
        "hub"
    }
    one_down = House(down=[Told("square", error_class="timeout")])
    [alone] = found("down", scene(counted("calls", []), one_down, **both))
    assert (alone.fault, alone.franchises) == ("provider", ("F1",))
    feed = counted("calls", [(s, 0.0, 1.0) for s in (8, 5, 2)], error_class="timeout")
    [calls] = found("calls_fail", scene(feed, house, **both))
    assert calls.fault == "hub"


def test_a_vendor_that_is_slow_is_to_blame_for_it() -> None:
    feed = counted("calls_in_time", [(s, 0.0, 1.0) for s in (8, 5, 2)], fault="none")
    [one] = found("slow", scene(feed))
    assert one.fault == "provider"


def test_a_connection_that_was_refused_names_its_shops() -> None:
    broken = Shops(3, ("F1", "F2", "F3"), (("c1", ago(40), ("F2",)), ("c2", ago(20), ("F3",))))
    [one] = found("broken", scene(counted("calls", []), square=broken))
    assert (one.started_at, one.fault, one.franchises) == (ago(40), "caller", ("F2", "F3"))


@pytest.mark.parametrize(
    ("count", "came", "since", "alarmed"),
    [(3, 5, 0, True), (2, 0, 0, False), (3, 50, 0, False), (9, 9, 50, False)],
)
def test_webhooks_that_do_not_come(count: int, came: int, since: int, alarmed: bool) -> None:
    told = Told("square", count=count, came=came, came_since=since, first_at=ago(30))
    got = found("webhooks_missing", scene(counted("calls", []), House(lacking=[told])))
    assert bool(got) is alarmed
    assert all(one.started_at == ago(30) for one in got)


@pytest.mark.parametrize(
    ("age", "every", "status", "alarmed"),
    [
        (100, 30, "success", True), (80, 30, "success", False), (44, 1, "success", False),
        (100, 30, "failed", False), (200, 30, "failed", True),
    ],
)  # fmt: skip
def test_absent_telemetry_follows_the_declared_schedule(
    age: float, every: float, status: str, alarmed: bool
) -> None:
    got = found("silent", scene(feed_of_runs(("square", age, every, status))))
    assert bool(got) is alarmed
    for one in got:
        assert one.started_at == ago(age) + timedelta(seconds=every), "when the run was due"


def test_what_fails_is_not_silent() -> None:
    runs = feed_of_runs(("square", 100, 30, "success"))
    runs.series |= counted("calls", [(60, 0.0, 1.0)]).series
    assert found("silent", scene(runs)) == []
    runs.series |= counted("calls", [(95, 0.0, 1.0)]).series
    assert found("silent", scene(runs)), "what failed before tells nothing of now"


def test_silence_of_what_is_not_connected_or_down_is_no_news() -> None:
    runs = feed_of_runs(("square", 900, 10, "success"))
    assert found("silent", scene(runs, House(down=[Told("square")]))) == []
    assert found("silent", scene(runs, clover=Shops(1, ()))) == []
    assert found("silent", scene(runs, square=Shops(0, ()))) == []


def test_silence_begins_anew_when_the_service_is_back_and_not_while_somebody_has_to_sign_in() -> (
    None
):
    runs = feed_of_runs(("square", 900, 10, "success"))
    back = {"square:service": ago(40)}
    assert found("silent", replace(scene(runs), over=back)) == []
    [one] = found("silent", replace(scene(runs), over={"square:service": ago(60)}))
    assert one.started_at == ago(50), "when the first run after it was due"
    broken = Shops(2, ("F1", "F2"), (("c0", ago(800), ("F1",)),))
    assert found("silent", scene(runs, square=broken)) == []
    other = Shops(2, ("F1", "F2"), (("c1", ago(800), ("F1",)),))
    assert found("silent", scene(runs, square=other)), "the other connection is signed in"


def test_impossible_telemetry_alarms_by_itself() -> None:
    feed = counted("calls", [(5.0, 7.0, 5.0)])
    feed.of("calls", "square").impossible.append((ago(5), 2.0))
    [one] = found("impossible", scene(feed))
    assert one.says.startswith("2 rows about Square contradict themselves")
    assert found("calls_fail", scene(feed)) == [], "more good than all is no failure"
    feed.of("calls", "square").impossible[0] = (ago(3600), 2.0)
    assert found("impossible", scene(feed)) == []


LEVEL = [99.1, 99.3, 99.0, 99.2, 99.1, 99.2, 99.0, 99.3, 99.1, 99.2, 99.0, 99.2, 99.1, 99.3]


@pytest.mark.parametrize(
    ("newest", "said"),
    [
        ([99.1, 99.2] * 4, ""),
        ([99.1] * 7 + [98.0], "one day beyond three sigma below its mean"),
        ([99.1] * 5 + [99.5, 99.1, 99.5], "two of three days beyond two sigma above its mean"),
        ([99.2] * 8, "eight days in a row above its mean"),
    ],
)
def test_process_control_on_a_business_metric(newest: list[float], said: str) -> None:
    assert control.signal(LEVEL + newest) == said
    got = found("accuracy_falls", scene(counted("calls", []), House(days={"": LEVEL + newest})))
    assert bool(got) is bool(said)
    assert all(said in one.says for one in got)


def test_the_limits_are_those_of_individuals_and_moving_ranges() -> None:
    # NIST/SEMATECH e-Handbook 6.3.2.2, the ten flow rates
    flows = [49.6, 47.6, 49.9, 51.3, 47.8, 51.2, 52.6, 52.4, 53.6, 52.1]
    assert control.limits(flows) is None, "ten values make no baseline"
    base = control.limits(flows + flows)
    ranges = [abs(b - a) for a, b in pairwise(flows + flows)]
    assert base is not None
    assert base.mean == pytest.approx(50.81)
    assert base.high == pytest.approx(50.81 + 2.66 * sum(ranges) / len(ranges), rel=1e-3)
    assert control.limits([5.0] * 20) is None, "what never moves has no sigma"


@given(st.lists(st.floats(90, 100), min_size=30, max_size=60), st.floats(-50, 50))
@settings(max_examples=60, deadline=None)
def test_control_does_not_depend_on_the_level(values: list[float], shift: float) -> None:
    rounded = [round(value, 3) for value in values]
    moved = [round(value + round(shift, 3), 3) for value in rounded]
    before, after = control.limits(rounded), control.limits(moved)
    assert (before is None) == (after is None)
    if before and after:
        assert after.sigma == pytest.approx(before.sigma, abs=1e-6)


def test_a_fixed_limit_on_a_daily_value() -> None:
    raw = rule("accuracy_falls").raw
    house = House(days={"": [99.0, 97.0]})
    for type_, limit, alarmed in (("below", 98.0, True), ("below", 96.0, False),
                                  ("above", 96.0, True), ("above", 98.0, False)):  # fmt: skip
        fields = {name: getattr(raw, name) for name in raw.__struct_fields__}
        own = Rule(type(raw)(**{**fields, "type": type_, "limit": limit}), 60, 0, 0, 20)
        assert bool(list(look(own, scene(counted("calls", []), house)))) is alarmed


def test_every_rule_and_objective_says_what_it_means_and_what_to_do() -> None:
    for says in [r.raw.says for r in DEFAULT.rules] + [s.raw.says for s in DEFAULT.slos]:
        assert says.means.endswith(".")
        assert says.next.endswith(".")
