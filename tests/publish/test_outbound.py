"""Webhooks out: signed, tried again by the schedule, never lost, in order where that is asked."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from meterstone.connect.egress import STRANGERS, Egress, EgressRefused
from meterstone.errors import InputError
from meterstone.ledger import Delivery, Ledger
from meterstone.ledger.announced import body
from meterstone.publish.outbound.deliverer import Deliverer
from meterstone.publish.outbound.exchange import outcome_of, retry_after_s
from meterstone.publish.outbound.facts import tell_deliveries
from meterstone.publish.outbound.messages import headers, new_secret
from meterstone.publish.outbound.schedule import Breaker, Schedule
from meterstone.publish.outbound.service import Webhooks

from .receivers import Answer, Receiver, receiving

HERE = Egress(STRANGERS.with_loopback())
QUICK = Schedule(timeout_s=10, within_s=15)
HASTY = Schedule(timeout_s=1, within_s=2)


@dataclass
class Clock:
    """A clock that is moved by hand."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Out:
    """A ledger with webhooks, a clock, and a deliverer that steps when it is told."""

    def __init__(self, folder: Path, schedule: Schedule = QUICK, breaker: Breaker | None = None):
        self.clock = Clock()
        self.ledger = Ledger.open(folder, clock=self.clock)
        self.webhooks = Webhooks(self.ledger, "test", HERE)
        self.schedule = schedule
        self.deliverer = Deliverer(
            self.ledger, egress=HERE, schedule=schedule, breaker=breaker, spread=lambda: 0.0
        )

    def publish(self, number: int = 0, event_type: str = "connection.broken") -> str:
        with self.ledger.change("test") as change:
            payload = body(event_type, {"number": number}, change.now)
            return change.outbox.publish(event_type, payload).id

    def drain(self) -> int:
        """Do all that is due now."""
        done = 0
        while self.deliverer.step():
            done += 1
        return done

    def delivery(self, message: str, endpoint: str) -> Delivery:
        with self.ledger.read() as seen:
            return seen.outbox.delivery(message, endpoint)

    def outcomes(self, message: str, endpoint: str) -> list[str]:
        return [each.outcome for each in self.webhooks.attempts(endpoint, message)]

    def close(self) -> None:
        self.deliverer.stop()
        self.ledger.close()


@pytest.fixture
def out(tmp_path: Path) -> Iterator[Out]:
    made = Out(tmp_path)
    yield made
    made.close()


def always(status: int, **more: object) -> Receiver:
    return Receiver(lambda _receiver, _got: Answer(status, **more))  # type: ignore[arg-type]


def test_a_message_is_delivered_once_and_its_signature_holds(out: Out) -> None:
    receiver = Receiver()
    with receiving(receiver):
        added = out.webhooks.add(receiver.url)
        message = out.publish(7)
        assert out.drain() == 1
        assert out.drain() == 0
    (got,) = receiver.committed
    assert Webhook(added.secret).verify(got.body, dict(got.headers))["data"] == {"number": 7}
    assert got.id == message
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(got.body, dict(got.headers))
    (attempt,) = out.webhooks.attempts(added.endpoint.id, message)
    assert (attempt.outcome, attempt.status_code) == ("delivered", 200)
    assert len(attempt.sha256) == 64
    assert added.secret not in repr(added)


def test_a_message_whose_cause_failed_is_not_sent(out: Out) -> None:
    def cause() -> None:
        with out.ledger.change("test") as change:
            change.outbox.publish("connection.broken", b"{}")
            change.connections.get("no such one")

    receiver = Receiver()
    with receiving(receiver):
        out.webhooks.add(receiver.url)
        with pytest.raises(InputError):
            cause()
        assert out.drain() == 0


def test_the_same_cause_is_announced_once(out: Out) -> None:
    receiver = Receiver()
    with receiving(receiver):
        out.webhooks.add(receiver.url)
        for _ in range(2):
            with out.ledger.change("test") as change:
                change.outbox.publish("scorecard.published", b"{}", key="scorecard abc")
        out.drain()
    assert len(receiver.committed) == 1


