"""The queue against a model of it: random steps, the same answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from meterstone.errors import LeaseLost
from meterstone.ledger import PRIORITIES, Job

from .conftest import Place

GROUPS = {"one": (1, False), "two": (2, False), "ordered": (1, True)}
NAMES = count()


@dataclass
class Modelled:
    """What a job is, said as plainly as possible."""

    id: int
    priority: int
    due: datetime
    group: str | None
    dedupe: str | None
    most_attempts: int
    state: str = "waiting"
    attempt: int = 0
    lease_until: datetime | None = None


def machine(new_place: Any) -> type[RuleBasedStateMachine]:
    """The machine over ledgers of one engine."""

    class QueueMachine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.place: Place = new_place()
            self.clock = self.place.clock
            self.ledger = self.place.open()
            self.jobs: list[Modelled] = []
            self.held: list[Job] = []
            self.claims = 0
            with self.ledger.change("test") as change:
                for name, (most, ordered) in GROUPS.items():
                    change.queue.limit(name, most, ordered=ordered)

        def teardown(self) -> None:
            self.place.close()

        @rule(
            priority=st.sampled_from(sorted(PRIORITIES)),
            group=st.sampled_from([None, "free", *GROUPS]),
            dedupe=st.sampled_from([None, None, "x", "y"]),
            wait=st.sampled_from([0, 0, 0, 20]),
            most=st.integers(1, 3),
        )
        def put(
            self, priority: Any, group: str | None, dedupe: str | None, wait: int, most: int
        ) -> None:
            due = self.clock.moment + timedelta(seconds=wait)
            job = self.ledger.queue.put(
                "work", {}, priority=priority, group=group, dedupe=dedupe, at=due,
                most_attempts=most,
            )  # fmt: skip
            same = [each for each in self.jobs
                    if dedupe and each.dedupe == dedupe and each.state == "waiting"]  # fmt: skip
            if same:
                assert job.id == same[0].id
                same[0].priority = min(same[0].priority, PRIORITIES[priority])
                same[0].due = min(same[0].due, due)
            else:
                assert job.id not in [each.id for each in self.jobs]
                self.jobs.append(Modelled(job.id, PRIORITIES[priority], due, group, dedupe, most))

        @rule(lease=st.sampled_from([5, 30]))
        def claim(self, lease: int) -> None:
            self.claims += 1
            expected = self._next(lowest=self.claims % 4 == 0)
            job = self.ledger.queue.claim("w", lease_s=lease)
            assert (job and job.id) == (expected and expected.id)
            if job is not None:
                expected.state, expected.attempt = "running", expected.attempt + 1
                expected.lease_until = self.clock.moment + timedelta(seconds=lease)
                assert job.attempt == expected.attempt
                self.held.append(job)

        @rule(seconds=st.sampled_from([1, 6, 40]))
        def time_passes(self, seconds: int) -> None:
            self.clock.forward(seconds)

        @rule(data=st.data(), act=st.sampled_from(["done", "retry", "bury", "extend"]))
        def finish(self, data: st.DataObject, act: str) -> None:
            if not self.held:
                return
            job = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
            model = self._model(job.id)
            mine = (
                model.state == "running"
                and model.attempt == job.attempt
                and model.lease_until > self.clock.moment
            )
            try:
                after = self._act(act, job)
            except LeaseLost:
                assert not mine
                return
            assert mine
            self._follow(act, model)
            assert after.state == model.state
            if act == "extend":
                self.held.append(after)

        @rule(data=st.data())
        def revive(self, data: st.DataObject) -> None:
            dead = [each for each in self.jobs if each.state == "dead" and not each.dedupe]
            if dead:
                model = dead[data.draw(st.integers(0, len(dead) - 1))]
                with self.ledger.change("test") as change:
                    change.queue.revive(model.id)
                model.state, model.due = "waiting", self.clock.moment
                model.most_attempts += model.attempt

        @invariant()
        def every_job_is_where_the_model_has_it(self) -> None:
            with self.ledger.read() as seen:
                found = {job.id: (job.state, job.attempt) for job in seen.queue.all()}
            assert found == {each.id: (each.state, each.attempt) for each in self.jobs}

        @invariant()
        def no_group_runs_more_than_it_may(self) -> None:
            for name, (most, _) in GROUPS.items():
                running = [j for j in self.jobs if j.group == name and j.state == "running"]
                assert len(running) <= most

        def _act(self, act: str, job: Job) -> Job:
            queue = self.ledger.queue
            if act == "done":
                return queue.done(job)
            if act == "extend":
                return queue.extend(job, 30)
            if act == "bury":
                return queue.bury(job, error="x")
            return queue.retry(job, at=self.clock.moment + timedelta(seconds=10), error="x")

        def _follow(self, act: str, model: Modelled) -> None:
            if act == "extend":
                model.lease_until = self.clock.moment + timedelta(seconds=30)
            elif act == "done":
                model.state = "done"
            elif act == "bury" or model.attempt >= model.most_attempts:
                model.state = "dead"
            elif any(j.dedupe == model.dedupe and j.state == "waiting"
                     for j in self.jobs if model.dedupe):  # fmt: skip
                model.state = "done"
            else:
                model.state, model.due = "waiting", self.clock.moment + timedelta(seconds=10)

        def _next(self, *, lowest: bool) -> Modelled | None:
            while True:
                able = [each for each in self.jobs if self._claimable(each)]
                if not able:
                    return None
                sign = -1 if lowest else 1
                job = min(able, key=lambda each: (sign * each.priority, each.due, each.id))
                if job.state == "running" and job.attempt >= job.most_attempts:
                    job.state = "dead"
                    continue
                return job

        def _claimable(self, job: Modelled) -> bool:
            now = self.clock.moment
            if job.state == "running":
                return job.lease_until <= now
            if job.state != "waiting" or job.due > now:
                return False
            most, ordered = GROUPS.get(job.group, (99, False))
            mates = [j for j in self.jobs if job.group and j.group == job.group]
            if sum(j.state == "running" for j in mates) >= most:
                return False
            return not ordered or not any(
                j.id < job.id and j.state in ("waiting", "running") for j in mates
            )

        def _model(self, job_id: int) -> Modelled:
            return next(each for each in self.jobs if each.id == job_id)

    return QueueMachine


@pytest.fixture
def new_place(make_place: Any, tmp_path: Path) -> Any:
    return lambda: make_place(tmp_path / f"home{next(NAMES)}")


def test_the_queue_does_what_its_model_does(new_place: Any, engine: str) -> None:
    examples = 15 if engine == "sqlite" else 8
    run_state_machine_as_test(
        machine(new_place),
        settings=settings(
            max_examples=examples, stateful_step_count=30, deadline=None, database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
