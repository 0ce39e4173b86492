"""The index of what can be set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from meterstone.publish.web.site import Site


@dataclass(frozen=True, slots=True)
class Setting:
    """A page of settings: a verb, what it is for, where it is."""

    do: str
    says: str
    href: str


PEOPLE = Setting(
    "Invite and manage people", "Roles, shops of owners, links, tokens", "/settings/people"
)


def routes(site: Site, settings: Sequence[Setting]) -> list[BaseRoute]:
    """The index, of the pages of settings that there are."""

    def index(request: Request) -> Response:
        return site.render(request, "settings.html", entries=settings)

    return [Route("/settings", index, methods=["GET"])]
