"""Who sees which entries of the navigation, and where each role begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from meterstone.people.rights import Principal, Right, Role


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry; ``first``: stands in the bar, not under *More*; ``says``: what a reader finds."""

    title: str
    path: str
    right: Right
    says: str
    first: bool = False

    def is_at(self, path: str) -> bool:
        """Whether a page belongs to this entry."""
        return path == self.path or path.startswith(f"{self.path}/")


ENTRIES: tuple[Entry, ...] = (
    Entry("Executive", "/executive", Right.EXECUTIVE, "Did it pay back?", first=True),
    Entry("Operations", "/operations", Right.OPERATIONS, "What is wrong now?", first=True),
    Entry("Owners", "/owners", Right.OWNERS, "What it did for each shop", first=True),
    Entry(
        "Insight",
        "/insight",
        Right.METRICS,
        "What comes, what is at risk, what it brought",
        first=True,
    ),
    Entry("Gates", "/gates", Right.METRICS, "Runs of days, and what breaks them", first=True),
    Entry("Metrics", "/catalogue", Right.METRICS, "Every target, measured", first=True),
    Entry("Incidents", "/incidents", Right.OPERATIONS, "What broke, and whose fault", first=True),
    Entry("Integrations", "/integrations", Right.OPERATIONS, "Each connected system"),
    Entry("Connections", "/connections", Right.OPERATIONS, "Sign in, mend, disconnect"),
    Entry("Reconciliation", "/reconciliation", Right.OPERATIONS, "Where source and copy differ"),
    Entry("Drills", "/drills", Right.OPERATIONS, "Alarms, tried on known faults"),
    Entry("Evidence", "/attestations", Right.EVIDENCE, "What people state, and until when"),
    Entry("Maintenance", "/maintenance", Right.EVIDENCE, "Agreed windows"),
    Entry("Reports", "/reports", Right.REPORT, "PDF, spreadsheet, mail"),
    Entry("Audit log", "/audit", Right.AUDIT, "Who changed what, with proof"),
    Entry("Settings", "/settings", Right.MANAGE, "People, tokens, notifications"),
)

ACCOUNT = Entry("Account", "/account", Right.SIGNED_IN, "Name, password, tokens, sign out")

_HOMES: dict[Role, str] = {
    Role.ADMIN: "/executive",
    Role.EXECUTIVE: "/executive",
    Role.OPERATOR: "/operations",
    Role.ANALYST: "/catalogue",
    Role.AUDITOR: "/catalogue",
}


def entries_for(principal: Principal | None, own: Sequence[Entry] = ()) -> list[Entry]:
    """What a person may open, in the order of the house; an owner's own shops first."""
    if principal is None:
        return []
    return [*own, *(entry for entry in ENTRIES if principal.may(entry.right)), ACCOUNT]


def home_of(principal: Principal) -> str:
    """Where ``/`` leads: the page that answers the first question of a role.

    A person with a right to nothing else is led to the own account.
    """
    if principal.role is Role.OWNER:
        own = sorted(principal.franchises)
        return f"/owners/{own[0]}" if own else ACCOUNT.path
    wanted = _HOMES[principal.role]
    allowed = [entry.path for entry in ENTRIES if principal.may(entry.right)]
    return wanted if wanted in allowed else allowed[0] if allowed else ACCOUNT.path