def test_an_endpoint_gets_what_it_asked_for(out: Out) -> None:
    some, all_ = Receiver(), Receiver()
    with receiving(some, all_):
        out.webhooks.add(some.url, event_types=["connection.mended"])
        out.webhooks.add(all_.url)
        out.publish(event_type="connection.broken")
        mended = out.publish(event_type="connection.mended")
        out.drain()
    assert some.ids == [mended]
    assert len(all_.ids) == 2


def test_the_schedule_is_kept_for_three_days_and_then_it_has_failed(out: Out) -> None:
    receiver = always(500, commits=False)
    breaker_off = Breaker(after=1000)
    out.deliverer._breaker = breaker_off
    with receiving(receiver):
        added = out.webhooks.add(receiver.url)
        message = out.publish()
        begun = out.clock.now
        for wait in (*out.schedule.waits_s[1:], 0):
            assert out.drain() == 1
            assert out.drain() == 0, "not before its time"
            out.clock.pass_(wait)
        assert out.drain() == 0
    assert out.clock.now - begun >= timedelta(days=3)
    found = out.delivery(message, added.endpoint.id)
    assert (found.status, found.attempts) == ("failed", len(out.schedule.waits_s))
    assert {got.id for got in receiver.asked} == {message}


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(301, {"Location": "http://169.254.169.254/"}), "redirected"),
        (Answer(404), "refused"),
        (Answer(500), "refused"),
        (Answer(429), "throttled"),
        (Answer(0), "unreachable"),
        (Answer(200, wait_s=20), "timeout"),
    ],
)
def test_only_2xx_is_success(out: Out, answer: Answer, outcome: str) -> None:
    receiver = Receiver(lambda it, _got: answer if len(it.asked) == 1 else Answer(204, body=b""))
    with receiving(receiver):
        added = out.webhooks.add(receiver.url)
        message = out.publish()
        if answer.wait_s:  # only who is too late meets a deliverer in a hurry
            hasty = Deliverer(out.ledger, egress=HERE, schedule=HASTY, spread=lambda: 0.0)
            assert hasty.step()
            hasty.stop()
        else:
            assert out.drain() == 1
        assert out.delivery(message, added.endpoint.id).status == "pending"
        out.clock.pass_(5)
        assert out.drain() == 1
    assert out.outcomes(message, added.endpoint.id) == [outcome, "delivered"]
    assert len(receiver.asked) == 2


def test_retry_after_makes_the_wait_longer_and_never_shorter(out: Out) -> None:
    asked = Receiver(
        lambda it, _got: Answer(429, {"Retry-After": "3600"}) if len(it.asked) == 1 else Answer()
    )
    with receiving(asked):
        out.webhooks.add(asked.url)
        out.publish()
        out.drain()
        out.clock.pass_(3599)
        assert out.drain() == 0
        out.clock.pass_(1)
        assert out.drain() == 1
    assert QUICK.wait_s(1, 1.0, 0.0) == 5
    assert QUICK.wait_s(1, 1e9, 0.0) == QUICK.longest_wait_s


def test_410_disables_and_the_others_hear_of_it(out: Out) -> None:
    gone, other = always(410), Receiver()
    with receiving(gone, other):
        added = out.webhooks.add(gone.url)
        out.webhooks.add(other.url, event_types=["webhook.disabled"])
        first, second = out.publish(1), out.publish(2)
        out.drain()
    assert len(gone.asked) == 1
    (shown,) = [each for each in out.webhooks.all() if each.endpoint.id == added.endpoint.id]
    assert shown.endpoint.status == "disabled"
    assert "410" in shown.endpoint.reason
    statuses = [out.delivery(each, added.endpoint.id).status for each in (first, second)]
    assert statuses == ["failed", "receiver_disabled"]
    (told,) = other.committed
    assert json.loads(told.body)["data"]["endpoint"] == added.endpoint.id


