"""The addresses of the house and the rights they need; see `meterstone.people.rights`.

One line an address, with all that is below it, on pages and in the API where both have it. What is
not here is refused.
"""

from __future__ import annotations

from typing import Any

from meterstone.people.rights import UPLOAD_BYTES, Right, Rule

R = Right
_API = "/api/v1"


def _all(path: str, read: Right, write: Right | None = None, **more: Any) -> tuple[Rule, ...]:
    """An address and all below it."""
    below = f"{path}/{{rest:path}}"
    return Rule(path, read, write, **more), Rule(below, read, write, **more)


def _api(path: str, read: Right, write: Right | None = None, **more: Any) -> tuple[Rule, ...]:
    """The same, of the API."""
    return _all(_API + path, read, write, **more)


def _both(path: str, read: Right, write: Right | None = None, **more: Any) -> tuple[Rule, ...]:
    """The same, of pages and of the API."""
    return *_all(path, read, write, **more), *_api(path, read, write, **more)


RULES: tuple[Rule, ...] = (
    # before sign-in, and what machines that sign for themselves call
    *_all("/login", R.NOBODY, R.NOBODY),
    Rule("/setup", R.NOBODY, R.NOBODY),
    Rule("/answer/{text}", R.NOBODY, R.NOBODY),  # proves itself: out of a message of ours
    Rule("/static/{rest:path}", R.NOBODY),
    Rule("/healthz", R.NOBODY),
    Rule("/readyz", R.NOBODY),
    Rule("/hooks/{rest:path}", R.NOBODY, R.NOBODY, most_bytes=None),  # vendors sign what they send
    # machines with a token
    Rule("/v1/traces", R.INGEST, R.INGEST, most_bytes=None),
    Rule("/v1/facts", R.INGEST, R.INGEST, most_bytes=None),
    Rule("/metrics", R.SCRAPE),  # the pages of metrics are at /catalogue
    # everybody who is signed in
    Rule("/", R.SIGNED_IN),  # leads to the first page of a role
    *_all("/account", R.SIGNED_IN, R.SIGNED_IN, people_only=True),
    Rule("/logout", R.SIGNED_IN, R.SIGNED_IN, people_only=True),
    Rule("/search", R.SIGNED_IN),
    Rule("/live", R.SIGNED_IN),
    Rule(f"{_API}/openapi.json", R.SIGNED_IN),
    Rule(f"{_API}/me", R.SIGNED_IN),
    # what is measured
    Rule("/executive", R.EXECUTIVE),
    *_all("/catalogue", R.METRICS),
    *_api("/metrics", R.METRICS),
    *_api("/framework", R.METRICS),
    *_api("/scorecards", R.METRICS),
    *_all("/insight", R.METRICS, R.RESPOND),  # what was done about a preventive action
    *_api("/findings", R.METRICS),
    *_api("/prevention-actions", R.METRICS, R.RESPOND),
    *_both("/gates", R.METRICS),
    # an owner passes where the address names an own franchise
    Rule("/owners", R.OWNERS),
    *_all("/owners/{franchise}", R.OWNERS),
    Rule(f"{_API}/franchises", R.OWNERS),
    *_api("/franchises/{franchise}", R.OWNERS),
    *_api("/scorecards/franchise/{franchise}", R.OWNERS),
    # operations
    Rule("/operations", R.OPERATIONS),
    Rule(f"{_API}/live", R.OPERATIONS),
    *_both("/integrations", R.OPERATIONS),
    *_both("/incidents", R.OPERATIONS, R.RESPOND),
    *_api("/alerts", R.OPERATIONS, R.RESPOND),
    *_both("/drills", R.OPERATIONS, R.RESPOND),
    *_all("/reconciliation", R.OPERATIONS, R.RESPOND),
    *_api("/discrepancies", R.OPERATIONS, R.RESPOND),
    *_both("/connections", R.OPERATIONS, R.CONNECT),
    Rule(f"{_API}/connections/{{connection}}/reconcile", R.OPERATIONS, R.RESPOND),
    *_api("/webhooks", R.CONNECT, R.CONNECT),
    Rule("/oauth/start/{rest:path}", R.CONNECT),
    Rule("/oauth/callback/{rest:path}", R.CONNECT),
    Rule("/oauth/connected/{rest:path}", R.CONNECT),
    # what is put on record, made of it, and looked at afterwards
    *_both("/attestations", R.EVIDENCE, R.ATTEST, most_bytes=UPLOAD_BYTES),
    *_both("/maintenance", R.EVIDENCE, R.MAINTAIN),
    *_both("/reports", R.REPORT, R.REPORT),
    *_both("/audit", R.AUDIT),
    *_all("/settings", R.MANAGE, R.MANAGE, people_only=True),
)
