"""Insight: what studies found, the most important first; each with figures, pictures and checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from meterstone.errors import InputError, MeterstoneError
from meterstone.insight.actions import anchor
from meterstone.insight.findings import Finding, KeptFinding
from meterstone.measure.results import Scope
from meterstone.publish.charts.curves import curves_chart
from meterstone.publish.charts.drawn import Chart
from meterstone.publish.findings import advised, ordered, reason, unbroken
from meterstone.publish.prevention import NoPrevention, Prevention
from meterstone.publish.web.actions import Acting
from meterstone.publish.web.finding import finding_context
from meterstone.publish.web.forms import NO_STORE, Sent, answer_to, form
from meterstone.publish.web.site import Site
from meterstone.publish.web.told import Row, namer, row, step
from meterstone.scorecard.values import count_text

_KINDS = ("network", "franchise", "integration", "endpoint_group", "party")
_STEPS = 8
_FEW = 4
"""Findings of a study in the overview, beside its first."""
_SMALL = 120


def routes(site: Site, prevention: Prevention | None = None) -> list[BaseRoute]:
    """``/insight``, one page a study, one a finding; those of a shop below ``/owners``."""
    page = _Page(site, Acting(site, prevention or NoPrevention()))
    return [
        Route("/insight", page.all),
        Route("/insight/{study}", page.study, methods=["GET"]),
        Route("/insight/{study}", form(page.act, page.refused), methods=["POST"]),
        Route("/insight/{study}/{key:path}", page.one, methods=["GET"]),
        Route("/insight/{study}/{key:path}", form(page.act, page.refused), methods=["POST"]),
        Route("/owners/{franchise}/insight/{study}/{key:path}", page.one),
    ]


class _Page:
    def __init__(self, site: Site, acting: Acting) -> None:
        self._site, self._acting = site, acting

    def act(self, request: Request, given: Sent) -> Response:
        """A person says what was done about a preventive action, and is led back."""
        done = self._acting.say(request, given)
        where = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        place = anchor(done.integration, done.cause)
        return RedirectResponse(f"{where}#{place}", HTTPStatus.SEE_OTHER, NO_STORE)

    def refused(self, request: Request, _given: Sent, error: MeterstoneError) -> Response:
        """The page with what was refused."""
        if "key" in request.path_params:
            return self.one(request, error)
        return self._of_study(request, request.path_params["study"], error=error)

    def all(self, request: Request) -> Response:
        """Everything, the most important first."""
        self._site.keep(request)
        as_of = self._site.as_of(request)
        found = self._site.findings.of(None, None, as_of.day, as_of.known_at)
        titles = {study.name: study.title for study in self._site.findings.studies}
        return self._site.render(
            request, "insight.html", title="Insight",
            **overview(found, titles, namer(self._site.board), is_now=as_of.is_now),
        )  # fmt: skip

    def study(self, request: Request) -> Response:
        """All that one study found."""
        return self._of_study(request, request.path_params["study"])

    def _of_study(
        self, request: Request, name: str, key: str | None = None,
        error: MeterstoneError | None = None,
    ) -> Response:  # fmt: skip
        """What a study found, or what it found about one thing at any scope but shops."""
        titles = {study.name: study.title for study in self._site.findings.studies}
        if name not in titles:
            return self._site.error(request, HTTPStatus.NOT_FOUND)
        as_of = self._site.as_of(request)
        found = self._site.findings.of(None, name, as_of.day, as_of.known_at)
        if key is not None:
            found = [
                each
                for each in found
                if each.finding.key == key and each.finding.scope.kind != "franchise"
            ]
            if not found:
                return self._site.error(request, HTTPStatus.NOT_FOUND)
        called = namer(self._site.board)
        return self._site.render(
            request, "study.html", title=titles[name],
            **study_context(titles[name], found, called),
            **self._actions(request, name, None, called, error),
        )  # fmt: skip

    def _actions(
        self, request: Request, study: str, about: Finding | None, name: Callable[[Scope], str],
        error: MeterstoneError | None,
    ) -> Mapping[str, Any]:  # fmt: skip
        """The actions of a page; one that has none, and no form, is kept."""
        listed = self._acting.listed(request, study, about, name)
        if listed is None and error is None:
            self._site.keep(request)
            return {"listed": None, "error": None}
        return {"listed": listed, "error": error, **answer_to(error)}

    def one(self, request: Request, error: MeterstoneError | None = None) -> Response:
        """One finding, with everything that it rests on. Without a scope, where the network has
        none: that of each scope that has."""
        place, as_of = request.path_params, self._site.as_of(request)
        shop = place.get("franchise")
        scope = Scope("franchise", shop) if shop else read_scope(request.query_params.get("scope"))
        kept = self._site.findings.one(
            place["study"], place["key"], scope, as_of.day, as_of.known_at
        )
        if kept is None and shop is None and "scope" not in request.query_params:
            return self._of_study(request, place["study"], place["key"], error)
        if kept is None or (scope.kind == "franchise" and shop is None):
            return self._site.error(request, HTTPStatus.NOT_FOUND)
        titles = {study.name: study.title for study in self._site.findings.studies}
        called = namer(self._site.board)
        return self._site.render(
            request, "finding.html", title=kept.finding.title,
            study=titles.get(kept.finding.study, kept.finding.study),
            **finding_context(kept, called),
            **self._actions(request, kept.finding.study, kept.finding, called, error),
        )  # fmt: skip


def read_scope(text: str | None) -> Scope:
    """``?scope=integration:square``.

    Raises:
        InputError: it names no scope.
    """
    kind, _, key = (text or "network").partition(":")
    if kind not in _KINDS or (kind != "network" and not key):
        raise InputError(
            f"no scope {(text or '')[:100]!r}", place="?scope=",
            mend="write ?scope=integration:square",
        )  # fmt: skip
    return Scope(kind, key or "*")  # type: ignore[arg-type]  # one of them


def overview(
    found: Sequence[KeptFinding],
    titles: Mapping[str, str],
    name: Callable[[Scope], str],
    *,
    is_now: bool = True,
) -> Mapping[str, Any]:
    """What the first page shows.

    Args:
        found: all findings.
        titles: of the studies by name.
        name: of a scope.
        is_now: whether the newest is shown.
    """
    told = [each for each in found if each.finding.scope.kind != "franchise"]
    steps = advised(told)
    groups: dict[str, list[KeptFinding]] = {}
    for each in ordered(found):
        groups.setdefault(each.finding.study, []).append(each)
    return {
        "sentence": _sentence(found, len(steps), is_now=is_now),
        "lede": _lede(found),
        "steps": [step(each, advice, name) for each, advice in steps[:_STEPS]],
        "groups": [_group(study, titles.get(study, study), of, name)
                   for study, of in _by_urgency(groups)],
        "silent": [title for study, title in titles.items() if study not in groups],
    }  # fmt: skip


def _by_urgency(groups: Mapping[str, list[KeptFinding]]) -> list[tuple[str, list[KeptFinding]]]:
    """Studies in the order of their first findings."""
    first = {id(of[0]): study for study, of in groups.items()}
    return [
        (first[id(each)], groups[first[id(each)]])
        for each in ordered([of[0] for of in groups.values()])
    ]


def _sentence(found: Sequence[KeptFinding], steps: int, *, is_now: bool) -> str:
    if not found:
        return "Nothing was found out yet." if is_now else "Nothing was found out by this day."
    held = sum(1 for each in found if each.finding.withheld)
    claimed = len(found) - held
    todo = {0: "Nothing asks for action", 1: "One thing is worth doing"}.get(
        steps, f"{steps} things are worth doing"
    )
    kept_back = f", {held} withheld" if held else ""
    verb = "holds" if claimed == 1 else "hold"
    return unbroken(f"{todo}; {count_text(claimed, 'findings')} {verb}{kept_back}.")


def _lede(found: Sequence[KeptFinding]) -> str:
    if not found:
        return ""
    day = max(each.day for each in found)
    return (
        f"What comes, what is at risk, what it brought: as of {day:%-d %B %Y}. "
        "A finding is withheld where the past does not bear it out."
    )


def _group(
    study: str, title: str, found: Sequence[KeptFinding], name: Callable[[Scope], str]
) -> Mapping[str, Any]:
    """A study: its first finding with its picture, a few others, and where all are."""
    first = found[0]
    shops = sum(1 for each in found if each.finding.scope.kind == "franchise")
    return {
        "title": title,
        "link": f"/insight/{study}",
        "first": row(first, name),
        "chart": None if first.finding.withheld else _first_chart(first.finding),
        "rest": [row(each, name) for each in found[1 : 1 + _FEW]],
        "all": len(found),
        "says": _counts(found, shops),
    }


def _first_chart(finding: Finding) -> Chart | None:
    return next(
        (chart for picture in finding.pictures if (chart := curves_chart(picture, _SMALL))), None
    )


def _counts(found: Sequence[KeptFinding], shops: int) -> str:
    held = sum(1 for each in found if each.finding.withheld)
    parts = [count_text(len(found), "findings")]
    parts += [f"{held} withheld"] if held else []
    parts += [f"of {count_text(shops, 'shops')}"] if shops else []
    return ", ".join(parts)


def study_context(
    title: str, found: Sequence[KeptFinding], name: Callable[[Scope], str]
) -> Mapping[str, Any]:
    """What the page of a study shows: what is claimed, then what is withheld."""
    claimed = [each for each in found if not each.finding.withheld]
    held = [each for each in found if each.finding.withheld]
    if not found:
        sentence = f"{title}: nothing was found out yet."
    elif claimed:
        sentence = unbroken(ordered(claimed)[0].finding.sentence)
    else:
        sentence = f"{title}: nothing is claimed; the evidence does not carry it yet."
    return {
        "sentence": sentence,
        "lede": f"{title}: {_counts(found, 0)}, as of {found[0].day:%-d %B %Y}." if found else "",
        "method": unbroken(found[0].finding.method) if found else "",
        "claimed": [row(each, name) for each in ordered(claimed)],
        "held": _by_reason(held, name),
        "steps": [step(each, advice, name) for each, advice in advised(found)[:_STEPS]],
    }


def _by_reason(
    held: Sequence[KeptFinding], name: Callable[[Scope], str]
) -> list[tuple[str, Sequence[Row]]]:
    """Withheld findings, those with the same reason together."""
    found: dict[str, list[Row]] = {}
    for each in held:
        found.setdefault(reason(each.finding.withheld), []).append(row(each, name))
    return list(found.items())
