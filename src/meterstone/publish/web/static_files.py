"""One style sheet and one script for all pages, named by their content, kept for ever by browsers.

``static/style/*.css`` and ``static/script/*.js`` are joined in the order of their names; whoever
adds a page adds a file there.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Literal

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

_FOLDER = files("meterstone.publish.web").joinpath("static")
_FOR_EVER = "public, max-age=31536000, immutable"

Name = Literal["meterstone.css", "live.js", "icon.svg"]

_TYPES: dict[Name, str] = {
    "meterstone.css": "text/css",
    "live.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file as it is sent; ``address`` changes with its content."""

    address: str
    media_type: str
    body: bytes
    packed: bytes


@cache
def static_file(name: Name) -> StaticFile:
    """The style sheet, the script, or the icon."""
    body = _source(name)
    digest = sha256(body).hexdigest()[:12]
    return StaticFile(
        f"/static/{name}?v={digest}", _TYPES[name], body, gzip.compress(body, 9, mtime=0)
    )


def _source(name: Name) -> bytes:
    if name == "icon.svg":
        return _FOLDER.joinpath(name).read_bytes()
    folder = _FOLDER.joinpath("style" if name.endswith(".css") else "script")
    end = name[name.rindex(".") :]
    parts = sorted((part for part in folder.iterdir() if part.name.endswith(end)), key=_name)
    return b"".join(part.read_bytes() for part in parts)


def _name(part: object) -> str:
    return str(getattr(part, "name", ""))


def static_routes() -> list[Route]:
    """``/static/…``."""
    return [Route("/static/{name}", _send)]


def _send(request: Request) -> Response:
    name = request.path_params["name"]
    found = next((static_file(known) for known in _TYPES if known == name), None)
    if found is None:
        return PlainTextResponse("no such file", 404)
    as_named = str(request.url.query) == found.address.partition("?")[2]
    headers = {
        "Cache-Control": _FOR_EVER if as_named else "no-cache",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Vary": "Accept-Encoding",
    }
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return Response(found.packed, headers=headers, media_type=found.media_type)
    return Response(found.body, headers=headers, media_type=found.media_type)
