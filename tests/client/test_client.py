"""The client against the whole house: typed answers, pages, tags, refusals and limits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import httpx2
import msgspec
import pytest
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from homes import probe_line
from meterstone.client import ApiError, Client, TooManyRequests
from meterstone.client.model import ScorecardOf
from meterstone.measure.results import Scope
from meterstone.people.principals import can_give, principal_of
from meterstone.people.rights import Role
from meterstone.record.model import facts_of_ours
from meterstone.scorecard.canonical import canonical
from visitors import person
from whole import House, whole_house


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with whole_house(tmp_path_factory.mktemp("client")) as served:
        day = served.home.last_day
        probe = probe_line(f"{day}T12:00:00Z")
        served.home.recorder.land(facts_of_ours(probe.encode(), "probe", "hub"))
        served.home.evaluator.run_once()
        served.home.watch.look()
        yield served


@pytest.fixture
def client(house: House) -> Client:
    people = house.home.people
    who = person(people, Role.ADMIN)
    with house.home.ledger.read() as seen:
        rights = can_give(principal_of(seen.people.get(who)))
    return client_of(house.app, people.tokens.make(who, "a test", rights, 1).secret)


def client_of(app: ASGIApp, secret: str, waits: list[float] | None = None) -> Client:
    http = TestClient(app, raise_server_exceptions=False)
    return Client("", secret, http=http, sleep=(waits if waits is not None else []).append)


def test_a_scorecard_is_that_of_the_board_and_is_not_sent_twice(
    house: House, client: Client
) -> None:
    kept = house.home.board.card(Scope("network"))
    assert kept is not None
    read = client.scorecard()
    assert read.content_hash == kept.hash
    assert client.signed_scorecard() == kept.body
    assert client.scorecard(day=kept.day) == read
    assert client.scorecard() == read, "from the tag"
    assert canonical(msgspec.to_builtins(read)) == kept.body
    square = next(row for row in client.scorecards("integration") if row.key == "square")
    assert (square.name, square.days) == ("square", 1)


def test_metrics_gates_history_and_now_have_their_types(client: Client) -> None:
    (up,) = [metric for metric in client.metrics() if metric.id == "up"]
    assert up.value == 100.0
    assert list(client.metrics(verdict="not_met", system="Nothing")) == []
    at = client.metric("up", "integration:square")
    assert at.result is not None
    assert at.result["value"] == 100.0
    assert at.definition.unit == "%"
    assert [day.value for day in client.history("up")][-1] == 100.0
    gates = client.gates()
    assert [client.gate(gate.id) for gate in gates] == list(gates)
    assert client.now().sentence
    assert list(client.integrations()) == []
    assert list(client.incidents(open=True)) == []
    assert list(client.alerts(["firing"])) == []
    assert list(client.connections()) == []
    assert list(client.discrepancies()) == []
    assert client.me().role == "admin"
    assert "track_performance_metrics" in client.framework("IntegrationHealthMonitor")


def test_what_is_done_is_on_record(house: House, client: Client) -> None:
    start = datetime.now(UTC) + timedelta(days=1)
    window = client.approve_maintenance(start, start + timedelta(hours=1), "works", "network")
    assert (window.reason, window.scope) == ("works", "network")
    columns = {"recognition_id": "r", "issuer": "i", "title": "t", "awarded_at": "2026-01-02"}
    with pytest.raises(ApiError) as caught:
        client.attest(
            "recogniton", columns, person="p", role="r", expires_at=start, evidence_uri="https://e"
        )
    assert caught.value.status == 400
    assert "recognition" in caught.value.mend
    with pytest.raises(ApiError, match="unknown connection") as missing:
        client.sync("con_0")
    assert (missing.value.status, missing.value.kind) == (404, "NotFound")


def test_a_report_is_waited_for_and_fetched(house: House, client: Client) -> None:
    made: list[float] = []

    def work(seconds: float) -> None:
        if not made:
            with house.home.ledger.read() as seen:
                (run,) = seen.reports.all()
            house.home.reports.make(run.id)
        made.append(seconds)

    client._sleep = work
    report = client.make_report("daily")
    assert report.state == "made"
    (sheet,) = [file for file in report.files if file.name.endswith(".xlsx")]
    content = client.report_file(report.id, sheet.name)
    assert sha256(content).hexdigest() == sheet.sha256
    assert next(client.reports()).id == report.id
    with pytest.raises(ApiError, match="not made within"):
        client.make_report("daily", wait_s=0)


def test_lists_are_read_page_after_page(client: Client) -> None:
    every = list(client._wire.pages("/scorecards", ScorecardOf, limit=1))
    assert every == list(client.scorecards())
    assert [row.kind for row in every][-1] == "network"


def test_refusals_say_what_to_do_next(house: House, client: Client) -> None:
    with pytest.raises(ApiError, match="no gate") as caught:
        client.gate("success_declarations")
    assert caught.value.status == 404
    with pytest.raises(ApiError) as stranger:
        client_of(house.app, "mst_wrong").me()
    assert stranger.value.status == 401
    assert "mst_wrong" not in str(stranger.value)
    assert "mst" not in repr(client)


def test_limits_are_waited_for_and_a_dead_server_is_named() -> None:
    asked: list[float] = []

    def busy(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/gates"):
            return httpx2.Response(200, content=b"<html>")
        return httpx2.Response(429, headers={"Retry-After": "7"}, json={"detail": "slow down"})

    http = httpx2.Client(transport=httpx2.MockTransport(busy), base_url="http://x")
    with Client("http://x", "t", http=http, sleep=asked.append) as client:
        with pytest.raises(TooManyRequests, match="slow down"):
            client.me()
        with pytest.raises(ApiError, match="not what this client knows"):
            client.gates()
    assert asked == [7.0, 7.0]
    with (
        Client("http://127.0.0.1:9", "t") as nobody,
        pytest.raises(ApiError, match="cannot be reached"),
    ):
        nobody.me()
