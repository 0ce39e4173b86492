"""Every command: one JSON document on standard output, words on standard error, exit 0, 1 or 2."""

from __future__ import annotations

import io
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from homes import CATALOGUE, Meterstone, Ran, own_catalogue, probe_line, write_lines
from meterstone.scorecard import SigningKey
from meterstone.scorecard.sign import sign

AT = "2026-03-03T00:00:00Z"


@pytest.fixture
def meterstone(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    for name in ("METERSTONE_HOME", "METERSTONE_HOST", "METERSTONE_PORT"):
        monkeypatch.delenv(name, raising=False)
    return Meterstone(tmp_path / "home", monkeypatch, capfd)


@pytest.fixture
def filled(meterstone, tmp_path):
    """A home with its own catalogue and two days of probes."""
    own_catalogue(meterstone.home)
    lines = [
        probe_line("2026-03-01T06:00:00Z"),
        probe_line("2026-03-02T06:00:00Z"),
        probe_line("2026-03-02T07:00:00Z", ok=False),
    ]
    ran = meterstone("ingest", write_lines(tmp_path / "facts.jsonl", lines), "--json")
    assert ran.json["facts"] == {"new": 3, "duplicate": 0, "revised": 0}, ran.err
    return meterstone


def up(ran: Ran) -> dict:
    return next(
        m for m in ran.json["metrics"] if (m["id"], m["scope"]["kind"]) == ("up", "network")
    )


COMMANDS = [
    ("ingest", "facts.jsonl"),
    ("measure", "--at", AT),
    ("scorecard", "--day", "2026-03-02"),
    ("verify", "card.json"),
    ("diff", "card.json", "later.json"),
    ("rebuild",),
    ("explain", "up", "--at", AT),
    ("publish", "--day", "2026-03-02"),
    ("catalogue", "export"),
    ("catalogue", "check", "home/catalogue"),
    ("quarantine", "list"),
    ("quarantine", "list", "--all"),
    ("quarantine", "retry"),
    ("maintenance", "add", "--from", "2190-01-01", "--to", "2190-01-02", "--reason", "why",
     "--person", "Ana"),
    ("formats",),
    ("version",),
]  # fmt: skip


@pytest.fixture
def cards(filled, tmp_path):
    """A scorecard, and one of the next day with one more record."""
    filled("scorecard", "--day", "2026-03-02", "--out", tmp_path / "card.json")
    more = write_lines(tmp_path / "more.jsonl", [probe_line("2026-03-02T08:00:00Z", ok=False)])
    filled("ingest", more)
    filled("scorecard", "--day", "2026-03-02", "--out", tmp_path / "later.json")
    return filled


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_writes_one_document_or_words(cards, words):
    as_json = cards(*words, "--json")
    assert as_json.code == 0, as_json.err
    assert as_json.out.count("\n") == 1
    as_json.json  # noqa: B018  # it can be read
    as_text = cards(*words)
    assert as_text.code == 0
    assert as_text.out.strip()
    assert as_text.out != as_json.out
    secret = (cards.home / "keys" / "scorecard.key").read_text().splitlines()[1]
    for text in (as_json.out, as_json.err, as_text.out, as_text.err):
        assert secret not in text
        assert "PRIVATE KEY" not in text
        assert "Traceback" not in text


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("measure", "--at", "yesterday"), "--at: 'yesterday' is not a time"),
        (("measure", "--at", "0001-01-01T00:00:00+05:00"), "--at: "),
        (("measure", "--at", "1066-10-14"), "lies outside the years"),
        (("measure", "--known-at", "9999-01-01"), "--known-at: '9999-01-01' lies outside"),
        (("explain", "up", "--scope", "planet:mars"), "--scope: unknown scope 'planet:mars'"),
        (("explain", "up", "--scope", "network:x"), "unknown scope"),
        (("explain", "up", "--scope", "integration"), "unknown scope"),
        (("explain", "upp"), "did you mean 'up'?"),
        (("scorecard", "--day", "2026-02-30"), "--day: '2026-02-30' is not a day"),
        (("scorecard", "--day", "2190-01-01"), "is not over yet"),
        (("scorecard", "--known-at", "2190-01-01"), "lies ahead"),
        (("scorecard", "--scope", "integration:clover"), "nothing was measured"),
        (("scorecard", "--day", "2026-03-02", "--out", "no/such/folder"), "cannot write"),
        (("publish", "--report", "dayly"), "did you mean 'daily'?"),
        (("verify", "nothing.json"), "nothing.json: cannot read"),
        (("verify", "facts.jsonl"), "is not JSON"),
        (("diff", "facts.jsonl", "facts.jsonl"), ""),
        (("ingest", "nothing.log"), "nothing.log"),
        (("ingest", "facts.jsonl", "--as", "facts_jsn"), "facts_jsonl"),
        (("ingest", "facts.jsonl", "--set", "integration"), "is not KEY=VALUE"),
        (("catalogue", "check", "nothing.yaml"), "nothing.yaml"),
        (("quarantine", "retry", "99"), "no landed record 99"),
        (("maintenance", "add", "--from", "2020-01-01", "--to", "2020-01-02", "--reason", "w",
          "--person", "A"), "approved before it starts"),
        (("measure", "--what"), "standard error"),
        (("mesure",), "standard error"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_wrong_use_is_told_and_exits_2(filled, words, told):
    as_json = filled(*words, "--json")
    assert as_json.code == 2
    assert as_json.json.keys() == {"error", "place", "cause", "mend"}
    assert "Traceback" not in as_json.err
    assert as_json.err.strip()
    if "standard error" not in told:
        assert told in " ".join(as_json.err.split())
    as_text = filled(*words)
    assert (as_text.code, as_text.out) == (2, "")


def test_check_exits_1_when_a_target_is_missed(filled):
    missed = filled("measure", "--at", "2026-03-03T00:00:00Z", "--check", "--json")
    assert missed.code == 0  # 50 % is on target; the threshold has its two days
    later = filled("measure", "--at", "2026-03-04T00:00:00Z", "--check", "--json")
    assert later.code == 1
    assert "1 targets are missed" in later.err
    assert later.json["metrics"]


def test_two_moments_of_knowledge(filled, tmp_path):
    before = up(filled("measure", "--at", AT, "--json"))
    assert before["value"] == 50
    then = filled("measure", "--at", AT, "--json").json["known_at"]
    filled("ingest", write_lines(tmp_path / "late.jsonl",
                                 [probe_line("2026-03-02T09:00:00Z", ok=False)]))  # fmt: skip
    assert up(filled("measure", "--at", AT, "--json"))["value"] == pytest.approx(100 / 3)
    assert up(filled("measure", "--at", AT, "--known-at", then, "--json")) == before
    assert up(filled("measure", "--at", AT, "--known-at", "2026-01-01", "--json"))["value"] is None


def test_now_is_a_whole_minute(filled):
    moment = datetime.fromisoformat(filled("measure", "--json").json["at"])
    assert (moment.second, moment.microsecond) == (0, 0)
    assert timedelta(0) <= datetime.now(UTC) - moment < timedelta(minutes=5)


def test_a_rebuild_gives_equal_values(filled):
    known = filled("measure", "--json").json["known_at"]
    words = ("measure", "--at", AT, "--known-at", known, "--json")
    before, now = filled(*words), filled("measure", "--at", AT, "--json").json
    assert filled("rebuild", "--json").json == {"records": 1, "facts": 3, "quarantined": 0}
    assert filled(*words).out == before.out
    assert filled("measure", "--at", AT, "--json").json["metrics"] == now["metrics"]


def test_publish_once_and_again(filled):
    assert filled("publish", "--day", "2026-03-02", "--json").json == {"new": 2, "revised": 0}
    assert filled("publish", "--day", "2026-03-02", "--json").json == {"new": 0, "revised": 0}
    marks = filled("measure", "--at", AT, "--json").json["gates"][0]["days"]
    assert marks[-1]["kind"] == "published"


def test_a_scorecard_holds_also_after_new_facts(cards, tmp_path):
    for name in ("card.json", "later.json"):
        found = cards("verify", tmp_path / name, "--json")
        assert found.code == 0
        assert found.json["outcome"] == "valid"
        assert found.json["recomputed"]["outcome"] == "equal"
    quick = cards("verify", tmp_path / "card.json", "--no-recompute", "--json")
    assert quick.json["recomputed"] is None
    document = json.loads((tmp_path / "card.json").read_bytes())
    known = document["known_at"]
    again = cards("scorecard", "--day", "2026-03-02", "--known-at", known, "--json")
    assert again.json == document


def test_an_altered_scorecard_exits_1(cards, tmp_path):
    data = (tmp_path / "card.json").read_bytes()
    (tmp_path / "card.json").write_bytes(data.replace(b'"value":50', b'"value":51', 1))
    found = cards("verify", tmp_path / "card.json", "--json")
    assert (found.code, found.json["outcome"]) == (1, "altered")
    assert "is not what was signed" in cards("verify", tmp_path / "card.json").out


def test_a_scorecard_of_an_unknown_key_exits_1(cards, tmp_path):
    document = json.loads((tmp_path / "card.json").read_bytes())
    (tmp_path / "card.json").write_text(json.dumps(sign(document, SigningKey.generate())))
    found = cards("verify", tmp_path / "card.json", "--no-recompute", "--json")
    assert (found.code, found.json["outcome"]) == (1, "unknown_key")


def test_a_scorecard_is_verified_without_a_home_by_the_keys_beside_it(cards, tmp_path):
    elsewhere = Meterstone(tmp_path / "elsewhere", cards._monkeypatch, cards._capfd)
    found = elsewhere("verify", tmp_path / "card.json", "--json")
    assert (found.code, found.json["outcome"]) == (1, "unknown_key")
    assert not elsewhere.home.exists()
    trusted = elsewhere.home / "keys" / "trusted"
    trusted.mkdir(parents=True)
    for key in (cards.home / "keys" / "trusted").glob("*.pub"):
        (trusted / key.name).write_bytes(key.read_bytes())
    found = elsewhere("verify", tmp_path / "card.json", "--json")
    assert (found.code, found.json["recomputed"]) == (0, None)
    assert [path.name for path in elsewhere.home.iterdir()] == ["keys"]


def test_what_changed_in_words(cards, tmp_path):
    told = cards("diff", "card.json", "later.json")
    assert "fell from 50 % to 33.3 %" in told.out
    changes = cards("diff", "card.json", "later.json", "--json").json
    assert all(change["sentence"] in told.out for change in changes)
    assert cards("diff", "card.json", "card.json").out == "Nothing changed.\n"
    assert cards("diff", "card.json", "card.json", "--json").json == []


def test_explain_names_the_landed_records(filled, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")  # a long path of a temporary folder is not wrapped
    found = filled("explain", "up", "--at", AT, "--json").json
    assert found["metric"]["value"] == 50
    assert found["terms"] == {"good": 1, "all": 2}
    (rows,) = found["facts"]
    assert (rows["fact"], rows["rows"], rows["landed_records"]) == ("probe", 2, 1)
    (record,) = found["landed"]
    assert record["name"].endswith("facts.jsonl")
    assert {row["_seq"] for row in rows["sample"]} == {record["seq"]}
    assert found["defined_in"].startswith(str(filled.home / "catalogue" / "catalogue.yaml"))
    text = filled("explain", "Own.up", "--scope", "integration:square", "--at", AT).out
    assert "facts.jsonl" in text
    assert "2 checks (needs 0)" in text


def test_the_quarantine_is_listed_and_retried(filled, tmp_path):
    bad = write_lines(
        tmp_path / "bad.jsonl", [probe_line("soon"), probe_line("2026-03-02T10:00:00Z")]
    )
    ran = filled("ingest", bad)
    assert "1 in quarantine" in ran.out
    assert "next: meterstone quarantine list" in ran.out
    (entry,) = filled("quarantine", "list", "--json").json
    assert (entry["item"], entry["fact"], entry["state"]) == (1, "probe", "open")
    assert entry["mend"]
    assert "bad.jsonl" in filled("quarantine", "list").out
    assert filled("quarantine", "retry", "--json").json == {
        "tried": [entry["record"]],
        "mended": [],
    }
    one = filled("quarantine", "retry", entry["record"])
    assert one.out == "0 of 1 records mapped anew\n"


def test_the_quarantine_of_an_empty_home(meterstone):
    assert meterstone("quarantine", "list").out == "The quarantine is empty.\n"
    assert meterstone("quarantine", "retry", "--json").json == {"tried": [], "mended": []}


def test_a_maintenance_window_is_on_record(filled):
    start = datetime.now(UTC) + timedelta(days=1)
    ran = filled("maintenance", "add", "--from", start.isoformat(), "--to",
                 (start + timedelta(hours=2)).isoformat(), "--reason", "upgrade",
                 "--person", "Ana")  # fmt: skip
    assert ran.out.startswith("approved for network")
    later = (start + timedelta(days=1)).isoformat()
    assert filled("measure", "--at", later, "--json").code == 0


def test_a_broken_catalogue_names_file_and_line(meterstone, tmp_path):
    path = tmp_path / "catalogue.yaml"
    path.write_text(CATALOGUE.replace("numerator: good", "numerator: god"))
    line = CATALOGUE[: CATALOGUE.index("numerator: good")].count("\n") + 1
    ran = meterstone("catalogue", "check", path, "--json")
    assert ran.code == 2
    assert ran.json["place"] == f"{path}:{line}"
    assert "did you mean 'good'?" in ran.json["mend"]
    right = meterstone("catalogue", "check", tmp_path / "home")
    assert right.code == 2


def test_a_right_catalogue(filled):
    ran = filled("catalogue", "check", filled.home / "catalogue")
    assert "2 metrics in 2 places, no errors" in ran.out
    document = filled("catalogue", "check", filled.home / "catalogue", "--json").json
    assert (document["ok"], document["metrics"], document["refs"]) == (True, 2, 2)
    assert [e["ref"] for e in filled("catalogue", "export", "--json").json] == [
        "Own.up",
        "Own.asked",
    ]


def test_ingest_says_what_became_of_each_file(filled, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "odd.bin").write_bytes(b"\0\1\2")
    write_lines(folder / "facts.jsonl", [probe_line("2026-03-02T11:00:00Z")])
    ran = filled("ingest", folder)
    assert "facts.jsonl: facts_jsonl, 1 records\n" in ran.out
    assert "odd.bin: skipped, no format recognises it" in ran.out
    again = filled("ingest", folder)
    assert "landed before" in again.out
    assert "0 new facts, 0 known already" in again.out


def test_ingest_reads_standard_input(meterstone, monkeypatch):
    body = (probe_line("2026-03-02T11:00:00Z") + "\n").encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(body)))
    ran = meterstone("ingest", "-", "--as", "facts_jsonl", "--set", "integration=x", "--json")
    assert ran.json["facts"]["new"] == 1


