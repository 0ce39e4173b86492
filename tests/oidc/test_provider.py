"""Against a real OpenID provider: PKCE required, rotation, a family that dies by a second use."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from meterstone.connect.auth import CredentialBroken, SignInRefused
from meterstone.connect.auth.access import Wish
from meterstone.connect.auth.credentials import Token
from meterstone.connect.auth.flow import Callback, digest
from meterstone.ledger import Ledger

from . import race
from .conftest import REDIRECT
from .judge import CLIENT, judge


@pytest.fixture
def ledger(tmp_path):
    with Ledger.open(tmp_path) as opened:
        yield opened


@pytest.fixture
def hub(ledger, provider):
    return race.access(ledger, provider.url, issuer="{base_url}")


def sign_in(hub, wish=None):
    return race.sign_in(hub, REDIRECT, wish)


def rows(hub, connection):
    with httpx2.Client() as client:
        return race.rows(hub, connection, client)[0]


def stored(ledger, connection):
    with ledger.read() as seen:
        return Token.opened(seen.secrets.get(connection.id, "token").value)


def test_sign_in_call_renew_and_give_back(hub, ledger, provider):
    before = provider.happened()
    connection = hub.callback(sign_in(hub))
    assert (connection.status, connection.account) == ("active", "M1")
    first = stored(ledger, connection)
    assert set(first.scope.split()) == {"openid", "offline_access", "rows.read"}
    assert rows(hub, connection) == 200
    hub.authorizer(connection.id).renew(1)
    second = stored(ledger, connection)
    assert second.refresh != first.refresh
    assert rows(hub, connection) == 200
    gone = hub.disconnect(connection.id)
    assert (gone.revoked, gone.said) == (True, "The judge has revoked the access")
    with ledger.read() as seen:
        assert seen.secrets.names(connection.id) == []
        assert seen.connections.get(connection.id).status == "disconnected"
    # what was given back is dead at the vendor
    answer = httpx2.get(
        f"{provider.url}/api/rows", headers={"Authorization": f"Bearer {second.access}"}
    )
    assert answer.status_code == 401
    after = provider.happened()
    assert after["refreshed"] - before["refreshed"] == 1
    assert not any(first.access in url or second.refresh in url for url in after["urls"])


def test_the_provider_requires_pkce(ledger, provider):
    plain = race.access(ledger, provider.url, pkce="none")
    with pytest.raises(SignInRefused, match=r"did not sign in \(invalid_request\)"):
        plain.callback(sign_in(plain))


def test_a_wrong_verifier_gets_no_token(hub, provider):
    callback = sign_in(hub)
    pending = hub._flow.take(callback)
    wrong = type(pending)(**{**_fields(pending), "verifier": "x" * 43})
    hub._flow._pending.put(_key(callback), wrong)
    with pytest.raises(SignInRefused, match="gave no token") as refused:
        hub.callback(callback)
    assert callback.parameters["code"] not in str(refused.value)


def test_another_browser_is_refused_and_the_state_is_used_up(hub):
    callback = sign_in(hub)
    with pytest.raises(SignInRefused, match="started in another browser"):
        hub.callback(Callback("judge", REDIRECT, "of somebody else", callback.parameters))
    with pytest.raises(SignInRefused, match="no sign-in waits"):
        hub.callback(callback)


def test_a_callback_twice_connects_once(hub):
    callback = sign_in(hub)
    hub.callback(callback)
    with pytest.raises(SignInRefused, match="no sign-in waits"):
        hub.callback(callback)


def test_two_callbacks_at_once_connect_once(hub):
    callback = sign_in(hub)

    def tries(_):
        try:
            return hub.callback(callback).status
        except SignInRefused as error:
            return error.cause

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(tries, range(4)))
    assert found.count("active") == 1
    assert sum("no sign-in waits" in said for said in found) == 3


@pytest.mark.parametrize("iss", ["https://evil.example", ""])
def test_another_issuer_is_refused(hub, iss):
    callback = sign_in(hub)
    given = {**callback.parameters, "iss": iss}
    with pytest.raises(SignInRefused, match="issuer"):
        hub.callback(Callback("judge", REDIRECT, callback.browser, given))


def test_another_address_is_refused(hub):
    callback = sign_in(hub)
    other = Callback("judge", "http://evil.example/cb", callback.browser, callback.parameters)
    with pytest.raises(SignInRefused, match="came at another address"):
        hub.callback(other)


def test_a_person_who_says_no(ledger, provider):
    with judge(redirect_uris=[REDIRECT], denies=True) as denying:
        hub = race.access(ledger, denying.url)
        with pytest.raises(SignInRefused, match="access was not granted"):
            hub.callback(sign_in(hub))
        with ledger.read() as seen:
            assert seen.connections.all() == []


def test_another_account_does_not_mend_a_connection(ledger, provider, hub):
    connection = hub.callback(sign_in(hub))
    again = Wish(connection=connection.id)
    mended = hub.callback(sign_in(hub, again))
    assert mended.id == connection.id


def test_the_family_dies_by_a_second_use_and_the_person_is_told(hub, ledger, provider):
    """What a thief, or a lost answer, does: the old refresh token is used once more."""
    connection = hub.callback(sign_in(hub))
    first = stored(ledger, connection)
    hub.authorizer(connection.id).renew(1)
    before = provider.happened()["families_revoked"]
    httpx2.post(
        f"{provider.url}/token",
        auth=(CLIENT["client_id"], CLIENT["client_secret"]),
        data={"grant_type": "refresh_token", "refresh_token": first.refresh},
    )
    assert provider.happened()["families_revoked"] == before + 1
    with pytest.raises(CredentialBroken) as broken:
        rows(hub, connection)
    assert broken.value.cause.startswith("The judge does not renew the access any more")
    with ledger.read() as seen:
        found = seen.connections.get(connection.id)
    assert (found.status, found.reason) == ("broken", broken.value.cause)
    assert found.mend == f"meterstone connect judge --connection {connection.id}"
    # the person signs in again, and everything goes on
    hub.callback(sign_in(hub, Wish(connection=connection.id)))
    assert rows(hub, connection) == 200


def test_a_process_that_dies_with_the_answer_in_its_hands(hub, ledger, provider):
    """Nobody has the new token: the next process asks again, and says what became of it."""
    connection = hub.callback(sign_in(hub))
    dying = race.access(ledger, provider.url)
    answers = dying._send

    def dies(request):
        answers(request)
        raise KeyboardInterrupt

    dying._send = dies
    with pytest.raises(KeyboardInterrupt):
        dying.authorizer(connection.id).renew(1)
    with pytest.raises(CredentialBroken, match=r"its answer to the renewal of .* never arrived"):
        race.access(ledger, provider.url).authorizer(connection.id).renew(1)
    hub.callback(sign_in(hub, Wish(connection=connection.id)))
    assert rows(hub, connection) == 200


@pytest.mark.usefixtures("provider")  # where there is none, this is skipped too
def test_parallel_syncs_in_processes_renew_once_an_expiry(ledger, tmp_path):
    """The short form of tests/proof/refresh_race.py: tokens of five seconds, three processes."""
    with judge(redirect_uris=[REDIRECT], access_s=5) as provider:
        connection = race.access(ledger, provider.url).callback(
            sign_in(race.access(ledger, provider.url))
        )
        raced = race.race(
            tmp_path, provider.url, connection.id, processes=3, threads=4, until=4, pause_s=0.25
        )
        happened = provider.happened()
    assert set(raced.statuses) == {200}
    assert happened["families_revoked"] == 0
    assert happened["refreshed"] == raced.version - 1 >= 3


def _fields(pending):
    return {name: getattr(pending, name) for name in pending.__slots__}


def _key(callback):
    return digest(callback.parameters["state"])
