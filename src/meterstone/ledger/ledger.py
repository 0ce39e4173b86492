"""The ledger: opens the database, and gives transactions.

with ledger.change("cli") as change:      # one transaction with who does it
    change.connections.add(…)
with ledger.read() as seen:               # the same objects, read only
    seen.connections.all()
ledger.queue.claim("worker-1")            # a transaction of its own
"""

from __future__ import annotations

import logging
import secrets as random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from meterstone.errors import MeterstoneError, StorageError
from meterstone.ledger import audit
from meterstone.ledger.alerts import Alerts
from meterstone.ledger.audit import AuditLog
from meterstone.ledger.checkpoints import Checkpoints
from meterstone.ledger.connections import Connection, Connections
from meterstone.ledger.cursors import Cursors
from meterstone.ledger.discrepancies import Discrepancies
from meterstone.ledger.findings import Findings
from meterstone.ledger.inbound import Inbound
from meterstone.ledger.leases import Leases, LeasesIn
from meterstone.ledger.migrate import migrate
from meterstone.ledger.notices import Notices
from meterstone.ledger.outbox import Outbox
from meterstone.ledger.past import Past
from meterstone.ledger.people import People
from meterstone.ledger.queue import Queue, QueueIn
from meterstone.ledger.reports import Reports
from meterstone.ledger.scorecards import Scorecards
from meterstone.ledger.seal import Sealer
from meterstone.ledger.secrets import HOME_KEY, Secrets
from meterstone.ledger.sign_ins import SignIns
from meterstone.ledger.store import Clock, Store, Transaction, file_url, utc_now
from meterstone.ledger.tables import info
from meterstone.scorecard.sign import signing_key, trusted_keys

_log = logging.getLogger(__name__)
_TENANT = "tenant"


@dataclass(frozen=True, slots=True)
class Change:
    """One transaction, and who does it; kept when its block ends, undone when that raises.

    What it changes is in the audit log in the same transaction.
    """

    _tx: Transaction
    _sealer: Sealer
    connections: Connections = field(init=False)
    secrets: Secrets = field(init=False)
    cursors: Cursors = field(init=False)
    queue: QueueIn = field(init=False)
    leases: LeasesIn = field(init=False)
    outbox: Outbox = field(init=False)
    inbound: Inbound = field(init=False)
    discrepancies: Discrepancies = field(init=False)
    people: People = field(init=False)
    sign_ins: SignIns = field(init=False)
    alerts: Alerts = field(init=False)
    scorecards: Scorecards = field(init=False)
    reports: Reports = field(init=False)
    notices: Notices = field(init=False)
    findings: Findings = field(init=False)

    def __post_init__(self) -> None:
        queue = QueueIn(self._tx)
        outbox = Outbox(self._tx, queue)
        for name, part in (
            ("connections", Connections(self._tx, outbox.announce)),
            ("secrets", Secrets(self._tx, self._sealer)),
            ("cursors", Cursors(self._tx)),
            ("queue", queue),
            ("leases", LeasesIn(self._tx)),
            ("outbox", outbox),
            ("inbound", Inbound(self._tx)),
            ("discrepancies", Discrepancies(self._tx)),
            ("people", People(self._tx)),
            ("sign_ins", SignIns(self._tx)),
            ("alerts", Alerts(self._tx)),
            ("scorecards", Scorecards(self._tx)),
            ("reports", Reports(self._tx)),
            ("notices", Notices(self._tx)),
            ("findings", Findings(self._tx)),
        ):
            object.__setattr__(self, name, part)

    @property
    def now(self) -> datetime:
        """When this transaction began, by the clock of the ledger."""
        return self._tx.now

    def past(self, at: datetime) -> Past:
        """The ledger as it was at a moment (UTC)."""
        return Past(self._tx, at)

    def audit(self, action: str, subject: str, **detail: Any) -> None:
        """Note something that the parts do not note themselves, such as ``oauth.start``.

        Args:
            action: what was done.
            subject: to what: an id.
            detail: JSON values, and never a secret.
        """
        self._tx.audit(action, subject, **detail)

    def disconnect(self, connection: str, reason: str = "") -> Connection:
        """Disconnect: its secrets are destroyed, what came of it stays."""
        self.secrets.delete(connection)
        return self.connections.set_status(connection, "disconnected", reason=reason)


