"""Apache access logs, formats *common* and *combined* (also NGINX's default), to `api_request`.

Fields: https://httpd.apache.org/docs/2.4/mod/mod_log_config.html#formats
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from meterstone.facts import Reject, excerpt
from meterstone.record.lines import first_lines, numbered, split_repeating, text_of
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

# [virtual host] client ident user [time] "request" status bytes, then what the log adds.
_LINE = re.compile(
    r"(?:\S+ )?\S+ \S+ .{0,256}?\[(?P<time>[^\]]{20,26})\] "
    r'"(?P<request>(?:[^"\\]|\\.)*)" (?P<status>\d{3}) (?:\d+|-)(?: .*)?'
)
_REQUEST = re.compile(r"([A-Za-z]{3,12}) (\S+)(?: HTTP/\d(?:\.\d)?)?")


def _detect(_path: Path, head: bytes) -> bool:
    lines = first_lines(head)
    matching = sum(bool(_LINE.fullmatch(line.decode("utf-8", "replace"))) for line in lines)
    return matching * 2 > len(lines)


def _map(record: LandedRecord) -> Iterator[Mapped]:
    fixed = overrides(record)
    if isinstance(fixed, Reject):
        yield fixed
        return
    keys, served = LineKeys(), Served()
    for number, line in numbered(record.body):
        refused = _add(served, keys, number, line)
        if refused:
            yield refused
        if len(served.items) == ROWS:
            yield served.batch(record, fixed)
            served = Served()
    if served.items:
        yield served.batch(record, fixed)


def _add(served: Served, keys: LineKeys, number: int, line: bytes) -> Reject | None:
    text = text_of(number, line)
    if isinstance(text, Reject):
        return text
    found = _LINE.fullmatch(text)
    if not found:
        return _refused(number, line, "is not in the combined or common format")
    try:
        at = time_local(found["time"])
    except ValueError:
        return _refused(number, line, f"has the time {found['time']!r}")
    status = int(found["status"])
    if not 100 <= status <= 599:
        return _refused(number, line, f"has the status {status}")
    served.add(number, keys.key(line), at, request_line(found["request"]), status)
    return None


def _refused(number: int, line: bytes, what: str) -> Reject:
    return Reject(
        number,
        f"line {number} {what}",
        'log as \'%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"\', or say the format of '
        "the file with --as",
        excerpt(line),
        fact="api_request",
    )


_MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"


@lru_cache(maxsize=1024)
def time_local(text: str) -> int:
    """``17/May/2015:10:05:03 +0000`` as µs since 1970; month names are English in any locale.

    Raises:
        ValueError: it is no such time.
    """
    month, wrong = divmod(_MONTHS.find(text[3:6]), 3)
    if wrong or text[2:3] != "/" or text[6:7] != "/" or text[11:12] != ":":
        raise ValueError(text)
    iso = f"{text[7:11]}-{month + 1:02d}-{text[:2]}T{text[12:20]}{text[21:24]}:{text[24:26]}"
    return micros(datetime.fromisoformat(iso))


def request_line(text: str) -> tuple[str, str]:
    """Method and route template of ``GET /path HTTP/1.1``; garbage is a request too."""
    found = _REQUEST.fullmatch(text)
    return (method_of(found[1]), template(found[2])) if found else (OTHER_METHOD, MALFORMED)


FORMAT = Format(
    name="apache_combined",
    title="Apache or NGINX access log, combined or common format",
    media_type="text/plain",
    detect=_detect,
    map=_map,
    split=split_repeating,
)
