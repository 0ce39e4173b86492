"""What the mappings refuse or leave open, where it is the same for several of them."""

from __future__ import annotations

import json

import pytest

LINES = {
    "apache_combined": b'192.0.2.1 - - [01/Mar/2026:10:00:00 +0000] "GET /a HTTP/1.1" 200 5\n',
    "nginx_json": b'{"time_iso8601": "2026-03-01T10:00:00Z", "request": "GET /a", "status": 200}\n',
    "nginx_plus_status": b'{"address": "a", "timestamp": 1772359200000, "server_zones": {}}\n',
}


def line(**given: object) -> bytes:
    """One NGINX line with what a test sets."""
    return json.dumps({"time_iso8601": "2026-03-01T10:00:00Z", "status": 200} | given).encode()


@pytest.mark.parametrize("form", sorted(LINES))
def test_a_context_that_no_column_takes_is_refused_with_what_it_may_be(mapped, form):
    result = mapped(form, LINES[form], consumer="developers")
    (reject,) = result.rejects
    assert "consumer is 'developers'" in reject.reason
    assert reject.mend == "did you mean 'developer'?"
    assert result.rows == []


def test_an_nginx_line_without_a_request_is_refused(mapped):
    (reject,) = mapped("nginx_json", line(server_name="a")).rejects
    assert "names no request" in reject.reason
    assert "$request" in reject.mend


def test_an_nginx_line_with_a_path_alone_is_a_request_of_another_method(mapped):
    (row,) = mapped("nginx_json", line(uri="/shops/12")).rows
    assert (row["method"], row["endpoint"]) == ("_OTHER", "/shops/{id}")


@pytest.mark.parametrize("seconds", ["-1", "1e300"])
def test_an_nginx_time_outside_of_time_is_refused(mapped, seconds):
    body = json.dumps({"msec": seconds, "request": "GET /a", "status": 200}).encode()
    result = mapped("nginx_json", body)
    assert (result.rows, len(result.rejects)) == ([], 1)


def test_a_csv_quote_that_never_closes_costs_its_own_line(mapped):
    head = b"attestation_id,claim_key,attested_at,statement,source\n"
    body = (
        head + b'a,k,2026-03-01T10:00:00Z,"open,hub\n' + b"b,k,2026-03-01T10:00:00Z,said,hub\n" * 3
    )
    result = mapped("facts_csv", body, name="attestation.csv")
    assert {row["attestation_id"] for row in result.rows} == {"b"}
    assert len(result.rejects) == 1


def test_an_incident_whose_stated_window_ends_before_it_starts_is_refused_or_mended(mapped):
    entry = {
        "id": "x", "title": "t", "first_update": "2026-02-01T10:00Z", "resolved": None,
        "stated_impact_window": ["2026-02-01T10:00Z", "2026-02-01T09:00Z"],
        "component": "Actions", "cause": None, "update_times": ["2026-02-01T10:00Z investigating"],
    }  # fmt: skip
    result = mapped("github_incidents", json.dumps([entry]).encode())
    assert len(result.rows) + len(result.rejects) == 1
