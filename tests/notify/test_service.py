"""Who is told what, when, over which way; and what happens if nobody answers."""

from __future__ import annotations

import re
import time
from datetime import date, timedelta
from typing import cast

import pytest

from meterstone.errors import InputError
from meterstone.ledger import Ledger
from meterstone.ledger.reports import ReportPlan
from meterstone.notify.model import Quiet, Route
from meterstone.notify.service import MOST_ATTEMPTS, MOST_ESCALATIONS, Notifications
from meterstone.notify.ways import Ways

from .conftest import Kept, World

MINUTE = 60


def test_an_incident_is_told_once_with_what_to_do_and_its_end(world: World) -> None:
    world.route()
    world.happens("opened")
    assert world.work(seconds=15) == ["Serious: Square is down (i1)"]
    body = world.ways.sent[0][2]
    for part in (
        "No payment comes in.", "What to do: Wait: nothing is lost.", "found after 30 s",
        "Fault: the vendor's. Affected: 2 shops.", "https://us.example/incidents/i1",
        "Take it on: https://us.example/answer/i1~",
    ):  # fmt: skip
        assert part in body
    assert world.work(hours=1) == []
    world.resolved()
    assert world.work(seconds=15) == ["Over: Square is down (i1)"]
    assert "Why: It answers again." in world.ways.sent[1][2]
    assert "Take it on" not in world.ways.sent[1][2]
    assert [notice.state for notice in world.notify.notices()] == ["sent", "sent"]


def test_what_happens_together_is_one_message_a_group(world: World) -> None:
    world.route()
    for number in range(30):
        world.happens("opened", f"i{number}", severity="sev3")
    world.happens("opened", "worst", severity="sev2", title="All of Square is down")
    world.happens("opened", "other", integration="clover", title="Clover is late")
    told = world.work(seconds=15)
    assert sorted(told) == [
        "Serious: All of Square is down (and 30 more)",
        "Serious: Clover is late",
    ]
    assert "11 more stand on the page" in "".join(body for _, _, body in world.ways.sent)


def test_the_worst_severity_is_told_at_once(world: World) -> None:
    world.route(wait_s=600)
    world.happens("opened", severity="sev1")
    assert world.work(seconds=0) == ["Severe: Square is down (i1)"]


def test_a_route_takes_what_it_is_for(world: World) -> None:
    world.route(name="severe", least="sev1")
    world.route(name="data", kinds=("data",))
    world.route(name="ours", faults=("hub",))
    world.route(name="clover", integrations=("clover",))
    world.route(name="openings", recovered=False, integrations=("clover",))
    world.happens("opened", "i1")
    assert world.work(minutes=1) == []
    world.happens("opened", "i2", kind="data", fault="hub", severity="sev4")
    assert world.work(minutes=1) == []  # too mild for all
    world.happens("opened", "i3", kind="data", fault="hub", integration="clover")
    assert len(world.work(minutes=1)) == 4
    world.resolved("i3")
    assert len(world.work(minutes=1)) == 3


def test_quiet_hours_hold_until_their_end_and_the_worst_breaks_through(world: World) -> None:
    world.route(quiet=Quiet("22:00", "07:00", "Europe/Berlin"))
    world.clock.forward(hours=10)  # 23:00 in Berlin
    world.happens("opened", "i1")
    assert world.work(minutes=5) == []
    world.happens("opened", "i2", severity="sev1", integration="clover", title="Clover is gone")
    assert world.work(minutes=5) == ["Severe: Clover is gone"]
    world.resolved("i1")
    assert world.work(hours=7, minutes=40) == []
    assert world.work(minutes=15) == ["Over: Square is down (i1)"]


def test_a_worse_event_of_a_group_that_waits_takes_all_with_it(world: World) -> None:
    world.route(quiet=Quiet("00:00", "23:00"))
    world.happens("opened", "i1")
    assert world.work(minutes=5) == []
    world.happens("opened", "i2", severity="sev1", title="Worse")
    assert world.work(seconds=0) == ["Severe: Worse (and 1 more)"]


def test_nobody_answers_and_others_are_told_until_somebody_does(world: World) -> None:
    chief = world.notify.add_channel("chief", "kept://chief", "test")
    world.route(escalate_min=10, escalate_to=chief.id)
    world.happens("opened")
    assert len(world.work(seconds=15)) == 1
    assert world.work(minutes=9) == []
    assert world.work(minutes=1) == ["Unanswered for 10 min: Serious: Square is down (i1)"]
    assert world.ways.sent[-1][0] == "kept://chief"
    link = re.search(r"/answer/(\S+)", world.ways.sent[-1][2])
    assert link is not None
    taken = world.notify.take_on(link[1])
    assert taken.acknowledged_by == f"channel:{chief.id}"
    assert world.work(hours=2) == []


