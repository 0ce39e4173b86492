"""The other side of ``year``: the same numbers in SQL by hand, over the same stored rollups.

Each query yields (moment, key, value, n) for one metric and kind of scope, as a person would write
it who knows the tables. Rows are left out where there is no value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

_ELIGIBLE = {
    "network": ("'*'", "fault <> 'caller' AND direction = 'inbound'"),
    "endpoint_group": ("endpoint_group", "fault <> 'caller' AND direction = 'inbound'"),
    "integration": (
        "integration",
        "fault <> 'caller' AND direction = 'outbound' AND integration IS NOT NULL",
    ),
}
_TIMED = "(outcome = 'success' OR error_class = 'timeout')"
_CLASSES = ("authentication", "rate_limit", "timeout", "connection", "data_validation")
_KEYS = {"network": ("'*'", "true"), "integration": ("integration", "integration IS NOT NULL")}

Queries = dict[tuple[tuple[str, ...], str], str]
"""(metric ids, kind of scope) to a query with columns moment, k, and value_/n_ a metric."""


def queries(first: str, last: str) -> Queries:
    """All queries.

    Args:
        first, last: the day ends that are asked for, as ``YYYY-MM-DD``.
    """
    found: Queries = {}
    for scope, (key, where) in _ELIGIBLE.items():
        found[("api_success_rate", "api_error_rate"), scope] = _daily_rates(key, where)
        classes = tuple(f"{name}_error_rate" for name in _CLASSES)
        found[classes, scope] = _monthly_rates(key, where, first, last)
        found[("api_mean_response_time",), scope] = _means(key, where)
        found[("api_response_time_p95",), scope] = _percentiles(key, where)
    found |= _peaks() | _uptime(first, last) | _health() | _episodes()
    return found | _from_facts(first, last)


def metrics(found: Mapping[tuple[tuple[str, ...], str], str]) -> Iterator[str]:
    """Ids of the metrics that are compared."""
    yield from dict.fromkeys(id_ for ids, _ in found for id_ in ids)


def _daily_rates(key: str, where: str) -> str:
    return f"""
        SELECT "at" + INTERVAL 1 DAY AS moment, {key} AS k,
               100.0 * coalesce(sum(requests) FILTER (outcome = 'success'), 0) / sum(requests)
                 AS value_api_success_rate, sum(requests) AS n_api_success_rate,
               100.0 * coalesce(sum(requests) FILTER (outcome = 'error'), 0) / sum(requests)
                 AS value_api_error_rate, sum(requests) AS n_api_error_rate
        FROM rollup.api_request_day WHERE {where} GROUP BY ALL"""


def _monthly_rates(key: str, where: str, first: str, last: str) -> str:
    errors = ", ".join(
        f"coalesce(sum(requests) FILTER (outcome = 'error' AND error_class = '{c}'), 0) AS {c}"
        for c in _CLASSES
    )
    shares = ", ".join(
        f"100.0 * sum({c}) OVER w / sum(requests) OVER w AS value_{c}_error_rate, "
        f"sum(requests) OVER w AS n_{c}_error_rate"
        for c in _CLASSES
    )
    return f"""
        WITH day AS (
            SELECT "at", {key} AS k, sum(requests) AS requests, {errors}
            FROM rollup.api_request_day WHERE {where} GROUP BY ALL
        ), filled AS (
            SELECT d."at", k.k, day.* EXCLUDE ("at", k)
            FROM {_calendar(first, last)} AS d CROSS JOIN (SELECT DISTINCT k FROM day) AS k
            LEFT JOIN day ON day."at" = d."at" AND day.k = k.k
        )
        SELECT "at" + INTERVAL 1 DAY AS moment, k, {shares} FROM filled
        WINDOW w AS (PARTITION BY k ORDER BY "at" ROWS 29 PRECEDING)"""


def _calendar(first: str, last: str) -> str:
    return (
        f"(SELECT unnest(generate_series(TIMESTAMP '{first}' - INTERVAL 1 DAY, "
        f"TIMESTAMP '{last}' - INTERVAL 1 DAY, INTERVAL 1 DAY)) AS \"at\")"
    )


def _means(key: str, where: str) -> str:
    return f"""
        SELECT "at" + INTERVAL 1 DAY AS moment, {key} AS k,
               CAST(sum(value_total) AS DOUBLE) / sum(timed_requests)
                 AS value_api_mean_response_time,
               sum(timed_requests) AS n_api_mean_response_time
        FROM rollup.api_request_day WHERE {where} AND {_TIMED}
        GROUP BY ALL HAVING sum(timed_requests) > 0"""


def _percentiles(key: str, where: str) -> str:
    return f"""
        WITH bins AS (
            SELECT "at", {key} AS k, bin, sum(requests) AS w FROM rollup.api_request_hist_day
            WHERE {where} AND {_TIMED} GROUP BY ALL
        ), ranked AS (
            SELECT "at", k, bin, sum(w) OVER (PARTITION BY "at", k ORDER BY bin) AS so_far,
                   sum(w) OVER (PARTITION BY "at", k) AS total
            FROM bins
        )
        SELECT "at" + INTERVAL 1 DAY AS moment, k,
               pow(2, (min(bin) FILTER (so_far >= ceil(0.95 * total)) + 0.5) / 32)
                 AS value_api_response_time_p95,
               pow(2, (min(bin) FILTER (so_far >= ceil(0.5 * total)) + 0.5) / 32) AS median,
               max(total) AS n_api_response_time_p95
        FROM ranked GROUP BY "at", k"""


def _peaks() -> Queries:
    select = """
        SELECT day + INTERVAL 1 DAY AS moment, endpoint_group AS k,
               max(peak) / 60.0 AS value_api_request_rate, sum(minutes) AS n_api_request_rate
        FROM rollup.relation_inbound_minute WHERE endpoint_group {} '*' GROUP BY ALL"""
    return {
        (("api_request_rate",), "network"): select.format("="),
        (("api_request_rate",), "endpoint_group"): select.format("<>"),
    }


def _uptime(first: str, last: str) -> Queries:
    found: Queries = {}
    for scope, (key, where) in _KEYS.items():
        found[("integration_uptime",), scope] = f"""
            WITH day AS (
                SELECT day AS "at", {key} AS k, sum(up) AS up, sum(slots) AS slots
                FROM rollup.relation_integration_slot WHERE {where} GROUP BY ALL
            ), filled AS (
                SELECT d."at", k.k, day.up, day.slots
                FROM {_calendar(first, last)} AS d CROSS JOIN (SELECT DISTINCT k FROM day) AS k
                LEFT JOIN day ON day."at" = d."at" AND day.k = k.k
            )
            SELECT "at" + INTERVAL 1 DAY AS moment, k,
                   100.0 * sum(up) OVER w / sum(slots) OVER w AS value_integration_uptime,
                   sum(slots) OVER w AS n_integration_uptime
            FROM filled WINDOW w AS (PARTITION BY k ORDER BY "at" ROWS 29 PRECEDING)"""
    return found


def _health() -> Queries:
    return {
        (("overall_health_score",), scope): f"""
            SELECT day + INTERVAL 1 DAY AS moment, {key} AS k,
                   100.0 * sum(healthy) / sum(minutes) AS value_overall_health_score,
                   sum(minutes) AS n_overall_health_score
            FROM rollup.relation_integration_minute WHERE {where} GROUP BY ALL"""
        for scope, (key, where) in _KEYS.items()
    }


def _episodes() -> Queries:
    keys = {
        "network": ("'*'", "true"),
        "integration": ("entity", "kind = 'integration'"),
        "endpoint_group": ("entity", "kind = 'endpoint_group'"),
    }
    return {
        (("error_recovery_time",), scope): f"""
            SELECT date_trunc('day', day) + INTERVAL 1 DAY AS moment, {key} AS k,
                   max(seconds) AS value_error_recovery_time, count(*) AS n_error_recovery_time
            FROM rollup.relation_error_episode WHERE {where} GROUP BY ALL"""
        for scope, (key, where) in keys.items()
    }


def _from_facts(first: str, last: str) -> Queries:
    """What has no rollup is read from the rows by both sides."""
    found: Queries = {}
    for scope, (key, where) in _KEYS.items():
        found[("rate_limit_hits",), scope] = f"""
            SELECT date_trunc('day', "at") + INTERVAL 1 DAY AS moment, {key} AS k,
                   100.0 * coalesce(sum("count") FILTER (decision IN ('queued', 'rejected')), 0)
                     / sum("count") AS value_rate_limit_hits, sum("count") AS n_rate_limit_hits
            FROM facts.throttle_event WHERE {where} AND NOT retracted AND NOT synthetic
              AND environment = 'production' GROUP BY ALL"""
        found[("webhook_delivery_success",), scope] = f"""
            WITH day AS (
                SELECT date_trunc('day', deadline_at) AS "at", {key} AS k, count(*) AS due,
                       count(*) FILTER (delivered_at <= deadline_at AND NOT found_by_reconciliation)
                         AS good
                FROM facts.webhook_delivery WHERE {where} AND status <> 'receiver_disabled'
                  AND NOT retracted AND NOT synthetic AND environment = 'production' GROUP BY ALL
            ), filled AS (
                SELECT d."at", k.k, day.due, day.good
                FROM {_calendar(first, last)} AS d CROSS JOIN (SELECT DISTINCT k FROM day) AS k
                LEFT JOIN day ON day."at" = d."at" AND day.k = k.k
            )
            SELECT "at" + INTERVAL 1 DAY AS moment, k,
                   100.0 * sum(good) OVER w / sum(due) OVER w AS value_webhook_delivery_success,
                   sum(due) OVER w AS n_webhook_delivery_success
            FROM filled WINDOW w AS (PARTITION BY k ORDER BY "at" ROWS 29 PRECEDING)"""
        found[("integrity_score",), scope] = f"""
            SELECT date_trunc('day', "at") + INTERVAL 1 DAY AS moment, {key} AS k,
                   100.0 * sum(checked - missing - mismatched) / sum(checked + extra)
                     AS value_integrity_score, sum(checked) AS n_integrity_score
            FROM facts.reconciliation WHERE {where} AND NOT retracted AND NOT synthetic
              AND environment = 'production' GROUP BY ALL"""
    return found
