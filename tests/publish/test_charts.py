"""Charts: they show what the days say, hold under a strict content policy, and are drawn once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, timedelta
from xml.etree import ElementTree

from meterstone.board.model import DayValue
from meterstone.measure.results import Value
from meterstone.publish.charts import drawn
from meterstone.publish.charts.days import days_chart
from meterstone.publish.charts.drawn import Chart
from meterstone.publish.charts.systems import Standing, standing_chart

FIRST = date(2026, 3, 1)


def days(values: Sequence[Value], *, interval: bool = False) -> list[DayValue]:
    return [
        DayValue(
            FIRST + timedelta(days=at), value,
            (value - 1, value + 1) if interval and isinstance(value, float) else None,
            "met", "published",
        )
        for at, value in enumerate(values)
    ]  # fmt: skip


def chart(values: Sequence[Value], target: Value = 97.0, *, interval: bool = False) -> Chart:
    made = days_chart(days(values, interval=interval), {"value": target}, "%")
    assert made is not None
    return made


def layers(made: Chart, kind: str) -> list[str]:
    """The paths of a kind of mark, without its background and foreground."""
    found = re.findall(rf'<g class="mark-{kind} role-mark[^>]*>(.*?)</g>', made.wide)
    return [d for group in found for d in re.findall(r' d="([^"]+)"', group)]


def test_the_line_rises_with_its_values_and_breaks_where_a_day_is_missing() -> None:
    (line,) = layers(chart([90.0, 95.0, 99.0]), "line")
    heights = [float(y) for y in re.findall(r"[ML][\d.]+,([\d.]+)", line)]
    assert len(heights) == 3
    assert heights == sorted(heights, reverse=True)
    (broken,) = layers(chart([90.0, 91.0, None, 92.0, 93.0]), "line")
    assert broken.count("M") == 2


def test_a_day_alone_is_a_dot_because_no_line_leads_there() -> None:
    assert not layers(chart([90.0, 95.0, 99.0]), "symbol")
    assert len(layers(chart([90.0, None, 99.0]), "symbol")) == 2


def test_the_interval_and_a_target_that_is_near_are_drawn_and_said() -> None:
    near = chart([90.0, 95.0, 99.0], interval=True)
    assert layers(near, "area")
    assert "stroke-dasharray" in near.wide
    assert "from 90 % on 1 March 2026 to 99 % on 3 March 2026" in near.says
    assert near.says.endswith("the dashed line is the target; shaded: 95 % interval")
    assert near.says in near.wide
    far = chart([90.0, 95.0, 99.0], target=1e9)
    assert "stroke-dasharray" not in far.wide
    assert "target" not in far.says
    assert "target" not in chart([90.0, 95.0], target=True).says


def test_nothing_is_drawn_of_words_or_of_one_day() -> None:
    assert days_chart(days(["good", "good"]), {"value": "good"}, "") is None
    assert days_chart(days([True, False]), {"value": True}, "") is None
    assert days_chart(days([90.0]), {"value": 97.0}, "%") is None
    assert standing_chart([]) is None


def test_a_chart_has_no_style_or_script_and_no_colour_but_the_pages_own() -> None:
    hostile = Standing('<script>alert("1")</script>', 1, 1, 1, 1)
    bars = standing_chart([hostile])
    assert bars is not None
    for svg in (bars.wide, bars.narrow, chart([90.0, 95.0], interval=True).wide):
        root = ElementTree.fromstring(svg)  # noqa: S314 - drawn here
        assert root.get("role") == "img"
        assert root.get("aria-label")
        for element in root.iter():
            assert not element.tag.endswith(("script", "style", "image", "foreignObject"))
            assert "style" not in element.attrib
            for paint in (element.get("fill"), element.get("stroke")):
                assert paint in (None, "none", "transparent") or paint.startswith("var(--"), paint


def test_the_bars_are_as_long_as_their_counts() -> None:
    bars = standing_chart([Standing("A", 3, 1, 0, 0), Standing("B", 1, 0, 0, 1)])
    assert bars is not None
    assert bars.says == "2 systems: 4 met, 1 not met, 0 not yet provable, 1 without verdict"
    assert "3 of 4" in bars.wide
    lengths = [
        float(width[1]) for path in layers(bars, "rect") if (width := re.search(r"h([\d.]+)", path))
    ]
    assert lengths, "bars are drawn"
    assert max(lengths) < 3.1 * min(lengths)


def test_equal_charts_are_drawn_once_and_others_anew() -> None:
    one, same, other = chart([1.0, 2.0]), chart([1.0, 2.0]), chart([1.0, 3.0])
    assert one == same
    assert one.hash != other.hash
    assert one.hash in drawn._kept
    many = [chart([float(n), 0.5]) for n in range(3)]
    assert len({each.hash for each in many}) == 3
