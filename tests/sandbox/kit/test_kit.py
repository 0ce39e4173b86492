"""The kit of the stand-ins: records, sign-in, faults, limits, webhooks, and all of it over HTTP."""

from __future__ import annotations

import base64
import hashlib
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from meterstone.errors import InputError
from meterstone.sandbox.kit import (
    CHANGED,
    Account,
    Accounts,
    Books,
    Clock,
    Concurrent,
    Consent,
    Entity,
    Faults,
    Key,
    Limits,
    Rate,
    Refused,
    Rules,
    Schedule,
    Sender,
    Target,
    Vendor,
    micros,
    moment,
    running,
)
from meterstone.sandbox.kit.entity import Record
from meterstone.sandbox.network import preset, simulate

NOW = datetime(2026, 10, 1, 12, tzinfo=UTC)


class Time:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at, self.seconds = NOW, 0.0
        self.clock = Clock(lambda: self.at, lambda: self.seconds)

    def pass_(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        self.seconds += seconds


@pytest.fixture
def time() -> Time:
    return Time()


def stamp(record: Record, at: datetime) -> None:
    record["changed"] = micros(at)


def entity(clock: Clock, count: int = 10, every: int = 1) -> Entity:
    """Records r0 … of which `every` follow each other have the same time of change."""
    changed = [micros(NOW) - (count - n) // every * 1_000_000 for n in range(count)]
    rows = [{"id": f"r{n}", "changed": changed[n], "shop": f"F{n % 2}"} for n in range(count)]
    return Entity(
        "things", clock, ids=[row["id"] for row in rows], rows=rows, stamp=stamp,
        keys={
            CHANGED: Key(np.array(changed), lambda record: record["changed"]),
            "shop": Key([row["shop"] for row in rows], lambda r: r["shop"], text=True),
        },
    )  # fmt: skip


def walk(things: Entity, size: int, **question: Any) -> list[str]:
    seen, mark = [], ""
    while True:
        records, following = things.select(**question).after(mark, size)
        seen += [record["id"] for record in records]
        if following is None:
            return seen
        mark = following


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("size", [1, 3, 10, 11])
def test_pages_hold_every_record_once_also_where_times_are_equal(
    time: Time, size: int, descending: bool
) -> None:
    expected = [f"r{n}" for n in range(10)]
    seen = walk(entity(time.clock, every=4), size, descending=descending)
    assert seen == (expected[::-1] if descending else expected)


def test_records_are_picked_by_time_and_by_key(time: Time) -> None:
    things = entity(time.clock)
    since = NOW - timedelta(seconds=4)
    assert walk(things, 2, since=since) == ["r6", "r7", "r8", "r9"]
    assert walk(things, 2, since=since, shop="F1") == ["r7", "r9"]
    assert walk(things, 2, shop=["F0", "F1"], until=since, only=["r1", "r8"]) == ["r1"]


def test_an_edit_moves_a_record_to_the_end_and_is_told(time: Time) -> None:
    things, told = entity(time.clock), []
    things.listen(told.append)
    time.pass_(60)
    things.edit("r2", {"shop": "F9"})
    things.put({"id": "new", "shop": "F9"})
    things.delete("r3")
    assert walk(things, 4, shop="F9") == ["r2", "new"]
    assert things.get("r3") is None
    assert things.get("r3", deleted=True) == {"id": "r3", "changed": micros(time.at), "shop": "F1"}
    assert [(c.id, c.kind) for c in told] == [
        ("r2", "updated"), ("new", "created"), ("r3", "deleted")
    ]  # fmt: skip
    assert walk(things, 3, deleted=None)[-3:] == ["r2", "r3", "new"]
    assert len(things) == 10


def test_a_silent_edit_leaves_the_time_of_change(time: Time) -> None:
    things, told = entity(time.clock), []
    things.listen(told.append)
    before = things.get("r2") or {}
    things.edit("r2", {"shop": "F9"}, silent=True)
    assert things.get("r2") == {**before, "shop": "F9"}
    assert told[0].silent


def test_what_is_given_out_is_a_copy(time: Time) -> None:
    things = entity(time.clock)
    things.put({"id": "new", "shop": "F1", "deep": {"a": 1}})
    (things.get("new") or {})["deep"]["a"] = 2
    assert (things.get("new") or {})["deep"] == {"a": 1}


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Books:
    folder = tmp_path_factory.mktemp("network")
    simulate(preset("honest", shops=6, months=3, telemetry_days=None, seed=1), folder)
    return Books(folder)


def test_books_hold_the_newest_version_and_what_was_deleted(books: Books) -> None:
    rows = books.rows("payment", "square")
    ids = rows.column("payment_id")
    assert len(set(ids)) == len(ids) > 100
    deleted = [i for i, gone in zip(ids, rows.retracted.to_pylist(), strict=True) if gone]
    assert deleted == ["P-mistake"]
    assert not {"P-staging", "P-synthetic"} & set(ids)
    refunded = [row for row in books.rows("payment").all if row["refund"]]
    assert refunded
    assert {row["source"] for row in rows.all} == {"square"}
    assert max(rows.versions.to_pylist()) == 2


def test_books_of_no_network_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no simulated facts"):
        Books(tmp_path)


def signed_in(time: Time, **rules: Any) -> tuple[Accounts, str, str]:
    accounts = Accounts(time.clock, Rules(access=timedelta(hours=1), **rules), seed=1, name="acme")
    client = accounts.register("https://app.example/callback")
    return accounts, client.id, client.secret


def challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def test_a_code_works_once_in_its_time_with_its_verifier(time: Time) -> None:
    accounts, id_, secret = signed_in(time)

    def code() -> str:
        return accounts.authorize(
            id_, "https://app.example/callback", ["read"], "M1", challenge=challenge("v" * 43)
        )

    with pytest.raises(Refused, match="verifier"):
        accounts.exchange(id_, None, code(), verifier="w" * 43)
    with pytest.raises(Refused, match="invalid_client"):
        accounts.exchange(id_, "wrong", code(), verifier="v" * 43)
    late = code()
    time.pass_(301)
    with pytest.raises(Refused, match="expired"):
        accounts.exchange(id_, secret, late, verifier="v" * 43)
    good = code()
    tokens = accounts.exchange(id_, secret, good, verifier="v" * 43)
    assert accounts.check(tokens.access).account == "M1"
    with pytest.raises(Refused, match="used before"):
        accounts.exchange(id_, secret, good, verifier="v" * 43)
    with pytest.raises(Refused) as refused:  # a code that is used twice costs its tokens
        accounts.check(tokens.access)
    assert refused.value.why == "revoked"


def test_rotation_revokes_the_family_of_a_token_that_is_used_twice(time: Time) -> None:
    accounts, id_, secret = signed_in(time, rotates="always", reuse="revoke")
    first = accounts.grant("M1", id_)
    second = accounts.refresh(id_, secret, first.refresh or "")
    assert second.refresh != first.refresh
    with pytest.raises(Refused, match="used before"):
        accounts.refresh(id_, secret, first.refresh or "")
    with pytest.raises(Refused, match="revoked"):
        accounts.refresh(id_, secret, second.refresh or "")
    assert accounts.counts["reused"] == 1


def test_without_rotation_the_refresh_token_stays(time: Time) -> None:
    accounts, id_, secret = signed_in(time)
    first = accounts.grant("M1", id_)
    time.pass_(3601)
    with pytest.raises(Refused) as refused:
        accounts.check(first.access)
    assert refused.value.why == "expired"
    second = accounts.refresh(id_, secret, first.refresh or "")
    assert second.refresh == first.refresh
    accounts.revoke(access=second.access, family=False)
    with pytest.raises(Refused, match="revoked"):
        accounts.check(second.access)
    assert accounts.check(accounts.refresh(id_, secret, first.refresh or "").access)
    accounts.revoke_account("M1")
    with pytest.raises(Refused, match="revoked"):
        accounts.refresh(id_, secret, first.refresh or "")


def test_limits_fill_again(time: Time) -> None:
    limits = Limits(time.clock, [Rate(2, 1.0), Concurrent(5)])
    assert [limits.take("a")[0] for _ in range(2)] == [None, None]
    refused, _ = limits.take("a")
    assert refused == pytest.approx(0.5)
    assert limits.take("b")[0] is None
    time.pass_(0.5)
    assert limits.take("a")[0] is None


def test_limits_bound_what_runs_at_the_same_time(time: Time) -> None:
    limits = Limits(time.clock, [Concurrent(2)])
    assert [limits.take("a")[0] for _ in range(3)] == [None, None, 1.0]
    limits.done("a")
    assert limits.take("a")[0] is None


def test_a_fault_strikes_a_share_by_the_seed_for_its_time(time: Time) -> None:
    def struck(seed: int) -> list[bool]:
        faults = Faults(time.clock, seed=seed)
        faults.switch_on("error", share=0.5, for_s=10)
        return [faults.strikes("error", "/v2") is not None for _ in range(40)]

    assert struck(1) == struck(1) != struck(2)
    assert 8 < sum(struck(1)) < 32
    faults = Faults(time.clock, seed=1)
    faults.switch_on("lost", count=2)
    faults.switch_on("error", for_s=10, paths="^/v2/pay")
    assert [bool(faults.strikes("lost")) for _ in range(3)] == [True, True, False]
    assert faults.strikes("error", "/v2/orders") is None
    assert faults.strikes("error", "/v2/payments")
    time.pass_(11)
    assert faults.strikes("error", "/v2/payments") is None
    with pytest.raises(InputError, match="latency"):
        faults.switch_on("latenzy")


# over HTTP


def acme(clock: Clock | None = None, *, waits: tuple[float, ...] = (0.01, 0.01)) -> Vendor:
    """A vendor of one kind of record."""
    clock = clock or Clock()
    accounts = Accounts(clock, Rules(access=timedelta(hours=1)), seed=1, name="acme")
    faults = Faults(clock, seed=1, accounts=accounts)
    things = entity(clock)
    sender = Sender(
        clock, faults, Schedule(waits), lambda event, n: {"x-event": event.id, "x-nth": str(n)},
        seed=1,
    )  # fmt: skip
    things.listen(
        lambda change: None if change.silent else sender.send(
            "thing." + change.kind, f"e-{change.id}-{micros(change.at)}", change.id,
            lambda _target: b'{"id": "%s"}' % change.id.encode(),
        )
    )  # fmt: skip

    async def listed(request: Request) -> Response:
        mark = request.query_params.get("mark", "")
        records, following = things.select().after(mark, 4)
        return JSONResponse({"things": records, "mark": following})

    client = accounts.register("https://app.example/callback")
    consent = Consent("Acme", "/authorize", accounts, {"M1": "Main street"})
    token = accounts.grant("M1", client.id).access
    return Vendor(
        "acme", "Acme", clock, faults, [Route("/things", listed), consent.route()],
        {"things": things}, [Account("M1", "Main street", token)], client, accounts,
        Limits(clock, [Rate(1000, 1.0)]), sender,
    )  # fmt: skip


@pytest.fixture
def served() -> Iterator[tuple[Vendor, httpx2.Client]]:
    vendor = acme()
    with running(vendor) as [address], httpx2.Client(base_url=address) as http:
        yield vendor, http


def test_faults_over_http(served: tuple[Vendor, httpx2.Client]) -> None:
    _, http = served
    assert len(http.get("/things").json()["things"]) == 4

    def with_fault(kind: str, **settings: Any) -> httpx2.Response:
        http.delete("/_sandbox/faults")
        assert http.post("/_sandbox/faults", json={"kind": kind, **settings}).status_code == 200
        return http.get("/things")

    assert with_fault("error", status=502).status_code == 502
    throttled = with_fault("throttle", seconds=7)
    assert (throttled.status_code, throttled.headers["retry-after"]) == (429, "7")
    assert with_fault("html").headers["content-type"].startswith("text/html")
    assert "shop2" in with_fault("drift", rename={"shop": "shop2"}).json()["things"][0]
    assert "added_by_the_vendor" in with_fault("drift").json()["things"][0]
    with pytest.raises(httpx2.RemoteProtocolError):
        with_fault("half")
    with_fault("skew", seconds=-3600)
    http.delete("/_sandbox/faults")
    assert with_fault("latency", seconds=0.01).status_code == 200
    state = http.get("/_sandbox/state").json()
    assert state["faults"]["hits"] == {
        "error": 1, "throttle": 1, "html": 1, "drift": 2, "half": 1, "skew": 1, "latency": 1
    }  # fmt: skip
    assert http.post("/_sandbox/faults", json={"kind": "no"}).status_code == 400


def test_tokens_expire_on_command(served: tuple[Vendor, httpx2.Client]) -> None:
    vendor, http = served
    assert vendor.accounts is not None
    http.post("/_sandbox/faults", json={"kind": "expired"})
    with pytest.raises(Refused, match="expired"):
        vendor.accounts.check(vendor.listed[0].token)


def test_people_and_programs_consent_in_the_same_way(
    served: tuple[Vendor, httpx2.Client],
) -> None:
    vendor, http = served
    assert vendor.client is not None
    asked = {
        "client_id": vendor.client.id, "state": "s1",
        "redirect_uri": "https://app.example/callback",
    }  # fmt: skip
    page = http.get("/authorize", params=asked)
    assert "Simulated" in page.text
    assert "Main street" in page.text
    back = http.post("/authorize", params=asked, data={"decision": "allow"})
    answered = httpx2.URL(back.headers["location"])
    assert answered.params["state"] == "s1"
    assert answered.params["code"]
    denied = http.post("/authorize", params=asked, data={"decision": "deny"})
    assert "error=access_denied" in denied.headers["location"]
    elsewhere = http.post("/authorize", params={**asked, "redirect_uri": "https://evil.example/"})
    assert elsewhere.status_code == 400


class Receiver:
    """Takes webhooks; refuses the first ones."""

    def __init__(self, refuse: int = 0) -> None:
        self.taken: list[tuple[str, str]] = []
        self.refuse = refuse
        self.enough = threading.Event()
        self.wanted = 1


@contextmanager
def receiving(receiver: Receiver) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            receiver.taken.append((self.headers["x-event"], self.headers["x-nth"]))
            refused = len(receiver.taken) <= receiver.refuse
            self.send_response(500 if refused else 200)
            self.send_header("content-length", "0")
            self.end_headers()
            if len(receiver.taken) >= receiver.wanted:
                receiver.enough.set()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/hook"
        server.shutdown()


def test_webhooks_are_tried_again_until_they_are_taken(
    served: tuple[Vendor, httpx2.Client],
) -> None:
    _, http = served
    receiver = Receiver(refuse=2)
    receiver.wanted = 3
    with receiving(receiver) as url:
        http.post("/_sandbox/webhooks", json={"url": url})
        http.post("/_sandbox/records/things", json={"id": "r1", "fields": {"shop": "F7"}})
        assert receiver.enough.wait(60)
    assert [nth for _, nth in receiver.taken] == ["0", "1", "2"]
    assert len({event for event, _ in receiver.taken}) == 1


def test_webhooks_are_lost_and_doubled_on_command(served: tuple[Vendor, httpx2.Client]) -> None:
    vendor, http = served
    assert vendor.sender is not None
    receiver = Receiver()
    receiver.wanted = 2
    with receiving(receiver) as url:
        http.post("/_sandbox/webhooks", json={"url": url})
        vendor.faults.switch_on("lost", count=1)
        vendor.faults.switch_on("duplicated", count=1)
        http.post("/_sandbox/records/things", json={"id": "r1", "fields": {"shop": "F7"}})
        http.post("/_sandbox/records/things", json={"id": "r2", "fields": {"shop": "F7"}})
        assert receiver.enough.wait(60)
    events = vendor.sender.events
    assert [(e.about, e.state == "lost", e.copies) for e in events] == [
        ("r1", True, 1), ("r2", False, 2)
    ]  # fmt: skip
    silent = {"id": "r3", "fields": {"shop": "F7"}, "silent": True}
    http.post("/_sandbox/records/things", json=silent)
    assert len(vendor.sender.events) == 2


def test_a_record_that_nobody_has_is_said_so(served: tuple[Vendor, httpx2.Client]) -> None:
    _, http = served
    assert http.post("/_sandbox/records/things", json={"id": "none"}).status_code == 400
    assert "did you mean 'things'" in http.post("/_sandbox/records/thing", json={}).text
    assert http.delete("/_sandbox/records/things/r1").json() == {"deleted": True}


def test_moments_go_there_and_back() -> None:
    assert moment(micros(NOW)) == NOW


def test_secrets_are_in_no_repr(time: Time) -> None:
    accounts, id_, secret = signed_in(time)
    tokens = accounts.grant("M1", id_)
    shown = repr(accounts.client(id_)) + repr(tokens) + repr(Target("t", "https://x", "hush"))
    shown += repr(acme().listed)
    assert secret not in shown
    assert tokens.access not in shown
    assert "hush" not in shown
