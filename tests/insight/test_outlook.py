"""Outlook of gates and the target laboratory."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest

from meterstone.app import definitions
from meterstone.board.model import DayValue
from meterstone.catalogue import framework_path
from meterstone.insight.outlook import Day, Outlook, judged
from meterstone.insight.studies.outlook import GateOutlook
from meterstone.insight.studies.targets import Targets
from meterstone.insight.study import Source
from meterstone.insight.targets import replay, tenable
from meterstone.measure.results import Scope
from proof.outlook import Asked, Held, asked, tenths

DAY = date(2026, 3, 31)
UPTIME = "IntegrationPerformanceMetrics.target_metrics.integration_uptime"
P95 = "IntegrationPerformanceMetrics.target_metrics.api_response_time_p95"


def days(pattern: str) -> tuple[Day, ...]:
    """A letter for what held a day back, a dot for a met one."""
    names = {"u": {UPTIME}, "p": {P95}, "b": {UPTIME, P95}, ".": set()}
    return tuple(Day(frozenset(names[each])) for each in pattern)


def test_what_breaks_a_run_most_is_worth_most() -> None:
    outlook = Outlook(days("......u......" * 6 + "...p" + "." * 12), 30, 12, 180)
    first, second = outlook.breakers()
    assert (first.ref, first.days, second.days) == (UPTIME, 6, 1)
    assert first.gain > second.gain >= 0
    assert first.breaks > second.breaks
    assert 0 < outlook.chances[17] < outlook.chances[-1] < 1
    assert outlook.chances[16] == 0.0  # 18 days are needed yet
    half = outlook.on(0.5)
    assert half is None or outlook.chances[half - 1] >= 0.5 > outlook.chances[half - 2]
    assert outlook.on(1.0) is None


def test_a_gate_whose_run_is_there_has_passed() -> None:
    outlook = Outlook(days("." * 40), 30, 40, 90)
    assert outlook.chances.tolist() == [1.0] * 90
    assert outlook.breakers() == []
    assert 0.5 < outlook.holds(10) < 1


def test_days_are_judged_as_the_gate_says() -> None:
    told = [
        {"verdict": "met", "held_back_by": []},
        {"verdict": "broken", "held_back_by": [UPTIME]},
        {"verdict": "excused", "held_back_by": [UPTIME]},
        {"verdict": "missing", "held_back_by": [UPTIME]},
        {"verdict": "missing", "held_back_by": []},
    ]
    assert judged(told, missing_breaks=False) == days(".u")
    assert judged(told, missing_breaks=True) == days(".uu")


@pytest.fixture(scope="module")
def rows() -> list[Asked]:
    return [row for seed in range(120) for row in asked(seed)]


def test_the_proof_in_small(rows: list[Asked]) -> None:
    assert len(rows) > 800
    for days in (30, 90):
        for kind in ("pass", "gate", "target"):
            held = Held.of([row for row in rows if row.kind == kind and row.days == days])
            assert held is not None
            assert held.holds, (kind, days, held)
    counted = [held.questions for _, held in tenths(rows)]
    assert sum(counted) == len(rows)


def test_a_model_that_says_too_much_does_not_pass_the_proof(rows: list[Asked]) -> None:
    bold = [replace(row, said=0.5 + row.said / 2) for row in rows if row.kind == "gate"]
    assert any(held.judged and not held.holds for _, held in tenths(bold))


def test_chance_counts_programmes_and_not_questions() -> None:
    def row(programme: int, came: bool) -> Asked:
        return Asked(programme, "pass", 30, 45, 90, False, 0.5, came)

    apart = [row(at, at % 2 == 0) for at in range(100)]
    together = [row(at // 4, (at // 4) % 2 == 0) for at in range(100)]
    one, four = Held.of(apart), Held.of(together)
    assert one is not None
    assert four is not None
    assert one.chance == pytest.approx(9.8)
    assert four.chance == pytest.approx(19.6, rel=0.05)
    assert (one.programmes, four.programmes) == (100, 25)
    assert Held.of([]) is None


# --- targets --------------------------------------------------------------------------------------


def test_a_target_is_replayed_by_hand() -> None:
    values = [99.0, 99.9, 99.9, 98.0, 98.0, 98.0, 99.9, 99.9, 97.0, 99.9] * 3
    found = replay(values, "at least", 99.5)
    assert (found.days, found.met) == (30, 15)
    assert found.alarms == 9.0  # three spells in each ten days
    assert found.alarms_twice == 3.0  # only the one that lasts
    assert found.holds[90] < found.holds[30] < 0.05
    assert found.usual == pytest.approx(97.0)


def test_less_is_better_the_other_way_round() -> None:
    dice = random.Random(3)
    values = [dice.gauss(200, 5) for _ in range(90)]
    found = replay(values, "at most", 500.0)
    assert (found.met, found.alarms) == (90, 0.0)
    level = found.tenable[30]
    assert level is not None
    assert 200 < level <= max(values)
    assert found.holds[30] > 0.8
    tight = replay(values, "at most", 200.0)
    assert tight.met < 90
    assert tight.alarms > 3


def test_a_level_is_tenable_only_with_days_enough() -> None:
    assert tenable([1.0] * 30, "at least", 90) is None
    assert tenable([1.0] * 90, "at least", 30) == 1.0


# --- the studies ----------------------------------------------------------------------------------


@dataclass
class Board:
    """A network with one metric and some gates."""

    gates: list[dict[str, Any]]
    values: Sequence[float | None] = ()
    catalogue: Any = field(default_factory=lambda: definitions(framework_path()))

    def card(self, scope: Scope, *_: object) -> Any:
        metric = {
            "id": "integration_uptime", "title": "Integration uptime", "unit": "%",
            "target": {"cmp": ">=", "value": 99.9},
        }  # fmt: skip
        states = metric | {"id": "state", "target": {"cmp": "at_least", "value": "healthy"}}
        few = metric | {"id": "few", "title": "Few"}
        strict = metric | {"id": "strict", "title": "Strict", "target": {"cmp": "<", "value": 99.9}}
        document = {"gates": self.gates, "metrics": [metric, states, few, strict]}
        return SimpleNamespace(document=document, day=DAY, scope=scope)

    def history(self, metric: str, *_: object) -> list[DayValue]:
        values = list(self.values)[:9] if metric == "few" else self.values
        return [
            DayValue(DAY - timedelta(days=back), value, None, "met", "published")
            for back, value in zip(reversed(range(len(values))), values, strict=True)
        ]


def source(board: Board) -> Source:
    at = datetime(2026, 4, 1, tzinfo=UTC)
    return cast(
        "Source",
        SimpleNamespace(day=DAY, at=at, known_at=at, zone=ZoneInfo("UTC"), board=board),
    )


def gate(pattern: str, **more: Any) -> dict[str, Any]:
    return {
        "id": "operations_90_days", "title": "Ninety days", "needed": 90, "run": 0,
        "passed": False, "chance": {UPTIME: 0.5, P95: 0.5},
        "days": [
            {"verdict": "broken" if each.held_back_by else "met",
             "held_back_by": sorted(each.held_back_by)}
            for each in days(pattern)
        ],
    } | more  # fmt: skip


def test_the_outlook_of_a_gate_in_words_and_figures() -> None:
    tail = "." * 60
    told = gate("u...." * 6 + tail, run=64)
    [finding] = GateOutlook().run(source(Board([told])), lambda _: None).findings
    assert finding.withheld is None
    assert finding.sentence.startswith("Ninety days: 64 of 90 days in a row; passed by ")
    [table] = finding.tables
    assert table.rows[0][1:3] == (UPTIME, 6.0)
    assert finding.advice[0].link == "/catalogue/integration_uptime"
    assert [figure.id for figure in finding.figures] == ["run", "by_56", "by_116", "even"]
    soon, later = finding.figures[1:3]
    assert isinstance(soon.value, float)
    assert isinstance(later.value, float)
    assert 0 < soon.value < later.value < 100
    [picture] = finding.pictures
    assert picture.curves[0].points[0].x == "2026-04-01"


def test_what_is_never_met_is_said_so_and_what_has_passed_too() -> None:
    never = gate("b" * 90)
    passed = gate("." * 90, id="phase_1", title="Phase one", needed=1, run=90, passed=True)
    few = gate("." * 9, id="phase_2", title="Phase two")
    clean = gate("." * 60, id="final_validation", title="Final", run=60)
    again = gate("p" * 89 + "b", id="phase_3", title="Phase three", needed=1)
    gates = [passed, never, again, few, clean]
    found = GateOutlook().run(source(Board(gates)), lambda _: None).findings
    by = {each.key: each for each in found}
    assert [each.key for each in found][-1] == "phase_1"
    told = by["operations_90_days"]
    assert told.withheld == (
        "2 targets were not met on any of 90 days; time alone does not pass it"
    )
    assert told.figures == ()
    assert told.pictures == ()
    assert [column.id for column in told.tables[0].columns] == ["metric", "ref", "days"]
    assert [each.worth for each in told.advice] == [""]
    alone = by["phase_3"]
    assert (alone.withheld or "").endswith(
        " was not met on any of 90 days; time alone does not pass it"
    )
    assert alone.advice == (), "gates that stand still advise once"
    assert by["phase_1"].sentence.startswith("Phase one: passed; every day of the next 30 days")
    assert by["phase_2"].withheld == (
        "9 days of it were judged; at least 30 have to be before anything is said"
    )
    assert by["final_validation"].sentence.endswith("Nothing has broken it.")
    assert by["final_validation"].tables == ()


def test_a_gate_held_back_by_turns_claims_nothing_either() -> None:
    turns = gate("up" * 45, needed=1)
    [finding] = GateOutlook().run(source(Board([turns])), lambda _: None).findings
    assert finding.withheld == (
        "each of 90 days was held back by one target or another; none was met"
    )
    assert finding.advice == ()
    assert len(finding.tables[0].rows) == 2


def test_what_is_worth_nothing_is_not_advised() -> None:
    sure = gate("u" + "." * 89, run=89)
    [finding] = GateOutlook().run(source(Board([sure])), lambda _: None).findings
    assert finding.withheld is None
    assert finding.advice == ()


def test_targets_of_the_network_are_replayed() -> None:
    dice = random.Random(1)
    values = [99.95 + dice.gauss(0, 0.02) for _ in range(90)]
    board = Board([], [*values[:45], None, *values[46:]])
    found = Targets().run(source(board), lambda _: None).findings
    by = {each.key: each for each in found}
    assert list(by) == ["strict", "integration_uptime", "too_few_days"]
    uptime = by["integration_uptime"]
    met = sum(value >= 99.9 for at, value in enumerate(values) if at != 45)
    assert f"met on {met} of 89 days" in uptime.sentence
    assert uptime.pictures[0].line == 99.9
    tenable_30 = uptime.figure("tenable_30")
    assert tenable_30 is not None
    assert by["too_few_days"].withheld
    assert by["too_few_days"].tables[0].rows == (("Few", 9.0),)


def test_nothing_is_found_where_nothing_was_measured() -> None:
    empty = SimpleNamespace(card=lambda *_: None)
    for study in (GateOutlook(), Targets()):
        assert study.run(source(cast("Board", empty)), lambda _: None).findings == ()
