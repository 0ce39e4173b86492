"""The addresses of the house and the rights they need; see `meterstone.people.rights`.

One line an address, in the order of the pages. What is not here is refused.
"""

from __future__ import annotations

from meterstone.people.rights import UPLOAD_BYTES, Right, Rule

R = Right

RULES: tuple[Rule, ...] = (
    # before sign-in, and what machines that sign for themselves call
    Rule("/login", R.NOBODY, R.NOBODY),
    Rule("/login/{rest:path}", R.NOBODY, R.NOBODY),
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
    Rule("/account", R.SIGNED_IN, R.SIGNED_IN, people_only=True),
    Rule("/account/{rest:path}", R.SIGNED_IN, R.SIGNED_IN, people_only=True),
    Rule("/logout", R.SIGNED_IN, R.SIGNED_IN, people_only=True),
    Rule("/search", R.SIGNED_IN),
    Rule("/live", R.SIGNED_IN),
    # pages
    Rule("/executive", R.EXECUTIVE),
    Rule("/operations", R.OPERATIONS),
    Rule("/owners", R.OWNERS),
    Rule("/owners/{franchise}", R.OWNERS),
    Rule("/owners/{franchise}/{rest:path}", R.OWNERS),
    Rule("/catalogue", R.METRICS),
    Rule("/catalogue/{rest:path}", R.METRICS),
    Rule("/insight", R.METRICS),
    Rule("/insight/{rest:path}", R.METRICS),
    Rule("/gates", R.METRICS),
    Rule("/gates/{rest:path}", R.METRICS),
    Rule("/integrations", R.OPERATIONS),
    Rule("/integrations/{rest:path}", R.OPERATIONS),
    Rule("/incidents", R.OPERATIONS),
    Rule("/incidents/{rest:path}", R.OPERATIONS, R.RESPOND),
    Rule("/drills", R.OPERATIONS, R.RESPOND),
    Rule("/drills/{rest:path}", R.OPERATIONS, R.RESPOND),
    Rule("/reconciliation", R.OPERATIONS, R.RESPOND),
    Rule("/reconciliation/{rest:path}", R.OPERATIONS, R.RESPOND),
    Rule("/attestations", R.EVIDENCE, R.ATTEST, most_bytes=UPLOAD_BYTES),
    Rule("/attestations/{rest:path}", R.EVIDENCE, R.ATTEST, most_bytes=UPLOAD_BYTES),
    Rule("/maintenance", R.EVIDENCE, R.MAINTAIN),
    Rule("/maintenance/{rest:path}", R.EVIDENCE, R.MAINTAIN),
    Rule("/connections", R.OPERATIONS, R.CONNECT),
    Rule("/connections/{rest:path}", R.OPERATIONS, R.CONNECT),
    Rule("/oauth/start/{rest:path}", R.CONNECT),
    Rule("/oauth/callback/{rest:path}", R.CONNECT),
    Rule("/oauth/connected/{rest:path}", R.CONNECT),
    Rule("/reports", R.REPORT, R.REPORT),
    Rule("/reports/{rest:path}", R.REPORT, R.REPORT),
    Rule("/audit", R.AUDIT),
    Rule("/audit/{rest:path}", R.AUDIT),
    Rule("/settings", R.MANAGE, R.MANAGE, people_only=True),
    Rule("/settings/{rest:path}", R.MANAGE, R.MANAGE, people_only=True),
    # the API; an owner passes where the address names an own franchise, as on pages
    Rule("/api/v1/openapi.json", R.SIGNED_IN),
    Rule("/api/v1/me", R.SIGNED_IN),
    Rule("/api/v1/framework", R.METRICS),
    Rule("/api/v1/framework/{rest:path}", R.METRICS),
    Rule("/api/v1/scorecards", R.METRICS),
    Rule("/api/v1/scorecards/{rest:path}", R.METRICS),
    Rule("/api/v1/scorecards/franchise/{franchise}", R.OWNERS),
    Rule("/api/v1/scorecards/franchise/{franchise}/{rest:path}", R.OWNERS),
    Rule("/api/v1/franchises", R.OWNERS),
    Rule("/api/v1/franchises/{franchise}", R.OWNERS),
    Rule("/api/v1/franchises/{franchise}/{rest:path}", R.OWNERS),
    Rule("/api/v1/metrics", R.METRICS),
    Rule("/api/v1/metrics/{rest:path}", R.METRICS),
    Rule("/api/v1/findings", R.METRICS),
    Rule("/api/v1/findings/{rest:path}", R.METRICS),
    Rule("/api/v1/gates", R.METRICS),
    Rule("/api/v1/gates/{rest:path}", R.METRICS),
    Rule("/api/v1/live", R.OPERATIONS),
    Rule("/api/v1/integrations", R.OPERATIONS),
    Rule("/api/v1/integrations/{rest:path}", R.OPERATIONS),
    Rule("/api/v1/incidents", R.OPERATIONS, R.RESPOND),
    Rule("/api/v1/incidents/{rest:path}", R.OPERATIONS, R.RESPOND),
    Rule("/api/v1/alerts", R.OPERATIONS, R.RESPOND),
    Rule("/api/v1/alerts/{rest:path}", R.OPERATIONS, R.RESPOND),
    Rule("/api/v1/drills", R.OPERATIONS, R.RESPOND),
    Rule("/api/v1/drills/{rest:path}", R.OPERATIONS, R.RESPOND),
    Rule("/api/v1/discrepancies", R.OPERATIONS, R.RESPOND),
    Rule("/api/v1/discrepancies/{rest:path}", R.OPERATIONS, R.RESPOND),
    Rule("/api/v1/attestations", R.EVIDENCE, R.ATTEST, most_bytes=UPLOAD_BYTES),
    Rule("/api/v1/attestations/{rest:path}", R.EVIDENCE, R.ATTEST, most_bytes=UPLOAD_BYTES),
    Rule("/api/v1/maintenance", R.EVIDENCE, R.MAINTAIN),
    Rule("/api/v1/maintenance/{rest:path}", R.EVIDENCE, R.MAINTAIN),
    Rule("/api/v1/connections", R.OPERATIONS, R.CONNECT),
    Rule("/api/v1/connections/{rest:path}", R.OPERATIONS, R.CONNECT),
    Rule("/api/v1/connections/{connection}/reconcile", R.OPERATIONS, R.RESPOND),
    Rule("/api/v1/webhooks", R.CONNECT, R.CONNECT),
    Rule("/api/v1/webhooks/{rest:path}", R.CONNECT, R.CONNECT),
    Rule("/api/v1/reports", R.REPORT, R.REPORT),
    Rule("/api/v1/reports/{rest:path}", R.REPORT, R.REPORT),
    Rule("/api/v1/audit", R.AUDIT),
    Rule("/api/v1/audit/{rest:path}", R.AUDIT),
)
