"""Notifications: channels, routes, and the notices that went or shall go over them.

What happened to an incident is read from its timeline. An event belongs to a route once, whoever
looks; a notice takes all events of its group that no other notice took.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from meterstone.errors import InputError
from meterstone.ledger.alerts import IncidentEvent
from meterstone.ledger.store import Transaction
from meterstone.ledger.tables import (
    channels,
    incident_events,
    notice_events,
    notice_seen,
    notices,
    routes,
)

NoticeState = Literal["waiting", "sent", "dead"]
Reason = Literal["alert", "escalation", "repeat", "test", "report"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A way to people. Its URL is a secret of the ledger and is never shown again.

    Attributes:
        way: the kind of service: ``mailto``, ``slack``, ``pagerduty`` …
        last_at: when something last went over it; last_error: why it last did not.
    """

    id: str
    name: str
    way: str
    created_at: datetime
    last_at: datetime | None
    last_error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One message over one channel. ``id`` goes with it: the receiver's key against doubles."""

    id: str
    route: str
    channel: str
    reason: Reason
    severity: str
    title: str
    body: str
    incidents: Sequence[str]
    state: NoticeState
    created_at: datetime
    sent_at: datetime | None
    attempts: int
    error: str


class Notices:
    """Channels, routes and notices as one transaction sees and changes them."""

    def __init__(self, transaction: Transaction) -> None:
        self._tx = transaction

    # -- channels and routes ----------------------------------------------------------------------

    def add_channel(self, name: str, way: str) -> Channel:
        """A new channel; its URL is put among the secrets by whoever adds it.

        Raises:
            InputError: another one has this name.
        """
        if any(each.name == name for each in self.channels()):
            raise InputError(f"{name!r} exists", place="name", mend="give another name")
        row = self._tx.run(
            self._tx.insert(channels)
            .values(id=secrets.token_hex(6), name=name, way=way, created_at=self._tx.now,
                    last_error="")
            .returning(channels)
        ).one()  # fmt: skip
        self._tx.audit("channel.add", row.id, name=name, way=way)
        return Channel(**row._mapping)

    def channels(self) -> list[Channel]:
        """All channels, by name."""
        query = sa.select(channels).order_by(channels.c.name)
        return [Channel(**row._mapping) for row in self._tx.run(query)]

    def channel(self, id_: str) -> Channel:
        """A channel by its id or its name.

        Raises:
            InputError: there is none.
        """
        query = sa.select(channels).where(sa.or_(channels.c.id == id_, channels.c.name == id_))
        row = self._tx.run(query).first()
        if row is None:
            raise InputError("there is no such channel", place=id_, mend="list the channels")
        return Channel(**row._mapping)

    def remove_channel(self, id_: str) -> None:
        """Forget a channel; its secrets are destroyed by whoever removes it.

        Raises:
            InputError: a route still uses it.
        """
        for row in self.routes():
            if id_ in (row["settings"]["channel"], row["settings"].get("escalate_to")):
                raise InputError(
                    f"the route {row['name']!r} uses it", place=id_, mend="remove the route first"
                )
        self._tx.run(sa.delete(channels).where(channels.c.id == id_))
        self._tx.audit("channel.remove", id_)

    def used(self, channel: str, error: str = "") -> None:
        """Something went over a channel, or did not."""
        values = {"last_error": error} | ({} if error else {"last_at": self._tx.now})
        self._tx.run(sa.update(channels).where(channels.c.id == channel).values(values))

    def put_route(self, name: str, settings: Mapping[str, Any], id_: str | None = None) -> str:
        """A new route, or new settings of one; its id."""
        id_ = id_ or secrets.token_hex(6)
        values = {"id": id_, "name": name, "settings": dict(settings), "created_at": self._tx.now}
        new = self._tx.insert(routes).values(values)
        kept = {"name": name, "settings": dict(settings)}
        self._tx.run(new.on_conflict_do_update(index_elements=["id"], set_=kept))
        self._tx.audit("route.put", id_, name=name, **dict(settings))
        return id_

    def routes(self) -> list[dict[str, Any]]:
        """All routes: ``id``, ``name``, ``settings``, ``created_at``; by name."""
        return [
            dict(row._mapping) for row in self._tx.run(sa.select(routes).order_by(routes.c.name))
        ]

    def remove_route(self, id_: str) -> None:
        """Forget a route; what it sent stays on record."""
        self._tx.run(sa.delete(routes).where(routes.c.id == id_))
        self._tx.audit("route.remove", id_)

    # -- events -----------------------------------------------------------------------------------

    def unseen(self, limit: int = 200) -> list[tuple[int, IncidentEvent]]:
        """What happened to incidents and was not looked at yet, oldest first, with its number."""
        query = (
            sa.select(incident_events)
            .outerjoin(notice_seen, notice_seen.c.event == incident_events.c.number)
            .where(notice_seen.c.event.is_(None))
            .order_by(incident_events.c.number)
            .limit(limit)
        )
        return [
            (row.number, IncidentEvent(**{k: v for k, v in row._mapping.items() if k != "number"}))
            for row in self._tx.run(query)
        ]

    def see(self, event: int) -> None:
        """An event was looked at."""
        self._tx.run(self._tx.insert(notice_seen).values(event=event).on_conflict_do_nothing())

    def collect(self, route: str, event: int, group: str) -> None:
        """An event waits for the notice of its group."""
        new = self._tx.insert(notice_events).values(route=route, event=event, group_key=group)
        self._tx.run(new.on_conflict_do_nothing())

    def collected(self, route: str, group: str) -> list[tuple[int, IncidentEvent]]:
        """Events of a group that no notice took, oldest first."""
        query = (
            sa.select(incident_events)
            .join(notice_events, notice_events.c.event == incident_events.c.number)
            .where(
                notice_events.c.route == route,
                notice_events.c.group_key == group,
                notice_events.c.notice.is_(None),
            )
            .order_by(incident_events.c.number)
        )
        return [
            (row.number, IncidentEvent(**{k: v for k, v in row._mapping.items() if k != "number"}))
            for row in self._tx.run(query)
        ]

    def take(self, route: str, events: Sequence[int], notice: str) -> None:
        """These events are told by a notice."""
        mine = notice_events.c.route == route, notice_events.c.event.in_(list(events))
        self._tx.run(sa.update(notice_events).where(*mine).values(notice=notice))

    # -- notices ----------------------------------------------------------------------------------

    def add(
        self,
        *,
        route: str,
        channel: str,
        reason: Reason,
        title: str,
        body: str,
        severity: str = "",
        incidents: Sequence[str] = (),
    ) -> Notice:
        """A message that shall be sent."""
        values = {
            "id": secrets.token_hex(10), "route": route, "channel": channel, "reason": reason,
            "severity": severity, "title": title, "body": body, "incidents": list(incidents),
            "state": "waiting", "created_at": self._tx.now, "attempts": 0, "error": "",
        }  # fmt: skip
        row = self._tx.run(self._tx.insert(notices).values(values).returning(notices)).one()
        return Notice(**row._mapping)

    def get(self, notice: str) -> Notice:
        """A notice by its id.

        Raises:
            InputError: there is none.
        """
        row = self._tx.run(sa.select(notices).where(notices.c.id == notice)).first()
        if row is None:
            raise InputError("there is no such notice", place=notice, mend="list the notices")
        return Notice(**row._mapping)

    def all(
        self, limit: int = 100, incident: str | None = None, until: datetime | None = None
    ) -> list[Notice]:
        """Notices, newest first; about an incident, made by a moment."""
        query = sa.select(notices).order_by(notices.c.created_at.desc(), notices.c.id)
        if until is not None:
            query = query.where(notices.c.created_at <= until)
        if incident is not None:
            told = sa.cast(notices.c.incidents, sa.Text)
            query = query.where(told.contains(f'"{incident}"', autoescape=True))
        return [Notice(**row._mapping) for row in self._tx.run(query.limit(limit))]

    def sent(self, notice: str) -> None:
        """It was taken by the service."""
        self._try(notice, state="sent", sent_at=self._tx.now, error="")

    def missed(self, notice: str, error: str, *, dead: bool) -> None:
        """It was not taken; ``dead``: and is not tried again."""
        self._try(notice, state="dead" if dead else "waiting", error=error)
        if dead:
            self._tx.audit("notice.dead", notice, error=error)

    def revive(self, notice: str) -> None:
        """Try a dead one again."""
        self._try(notice, state="waiting", error="")
        self._tx.audit("notice.revive", notice)

    def _try(self, notice: str, **values: Any) -> None:
        tried = sa.update(notices).where(notices.c.id == notice)
        self._tx.run(tried.values(attempts=notices.c.attempts + 1, **values))
