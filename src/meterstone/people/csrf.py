"""Forms come from our own pages: a hidden field that only a page of the same browser can hold.

The token is made of the session's secret (before sign-in: of a cookie that the first page sets)
and a salt that is new each time, so that compression tells nothing about it (BREACH).
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterator
from hashlib import sha256
from urllib.parse import parse_qsl

from starlette.requests import Request

FIELD = "csrf"
"""Name of the hidden field. In a multipart form it stands before the files."""
HEADER = b"x-csrf-token"
"""Where a script that sends no form puts it."""
KEY = "meterstone.csrf"
"""Name in the scope under which the guard puts the secret."""
PLAIN, WITH_FILES = FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_SALT_CHARS = 22


def csrf_token(request: Request) -> str:
    """The value of the hidden field ``csrf`` for a form on the page that answers this request."""
    return token_of(str(request.scope.get(KEY, "")))


def token_of(key: str) -> str:
    """A token for a browser's secret; new at each call, all of them hold."""
    salt = secrets.token_urlsafe(16)
    return salt + _mac(key, salt)


def holds(key: str, token: str) -> bool:
    """Whether a token was made for this browser's secret."""
    salt, mac = token[:_SALT_CHARS], token[_SALT_CHARS:]
    right = _mac(key, salt)
    return bool(key) and hmac.compare_digest(mac.encode(), right.encode())


def tokens_in(body: bytes, media_type: str) -> Iterator[str]:
    """What a form, or the beginning of one with files, gives as its token."""
    if media_type == PLAIN:
        pairs = parse_qsl(body.decode("latin-1"), max_num_fields=2000)
        yield from (value for name, value in pairs if name == FIELD)
    elif media_type == WITH_FILES:
        # who knows the value may write it wherever they like: where it stands proves nothing more
        for part in body.split(b'name="%s"' % FIELD.encode())[1:]:
            yield part.lstrip(b"\r\n").split(b"\r\n", 1)[0].decode("latin-1")


def _mac(key: str, salt: str) -> str:
    return hmac.new(key.encode(), b"csrf " + salt.encode(), sha256).hexdigest()
