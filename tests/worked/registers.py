"""Registers that nobody reviewed, and gates that rows of another kind would open."""

from __future__ import annotations

from collections.abc import Iterator

from . import Example, Expect, Row, at, attested, integration_in_use, opened

AT = at("2026-04-01")


def deal(number: int, kind: str, outcome: str, **given: object) -> Row:
    return {
        "fact": "deal", "deal_id": f"d{kind}{number}", "deal_source": "salesforce",
        "dedupe_key": f"d{kind}{number}", "kind": kind, "client_id": "K1",
        "client_segment": "enterprise", "created_at": "2025-05-01T00:00:00Z",
        "qualified_at": "2025-05-02T00:00:00Z", "stage_at": "2025-08-01T00:00:00Z",
        "stage": "closed", "outcome": outcome, "closed_at": "2025-08-01T00:00:00Z",
    } | given  # fmt: skip


def lost_deals() -> Iterator[Row]:
    """Nothing was won. Whether the register is complete, nobody said: only of another register."""
    yield attested("register_review:recognition", "2026-03-31T00:00:00Z")
    yield attested("register_review:deal", "2025-12-01T00:00:00Z")  # too old
    for number in range(60):
        yield deal(number, "new", "lost")
        yield deal(number, "upsell", "lost")


def won_deals() -> Iterator[Row]:
    """All that are known to be against a competitor are won; of those lost nobody noted one."""
    for number in range(40):
        yield deal(number, "new", "won", competitor="Other")
        yield deal(100 + number, "new", "lost")


def ended_terms() -> Iterator[Row]:
    for number in range(30):
        yield {
            "fact": "franchise_contract", "contract_id": f"c{number}", "franchise_id": f"F{number}",
            "agreement": "franchise_agreement", "client_id": "K1",
            "signed_at": "2016-01-01T00:00:00Z", "starts_on": "2016-01-01",
            "ends_on": "2025-12-31",
        }  # fmt: skip


def open_shops() -> Iterator[Row]:
    """30 shops, and no invoice from anywhere: nobody looks at the books."""
    yield from (opened(f"F{number}") for number in range(30))


def feedback() -> Iterator[Row]:
    """60 accepted items that came in long before, and since then only duplicates."""
    for number in range(60):
        yield {
            "fact": "feedback_item", "feedback_id": f"a{number}",
            "received_at": "2025-01-10T00:00:00Z", "triage": "accepted",
            "triaged_at": "2025-01-11T00:00:00Z", "due_at": "2025-07-01T00:00:00Z",
            "incorporated_at": "2025-06-01T00:00:00Z",
        }  # fmt: skip
    yield {
        "fact": "feedback_item", "feedback_id": "d", "received_at": "2025-09-01T00:00:00Z",
        "triage": "duplicate", "triaged_at": "2025-09-02T00:00:00Z",
    }  # fmt: skip


def actions() -> Iterator[Row]:
    """20 preventive actions in time; two that were implemented and then declined, with a reason."""
    yield attested("register_review:prevention_action", "2026-03-20T00:00:00Z")
    for number in range(20):
        yield {
            "fact": "prevention_action", "action_id": f"p{number}",
            "recommended_at": "2026-01-10T00:00:00Z", "origin": "postmortem", "status": "verified",
            "due_at": "2026-03-01T00:00:00Z", "implemented_at": "2026-02-01T00:00:00Z",
        }  # fmt: skip
    yield {
        "fact": "prevention_action", "action_id": "p-not", "recommended_at": "2026-01-10T00:00:00Z",
        "origin": "postmortem", "status": "declined", "due_at": "2026-03-01T00:00:00Z",
        "decline_reason": "replaced",
    }  # fmt: skip


def scans() -> Iterator[Row]:
    for kind in ("dependency", "container", "web", "infrastructure", "tls", "secrets"):
        yield {
            "fact": "security_scan", "scan_id": kind, "finished_at": "2026-03-31T00:00:00Z",
            "scanner": "s", "scan_kind": kind, "completed": True, "targets_total": 3,
            "targets_scanned": 3,
        }  # fmt: skip


def finding(severity: str, due: str) -> Row:
    return {
        "fact": "vulnerability_finding", "finding_id": f"{severity}{due}", "scan_id": "web",
        "first_seen_at": "2026-03-31T12:00:00Z", "asset": "api", "severity": severity,
        "status": "open", "due_at": due,
    }  # fmt: skip


LATE, IN_TIME = "2026-03-31T18:00:00Z", "2026-06-01T00:00:00Z"

EXAMPLES = (
    Example(
        "registers that nobody reviewed",
        AT,
        (*lost_deals(), *ended_terms(), *integration_in_use()),
        {
            "pipeline_conversion": Expect(None, verdict="no_data"),
            "upselling_success_rate": Expect(None, verdict="no_data"),
            "renewal_rate": Expect(None, verdict="no_data"),
            "integration_count": Expect(1, 1, "insufficient_data"),
        },
    ),
    Example(
        "lost deals without a competitor",
        AT,
        tuple(won_deals()),
        {"competitive_win_rate": Expect(100.0, 40, "insufficient_data")},
    ),
    Example(
        "shops whose books nobody sent",
        AT,
        tuple(open_shops()),
        {"average_revenue_per_franchise": Expect(None, verdict="no_data")},
    ),
    Example(
        "shops without revenue, by closed books",
        AT,
        (*open_shops(), attested("period_closed:2026-03", "2026-03-31T12:00:00Z")),
        {"average_revenue_per_franchise": Expect(0.0, 30, "not_met")},
    ),
    Example(
        "feedback and preventive actions",
        AT,
        (*feedback(), *actions()),
        {
            "feedback_incorporation_rate": Expect(100.0, 60, "insufficient_data"),
            "prevention_implementation": Expect(100.0, 20, "met"),
        },
    ),
    Example(
        "a critical finding in time beside a late one of medium severity",
        AT,
        (*scans(), finding("critical", IN_TIME), finding("medium", LATE)),
        {"vulnerability_scan_score": Expect("C", 1, "not_met")},
    ),
    Example(
        "a medium finding in time beside a late one of low severity",
        AT,
        (*scans(), finding("medium", IN_TIME), finding("low", LATE)),
        {"vulnerability_scan_score": Expect("A", 1)},
    ),
)
