"""The numbers of a shop in an owner's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from meterstone.measure.results import Value
from meterstone.publish.web.site import figure
from meterstone.scorecard.values import format_value


@dataclass(frozen=True, slots=True)
class Plain:
    """How a metric is said to an owner.

    Attributes:
        title: as an owner would say it.
        says: the sentence, with the value as ``{}``.
        missing: what makes it known, where it is not.
        can: whether an owner can do that; else it comes with time.
        verb: what to do to catch up with the others, and ``worth``: what that brings, with the
            difference as ``{}``; empty where more is not simply better for an owner.
    """

    title: str
    says: str
    missing: str
    can: bool = True
    verb: str = ""
    worth: str = ""


PLAIN: Mapping[str, Plain] = MappingProxyType(
    {
        "time_savings": Plain(
            "Hours you get back each week", "Your shop works {} less by hand than before.",
            "Write down a usual week of work.",
            True, "Let more be done for you", "worth about {}",
        ),
        "owner_revenue_increase": Plain(
            "Sales from being connected", "Being connected brought {}.",
            "A year of closed months before and after makes the gain provable.",
            False, "Switch on what the others use", "worth about {}",
        ),
        "average_revenue_per_franchise": Plain(
            "What your shop pays for it", "Fees and services of your shop come to {}.",
            "It is known after the first closed month.", False,
        ),
        "network_revenue_growth": Plain(
            "Your sales, year over year", "Your sales changed by {} in a year.",
            "It is known after 24 closed months of payments.", False,
        ),
        "owner_operational_efficiency": Plain(
            "Work done per hour", "Work done in an hour changed by {}.",
            "Write down a usual week of work.",
        ),
        "manual_data_entry_reduction": Plain(
            "Typing that went away", "Typing in data went down by {}.",
            "Write down a usual week of work.",
        ),
        "administrative_overhead": Plain(
            "Office hours", "Your office hours changed by {}.",
            "Write down a usual week of work.",
        ),
        "decision_making_speed": Plain(
            "How fast you decide", "Decisions come faster by {}.",
            "Note when you ask for a number and when you act on it.",
        ),
        "end_customer_satisfaction_improvement": Plain(
            "Your customers' ratings", "Your customers' ratings changed by {}.",
            "Ratings before and after going live make it known.", False,
        ),
        "franchise_owner_satisfaction": Plain(
            "Your own answers", "{} of your answers say that you are satisfied.",
            "Answer the next survey.",
        ),
        "user_engagement_increase": Plain(
            "How much you use it", "Your team uses the system {} more than before.",
            "It is known after two whole quarters.", False,
        ),
        "customer_success_score": Plain(
            "What runs as it should", "{} of what a shop needs is in place.",
            "It is known once your shop is live.",
            False, "Complete what a shop needs", "{} more in place",
        ),
        "reporting_usage": Plain(
            "Looking at your numbers", "Your team looks at its numbers {}.",
            "Open a report once: then it is counted.",
        ),
    }
)  # fmt: skip
"""The metrics of a shop, in the order of its page."""

ALWAYS = ("time_savings", "owner_revenue_increase")
"""What owners ask first; where it is not known, the page says how it becomes known."""


def plain_value(value: Value, unit: str) -> str:
    """A value as an owner says it: ``11.5 h a week``, ``60 %``."""
    text = format_value(value, unit)
    if unit.startswith("%"):  # what it is a share of, the sentence says
        return figure(text)[0]
    return text.replace(" per franchise-", " a ")


def difference(gap: float, unit: str) -> str:
    """How far two values lie apart."""
    plain = "percentage points" if unit.startswith("%") else unit
    return plain_value(abs(gap), plain).removeprefix("+")


def said(plain: Plain, value: Value, unit: str) -> str:
    """The sentence about a value; a change says whether it went up or down."""
    text = plain_value(value, unit)
    up = "changed by" in plain.says and isinstance(value, int | float) and value > 0
    return plain.says.format(f"+{text.removeprefix('+')}" if up else text)
