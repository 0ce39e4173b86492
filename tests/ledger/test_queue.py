"""The queue: who gets which job when, and what becomes of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from meterstone.errors import InputError, LeaseLost
from meterstone.ledger import Job, Ledger
from meterstone.ledger.jobs import FIRST_PAUSE_S, LONGEST_PAUSE_S, pause_s, priority_of
from meterstone.ledger.queue import RESERVED

from .conftest import Clock, Place


def put(ledger: Ledger, name: str, **options: object) -> Job:
    return ledger.queue.put("sync", {"name": name}, **options)


def claim(ledger: Ledger, **options: object) -> str | None:
    job = ledger.queue.claim("w", **options)
    return None if job is None else job.payload["name"]


def claims(ledger: Ledger, number: int) -> list[str | None]:
    return [claim(ledger) for _ in range(number)]


def state(ledger: Ledger, job: Job) -> Job:
    with ledger.read() as seen:
        return seen.queue.get(job.id)


def test_a_job_is_claimed_once_and_done(ledger: Ledger, clock: Clock) -> None:
    made = put(ledger, "a")
    assert (made.state, made.attempt, made.priority) == ("waiting", 0, "live")
    job = ledger.queue.claim("worker-1", lease_s=60)
    assert (job.id, job.state, job.attempt, job.worker) == (made.id, "running", 1, "worker-1")
    assert job.lease_until == clock.moment + timedelta(seconds=60)
    assert ledger.queue.claim("worker-2") is None
    done = ledger.queue.done(job)
    assert (done.state, done.finished_at, done.lease_until) == ("done", clock.moment, None)
    assert ledger.queue.counts() == {"waiting": 0, "running": 0, "done": 1, "dead": 0}


def test_jobs_of_other_kinds_are_left(ledger: Ledger) -> None:
    put(ledger, "a")
    assert claim(ledger, kinds=["deliver"]) is None
    assert claim(ledger, kinds=["deliver", "sync"]) == "a"


def test_a_job_is_not_claimed_before_its_time(ledger: Ledger, clock: Clock) -> None:
    due = clock.moment + timedelta(seconds=30)
    put(ledger, "a", at=due)
    assert claim(ledger) is None
    assert ledger.queue.next_due() == due
    assert ledger.queue.next_due(["deliver"]) is None
    clock.forward(30)
    assert claim(ledger) == "a"
    assert ledger.queue.next_due() == due + timedelta(seconds=60)


# priorities


def test_upper_priorities_come_first_and_equal_ones_in_order(ledger: Ledger) -> None:
    for name, priority in (("b1", "backfill"), ("l1", "live"), ("i1", "interactive"),
                           ("l2", "live")):  # fmt: skip
        put(ledger, name, priority=priority)
    assert claims(ledger, 3) == ["i1", "l1", "l2"]


def test_every_fourth_claim_goes_to_the_oldest_of_the_lowest(ledger: Ledger) -> None:
    for number in range(20):
        put(ledger, f"live {number}")
        put(ledger, f"backfill {number}", priority="backfill")
    claimed = claims(ledger, 8)
    assert [name for name in claimed if name.startswith("backfill")] == ["backfill 0", "backfill 1"]
    assert RESERVED == 4
    assert [index for index, name in enumerate(claimed) if name.startswith("b")] == [3, 7]


@pytest.mark.parametrize("name", ["interactive", "live", "backfill"])
def test_a_priority_is_known_by_its_name(name: str) -> None:
    assert priority_of(name) == name


def test_an_unknown_priority_is_refused() -> None:
    with pytest.raises(InputError, match="unknown priority 'liv'"):
        priority_of("liv")


# dedupe


def test_the_same_again_is_the_waiting_job_sooner_and_higher(ledger: Ledger, clock: Clock) -> None:
    later = clock.moment + timedelta(seconds=60)
    first = put(ledger, "a", dedupe="x", priority="backfill", at=later)
    again = put(ledger, "b", dedupe="x", priority="interactive")
    third = put(ledger, "c", dedupe="x", priority="backfill", at=later)
    assert first.id == again.id == third.id
    assert (third.priority, third.due_at, third.payload) == (
        "interactive", clock.moment, {"name": "a"},
    )  # fmt: skip
    assert put(ledger, "d", dedupe="y").id != first.id


def test_one_that_runs_does_not_count_as_the_same(ledger: Ledger) -> None:
    first = put(ledger, "a", dedupe="x")
    ledger.queue.claim("w")
    assert put(ledger, "b", dedupe="x").id != first.id


def test_a_retry_is_merged_with_the_waiting_one(ledger: Ledger) -> None:
    put(ledger, "a", dedupe="x")
    job = ledger.queue.claim("w")
    newer = put(ledger, "b", dedupe="x")
    merged = ledger.queue.retry(job, error="no answer")
    assert (merged.state, merged.error) == ("done", "merged with the waiting job of x")
    assert state(ledger, newer).state == "waiting"


# leases and fences


def test_a_lease_that_ran_out_gives_the_job_to_the_next(ledger: Ledger, clock: Clock) -> None:
    put(ledger, "a")
    slow = ledger.queue.claim("slow", lease_s=10)
    clock.forward(10)
    quick = ledger.queue.claim("quick", lease_s=10)
    assert (quick.id, quick.attempt) == (slow.id, 2)
    for act in (
        lambda: ledger.queue.done(slow),
        lambda: ledger.queue.retry(slow, error="x"),
        lambda: ledger.queue.bury(slow, error="x"),
        lambda: ledger.queue.extend(slow, 10),
    ):
        with pytest.raises(LeaseLost, match="attempt 1"):
            act()
    assert ledger.queue.done(quick).state == "done"


def test_work_after_the_lease_is_refused_also_when_nobody_took_it(
    ledger: Ledger, clock: Clock
) -> None:
    put(ledger, "a")
    job = ledger.queue.claim("slow", lease_s=10)
    clock.forward(11)
    with pytest.raises(LeaseLost):
        ledger.queue.done(job)


def test_an_effect_in_the_transaction_of_a_lost_lease_is_undone(
    ledger: Ledger, clock: Clock
) -> None:
    put(ledger, "a")
    job = ledger.queue.claim("slow", lease_s=10)
    clock.forward(11)

    def effect() -> None:
        with ledger.change("slow") as change:
            change.connections.add(connector="square", account="M1")
            change.queue.done(job)

    with pytest.raises(LeaseLost):
        effect()
    with ledger.read() as seen:
        assert seen.connections.all() == []


def test_a_heartbeat_keeps_the_job(ledger: Ledger, clock: Clock) -> None:
    put(ledger, "a")
    job = ledger.queue.claim("w", lease_s=10)
    for _ in range(5):
        clock.forward(9)
        job = ledger.queue.extend(job, 10)
    assert ledger.queue.claim("other") is None
    assert ledger.queue.done(job).attempt == 1


# retries and dead letters


def test_a_failed_attempt_waits_longer_each_time(ledger: Ledger, clock: Clock) -> None:
    put(ledger, "a")
    waits = []
    for _ in range(4):
        job = ledger.queue.claim("w")
        job = ledger.queue.retry(job, error="answered 500")
        waits.append((job.due_at - clock.moment).total_seconds())
        clock.forward(waits[-1])
    assert all(FIRST_PAUSE_S * 2**n / 2 <= wait <= FIRST_PAUSE_S * 2**n
               for n, wait in enumerate(waits))  # fmt: skip
    assert (job.error, job.attempt) == ("answered 500", 4)


def test_pauses_are_spread_and_have_an_end() -> None:
    assert pause_s(1, lambda: 0.0) == FIRST_PAUSE_S / 2
    assert pause_s(1, lambda: 1.0) == FIRST_PAUSE_S
    assert pause_s(10_000, lambda: 1.0) == LONGEST_PAUSE_S
    assert len({pause_s(5) for _ in range(20)}) > 1


def test_a_retry_at_a_moment(ledger: Ledger, clock: Clock) -> None:
    put(ledger, "a")
    at = clock.moment + timedelta(seconds=7)
    assert ledger.queue.retry(ledger.queue.claim("w"), at=at, error="429").due_at == at


def test_the_last_attempt_that_fails_makes_a_dead_letter(ledger: Ledger, clock: Clock) -> None:
    job = put(ledger, "a", most_attempts=2)
    ledger.queue.retry(ledger.queue.claim("w"), at=clock.moment, error="1")
    dead = ledger.queue.retry(ledger.queue.claim("w"), at=clock.moment, error="2")
    assert (dead.state, dead.error, dead.attempt) == ("dead", "2", 2)
    assert ledger.queue.claim("w") is None
    assert ledger.audit.entries()[-1].action == "job.bury"
    with ledger.change("cli") as change:
        change.queue.revive(job.id)
    again = ledger.queue.claim("w")
    assert (again.id, again.attempt, again.most_attempts) == (job.id, 3, 4)


def test_a_last_attempt_whose_worker_died_makes_a_dead_letter(ledger: Ledger, clock: Clock) -> None:
    job = put(ledger, "a", most_attempts=1)
    other = put(ledger, "b")
    ledger.queue.claim("dies", lease_s=10)
    clock.forward(10)
    assert ledger.queue.claim("w").id == other.id
    dead = state(ledger, job)
    assert (dead.state, dead.error) == ("dead", "the lease of the last attempt ran out (dies)")


def test_what_is_not_dead_is_not_revived(ledger: Ledger) -> None:
    job = put(ledger, "a", dedupe="x")
    with pytest.raises(InputError, match="is waiting"), ledger.change("cli") as change:
        change.queue.revive(job.id)
    ledger.queue.bury(ledger.queue.claim("w"), error="broken")
    put(ledger, "b", dedupe="x")
    with pytest.raises(InputError, match="waits already"), ledger.change("cli") as change:
        change.queue.revive(job.id)


def test_a_waiting_job_can_be_cancelled(ledger: Ledger) -> None:
    job = put(ledger, "a")
    with ledger.change("cli") as change:
        cancelled = change.queue.cancel(job.id, "disconnected")
    assert (cancelled.state, cancelled.error) == ("dead", "disconnected")
    with pytest.raises(InputError, match="is dead"), ledger.change("cli") as change:
        change.queue.cancel(job.id, "again")
    with pytest.raises(InputError, match="no such job"), ledger.change("cli") as change:
        change.queue.cancel(job.id + 1, "x")


def test_done_jobs_are_purged_and_dead_letters_kept(ledger: Ledger, clock: Clock) -> None:
    put(ledger, "a")
    ledger.queue.done(ledger.queue.claim("w"))
    put(ledger, "b")
    dead = ledger.queue.bury(ledger.queue.claim("w"), error="x")
    clock.forward(10)
    put(ledger, "c")
    ledger.queue.done(ledger.queue.claim("w"))
    with ledger.change("cli") as change:
        assert change.queue.purge(clock.moment) == 1
        assert [job.id for job in change.queue.all("dead")] == [dead.id]
        assert len(change.queue.all(kind="sync")) == 2


# groups


def test_a_group_has_room_for_so_many(ledger: Ledger, clock: Clock) -> None:
    with ledger.change("cli") as change:
        change.queue.limit("c1", 2)
    for name in ("a", "b", "c"):
        put(ledger, name, group="c1")
    put(ledger, "free")
    first = ledger.queue.claim("w")
    assert claims(ledger, 3) == ["b", "free", None]
    ledger.queue.retry(first, at=clock.moment + timedelta(seconds=60), error="x")
    assert claims(ledger, 2) == ["c", None]


def test_a_limit_can_be_changed_and_needs_room_for_one(ledger: Ledger) -> None:
    with pytest.raises(InputError, match="room for one"), ledger.change("cli") as change:
        change.queue.limit("c1", 0)
    for most, expected in ((1, ["a", None]), (3, ["b", "c"])):
        with ledger.change("cli") as change:
            change.queue.limit("c1", most)
        if most == 1:
            for name in ("a", "b", "c"):
                put(ledger, name, group="c1")
        assert claims(ledger, 2) == expected


def test_a_group_without_a_limit_runs_at_will(ledger: Ledger) -> None:
    for name in ("a", "b", "c"):
        put(ledger, name, group="anything")
    assert claims(ledger, 4) == ["a", "b", "c", None]


def test_a_worker_that_died_keeps_its_place_in_the_group(ledger: Ledger, clock: Clock) -> None:
    with ledger.change("cli") as change:
        change.queue.limit("c1", 1)
    put(ledger, "a", group="c1")
    put(ledger, "b", group="c1", priority="interactive")
    assert claim(ledger, lease_s=10) == "b"
    assert claim(ledger) is None
    clock.forward(10)
    assert claims(ledger, 2) == ["b", None]


def test_an_ordered_group_keeps_its_order_through_failures(ledger: Ledger, clock: Clock) -> None:
    with ledger.change("cli") as change:
        change.queue.limit("ep", 1, ordered=True)
    for name, priority in (("1", "backfill"), ("2", "live"), ("3", "interactive")):
        put(ledger, name, group="ep", priority=priority)
    put(ledger, "other", group="ep2")
    job = ledger.queue.claim("w")
    assert job.payload["name"] == "other"
    ledger.queue.done(job)
    job = ledger.queue.claim("w")
    assert job.payload["name"] == "1"
    ledger.queue.retry(job, at=clock.moment + timedelta(seconds=60), error="500")
    assert claim(ledger) is None
    clock.forward(60)
    for name in ("1", "2", "3"):
        job = ledger.queue.claim("w")
        assert job.payload["name"] == name
        assert claim(ledger) is None
        ledger.queue.done(job)


def test_a_full_group_does_not_hide_an_expired_job_of_its_own(ledger: Ledger, clock: Clock) -> None:
    with ledger.change("cli") as change:
        change.queue.limit("c1", 1)
    put(ledger, "a", group="c1")
    put(ledger, "b", group="c1")
    assert claim(ledger, lease_s=5) == "a"
    clock.forward(5)
    assert claim(ledger, lease_s=5) == "a"


def test_two_processes_share_one_queue(place: Place) -> None:
    one, two = place.open(), place.open()
    put(one, "a")
    put(two, "b")
    assert {claim(one), claim(two)} == {"a", "b"}
    assert claim(one) is None
