"""A state of now as the watch makes it: one vendor late, one quiet, the others well."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

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

AT = datetime(2026, 9, 30, 9, 41, tzinfo=UTC)
SINCE = AT - timedelta(minutes=29)


def made_now(version: int = 1, at: datetime = AT) -> Now:
    """Clover is late, Salesforce quiet; everything that a page can show is there."""
    return Now(
        at=at,
        version=version,
        sentence="Clover is late. Everything else is well.",
        lead="41 shops see sales up to four minutes late; nothing is lost. "
        "4 of 6 integrations are healthy.",
        integrations=(
            IntegrationNow(
                integration="square", name="Square", health="healthy", connections=2,
                lag_p99_s=0.8, webhooks=31_204, webhooks_missed=0, success=0.9999, p95_ms=212.0,
                last_data_at=at - timedelta(seconds=4),
            ),
            IntegrationNow(
                integration="clover", name="Clover", health="late", since=SINCE,
                says="It answers 429 to 16 calls a second; backfill is paused.",
                next="the breaker tries again at 09:43; raise the limit or accept the delay",
                connections=1, shops_affected=41, lag_p99_s=242.0, webhooks=9_120,
                webhooks_missed=31, success=0.912, p95_ms=1840.0,
                last_data_at=at - timedelta(minutes=4),
            ),
            IntegrationNow(
                integration="quickbooks", name="QuickBooks Online", health="healthy",
                lag_p99_s=1.6, connections=1, last_data_at=at - timedelta(minutes=2),
            ),
            IntegrationNow(
                integration="salesforce", name="Salesforce", health="quiet",
                since=at - timedelta(hours=31), connections=1,
                says="No call for 31 h; the probe says that it is up.",
                next="ask whether nobody works there today",
            ),
            IntegrationNow(integration="powerbi", name="Power BI", health="paused",
                           says="Maintenance until 11:00."),
            IntegrationNow(integration="franconnect", name="FranConnect", health="healthy",
                           connections=1),
        ),
        incidents=(
            OpenIncident(
                id="inc-1", kind="performance", severity="sev2", title="Clover answers 429",
                integration="clover", started_at=SINCE, detected_at=SINCE + timedelta(seconds=11),
                fault="provider", cause_key="clover:rate", franchises=("F1", "F2"),
                says="Sales of two shops come up to 4 min late. Nothing is lost: 1,902 records "
                "wait.",
                next="raise the limit at Clover, or accept the delay",
            ),
        ),
        budgets=(
            BudgetNow(slo="uptime", title="Uptime", objective=0.999, period_days=30, left=0.61,
                      burn=14.0, exhausted_in_s=183_600.0),
            BudgetNow(slo="webhooks", title="Webhook delivery", objective=0.995, period_days=30,
                      left=1.0, burn=0.0, exhausted_in_s=None),
            BudgetNow(slo="lag", title="Sync lag below 2 s", objective=0.99, period_days=30,
                      left=-0.12, burn=3.0, exhausted_in_s=None),
            BudgetNow(slo="rare", title="Refunds", objective=0.99, period_days=30, left=None,
                      burn=None, exhausted_in_s=None),
        ),
        signals=(
            SignalNow(
                group="pos_integration", title="POS integration", requests=48_240,
                per_minute=804.0, success=0.9991, p95_ms=231.0, target_ms=300.0, saturation=0.43,
                p95_by_minute=tuple(220.0 + (minute * 7) % 31 for minute in range(60)),
            ),
            SignalNow(
                group="analytics", title="Analytics", requests=17_820, per_minute=297.0,
                success=0.9999, p95_ms=542.0, target_ms=500.0,
                p95_by_minute=tuple(
                    None if 20 < minute < 25 else 500.0 + minute for minute in range(60)
                ),
            ),
            SignalNow(group="ai", title="AI document processing", requests=0, per_minute=0.0,
                      success=None, p95_ms=None, target_ms=2000.0),
        ),
        errors=(
            ErrorsNow(error_class="rate_limit", fault="provider", count=1204),
            ErrorsNow(error_class="timeout", fault="provider", count=31),
            ErrorsNow(error_class="data_validation", fault="caller", count=3),
        ),
        queue=QueueNow(waiting=1902, running=4, buried=1, oldest_s=1740.0, throttled=1204,
                       throttled_wait_s=602.0),
        drills=DrillsNow(drills=200, median_s=9.0, p95_s=24.0, recall=1.0, precision=0.97),
        discrepancies_open=3,
    )  # fmt: skip
