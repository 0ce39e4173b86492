"""Who may be given work: people who may respond, by their role."""

from __future__ import annotations

from collections.abc import Iterable

from meterstone.errors import InputError
from meterstone.ledger import Change, Discrepancy, Person
from meterstone.people.rights import RIGHTS, Right, Role


def helpers(people: Iterable[Person]) -> list[Person]:
    """Those who may respond, as the ledger lists them."""
    return [
        each for each in people
        if each.status == "active" and Right.RESPOND in RIGHTS[Role(each.role)]
    ]  # fmt: skip


def assign(change: Change, discrepancy: int, person: str) -> Discrepancy:
    """Give a discrepancy of the work list to a person.

    Args:
        person: an id; empty: nobody is on it any more.

    Raises:
        InputError: nobody who may respond has this id.
        NotFound: the discrepancy is not open.
    """
    if person:
        known = helpers(change.people.all())
        if all(each.id != person for each in known):
            names = ", ".join(f"{each.id} ({each.name})" for each in known[:10])
            raise InputError(
                f"{person[:100]!r} is nobody who may work on it",
                place="person",
                mend=f"one of {names}" if known else "give somebody the role operator",
            )
    return change.discrepancies.assign(discrepancy, person)
