"""Upptime: check commits, carried forward over the schedule."""

# ruff: noqa: DTZ001  # stored times are UTC without an offset

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterstone.facts import Reject
from meterstone.record.formats import formats, upptime

HEADER = "committed_at,site,status,http_code,response_ms,commit"
START = datetime(2026, 1, 1, tzinfo=UTC)
READ = upptime.FORMAT.read_path
assert READ


def record(*lines: str) -> bytes:
    return "\n".join([HEADER, *lines]).encode()


def commit(minute: float, status: str = "up", site: str = "API", code: int = 200) -> str:
    at = START + timedelta(minutes=minute)
    return f"{at.isoformat()},{site},{status},{code},{12 if code else 0},{minute:>09}abcdef"


def test_all_time_uptime(mapped: Callable[..., Any], shared_data: Callable[[str], Path]) -> None:
    (body,) = READ(shared_data("upptime/ClouDesire_status"))
    result = mapped("upptime", body, received_at=datetime(2026, 6, 12, tzinfo=UTC))
    assert result.rejects == []
    total, ok = Counter[str](), Counter[str]()
    for batch in result.batches:
        slug = batch.table["integration"][0].as_py()
        total[slug] += batch.table.num_rows
        ok[slug] += sum(batch.table["ok"].to_pylist())
    uptime = {slug: 100 * ok[slug] / total[slug] for slug in total}
    assert sum(total.values()) > 600_000
    # NOTE.md; Upptime's own README says 99.54, 71.14 and 99.96.
    assert uptime == pytest.approx(
        {
            "https-marketplace-cloudeng-it": 99.54,
            "https-backend-staging-eng-cloudesire-com": 71.14,
            "https-vc2-cloudeng-it": 99.95,
        },
        abs=0.01,
    )


def test_state_is_carried_over_the_slots_without_a_commit(mapped: Callable[..., Any]) -> None:
    rows = mapped("upptime", record(commit(1), commit(17, "down", code=0), commit(31))).rows
    minutes = [(row["at"] - START.replace(tzinfo=None)).total_seconds() / 60 for row in rows]
    assert minutes == [1, 5, 10, 17, 20, 25, 31]
    assert [row["ok"] for row in rows] == [True, True, True, False, False, False, True]
    assert {row["fail_reason"] for row in rows if not row["ok"]} == {"connection"}
    assert [row["latency_ms"] for row in rows] == [12, None, None, None, None, None, 12]
    assert rows[0]["source_ref"] == "commit 000000001abc"
    assert rows[1]["source_ref"] == "carried forward from commit 000000001abc"
    assert [row["evidence"] for row in rows[:2]] == ["measured", "reported"]
    assert {(r["integration"], r["check_key"], r["component"], r["interval_s"]) for r in rows} == {
        ("api", "api", "integration", 300)
    }


def test_the_newest_commit_of_any_site_shows_that_the_workflow_lived(
    mapped: Callable[..., Any],
) -> None:
    rows = mapped("upptime", record(commit(0, site="A"), commit(11, site="B"))).rows
    assert [row["at"].minute for row in rows if row["integration"] == "a"] == [0, 5]


def test_two_commits_in_one_slot_are_two_checks(mapped: Callable[..., Any]) -> None:
    rows = mapped("upptime", record(commit(1), commit(2, "down", code=500), commit(3))).rows
    assert [row["ok"] for row in rows] == [True, False, True]
    assert rows[1]["fail_reason"] == "provider_down"


def test_slow_is_up(mapped: Callable[..., Any]) -> None:
    (row,) = mapped("upptime", record(commit(1, "degraded"))).rows
    assert (row["ok"], row["fail_reason"]) == (True, "none")


