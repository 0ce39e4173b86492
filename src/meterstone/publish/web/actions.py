"""Preventive actions on the pages of studies: what is recommended, what was done about it and what
came of it, with the form that says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from starlette.requests import Request

from meterstone.insight.actions import STUDIES, PreventiveAction, Said, anchor
from meterstone.insight.findings import Cell, Finding
from meterstone.measure.results import Scope
from meterstone.people.rights import Right
from meterstone.publish.prevention import Prevention, look
from meterstone.publish.web.forms import Sent
from meterstone.publish.web.site import NETWORK, Site
from meterstone.scorecard.values import VerdictLook, format_value

FOLLOWED = "prevention_implementation:effect"
"""The key of the finding that tells what came of the actions."""
_MOST = 40
_WORDS: Mapping[str, str] = {
    "latency": "calls take longer",
    "probe_latency": "probes take longer",
    "errors": "more calls fail",
    "backlog": "changes wait",
    "throttling": "its rate limit refuses calls",
    "credential": "checks of credentials fail",
    "concurrent_user_capacity": "concurrent users near their limit",
    "queue_management": "message queues fill up",
    "server_utilization": "processors near their limit",
    "memory": "memory fills up",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """An action as a page shows it.

    Attributes:
        anchor: where advice leads to; empty: a newer one of the same cause has it.
        about: what it is about, and why.
        after: what came of it; empty: nothing is known yet.
        may_answer, may_undo: whether the reader is given the form.
    """

    id: str
    anchor: str
    about: str
    look: VerdictLook
    recommended: date
    due: date | None
    done: date | None
    reason: str
    person: str
    after: str
    may_answer: bool
    may_undo: bool


@dataclass(frozen=True, slots=True)
class Listed:
    """The actions that a page shows.

    Attributes:
        shown: open ones first; ``hidden`` more are left out.
        followed: what came of all of them, a sentence; ``link``: its page.
    """

    shown: Sequence[Shown]
    hidden: int
    followed: str
    link: str


class Acting:
    """Lists the actions of a study, and says what was done."""

    def __init__(self, site: Site, prevention: Prevention) -> None:
        self._site, self._prevention = site, prevention

    def listed(
        self, request: Request, study: str, about: Finding | None, name: Callable[[Scope], str]
    ) -> Listed | None:
        """Those that a page shows; None: none, so that it may be kept.

        Args:
            about: of this finding; None: of the whole study.
        """
        if study not in STUDIES:
            return None
        as_of = self._site.as_of(request)
        until = self._site.until(request)
        found = [
            each for each in self._prevention.all(study, until, as_of.known_at)
            if about is None or _is_about(each, about)
        ]  # fmt: skip
        if not found:
            return None
        kept = self._site.findings.one("risk", FOLLOWED, NETWORK, as_of.day, as_of.known_at)
        followed = kept.finding if kept and study == "risk" else None
        may = as_of.is_now and self._may(request)
        shown = self._shown(found[:_MOST], _came(followed), name, may=may)
        told = followed if about is None or about.key != FOLLOWED else None
        return Listed(
            shown, len(found) - len(shown), told.sentence if told else "",
            f"/insight/risk/{FOLLOWED}",
        )  # fmt: skip

    def _may(self, request: Request) -> bool:
        principal = self._site.principal(request)
        return principal is not None and principal.may(Right.RESPOND)

    def _shown(
        self, found: Sequence[PreventiveAction], came: Mapping[str, str],
        name: Callable[[Scope], str], *, may: bool,
    ) -> list[Shown]:  # fmt: skip
        newest: dict[str, PreventiveAction] = {}
        for each in sorted(found, key=lambda one: one.recommended_at):
            newest[anchor(each.integration, each.cause)] = each
        places = {each.id: place for place, each in newest.items()}
        return [
            Shown(
                id=each.id, anchor=places.get(each.id, ""), about=_about(each, name),
                look=look(each.state), recommended=self._day(each.recommended_at),
                due=each.due_at and self._day(each.due_at),
                done=each.done_at and self._day(each.done_at), reason=each.reason,
                person=each.person, after=came.get(each.id, ""),
                may_answer=may and each.is_open, may_undo=may and not each.is_open,
            )
            for each in found
        ]  # fmt: skip

    def _day(self, at: datetime) -> date:
        return at.astimezone(self._site.board.zone).date()

    def say(self, request: Request, given: Sent) -> PreventiveAction:
        """What a form says was done."""
        principal = self._site.principal(request)
        said = Said(
            given.one("state"), self._site.actor(request), principal.name if principal else "",
            str(principal.role) if principal else "", given.one("reason"),
        )  # fmt: skip
        return self._prevention.say(given.one("action"), said)


def _is_about(action: PreventiveAction, finding: Finding) -> bool:
    """Whether a finding is one that an action came of, or tells of all."""
    if finding.study == "capacity":
        return action.cause == finding.key
    return finding.scope == NETWORK or finding.scope.key == action.integration


def _about(action: PreventiveAction, name: Callable[[Scope], str]) -> str:
    why = _WORDS.get(action.cause, action.cause.replace("_", " "))
    if action.integration is None:
        return f"{why[:1].upper()}{why[1:]}"
    return f"{name(Scope('integration', action.integration))}: {why}"


def _came(followed: Finding | None) -> Mapping[str, str]:
    """What came of each action whose week is over, by its id."""
    tables = followed.tables if followed else ()
    table = next((each for each in tables if each.id == "actions"), None)
    if table is None:
        return {}
    place = {column.id: at for at, column in enumerate(table.columns)}
    told = {}
    for row in table.rows:
        given, came = row[place["given"]], row[place["came"]]
        if came is not None:
            told[str(row[place["action"]])] = _after(given, bool(came))
    return told


def _after(given: Cell, came: bool) -> str:  # a cell
    what = "An incident came" if came else "No incident came"
    return f"{what} in the week after; {format_value(given, '%')} was given for one."
