"""Many at once: threads and processes that claim, renew and append, and workers that are killed."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import sqlalchemy as sa

from meterstone.errors import ConflictError, LeaseLost
from meterstone.ledger import Ledger
from meterstone.ledger.store import utc_now
from meterstone.ledger.tables import messages

from .conftest import Place

PROCESSES = multiprocessing.get_context("spawn")


def together(work: Callable[[int], None], number: int) -> None:
    """Run work in threads at once; the first error is raised."""
    errors: list[BaseException] = []

    def one(index: int) -> None:
        try:
            work(index)
        except (AssertionError, OSError, ConflictError) as error:
            errors.append(error)

    threads = [threading.Thread(target=one, args=(index,)) for index in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_threads_get_each_job_once(place: Place) -> None:
    ledger = place.open(utc_now)
    with ledger.change("test") as change:
        for number in range(60):
            change.queue.put("work", {"n": number})
    got: list[int] = []

    def work(_: int) -> None:
        while (job := ledger.queue.claim("w")) is not None:
            got.append(job.payload["n"])
            ledger.queue.done(job)

    together(work, 6)
    assert sorted(got) == list(range(60))


def test_a_group_is_never_overfull_among_threads(place: Place) -> None:
    ledger = place.open(utc_now)
    with ledger.change("test") as change:
        change.queue.limit("two", 2)
        change.queue.limit("order", 1, ordered=True)
        for number in range(20):
            change.queue.put("work", {"n": number}, group="two")
            change.queue.put("work", {"n": number}, group="order")
    inside = {"two": 0, "order": 0}
    most = {"two": 0, "order": 0}
    order: list[int] = []
    guard = threading.Lock()

    def work(_: int) -> None:
        while True:
            job = ledger.queue.claim("w")
            if job is None:
                if not ledger.queue.counts()["waiting"]:
                    return
                continue
            with guard:
                inside[job.group] += 1
                most[job.group] = max(most[job.group], inside[job.group])
                if job.group == "order":
                    order.append(job.payload["n"])
            with guard:
                inside[job.group] -= 1
            ledger.queue.done(job)

    together(work, 5)
    assert most["two"] <= 2
    assert most["order"] == 1
    assert order == list(range(20))


def test_one_of_many_renewals_is_kept(place: Place) -> None:
    ledger = place.open(utc_now)
    with ledger.change("test") as change:
        change.secrets.put("c1", "token", b"0")
    won: list[int] = []

    def renew(index: int) -> None:
        try:
            with ledger.change(f"w{index}") as change:
                change.secrets.put("c1", "token", str(index).encode(), expected_version=1)
        except ConflictError:
            return
        won.append(index)

    together(renew, 8)
    with ledger.read() as seen:
        kept = seen.secrets.get("c1", "token")
    assert [str(index).encode() for index in won] == [kept.value]
    assert kept.version == 2


def test_one_of_many_first_values_is_kept(place: Place) -> None:
    ledger = place.open(utc_now)
    refused: list[int] = []

    def begin(index: int) -> None:
        try:
            with ledger.change(f"w{index}") as change:
                change.secrets.put("c1", "token", str(index).encode(), expected_version=0)
        except ConflictError:
            refused.append(index)

    together(begin, 6)
    with ledger.read() as seen:
        kept = seen.secrets.get("c1", "token")
    assert kept.version == 1
    assert {str(index).encode() for index in range(6)} - {kept.value} == {
        str(index).encode() for index in refused
    }


def test_many_first_secrets_of_one_owner_share_a_data_key(place: Place) -> None:
    ledger = place.open(utc_now)

    def put(index: int) -> None:
        with ledger.change("test") as change:
            change.secrets.put("c1", f"name{index}", str(index).encode())

    together(put, 8)
    with ledger.read() as seen:
        assert [seen.secrets.get("c1", f"name{n}").value for n in range(8)] == [
            str(n).encode() for n in range(8)
        ]


def test_a_lease_is_held_by_one_of_many(place: Place) -> None:
    ledger = place.open(utc_now)
    inside, most, turns = [0], [0], [0]

    def work(index: int) -> None:
        for _ in range(4):
            lease = ledger.leases.take("refresh", str(index), 30)
            if lease is not None:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                turns[0] += 1
                inside[0] -= 1
                ledger.leases.release(lease)

    together(work, 6)
    assert most[0] == 1
    assert turns[0] > 0


def test_the_log_of_many_writers_holds(place: Place) -> None:
    one, two = place.open(utc_now), place.open(utc_now)

    def work(index: int) -> None:
        for number in range(5):
            with (one, two)[index % 2].change(f"w{index}") as change:
                change.audit("test", str(number))

    together(work, 6)
    report = one.audit.verify()
    assert report.holds
    assert (report.entries, report.unsigned) == (31, 0)


# processes

KILLED = "one-was-killed"


def worker(folder: Path, url: str | None) -> None:
    """Claims jobs; the effect stands in the transaction of `done`; some work is slow."""
    ledger = Ledger.open(folder, url)
    while True:
        job = ledger.queue.claim(f"p{os.getpid()}", lease_s=1.0)
        if job is None:
            time.sleep(0.02)
            continue
        while not (folder / KILLED).exists():  # nothing is done before the first is killed
            time.sleep(0.01)
        time.sleep(random.choice([0, 0, 0.01, 0.05]))
        try:
            with ledger.change("worker") as change:
                change.outbox.publish(f"done.{job.payload['n']}", b"")
                change.queue.done(job)
        except LeaseLost:
            continue


def start(place: Place) -> BaseProcess:
    process = PROCESSES.Process(target=worker, args=(place.folder, place.url), daemon=True)
    process.start()
    return process


def test_killed_workers_lose_nothing_and_double_no_effect(place: Place) -> None:
    ledger = place.open(utc_now)
    with ledger.change("test") as change:
        for number in range(80):
            change.queue.put("work", {"n": number}, most_attempts=100)
    crowd = [start(place) for _ in range(2)]
    kills = 0
    deadline = time.monotonic() + 300
    try:
        while ledger.queue.counts()["done"] < 80 and time.monotonic() < deadline:
            time.sleep(0.1)
            if kills < 4 and ledger.queue.counts()["running"]:
                victim = crowd.pop(0)
                os.kill(victim.pid, signal.SIGKILL)
                victim.join()
                kills += 1
                (place.folder / KILLED).touch()
                crowd.append(start(place))
    finally:
        for process in crowd:
            process.kill()
            process.join()
    with ledger.read() as seen:
        effects = list(seen._tx.run(sa.select(messages.c.type)).scalars())
    assert kills >= 1
    assert sorted(effects) == sorted(f"done.{number}" for number in range(80))
    assert ledger.queue.counts() == {"waiting": 0, "running": 0, "done": 80, "dead": 0}
    assert ledger.audit.verify().holds
