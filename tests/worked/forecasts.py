"""Forecasts: of each quantity one newest issue and its record, beside a quantity whose figures
would change every result if it were taken for another one."""

from __future__ import annotations

from collections.abc import Iterator

from . import Example, Expect, Row, at, attested, opened, paid

AT = at("2026-04-01")
ISSUED = "2026-03-31T23:00:00Z"
"""An hour before: a day earlier this issue was not there."""


def issue(
    quantity: str, number: int, issued: str, point: float, low: float, high: float, **given: object
) -> Row:
    return {
        "fact": "forecast", "forecast_id": f"{quantity}-{number}", "issued_at": issued,
        "model": "m", "model_version": "1", "quantity": quantity,
        "horizon_start": "2026-04-01T00:00:00Z", "horizon_end": "2026-07-01T00:00:00Z",
        "point": point, "lower95": low, "upper95": high,
    } | given  # fmt: skip


def closed(
    quantity: str, count: int, covered: int, error: float, naive_error: float
) -> Iterator[Row]:
    """Closed horizons whose outcome is 100; the first ``covered`` of them lie in their interval."""
    for number in range(count):
        inside = number < covered
        yield issue(
            quantity, 1000 + number, f"2025-{1 + number % 9:02d}-{1 + number // 9:02d}T00:00:00Z",
            100 + error, 100 - error if inside else 101, 100 + error + 1,
            naive_point=100 + naive_error, outcome=100,
            horizon_start=f"2025-{1 + number % 9:02d}-10T00:00:00Z",
            horizon_end=f"2025-{2 + number % 9:02d}-10T00:00:00Z",
            outcome_at=f"2025-{2 + number % 9:02d}-11T00:00:00Z",
        )  # fmt: skip


def around() -> Iterator[Row]:
    """What the forecasts are compared with: 100 requests a day, two active franchises, a proven
    capacity, 12,000 USD of revenue a month."""
    for day in range(1, 32):
        yield {
            "fact": "api_request", "request_id": f"q{day}", "at": f"2026-03-{day:02d}T12:00:00Z",
            "direction": "inbound", "endpoint_group": "other", "endpoint": "/", "method": "GET",
            "outcome": "success", "fault": "none", "error_class": "none", "attempts": 1,
            "duration_ms": 5, "count": 100, "consumer": "franchise",
        }  # fmt: skip
    for shop in ("F1", "F2"):
        yield opened(shop)
        yield paid(shop, "2026-03-31", 10)
    yield {
        "fact": "load_test", "test_id": "t1", "started_at": "2026-03-31T10:00:00Z",
        "ended_at": "2026-03-31T11:00:00Z", "release_version": "3.1.0", "scenario": "usual",
        "concurrent_users": 12_500, "hold_s": 900, "requests": 20_000, "p95_ms": 200,
        "success_rate": 100, "production_like": True,
    }  # fmt: skip
    yield {
        "fact": "release", "release_id": "r1", "version": "3.1.0", "kind": "feature",
        "released_at": "2026-03-01T00:00:00Z", "customer_visible": True,
    }  # fmt: skip
    for month in range(15):
        year, nth = divmod(2025 * 12 + month, 12)
        day = f"{year}-{nth + 1:02d}"
        yield {
            "fact": "invoice", "invoice_line_id": day, "invoice_id": day, "kind": "subscription",
            "issued_at": f"{day}-05T00:00:00Z", "deal_kind": "none", "service_from": f"{day}-01",
            "service_to": f"{day}-28", "amount": 12_000, "credited": 0, "currency": "USD",
            "net_usd": 12_000, "due_on": f"{day}-28", "status": "paid",
        }  # fmt: skip
        yield attested(f"period_closed:{day}", f"{day}-28T00:00:00Z")


def decoy() -> Iterator[Row]:
    """A quantity of another kind, larger in everything, with a record that is neither better nor
    covered less; whoever does not ask which quantity it is finds it."""
    yield issue("share_lead", 1, ISSUED, 9e9, 8e9, 9.9e9)
    yield from closed("share_lead", 60, 60, 1e6, 2e6)


def own(covered: int, error: float) -> Iterator[Row]:
    """Each quantity with 14 closed horizons; the seasonal-naive forecast is 2 off."""
    for quantity, (point, low, high) in POINTS.items():
        yield issue(quantity, 1, ISSUED, point, low, high)
        yield from closed(quantity, 14, covered, error, 2)


POINTS = {
    "mean_daily_requests": (115.0, 110.0, 120.0),
    "peak_concurrent_users": (8_000.0, 7_000.0, 9_000.0),
    "platform_revenue_quarter": (500_000.0, 450_000.0, 550_000.0),
    "platform_revenue_12m": (2_000_000.0, 1_900_000.0, 2_100_000.0),
    "active_franchises": (5.0, 4.0, 6.0),
    "new_regions": (5.0, 4.0, 6.0),
}

_VALUES = {
    "load_growth_forecast_30d": (15.0, (10.0, 20.0)),
    "peak_load_forecast": (8_000.0, (7_000.0, 9_000.0)),
    "next_quarter_revenue_forecast": (464_000.0, (414_000.0, 514_000.0)),
    "annual_revenue_forecast": (1_856_000.0, (1_756_000.0, 1_956_000.0)),
    "franchise_network_forecast": (150.0, (100.0, 200.0)),
    "capacity_requirement_factor": (0.9, (0.7, 0.9)),
}


ALL = frozenset(_VALUES)
COVERAGE = frozenset(
    {"load_growth_forecast_30d", "peak_load_forecast", "capacity_requirement_factor"}
)
"""Forecasts whose intervals must have covered 85 % of the outcomes."""


def _expect(missing: frozenset[str], interval: str) -> dict[str, Expect]:
    found = {
        metric: Expect(value, 14, "insufficient_data" if metric in missing else "met", bounds)
        for metric, (value, bounds) in _VALUES.items()
    }
    return found | {"revenue_forecast_interval": Expect(100.0, 28, interval, (95.0, 105.0))}


EXAMPLES = (
    Example(
        "forecasts with a record that holds",
        AT,
        (*around(), *decoy(), *own(covered=14, error=1)),
        _expect(frozenset(), "met"),
    ),
    Example(
        "forecasts whose intervals covered too little",
        AT,
        (*around(), *decoy(), *own(covered=7, error=1)),
        _expect(COVERAGE, "insufficient_data"),
    ),
    Example(
        "forecasts no better than the seasonal-naive",
        AT,
        (*around(), *decoy(), *own(covered=14, error=3)),
        _expect(ALL, "met"),
    ),
)
