"""The guard on every call to the outside: which addresses, and that what was checked is dialled."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterstone.connect.addresses import Address, why_not
from meterstone.connect.egress import STRANGERS, VENDORS, Allow, Egress, EgressRefused
from meterstone.errors import InputError
from meterstone.settings import allowed_networks

from .authority import Authority

LOOPBACK = ip_address("127.0.0.1")
PUBLIC = ip_address("93.184.215.14")

INSIDE = [
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8",
    "169.254.0.0/16", "0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "192.0.0.0/24",
    "198.18.0.0/15", "168.63.129.16/32",
]  # fmt: skip


def inside() -> st.SearchStrategy[IPv4Address]:
    """IPv4 addresses that must never be dialled."""
    return st.sampled_from(INSIDE).flatmap(lambda text: st.ip_addresses(network=text))


@given(inside())
def test_no_inner_address_of_ipv4_is_dialled(address: IPv4Address) -> None:
    assert why_not(address)


@given(
    inside(),
    st.sampled_from(["::ffff:0:0/96", "::/96", "64:ff9b::/96", "64:ff9b:1::/96", "2002::/16"]),
)
def test_no_ipv6_address_carries_an_inner_one(address: IPv4Address, prefix: str) -> None:
    network = ip_network(prefix)
    shift = 80 if prefix == "2002::/16" else 0
    carrier = IPv6Address(int(network.network_address) | (int(address) << shift))
    assert why_not(carrier)


@given(inside(), st.integers(0, 2**32 - 1), st.sampled_from([0x00005EFE, 0x02005EFE]))
def test_teredo_and_isatap_are_refused(address: IPv4Address, other: int, isatap: int) -> None:
    teredo = IPv6Address((0x20010000 << 96) | (other << 64) | (int(address) ^ 0xFFFFFFFF))
    tunnel = IPv6Address((0x2A00 << 112) | (other << 64) | (isatap << 32) | int(address))
    assert why_not(teredo)
    assert why_not(tunnel)


@given(st.ip_addresses())
def test_what_python_holds_for_not_global_is_never_dialled(address: Address) -> None:
    if not address.is_global:
        assert why_not(address)


@given(st.ip_addresses(v=6))
def test_of_ipv6_only_what_is_given_out_is_dialled(address: IPv6Address) -> None:
    if address not in IPv6Network("2000::/3"):
        assert why_not(address)


@pytest.mark.parametrize(
    "text", ["93.184.215.14", "1.1.1.1", "168.63.129.17", "100.63.255.255", "2606:4700::1111"]
)
def test_public_addresses_are_dialled(text: str) -> None:
    assert why_not(ip_address(text)) == ""


def test_the_loopback_of_the_sandbox_is_an_explicit_choice() -> None:
    assert VENDORS.refuses(LOOPBACK, 443)
    assert VENDORS.with_loopback().refuses(LOOPBACK, 55001) == ""
    assert VENDORS.with_loopback().refuses(ip_address("10.0.0.1"), 443)
    assert VENDORS.with_loopback().refuses(PUBLIC, 55001)


def test_a_network_of_the_own_house_is_an_explicit_choice() -> None:
    house = Allow(networks=(ip_network("10.1.0.0/16"),))
    assert house.refuses(ip_address("10.1.2.3"), 443) == ""
    assert house.refuses(ip_address("10.2.2.3"), 443)
    assert house.refuses(ip_address("10.1.2.3"), 22)


def test_networks_are_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METERSTONE_ALLOW_NETWORKS", "10.1.0.0/16, fd00::/8")
    assert list(map(str, allowed_networks())) == ["10.1.0.0/16", "fd00::/8"]
    monkeypatch.setenv("METERSTONE_ALLOW_NETWORKS", "10.1.0.1/16")
    with pytest.raises(InputError, match="host bits"):
        allowed_networks()


def test_an_address_of_the_machine_itself_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meterstone.connect.egress.why_not", lambda _address: "")
    assert STRANGERS.refuses(LOOPBACK, 443) == "an address of this machine"
    assert STRANGERS.refuses(PUBLIC, 443) == ""


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "https://user:pass@example.com/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://169.254.169.254/latest/meta-data",
        "https://[fd00:ec2::254]/",
        "https://93.184.215.14:22/",
        "file:///etc/passwd",
        "https://[::1",
        "https://0177.0.0.1/",
        "https://exa mple.com:port/",
        "",
    ],
)
def test_a_url_is_refused_when_it_is_given(url: str) -> None:
    with pytest.raises(EgressRefused) as refused:
        Egress(STRANGERS).check(url)
    assert refused.value.mend
    assert "pass" not in str(refused.value)


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f.0.0.1", "0177.1", "localhost"])
def test_other_spellings_of_loopback_are_refused_when_dialled(host: str) -> None:
    with Egress(STRANGERS).client() as client, pytest.raises(EgressRefused):
        client.get(f"https://{host}/")


def test_one_inner_address_among_public_ones_refuses_the_name() -> None:
    egress = Egress(STRANGERS, resolver=lambda _host, _port: [PUBLIC, ip_address("10.0.0.1")])
    with egress.client() as client, pytest.raises(EgressRefused, match="private"):
        client.get("https://hooks.example/")


def test_a_name_without_an_address_is_an_error_of_the_network() -> None:
    def unknown(_host: str, _port: int) -> list[Address]:
        raise socket.gaierror("Name or service not known")

    for resolver in (unknown, lambda _host, _port: []):
        with Egress(resolver=resolver).client() as client, pytest.raises(httpx2.ConnectError):
            client.get("https://hooks.example/")


def test_what_was_checked_is_dialled_though_the_name_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rebinding: the first answer is public, every later one is the machine itself."""
    answers = iter([[PUBLIC], [LOOPBACK], [LOOPBACK]])
    dialled: list[str] = []

    def connect(address: tuple[str, int], *_args: object, **_more: object) -> socket.socket:
        dialled.append(address[0])
        raise OSError("nobody is there")

    monkeypatch.setattr(socket, "create_connection", connect)
    egress = Egress(STRANGERS, resolver=lambda _host, _port: next(answers))
    with egress.client() as client:
        with pytest.raises(httpx2.ConnectError):
            client.get("https://rebind.example/")
        with pytest.raises(EgressRefused):
            client.get("https://rebind.example/")
    assert dialled == [str(PUBLIC)]


