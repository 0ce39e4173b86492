"""NGINX Plus: requests out of counters."""

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

from meterstone.facts import Reject
from meterstone.record.formats import nginx_plus_status

START = 1_772_353_800_000


def snapshot(seconds: float, address: str = "a", **counters: int) -> bytes:
    responses = {"1xx": 0, "2xx": 0, "3xx": 0, "4xx": 0, "5xx": 0} | {
        name.strip("_"): value for name, value in counters.items()
    }
    return json.dumps(
        {
            "version": 6,
            "nginx_version": "1.9.4",
            "address": address,
            "timestamp": START + int(seconds * 1000),
            "server_zones": {"shop": {"requests": 1, "responses": responses}},
        }
    ).encode()


def test_sample(mapped: Callable[..., Any], shared_data: Callable[[str], Path]) -> None:
    file = shared_data("access_logs/nginxplus_json_logs.jsonl")
    result = mapped("nginx_plus_status", file.read_bytes(), file.name)
    assert result.rejects == []
    count = Counter[tuple[str, str]]()
    for row in result.rows:
        count[row["endpoint"], row["outcome"]] += row["count"]
    # The last snapshot of the file minus the first.
    assert count == {
        ("zone hg.nginx.org", "success"): 279 + 16,
        ("zone hg.nginx.org", "error"): 3,
        ("zone trac.nginx.org", "success"): 491 + 230,
        ("zone trac.nginx.org", "caller_fault"): 31,
        ("zone lxr.nginx.org", "success"): 77 + 11,
        ("zone lxr.nginx.org", "caller_fault"): 2,
    }


def test_the_difference_is_the_requests(mapped: Callable[..., Any]) -> None:
    body = b"\n".join([snapshot(0, _2xx=10, _5xx=1), snapshot(5, _2xx=17, _5xx=1)])
    (row,) = mapped("nginx_plus_status", body).rows
    assert (row["count"], row["outcome"], row["endpoint"]) == (7, "success", "zone shop")
    assert row["at"] == datetime(2026, 3, 1, 8, 30)
    assert row["duration_ms"] is row["status_code"] is None


def test_a_counter_that_fell_was_set_to_zero(mapped: Callable[..., Any]) -> None:
    body = b"\n".join([snapshot(0, _2xx=100), snapshot(5, _2xx=4), snapshot(10, _2xx=6)])
    assert [row["count"] for row in mapped("nginx_plus_status", body).rows] == [4, 2]


def test_servers_have_counters_of_their_own(mapped: Callable[..., Any]) -> None:
    body = b"\n".join(
        [snapshot(0, "a", _2xx=5), snapshot(1, "b", _2xx=50), snapshot(5, "a", _2xx=6),
         snapshot(6, "b", _2xx=52)]
    )  # fmt: skip
    assert [row["count"] for row in mapped("nginx_plus_status", body).rows] == [1, 2]


@pytest.mark.parametrize(
    ("line", "reason", "counts"),
    [
        (b"{", "no status snapshot", [3]),
        (b'{"nginx_version": "1"}', "no status snapshot", [3]),
        (snapshot(-1, _2xx=1), "older", [3]),
        (snapshot(400, _2xx=1), "400 s after", [2]),
        (snapshot(3, _2xx=1).replace(b'"2xx": 1', b'"2xx": NaN'), "no status snapshot", [3]),
    ],
)
def test_a_wrong_line_is_named(
    mapped: Callable[..., Any], line: bytes, reason: str, counts: list[int]
) -> None:
    last = snapshot(405 if counts == [2] else 5, _2xx=3)
    result = mapped("nginx_plus_status", b"\n".join([snapshot(0), line, last]))
    assert [row["count"] for row in result.rows] == counts
    (reject,) = result.rejects
    assert reject.item == 2
    assert reason in reject.reason


def test_one_snapshot_says_nothing(mapped: Callable[..., Any]) -> None:
    result = mapped("nginx_plus_status", snapshot(0))
    assert result.rows == []
    assert "single snapshot" in result.rejects[0].reason


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9)), min_size=2, max_size=20),
    st.integers(1, 1500),
)
def test_splitting_loses_no_difference(
    mapped: Callable[..., Any], steps: list[tuple[str, int]], target: int
) -> None:
    lines = [snapshot(n, address, _2xx=value) + b"\n" for n, (address, value) in enumerate(steps)]
    expected = mapped("nginx_plus_status", b"".join(lines)).by("request_id")
    found: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nginx_plus_status, "BODY_TARGET", target)
        parts = list(nginx_plus_status.FORMAT.split(io.BytesIO(b"".join(lines))))  # type: ignore[misc]
    for part in parts:
        assert not isinstance(part, Reject)
        found |= mapped("nginx_plus_status", part).by("request_id")
    assert found == expected
