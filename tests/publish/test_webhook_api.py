"""Webhooks out over the API and the command line; secrets are told once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from apis import api_over
from homes import Meterstone
from meterstone.app import Home
from meterstone.connect.egress import STRANGERS, Egress
from meterstone.publish.outbound.service import Webhooks

from .receivers import Receiver, receiving

API = "/api/v1/webhooks"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with Home(tmp_path / "home") as opened:
        opened.strangers_egress = Egress(STRANGERS.with_loopback())
        yield opened


@pytest.fixture
def client(home: Home) -> Iterator[TestClient]:
    def webhooks(actor: str) -> Webhooks:
        return Webhooks(home.ledger, actor, home.strangers_egress)

    with TestClient(api_over(ledger=home.ledger, webhooks=webhooks)) as opened:
        yield opened


def post(client: TestClient, path: str, **sent: Any) -> Any:
    return client.post(f"{API}{path}", json=sent)


def test_an_endpoint_from_its_first_day_to_its_last(client: TestClient, home: Home) -> None:
    receiver = Receiver()
    with receiving(receiver):
        answer = post(client, "", url=receiver.url, event_types=["connection.broken"])
        assert answer.status_code == 201
        added = answer.json()
        assert added["secret"].startswith("whsec_")
        one = f"/{added['id']}"
        sent = post(client, f"{one}/test").json()["message"]
        while home.deliverer.step():
            pass
        (attempt,) = client.get(f"{API}{one}/messages/{sent}/attempts").json()
        assert (attempt["outcome"], attempt["status_code"]) == ("delivered", 200)
        assert post(client, f"{one}/rotate").json()["secret"] != added["secret"]
        replayed = post(client, f"{one}/replay", since="2026-01-01T00:00:00Z")
        assert (replayed.status_code, replayed.json()) == (202, {"messages": 0})
    (listed,) = client.get(API).json()
    assert listed["deliveries"] == {"delivered": 1}
    assert "secret" not in json.dumps(listed)
    assert client.delete(f"{API}{one}").status_code == 204
    assert client.get(API).json() == []
    home.deliverer.stop()


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ({"url": "http://example.com/"}, "only https is called"),
        ({"url": "https://10.0.0.1/"}, "private address"),
        ({"url": "https://example.com/", "event_types": ["x"]}, "unknown event type"),
        ({"address": "https://example.com/"}, "url"),
    ],
)
def test_what_is_wrong_is_said(client: TestClient, sent: dict[str, Any], told: str) -> None:
    answer = post(client, "", **sent)
    assert answer.status_code in (400, 422)
    assert told in answer.text


def test_a_form_of_another_site_does_nothing(client: TestClient) -> None:
    for path in ("", "/ep_1/test", "/ep_1/rotate", "/ep_1/enable", "/ep_1/replay"):
        answer = client.post(f"{API}{path}", content=b"{}", headers={"Content-Type": "text/plain"})
        assert answer.status_code == 415
    assert client.get(API).json() == []


def test_an_unknown_endpoint_is_named(client: TestClient) -> None:
    answer = post(client, "/ep_0/test")
    assert answer.status_code == 404
    assert "no such endpoint" in answer.text


def test_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    meterstone = Meterstone(tmp_path / "home", monkeypatch, capfd)
    added = meterstone("webhooks", "add", "https://example.com/hook", "--json").json
    assert added["secret"].startswith("whsec_")
    refused = meterstone("webhooks", "add", "http://example.com/")
    assert (refused.code, "only https is called" in refused.err) == (2, True)
    (listed,) = meterstone("webhooks", "list", "--json").json
    assert listed["id"] == added["id"]
    monkeypatch.setenv("VENDOR_KEY", "the key of the vendor")
    hook = meterstone(
        "hooks", "add", "square", "--public-url", "https://hub.example", "--key-env", "VENDOR_KEY",
        "--json",
    ).json  # fmt: skip
    assert hook["url"].startswith("https://hub.example/hooks/square/")
    shown = meterstone("hooks", "list")
    assert hook["url"].rpartition(".")[2] not in shown.out
    assert "the key" not in shown.out
    meterstone("hooks", "remove", hook["id"])
    meterstone("webhooks", "remove", added["id"])
    assert meterstone("webhooks", "list", "--json").json == []
