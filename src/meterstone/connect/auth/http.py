"""One request to a token endpoint, bounded in time and size, never redirected."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx2

from meterstone.connect.auth.base import CredentialUnavailable
from meterstone.connect.egress import Egress

Send = Callable[[httpx2.Request], httpx2.Response]
"""Sends a request and gives the response with its body read, or raises CredentialUnavailable."""

DEADLINE_S = 30.0
"""For the whole exchange. A lease on a token must live longer than this."""
_MOST_BYTES = 1 << 20
_NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)


def token_client(egress: Egress) -> httpx2.Client:
    """A client for token endpoints: through the guard, no redirects, bounded as a whole."""
    return egress.client(timeout=httpx2.Timeout(15.0, connect=10.0), within_s=DEADLINE_S)


def sender(client: httpx2.Client, *, deadline_s: float = DEADLINE_S) -> Send:
    """A `Send` over a client."""
    return lambda request: _send(client, request, deadline_s)


def tls_version(egress: Egress, url: str) -> str:
    """The version of TLS that a host speaks with us, such as ``TLSv1.3``; empty where none.

    Raises:
        CredentialUnavailable: it does not answer.
    """
    try:
        with token_client(egress) as client, client.stream("HEAD", url) as response:
            wire = response.extensions["network_stream"].get_extra_info("ssl_object")
    except httpx2.HTTPError as error:
        raise _no_answer(httpx2.URL(url), error) from None
    return str(wire.version()) if wire else ""


def _send(client: httpx2.Client, request: httpx2.Request, deadline_s: float) -> httpx2.Response:
    ends = time.monotonic() + deadline_s
    try:
        response = client.send(request, stream=True)
        try:
            body = _read(response, ends)
        finally:
            response.close()
    except httpx2.HTTPError as error:
        raise _no_answer(request.url, error) from None
    headers = {
        name: value
        for name, value in response.headers.items()
        if name not in ("content-encoding", "content-length", "transfer-encoding")
    }
    return httpx2.Response(response.status_code, headers=headers, content=body, request=request)


def _no_answer(url: httpx2.URL, error: httpx2.HTTPError) -> CredentialUnavailable:
    """Its own text may hold the URL; the kind of error and the host say enough."""
    return CredentialUnavailable(
        f"{url.host} did not answer ({type(error).__name__})",
        mend="it is tried again by itself",
        sent=not isinstance(error, _NEVER_SENT),
    )


def _read(response: httpx2.Response, ends: float) -> bytes:
    parts, size = [], 0
    for part in response.iter_bytes():
        size += len(part)
        if size > _MOST_BYTES:
            raise httpx2.RemoteProtocolError("answer too large")
        if time.monotonic() > ends:
            raise httpx2.ReadTimeout("answer too slow")
        parts.append(part)
    return b"".join(parts)
