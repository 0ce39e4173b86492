"""The same numbers in the PDF, the spreadsheet and the mail; the attachment verifies; nothing that
somebody named becomes markup or a formula."""

from __future__ import annotations

import email
import io
from datetime import UTC, date, datetime
from email.policy import default
from html import unescape
from zoneinfo import ZoneInfo

import openpyxl
import pypdf
import pytest

from meterstone.board.model import Card, DayValue, Named
from meterstone.catalogue import Catalogue
from meterstone.measure.results import Measurement, MetricResult, PlaceVerdict, Scope
from meterstone.publish.reports.content import report
from meterstone.publish.reports.mail import letter_of
from meterstone.publish.reports.model import Report
from meterstone.publish.reports.pdf import pdf_of
from meterstone.publish.reports.xlsx import HEAD, xlsx_of
from meterstone.scorecard import About, SigningKey, build, verify_document
from meterstone.scorecard.canonical import canonical
from meterstone.scorecard.sign import sign

AT = datetime(2026, 3, 3, 8, 0, tzinfo=UTC)
DAY = date(2026, 3, 2)
KEY = SigningKey.generate()
FORMULA = '=HYPERLINK("http://x.example","click")'
MARKUP = "Uptime <script>alert(1)</script>"


def _result(id_: str, value: float, target: float, verdict: str) -> MetricResult:
    wanted = {"cmp": ">=", "value": target, "unit": "%"}
    return MetricResult(
        id=id_, refs=(f"Own.{id_}",), scope=Scope("network"), value=value, unit="%",
        interval=(value - 0.02, value + 0.02), n=1440, evidence="measured", verdict=verdict,
        target=wanted, freshness_s=11.0, window=(AT, AT), reason=f"The target is {verdict}.",
        places=(PlaceVerdict(f"Own.{id_}", wanted, verdict),),
    )  # fmt: skip


def _card(day: date = DAY) -> Card:
    results = [_result("up", 99.95, 99.9, "met"), _result("sync", 98.8123, 99.5, "not_met")]
    made = build(
        Measurement(AT, AT, "3f2a", results, []), scope=Scope("network"), day=day,
        time_zone="UTC", catalogue_name="own", catalogue_version="1", highest_seq=7,
        input_digest="d1", labels=["simulated"],
        about={"up": About(title=MARKUP, sample_unit="slots"),
               "sync": About(title=FORMULA, sample_unit="slots")},
    )  # fmt: skip
    document = sign(made, KEY)
    body = canonical(document)
    return Card(Scope("network"), day, AT, document["content_hash"], document, body)


class Board:
    """One card, kept in memory."""

    version = 1
    catalogue = Catalogue("own", "1", "h", {}, {}, {})
    zone = ZoneInfo("UTC")
    label = "simulated"

    def __init__(self, card: Card) -> None:
        self.only = card

    def scopes(self, _kind: str) -> list[Named]:
        return []

    def days(self, _scope: Scope) -> list[date]:
        return [self.only.day]

    def card(self, _scope: Scope, day: date | None = None, _known: object = None) -> Card | None:
        return self.only if day in (None, self.only.day) else None

    def revisions(self, _scope: Scope, _day: date) -> list[object]:
        return []

    def history(self, *_asked: object) -> list[DayValue]:
        return [DayValue(DAY, 99.0, None, "met", "published")]


@pytest.fixture(scope="module")
def made() -> Report:
    card = _card()
    return report("daily", card, Board(card))


def test_the_pdf_is_tagged_and_carries_the_scorecard_that_verifies(made: Report) -> None:
    file = pdf_of(made)
    read = pypdf.PdfReader(io.BytesIO(file.data))
    root = read.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "en"
    assert read.metadata is not None
    assert read.metadata.title == made.title
    assert read.outline
    attached = read.attachments["scorecard.json"][0]
    assert verify_document(attached, {KEY.key_id: KEY.public}).holds
    text = " ".join(page.extract_text() for page in read.pages).replace("\n", " ")
    for said in ("99.95 %", "98.8 %", "Not met", "Simulated data", "alert(1)"):
        assert said in text
    assert made.provenance.hash[:16] in text
    assert all("Simulated data" in page.extract_text() for page in read.pages)
    assert pdf_of(made).data == file.data


def test_the_spreadsheet_has_the_numbers_of_the_document(made: Report) -> None:
    book = openpyxl.load_workbook(io.BytesIO(xlsx_of(made).data))
    sheet = book["Own"]
    assert [cell.value for cell in sheet[1]] == list(HEAD)
    assert sheet.freeze_panes == "B2"
    assert sheet.auto_filter.ref
    rows = {row[13].value: row for row in sheet.iter_rows(min_row=2)}
    for metric in made.document["metrics"]:
        row = rows[metric["id"]]
        assert row[1].value == metric["value"]
        assert [row[3].value, row[4].value] == metric["interval"]
        assert row[5].value == metric["target"]["value"]
    assert rows["sync"][0].value == FORMULA
    assert rows["sync"][0].data_type == "s"
    told = {row[0].value: row[1].value for row in book["Provenance"].iter_rows()}
    assert told["Content hash (SHA-256)"] == made.provenance.hash
    assert told["Signature (Ed25519)"] == made.provenance.signature


def test_the_mail_says_the_same_in_text_and_html(made: Report) -> None:
    letter = letter_of(made, [xlsx_of(made)], "https://meterstone.example/reports/1")
    sent = bytes(letter.message("hub@meterstone.example", ["a@shop.example"], "key-1"))
    mail = email.message_from_bytes(sent, policy=default)
    assert mail["Message-ID"] == "<key-1@meterstone.example>"
    assert mail["Subject"].startswith("Simulated: Daily operations")
    text = mail.get_body(("plain",)).get_content()
    html = mail.get_body(("html",)).get_content()
    for said in ("98.8 %", made.provenance.hash, made.sentence):
        assert said in text
        assert said in unescape(html)
    assert "<script" not in html
    assert [part.get_filename() for part in mail.iter_attachments()] == [f"{made.stem}.xlsx"]
    pictures = [part for part in mail.walk() if part.get_content_type() == "image/png"]
    assert pictures
    assert all(f"cid:{part['Content-ID'].strip('<>')}" in html for part in pictures)


def test_the_attachment_is_not_taken_when_it_was_altered(made: Report) -> None:
    read = pypdf.PdfReader(io.BytesIO(pdf_of(made).data))
    attached = read.attachments["scorecard.json"][0]
    assert not verify_document(
        attached.replace(b"98.8123", b"99.8123"), {KEY.key_id: KEY.public}
    ).holds
