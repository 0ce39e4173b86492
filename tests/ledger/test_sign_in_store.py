"""Tokens and pending sign-ins lie in the ledger, on both engines: versions, leases, once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa

from meterstone.connect.auth.credentials import Token
from meterstone.connect.auth.flow import Pending
from meterstone.connect.auth.ledger_store import LedgerPending, LedgerTokens
from meterstone.connect.auth.tokens import StaleVersion


def token(name, at):
    return Token(access=f"access-{name}", refresh=f"refresh-{name}", issued_at=at)


@pytest.fixture
def connection(place):
    with place.open().change("test") as change:
        return change.connections.add(connector="acme", account="A", status="active").id


def test_a_token_follows_the_version_that_it_renewed(place, connection):
    first, second = (LedgerTokens(place.open(), connection, "mend") for _ in range(2))
    assert first.read().token is None
    assert first.write(token("1", place.clock()), 0) == 1
    assert second.read().token.access == "access-1"
    assert second.write(token("2", place.clock()), 1) == 2
    with pytest.raises(StaleVersion):
        first.write(token("late", place.clock()), 1)
    assert first.read().token.access == "access-2"


def test_one_renews(place, connection):
    stores = [LedgerTokens(place.open(), connection, "mend") for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        leases = list(pool.map(lambda store: store.lease(60), stores))
    (held,) = [lease for lease in leases if lease is not None]
    with held:
        assert stores[0].lease(60) is None
    assert stores[0].lease(60) is not None


def test_what_was_asked_is_remembered_until_its_end_is_known(place, connection):
    store = LedgerTokens(place.open(), connection, "mend")
    store.write(token("1", place.clock()), 0)
    store.ask(1, place.clock())
    other = LedgerTokens(place.open(), connection, "mend")
    assert other.asked(1) == place.clock()
    assert other.asked(2) is None
    other.unask(1)
    assert store.asked(1) is None
    store.ask(1, place.clock())
    store.write(token("2", place.clock()), 1)
    assert store.asked(1) is None


def test_an_old_failure_does_not_break_a_connection_that_was_mended(place, connection):
    store = LedgerTokens(place.open(), connection, "mend it")
    store.write(token("1", place.clock()), 0)
    store.write(token("2", place.clock()), 1)
    store.breaks(1, "an old token was refused")
    assert store.read().broken == ""
    store.breaks(2, "it was refused")
    assert store.read().broken == "it was refused"
    with place.open().read() as seen:
        assert seen.connections.get(connection).mend == "mend it"


def test_a_sign_in_is_taken_once(place):
    pending = Pending(
        connector="acme", browser="b", redirect_uri="https://h/cb", verifier="v",
        expires_at=place.clock() + timedelta(minutes=10), scopes=("a",), wish={"name": "x"},
    )  # fmt: skip
    stores = [LedgerPending(place.open()) for _ in range(4)]
    stores[0].put("key", pending)
    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(lambda store: store.take("key"), stores))
    assert [found for found in taken if found is not None] == [pending]
    assert stores[0].take("key") is None


@pytest.mark.parametrize("engine", ["postgresql"])  # in SQLite writers stand in line
def test_a_sign_in_that_another_takes_between_two_reads_is_none(place):
    first, second = (LedgerPending(place.open()) for _ in range(2))
    pending = Pending("acme", "b", "https://h/cb", place.clock() + timedelta(minutes=10))
    first.put("key", pending)
    others = []

    def meanwhile(_connection, _cursor, statement, *_):
        if not others and statement.startswith("SELECT secrets"):
            others.append(None)
            others.append(second.take("key"))

    sa.event.listen(sa.Engine, "after_cursor_execute", meanwhile)
    try:
        assert first.take("key") is None
    finally:
        sa.event.remove(sa.Engine, "after_cursor_execute", meanwhile)
    assert others[1:] == [pending]


def test_a_sign_in_that_nobody_finished_is_removed(place):
    store = LedgerPending(place.open())
    end = place.clock() + timedelta(minutes=10)
    store.put("old", Pending("acme", "b", "https://h/cb", end))
    place.clock.forward(601)
    store.put("new", Pending("acme", "b", "https://h/cb", end + timedelta(minutes=20)))
    assert store.take("old") is None
    assert store.take("new") is not None
