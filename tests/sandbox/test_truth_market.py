"""Market, leadership and advantage: measured as they are true, on every preset."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from meterstone.app import Home
from meterstone.record.ingest import ingest
from meterstone.sandbox.network import market

from .conftest import Networks
from .truth import STORIES, differences, missed, system

SYSTEMS = (
    "MarketPositionMetrics",
    "MarketIntelligenceAnalytics",
    "IndustryLeadershipMetrics",
    "CompetitiveAdvantageMetrics",
)
ELSEWHERE = {"market_position"}
"""What is judged in another system, and rests on the same observations."""
PUBLISHED = {"market_position_cadence"}
"""Metrics about what was published, by `programme`, whose test holds them against their truth."""

TELEMETRY = {"integration_count", "developer_ecosystem", "switching_difficulty"}
"""Metrics of runs and calls, which the network has for its last weeks only."""


def _mine(refs: dict[str, str]) -> list[str]:
    return [id_ for id_, ref in refs.items() if system(ref) in SYSTEMS or id_ in ELSEWHERE]


@pytest.mark.parametrize("story", STORIES)
def test_measured_as_it_is_true(network: Networks, story: str) -> None:
    made = network(story)
    mine = _mine({m.id: m.ref for m in made.home.catalogue.metrics.values()})
    assert len(mine) == 33
    assert differences(made, mine) == []


@pytest.mark.parametrize("story", ["thriving", "struggling"])
def test_targets_are_met_but_for_those_named(network: Networks, story: str) -> None:
    found = missed(
        network(story),
        lambda id_, ref: id_ not in PUBLISHED and system(ref) in SYSTEMS,
        fine=["met"],
    )
    assert found == (market.MISSED if story == "struggling" else set())


def test_targets_are_met_on_the_days_before(network: Networks) -> None:
    made = network("thriving")
    catalogue = made.home.catalogue
    mine = [
        id_ for id_ in _mine({m.id: m.ref for m in catalogue.metrics.values()})
        if not catalogue.metrics[id_].looks_back and id_ not in TELEMETRY
    ]  # fmt: skip
    days = [datetime(2026, *day, tzinfo=UTC) for day in ((7, 3), (8, 1), (8, 20), (9, 30))]
    evaluation = made.evaluator().evaluate(days, mine)
    for id_ in mine:
        column = evaluation.columns[id_, "network"]
        for place, verdicts in zip(column.metric.places, column.verdicts, strict=True):
            assert (place.ref, set(map(str, verdicts[:, 0]))) == (place.ref, {"met"})


def test_an_attestation_without_evidence_is_refused_and_the_rest_goes_on(tmp_path: Path) -> None:
    """A patent without a document behind it never enters a count; what is beside it does."""
    whole = {
        "fact": "recognition", "recognition_id": "R1", "kind": "patent", "title": "Method",
        "issuer": "Office", "independent": True, "category": "technology",
        "dated_on": "2025-03-01", "status": "granted", "source": "attestation",
        "entered_by": "simulated", "entered_role": "simulated",
        "evidence_uri": "https://example.org/simulated", "expires_at": "2030-01-01T00:00:00Z",
    }  # fmt: skip
    bare = {k: v for k, v in whole.items() if k != "evidence_uri"}
    review = {
        "fact": "attestation", "attestation_id": "A1", "statement": "All were looked through.",
        "claim_key": "register_review:recognition", "attested_at": "2026-09-20T09:00:00Z",
        "source": "attestation", "entered_by": "simulated", "entered_role": "simulated",
        "evidence_uri": "https://example.org/simulated", "expires_at": "2027-01-01T00:00:00Z",
    }  # fmt: skip
    path = tmp_path / "patents.jsonl"
    rows = [whole, bare | {"recognition_id": "R2", "title": "Claimed"}, review]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with Home(tmp_path / "home") as home:
        report = ingest(home.recorder, [str(path)], as_="facts_jsonl")
        assert (report.mapping.rows, report.mapping.rejected) == (2, 1)
        (refused,) = home.recorder.log.quarantined()
        assert "evidence_uri" in refused.reason
        assert "evidence_uri" in refused.mend or "attest" in refused.mend
        at = datetime(2026, 10, 1, tzinfo=UTC)
        (found,) = home.results(["patent_portfolio"], at, None)[1]
    assert (found.value, found.n, found.verdict) == (1, 1, "not_met")
