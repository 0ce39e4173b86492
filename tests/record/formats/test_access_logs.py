"""Access logs: Apache's combined and common format, NGINX's JSON."""

# ruff: noqa: DTZ001  # stored times are UTC without an offset

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterstone.record.formats import formats
from meterstone.record.lines import bodies

COMMON = '10.0.0.1 - - [01/Mar/2026:09:30:00 +0100] "{request}" {status} 123'
COMBINED = COMMON + ' "-" "Mozilla/5.0 (X11)"'


def line(request: str = "GET /orders/17?x=1 HTTP/1.1", status: object = 200) -> str:
    return COMBINED.format(request=request, status=status)


def nginx(**fields: Any) -> bytes:
    entry = {
        "time_iso8601": "2026-03-01T09:30:00+01:00",
        "request": "GET /orders/17?x=1 HTTP/1.1",
        "status": "200",
        "request_time": "0.250",
    } | fields
    return json.dumps({k: v for k, v in entry.items() if v is not None}).encode()


def test_apache_sample(mapped: Callable[..., Any], shared_data: Callable[[str], Path]) -> None:
    log = shared_data("access_logs/apache_logs.log")
    result = mapped("apache_combined", log.read_bytes(), log.name)
    assert result.rejects == []
    assert len(result.rows) == 10_000
    assert len(result.by("request_id")) == 10_000  # 17 lines stand there more than once
    # awk '{print $9}' apache_logs.log | sort | uniq -c
    assert Counter(row["status_code"] for row in result.rows) == {
        200: 9126, 206: 45, 301: 164, 304: 445, 403: 2, 404: 213, 416: 2, 500: 3
    }  # fmt: skip
    assert {row["endpoint_group"] for row in result.rows} == {"other"}
    assert not any("?" in row["endpoint"] for row in result.rows)


@pytest.mark.parametrize("layout", [COMMON, COMBINED, "shop.example:443 " + COMBINED])
def test_a_line_becomes_a_request(mapped: Callable[..., Any], layout: str) -> None:
    text = layout.format(request="GET /orders/17?x=1 HTTP/1.1", status=200)
    (row,) = mapped("apache_combined", text.encode(), "logs/access.log.2.gz").rows
    assert row["at"] == datetime(2026, 3, 1, 8, 30)
    assert (row["method"], row["endpoint"], row["status_code"]) == ("GET", "/orders/{id}", 200)
    assert (row["direction"], row["count"], row["attempts"]) == ("inbound", 1, 1)
    assert (row["consumer"], row["endpoint_group"]) == ("internal", "other")
    assert row["duration_ms"] is None  # the format has none, and 0 would be a lie
    assert (row["source"], row["source_ref"]) == ("hub", "access.log")


MEANINGS = {
    200: ("success", "none", "none"),
    304: ("success", "none", "none"),
    400: ("caller_fault", "caller", "data_validation"),
    401: ("caller_fault", "caller", "authentication"),
    403: ("caller_fault", "caller", "authentication"),
    404: ("caller_fault", "caller", "other"),
    408: ("caller_fault", "caller", "timeout"),
    422: ("caller_fault", "caller", "data_validation"),
    429: ("caller_fault", "caller", "rate_limit"),
    499: ("caller_fault", "caller", "other"),
    500: ("error", "hub", "server"),
    502: ("error", "hub", "connection"),
    503: ("error", "hub", "server"),
    504: ("error", "hub", "timeout"),
}


@pytest.mark.parametrize(("status", "meaning"), MEANINGS.items())
def test_what_a_status_means(
    mapped: Callable[..., Any], status: int, meaning: tuple[str, str, str]
) -> None:
    (row,) = mapped("apache_combined", line(status=status).encode()).rows
    assert (row["outcome"], row["fault"], row["error_class"]) == meaning


ENDPOINTS = {
    "/": "/",
    "/a/b": "/a/b",
    "/orders/17": "/orders/{id}",
    "/orders/17/items/2": "/orders/{id}/items/{id}",
    "/f/6f1c2b9e-98f7-4d7e-9d55-5a1de8a1c001/x": "/f/{id}/x",
    "/blob/deadbeef01": "/blob/{id}",
    "/facade/deadbeef": "/facade/deadbeef",
    "/sobjects/001D000000IqhSL": "/sobjects/{id}",
    "/users/kim@example.com": "/users/{id}",
    "/q?secret=1": "/q",
    "https://hub.example/v1/x?y": "/v1/x",
    "/v2/presentation.html": "/v2/presentation.html",
}


@pytest.mark.parametrize(("target", "endpoint"), ENDPOINTS.items())
def test_the_endpoint_is_a_template(mapped: Callable[..., Any], target: str, endpoint: str) -> None:
    (row,) = mapped("apache_combined", line(f"GET {target} HTTP/1.1").encode()).rows
    assert row["endpoint"] == endpoint


@pytest.mark.parametrize("request_", ["-", r"\x16\x03\x01", "GET", r"\"quoted\" HTTP/1.1", ""])
def test_garbage_is_a_request_too(mapped: Callable[..., Any], request_: str) -> None:
    (row,) = mapped("apache_combined", line(request_, 400).encode()).rows
    assert (row["method"], row["endpoint"]) == ("_OTHER", "(malformed)")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"hello world", "combined or common"),
        (line(status=999).encode(), "status 999"),
        (line().replace("Mar", "Mai").encode(), "time"),
        (line().replace("01/Mar", "31/Feb").encode(), "time"),
        (line().encode() + b"\xff", "UTF-8"),
        (line().replace("2026", "1970").encode(), "never set"),
        (line().replace("2026", "2036").encode(), "future"),
    ],
)
def test_a_wrong_line_is_named_and_the_others_are_kept(
    mapped: Callable[..., Any], text: bytes, reason: str
) -> None:
    good = line().encode()
    result = mapped("apache_combined", b"\n".join([good, text, good]))
    assert len(result.rows) == 2
    (reject,) = result.rejects
    assert (reject.item, bool(reject.mend)) == (2, True)
    assert reason in reject.reason


