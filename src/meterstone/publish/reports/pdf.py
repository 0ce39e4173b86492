"""A report as a PDF that everybody can read (PDF/UA-1: tagged, titled, with bookmarks), with the
signed scorecard attached. The same report gives the same bytes.
"""

from __future__ import annotations

import io
from types import ModuleType
from typing import Any, NoReturn

from meterstone.errors import MeterstoneError, StorageError
from meterstone.publish.reports.html import html_of
from meterstone.publish.reports.model import MadeFile, Report

ATTACHMENT = "scorecard.json"
PDF = "application/pdf"


def pdf_of(report: Report) -> MadeFile:
    """The PDF of a report.

    Raises:
        MeterstoneError: the library that lays out text (Pango) is not on this machine; says how to
            get it. The spreadsheet and the mail are made without it.
    """
    weasyprint = _weasyprint()
    attachment = weasyprint.Attachment(
        file_obj=io.BytesIO(report.body),
        name=ATTACHMENT,
        description=f"The signed scorecard {report.provenance.hash}",
        created=report.known_at,
        modified=report.known_at,
        relationship="Source",
        url_fetcher=_Refuse(),
    )
    page = weasyprint.HTML(string=html_of(report), url_fetcher=_fetcher(weasyprint))
    data = page.write_pdf(
        pdf_variant="pdf/ua-1",
        pdf_identifier=bytes.fromhex(report.provenance.hash)[:16],
        attachments=[attachment],
    )
    return MadeFile(f"{report.stem}.pdf", PDF, data)


def _weasyprint() -> ModuleType:
    """The library, loaded when a PDF is made: it needs one of the system, which others need not
    have."""
    try:
        import weasyprint  # noqa: PLC0415  # see above
    except OSError as error:
        raise MeterstoneError(
            "a PDF cannot be made here: the text library Pango is missing",
            place="report",
            mend="install it (Debian: libpango-1.0-0 libpangoft2-1.0-0; macOS: brew install pango),"
            " then make the report again; the spreadsheet and the mail are made without it",
        ) from error
    module: ModuleType = weasyprint
    return module


def _fetcher(weasyprint: ModuleType) -> Any:
    """Reads images that lie in the document, and nothing else: no file, no network."""
    return weasyprint.urls.URLFetcher(
        allowed_protocols={"data"}, allow_redirects=False, fail_on_errors=True
    )


class _Refuse:
    """Nothing of an attachment lies elsewhere."""

    def __call__(self, url: str, *_: object, **__: object) -> NoReturn:
        raise StorageError("a report reads nothing from outside", place=url, mend="leave it out")
