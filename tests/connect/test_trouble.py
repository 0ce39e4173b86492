"""What goes wrong between us and a vendor: told clearly, tried again where that helps."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.connect.acme import KEY, Acme, Fault, Handler, Scene, scene, serving

from meterstone.connect.auth.base import CredentialBroken
from meterstone.connect.problems import CircuitOpen, VendorError
from meterstone.connect.worker import Worker


@pytest.fixture
def acme() -> Iterator[Acme]:
    with serving() as vendor:
        yield vendor


@pytest.fixture
def at(tmp_path: Path, acme: Acme) -> Iterator[Scene]:
    with scene(tmp_path, acme) as made:
        yield made


def sync(at: Scene, **options: Any) -> Any:
    return at.hub.sync(at.connection.id, "locations", **options)


def answers(*each: tuple[Any, int, dict[str, str]]) -> Fault:
    """Answers one after the other, then the vendor's own."""
    waiting = list(each)

    def fault(handler: Handler) -> bool:
        if not waiting:
            return False
        content, status, headers = waiting.pop(0)
        handler.give(content, status, headers)
        return True

    return fault


def failed(at: Scene) -> VendorError:
    with pytest.raises(VendorError) as raised:
        sync(at)
    assert KEY not in str(raised.value)
    assert KEY not in repr(raised.value)
    return raised.value


def calls(at: Scene, **wanted: Any) -> list[dict[str, Any]]:
    rows = at.facts("api_request")
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def test_what_passes_is_tried_again_and_is_one_request(at: Scene) -> None:
    at.acme.faults.append(answers(({}, 503, {}), ({}, 502, {})))
    assert sync(at).status == "success"
    assert len(at.clock.slept) == 2
    assert at.clock.slept[0] < at.clock.slept[1] * 3  # jittered, but growing
    [row] = calls(at, outcome="success")
    assert row["attempts"] == 3
    assert row["fault"] == "none"
    assert row["endpoint"] == "/v2/locations"


def test_retry_after_is_honoured(at: Scene) -> None:
    at.acme.faults.append(answers(({}, 429, {"Retry-After": "1"})))
    assert sync(at).status == "success"
    assert at.clock.slept == [pytest.approx(1.0, abs=0.01)]
    [throttled] = [r for r in at.facts("throttle_event") if r["limiter"] == "provider"]
    assert (throttled["decision"], throttled["final"]) == ("rejected", "admitted")


def test_a_long_retry_after_is_left_to_the_job(at: Scene) -> None:
    at.acme.faults.append(answers(({}, 429, {"Retry-After": "3600"})))
    error = failed(at)
    assert error.kind == "rate_limit"
    assert error.transient
    assert error.retry_after_s == 3600
    assert at.clock.slept == []


@pytest.mark.parametrize(
    ("answer", "kind", "fault", "said"),
    [
        ((b"<html><title>Down for tea</title></html>", 200, {"Content-Type": "text/html"}),
         "other", "vendor", "a web page instead of data (200): Down for tea"),
        (({"errors": [{"detail": "bad filter"}]}, 400, {}), "validation", "us", "400: bad filter"),
        (({"message": f"no: {KEY}"}, 403, {}), "permission", "customer", "403: no: …"),
        (({}, 302, {"Location": "https://elsewhere.example"}), "other", "vendor", "a redirect"),
        (({"x": "y" * 3_000_000}, 200, {}), "other", "vendor", "the answer is"),
    ],
    ids=["web page", "our mistake", "no rights", "redirect", "too large"],
)  # fmt: skip
def test_an_answer_that_is_none(
    at: Scene, answer: tuple[Any, int, dict[str, str]], kind: str, fault: str, said: str
) -> None:
    connector = at.hub.connectors["acme"]
    object.__setattr__(connector, "most_bytes", 1_000_000)
    at.acme.faults.append(answers(answer))
    error = failed(at)
    assert (error.kind, error.fault) == (kind, fault)
    assert said in str(error)
    assert at.clock.slept == []
    [run] = at.facts("sync_run")
    assert run["status"] == "failed"


