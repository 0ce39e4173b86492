"""What people type: names, addresses; cleaned and bounded before they are kept."""

from __future__ import annotations

import re
import unicodedata

from meterstone.errors import InputError

_SIGN_IN_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._@+-]{0,98}[a-z0-9])?")
_MAIL = re.compile(r"[^@\s<>\"(),;:\\\[\]]{1,64}@[a-z0-9](?:[a-z0-9.-]{0,250})[a-z0-9]")
_MOST_SHOWN = 100


def sign_in_name(text: str) -> str:
    """A name to sign in with: lower case, no spaces.

    Raises:
        InputError: it holds something else.
    """
    name = unicodedata.normalize("NFKC", text).strip().casefold()
    if not _SIGN_IN_NAME.fullmatch(name):
        raise InputError(
            "a name to sign in has 1 to 100 letters a–z, digits and . _ @ + -",
            place="name",
            mend="write something like ana.lopez",
        )
    return name


def shown_text(text: str, place: str) -> str:
    """A text that is shown to others: any letters, no control characters, 1 to 100 of them.

    Raises:
        InputError: it is empty, too long, or holds what does not print.
    """
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if not 1 <= len(name) <= _MOST_SHOWN or not name.isprintable():
        raise InputError(
            f"the {place} has 1 to {_MOST_SHOWN} characters that print",
            place=place,
            mend="write it in one line",
        )
    return name


def mail_address(text: str) -> str | None:
    """A mail address in lower case; None where nothing is given.

    Raises:
        InputError: it is none.
    """
    address = text.strip().casefold()
    if not address:
        return None
    if not _MAIL.fullmatch(address):
        raise InputError("is no mail address", place="mail", mend="write name@example.com")
    return address


def typed_name(text: str) -> str:
    """What somebody typed as a name, to look it up: also what can be nobody's."""
    return unicodedata.normalize("NFKC", text[:_MOST_SHOWN]).strip().casefold()
