"""Asks the studies of a home, keeps what they found, and tells it to faces.

day is closed ──▶ look (job) ──▶ each study in turn ──▶ findings kept, facts landed
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol

from meterstone.board.busy import Busy
from meterstone.errors import InputError, suggest
from meterstone.insight.findings import Found, KeptFinding, as_dict, read_kept
from meterstone.insight.source import HomeSource
from meterstone.insight.study import Say, Study
from meterstone.ledger import Job, Ledger
from meterstone.ledger.findings import FindingBody, Round
from meterstone.measure.results import Scope
from meterstone.scorecard.canonical import canonical

LOOK = "studies_due"
EVERY = timedelta(minutes=10)
FIRST = timedelta(seconds=15)
"""Until there is something to ask: a new home is measured within a minute or two."""
_LOOK_S = 1.0


class Subject(Protocol):
    """An opened home, as far as studies need it."""

    @property
    def ledger(self) -> Ledger:
        """Where findings are kept."""

    def source(self, day: date | None = None) -> HomeSource:
        """Facts of a closed day as known now; None: of the newest day of the board."""

    def state(self, rows: Sequence[Mapping[str, object]], name: str) -> None:
        """Put rows of facts of ours on record, and map them."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of asking a study.

    Attributes:
        new: False: nothing had changed since, so the round of before stands.
    """

    round: Round
    new: bool


class Insights:
    """The studies of a home.

    Args:
        studies: in the order in which they are asked.

    Attributes:
        busy: what is being asked at this moment.
    """

    def __init__(self, home: Subject, studies: Callable[[], Sequence[Study]]) -> None:
        self._home = home
        self._made = studies
        self._studies: tuple[Study, ...] | None = None
        self._version = (-_LOOK_S, 0)
        self.busy = Busy()

    @property
    def studies(self) -> tuple[Study, ...]:
        """All there are; the libraries behind them are loaded at first use."""
        if self._studies is None:
            self._studies = tuple(self._made())
        return self._studies

    # -- asking -----------------------------------------------------------------------------------

    def run(
        self, names: Sequence[str] = (), day: date | None = None, say: Say = lambda _: None,
        *, anew: bool = False,
    ) -> list[Asked]:  # fmt: skip
        """Ask studies now.

        Args:
            names: those asked; none: all.
            day: a closed day; None: the newest of the board.
            say: told what is being done.
            anew: also where what is read has not changed.

        Raises:
            InputError: there is no study of this name, or nothing was measured yet.
        """
        known = [study.name for study in self.studies]
        for name in names:
            if name not in known:
                raise InputError(
                    f"there is no study {name!r}", place="study", mend=suggest(name, known)
                )
        chosen = [study for study in self.studies if not names or study.name in names]
        return [self._ask(study, day, say, anew=anew) for study in chosen]

    def _ask(self, study: Study, day: date | None, say: Say, *, anew: bool) -> Asked:
        source = self._home.source(day)
        digest = source.digest(study.facts, f"{study.name} {study.version}")
        with self._home.ledger.read() as seen:
            before = seen.findings.newest(study.name, source.day)
        if before and not anew and (before.day, before.input) == (source.day, digest):
            return Asked(before, new=False)
        began = time.monotonic()

        def told(what: str) -> object:
            return say(f"{study.title}: {what}")

        told("reading")
        found = study.run(source, told)
        if found.facts:
            self._home.state(found.facts, f"study {study.name} {source.day}")
            digest = source.digest(study.facts, f"{study.name} {study.version}")
        took = time.monotonic() - began
        with self._home.ledger.change("studies") as change:
            kept = change.findings.keep(
                study.name, source.day, source.known_at, digest, took, list(_bodies(found))
            )
        return Asked(kept, new=True)

    # -- on schedule ------------------------------------------------------------------------------

    @property
    def handlers(self) -> Mapping[str, Callable[[Job], None]]:
        """What a worker does for each kind of job."""
        return {LOOK: self._look}

    def begin(self) -> None:
        """Queue a first look, unless one waits."""
        with self._home.ledger.change("schedule") as change:
            change.queue.put(LOOK, {}, dedupe=LOOK, priority="backfill")

    def _look(self, _job: Job) -> None:
        """The next look is queued first: a failure of this one does not end the series."""
        day = self._day()
        pause = FIRST if day is None else EVERY
        with self._home.ledger.change("schedule") as change:
            change.queue.put(LOOK, {}, dedupe=LOOK, priority="backfill", at=change.now + pause)
        self._ask_due(day)

    def _day(self) -> date | None:
        """The newest day of the board; None: nothing was measured yet."""
        try:
            return self._home.source().day
        except InputError:
            return None

    def look(self) -> int:
        """Ask those that were not asked of the newest day yet. Returns how many were asked."""
        return self._ask_due(self._day())

    def _ask_due(self, day: date | None) -> int:
        if day is None:
            return 0
        due = [study for study in self.studies if not self._was_asked(study, day)]
        if due:
            with self.busy.doing(f"asking the studies of {day:%-d %B %Y}") as say:
                self.run([study.name for study in due], day, say)
        return len(due)

    def _was_asked(self, study: Study, day: date) -> bool:
        with self._home.ledger.read() as seen:
            newest = seen.findings.newest(study.name)
        return newest is not None and newest.day >= day

    # -- for faces --------------------------------------------------------------------------------

    @property
    def version(self) -> int:
        """Counts up when there are new findings; at most a second old, for every page asks."""
        now = time.monotonic()
        looked, version = self._version
        if now - looked >= _LOOK_S:
            with self._home.ledger.read() as seen:
                version = seen.findings.version()
            self._version = (now, version)
        return version

    def of(
        self, scope: Scope | None = None, study: str | None = None, day: date | None = None,
        known_at: datetime | None = None,
    ) -> list[KeptFinding]:  # fmt: skip
        """Findings of the newest rounds, by study, each study's most important first.

        Args:
            scope: whom they concern; None: anybody.
            study: of this one; None: of all.
            day: of no later day; None: of any.
            known_at: as known then; None: now.
        """
        of = None if scope is None else (scope.kind, scope.key)
        found = []
        with self._home.ledger.read() as seen:
            for each in self.studies:
                if study not in (None, each.name):
                    continue
                newest = seen.findings.newest(each.name, day, known_at)
                if newest is not None:
                    bodies = seen.findings.of(newest.number, of)
                    found += [read_kept(newest, body) for body in bodies]
        return found

    def one(
        self, study: str, key: str, scope: Scope, day: date | None = None,
        known_at: datetime | None = None,
    ) -> KeptFinding | None:  # fmt: skip
        """One finding of the newest round; see `of`."""
        with self._home.ledger.read() as seen:
            newest = seen.findings.newest(study, day, known_at)
            if newest is None:
                return None
            bodies = seen.findings.of(newest.number, (scope.kind, scope.key), key)
        return read_kept(newest, bodies[0]) if bodies else None


def _bodies(found: Found) -> Iterator[FindingBody]:
    for each in found.findings:
        body = canonical(as_dict(each))
        yield FindingBody(each.scope.kind, each.scope.key, each.key, body)
