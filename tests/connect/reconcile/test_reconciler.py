"""What differs between a vendor and our copy is found, all of it and nothing else, and resolved."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from tests.connect.acme import FILE, START, Acme, Scene, scene, serving

from meterstone.connect.known import Known
from meterstone.connect.reconcile import Reconciler, Reconciliation, rules
from meterstone.ledger import Discrepancy
from meterstone.ledger.tables import discrepancies
from meterstone.record.model import facts_of_ours

PLAIN = FILE.read_text()


@pytest.fixture
def acme() -> Iterator[Acme]:
    with serving() as vendor:
        yield vendor


@pytest.fixture
def at(tmp_path: Path, acme: Acme) -> Iterator[Scene]:
    with scene(tmp_path, acme) as made:
        yield made


def reconciler(at: Scene, tmp_path: Path, **change: Any) -> Reconciler:
    declared = rules().model_copy(update=change)
    return Reconciler(at.hub, at.log, at.recorder, tmp_path, declared)


def sweep(at: Scene, tmp_path: Path, *, repair: bool = True, **change: Any) -> Reconciliation:
    made = reconciler(at, tmp_path, **change)
    return made.stream(at.connection.id, "payments", full=True, repair=repair)


def found(result: Reconciliation) -> dict[str, tuple[str, str]]:
    """Vendor's id → kind and outcome."""
    return {each.row["source_ref"]: (each.kind, each.outcome) for each in result.differences}


def copy(at: Scene) -> dict[str, dict[str, Any]]:
    return {row["payment_id"]: row for row in at.facts("payment")}


def edit(acme: Acme, ref: str, **change: Any) -> None:
    """A silent edit: the vendor's time of change stays."""
    acme.payments[ref] = {**acme.payments[ref], **change}


def amount(cents: int) -> dict[str, Any]:
    return {"amount": cents, "currency": "USD"}


def start(at: Scene, count: int) -> None:
    """So many payments, the last of them a day later: what is edited silently before it lies behind
    the look-back of the next sync."""
    at.acme.add(count - 1)
    at.acme.put("z-newest", START + timedelta(days=1))
    at.hub.sync(at.connection.id, "payments")


def test_nothing_differs_where_nothing_was_changed(at: Scene, tmp_path: Path) -> None:
    start(at, 250)
    result = sweep(at, tmp_path)
    assert (result.checked, result.matched, result.method) == (250, 250, "full")
    assert result.fields_checked == result.fields_matched > 250
    assert result.accuracy == result.money_accuracy == 1.0
    assert result.differences == []


def test_every_injected_difference_is_found_and_resolved_and_no_other(
    at: Scene, tmp_path: Path
) -> None:
    start(at, 300)
    chance = random.Random(7)
    refs = chance.sample(sorted(at.acme.payments)[:-1], 45)
    edited, deleted, lost = refs[:20], refs[20:35], refs[35:]
    for ref in edited:
        edit(at.acme, ref, amount_money=amount(chance.randint(1, 999)))
    for ref in deleted:
        del at.acme.payments[ref]
    known = {row["source_ref"]: row for row in at.facts("payment")}
    for ref in lost:  # what a lost page leaves: the vendor has it, we do not
        retract(at, known[ref])
    at.acme.put("late", START - timedelta(days=1))  # it came up late, with an old time of change
    result = sweep(at, tmp_path)
    expected = dict.fromkeys(edited, ("mismatched", "repaired"))
    expected |= dict.fromkeys(deleted, ("extra", "withdrawn"))
    expected |= dict.fromkeys([*lost, "late"], ("missing", "repaired"))
    assert found(result) == expected
    assert (result.missing, result.mismatched, result.extra) == (11, 20, 15)
    assert result.checked == 286 == result.matched + result.missing + result.mismatched
    assert (result.auto_resolved, result.open) == (46, 0)
    assert result.accuracy == pytest.approx(255 / 286)
    after = copy(at)
    assert sorted(after) == sorted(at.acme.payments)
    assert {ref: row["gross"] * 100 for ref, row in after.items()} == {
        ref: payment["amount_money"]["amount"] for ref, payment in at.acme.payments.items()
    }
    assert sweep(at, tmp_path).differences == []


