"""``/metrics``: scorecards and the process in the text format of OpenMetrics.

| family | labels | what |
|---|---|---|
| ``meterstone_VALUE_UNIT`` | scope, key | the value of a metric, in the unit of its definition |
| ``meterstone_verdict`` | metric, scope, key | its verdict, as a state set |
| ``meterstone_scorecard`` | scope, key, day, hash, catalogue, label | which document is shown |
| ``meterstone_scorecard_known_at_seconds`` | scope, key | what had landed by then counts |
| ``meterstone_gate_run_days``, ``_needed_days``, ``meterstone_gate_passed`` | gate | runs of days |
| ``meterstone_integration_health`` | integration | how it is now, as a state set |
| ``meterstone_incidents_open`` | severity | incidents that are not over |
| ``meterstone_error_budget_left_ratio`` | slo, integration | 1: untouched; below 0: overspent |

A number is the one of the scorecard, to the last digit; one that does not exist has no sample.
Franchises have no samples here: their number has no bound.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, get_args

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, StateSetMetricFamily
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from meterstone.board.model import Board, Card
from meterstone.detect.state import Health, Now
from meterstone.measure.results import Scope, Verdict

_UNITS = {
    "%": "percent", "s": "seconds", "ms": "milliseconds", "h": "hours", "x": "times",
    "boolean": "", "state": "", "rating": "", "rank": "", "grade A+..F": "",
}  # fmt: skip
_WORDS = re.compile(r"[^a-z0-9]+")
_SCOPE = ("scope", "key")


def metrics_routes(
    board: Callable[[], Board], now: Callable[[], Now | None], *collectors: Collector
) -> list[BaseRoute]:
    """The route ``/metrics``.

    Args:
        board: gives the kept scorecards.
        now: gives the state of this moment.
        collectors: of what else the process counts.
    """
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    for each in (_Scorecards(board), _Present(now), *collectors):
        registry.register(each)

    def metrics(_request: Request) -> Response:
        text: bytes = generate_latest(registry)  # type: ignore[no-untyped-call]  # it has no types
        return Response(
            text, headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"}
        )

    return [Route("/metrics", metrics)]


def family_name(metric: str, unit: str) -> tuple[str, str]:
    """The name of a metric's family, and its unit as OpenMetrics writes it.

    >>> family_name("integration_uptime", "%")
    ('meterstone_integration_uptime_percent', 'percent')
    """
    suffix = _UNITS.get(unit)
    if suffix is None:
        suffix = _WORDS.sub("_", unit.lower().replace("%", " percent ").replace("/", " per "))
    suffix, name = suffix.strip("_"), f"meterstone_{metric}"
    if not suffix or name.endswith(f"_{suffix}"):
        return name, suffix
    return f"{name}_{suffix}", suffix


class _Scorecards(Collector):
    """The newest scorecards of the network and of each integration."""

    def __init__(self, board: Callable[[], Board]) -> None:
        self._board = board

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand: what there is follows from the catalogue."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All families."""
        board = self._board()
        scopes = [Scope("network"), *(named.scope for named in board.scopes("integration"))]
        cards = [card for scope in scopes if (card := board.card(scope)) is not None]
        yield _documents(cards)
        yield _known_at(cards)
        yield from _values(cards)
        yield _verdicts(cards)
        for card in cards[:1]:
            yield from _gates(card.document["gates"])


def _key(card: Card) -> list[str]:
    return [card.scope.kind, card.scope.key]


def _documents(cards: Iterable[Card]) -> Metric:
    family = InfoMetricFamily(
        "meterstone_scorecard", "The document that the numbers are of.", labels=_SCOPE
    )
    for card in cards:
        catalogue = card.document["catalogue"]
        told = {
            "day": str(card.day), "hash": card.hash, "label": " ".join(card.document["labels"]),
            "catalogue": f"{catalogue['name']} {catalogue['version']}",
        }  # fmt: skip
        family.add_metric(_key(card), told)
    return family


