"""Words of a rule over periods, and how they are joined and held.

A period is ``yes``, ``no``, ``unknown`` (no result: it breaks a run), ``neutral`` (nothing to
judge: it neither counts nor breaks) or ``restart`` (yes, but it cannot continue a run).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from meterstone.catalogue.model import Hold

Truth = Literal["yes", "no", "unknown", "neutral", "restart"]

GOOD = ("yes", "restart")


def word(holds: bool) -> Truth:
    """The word of a comparison."""
    return "yes" if holds else "no"


def all_of(parts: Sequence[Truth]) -> Truth:
    """All parts hold; one that says nothing to judge is left out."""
    order: tuple[Truth, ...] = ("no", "unknown", "restart", "yes")
    return next((found for found in order if found in parts), "neutral")


def any_of(parts: Sequence[Truth]) -> Truth:
    """One of the parts holds."""
    order: tuple[Truth, ...] = ("yes", "restart", "unknown", "no")
    return next((found for found in order if found in parts), "neutral")


def group_of(leaves: Sequence[Truth]) -> Truth:
    """All of a group; a leaf without a result breaks where others have one."""
    if "yes" not in leaves and "no" not in leaves:
        return "unknown" if "unknown" in leaves else "neutral"
    return word("no" not in leaves and "unknown" not in leaves)


def decided(truth: Sequence[Truth]) -> int:
    """How many periods were decided."""
    return sum(found in ("yes", "no", "restart") for found in truth)


def hold_of(rule: Mapping[str, Any]) -> Hold:
    """The hold of a rule; one day where it has none."""
    return Hold(**(rule.get("hold") or {"periods": 1}))


def first_run(truth: Sequence[Truth], hold: Hold) -> int | None:
    """Index of the last period of the first run that is long enough."""
    run = 0
    for index, found in enumerate(truth):
        if found == "neutral":
            continue
        if found in GOOD:
            run = 1 if found == "restart" and hold.consecutive else run + 1
        elif hold.consecutive:
            run = 0
        if run >= hold.periods and found in GOOD:
            return index
    return None


def held_now(truth: Sequence[Truth], hold: Hold) -> bool:
    """Whether the run up to the newest period is long enough."""
    run = 0
    for found in reversed(truth):
        if found in GOOD:
            run += 1
        elif found != "neutral" and hold.consecutive:
            return False
        if run >= hold.periods:
            return True
        if found == "restart" and hold.consecutive:
            return False
    return False


def held_at(truth: Sequence[Truth], hold: Hold) -> Truth:
    """The word of a part that has a hold of its own, at the end of these periods."""
    if held_now(truth, hold):
        return "yes"
    if not decided(truth):
        return truth[-1]
    return "no"
