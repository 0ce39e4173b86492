"""Reconciliation over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from starlette.testclient import TestClient
from tests.connect.acme import Acme, Scene, scene, serving
from tests.connect.reconcile.test_reconciler import edit, reconciler, start, sweep

from apis import api_over
from meterstone.connect.connecting import Connecting


@pytest.fixture
def acme() -> Iterator[Acme]:
    with serving() as vendor:
        yield vendor


@pytest.fixture
def at(tmp_path: Path, acme: Acme) -> Iterator[Scene]:
    with scene(tmp_path, acme) as made:
        yield made


@pytest.fixture
def http(at: Scene, tmp_path: Path) -> TestClient:
    made = reconciler(at, tmp_path)
    connecting = Connecting(cast("Any", None), at.ledger, {}, lambda: made)
    return TestClient(api_over(ledger=at.ledger, connecting=connecting))


def test_a_comparison_is_queued_before_everything_else(at: Scene, http: TestClient) -> None:
    path = f"/api/v1/connections/{at.connection.id}/reconcile?full=true"
    answer = http.post(path)
    assert (answer.status_code, answer.json()["entities"]) == (202, ["payments"])
    http.post(path)
    with at.ledger.read() as seen:
        (job,) = seen.queue.all(kind="reconcile")
    assert (job.priority, job.payload["full"]) == ("interactive", True)
    assert http.post("/api/v1/connections/nobody/reconcile").status_code == 404


def test_the_work_list_and_what_is_taken_off_it(
    at: Scene, http: TestClient, tmp_path: Path
) -> None:
    start(at, 5)
    edit(at.acme, "p00001", status="CANCELED")
    sweep(at, tmp_path, repair=False)
    (work,) = http.get("/api/v1/discrepancies").json()
    assert (work["kind"], work["detail"]) == ("mismatched", {"status": ["voided", "completed"]})
    assert http.get("/api/v1/discrepancies?connection=other").json() == []
    with at.ledger.change("test") as change:
        ann = change.people.add(
            name="ann", called="Ann", role="operator", email="ann@x.test", franchises=()
        )
        bob = change.people.add(
            name="bob", called="Bob", role="analyst", email="bob@x.test", franchises=()
        )
    on_it = f"/api/v1/discrepancies/{work['id']}/assign"
    assert http.post(on_it, json={"person": ann.id}).json()["assigned_to"] == ann.id
    refused = http.post(on_it, json={"person": bob.id})
    assert refused.status_code == 400, "an analyst does not work on it"
    assert ann.id in refused.text
    assert http.post(on_it, json={"person": ""}).json()["assigned_to"] == ""
    assert http.post(on_it, json={}).status_code == 422
    assert http.post(on_it, json={"person": "x" * 201}).status_code == 422
    assert http.post(on_it.replace(str(work["id"]), "999"), json={"person": ""}).status_code == 404
    path = f"/api/v1/discrepancies/{work['id']}/accept"
    for body in ({}, {"reason": " "}, {"reason": 5}, []):
        assert http.post(path, json=body).status_code == 422
    assert http.post(path, data={"reason": "form"}).status_code == 415
    assert http.post(path, json={"reason": "x" * 5000}).status_code == 422
    assert http.post(path, json={"reason": "known"}).json()["outcome"] == "accepted"
    assert http.post(path, json={"reason": "known"}).status_code == 404
    assert http.get("/api/v1/discrepancies").json() == []
