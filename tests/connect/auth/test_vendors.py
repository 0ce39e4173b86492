"""Each vendor's sign-in, from its file, at its stand-in: sign in, look, renew, give back."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx2
import pytest

from connect.customer import customer
from meterstone.connect.auth import CredentialBroken
from meterstone.connect.auth.credentials import Token
from meterstone.measure.service import Measuring
from sandbox.vendors import small_books

BROWSER = ("square", "clover", "quickbooks", "salesforce")
NAMES = (*BROWSER, "franconnect", "tableau", "powerbi")
ROTATES = ("clover",)


@pytest.fixture(scope="module")
def books(tmp_path_factory):
    return small_books(tmp_path_factory.mktemp("books"))


@pytest.fixture(scope="module")
def at(tmp_path_factory, books):
    with customer(tmp_path_factory.mktemp("home"), books, *NAMES) as made:
        yield made


def one(at, name):
    return at.connections[name][0]


def stored(at, connection):
    with at.home.ledger.read() as seen:
        return Token.opened(seen.secrets.get(connection.id, "token").value)


@pytest.mark.parametrize("name", NAMES)
def test_the_controls_of_a_fresh_sign_in(at, name):
    found = {check.control: check for check in at.home.access.check(one(at, name).id)}
    failed = [check for check in found.values() if check.result == "failed"]
    assert failed == []
    spared = {c for c, check in found.items() if check.result == "not_applicable"}
    assert all(found[control].reason for control in spared)
    if name in ("square", "clover", "salesforce"):
        assert found["pkce_s256"].result == "passed"
    assert found["token_encrypted_at_rest"].result == "passed"
    # what is spared of the ten is little and known: stand-ins have no TLS, nothing is renewed yet
    assert ("state_bound" in spared) == (name not in BROWSER)


@pytest.mark.parametrize("name", NAMES)
def test_a_token_is_renewed_and_serves(at, name):
    connection = one(at, name)
    before = stored(at, connection)
    authorizer = at.home.access.authorizer(connection.id)
    assert authorizer.renew(1)
    after = stored(at, connection)
    assert after.access != before.access
    if name in ROTATES:
        assert after.refresh != before.refresh
        checks = {c.control: c.result for c in at.home.access.check(connection.id)}
        assert checks["refresh_rotation"] == "passed"
    request = httpx2.Request("GET", "https://vendor.example/")
    authorizer.apply(request)
    assert after.access in request.headers[at.home.connectors[name].auth.sends.header]
    at.hub.client(connection)


@pytest.mark.parametrize("name", [name for name in BROWSER if name != "clover"])
def test_tokens_that_the_vendor_revoked_break_the_connection(tmp_path, books, name):
    """Its person took the application out: one sentence, and the command that mends it."""
    with customer(tmp_path, books, name) as own:
        connection = one(own, name)
        token = stored(own, connection)
        with own.home.ledger.read() as seen:
            requests = own.home.access._requests_of(seen, own.home.connectors[name], connection)
        own.home.access._send(requests.give_back(token))
        with pytest.raises(CredentialBroken) as broken:
            own.home.access.authorizer(connection.id).renew(1)
        assert "does not renew the access any more" in broken.value.cause
        assert token.access not in str(broken.value)
        with own.home.ledger.read() as seen:
            found = seen.connections.get(connection.id)
        assert (found.status, found.mend) == (
            "broken", f"meterstone connect {name} --connection {connection.id}"
        )  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_disconnecting_tells_the_vendor(tmp_path, books, name):
    with customer(tmp_path, books, name) as own:
        gone = own.home.access.disconnect(one(own, name).id)
        spec = own.home.connectors[name].auth
        assert gone.revoked is bool(spec.revoke or spec.sign_out), gone.said
        facts = own.facts("connection", connection_id=gone.connection.id)
        assert [row["disconnect_reason"] for row in facts] == ["a person disconnected it"]
        checks = own.facts("oauth_check", connection_id=gone.connection.id)
        assert len(checks) == 10
        assert {row["integration"] for row in checks} == {name}


def test_compliance_is_measured_from_the_checks(at):
    """What this machine has no room for (TLS, before a renewal) is left out, with its reason."""
    at.home.access.tell_checks()
    at.home.recorder.map_new()
    results = Measuring(at.home.subject, datetime.now(UTC), None).of(["oauth_compliance_rate"])
    found = {result.scope.key: result for result in results if result.scope.kind == "integration"}
    (network,) = [result for result in results if result.scope.kind == "network"]
    assert network.value == 100
    assert set(found) >= set(NAMES)
    assert {result.value for result in found.values()} == {100}
    assert network.n >= 3 * len(NAMES)
