"""Studies of a home: asked once for the same facts, kept, and read as they were known."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest

from meterstone.errors import InputError
from meterstone.insight.findings import Curve, Figure, Finding, Found, Picture, Point
from meterstone.insight.service import EVERY, LOOK, Insights
from meterstone.insight.source import HomeSource
from meterstone.insight.study import Say, Source
from meterstone.ledger import Ledger
from meterstone.measure.results import Scope

NETWORK = Scope("network")
DAY = date(2026, 3, 1)


class Counting:
    """Counts how often it is asked."""

    title = "Counting"
    version = "1"
    facts = ("invoice",)

    def __init__(self, name: str = "counting") -> None:
        self.name = name
        self.asked = 0

    def run(self, source: Source, say: Say) -> Found:
        self.asked += 1
        say("counting")
        before = source.finding("counting", "count", NETWORK)
        told = "nobody" if before is None else before.finding.sentence
        curve = Curve("c", "Counted", "observed", (Point("2026-03-01", 1.0, 0.5, 1.5),))
        finding = Finding(
            study=self.name, key="count", scope=NETWORK, title="Count",
            sentence=f"{self.name} {self.asked} after {told}", method="It counts.",
            figures=(Figure("n", "Times", float(self.asked), "count", 0.0, 9.0),),
            pictures=(Picture("Counts", "day", "count", (curve,)),),
        )  # fmt: skip
        shop = Finding("s", "count", Scope("franchise", "F1"), "Shop", "Of a shop.", "It counts.")
        return Found((finding, shop), ({"fact": "forecast"},))


class House:
    """A home with a ledger and nothing measured but one day."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.day: date | None = DAY
        self.content = "x"
        self.stated: list[Any] = []

    def source(self, day: date | None = None) -> HomeSource:
        found = day or self.day
        if found is None:
            raise InputError("nothing was measured yet", place="home", mend="measure")
        return Digested(self, found)

    def state(self, rows: Any, name: str) -> None:
        self.stated.append((name, rows))


class Digested(HomeSource):
    """Its facts are one text."""

    __slots__ = ("house",)

    def __init__(self, house: House, day: date) -> None:
        at = datetime.combine(day, datetime.min.time(), UTC) + timedelta(days=1)
        super().__init__(
            cast("Any", None), cast("Any", None), house.ledger, frozenset({"invoice"}), day, at,
            datetime.now(UTC), ZoneInfo("UTC"),
        )  # fmt: skip
        object.__setattr__(self, "house", house)

    def digest(self, facts: Any, asked: str) -> str:
        return f"{facts} {asked} {self.house.content}"  # type: ignore[attr-defined]  # a slot


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with closing(Ledger.open(tmp_path)) as ledger:
        yield House(ledger)


def test_the_same_facts_are_not_asked_twice(house: House) -> None:
    study = Counting()
    insights = Insights(house, lambda: [study])
    said: list[str] = []
    [first] = insights.run(say=said.append)
    [again] = insights.run()
    assert (first.new, again.new, study.asked) == (True, False, 1)
    assert again.round == first.round
    assert said == ["Counting: reading", "Counting: counting"]
    house.content = "y"
    assert insights.run()[0].new
    assert insights.run(anew=True)[0].new
    assert study.asked == 3


def test_what_is_found_comes_back_whole_and_facts_are_stated(house: House) -> None:
    insights = Insights(house, lambda: [Counting()])
    insights.run()
    [kept] = insights.of(NETWORK)
    assert kept.finding.figure("n") == Figure("n", "Times", 1.0, "count", 0.0, 9.0)
    assert kept.finding.pictures[0].curves[0].points == (Point("2026-03-01", 1.0, 0.5, 1.5),)
    assert (kept.day, len(kept.hash)) == (DAY, 64)
    assert [k.finding.title for k in insights.of()] == ["Count", "Shop"]
    assert insights.of(study="nothing") == []
    assert insights.one("counting", "count", NETWORK) == kept
    assert insights.one("counting", "other", NETWORK) is None
    assert insights.one("other", "count", NETWORK) is None
    assert house.stated == [("study counting 2026-03-01", ({"fact": "forecast"},))]


def test_a_later_study_reads_what_an_earlier_one_found(house: House) -> None:
    insights = Insights(house, lambda: [Counting(), Counting("second")])
    insights.run()
    second = insights.one("second", "count", NETWORK)
    assert second is not None
    assert second.finding.sentence == "second 1 after counting 1 after nobody"


def test_the_past_shows_what_was_known_then(house: House) -> None:
    insights = Insights(house, lambda: [Counting()])
    insights.run()
    known = datetime.now(UTC)
    house.day = DAY + timedelta(days=1)
    insights.run()
    assert insights.of(NETWORK, day=DAY)[0].day == DAY
    assert insights.of(NETWORK, known_at=known)[0].day == DAY
    assert insights.of(NETWORK)[0].day == house.day
    assert insights.of(NETWORK, known_at=known - timedelta(days=1)) == []


def test_each_day_is_asked_of_once_on_schedule(house: House) -> None:
    study = Counting()
    insights = Insights(house, lambda: [study])
    insights.begin()
    assert insights.look() == 1
    assert insights.look() == 0
    house.content = "late facts change nothing by themselves"
    assert insights.look() == 0
    house.day = DAY + timedelta(days=1)
    job = house.ledger.queue.claim("test")
    assert job is not None
    insights.handlers[job.kind](job)
    assert study.asked == 2
    assert insights.busy.sentences() == []
    house.day = None
    assert insights.look() == 0


def test_a_home_that_was_not_measured_is_looked_at_again_soon(house: House) -> None:
    insights = Insights(house, lambda: [Counting()])
    house.day = None
    insights.handlers[LOOK](cast("Any", None))
    due = house.ledger.queue.next_due()
    assert due is not None
    assert due - datetime.now(UTC) < EVERY / 2


def test_an_unknown_study_is_refused_with_those_there_are(house: House) -> None:
    with pytest.raises(InputError, match="no study 'countin'"):
        Insights(house, lambda: [Counting()]).run(["countin"])


def test_a_source_names_the_fact_that_there_is_not(house: House) -> None:
    with pytest.raises(InputError, match="no fact 'nothing'"):
        house.source().rows("SELECT 1 FROM {nothing} AS n")
