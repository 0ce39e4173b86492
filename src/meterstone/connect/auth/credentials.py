"""What is secret: the credential a person gave, and the token a vendor gave for it.

Neither shows its secrets in ``repr``, and neither can be formatted by accident into a message:
what may be said of them has a method of its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any


class Credentials(Mapping[str, str]):
    """What a person gave (client id and secret, key, user name and password), by name."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Any:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Credentials({', '.join(sorted(self._values))}: hidden)"

    def sealed_form(self) -> bytes:
        """The bytes that are sealed in the ledger."""
        return json.dumps(self._values, sort_keys=True).encode()

    @classmethod
    def opened(cls, data: bytes) -> Credentials:
        """From the bytes that were sealed."""
        return cls(json.loads(data))


@dataclass(frozen=True, slots=True)
class Token:
    """What a vendor gave for a credential.

    Attributes:
        access: goes with every request.
        refresh: buys the next token; empty where the vendor gives none.
        expires_at: end of ``access``; None where the vendor does not say.
        refresh_expires_at: end of ``refresh``; None where the vendor does not say.
        issued_at: when we asked for it, so a lifetime is never overestimated.
        scope: what was granted, as the vendor said it; empty where it does not.
        values: what else the answer told that requests need (account, instance_url …).
    """

    access: str = field(repr=False)
    issued_at: datetime
    refresh: str = field(default="", repr=False)
    expires_at: datetime | None = None
    refresh_expires_at: datetime | None = None
    scope: str = ""
    values: Mapping[str, str] = field(default_factory=dict)

    def after_refresh(self, newer: Token) -> Token:
        """The token that holds after a refresh: what the vendor did not repeat stays."""
        kept = replace(newer, values={**self.values, **newer.values})
        if not newer.refresh:
            kept = replace(kept, refresh=self.refresh, refresh_expires_at=self.refresh_expires_at)
        return kept if kept.scope else replace(kept, scope=self.scope)

    def sealed_form(self) -> bytes:
        """The bytes that are sealed in the ledger."""
        return json.dumps(
            {
                "access": self.access,
                "refresh": self.refresh,
                "issued_at": self.issued_at.isoformat(),
                "expires_at": _iso(self.expires_at),
                "refresh_expires_at": _iso(self.refresh_expires_at),
                "scope": self.scope,
                "values": dict(self.values),
            }
        ).encode()

    @classmethod
    def opened(cls, data: bytes) -> Token:
        """From the bytes that were sealed."""
        held = json.loads(data)
        return cls(
            access=held["access"],
            refresh=held["refresh"],
            issued_at=datetime.fromisoformat(held["issued_at"]),
            expires_at=_moment(held["expires_at"]),
            refresh_expires_at=_moment(held["refresh_expires_at"]),
            scope=held["scope"],
            values=held["values"],
        )


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
