"""The ``paging`` section: how a vendor cuts a stream into pages.

Where a value goes is written as ``query.cursor``, ``form.offset``, ``body.page.after``, or
``headers.X-Page``.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from meterstone.connect.spec_parts import Duration, Path, Strict

MOST_PAGES = 100_000


class _Paged(Strict):
    most_pages: int = Field(default=MOST_PAGES, gt=0)


class NoPaging(Strict):
    """The whole stream in one answer."""

    kind: Literal["none"] = "none"
    most_pages: int = 1


class CursorPaging(_Paged):
    """The answer has an opaque cursor (path ``from``) that the next request carries at ``to``.
    ``more``: path of a flag that says whether there is a next page."""

    kind: Literal["cursor"]
    from_: Path = Field(alias="from")
    to: str
    more: Path = ""


class LinkHeader(_Paged):
    """The ``Link`` header with ``rel="next"`` (RFC 8288)."""

    kind: Literal["link_header"]


class NextUrl(_Paged):
    """The answer has the next URL, whole or relative, at ``from``. It must stay on the host."""

    kind: Literal["next_url"]
    from_: Path = Field(alias="from")


class OffsetPaging(_Paged):
    """``to`` counts records from ``first``. Ends at a page shorter than ``size``, or by ``more``
    (a flag) or ``total`` (a number), where the answer has them."""

    kind: Literal["offset"]
    to: str
    size: int = Field(gt=0)
    size_to: str = ""
    first: int = 0
    more: Path = ""
    total: Path = ""


class PageNumber(_Paged):
    """``to`` counts pages from ``first``."""

    kind: Literal["page"]
    to: str
    size: int = Field(gt=0)
    size_to: str = ""
    first: int = 1
    more: Path = ""
    total: Path = ""


class StartPosition(_Paged):
    """``{start}`` and ``{size}`` in the text of a query; ends at a page shorter than ``size``.
    Pages overlap by ``overlap`` records, because a record that changes meanwhile moves the others.
    """

    kind: Literal["start_position"]
    size: int = Field(gt=0)
    first: int = 1
    overlap: int = Field(default=0, ge=0)


class LastKey(_Paged):
    """The id of the page's last record (path ``from`` within it) goes into the next request, while
    the flag ``more`` holds (Stripe's ``starting_after``)."""

    kind: Literal["last_key"]
    from_: Path = Field(default="id", alias="from")
    to: str
    more: Path = ""


class TimeWindow(_Paged):
    """The span from ``since`` to ``until`` in windows of ``length``, each paged by ``within``."""

    kind: Literal["time_window"]
    length: Duration = timedelta(days=30)
    within: Annotated[
        NoPaging | CursorPaging | OffsetPaging | PageNumber | NextUrl | LastKey,
        Field(discriminator="kind"),
    ] = Field(default_factory=NoPaging)


Paging = Annotated[
    NoPaging
    | CursorPaging
    | LinkHeader
    | NextUrl
    | OffsetPaging
    | PageNumber
    | StartPosition
    | LastKey
    | TimeWindow,
    Field(discriminator="kind"),
]
