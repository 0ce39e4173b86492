"""What became of the preventive actions that forecasts of failures recommended."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from meterstone.insight.findings import Cell, Column, Figure, Finding, Table
from meterstone.insight.prevention import LEAST, Followed, Outcome, outcome
from meterstone.insight.risk import WEEK_H, Trials
from meterstone.insight.signals import Panel
from meterstone.insight.studies.reading import NETWORK
from meterstone.insight.studies.risk_facts import Row, all_actions
from meterstone.insight.study import Source

TAKEN = ("implemented", "verified")
_HOUR = timedelta(hours=1)


def prevention(source: Source, panel: Panel, week: Trials) -> Finding | None:
    """Incidents in the week after each action beside those to be expected; None: no actions.

    Args:
        week: what would have been given for a week at each hour, without knowing what followed.
    """
    rows = all_actions(source)
    if not rows:
        return None
    taken: list[Followed] = []
    left: list[Followed] = []
    table: list[tuple[Cell, ...]] = []
    for row in rows:
        at = row["implemented_at"] if row["status"] in TAKEN else row["due_at"]
        one = _followed(source, panel, week, row["integration"], at) if at else None
        if one is not None:
            (taken if row["status"] in TAKEN else left).append(one)
        table.append(_line(row, one))
    done, undone = outcome(taken), outcome(left)
    withheld = None
    if done.n < LEAST:
        withheld = f"{done.n} actions were taken whose week is over; {LEAST} are needed"
    return Finding(
        study="risk", key="prevention_implementation:effect", scope=NETWORK,
        title="What preventive actions did", sentence=_sentence(done, undone, withheld),
        method="The probability of an incident in the week after an action, given without knowing "
        "what followed, beside what came; the range is that of chance (Poisson binomial). Who "
        "acts where it helps most anyway is not told apart from what acting did.",
        withheld=withheld,
        figures=(
            Figure("taken", "Incidents after actions taken", float(done.came), "incidents"),
            Figure("expected", "To be expected after them", done.expected, "incidents", done.low,
                   done.high),
            Figure("left", "Incidents where none was taken", float(undone.came), "incidents"),
            Figure("left_expected", "To be expected there", undone.expected, "incidents",
                   undone.low, undone.high),
        ),
        tables=(
            Table(
                "actions", "Actions",
                (Column("action", "Action"), Column("integration", "Integration"),
                 Column("reason", "Reason"), Column("status", "Status"), Column("due", "Due"),
                 Column("given", "Given for the week", "%"), Column("came", "An incident came")),
                tuple(table),
            ),
        ),
    )  # fmt: skip


def _followed(
    source: Source, panel: Panel, week: Trials, key: str, at: datetime
) -> Followed | None:
    """None where the week is not over, or nothing was given at that hour."""
    hour = panel.hours - int((source.at - at) / _HOUR) - 1
    if key not in panel.keys or not 0 <= hour < panel.hours:
        return None
    k = panel.keys.index(key)
    given = week.p[k, hour]
    if np.isnan(given) or hour + WEEK_H > panel.hours:
        return None
    return Followed(float(given), bool(week.y[k, hour]))


def _line(row: Row, one: Followed | None) -> tuple[Cell, ...]:
    return (
        row["action_id"], row["integration"], str(row["cause_key"] or "").removeprefix("risk:"),
        row["status"], f"{row['due_at']:%Y-%m-%d}" if row["due_at"] else None,
        None if one is None else 100 * one.expected, None if one is None else one.came,
    )  # fmt: skip


def _sentence(done: Outcome, undone: Outcome, withheld: str | None) -> str:
    if withheld:
        return "What preventive actions did cannot be told yet."
    what = "fewer than chance explains" if done.fewer else "no fewer than chance explains"
    return (
        f"In the weeks after {done.n} actions {done.came} incidents came; {done.expected:.1f} were "
        f"to be expected (95 %: {done.low:.0f} to {done.high:.0f}): {what}. Where none was taken, "
        f"{undone.came} came and {undone.expected:.1f} were to be expected."
    )
