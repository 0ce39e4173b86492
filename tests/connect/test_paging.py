"""Kinds of paging, without a network: from the state of a page to the state of the next."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest
from pydantic import TypeAdapter

from meterstone.connect.answers import Answer
from meterstone.connect.paging import pager
from meterstone.connect.problems import SyncError
from meterstone.connect.requests import Call
from meterstone.connect.spec_paging import Paging

CALL = Call("GET", "https://api.example/v1/things?x=1", "/v1/things", body={"page": {"size": 2}})


def answer(content: Any, **headers: str) -> Answer:
    return Answer(200, httpx2.Headers(headers), json.dumps(content).encode())


def walked(form: dict[str, Any], *pages: tuple[Answer, int]) -> list[Call]:
    """The calls of a walk over these answers with so many records each."""
    kind = pager(TypeAdapter(Paging).validate_python(form))
    state, calls = kind.start(), []
    for page, count in pages:
        assert state is not None, "the walk ended too early"
        calls.append(kind.apply(CALL, state))
        state = kind.after(state, page, [{"id": f"r{n}"} for n in range(count)])
    assert state is None, "the walk did not end"
    return calls


@pytest.mark.parametrize(
    ("form", "pages", "asked"),
    [
        (
            {"kind": "cursor", "from": "next", "to": "query.cursor"},
            [(answer({"next": "a"}), 2), (answer({"next": ""}), 1)],
            [{}, {"cursor": "a"}],
        ),
        (
            {"kind": "cursor", "from": "next", "to": "query.cursor", "more": "more"},
            [(answer({"next": "a", "more": True}), 2), (answer({"next": "b", "more": False}), 1)],
            [{}, {"cursor": "a"}],
        ),
        (
            {"kind": "last_key", "to": "query.after", "more": "more"},
            [(answer({"more": True}), 3), (answer({"more": False}), 1)],
            [{}, {"after": "r2"}],
        ),
        (
            {"kind": "offset", "to": "query.offset", "size": 2, "size_to": "query.limit"},
            [(answer({}), 2), (answer({}), 1)],
            [{"limit": 2, "offset": 0}, {"limit": 2, "offset": 2}],
        ),
        (
            {"kind": "offset", "to": "query.offset", "size": 2, "total": "total"},
            [(answer({"total": 4}), 2), (answer({"total": 4}), 2)],
            [{"offset": 0}, {"offset": 2}],
        ),
        (
            {"kind": "page", "to": "query.page", "size": 2, "more": "more"},
            [(answer({"more": "true"}), 2), (answer({"more": "false"}), 2)],
            [{"page": 1}, {"page": 2}],
        ),
    ],
    ids=["cursor", "cursor and flag", "last key", "offset", "offset and total", "page"],
)
def test_a_walk_ends_with_its_last_page(
    form: dict[str, Any], pages: list[tuple[Answer, int]], asked: list[dict[str, Any]]
) -> None:
    assert [dict(call.query) for call in walked(form, *pages)] == asked


def test_a_cursor_in_the_body_leaves_the_rest_of_it() -> None:
    form = {"kind": "cursor", "from": "next", "to": "body.page.after"}
    calls = walked(form, (answer({"next": "a"}), 1), (answer({}), 1))
    assert calls[1].body == {"page": {"size": 2, "after": "a"}}
    assert calls[0].body == {"page": {"size": 2}}


def test_next_pages_by_link_and_by_url() -> None:
    link = '<https://api.example/v1/things?page=2>; rel="next", <https://api.example/>; rel="last"'
    calls = walked({"kind": "link_header"}, (answer({}, link=link), 1), (answer({}), 1))
    assert calls[1].url == "https://api.example/v1/things?page=2"
    form = {"kind": "next_url", "from": "next"}
    calls = walked(form, (answer({"next": "/v1/things?after=9"}), 1), (answer({}), 1))
    assert calls[1].url == "https://api.example/v1/things?after=9"
    with pytest.raises(SyncError, match="another host"):
        walked(form, (answer({"next": "https://api.example.evil/v1"}), 1), (answer({}), 1))
    with pytest.raises(SyncError, match="another host"):
        walked(form, (answer({"next": "http://api.example/v1"}), 1), (answer({}), 1))


def test_start_positions_overlap() -> None:
    kind = pager(TypeAdapter(Paging).validate_python(
        {"kind": "start_position", "size": 100, "overlap": 20}
    ))  # fmt: skip
    state = kind.start()
    assert kind.values(state) == {"start": "1", "size": "100"}
    following = kind.after(state, answer({}), [{}] * 100)
    assert following is not None
    assert kind.values(following)["start"] == "81"
    assert kind.after(following, answer({}), [{}] * 99) is None
