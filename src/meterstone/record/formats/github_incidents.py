"""Incidents of a public status page to `incident`.

Two shapes: the list of the GitHub status history (``first_update``, ``resolved``,
``stated_impact_window``), and Statuspage's API (https://www.githubstatus.com/api, the shape of
``/api/v2/incidents.json`` of every page hosted there).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from meterstone.errors import FormatError
from meterstone.facts import Reject, build_batch, excerpt, vocabulary
from meterstone.record.lines import BOM, split_document
from meterstone.record.model import Format, LandedRecord, Mapped
from meterstone.record.request_rows import with_skipped

_GITHUB = re.compile(rb'\s*\[\s*\{.*?"first_update"\s*:.*?"update_times"\s*:', re.DOTALL)
_STATUSPAGE = re.compile(rb'\s*\{.*?"incidents"\s*:\s*\[', re.DOTALL)

_SEVERITY = {"critical": "sev1", "major": "sev2", "minor": "sev3", "none": "sev4"}
_UNRATED = "sev3"
_KINDS = (
    ("security", r"security|breach|vulnerab|unauthori[sz]ed access"),
    ("data", r"data loss|corrupt|inconsisten|incorrect|stale|missing data"),
    ("performance", r"slow|delay|latency|degraded performance"),
    ("capacity", r"capacity|overload"),
)
"""Words of a title that make an incident another kind than availability, in this order."""
_OVER = ("resolved", "postmortem")


def _detect(_path: Path, head: bytes) -> bool:
    text = head.removeprefix(BOM)
    if _GITHUB.match(text):
        return True
    return _STATUSPAGE.match(text) is not None and (
        b'"incident_updates"' in text or b'"page"' in text or b'"impact"' in text
    )


def _map(record: LandedRecord) -> Iterator[Mapped]:
    try:
        document = msgspec.json.decode(record.body.removeprefix(BOM))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FormatError(f"not JSON: {error}", mend="download the page's history again") from None
    entries = document.get("incidents") if isinstance(document, dict) else document
    if not isinstance(entries, list):
        raise FormatError("no list of incidents", mend='send a list or {"incidents": [...]}')
    rows: list[tuple[int, Mapping[str, Any]]] = []
    planned = 0
    for item, entry in enumerate(entries, 1):
        if isinstance(entry, dict) and entry.get("impact") == "maintenance":
            planned += 1
            continue
        try:
            rows.append((item, _row(entry)))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            yield _wrong_incident(item, entry, error)
    usual = {name: record.context.get(name) for name in ("integration", "franchise_id")}
    batch = build_batch(
        vocabulary()["incident"], rows, received_at=record.received_at, defaults=usual
    )
    yield with_skipped(batch, planned)


def _wrong_incident(item: int, entry: object, error: Exception) -> Reject:
    what = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
    return Reject(
        item,
        f"incident {item}: {what}",
        "an incident has an id, a title or name, and the time of its first update",
        excerpt(str(entry)),
        fact="incident",
    )


def _row(entry: Mapping[str, Any]) -> dict[str, Any]:
    """One incident as columns.

    Raises:
        KeyError, ValueError, TypeError, AttributeError: it is not of a known shape.
    """
    times = _github_times(entry) if "first_update" in entry else _statuspage_times(entry)
    started, detected, resolved, impact_s = times
    title = str(entry.get("title") or entry["name"])
    return {
        "incident_id": str(entry["id"]),
        "kind": kind_of(title),
        "severity": _SEVERITY.get(str(entry.get("impact")), _UNRATED),
        "started_at": started,
        "detected_at": detected,
        "resolved_at": resolved,
        # What a status page does not say is filled with what claims least.
        "detected_by": "third_party",
        "auto_resolved": False,
        "escalated": False,
        "predicted": False,
        "customer_impact_s": impact_s,
        "source": "help_desk",
        "source_ref": title,
        # The page is the vendor's own account of it.
        "evidence": "reported",
    }


_Times = tuple[datetime, datetime, datetime | None, float | None]
"""Started, detected, resolved, seconds of stated impact."""


def _github_times(entry: Mapping[str, Any]) -> _Times:
    detected = _time(entry["first_update"])
    resolved = _time(entry["resolved"]) if entry.get("resolved") else None
    window: Sequence[str] | None = entry.get("stated_impact_window")
    if not window:
        return detected, detected, resolved, None
    start, end = map(_time, window)
    if end < start:
        raise ValueError(f"the stated impact ends at {end}, before it starts at {start}")
    return min(start, detected), detected, resolved, (end - start).total_seconds()


def _statuspage_times(entry: Mapping[str, Any]) -> _Times:
    updates: Sequence[Mapping[str, Any]] = entry.get("incident_updates") or ()
    created = _time(entry["created_at"])
    detected = min([created, *(_time(u["created_at"]) for u in updates if u.get("created_at"))])
    started = _time(entry["started_at"]) if entry.get("started_at") else detected
    return min(started, detected), detected, _resolved(entry, updates), None


def _resolved(entry: Mapping[str, Any], updates: Sequence[Mapping[str, Any]]) -> datetime | None:
    if entry.get("resolved_at"):
        return _time(entry["resolved_at"])
    if entry.get("status") not in _OVER:
        return None
    said = [_time(u["created_at"]) for u in updates if u.get("status") == "resolved"]
    if not said:
        raise ValueError("the status is resolved, but no time says when")
    return min(said)


def _time(value: Any) -> datetime:
    moment = datetime.fromisoformat(value)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def kind_of(title: str) -> str:
    """The kind of an incident by its title: availability unless a word says otherwise."""
    lower = title.lower()
    return next((kind for kind, words in _KINDS if re.search(words, lower)), "availability")


FORMAT = Format(
    name="github_incidents",
    title="Incidents of a status page (GitHub history, Statuspage API)",
    media_type="application/json",
    detect=_detect,
    map=_map,
    split=split_document,
)