MINUTES = st.lists(
    st.tuples(
        st.integers(0, 120), st.sampled_from(["up", "down"]), st.sampled_from(["A", "B", "C"])
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda entry: (entry[0], entry[2]),
)


@given(MINUTES, st.integers(0, 12))
def test_a_longer_history_keeps_every_row(
    mapped: Callable[..., Any], entries: list[tuple[int, str, str]], cut: int
) -> None:
    lines = [commit(*entry) for entry in sorted(entries)]
    before = mapped("upptime", record(*lines[:cut])).by("probe_id")
    after = mapped("upptime", record(*lines)).by("probe_id")
    assert before.items() <= after.items() or before == {}
    assert {name: after[name] for name in before} == before


@given(MINUTES)
def test_every_slot_has_a_probe(
    mapped: Callable[..., Any], entries: list[tuple[int, str, str]]
) -> None:
    result = mapped("upptime", record(*(commit(*entry) for entry in entries)))
    newest = START.replace(tzinfo=None) + timedelta(minutes=max(entry[0] for entry in entries))
    for site in {entry[2].lower() for entry in entries}:
        times = [row["at"] for row in result.rows if row["integration"] == site]
        slots = {int((at - datetime(1970, 1, 1)).total_seconds()) // 300 for at in times}
        assert sorted(slots) == list(range(min(slots), max(slots) + 1))
        assert newest - max(times) < timedelta(minutes=10)
    assert len(result.by("probe_id")) == len(result.rows)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (commit(5, "sideways"), "status is 'sideways'"),
        (commit(5).replace("2026", "1970"), "1990"),
        (commit(5).replace("2026", "2036"), "future"),
        (commit(5).replace("2026-01-01", "soon"), "soon"),
        (commit(5).replace(",200,", ",ok,"), "ok"),
        (commit(5).replace(",12,", ",-1,"), "response_ms"),
        ("a,b", "2 cells"),
        ("a\rb", "new-line character"),
        (commit(5, site=""), "missing"),
    ],
)
def test_a_wrong_line_is_named(mapped: Callable[..., Any], line: str, reason: str) -> None:
    result = mapped("upptime", record(commit(1), line, commit(9)))
    assert len([row for row in result.rows if row["evidence"] == "measured"]) == 2
    (reject,) = result.rejects
    assert reject.item == 3
    assert reason in reject.reason


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("https://marketplace.cloudeng.it", "https-marketplace-cloudeng-it"),
        ("GitHub API", "git-hub-api"),
        ("  Hacker News! ", "hacker-news"),
    ],
)
def test_slugs(name: str, slug: str) -> None:
    assert upptime.slugify(name) == slug


def git(folder: Path, *args: str, at: int = 0) -> None:
    when = (START + timedelta(minutes=at)).isoformat()
    subprocess.run(
        ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@t", *args],
        check=True,
        capture_output=True,
        env={"GIT_COMMITTER_DATE": when, "GIT_AUTHOR_DATE": when, "PATH": "/usr/bin:/bin"},
    )


def test_a_clone_is_read_from_its_log(mapped: Callable[..., Any], tmp_path: Path) -> None:
    git(tmp_path, "init")
    (tmp_path / ".upptimerc.yml").write_text("sites: []\n")
    history = tmp_path / "history"
    history.mkdir()
    entries = [
        (1, "wiki.yml", "🟩 Hub, the wiki is up (200 in 123 ms) [skip ci] [upptime]"),
        (3, "summary.json", "🗃️ Update status summary [skip ci] [upptime]"),
        (12, "wiki.yml", "🟥 Hub, the wiki is down (0 in 0 ms) [skip ci] [upptime]"),
        (16, "git-hub.yml", "🟨 GitHub is degraded (200 in 40000 ms) [skip ci] [upptime]"),
    ]
    for minute, name, subject in entries:
        (history / name).write_text(str(minute))
        git(tmp_path, "add", ".")
        git(tmp_path, "commit", "-m", subject, at=minute)
    assert upptime.FORMAT.detect(tmp_path, b"")
    (body,) = READ(tmp_path)
    assert isinstance(body, bytes)
    assert upptime.FORMAT.detect(Path("any.csv"), body)
    result = mapped("upptime", body)
    assert result.rejects == []
    assert [(r["integration"], r["at"].minute, r["ok"], r["latency_ms"]) for r in result.rows] == [
        ("wiki", 1, True, 123),
        ("wiki", 5, True, None),
        ("wiki", 12, False, None),
        ("git-hub", 16, True, 40000),
    ]


def test_a_folder_that_is_no_clone_is_refused(tmp_path: Path) -> None:
    (refused,) = READ(tmp_path)
    assert isinstance(refused, Reject)
    assert "git clone" in refused.mend
    (tmp_path / ".git").mkdir()
    rejects = [piece for piece in READ(tmp_path) if isinstance(piece, Reject)]
    assert "git cannot read" in rejects[-1].reason


def test_the_file_may_come_as_a_stream(shared_data: Callable[[str], Path]) -> None:
    file = shared_data("upptime/ClouDesire_status/check_commits.csv")
    split = formats()["upptime"].split
    assert split
    with file.open("rb") as stream:
        assert list(split(stream)) == list(READ(file)) == list(READ(file.parent))
