"""What announces incidents, and what only looks as if it did.

Most incidents of a simulated network announce themselves: calls slow down, errors burn the budget,
backlogs grow, the vendor's rate limit comes near, a credential is not renewed. Some come out of the
blue, and some signs come to nothing. The network's truth says which is which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from meterstone.sandbox.network.facts import Facts

Kind = Literal["latency", "errors", "backlog", "throttling", "credential"]
KINDS: Mapping[Kind, float] = {
    "latency": 0.3, "errors": 0.25, "backlog": 0.15, "throttling": 0.15, "credential": 0.15,
}  # fmt: skip
"""How often each is what announces an incident."""

HOUR = timedelta(hours=1)
_CALLS = 400
"""Calls of an integration an hour."""


@dataclass(frozen=True, slots=True)
class Odds:
    """How a network fails.

    Attributes:
        a_week: incidents an integration and week, on average; each has a rate of its own.
        announced: share of incidents that announce themselves.
        empty: signs that come to nothing, in relation to those that do not.
        lead_h: median of the hours from the first sign to the incident.
    """

    a_week: float = 0.4
    announced: float = 0.9
    empty: float = 0.3
    lead_h: float = 18.0


@dataclass(frozen=True, slots=True)
class Sign:
    """Something that drifts, in hours since the beginning.

    Attributes:
        turns: from when on it gets better again; at ``ends`` where an incident follows.
        strength: 1 is average; a weak one drowns in the noise.
    """

    integration: str
    kind: Kind
    begins: float
    turns: float
    ends: float
    strength: float
    incident: str | None

    def level(self, hour: NDArray[np.float64]) -> NDArray[np.float64]:
        """How far it has come at each hour: from 0 to ``strength``."""
        up = (hour - self.begins) / max(self.ends - self.begins, 1e-9)
        down = (self.ends - hour) / max(self.ends - self.turns, 1e-9)
        there = (hour >= self.begins) & (hour < self.ends)
        risen = self.strength * (0.3 + 0.7 * up)
        return np.where(there, risen * np.clip(down, 0, 1) if self.incident is None else risen, 0.0)


@dataclass(frozen=True, slots=True)
class Failure:
    """An incident, in hours since the beginning; ``sign``: what announced it."""

    id: str
    integration: str
    starts: float
    ends: float
    sign: Kind | None


def draw(
    rng: np.random.Generator, integrations: Sequence[str], hours: int, odds: Odds
) -> tuple[list[Failure], list[Sign]]:
    """Incidents at random times, and signs: those that announce them and those of nothing."""
    failures: list[Failure] = []
    signs: list[Sign] = []
    for key in integrations:
        rate = odds.a_week * rng.gamma(2.0, 0.5) / 168
        at = rng.exponential(1 / rate)
        number = 0
        while at < hours:
            name = f"{key}-{number}"
            kind = _kind(rng) if rng.random() < odds.announced else None
            lasts = float(rng.lognormal(0.0, 0.6))
            failures.append(Failure(name, key, at, at + lasts, kind))
            if kind is not None:
                signs.append(_sign(rng, key, kind, at, odds, name))
            if rng.random() < odds.announced * odds.empty:
                elsewhere = float(rng.uniform(0, hours))
                signs.append(_sign(rng, key, _kind(rng), elsewhere, odds, None))
            at += lasts + rng.exponential(1 / rate)
            number += 1
    return failures, signs


def _kind(rng: np.random.Generator) -> Kind:
    kinds = list(KINDS)
    return kinds[int(rng.choice(len(kinds), p=list(KINDS.values())))]


def _sign(
    rng: np.random.Generator, key: str, kind: Kind, ends: float, odds: Odds, incident: str | None
) -> Sign:
    lead = float(np.clip(odds.lead_h * rng.lognormal(0.0, 0.45), 4, 72))
    begins = ends - lead
    turns = ends if incident else begins + lead * float(rng.uniform(0.3, 0.9))
    strength = float(rng.lognormal(0.0, 0.3))
    return Sign(key, kind, begins, turns, ends, strength, incident)


class Telemetry:
    """What is recorded of the integrations, hour by hour.

    Args:
        start: the first hour.
    """

    def __init__(
        self, rng: np.random.Generator, start: datetime, hours: int,
        failures: Sequence[Failure], signs: Sequence[Sign],
    ) -> None:  # fmt: skip
        self._rng = rng
        self._start = start
        self._hour = np.arange(hours, dtype=float)
        self._failures = failures
        self._signs = signs

    def write(self, facts: Facts, integrations: Sequence[str]) -> None:
        """Rows of api_request, probe, throttle_event, sync_run, oauth_check and incident."""
        for key in integrations:
            levels = {kind: self._level(key, kind) for kind in KINDS}
            down = self._down(key)
            self._calls(facts, key, levels, down)
            self._backlog(facts, key, levels["backlog"], down)
            self._throttling(facts, key, levels["throttling"])
            self._credentials(facts, key, levels["credential"])
        self._incidents(facts)

    def _level(self, key: str, kind: Kind) -> NDArray[np.float64]:
        mine = [s.level(self._hour) for s in self._signs if (s.integration, s.kind) == (key, kind)]
        return np.sum(mine, axis=0) if mine else np.zeros(len(self._hour))

    def _down(self, key: str) -> NDArray[np.float64]:
        """Share of each hour in which it is down."""
        found = np.zeros(len(self._hour))
        for each in self._failures:
            if each.integration == key:
                over = np.minimum(self._hour + 1, each.ends) - np.maximum(self._hour, each.starts)
                found += np.clip(over, 0, 1)
        return np.clip(found, 0, 1)

    def _at(self, minute: int, step: int = 1) -> list[datetime]:
        """A minute of every hour, or of one hour in ``step``."""
        return [self._start + timedelta(hours=int(h), minutes=minute) for h in self._hour[::step]]

    def _calls(
        self, facts: Facts, key: str, levels: Mapping[Kind, NDArray[np.float64]],
        down: NDArray[np.float64],
    ) -> None:  # fmt: skip
        rng, size = self._rng, len(self._hour)
        drift = np.zeros(size)
        shocks = rng.normal(0, 0.06, size)
        for n in range(1, size):
            drift[n] = 0.7 * drift[n - 1] + shocks[n]
        daily = 0.12 * np.sin(2 * np.pi * self._hour / 24)
        spikes = 0.7 * (rng.random(size) < 0.002)
        ms = 150 * np.exp(daily + drift + spikes + 0.55 * levels["latency"] + 1.5 * down)
        share = np.clip(5e-4 + 0.02 * levels["errors"] + 0.5 * down, 0, 1)
        failed = rng.binomial(_CALLS, share)
        common: dict[str, Any] = {
            "direction": "outbound", "endpoint_group": "other", "endpoint": "/v1/records",
            "method": "GET", "integration": key, "consumer": "internal", "source": "otlp",
        }  # fmt: skip
        facts.extend("api_request", common | {
            "request_id": [f"{key}-{n}" for n in range(size)], "at": self._at(20),
            "outcome": "success", "fault": "none", "error_class": "none", "attempts": 1,
            "duration_ms": ms, "count": _CALLS - failed,
        })  # fmt: skip
        bad = np.flatnonzero(failed)
        if len(bad):
            facts.extend("api_request", common | {
                "request_id": [f"{key}-{n}-failed" for n in bad],
                "at": [self._start + timedelta(hours=int(n), minutes=21) for n in bad],
                "outcome": "error", "fault": "provider", "error_class": "server", "attempts": 3,
                "duration_ms": 900.0, "count": failed[bad],
            })  # fmt: skip
        quiet = rng.normal(0, 0.05, size)
        facts.extend("probe", {
            "probe_id": [f"{key}-probe-{n}" for n in range(size)], "at": self._at(5),
            "component": "integration", "integration": key, "check_key": "reachable",
            "interval_s": 3600, "ok": down < 0.5, "location": "us-east", "alerting": True,
            "latency_ms": 80 * np.exp(0.3 * drift + quiet + 0.4 * levels["latency"]),
            "fail_reason": ["none" if x < 0.5 else "timeout" for x in down], "maintenance": False,
        })  # fmt: skip

    def _backlog(
        self, facts: Facts, key: str, level: NDArray[np.float64], down: NDArray[np.float64]
    ) -> None:
        size = len(self._hour)
        waiting = self._rng.poisson(4 + 20 * level + 100 * down)
        facts.extend("sync_run", {
            "run_id": [f"{key}-run-{n}" for n in range(size)], "connection_id": f"C-{key}",
            "integration": key, "started_at": self._at(30), "finished_at": self._at(31),
            "direction": "in", "entity": "record", "mode": "incremental", "interval_s": 3600,
            "status": "success", "records_read": 60, "records_written": 60, "records_failed": 0,
            "backlog": waiting,
        })  # fmt: skip

    def _throttling(self, facts: Facts, key: str, level: NDArray[np.float64]) -> None:
        refused = self._rng.poisson(1.5 + 20 * level)
        some = np.flatnonzero(refused)
        facts.extend("throttle_event", {
            "throttle_id": [f"{key}-t-{n}" for n in some],
            "at": [self._start + timedelta(hours=int(n), minutes=40) for n in some],
            "limiter": "provider", "decision": "rejected", "final": "rejected", "over_quota": True,
            "wait_ms": 0.0, "priority": "normal", "count": refused[some], "integration": key,
        })  # fmt: skip

    def _credentials(self, facts: Facts, key: str, level: NDArray[np.float64]) -> None:
        """Every two hours: is the token renewed as it should be? A check fails now and then."""
        level = level[::2]
        failed = self._rng.random(len(level)) < np.where(level > 0, 0.9, 0.01)
        facts.extend("oauth_check", {
            "check_id": [f"{key}-oauth-{n}" for n in range(len(level))], "at": self._at(50, 2),
            "connection_id": f"C-{key}", "control": "refresh_rotation", "integration": key,
            "result": ["failed" if x else "passed" for x in failed],
        })  # fmt: skip

    def _incidents(self, facts: Facts) -> None:
        for each in self._failures:
            starts = self._start + each.starts * HOUR
            facts.add(
                "incident", incident_id=each.id, kind="availability", severity="sev2",
                integration=each.integration, started_at=starts,
                detected_at=starts + timedelta(seconds=30),
                resolved_at=self._start + each.ends * HOUR, detected_by="monitor",
                auto_resolved=True, escalated=False, predicted=False,
                customer_impact_s=60.0 * (each.ends - each.starts), cause_key=each.sign,
            )  # fmt: skip
