"""A report as a spreadsheet: numbers as numbers, in the scorecard's own units, one sheet a system.

Text is written as text whatever it begins with, so that a name like ``=HYPERLINK(…)`` stays a name.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from datetime import UTC
from typing import Any

import xlsxwriter

from meterstone.insight.findings import Figure
from meterstone.measure.results import Value
from meterstone.publish.findings import ordered
from meterstone.publish.order import by_system
from meterstone.publish.reports.model import MadeFile, Report
from meterstone.publish.reports.pictures import COLOURS
from meterstone.publish.reports.view import system_title
from meterstone.publish.web.numbers import number
from meterstone.scorecard.values import VERDICTS, format_target

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

HEAD = (
    "Metric", "Value", "Unit", "95 % from", "95 % to", "Target", "Target in words", "Verdict",
    "Days met in a row", "Sample", "Sample unit", "Evidence", "Reason", "Id", "Framework",
)  # fmt: skip
_WIDTHS = (44, 16, 18, 12, 12, 12, 26, 20, 10, 12, 22, 12, 60, 34, 60)
FINDINGS_HEAD = (
    "Study", "About", "Finding", "Sentence", "Withheld because", "Figure", "Value", "Unit",
    "95 % from", "95 % to", "Day", "Hash",
)  # fmt: skip
_FINDINGS_WIDTHS = (14, 24, 36, 70, 40, 30, 16, 16, 12, 12, 12, 40)
_LONGEST_NAME = 31  # of a sheet, in Excel
_LONGEST_TEXT = 32_767  # of a cell


def xlsx_of(report: Report) -> MadeFile:
    """The spreadsheet of a report: every metric of its scorecard, whatever its cadence. The same
    report gives the same bytes."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(
        out,
        {
            "in_memory": True, "strings_to_formulas": False, "strings_to_urls": False,
            "strings_to_numbers": False,
        },
    )  # fmt: skip
    moment = report.known_at.astimezone(UTC).replace(tzinfo=None)
    book.set_properties(
        {
            "title": report.title, "author": "Meterstone", "created": moment,
            "subject": report.sentence, "comments": f"scorecard {report.provenance.hash}",
        }
    )  # fmt: skip
    sheets = _Sheets(book)
    sheets.summary(report)
    for system, metrics in by_system(report.document["metrics"]).items():
        sheets.system(system_title(system), metrics, simulated=report.simulated)
    sheets.gates(report)
    sheets.findings(report)
    sheets.provenance(report)
    book.close()
    return MadeFile(f"{report.stem}.xlsx", XLSX, out.getvalue())


