"""The past of a ledger: what is read back is what stood there at that moment, on both engines."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from meterstone.errors import NotFound
from meterstone.ledger import Connection, Ledger, Person, ReportPlan
from meterstone.ledger.ledger import Change

from .conftest import Clock

Step = Callable[[Change, random.Random], None]


def _connect(change: Change, draw: random.Random) -> None:
    change.connections.add(
        connector="square", account=f"M{draw.random()}", name=draw.choice(["", "Main street"]),
        franchise_id=draw.choice([None, "F0001"]), status=draw.choice(["new", "active"]),
        settings={"host": "kept.example"},
    )  # fmt: skip


def _status(change: Change, draw: random.Random) -> None:
    if found := change.connections.all():
        status = draw.choice(["active", "broken", "paused"])
        reason = "" if status == "active" else f"because {draw.randint(1, 3)}"
        change.connections.set_status(
            draw.choice(found).id, status, reason=reason, mend=reason and "sign in again"
        )


def _rename(change: Change, draw: random.Random) -> None:
    if found := change.connections.all():
        given = draw.choice([{"name": "Renamed"}, {"franchise_id": "F0002"}, {"settings": {}}])
        change.connections.update(draw.choice(found).id, **given)  # type: ignore[arg-type]  # one of its fields


def _invite(change: Change, draw: random.Random) -> None:
    change.people.add(
        name=f"p{draw.random()}", called="Somebody", role=draw.choice(["owner", "analyst"]),
        franchises=draw.choice([(), ("F0001", "F0002")]),
    )  # fmt: skip


def _person(change: Change, draw: random.Random) -> None:
    if found := change.people.all():
        person = draw.choice(found).id
        draw.choice([
            lambda: change.people.update(person, role="executive"),
            lambda: change.people.update(person, status="disabled"),
            lambda: change.people.own(person, ["F0003"]),
            lambda: change.people.update(person, called="Somebody"),
        ])()  # fmt: skip


def _channel(change: Change, draw: random.Random) -> None:
    change.notices.add_channel(f"c{draw.random()}", "mailto")


def _route(change: Change, draw: random.Random) -> None:
    notices = change.notices
    kept = [each["id"] for each in notices.routes()]
    if kept and draw.random() < 0.3:
        notices.remove_route(draw.choice(kept))
    elif channels := notices.channels():
        settings = {"channel": draw.choice(channels).id, "least": draw.choice(["minor", "major"])}
        notices.put_route(f"r{draw.random()}", settings, draw.choice([None, *kept]))


def _unchannel(change: Change, draw: random.Random) -> None:
    used = {each["settings"]["channel"] for each in change.notices.routes()}
    if free := [each.id for each in change.notices.channels() if each.id not in used]:
        change.notices.remove_channel(draw.choice(free))


def _message(change: Change, draw: random.Random) -> None:
    notices = change.notices
    channels = notices.channels()
    if channels and draw.random() < 0.4:
        notices.add(route="", channel=draw.choice(channels).id, reason="test", title="T", body="")
        return
    waiting = [each for each in notices.all() if each.state != "sent"]
    if waiting:
        one = draw.choice(waiting)
        if one.state == "dead":
            notices.revive(one.id)
        elif draw.random() < 0.5:
            notices.sent(one.id)
        else:
            notices.missed(one.id, "refused", dead=True)


def _plan(change: Change, draw: random.Random) -> None:
    change.reports.plan(
        ReportPlan(
            kind=draw.choice(["daily", "monthly"]), active=draw.random() < 0.5,
            at=draw.choice(["06:00", "07:30"]), channels=("c1",), since=date(2026, 3, 1),
        )
    )  # fmt: skip


def _difference(change: Change, draw: random.Random) -> None:
    work = change.discrepancies
    found = work.open()
    chosen = draw.random()
    if not found or chosen < 0.5:
        work.note(
            recon="r", connection="c1", entity="orders", key=f"{draw.random()}", kind="missing",
            detail={}, amount=draw.uniform(-50, 50), outcome="open", reason="",
        )  # fmt: skip
    elif chosen < 0.75:
        work.assign(draw.choice(found).id, draw.choice(["", "person:1"]))
    else:
        work.accept(draw.choice(found).id, "known")


STEPS: tuple[Step, ...] = (
    _connect, _status, _rename, _invite, _person, _channel, _route, _unchannel, _message, _plan,
    _difference,
)  # fmt: skip


def _told(each: Connection) -> Connection:
    return replace(each, settings={})


def _who(each: Person) -> tuple[Any, ...]:
    return each.id, each.name, each.called, each.role, each.status, each.franchises


def _stands(seen: Change) -> dict[str, Any]:
    """What a ledger shows now, as far as its past can be told."""
    return {
        "connections": [_told(each) for each in seen.connections.all()],
        "people": [_who(each) for each in seen.people.all()],
        "channels": [(each.id, each.name, each.way) for each in seen.notices.channels()],
        "routes": [(each["id"], each["name"], each["settings"]) for each in seen.notices.routes()],
        "notices": [(each.id, each.state, each.sent_at) for each in seen.notices.all()],
        "plans": {each.kind: (each.active, each.at) for each in seen.reports.plans()},
        "work": [
            (each.id, each.assigned_to, each.outcome, each.amount)
            for each in seen.discrepancies.open()
        ],
    }


def _stood(seen: Change, at: datetime) -> dict[str, Any]:
    past = seen.past(at)
    return {
        "connections": past.connections(),
        "people": [_who(each) for each in past.people()],
        "channels": [(each.id, each.name, each.way) for each in past.channels()],
        "routes": [(each["id"], each["name"], each["settings"]) for each in past.routes()],
        "notices": [(each.id, each.state, each.sent_at) for each in past.notices()],
        "plans": {each.kind: (each.active, each.at) for each in past.report_plans()},
        "work": [
            (each.id, each.assigned_to, each.outcome, each.amount) for each in past.work()
        ],
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_what_is_read_back_is_what_stood_there(ledger: Ledger, clock: Clock, seed: int) -> None:
    draw = random.Random(seed)
    seen_then: list[tuple[datetime, dict[str, Any]]] = []
    for _ in range(60):
        clock.forward(60)
        with ledger.change("test") as change:
            draw.choice(STEPS)(change, draw)
        with ledger.read() as seen:
            seen_then.append((clock.moment, _stands(seen)))
    with ledger.read() as seen:
        for at, stood in seen_then:
            assert _stood(seen, at) == stood
            assert _stood(seen, at + timedelta(seconds=59)) == stood
        before = seen.past(seen_then[0][0] - timedelta(seconds=1))
        assert before.connections() == []
        assert before.people() == []
        with pytest.raises(NotFound, match="was no connection"):
            before.connection("square-1")


def test_when_somebody_last_signed_in_is_told_by_the_log(ledger: Ledger, clock: Clock) -> None:
    with ledger.change("test") as change:
        person = change.people.add(name="ana", called="Ana", role="admin").id
    began = []
    for number in range(2):
        clock.forward(60)
        began.append(clock.moment)
        with ledger.change("test") as change:
            change.sign_ins.begin(
                person, f"digest{number}", expires_at=clock.moment + timedelta(hours=1),
                agent="", address="",
            )  # fmt: skip
    with ledger.read() as seen:
        for at in began:
            [found] = seen.past(at).people()
            assert (found.signed_in_at, found.password, found.subject) == (at, None, None)
        [found] = seen.past(began[0] - timedelta(seconds=1)).people()
        assert found.signed_in_at is None


def test_a_report_that_was_not_ready_has_no_files_yet(ledger: Ledger, clock: Clock) -> None:
    asked = clock.moment
    with ledger.change("test") as change:
        run = change.reports.ask("daily", "network", date(2026, 2, 28))
        assert run is not None
    clock.forward(60)
    with ledger.change("test") as change:
        change.reports.progress(run.id, "reading", 1, 4)
        change.reports.failed(run.id, "no disk", "make room")
    with ledger.read() as seen:
        [ready] = seen.past(clock.moment).reports()
        [early] = seen.past(asked).reports()
        assert (ready.state, ready.error) == ("failed", "no disk")
        assert (early.state, early.error, early.finished_at) == ("waiting", "", None)
        assert seen.past(asked - timedelta(seconds=1)).reports() == []


def test_the_log_is_read_until_a_moment(ledger: Ledger, clock: Clock) -> None:
    first = clock.moment
    with ledger.change("test") as change:
        change.people.add(name="ana", called="Ana", role="admin")
    clock.forward(1)
    with ledger.change("test") as change:
        change.people.add(name="ben", called="Ben", role="admin")
    names = [e.detail["name"] for e in ledger.audit.entries(action="person.add", until=first)]
    assert names == ["ana"]
