"""Leads by e-mail and CSV: what is malformed is quarantined with its reason, the rest is kept."""

from __future__ import annotations

from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import pytest
from tests.connect.leads_truth import checked, mapped

from meterstone.connect.intake.mail import NotAMail, read_mail
from meterstone.connect.intake.mailbox import Folder, MailboxError

HEADER = b"lead_id,opportunity,created_at,stage,stage_at,outcome,amount_usd\r\n"
GOOD = b"L1,new,2026-03-01T09:00:00Z,open,2026-03-02T09:00:00Z,open,30000\r\n"


def mail(text: str = "", **headers: str) -> bytes:
    made = EmailMessage()
    given = {
        "From": "IFPG <no-reply@ifpg.org>",
        "Subject": "Territory Check from IFPG Member Some Body",
        "Date": "Mon, 02 Mar 2026 10:00:00 -0500",
        "Message-ID": "<1@ifpg.org>",
        "Reply-To": "consultant@example.org",
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    for name, value in given.items():
        if value:
            made[name] = value
    made.set_content(text or "Hello,\n\nCandidate: A. Candidate\nTerritory: Phoenix, AZ\n")
    return made.as_bytes(policy=SMTP)


def test_a_bare_territory_check_is_an_open_lead() -> None:
    [row], rejects = mapped("ifpg", "leads", mail(), medium="mail")
    assert rejects == []
    assert (row["outcome"], row["kind"], row["deal_source"]) == ("open", "new", "ifpg")
    assert row["stage_at"].isoformat() == "2026-03-02T15:00:00+00:00"
    assert row["deal_id"] == row["dedupe_key"] == row["source_ref"]


def test_the_same_candidate_asked_about_again_is_the_same_lead() -> None:
    first, _ = mapped("ifpg", "leads", mail(), medium="mail")
    again = mail(Subject="Re: Territory Check from IFPG Member Some Body", Message_ID="<2@x>")
    second, _ = mapped("ifpg", "leads", again, medium="mail")
    other, _ = mapped("ifpg", "leads", mail("Candidate: B\n"), medium="mail")
    assert first[0]["deal_id"] == second[0]["deal_id"] != other[0]["deal_id"]


def test_quoted_lines_signatures_and_html_are_read_as_a_person_reads_them() -> None:
    made = EmailMessage()
    made["From"], made["Subject"] = "x@ifpg.org", "Territory Check from IFPG Member X"
    made["Date"] = "Mon, 02 Mar 2026 10:00:00 +0000"
    made.set_content(
        "<html><head><title>Candidate: no</title><style>Candidate: no</style></head><body>"
        "<p>Candidate: J&ouml;rg <b>M&uuml;ller</b></p><p>Stage: open</p></body></html>",
        subtype="html",
        cte="quoted-printable",
    )
    assert read_mail(made.as_bytes()).fields == {"candidate": "Jörg Müller", "stage": "open"}
    quoted = read_mail(mail("> Candidate: Old\nCandidate: New\n-- \nCandidate: Footer\n"))
    assert quoted.fields == {"candidate": "New"}
    encoded = read_mail(mail(Subject="=?utf-8?q?Territory_Check?="))
    assert encoded.subject == "Territory Check"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "neither a From nor a Subject"),
        (b"\x00\xff\xfe nothing of a mail", "neither a From nor a Subject"),
        (mail(From="x@elsewhere.example"), "of elsewhere.example, not of ifpg.org"),
        (mail(From="x@notifpg.org"), "not of ifpg.org"),
        (mail(Subject="Lunch?"), "the subject is not 'Territory Check"),
        (mail("Hello,\nno name here\n"), "no line 'Candidate"),
        (mail(Date=""), "a lead without stage_at"),
        (mail("Candidate: A\nStage at: soon\n"), "'soon' is not a moment"),
        (mail("Candidate: A\nOutcome: perhaps\n"), "outcome"),
        (mail("Candidate: A\nAmount usd: plenty\n"), "amount_usd"),
        (b"From: x@ifpg.org\r\nSubject: Territory Check from IFPG Member X\r\n"
         b"Content-Type: text/plain; charset=no-such\r\n\r\nCandidate: A\r\n", "cannot be read"),
        (b"From: x@ifpg.org\r\nSubject: Territory Check from IFPG Member X\r\n"
         b"Content-Type: application/pdf\r\n\r\n%PDF", "has no text"),
        (b"Subject: x\r\n" + b"boundary=" * 200, "nests too many parts"),
        (b"Subject: x\r\n\r\n" + b"a" * (5 * 1024 * 1024), "larger than 5 MiB"),
    ],
)  # fmt: skip
def test_a_malformed_mail_is_quarantined_with_its_reason(body: bytes, reason: str) -> None:
    rows, rejects = checked("ifpg", body, medium="mail")
    assert rows == 0
    assert reason in rejects[0].reason
    assert rejects[0].mend