class _Answers(BaseHTTPRequestHandler):
    """Answers as its server's ``script`` says; knows the Host that was asked for."""

    def do_GET(self) -> None:
        self.server.script(self)  # type: ignore[attr-defined]

    def log_message(self, *_args: object) -> None:
        """Silent."""


@contextmanager
def serving(
    script: Callable[[BaseHTTPRequestHandler], None], tls: ssl.SSLContext | None = None
) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    server.daemon_threads = True
    server.script = script  # type: ignore[attr-defined]
    server.handle_error = lambda *_args: None  # type: ignore[method-assign]
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def say(text: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def script(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text.encode())

    return script


def test_tls_verifies_the_name_while_the_checked_address_is_dialled(tmp_path: Path) -> None:
    authority = Authority()
    to_loopback = Egress(
        VENDORS.with_loopback(),
        resolver=lambda _host, _port: [LOOPBACK],
        verify=authority.trusted(),
    )
    with (
        serving(say("hello"), authority.server("good.example", tmp_path)) as port,
        to_loopback.client() as client,
    ):
        assert client.get(f"https://good.example:{port}/").text == "hello"
        with pytest.raises(httpx2.ConnectError, match="certificate verify failed"):
            client.get(f"https://other.example:{port}/")


def test_a_second_address_is_tried_when_the_first_is_silent() -> None:
    with closing(socket.create_server(("127.0.0.2", 0))) as taken:
        port = taken.getsockname()[1]
    with serving(say("hello")) as port:
        egress = Egress(
            VENDORS.with_loopback(),
            resolver=lambda _host, _port: [ip_address("127.0.0.3"), LOOPBACK],
        )
        with egress.client() as client:
            assert client.get(f"http://localhost:{port}/").text == "hello"


def test_redirects_and_proxies_of_the_environment_are_not_followed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def redirect(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", "http://169.254.169.254/")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    with serving(redirect) as port, Egress(VENDORS.with_loopback()).client() as client:
        assert client.get(f"http://127.0.0.1:{port}/").status_code == 302


def test_a_receiver_that_drips_is_given_up() -> None:
    stop = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        while not stop.wait(0.02):
            handler.wfile.write(b".")

    egress = Egress(VENDORS.with_loopback())
    begun = time.monotonic()
    with serving(drip) as port, egress.client(timeout=5, within_s=0.3) as client:
        with pytest.raises(httpx2.TimeoutException):
            client.get(f"http://127.0.0.1:{port}/")
        stop.set()
    assert time.monotonic() - begun < 30
