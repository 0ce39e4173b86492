"""The page of the audit log: names in place of ids, pages, and the proof."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from meterstone.ledger import AuditReport
from meterstone.ledger.audit import Entry
from meterstone.ledger.store import Store, file_url, utc_now
from meterstone.ledger.tables import audit_entries
from meterstone.publish.web.audit import DID, PAGE, Asked, context
from whole import House, whole_house

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
HTML = {"Accept": "text/html"}


def entry(number: int, **more: object) -> Entry:
    usual = {"actor": "person:1", "action": "token.add", "subject": "token:1", "detail": {}}
    return Entry(number=number, at=AT, **{**usual, **more})  # type: ignore[arg-type]  # fields of an entry


def shown(found: list[Entry], **query: str) -> dict[str, object]:
    return context(Asked.of(query), found, {"person:1": "Ana"}, None)


def test_ids_are_named_and_actions_said_in_words() -> None:
    detail = {"rights": ["metrics", "owners"], "ok": True, "none": None, "empty": "", "list": []}
    [row] = shown([entry(7, detail=detail)])["rows"]  # type: ignore[misc]  # a list of one
    assert (row["who"], row["did"], row["what"]) == ("Ana", "made a token", "token:1")
    assert row["detail"] == "rights: metrics, owners; ok: yes; none: none; list: none"
    [other] = shown([entry(8, action="new.thing", actor="cli")])["rows"]  # type: ignore[misc]  # a list of one
    assert (other["who"], other["did"]) == ("cli", "new.thing")


def test_a_long_log_has_pages() -> None:
    found = [entry(n) for n in range(100, 100 + PAGE + 1)]
    page = shown(found, action="token.add")
    rows = page["rows"]
    assert isinstance(rows, list)
    assert [row["number"] for row in rows] == list(range(100 + PAGE, 100, -1))
    assert page["older"] == f"/audit?action=token.add&before={101}"
    assert shown(found[:PAGE])["older"] == ""


@pytest.mark.parametrize("before", ["-1", "x", "1e9", "9" * 30, "²"])
def test_what_is_no_number_is_nothing(before: str) -> None:
    assert Asked.of({"before": before}).before is None


def test_every_action_of_the_source_has_words() -> None:
    root = Path(__file__).parents[2] / "src" / "meterstone"
    source = "".join(file.read_text(encoding="utf-8") for file in root.rglob("*.py"))
    written = set(re.findall(r"audit\(\s*\"([a-z_]+\.[a-z_]+)\"", source))
    assert len(written) > 20
    assert written <= set(DID)


@pytest.fixture
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with whole_house(tmp_path_factory.mktemp("audit")) as served:
        yield served


def test_an_edited_entry_is_named(house: House) -> None:
    client = house.clients["auditor"]
    text = client.get("/audit?action=person.add", headers=HTML).text
    assert "added a person" in text
    assert "signed in" not in re.sub(r"<select.*?</select>", "", text, flags=re.DOTALL)
    assert "Nobody edited the log" in client.get("/audit?verify=1", headers=HTML).text
    store = Store(file_url(house.home.path), utc_now)
    with store.changing("intruder") as transaction:
        edit = sa.update(audit_entries).where(audit_entries.c.number == 2)
        text = sa.func.replace(audit_entries.c.entry, "person", "nobody")
        transaction.run(edit.values(entry=text))
    store.close()
    text = client.get("/audit?verify=1", headers=HTML).text
    assert "The log was edited" in text
    assert "The first bad entry is number 2." in text
    assert "Nothing of this kind" in client.get("/audit?subject=none", headers=HTML).text


def test_the_report_is_shown_as_it_is() -> None:
    report = AuditReport(entries=3, checkpoints=2, unsigned=1, bad=None, reason="")
    assert context(Asked.of({"verify": "1"}), [], {}, report)["report"] is report
