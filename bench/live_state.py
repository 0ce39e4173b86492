"""A state of now of the size of a real one: twenty integrations, four endpoint groups, budgets.

Every version differs from the one before in every part of the page.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from meterstone.detect.state import (
    BudgetNow,
    DrillsNow,
    ErrorsNow,
    IntegrationNow,
    Now,
    OpenIncident,
    QueueNow,
    SignalNow,
)

INTEGRATIONS = 20


def state(version: int, at: datetime) -> Now:
    """The state of a version."""
    late = at - timedelta(minutes=version)
    return Now(
        at=at, version=version, sentence=f"Version {version}.", lead=f"State {version}.",
        integrations=tuple(
            IntegrationNow(
                integration=f"vendor{number}", name=f"Vendor {number}",
                health="late" if number == 0 else "healthy", since=late if number == 0 else None,
                says="Answers 429; backfill is paused." if number == 0 else "",
                next="the breaker tries again in a minute" if number == 0 else "",
                connections=1, shops_affected=41 if number == 0 else 0,
                lag_p99_s=0.5 + (version + number) % 90 / 10, webhooks=30_000 + version,
                webhooks_missed=number, success=0.999, p95_ms=200.0 + version,
            )
            for number in range(INTEGRATIONS)
        ),
        incidents=(
            OpenIncident(
                id="inc-1", kind="performance", severity="sev2", title="Vendor 0 answers 429",
                integration="vendor0", started_at=late, detected_at=late + timedelta(seconds=11),
                fault="provider", cause_key="vendor0:rate", franchises=("F1", "F2"),
                says=f"Sales come up to {version} min late; nothing is lost.", next="wait",
            ),
        ),
        budgets=tuple(
            BudgetNow(slo=f"slo{number}", title=f"Objective {number}", objective=0.999,
                      period_days=30, left=1 - (version + number) % 90 / 100, burn=1.5,
                      exhausted_in_s=1e5)
            for number in range(8)
        ),
        signals=tuple(
            SignalNow(
                group=f"group{number}", title=f"Group {number}", requests=48_000 + version,
                per_minute=800.0, success=0.9991, p95_ms=200.0 + version, target_ms=500.0,
                p95_by_minute=tuple(
                    200.0 + (minute * 7 + version) % 31 for minute in range(60)
                ),
            )
            for number in range(4)
        ),
        errors=(ErrorsNow(error_class="rate_limit", fault="provider", count=1200 + version),),
        queue=QueueNow(waiting=version, running=4, buried=0, oldest_s=60.0, throttled=version,
                       throttled_wait_s=10.0),
        drills=DrillsNow(drills=200 + version, median_s=9.0, p95_s=24.0, recall=1.0,
                         precision=0.97),
    )  # fmt: skip
