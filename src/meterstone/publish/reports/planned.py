"""The job that asks for the reports that are due, and deletes the files that were kept long enough.

What was missed (nothing ran, or there was no scorecard of the day yet) follows at a later look.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from meterstone.errors import InputError
from meterstone.ledger import Job, Ledger
from meterstone.ledger.reports import ReportPlan
from meterstone.measure.days import day_end
from meterstone.publish.reports.model import KINDS, Kind
from meterstone.publish.reports.schedule import CAUGHT_UP, due, last_days
from meterstone.publish.reports.service import Reports

LOOK = "reports_due"
EVERY = timedelta(minutes=10)
KEPT = timedelta(days=400)
"""How long files of reports lie in the home: a year can be compared with the one before."""
FIRST_AT: Mapping[Kind, str] = {"daily": "06:00", "monthly": "07:00", "quarterly": "08:00"}
"""When each kind is made where nobody planned otherwise."""


class Way(Protocol):
    """A channel that reports can be sent over."""

    @property
    def id(self) -> str:
        """Of the channel."""

    @property
    def name(self) -> str:
        """As people call it."""


class Planned:
    """Reports on time.

    Args:
        ledger: plans, and the queue.
        reports: makes them.
        zone: the reporting time zone, in which plans are written.
        ways: channels that a report can be sent over.
    """

    def __init__(
        self,
        ledger: Ledger,
        reports: Reports,
        zone: Callable[[], ZoneInfo],
        ways: Callable[[], Sequence[Way]] = tuple,
    ) -> None:
        self._ledger = ledger
        self._reports = reports
        self._zone = zone
        self.ways = ways

    @property
    def handlers(self) -> Mapping[str, Callable[[Job], None]]:
        """What a worker does for each kind of job."""
        return {LOOK: self._look}

    def begin(self) -> None:
        """Queue a first look, unless one waits."""
        with self._ledger.change("schedule") as change:
            change.queue.put(LOOK, {}, dedupe=LOOK, priority="backfill")

    def plan_all(self) -> None:
        """Plan each kind that nobody planned yet."""
        with self._ledger.read() as seen:
            planned = {plan.kind for plan in seen.reports.plans()}
        if planned >= set(FIRST_AT):
            return
        zone = self._zone()  # of the catalogue, which takes seconds to read
        with self._ledger.change("schedule") as change:
            since = change.now.astimezone(zone).date() - timedelta(days=1)
            planned = {plan.kind for plan in change.reports.plans()}
            for kind, at in FIRST_AT.items():
                if kind not in planned:
                    change.reports.plan(
                        ReportPlan(kind=kind, active=True, at=at, channels=(), since=since)
                    )

    def plans(self, at: datetime | None = None) -> list[ReportPlan]:
        """When each kind is made, in the order of `KINDS`; when it was, at a moment (UTC)."""
        with self._ledger.read() as seen:
            plans = seen.past(at).report_plans() if at else seen.reports.plans()
        found = {plan.kind: plan for plan in plans}
        return [found[kind] for kind in KINDS if kind in found]

    def plan(self, plan: ReportPlan, actor: str) -> None:
        """Set when a kind is made and who gets it; periods that ended before are not made now.

        Raises:
            InputError: it names no kind, no time of day, or a channel that there is not.
        """
        if plan.kind not in KINDS:
            raise InputError(
                f"unknown report {plan.kind[:50]!r}", place="kind", mend=", ".join(KINDS)
            )
        try:
            at = time.fromisoformat(plan.at)
        except ValueError:
            at = None
        if at is None or at.tzinfo or plan.at != f"{at:%H:%M}":
            raise InputError(f"no time of day: {plan.at[:20]!r}", place="at", mend="write 06:00")
        unknown = set(plan.channels) - {way.id for way in self.ways()}
        if unknown:
            raise InputError(
                f"there is no channel {min(unknown)[:50]!r}",
                place="channels",
                mend="choose one of /settings/notifications",
            )
        with self._ledger.change(actor) as change:
            change.reports.plan(plan)

    def look(self, now: datetime) -> int:
        """Ask for what is due at a moment. Returns how many were asked for."""
        zone, asked = self._zone(), 0
        for plan in self.plans():
            kind = KINDS[plan.kind]  # type: ignore[index]  # plans are of these kinds
            first = last_days(kind, now.astimezone(zone).date(), CAUGHT_UP[kind.key] + 1)[0]
            with self._ledger.read() as seen:
                made = seen.reports.scheduled(kind.key, "network", first)
            for day in due(plan, now, zone, made):
                run = self._reports.schedule(kind.key, day, day_end(day, zone))
                asked += run is not None
        return asked

    def _look(self, _job: Job) -> None:
        """The next look is queued first: a failure of this one does not end the series."""
        with self._ledger.change("schedule") as change:
            change.queue.put(LOOK, {}, dedupe=LOOK, priority="backfill", at=change.now + EVERY)
        self.plan_all()
        now = self._ledger.now()
        self.look(now)
        self._reports.forget(now - KEPT)
