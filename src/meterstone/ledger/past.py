"""The ledger as it was at a moment: what was changed since is read back from the audit log.

Rows of the ledger are changed in place, but no change that a person or the hub decides on is
without its audit entry, written in the same transaction. So the entries until a moment, in their
order, say what held then; rows that carry moments themselves (messages, reports, differences) are
told by those. What no entry holds is not guessed: secrets, settings of connections, and how
somebody signs in are left out, and names of people are today's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from meterstone.errors import NotFound
from meterstone.ledger.audit import Entry, entries_until
from meterstone.ledger.connections import Connection, Connections
from meterstone.ledger.discrepancies import Discrepancies, Discrepancy
from meterstone.ledger.notices import Channel, Notice, Notices
from meterstone.ledger.people import People, Person
from meterstone.ledger.reports import ReportPlan, ReportRun, Reports
from meterstone.ledger.store import Transaction
from meterstone.ledger.tables import discrepancies, notices


class Past:
    """The ledger at a moment, as one transaction reads it.

    Args:
        transaction: that reads.
        at: what was changed after it does not count (UTC).
    """

    def __init__(self, transaction: Transaction, at: datetime) -> None:
        self._tx = transaction
        self._at = at

    def connections(self) -> list[Connection]:
        """All connections that there were, oldest first; without their settings."""
        kept = {each.id: each for each in Connections(self._tx).all()}
        found: dict[str, Connection] = {}
        for entry in self._entries("connection"):
            told = entry.detail
            if entry.action == "connection.add":
                found[entry.subject] = replace(
                    kept[entry.subject], status=told.get("status", "new"), reason="", mend="",
                    account=told["account"], name=told["name"] or told["account"],
                    franchise_id=told.get("franchise_id"), settings={}, version=1,
                    changed_at=entry.at,
                )  # fmt: skip
                continue
            if entry.action == "connection.status":
                values = {
                    "status": told["after"], "reason": told["reason"], "mend": told.get("mend", "")
                }  # fmt: skip
            else:
                names = ("name", "account", "franchise_id")
                values = {name: told[name] for name in names if name in told}
            before = found[entry.subject]
            found[entry.subject] = replace(
                before, **values, version=before.version + 1, changed_at=entry.at
            )
        return list(found.values())

    def connection(self, connection: str) -> Connection:
        """A connection by its id.

        Raises:
            NotFound: there was none yet.
        """
        found = next((each for each in self.connections() if each.id == connection), None)
        if found is None:
            raise NotFound(
                f"there was no connection {connection!r} then", place="connection",
                mend="choose a later day",
            )  # fmt: skip
        return found

    def people(self) -> list[Person]:
        """Everybody, by name: role, shops and whether they might come in, as they were; not how
        they signed in."""
        kept = {each.id: each for each in People(self._tx).all()}
        found: dict[str, Person] = {}
        for entry in self._entries("person", "session"):
            told = entry.detail
            if entry.action == "person.add":
                found[entry.subject] = replace(
                    kept[entry.subject], role=told["role"], status="active", password=None,
                    issuer=None, subject=None, signed_in_at=None, franchises=frozenset(),
                )  # fmt: skip
                continue
            values: dict[str, Any] = {}
            if entry.action == "person.own":
                values = {"franchises": frozenset(told["franchises"])}
            elif entry.action == "person.update":
                values = {name: told[name] for name in ("role", "status") if name in told}
            elif entry.action == "session.begin":
                values = {"signed_in_at": entry.at}
            if values:
                found[entry.subject] = replace(found[entry.subject], **values)
        return sorted(found.values(), key=lambda each: each.name)

    def channels(self) -> list[Channel]:
        """All channels that there were, by name, with what last went over them."""
        found: dict[str, Channel] = {}
        for entry in self._entries("channel"):
            if entry.action == "channel.add":
                found[entry.subject] = Channel(
                    id=entry.subject, name=entry.detail["name"], way=entry.detail["way"],
                    created_at=entry.at, last_at=None, last_error="",
                )  # fmt: skip
            elif entry.action == "channel.remove":
                del found[entry.subject]
        last = sa.select(notices.c.channel, sa.func.max(notices.c.sent_at).label("last")).where(
            notices.c.sent_at <= self._at
        )
        for row in self._tx.run(last.group_by(notices.c.channel)):
            if row.channel in found:
                found[row.channel] = replace(found[row.channel], last_at=row.last)
        return sorted(found.values(), key=lambda each: each.name)

    def routes(self) -> list[dict[str, Any]]:
        """All routes that there were, as `Notices.routes` gives them."""
        found: dict[str, dict[str, Any]] = {}
        for entry in self._entries("route"):
            if entry.action == "route.remove":
                del found[entry.subject]
                continue
            settings = {**entry.detail}
            name = settings.pop("name")
            made = found.get(entry.subject, {}).get("created_at", entry.at)
            found[entry.subject] = {
                "id": entry.subject, "name": name, "settings": settings, "created_at": made
            }  # fmt: skip
        return sorted(found.values(), key=lambda each: str(each["name"]))

    def notices(self, limit: int = 100) -> list[Notice]:
        """Messages that there were, newest first, as they stood."""
        dead = {e.subject: e for e in self._entries("notice")}
        found = Notices(self._tx).all(limit, until=self._at)
        return [self._stood(each, dead.get(each.id)) for each in found]

    def _stood(self, notice: Notice, last: Entry | None) -> Notice:
        if notice.sent_at is not None and notice.sent_at <= self._at:
            return notice
        if last is not None and last.action == "notice.dead":
            return replace(notice, state="dead", sent_at=None, error=last.detail["error"])
        return replace(notice, state="waiting", sent_at=None, error="")

    def reports(self, limit: int = 100) -> list[ReportRun]:
        """Reports that had been asked for, newest first, as they stood."""
        found = Reports(self._tx).all(limit=limit, until=self._at)
        return [
            each
            if each.finished_at is not None and each.finished_at <= self._at
            else replace(
                each, state="waiting", finished_at=None, files=(), error="", mend="", done=0,
                step="asked for", scorecard="",
            )
            for each in found
        ]  # fmt: skip

    def report_plans(self) -> list[ReportPlan]:
        """When each kind of report was made, and who got it."""
        kept = {each.kind: each for each in Reports(self._tx).plans()}
        found: dict[str, ReportPlan] = {}
        for entry in self._entries("report"):
            if entry.action == "report.plan":
                told = entry.detail
                found[entry.subject] = replace(
                    kept[entry.subject], active=told["active"], at=told["at"],
                    channels=tuple(told["channels"]),
                )  # fmt: skip
        return list(found.values())

    def work(self) -> list[Discrepancy]:
        """Differences that were open, the largest amount first, and who was on them; amounts are
        those of the last comparison that found them."""
        on_it = {
            entry.subject: entry.detail["to"]
            for entry in self._entries("discrepancy")
            if entry.action == "discrepancy.assign"
        }
        was_open = sa.and_(
            discrepancies.c.found_at <= self._at,
            sa.or_(discrepancies.c.resolved_at.is_(None), discrepancies.c.resolved_at > self._at),
        )
        return [
            replace(
                each, outcome="open", reason="", resolved_at=None,
                assigned_to=on_it.get(str(each.id), ""),
            )
            for each in Discrepancies(self._tx).those(was_open)
        ]  # fmt: skip

    def _entries(self, *kinds: str) -> Iterator[Entry]:
        return entries_until(self._tx, self._at, kinds)
