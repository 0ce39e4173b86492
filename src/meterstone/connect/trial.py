"""A connector tried on samples: what its mapping makes of an answer, without a call and a home."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from meterstone.connect.formats import VENDOR_PAGE
from meterstone.connect.mapping import StreamMapping
from meterstone.connect.quirks import Quirks
from meterstone.connect.reading import FILE, Loaded
from meterstone.errors import InputError, suggest
from meterstone.facts import FactBatch, Reject
from meterstone.record.fact_rows import batches
from meterstone.record.model import LandedRecord

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_SHOWN = 3


@dataclass(slots=True)
class Trial:
    """What a sample became: how many rows of each fact, the first of them, and the refusals."""

    stream: str
    records: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    first: list[dict[str, Any]] = field(default_factory=list)
    refused: list[dict[str, str]] = field(default_factory=list)


def starter(name: str) -> str:
    """A commented connector file for a vendor of this name, to be edited.

    Raises:
        InputError: it is no name of a connector.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name!r} is no name of a connector", place="NAME",
            mend="write lower-case letters, digits and _, beginning with a letter",
        )  # fmt: skip
    text = (Path(__file__).parent / "starter.yaml").read_text(encoding="utf-8")
    return text.replace("CONNECTOR", name)


def begin(folder: Path, name: str) -> Path:
    """Write the file of a new connector into the folder of a home; its path.

    Raises:
        InputError: there is one already, or it is no name.
    """
    text = starter(name)
    file = folder / "connectors" / name / FILE
    if file.exists():
        raise InputError("there is one already", place=str(file), mend="edit it, or move it away")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def try_sample(loaded: Loaded, stream: str, body: bytes, context: Mapping[str, str]) -> Trial:
    """Map an answer of the vendor as a sync would.

    Args:
        loaded: the connector.
        stream: of which.
        body: the answer as received.
        context: what a connection would add (``franchise_id``, ``site:L1`` …).

    Raises:
        InputError: no such stream, or bytes that are no answer.
    """
    connector = loaded.connector
    if stream not in connector.streams:
        raise InputError(
            f"there is no stream {stream!r}", place=str(loaded.at),
            mend=suggest(stream, list(connector.streams)),
        )  # fmt: skip
    mapping = StreamMapping(connector, stream, Quirks(connector.connector, own=loaded.own))
    trial = Trial(stream)
    records = list(mapping.records(body, context))
    trial.records = len(records)
    landed = _landed(body, context)
    for part in batches(landed, mapping.rows_of(records, context), {}):
        if isinstance(part, Reject):
            _refuse(trial, part)
        else:
            _count(trial, part)
    return trial


def _count(trial: Trial, batch: FactBatch) -> None:
    name = batch.schema.name
    trial.rows[name] = trial.rows.get(name, 0) + batch.table.num_rows
    for row in batch.table.slice(0, _SHOWN).to_pylist():
        kept = {k: v for k, v in row.items() if v is not None and not k.startswith("_")}
        trial.first.append({"fact": name, **kept})
    for reject in batch.rejects:
        _refuse(trial, reject)


def _refuse(trial: Trial, reject: Reject) -> None:
    trial.refused.append({"record": str(reject.item), "reason": reject.reason, "mend": reject.mend})


def _landed(body: bytes, context: Mapping[str, str]) -> LandedRecord:
    return LandedRecord(
        seq=0, received_at=datetime.now(UTC), body=body, format=VENDOR_PAGE,
        media_type="application/json", source="trial", name="trial", context=context, sha256=b"",
    )  # fmt: skip
