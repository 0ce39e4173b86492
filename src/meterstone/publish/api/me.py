"""Who asks."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter

from meterstone.people.rights import Right, Role
from meterstone.publish.api.ports import Asking

router = APIRouter(tags=["me"])


@dataclass(frozen=True, slots=True)
class Me:
    """Who asks: a person (``person:…``) or a token (``token:…``), and what they may.

    ``franchises``: an owner's; empty for everybody else.
    """

    id: str
    name: str
    role: Role
    rights: list[Right]
    franchises: list[str]


@router.get("/me")
def me(asking: Asking) -> Me:
    """Who asks, and what they may."""
    return Me(asking.id, asking.name, asking.role, sorted(asking.rights), sorted(asking.franchises))
