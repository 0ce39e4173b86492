"""What going live did: shops that were connected beside others that were not, of one region and
age. Numbers are monthly net sales; each quarter has one payment of three months' sales."""

from __future__ import annotations

from collections.abc import Iterator

from . import Example, Expect, Row, at, connection, opened, paid

AT = at("2026-04-01")
QUARTERS = ("2024-11-15", "2025-02-15", "2026-02-15")
"""Before the earlier months (the pre-trend), the earlier months, and now."""


def shop(name: str, monthly: tuple[float, float, float], connected: bool) -> Iterator[Row]:
    yield opened(name, "2015-01-01")
    for day, sales in zip(QUARTERS, monthly, strict=True):
        yield paid(name, day, 3 * sales)
    if connected:
        yield connection(f"C{name}", "2025-06-01", franchise_id=name)


def network(untreated: int, before: float) -> Iterator[Row]:
    """Sales of 32 connected rose by 100 or 120, of the others by 20; what they had gained in the
    quarter before the earlier months: 0 or 10, the others 4 or 5 (and ``before``)."""
    for number in range(32):
        odd = number % 2
        yield from shop(f"T{number}", (1000, 1000 + 10 * odd, 1100 + 30 * odd), connected=True)
    for number in range(untreated):
        earlier = 1004 + number % 2 + before
        yield from shop(f"U{number}", (1000, earlier, earlier + 20), connected=False)


EXAMPLES = (
    Example(
        "32 shops went live, 16 did not",
        AT,
        tuple(network(16, 0)),
        {"owner_revenue_increase": Expect(90.0, 32, "not_met")},
    ),
    Example(
        "32 shops went live, 8 did not: too few to compare with",
        AT,
        tuple(network(8, 0)),
        {"owner_revenue_increase": Expect(90.0, 32, "insufficient_data")},
    ),
    Example(
        "32 shops went live, and the 16 others had grown faster before",
        AT,
        tuple(network(16, 3)),
        {"owner_revenue_increase": Expect(90.0, 32, "insufficient_data")},
    ),
)
