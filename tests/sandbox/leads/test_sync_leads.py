"""FranConnect, Fransmart and IFPG through the whole runtime: sign-in, runs, landing log, facts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.connect.leads_truth import comparable, simulated
from tests.connect.sandboxed import Sandboxed, sandboxed

from meterstone.connect.auth.base import CredentialBroken, SignInRefused
from meterstone.sandbox.kit import Books, make, running

STREAMS = {
    "franconnect": {
        "leads": "deal",
        "franchisees": "franchise",
        "agreements": "franchise_contract",
        "territories": "territory",
    },
    "fransmart": {"leads": "deal"},
    "ifpg": {"leads": "deal"},
}


def given(vendor: str, told: dict[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """Credentials and settings of a connection to a stand-in."""
    if vendor == "franconnect":
        app = {"client_id": told["client_id"], "client_secret": told["client_secret"]}
        return app, {"tenant": told["tenant"]}
    return {"token": told["token"]}, {}


@pytest.mark.parametrize("vendor", STREAMS)
def test_every_fact_equals_the_truth(vendor: str, books: Books, tmp_path: Path) -> None:
    made = make(vendor, books, 1)
    with running(made) as [url], sandboxed(tmp_path) as home:
        told = made.credentials(url)
        credentials, settings = given(vendor, told)
        connection = home.connect(vendor, told, credentials, **settings)
        for stream, fact in STREAMS[vendor].items():
            report = home.hub.sync(connection.id, stream)
            assert report.status == "success"
            rows = [row for row in home.facts(fact) if not row["retracted"]]
            assert comparable(rows, fact) == simulated(books, fact, vendor)
            assert {row["source"] for row in rows} == {vendor}
        runs = home.facts("sync_run")
        assert {run["entity"] for run in runs} == set(STREAMS[vendor])
        assert {run["status"] for run in runs} == {"success"}


def test_a_change_and_a_deletion_are_seen_by_the_next_runs(books: Books, tmp_path: Path) -> None:
    made = make("franconnect", books, 1)
    with running(made) as [url], sandboxed(tmp_path) as home:
        told = made.credentials(url)
        credentials, settings = given("franconnect", told)
        connection = home.connect("franconnect", told, credentials, **settings)
        home.hub.sync(connection.id, "leads")
        leads = made.entities["lead"]
        changed, gone = (record["referenceId"] for record in leads.select().page(0, 2))
        leads.edit(changed, {"leadKilledReason": "moved away"})
        leads.delete(gone)
        home.hub.sync(connection.id, "leads")
        reasons = {row["deal_id"]: row["lost_reason"] for row in home.facts("deal")}
        assert reasons[changed] == "moved away"
        home.hub.sync(connection.id, "leads", full=True)
        assert gone not in {r["deal_id"] for r in home.facts("deal") if not r["retracted"]}


def test_a_token_that_was_revoked_is_got_anew(books: Books, tmp_path: Path) -> None:
    """FranConnect says so inside a 200."""
    made = make("franconnect", books, 1)
    with running(made) as [url], sandboxed(tmp_path) as home:
        told = made.credentials(url)
        credentials, settings = given("franconnect", told)
        connection = home.connect("franconnect", told, credentials, **settings)
        httpx2.post(f"{url}/_sandbox/faults", json={"kind": "revoked"}).raise_for_status()
        httpx2.delete(f"{url}/_sandbox/faults").raise_for_status()
        assert home.hub.sync(connection.id, "leads").status == "success"
        assert made.accounts is not None
        assert made.accounts.counts["refused"] >= 1


def test_a_link_that_wants_a_token_says_so_to_whoever_gave_none(
    books: Books, tmp_path: Path
) -> None:
    made = make("fransmart", books, 1)
    with running(made) as [url], sandboxed(tmp_path) as home:
        connection = home.connect("fransmart", made.credentials(url), {})
        with pytest.raises(CredentialBroken, match="Fransmart"):
            home.hub.sync(connection.id, "leads")
        with home.hub.ledger.read() as seen:
            assert seen.connections.get(connection.id).status == "broken"


def test_a_wrong_secret_is_refused_before_anything_is_stored(books: Books, tmp_path: Path) -> None:
    made = make("franconnect", books, 1)
    with running(made) as [url], sandboxed(tmp_path) as home:
        told = made.credentials(url)
        wrong = {"client_id": told["client_id"], "client_secret": "not-the-secret"}
        with pytest.raises(SignInRefused) as refused:
            home.connect("franconnect", told, wrong, tenant=told["tenant"])
        assert "not-the-secret" not in str(refused.value)
        assert connections(home) == 0


def connections(home: Sandboxed) -> int:
    with home.hub.ledger.read() as seen:
        return len(seen.connections.all())
