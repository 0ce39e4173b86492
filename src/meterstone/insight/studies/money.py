"""What the studies of worth read: results of the scorecard, statements, and what shops pay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from math import ceil
from typing import Any

from meterstone.insight.panel import Panel
from meterstone.insight.studies.reading import NETWORK
from meterstone.insight.study import Source
from meterstone.measure.compile import literal
from meterstone.measure.results import Scope

_DECIDED = ("met", "not_met", "inconclusive")
_PERIODS, _QUARTER = 12, 3
"""Quarters looked at, and months of one."""

_PLATFORM = "('subscription', 'usage', 'marketplace', 'other')"
"""Kinds of lines that a shop pays by the month; consulting is sold, not caused by a connection."""


@dataclass(frozen=True, slots=True)
class Result:
    """A metric as the scorecard has it.

    Attributes:
        decided: whether it is judged: enough rows, and all conditions hold.
        reason: the verdict in words.
    """

    value: float | None
    interval: tuple[float, float] | None
    decided: bool
    reason: str
    n: int
    parts: Mapping[str, Any]

    def part(self, name: str) -> float | None:
        """A named term behind the value."""
        return _number(self.parts.get(name))


_NOTHING = Result(None, None, False, "the catalogue does not measure it", 0, {})


@dataclass(frozen=True)
class Money:
    """Everything that is read, once for each round."""

    source: Source

    @cached_property
    def _card(self) -> Mapping[str, Any]:
        return card_of(self.source, NETWORK)

    def result(self, metric: str) -> Result:
        """A metric of the network on the day."""
        return result_of(self._card, metric)

    def target(self, metric: str, ref: str = "") -> float | None:
        """What the catalogue asks for, by its defining place or one whose ref ends so."""
        found = self.source.board.catalogue.metrics.get(metric)
        for place in found.places if found else ():
            if place.ref.endswith(ref):
                return _number(place.target.value)
        return None

    @cached_property
    def attested(self) -> Mapping[str, tuple[float, str]]:
        """Numbers that were stated and still hold, with the statement, by claim key."""
        rows = self.source.rows(
            "SELECT claim_key, arg_max(value, attested_at) AS value, "
            "arg_max(statement, attested_at) AS statement FROM {attestation} AS a "
            f"WHERE value IS NOT NULL AND attested_at < {literal(self.source.at)} "
            f"AND (expires_at IS NULL OR expires_at > {literal(self.source.at)}) GROUP BY claim_key"
        )
        return {row["claim_key"]: (float(row["value"]), row["statement"]) for row in rows}

    def stated(self, prefix: str) -> dict[str, float]:
        """What was stated under keys that begin so, by the rest of the key."""
        return {
            key.removeprefix(prefix): value
            for key, (value, _) in self.attested.items()
            if key.startswith(prefix)
        }

    @cached_property
    def hourly_usd(self) -> float | None:
        """What an hour of work costs, as attested."""
        found = self.attested.get("loaded_hourly_usd")
        return found[0] if found else None

    @cached_property
    def live_shops(self) -> int:
        """Shops with a connection at the end of the day."""
        at = literal(self.source.at)
        [row] = self.source.rows(
            "SELECT count(DISTINCT franchise_id) AS n FROM {connection} AS c "
            f"WHERE franchise_id IS NOT NULL AND connected_at < {at} "
            f"AND (disconnected_at IS NULL OR disconnected_at >= {at})"
        )
        return int(row["n"])

    @cached_property
    def revenue(self) -> Revenue:
        """What shops pay by month."""
        return _revenue(self.source)


@dataclass(frozen=True, slots=True)
class Revenue:
    """What shops pay the operator by quarter, before and after going live.

    Attributes:
        panel: for `meterstone.insight.effect.effect`, USD of a shop in a month on average.
        live_months: months that shops were live for within the last twelve.
    """

    panel: Panel
    live_months: int


def card_of(source: Source, scope: Scope) -> Mapping[str, Any]:
    """The metrics of a scorecard of the day, by id."""
    card = source.board.card(scope, source.day, source.known_at)
    return {metric["id"]: metric for metric in card.document["metrics"]} if card else {}


def result_of(card: Mapping[str, Any], metric: str) -> Result:
    """A metric of a scorecard."""
    found = card.get(metric)
    if found is None:
        return _NOTHING
    value, interval = _number(found["value"]), found["interval"]
    return Result(
        value, tuple(interval) if interval else None,
        value is not None and found["verdict"] in _DECIDED,
        found["reason"].rstrip("."), found["n"], found.get("parts") or {},
    )  # fmt: skip


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _revenue(source: Source) -> Revenue:
    """Lines that name a shop, by day of their service, in quarters counted back from the newest
    closed month: in months, few shops would have more periods than a test can bear. The quarter in
    which a shop goes live is neither before nor after, and left out."""
    rows = source.rows(_bills(source))
    newest = source.at.astimezone(source.zone).replace(
        day=1, hour=0, minute=0, second=0, microsecond=0, tzinfo=None
    )
    panel, early, live_months = Panel(), set(), 0
    begins: dict[str, int] = {}
    for row in rows:
        begins[row["shop"]] = min(begins.get(row["shop"], _PERIODS), row["period"])
    for row in rows:
        live: datetime | None = row["live"]
        first, partly = 0, -1
        if live is not None and live < newest:
            back = _months(live, newest)
            first = _PERIODS - back // _QUARTER + 1
            if back % _QUARTER or live.day > 1:
                partly = _PERIODS - ceil(back / _QUARTER) + 1
                first = partly + 1
            if row["period"] > _PERIODS - 4 and row["period"] >= first:
                live_months += _QUARTER
        if row["period"] == partly:
            continue
        if first and first <= begins[row["shop"]]:
            early.add(row["shop"])
            continue
        panel.unit.append(row["shop"])
        panel.period.append(row["period"])
        panel.first.append(first if first <= _PERIODS else 0)
        panel.outcome.append(row["usd"] / _QUARTER)
    if early:
        panel.dropped.append(f"{len(early)} shops were live before they were billed")
    return Revenue(panel, live_months)


def _bills(source: Source) -> str:
    """Of each shop and quarter that it was billed for to the end."""
    newest = f"TIMESTAMP '{source.at.astimezone(source.zone):%Y-%m-01}'"
    opens = f"({newest} - (({_PERIODS} - n + 1) * {_QUARTER}) * INTERVAL '1' MONTH)"
    closes = f"({newest} - (({_PERIODS} - n) * {_QUARTER}) * INTERVAL '1' MONTH)"
    return (
        "WITH line AS (SELECT franchise_id, CAST(service_from AS TIMESTAMP) AS since, "
        "CAST(service_to AS TIMESTAMP) + INTERVAL '1' DAY AS until, "
        "CAST(net_usd AS DOUBLE) AS usd FROM {invoice} AS i WHERE franchise_id IS NOT NULL "
        f"AND kind IN {_PLATFORM} AND status <> 'void' AND issued_at < {literal(source.at)} "
        "AND service_to >= service_from), "
        f"span AS (SELECT n, {opens} AS opens, {closes} AS closes "
        f"FROM generate_series(1, {_PERIODS}) AS s(n)), "
        "whole AS (SELECT franchise_id, min(since) AS since, max(until) AS until FROM line "
        "GROUP BY 1), "
        "live AS (SELECT franchise_id, min(connected_at) AS live FROM {connection} AS c "
        f"WHERE franchise_id IS NOT NULL AND connected_at < {literal(source.at)} GROUP BY 1) "
        "SELECT l.franchise_id AS shop, s.n AS period, min(v.live) AS live, "
        "sum(usd * greatest(epoch(least(l.until, s.closes)) - epoch(greatest(l.since, s.opens)), 0)"
        " / (epoch(l.until) - epoch(l.since))) AS usd "
        "FROM line AS l JOIN span AS s ON l.since < s.closes AND l.until > s.opens "
        "JOIN whole AS w ON w.franchise_id = l.franchise_id AND w.since <= s.opens "
        "AND w.until >= s.closes LEFT JOIN live AS v ON v.franchise_id = l.franchise_id "
        "GROUP BY 1, 2 ORDER BY 1, 2"
    )


def _months(early: datetime, late: datetime) -> int:
    """From the month of one to that of the other."""
    return (late.year - early.year) * 12 + late.month - early.month
