"""NGINX access logs with one JSON object a line (``log_format … escape=json``) to `api_request`.

Variables: https://nginx.org/en/docs/http/ngx_http_log_module.html#log_format
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from meterstone.facts import Reject, excerpt
from meterstone.record.formats.apache_combined import request_line, time_local
from meterstone.record.lines import first_lines, numbered, split_repeating
from meterstone.record.model import Format, LandedRecord, Mapped
from meterstone.record.request_rows import (
    MALFORMED,
    OTHER_METHOD,
    ROWS,
    LineKeys,
    Served,
    method_of,
    micros,
    overrides,
    template,
)

_TIMES = ("msec", "time_iso8601", "time_local", "@timestamp", "timestamp", "time", "ts")
_STATUS = ("status", "response", "response_code")
_METHOD = ("request_method", "method")
_PATH = ("request_uri", "uri", "path")
_ABSENT = (None, "", "-")
_LATEST = datetime(9999, 1, 1, tzinfo=UTC).timestamp()


class _LineError(ValueError):
    """A line that is no request; carries the mend."""

    def __init__(self, reason: str, mend: str) -> None:
        super().__init__(reason)
        self.mend = mend


def _detect(_path: Path, head: bytes) -> bool:
    lines = first_lines(head, 1)
    try:
        first = msgspec.json.decode(lines[0]) if lines else None
    except msgspec.DecodeError:
        return False
    return (
        isinstance(first, dict)
        and "fact" not in first
        and _first(first, _STATUS) is not None
        and _first(first, _TIMES) is not None
        and _first(first, ("request", *_METHOD, *_PATH)) is not None
    )


def _map(record: LandedRecord) -> Iterator[Mapped]:
    fixed = overrides(record)
    if isinstance(fixed, Reject):
        yield fixed
        return
    keys, served = LineKeys(), Served()
    for number, line in numbered(record.body):
        try:
            _add(served, keys, number, line)
        except _LineError as refused:
            yield Reject(
                number, f"line {number} {refused}", refused.mend, excerpt(line), fact="api_request"
            )
        if len(served.items) == ROWS:
            yield served.batch(record, fixed)
            served = Served()
    if served.items:
        yield served.batch(record, fixed)


def _add(served: Served, keys: LineKeys, number: int, line: bytes) -> None:
    entry = _entry(line)
    status = _status(entry)
    duration = _duration_ms(entry)
    # NGINX stamps a line when the request is over; the fact wants its start.
    at = _logged_at(entry) - round((duration or 0.0) * 1000)
    given = entry.get("request_id")
    key = str(given) if given not in _ABSENT else keys.key(line)
    served.add(number, key, at, _request(entry), status, duration=duration)


def _entry(line: bytes) -> Mapping[str, Any]:
    try:
        entry = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _LineError(
            f"is not JSON: {error}", "write the log with `log_format … escape=json`"
        ) from None
    if not isinstance(entry, dict):
        raise _LineError("is not a JSON object", "write one JSON object a line")
    return entry


def _first(entry: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((entry[name] for name in names if entry.get(name) not in _ABSENT), None)


def _status(entry: Mapping[str, Any]) -> int:
    value = _first(entry, _STATUS)
    try:
        status = int(value)
    except (TypeError, ValueError):
        status = 0
    if not 100 <= status <= 599:
        raise _LineError(f"has the status {value!r}", 'log "status":"$status"')
    return status


def _duration_ms(entry: Mapping[str, Any]) -> float | None:
    value = entry.get("request_time")
    if value in _ABSENT:
        return None
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = math.nan
    if not 0 <= seconds < 1e9:
        raise _LineError(
            f"has the request_time {value!r}", 'log "request_time":"$request_time", in seconds'
        )
    return seconds * 1000


def _logged_at(entry: Mapping[str, Any]) -> int:
    value = _first(entry, _TIMES)
    try:
        return _moment(value)
    except (TypeError, ValueError, OverflowError):
        raise _LineError(
            f"has the time {value!r}" if value is not None else "has no time",
            'log "msec":"$msec" or "time_iso8601":"$time_iso8601"',
        ) from None


def _moment(value: Any) -> int:
    """µs since 1970 of $msec, $time_iso8601 or $time_local."""
    if isinstance(value, str) and "/" in value:
        return time_local(value)
    if isinstance(value, str) and "-" in value:
        moment = datetime.fromisoformat(value)
        return micros(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    seconds = float(value)
    if not 0 <= seconds < _LATEST:
        raise ValueError(value)
    return round(seconds * 1_000_000)


def _request(entry: Mapping[str, Any]) -> tuple[str, str]:
    path, method = _first(entry, _PATH), _first(entry, _METHOD)
    if isinstance(path, str) and isinstance(method, str):
        return method_of(method), template(path)
    line = entry.get("request")
    if isinstance(line, str):
        return request_line(line)
    if path is None and method is None and line is None:
        raise _LineError("names no request", 'log "request":"$request"')
    return OTHER_METHOD, template(path) if isinstance(path, str) else MALFORMED


FORMAT = Format(
    name="nginx_json",
    title="NGINX access log with one JSON object a line",
    media_type="application/x-ndjson",
    detect=_detect,
    map=_map,
    split=split_repeating,
)
