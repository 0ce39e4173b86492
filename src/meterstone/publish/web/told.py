"""Findings in lists, on any page: a row, what is about one thing, an advice as a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from meterstone.board.model import Board
from meterstone.insight.findings import Advice, Figure, KeptFinding
from meterstone.measure.results import Scope
from meterstone.publish.findings import (
    WITHHELD,
    FigureText,
    figure_text,
    finding_link,
    reason,
    unbroken,
)
from meterstone.publish.web.site import NETWORK
from meterstone.scorecard.values import VerdictLook

_FIGURES = 3
"""Figures beside a sentence."""


def namer(board: Board) -> Callable[[Scope], str]:
    """What people call a scope; empty for the network, of which most is said."""
    names = {
        named.scope: named.name
        for kind in ("integration", "franchise")
        for named in board.scopes(kind)
    }
    return lambda scope: "" if scope == NETWORK else names.get(scope, scope.key)


@dataclass(frozen=True, slots=True)
class Row:
    """A finding among others.

    Attributes:
        about: whom it concerns; empty: the network.
        figures: the first of it.
        withheld: why nothing is claimed, where the sentence does not say so.
        look: of one that is withheld; None: it is claimed.
    """

    title: str
    about: str
    link: str
    sentence: str
    figures: Sequence[FigureText]
    withheld: str
    look: VerdictLook | None


def row(kept: KeptFinding, name: Callable[[Scope], str]) -> Row:
    """A finding in a list."""
    finding = kept.finding
    return Row(
        finding.title,
        name(finding.scope),
        finding_link(finding),
        unbroken(finding.sentence),
        known(finding.figures)[:_FIGURES] if not finding.withheld else [],
        reason(finding.withheld, finding.sentence),
        WITHHELD if finding.withheld else None,
    )


def known(figures: Sequence[Figure]) -> list[FigureText]:
    """Figures with a value, in words."""
    return [figure_text(each) for each in figures if each.value is not None]


def about(found: Sequence[KeptFinding], key: str) -> list[KeptFinding]:
    """What was found about one thing, such as a metric or a gate."""
    return [each for each in found if f"{each.finding.key}:".startswith(f"{key}:")]


def step(kept: KeptFinding, advice: Advice, name: Callable[[Scope], str]) -> Mapping[str, str]:
    """An advice as a thing to do."""
    about = name(kept.finding.scope)
    scope = kept.finding.scope
    open_to_owner = scope.kind != "franchise" or advice.link.startswith(f"/owners/{scope.key}")
    leads = advice.link if open_to_owner else ""
    says = f"{about}: {advice.says}" if about and about not in advice.title else advice.says
    return {
        "do": unbroken(advice.title),
        "says": unbroken(says),
        "worth": unbroken(advice.worth),
        "href": leads or finding_link(kept.finding),
        "because": finding_link(kept.finding) if leads else "",
    }
