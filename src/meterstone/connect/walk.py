"""A walk over a stream: sites, time windows and pages, from any checkpoint to the end.

The state of a walk is JSON: ``{"group": 0, "window": [from, to], "page": {…}}``. A page that comes
again, a cursor that was there before, and more than ``most_pages`` end the walk with an error.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from json import dumps
from typing import Any

from meterstone.connect.answers import Answer
from meterstone.connect.client import Client
from meterstone.connect.mapping import StreamMapping
from meterstone.connect.paging import pager
from meterstone.connect.problems import SyncError
from meterstone.connect.requests import Call
from meterstone.connect.spec import CursorSpec
from meterstone.connect.spec_paging import TimeWindow
from meterstone.ledger import Priority

FLOOR = datetime(2000, 1, 1, tzinfo=UTC)
"""From when everything is asked for, where a request needs a moment and there is none."""

WalkState = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """One page with its records; ``then`` is the state of the next one, None at the end."""

    answer: Answer
    records: list[Any]
    then: WalkState | None


class Walk:
    """One walk.

    Args:
        client: calls the vendor.
        key, mapping: the stream.
        since: from when; None: everything.
        until: up to when windows and ``until`` of the cursor go.
        token: the vendor's own cursor, where the stream has one.
        sites: of the connection, for streams that are walked a site.
        priority: of its calls.
    """

    def __init__(
        self,
        client: Client,
        key: str,
        mapping: StreamMapping,
        *,
        since: datetime | None,
        until: datetime,
        token: str | None = None,
        sites: tuple[str, ...] = (),
        priority: Priority = "live",
    ) -> None:
        self._client = client
        self._key = key
        self._mapping = mapping
        self._stream = mapping.stream
        self._since = since
        self._until = until
        self._token = token
        self._priority = priority
        self._groups = _groups(sites, self._stream.at_once) if self._stream.for_each else [()]
        paging = self._stream.paging
        self._window = paging.length if isinstance(paging, TimeWindow) else None
        self._pager = pager(paging.within if isinstance(paging, TimeWindow) else paging)
        self._most = paging.most_pages
        self._seen: set[bytes] = set()

    def pages(self, state: WalkState | None = None) -> Generator[Page]:
        """Pages from a state on; the next one is fetched while this one is worked on.

        Raises:
            SyncError: a walk without end.
            VendorError, CredentialBroken, CredentialUnavailable: a call failed.
        """
        current = state if state is not None else self._first()
        if current is None:
            return
        with ThreadPoolExecutor(1, thread_name_prefix="page") as ahead:
            coming: Future[Page] | None = ahead.submit(self._page, current)
            count = 0
            while coming is not None:
                page = coming.result()
                count += 1
                if count > self._most > 1:
                    raise self._endless(f"it has more than {self._most:,} pages")
                coming = ahead.submit(self._page, page.then) if page.then is not None else None
                yield page

    def _page(self, state: WalkState) -> Page:
        self._refuse_repeated(state)
        answer = self._client.send(
            self._call(state), priority=self._priority, group=self._stream.endpoint_group
        )
        context = {"connection": self._client.connection.id}
        records = list(self._mapping.records_in(answer.content, answer.body, context))
        inner = self._pager.after(state["page"], answer, records)
        return Page(answer, records, self._then(state, inner))

    def _refuse_repeated(self, state: WalkState) -> None:
        digest = blake2b(dumps(state, sort_keys=True).encode(), digest_size=12).digest()
        if digest in self._seen:
            raise self._endless("the vendor gives a cursor again that it gave before")
        self._seen.add(digest)

    def _endless(self, why: str) -> SyncError:
        return SyncError(
            f"this walk would not end: {why}",
            place=f"{self._client.connection.id} {self._key}",
            mend="what was landed stays; the vendor's paging or `paging` of the stream is wrong",
        )

    def _first(self) -> WalkState | None:
        if not self._groups:
            return None
        return self._begun(0)

    def _begun(self, group: int) -> WalkState:
        state: dict[str, Any] = {"group": group, "page": dict(self._pager.start())}
        if self._window:
            start = self._since or FLOOR
            state["window"] = [_text(start), _text(min(start + self._window, self._until))]
        return state

    def _then(self, state: WalkState, inner: Any) -> WalkState | None:
        if inner is not None:
            return {**state, "page": dict(inner)}
        if self._window:
            reached = datetime.fromisoformat(state["window"][1])
            if reached < self._until:
                to = min(reached + self._window, self._until)
                return {**state, "page": dict(self._pager.start()),
                        "window": [_text(reached), _text(to)]}  # fmt: skip
        following = state["group"] + 1
        return self._begun(following) if following < len(self._groups) else None

    def _call(self, state: WalkState) -> Call:
        request = self._stream.request
        if request is None:
            raise SyncError(
                "this stream is not asked for: its records come by mail or file",
                place=f"{self._client.connection.id} {self._key}",
            )
        sites = self._groups[state["group"]]
        since, until = self._span(state)
        values = {**moments(self._stream.cursor, since, until), **self._pager.values(state["page"])}
        if sites:
            values["site"] = sites[0]
        call = self._client.call(request, values, sites=sites)
        return self._pager.apply(self._with_cursor(call, values, since), state["page"])

    def _span(self, state: WalkState) -> tuple[datetime | None, datetime]:
        if "window" in state:
            start, end = (datetime.fromisoformat(text) for text in state["window"])
            return start, end
        return self._since, self._until

    def _with_cursor(self, call: Call, values: Mapping[str, str], since: datetime | None) -> Call:
        cursor = self._stream.cursor
        if cursor is None:
            return call
        if cursor.kind == "token":
            return call.with_value(cursor.since, self._token) if self._token else call
        if cursor.since and since is not None:
            text = values["since"]
            if cursor.template:
                text = cursor.template.replace("{since}", text)
            call = call.with_value(cursor.since, text)
            if cursor.until:
                call = call.with_value(cursor.until, values["until"])
        return call


def moments(cursor: CursorSpec | None, since: datetime | None, until: datetime) -> dict[str, str]:
    """The span of a walk as templates name it."""
    format_ = cursor.format if cursor else "instant"
    start = since or FLOOR
    return {
        "since": written(start, format_), "until": written(until, format_),
        "since_ms": written(start, "epoch_ms"), "until_ms": written(until, "epoch_ms"),
        "since_s": written(start, "epoch_s"), "until_s": written(until, "epoch_s"),
        "now": written(until, format_),
    }  # fmt: skip


def written(at: datetime, format_: str) -> str:
    """A moment as a vendor wants it."""
    if format_ == "instant":
        return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if format_ == "epoch_ms":
        return str((at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1))
    if format_ == "epoch_s":
        return str((at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1))
    return at.astimezone(UTC).strftime(format_)


def _groups(sites: tuple[str, ...], at_once: int) -> list[tuple[str, ...]]:
    return [sites[i : i + at_once] for i in range(0, len(sites), at_once)]


def _text(at: datetime) -> str:
    return at.isoformat()
