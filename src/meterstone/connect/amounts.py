"""Money that a vendor's record tells in pieces: amounts of an order shared out to its payments, and
amounts in US dollars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal

RATES = "setting:usd_rates"
"""Where the context has the rates: US dollars for one unit, such as ``CAD=0.74,EUR=1.08``."""
_CENT = Decimal("0.01")


def shares(total: int, weights: Sequence[int]) -> list[int]:
    """A total shared out by weights, to the last minor unit: the parts sum up to it.

    Where all weights are zero the first one bears all. Largest remainders are rounded up first.
    """
    whole = sum(weights)
    if not whole:
        return [total, *[0] * (len(weights) - 1)] if weights else []
    parts = [divmod(total * weight, whole) for weight in weights]
    shared = [part for part, _ in parts]
    by_rest = sorted(range(len(parts)), key=lambda nth: -parts[nth][1])
    for nth in by_rest[: total - sum(shared)]:
        shared[nth] += 1
    return shared


def in_usd(amount: Decimal, currency: str, context: Mapping[str, str]) -> Decimal:
    """An amount in US dollars, to the cent.

    Raises:
        ValueError: the connection has no rate of the currency.
    """
    if currency == "USD":
        return amount
    rates = dict(
        pair.strip().split("=", 1) for pair in context.get(RATES, "").split(",") if "=" in pair
    )
    if currency not in rates:
        raise ValueError(
            f"no rate of {currency}: set usd_rates of the connection, such as {currency}=0.74"
        )
    return (amount * Decimal(rates[currency])).quantize(_CENT, ROUND_HALF_EVEN)
