"""Who changed what: the audit log, and whether anybody edited it.

It reads the ledger, not a scorecard, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from meterstone.ledger import AuditReport, Ledger
from meterstone.ledger.audit import Entry
from meterstone.publish.web.site import Site

PAGE = 50
_MOST_SHOWN, _HASH_SHOWN = 40, 12
DID: Mapping[str, str] = {
    "alert.acknowledge": "acknowledged an alarm",
    "channel.add": "added a way to notify people",
    "channel.remove": "removed a way to notify people",
    "channel.test": "tried a way to notify people",
    "connection.add": "connected a system",
    "connection.status": "changed the state of a connection",
    "connection.update": "changed a connection",
    "cursor.reset": "began a sync anew",
    "discrepancy.accept": "accepted a difference",
    "discrepancy.assign": "gave a difference to somebody",
    "endpoint.add": "added a webhook of ours",
    "endpoint.replay": "sent events of a webhook again",
    "endpoint.status": "switched a webhook of ours",
    "home_key.rotate": "changed the key that seals secrets",
    "hook.add": "registered a webhook at a vendor",
    "hook.remove": "removed a webhook at a vendor",
    "job.bury": "gave up a job",
    "job.cancel": "cancelled a job",
    "job.revive": "tried a job again",
    "ledger.open": "made this ledger",
    "link.add": "made a one-time link",
    "link.use": "used a one-time link",
    "notice.dead": "gave up a notification",
    "notice.revive": "sent a notification again",
    "oauth.connect": "was let in by a vendor",
    "oauth.refuse": "was refused by a vendor",
    "oauth.register": "registered at a vendor",
    "oauth.renew": "renewed the access at a vendor",
    "oauth.revoke": "gave the access back to a vendor",
    "oauth.start": "went to a vendor to sign in",
    "person.add": "added a person",
    "person.identify": "tied a person to the identity provider",
    "person.own": "said which shops a person owns",
    "person.password": "set a password",
    "person.rehash": "hashed a password anew",
    "person.update": "changed a person",
    "prevention.state": "said what was done about a recommended action",
    "report.again": "made a report again",
    "report.ask": "asked for a report",
    "report.failed": "could not make a report",
    "report.forgotten": "removed the files of an old report",
    "report.made": "made a report",
    "report.plan": "changed when a report is made",
    "route.put": "changed who is told what",
    "route.remove": "removed a rule of who is told what",
    "scorecard.keep": "signed and kept a scorecard",
    "study.round": "asked a study, and kept what it found",
    "secret.delete": "destroyed a secret",
    "secret.put": "sealed a secret",
    "session.begin": "signed in",
    "session.end": "ended sessions",
    "session.refused": "refused a sign-in",
    "token.add": "made a token",
    "token.revoke": "revoked a token",
}
"""What actions are in words; another one is shown as it is written in the log."""


def routes(site: Site, ledger: Ledger) -> list[BaseRoute]:
    """The page of the audit log."""

    def page(request: Request) -> Response:
        asked, at = Asked.of(request.query_params), site.until(request)
        found = ledger.audit.entries(
            subject=asked.subject, action=asked.action, before=asked.before, last=PAGE + 1, until=at
        )
        report = ledger.audit.verify() if asked.verify else None
        return site.render(
            request, "audit.html", at=at, **context(asked, found, names_of(ledger), report)
        )

    return [Route("/audit", page, methods=["GET"])]


@dataclass(frozen=True, slots=True)
class Asked:
    """What of the log somebody wants to see."""

    subject: str | None
    action: str | None
    before: int | None
    verify: bool

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Asked:
        """Of the address; what is no number is nothing."""
        before = query.get("before", "")
        return cls(
            query.get("subject", "").strip()[:200] or None,
            query.get("action", "").strip()[:100] or None,
            int(before) if before.isdecimal() and len(before) < 16 else None,
            query.get("verify") == "1",
        )

    def link(self, **other: Any) -> str:
        """An address of this page: the same choice with something else."""
        chosen = {"subject": self.subject, "action": self.action, **other}
        kept = {name: value for name, value in chosen.items() if value}
        return f"/audit?{urlencode(kept)}" if kept else "/audit"


def names_of(ledger: Ledger) -> Mapping[str, str]:
    """Names of ids in the log: of people, tokens and connections."""
    with ledger.read() as seen:
        people = {person.id: person.called for person in seen.people.all()}
        tokens = {
            token.id: f"“{token.name}”, a token of {people.get(token.person, token.person)}"
            for token in seen.sign_ins.tokens()
        }
        connections = {each.id: each.name for each in seen.connections.all()}
        channels = {f"channel:{each.id}": each.name for each in seen.notices.channels()}
    return {**connections, **channels, **tokens, **people}


def context(
    asked: Asked,
    found: Sequence[Entry],
    names: Mapping[str, str],
    report: AuditReport | None,
) -> dict[str, Any]:
    """What the page shows.

    Args:
        asked: the choice.
        found: entries in their order, one more than fits where there are more.
        names: of ids.
        report: of a verification that was asked for.
    """
    shown = [_row(entry, names) for entry in reversed(found)][:PAGE]
    more = len(found) > PAGE
    return {
        "asked": asked,
        "rows": shown,
        "older": asked.link(before=shown[-1]["number"]) if more else "",
        "verify": asked.link(verify=1),
        "report": report,
        "actions": sorted(DID.items(), key=lambda pair: pair[1]),
    }


def _row(entry: Entry, names: Mapping[str, str]) -> dict[str, Any]:
    detail = [f"{name}: {_text(value)}" for name, value in entry.detail.items() if value != ""]
    return {
        "number": entry.number,
        "at": entry.at,
        "who": names.get(entry.actor, entry.actor),
        "actor": entry.actor,
        "did": DID.get(entry.action, entry.action),
        "action": entry.action,
        "what": names.get(entry.subject, _short(entry.subject)),
        "subject": entry.subject,
        "detail": "; ".join(detail),
    }


def _short(subject: str) -> str:
    """A hash by its beginning; the whole of it is what the link says and leads to."""
    return f"{subject[:_HASH_SHOWN]}…" if len(subject) > _MOST_SHOWN else subject


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)
