"""Kept scorecards and values by day, on both engines."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from meterstone.ledger import Ledger
from meterstone.ledger.scorecards import Kept, ScopeDays

DAY = date(2026, 3, 1)
KNOWN = datetime(2026, 3, 2, 1, tzinfo=UTC)


def kept(body: bytes, *, day: date = DAY, hours: int = 0, key: str = "*") -> Kept:
    kind = "network" if key == "*" else "franchise"
    known_at = KNOWN + timedelta(hours=hours)
    return Kept(kind, key, day, known_at, body.hex(), body, ("It changed.",) if hours else ())


def test_the_newest_revision_of_the_newest_day_is_found(ledger: Ledger) -> None:
    first, second, later = kept(b"1"), kept(b"2", hours=5), kept(b"3", day=date(2026, 3, 2))
    with ledger.change("evaluator") as change:
        change.scorecards.keep([])
        change.scorecards.keep([first, kept(b"9", key="F1")])
        change.scorecards.keep([second, later])
    with ledger.read() as seen:
        cards = seen.scorecards
        assert cards.newest("network", "*") == later
        assert cards.newest("network", "*", DAY) == second
        assert cards.newest("network", "*", DAY, KNOWN + timedelta(hours=1)) == first
        assert cards.newest("network", "*", DAY, KNOWN - timedelta(hours=1)) is None
        late = KNOWN + timedelta(hours=6)
        both = {DAY: b"2", date(2026, 3, 2): b"3"}
        assert cards.then("network", "*", late, 9) == both
        assert cards.then("network", "*", late, 1) == {date(2026, 3, 2): b"3"}
        assert cards.then("network", "*", late, 1, DAY) == {DAY: b"2"}
        assert cards.then("network", "*", KNOWN - timedelta(hours=1), 9) == {}
        assert cards.then("franchise", "F1", KNOWN, 9) == {DAY: b"9"}
        assert cards.days("network", "*") == [DAY, date(2026, 3, 2)]
        assert cards.revisions("network", "*", DAY) == [
            (first.known_at, first.hash, []),
            (second.known_at, second.hash, ["It changed."]),
        ]


def test_only_the_networks_scorecard_is_an_entry_of_the_audit_log(ledger: Ledger) -> None:
    with ledger.change("evaluator") as change:
        change.scorecards.keep([kept(b"1"), kept(b"9", key="F1")])
    entries = [e for e in ledger.audit.entries() if e.action == "scorecard.keep"]
    assert [e.subject for e in entries] == [kept(b"1").hash]


def test_values_by_day_are_put_in_the_place_of_those_of_before(ledger: Ledger) -> None:
    with ledger.change("evaluator") as change:
        before = change.scorecards.version()
        change.scorecards.put_values(
            [ScopeDays("integration", "b", "Zebra", {}), ScopeDays("integration", "a", "Ant", {})]
        )
        middle = change.scorecards.version()
        values = {"up": {"2026-03-01": [1.0, None, None, "met", False]}}
        change.scorecards.put_values([ScopeDays("integration", "b", "Bee", values)])
        assert before < middle < change.scorecards.version()
    with ledger.read() as seen:
        assert seen.scorecards.scopes("integration") == [("a", "Ant"), ("b", "Bee")]
        assert seen.scorecards.values("integration", "b") == values
        assert seen.scorecards.values("integration", "nobody") == {}