def test_an_escalation_has_an_end(world: World) -> None:
    chief = world.notify.add_channel("chief", "kept://chief", "test")
    world.route(escalate_min=10, escalate_to=chief.id)
    world.happens("opened")
    world.work(seconds=15)
    told = [world.work(minutes=10) for _ in range(6)]
    assert [len(each) for each in told] == [1] * MOST_ESCALATIONS + [0] * 3


def test_what_was_resolved_is_not_escalated(world: World) -> None:
    chief = world.notify.add_channel("chief", "kept://chief", "test")
    world.route(escalate_min=10, escalate_to=chief.id, recovered=False)
    world.happens("opened")
    world.work(seconds=15)
    world.resolved()
    assert world.work(hours=1) == []


def test_a_service_that_fails_is_tried_again_and_given_up(world: World) -> None:
    world.route()
    world.ways.fails = 2
    world.happens("opened")
    assert world.work(seconds=15) == []
    assert world.work(seconds=30) == []
    assert world.work(seconds=120) == ["Serious: Square is down (i1)"]
    world.ways.fails = 100
    world.resolved()
    world.work(seconds=15)
    for _ in range(MOST_ATTEMPTS):
        world.work(hours=1)
    [dead] = [each for each in world.notify.notices() if each.state == "dead"]
    assert (dead.attempts, dead.error) == (MOST_ATTEMPTS, "the service did not take the message")
    [channel] = world.notify.channels()
    assert channel.last_error == dead.error
    world.ways.fails = 0
    world.notify.again(dead.id, "person:1")
    assert world.work(seconds=0) == ["Over: Square is down (i1)"]
    with pytest.raises(InputError, match="not given up"):
        world.notify.again(dead.id, "person:1")


def test_what_happened_while_nobody_watched_wakes_nobody(world: World) -> None:
    world.happens("opened")
    world.clock.forward(hours=2)
    world.route()
    assert world.work(minutes=5) == []


def test_what_was_told_is_not_told_by_another_process(world: World, ledger_again: Ledger) -> None:
    world.route()
    world.happens("opened")
    other = Notifications(ledger_again, cast(Ways, Kept()), "https://us.example")
    assert [world.notify.look(), other.look()] == [1, 0]
    assert len(world.work(minutes=1)) == 1


@pytest.fixture
def ledger_again(world: World) -> Ledger:
    return world.ledger


def test_a_killed_worker_does_not_lose_a_message(world: World) -> None:
    """The job is taken again when its lease has run out."""
    world.route()
    world.happens("opened")
    world.notify.look()
    world.clock.forward(seconds=15)
    job = world.ledger.queue.claim("dies", kinds=list(world.notify.handlers))
    assert job is not None
    world.notify.handlers[job.kind](job)  # told, and then it dies before the job is done
    assert world.work(minutes=5) == ["Serious: Square is down (i1)"]
    assert world.work(minutes=5) == []


def test_a_test_is_sent_now_and_says_how_it_went(world: World) -> None:
    channel = world.notify.add_channel("phone", "kept://phone", "test")
    assert world.notify.test(channel.id, "person:1").state == "sent"
    assert world.ways.sent[0][1] == "Test of phone"
    world.ways.fails = 1
    missed = world.notify.test(channel.id, "person:1")
    assert (missed.state, missed.error) == ("dead", "the service did not take the message")
    with pytest.raises(InputError):
        world.notify.test("none", "person:1")


def test_a_url_is_sealed_and_never_shown(world: World) -> None:
    world.notify.add_channel("phone", "kept://user:a-secret-of-ours@host", "person:1")
    told = f"{world.notify.channels()} {world.ledger.audit.entries()}"
    assert "a-secret-of-ours" not in told
    files = b"".join(file.read_bytes() for file in world.ledger._folder.glob("ledger.sqlite*"))
    assert b"a-secret-of-ours" not in files
    [channel] = world.notify.channels()
    world.notify.remove_channel(channel.id, "person:1")
    assert world.notify.channels() == []
    with world.ledger.read() as seen:
        assert seen.secrets.names(f"channel:{channel.id}") == []