def test_an_unknown_variable_stops_every_command(meterstone, monkeypatch):
    monkeypatch.setenv("METERSTONE_HOEM", "x")
    ran = meterstone("formats", "--json")
    assert (ran.code, ran.json["cause"]) == (2, "unknown setting METERSTONE_HOEM")
    assert "METERSTONE_HOME" in ran.json["mend"]


def test_the_home_of_the_environment(meterstone, monkeypatch, tmp_path):
    monkeypatch.setenv("METERSTONE_HOME", str(tmp_path / "there"))
    assert meterstone("quarantine", "list", home=False).code == 0
    assert (tmp_path / "there" / "landing.sqlite").exists()


def test_an_empty_home_measures_nothing_and_fails_nothing(meterstone):
    ran = meterstone("measure", "--check", "--json")
    assert ran.code == 0
    assert {m["verdict"] for m in ran.json["metrics"]} == {"no_data"}
    assert {m["value"] for m in ran.json["metrics"]} == {None}
    assert "NaN" not in ran.out


def test_version_and_help(meterstone):
    assert meterstone("--help", home=False).code == 0
    commands = (
        "ingest up measure scorecard verify diff rebuild explain publish demo formats version"
    )
    for command in commands.split():
        ran = meterstone(command, "--help", home=False)
        assert ran.code == 0
        assert "--home" in ran.out
        assert "--json" in ran.out
    bare = meterstone(home=False)
    assert bare.code == 2


