"""Insight: what studies found, the most important first; each with figures, pictures and checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from meterstone.board.model import Board
from meterstone.errors import InputError
from meterstone.insight.findings import Advice, Figure, Finding, KeptFinding, Picture, Table
from meterstone.measure.results import Scope
from meterstone.publish.charts import Chart, curves_chart
from meterstone.publish.charts.curves import dash_of
from meterstone.publish.findings import (
    WITHHELD,
    FigureText,
    advised,
    cell_text,
    figure_text,
    finding_link,
    ordered,
    reason,
    unbroken,
    value_text,
)
from meterstone.publish.web.site import NETWORK, Site
from meterstone.scorecard.values import VerdictLook, count_text, format_interval, format_value

_KINDS = ("network", "franchise", "integration", "endpoint_group", "party")
_STEPS = 8
_FEW = 4
"""Findings of a study in the overview, beside its first."""
_FIGURES = 3
"""Figures beside a sentence."""
_ROWS = 25
"""Of a table before the rest is folded."""
_MOST_ROWS = 400
_SMALL = 120
_NARROW = 5
"""Columns that a table beside something else has room for."""
_LONG_WORD = 32
_HOLDS = VerdictLook("●", "Holds", "met")
_FAILS = VerdictLook("▲", "Does not hold", "miss")


def routes(site: Site) -> list[BaseRoute]:
    """``/insight``, one page a study, one a finding; those of a shop below ``/owners``."""
    page = _Page(site)
    return [
        Route("/insight", page.all),
        Route("/insight/{study}", page.study),
        Route("/insight/{study}/{key:path}", page.one),
        Route("/owners/{franchise}/insight/{study}/{key:path}", page.one),
    ]


class _Page:
    def __init__(self, site: Site) -> None:
        self._site = site

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

    def _of_study(self, request: Request, name: str, key: str | None = None) -> Response:
        """What a study found, or what it found about one thing at any scope but shops."""
        titles = {study.name: study.title for study in self._site.findings.studies}
        if name not in titles:
            return self._site.error(request, HTTPStatus.NOT_FOUND)
        self._site.keep(request)
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
        return self._site.render(
            request, "study.html", title=titles[name],
            **study_context(titles[name], found, namer(self._site.board)),
        )  # fmt: skip

    def one(self, request: Request) -> Response:
        """One finding, with everything that it rests on. Without a scope, where the network has
        none: that of each scope that has."""
        place, as_of = request.path_params, self._site.as_of(request)
        shop = place.get("franchise")
        scope = Scope("franchise", shop) if shop else read_scope(request.query_params.get("scope"))
        kept = self._site.findings.one(
            place["study"], place["key"], scope, as_of.day, as_of.known_at
        )
        if kept is None and shop is None and "scope" not in request.query_params:
            return self._of_study(request, place["study"], place["key"])
        if kept is None or (scope.kind == "franchise" and shop is None):
            return self._site.error(request, HTTPStatus.NOT_FOUND)
        self._site.keep(request)
        titles = {study.name: study.title for study in self._site.findings.studies}
        return self._site.render(
            request, "finding.html", title=kept.finding.title,
            study=titles.get(kept.finding.study, kept.finding.study),
            **finding_context(kept, namer(self._site.board)),
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
        _known(finding.figures)[:_FIGURES] if not finding.withheld else [],
        reason(finding.withheld, finding.sentence),
        WITHHELD if finding.withheld else None,
    )


def _known(figures: Sequence[Figure]) -> list[FigureText]:
    return [figure_text(each) for each in figures if each.value is not None]


def about(found: Sequence[KeptFinding], key: str) -> list[KeptFinding]:
    """What was found about one thing, such as a metric or a gate."""
    return [each for each in found if f"{each.finding.key}:".startswith(f"{key}:")]


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


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture as a page shows it: chart, key, and the table behind it."""

    title: str
    x: str
    unit: str
    chart: Chart
    key: Sequence[tuple[str, str, int]]
    """Title, kind and dash of each curve."""
    line: str
    banded: bool
    worded: bool
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def finding_context(kept: KeptFinding, name: Callable[[Scope], str]) -> Mapping[str, Any]:
    """What the page of a finding shows."""
    finding = kept.finding
    about = name(finding.scope)
    tables = [table_of(each) for each in finding.tables]
    return {
        "sentence": unbroken(finding.sentence),
        "lede": f"{finding.title}{f' · {about}' if about else ''}, "
        f"as of {kept.day:%-d %B %Y}.",
        "kept": kept,
        "finding": finding,
        "withheld": reason(finding.withheld),
        "method": unbroken(finding.method),
        "look": WITHHELD,
        "failed": [
            (check.name, reason(check.says, finding.withheld or ""))
            for check in finding.checks
            if not check.passed
        ],
        "figures": _known(finding.figures),
        "unknown": [each.title for each in finding.figures if each.value is None],
        "pictures": [drawn for each in finding.pictures if (drawn := drawn_of(each))],
        "tables": [table for table in tables if not _is_wide(table)],
        "wide_tables": [table for table in tables if _is_wide(table)],
        "checks": [
            (_HOLDS if check.passed else _FAILS, check.name, reason(check.says))
            for check in finding.checks
        ],
        "steps": [step(kept, advice, name) for advice in finding.advice],
        "api": _api(finding),
    }  # fmt: skip