def retract(at: Scene, row: dict[str, Any]) -> None:
    known = Known(at.recorder, "acme", at.connection.id, "payments", ["payment"])
    known.withdraw(known.rows({row["source_ref"]}), "for a test")


def test_money_weighs(at: Scene, tmp_path: Path) -> None:
    start(at, 3)
    edit(at.acme, "p00000", amount_money=amount(8000))
    result = sweep(at, tmp_path)
    assert result.accuracy == pytest.approx(2 / 3)
    assert result.money_accuracy == pytest.approx(0.2)


def test_found_only(at: Scene, tmp_path: Path) -> None:
    start(at, 10)
    edit(at.acme, "p00003", status="CANCELED")
    del at.acme.payments["p00004"]
    result = sweep(at, tmp_path, repair=False)
    assert found(result) == {"p00003": ("mismatched", "open"), "p00004": ("extra", "open")}
    assert copy(at)["p00003"]["status"] == "completed"
    assert "p00004" in copy(at)


def test_what_changed_just_now_is_still_on_its_way(at: Scene, tmp_path: Path) -> None:
    start(at, 5)
    at.acme.put("p00001", datetime.now(UTC), status="CANCELED")
    at.hub.sync(at.connection.id, "payments")
    edit(at.acme, "p00001", status="FAILED")
    result = sweep(at, tmp_path)
    assert (result.checked, result.skipped, result.differences) == (4, 1, [])


def test_a_vendor_that_lost_much_at_once_withdraws_nothing(at: Scene, tmp_path: Path) -> None:
    start(at, 20)
    for ref in list(at.acme.payments)[:10]:
        del at.acme.payments[ref]
    result = sweep(at, tmp_path)
    assert (result.extra, result.open, len(copy(at))) == (10, 10, 20)
    assert "10 of 20 records are gone at once" in result.differences[0].reason


def test_more_than_a_run_may_repair_is_for_people(at: Scene, tmp_path: Path) -> None:
    start(at, 5)
    for ref in ("p00000", "p00001"):
        edit(at.acme, ref, status="CANCELED")
    result = sweep(at, tmp_path, most_repaired=1)
    assert (result.mismatched, result.open) == (2, 2)
    assert "more than 1 differ" in result.differences[0].reason


def test_what_a_person_stated_is_kept(at: Scene, tmp_path: Path) -> None:
    start(at, 3)
    row = copy(at)["p00001"]
    stated = {
        "fact": "payment",
        "entered_by": "anna",
        "entered_role": "owner",
        "evidence_uri": "https://example.com/receipt",
        "source_ref": row["source_ref"],
    }
    keep = {k: v for k, v in row.items() if v is not None and not k.startswith("_")
            and k not in ("recorded_at", "evidence", "revision")}  # fmt: skip
    body = msgspec.json.encode({**keep, **stated, "tip": 5}) + b"\n"
    at.log.land(facts_of_ours(body, "stated", "test"))
    at.recorder.map_new()
    assert copy(at)["p00001"]["tip"] == 5
    result = sweep(at, tmp_path)
    assert found(result) == {"p00001": ("mismatched", "kept")}
    assert copy(at)["p00001"]["tip"] == 5
    vendor_first = sweep(at, tmp_path, precedence=("vendor", "person", "copy"))
    assert found(vendor_first) == {"p00001": ("mismatched", "repaired")}
    assert copy(at)["p00001"]["tip"] == 0


# the work list, and the fact


def work_list(at: Scene) -> list[Discrepancy]:
    with at.ledger.read() as seen:
        return seen.discrepancies.open(at.connection.id)


