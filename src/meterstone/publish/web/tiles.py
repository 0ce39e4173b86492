"""Integrations as tiles: how each is now, its 90 days, and what is worth a word about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from meterstone.board.model import Named
from meterstone.detect.state import IntegrationNow, Now, OpenIncident
from meterstone.publish.web.strips import Strip
from meterstone.publish.web.trouble import FAULTS, HEALTH, WORST, Moment, affected, clock
from meterstone.scorecard.values import Tone, count_text, format_duration

_LATE_DATA_S = 600.0
"""From so long without data on, a healthy integration says when the newest came."""

_UNWATCHED = "Not watched"
_THEN: Mapping[Tone, str] = {
    "met": "Uptime met", "miss": "Not well", "doubt": "Not yet provable", "none": "No data",
    "reference": "No data",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tile:
    """An integration now.

    Attributes:
        wrong: whether it is worth more than one mark.
        since: how long it has been so; None where it is well, or nothing is known.
        says: what is wrong, or the figures of one that is well.
        fault, affected: whose fault, and who is affected; empty where nothing is wrong.
        next: what to do.
        strip: None where nothing is kept of it.
    """

    key: str
    name: str
    href: str
    tone: Tone
    word: str
    wrong: bool
    since: Moment | None
    says: str
    fault: str
    affected: str
    next: str
    strip: Strip | None

    @property
    def watched(self) -> bool:
        """Whether anything is known of now."""
        return self.word != _UNWATCHED


def tiles(
    now: Now | None, known: Sequence[Named], strips: Mapping[str, Strip], zone: ZoneInfo,
    names: Mapping[str, str], *, past: bool = False,
) -> list[Tile]:  # fmt: skip
    """Every integration, the worst first, those that are well by name.

    Args:
        now: None: nothing is known of now.
        known: integrations with a scorecard.
        strips: by key.
        zone: the reporting time zone.
        names: of franchises.
        past: whether a day of the past is shown.
    """
    states = {each.integration: each for each in now.integrations} if now else {}
    found = {named.scope.key: named.name for named in known}
    found |= {key: state.name for key, state in states.items()}
    made = [
        (
            WORST.index(states[key].health) if key in states else len(WORST),
            tile(key, name, states.get(key), now, strips.get(key), zone, names, past=past),
        )
        for key, name in found.items()
    ]
    return [each for _, each in sorted(made, key=lambda pair: (pair[0], pair[1].name.lower()))]


def tile(
    key: str, name: str, state: IntegrationNow | None, now: Now | None, strip: Strip | None,
    zone: ZoneInfo, names: Mapping[str, str], *, past: bool = False,
) -> Tile:  # fmt: skip
    """One integration; of a day of the past its last mark says how it was."""
    href = f"/integrations/{key}"
    if past:
        tone = strip.marks[-1].tone if strip else "none"
        return Tile(key, name, href, tone, _THEN[tone], False, None, "", "", "", "", strip)
    if state is None or now is None:
        return Tile(key, name, href, "none", _UNWATCHED, False, None, "", "", "", "", strip)
    tone, word = HEALTH[state.health]
    wrong = state.health not in ("healthy", "paused")
    incident = _first(now.incidents, key)
    return Tile(
        key, name, href, tone, word, wrong,
        clock(state.since, now.at, zone) if state.since and state.health != "healthy" else None,
        _says(state, now.at),
        f"Fault: {FAULTS[incident.fault]}" if wrong and incident else "",
        _affected(state, incident, names) if tone == "miss" else "",
        state.next if state.health != "healthy" else "",
        strip,
    )  # fmt: skip


def _says(state: IntegrationNow, at: datetime) -> str:
    if state.health == "healthy":
        return figures(state, at)
    unsaid = "No call, and no probe that tells: quiet, or blind?" if state.health == "quiet" else ""
    return state.says or unsaid or figures(state, at)


def figures(state: IntegrationNow, at: datetime) -> str:
    """``lag p99 0.8 s · 0 of 31,204 webhooks missed``."""
    parts = []
    if state.lag_p99_s is not None:
        parts.append(f"lag p99 {format_duration(state.lag_p99_s)}")
    if state.webhooks and state.webhooks_missed is not None:
        parts.append(
            f"{state.webhooks_missed:,} of {count_text(state.webhooks, 'webhooks')} missed"
        )
    quiet_s = (at - state.last_data_at).total_seconds() if state.last_data_at else 0.0
    if quiet_s >= _LATE_DATA_S:
        parts.append(f"newest data {format_duration(quiet_s)} old")
    if not parts and state.connections:
        parts.append(count_text(state.connections, "connections"))
    return " · ".join(parts) or state.says


def _first(incidents: Iterable[OpenIncident], integration: str) -> OpenIncident | None:
    """The worst incident of an integration."""
    own = [each for each in incidents if each.integration == integration]
    return min(own, key=lambda each: (each.severity, each.started_at), default=None)


def _affected(
    state: IntegrationNow, incident: OpenIncident | None, names: Mapping[str, str]
) -> str:
    if state.shops_affected:
        named = affected(incident.franchises, names) if incident else ""
        few = incident is not None and len(incident.franchises) == state.shops_affected
        return named if few else count_text(state.shops_affected, "shops")
    return "no shop affected"
