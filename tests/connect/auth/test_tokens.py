"""The token of a connection: renewed in time, once for all, and never lost silently."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx2
import pytest

from meterstone.connect.auth import CredentialBroken, CredentialUnavailable
from meterstone.connect.auth.http import sender
from meterstone.connect.auth.spec import AuthSpec

from .parts import SECRETS, Clock, Memory, Vendor, answered, manager, token


@pytest.fixture
def clock():
    return Clock()


def test_a_token_that_holds_is_used_without_asking(clock):
    vendor = Vendor()
    held = manager(Memory(token()), vendor, clock).valid()
    assert (held.token.access, held.version, vendor.count) == ("access-0", 1, 0)


def test_it_is_renewed_before_it_ends(clock):
    vendor, store = Vendor(), Memory(token())
    tokens = manager(store, vendor, clock)
    clock.goes(3600 - 301)
    assert tokens.valid().version == 1
    clock.goes(1)
    held = tokens.valid()
    assert (held.token.access, held.version) == ("access-1", 2)
    assert store.held.token.refresh == "refresh-1"
    assert held.token.expires_at == clock.now + timedelta(hours=1)


def test_of_a_short_life_a_fifth_is_kept_free(clock):
    vendor = Vendor(lifetime_s=5)
    tokens = manager(Memory(token(5)), vendor, clock)
    clock.goes(3.9)
    assert tokens.valid().version == 1
    clock.goes(0.1)
    assert tokens.valid().version == 2


def test_a_token_without_an_end_is_renewed_when_it_is_refused(clock):
    vendor = Vendor()
    store = Memory(token(expires=None))
    tokens = manager(store, vendor, clock)
    clock.goes(10**8)
    assert tokens.valid().version == 1
    assert tokens.renew(1).token.access == "access-1"
    # a second caller that was refused with the same old token finds the new one
    assert tokens.renew(1).token.access == "access-1"
    assert vendor.count == 1


def test_many_threads_and_managers_renew_once(clock):
    vendor, store = Vendor(), Memory(token(5))
    clock.goes(10)
    managers = [manager(store, vendor, clock) for _ in range(4)]
    ready = threading.Barrier(16)

    def use(n):
        ready.wait()
        return managers[n % 4].valid().token.access

    with ThreadPoolExecutor(16) as pool:
        found = set(pool.map(use, range(16)))
    assert (found, vendor.count, vendor.revoked) == ({"access-1"}, 1, False)


def test_while_one_renews_the_others_go_on_with_the_old_token(clock):
    vendor, store = Vendor(), Memory(token())
    tokens = manager(store, vendor, clock)
    tokens.valid()
    clock.goes(3500)
    asked, answer = threading.Event(), threading.Event()

    def slow(request):
        asked.set()
        assert answer.wait(60)
        return vendor(request)

    tokens._send = slow
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(tokens.valid)
        assert asked.wait(60)
        assert tokens.valid().token.access == "access-0"
        # another process, too
        assert manager(store, vendor, clock).valid().token.access == "access-0"
        answer.set()
        assert first.result().token.access == "access-1"


def test_a_crash_between_answer_and_store_is_tried_again_and_told(clock):
    """The process died: the next one finds that it asked."""
    vendor, store = Vendor(), Memory(token(5))
    clock.goes(10)

    def dies(request):
        vendor(request)
        raise KeyboardInterrupt

    tokens = manager(store, vendor, clock)
    tokens._send = dies
    with pytest.raises(KeyboardInterrupt):
        tokens.valid()
    assert store.asks == {1: clock.now}
    clock.goes(120)
    with pytest.raises(CredentialBroken) as broken:
        manager(store, vendor, clock).valid()
    assert broken.value.cause == (
        "Acme accepts a refresh token once, and its answer to the renewal of "
        "2026-03-01 12:00 UTC never arrived"
    )
    assert broken.value.mend == "meterstone connect acme"
    assert store.reason == broken.value.cause


def test_a_lost_answer_is_no_harm_where_nothing_rotates(clock):
    vendor, store = Vendor(), Memory(token(5))
    clock.goes(10)
    tokens = manager(store, vendor, clock)
    vendor.answers = [CredentialUnavailable("lost"), answered(200, {"access_token": "next"})]
    with pytest.raises(CredentialUnavailable):
        tokens.valid()
    clock.goes(6)
    held = tokens.valid()
    assert (held.token.access, held.token.refresh, held.token.expires_at) == (
        "next", "refresh-0", None
    )  # fmt: skip


def test_a_request_that_never_left_is_no_lost_answer(clock):
    vendor, store = Vendor(), Memory(token(5))
    vendor.answers = [CredentialUnavailable("no route", sent=False)]
    clock.goes(10)
    tokens = manager(store, vendor, clock)
    with pytest.raises(CredentialUnavailable):
        tokens.valid()
    assert store.asks == {}


def test_a_vendor_that_is_down_is_left_alone_for_a_while(clock):
    vendor, store = Vendor(), Memory(token())
    tokens = manager(store, vendor, clock)
    clock.goes(3500)
    vendor.answers = [answered(503, b"<html>down</html>", **{"retry-after": "20"})]
    # the old token has not ended: work goes on with it
    assert tokens.valid().version == 1
    assert tokens.valid().version == 1
    assert len(vendor.bodies) == 1
    clock.goes(101)
    assert tokens.valid().version == 2


def test_a_token_that_ended_while_the_vendor_is_down(clock):
    vendor, store = Vendor(), Memory(token(5))
    tokens = manager(store, vendor, clock)
    clock.goes(10)
    vendor.answers = [answered(429, {}, **{"retry-after": "60"})]
    with pytest.raises(CredentialUnavailable) as first:
        tokens.valid()
    assert first.value.retry_after_s == 60
    with pytest.raises(CredentialUnavailable, match="failed a moment ago"):
        tokens.valid()
    clock.goes(61)
    assert tokens.valid().token.access == "access-1"


def test_a_refused_renewal_breaks_the_connection_once(clock):
    vendor, store = Vendor(), Memory(token(5))
    vendor.revoked = True
    clock.goes(10)
    tokens = manager(store, vendor, clock)
    for _ in range(3):
        with pytest.raises(CredentialBroken) as broken:
            tokens.valid()
    assert broken.value.cause == (
        "Acme does not renew the access any more (invalid_grant: used twice)"
    )
    assert len(vendor.bodies) == 1
    # the person signs in again: the same manager goes on
    store.held, store.reason = type(store.held)(token(10**6), 2), ""
    assert tokens.valid().version == 2


def test_without_a_refresh_token_the_end_is_the_end(clock):
    store = Memory(token(5, refresh=""))
    vendor = Vendor()
    clock.goes(10)
    with pytest.raises(CredentialBroken, match="has ended, and it cannot be renewed"):
        manager(store, vendor, clock).valid()
    assert vendor.bodies == []


def test_client_credentials_are_asked_again(clock):
    of = spec_of("client_credentials")
    vendor, store = Vendor(lifetime_s=60), Memory()
    tokens = manager(store, vendor, clock, of)
    assert tokens.valid().version == 1
    clock.goes(60)
    assert tokens.valid().version == 2
    assert "grant_type=client_credentials" in vendor.bodies[0]


def spec_of(kind, **more):
    return AuthSpec.model_validate({"kind": kind, "token_url": "{base_url}/token", **more})


def test_nothing_secret_is_in_a_repr_or_a_message(clock):
    vendor, store = Vendor(), Memory(token(5))
    said = f"token refresh-0 of {SECRETS['client_secret']} is bad"
    vendor.answers = [answered(400, {"error": "invalid_grant", "error_description": said})]
    clock.goes(10)
    tokens = manager(store, vendor, clock)
    with pytest.raises(CredentialBroken) as broken:
        tokens.valid()
    shown = f"{broken.value} {broken.value.as_dict()} {tokens!r} {store.held!r} {store.reason}"
    assert "token … of … is bad" in shown
    for hidden in ("refresh-0", "access-0", SECRETS["client_secret"]):
        assert hidden not in shown


def test_an_unreachable_endpoint_shows_its_host_only():
    def breaks(request):
        raise httpx2.ReadTimeout(f"timed out at {request.url}")

    client = httpx2.Client(transport=httpx2.MockTransport(breaks))
    request = httpx2.Request("POST", "https://acme.example/token?secret=x", content=b"code=y")
    with pytest.raises(CredentialUnavailable) as lost:
        sender(client)(request)
    assert str(lost.value).startswith("acme.example did not answer (ReadTimeout)")
    assert lost.value.sent
    assert lost.value.__suppress_context__
