"""Statements by people: forms, evidence, expiry, review queue, withdrawal; command and HTTP."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from apis import api_over
from homes import Meterstone
from meterstone.app import Home
from meterstone.errors import InputError
from meterstone.record.attestation import forms

NOW = datetime.now(UTC)
BY = {"person": "a person", "role": "marketing"}
AWARD = {
    "kind": "award", "title": "Best of the year", "issuer": "an issuer", "independent": True,
    "dated_on": "2026-05-01", "status": "granted",
}  # fmt: skip


@pytest.fixture
def meterstone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> Meterstone:
    return Meterstone(tmp_path / "home", monkeypatch, capfd)


def in_days(days: int) -> str:
    return (NOW + timedelta(days=days)).date().isoformat()


def award(
    meterstone: Meterstone, expires: str, *more: str, evidence: str = "https://example.org/a"
):  # type: ignore[no-untyped-def]
    columns = [
        part
        for n, v in AWARD.items()
        for part in ("--set", f"{n}={str(v).lower() if v is True else v}")
    ]
    by = ["--person", "a person", "--role", "marketing", "--evidence", evidence]
    return meterstone("attest", "add", "recognition", *columns, *by, "--expires", expires, *more)


def test_what_no_machine_knows_has_a_form() -> None:
    known = forms()
    assert {"attestation", "recognition", "pen_test", "control_audit", "market_observation"} <= set(
        known
    )
    assert "api_request" not in known
    fields = {field.name: field for field in known["recognition"]}
    assert "award" in fields["kind"].allowed
    assert fields["title"].required
    assert not fields["recognition_id"].required
    assert "evidence_uri" not in fields  # asked for everywhere, not by this form


def test_stated_with_a_link(meterstone: Meterstone) -> None:
    told = award(meterstone, in_days(30), "--json")
    assert told.code == 0
    assert told.json == {
        "fact": "recognition", "evidence_uri": "https://example.org/a", "new": 1, "revised": 0,
    }  # fmt: skip
    again = award(meterstone, in_days(30), "--json")
    assert again.json["new"] == 0


def test_a_file_of_evidence_is_kept_under_its_hash(meterstone: Meterstone, tmp_path: Path) -> None:
    minutes = tmp_path / "minutes.pdf"
    minutes.write_bytes(b"%PDF simulated minutes")
    told = award(meterstone, in_days(30), "--json", evidence=str(minutes))
    digest = hashlib.sha256(minutes.read_bytes()).hexdigest()
    assert told.json["evidence_uri"] == f"urn:sha256:{digest}"
    with Home(meterstone.home) as home:
        kept = home.log.get(1)
        assert kept.body == minutes.read_bytes()
        assert kept.sha256.hex() == digest
        assert home.warehouse.count("recognition") == 1
        home.rebuild()
        assert home.warehouse.count("recognition") == 1


def test_what_is_missing_is_said_and_nothing_recorded(meterstone: Meterstone) -> None:
    told = meterstone(
        "attest", "add", "recognition", "--set", "kind=award", "--person", "p", "--role", "r",
        "--evidence", "https://example.org/a", "--expires", in_days(9),
    )  # fmt: skip
    assert told.code == 2
    assert "recognition" in told.err
    assert "missing" in told.err
    with Home(meterstone.home) as home:
        assert home.log.last_seq() == 0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"fact": "api_request"}, "not entered by hand"),
        ({"person": " "}, "no person is named"),
        ({"role": ""}, "no role is named"),
        ({"evidence": ""}, "evidence_uri"),
        ({"evidence": (b"", "empty.pdf", "")}, "0 bytes"),
        ({"columns": AWARD | {"kind": "medal"}}, "medal"),
        ({"columns": AWARD | {"colour": "gold"}}, "unknown column 'colour'"),
    ],
)
def test_what_is_no_statement(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    asked: dict[str, Any] = {
        "fact": "recognition", "columns": AWARD, "evidence": "https://example.org/a",
        "expires_at": NOW + timedelta(days=30),
    } | BY | change  # fmt: skip
    with Home(tmp_path / "home") as home:
        with pytest.raises(InputError, match=says):
            home.attest(asked.pop("fact"), asked.pop("columns"), **asked)
        assert home.log.last_seq() == 0


def claim(home: Home, key: str, name: str, days: int, at: datetime = NOW) -> None:
    columns = {
        "attestation_id": name, "claim_key": key, "statement": "looked through",
        "attested_at": at.isoformat(),
    }  # fmt: skip
    expires = NOW + timedelta(days=days)
    home.attest("attestation", columns, evidence="https://example.org/m", expires_at=expires, **BY)


def test_the_review_queue(tmp_path: Path) -> None:
    with Home(tmp_path / "home") as home:
        claim(home, "register_review:recognition", "r1", -40, NOW - timedelta(days=90))
        claim(home, "register_review:recognition", "r2", 200)  # renews r1
        claim(home, "register_review:partner", "p1", 59)
        claim(home, "register_review:patent", "p2", 61)
        claim(home, "insurance", "i1", -2, NOW - timedelta(days=30))
        found = home.attestations_due()
        assert [(d.what, d.state) for d in found] == [
            ("insurance", "expired"),
            ("register_review:partner", "expires soon"),
        ]
        assert home.attestations_due(timedelta(days=62))[-1].what == "register_review:patent"
        home.retract("attestation", {"attestation_id": "i1"}, **BY)
        assert [d.what for d in home.attestations_due()] == ["register_review:partner"]
        with pytest.raises(InputError, match="no attestation with"):
            home.retract("attestation", {"attestation_id": "nobody"}, **BY)


def test_commands(meterstone: Meterstone) -> None:
    assert "Nothing expires" in meterstone("attest", "due").out
    award(meterstone, in_days(5))
    assert "expires soon" in meterstone("attest", "due").out
    assert meterstone("attest", "due", "--json").json[0]["fact"] == "recognition"
    key = meterstone("attest", "due", "--json").json[0]["key"]["recognition_id"]
    by = ("--person", "p", "--role", "r")
    gone = meterstone("attest", "retract", "recognition", "--key", f"recognition_id={key}", *by)
    assert gone.out == "1 withdrawn\n"
    assert "issuer: string" in meterstone("attest", "forms", "recognition").out
    assert "recognition" in meterstone("attest", "forms", "--json").json
    wrong = meterstone("attest", "forms", "recogniton")
    assert wrong.code == 2
    assert "did you mean 'recognition'" in wrong.err


def test_over_http(tmp_path: Path) -> None:
    with Home(tmp_path / "home") as home:
        client = TestClient(api_over(attests=home))
        assert "recognition" in client.get("/api/v1/attestations/forms").json()
        form: dict[str, Any] = {"columns": AWARD, "expires_at": in_days(9) + "T00:00:00Z"} | BY
        content = b"a certificate"
        file = {"name": "c.txt", "content": base64.b64encode(content).decode()}
        said = client.post("/api/v1/attestations/recognition", json=form | {"evidence_file": file})
        assert said.status_code == 201
        assert said.json()["evidence_uri"].endswith(hashlib.sha256(content).hexdigest())
        (due,) = client.get("/api/v1/attestations/due").json()
        assert due["entered_by"] == "A. Person", "who is signed in, whatever was sent"
        assert client.get("/api/v1/attestations/due?days=1").json() == []
        wrong = [
            client.post("/api/v1/attestations/recognition", json=form),
            client.post("/api/v1/attestations/recognition", content=b"{"),
            client.post(
                "/api/v1/attestations/recognition",
                json=form | {"evidence_file": file | {"content": "?"}},
            ),
            client.get("/api/v1/attestations/due?days=soon"),
        ]
        assert [answer.status_code for answer in wrong] == [400, 415, 400, 422]
        assert all(answer.json()["mend"] for answer in wrong)


def test_what_was_withdrawn_can_be_stated_and_withdrawn_again(tmp_path: Path) -> None:
    """Equal to the byte but for when it is said."""
    columns = AWARD | {"recognition_id": "r1"}
    with Home(tmp_path) as home:
        for _ in range(3):
            told = home.attest(
                "recognition", columns, **BY, evidence="https://example.org/a",
                expires_at=NOW + timedelta(days=30),
            )  # fmt: skip
            assert told["new"] + told["revised"] == 1
            assert [each.key for each in home.attestations_due(timedelta(days=60))] == [
                {"recognition_id": "r1"}
            ]
            assert home.retract("recognition", {"recognition_id": "r1"}, **BY)
            assert home.attestations_due(timedelta(days=60)) == []


def test_the_same_statement_twice_is_one(tmp_path: Path) -> None:
    with Home(tmp_path) as home:
        told = [
            home.attest(
                "recognition", AWARD | {"recognition_id": "r1"}, **BY,
                evidence="https://example.org/a", expires_at=NOW + timedelta(days=30),
            )
            for _ in range(2)
        ]  # fmt: skip
    assert [(each["new"], each["revised"]) for each in told] == [(1, 0), (0, 0)]
