"""``meterstone up``: one process, one line, and a stop that loses nothing."""

from __future__ import annotations

import itertools
import json
import re
import signal
import socket
import threading
from datetime import UTC, datetime

import httpx2
import pytest

from homes import probe_line
from meterstone import cli
from meterstone.app import Home
from meterstone.ledger import Ledger
from meterstone.people.rights import Right
from meterstone.people.service import House
from running import LIMIT_S, running
from visitors import bearer


class Sender:
    """Sends probes one after the other until the server is gone; keeps what was acknowledged."""

    def __init__(self, address: str, headers: dict[str, str]) -> None:
        self.acknowledged: list[str] = []
        self.enough = threading.Event()
        self._address, self._headers = address, headers
        self._thread = threading.Thread(target=self._send)

    def __enter__(self) -> Sender:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()

    def _send(self) -> None:
        at = datetime.now(UTC).isoformat()
        sent = {"Content-Type": "application/x-ndjson", **self._headers}
        with httpx2.Client(base_url=self._address, headers=sent) as client:
            for number in itertools.count():
                name = f"probe-{number}"
                try:
                    answer = client.post("/v1/facts", content=probe_line(at, probe_id=name))
                except httpx2.TransportError:
                    return
                if answer.status_code != httpx2.codes.OK:
                    return
                self.acknowledged.append(name)
                if number >= 50:
                    self.enough.set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_under_load_is_quick_and_loses_nothing(tmp_path, number):
    with running(tmp_path, "up") as up:
        with Ledger.open(tmp_path) as ledger:
            headers = bearer(House(ledger), Right.INGEST)
        with Sender(up.address, headers) as sender:
            assert sender.enough.wait(120)
            code, took_s = up.stop(number)
        assert code == 0
        assert took_s < LIMIT_S
    with Home(tmp_path) as home:
        home.recorder.map_new()
        rows = home.warehouse.query("SELECT probe_id FROM facts.probe").to_pylist()
    assert set(sender.acknowledged) <= {row["probe_id"] for row in rows}


def test_the_first_start_gives_the_set_up_link_and_later_ones_do_not(tmp_path):
    with running(tmp_path, "up") as up:
        link = up.said["set_up"]
        assert link.startswith(f"{up.address}/setup?link=")
        with httpx2.Client(headers={"Accept": "text/html"}) as browser:
            page = browser.get(link)
            assert page.status_code == httpx2.codes.OK
            token = re.search(r'name="csrf" value="([^"]+)"', page.text)
            assert token is not None
            typed = {
                "csrf": token[1], "link": link.partition("=")[2], "name": "ada", "called": "Ada",
                "password": "four words not together", "again": "four words not together",
            }  # fmt: skip
            made = browser.post(f"{up.address}/setup", data=typed)
            assert (made.status_code, made.headers["location"]) == (303, "/")
            assert browser.get(f"{up.address}/account").status_code == httpx2.codes.OK
            assert browser.get(link).status_code == httpx2.codes.NOT_FOUND
        assert httpx2.get(f"{up.address}/account").status_code == httpx2.codes.UNAUTHORIZED
        assert up.stop()[0] == 0
    with running(tmp_path, "up") as again:
        assert again.said["set_up"] is None


def test_the_set_up_link_is_where_people_call_us(tmp_path):
    public = {"METERSTONE_PUBLIC_URL": "https://hub.example"}
    with running(tmp_path, "up", environment=public) as up:
        assert up.said["set_up"].startswith("https://hub.example/setup?link=")
        cookie = httpx2.get(f"{up.address}/login").headers["set-cookie"]
        assert cookie.startswith("__Host-meterstone_visit=")
        assert "Secure" in cookie


def test_an_address_that_is_taken(tmp_path, monkeypatch, capfd):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        words = ["meterstone", "up", "--port", str(port), "--home", str(tmp_path), "--json"]
        monkeypatch.setattr("sys.argv", words)
        with pytest.raises(SystemExit) as ended:
            cli.main()
    assert ended.value.code == 2
    said = json.loads(capfd.readouterr().out)
    assert "--port" in said["mend"]
