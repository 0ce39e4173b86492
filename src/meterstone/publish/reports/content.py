"""What a report of a kind shows, from the documents of the board and of now alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from meterstone.board.model import Board, Card
from meterstone.detect.state import Now
from meterstone.insight.findings import KeptFinding
from meterstone.measure.results import Scope, ScopeKind
from meterstone.publish.reports import chapters, insight
from meterstone.publish.reports.model import KINDS, Kind, KindOf, Line, Provenance, Report, Section
from meterstone.publish.reports.view import View, listed, titles
from meterstone.scorecard.values import count_text, format_day, format_moment

PROMISES: Mapping[str, Mapping[str, str]] = {
    "roi_percentage": {
        "met": "It has paid back.",
        "not_met": "It has not paid back yet.",
        "open": "the return",
    },
    "network_revenue_growth": {
        "met": "Growth holds.",
        "not_met": "Growth is behind.",
        "open": "growth",
    },
    "manual_work_elimination": {
        "met": "Manual work is gone.",
        "not_met": "Too much work is still done by hand.",
        "open": "saved work",
    },
    "franchise_owner_satisfaction": {
        "met": "Owners are satisfied.",
        "not_met": "Owners are not satisfied yet.",
        "open": "the satisfaction of owners",
    },
}
"""The four promises of the programme (return, growth, efficiency, satisfaction), and what each
verdict of theirs means in a sentence; ``open``: what then is not proven yet."""


def report(
    kind: Kind,
    card: Card,
    board: Board,
    now: Now | None = None,
    on_progress: Callable[[str], None] = lambda _: None,
    findings: Sequence[KeptFinding] = (),
) -> Report:
    """The content of a report.

    Args:
        card: the scorecard of its scope and of the last day of its period.
        now: what is known of this moment; leave it out for a day that is long over.
        on_progress: told what is being read.
        findings: what studies found of its scope, the most important of each study first.
    """
    view = View(KINDS[kind], card, board, now, findings, on_progress)
    on_progress("reading the board")
    promised = view.some(PROMISES)
    sections = [section for section in _CHAPTERS[kind](view, promised) if section.blocks]
    document = card.document
    return Report(
        kind=view.kind,
        about=_about(card.scope, board),
        day=card.day,
        period=period_text(view.kind, card),
        zone=document["time_zone"],
        known_at=card.known_at,
        simulated="simulated" in document["labels"],
        sentence=_sentence(view, promised),
        lead=_lead(view),
        sections=sections,
        provenance=_provenance(card),
        body=card.body,
        document=document,
        findings=findings,
    )


def period_text(kind: KindOf, card: Card) -> str:
    """The period in words: ``2 March 2026``, ``March 2026``, ``1st quarter of 2026``; where its
    last day is not the end of it, up to when."""
    day = card.day
    if kind.every == "day":
        return format_day(day)
    if kind.every == "month":
        words = format_day(day).partition(" ")[2]
    else:
        words = f"{('1st', '2nd', '3rd', '4th')[(day.month - 1) // 3]} quarter of {day.year}"
    return words if chapters.is_last_day(kind, day) else f"{words} until {format_day(day)}"


def _about(scope: Scope, board: Board) -> str:
    if scope.kind == "network":
        return "the network"
    names = {named.scope: named.name for named in board.scopes(scope.kind)}
    return names.get(scope, scope.key)


def _sentence(view: View, promised: list[Line]) -> str:
    """Answers what the reader of this kind asks."""
    if view.kind.key == "daily":
        return view.now.sentence if view.now else _day_sentence(view)
    if not promised:
        return str(view.document["summary"]["sentence"])
    return promise_sentence({line.number.id: line.number.verdict for line in promised})


def promise_sentence(verdicts: Mapping[str, str]) -> str:
    """How the promises stand: those that are judged one by one, the others together."""
    judged = [PROMISES[id_][verdict] for id_, verdict in verdicts.items() if verdict in _JUDGED]
    unproven = [
        PROMISES[id_]["open"] for id_, verdict in verdicts.items() if verdict not in _JUDGED
    ]
    if len(unproven) > 1 and not judged:
        return f"None of the {_IN_WORDS.get(len(unproven), len(unproven))} promises is proven yet."
    if unproven:
        verb = "are" if len(unproven) > 1 else "is"
        joined = listed(unproven)
        judged.append(f"{joined[:1].upper()}{joined[1:]} {verb} not proven yet.")
    return " ".join(judged)


_JUDGED = ("met", "not_met")
_IN_WORDS = {2: "two", 3: "three", 4: "four"}


def _day_sentence(view: View) -> str:
    missed, met = view.having("not_met"), view.having("met")
    if len(missed) > 3:
        return f"{len(missed)} of the targets that are judged every day are missed."
    if missed:
        verb = "are" if len(missed) > 1 else "is"
        return f"{titles(missed)} {verb} not met."
    if met:
        return "Nothing that is judged every day is missed."
    return "Nothing can be judged on this day yet."


def _lead(view: View) -> str:
    """One line of fact."""
    summary = str(view.document["summary"]["sentence"])
    if view.document["scope"]["kind"] != "network":
        return summary
    kinds: tuple[tuple[ScopeKind, str], ...] = (
        ("integration", "integrations"),
        ("franchise", "franchises"),
    )
    counted = [
        count_text(len(found), word) for kind, word in kinds if (found := view.board.scopes(kind))
    ]
    return f"{', '.join(counted)}. {summary}" if counted else summary


def _provenance(card: Card) -> Provenance:
    document = card.document
    return Provenance(
        hash=card.hash,
        key_id=document["signature"]["key_id"],
        signature=document["signature"]["value"],
        known_at=format_moment(document["known_at"], document["time_zone"]),
        catalogue=f"{document['catalogue']['name']} {document['catalogue']['version']}",
        catalogue_hash=document["catalogue"]["hash"],
        landed=document["input"]["highest_seq"],
        digest=document["input"]["digest"],
        revision=document["revision"],
    )


def _daily(view: View, promised: list[Line]) -> list[Section]:
    del promised  # executives have their own report
    return [
        chapters.wrong(view),
        chapters.integrations(view),
        chapters.budgets(view),
        insight.breaks(view),
        chapters.moved(view),
        chapters.systems(view, "What is judged every day"),
        chapters.restated(view),
    ]


def _monthly(view: View, promised: list[Line]) -> list[Section]:
    return [
        chapters.promises(promised),
        insight.brought(view),
        chapters.declaration(view),
        chapters.decisions(view),
        insight.ahead(view),
        chapters.moved(view),
        chapters.phases(view),
        chapters.standing(view),
        chapters.restated(view),
    ]


def _quarterly(view: View, promised: list[Line]) -> list[Section]:
    return [
        chapters.promises(promised),
        insight.brought(view),
        chapters.declaration(view),
        chapters.decisions(view),
        insight.ahead(view),
        insight.held(view),
        chapters.moved(view),
        chapters.phases(view),
        chapters.integrations(view),
        insight.breaks(view),
        chapters.franchises(view),
        *chapters.each_system(view),
        chapters.restated(view),
    ]


_CHAPTERS: Mapping[Kind, Callable[[View, list[Line]], list[Section]]] = {
    "daily": _daily,
    "monthly": _monthly,
    "quarterly": _quarterly,
}
