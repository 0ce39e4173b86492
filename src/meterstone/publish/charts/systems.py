"""Where the targets stand, system by system: met, not met, not yet provable, without data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import altair as alt

from meterstone.publish.charts.drawn import INK, NARROW, SOFT, Chart, Specified, draw
from meterstone.scorecard.values import count_text

_ROW, _ROW_NARROW = 24, 38
_ROOM = 250
"""For the names of systems."""
_TONES: Mapping[str, str] = {
    "met": "var(--met)", "not met": "var(--miss)", "not yet provable": "var(--doubt)",
    "without verdict": "var(--rule)",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Standing:
    """How many targets of a system have which verdict; ``link``: where they are listed."""

    title: str
    met: int
    missed: int
    doubt: int
    none: int
    link: str = ""

    @property
    def count(self) -> int:
        """All targets of it."""
        return self.met + self.missed + self.doubt + self.none

    @property
    def parts(self) -> Mapping[str, int]:
        """By the words of the chart, in its order."""
        return dict(zip(_TONES, (self.met, self.missed, self.doubt, self.none), strict=True))


def standing_chart(systems: Sequence[Standing]) -> Chart | None:
    """One bar a system; None where there is none."""
    if not systems:
        return None

    def specify(width: int) -> Specified:
        return _layers(systems, width)

    total = {word: sum(each.parts[word] for each in systems) for word in _TONES}
    counted = ", ".join(f"{count} {word}" for word, count in total.items())
    content = [[each.title, *each.parts.values()] for each in systems]
    return draw("standing", content, specify, f"{count_text(len(systems), 'systems')}: {counted}")


def _layers(systems: Sequence[Standing], width: int) -> Specified:
    rows = [
        {"system": each.title, "verdict": word, "at": at, "count": count}
        for each in systems
        for at, (word, count) in enumerate(each.parts.items())
        if count
    ]
    sums = [
        {"system": each.title, "count": each.count, "says": f"{each.met} of {each.count}"}
        for each in systems
    ]
    is_wide = width > NARROW
    room = _ROOM if is_wide else 0
    down = _down([each.title for each in systems], is_wide=is_wide)
    across = alt.X("count:Q", axis=None, stack="zero")
    bars = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar(opacity=0.8, stroke="var(--card)", strokeWidth=1, size=14 if is_wide else 12)
        .encode(
            x=across,
            y=down,
            color=alt.Color(
                "verdict:N",
                scale=alt.Scale(domain=list(_TONES), range=list(_TONES.values())),
                legend=None,
            ),
            order=alt.Order("at:Q"),
        )
    )
    named = alt.Chart(alt.InlineData(values=sums))
    text = named.mark_text(align="left", dx=6, color=SOFT, font="inherit", fontSize=12).encode(
        x=alt.X("count:Q", axis=None), y=down, text="says:N"
    )
    layers = [bars, text]
    if not is_wide:  # names stand above their bars
        above = named.mark_text(align="left", dy=-14, color=INK, font="inherit", fontSize=12)
        layers.append(above.encode(x=alt.XDatum(0), y=down, text="system:N"))
    tall = (_ROW if is_wide else _ROW_NARROW) * len(systems)
    return alt.layer(*layers).properties(width=width - room - 60, height=tall)


def _down(order: Sequence[str], *, is_wide: bool) -> alt.Y:
    """Systems from top to bottom; their names beside them where there is room."""
    named = alt.Axis(
        labelLimit=_ROOM - 10, domain=False, ticks=False, labelColor=INK, minExtent=_ROOM
    )  # fmt: skip
    return alt.Y("system:N", sort=list(order), axis=named if is_wide else None)
