"""Roles, rights, and the one table that says which right each address needs.

A request to an address that stands in no rule is refused: whoever adds a page adds its rule. The
guard (`meterstone.people.guard`) reads this table and nothing else; a test walks every route as
each role and as a stranger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Right(StrEnum):
    """What a request may need."""

    NOBODY = "nobody"
    """Open to strangers: sign-in, style, health, and what carries a signature of its own."""
    SIGNED_IN = "signed_in"
    """Any signed-in person: own account, search, the live stream."""
    EXECUTIVE = "executive"
    OPERATIONS = "operations"
    METRICS = "metrics"
    """Metrics, gates, scorecards, the framework."""
    OWNERS = "owners"
    """Pages of single franchises. An owner passes for own franchises."""
    EVIDENCE = "evidence"
    """Reading attestations and maintenance windows."""
    AUDIT = "audit"
    ATTEST = "attest"
    MAINTAIN = "maintain"
    """Approving maintenance windows."""
    CONNECT = "connect"
    """Connecting, mending and disconnecting systems."""
    RESPOND = "respond"
    """Acknowledging alerts, closing incidents, running drills, saying what was done."""
    REPORT = "report"
    """Making and downloading reports."""
    MANAGE = "manage"
    """People, tokens of others, notification routes, settings."""
    INGEST = "ingest"
    """Sending facts and traces; for tokens."""
    SCRAPE = "scrape"
    """Reading /metrics; for tokens."""


class Role(StrEnum):
    """What a person is to the programme."""

    ADMIN = "admin"
    OPERATOR = "operator"
    ANALYST = "analyst"
    EXECUTIVE = "executive"
    AUDITOR = "auditor"
    OWNER = "owner"


_READER = frozenset(
    {
        Right.SIGNED_IN, Right.EXECUTIVE, Right.OPERATIONS, Right.METRICS, Right.OWNERS,
        Right.EVIDENCE, Right.REPORT,
    }
)  # fmt: skip

RIGHTS: Mapping[Role, frozenset[Right]] = MappingProxyType(
    {
        Role.ADMIN: frozenset(Right) - {Right.NOBODY},
        Role.OPERATOR: (_READER - {Right.EXECUTIVE})
        | {Right.ATTEST, Right.MAINTAIN, Right.CONNECT, Right.RESPOND},
        Role.ANALYST: _READER,
        Role.EXECUTIVE: _READER | {Right.MAINTAIN},
        Role.AUDITOR: _READER | {Right.AUDIT},
        Role.OWNER: frozenset({Right.SIGNED_IN}),
    }
)
"""What each role may; an owner also reads the pages of own franchises (see `Rule.own`)."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: a signed-in person, or a token that a person made.

    Attributes:
        id: ``person:…`` or ``token:…``: what the audit log names.
        name: as shown.
        rights: of the role; of a token those of its maker that it was given.
        franchises: an owner's; empty for everybody else.
    """

    id: str
    name: str
    role: Role
    rights: frozenset[Right]
    franchises: frozenset[str] = frozenset()

    def may(self, right: Right, franchise: str | None = None) -> bool:
        """Whether it has a right, or asks for an own franchise."""
        own = right is Right.OWNERS and franchise in self.franchises
        return right is Right.NOBODY or right in self.rights or own


FORM_BYTES = 256 * 1024
"""The largest body of a form or a request of the API, where its rule says nothing else; of a plain
form, which carries no file, also there."""
UPLOAD_BYTES = 100 * 2**20
"""The largest body with a file: evidence of an attestation."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Which right a request needs.

    Attributes:
        path: as in a route, ``/owner/{franchise}``; a last ``{rest:path}`` takes everything below.
            A part named ``franchise`` is what an owner is held to.
        read: what GET and HEAD need.
        write: what every other method needs; None: there is none.
        people_only: a token has no business here, whatever it may do elsewhere.
        most_bytes: of a body; None: what answers there has a limit of its own.
    """

    path: str
    read: Right
    write: Right | None = None
    people_only: bool = False
    most_bytes: int | None = FORM_BYTES
