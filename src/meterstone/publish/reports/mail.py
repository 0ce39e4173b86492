"""A report as a mail: HTML that mail programs show (tables, styles in place, pictures as PNG parts)
and the same in plain text; the PDF and the spreadsheet attached.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP

import vl_convert

from meterstone.publish.reports import pictures
from meterstone.publish.reports.html import templates
from meterstone.publish.reports.model import Line, Lines, MadeFile, Points, Promises, Report, Table
from meterstone.scorecard.values import VERDICTS

_PICTURE_SCALE = 2.0  # for screens with two pixels a point
_MOST_LINES = 12
_MOST_ROWS = 12


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail without sender and receivers: whoever sends it knows those."""

    subject: str
    text: str
    html: str
    pictures: Sequence[tuple[str, bytes]]
    attachments: Sequence[MadeFile]

    def message(self, sender: str, receivers: Sequence[str], key: str) -> EmailMessage:
        """The mail as it is sent.

        Args:
            key: the same for the same letter to the same receivers: by it a mail program knows one
                that was sent twice.
        """
        made = EmailMessage(policy=SMTP)
        made["Subject"] = " ".join(self.subject.split())
        made["From"] = sender
        made["To"] = ", ".join(receivers)
        made["Message-ID"] = f"<{key}@{_domain(sender)}>"
        made["Auto-Submitted"] = "auto-generated"
        made.set_content(self.text)
        made.add_alternative(self.html, subtype="html")
        html = made.get_payload()[1]  # type: ignore[index]  # the two alternatives
        for name, png in self.pictures:
            html.add_related(  # type: ignore[union-attr]  # a message
                png, "image", "png", cid=f"<{name}>", filename=f"{name}.png", disposition="inline"
            )
        for file in self.attachments:
            kind, _, subtype = file.media_type.partition("/")
            made.add_attachment(file.data, kind, subtype, filename=file.name)
        return made


def letter_of(report: Report, files: Sequence[MadeFile], link: str = "") -> Letter:
    """The mail of a report.

    Args:
        files: to attach.
        link: the report's page; empty: there is none.
    """
    images: dict[str, bytes] = {}

    def picture(line: Line) -> str:
        """Keeps the gauge of a line as a part of the mail; gives its name, or nothing."""
        svg = pictures.gauge_svg(line.number)
        if not svg:
            return ""
        name = f"gauge-{len(images) + 1}"
        images[name] = vl_convert.svg_to_png(svg, scale=_PICTURE_SCALE)
        return name

    html = (
        templates()
        .get_template("mail.html")
        .render(report=report, sections=_short(report), picture=picture, link=link)
    )
    return Letter(
        subject=f"{'Simulated: ' if report.simulated else ''}{report.title}",
        text=_text(report, link),
        html=html,
        pictures=tuple(images.items()),
        attachments=tuple(files),
    )


def _short(report: Report) -> list[tuple[str, str, list[Promises | Lines | Points | Table]]]:
    """What of the report stands in the mail itself; all of it is in the PDF."""
    kept = []
    for section in report.sections:
        blocks: list[Promises | Lines | Points | Table] = []
        for block in section.blocks:
            if isinstance(block, Promises | Points):
                blocks.append(block)
            elif isinstance(block, Lines) and section.id == "wrong":
                blocks.append(Lines(block.lines[:_MOST_LINES], block.title))
            elif isinstance(block, Table) and section.id in ("moved", "integrations", "budgets"):
                blocks.append(Table(block.head, block.rows[:_MOST_ROWS], block.title))
        if blocks:
            kept.append((section.title, section.lead, blocks))
    return kept


def _text(report: Report, link: str) -> str:
    """The mail in plain text."""
    out = [report.sentence, "", report.lead, report.title]
    if report.simulated:
        out += ["", "SIMULATED DATA: nothing here is about real shops or people."]
    for title, lead, blocks in _short(report):
        out += ["", title.upper(), lead]
        for block in blocks:
            out += _block_text(block)
    out += [
        "", f"Scorecard {report.provenance.hash}", f"Signed by key {report.provenance.key_id}",
        f"As known {report.provenance.known_at} ({report.zone})",
    ]  # fmt: skip
    return "\n".join(out + (["", link] if link else [])) + "\n"


def _block_text(block: Promises | Lines | Points | Table) -> list[str]:
    if isinstance(block, Points):
        return [f"- {point.title} {point.text}".rstrip() for point in block.points]
    if isinstance(block, Table):
        return ["- " + ", ".join(str(cell) for cell in row if str(cell)) for row in block.rows]
    return [
        f"- {VERDICTS[line.metric['verdict']]}: {line.number.title}, {line.number.value} "
        f"(target {line.number.target})"
        for line in block.lines
    ]


def _domain(sender: str) -> str:
    return sender.rpartition("@")[2].strip("> ") or "meterstone.invalid"
