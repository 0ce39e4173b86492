"""What goes over the wire, to a web service and to a mail server of this machine; and where nothing
may go."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from typing import Any

import pytest

from meterstone.connect.egress import VENDORS, Egress
from meterstone.errors import InputError
from meterstone.notify.letters import NotDelivered
from meterstone.notify.ways import Ways

SECRET = "a-secret-in-a-url"  # noqa: S105  # of nobody
LOCAL = Ways(Egress(VENDORS.with_loopback()), "https://us.example")
ABROAD = Ways(Egress(VENDORS, resolver=lambda *_: [ip_address("93.184.215.14")]))
OWN_NETWORK = Ways(Egress(VENDORS, resolver=lambda *_: [ip_address("10.0.0.7")]))


@contextmanager
def web(status: int = 200, location: str = "") -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """A service that takes JSON; its port, and what came."""
    came: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            came.append({"path": self.path, **json.loads(body)})
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1], came
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def mail_server(wait_s: float = 5) -> Iterator[tuple[int, list[str]]]:
    """A mail server that takes everything; its port, and what came.

    Args:
        wait_s: so long it waits for a first call.
    """
    came: list[str] = []
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(wait_s)

    def serve() -> None:
        connection, _ = listener.accept()
        connection.settimeout(5)
        with connection, connection.makefile("rw", newline="\r\n") as lines:

            def say(text: str) -> None:
                lines.write(f"{text}\r\n")
                lines.flush()

            say("220 mail")
            data = False
            for line in lines:
                came.append(line.rstrip("\r\n"))
                word = line[:4].upper()
                if data:
                    if line.rstrip("\r\n") == ".":
                        data = False
                        say("250 taken")
                elif word == "DATA":
                    data = True
                    say("354 go on")
                elif word == "QUIT":
                    say("221 bye")
                    return
                else:
                    say("250 good")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], came
    finally:
        thread.join(5)
        listener.close()


def test_a_web_service_gets_title_and_text() -> None:
    with web() as (port, came):
        LOCAL.send(
            f"json://127.0.0.1:{port}/hook", "Severe: Square is down", "Line 1\nLine 2", "sev1"
        )
    [told] = came
    assert (told["path"], told["title"], told["type"]) == (
        "/hook", "Severe: Square is down", "failure",
    )  # fmt: skip
    assert told["message"] == "Line 1\nLine 2"


def test_a_mail_is_plain_text_with_its_title_as_subject() -> None:
    with mail_server() as (port, came):
        url = f"mailto://127.0.0.1:{port}?smtp=127.0.0.1&from=hub@example.com&to=ops@example.com"
        LOCAL.send(url, "Over: Square is down", "Nothing is lost.")
    text = "\n".join(came)
    assert "rcpt to:<ops@example.com>" in text.lower()
    assert "Subject: Over: Square is down" in text
    assert "Nothing is lost." in text


def test_markup_in_a_title_stays_text() -> None:
    with web() as (port, came):
        LOCAL.send(f"json://127.0.0.1:{port}", "<b>x</b> & {{7*7}}", "<script>alert(1)</script>")
    assert came[0]["title"] == "<b>x</b> & {{7*7}}"
    assert came[0]["message"] == "<script>alert(1)</script>"


@pytest.mark.parametrize("status", [302, 400, 500, 503])
def test_what_a_service_does_not_take_is_told(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with web() as (other, elsewhere), web(status, f"http://127.0.0.1:{other}/") as (port, came):
        with pytest.raises(NotDelivered) as told:
            LOCAL.send(f"json://user:{SECRET}@127.0.0.1:{port}/{SECRET}", "t", "b")
        assert not elsewhere  # redirects are not followed
    assert came
    assert SECRET not in f"{told.value!r} {told.value}"
    assert SECRET not in "".join(r.getMessage() for r in caplog.records if r.name == "apprise")


def test_a_service_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NotDelivered):
        LOCAL.send(f"json://127.0.0.1:{port}", "t", "b")


@pytest.mark.parametrize(
    ("url", "way"),
    [
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/", "slack"),
        (f"pagerduty://{'a' * 32}@{'b' * 20}/", "pagerduty"),
        ("discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", "discord"),
        ("mailtos://u:p@example.com?smtp=mail.example.com&to=a@example.com", "mailtos"),
        ("jsons://hooks.example.com/x", "jsons"),
        (
            f"workflows://prod-1.westeurope.logic.azure.com:443/{'a' * 32}/{'b' * 43}",
            "workflows",  # Teams
        ),
    ],
)  # fmt: skip
def test_services_that_people_use(url: str, way: str) -> None:
    assert ABROAD.way(url) == way


@pytest.mark.parametrize(
    "url",
    [
        "", "x", "nothing://host", f"slack://{SECRET}", "file:///etc/passwd", "dbus://",
        "syslog://", "windows://", "json://" + "x" * 3000, "json://a\nb", "json://hooks.example.com",
        "mailto://mail.example.com?from=a@example.com&to=b@example.com&mode=insecure",
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(InputError) as told:
        ABROAD.way(url)
    assert SECRET not in str(told.value)


@pytest.mark.parametrize(
    "url",
    ["jsons://intranet.example/x", "jsons://10.0.0.7/", "mailtos://u:p@mail.example?to=a@example.com",
     "ntfys://ntfy.example/topic"],
)  # fmt: skip
def test_the_own_network_is_not_called(url: str) -> None:
    for use in (OWN_NETWORK.way, lambda given: OWN_NETWORK.send(given, "t", "b")):
        with pytest.raises(InputError, match="not called"):
            use(url)


def test_this_machine_is_not_called_unless_it_may() -> None:
    with web() as (port, came), pytest.raises(InputError):
        Ways(Egress(VENDORS)).send(f"json://127.0.0.1:{port}", "t", "b")
    assert not came


def test_a_host_that_nobody_knows() -> None:
    def nobody(*_: object) -> list[Any]:
        raise OSError("unknown")

    with pytest.raises(NotDelivered, match="not known"):
        Ways(Egress(VENDORS, resolver=nobody)).send("jsons://nobody.example", "t", "b")
