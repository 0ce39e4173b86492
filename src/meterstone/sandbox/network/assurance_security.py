"""Security as it is watched: checks of connections, findings, audits, encryption, audit trail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

from meterstone.sandbox.network.facts import Facts
from meterstone.sandbox.network.presets import Story
from meterstone.sandbox.network.shops import review
from meterstone.sandbox.network.truth import Truth
from meterstone.sandbox.network.world import DAY, Connection, World

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)

GROUP = "SecurityComplianceMetrics.target_metrics"
MISSED = frozenset(
    {
        f"{GROUP}.oauth_compliance_rate",
        f"{GROUP}.security_incident_count",
        f"{GROUP}.vulnerability_scan_score",
        f"{GROUP}.audit_trail_completeness",
        f"{GROUP}.compliance_audit_success",
        f"{GROUP}.penetration_test_score",
        "SecurityComplianceMetrics.success_threshold",
    }
)
"""Targets of SecurityComplianceMetrics that the struggling network misses."""

CONTROLS = (
    "pkce_s256", "exact_redirect_uri", "state_bound", "issuer_check", "token_encrypted_at_rest",
    "refresh_rotation", "least_scope", "tls12_or_newer", "revocation", "expiry_enforced",
)  # fmt: skip
_WITH_A_USER = CONTROLS[:4]
_NOT_APPLICABLE: Mapping[str, tuple[tuple[str, ...], str]] = {
    "oauth2_pkce": ((), ""),
    "oauth2_code": (("pkce_s256",), "the vendor offers no PKCE"),
    "oauth2_client_credentials": (_WITH_A_USER, "no user takes part in this grant"),
}
_WITHOUT_OAUTH = ((*_WITH_A_USER, "refresh_rotation"), "the vendor offers no OAuth")
"""Controls that do not apply by how a connection logs in, and why."""

SCANS = ("dependency", "container", "web", "infrastructure", "tls", "secrets")
ACTIONS = ("login", "permission_change", "export", "config_change", "deletion", "token_issue")
FRAMEWORKS: Mapping[str, int] = {"PCI DSS": 12, "SOC 2": 10, "GDPR": 8, "FTC Franchise Rule": 6}
"""Frameworks with the number of their controls."""

_SLA = {"critical": 7, "high": 30, "medium": 90, "low": 180}


@dataclass(frozen=True, slots=True)
class Knobs:
    """How well security is kept.

    Attributes:
        broken: connections on which revocation fails.
        unreasoned: connections with a control that does not apply, and nobody says why.
        unchecked: connections without a check in the last day.
        incidents: security incidents of the last month that count.
        open_medium, open_high: findings open at the end; the first medium one is past due.
        unaudited: whether an action class is missing in the comparison with the audit trail on two
            days of the last month.
        unlogged: actions of the last month that are missing in the trail.
        broken_chain: days of the last month whose trail could not be verified.
        weak_assets: assets with an outdated algorithm at the end.
        reviewed: days between the last review of the register and the end.
        secrets_scanned: days between the last complete scan for secrets and the end.
        audited: days between the newest tests of controls and the end.
        neglected: whether the next test of one control is overdue, and another one has not been
            tested for more than a year.
        unseen: whether no independent auditor saw one framework in the last 12 months.
        penetrated: days between the newest wide, independent penetration test and the end.
        expired: whether its evidence is past its date.
    """

    broken: int = 0
    unreasoned: int = 0
    unchecked: int = 0
    incidents: int = 0
    open_medium: int = 0
    open_high: int = 0
    unaudited: bool = False
    unlogged: int = 0
    broken_chain: int = 0
    weak_assets: int = 0
    reviewed: int = 3
    secrets_scanned: int = 1
    audited: int = 20
    neglected: bool = False
    unseen: bool = False
    penetrated: int = 200
    expired: bool = False


KNOBS: Mapping[Story, Knobs] = {
    "thriving": Knobs(),
    "struggling": Knobs(
        broken=3, unreasoned=1, unchecked=1, incidents=3, open_medium=2, open_high=1, unlogged=4,
        broken_chain=1, neglected=True, penetrated=370,
    ),
    "honest": Knobs(
        broken=2, unchecked=1, unaudited=True, weak_assets=1, reviewed=55, secrets_scanned=8,
        audited=100, unseen=True, expired=True,
    ),
}  # fmt: skip


def simulate(world: World, facts: Facts, truth: Truth) -> None:
    """All facts of SecurityComplianceMetrics, and what is true of its metrics."""
    knobs = KNOBS[world.preset.story]
    compliance = _oauth(world, facts, truth, knobs)
    incidents = _incidents(world, facts, truth, knobs)
    _vulnerabilities(world, facts, truth, knobs)
    audited = _audits(world, facts, truth, knobs)
    encrypted = _encryption(world, facts, truth, knobs)
    logged = _audit_trail(world, facts, truth, knobs)
    _pen_tests(world, facts, truth, knobs)
    all_well = incidents == 0 and min(compliance, audited, encrypted, logged) == 100
    truth.exact("security_success", all_well, n=30)


def quiet(truth: Truth) -> None:
    """What is true where nothing is recorded."""
    for metric in (
        "oauth_compliance_rate", "security_incident_count", "vulnerability_scan_score",
        "compliance_audit_success", "data_encryption_coverage", "audit_trail_completeness",
        "penetration_test_score", "security_success", "compliance_automation_rate",
    ):  # fmt: skip
        truth.missing(metric)


# -- connections ----------------------------------------------------------------------------------


class _Check(NamedTuple):
    at: datetime
    connection: Connection
    control: str
    result: str
    reason: str | None


def _oauth(world: World, facts: Facts, truth: Truth, knobs: Knobs) -> float:
    checks = list(_checks(world, knobs))
    facts.extend(
        "oauth_check",
        {
            "check_id": [f"oauth-{n}" for n in range(len(checks))],
            "at": [c.at for c in checks],
            "connection_id": [c.connection.id for c in checks],
            "integration": [c.connection.integration.key for c in checks],
            "franchise_id": [c.connection.shop and c.connection.shop.id for c in checks],
            "control": [c.control for c in checks],
            "result": [c.result for c in checks],
            "reason": [c.reason for c in checks],
        },
    )
    _checks_that_never_count(world, facts)
    return _true_compliance(world, truth, checks)


def _checks(world: World, knobs: Knobs) -> Iterator[_Check]:
    """One check of every control of every live connection a day, in the early morning."""
    live = [c for c in world.connections if c.is_live(world.end)]
    odd = _odd_ones(live, knobs)
    first = world.telemetry_start
    days = (world.end - first).days
    for number, connection in enumerate(world.connections):
        usual = _usual(connection)
        for day in range(days):
            opens = first + day * DAY
            at = opens + 5 * HOUR + number * SECOND
            if opens <= connection.connected < opens + DAY:
                at = max(at, connection.connected + timedelta(minutes=10))
            if not connection.is_live(at):
                continue
            for control, result, reason in odd.get(connection.id, {}).get(day - days, usual):
                yield _Check(at, connection, control, result, reason)
    yield from _edges(world, live, odd)


_Results = list[tuple[str, str, str | None]]


def _usual(connection: Connection) -> _Results:
    """Every control passes, or does not apply."""
    left_out, why = _NOT_APPLICABLE.get(connection.integration.auth, _WITHOUT_OAUTH)
    return [(c, "not_applicable", why) if c in left_out else (c, "passed", None) for c in CONTROLS]


def _odd_ones(live: list[Connection], knobs: Knobs) -> dict[str, dict[int, _Results]]:
    """Results by connection and day (-1 is the last one) that are not the usual ones."""
    odd: dict[str, dict[int, _Results]] = {}
    rest = iter(live[10:])  # a small network runs out of connections: then nothing more is odd
    for connection in islice(rest, knobs.broken):
        results = [(c, "failed" if c == "revocation" else r, w) for c, r, w in _usual(connection)]
        odd[connection.id] = dict.fromkeys(range(-130, 0), results)
    limited = (c for c in rest if c.integration.auth != "oauth2_pkce")
    for connection in islice(limited, knobs.unreasoned):
        unexplained: _Results = [(c, r, None) for c, r, _ in _usual(connection)]
        odd[connection.id] = dict.fromkeys(range(-130, 0), unexplained)
    for connection in islice(rest, 2 * knobs.unchecked):
        # the day before is checked: at its first moment in the window, at its last before it
        odd[connection.id] = {-1: []}
    return odd


def _edges(
    world: World, live: list[Connection], odd: Mapping[str, Mapping[int, _Results]]
) -> Iterator[_Check]:
    """Checks at the edges of the last day, and one that a later one overrides."""
    edge = world.end - DAY
    late = [c for c in live if odd.get(c.id) == {-1: []}]
    for nth, connection in enumerate(late):
        at = edge if nth % 2 == 0 else edge - SECOND
        for control, result, reason in _usual(connection):
            yield _Check(at, connection, control, result, reason)
    yield _Check(edge + 2 * HOUR, live[0], "tls12_or_newer", "failed", None)
    yield _Check(world.end, live[1], "tls12_or_newer", "failed", None)


def _checks_that_never_count(world: World, facts: Facts) -> None:
    connection = next(c for c in world.connections if c.is_live(world.end))
    row: dict[str, Any] = {
        "at": world.end - 12 * HOUR,
        "connection_id": connection.id,
        "integration": connection.integration.key,
        "control": "least_scope",
        "result": "failed",
    }
    facts.add("oauth_check", check_id="oauth-staging", environment="staging", **row)
    facts.add("oauth_check", check_id="oauth-synthetic", synthetic=True, **row)
    facts.add("oauth_check", check_id="oauth-mistake", **row)
    facts.add("oauth_check", check_id="oauth-mistake", version=2, retracted=True, **row)


def _true_compliance(world: World, truth: Truth, checks: list[_Check]) -> float:
    newest: dict[tuple[str, str], _Check] = {}
    for check in checks:
        name = (check.connection.id, check.control)
        before = newest.get(name)
        if world.end - DAY <= check.at < world.end and not (before and before.at >= check.at):
            newest[name] = check
    passed: dict[str, list[bool]] = {}
    for connection in world.live_connections(world.end):
        for control in CONTROLS:
            last = newest.get((connection.id, control))
            if last and last.result == "not_applicable" and last.reason:
                continue
            good = last is not None and last.result == "passed"
            for key in ("*", connection.integration.key):
                passed.setdefault(key, []).append(good)
    for key, results in passed.items():
        scope = "network" if key == "*" else "integration"
        value = 100 * sum(results) / len(results)
        truth.exact("oauth_compliance_rate", value, n=len(results), scope=scope, key=key)
    return 100 * sum(passed["*"]) / len(passed["*"])


# -- incidents ------------------------------------------------------------------------------------


def _incidents(world: World, facts: Facts, truth: Truth, knobs: Knobs) -> int:
    """Security incidents; those of the last month are counted, each once."""
    review(world, facts, "incident_security", last=knobs.reviewed)
    opens = _month_before(world.end)
    minute = timedelta(minutes=1)
    counted: list[tuple[datetime, datetime | None, bool | None, str]] = [
        (opens - 10 * minute, opens + 20 * minute, True, "square"),  # counts by its detection
        (opens + 9 * DAY, opens + 9 * DAY + HOUR, None, "quickbooks"),  # not judged yet
        (world.end - 10 * minute, world.end + HOUR, True, "square"),  # counts by its start
    ]
    confirmed = counted[: knobs.incidents]
    beside: list[tuple[datetime, datetime | None, bool | None, str]] = [
        (world.end - 160 * DAY, world.end - 160 * DAY + HOUR, True, "square"),
        (opens + 5 * DAY, opens + 5 * DAY + HOUR, False, "square"),  # refuted
        (world.end, world.end + HOUR, True, "square"),  # of the next month
    ]
    for number, found in enumerate([*confirmed, *beside]):
        row = _incident(*found)
        facts.add("incident", incident_id=f"security-{number}", **row)
    staged = _incident(opens + 3 * DAY, None, True, "square")
    facts.add("incident", incident_id="security-staging", environment="staging", **staged)
    verdict = None if knobs.reviewed <= 40 else "insufficient_data"
    days = (world.end - opens).days
    truth.exact("security_incident_count", len(confirmed), n=days, verdict=verdict)
    for integration in world.integrations:
        truth.exact(
            "security_incident_count", sum(k == integration.key for *_, k in confirmed), n=days,
            verdict=verdict, scope="integration", key=integration.key,
        )  # fmt: skip
    return len(confirmed)


def _incident(
    started: datetime, detected: datetime | None, judged: bool | None, integration: str
) -> dict[str, Any]:
    return {
        "kind": "security",
        "severity": "sev3",  # a graver one makes its integration unhealthy, to the last minute
        "integration": integration,
        "started_at": started,
        "detected_at": detected,
        "resolved_at": started + 3 * HOUR,
        "detected_by": "monitor",
        "auto_resolved": False,
        "escalated": True,
        "customer_impact_s": 0.0,
        "predicted": False,
        "security_confirmed": judged,
        "personal_data_exposed": False,
    }


def _month_before(end: datetime) -> datetime:
    return (end - DAY).replace(day=1)


# -- scans and findings ---------------------------------------------------------------------------


def _vulnerabilities(world: World, facts: Facts, truth: Truth, knobs: Knobs) -> None:
    _scans(world, facts, knobs)
    _findings_fixed(world, facts)
    _findings_open(world, facts, knobs)
    complete = knobs.secrets_scanned <= 7
    grade = "A+"
    if knobs.open_high:
        grade = "B"
    elif knobs.open_medium:
        grade = "F"
    truth.exact(
        "vulnerability_scan_score",
        grade if complete else "unknown",
        n=1 if complete else 0,
        verdict=None if complete else "insufficient_data",
    )


def _scans(world: World, facts: Facts, knobs: Knobs) -> None:
    """Every kind of scan every third day; some are cut short."""
    for kind_number, kind in enumerate(SCANS):
        last = knobs.secrets_scanned if kind == "secrets" else 1
        at, number = world.end - last * DAY + (2 + kind_number) * HOUR, 0
        while at > world.start:
            facts.add(
                "security_scan", scan_id=f"scan-{kind}-{number}", finished_at=at,
                scanner="scanner", scan_kind=kind, completed=True, targets_total=40,
                targets_scanned=40,
            )  # fmt: skip
            at, number = at - 3 * DAY, number + 1
    cut: dict[str, Any] = {"scanner": "scanner", "scan_kind": "secrets", "targets_total": 40}
    facts.add(
        "security_scan", scan_id="scan-part", finished_at=world.end - 2 * DAY, completed=True,
        targets_scanned=39, **cut,
    )  # fmt: skip
    facts.add(
        "security_scan", scan_id="scan-failed", finished_at=world.end - DAY, completed=False,
        targets_scanned=40, **cut,
    )  # fmt: skip


def _findings_fixed(world: World, facts: Facts) -> None:
    """Findings of the past: in the last months fixed on the day on which they were seen."""
    severities = ("high", "medium", "medium", "critical", "low")
    weeks = (world.end - world.start).days // 7
    for number in range(1, weeks):
        seen = world.end - 7 * number * DAY + 9 * HOUR
        severity = severities[number % len(severities)]
        quick = number <= 20
        fixed = seen + (6 * HOUR if quick else 5 * DAY)
        row = _finding(seen, severity)
        name = f"finding-{number}"
        facts.add("vulnerability_finding", finding_id=name, status="open", **row)
        facts.add(
            "vulnerability_finding", finding_id=name, version=2, status="fixed", fixed_at=fixed,
            **row,
        )  # fmt: skip


def _findings_open(world: World, facts: Facts, knobs: Knobs) -> None:
    """What is open at the end, and what looks as if it were."""
    end = world.end
    for number in range(knobs.open_medium):
        seen = end - (95 if number == 0 else 20) * DAY
        row = _finding(seen, "medium")
        facts.add("vulnerability_finding", finding_id=f"medium-{number}", status="open", **row)
    for number in range(knobs.open_high):
        row = _finding(end - 10 * DAY, "high")
        facts.add("vulnerability_finding", finding_id=f"high-{number}", status="open", **row)
    aside: dict[str, dict[str, Any]] = {
        "low": _finding(end - 40 * DAY, "low") | {"status": "open"},
        "false": _finding(end - 40 * DAY, "critical") | {"status": "false_positive"},
        "accepted": _finding(end - 40 * DAY, "high")
        | {
            "status": "risk_accepted",
            "accepted_by": "simulated",
            "accepted_until": end + 30 * DAY,
        },
        "later": _finding(end, "critical") | {"status": "open"},
        "staging": _finding(end - 4 * DAY, "critical")
        | {"status": "open", "environment": "staging"},
    }
    for name, row in aside.items():
        facts.add("vulnerability_finding", finding_id=f"aside-{name}", **row)


def _finding(seen: datetime, severity: str) -> dict[str, Any]:
    return {
        "first_seen_at": seen,
        "asset": "hub",
        "severity": severity,
        "due_at": seen + _SLA[severity] * DAY,
    }


# -- audits and penetration tests -----------------------------------------------------------------


def _audits(world: World, facts: Facts, truth: Truth, knobs: Knobs) -> float:
    """Rounds of tests of all controls, 150 days apart; every second one by an independent auditor.

    One control does not apply; in the rounds before the last two one of them failed.
    """
    controls = [(f, f"{f} {n + 1}") for f, size in FRAMEWORKS.items() for n in range(size)]
    rounds = range(knobs.audited, (world.end - world.start).days, 150)
    failed = 1 if world.preset.story == "honest" else 0
    by_hand = {"honest": range(1, 36, 2), "thriving": range(29, 30)}.get(world.preset.story, ())
    for nth, back in enumerate(rounds):
        tested = world.end - back * DAY + 9 * HOUR
        for number, (framework, control) in enumerate(controls):
            forgotten = knobs.neglected and number == 10
            if forgotten and back < 370:
                continue
            due = tested + (2000 if forgotten else 180) * DAY
            if knobs.neglected and number == 11 and nth == 0:
                due = world.end - 5 * DAY
            facts.attest(
                "control_audit", expires_at=tested + 700 * DAY,
                audit_item_id=f"audit-{nth}-{number}", tested_at=tested, framework=framework,
                control=control, result=_audit_result(nth, number, failed),
                automated=number not in by_hand, auditor="simulated",
                independent=nth == 2 if knobs.unseen and framework == "GDPR" else nth % 2 == 1,
                next_due=due.date(),
            )  # fmt: skip
    applicable = len(controls) - 1
    known = [n for n in range(len(controls)) if n != 35]
    alone = [n for n in known if n not in by_hand and not (knobs.neglected and n == 10)]
    truth.exact("compliance_automation_rate", 100 * len(alone) / applicable, n=applicable)
    value = 100 * (applicable - failed - 2 * knobs.neglected) / applicable
    verdict = "insufficient_data" if knobs.unseen else None
    truth.exact("compliance_audit_success", value, n=applicable, verdict=verdict)
    return value


def _audit_result(nth: int, number: int, failed: int) -> str:
    """Result of a control in the nth newest round."""
    if number == 35:
        return "not_applicable"
    if (number == 7 and nth > 1) or (nth == 0 and number < failed):
        return "failed"
    return "passed"


def _pen_tests(world: World, facts: Facts, truth: Truth, knobs: Knobs) -> None:
    """The newest wide and independent one counts; others come after it."""
    wide = "API, tenant boundary, connectors"
    tests = [
        (knobs.penetrated, True, wide, (0, 0, 0, 3)),
        (knobs.penetrated + 40, True, wide, (1, 2, 4, 3)),  # what it replaced
        (60, False, wide, (1, 0, 0, 0)),  # by the own team
        (50, True, "website", (0, 3, 0, 0)),
        (40, True, "API and tenant boundary", (0, 0, 2, 0)),
    ]
    for number, (back, independent, scope, found) in enumerate(tests):
        finished = world.end - back * DAY
        critical, high, medium, low = found
        expires = finished + 500 * DAY
        if number == 0 and knobs.expired:
            expires = world.end
        facts.attest(
            "pen_test", expires_at=expires, test_id=f"pen-{number}",
            finished_at=finished, tester="simulated", independent=independent, scope=scope,
            open_critical=critical, open_high=high, open_medium=medium, open_low=low,
            retested_at=finished - 5 * DAY,
        )  # fmt: skip
    if knobs.penetrated < 365:
        verdict = "expired" if knobs.expired else None
        truth.exact("penetration_test_score", "excellent", n=1, verdict=verdict)
    else:
        truth.missing("penetration_test_score")


# -- encryption -----------------------------------------------------------------------------------

_ASSETS = (
    # asset, kind, aspect, holds customer data, algorithm (None: not encrypted)
    ("warehouse", "store", "at_rest", True, "AES-256-GCM"),
    ("warehouse", "store", "in_transit", True, "TLS 1.3"),
    ("ledger", "store", "at_rest", True, "AES-128-GCM"),
    ("ledger", "store", "in_transit", True, "TLS 1.2"),
    ("landing log", "file", "at_rest", True, "ChaCha20-Poly1305"),
    ("queue", "queue", "in_transit", True, "TLS 1.3"),
    ("queue", "queue", "at_rest", True, "AES-256-GCM"),
    ("backup", "backup", "at_rest", True, "AES-192-CBC"),
    ("vendor link", "link", "in_transit", True, "TLS 1.2"),
    ("public pages", "file", "at_rest", False, None),
    ("old warehouse", "store", "at_rest", True, "3DES"),
)


def _encryption(world: World, facts: Facts, truth: Truth, knobs: Knobs) -> float:
    """One check of every asset and aspect a day. The old warehouse was emptied 140 days before the
    end; weak assets have an outdated algorithm, and one of them more is not checked any longer."""
    first = max(world.start, world.end - 150 * DAY)
    days = (world.end - first).days
    covered = known = 0
    for number, (asset, kind, aspect, holds, algorithm) in enumerate(_ASSETS):
        weak = number < knobs.weak_assets and aspect == "at_rest"
        silent = knobs.weak_assets and number == 8
        for day in range(days):
            at = first + day * DAY + 4 * HOUR
            emptied = asset == "old warehouse" and at > world.end - 140 * DAY
            if (silent and at > world.end - 3 * DAY) or (emptied and day > 20):
                continue
            used = "RC4" if weak else algorithm
            facts.add(
                "encryption_check", asset=asset, at=at, asset_kind=kind, aspect=aspect,
                holds_customer_data=holds and not emptied, encrypted=used is not None,
                algorithm=used,
            )  # fmt: skip
        if holds and asset != "old warehouse":
            known += 1
            covered += not weak and not silent
    # at the end itself: of the next day
    facts.add(
        "encryption_check", asset="ledger", at=world.end, asset_kind="store", aspect="at_rest",
        holds_customer_data=True, encrypted=False,
    )  # fmt: skip
    value = 100 * covered / known
    truth.exact("data_encryption_coverage", value, n=known)
    return value


# -- the audit trail ------------------------------------------------------------------------------


def _audit_trail(world: World, facts: Facts, truth: Truth, knobs: Knobs) -> float:
    """Actions by class and day, and how many of them the trail has. A day belongs to the month in
    which it lies, though its row ends with the first moment of the next one."""
    rng = world.rng("audit trail")
    opens = _month_before(world.end)
    days = min((world.end - world.start).days, 400)
    logged = observed = 0
    for day in range(days):
        start = world.end - (days - day) * DAY
        for number, action in enumerate(ACTIONS):
            if knobs.unaudited and action == "export" and start.day in (10, 11):
                continue
            actions = int(rng.integers(40, 400))
            missing, verified = 0, True
            if start >= opens:
                missing = knobs.unlogged if start.day == 15 and number == 0 else 0
                verified = not (number == 1 and start.day <= knobs.broken_chain)
                observed += actions
                logged += (actions - missing) if verified else 0
            elif knobs.unlogged and start == opens - DAY:
                missing = 20  # of the month before
            facts.add(
                "audit_coverage", action_class=action, period_start=start, period_end=start + DAY,
                actions_observed=actions, actions_logged=actions - missing,
                chain_verified=verified,
            )  # fmt: skip
    value = 100 * logged / observed
    verdict = "insufficient_data" if knobs.unaudited else None
    truth.exact("audit_trail_completeness", value, n=observed, verdict=verdict)
    return value