def test_a_channel_that_is_used_stays(world: World) -> None:
    route = world.route()
    with pytest.raises(InputError, match="uses it"):
        world.notify.remove_channel(route.channel, "person:1")
    world.notify.remove_route(route.id, "person:1")
    world.notify.remove_channel(route.channel, "person:1")
    board = world.notify.add_channel("board", "kept://board", "test")
    with world.ledger.change("test") as change:
        change.reports.plan(
            ReportPlan(
                kind="daily", active=True, at="06:00", since=date(2026, 3, 2),
                channels=(board.id,),
            )
        )  # fmt: skip
    with pytest.raises(InputError, match="reports are sent"):
        world.notify.remove_channel(board.id, "test")


def test_a_message_whose_channel_or_route_is_gone(world: World) -> None:
    route = world.route()
    world.happens("opened")
    world.notify.look()
    world.notify.remove_route(route.id, "person:1")
    assert world.work(minutes=1) == []
    other = world.route(name="other")
    world.happens("opened", "i2")
    world.notify.look()
    world.clock.forward(minutes=1)
    job = world.ledger.queue.claim("w", kinds=list(world.notify.handlers))
    assert job is not None
    world.notify.handlers[job.kind](job)
    world.ledger.queue.done(job)
    world.notify.remove_route(other.id, "person:1")
    world.notify.remove_channel(other.channel, "person:1")
    assert world.work(minutes=1) == []
    assert world.notify.notices()[0].error == "the channel was removed"


@pytest.mark.parametrize(
    "text", ["", "i1", "i1~c~9999999999~0", "~~~", "a~b~c~d", "i1~c~x~" + "0" * 64]
)
def test_a_link_that_is_not_ours_does_nothing(world: World, text: str) -> None:
    world.happens("opened")
    with pytest.raises(InputError, match="does not hold"):
        world.notify.take_on(text)


def test_a_link_is_for_one_incident_and_a_day(world: World) -> None:
    world.route()
    world.happens("opened", "i1")
    world.happens("opened", "i2")
    world.work(seconds=15)
    link = re.search(r"/answer/(i1\S+)", world.ways.sent[0][2])
    assert link is not None
    with pytest.raises(InputError):
        world.notify.answered(link[1].replace("i1", "i2", 1))
    assert world.notify.answered(link[1]).id == "i1"
    world.clock.forward(hours=25)
    with pytest.raises(InputError):
        world.notify.answered(link[1])


def test_simulated_data_are_labelled(world: World) -> None:
    made = Notifications(world.ledger, cast(Ways, world.ways), "https://us.example", lambda: True)
    world.notify = made
    world.route()
    world.happens("opened")
    assert world.work(seconds=15) == ["[Simulated] Serious: Square is down (i1)"]
    assert "this network does not exist" in world.ways.sent[0][2]
    made.test(made.channels()[0].id, "person:1")
    assert world.ways.sent[1][1].startswith("[Simulated] Test")


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""}, {"name": "a\x00b"}, {"least": "sev9"}, {"kinds": ("x",)}, {"faults": ("x",)},
        {"wait_s": -1}, {"wait_s": 3601}, {"escalate_min": 5}, {"escalate_to": "c"},
        {"escalate_min": 9999, "escalate_to": "c"}, {"channel": "none"},
        {"quiet": Quiet("22:00", "22:00")}, {"quiet": Quiet("x", "22:00")},
        {"quiet": Quiet("22:00", "07:00", "Nowhere/None")},
        {"quiet": Quiet("22:00", "07:00", "../../etc/passwd")},
        {"id": "none"}, {"escalate_min": 5, "escalate_to": "none"},
    ],
)  # fmt: skip
def test_a_route_that_makes_no_sense_is_refused(world: World, wrong: dict[str, object]) -> None:
    channel = world.notify.add_channel("phone", "kept://phone", "test").id
    with pytest.raises(InputError):
        world.notify.put_route(
            Route(**{"name": "r", "channel": channel, **wrong}),  # type: ignore[arg-type]  # wrong on purpose
            "person:1",
        )
    assert world.notify.routes() == []


def test_a_thread_looks_and_ends(world: World) -> None:
    world.route()
    world.happens("opened")
    world.notify.start()
    world.notify.wake()
    deadline = time.monotonic() + 60
    unseen = True
    while unseen and time.monotonic() < deadline:
        with world.ledger.read() as seen:
            unseen = bool(seen.notices.unseen())
    world.notify.stop()
    assert len(world.work(seconds=15)) == 1


def test_hours_that_change_with_the_summer(world: World) -> None:
    quiet = Quiet("22:00", "07:00", "Europe/Berlin")
    night = world.clock().replace(month=3, day=28, hour=22)  # the clocks go forward this night
    ends = quiet.until(night)
    assert ends is not None
    assert ends - night == timedelta(hours=7)
    assert quiet.until(night.replace(hour=12)) is None
