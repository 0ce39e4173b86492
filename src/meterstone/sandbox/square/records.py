"""Which records the merchant has."""

from __future__ import annotations

from meterstone.sandbox.kit import Books, Clock, Entity
from meterstone.sandbox.square.forms import Shops, end_of, shops_of
from meterstone.sandbox.square.payouts import payouts
from meterstone.sandbox.square.people import customers, locations, team
from meterstone.sandbox.square.sales import order, payment, refunds, sales
from meterstone.sandbox.square.visits import bookings


def entities(books: Books, clock: Clock) -> tuple[Shops, dict[str, Entity]]:
    """The shops, and all records of the account by kind."""
    paid, booked = books.rows("payment", "square"), books.rows("booking", "square")
    shops, end = shops_of(paid, booked), end_of(paid, booked)
    return shops, {
        "locations": locations(shops, clock, end),
        "payments": sales("payments", paid, clock, end, lambda row: payment(row, shops, end)),
        "orders": sales("orders", paid, clock, end, lambda row: order(row, shops, end)),
        "refunds": refunds(paid, clock, shops, end),
        "bookings": bookings(booked, clock, shops, end),
        "customers": customers(shops, clock, end),
        "team_members": team(shops, clock, end),
        "payouts": payouts(paid, clock, shops, end),
    }