def test_five_gigabytes_are_refused_before_they_are_read(at: Scene) -> None:
    sent = 0

    def endless(handler: Handler) -> bool:
        nonlocal sent
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        part = b"x" * (1 << 20)
        try:
            for _ in range(5_000):
                handler.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                sent += len(part)
        except OSError:
            handler.close_connection = True
        return True

    at.acme.faults.append(endless)
    assert "more than 64 MB" in failed(at).cause
    assert sent < 100 << 20

    def stated(handler: Handler) -> bool:
        handler.send_response(200)
        handler.send_header("Content-Length", str(5_000_000_000))
        handler.end_headers()
        handler.close_connection = True
        return True

    at.acme.faults[:] = [stated]
    assert "the answer is 5,000 MB; at most 64 MB are read" in failed(at).cause


def test_an_error_within_a_200(at: Scene) -> None:
    at.acme.faults.append(answers(({"fault": {"code": 3200}}, 200, {})))
    with pytest.raises(CredentialBroken) as raised:
        sync(at)
    assert KEY not in str(raised.value)
    [row] = calls(at, outcome="caller_fault")
    assert row["error_class"] == "authentication"
    [incident] = at.facts("incident")
    assert incident["cause_key"] == "acme:authentication:customer"
    assert incident["resolved_at"] is None


def test_a_credential_is_renewed_once(at: Scene) -> None:
    at.key.key, at.key.following = "outdated-key", KEY
    assert sync(at).status == "success"
    assert at.key.renewed == 1
    [row] = calls(at)
    assert (row["outcome"], row["attempts"]) == ("success", 2)


def test_a_credential_that_stays_refused_is_one_sentence(at: Scene) -> None:
    at.key.key = at.key.following = "wrong-key-000"
    with pytest.raises(CredentialBroken, match="does not accept the API key"):
        sync(at)
    assert at.key.renewed == 1
    assert len(at.acme.asked) == 2


def test_a_vendor_that_is_down_is_left_alone_and_seen_again(at: Scene) -> None:
    sync(at)
    at.acme.faults.append(lambda handler: handler.give({}, 503) is None)
    for _ in range(2):
        with pytest.raises(VendorError):
            sync(at)
    asked = len(at.acme.asked)
    with pytest.raises(CircuitOpen, match="Acme POS does not answer since"):
        sync(at)
    assert len(at.acme.asked) == asked
    [incident] = at.facts("incident")
    assert incident["kind"] == "availability"
    assert incident["cause_key"] == "acme:server:vendor"

    at.acme.faults.clear()
    breaker = at.hub.client(at.connection).breaker
    breaker._opened -= 60  # a minute later
    assert at.hub.probe(at.connection.id)
    assert breaker.state == "closed"
    with at.ledger.read() as seen:  # all that is asked for is asked again at once
        streams = {job.payload["stream"] for job in seen.queue.all("waiting", "sync")}
    assert streams == {"locations", "payments"}
    assert Worker(at.hub).run_once() >= 2
    [incident] = at.facts("incident")
    assert incident["resolved_at"] is not None
    assert incident["auto_resolved"]


def test_our_own_network_is_not_the_vendors_fault(at: Scene) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{free.getsockname()[1]}"
    access = at.hub._access
    access.url = closed
    at.hub._clients.clear()
    assert failed(at).fault == "vendor"  # one that cannot be reached: its fault
    at.hub._shared.reachability._failed["other.example"] = at.clock.monotonic()
    error = failed(at)
    assert error.fault == "our network"
    assert "our own network" in error.cause
    assert calls(at, fault="hub", error_class="connection") != []


def test_a_worker_syncs_by_schedule(at: Scene) -> None:
    at.acme.add(30)
    worker = Worker(at.hub, threads=2)
    worker.start()
    done = threading.Event()
    deadline = datetime.now(UTC) + timedelta(seconds=20)
    while datetime.now(UTC) < deadline:
        with at.ledger.read() as seen:
            if seen.queue.counts()["done"] >= 3:
                break
        done.wait(0.05)
    worker.stop()
    assert len(at.facts("payment")) == 30
    [probe] = at.facts("probe")
    assert probe["ok"]


def test_a_job_that_cannot_succeed_is_put_aside_with_the_reason(at: Scene) -> None:
    at.acme.faults.append(answers(({"errors": [{"detail": "bad filter"}]}, 400, {})))
    at.ledger.queue.put("sync", {"connection": at.connection.id, "stream": "locations"})
    Worker(at.hub).run_once()
    with at.ledger.read() as seen:
        [dead] = seen.queue.all("dead")
    assert dead.error == "Acme POS answered 400: bad filter"
