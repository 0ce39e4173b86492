"""Words that several studies use."""

from __future__ import annotations


def percent(chance: float) -> str:
    """A chance from 0 to 1 as people read it: never 0 % or 100 % where it is neither."""
    if 0 < chance < 0.01:
        return "less than 1 %"
    if 0.99 < chance < 1:
        return "more than 99 %"
    return f"{100 * chance:.0f} %"