def test_a_port_that_is_no_number(filled, monkeypatch):
    monkeypatch.setenv("METERSTONE_PORT", "http")
    ran = filled("up", "--json")
    assert ran.code == 2
    assert "METERSTONE_PORT" in ran.json["place"]


def test_a_catalogue_of_ones_own(meterstone: Meterstone) -> None:
    written = meterstone("catalogue", "init", "--json").json["written"]
    folder = Path(written).parent
    checked = meterstone("catalogue", "check", folder, "--json").json
    assert checked["ok"]
    assert checked["refs"] == 3
    meterstone_home = meterstone("catalogue", "export", "--json").json
    assert [entry["ref"] for entry in meterstone_home] == [
        "Own.integrations.uptime", "Own.sales.month", "Own.promise.square",
    ]  # fmt: skip
    measured = meterstone("measure", "--json").json
    assert {metric["verdict"] for metric in measured["metrics"]} == {"no_data"}
    again = meterstone("catalogue", "init")
    assert again.code == 2
    assert "edit it, or move it away" in again.err


def test_a_catalogue_that_extends_the_framework(meterstone: Meterstone) -> None:
    file = Path(meterstone("catalogue", "init", "--json").json["written"])
    text = file.read_text(encoding="utf-8").replace("# extends: framework", "extends: framework")
    file.write_text(text, encoding="utf-8")
    refs = [entry["ref"] for entry in meterstone("catalogue", "export", "--json").json]
    assert "Own.sales.month" in refs
    assert "IntegrationPerformanceMetrics.target_metrics.integration_uptime" in refs
