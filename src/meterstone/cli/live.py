"""What works while a home is open for business: syncs, webhooks in and out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from meterstone.app import Home
from meterstone.cli.telemetry import Telemetry
from meterstone.connect.auth.schedule import CheckSchedule
from meterstone.connect.push import PUSH
from meterstone.connect.reconcile import Schedule, rules
from meterstone.connect.worker import Worker


@contextmanager
def working(home: Home, threads: int = 4, telemetry: Telemetry | None = None) -> Iterator[None]:
    """Sync on schedule, fetch what webhooks name, settle their events, deliver our own,
    evaluate what is new.

    Args:
        home: opened, for as long as it works.
        threads: jobs at once.
        telemetry: measures the jobs.
    """
    worker = worker_of(home, threads)
    if telemetry is not None:
        worker.measure(telemetry.work)
    with ExitStack() as stack:
        for part in (
            home.settler,
            home.deliverer,
            worker,
            home.evaluator,
            home.watch,
            home.notifications,
        ):
            part.start()
            stack.callback(part.stop)
        yield


def worker_of(home: Home, threads: int) -> Worker:
    """The worker of a home with all kinds of jobs that there are."""
    worker = Worker(home.hub, threads=threads)
    for schedule in (
        Schedule(home.ledger, home.reconciler, rules()),
        CheckSchedule(home.ledger, home.access),
        home.planned,
        home.insights,
    ):
        for kind, handler in schedule.handlers.items():
            worker.handle(kind, handler)
        schedule.begin()
    for handlers in (home.reports.handlers, home.notifications.handlers):
        for kind, handler in handlers.items():
            worker.handle(kind, handler)
    worker.handle(PUSH, home.pushing.handle)
    home.pushing.ensure()
    return worker
