"""Lists in pages: ``limit`` and an opaque ``cursor``; ``Link: rel=next`` leads to the next page.

A cursor names the last row of a page by the key that the list is sorted by, so that rows that come
or go between two pages never make one be read twice or left out.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import Depends, Query, Request, Response

from meterstone.errors import InputError

MOST = 200
_T = TypeVar("_T")
_K = TypeVar("_K", bound=tuple[Any, ...])


@dataclass(frozen=True, slots=True)
class Paging:
    """Which page is asked for, and how the answer tells where the next one is.

    Attributes:
        limit: rows on a page, at most.
        cursor: as the page before gave it; None: from the beginning.
    """

    limit: int
    cursor: str | None
    request: Request
    response: Response

    def after(self, key: type[_K]) -> _K | None:
        """The key of the last row of the page before; None: there is none.

        Raises:
            InputError: the cursor is not one of this list.
        """
        if self.cursor is None:
            return None
        try:
            padded = self.cursor.encode() + b"=" * (-len(self.cursor) % 4)
            text = base64.b64decode(padded, altchars=b"-_", validate=True)
            path, found = msgspec.json.decode(text, type=tuple[str, key])  # type: ignore[valid-type]  # a type at run time
        except (msgspec.DecodeError, binascii.Error, UnicodeError, ValueError) as error:
            raise _NO_CURSOR from error
        if path != self.request.url.path:
            raise _NO_CURSOR
        return found

    def next_after(self, key: tuple[Any, ...]) -> None:
        """Tell that there is more after a row."""
        text = msgspec.json.encode((self.request.url.path, key))
        cursor = base64.urlsafe_b64encode(text).rstrip(b"=").decode()
        url = self.request.url.include_query_params(cursor=cursor)
        self.response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'

    def fetched(self, rows: Sequence[_T], key: Callable[[_T], _K]) -> list[_T]:
        """A page of rows of which one more than `limit` was asked for."""
        page = list(rows[: self.limit])
        if len(rows) > self.limit:
            self.next_after(key(page[-1]))
        return page

    def of(self, rows: Sequence[_T], key: Callable[[_T], _K], shape: type[_K]) -> list[_T]:
        """A page of a whole list, which is put in the order of its key."""
        last = self.after(shape)
        ordered = sorted(rows, key=key)
        rest = ordered if last is None else [row for row in ordered if key(row) > last]
        return self.fetched(rest[: self.limit + 1], key)


_NO_CURSOR = InputError(
    "the cursor is not one of this list",
    place="?cursor=",
    mend="begin without a cursor, and follow the header Link",
)


async def _paging(
    request: Request,
    response: Response,
    limit: Annotated[int, Query(ge=1, le=MOST, description="Rows on a page, at most.")] = 50,
    cursor: Annotated[
        str | None, Query(max_length=600, description="As in the header `Link` of the page before.")
    ] = None,
) -> Paging:
    return Paging(limit, cursor, request, response)


Pages = Annotated[Paging, Depends(_paging)]
"""The page that is asked for, as a parameter of an operation."""