def test_the_work_list_holds_what_is_open_and_forgets_what_is_gone(
    at: Scene, tmp_path: Path
) -> None:
    start(at, 5)
    before = dict(at.acme.payments)
    edit(at.acme, "p00001", amount_money=amount(1))
    edit(at.acme, "p00002", amount_money=amount(5000))
    first = sweep(at, tmp_path, repair=False)
    sweep(at, tmp_path, repair=False)
    listed = work_list(at)
    assert [(each.amount, each.recon) for each in listed] == [(50.0, first.id), (0.01, first.id)]
    assert listed[0].detail["gross"] == ["50.00", "10.00"]
    at.acme.payments["p00002"] = before["p00002"]
    sweep(at, tmp_path, repair=False)
    assert [each.amount for each in work_list(at)] == [0.01]
    with at.ledger.change("person:anna") as change:
        change.discrepancies.accept(work_list(at)[0].id, "known at the vendor")
    assert work_list(at) == []


def test_the_fact_tells_the_comparison_and_a_day_later_what_is_open(
    at: Scene, tmp_path: Path
) -> None:
    start(at, 8)
    edit(at.acme, "p00001", status="CANCELED")
    result = sweep(at, tmp_path, repair=False)
    (row,) = at.facts("reconciliation")
    assert row["recon_id"] == result.id
    assert (row["platform_a"], row["platform_b"], row["entity"]) == (
        "acme", "meterstone", "payments",
    )  # fmt: skip
    assert (row["checked"], row["matched"], row["mismatched"], row["method"]) == (8, 7, 1, "full")
    assert row["window_end"].replace(tzinfo=UTC) == START + timedelta(days=1)
    made = reconciler(at, tmp_path)
    assert made.follow_up() == 0
    with at.ledger.change("test") as change:
        yesterday = datetime.now(UTC) - timedelta(days=2)
        change._tx.run(sa.update(discrepancies).values(found_at=yesterday))
    assert made.follow_up() == 1
    (row,) = at.facts("reconciliation")
    assert (row["open_after_24h"], row["checked"]) == (1, 8)
    assert made.follow_up() == 0


# samples


def test_a_sample_finds_only_what_is_there(at: Scene, tmp_path: Path) -> None:
    start(at, 60)
    for ref in ("p00010", "p00020"):
        edit(at.acme, ref, status="CANCELED")
    del at.acme.payments["p00030"]
    result = reconciler(at, tmp_path).stream(at.connection.id, "payments", seed=3)
    assert result.method == "random_sample"
    assert found(result) == {
        "p00010": ("mismatched", "repaired"), "p00020": ("mismatched", "repaired"),
        "p00030": ("extra", "withdrawn"),
    }  # fmt: skip


def test_a_small_sample_asks_little(at: Scene, tmp_path: Path) -> None:
    start(at, 60)
    asked = len(at.acme.asked)
    small = rules().sample.model_copy(update={"records": 5, "pages": 1})
    result = reconciler(at, tmp_path, sample=small).stream(at.connection.id, "payments", seed=1)
    assert 5 <= result.checked <= 60
    assert len(at.acme.asked) - asked < 10


def test_a_stream_without_single_records_is_swept(acme: Acme, tmp_path: Path) -> None:
    needs_one = ("one:", "payment.changed:")
    lines = [line for line in PLAIN.splitlines() if not line.strip().startswith(needs_one)]
    assert len(lines) == len(PLAIN.splitlines()) - 2
    with scene(tmp_path, acme, file="\n".join(lines)) as at:
        start(at, 150)
        del acme.payments["p00003"]
        result = reconciler(at, tmp_path).stream(at.connection.id, "payments")
        assert (result.method, result.extra) == ("full", 1)
        assert "p00003" not in copy(at)


def test_all_streams_of_a_connection(at: Scene, tmp_path: Path) -> None:
    start(at, 5)
    results = reconciler(at, tmp_path).connection(at.connection.id, full=True)
    assert [each.entity for each in results] == ["payments"]
    assert results[0].as_dict()["open"] == 0
