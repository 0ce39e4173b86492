"""What shall become of a sign-in: a new connection, or one that is mended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from meterstone.connect.auth.base import SignInRefused
from meterstone.connect.spec import Connector
from meterstone.errors import InputError
from meterstone.facts import vocabulary
from meterstone.ledger import Change, Connection


@dataclass(frozen=True, slots=True)
class Wish:
    """What shall become of a sign-in.

    Attributes:
        connection: id of the connection to sign in again; empty: a new one.
        account: as the person calls it, where the vendor does not say.
        settings: of the connection.
    """

    connection: str = ""
    name: str = ""
    account: str = ""
    franchise_id: str = ""
    environment: str = "production"
    settings: Mapping[str, str] = field(default_factory=dict)

    def texts(self) -> dict[str, str]:
        """As texts, to wait for the callback."""
        found = {name: getattr(self, name) for name in self.__slots__}
        return {**found, "settings": json.dumps(dict(self.settings))}

    @classmethod
    def of(cls, texts: Mapping[str, str]) -> Wish:
        """From texts."""
        return cls(**{**texts, "settings": json.loads(texts["settings"])})


def again(connection: Connection, of: Connector, wish: Wish) -> Wish:
    """The wish to sign a connection in again."""
    if connection.connector != of.connector:
        raise InputError(
            f"{connection.id} is no connection of {of.connector}",
            place="connection",
            mend=f"use {connection.connector}",
        )
    own = {name: value for name, value in connection.settings.items() if name in of.settings}
    return Wish(
        connection=connection.id,
        name=wish.name or connection.name,
        account=connection.account,
        franchise_id=wish.franchise_id or connection.franchise_id or "",
        environment=connection.environment,
        settings={**own, **wish.settings},
    )


def check_franchise(of: Connector, wish: Wish) -> None:
    """See that the facts of a connection will have the franchise that they need, before anything
    is read: what is landed without one is of no use later.

    Raises:
        InputError: neither the vendor's sites nor the wish can say it.
    """
    if wish.franchise_id or of.sites is not None:
        return
    for name, stream in of.streams.items():
        for mapped in stream.facts:
            column = vocabulary()[mapped.fact].columns["franchise_id"]
            if not column.nullable and "franchise_id" not in mapped.columns and not mapped.python:
                raise InputError(
                    f"an account of {of.name} is one franchise, and each {mapped.fact} of {name} "
                    "needs to know which",
                    place="franchise",
                    mend="--franchise F0001 (over HTTP franchise_id)",
                )


def connection_for(change: Change, of: Connector, wish: Wish, account: str) -> Connection:
    """The connection of a sign-in: the one to mend, the one of this account, or a new one."""
    if wish.connection:
        found = change.connections.get(wish.connection)
        if account and found.account != account:
            raise SignInRefused(
                f"this is another account of {of.name} than the one that was connected",
                place=found.id,
                mend="sign in with the account of this connection, or connect the other one anew",
            )
        return _touched(change, found, wish)
    account = account or wish.account or wish.name or of.connector
    same = change.connections.find(of.connector, account, wish.environment)
    if same:
        return _touched(change, same, wish)
    return change.connections.add(
        connector=of.connector,
        account=account,
        name=wish.name,
        franchise_id=wish.franchise_id or None,
        environment=wish.environment,
        settings=dict(wish.settings),
    )


def _touched(change: Change, found: Connection, wish: Wish) -> Connection:
    """The same connection as a new version: clients made for the former one are not used."""
    return change.connections.update(
        found.id,
        name=wish.name or None,
        franchise_id=wish.franchise_id or None,
        settings={**found.settings, **wish.settings},
    )
