"""One of each thing that a home can hold, so that every page has its forms."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from homes import probe_line
from insight.test_actions import BACKLOG, LINES, keep_findings
from meterstone.app import Home
from meterstone.ledger import Alert, Incident, IncidentEvent, ReportPlan
from meterstone.notify.answers import Answer, Answers
from meterstone.notify.model import Route
from meterstone.people.passwords import Passwords
from meterstone.people.rights import Right, Role
from meterstone.people.sessions import Browser
from meterstone.record.model import facts_of_ours
from visitors import bearer, person

PASSWORD = "four words not together"  # noqa: S105  # of the administrator


def fill(home: Home, text: str) -> dict[str, str]:
    """Put one of each thing into a home, and measure a day.

    Args:
        text: its words, wherever a thing has any.

    Returns:
        Under the name that a route gives it, such as ``incident``: its id; and under ``links``, a
        line each, the paths that are told to nobody but in messages.
    """
    _facts(home)
    keep_findings(home)
    soon = datetime.now(UTC) + timedelta(days=30)
    columns = {"claim_key": "award", "statement": text}
    home.attest("attestation", columns, person=text, role="admin",
                evidence="https://example.com/award", expires_at=soon)  # fmt: skip
    people = home.people
    owner = person(people, Role.OWNER, ["F1"])
    people.tokens.make(owner, text, [Right.OWNERS], 1)
    bearer(people)
    admin, hashed = person(people, Role.ADMIN), Passwords().hash(PASSWORD, name="admin")
    ids = {"system": "square", "fact": "attestation", "action": BACKLOG, "person": owner}
    with home.ledger.change("test") as change:
        people.sessions.begin(change, admin, Browser(text))
        change.people.set_password(admin, hashed)
        for incident in ("i1", "i2"):
            _broken(change, incident, text)
        connection = change.connections.add(connector="square", account=text, name=text).id
        change.connections.set_status(connection, "active", reason=text)
        ids |= {"connection": connection, "incident": "i1", "alert": "i1-a"}
        found = change.discrepancies.note(
            recon="r", connection=connection, entity="orders", key=text, kind="missing",
            detail={}, amount=12.5, outcome="open", reason=text,
        )  # fmt: skip
        channel = change.notices.add_channel(text, "mailto").id
        notice = change.notices.add(route="", channel=channel, reason="test", title=text, body=text)
        change.notices.missed(notice.id, text, dead=True)
        telling = Route(name=text, channel=channel).settings()
        ids |= {"discrepancy": str(found.id), "channel": channel, "notice": notice.id,
                "route": change.notices.put_route(text, telling)}  # fmt: skip
        run = change.reports.ask("daily", "network", date(2026, 2, 28))
        assert run is not None
        change.reports.failed(run.id, text, text)
        change.reports.plan(ReportPlan(kind="daily", active=True, at="05:45", channels=(),
                                       since=date(2026, 2, 28)))  # fmt: skip
        ids |= {"run": run.id}
        made = change.outbox.add_endpoint("https://example.com/hook", description=text)
    ids |= {"endpoint": made.id}
    answer = Answers(home.ledger).path(Answer("i2", channel))
    ids["links"] = "\n".join([people.links.for_password(owner, "test").path, answer])
    return ids


def _facts(home: Home) -> None:
    probe = probe_line(f"{home.last_day}T12:00:00Z")
    home.recorder.land(facts_of_ours(probe.encode(), "probe", "hub"))
    home.recorder.land(facts_of_ours("".join(LINES).encode(), "actions", "hub"))
    home.evaluator.run_once()


def _broken(change: Any, incident: str, text: str) -> None:
    """An incident with two alarms that nobody has taken on."""
    now = change.now
    shared: dict[str, Any] = {
        "kind": "availability", "severity": "sev1", "fault": "provider", "cause_key": incident,
        "integration": "square", "franchises": ("F1",), "title": text, "says": text, "next": text,
        "started_at": now - timedelta(seconds=9),
    }  # fmt: skip
    change.alerts.put_incident(Incident(id=incident, detected_at=now, **shared))
    for id_ in (f"{incident}-a", f"{incident}-b"):
        change.alerts.put(Alert(id=id_, rule=id_, state="firing", pending_at=now, fired_at=now,
                                incident=incident, budget=text, **shared))  # fmt: skip
    change.alerts.tell(IncidentEvent(incident=incident, at=now, what="opened", text=text))
