"""From the log to the warehouse: nothing twice, nothing lost, the same again after a rebuild."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from meterstone.app import Home
from meterstone.errors import FormatError, StorageError
from meterstone.facts import FactBatch, Reject, build_batch, vocabulary
from meterstone.record import recorder as module
from meterstone.record.log import LandingLog
from meterstone.record.model import Incoming, LandedRecord, Mapped
from meterstone.record.recorder import Mapping, Recorder, map_record
from meterstone.warehouse.base import Appended, Recorded

Facts = Callable[..., Incoming]
Contents = Callable[[Home], dict[str, list[str]]]


def body(content: str, form: str = "tiny") -> Incoming:
    return Incoming(content.encode(), form, "text/plain", "test", "name")


def batch(record: LandedRecord, rows: list[dict[str, Any]]) -> FactBatch:
    return build_batch(
        vocabulary()["probe"], list(enumerate(rows, 1)), received_at=record.received_at
    )


@pytest.fixture
def words(
    install: Callable[..., None], probe: Callable[..., dict[str, Any]]
) -> Callable[..., None]:
    """Installs a format of one word a line; ``known`` become facts, others are refused."""

    def put(*known: str) -> None:
        def mapping(record: LandedRecord) -> Iterator[Mapped]:
            for item, word in enumerate(record.body.decode().split(), 1):
                if word in known:
                    yield batch(record, [probe(word)])
                else:
                    yield Reject(item, f"{word} is unknown", "teach it", word)

        install(tiny=mapping)

    return put


def test_new_records_become_facts_once(home: Home, facts: Facts) -> None:
    home.recorder.land(facts("a", "b"))
    home.recorder.land(facts("b", "c"))
    assert home.recorder.backlog() == 2
    seen: list[int] = []
    done = home.recorder.map_new(lambda mapping: seen.append(mapping.records))
    assert (done.records, done.rows, done.appended) == (2, 4, Appended(new=3, duplicate=1))
    assert seen == [2]
    assert home.recorder.backlog() == 0
    assert home.recorder.map_new() == Mapping()
    assert home.warehouse.count("probe") == 3


def test_a_correction_is_a_revision(home: Home, facts: Facts) -> None:
    home.recorder.land(facts("a"))
    home.recorder.land(facts("a", ok=False))
    assert home.recorder.map_new().appended == Appended(new=1, revised=1)
    assert home.warehouse.query(
        f"SELECT ok FROM {home.warehouse.relation('probe', None)}"
    ).to_pylist() == [{"ok": False}]


def test_mappings_add_up() -> None:
    one = Mapping(1, 2, Appended(3, 4, 5))
    assert one + one == Mapping(2, 4, Appended(6, 8, 10))
    assert (one + one).rows == 24


def test_what_cannot_be_mapped_is_set_aside(home: Home, words: Callable[..., None]) -> None:
    words("good")
    home.recorder.land(body("good bad worse"))
    done = home.recorder.map_new()
    assert (done.rejected, done.appended.new) == (2, 1)
    assert [(q.seq, q.item, q.reason, q.excerpt) for q in home.log.quarantined()] == [
        (1, 2, "bad is unknown", "bad"),
        (1, 3, "worse is unknown", "worse"),
    ]


def _raise(error: Exception) -> Callable[[LandedRecord], Iterator[Mapped]]:
    def mapping(_record: LandedRecord) -> Iterator[Mapped]:
        raise error
        yield

    return mapping


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (FormatError("not mine", mend="send mine"), "not mine"),
        (ValueError("oops"), "the tiny mapping failed: ValueError: oops"),
        (KeyError("k"), "the tiny mapping failed: KeyError: 'k'"),
        (ZeroDivisionError("0"), "the tiny mapping failed: ZeroDivisionError: 0"),
    ],
)
def test_a_mapping_that_fails_sets_the_record_aside(
    home: Home, install: Callable[..., None], facts: Facts, error: Exception, reason: str
) -> None:
    install(tiny=_raise(error))
    home.recorder.land(body("x"))
    home.recorder.map_new()
    assert [q.reason for q in home.log.quarantined()] == [reason]
    assert home.recorder.backlog() == 0


def test_a_format_that_is_gone_sets_the_record_aside(home: Home) -> None:
    home.recorder.land(body("x", "long_gone"))
    home.recorder.map_new()
    (entry,) = home.log.quarantined()
    assert entry.reason == "no mapping for format 'long_gone'"


def test_a_reject_has_no_more_text_than_people_read(
    home: Home, install: Callable[..., None]
) -> None:
    install(tiny=lambda _record: iter([Reject(1, "r" * 10**6, "m" * 10**6)]))
    home.recorder.land(body("x"))
    home.recorder.map_new()
    (entry,) = home.log.quarantined()
    assert len(entry.reason) == len(entry.mend) == 1000


def test_a_retry_without_a_change_writes_nothing(home: Home, words: Callable[..., None]) -> None:
    words()
    home.recorder.land(body("bad"))
    home.recorder.map_new()
    assert home.recorder.retry(1) is None
    assert home.log.last_seq() == 1
    assert len(home.log.quarantined()) == 1


def test_a_retry_of_rows_refused_within_a_batch(home: Home, facts: Facts) -> None:
    home.recorder.land(facts("a", interval_s=-1))
    home.recorder.map_new()
    assert [q.fact for q in home.log.quarantined()] == ["probe"]
    assert home.recorder.retry(1) is None


def test_a_retry_after_a_fix_maps_and_mends(home: Home, words: Callable[..., None]) -> None:
    words("good")
    home.recorder.land(body("good fixed bad"))
    home.recorder.map_new()
    words("good", "fixed")
    done = home.recorder.retry(1)
    assert done is not None
    assert done.appended == Appended(new=1, duplicate=1)
    assert [(q.seq, q.reason, q.state) for q in home.log.quarantined(None)] == [
        (1, "fixed is unknown", "mended"),
        (1, "bad is unknown", "mended"),
        (2, "bad is unknown", "open"),
    ]
    before = home.log.get(1).received_at
    known = home.warehouse.relation("probe", before)
    assert home.warehouse.query(f"SELECT probe_id FROM {known}").to_pylist() == [
        {"probe_id": "good"}
    ], "what a retry yields was not known before it"


def test_a_rebuild_gives_the_same(home: Home, facts: Facts, contents: Contents) -> None:
    for incoming in (
        facts("a", "b"),
        facts("a", ok=False),
        facts("c", interval_s=-1),
        facts("b", "d"),
        facts("a"),
        body("rubbish", "long_gone"),
    ):
        home.recorder.land(incoming)
        home.recorder.map_new()
    before = contents(home)
    aside = [(q.seq, q.item, q.reason, q.state) for q in home.log.quarantined(None)]
    assert len(before["probe"]) == 5
    seen: list[Mapping] = []
    done = home.rebuild(seen.append)
    assert seen == [done]
    assert done.records == 6
    assert contents(home) == before
    assert [(q.seq, q.item, q.reason, q.state) for q in home.log.quarantined(None)] == aside


def test_a_warehouse_that_is_lost_is_made_anew(
    tmp_path: Path, facts: Facts, contents: Contents
) -> None:
    with Home(tmp_path) as home:
        home.recorder.land(facts("a", "b"))
        home.recorder.map_new()
        before = contents(home)
    (tmp_path / "warehouse.duckdb").unlink()
    with Home(tmp_path) as home:
        assert home.recorder.backlog() == 1
        home.recorder.map_new()
        assert contents(home) == before


def test_a_log_older_than_the_warehouse_is_named(tmp_path: Path, facts: Facts) -> None:
    with Home(tmp_path) as home:
        for probe_id in "abc":
            home.recorder.land(facts(probe_id))
        home.recorder.map_new()
    with closing(sqlite3.connect(tmp_path / "landing.sqlite")) as connection:
        connection.execute("DELETE FROM landed WHERE seq > 1")
        connection.commit()
    with Home(tmp_path) as home:
        with pytest.raises(StorageError, match="2 records ahead of the landing log"):
            home.recorder.map_new()
        assert home.rebuild().appended.new == 1


class Crash(BaseException):
    """The process ends here."""


class Crashing:
    """A warehouse whose n-th append ends the process, before or after it is on disk."""

    def __init__(self, home: Home, when: int, *, after: bool) -> None:
        self._warehouse = home.warehouse
        self._left = when
        self._after = after

    def append(self, recorded: list[Recorded], *, mapped_to: int | None = None) -> Appended:
        self._left -= 1
        if self._left == 0 and not self._after:
            raise Crash
        done = self._warehouse.append(recorded, mapped_to=mapped_to)
        if self._left == 0:
            raise Crash
        return done

    def __getattr__(self, name: str) -> Any:
        return getattr(self._warehouse, name)


@pytest.mark.parametrize("cut_at", [(n, after) for n in (1, 2, 3) for after in (False, True)])
def test_a_mapping_that_is_cut_off_goes_on(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    facts: Facts,
    contents: Contents,
    cut_at: tuple[int, bool],
) -> None:
    monkeypatch.setattr(module, "_ROWS_AT_ONCE", 4)
    when, after = cut_at
    sent = [
        facts("a", "b"),
        facts("a", ok=False),
        facts("b", "a"),
        body("rubbish", "long_gone"),
        facts("c", "d", "e", "f", "g"),
        facts("a", ok=False),
        facts("h", interval_s=-1),
        facts("a"),
    ]
    with Home(tmp_path / "straight") as home:
        for incoming in sent:
            home.recorder.land(incoming)
        home.recorder.map_new()
        times = {record.seq: record.received_at for record in home.log.read()}
        straight = contents(home)
        aside = [(q.seq, q.item, q.reason) for q in home.log.quarantined()]
    with Home(tmp_path / "cut") as home:
        for incoming in sent:
            home.recorder.land(incoming)
        cut = Recorder(home.log, Crashing(home, when, after=after))  # type: ignore[arg-type]
        with pytest.raises(Crash):
            cut.map_new()
    with Home(tmp_path / "cut") as home:
        home.recorder.map_new()
        own = {record.seq: record.received_at for record in home.log.read()}
        resumed = contents(home)
        for seq, at in own.items():
            resumed = _with_time(resumed, repr(at.replace(tzinfo=None)), times[seq])
        assert resumed == straight
        assert sorted((q.seq, q.item, q.reason) for q in home.log.quarantined()) == sorted(aside)


def _with_time(tables: dict[str, list[str]], old: str, new: Any) -> dict[str, list[str]]:
    """The tables as if the record had come in at another time."""
    shown = repr(new.replace(tzinfo=None))
    return {name: sorted(r.replace(old, shown) for r in rows) for name, rows in tables.items()}


def test_a_disk_that_refuses_facts_keeps_the_quarantine(
    home: Home, words: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    words("good")
    home.recorder.land(body("good bad"))
    full = StorageError("full")
    with monkeypatch.context() as patch:

        def refuse(*_: object, **__: object) -> Appended:
            raise full

        patch.setattr(home.warehouse, "append", refuse)
        with pytest.raises(StorageError, match="full"):
            home.recorder.map_new()
    assert len(home.log.quarantined()) == 1
    assert home.recorder.backlog() == 1
    home.recorder.map_new()
    assert len(home.log.quarantined()) == 1
    assert home.warehouse.count("probe") == 1


def test_a_pass_ends_early_when_it_is_enough(
    home: Home, facts: Facts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_RECORDS_AT_ONCE", 2)
    for probe_id in "abcde":
        home.recorder.land(facts(probe_id))
    assert home.recorder.map_new(enough=lambda: True).records == 2
    assert home.recorder.backlog() == 3
    seen: list[int] = []
    home.recorder.map_new(lambda done: seen.append(done.records))
    assert seen == [0, 3], "the figures are of what is on disk"


def test_a_record_larger_than_a_transaction(
    home: Home, words: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ROWS_AT_ONCE", 3)
    monkeypatch.setattr(module, "_REJECTS_AT_ONCE", 2)
    known = [f"w{n}" for n in range(20)]
    words(*known)
    home.recorder.land(body(" ".join([*known, "a", "b", "c", "d", "e"])))
    home.recorder.land(body("w1 x"))
    done = home.recorder.map_new()
    assert (done.records, done.rejected, done.appended) == (2, 6, Appended(20, 1))
    assert len(home.log.quarantined()) == 6


def test_what_lands_meanwhile_is_for_the_next_pass(
    home: Home, install: Callable[..., None], probe: Callable[..., dict[str, Any]]
) -> None:
    def mapping(record: LandedRecord) -> Iterator[Mapped]:
        home.log.land(body(f"after {record.seq}"))
        yield batch(record, [probe(str(record.seq))])

    install(tiny=mapping)
    home.recorder.land(body("x"))
    assert home.recorder.map_new().records == 1
    assert home.recorder.map_new().records == 1


def test_map_record_needs_no_warehouse(log: LandingLog, facts: Facts) -> None:
    log.land(facts("a"))
    (mapped,) = map_record(log.get(1))
    assert isinstance(mapped, FactBatch)
    assert mapped.table.num_rows == 1


def test_facts_handed_over_are_not_mapped_again(
    home: Home, install: Callable[..., None], probe: Callable[..., dict[str, Any]]
) -> None:
    mapped: list[int] = []

    def mapping(record: LandedRecord) -> Iterator[Mapped]:
        mapped.append(record.seq)
        yield batch(record, [probe(str(record.seq))])

    install(tiny=mapping)
    for content in "abc":
        home.recorder.land(body(content))
    ready = [part for part in map_record(home.log.get(2)) if isinstance(part, FactBatch)]
    mapped.clear()
    home.recorder.hand_over(2, ready)
    home.recorder.map_new()
    assert mapped == [1, 3]
    assert home.warehouse.count("probe") == 3
    home.recorder.hand_over(2, ready)  # too late: it is mapped
    home.recorder.map_new()
    assert home.recorder._ready._rows == 0


def test_no_more_facts_are_kept_than_memory_is_meant_for(
    home: Home, facts: Facts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_READY_ROWS", 3)
    for pair in ("ab", "cd"):
        receipt = home.recorder.land(facts(*pair))
        ready = [
            part for part in map_record(home.log.get(receipt.seq)) if isinstance(part, FactBatch)
        ]
        home.recorder.hand_over(receipt.seq, ready)
    assert home.recorder._ready._rows == 2
    assert home.recorder.map_new().appended.new == 4