def test_an_endpoint_that_fails_for_five_days_is_disabled(out: Out) -> None:
    receiver = always(500)
    with receiving(receiver):
        out.webhooks.add(receiver.url)
        for _ in range(7):
            out.publish()
            out.drain()
            out.clock.pass_(86400)
    (shown,) = out.webhooks.all()
    assert shown.endpoint.status == "disabled"
    assert "has taken nothing since" in shown.endpoint.reason


def test_a_failing_endpoint_is_left_alone_and_then_asked_once(tmp_path: Path) -> None:
    out = Out(tmp_path, breaker=Breaker(after=3, pauses_s=(100.0,)))
    broken = True
    receiver = Receiver(lambda _receiver, _got: Answer(500 if broken else 200))
    well = Receiver()
    with receiving(receiver, well):
        out.webhooks.add(receiver.url, event_types=["connection.broken"])
        out.webhooks.add(well.url)
        for number in range(10):
            out.publish(number)
        out.drain()
        assert len(receiver.asked) == 3, "three failures open the breaker"
        assert len(well.committed) == 10, "another endpoint does not wait for it"
        out.clock.pass_(100)
        out.drain()
        assert len(receiver.asked) == 4, "half open: one probe"
        broken = False
        out.clock.pass_(100)
        out.drain()
        out.clock.pass_(2000)
        out.drain()
    assert len(receiver.ids) == 10
    assert [shown.deliveries for shown in out.webhooks.all()] == [{"delivered": 10}] * 2
    out.close()


def test_order_is_kept_where_it_is_asked_for(tmp_path: Path) -> None:
    out = Out(tmp_path, breaker=Breaker(after=1000))
    dice = random.Random(4)
    receiver = Receiver(
        lambda _it, _got: Answer() if dice.random() < 0.6 else Answer(500, commits=False)
    )
    with receiving(receiver):
        out.webhooks.add(receiver.url, ordered=True)
        sent = [out.publish(number) for number in range(20)]
        for _ in range(200):
            out.drain()
            out.clock.pass_(400)
    assert [got.id for got in receiver.committed] == sent
    out.close()


def test_a_rotated_secret_and_its_former_one_both_hold_for_a_time(out: Out) -> None:
    receiver = Receiver()
    with receiving(receiver):
        added = out.webhooks.add(receiver.url)
        rotated = out.webhooks.rotate(added.endpoint.id, timedelta(hours=1))
        out.publish()
        out.drain()
        (got,) = receiver.committed
        for secret in (added.secret, rotated.secret):
            assert Webhook(secret).verify(got.body, dict(got.headers))
        out.clock.pass_(3600)
        out.publish()
        out.drain()
    assert len(receiver.committed[0].headers["webhook-signature"].split()) == 2
    assert len(receiver.committed[1].headers["webhook-signature"].split()) == 1


def test_a_range_is_replayed_in_order_with_the_same_ids(out: Out) -> None:
    receiver = always(410)
    with receiving(receiver):
        added = out.webhooks.add(receiver.url, event_types=["connection.broken"], ordered=True)
        before = out.publish(0)
        out.drain()
        out.webhooks.enable(added.endpoint.id)
        receiver.script = lambda _it, _got: Answer()
        out.clock.pass_(60)
        since = out.clock.now
        sent = [out.publish(number) for number in range(1, 4)]
        out.drain()
        receiver.committed.clear()
        out.clock.pass_(60)
        assert out.webhooks.replay(added.endpoint.id, since) == 3
        out.drain()
        assert receiver.ids == sent
        past = since - timedelta(days=1)
        assert out.webhooks.replay(added.endpoint.id, past, missed_only=True) == 1
        out.drain()
        assert receiver.ids == [*sent, before]


def test_a_removed_endpoint_gets_nothing_and_its_secret_is_destroyed(out: Out) -> None:
    receiver = Receiver()
    with receiving(receiver):
        added = out.webhooks.add(receiver.url)
        out.publish()
        out.webhooks.remove(added.endpoint.id)
        out.publish()
        out.drain()
    assert receiver.asked == []
    assert out.webhooks.all() == []
    with pytest.raises(InputError, match="removed"):
        out.webhooks.test(added.endpoint.id)


