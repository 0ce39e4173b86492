"""What the client of a vendor needs of authentication, and how it goes wrong.

MeterstoneError
└── AuthError
    ├── CredentialBroken        a person has to mend it; the connection says so
    ├── CredentialUnavailable   the vendor could not be asked just now; try again later
    └── SignInRefused           a sign-in was not completed; nothing was connected
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import httpx2

from meterstone.errors import MeterstoneError


class AuthError(MeterstoneError):
    """Signing in at a vendor went wrong. No field ever holds a secret."""


class CredentialBroken(AuthError):
    """The vendor does not accept the credential any more; only a person can mend it."""


class CredentialUnavailable(AuthError):
    """A token could not be got just now (vendor down, network, busy); worth trying again.

    Attributes:
        retry_after_s: how long the vendor asked to wait; None when it did not say.
        sent: whether the vendor may have got the request, so that its answer may be lost.
    """

    def __init__(
        self,
        cause: str,
        *,
        place: str = "",
        mend: str = "",
        retry_after_s: float | None = None,
        sent: bool = True,
    ) -> None:
        super().__init__(cause, place=place, mend=mend)
        self.retry_after_s = retry_after_s
        self.sent = sent


class SignInRefused(AuthError):
    """A sign-in that was not completed: refused by the person, by the vendor, or by us.

    Attributes:
        of_a_stranger: the answer belongs to no sign-in of ours, or to another browser's; it says
            nothing of a sign-in that is still under way.
    """

    of_a_stranger = False


class Authorizer(Protocol):
    """Puts a valid credential of one connection on requests. Safe to use from many threads."""

    @property
    def values(self) -> Mapping[str, str]:
        """What the sign-in told beside the token (``account``, ``instance_url`` …)."""

    def apply(self, request: httpx2.Request) -> int:
        """Put the credential on a request, renewed before where it is about to expire.

        Returns:
            The version of the credential, for `renew` and `refused`.

        Raises:
            CredentialBroken: a person has to mend it.
            CredentialUnavailable: worth trying again later.
        """

    def renew(self, after: int) -> bool:
        """Get a credential newer than version ``after``, which the vendor refused.

        Returns:
            True when there is one: try the request once more. False where the kind cannot renew.

        Raises:
            CredentialBroken: a person has to mend it.
            CredentialUnavailable: worth trying again later.
        """

    def refused(self, version: int) -> CredentialBroken:
        """The vendor refuses a credential that cannot be renewed or was renewed just now: marks
        the connection as broken, and gives the error to raise."""

    def describe(self) -> str:
        """The kind in a few words, without secrets, such as ``OAuth code with PKCE (S256)``."""
