"""Why two systems tell different sales of a shop and period: the reason that explains all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import combinations

Parts = Mapping[str, Decimal]
"""``gross``, ``discount``, ``refund``, ``tip``, ``tax`` of a shop in a period, all positive."""

_HABITS: Mapping[str, Mapping[str, tuple[int, str]]] = {
    "tips are counted as sales": {"gross": (1, "tip"), "tip": (-1, "tip")},
    "tips are counted as sales and as tips": {"gross": (1, "tip")},
    "tips are left out": {"tip": (-1, "tip")},
    "tax is counted as sales": {"gross": (1, "tax"), "tax": (-1, "tax")},
    "tax is left out": {"tax": (-1, "tax")},
    "refunds are not deducted": {"refund": (-1, "refund")},
    "refunds are deducted twice": {"refund": (1, "refund")},
    "sales are told net of refunds": {"gross": (-1, "refund"), "refund": (-1, "refund")},
    "discounts are not deducted": {"discount": (-1, "discount")},
    "sales are told net of discounts": {"gross": (-1, "discount"), "discount": (-1, "discount")},
}
"""How a system may keep its books otherwise: what that adds to its parts, in parts of the till."""


def less(one: Parts, other: Parts) -> dict[str, Decimal]:
    """The first less the second, part by part."""
    return {name: one[name] - other[name] for name in one}


def reason(
    till: Parts,
    book: Parts,
    *,
    same: Callable[[Parts, Parts], bool],
    payments: Callable[[], Iterable[Parts]],
    voided: Callable[[], Iterable[Parts]],
    neighbours: Mapping[str, Parts],
) -> str:
    """Why a book differs from the till, in one sentence; says so where nothing explains it.

    Args:
        same: whether two sets of parts are equal within the tolerance.
        payments: gives the payments of the period, one by one.
        voided: gives those that were voided or failed.
        neighbours: differences of the periods beside it, by what they are called.
    """
    wrong = less(book, till)
    for name, beside in neighbours.items():
        if same(wrong, {part: -value for part, value in beside.items()}):
            return f"some of it is booked on the {name}"
    for habits, added in _habits(till):
        if any(added.values()) and same(wrong, added):
            return "; ".join(habits)
    for payment in payments():
        if same(wrong, {part: -value for part, value in payment.items()}):
            return "one payment is missing"
        if same(wrong, payment):
            return "one payment is there twice"
    if any(same(wrong, payment) for payment in voided()):
        return "a payment that was voided is still booked"
    told = ", ".join(f"{part} {value:+.2f}" for part, value in wrong.items() if value)
    return f"nothing explains it: {told}"


def _habits(till: Parts) -> Iterator[tuple[tuple[str, ...], dict[str, Decimal]]]:
    """Each habit alone, then two at once, with what they add."""
    for number in (1, 2):
        for names in combinations(_HABITS, number):
            added = dict.fromkeys(till, Decimal(0))
            for name in names:
                for part, (sign, of) in _HABITS[name].items():
                    added[part] += sign * till[of]
            yield names, added
