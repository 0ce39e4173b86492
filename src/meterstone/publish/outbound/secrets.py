"""The secrets of an endpoint: one that signs, and while it is rotated the former one too."""

from __future__ import annotations

from datetime import timedelta

from meterstone.errors import InputError
from meterstone.ledger.ledger import Change
from meterstone.publish.outbound.messages import new_secret

_NOW, _FORMER = "secret", "former_secret"


def owner(endpoint: str) -> str:
    """Owner of the secrets of an endpoint in the ledger."""
    return f"endpoint:{endpoint}"


def give(change: Change, endpoint: str) -> str:
    """Make the first secret of an endpoint; this is the only time that it is told."""
    made = new_secret()
    change.secrets.put(owner(endpoint), _NOW, made.encode())
    return made


def rotate(change: Change, endpoint: str, both_for: timedelta) -> str:
    """A new secret; the former one signs beside it for a time.

    Raises:
        InputError: the endpoint has none.
    """
    former = change.secrets.get(owner(endpoint), _NOW)
    if former is None:
        raise InputError("has no secret", place=endpoint, mend="add the endpoint again")
    until = change.now + both_for
    change.secrets.put(owner(endpoint), _FORMER, former.value, expires_at=until)
    made = new_secret()
    change.secrets.put(owner(endpoint), _NOW, made.encode())
    return made


def signing(seen: Change, endpoint: str) -> list[str]:
    """The secrets that sign now, the newest first."""
    found = [seen.secrets.get(owner(endpoint), name) for name in (_NOW, _FORMER)]
    return [
        secret.value.decode()
        for secret in found
        if secret and (secret.expires_at is None or secret.expires_at > seen.now)
    ]
