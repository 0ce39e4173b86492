"""Where everything is wired: a *home* is one folder with the log, the warehouse and the keys.

.meterstone/
  landing.sqlite      what was received; it cannot be made anew
  ledger.sqlite       connections, secrets, jobs, audit log (or METERSTONE_LEDGER_URL); nor can this
  audit/checkpoints   signed checkpoints of the audit log
  warehouse.duckdb    facts and rollups, made from the log by `meterstone rebuild`
  reports/            finished reports, a folder each
  keys/               the keys that sign and seal, and the public keys that are trusted
  catalogue/          the own definitions of this home, where it has any
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Mapping as RowMapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache, cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from meterstone.board.busy import Busy
from meterstone.board.cards import Measured, measured
from meterstone.board.evaluator import Evaluator
from meterstone.board.kept import KeptBoard
from meterstone.board.model import Origin
from meterstone.catalogue import Catalogue, FactShape, framework_path, load_catalogue
from meterstone.connect.auth.access import Access
from meterstone.connect.catalogue import Connectors, connectors
from meterstone.connect.deliveries import Deliveries
from meterstone.connect.egress import STRANGERS, VENDORS, Egress
from meterstone.connect.formats import Mappings, vendor_formats
from meterstone.connect.hub import Hub
from meterstone.connect.intake.inbox import Inbox
from meterstone.connect.push import Pushing, Ready, scorecard_table
from meterstone.connect.reconcile import Reconciler, rules
from meterstone.connect.settling import Settler
from meterstone.connect.watched import Watched, franchises_of
from meterstone.detect.daily import BoardDays
from meterstone.detect.now import named
from meterstone.detect.service import Alerts
from meterstone.detect.silence import Silence
from meterstone.detect.slo import load_of_home
from meterstone.detect.watch import Watch
from meterstone.errors import HomeInUse, InputError, StorageError, suggest
from meterstone.facts import vocabulary
from meterstone.insight.actions import Actions
from meterstone.insight.service import Insights
from meterstone.insight.source import HomeSource
from meterstone.insight.studies import studies
from meterstone.ledger import Ledger
from meterstone.measure.days import day_end, last_closed_day
from meterstone.measure.explain import Explanation, explain
from meterstone.measure.gates import MaintenanceWindow, maintenance_windows
from meterstone.measure.hooks import HOOKS
from meterstone.measure.publish import publication
from meterstone.measure.results import FIRST_DAY, Measurement, MetricResult, Scope, rfc3339
from meterstone.measure.service import Measuring, Subject, measure
from meterstone.notify.service import Notifications
from meterstone.notify.ways import Ways
from meterstone.people.oidc_provider import Client, IdentityProvider
from meterstone.people.service import House
from meterstone.publish.findings import found_of
from meterstone.publish.outbound.deliverer import Deliverer
from meterstone.publish.web import stream
from meterstone.record.attestation import (
    SOON,
    Due,
    Field,
    Statement,
    due,
    evidence_record,
    forms,
    retraction_record,
    statement_record,
)
from meterstone.record.log import LandingLog
from meterstone.record.model import facts_of_ours
from meterstone.record.recorder import Mapping, Recorder
from meterstone.record.strangers import Stranger, strangers
from meterstone.scorecard import (
    Scorecard,
    Verification,
    signing_key,
    trusted_keys,
    verify_document,
)
from meterstone.scorecard.sign import SigningKey, sign
from meterstone.scorecard.verify import Request
from meterstone.settings import (
    allowed_networks,
    loopback_allowed,
    port_number,
    public_url,
    secret,
    setting,
)
from meterstone.warehouse.base import Warehouse
from meterstone.warehouse.duckdb import DuckDBWarehouse

if TYPE_CHECKING:
    from meterstone.publish.reports.planned import Planned
    from meterstone.publish.reports.service import Reports

_SHOWN_AT_ONCE = 32
_PROVIDER_WAITS_S = 10.0

SIMULATED_CLAIM = "simulated:"
"""How the claim begins by which a simulated network labels its facts."""


SCORECARD = "Scorecard"
"""The table that connectors publish."""


def fact_shapes() -> dict[str, FactShape]:
    """What the catalogue needs to know of the facts."""
    return {
        name: FactShape(
            columns={column.name: column.type for column in schema.columns.values()},
            event_time=schema.event_time,
            rollup_dimensions=schema.rollup.dimensions if schema.rollup else (),
            rollup_value=schema.rollup.value if schema.rollup else "",
        )
        for name, schema in vocabulary().items()
    }


def definitions(path: Path) -> Catalogue:
    """A catalogue that is checked with everything that this program knows.

    Raises:
        CatalogueError: with file, line, cause and mend.
    """
    return _framework() if path == framework_path() else _checked(path)


@cache
def _framework() -> Catalogue:
    """The framework's definitions, checked once a process: they come with the program."""
    return _checked(framework_path())