def _api(finding: Finding) -> str:
    """Where programs read it."""
    scope, path = finding.scope, f"findings/{quote(finding.study)}/{quote(finding.key)}"
    if scope.kind == "franchise":
        return f"/api/v1/franchises/{quote(scope.key)}/{path}"
    return f"/api/v1/{path}?scope={quote(str(scope))}"


def drawn_of(picture: Picture) -> Drawn | None:
    """A picture with the table behind it."""
    chart = curves_chart(picture)
    if chart is None:
        return None
    curves = [curve for curve in picture.curves if any(p.y is not None for p in curve.points)]
    banded = any(p.low is not None for curve in curves for p in curve.points)
    return Drawn(
        title=picture.title,
        x=picture.x,
        unit=picture.unit,
        chart=chart,
        key=[(curve.title, curve.kind, dash_of(curves, at)) for at, curve in enumerate(curves)],
        line="" if picture.line is None else format_value(picture.line, picture.unit),
        banded=banded,
        worded=any(_is_word(p.x) for curve in curves for p in curve.points),
        head=[picture.x, *(curve.title for curve in curves)],
        rows=_points(picture),
    )


def _is_word(x: str | float) -> bool:
    return isinstance(x, str) and not x[:4].isdigit()


def _points(picture: Picture) -> list[list[str]]:
    """Every place at the foot once, with what each curve has there."""
    curves = [curve for curve in picture.curves if any(p.y is not None for p in curve.points)]
    places: dict[str | float, list[str]] = {}
    for at, curve in enumerate(curves):
        for point in curve.points:
            cells = places.setdefault(point.x, [""] * len(curves))
            text = "" if point.y is None else format_value(point.y, picture.unit)
            if point.low is not None and point.high is not None:
                text += f" ({format_interval((point.low, point.high), picture.unit)})"
            cells[at] = text
    try:
        order = sorted(places)
    except TypeError:
        order = list(places)
    return [[value_text(x), *places[x]] for x in order[-_MOST_ROWS:]]


def table_of(table: Table) -> Mapping[str, Any]:
    """A table in words; what is beyond the first rows is folded."""
    rows = [
        [cell_text(cell, column) for cell, column in zip(cells, table.columns, strict=True)]
        for cells in table.rows[:_MOST_ROWS]
    ]
    figures = {
        at
        for at, column in enumerate(table.columns)
        if column.unit or any(_is_number(cells[at]) for cells in table.rows)
    }
    return {
        "title": table.title,
        "head": [column.title for column in table.columns],
        "figures": figures - {0},
        "rows": rows[:_ROWS],
        "folded": rows[_ROWS:],
        "left_out": len(table.rows) - len(rows),
    }


def _is_wide(table: Mapping[str, Any]) -> bool:
    """Whether it takes the width of the page: many columns, or names of one long word."""
    words = (word for cells in table["rows"] for cell in cells for word in cell.split())
    return len(table["head"]) > _NARROW or max(map(len, words), default=0) > _LONG_WORD


def _is_number(cell: object) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool)
