"""People, sessions, tokens, links and attempts, on both engines."""

from __future__ import annotations

from datetime import timedelta

import pytest

from meterstone.errors import ConflictError, InputError
from meterstone.ledger import Ledger

from .conftest import Clock

HOUR = timedelta(hours=1)


def test_a_person_is_found_by_each_name_and_owns_franchises(ledger: Ledger) -> None:
    with ledger.change("cli") as change:
        ana = change.people.add(
            name="ana", called="Ana", role="owner", email="ana@example.org",
            franchises=["F2", "F1"],
            issuer="https://issuer.example", subject="7",
        )  # fmt: skip
        bo = change.people.add(name="bo", called="Bo", role="admin")
    with ledger.read() as seen:
        people = seen.people
        assert people.get(ana.id) == ana
        assert people.find("person:nobody") is None
        assert people.named("ana") == people.by_email("ana@example.org") == ana
        assert people.by_identity("https://issuer.example", "7") == ana
        assert people.all() == [ana, bo]
        assert ana.franchises == {"F1", "F2"}
        with pytest.raises(InputError):
            people.get("person:nobody")


def test_names_and_addresses_are_one_persons(ledger: Ledger) -> None:
    with ledger.change("cli") as change:
        ana = change.people.add(name="ana", called="Ana", role="owner", email="a@example.org")
        bo = change.people.add(name="bo", called="Bo", role="admin")
    with pytest.raises(ConflictError), ledger.change("cli") as change:
        change.people.add(name="ana", called="Another", role="owner")
    with pytest.raises(ConflictError), ledger.change("cli") as change:
        change.people.update(bo.id, email="a@example.org")
    with ledger.change("cli") as change:
        assert change.people.update(ana.id, email="a@example.org", role="analyst").role == "analyst"


def test_what_changes_of_a_person_is_in_the_audit_log_without_the_password(ledger: Ledger) -> None:
    with ledger.change("cli") as change:
        ana = change.people.add(name="ana", called="Ana", role="owner", franchises=["F1"])
        change.people.own(ana.id, [])
        change.people.set_password(ana.id, "$argon2id$one")
        change.people.set_password(ana.id, "$argon2id$two", rehash=True)
        change.people.identify(ana.id, "https://issuer.example", "7")
        change.people.signed_in(ana.id)
        after = change.people.get(ana.id)
        change.people.drop_password(ana.id)
        assert change.people.get(ana.id).password is None
    assert (after.franchises, after.password) == (frozenset(), "$argon2id$two")
    told = [entry for entry in ledger.audit.entries() if entry.subject == ana.id]
    assert [entry.action for entry in told] == [
        "person.add", "person.own", "person.own", "person.password", "person.rehash",
        "person.identify", "person.password",
    ]  # fmt: skip
    assert not any("argon2" in str(entry) for entry in told)


def test_sessions_are_listed_seen_and_ended(ledger: Ledger, clock: Clock) -> None:
    with ledger.change("cli") as change:
        ana = change.people.add(name="ana", called="Ana", role="owner").id
        until = change.now + HOUR
        signs = change.sign_ins
        one = signs.begin(ana, "d1", expires_at=until, agent="a", address="::1")
        two = signs.begin(ana, "d2", expires_at=until, agent="b", address="::1")
        three = signs.begin(ana, "d3", expires_at=until, agent="c", address="::1")
        assert signs.session("d1") == one
        assert signs.session("other") is None
    clock.forward(60)
    with ledger.change("cli") as change:
        change.sign_ins.seen("d2")
        assert change.sign_ins.sessions(ana)[0].id == two.id
        assert change.sign_ins.end(ana, session=one.id) == 1
        assert change.sign_ins.end(ana, but=two.id) == 1
        assert change.sign_ins.end(ana, session=three.id) == 0
        assert [s.id for s in change.sign_ins.sessions(ana)] == [two.id]
    clock.forward(3600)
    with ledger.change("cli") as change:
        assert change.sign_ins.sessions(ana) == []


def test_tokens_are_revoked_by_their_maker_or_by_anybody_in_charge(ledger: Ledger) -> None:
    with ledger.change("cli") as change:
        ana = change.people.add(name="ana", called="Ana", role="analyst").id
        signs, until = change.sign_ins, change.now + HOUR
        one = signs.add_token(ana, "d1", name="one", rights=["metrics"], expires_at=until)
        two = signs.add_token(ana, "d2", name="two", rights=["scrape"], expires_at=until)
        signs.used("d1")
        assert signs.token("nothing") is None
        assert (
            {t.id for t in signs.tokens()} == {t.id for t in signs.tokens(ana)} == {one.id, two.id}
        )
        assert not signs.revoke(one.id, person="person:other")
        assert signs.revoke(one.id, person=ana)
        assert not signs.revoke(one.id)
        signs.revoke_all(ana)
        used = signs.token("d1")
        assert used is not None
        assert used.used_at is not None
        assert all(token.revoked_at is not None for token in signs.tokens())


def test_a_link_is_given_once_and_the_newest_holds(ledger: Ledger, clock: Clock) -> None:
    with ledger.change("cli") as change:
        ana = change.people.add(name="ana", called="Ana", role="analyst").id
        signs, until = change.sign_ins, change.now + HOUR
        signs.add_link("d0", purpose="setup", person=None, expires_at=until)
        signs.add_link("d1", purpose="setup", person=None, expires_at=until)
        signs.add_link("d2", purpose="password", person=ana, expires_at=until)
        assert signs.link("d0") is None, "a newer one took its place"
        assert signs.link("d1") is not None
        taken = signs.take_link("d2")
        assert taken is not None
        assert taken.person == ana
        assert signs.take_link("d2") is None
    clock.forward(3601)
    with ledger.read() as seen:
        assert seen.sign_ins.link("d1") is None


def test_failures_are_counted_forgiven_and_forgotten(ledger: Ledger, clock: Clock) -> None:
    def fail() -> None:
        with ledger.change("people") as change:
            since = change.now - HOUR
            change.sign_ins.failed("name:ana", lambda n: timedelta(seconds=10 * n), since)

    with ledger.change("people") as seen:
        assert seen.sign_ins.attempts("name:ana") is None
    fail()
    fail()
    with ledger.change("people") as seen:
        found = seen.sign_ins.attempts("name:ana")
        assert found is not None
        assert (found.failures, found.blocked_until - found.last_at) == (2, timedelta(seconds=20))
    clock.forward(7200)
    fail()
    with ledger.change("people") as change:
        found = change.sign_ins.attempts("name:ana")
        assert found is not None
        assert found.failures == 1
        change.sign_ins.forgive("name:ana")
        assert change.sign_ins.attempts("name:ana") is None
