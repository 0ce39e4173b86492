"""Reconciliation of one stream of one connection: the vendor's records against our copy of them.

The source's records come by the same walk and mapping as in a sync, but all of them (a full sweep)
or a random part. Before it, the stream is synced, so that only what a sync misses is left: silent
edits, silent deletions, lost pages. What changed within the grace is not looked at.

A difference is resolved by the declared precedence: where the vendor is right, its record is landed
again (or our rows are withdrawn), and the copy is compared once more. Everything that was found is
noted with its outcome; what stays open is the work list.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from meterstone.connect.hub import Hub
from meterstone.connect.known import Known
from meterstone.connect.landing import PageLander
from meterstone.connect.mapping import StreamMapping
from meterstone.connect.pulls import Pull
from meterstone.connect.reconcile.compare import compare, key_text
from meterstone.connect.reconcile.result import Difference, Method, Reconciliation, Row
from meterstone.connect.reconcile.rules import Rules
from meterstone.connect.reconcile.sales import ENTITY, compare_sales
from meterstone.connect.reconcile.source import Part, Source
from meterstone.connect.reconcile.telling import tell
from meterstone.ledger import Connection
from meterstone.record.log import LandingLog
from meterstone.record.recorder import Recorder

US = "meterstone"
"""Our copy, as facts name it."""

_CONFIRMED_AT_MOST = 1000
_TOLD = frozenset(Reconciliation("", "", "", "", "", "full", datetime.now(UTC)).as_fact("", ""))


@dataclass(slots=True)
class _Run:
    """One run under way."""

    result: Reconciliation
    source: Source
    known: Known
    lander: PageLander
    repair: bool
    expected: dict[str, Row] = field(default_factory=dict)


class Reconciler:
    """Compares and repairs.

    Args:
        hub: the connected systems.
        log, recorder: where the copy is.
        folder: of the home; what a sweep has seen is kept there while it runs.
        rules: what is compared, how exactly, and who is right.
    """

    def __init__(
        self, hub: Hub, log: LandingLog, recorder: Recorder, folder: Path, rules: Rules
    ) -> None:
        self._hub = hub
        self._log = log
        self._recorder = recorder
        self._folder = folder / "connect"
        self._rules = rules

    def connection(
        self, connection: str, *, full: bool = False, repair: bool = True
    ) -> list[Reconciliation]:
        """All streams of a connection that give facts, and its books of sales."""
        found = self._hub.connection(connection)
        results: list[Reconciliation] = []
        for entity in self._of(found):
            if entity == ENTITY:
                results += self.sales(connection)
            else:
                results.append(self.stream(connection, entity, full=full, repair=repair))
        return results

    def entities(self) -> list[tuple[Connection, str]]:
        """Everything that is reconciled: streams that give facts, and books of sales."""
        return [(each, entity) for each in self._hub.active() for entity in self._of(each)]

    def of(self, connection: str) -> list[str]:
        """What is reconciled of a connection.

        Raises:
            InputError: there is no such connection.
        """
        return self._of(self._hub.connection(connection))

    def _of(self, found: Connection) -> list[str]:
        streams = self._hub.connectors[found.connector].streams
        entities = [name for name in self._hub.streams(found) if streams[name].facts]
        return entities + [ENTITY] * (found.connector in self._rules.sales.books)

    def sales(self, connection: str) -> list[Reconciliation]:
        """The books of sales of a connection against the tills; see `compare_sales`."""
        self._recorder.map_new()
        found = self._hub.connection(connection)
        return compare_sales(self._hub, self._recorder.warehouse, self._rules, found)

    def stream(
        self, connection: str, stream: str, *, full: bool = False, repair: bool = True,
        seed: int | None = None,
    ) -> Reconciliation:  # fmt: skip
        """One stream.

        Args:
            full: a sweep over all records; else a random sample, where the vendor can give one.
            repair: resolve by precedence; else everything that is found stays open.
            seed: of the sample; None: another one each time.

        Raises:
            VendorError, AuthError, SyncError: the source could not be read to its end; nothing is
                concluded from what is missing then.
        """
        self._hub.sync(connection, stream)
        found = self._hub.connection(connection)
        at = self._hub.clock.now()
        mapping = self._hub.mappings.of(found.connector, stream)
        source = Source(self._hub.client(found), found, stream, mapping, at, self._rules.grace)
        method: Method = "random_sample" if source.can_sample and not full else "full"
        run = self._run(found, stream, mapping, source, method, at, repair=repair)
        if method == "full":
            self._sweep(run)
        else:
            self._sample(run, random.Random(seed))  # noqa: S311  # which records, not a secret
        self._confirm(run)
        tell(self._hub, found, stream, [run.result])
        return run.result

    def follow_up(self) -> int:
        """A day after a comparison: say in its fact how much of it is still open; how many facts
        were revised."""
        due = self._hub.clock.now() - timedelta(days=1)
        with self._hub.ledger.read() as seen:
            still = seen.discrepancies.still_open(due)
        revised = 0
        for recon, number in still.items():
            relation = self._recorder.warehouse.relation("reconciliation", None)
            rows = self._recorder.warehouse.query(
                f"SELECT k.* FROM {relation} AS k WHERE k.recon_id = '{recon}'"
            ).to_pylist()
            for row in rows:
                if row["open_after_24h"] != number:
                    kept = {name: value for name, value in row.items()
                            if value is not None and name in _TOLD}  # fmt: skip
                    self._hub.telemetry.add("reconciliation", {**kept, "open_after_24h": number})
                    revised += 1
        self._hub.telemetry.flush()
        return revised

    def _run(
        self, found: Connection, stream: str, mapping: StreamMapping, source: Source,
        method: Method, at: datetime, *, repair: bool,
    ) -> _Run:  # fmt: skip
        connector = self._hub.connectors[found.connector]
        known = Known(self._recorder, found.connector, found.id, stream, mapping.fact_names)
        lander = PageLander(self._log, self._recorder, connector, mapping, found, stream)
        result = Reconciliation(
            f"{found.id}-{stream}-{secrets.token_hex(6)}", found.id, stream, found.connector, US,
            method, at,
        )  # fmt: skip
        return _Run(result, source, known, lander, repair)

    # -- what is compared -------------------------------------------------------------------------

    def _sweep(self, run: _Run) -> None:
        """Every record of the source, and every record that only we have."""
        before = run.known.refs(run.result.at)
        pull = Pull(self._folder / "sweeps", run.result.id)
        try:
            for part in run.source.parts():
                fresh = pull.missing(part.refs)  # pages overlap, and shift while they are read
                pull.add(part.refs)
                self._compare(run, part, fresh)
            ghosts, empty = pull.missing(before), pull.count() == 0
        finally:
            pull.close(remove=True)
        if run.source.has_one and not empty and len(ghosts) <= _CONFIRMED_AT_MOST:
            ghosts = [ref for ref in ghosts if run.source.one(ref) is None]
        self._ghosts(run, ghosts, len(before))

    def _sample(self, run: _Run, chance: random.Random) -> None:
        """Some of the source's records from a random moment on, and some of ours, one by one."""
        sample = self._rules.sample
        known = sorted(run.known.refs(run.result.at))
        seen: set[str] = set()
        for part in islice(run.source.parts_from(chance), sample.pages):
            self._compare(run, part, part.refs - seen)
            seen |= part.refs
        chosen = chance.sample(known, min(sample.records, len(known)))
        gone = []
        for ref in chosen:
            if ref not in seen:
                one = run.source.one(ref)
                if one is None:
                    gone.append(ref)
                else:
                    self._compare(run, one, {ref})
        self._ghosts(run, gone, len(chosen))

    def _compare(self, run: _Run, part: Part, refs: Collection[str]) -> None:
        """One part of the source against our rows of the same records."""
        looked = part.settled.intersection(refs)
        run.result.skipped += len(set(refs) - looked)
        run.result.refused += part.refused
        rows = [row for row in part.rows if row["source_ref"] in looked]
        wrong = compare(run.result, self._rules, rows, _copy(run.known, rows, looked))
        self._repair(run, part, wrong)

    def _ghosts(self, run: _Run, refs: Collection[str], known: int) -> None:
        """Records that we have and the source does not."""
        wrong = compare(run.result, self._rules, [], run.known.rows(refs))
        if len(refs) > max(1.0, self._rules.most_withdrawn * known):
            for each in wrong:
                each.reason = (
                    f"not withdrawn by itself: {len(refs):,} of {known:,} records are gone at once,"
                    " and the vendor may be at fault"
                )
        else:
            self._withdraw(run, wrong)

    # -- what is done about it --------------------------------------------------------------------

    def _repair(self, run: _Run, part: Part, wrong: list[Difference]) -> None:
        """Take the source's records again where the vendor is right."""
        self._withdraw(run, [each for each in wrong if each.kind == "extra"])
        again = [each for each in wrong if each.kind != "extra" and self._is_vendors(run, each)]
        if len(run.expected) + len(again) > self._rules.most_repaired:
            for each in again:
                each.reason = f"more than {self._rules.most_repaired:,} differ: see the mapping"
        elif again:
            run.lander.land(
                part.body, part.media_type, part.records, self._hub.clock.now(),
                reconciliation=run.result.id, **part.context,
            )  # fmt: skip
            for each in again:
                each.outcome, each.reason = "repaired", "the vendor's record was taken again"
                run.expected[each.key] = each.row

    def _withdraw(self, run: _Run, wrong: list[Difference]) -> None:
        """Withdraw our rows where the vendor is right not to have them."""
        mine = [each for each in wrong if self._is_vendors(run, each)]
        run.known.withdraw([each.row for each in mine], "the vendor does not have it")
        for each in mine:
            each.outcome, each.reason = "withdrawn", "the vendor does not have it"

    def _is_vendors(self, run: _Run, each: Difference) -> bool:
        """Whether the vendor is right and we may act on it; says what holds else."""
        if each.person and self._rules.wins("person", "vendor") == "person":
            each.outcome, each.reason = "kept", "a person stated it; see the evidence of the row"
            return False
        if not run.repair:
            each.reason = "found only: nothing was repaired in this run"
            return False
        return self._rules.wins("vendor", "copy") == "vendor"

    def _confirm(self, run: _Run) -> None:
        """Compare what was repaired once more: a repair that changed nothing is none."""
        self._recorder.map_new()
        refs = {row["source_ref"] for row in run.expected.values()}
        trial = replace(run.result, differences=[])
        rows = list(run.expected.values())
        copy = [row for row in _copy(run.known, rows, refs) if key_text(row) in run.expected]
        still = {each.key for each in compare(trial, self._rules, rows, copy)}
        for each in run.result.differences:
            if each.outcome == "repaired" and each.key in still:
                each.outcome = "open"
                each.reason = "it still differs after the vendor's record was taken again"


def _copy(known: Known, source: list[Row], refs: Collection[str]) -> list[Row]:
    """Our rows of some records: those that came over this connection, and those that people stated
    in place of a row of the source."""
    theirs = {key_text(row) for row in source}
    return known.rows(refs) + [row for row in known.stated(refs) if key_text(row) in theirs]
