"""Passwords: argon2id (RFC 9106), at least 15 characters (NIST SP 800-63B-4, 3.1.1.2), any text.

A name that nobody has is checked against a hash that nobody knows, so that an answer takes as long
and a stranger cannot ask who is here.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from argon2.profiles import RFC_9106_LOW_MEMORY

from meterstone.errors import InputError
from meterstone.people.secret import new_secret

LEAST, MOST = 15, 256
"""Characters of a password."""
_LEAST_DIFFERENT = 5


@dataclass(frozen=True, slots=True)
class Checked:
    """Whether a password is right; ``rehashed`` is the hash to keep from now on, where the one
    that was kept has other parameters."""

    right: bool
    rehashed: str | None = None


class Passwords:
    """Hashes and checks passwords.

    Args:
        hasher: with the parameters in use: 64 MiB, 3 passes, 4 lanes by default.
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
        self._nobody = self._hasher.hash(new_secret())

    def hash(self, password: str, *, name: str = "") -> str:
        """The hash to keep of a new password.

        Raises:
            InputError: it is too short, too long, or easy to guess from the name.
        """
        require_good(password, name)
        return self._hasher.hash(_same(password))

    def check(self, kept: str | None, password: str) -> Checked:
        """Whether a password is the one whose hash is kept; None: nobody's, takes as long."""
        given = _same(password[: MOST + 1])
        try:
            self._hasher.verify(kept or self._nobody, given)
        except (VerifyMismatchError, VerificationError, InvalidHashError):
            return Checked(right=False)
        if kept is None:
            return Checked(right=False)
        old = self._hasher.check_needs_rehash(kept)
        return Checked(right=True, rehashed=self._hasher.hash(given) if old else None)


def require_good(password: str, name: str = "") -> None:
    """Refuse a password that is easy to guess.

    Raises:
        InputError: says what to do.
    """
    text = _same(password)
    if not LEAST <= len(text) <= MOST:
        raise InputError(
            f"a password has {LEAST} to {MOST} characters",
            place="password",
            mend="take four words that do not belong together",
        )
    if len(set(text.casefold())) < _LEAST_DIFFERENT or (
        len(name) >= 3 and not text.casefold().replace(name.casefold(), "")[LEAST // 2 :]
    ):
        raise InputError(
            "this password is easy to guess",
            place="password",
            mend="take four words that do not belong together, and not the name",
        )


def _same(password: str) -> str:
    """The same text however a keyboard composes it (RFC 8265, 4.2.2: NFC)."""
    return unicodedata.normalize("NFC", password)