class _Sheets:
    def __init__(self, book: Any) -> None:
        self._book = book
        self._formats: dict[str, Any] = {}
        self._names: set[str] = set()
        self._bold = book.add_format({"bold": True})
        self._head = book.add_format(
            {"bold": True, "bottom": 1, "text_wrap": True, "valign": "top", "bg_color": "#f3f1ec"}
        )
        self._large = book.add_format({"bold": True, "font_size": 18, "text_wrap": True})
        self._wrap = book.add_format({"text_wrap": True, "valign": "top"})
        self._warn = book.add_format({"bold": True, "font_color": COLOURS["doubt"]})
        self._verdicts = {
            tone: book.add_format({"bold": True, "font_color": colour})
            for tone, colour in COLOURS.items()
        }

    def summary(self, report: Report) -> None:
        """The first sheet: the sentence, and how each system stands."""
        sheet = self._add("Summary", report.simulated)
        sheet.set_column(0, 0, 44)
        sheet.set_column(1, 5, 16)
        for row, (text, look) in enumerate(
            (
                (report.sentence, self._large), (report.lead, self._wrap), (report.title, None),
                (f"As known {report.provenance.known_at} ({report.zone})", None),
                ("Simulated data: nothing here is about real shops or people."
                 if report.simulated else "", self._warn),
            )
        ):  # fmt: skip
            _text(sheet, row, 0, text, look)
        words = list(dict.fromkeys(look.word for look in VERDICTS.values()))
        for column, word in enumerate(("System", *words)):
            _text(sheet, 6, column, word, self._head)
        for row, (system, metrics) in enumerate(by_system(report.document["metrics"]).items(), 7):
            _text(sheet, row, 0, system_title(system), None)
            for column, word in enumerate(words, 1):
                held = sum(VERDICTS[metric["verdict"]].word == word for metric in metrics)
                sheet.write_number(row, column, held)

    def system(self, title: str, metrics: list[Mapping[str, Any]], *, simulated: bool) -> None:
        """A sheet of metrics, with frozen head and filter."""
        sheet = self._add(title, simulated)
        for column, (word, width) in enumerate(zip(HEAD, _WIDTHS, strict=True)):
            sheet.set_column(column, column, width)
            _text(sheet, 0, column, word, self._head)
        for row, metric in enumerate(metrics, 1):
            self._metric(sheet, row, metric)
        sheet.freeze_panes(1, 1)
        sheet.autofilter(0, 0, len(metrics), len(HEAD) - 1)

    def _metric(self, sheet: Any, row: int, metric: Mapping[str, Any]) -> None:
        shown, target = number(metric), metric["target"]
        unit = str(metric["unit"])
        low, high = metric["interval"] or (None, None)
        cells: tuple[Value, ...] = (
            shown.title, metric["value"], unit, low, high,
            target["value"] if _is_number(target.get("value")) else None,
            format_target(target), str(shown.look), metric["run"], metric["n"],
            metric["sample_unit"], shown.evidence, shown.reason, metric["id"],
            ", ".join(metric["refs"]),
        )  # fmt: skip
        for column, value in enumerate(cells):
            if isinstance(value, bool):
                _text(sheet, row, column, "yes" if value else "no", None)
            elif isinstance(value, int | float):
                measured = column in (1, 3, 4, 5)
                sheet.write_number(row, column, value, self._number(unit if measured else ""))
            elif value is not None:
                look = self._verdicts[shown.look.tone] if column == 7 else None
                _text(sheet, row, column, value, look)

    def gates(self, report: Report) -> None:
        """The gates of the network."""
        if not report.document["gates"]:
            return
        sheet = self._add("Gates", report.simulated)
        sheet.set_column(0, 0, 70)
        sheet.set_column(1, 6, 16)
        head = ("Gate", "Passed", "Days in a row", "Needed", "Chance to pass, %", "Since", "Reason")
        for column, word in enumerate(head):
            _text(sheet, 0, column, word, self._head)
        for row, gate in enumerate(report.document["gates"], 1):
            _text(sheet, row, 0, gate["title"], None)
            _text(sheet, row, 1, "yes" if gate["passed"] else "no", None)
            sheet.write_number(row, 2, gate["run"])
            sheet.write_number(row, 3, gate["needed"])
            if gate["chance_all"] is not None:
                sheet.write_number(row, 4, 100 * gate["chance_all"], self._number("%"))
            _text(sheet, row, 5, gate["since"] or "", None)
            _text(sheet, row, 6, gate["reason"], None)
        sheet.freeze_panes(1, 1)

    def findings(self, report: Report) -> None:
        """What studies found: a row a figure, to the last digit."""
        if not report.findings:
            return
        sheet = self._add("Findings", report.simulated)
        for column, (word, width) in enumerate(zip(FINDINGS_HEAD, _FINDINGS_WIDTHS, strict=True)):
            sheet.set_column(column, column, width)
            _text(sheet, 0, column, word, self._head)
        row = 0
        for kept in ordered(report.findings):
            told = kept.finding
            for figure in told.figures or (None,):
                row += 1
                words = (
                    told.study,
                    str(told.scope),
                    told.title,
                    told.sentence,
                    told.withheld or "",
                )
                for column, text in enumerate(words):
                    _text(sheet, row, column, text, None)
                _text(sheet, row, 10, kept.day.isoformat(), None)
                _text(sheet, row, 11, kept.hash, None)
                if figure is not None:
                    self._figure(sheet, row, figure)
        sheet.freeze_panes(1, 3)
        sheet.autofilter(0, 0, row, len(FINDINGS_HEAD) - 1)

    def _figure(self, sheet: Any, row: int, figure: Figure) -> None:
        _text(sheet, row, 5, figure.title, None)
        _text(sheet, row, 7, figure.unit, None)
        for column, value in ((6, figure.value), (8, figure.low), (9, figure.high)):
            if isinstance(value, str):
                _text(sheet, row, column, value, None)
            elif value is not None:
                sheet.write_number(row, column, value, self._number(figure.unit))

    def provenance(self, report: Report) -> None:
        """The last sheet: by what a reader can tell that nobody edited it."""
        sheet = self._add("Provenance", report.simulated)
        sheet.set_column(0, 0, 28)
        sheet.set_column(1, 1, 96)
        told = report.provenance
        rows = (
            ("Content hash (SHA-256)", told.hash), ("Signature (Ed25519)", told.signature),
            ("Key", told.key_id), ("Day", report.day.isoformat()), ("Time zone", report.zone),
            ("As known", str(report.document["known_at"])), ("Revision", str(told.revision)),
            ("Definitions", told.catalogue), ("Hash of the definitions", told.catalogue_hash),
            ("Records landed", str(told.landed)), ("Digest of the records", told.digest),
            ("Labels", ", ".join(report.document["labels"])),
            ("To check it", "The PDF of this report carries the signed scorecard as an attachment: "
             "meterstone verify scorecard.json"),
        )  # fmt: skip
        for row, (name, value) in enumerate(rows):
            _text(sheet, row, 0, name, self._bold)
            _text(sheet, row, 1, value, None)

    def _add(self, title: str, simulated: bool) -> Any:
        sheet = self._book.add_worksheet(_sheet_name(title, self._names))
        if simulated:
            sheet.set_header("&L&A&RSimulated data")
        sheet.set_footer("&RPage &P of &N")
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(0)
        return sheet

    def _number(self, unit: str) -> Any:
        pattern = number_format(unit)
        if pattern not in self._formats:
            self._formats[pattern] = self._book.add_format({"num_format": pattern})
        return self._formats[pattern]


def number_format(unit: str) -> str:
    """How Excel shows a number of a unit: grouped, with its unit, no digit of the value changed.

    A percentage is a number of percents, as the scorecard has it, not a share.
    """
    figures = "#,##0.######"
    if unit.startswith("USD"):
        return '"$"#,##0.00'
    word = "%" if unit.startswith("%") else unit if unit in ("ms", "s", "h", "min", "days") else ""
    return f'{figures}" {word}"' if word else figures


def _sheet_name(title: str, taken: set[str]) -> str:
    """A name that Excel takes, and no other sheet has."""
    clean = re.sub(r"[\[\]:*?/\\]", " ", title).strip("' ")[:_LONGEST_NAME] or "Metrics"
    name, count = clean, 2
    while name.lower() in taken:
        name = f"{clean[: _LONGEST_NAME - 3]} {count}"
        count += 1
    taken.add(name.lower())
    return name


def _text(sheet: Any, row: int, column: int, text: str, look: Any) -> None:
    """Text, never a formula or a link, without characters that XML has no form for."""
    clean = "".join(c for c in str(text) if c in "\t\n" or c.isprintable())[:_LONGEST_TEXT]
    sheet.write_string(row, column, clean, look)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
