"""Findings in reports: whose question each chapter answers, on paper, in the mail, in the sheet."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import cast

import openpyxl
import pytest

from meterstone.board.model import Board
from meterstone.insight.findings import KeptFinding
from meterstone.measure.results import Scope
from meterstone.publish.findings import found_of
from meterstone.publish.reports.content import report
from meterstone.publish.reports.html import html_of
from meterstone.publish.reports.mail import letter_of
from meterstone.publish.reports.model import Kind, Points, Report
from meterstone.publish.reports.pictures import on_paper
from meterstone.publish.reports.xlsx import FINDINGS_HEAD, xlsx_of
from publish.found import MemoryFindings, examples, kept, risk
from publish.reports.test_files import Board as FileBoard
from publish.reports.test_files import _card


def made(kind: Kind, findings: Sequence[KeptFinding] | None = None) -> Report:
    found = examples() if findings is None else findings
    card = _card()
    shown = found_of(MemoryFindings(list(found)), Scope("network"))
    return report(kind, card, cast("Board", FileBoard(card)), findings=shown)


def sections(told: Report) -> dict[str, str]:
    return {section.title: section.lead for section in told.sections}


def test_each_reader_has_the_chapters_of_own_questions() -> None:
    daily, monthly = sections(made("daily")), sections(made("monthly"))
    assert daily["What may break next"] == "3 findings."
    assert "What it brought" not in daily
    assert monthly["What it brought"] == "3 findings, 1 withheld."
    assert monthly["What comes"] == "1 finding."
    assert "What may break next" not in monthly
    assert {"What it brought", "What comes", "What may break next"} <= set(
        sections(made("quarterly"))
    )
    assert "What it brought" not in sections(made("monthly", []))


def test_findings_of_another_day_say_so() -> None:
    old = [replace(each, day=date(2026, 2, 27)) for each in examples()]
    assert sections(made("monthly", old))["What comes"] == "1 finding, as of 27 February."


def test_a_report_of_the_network_has_nothing_of_single_shops() -> None:
    page = html_of(made("monthly"))
    assert "Your shop saves" not in page
    assert "Going live raised sales by 4.1 %" in page
    memory = MemoryFindings(examples())
    assert [each.finding.study for each in found_of(memory, Scope("franchise", "F1"))] == ["owners"]


def test_what_is_withheld_says_why_and_gives_no_figure() -> None:
    told = made("monthly")
    (chapter,) = [section for section in told.sections if section.id == "brought"]
    (points,) = [block for block in chapter.blocks if isinstance(block, Points)]
    held = points.points[-1]
    assert held.look is not None
    assert (held.title, held.look.word) == ("Client retention", "Withheld")
    assert "were gaining clients before" in held.text
    (table,) = [block for block in chapter.blocks if block.shape == "table"]
    assert "Client retention" not in {row[0] for row in table.rows}


def test_pictures_are_drawn_in_ink_on_paper() -> None:
    page = html_of(made("monthly"))
    assert page.count('class="drawing"') == 2
    (drawn,) = [
        block
        for section in made("monthly").sections
        if section.id == "ahead"
        for block in section.blocks
        if block.shape == "drawing"
    ]
    assert "Revenue a week" in drawn.title
    assert drawn.key.startswith("black: What happened; blue: Expected; dashed: As last week")
    svg = on_paper(drawn.chart)
    assert svg.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    assert "var(--" not in svg


def test_advice_with_its_worth_leads_what_needs_a_decision() -> None:
    (decisions,) = [s for s in made("monthly").sections if s.id == "decisions"]
    (points,) = decisions.blocks
    assert isinstance(points, Points)
    assert points.points[0].title == "Prove the saved hours of 22 shops"
    assert points.points[0].text.endswith("Worth: $310,000 a year.")
    assert not any("Renew the token" in point.title for point in points.points), "for operations"


def test_the_mail_tells_what_may_break_next() -> None:
    letter = letter_of(made("daily"), ())
    assert "An incident within 7 days is 38 % likely" in letter.text
    assert "An incident within 7 days is 38 % likely" in letter.html


def test_the_spreadsheet_has_every_figure_to_the_last_digit() -> None:
    exact = replace(risk("square", 38.123456789), sentence="=1+1")
    book = openpyxl.load_workbook(io.BytesIO(xlsx_of(made("daily", [kept(exact)])).data))
    sheet = book["Findings"]
    rows = [dict(zip(FINDINGS_HEAD, row, strict=True)) for row in sheet.iter_rows(
        min_row=2, values_only=True)]  # fmt: skip
    assert [row["Value"] for row in rows] == [38.123456789, 38.123456789 / 5]
    assert rows[0]["95 % from"] == pytest.approx(30.123456789)
    assert rows[0]["Hash"] == kept(exact).hash
    assert sheet["D2"].data_type == "s", "a sentence is never a formula"
