"""``/_sandbox/``: what tests and the demonstration tell a stand-in to do, and the truth of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from meterstone.errors import InputError, suggest
from meterstone.sandbox.kit.accounts import Accounts
from meterstone.sandbox.kit.entity import Entity
from meterstone.sandbox.kit.faults import Faults
from meterstone.sandbox.kit.limits import Limits
from meterstone.sandbox.kit.webhooks import Sender


class Controlled(Protocol):
    """A stand-in, as far as it is told what to do."""

    name: str
    title: str
    faults: Faults
    entities: Mapping[str, Entity]
    accounts: Accounts | None
    limits: Limits | None
    sender: Sender | None
    requests: Counter[str]


def control(vendor: Controlled) -> list[BaseRoute]:
    """The routes for one stand-in."""

    def route(
        path: str, method: str, answer: Callable[[Controlled, Request], Awaitable[Any]]
    ) -> Route:
        async def handle(request: Request) -> Response:
            try:
                return JSONResponse(await answer(vendor, request))
            except InputError as error:
                return JSONResponse(error.as_dict(), 400)

        return Route(f"/_sandbox/{path}", handle, methods=[method])

    return [
        route("state", "GET", _state),
        route("records/{entity}", "POST", _put),
        route("records/{entity}/{id:path}", "GET", _get),
        route("records/{entity}/{id:path}", "DELETE", _delete),
        route("faults", "GET", _active),
        route("faults", "POST", _switch_on),
        route("faults", "DELETE", _switch_off),
        route("webhooks", "POST", _subscribe),
        route("webhooks/{id}/confirm", "POST", _confirm),
        route("webhooks", "DELETE", _unsubscribe),
        route("rules", "POST", _rules),
    ]


async def _state(vendor: Controlled, _request: Request) -> Any:
    return {
        "vendor": vendor.name,
        "requests": dict(vendor.requests),
        "limited": vendor.limits.refused if vendor.limits else 0,
        "sign_in": dict(vendor.accounts.counts) if vendor.accounts else {},
        "faults": {"active": vendor.faults.active(), "hits": dict(vendor.faults.hits)},
        "webhooks": vendor.sender.state() if vendor.sender else {},
        "records": {name: len(entity) for name, entity in vendor.entities.items()},
    }


async def _put(vendor: Controlled, request: Request) -> Any:
    """``{record}`` creates or replaces; ``{id, fields}`` edits; ``silent`` keeps the time."""
    entity, asked = _entity(vendor, request), await _json(request)
    silent = bool(asked.get("silent", False))
    if isinstance(asked.get("record"), dict):
        return entity.put(asked["record"], silent=silent)
    edited = entity.edit(str(asked.get("id")), asked.get("fields") or {}, silent=silent)
    if edited is None:
        raise InputError(
            "no record has this id", place=str(asked.get("id")), mend="send {record} to create one"
        )
    return edited


async def _get(vendor: Controlled, request: Request) -> Any:
    found = _entity(vendor, request).get(request.path_params["id"])
    if found is None:
        raise InputError("no record has this id", place=request.path_params["id"])
    return found


async def _delete(vendor: Controlled, request: Request) -> Any:
    silent = request.query_params.get("silent") == "true"
    return {"deleted": _entity(vendor, request).delete(request.path_params["id"], silent=silent)}


async def _active(vendor: Controlled, _request: Request) -> Any:
    return vendor.faults.active()


async def _switch_on(vendor: Controlled, request: Request) -> Any:
    asked = await _json(request)
    vendor.faults.switch_on(str(asked.pop("kind", "")), **asked)
    return vendor.faults.active()


async def _switch_off(vendor: Controlled, request: Request) -> Any:
    vendor.faults.switch_off(request.query_params.get("kind"))
    return vendor.faults.active()


async def _subscribe(vendor: Controlled, request: Request) -> Any:
    """``{url, secret?, events?, pace?}``: where webhooks go; pace multiplies the waits."""
    if vendor.sender is None:
        raise InputError(f"{vendor.title} sends no webhooks")
    asked = await _json(request)
    vendor.sender.pace = float(asked.get("pace", vendor.sender.pace))
    target = vendor.sender.subscribe(
        str(asked.get("url", "")),
        secret=str(asked.get("secret", "")),
        events=tuple(asked.get("events", ())),
    )
    return {"id": target.id, "url": target.url, "secret": target.secret}


async def _confirm(vendor: Controlled, request: Request) -> Any:
    """``{code}``: what a person pastes into the vendor's page after the verification came."""
    asked, id_ = await _json(request), request.path_params["id"]
    if vendor.sender is None or not vendor.sender.confirm(id_, str(asked.get("code", ""))):
        raise InputError("the code is another one", mend="take that of the verification message")
    return {"enabled": True}


async def _unsubscribe(vendor: Controlled, _request: Request) -> Any:
    if vendor.sender is not None:
        vendor.sender.targets.clear()
    return {}


async def _rules(vendor: Controlled, request: Request) -> Any:
    """``{access_s?, limits?}``: lifetime of access tokens from now on; limits on or off."""
    asked = await _json(request)
    if "access_s" in asked and vendor.accounts is not None:
        vendor.accounts.rules = replace(
            vendor.accounts.rules, access=timedelta(seconds=float(asked["access_s"]))
        )
    if "limits" in asked and vendor.limits is not None:
        vendor.limits.on = bool(asked["limits"])
    return {}


def _entity(vendor: Controlled, request: Request) -> Entity:
    name = request.path_params["entity"]
    if name not in vendor.entities:
        raise InputError(
            f"{vendor.title} has no {name!r}", mend=suggest(name, list(vendor.entities))
        )
    return vendor.entities[name]


async def _json(request: Request) -> dict[str, Any]:
    try:
        asked = await request.json()
    except ValueError as error:
        raise InputError("this is no JSON", mend="send an object") from error
    if not isinstance(asked, dict):
        raise InputError("this is no JSON object", mend="send an object")
    return asked
