"""The first plain page: the network's scorecard of a day, rendered from the signed document.

No script, no outside request; the only inputs are the day and an element of the document.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from meterstone.measure.results import Scope, read_day
from meterstone.publish.gauge import HEIGHT, WIDTH, gauge
from meterstone.publish.order import by_system
from meterstone.scorecard import VERDICTS, format_interval, format_target, format_value
from meterstone.scorecard.canonical import canonical

if TYPE_CHECKING:
    from typing import Protocol

    class Scorecards(Protocol):
        """An opened home, as far as a page needs it."""

        def shown_scorecard(self, scope: Scope, day: date) -> dict[str, Any]:
            """The signed scorecard of a scope and day."""

        @property
        def last_day(self) -> date:
            """The newest day that is over."""


HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def pages(
    home: Scorecards,
    day: date | None = None,
    *,
    base: str = "",
    beside: Mapping[str, str] = MappingProxyType({}),
) -> list[BaseRoute]:
    """Routes of the page.

    Args:
        home: gives scorecards.
        day: shown when none is asked for; None: the newest that is over.
        base: path that all addresses begin with, such as ``/simulated``.
        beside: other sites that the page links to, by their name.
    """
    site = _Site(home, day, base, beside)
    return [
        Route(f"{base}/", site.scorecard_page),
        Route(f"{base}/scorecard.json", site.scorecard_json),
        Route(f"{base}/style.css", site.style),
    ]


class _Site:
    def __init__(
        self, home: Scorecards, day: date | None, base: str, beside: Mapping[str, str]
    ) -> None:
        self._home = home
        self._day = day
        self._base = base
        self._beside = beside
        self._templates = Environment(
            loader=PackageLoader("meterstone.publish"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def scorecard_page(self, request: Request) -> Response:
        """The scorecard as HTML; ``?day=2026-03-01`` chooses the day."""
        day = self._chosen(request)
        card = self._home.shown_scorecard(Scope("network"), day)
        html = self._templates.get_template("scorecard.html").render(
            card=card,
            base=self._base,
            beside=self._beside,
            groups=_groups(card["metrics"]),
            day=day,
            before=day - timedelta(days=1),
            after=day + timedelta(days=1) if day < self._home.last_day else None,
            look=VERDICTS,
            size=(WIDTH, HEIGHT),
        )
        return HTMLResponse(html, headers=HEADERS)

    def scorecard_json(self, request: Request) -> Response:
        """The same scorecard as its signed, canonical JSON."""
        card = self._home.shown_scorecard(Scope("network"), self._chosen(request))
        return Response(canonical(card), media_type="application/json", headers=HEADERS)

    def style(self, _request: Request) -> Response:
        """The style sheet."""
        source = self._templates.get_template("style.css").render()
        return Response(source, media_type="text/css", headers=HEADERS)

    def _chosen(self, request: Request) -> date:
        text = request.query_params.get("day")
        if text is None:
            return self._day or self._home.last_day
        return read_day(text, "?day=", "write ?day=2026-03-01")


def _groups(metrics: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Metrics by system of the framework, each with what the page shows of it."""
    return [
        (system, [_shown(metric) for metric in found])
        for system, found in by_system(metrics).items()
    ]


def _shown(metric: Mapping[str, Any]) -> dict[str, Any]:
    target = metric["target"]["value"]
    beside = () if isinstance(target, list) else (target,)
    return {
        "id": metric["id"],
        "title": metric["title"],
        "value": format_value(metric["value"], metric["unit"], beside=beside),
        "interval": format_interval(metric["interval"], metric["unit"])
        if metric["interval"]
        else "",
        "target": format_target(metric["target"]),
        "look": VERDICTS[metric["verdict"]],
        "reason": metric["reason"],
        "run": metric["run"],
        "n": f"{metric['n']:,} {metric['sample_unit']}",
        "evidence": metric["evidence"] or "",
        "gauge": gauge(metric),
    }
