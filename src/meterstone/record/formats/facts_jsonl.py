"""Facts as JSON lines: ``{"fact": "probe", "probe_id": …}``, one row a line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from meterstone.facts import Reject, excerpt, vocabulary
from meterstone.record.fact_rows import Row, batches, defaults_of, stem
from meterstone.record.lines import first_lines, numbered, split_lines
from meterstone.record.model import Format, LandedRecord, Mapped

_decode = msgspec.json.Decoder(dict[str, Any]).decode


def _detect(path: Path, head: bytes) -> bool:
    lines = first_lines(head, 1)
    try:
        first = _decode(lines[0]) if lines else {}
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    if "fact" in first:
        return True
    fact = vocabulary().get(stem(path.name))
    return fact is not None and set(fact.key) <= first.keys()


def _map(record: LandedRecord) -> Iterator[Mapped]:
    return batches(record, _rows(record.body), defaults_of(record))


def _rows(body: bytes) -> Iterator[Row | Reject]:
    for number, line in numbered(body):
        try:
            yield number, _decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            yield Reject(
                number,
                f"line {number} is not JSON: {error}",
                'write one JSON object a line, such as {"fact": "probe", …}; JSON has no NaN: '
                "leave the column out",
                excerpt(line),
            )


FORMAT = Format(
    name="facts_jsonl",
    title="Facts, one JSON object a line",
    media_type="application/x-ndjson",
    detect=_detect,
    map=_map,
    split=split_lines,
)
