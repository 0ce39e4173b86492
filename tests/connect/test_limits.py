"""The budget of a connection and the breaker of a vendor, on a clock that waits for nobody."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from meterstone.connect.breaker import FAILURES, Breaker, Outage
from meterstone.connect.limits import Budget, Held
from meterstone.connect.spec import Limit
from meterstone.ledger import Priority


class Leaping:
    """A clock on which waiting takes no time."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.waits: list[float | None] = []

    def now(self) -> datetime:
        return datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        self.waits.append(seconds)
        if seconds is None:
            condition.wait(1.0)
        else:
            self.seconds += seconds


def call(budget: Budget, priority: Priority = "live") -> float:
    with budget.turn(priority) as waited:
        return waited


def test_a_known_rate_is_kept() -> None:
    clock = Leaping()
    budget = Budget([Limit(requests=10, per_s=1)], clock)
    for _ in range(50):
        call(budget)
    assert clock.seconds == pytest.approx(4.0, abs=0.11)  # ten at once, the others a tenth apart


def test_a_refusal_halves_the_rate_and_good_answers_let_it_grow() -> None:
    clock = Leaping()
    budget = Budget([Limit(requests=10, per_s=1)], clock)
    budget.hold(3.0)
    assert call(budget) >= 3.0
    assert budget.rates == [5.0]
    for _ in range(100):
        budget.went_well()
    assert budget.rates == [10.0]


def test_calls_that_are_refused_together_halve_the_rate_once() -> None:
    clock = Leaping()
    budget = Budget([Limit(requests=10, per_s=1)], clock)
    for seconds in (1.0, 1.0, 2.0, 1.0):
        budget.hold(seconds)
        clock.sleep(0.1)
    assert budget.rates == [5.0]
    assert call(budget) >= 1.7, "the longest that the vendor asked for"
    budget.hold(1.0)
    assert budget.rates == [2.5], "refused again after the pause"


def test_after_the_hardest_throttling_a_hundred_good_answers_bring_the_rate_back() -> None:
    clock = Leaping()
    budget = Budget([Limit(requests=10, per_s=1)], clock)
    for _ in range(20):
        budget.hold(1.0)
        clock.sleep(1.0)
    [slowest] = budget.rates
    assert slowest == 0.5
    took = 0.0
    for _ in range(100):
        took += 1 / budget.rates[0]
        budget.went_well()
    assert budget.rates == [10.0]
    assert took < 40, "half a minute, where growth by 2 % alone takes two"


def test_a_long_hold_is_left_to_the_caller() -> None:
    budget = Budget([], Leaping())
    budget.hold(600)
    with pytest.raises(Held) as raised, budget.turn("live", most_s=20):
        pass
    assert raised.value.seconds == pytest.approx(600)


def test_headers_that_say_that_nothing_is_left_are_believed() -> None:
    clock = Leaping()
    budget = Budget([], clock)
    budget.left(5, 60)
    assert call(budget) == 0
    budget.left(0, 60)
    assert call(budget) == pytest.approx(60)


def test_upper_priorities_go_first_and_the_lowest_is_not_starved() -> None:
    clock = Leaping()
    budget = Budget([Limit(concurrent=1)], clock)
    order: list[str] = []
    threads = []

    def go(priority: Priority) -> None:
        with budget.turn(priority):
            order.append(priority)

    with budget.turn("live"):
        for priority in ("backfill", "backfill", *["interactive"] * 4, "live"):
            threads.append(threading.Thread(target=go, args=(priority,)))
            threads[-1].start()
        while len(budget._waiting) < len(threads):
            pass
    for thread in threads:
        thread.join(10)
    assert order[:2] == ["interactive", "interactive"]
    assert "backfill" in order[:4]  # every fourth turn, with the one that held it
    assert sorted(order) == sorted(["backfill"] * 2 + ["interactive"] * 4 + ["live"])


def test_a_breaker_opens_probes_and_closes() -> None:
    clock, told = Leaping(), list[Outage]()
    breaker = Breaker(clock, told.append)
    for _ in range(FAILURES - 1):
        assert breaker.admit() == 0
        breaker.failed("vendor", "server")
    assert breaker.state == "closed"
    clock.sleep(1)
    breaker.failed("vendor", "server")
    assert breaker.state == "open"
    assert told[0].started_at < told[0].detected_at
    assert breaker.admit() > 0
    clock.sleep(2)
    assert breaker.admit() == 0  # the probe
    assert breaker.admit() > 0  # and nobody beside it
    breaker.failed("vendor", "server")
    assert breaker.admit() > 2  # a longer pause than the first
    clock.sleep(10)
    assert breaker.admit() == 0
    breaker.succeeded()
    assert breaker.state == "closed"
    assert told[1].answered_at == clock.now()
    assert len(told) == 2


def test_a_good_answer_between_failures_keeps_it_closed() -> None:
    breaker = Breaker(Leaping())
    for _ in range(20):
        breaker.failed("vendor", "timeout")
        breaker.succeeded()
    assert breaker.state == "closed"
