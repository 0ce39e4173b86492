"""A report as one HTML document for paper: no script, and nothing that lies outside of it."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from meterstone.publish.reports import pictures
from meterstone.publish.reports.model import Report
from meterstone.scorecard.values import VERDICTS, format_day


def html_of(report: Report) -> str:
    """The document that the PDF is made of; everything that was named by people is escaped."""
    return templates().get_template("report.html").render(report=report)


@cache
def templates() -> Environment:
    """The templates of reports, with their pictures."""
    made = Environment(
        loader=PackageLoader("meterstone.publish.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["day"] = format_day
    made.globals |= {
        "VERDICTS": VERDICTS, "pictures": pictures, "uri": pictures.data_uri,
    }  # fmt: skip
    return made
