"""Stating, renewing and withdrawing in a browser; and what the list says of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from meterstone.errors import InputError
from meterstone.publish.web.attestations import (
    PAGE,
    Shown,
    expiry,
    form_context,
    key_of,
    list_context,
    words,
)
from meterstone.record.attestation import Due, forms
from whole import House, whole_house

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HTML = {"Accept": "text/html"}
AWARD = {
    "kind": "award", "title": "Best <i>hub</i>", "issuer": "A jury", "independent": "true",
    "status": "granted", "rank": "1", "expires_on": "2036-01-01", "entered_role": "marketing",
    "evidence_uri": "https://example.com/award",
}  # fmt: skip


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with whole_house(tmp_path_factory.mktemp("attest")) as served:
        yield served


def rows(house: House, fact: str = "recognition") -> list[dict[str, object]]:
    house.home.recorder.map_new()
    relation = house.home.warehouse.relation(fact, None)
    found: list[dict[str, object]] = house.home.warehouse.query(
        f"SELECT * FROM {relation} AS r"
    ).to_pylist()
    return found


def test_a_statement_is_made_with_the_name_of_who_signed_in(house: House) -> None:
    client = house.clients["operator"]
    form = client.get("/attestations/recognition", headers=HTML).text
    assert 'name="title" type="text" value="" required' in form
    assert "ranking" in form
    sent = {**AWARD, "entered_by": "somebody else", "person": "somebody else"}
    answer = client.post("/attestations/recognition", data=sent, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (
        303, "/attestations?done=recognition",
    )  # fmt: skip
    [row] = [each for each in rows(house) if each["title"] == AWARD["title"]]
    assert (row["entered_by"], row["entered_role"]) == ("operator", "marketing")
    assert (row["rank"], row["independent"]) == (1, True)
    page = client.get("/attestations?done=recognition", headers=HTML).text
    assert "On record" in page
    assert "holds" in page
    identifier = str(row["recognition_id"])
    key = re.search(rf'name="key" value="([^"]*{identifier}[^"]*)"', page)
    assert key is not None
    gone = client.post(
        "/attestations/recognition/withdraw",
        data={"key": key[1].replace("&#34;", '"')}, follow_redirects=False,
    )  # fmt: skip
    assert gone.status_code == 303
    text = client.get("/attestations", headers=HTML).text
    assert key[1] not in text


def test_a_file_is_evidence_under_its_hash(house: House) -> None:
    client = house.clients["admin"]
    sent = {name: text for name, text in AWARD.items() if name != "evidence_uri"}
    file = {"file": ("award.pdf", b"%PDF-1.7 an award", "application/pdf")}
    answer = client.post(
        "/attestations/recognition", data={**sent, "title": "With a file"}, files=file,
        follow_redirects=False,
    )  # fmt: skip
    assert answer.status_code == 303
    [row] = [each for each in rows(house) if each["title"] == "With a file"]
    assert str(row["evidence_uri"]).startswith("urn:sha256:")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"expires_on": ""}, "the day until which it counts"),
        ({"expires_on": "tomorrow"}, "the day until which it counts"),
        ({"kind": "applause"}, "kind"),
        ({"title": ""}, "title"),
        ({"rank": "first"}, "rank"),
        ({"evidence_uri": ""}, "evidence"),
    ],
)
def test_what_is_missing_is_named_and_nothing_is_recorded(
    house: House, change: dict[str, str], said: str
) -> None:
    before = len(rows(house))
    sent = {**AWARD, "title": "Refused", **change}
    answer = house.clients["admin"].post("/attestations/recognition", data=sent, headers=HTML)
    assert answer.status_code == 422
    alert = re.search(r'role="alert">(.*?)</p>', answer.text, re.DOTALL)
    assert alert is not None
    assert said in alert[1].lower()
    assert change.get("title") == "" or 'value="Refused"' in answer.text
    assert len(rows(house)) == before


def test_who_may_not_state_reads_and_is_told_who_may(house: House) -> None:
    client = house.clients["analyst"]
    page = client.get("/attestations", headers=HTML).text
    assert "What can be stated" in page
    assert 'action="/attestations' not in page
    form = client.get("/attestations/recognition", headers=HTML).text
    assert "This is not for your role" in form
    assert client.get("/attestations/none", headers=HTML).status_code == 404
    assert client.post("/attestations/recognition", data=AWARD).status_code == 403


def test_a_withdrawal_of_nothing_is_refused(house: House) -> None:
    client = house.clients["admin"]
    for key in ("", "{}", "[1]", '{"recognition_id": "none"}', '{"x": "y"}'):
        answer = client.post("/attestations/recognition/withdraw", data={"key": key}, headers=HTML)
        assert answer.status_code == 422


def due(days: int) -> Due:
    return Due(
        "recognition", "An award", {"recognition_id": "r1"}, "Ana", "marketing",
        "https://example.com/a", NOW + timedelta(days), "expires soon",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("ends", "sentence"),
    [
        ([], "Nobody has stated anything yet."),
        ([100], "The one statement holds."),
        ([100, 200], "All 2 statements hold."),
        ([10, 200], "1 of 2 statements ends within 60 days."),
        ([10, 20], "2 of 2 statements end within 60 days."),
        ([-1, 10], "1 of 2 statements has expired."),
        ([-1, -2, 5], "2 of 3 statements have expired."),
    ],
)
def test_the_page_opens_with_what_matters(ends: list[int], sentence: str) -> None:
    assert list_context([due(each) for each in ends], [], NOW)["sentence"] == sentence


def test_a_long_list_is_paged_and_narrowed() -> None:
    many = [due(each) for each in range(-1, 2 * PAGE)]
    told = list_context(many, [], NOW, Shown())
    assert (len(told["rows"]), told["range"]) == (PAGE, f"1 to {PAGE} of {len(many)}")
    assert told["more"] == f"/attestations?after={PAGE}"
    last = list_context(many, [], NOW, Shown.of({"after": str(2 * PAGE)}))
    assert (len(last["rows"]), last["more"]) == (1, "")
    expired = list_context(many, [], NOW, Shown.of({"state": "expired"}))
    assert {row["state"] for row in expired["rows"]} == {"expired"}
    assert expired["sentence"] == told["sentence"]
    assert list_context(many, [], NOW, Shown(fact="pen_test"))["rows"] == []
    for wrong in ("-1", "x", "9" * 20, "٣"):
        assert Shown.of({"after": wrong}).after == 0


def test_a_form_asks_for_what_is_needed_first() -> None:
    for fact, fields in forms().items():
        made = form_context(fact, fields, {})
        assert len(made["needed"]) + len(made["more"]) == len(fields)
        assert all(each["label"] for each in made["needed"] + made["more"])
    assert words("franchise_id") == "Franchise"


def test_what_is_no_day_or_key_is_refused() -> None:
    assert expiry("2026-03-01") == NOW
    for text in ("", "2026-13-01", "1"):
        with pytest.raises(InputError):
            expiry(text)
    with pytest.raises(InputError):
        key_of("null")
    assert key_of('{"a": 1}') == {"a": "1"}