@pytest.mark.parametrize("deep", [99, 1000])
def test_nested_parts_are_read_to_a_bound(deep: int) -> None:
    body = b"From: x@ifpg.org\r\nSubject: x\r\nMIME-Version: 1.0\r\n"
    for nth in range(deep):
        body += b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (nth, nth)
    if deep > 100:
        with pytest.raises(NotAMail, match="too many parts"):
            read_mail(body)
    else:
        assert read_mail(body).fields == {}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"L2,new\r\n", "line 3 has 2 cells; the header has 7"),
        (b"L2,new,2026-03-01T09:00:00Z,open,\xff,open,1\r\n", "line 3 is not UTF-8"),
        (b',new,2026-03-01T09:00:00Z,open,2026-03-02T09:00:00Z,open,1\r\n', "without lead_id"),
        (b"L2,new,2026-03-01T09:00:00Z,open,,open,1\r\n", "without stage_at"),
        (b"L2,new,2026-03-01T09:00:00Z,open,03/02/2026,open,1\r\n", "stage_at"),
        (b"L2,sale,2026-03-01T09:00:00Z,open,2026-03-02T09:00:00Z,open,1\r\n", "kind"),
        (b'L2,"new,2026-03-01T09:00:00Z,open,2026-03-02T09:00:00Z,open,1\r\n', "line 3"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("connector", ["fransmart", "ifpg"])
def test_a_bad_row_costs_no_other(connector: str, bad: bytes, reason: str) -> None:
    body = HEADER + GOOD + bad + GOOD.replace(b"L1", b"L3")
    rows, rejects = checked(connector, body)
    assert rows == 2
    assert len(rejects) == 1
    assert reason in rejects[0].reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "no header line"),
        (b"lead_id;stage_at\r\n1;2\r\n", "lacks the column"),
        (b"a,b\r\n1,2\r\n", "lacks the column 'lead_id'"),
        (b"lead_id,stage_at,lead_id\r\n1,2,3\r\n", "names 'lead_id' twice"),
        (b"\xff\xfe,b\r\n", "cannot be read"),
    ],
)
def test_a_file_that_is_no_list_of_leads_is_one_reject(body: bytes, reason: str) -> None:
    rows, rejects = checked("fransmart", body)
    assert rows == 0
    assert [reason in reject.reason for reject in rejects] == [True]


def test_columns_may_be_titles_and_more_than_we_know() -> None:
    body = b"\xef\xbb\xbfLead ID,Stage at,Favourite colour\r\nL1,2026-03-02T09:00:00Z,red\r\n"
    [row], rejects = mapped("fransmart", "leads", body)
    assert (row["deal_id"], row["dedupe_key"], row["kind"]) == ("L1", "L1", "new")
    assert row["created_at"] == row["stage_at"]
    assert rejects == []


def test_a_folder_of_mails_is_read_in_order(tmp_path: Path) -> None:
    (tmp_path / "2.eml").write_bytes(mail("Candidate: B\n"))
    (tmp_path / "1.eml").write_bytes(mail("Candidate: A\n"))
    (tmp_path / "notes.txt").write_text("no mail")
    assert [m.name for m in Folder(tmp_path).messages()] == ["1.eml", "2.eml"]
    maildir = tmp_path / "Maildir"
    for part in ("new", "cur", "tmp"):
        (maildir / part).mkdir(parents=True)
    (maildir / "cur" / "1:2,S").write_bytes(mail())
    (maildir / "new" / "2").write_bytes(mail())
    (maildir / "tmp" / "3").write_bytes(b"half a m")
    assert [m.name for m in Folder(maildir).messages()] == ["1:2,S", "2"]
    with pytest.raises(MailboxError, match="no such folder"):
        list(Folder(tmp_path / "nowhere").messages())
