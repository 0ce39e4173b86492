"""Computes what faces show, when something new landed or a day ended.

An evaluation measures the newest day that is over at all scopes, keeps a signed scorecard of the
network, of every franchise and of every integration where something changed, and brings the values
by day up to date: only days that new facts touched are computed again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Protocol, cast

import pyarrow as pa

from meterstone.board.busy import Busy
from meterstone.board.cards import Measured
from meterstone.errors import MeterstoneError
from meterstone.ledger import Ledger
from meterstone.ledger.scorecards import Kept, ScopeDays
from meterstone.measure.results import MetricResult, Scope
from meterstone.measure.service import Measuring
from meterstone.scorecard import Scorecard
from meterstone.scorecard.canonical import canonical
from meterstone.scorecard.model import read
from meterstone.warehouse.base import Warehouse

_log = logging.getLogger(__name__)

DAYS = 90
"""How many days are kept by value."""

_KINDS = ("network", "franchise", "integration")
_AT_ONCE = 30
_LEAST_PAUSE_S, _SHARE = 15.0, 4.0
"""Between two evaluations there is at least this long, and so many times as long as one took."""

_FIRST_PAUSE_S = 2.0
"""A server answers first, and evaluates then: reading a catalogue keeps it from both."""

_NO_NEWS = ("input", "revision", "other")
"""Kinds of changes by which nothing is measured or judged differently."""

_CHANGES_SHOWN = 40

_FIRST = "measuring all targets for the first time; about a minute"
_PAST = f"measuring the {DAYS} days before, for trends and runs; half a minute"


class Subject(Protocol):
    """An opened home, as far as the evaluator needs it."""

    @property
    def ledger(self) -> Ledger:
        """Where scorecards are kept."""

    @property
    def last_day(self) -> date:
        """The newest day that is over."""

    def newest(self) -> tuple[object, ...]:
        """Changes when there may be something new to evaluate."""

    def measured(
        self,
        day: date,
        before: Callable[[Measuring], Any],
        reading: Callable[[Warehouse], Warehouse],
    ) -> Measured:
        """Measure a day as known now, by a warehouse that ``reading`` makes of that of the home."""

    def signed(self, card: Scorecard) -> dict[str, Any]:
        """The signed document of a scorecard."""

    def names(self) -> Mapping[Scope, str]:
        """What people call franchises and integrations, where that is known."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What an evaluation did: scorecards kept, days computed, and seconds."""

    day: date
    kept: int
    days: int
    took_s: float