def test_a_test_goes_to_one_endpoint_alone(out: Out) -> None:
    one, other = Receiver(), Receiver()
    with receiving(one, other):
        added = out.webhooks.add(one.url, event_types=["connection.broken"])
        out.webhooks.add(other.url)
        sent = out.webhooks.test(added.endpoint.id)
        out.drain()
    assert one.ids == [sent]
    assert other.ids == []


def test_a_receiver_inside_is_refused_when_given_and_when_called(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        strict = Webhooks(ledger, "test")
        for url in ("http://example.com/", "https://10.0.0.1/", "https://[::1]:8443/"):
            with pytest.raises(EgressRefused):
                strict.add(url)
        inner = strict.add("https://localhost/hook").endpoint.id
        message = strict.test(inner)
        deliverer = Deliverer(ledger)
        deliverer.step()
        deliverer.stop()
        assert [each.outcome for each in strict.attempts(inner, message)] == ["forbidden"]


def test_facts_say_what_became_of_each_delivery(out: Out) -> None:
    answers = iter([500, 200, 200])
    receiver = Receiver(lambda _it, _got: Answer(next(answers)))
    landed: list[dict[str, object]] = []

    def tell(lines: bytes, _name: str) -> None:
        landed.extend(json.loads(line) for line in lines.splitlines())

    with receiving(receiver):
        added = out.webhooks.add(receiver.url)
        message = out.publish()
        assert tell_deliveries(out.ledger, tell, QUICK.window) == 0
        out.drain()
        tell_deliveries(out.ledger, tell, QUICK.window)
        out.clock.pass_(5)
        out.drain()
        tell_deliveries(out.ledger, tell, QUICK.window)
        assert tell_deliveries(out.ledger, tell, QUICK.window) == 0
        out.webhooks.replay(added.endpoint.id, out.clock.now - timedelta(days=1))
        out.clock.pass_(5)
        out.drain()
        tell_deliveries(out.ledger, tell, QUICK.window)
    assert [row["status"] for row in landed[:2]] == ["pending", "delivered"]
    assert {row["event_id"] for row in landed} == {message}
    assert landed[-1]["delivered_at"] == landed[1]["delivered_at"], "a replay is no second first"


def test_a_message_is_small(out: Out) -> None:
    with pytest.raises(InputError, match="20,000"):
        body("connection.broken", {"text": "x" * 20_000}, out.clock.now)


def test_an_unknown_type_is_refused_with_the_one_that_was_meant(out: Out) -> None:
    with pytest.raises(InputError, match="did you mean"):
        out.webhooks.add("http://127.0.0.1:1/", event_types=["conection.broken"])


@given(st.integers(100, 599))
def test_every_status_means_something(status: int) -> None:
    assert (outcome_of(status) == "delivered") == (200 <= status < 300)


@given(st.text(max_size=40))
def test_any_retry_after_is_read(value: str) -> None:
    wait = retry_after_s(value, datetime.now(UTC))
    assert wait is None or wait >= 0


def test_retry_after_as_a_date() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert retry_after_s("Thu, 01 Jan 2026 00:02:00 GMT", now) == 120


@given(st.integers(0, 20), st.floats(0, 1), st.none() | st.floats(0, 1e6))
def test_waits_are_bounded(attempts: int, spread: float, asked: float | None) -> None:
    wait = Schedule().wait_s(attempts, asked, spread)
    if attempts >= len(Schedule().waits_s):
        assert wait is None
    else:
        assert wait is not None
        assert Schedule().waits_s[attempts] <= wait <= 86400 * 1.1


@given(st.binary(max_size=200), st.integers(1, 3))
def test_each_secret_signs(payload: bytes, count: int) -> None:
    text = payload.hex().encode()
    secrets = [new_secret() for _ in range(count)]
    now = datetime.now(UTC)
    made = headers("msg_1", now, text, secrets)
    for secret in secrets:
        Webhook(secret).verify(text, made, json_parse=False)
