"""Charts: one Altair specification each, drawn as SVG and kept by the hash of its content."""

from meterstone.publish.charts.curves import curves_chart
from meterstone.publish.charts.days import days_chart
from meterstone.publish.charts.drawn import Chart, draw
from meterstone.publish.charts.systems import Standing, standing_chart

__all__ = ["Chart", "Standing", "curves_chart", "days_chart", "draw", "standing_chart"]