class Evaluator:
    """Evaluates a home; `start` does so in a thread whenever there is something new.

    Args:
        told: called whenever something was kept: the scorecards first, then the values by day.
        busy: says what a reader waits for when there is no scorecard yet.
    """

    def __init__(
        self,
        home: Subject,
        told: Callable[[Evaluated], None] = lambda _: None,
        busy: Busy | None = None,
    ) -> None:
        self._home = home
        self._told = told
        self._busy = busy or Busy()
        self._seen: tuple[object, ...] | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def run_once(self) -> Evaluated | None:
        """Evaluate now; None when nothing is new since the last time."""
        newest = self._home.newest()
        if newest == self._seen:
            return None
        known = self._kept_days()
        with self._busy.doing(_FIRST) if not known else nullcontext(lambda _: None) as say:
            done = self._evaluate(known, say)
        self._seen = newest
        return done

    def _evaluate(self, known: set[date], say: Callable[[str], object]) -> Evaluated:
        began, day = time.monotonic(), self._home.last_day
        days = [day - timedelta(days=back) for back in reversed(range(DAYS))]
        outdated: list[date] = []
        measured = self._home.measured(
            day,
            lambda measuring: outdated.extend(measuring.outdated(days)),
            lambda warehouse: cast("Warehouse", _Interruptible(warehouse, self._stopping)),
        )
        cards = list(self._cards(measured, self._home.ledger))
        missing = [each for each in days if each in set(outdated) or each not in known]
        if not known:  # nobody waits for the past to see the present
            self._keep(cards, {scope: {} for scope in _scopes(measured)}, days)
            self._told(Evaluated(day, len(cards), 0, time.monotonic() - began))
            say(_PAST)
        values = _values(measured.measuring, missing, days)
        self._keep([] if not known else cards, values, days)
        done = Evaluated(day, len(cards), len(missing), time.monotonic() - began)
        self._told(done)
        return done

    def _kept_days(self) -> set[date]:
        with self._home.ledger.read() as seen:
            kept = seen.scorecards.values("network", "*")
        return {date.fromisoformat(day) for days in kept.values() for day in days}

    def _cards(self, measured: Measured, ledger: Ledger) -> Iterator[Kept]:
        """Of the scopes of which something is different from what is kept."""
        for scope in _scopes(measured):
            with ledger.read() as seen:
                before = seen.scorecards.newest(scope.kind, scope.key, measured.day)
            former = None if before is None else read(before.body)
            card = measured.card(scope, former)
            if former is not None and all(change.kind in _NO_NEWS for change in card.changes):
                continue
            document = self._home.signed(card)
            yield Kept(
                kind=scope.kind, key=scope.key, day=measured.day,
                known_at=measured.measurement.known_at, hash=document["content_hash"],
                body=canonical(document),
                changes=tuple(change.sentence for change in card.changes[:_CHANGES_SHOWN]),
            )  # fmt: skip

    def _keep(
        self, cards: Sequence[Kept], values: Mapping[Scope, Mapping[str, Any]], days: list[date]
    ) -> None:
        names, first = self._home.names(), days[0].isoformat()
        with self._home.ledger.read() as seen:
            merged = [
                ScopeDays(
                    scope.kind, scope.key, names.get(scope, scope.key),
                    _merged(seen.scorecards.values(scope.kind, scope.key), new, first),
                )
                for scope, new in values.items()
            ]  # fmt: skip
        with self._home.ledger.change("evaluator") as change:
            change.scorecards.keep(cards)
            change.scorecards.put_values(merged)

    def start(self) -> None:
        """Evaluate in a thread."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="evaluator", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Break off an evaluation that runs: nothing of it is kept, the next one begins anew."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        pause = _FIRST_PAUSE_S
        while not self._stopping.wait(pause):
            began = time.monotonic()
            try:
                self.run_once()
            except _Interrupted:
                return
            except MeterstoneError as error:
                _log.warning("not evaluated: %s", error)
            pause = max(_LEAST_PAUSE_S, _SHARE * (time.monotonic() - began))


class _Interrupted(MeterstoneError):
    """The evaluator was told to stop."""


class _Interruptible:
    """A warehouse that is asked nothing more once something is to stop: an evaluation is thousands
    of short queries, and whoever stops a server does not wait for them."""

    def __init__(self, warehouse: Warehouse, stopping: threading.Event) -> None:
        self._warehouse = warehouse
        self._stopping = stopping

    def query(self, sql: str) -> pa.Table:
        """See `Warehouse.query`.

        Raises:
            _Interrupted: it is to stop.
        """
        if self._stopping.is_set():
            raise _Interrupted("stopped", place="evaluator")
        return self._warehouse.query(sql)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._warehouse, name)


def _values(
    measuring: Measuring, missing: Sequence[date], days: Sequence[date]
) -> dict[Scope, dict[str, dict[str, list[Any]]]]:
    """Values of the missing days at all scopes, and what is on record of the network."""
    found: dict[Scope, dict[str, dict[str, list[Any]]]] = {}

    def note(scope: Scope, metric: str, day: date, row: list[Any]) -> None:
        found.setdefault(scope, {}).setdefault(metric, {})[day.isoformat()] = row

    for start in range(0, len(missing), _AT_ONCE):
        for day, result in measuring.by_day(missing[start : start + _AT_ONCE]):
            if result.scope.kind in _KINDS and _is_known(result):
                row = [result.value, *(result.interval or (None, None)), result.verdict, False]
                note(result.scope, result.id, day, row)
    network = Scope("network")
    for metric, day, said in measuring.on_record(days if missing else days[-1:]):
        before = found.get(network, {}).get(metric, {}).get(day.isoformat())
        published = said.kind == "published"
        lower, upper = (
            (before[1], before[2]) if before and before[0] == said.value else (None, None)
        )
        if before is None or published:
            note(network, metric, day, [said.value, lower, upper, said.verdict, published])
    return found


def _scopes(measured: Measured) -> list[Scope]:
    """Where there is something to see; a result that no franchise has is at ``franchise:*``."""
    found = {result.scope for result in measured.measurement.metrics}
    return sorted(s for s in found if s.kind in _KINDS and (s.kind == "network" or s.key != "*"))


def _is_known(result: MetricResult) -> bool:
    return result.value is not None or result.verdict not in ("no_data", "not_applicable")


def _merged(
    kept: Mapping[str, Mapping[str, Any]], new: Mapping[str, Mapping[str, Any]], first: str
) -> dict[str, dict[str, Any]]:
    """Values by metric and day, new ones in the place of old ones, from the first day on."""
    return {
        metric: {
            day: row
            for day, row in {**kept.get(metric, {}), **new.get(metric, {})}.items()
            if day >= first
        }
        for metric in {**kept, **new}
    }
