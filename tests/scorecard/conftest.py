"""Measurements made by hand, and the scorecards built from them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from meterstone.measure.results import (
    DayVerdict,
    GateResult,
    Measurement,
    MetricResult,
    PlaceVerdict,
    Scope,
    Verdict,
)
from meterstone.scorecard import About, Lineage, Scorecard, SigningKey, build
from meterstone.scorecard.sign import sign, trust

AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
KNOWN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SQUARE = Scope("integration", "square")
NETWORK = Scope("network")
UPTIME_TARGET = {"cmp": ">=", "value": 99.9, "unit": "%", "period": "trailing 30 days"}
WINDOW = {
    "from": "2026-03-08T02:00:00Z",
    "to": "2026-03-08T04:00:00Z",
    "reason": "Clover upgrade",
    "person": "Ana Ruiz",
}


def place(ref: str, verdict: Verdict = "met", **target: Any) -> PlaceVerdict:
    return PlaceVerdict(ref, UPTIME_TARGET | target, verdict)


def uptime(**changed: Any) -> MetricResult:
    """Integration uptime of square, met; every field may be changed."""
    verdict = changed.get("verdict", "met")
    standard = MetricResult(
        id="integration_uptime",
        refs=("Api.uptime", "Ops.uptime"),
        scope=SQUARE,
        value=99.95,
        unit="%",
        interval=(99.93, 99.97),
        n=1440,
        evidence="measured",
        verdict="met",
        target=UPTIME_TARGET,
        freshness_s=11.5,
        window=(AT - timedelta(days=30), AT),
        places=(place("Api.uptime", verdict), place("Ops.uptime", value=99.5)),
        reason="the lower bound 99.93 % is above 99.9 %",
        parts={"up": 1439.0, "slots": 1440.0, "probe": "healthy", "blind": False, "none": None},
    )
    return replace(standard, **changed)


def response(**changed: Any) -> MetricResult:
    """API response time of square: a second metric."""
    standard = MetricResult(
        id="api_response_p95",
        refs=("Api.p95",),
        scope=SQUARE,
        value=182.4,
        unit="ms",
        interval=None,
        n=120_000,
        evidence="measured",
        verdict="met",
        target={"cmp": "<", "value": 500, "unit": "ms"},
        freshness_s=None,
        window=(AT - timedelta(days=1), AT),
        places=(PlaceVerdict("Api.p95", {"cmp": "<", "value": 500, "unit": "ms"}, "met"),),
    )
    return replace(standard, **changed)


def gate(**changed: Any) -> GateResult:
    """A weekly gate that stands at 31 days."""
    standard = GateResult(
        id="reliability",
        title="Reliability",
        needed=90,
        run=31,
        passed=False,
        since=date(2026, 1, 30),
        broken_on=date(2026, 1, 29),
        broken_by=("Api.p95",),
        chance={"Api.uptime": 0.99, "Api.p95": 0.5},
        chance_all=0.64,
        reconstructed=False,
        restated=(),
        maintenance=(WINDOW,),
        days=(
            DayVerdict(date(2026, 3, 1), "met", "published"),
            DayVerdict(date(2026, 3, 2), "met", "reconstructed"),
        ),
        reason="59 days to go",
    )
    return replace(standard, **changed)


def measurement(*metrics: MetricResult, gates: tuple[GateResult, ...] = (), **changed: Any):
    standard = Measurement(AT, KNOWN, "3f2a" * 16, metrics or (uptime(), response()), gates)
    return replace(standard, **changed)


ABOUT = {
    "integration_uptime": About(
        title="Integration uptime",
        sample_unit="slots",
        run=31,
        lineage=(
            Lineage(
                fact="probe_result",
                from_="2026-01-31T08:00:00Z",
                to="2026-03-02T08:00:00Z",
                where="integration = 'square'",
                rows=1440,
            ),
        ),
    ),
    "api_response_p95": About(title="API response time, p95", sample_unit="requests"),
}


def build_card(measured: Measurement | None = None, **changed: Any) -> Scorecard:
    """The scorecard of square on 2 March 2026."""
    arguments: dict[str, Any] = {
        "scope": SQUARE,
        "day": date(2026, 3, 2),
        "time_zone": "UTC",
        "catalogue_name": "framework",
        "catalogue_version": "1.2",
        "highest_seq": 1200,
        "input_digest": "d1" * 32,
        "labels": ("simulated",),
        "about": ABOUT,
    }
    return build(measured or measurement(), **(arguments | changed))


def network_card(*gates: GateResult, metrics: tuple[MetricResult, ...] = (), **changed: Any):
    """The scorecard of the network, with gates."""
    own = metrics or (uptime(scope=NETWORK), response(scope=NETWORK))
    return build_card(measurement(*own, gates=gates), scope=NETWORK, **changed)


@pytest.fixture(scope="session")
def key() -> SigningKey:
    return SigningKey.generate()


@pytest.fixture
def signed(key: SigningKey) -> dict[str, Any]:
    return sign(network_card(gate(), maintenance=[WINDOW]), key)


@pytest.fixture
def home(tmp_path: Path, key: SigningKey) -> Path:
    """A home that trusts the key of the tests."""
    trust(tmp_path, key.public)
    return tmp_path
