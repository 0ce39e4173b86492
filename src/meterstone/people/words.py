"""Roles and rights in plain words, for pages and the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from meterstone.people.rights import Right, Role

ROLES: Mapping[Role, str] = {
    Role.ADMIN: "everything, and who may do what",
    Role.OPERATOR: "operations: connects systems, answers alarms, states evidence",
    Role.ANALYST: "reads every number, and changes nothing",
    Role.EXECUTIVE: "reads every number, and agrees to maintenance windows",
    Role.AUDITOR: "reads every number and the audit log",
    Role.OWNER: "reads the pages of own shops, and nothing else",
}
RIGHTS: Mapping[Right, str] = {
    Right.EXECUTIVE: "read the executive page",
    Right.OPERATIONS: "read operations: integrations, incidents, connections",
    Right.METRICS: "read metrics, gates and scorecards",
    Right.OWNERS: "read the pages of shops",
    Right.EVIDENCE: "read what people state, and maintenance windows",
    Right.AUDIT: "read the audit log",
    Right.ATTEST: "state evidence",
    Right.MAINTAIN: "agree to maintenance windows",
    Right.CONNECT: "connect, mend and disconnect systems",
    Right.RESPOND: "acknowledge alarms, close incidents, run drills",
    Right.REPORT: "make and download reports",
    Right.MANAGE: "manage people and settings",
    Right.INGEST: "send facts and traces",
    Right.SCRAPE: "read /metrics",
}


def said(rights: Iterable[Right | str]) -> list[str]:
    """Rights as people say them, in the order of `Right`."""
    given = {Right(right) for right in rights}
    return [RIGHTS[right] for right in Right if right in given and right in RIGHTS]
