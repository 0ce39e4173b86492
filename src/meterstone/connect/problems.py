"""How a call to a vendor goes wrong: what it means, whose fault it is, what is worth trying again.

MeterstoneError
├── VendorError          a call failed; ``kind`` decides about another try
│   └── CircuitOpen      the vendor is down as far as we know; nothing was sent
└── SyncError            the stream itself cannot be walked: an endless cursor, a page without end
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from meterstone.connect.spec import ErrorKind
from meterstone.errors import MeterstoneError

Fault = Literal["us", "vendor", "customer", "our network"]
ErrorClass = Literal[
    "none", "authentication", "rate_limit", "timeout", "connection", "data_validation", "server",
    "other",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an error kind means: tries in all, whose fault, the class that facts use."""

    tries: int
    fault: Fault
    error_class: ErrorClass


MEANING: dict[ErrorKind, Meaning] = {
    "authentication": Meaning(1, "customer", "authentication"),
    "permission": Meaning(1, "customer", "authentication"),
    "rate_limit": Meaning(6, "us", "rate_limit"),
    "validation": Meaning(1, "us", "data_validation"),
    "not_found": Meaning(1, "us", "data_validation"),
    "conflict": Meaning(2, "us", "data_validation"),
    "server": Meaning(4, "vendor", "server"),
    "timeout": Meaning(4, "vendor", "timeout"),
    "connection": Meaning(4, "vendor", "connection"),
    "cursor_expired": Meaning(1, "vendor", "data_validation"),
    "other": Meaning(1, "vendor", "other"),
}
"""Authentication has one more try after a renewal, which is not counted here."""

FAULT_OF_FACTS: dict[Fault, Literal["hub", "provider", "caller"]] = {
    "us": "hub",
    "our network": "hub",
    "vendor": "provider",
    "customer": "caller",
}
TRANSIENT: frozenset[ErrorKind] = frozenset({"rate_limit", "server", "timeout", "connection"})
"""Kinds that pass by themselves: the job is done again later."""

_DOWN: frozenset[ErrorKind] = frozenset({"server", "timeout", "connection"})


class VendorError(MeterstoneError):
    """A call to a vendor failed for good, or for as long as one call waits.

    No field holds a credential: URLs are templates, and what the vendor says is stripped of what
    we sent to prove who we are.

    Attributes:
        kind: what it means.
        fault: whose.
        status: of the answer; None: there was none.
        retry_after_s: how long the vendor asked to wait.
    """

    def __init__(
        self,
        cause: str,
        *,
        kind: ErrorKind,
        place: str = "",
        mend: str = "",
        fault: Fault | None = None,
        status: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(cause, place=place, mend=mend or _MENDS[kind])
        self.kind = kind
        self.fault: Fault = fault or MEANING[kind].fault
        self.status = status
        self.retry_after_s = retry_after_s
        self.never_sent = False
        """Whether it is certain that the vendor saw nothing of it."""

    @property
    def transient(self) -> bool:
        """Whether it passes by itself."""
        return self.kind in TRANSIENT

    @property
    def means_down(self) -> bool:
        """Whether it speaks against the vendor's being up."""
        return self.kind in _DOWN


class CircuitOpen(VendorError):
    """Not tried: the calls before failed, and the next probe is due in ``retry_after_s``."""


class SyncError(MeterstoneError):
    """A stream that cannot be walked to its end; what was landed before stays."""


_MENDS: dict[ErrorKind, str] = {
    "authentication": "connect again",
    "permission": "give the signed-in user the rights that the connector asks for",
    "rate_limit": "nothing: it is tried again when the vendor allows",
    "validation": "the connector asks for something that the vendor does not take: correct it",
    "not_found": "check the settings of the connection",
    "conflict": "nothing: it is tried again",
    "server": "nothing: it is tried again",
    "timeout": "nothing: it is tried again",
    "connection": "nothing: it is tried again",
    "cursor_expired": "nothing: the stream is walked again from its last moment",
    "other": "look at what the vendor says",
}
