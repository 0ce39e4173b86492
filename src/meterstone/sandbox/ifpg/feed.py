"""The JSON feed and the lead form that IFPG's own WordPress plugin (4.2) uses."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from meterstone.sandbox.kit import Clock, Entity, token
from meterstone.sandbox.kit.leads import COLUMNS, text_of

INDUSTRIES = {
    "beauty-hair": "Beauty & Hair",
    "health-wellness": "Health & Wellness",
    "retail": "Retail",
}
COMPANIES = [
    {
        "company_id": str(1700 + nth),
        "company_name": f"Simulated Brand {nth}",
        "company_url_name": f"simulated-brand-{nth}",
        "description": "A simulated franchise.",
        "mlogo": f"simulated-{nth}.png",
        "industry": list(INDUSTRIES)[nth % 3],
        "featured": nth % 2 == 0,
        "golden": nth % 3 == 0,
    }
    for nth in range(1, 7)
]
_LISTED = ("company_id", "company_name", "company_url_name", "description", "mlogo")


def feed_routes(broker: str, digest: str, leads: Entity, clock: Clock) -> list[BaseRoute]:
    """The feed of one broker, whose secret has this SHA-1, and the lead form."""

    def guarded(answer: Callable[[Request], Any]) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            asked = request.path_params
            right = asked["broker"] == broker and hmac.compare_digest(asked["digest"], digest)
            # the plugin looks for `error` in the answer, whatever its status
            return JSONResponse(answer(request) if right else {"error": "Invalid broker"})

        return handle

    async def post_leads(request: Request) -> Response:
        return await _post_leads(request, broker, leads, clock)

    return [
        Route("/industry/wp_feed/{broker}/{digest}", guarded(_industries)),
        Route("/company/wp_feed/{broker}/{digest}/company/{name}", guarded(_company)),
        Route("/company/wp_feed/{broker}/{digest}/{kind}", guarded(_companies)),
        Route("/company/post_multiple_leads", post_leads, methods=["POST"]),
    ]


def _industries(_request: Request) -> Any:
    return [
        {"industry_name": name, "industry_url_name": url_name}
        for url_name, name in INDUSTRIES.items()
    ]


def _companies(request: Request) -> Any:
    kind = request.path_params["kind"]
    found = {
        "featured": [c for c in COMPANIES if c["featured"]],
        "golden_companies": [c for c in COMPANIES if c["golden"]],
    }.get(kind, [c for c in COMPANIES if c["industry"] == kind])
    return [{name: company[name] for name in _LISTED} for company in found]


def _company(request: Request) -> Any:
    for company in COMPANIES:
        if company["company_url_name"] == request.path_params["name"]:
            return {
                "logo": company["mlogo"],
                "mlogo": company["mlogo"],
                "company_name": company["company_name"],
                "profile": company["description"],
                "business_type": INDUSTRIES[str(company["industry"])],
                "date_started": "2019",
                "financing": "",
                "training_support": "",
            }
    return {"error": "No such company"}


async def _post_leads(request: Request, broker: str, leads: Entity, clock: Clock) -> Response:
    body = (await request.body()).decode("utf-8", "replace")
    given = parse_qs(body, keep_blank_values=True)
    if given.get("broker_franchise_id") != [broker]:
        return JSONResponse({"error": "Invalid broker"}, 400)
    at = clock.now()
    for company in given.get("company_ids[]", []):
        id_ = f"form-{token(company, at, *given.get('email', []), length=10)}"
        leads.put(
            {
                **dict.fromkeys(COLUMNS, ""),
                "lead_id": id_,
                "reference": id_,
                "opportunity": "new",
                "created_at": text_of(at),
                "stage": "open",
                "stage_at": text_of(at),
                "outcome": "open",
            }
        )
    back = urlsplit(given.get("return_url", ["/"])[0])
    query = urlencode([*parse_qs(back.query).items(), ("thank_you", "1")], doseq=True)
    return RedirectResponse(urlunsplit(back._replace(query=query)), 302)