def _known_at(cards: Iterable[Card]) -> Metric:
    family = GaugeMetricFamily(
        "meterstone_scorecard_known_at_seconds", "What had landed by then counts.",
        labels=_SCOPE, unit="seconds",
    )  # fmt: skip
    for card in cards:
        family.add_metric(_key(card), card.known_at.timestamp())
    return family


def _values(cards: Iterable[Card]) -> Iterator[Metric]:
    families: dict[str, Metric] = {}
    for card in cards:
        for metric in card.document["metrics"]:
            name, unit = family_name(metric["id"], metric["unit"])
            value = metric["value"]
            if value is None:
                continue
            if isinstance(value, str):
                states = families.get(name)
                if states is None:
                    states = StateSetMetricFamily(name, metric["title"], labels=_SCOPE)
                    families[name] = states
                states.add_metric(_key(card), {value: True})  # type: ignore[attr-defined]  # it is a state set: so are all values of this metric
                continue
            family = families.get(name)
            if family is None:
                family = GaugeMetricFamily(name, metric["title"], labels=_SCOPE, unit=unit)
                families[name] = family
            family.add_metric(_key(card), float(value))  # type: ignore[attr-defined]  # it is a gauge
    yield from families.values()


def _verdicts(cards: Iterable[Card]) -> Metric:
    family = StateSetMetricFamily(
        "meterstone_verdict", "The verdict on a metric.", labels=("metric", *_SCOPE)
    )
    for card in cards:
        for metric in card.document["metrics"]:
            held = {verdict: verdict == metric["verdict"] for verdict in get_args(Verdict)}
            family.add_metric([metric["id"], *_key(card)], held)
    return family


def _gates(gates: Iterable[Mapping[str, Any]]) -> Iterator[Metric]:
    run = GaugeMetricFamily(
        "meterstone_gate_run_days", "Days in a row.", labels=("gate",), unit="days"
    )
    needed = GaugeMetricFamily(
        "meterstone_gate_needed_days", "Days that pass the gate.", labels=("gate",), unit="days"
    )
    passed = GaugeMetricFamily(
        "meterstone_gate_passed", "1: it is passed.", labels=("gate",)
    )  # fmt: skip
    for gate in gates:
        run.add_metric([gate["id"]], gate["run"])
        needed.add_metric([gate["id"]], gate["needed"])
        passed.add_metric([gate["id"]], gate["passed"])
    yield from (run, needed, passed)


class _Present(Collector):
    """The state of this moment."""

    def __init__(self, now: Callable[[], Now | None]) -> None:
        self._now = now

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand: there may be no state yet."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All families; none before the watch has looked once."""
        now = self._now()
        if now is None:
            return
        yield _looked_at(now.at)
        health = StateSetMetricFamily(
            "meterstone_integration_health", "How an integration is.", labels=("integration",)
        )
        for each in now.integrations:
            states = {state: state == each.health for state in get_args(Health)}
            health.add_metric([each.integration], states)
        yield health
        found = Counter(incident.severity for incident in now.incidents)
        incidents = GaugeMetricFamily(
            "meterstone_incidents_open", "Incidents that are not over.", labels=("severity",)
        )
        for severity in ("sev1", "sev2", "sev3", "sev4"):
            incidents.add_metric([severity], found[severity])
        yield incidents
        budgets = GaugeMetricFamily(
            "meterstone_error_budget_left_ratio", "1: untouched; below 0: overspent.",
            labels=("slo", "integration"), unit="ratio",
        )  # fmt: skip
        for budget in now.budgets:
            if budget.left is not None:
                budgets.add_metric([budget.slo, budget.integration], budget.left)
        yield budgets


def _looked_at(moment: datetime) -> Metric:
    family = GaugeMetricFamily(
        "meterstone_watch_looked_at_seconds", "When the watch looked last.", unit="seconds"
    )
    family.add_metric([], moment.timestamp())
    return family
