"""The way out: every call to a system that is not ours goes through an :class:`Egress`.

A name is resolved once, all its addresses are checked, and a checked address is dialled: a name
that answers differently a moment later (DNS rebinding) gains nothing, while TLS still verifies the
name. Redirects are not followed and proxies of the environment are not asked, because both would
go around the check.

    client = Egress(VENDORS).client(timeout=30)
    client = Egress(STRANGERS).client(timeout=15, within_s=20)

The check is made when a connection is opened. Addresses behind a NAT64 prefix of the operator's
own (not 64:ff9b::/96) cannot be told from others.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any

import httpcore2
import httpx2

from meterstone.connect.addresses import Address, Network, is_own, resolve, why_not
from meterstone.errors import InputError

SocketOption = httpcore2.SOCKET_OPTION
Resolver = Callable[[str, int], list[Address]]


class EgressRefused(InputError):
    """A call to an address that this kind of call may not reach. Nothing was sent.

    Neither the address nor what answered for the name is told: who may give a URL would learn the
    names of our network from it.
    """


@dataclass(frozen=True, slots=True)
class Allow:
    """What calls of one kind may reach.

    Attributes:
        ports: of public addresses.
        loopback: also this machine at any port, and plain http to it: for the sandbox and tests.
        networks: also these networks, as the operator says: a server in the own house.
    """

    ports: frozenset[int] = frozenset((443, 8443))
    loopback: bool = False
    networks: tuple[Network, ...] = ()

    def refuses(self, address: Address, port: int) -> str:
        """Why this address at this port may not be dialled; empty when it may."""
        if self.loopback and address.is_loopback:
            return ""
        if port not in self.ports:
            return f"port {port} of another machine"
        if any(address in network for network in self.networks):
            return ""
        return why_not(address) or ("an address of this machine" if is_own(address) else "")

    def with_loopback(self, allowed: bool = True) -> Allow:
        """The same, and this machine too."""
        return replace(self, loopback=allowed)


VENDORS = Allow()
"""Systems that connectors name. The sandbox lies on this machine: ``VENDORS.with_loopback()``."""
STRANGERS = Allow()
"""Receivers of our webhooks: a URL that anybody typed."""


class Egress:
    """Makes HTTP clients that reach what ``allow`` allows and nothing else.

    Args:
        allow: which addresses and ports.
        resolver: name and port to addresses; the system's by default.
        verify: whom TLS trusts; the bundled authorities by default.
    """

    def __init__(
        self,
        allow: Allow = VENDORS,
        *,
        resolver: Resolver = resolve,
        verify: ssl.SSLContext | None = None,
    ) -> None:
        self.allow = allow
        self._resolver = resolver
        self._verify = verify or httpx2.create_ssl_context(trust_env=False)

    def with_ports(self, ports: Iterable[int]) -> Egress:
        """The same, and these ports of public addresses too."""
        allow = replace(self.allow, ports=self.allow.ports | frozenset(ports))
        return Egress(allow, resolver=self._resolver, verify=self._verify)

    def client(
        self,
        *,
        timeout: httpx2.Timeout | float = 30.0,
        within_s: float | None = None,
        connections: int = 100,
        **options: Any,
    ) -> httpx2.Client:
        """A client of httpx2.

        Args:
            timeout: of each step (connect, a read, a write), in seconds.
            within_s: the longest life of a connection; a receiver that drips a byte at a time is
                then given up after this. Such a connection is used for one request only.
            connections: the most at once.
            options: of :class:`httpx2.Client`: ``base_url``, ``headers`` …
        """
        return httpx2.Client(
            transport=self.transport(within_s=within_s, connections=connections),
            timeout=timeout,
            trust_env=False,
            follow_redirects=False,
            **options,
        )

    def transport(
        self, *, within_s: float | None = None, connections: int = 100
    ) -> httpx2.BaseTransport:
        """The transport alone, for a library that makes its client itself; see :meth:`client`."""
        return _Transport(self, self._verify, within_s, connections)

    def check(self, url: httpx2.URL | str) -> None:
        """Refuse a URL by its form: for the moment when somebody gives it. What its name stands
        for is checked when it is dialled.

        Raises:
            EgressRefused: not https (on this machine: not http either), or it holds credentials.
        """
        try:
            parsed = httpx2.URL(url)
        except httpx2.InvalidURL as error:
            raise EgressRefused(
                "is no URL", place="the URL", mend="give an https:// URL"
            ) from error
        where = parsed.host or "the URL"
        if parsed.userinfo:
            raise EgressRefused("the URL holds credentials", place=where, mend="leave them out")
        plain = parsed.scheme == "http" and self.allow.loopback and _names_loopback(parsed.host)
        if not parsed.host or not (parsed.scheme == "https" or plain):
            raise EgressRefused("only https is called", place=where, mend="give an https:// URL")
        literal = _literal(parsed.host)
        if literal:
            self._check_address(literal, parsed.port or (80 if plain else 443), where)

    def addresses(self, host: str, port: int) -> list[Address]:
        """The addresses of a name, all of which may be dialled.

        Raises:
            EgressRefused: one of them may not.
            httpcore2.ConnectError: the name is not known.
        """
        literal = _literal(host)
        try:
            found = [literal] if literal else self._resolver(host, port)
        except OSError as error:
            raise httpcore2.ConnectError(f"the name cannot be resolved: {error}") from error
        if not found:
            raise httpcore2.ConnectError("the name has no address")
        for address in found:
            self._check_address(address, port, host)
        return found

    def _check_address(self, address: Address, port: int, where: str) -> None:
        why = self.allow.refuses(address, port)
        if why:
            raise EgressRefused(
                f"this is {why}, which is not called",
                place=where,
                mend="give a public https address at port 443 or 8443"
                " (METERSTONE_ALLOW_LOOPBACK=1 allows this machine, for the sandbox)",
            )


class _Transport(httpx2.HTTPTransport):
    """httpx2's transport on a pool that dials through the guard."""

    def __init__(
        self, egress: Egress, verify: ssl.SSLContext, within_s: float | None, connections: int
    ) -> None:
        super().__init__(verify=verify, trust_env=False)
        self._egress = egress
        # the one place of httpx2 at which a network backend can be given; a test holds it
        self._pool = httpcore2.ConnectionPool(
            ssl_context=verify,
            max_connections=connections,
            max_keepalive_connections=0 if within_s else connections,
            keepalive_expiry=5.0,
            network_backend=_Backend(egress, within_s),
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self._egress.check(request.url)
        return super().handle_request(request)


class _Backend(httpcore2.NetworkBackend):
    """Dials only what the guard has checked."""

    def __init__(self, egress: Egress, within_s: float | None) -> None:
        self._egress = egress
        self._within_s = within_s
        self._dial = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002  # a pool of ours gives none
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore2.NetworkStream:
        until = time.monotonic() + self._within_s if self._within_s else None
        *others, last = self._egress.addresses(host, port)
        options = list(socket_options or ())
        for address in others:
            try:
                stream = self._dial.connect_tcp(str(address), port, timeout, None, options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
            return _limited(stream, until)
        return _limited(self._dial.connect_tcp(str(last), port, timeout, None, options), until)


def _limited(stream: httpcore2.NetworkStream, until: float | None) -> httpcore2.NetworkStream:
    return stream if until is None else _Limited(stream, until)


class _Limited(httpcore2.NetworkStream):
    """A stream that times out at a moment, however often a byte comes."""

    def __init__(self, stream: httpcore2.NetworkStream, until: float) -> None:
        self._stream = stream
        self._until = until

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._left(timeout, httpcore2.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._left(timeout, httpcore2.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        left = self._left(timeout, httpcore2.ConnectTimeout)
        return _Limited(self._stream.start_tls(ssl_context, server_hostname, left), self._until)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def _left(self, timeout: float | None, late: type[httpcore2.TimeoutException]) -> float:
        left = self._until - time.monotonic()
        if left <= 0:
            raise late("the whole exchange took too long")
        return left if timeout is None else min(timeout, left)


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        return None


def _names_loopback(host: str) -> bool:
    literal = _literal(host)
    return literal.is_loopback if literal else host == "localhost"
