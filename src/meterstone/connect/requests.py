"""From a connector's request to one that can be sent: templates filled, parts in their places.

A place is written as ``query.cursor``, ``form.offset``, ``body.page.after`` or ``headers.X-Page``.
A value of a query may be a list: its key is repeated. The text ``{sites}`` alone stands for the
list of the sites of this walk.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx2

from meterstone.connect.fill import fill, fill_url
from meterstone.connect.problems import SyncError
from meterstone.connect.spec import Request

SITES = "{sites}"


@dataclass(frozen=True, slots=True)
class Call:
    """One call, ready but for the credential. ``template`` names it for people and facts."""

    method: str
    url: str
    template: str
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None

    def with_value(self, place: str, value: Any) -> Call:
        """The same with a value put at a place.

        Raises:
            SyncError: no such place.
        """
        part, _, path = place.partition(".")
        if part not in ("query", "form", "body", "headers") or not path:
            raise SyncError(f"{place!r} is no place in a request", mend="query.x, form.x or body.x")
        fields = {
            name: deepcopy(getattr(self, name)) if name == part else getattr(self, name)
            for name in self.__slots__
        }
        if part == "body":
            fields["body"] = _put(fields["body"] if fields["body"] is not None else {}, path, value)
        else:
            fields[part] = {**fields[part], path: value}
        return Call(**fields)

    def at_url(self, url: str) -> Call:
        """The next page by its URL, whole or relative; it must stay on the host.

        Raises:
            SyncError: it leads elsewhere (the credential would go there too).
        """
        target = urljoin(self.url, url)
        here, there = urlsplit(self.url), urlsplit(target)
        if (here.scheme, here.netloc) != (there.scheme, there.netloc):
            raise SyncError(
                f"the next page is said to be at {there.netloc!r}, another host",
                place=self.template,
                mend="nothing was sent there; correct `paging` if this is right",
            )
        return Call(self.method, target, self.template, {}, self.headers, self.form, self.body)

    def to_http(self) -> httpx2.Request:
        """As httpx2 sends it."""
        content: bytes | None = None
        headers = {"Accept": "application/json", **self.headers}
        if self.form:
            content = str(httpx2.QueryParams(_pairs(self.form))).encode()
            headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        elif self.body is not None:
            content, kind = _content(self.body)
            headers.setdefault("Content-Type", kind)
        url = httpx2.URL(self.url)
        if self.query:
            url = url.copy_with(params=url.params.merge(_pairs(self.query)))
        return httpx2.Request(self.method, url, headers=headers, content=content)


def make_call(
    request: Request,
    base_url: str,
    headers: Mapping[str, str],
    values: Mapping[str, str],
    sites: tuple[str, ...] = (),
) -> Call:
    """Fill a connector's request.

    Raises:
        InputError: a ``{name}`` without a value.
    """
    place = f"{request.method} {request.path}"
    absolute = request.path.startswith(("https://", "http://", "{"))
    target = request.path if absolute else f"{base_url.rstrip('/')}{request.path}"
    return Call(
        method=request.method,
        url=fill_url(target, values, place=place),
        template=request.path,
        query=_filled(request.query, values, place, sites),
        headers=fill({**headers, **request.headers}, values, place=place),
        form=_filled(request.form, values, place, sites),
        body=None if request.body is None else _filled(request.body, values, place, sites),
    )


def _filled(part: Any, values: Mapping[str, str], place: str, sites: tuple[str, ...]) -> Any:
    if part == SITES:
        return list(sites)
    if isinstance(part, Mapping):
        return {key: _filled(value, values, place, sites) for key, value in part.items()}
    if isinstance(part, list):
        return [_filled(value, values, place, sites) for value in part]
    return fill(part, values, place=place)


def _content(body: Any) -> tuple[bytes, str]:
    if isinstance(body, bytes):
        return body, "application/octet-stream"
    if isinstance(body, str):
        return body.encode(), "text/plain"
    return json.dumps(body).encode(), "application/json"


def _put(body: Any, path: str, value: Any) -> Any:
    name, _, rest = path.partition(".")
    if not isinstance(body, dict):
        raise SyncError(f"the body is no object: {path!r} cannot be put into it")
    return {**body, name: _put(body.get(name, {}), rest, value) if rest else value}


def _pairs(fields: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Names and values; a list repeats its name, null leaves it out."""
    return tuple(
        (name, _text(each))
        for name, value in fields.items()
        for each in (value if isinstance(value, (list, tuple)) else (value,))
        if each is not None
    )


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
