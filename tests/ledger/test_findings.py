"""Kept findings, on both engines."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from hashlib import sha256

from meterstone.ledger import Ledger
from meterstone.ledger.findings import FindingBody

DAY = date(2026, 3, 1)
KNOWN = datetime(2026, 3, 2, 1, tzinfo=UTC)
NEXT = DAY + timedelta(days=1)


def body(
    text: bytes, key: str = "revenue", scope: tuple[str, str] = ("network", "*")
) -> FindingBody:
    return FindingBody(*scope, key, text)


def test_a_round_is_found_by_day_and_by_what_was_known(ledger: Ledger) -> None:
    with ledger.change("studies") as change:
        first = change.findings.keep("forecasts", DAY, KNOWN, "a", 1.5, [body(b"1")])
        restated = change.findings.keep(
            "forecasts", DAY, KNOWN + timedelta(hours=5), "b", 1.0, [body(b"2")]
        )
        later = change.findings.keep("forecasts", NEXT, KNOWN + timedelta(days=1), "c", 1.0, [])
        assert change.findings.version() == later.number
    with ledger.read() as seen:
        found = seen.findings
        assert found.newest("forecasts") == later
        assert found.newest("forecasts", DAY) == restated
        assert found.newest("forecasts", DAY, KNOWN) == first
        assert found.newest("forecasts", DAY, KNOWN - timedelta(seconds=1)) is None
        assert found.newest("risk") is None
        assert (first.found, later.found) == (1, 0)


def test_findings_come_back_as_they_were_given_by_scope_and_key(ledger: Ledger) -> None:
    shop = ("franchise", "F1")
    with ledger.change("studies") as change:
        made = change.findings.keep(
            "owners", DAY, KNOWN, "a", 0.1,
            [body(b"z"), body(b"m", "hours"), body(b"own", scope=shop)],
        )  # fmt: skip
    with ledger.read() as seen:
        every = seen.findings.of(made.number)
        assert [each.body for each in every] == [b"z", b"m", b"own"]
        assert [each.body for each in seen.findings.of(made.number, shop)] == [b"own"]
        [one] = seen.findings.of(made.number, ("network", "*"), "hours")
        assert one.hash == one.digest == sha256(b"m").hexdigest()
        assert seen.findings.of(made.number + 1) == []


def test_a_round_is_an_entry_of_the_audit_log(ledger: Ledger) -> None:
    with ledger.change("studies") as change:
        change.findings.keep("risk", DAY, KNOWN, "a", 0.1, [body(b"1")])
    [entry] = [e for e in ledger.audit.entries() if e.action == "study.round"]
    assert entry.subject == "risk"
