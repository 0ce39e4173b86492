"""Servers, infrastructure and maintenance, beside cost lines and samples of another kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import Example, Expect, Row, at, baseline, integration_in_use

AT = at("2026-04-01")


def baselines() -> Iterator[Row]:
    """The last is larger in everything than any other."""
    yield baseline("server_utilization", 0.25, 3)
    yield baseline("resource_efficiency", 2.0, 12)
    yield baseline("maintenance_reduction", 10.0, 12)
    yield baseline("reporting_generation_time", 600.0, 2)
    yield baseline("customer_service_capacity", 1.0, 1)
    yield baseline("annual_cost_savings:retired_tool", 1e6, 5000)


def cost(number: int, day: str, category: str, usd: float, **given: Any) -> Row:
    return {
        "fact": "cost", "cost_id": f"{category}{number}", "incurred_on": day,
        "category": category, "programme": True, "party": "operator", "amount": usd,
        "currency": "USD", "net_usd": usd,
    } | given  # fmt: skip


def costs() -> Iterator[Row]:
    """Maintenance in two months, of which one line has no hours; support in the third."""
    yield cost(1, "2026-01-31", "maintenance", 10, hours=3)
    yield cost(2, "2026-02-28", "maintenance", 10, hours=3)
    yield cost(3, "2026-02-28", "maintenance", 10)
    yield cost(4, "2026-03-31", "support", 10, hours=500)


def samples() -> Iterator[Row]:
    """Half used; one sample without a measurement, one without its provision."""
    for number, (cpu, vcpu) in enumerate(((0.5, 4), (0.5, 4), (0.5, 4), (0.5, 4), (None, 100))):
        yield {
            "fact": "load_sample", "sample_id": f"l{number}", "at": f"2026-03-31T1{number}:00:00Z",
            "instance": "api-1", "cpu": cpu, "provisioned_vcpu": vcpu,
        }  # fmt: skip


def a_change() -> Iterator[Row]:
    """A change that was applied, in an integration that is in use."""
    yield from integration_in_use()
    yield {
        "fact": "sync_lag", "change_id": "L1", "connection_id": "C1", "integration": "square",
        "entity": "payments", "source_changed_at": "2026-03-31T00:00:00Z",
        "received_at": "2026-03-31T00:00:10Z", "applied_at": "2026-03-31T00:00:20Z",
        "status": "applied", "conflict": False, "conflict_resolution": "none",
    }  # fmt: skip


def reports() -> Iterator[Row]:
    """600 s each before, 30 s now."""
    for number, (day, seconds) in enumerate(
        (("2025-03-01", 600), ("2025-04-01", 600), *((f"2026-03-{d:02d}", 30) for d in (1, 2, 31)))
    ):
        minutes, rest = divmod(seconds, 60)
        yield {
            "fact": "report_run", "run_id": f"r{number}", "report_key": "sales",
            "requested_at": f"{day}T10:00:00Z",
            "available_at": f"{day}T10:{minutes:02d}:{rest:02d}Z",
            "kind": "on_demand", "automated": True,
        }  # fmt: skip


def tickets() -> Iterator[Row]:
    for number in (1, 2):
        yield {
            "fact": "support_ticket", "ticket_id": f"t{number}",
            "opened_at": "2026-03-31T08:00:00Z", "channel": "chat", "initiated_by": "customer",
            "resolved_at": "2026-03-31T09:00:00Z", "contacts": 1, "escalated": False,
            "status": "resolved",
        }  # fmt: skip
    yield {
        "fact": "work_sample", "sample_id": "support", "process": "support", "party": "operator",
        "period_start": "2026-01-01T00:00:00Z", "period_end": "2026-04-01T00:00:00Z",
        "automated": False, "minutes": 60, "volume": 2, "method": "system_log",
    }  # fmt: skip


EXAMPLES = (
    Example(
        "upkeep of the servers",
        AT,
        (*baselines(), *costs(), *samples(), *a_change(), *reports(), *tickets()),
        {
            "server_utilization": Expect(100.0, 3, "insufficient_data"),
            "resource_efficiency": Expect(None, 0),
            "maintenance_reduction": Expect(80.0, 2, "insufficient_data"),
            "reporting_generation_time": Expect(-95.0, 2, "insufficient_data"),
            "customer_service_capacity": Expect(100.0, 1, "insufficient_data"),
        },
    ),
    Example(
        "maintenance in three months, a third of it without hours",
        AT,
        (
            *baselines(),
            *a_change(),
            cost(1, "2026-01-31", "maintenance", 10, hours=3),
            cost(2, "2026-02-28", "maintenance", 10, hours=3),
            cost(3, "2026-03-31", "maintenance", 10),
            cost(4, "2026-03-31", "support", 10, hours=0),
        ),
        {"maintenance_reduction": Expect(80.0, 3, "insufficient_data")},
    ),
)