def _checked(path: Path) -> Catalogue:
    return load_catalogue(path, fact_shapes(), hooks=HOOKS)


class Home:
    """An opened home. One process at a time; a second one is told who holds it.

    Raises:
        HomeInUse: another process works in this home.
        StorageError: the folder cannot be made or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(path)
        except OSError as error:
            raise StorageError(
                f"cannot use this folder: {error.strerror}",
                place=str(path),
                mend="choose another with --home DIR or METERSTONE_HOME",
            ) from error
        try:
            self.log = LandingLog(path / "landing.sqlite")
        except BaseException:
            self._lock.close()
            raise
        self._shown: dict[tuple[Scope, date, int], dict[str, Any]] = {}

    @cached_property
    def warehouse(self) -> Warehouse:
        """The engine that holds the facts."""
        return DuckDBWarehouse(self.path / "warehouse.duckdb", vocabulary())

    @cached_property
    def catalogue(self) -> Catalogue:
        """The definitions of this home: its own where it has any, else the framework's."""
        own = self.path / "catalogue"
        return definitions(own if own.exists() else framework_path())

    @cached_property
    def recorder(self) -> Recorder:
        """Maps the log into the warehouse."""
        return Recorder(self.log, self.warehouse, vendor_formats(self.mappings))

    @cached_property
    def connectors(self) -> Connectors:
        """The connectors that ship with Meterstone and those of this home."""
        return connectors(self.path)

    @cached_property
    def mappings(self) -> Mappings:
        """How what vendors send becomes facts."""
        return Mappings(lambda: self.connectors)

    @cached_property
    def ledger(self) -> Ledger:
        """Connections, secrets, jobs and the audit log; opened and migrated at first use."""
        return Ledger.open(self.path, setting("ledger_url") or None)

    @cached_property
    def egress(self) -> Egress:
        """The way out to vendors."""
        allowed = replace(VENDORS, networks=allowed_networks())
        return Egress(allowed.with_loopback(loopback_allowed()))

    @cached_property
    def access(self) -> Access:
        """Who is signed in at which vendor."""
        return Access(self.ledger, self.connectors, self.egress, tell=self._tell)

    def _tell(self, rows: Iterable[RowMapping[str, Any]]) -> None:
        self._land(rows, "connections")

    def _land(self, rows: Iterable[RowMapping[str, Any]], name: str) -> None:
        body = "\n".join(map(json.dumps, rows)).encode() + b"\n"
        self.recorder.land(facts_of_ours(body, name, "hub"))

    @cached_property
    def hub(self) -> Hub:
        """The connected systems."""
        return Hub(
            ledger=self.ledger, log=self.log, recorder=self.recorder, connectors=self.connectors,
            mappings=self.mappings, access=self.access, egress=self.egress, folder=self.path,
        )  # fmt: skip

    @cached_property
    def reconciler(self) -> Reconciler:
        """Compares what the vendors have with what we have."""
        return Reconciler(self.hub, self.log, self.recorder, self.path, rules())

    @cached_property
    def inbox(self) -> Inbox:
        """Files and mails of vendors without an API."""
        return Inbox(self.hub, self.log)

    @cached_property
    def pushing(self) -> Pushing:
        """What is published in other systems: the network's scorecard of the last day."""
        return Pushing(self.hub, self._tables)

    def _tables(self, names: tuple[str, ...]) -> list[Ready]:
        day = self.last_day
        made = {SCORECARD: lambda: self.shown_scorecard(Scope("network", "*"), day)}
        return [
            Ready(scorecard_table([made[name]()], name), day_end(day, self.zone))
            for name in names
            if name in made
        ]

    @cached_property
    def settler(self) -> Settler:
        """Follows the events that vendors sent."""
        return Settler(self.ledger, self.log, self.warehouse, self.hub.telemetry)

    @cached_property
    def deliveries(self) -> Deliveries:
        """Takes what vendors send."""
        return Deliveries(self.ledger, self.log, self.mappings, on_events=self.settler.wake)

    @cached_property
    def deliverer(self) -> Deliverer:
        """Sends our own webhooks."""

        def tell(lines: bytes, name: str) -> None:
            self.log.land(facts_of_ours(lines, name, "hub"))

        return Deliverer(self.ledger, egress=self.strangers_egress, tell=tell)

    @cached_property
    def strangers_egress(self) -> Egress:
        """The way out to receivers that anybody named."""
        return Egress(STRANGERS.with_loopback(loopback_allowed()))

    @cached_property
    def watch(self) -> Watch:
        """Looks after everything: alerts, incidents, and how it is now."""
        return Watch(
            ledger=self.ledger, warehouse=self.warehouse, vocabulary=vocabulary(),
            definitions=load_of_home(self.path, lambda: self.catalogue),
            around=Watched(self.hub, self.recorder), franchises=franchises_of, tell=self._tell,
            days=BoardDays(self.board),
            silence=Silence(lambda at: maintenance_windows(self._of_attestations, at)),
        )  # fmt: skip

    def _of_attestations(self, sql: str, known_at: datetime | None = None) -> list[dict[str, Any]]:
        source = self.warehouse.relation("attestation", known_at)
        rows: list[dict[str, Any]] = self.warehouse.query(
            sql.format(attestation=source)
        ).to_pylist()
        return rows

    @cached_property
    def live(self) -> stream.Hub:
        """The live stream of all pages."""
        return stream.Hub()

    @cached_property
    def alerts(self) -> Alerts:
        """Alerts and incidents, for those who ask."""
        return Alerts(self.ledger, wake=self.watch.wake)

    @cached_property
    def people(self) -> House:
        """Who may come in, and how."""
        return House(self.ledger, provider=self._identity_provider())

    def _identity_provider(self) -> IdentityProvider | None:
        issuer = setting("oidc_issuer")
        if not issuer:
            return None
        client = Client(
            issuer, setting("oidc_client_id"), secret("oidc_client_secret"), setting("oidc_name")
        )
        return IdentityProvider(client, lambda: self.egress.client(timeout=_PROVIDER_WAITS_S))

    @cached_property
    def notifications(self) -> Notifications:
        """Tells people of incidents."""
        url = public_url(setting("host"), port_number(None))
        ways = Ways(self.egress, url)
        return Notifications(
            self.ledger, ways, url, lambda: self.board.label == "simulated",
            lambda notice: self.reports.letter_of(notice.route),
        )  # fmt: skip

    @cached_property
    def reports(self) -> Reports:
        """Makes reports of what is on the board."""
        from meterstone.publish.reports.service import Reports  # noqa: PLC0415 - slow to load

        def tell(lines: bytes, name: str) -> None:
            self.log.land(facts_of_ours(lines, name, "hub"))

        return Reports(
            self.ledger, lambda: self.board,
            lambda: named(self.watch.now, self.people.directory.called),
            self.path / "reports", tell,
            self.notifications.post,
            lambda run: f"{self.notifications.url}/reports/{run}",
            lambda scope, day: found_of(self.insights, scope, day),
        )  # fmt: skip

    @cached_property
    def planned(self) -> Planned:
        """Asks for the reports that are due."""
        from meterstone.publish.reports.planned import Planned  # noqa: PLC0415 - slow to load

        return Planned(self.ledger, self.reports, lambda: self.zone, self.notifications.channels)

    @property
    def subject(self) -> Subject:
        """Facts and definitions of this home, ready to be measured."""
        return Subject(self.warehouse, vocabulary(), self.catalogue)

    @property
    def zone(self) -> ZoneInfo:
        """The reporting time zone."""
        return ZoneInfo(self.catalogue.time_zone)

    @property
    def last_day(self) -> date:
        """The newest day of the reporting time zone that is over."""
        return last_closed_day(datetime.now(UTC), self.zone)

    def _require_closed(self, day: date) -> None:
        """A day can be reported once it is over, and not before there was anything."""
        last = self.last_day
        if not FIRST_DAY <= day <= last:
            cause = "is not over yet" if day > last else "is before anything was recorded"
            raise InputError(f"{day} {cause}", place="day", mend=f"the newest whole day is {last}")

    def measure(self, at: datetime, known_at: datetime | None = None) -> Measurement:
        """All results and gates at a moment, as known at one (None: now)."""
        self.recorder.map_new()
        return measure(self.subject, at, known_at)

    def results(
        self, metrics: Iterable[str], at: datetime | None = None, known_at: datetime | None = None
    ) -> tuple[datetime, list[MetricResult]]:
        """Some metrics at all their scopes.

        Args:
            metrics: ids.
            at: the moment that is measured; None: the last whole minute.

        Returns:
            The moment, and the results in the order of the catalogue.
        """
        self.recorder.map_new()
        moment = at or datetime.now(UTC).replace(second=0, microsecond=0)
        return moment, Measuring(self.subject, moment, known_at).of(frozenset(metrics))

    def strangers(self) -> list[Stranger]:
        """Franchises that rows name and no register knows."""
        return strangers(self.warehouse, vocabulary())

    def explain(
        self, metric: str, scope: Scope, at: datetime, known_at: datetime | None = None
    ) -> Explanation:
        """Where one number comes from."""
        self.recorder.map_new()
        return explain(self.subject, metric, scope, at, known_at)

    def scorecard(
        self, scope: Scope, day: date, known_at: datetime | None = None
    ) -> dict[str, Any]:
        """The signed scorecard of a scope and a day, as known at a moment (None: now).

        Raises:
            InputError: the day is not over yet, or the moment lies ahead: what is signed stands.
        """
        self._require_closed(day)
        self.recorder.map_new()
        now = datetime.now(UTC)
        known = known_at or now
        if known > now:
            raise InputError(
                f"{rfc3339(known)} lies ahead: nobody knows what will be known then",
                place="known at",
                mend="give a moment in the past",
            )
        return sign(self._scorecard(scope, day, known, stored=known_at is None), self.signing_key)

    def shown_scorecard(self, scope: Scope, day: date) -> dict[str, Any]:
        """The scorecard that a face shows: computed once, until something new has landed."""
        key = (scope, day, self.log.last_seq())
        if key not in self._shown:
            if len(self._shown) >= _SHOWN_AT_ONCE:
                self._shown.clear()
            self._shown[key] = self.scorecard(scope, day)
        return self._shown[key]

    def recompute(self, request: Request) -> dict[str, Any]:
        """A scorecard computed again as known then, unsigned."""
        self.recorder.map_new()
        card = self._scorecard(request.scope, request.day, request.known_at, stored=False)
        return card.as_dict()

    def _scorecard(self, scope: Scope, day: date, known_at: datetime, *, stored: bool) -> Scorecard:
        found = measured(self.subject, self.log, self.origin, day, known_at, stored=stored)
        return found.card(scope)

    def measured(
        self,
        day: date,
        before: Callable[[Measuring], Any],
        reading: Callable[[Warehouse], Warehouse],
    ) -> Measured:
        """A day, measured as known now; see `board.evaluator`."""
        self.recorder.map_new()
        subject = replace(self.subject, warehouse=reading(self.warehouse))
        now = datetime.now(UTC)
        return measured(subject, self.log, self.origin, day, now, stored=True, before=before)

    def signed(self, card: Scorecard) -> dict[str, Any]:
        """The signed document of a scorecard."""
        return sign(card, self.signing_key)

    def newest(self) -> tuple[object, ...]:
        """Changes when there may be something new to evaluate."""
        return self.log.last_seq(), self.last_day, self.catalogue.hash

    def names(self) -> dict[Scope, str]:
        """What people call integrations, as their register says."""
        rows = self.warehouse.query(
            "SELECT r.integration AS key, max_by(r.name, r.status_at) AS name "
            f"FROM {self.warehouse.relation('integration', None)} AS r GROUP BY r.integration"
        ).to_pylist()
        return {Scope("integration", row["key"]): row["name"] for row in rows}

    @cached_property
    def busy(self) -> Busy:
        """What readers wait for."""
        return Busy()

    @cached_property
    def board(self) -> KeptBoard:
        """What faces read."""
        return KeptBoard(self.ledger, lambda: self.catalogue, lambda: self.origin)

    @cached_property
    def actions(self) -> Actions:
        """What studies recommended, and what people say was done about it."""
        return Actions(self.ledger, lambda: self.warehouse, self._land, self._mapped)

    def _mapped(self) -> None:
        self.recorder.map_new()  # the recorder of now: a rebuild makes another

    @cached_property
    def insights(self) -> Insights:
        """What studies find in all this."""
        return Insights(self, studies)

    def source(self, day: date | None = None) -> HomeSource:
        """Facts of a closed day as known now, for studies.

        Raises:
            InputError: nothing was measured yet.
        """
        days = self.board.days(Scope("network"))
        if not days:
            raise InputError(
                "nothing was measured yet", place=str(self.path), mend="run `meterstone measure`"
            )
        day = day or days[-1]
        self.recorder.map_new()
        return HomeSource(
            warehouse=self.warehouse, board=self.board, ledger=self.ledger,
            vocabulary=frozenset(vocabulary()), day=day, at=day_end(day, self.zone),
            known_at=datetime.now(UTC), zone=self.zone,
        )  # fmt: skip

    def state(self, rows: Sequence[RowMapping[str, Any]], name: str) -> None:
        """Put rows of facts of ours on record, and map them."""
        self._land(rows, name)
        self.recorder.map_new()

    @cached_property
    def evaluator(self) -> Evaluator:
        """Computes what faces read."""
        return Evaluator(self, lambda _: self.board.changed(), self.busy)

    @cached_property
    def signing_key(self) -> SigningKey:
        """The key that signs scorecards of this home; made at first use."""
        return signing_key(self.path)

    def verify(self, document: bytes, *, recompute: bool) -> Verification:
        """Whether a scorecard is as it was signed, and (with ``recompute``) is computed alike."""
        return verify_document(
            document, trusted_keys(self.path), self.recompute if recompute else None
        )

    def publish(self, day: date, report: str = "daily") -> Mapping:
        """Put the results of a day on record as ``metric_result`` facts; unchanged ones are not
        written again.

        Raises:
            InputError: the day is not over yet, or no report has this name.
        """
        self._require_closed(day)
        reports = vocabulary()["metric_result"].columns["report"].allowed
        if report not in reports:
            raise InputError(
                f"unknown report {report!r}", place="report", mend=suggest(report, list(reports))
            )
        done = latest = self._publish_once(day, report)
        for _ in self.catalogue.metrics:  # rules read what is on record: they follow, one by one
            if not latest.appended.revised:
                break
            latest = self._publish_once(day, report)
            done += latest
        return done

    def _publish_once(self, day: date, report: str) -> Mapping:
        measurement = self.measure(day_end(day, self.zone))
        body = publication(self.warehouse, measurement, report, datetime.now(UTC))
        if body:
            self.recorder.land(facts_of_ours(body, f"publication {report} {day}", "hub"))
        return self.recorder.map_new()

    @property
    def origin(self) -> Origin:
        """Whether the facts are real; a simulated network says of itself that it is one."""
        rows = self.warehouse.query(
            f"SELECT 1 FROM {self.warehouse.relation('attestation', None)} AS a "
            f"WHERE starts_with(a.claim_key, '{SIMULATED_CLAIM}') LIMIT 1"
        )
        return "simulated" if rows.num_rows else "real"

    def attestation_forms(self) -> dict[str, list[Field]]:
        """The facts that a person can attest, with the fields of their forms."""
        return forms()

    def attest(
        self,
        fact: str,
        columns: RowMapping[str, Any],
        *,
        person: str,
        role: str,
        evidence: str | tuple[bytes, str, str],
        expires_at: datetime,
    ) -> dict[str, Any]:
        """Put on record what a person states.

        Args:
            fact: the fact that the statement is a row of.
            columns: its columns.
            person, role: who says so, and as what.
            evidence: a link; or the bytes of a file with its name and media type.
            expires_at: until when it counts, UTC.

        Returns:
            ``fact``, ``evidence_uri``, and the numbers of ``new`` and ``revised`` rows.

        Raises:
            InputError: the statement is not one; nothing was recorded.
        """
        now = datetime.now(UTC)
        record, link = None, evidence
        if isinstance(evidence, tuple):
            record, link = evidence_record(*evidence)
        stated = Statement(fact, columns, person, role, str(link), expires_at)
        landed = statement_record(stated, now)
        if record is not None:
            self.recorder.land(record)
        self.recorder.land(landed)
        done = self.recorder.map_new().appended
        return {"fact": fact, "evidence_uri": link, "new": done.new, "revised": done.revised}

    def retract(self, fact: str, key: RowMapping[str, str], person: str, role: str) -> Mapping:
        """Withdraw a statement; what was measured before stays on record as it was.

        Raises:
            InputError: nobody stated such a thing.
        """
        self.recorder.map_new()
        now = datetime.now(UTC)
        self.recorder.land(retraction_record(self.warehouse, fact, key, person, role, now))
        return self.recorder.map_new()

    def attestations_due(
        self,
        within: timedelta = SOON,
        at: datetime | None = None,
        known_at: datetime | None = None,
    ) -> list[Due]:
        """The review queue: statements that expire within a time or have expired.

        Args:
            within: of the moment.
            at: the moment (UTC): what was stated after it does not count; None: now.
            known_at: what was recorded after it (UTC) does not count; None: all does.
        """
        self.recorder.map_new()
        return due(self.warehouse, at or datetime.now(UTC), within, known_at)

    def maintenance(
        self, at: datetime | None = None, known_at: datetime | None = None
    ) -> list[MaintenanceWindow]:
        """The windows that were approved by a moment (UTC; None: now), as known at one."""
        self.recorder.map_new()
        known = partial(self._of_attestations, known_at=known_at)
        return maintenance_windows(known, at or datetime.now(UTC))

    def approve_maintenance(
        self, scope: str, start: datetime, end: datetime, reason: str, person: str, role: str
    ) -> Mapping:
        """Put an approved maintenance window on record, as an attestation.

        Raises:
            InputError: it ends before it starts, or started already.
        """
        now = datetime.now(UTC)
        if end <= start or start <= now:
            raise InputError(
                "a maintenance window is approved before it starts, and ends after it starts",
                place=f"{rfc3339(start)} to {rfc3339(end)}",
                mend="give a start in the future (--from) and a later end (--to)",
            )
        claim = f"maintenance_window:{scope}:{rfc3339(start)}/{rfc3339(end)}"
        row = {
            "fact": "attestation",
            "attestation_id": claim,
            "claim_key": claim,
            "attested_at": rfc3339(now),
            "statement": reason,
            "source": "attestation",
            "entered_by": person,
            "entered_role": role,
            "evidence_uri": "meterstone:maintenance",
            "expires_at": rfc3339(end),
        }
        body = json.dumps(row).encode() + b"\n"
        self.recorder.land(facts_of_ours(body, "maintenance window", "hub"))
        return self.recorder.map_new()

    def rebuild(self, on_progress: Callable[[Mapping], None] = lambda _: None) -> Mapping:
        """Make the warehouse anew from the landing log."""
        self._close_warehouse()
        for name in ("warehouse.duckdb", "warehouse.duckdb.wal"):
            (self.path / name).unlink(missing_ok=True)
        return self.recorder.map_all(on_progress)

    def close(self) -> None:
        """Write everything out and let go of the home."""
        with self._lock, closing(self.log):
            self._close_warehouse()
            if "ledger" in self.__dict__:
                self.ledger.close()

    def _close_warehouse(self) -> None:
        if "hub" in self.__dict__:  # it holds the recorder
            self.hub.close()
            del self.__dict__["hub"]
        if "warehouse" in self.__dict__:
            self.warehouse.close()
            del self.__dict__["warehouse"]
        self.__dict__.pop("recorder", None)

    def __enter__(self) -> Home:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _lock(home: Path) -> IO[str]:
    """The lock of a home, released by the system when the process ends, however it ends."""
    handle = (home / "lock").open("a+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.seek(0)
        holder = handle.read().strip() or "unknown"
        handle.close()
        raise HomeInUse(
            f"process {holder} works in this home",
            place=str(home),
            mend="stop it, or send data to it over HTTP (POST /v1/facts)",
        ) from None
    handle.truncate(0)
    handle.write(str(os.getpid()))
    handle.flush()
    return handle
