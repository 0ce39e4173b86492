"""Which records a list shows, and how many a page."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request

from meterstone.sandbox.kit import Record
from meterstone.sandbox.tableau.wire import TableauError


def count_of(request: Request, name: str, usual: int) -> int:
    """A number of the query.

    Raises:
        TableauError: it is none, or 0.
    """
    text = request.query_params.get(name, str(usual))
    if not text.isdecimal() or int(text) < 1:
        raise TableauError("400006", "Bad Request", f"{name} is no number greater than 0.")
    return int(text)


def filtered(records: list[Record], request: Request) -> list[Record]:
    """``filter=name:eq:X``, several joined by commas; of moments also gt, gte, lt, lte."""
    for condition in filter(None, request.query_params.get("filter", "").split(",")):
        name, operator, value = [*condition.split(":", 2), "", ""][:3]
        compare = _OPERATORS.get(operator)
        if compare is None:
            raise TableauError("400031", "Bad Request", f"Unknown operator '{operator}'.")
        records = [r for r in records if compare(str(r.get(name, "")), value)]
    return records


_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "eq": lambda a, b: a == b,
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
    "in": lambda a, b: a in b.strip("[]").split(","),
}
