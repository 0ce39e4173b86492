"""What a simulated network looks like: its size, its history, and its story."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from meterstone.errors import InputError, suggest

Story = Literal["thriving", "struggling", "honest", "quiet"]

END = datetime(2026, 10, 1, tzinfo=UTC)
"""The moment that a simulated network is measured at: the end of a month and of a quarter."""

MOST_SHOPS = 2_000
MOST_MONTHS = 48


@dataclass(frozen=True, slots=True)
class Preset:
    """One network to simulate.

    Attributes:
        story: thriving (every target is met), struggling (the same network, a known list is
            missed), honest (mixed, with gaps, expired attestations and tiny samples), quiet (no
            data at all).
        shops: franchises signed by the end.
        start: first moment of the history, the first of a month.
        programme_start: when the integration programme begins; the year before is its baseline.
        telemetry_days: how many days before the end have high-volume telemetry (probes, sync
            runs, checks of controls). 32 are enough for what is measured at the end; the gates of
            90 days need 122.
        seed: same seed, same bytes.
    """

    story: Story
    shops: int
    start: datetime
    programme_start: datetime
    telemetry_days: int = 32
    seed: int = 1
    end: datetime = END

    @property
    def large(self) -> bool:
        """Whether it is the large network with a long history (thriving and struggling)."""
        return self.story in ("thriving", "struggling")


_LARGE = Preset(
    "thriving",
    shops=480,
    start=datetime(2023, 1, 1, tzinfo=UTC),
    programme_start=datetime(2024, 1, 1, tzinfo=UTC),
)

PRESETS: dict[str, Preset] = {
    "thriving": _LARGE,
    "struggling": replace(_LARGE, story="struggling"),
    "honest": Preset(
        "honest",
        shops=60,
        start=datetime(2025, 8, 1, tzinfo=UTC),
        programme_start=datetime(2026, 1, 1, tzinfo=UTC),
    ),
    "quiet": Preset(
        "quiet",
        shops=0,
        start=datetime(2025, 8, 1, tzinfo=UTC),
        programme_start=datetime(2026, 1, 1, tzinfo=UTC),
    ),
}


def preset(
    name: str,
    *,
    shops: int | None = None,
    months: int | None = None,
    telemetry_days: int | None = None,
    seed: int | None = None,
) -> Preset:
    """A preset by name, with what is to differ from it.

    Args:
        shops: franchises signed by the end, 1 to 2,000.
        months: length of the history, 2 to 48; the programme then begins after a third of it.

    Raises:
        InputError: no such preset, or a size that cannot be simulated.
    """
    if name not in PRESETS:
        raise InputError(
            f"unknown network {name!r}", place="preset", mend=suggest(name, list(PRESETS))
        )
    chosen = PRESETS[name]
    if shops is not None:
        if not 1 <= shops <= MOST_SHOPS or chosen.story == "quiet":
            raise InputError(
                f"{shops} shops cannot be simulated",
                place="shops",
                mend="1 to 2000; quiet has none",
            )
        chosen = replace(chosen, shops=shops)
    if months is not None:
        if not 2 <= months <= MOST_MONTHS:
            raise InputError(f"{months} months", place="months", mend="write 2 to 48")
        chosen = replace(
            chosen,
            start=months_before(chosen.end, months),
            programme_start=months_before(chosen.end, months - max(months // 3, 1)),
        )
    if telemetry_days is not None:
        chosen = replace(chosen, telemetry_days=telemetry_days)
    return chosen if seed is None else replace(chosen, seed=seed)


def months_before(moment: datetime, months: int) -> datetime:
    """The same day and time of an earlier month; the moment is the first of a month."""
    index = moment.year * 12 + moment.month - 1 - months
    return moment.replace(year=index // 12, month=index % 12 + 1)