def test_the_sender_may_say_what_the_log_is(mapped: Callable[..., Any]) -> None:
    body = line("POST /api/v2/franchises/7 HTTP/1.1").encode()
    (row,) = mapped(
        "apache_combined", body, endpoint_group="auth", consumer="partner", integration="square"
    ).rows
    assert (row["endpoint_group"], row["consumer"], row["integration"]) == (
        "auth", "partner", "square",
    )  # fmt: skip
    (row,) = mapped("apache_combined", body, endpoint_group="by_path").rows
    assert (row["endpoint_group"], row["api_version"]) == ("franchise_management", "v2")
    wrong = mapped("apache_combined", body, endpoint_group="analytic")
    assert wrong.rows == []
    assert "did you mean 'analytics'" in wrong.rejects[0].mend


REQUESTS = st.lists(st.sampled_from([line(f"GET /{c} HTTP/1.1") for c in "abcd"]), max_size=40)


@given(REQUESTS, st.integers(1, 400))
def test_splitting_changes_no_key(
    mapped: Callable[..., Any], texts: list[str], target: int
) -> None:
    parts = [text.encode() + b"\n" for text in texts]
    expected = mapped("apache_combined", b"".join(parts)).by("request_id")
    assert len(expected) == len(texts)
    found: dict[str, Any] = {}
    for body in bodies(parts, window=100_000, target=target):
        found |= mapped("apache_combined", body).by("request_id")
    assert found == expected


def test_equal_lines_are_different_requests(mapped: Callable[..., Any]) -> None:
    body = (line() + "\n").encode() * 3
    once, twice = mapped("apache_combined", body), mapped("apache_combined", body + body)
    assert len(once.by("request_id")) == 3
    assert once.by("request_id").items() <= twice.by("request_id").items()


def test_nginx_line(mapped: Callable[..., Any]) -> None:
    (row,) = mapped("nginx_json", nginx(request_id="abc"), "access.json").rows
    assert row["request_id"] == "abc"
    assert row["duration_ms"] == 250
    # NGINX writes the time when the request was over.
    assert row["at"] == datetime(2026, 3, 1, 8, 29, 59, 750_000)
    assert (row["method"], row["endpoint"]) == ("GET", "/orders/{id}")


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"msec": "1772353800.125"}, datetime(2026, 3, 1, 8, 30, 0, 125_000)),
        ({"time_iso8601": None, "time_local": "01/Mar/2026:09:30:00 +0100"}, None),
        ({"time_iso8601": None, "time": 1772353800}, None),
        ({"time_iso8601": "2026-03-01T08:30:00"}, None),
    ],
)
def test_nginx_times(
    mapped: Callable[..., Any], fields: dict[str, Any], at: datetime | None
) -> None:
    (row,) = mapped("nginx_json", nginx(request_time=None, **fields)).rows
    assert row["at"] == (at or datetime(2026, 3, 1, 8, 30))
    assert row["duration_ms"] is None


def test_nginx_request_by_its_parts(mapped: Callable[..., Any]) -> None:
    split = nginx(request=None, request_method="put", request_uri="/a/1?b=2")
    elastic = nginx(status=None, response=304)
    garbage = nginx(request="", status=400)
    rows = mapped("nginx_json", b"\n".join([split, elastic, garbage])).rows
    assert [(r["method"], r["endpoint"], r["status_code"]) for r in rows] == [
        ("PUT", "/a/{id}", 200),
        ("GET", "/orders/{id}", 304),
        ("_OTHER", "(malformed)", 400),
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"{", "not JSON"),
        (b"[1]", "not a JSON object"),
        (b'{"status": NaN}', "not JSON"),
        (nginx(status="000"), "status"),
        (nginx(status=None), "status"),
        (nginx(request_time="soon"), "request_time"),
        (nginx(request_time=-1), "request_time"),
        (nginx(request_time="nan"), "request_time"),
        (nginx(time_iso8601="yesterday"), "time"),
        (nginx(time_iso8601=None), "no time"),
        (nginx(request=None), "names no request"),
        (nginx(time_iso8601="2036-03-01T09:30:00Z"), "future"),
        (b'{"a": "\xff"}', "not JSON"),
    ],
)
def test_a_wrong_nginx_line_is_named(mapped: Callable[..., Any], text: bytes, reason: str) -> None:
    result = mapped("nginx_json", b"\n".join([nginx(), text, nginx()]))
    assert len(result.rows) == 2
    (reject,) = result.rejects
    assert (reject.item, bool(reject.mend)) == (2, True)
    assert reason in reject.reason


def test_one_request_id_is_one_request(mapped: Callable[..., Any]) -> None:
    same, other = nginx(request_id="a"), nginx(request_id="a", status=500)
    assert len(mapped("nginx_json", same + b"\n" + same).rows) == 1
    result = mapped("nginx_json", same + b"\n" + other)
    assert len(result.rows) == 1
    assert "twice" in result.rejects[0].reason
    assert "status_code" in result.rejects[0].reason


def test_split_keeps_a_log(
    bodies_of: Callable[..., list[bytes]], mapped: Callable[..., Any]
) -> None:
    text = b"".join(nginx(request_id=str(n)) + b"\n" for n in range(60_000))
    split = formats()["nginx_json"].split
    assert split
    parts = bodies_of(split(io.BytesIO(text)))
    assert b"".join(parts) == text
    assert len(parts) == 2
    assert sum(len(mapped("nginx_json", part).rows) for part in parts) == 60_000
