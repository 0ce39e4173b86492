"""Objectives and rules over metrics count days; windows approved beforehand silence alarms."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

from meterstone.board.model import Board, DayValue, Named
from meterstone.detect.daily import NO_DAYS, BoardDays, count_days
from meterstone.detect.feed import Feed
from meterstone.detect.silence import Silence
from meterstone.detect.slo import RawSlo, Slo, Words
from meterstone.detect.windows import PACES
from meterstone.facts import vocabulary
from meterstone.ledger import Alert
from meterstone.measure.gates import MaintenanceWindow
from meterstone.measure.results import Scope

DAY = date(2026, 3, 10)
NOW = datetime(2026, 3, 11, 9, tzinfo=UTC)
UPTIME = "integration_uptime"


class Uptimes:
    """A board with the uptime of the network and of Square on three days."""

    version, zone = 3, ZoneInfo("UTC")

    def __init__(self) -> None:
        self.catalogue = SimpleNamespace(
            metrics={
                UPTIME: SimpleNamespace(raw=SimpleNamespace(scopes=["network", "integration"]))
            }
        )

    def scopes(self, kind: str) -> list[Named]:
        return [Named(Scope("integration", "square"), "Square")] if kind == "integration" else []

    def days(self, _scope: Scope) -> list[date]:
        return [DAY]

    def history(self, _metric: str, scope: Scope) -> list[DayValue]:
        verdicts: list[Any] = ["met", "no_data", "not_met"]
        values: list[Any] = [99.95, None, 99.0 if scope.kind == "network" else "healthy"]
        return [
            DayValue(DAY - timedelta(days=2 - n), value, None, verdict, "published")
            for n, (value, verdict) in enumerate(zip(values, verdicts, strict=True))
        ]


def test_days_are_read_by_scope_without_those_that_say_nothing() -> None:
    days = BoardDays(cast("Board", Uptimes()))
    first = DAY - timedelta(days=2)
    assert days.version == 3
    assert days.of(UPTIME) == {"": [(first, 99.95), (DAY, 99.0)], "square": [(first, 99.95)]}
    ends = days.ends(UPTIME)
    assert [good for _, good in ends["square"]] == [True, False]
    assert ends[""][-1][0] == datetime(2026, 3, 10, 23, 59, 59, tzinfo=UTC)
    assert days.of("nothing") == {}
    assert NO_DAYS.of(UPTIME) == NO_DAYS.ends(UPTIME) == {}


def test_a_day_is_one_event_of_an_objective_however_often_it_is_counted() -> None:
    says = Words(means="m", next="n")
    raw = RawSlo(slo="up", title="t", metric=UPTIME, objective=99.0, says=says)
    slo = Slo(raw, 0.99, timedelta(days=30), PACES)
    feed = Feed(cast("Any", None), vocabulary(), {})
    for _ in range(2):
        count_days([slo], BoardDays(cast("Board", Uptimes())), feed)
    assert feed.of(slo.counter, "square").counts.sum(NOW, 30 * 86400) == (1.0, 2.0)
    assert feed.of(slo.counter, "square").counts.sum(NOW, 86400) == (0.0, 1.0)


def test_an_alarm_within_an_approved_window_is_silenced() -> None:
    asked: list[datetime] = []
    hour = timedelta(hours=1)

    def windows(at: datetime) -> list[MaintenanceWindow]:
        asked.append(at)
        return [MaintenanceWindow("integration:square", NOW, NOW + hour, "works", "A. Person")]

    silence = Silence(windows)
    square = cast("Alert", SimpleNamespace(integration="square"))
    clover = cast("Alert", SimpleNamespace(integration="clover"))
    said = silence(square, NOW)
    assert said == "maintenance until 2026-03-11 10:00 UTC, approved by A. Person"
    assert silence(clover, NOW) == ""
    assert len(asked) == 1, "not asked again for every alert"
    assert silence(square, NOW + hour) == ""
    assert silence(square, NOW - hour) == ""
    assert len(asked) == 2
