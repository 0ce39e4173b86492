"""What the guard reads of a request, and the headers that every answer carries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from starlette.types import Scope

Headers = Sequence[tuple[bytes, bytes]]

CSP = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
_SECURITY = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # not no-referrer: with that a browser sends `Origin: null` with our own forms
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_HSTS = "max-age=31536000; includeSubDomains"


def security_headers(*, https: bool) -> Headers:
    """Headers of every answer; one that an answer sets itself stands."""
    named = {**_SECURITY, **({"strict-transport-security": _HSTS} if https else {})}
    return [(name.encode(), value.encode()) for name, value in named.items()]


def header(headers: Headers, name: bytes) -> str:
    """A header of a request; empty where it is not there, or not once."""
    found = [value for key, value in headers if key == name]
    return found[0].decode("latin-1") if len(found) == 1 else ""


def cookie(headers: Headers, name: str) -> str:
    """A cookie of a request; empty where there is none. One that comes twice counts as none:
    nobody knows who set the second."""
    start = name.encode() + b"="
    found = [
        part[len(start) :]
        for key, value in headers
        if key == b"cookie"
        for part in value.replace(b" ", b"").split(b";")
        if part.startswith(start)
    ]
    return found[0].decode("latin-1") if len(found) == 1 else ""


def set_cookie(name: str, value: str, *, https: bool, max_age: int | None = None) -> str:
    """The value of a Set-Cookie header; with https the name has to begin with ``__Host-``."""
    parts = [f"{name}={value}", "Path=/", "HttpOnly", "SameSite=Lax"]
    if https:
        parts.append("Secure")
    if max_age is not None:
        parts.append(f"Max-Age={max_age}")
    return "; ".join(parts)


def from_own_page(headers: Headers, origins: Iterable[str]) -> bool:
    """Whether a browser says that a request comes from our own page, or is no browser that says.

    Args:
        origins: how we are called, beside the Host of the request.
    """
    site = header(headers, b"sec-fetch-site")
    origin = header(headers, b"origin")
    if site and site not in ("same-origin", "none"):
        return False
    if not origin:
        return True
    same_host = urlsplit(origin).netloc == header(headers, b"host") and origin != "null"
    return same_host or origin in origins


def media_type(headers: Headers) -> str:
    """The media type of a body, without parameters."""
    return header(headers, b"content-type").partition(";")[0].strip().lower()


_MACHINES = ("/api/", "/v1/", "/metrics", "/hooks/", "/live")


def for_person(scope: Scope) -> bool:
    """Whether a person looks at the answer, so that it is a page and no problem details."""
    wanted = "text/html" in header(scope["headers"], b"accept")
    return wanted and not scope["path"].startswith(_MACHINES)
