"""The benefit ledger: how far each benefit has come from being said to being proven.

A benefit is *claimed* (somebody says what it is worth a year), *forecast* (a model with a record
says so), *observed* (it is in the facts, whatever brought it) and *proven* (a comparison shows that
the programme brought it). Each stage has its own figure and its own doubt; the later stage counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from meterstone.errors import InputError
from meterstone.insight.roi import Spread, fixed, measured, triangle

Stage = Literal["claimed", "forecast", "observed", "proven"]
Party = Literal["operator", "franchisee"]
STAGES: tuple[Stage, ...] = ("claimed", "forecast", "observed", "proven")


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What nobody measured and has to be declared. Anybody may attest others: the claim key is
    ``assumption:`` and the name of the attribute.

    Attributes:
        discount_rate: a year, as a share.
        years: that benefits and costs go on for, in the net present value.
        claimed_low, claimed_high: a claim may come to these shares of what was said.
        observed_low: at least this share of what is observed came by the programme.
        cost_low, cost_high: a planned cost may come to these shares of the plan.
    """

    discount_rate: float = 0.1
    years: float = 3
    claimed_low: float = 0.0
    claimed_high: float = 1.1
    observed_low: float = 0.5
    cost_low: float = 0.9
    cost_high: float = 1.3

    def __post_init__(self) -> None:
        for name, low, high in (
            ("discount_rate", 0, 0.99), ("years", 1, 20), ("claimed_low", 0, 1),
            ("claimed_high", 1, 10), ("observed_low", 0, 1), ("cost_low", 0, 1),
            ("cost_high", 1, 10),
        ):  # fmt: skip
            value = getattr(self, name)
            if not low <= value <= high:
                raise InputError(
                    f"{name} is {value:g}", place=f"assumption:{name}",
                    mend=f"attest a number from {low:g} to {high:g}",
                )  # fmt: skip

    @classmethod
    def declared(cls, attested: Mapping[str, float]) -> Assumptions:
        """Those of the method, with what was attested in their place; unknown names are left."""
        known = {name: value for name, value in attested.items() if name in cls.__slots__}
        return replace(cls(), **known)

    def claim(self, value: float) -> Spread:
        """What a claim may come to."""
        return triangle(value, self.claimed_low, 1.0, self.claimed_high)

    def observed(self, value: float, low: float | None = None, high: float | None = None) -> Spread:
        """What of an observed benefit came by the programme. Where less is left than before, all
        of the loss counts."""
        least, most = (value if edge is None else edge for edge in (low, high))
        least = least * self.observed_low if least > 0 else least
        return Spread("triangle", min(max(value, least), most), least, most)

    def plan(self, value: float) -> Spread:
        """What a planned cost may come to."""
        return triangle(value, self.cost_low, 1.0, self.cost_high)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one stage says of a benefit.

    Attributes:
        value: USD a year, as it is named; None where the stage is not reached.
        spread: with its doubt, risk-adjusted by its mean.
        says: where it comes from; where there is no value, why, and what would change it.
    """

    stage: Stage
    value: float | None
    spread: Spread | None
    says: str


def reached(stage: Stage, value: float, spread: Spread, says: str) -> Evidence:
    """A stage that a benefit has come to."""
    return Evidence(stage, value, spread, says)


def missing(stage: Stage, why: str) -> Evidence:
    """A stage that a benefit has not come to."""
    return Evidence(stage, None, None, why)


def estimated(stage: Stage, value: float, low: float, high: float, says: str) -> Evidence:
    """A stage whose figure has a 95 % interval of its own."""
    return Evidence(stage, value, measured(value, low, high), says)


def booked(stage: Stage, value: float, says: str) -> Evidence:
    """A stage whose figure stands in closed books."""
    return Evidence(stage, value, fixed(value), says)


@dataclass(frozen=True, slots=True)
class Benefit:
    """One benefit, at every stage.

    Attributes:
        party: whose money it is; only the operator's is in the return of the operator.
    """

    id: str
    title: str
    party: Party
    evidence: Mapping[Stage, Evidence]

    @property
    def newest(self) -> Evidence | None:
        """The furthest stage it has come to."""
        return next((self.evidence[stage] for stage in reversed(STAGES) if self._has(stage)), None)

    def at(self, stage: Stage) -> Spread:
        """What counts when only evidence of this stage is let in; nothing where there is none."""
        spread = self.evidence[stage].spread if self._has(stage) else None
        return spread if spread is not None else fixed(0.0)

    def upto(self, stage: Stage) -> Spread:
        """What counts when this stage is the least: it or a later one, the furthest of those."""
        later = STAGES[STAGES.index(stage) :]
        best = next((self.evidence[each] for each in reversed(later) if self._has(each)), None)
        return best.spread if best is not None and best.spread is not None else fixed(0.0)

    def _has(self, stage: Stage) -> bool:
        return stage in self.evidence and self.evidence[stage].value is not None


def adjusted(benefits: Sequence[Benefit], party: Party) -> float:
    """USD a year of all benefits of a party at their furthest stages, risk-adjusted."""
    found = [each.newest for each in benefits if each.party == party]
    return sum(each.spread.mean for each in found if each is not None and each.spread is not None)
