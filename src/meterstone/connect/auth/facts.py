"""What the hub tells of its connections: facts ``connection`` and ``oauth_check``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from meterstone.connect.auth.authorizers import fact_auth
from meterstone.connect.auth.controls import Check
from meterstone.connect.auth.spec import AuthSpec
from meterstone.ledger import Connection

Row = Mapping[str, Any]
Tell = Callable[[list[Row]], None]
"""Lands rows; each names its ``fact``."""


def nobody(_: list[Row]) -> None:
    """A `Tell` that nobody listens to."""


def connection_row(connection: Connection, auth: AuthSpec) -> Row:
    """A connection as it is now; the newest row of it counts."""
    gone = connection.status == "disconnected"
    return {
        "fact": "connection",
        "connection_id": connection.id,
        "connected_at": _text(connection.created_at),
        "disconnected_at": _text(connection.changed_at) if gone else None,
        "auth": fact_auth(auth),
        "disconnect_reason": connection.reason if gone else None,
        **_origin(connection),
    }


def check_rows(connection: Connection, found: Iterable[Check], at: datetime) -> list[Row]:
    """The controls of a connection as they were found at a moment."""
    moment = _text(at)
    return [
        {
            "fact": "oauth_check",
            "check_id": f"{connection.id}:{check.control}:{moment}",
            "at": moment,
            "connection_id": connection.id,
            "control": check.control,
            "result": check.result,
            "reason": check.reason or None,
            **_origin(connection),
        }
        for check in found
    ]


def _origin(connection: Connection) -> Row:
    return {
        "integration": connection.connector,
        "franchise_id": connection.franchise_id,
        "environment": connection.environment,
        "source": "hub",
    }


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
