"""Systems and methods of the framework, in its own shape, with measured values at its leaves."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from meterstone.errors import NotFound, suggest
from meterstone.framework import plain, systems
from meterstone.publish.api.past import Instant, KnownAt, moment
from meterstone.publish.api.ports import Given, Ports

router = APIRouter(tags=["framework"])

Name = Annotated[str, Path(max_length=200)]
At = Annotated[Instant | None, Query(description="The moment that is measured; otherwise now.")]


@router.get("/framework")
def framework() -> dict[str, list[str]]:
    """Names of all systems with their methods and attributes."""
    return {name: made.parts() for name, made in systems().items()}


@router.get("/framework/{system}")
def framework_system(
    system: Name, given: Given, at: At = None, known_at: KnownAt = None
) -> dict[str, Any]:
    """All of a system. Measured when asked, over facts: it takes its time."""
    return _measured(given, system, None, at, known_at)


@router.get("/framework/{system}/{method}")
def framework_method(
    system: Name, method: Name, given: Given, at: At = None, known_at: KnownAt = None
) -> dict[str, Any]:
    """What one method returns, or one attribute is. Measured when asked, over facts."""
    return _measured(given, system, method, at, known_at)


def _measured(
    given: Ports, name: str, method: str | None, at: str | None, known_at: str | None
) -> dict[str, Any]:
    if name not in systems():
        raise _unknown(f"the framework has no system {name[:60]!r}", name, list(systems()))
    made = systems()[name]
    if method is not None and method not in made.parts():
        raise _unknown(f"{name} has no {method[:60]!r}", method, made.parts())
    system = made(
        given.measures,
        moment(at, "at") if at is not None else None,
        moment(known_at, "known_at") if known_at is not None else None,
    )
    shape: dict[str, Any] = plain(system.all() if method is None else system.measured(method))
    return shape


def _unknown(cause: str, word: str, known: list[str]) -> NotFound:
    return NotFound(cause, place="framework", mend=suggest(word[:60], known))
