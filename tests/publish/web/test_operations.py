"""Operations: view models from documents, the page, its empty, stale and past states, the news."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.testclient import TestClient

from meterstone.board.model import Board
from meterstone.detect.state import BudgetNow, IntegrationNow, Now
from meterstone.ledger import Discrepancy, Incident
from meterstone.measure.results import Scope
from meterstone.publish.web import operations, signals
from meterstone.publish.web.news import News
from meterstone.publish.web.site import NETWORK, Site
from meterstone.publish.web.static_files import static_file
from meterstone.publish.web.strips import strip
from meterstone.publish.web.trouble import affected, clock
from publish.nows import AT, SINCE, made_now
from publish.web.boards import MemoryBoard, card, day_value, metric

TODAY = date(2026, 9, 30)
UPTIME = ("integration_uptime", Scope("integration", "square"))


def incident(**more: object) -> Incident:
    given: dict[str, object] = {
        "id": "inc-1", "kind": "performance", "severity": "sev2", "fault": "provider",
        "cause_key": "clover:rate", "integration": "clover", "franchises": ["F1"],
        "title": "Clover answers 429", "says": "Late.", "next": "Wait.", "started_at": SINCE,
        "detected_at": SINCE + timedelta(seconds=11),
    }  # fmt: skip
    return Incident(**{**given, **more})  # type: ignore[arg-type]  # of the test's own making


def difference(number: int, amount: float | None = 9.5) -> Discrepancy:
    return Discrepancy(
        number, "recon", "square-1", "payment", f"p{number}", "mismatched",
        {"amount": [1, 2], "note": "x"}, amount, "open", "a tip came later", SINCE, None,
    )  # fmt: skip


@dataclass
class Memory:
    """What the ledger would keep."""

    kept: Sequence[Incident] = ()
    differences: Sequence[Discrepancy] = field(default_factory=tuple)

    def incidents(self, *, limit: int = 100) -> Sequence[Incident]:
        return self.kept[:limit]

    def called(self, actor: str, /) -> str:
        return {"person:2": "Ann"}.get(actor, actor)

    def work(self) -> Sequence[Discrepancy]:
        return self.differences


def page(now: Now | None, board: MemoryBoard, kept: Memory | None = None, at: datetime = AT) -> str:
    site = Site(cast("Board", board), lambda: now)
    routes = operations.routes(site, kept or Memory(), lambda: "run-7", lambda: at)
    return TestClient(Starlette(routes=routes)).get("/operations").text


def test_it_says_what_is_wrong_since_when_whose_fault_who_is_affected_and_what_next() -> None:
    made = operations.current(made_now(), cast("Board", MemoryBoard()), Memory(), AT)
    assert made.sentence == "Clover is late. Everything else is well."
    assert [tile.name for tile in made.wrong] == ["Clover", "Salesforce"]
    clover = made.wrong[0]
    assert (clover.tone, clover.word) == ("miss", "Late")
    assert clover.since is not None
    assert clover.since.text == "11:12"  # of Berlin
    assert clover.fault == "Fault: the vendor's"
    assert clover.affected == "41 shops"
    assert clover.next.startswith("the breaker")
    assert [tile.word for tile in made.well] == [
        "Paused", "Healthy", "Healthy", "Healthy", "Not watched"
    ]  # fmt: skip
    assert made.well[3].says == "lag p99 0.8 s · 0 of 31,204 webhooks missed"
    (trouble,) = made.open
    assert trouble.found == "11 s"
    assert trouble.lasts == "29 min"
    assert trouble.affected == "Harbour Street and Old <Mill>"


def test_the_page_shows_all_of_it_escaped_and_marks_what_is_live() -> None:
    board = MemoryBoard(cards={NETWORK: {TODAY: card(TODAY, [
        metric("integration_uptime", "not_met", "OperationalDashboard.monitor_x"),
        metric("unseen", "not_met", "Other.y"),
        metric("fine", "met", "OperationalDashboard.z"),
    ])}})  # fmt: skip
    html = page(made_now(), board, Memory(differences=[difference(1), difference(2, None)]))
    for text in (
        "Clover is late.", "fault: the vendor&#39;s", "Harbour Street and Old &lt;Mill&gt;",
        "found after 11 s", "31 missed (0.34 %)", "POS integration", "231 ms", "rate limit",
        "the oldest for 29 min", "61 % left", "gone in 2 days 3 h if it goes on",
        "overspent by 12 %", "200 drills", "payment p1", "$9.50", "All 2 to look at",
        "Integration uptime", "Take it on",
    ):  # fmt: skip
        assert text in html, text
    assert "Unseen" not in html
    assert "Fine" not in html
    assert 'data-topics="operations,board" data-since="run-7"' in html
    for name in operations.PARTS:
        assert f'id="ops-{name}" data-live' in html
    assert "style=" not in html
    assert "stale" not in html


def test_before_the_first_look_it_says_so_and_what_to_do() -> None:
    board = MemoryBoard()
    html = page(None, board)
    assert "Nothing has been looked at yet." in html
    assert "Not watched" in html
    made = operations.current(
        Now(at=AT, version=1, sentence="All is well.", lead=""), cast("Board", board), Memory(), AT
    )
    assert made.queue == []
    assert made.drills == ""


def test_what_is_old_says_so() -> None:
    at = AT + operations.STALE
    assert "The watch has stopped" not in page(made_now(), MemoryBoard(), at=at)
    html = page(made_now(), MemoryBoard(), at=at + timedelta(seconds=1))
    assert "The watch has stopped looking" in html


def test_a_day_of_the_past_shows_what_was_open_at_its_end_and_follows_nothing() -> None:
    board = MemoryBoard(cards={NETWORK: {TODAY: card(TODAY)}})
    ended = incident(id="inc-2", title="Over <before>", resolved_at=SINCE + timedelta(hours=1))
    later = incident(id="inc-3", title="Later", started_at=AT + timedelta(days=3))
    site = Site(cast("Board", board), made_now)
    client = TestClient(
        Starlette(routes=operations.routes(site, Memory([incident(), ended, later])))
    )
    html = client.get("/operations?day=2026-09-30").text
    assert "At the end of the day 1 incident was open." in html
    assert "Clover answers 429" in html
    assert "Over &lt;before&gt;" not in html
    assert "Later" not in html
    assert "data-live" not in html.replace("script", "")
    assert "/incidents/inc-1?day=2026-09-30" in html
    assert "Nothing is kept of this day" in client.get("/operations?day=2026-09-29").text


def test_a_strip_marks_days_by_incident_then_by_uptime() -> None:
    board = MemoryBoard(days_of={UPTIME: [
        day_value(TODAY, 99.99, "met"), day_value(TODAY - timedelta(days=1), 12.0, "not_met"),
        day_value(TODAY - timedelta(days=2), 99.0, "insufficient_data"),
    ]})  # fmt: skip
    yesterday = AT - timedelta(days=3)
    made = strip(cast("Board", board), "square", TODAY, [
        incident(integration="square", started_at=yesterday - timedelta(days=1),
                 resolved_at=yesterday),
        incident(integration="clover"),
    ])  # fmt: skip
    assert len(made.marks) == 90
    assert [mark.tone for mark in made.marks[-5:]] == ["miss", "miss", "doubt", "miss", "met"]
    assert made.marks[-1].says == "30 September 2026: uptime 99.99 %, ● Met"
    assert made.marks[-5].says == "26 September 2026: 1 incident"
    assert made.says == (
        "90 days to 30 September 2026: 2 days with incidents, 85 days without data"
    )
    assert made.places("met") == [89]
    assert len(made.noted) == 4
    ongoing = strip(cast("Board", board), "clover", TODAY, [incident(started_at=yesterday)])
    assert [mark.tone for mark in ongoing.marks[-5:]] == ["none", *["miss"] * 4]


@pytest.mark.parametrize(
    ("left", "burn", "gone", "tone", "word", "says"),
    [
        (0.61, 14.0, 183_600.0, "miss", "Burning", "gone in 2 days 3 h"),
        (0.61, 2.0, 1e6, "doubt", "Burning", "Burning 2×"),
        (0.9, 0.5, None, "met", "Holds", "slower than it refills"),
        (1.0, 0.0, None, "met", "Holds", "Nothing is being spent"),
        (0.5, None, None, "met", "Holds", ""),
        (-0.2, 3.0, None, "miss", "Used up", "Burning 3× as fast as it may."),
        (None, None, None, "none", "No data", "Too little traffic"),
    ],
)
def test_a_budget_says_what_is_left_how_fast_it_goes_and_when_it_is_gone(
    left: float | None, burn: float | None, gone: float | None, tone: str, word: str, says: str
) -> None:
    made = signals.budget(
        BudgetNow(slo="s", title="S", objective=0.999, period_days=30, left=left, burn=burn,
                  exhausted_in_s=gone)
    )  # fmt: skip
    assert (made.tone, made.word) == (tone, word)
    assert says in made.says
    assert 0 <= made.width <= 100


def test_budgets_that_hold_are_one_line_that_unfolds() -> None:
    made = operations.current(made_now(), cast("Board", MemoryBoard()), Memory(), AT)
    assert [each.title for each in made.holding] == ["Webhook delivery"]
    assert [each.title for each in made.spent] == ["Uptime", "Sync lag below 2 s", "Refunds"]
    assert made.holding_says == "Webhook delivery, 100 % left"
    html = page(made_now(), MemoryBoard())
    assert html.index("Uptime") < html.index("<summary>") < html.index("<b>Webhook delivery</b>")
    low = dataclasses.replace(made.holding[0], left="7 % left", width=7)
    others = dataclasses.replace(made, budgets=[*made.holding, low])
    assert others.holding_says == "the least has 7 % left"
    assert dataclasses.replace(made, budgets=[]).holding_says == ""


def test_saturation_says_of_what() -> None:
    served, *_ = made_now().signals
    told = signals.signal(served)
    assert (told.saturation, told.full_of) == ("43 %", "of tested load")
    called = replace(served, direction="outbound", saturation=0.02)
    assert signals.signal(called).full_of == "of turns wait"
    untested = replace(served, saturation=None)
    assert signals.signal(untested).full_of == "no load test"


def test_a_signal_without_traffic_or_target_is_judged_by_nothing() -> None:
    assert signals.judged(None, 300, "ms").look.word == "No traffic"
    assert signals.judged(10.0, None, "ms").look.word == "No target"
    assert signals.judged(301.0, 300, "ms").look.word == "Over"
    assert signals.judged(300.0, 300, "ms").look.word == "Within"


def test_only_integrations_that_tell_something_are_rows_of_data() -> None:
    rows = signals.flows(made_now())
    assert [row.name for row in rows] == ["Clover", "QuickBooks Online", "Square"]
    assert [row.missed for row in rows] == ["31 missed (0.34 %)", "—", "none missed"]


def test_texts_of_who_is_affected_and_of_moments() -> None:
    assert affected([], {}) == ""
    assert affected(["F1"], {"F1": "A"}) == "A"
    assert affected(["F1", "F9", "F2"], {"F1": "A", "F2": ""}) == "A, F2 and F9"
    assert affected(["1", "2", "3", "4"], {}) == "4 shops"
    berlin = ZoneInfo("Europe/Berlin")
    assert clock(AT - timedelta(days=2), AT, berlin).text == "28 September, 11:41"


class Told:
    """Notes what is published."""

    def __init__(self) -> None:
        self.all: list[tuple[str, Mapping[str, str]]] = []

    def publish(self, topic: str, parts: Mapping[str, str]) -> None:
        self.all.append((topic, parts))


def test_the_news_are_told_when_something_changed_and_carry_the_board_as_a_number_alone() -> None:
    state = [made_now(1)]
    time = [AT]
    board, told = MemoryBoard(), Told()
    site = Site(cast("Board", board), lambda: state[0])
    news = News(site, Memory(), told, lambda: time[0])
    news.look()
    news.look()
    assert [topic for topic, _ in told.all] == ["board", "operations", "board"]
    parts = told.all[1][1]
    assert set(parts) == {f"ops-{name}" for name in operations.PARTS}
    assert "Clover is late" in parts["ops-heading"]
    assert told.all[0][1] == {"board": "1"}
    healed = IntegrationNow(integration="clover", name="Clover", health="healthy")
    state[0] = replace(made_now(2), sentence="All is well.", integrations=(healed,), incidents=())
    news.look()
    assert "All is well." in told.all[-1][1]["ops-heading"]
    assert "Nothing is open" in told.all[-1][1]["ops-open"]
    time[0] = AT + timedelta(minutes=2)
    news.look()
    assert "The watch has stopped" in told.all[-1][1]["ops-heading"]
    board.version = 2
    news.look()
    assert told.all[-2][1] == {"board": "2"}
    assert told.all[-1][0] == "operations"


def test_parts_of_the_stream_are_the_very_parts_of_the_page() -> None:
    board = cast("Board", MemoryBoard())
    site = Site(board, made_now)
    html = page(made_now(), MemoryBoard())
    for name, part in operations.parts(site, Memory(), AT).items():
        assert f'<div id="{name}" data-live>{part}</div>' in html, name


def test_the_script_follows_and_is_one_with_the_readers() -> None:
    script = static_file("live.js").body.decode()
    assert "EventSource" in script
    assert script.index("function localTimes") < script.index("EventSource")
    assert "eval(" not in script


def test_utc_is_what_the_page_reads_its_clock_in() -> None:
    site = Site(cast("Board", MemoryBoard()), lambda: made_now(at=datetime.now(UTC)))
    html = TestClient(Starlette(routes=operations.routes(site, Memory()))).get("/operations").text
    assert "The watch has stopped" not in html
