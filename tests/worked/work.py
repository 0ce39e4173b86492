"""Manual work before and now: the same processes by one party alone, beside a process of both
parties and baselines that would change every result if they were taken for others."""

from __future__ import annotations

from collections.abc import Iterator

from . import Example, Expect, Row, at, attested, baseline, opened, paid

AT = at("2026-04-01")
PROCESSES = ("data_entry", "reporting", "compliance", "administration", "decision")
SHOPS = ("F1", "F2")

MINUTES_BEFORE = {
    "manual_data_entry_reduction": 20.0,
    "reporting_manual_reduction": 20.0,
    "compliance_manual_reduction": 20.0,
    "administrative_efficiency": 3.0,  # units an hour
    "administrative_overhead": 5.0,  # hours a week and franchise
    "decision_making_speed": 100.0,  # minutes elapsed
}


def sample(number: str, process: str, party: str, start: str, end: str, minutes: float) -> Row:
    shop = SHOPS[int(number[-1]) % 2]
    return {
        "fact": "work_sample", "sample_id": f"{process}{party}{number}", "process": process,
        "period_start": f"{start}T00:00:00Z", "period_end": f"{end}T00:00:00Z", "party": party,
        "automated": False, "minutes": minutes, "volume": 1, "method": "system_log",
        "elapsed_minutes": 10, "franchise_id": shop,
    }  # fmt: skip


def both_windows(process: str, party: str) -> Iterator[Row]:
    """45 units of 20 minutes in the baseline's year, 50 of one minute in a week of March."""
    for number in range(45):
        yield sample(f"b{number}", process, party, "2025-06-01", "2025-06-08", 20)
    for number in range(50):
        yield sample(f"n{number}", process, party, "2026-03-02", "2026-03-09", 1)


def active_shops() -> Iterator[Row]:
    for shop in SHOPS:
        yield opened(shop)
        yield paid(shop, "2026-03-31", 10)


def alone(party: str) -> Iterator[Row]:
    """All processes by one party; operations by both."""
    yield from active_shops()
    for process in PROCESSES:
        yield from both_windows(process, party)
    yield from both_windows("operations", "operator")
    yield from both_windows("operations", "franchisee")
    for metric, value in MINUTES_BEFORE.items():
        yield baseline(metric, value, 40)
    yield baseline("manual_work_elimination", 7 * 45 * 20, 150)
    yield baseline("annual_cost_savings:retired_tool", 1e6, 5000)  # larger than any other


REDUCED = {
    "manual_data_entry_reduction": Expect(95.0, 40, "met"),
    "reporting_manual_reduction": Expect(95.0, 40, "met"),
    "compliance_manual_reduction": Expect(95.0, 40, "met"),
    "administrative_efficiency": Expect(1900.0, 40, "met"),
    "administrative_overhead": Expect(100 * (50 / 60 / 2 - 5) / 5, 40, "met"),
    "decision_making_speed": Expect(900.0, 40, "met"),
    "manual_work_elimination": Expect(95.0, 150, "met"),
}


def saved(month: int) -> Row:
    """30 hours of reports that took an hour each before."""
    year, nth = divmod(2025 * 12 + 3 + month, 12)
    return sample(f"s{month}", "reporting", "operator", f"{year}-{nth + 1:02d}-01",
                  f"{year}-{nth + 1:02d}-28", 0) | {"volume": 30}  # fmt: skip


def savings(hourly_expires: str) -> Iterator[Row]:
    yield from (saved(month) for month in range(12))
    yield baseline("annual_cost_savings:reporting", 60, 100)
    yield attested(
        "loaded_hourly_usd", "2025-01-01T00:00:00Z", value=1000, unit="USD/h",
        expires_at=hourly_expires,
    )  # fmt: skip
    yield attested("programme_start", "2025-01-01T00:00:00Z")
    yield {
        "fact": "cost", "cost_id": "tool", "incurred_on": "2026-03-03", "category": "retired_tool",
        "programme": False, "party": "operator", "amount": 500, "currency": "USD", "net_usd": 500,
    }  # fmt: skip


EXAMPLES = (
    Example("work of the franchisees alone", AT, tuple(alone("franchisee")), REDUCED),
    Example("work of the operator alone", AT, tuple(alone("operator")), REDUCED),
    Example(
        "savings at an hourly cost that is attested",
        AT,
        tuple(savings("2030-01-01T00:00:00Z")),
        {"annual_cost_savings": Expect(359_500.0, 12, "met")},
    ),
    Example(
        "savings at an hourly cost whose attestation has expired",
        AT,
        tuple(savings("2026-01-01T00:00:00Z")),
        {"annual_cost_savings": Expect(359_500.0, 12, "insufficient_data")},
    ),
)
