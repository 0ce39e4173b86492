"""Findings by API and client: the same bytes that were kept, and nothing of a shop elsewhere."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest
from starlette.testclient import TestClient

from apis import api_over
from meterstone.client import ApiError, Client
from meterstone.publish.api.app import create_api
from meterstone.publish.api.documents import schemas
from meterstone.scorecard.canonical import canonical
from publish.found import DAY, KNOWN, MemoryFindings, effect, examples, kept


def over(found: MemoryFindings) -> TestClient:
    return TestClient(api_over(findings=found))


@pytest.fixture
def client() -> Client:
    return Client("", "t", http=over(MemoryFindings(examples())))


def test_a_list_has_every_finding_with_its_rank(client: Client) -> None:
    rows = list(client.findings())
    assert len(rows) == len(examples())
    assert sorted(row.rank for row in rows) == list(range(1, len(rows) + 1))
    first = min(rows, key=lambda row: row.rank)
    assert (first.study, first.scope.key, first.advice[0].title) == (
        "risk", "square", "Renew the token",
    )  # fmt: skip
    assert [row.key for row in client.findings(withheld=True)] == ["retention"]
    assert {row.study for row in client.findings(study="effect")} == {"effect"}
    assert [row.study for row in client.findings("integration:clover")] == ["risk"]
    assert [row.study for row in client.findings("franchise:F1")] == ["owners"]


def test_pages_of_a_list_leave_nothing_out() -> None:
    http = over(MemoryFindings(examples()))
    seen, path = [], "/api/v1/findings?limit=3"
    while path:
        answer = http.get(path)
        seen += [(row["study"], row["scope"]["key"], row["key"]) for row in answer.json()]
        path = answer.links.get("next", {}).get("url", "")
    assert len(seen) == len(set(seen)) == len(examples())
    assert seen == sorted(seen)


def test_one_finding_is_the_one_that_was_kept(client: Client) -> None:
    read = client.finding("forecasts", "platform_revenue_quarter")
    assert read.finding.pictures[0].curves[1].points[0].high == 207_000
    assert read.finding.tables[0].rows[0][3] is True
    assert client.finding("owners", "value", "franchise:F1").finding.scope.kind == "franchise"
    assert client.finding("risk", "incident_7d", "integration:square").day == DAY
    path = "/api/v1/findings/forecasts/platform_revenue_quarter"
    document = over(MemoryFindings(examples())).get(path).json()
    assert sha256(canonical(document["finding"])).hexdigest() == document["hash"]


def test_a_past_day_has_what_was_known_by_then() -> None:
    later = kept(replace(effect(), sentence="Later."), DAY.replace(day=9), KNOWN.replace(day=10))
    client = Client("", "t", http=over(MemoryFindings([later, kept(effect())])))
    assert client.finding("effect", "sales").finding.sentence == "Later."
    assert client.finding("effect", "sales", day=DAY).finding.sentence != "Later."
    assert client.finding("effect", "sales", known_at=KNOWN).finding.sentence != "Later."
    assert list(client.findings(day=DAY.replace(day=1))) == []


def test_what_is_not_there_says_what_is(client: Client) -> None:
    with pytest.raises(ApiError, match="found nothing about 'salez'") as caught:
        client.finding("effect", "salez")
    assert caught.value.status == 404
    assert "sales" in caught.value.mend
    with pytest.raises(ApiError) as broken:
        list(client.findings("planet:earth"))
    assert broken.value.status == 422


def test_parts_of_findings_have_schemas_of_their_own() -> None:
    found = schemas()
    assert {"KeptFinding", "Finding", "FindingRow", "FindingCheck", "FindingFigure"} <= set(found)
    assert found["Finding"]["properties"]["checks"]["items"] == {
        "$ref": "#/components/schemas/FindingCheck"
    }
    document = create_api(None).openapi()  # type: ignore[arg-type]  # its document alone
    assert "control" in document["components"]["schemas"]["Check"]["properties"], "of a sign-in"