class Ledger:
    """The opened ledger of a home. Thread-safe; several processes may open the same one.

    Attributes:
        queue, leases: each call in a transaction of its own.
        audit: the log of changes: reading and verification.
    """

    def __init__(self, folder: Path, store: Store, tenant: str) -> None:
        self._store = store
        self._sealer = Sealer(folder / "keys", tenant)
        self._folder = folder
        self._tenant = tenant
        self.audit = AuditLog(store, self.checkpoints_in(folder / "audit" / "checkpoints"))
        self.queue = Queue(self.change, store)
        self.leases = Leases(store)

    @classmethod
    def open(cls, folder: Path, url: str | None = None, *, clock: Clock = utc_now) -> Ledger:
        """Open the ledger of a home and migrate it.

        Args:
            folder: the home: keys, checkpoints, and ``ledger.sqlite`` where there is no URL.
            url: a database, such as ``postgresql://user@host/name``; None: the file.
            clock: gives now, UTC.

        Raises:
            InputError: the URL is none.
            StorageError: the database cannot be opened or written; says what to do.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"cannot use this folder: {error.strerror}",
                place=str(folder),
                mend="choose another",
            ) from error
        store = Store(url or file_url(folder), clock)
        try:
            with store.changing("ledger", audit.append) as transaction:
                migrate(transaction)
                tenant = _first_open(transaction, folder)
        except BaseException:
            store.close()
            raise
        opened = cls(folder, store, tenant)
        opened._checkpoint()  # also of what a killed process left without one
        return opened

    @contextmanager
    def change(self, actor: str) -> Iterator[Change]:
        """One transaction.

        Args:
            actor: who does it: ``cli``, ``worker-1``, ``person:…``; stands in the audit log.

        Raises:
            StorageError: the database refused; nothing was changed.
        """
        with self._store.changing(actor, audit.append) as transaction:
            yield Change(transaction, self._sealer)
        if transaction.entries:
            self._checkpoint()

    @contextmanager
    def read(self) -> Iterator[Change]:
        """One state of the ledger; what would change it raises ``InputError``."""
        with self._store.reading() as transaction:
            yield Change(transaction, self._sealer)

    def now(self) -> datetime:
        """The moment by the clock that this ledger goes by."""
        return self._store.now()

    def rotate_home_key(self, actor: str) -> str:
        """A new key of the home wraps all data keys; the former one is destroyed."""
        with self.change(actor) as change:
            new = change.secrets.rewrap()
        self._sealer.destroy_home_keys(but=new)
        return new

    def close(self) -> None:
        """Close the connections to the database."""
        self._store.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def checkpoints_in(self, path: Path) -> Checkpoints:
        """Checkpoints of this ledger in a file: its own, or a copy that was kept elsewhere."""
        return Checkpoints(
            path,
            self._tenant,
            lambda: signing_key(self._folder),
            lambda: trusted_keys(self._folder),
        )

    def _checkpoint(self) -> None:
        try:
            self.audit.checkpoint()
        except MeterstoneError as error:
            # The change is kept: who made it must not be told that it failed. The next checkpoint
            # covers it, and until then `audit verify` counts it as unsigned.
            _log.error("no checkpoint of the audit log: %s", error)


def _first_open(transaction: Transaction, folder: Path) -> str:
    """The id of the ledger; at the first opening it is made, with the first key."""
    query = sa.select(info.c.value).where(info.c.name == _TENANT)
    tenant = transaction.run(query).scalar()
    if tenant is None:
        tenant = random.token_hex(16)
        key = Sealer(folder / "keys", tenant).new_home_key()
        transaction.run(
            sa.insert(info).values(
                [{"name": _TENANT, "value": tenant}, {"name": HOME_KEY, "value": key}]
            )
        )
        transaction.run(audit.first_head())
        transaction.audit("ledger.open", tenant, key=key)
    return str(tenant)
