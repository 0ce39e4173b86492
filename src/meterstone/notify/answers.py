"""Links by which somebody takes an incident on without signing in: from a phone, at night.

A link holds for one incident, for a day, and does one thing. It proves that it came out of a
message of ours (HMAC); whoever the message was forwarded to may follow it too.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import sha256

from meterstone.errors import InputError
from meterstone.ledger import Ledger

PATH = "/answer/"
LIVES = timedelta(hours=24)
_OWNER, _NAME = "notify", "answer-key"


@dataclass(frozen=True, slots=True)
class Answer:
    """Which incident a link is for, and the channel that it was sent over."""

    incident: str
    channel: str


class Answers:
    """Makes and checks the links of a ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def path(self, answer: Answer) -> str:
        """The path of a link."""
        ends = int((self._ledger.now() + LIVES).timestamp())
        text = f"{answer.incident}~{answer.channel}~{ends}"
        return f"{PATH}{text}~{self._mac(text)}"

    def read(self, text: str) -> Answer:
        """What a link is for.

        Args:
            text: what stands after `PATH`.

        Raises:
            InputError: it is none of ours, or too old; it is not told which.
        """
        rest, _, mac = text.rpartition("~")
        parts = rest.split("~")
        right = len(parts) == 3 and hmac.compare_digest(mac.encode(), self._mac(rest).encode())
        if not right or self._ledger.now() > datetime.fromtimestamp(int(parts[2]), UTC):
            raise InputError(
                "this link does not hold, or it is older than a day",
                place="link",
                mend="sign in and take the incident on from its page",
            )
        return Answer(parts[0], parts[1])

    def ready(self) -> None:
        """Have the key at hand: within a transaction it cannot be made."""
        _ = self._key

    def _mac(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), sha256).hexdigest()

    @cached_property
    def _key(self) -> bytes:
        with self._ledger.change("notify") as change:
            kept = change.secrets.get(_OWNER, _NAME)
            if kept is not None:
                return kept.value
            key = secrets.token_bytes(32)
            change.secrets.put(_OWNER, _NAME, key)
        return key
