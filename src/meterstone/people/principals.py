"""From a person of the ledger to what the guard asks."""

from __future__ import annotations

from collections.abc import Iterable

from meterstone.ledger import ApiToken, Person
from meterstone.people.rights import RIGHTS, Principal, Right, Role

NOT_FOR_TOKENS = frozenset({Right.NOBODY, Right.SIGNED_IN, Right.MANAGE})
"""Rights that are nobody's to give away: a token makes no tokens and manages no people."""


def principal_of(person: Person) -> Principal:
    """A signed-in person."""
    role = Role(person.role)
    owned = person.franchises if role is Role.OWNER else frozenset()
    return Principal(person.id, person.called, role, RIGHTS[role], owned)


def principal_of_token(token: ApiToken, maker: Person) -> Principal:
    """A token: never more than it was given, and never more than its maker may now."""
    whole = principal_of(maker)
    given = frozenset(map(Right, token.rights))
    owned = whole.franchises if Right.OWNERS in given else frozenset()
    rights = (given & whole.rights) | {Right.SIGNED_IN}
    return Principal(token.id, token.name, whole.role, rights, owned)


def can_give(person: Principal) -> tuple[Right, ...]:
    """The rights that a person may give to a token, in the order of `Right`."""
    own = {Right.OWNERS} if person.franchises else set()
    return _ordered((person.rights | own) - NOT_FOR_TOKENS)


def _ordered(rights: Iterable[Right]) -> tuple[Right, ...]:
    given = set(rights)
    return tuple(right for right in Right if right in given)
