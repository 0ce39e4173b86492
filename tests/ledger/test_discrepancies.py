"""Discrepancies and their work list, on both engines."""

from __future__ import annotations

import pytest

from meterstone.errors import InputError
from meterstone.ledger import Discrepancy, Ledger

from .conftest import Clock


def note(ledger: Ledger, key: str, **given: object) -> Discrepancy:
    usual = {
        "recon": "r1", "connection": "c1", "entity": "orders", "kind": "mismatched",
        "detail": {"tip": ["1.00", "2.00"]}, "amount": 5.0, "outcome": "open", "reason": "differs",
    }  # fmt: skip
    with ledger.change("reconciliation") as change:
        return change.discrepancies.note(key=key, **{**usual, **given})


def keys(ledger: Ledger, *of: str) -> list[str]:
    with ledger.read() as seen:
        return [each.key for each in seen.discrepancies.open(*of)]


def test_the_largest_amount_comes_first(ledger: Ledger) -> None:
    for key, amount in (("small", 1.0), ("none", None), ("large", -90.0), ("middle", 7.5)):
        note(ledger, key, amount=amount)
    note(ledger, "done", outcome="repaired")
    note(ledger, "other", connection="c2", amount=2.0)
    note(ledger, "elsewhere", entity="bookings", amount=0.5)
    assert keys(ledger) == ["large", "middle", "other", "small", "elsewhere", "none"]
    assert keys(ledger, "c1", "orders") == ["large", "middle", "small", "none"]


def test_one_that_is_open_is_not_noted_twice(ledger: Ledger, clock: Clock) -> None:
    first = note(ledger, "a")
    clock.forward(60)
    again = note(ledger, "a", recon="r2", amount=9.0, reason="differs more")
    assert (again.id, again.recon, again.found_at) == (first.id, "r1", first.found_at)
    assert (again.amount, again.reason) == (9.0, "differs more")
    assert note(ledger, "a", kind="extra").id != first.id
    done = note(ledger, "a", recon="r3", outcome="repaired", reason="taken again")
    assert (done.id, done.outcome, done.resolved_at) == (first.id, "repaired", clock.moment)
    assert note(ledger, "a").id != first.id


def test_what_a_full_comparison_does_not_find_again_is_gone(ledger: Ledger) -> None:
    for key in ("a", "b"):
        note(ledger, key)
    note(ledger, "b", entity="bookings")
    with ledger.change("reconciliation") as change:
        assert change.discrepancies.close_gone("c1", "orders", ["a"]) == 1
        found = change.discrepancies.of("r1")
    assert [(each.key, each.outcome) for each in found] == [
        ("a", "open"), ("b", "gone"), ("b", "open"),
    ]  # fmt: skip


def test_a_person_takes_one_off_with_a_reason_that_stays(ledger: Ledger) -> None:
    made = note(ledger, "a")
    with ledger.change("person:anna") as change:
        assert change.discrepancies.accept(made.id, "rounded there").outcome == "accepted"
    entry = ledger.audit.entries()[-1]
    assert (entry.actor, entry.action, entry.detail) == (
        "person:anna", "discrepancy.accept", {"reason": "rounded there"},
    )  # fmt: skip
    with pytest.raises(InputError, match="no open discrepancy"), ledger.change("x") as change:
        change.discrepancies.accept(made.id, "again")


def test_somebody_is_on_one_until_it_is_closed(ledger: Ledger) -> None:
    made = note(ledger, "a")
    assert made.assigned_to == ""
    with ledger.change("person:anna") as change:
        assert change.discrepancies.assign(made.id, "person:2").assigned_to == "person:2"
    entry = ledger.audit.entries()[-1]
    assert (entry.actor, entry.action, entry.subject, entry.detail) == (
        "person:anna", "discrepancy.assign", str(made.id), {"to": "person:2"},
    )  # fmt: skip
    assert note(ledger, "a", reason="still").assigned_to == "person:2", "found again, the same"
    note(ledger, "a", outcome="repaired")
    assert note(ledger, "a").assigned_to == "", "another one of the same record"
    with pytest.raises(InputError, match="no open discrepancy"), ledger.change("x") as change:
        change.discrepancies.assign(made.id, "person:2")


def test_how_many_are_still_open_after_a_time(ledger: Ledger, clock: Clock) -> None:
    note(ledger, "a")
    note(ledger, "b")
    note(ledger, "c", outcome="kept")
    clock.forward(100)
    note(ledger, "d", recon="r2")
    with ledger.read() as seen:
        assert seen.discrepancies.still_open(clock.moment) == {"r1": 2, "r2": 1}
        before = seen.discrepancies.of("r2")[0].found_at.replace(second=0)
        assert seen.discrepancies.still_open(before) == {"r1": 2}
