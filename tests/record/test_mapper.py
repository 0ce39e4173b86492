"""The background mapping: unasked, patient with a full disk, and drained at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from meterstone.app import Home
from meterstone.errors import StorageError
from meterstone.record import recorder as recorder_module
from meterstone.record.mapper import MapperThread
from meterstone.record.model import Incoming, LandedRecord, Mapped
from meterstone.warehouse.base import Appended

Facts = Callable[..., Incoming]


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.005)


@pytest.fixture
def mapper(home: Home) -> Iterator[MapperThread]:
    thread = MapperThread(home.recorder, interval_s=0.05)
    yield thread
    thread.stop()


def test_a_record_is_mapped_unasked(home: Home, mapper: MapperThread, facts: Facts) -> None:
    home.recorder.land(facts("left from before"))
    mapper.start()
    until(lambda: mapper.mapped_to == 1)
    home.recorder.land(facts("a"))
    until(lambda: home.warehouse.count("probe") == 2)
    assert (mapper.alive, mapper.state) == (True, "ok")


def test_a_disk_that_refuses_is_tried_again(
    home: Home,
    mapper: MapperThread,
    facts: Facts,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    pauses: list[float] = []
    pause = mapper._stop.wait

    def noted(seconds: float) -> bool:
        pauses.append(seconds)
        return pause(seconds)

    def refuse(*_: object, **__: object) -> Appended:
        raise StorageError("the warehouse is full", place="x", mend="y")

    monkeypatch.setattr(mapper._stop, "wait", noted)
    with monkeypatch.context() as patch:
        patch.setattr(home.warehouse, "append", refuse)
        home.recorder.land(facts("a"))
        mapper.start()
        until(lambda: len(pauses) > 4)
        assert (mapper.alive, mapper.state) == (True, "the disk refuses")
    assert pauses[:5] == pytest.approx([0, 0.1, 0.2, 0.4, 0.8]), "each pause is longer"
    until(lambda: home.warehouse.count("probe") == 1)
    until(lambda: mapper.state == "ok")
    assert [record.message for record in caplog.records] == [
        "mapping waits for the disk: the warehouse is full"
    ]


def test_stopping_maps_what_is_landed(home: Home, facts: Facts) -> None:
    mapper = MapperThread(home.recorder, interval_s=60)
    mapper.start()
    until(lambda: mapper.alive)
    time.sleep(0.1)  # the first pass is over, the next far away
    home.recorder.land(facts("a"))
    mapper.stop()
    assert home.warehouse.count("probe") == 1
    assert mapper.state == "stopped"


def test_stopping_does_not_wait_for_a_long_backlog(
    home: Home, facts: Facts, install: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(_record: LandedRecord) -> Iterator[Mapped]:
        mapper._stop.wait(60)  # all the backlog is there when the stop begins
        time.sleep(0.1)
        return iter(())

    monkeypatch.setattr(recorder_module, "_RECORDS_AT_ONCE", 2)
    install(tiny=slow)
    for n in range(100):
        home.log.land(Incoming(str(n).encode(), "tiny", "text/plain", "test"))
    mapper = MapperThread(home.recorder)
    mapper.start()
    mapper.stop(drain_s=0.2)
    assert home.recorder.backlog() > 90
    assert mapper.mapped_to == 100 - home.recorder.backlog()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_defect_ends_the_thread_and_is_seen(
    home: Home, mapper: MapperThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a defect")

    mapper.start()
    monkeypatch.setattr(home.recorder, "map_new", broken)
    until(lambda: not mapper.alive)
    assert mapper.state == "stopped"
