"""What pages can do with connections, by the services of a home."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from meterstone.app import Home
from meterstone.connect.auth.authorizers import describe
from meterstone.connect.auth.base import AuthError
from meterstone.connect.auth.wishes import Wish
from meterstone.errors import InputError
from meterstone.ledger import Connection
from meterstone.publish.web.connections import Asked, Check, System


class HomeDoors:
    """See `meterstone.publish.web.connections.Doors`."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def systems(self) -> Sequence[System]:
        """All systems that can be connected, by name."""
        made = [
            System(
                key, of.name, describe(of.auth), of.auth.kind == "authorization_code",
                tuple(
                    Asked(name, _title(name, f.title), f.required, f.secret)
                    for name, f in of.auth.fields.items()
                ),
                tuple(
                    Asked(name, _title(name, s.title), s.required and not s.default)
                    for name, s in of.settings.items() if not s.from_
                ),
                tuple(of.streams),
            )
            for key, of in self._home.connectors.items()
        ]  # fmt: skip
        return sorted(made, key=lambda system: system.name)

    def connect(
        self, system: str, credentials: Mapping[str, str], settings: Mapping[str, str], actor: str
    ) -> Connection:
        """Connect a system that has no sign-in by browser."""
        wish = Wish(settings=dict(settings))
        try:
            return self._home.access.connect(system, dict(credentials), wish, actor=actor)
        except AuthError as error:
            raise InputError(error.cause, place=error.place, mend=error.mend) from None

    def sync(self, connection: str, actor: str) -> None:
        """Read every stream now."""
        with self._home.ledger.read() as seen:
            found = seen.connections.get(connection)
        if found.status != "active":
            raise InputError(
                f"this connection is {found.status}",
                place=found.name or found.id,
                mend=found.mend or "connect it again",
            )
        with self._home.ledger.change(actor) as change:
            for stream in self._home.connectors[found.connector].streams:
                change.queue.put(
                    "sync",
                    {"connection": found.id, "stream": stream},
                    dedupe=f"sync:{found.id}:{stream}",
                    priority="interactive",
                )

    def disconnect(self, connection: str, actor: str) -> None:
        """Give the access back and forget its secrets."""
        self._home.access.disconnect(connection, actor=actor)

    def checks(self, connection: str) -> Sequence[Check]:
        """Look at the controls of the sign-in now."""
        found = self._home.access.check(connection)
        return [Check(each.control, each.result, each.reason) for each in found]


def _title(name: str, title: str) -> str:
    return title or name.replace("_", " ").capitalize()
