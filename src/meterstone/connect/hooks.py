"""The addresses that vendors send to: what people do with them."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from meterstone.connect.deliveries import FORMER_KEY, KEY, TOKEN
from meterstone.connect.spec import Connector
from meterstone.connect.spec_webhooks import Scheme
from meterstone.errors import InputError, suggest
from meterstone.ledger import Ledger
from meterstone.ledger.inbound import Hook

PATH = "/hooks"
BOTH_FOR = timedelta(days=1)
"""So long a former key holds too after it was exchanged."""


@dataclass(frozen=True, slots=True)
class AddedHook:
    """A new address; its secret part and the key are told this once."""

    hook: Hook
    url: str = field(repr=False)
    key: str = field(repr=False)


class Hooks:
    """Adds, lists and removes hooks.

    Args:
        connectors: by key.
        actor: who does it, for the audit log.
    """

    def __init__(self, ledger: Ledger, connectors: Mapping[str, Connector], actor: str) -> None:
        self._ledger = ledger
        self._connectors = connectors
        self._actor = actor

    def add(
        self, connector: str, public_url: str, *, key: str = "", connection: str | None = None
    ) -> AddedHook:
        """A new address for a vendor.

        Args:
            public_url: where the vendor reaches this home, such as ``https://hub.example.com``.
            key: what the vendor signs with, as it shows it; empty where it is not known yet (see
                `set_key`), or where we make it (Standard Webhooks).
            connection: whose events come here; None: of every account of this connector.

        Raises:
            InputError: the connector has no webhooks, or there is no such connection.
        """
        scheme = self._scheme(connector)
        if not public_url.startswith(("https://", "http://")):
            raise InputError(
                f"{public_url!r} is no address that a vendor could call",
                place="public URL",
                mend="give https://…, where the vendor reaches us",
            )
        if scheme.kind == "standard_webhooks" and not key:
            key = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        with self._ledger.change(self._actor) as change:
            if connection is not None:
                change.connections.get(connection)
            base = f"{public_url.rstrip('/')}{PATH}/{connector}"
            hook = change.inbound.add_hook(connector, base, connection)
            token = f"{hook.id}.{secrets.token_urlsafe(32)}"
            change.secrets.put(hook.owner, TOKEN, token.encode())
            if key:
                change.secrets.put(hook.owner, KEY, key.encode())
        return AddedHook(hook, f"{base}/{token}", key if scheme.has_key else "")

    def set_key(self, hook: str, key: str, both_for: timedelta = BOTH_FOR) -> Hook:
        """The key that the vendor signs with; the former one holds too for a time.

        Raises:
            InputError: there is no such hook.
        """
        with self._ledger.change(self._actor) as change:
            found = change.inbound.hook(hook)
            if found is None:
                raise InputError("there is no such hook", place=hook, mend="meterstone hooks list")
            former = change.secrets.get(found.owner, KEY)
            if former is not None:
                until = change.now + both_for
                change.secrets.put(found.owner, FORMER_KEY, former.value, expires_at=until)
            change.secrets.put(found.owner, KEY, key.encode())
            return found

    def all(self) -> list[Hook]:
        """The hooks, oldest first."""
        with self._ledger.read() as seen:
            return seen.inbound.hooks()

    def remove(self, hook: str) -> None:
        """Take nothing more there, and destroy its token and key.

        Raises:
            InputError: there is none.
        """
        with self._ledger.change(self._actor) as change:
            found = change.inbound.remove_hook(hook)
            change.secrets.delete(found.owner)

    def _scheme(self, connector: str) -> Scheme:
        with_webhooks = [key for key, each in self._connectors.items() if each.webhooks]
        known = connector in self._connectors
        spec = self._connectors[connector].webhooks if known else None
        if spec is None:
            raise InputError(
                f"connector {connector!r} has no webhooks",
                place="connector",
                mend=suggest(connector, with_webhooks),
            )
        return spec.scheme


def shown(hook: Hook) -> dict[str, Any]:
    """A hook as JSON, without what is secret."""
    return {
        "id": hook.id,
        "connector": hook.connector,
        "connection": hook.connection,
        "url": f"{hook.url}/…",
        "events": hook.taken,
        "doubles": hook.doubles,
        "refused": hook.refused,
        "last_refusal": hook.last_refusal,
        "last_at": hook.last_at.isoformat() if hook.last_at else None,
        "handshake": hook.handshake,
    }
