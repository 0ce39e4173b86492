"""The audit log: what changed is in it, and whoever tampers with it is found out."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meterstone.errors import InputError, StorageError, VerificationFailed
from meterstone.ledger import Ledger, merkle
from meterstone.ledger.checkpoints import Checkpoints
from meterstone.ledger.merkle import Frontier, leaf_hash
from meterstone.ledger.store import Transaction
from meterstone.ledger.tables import audit_entries, audit_head

from .conftest import Clock, Place

ENTRIES = 5  # with the one of the first opening


def fill(ledger: Ledger, number: int = ENTRIES - 1) -> None:
    """Two entries a change, one in the last."""
    for first in range(0, number, 2):
        with ledger.change("anna") as change:
            for index in range(first, min(first + 2, number)):
                change.audit("test.do", f"thing {index}", n=index)


def checkpoints(place: Place) -> Path:
    return place.folder / "audit" / "checkpoints"


def tamper(place: Place, *statements: sa.Executable) -> None:
    """What somebody does who can write the database."""
    with place.store().changing("intruder") as transaction:
        for statement in statements:
            transaction.run(statement)


def edit(number: int, entry: str) -> sa.Executable:
    """Other content with the hash that belongs to it."""
    return (
        sa.update(audit_entries)
        .where(audit_entries.c.number == number)
        .values(entry=entry, leaf=leaf_hash(entry.encode()))
    )


def rewrite_head(transaction: Transaction) -> None:
    """A head that belongs to the entries as they are now: the intruder knows RFC 6962."""
    tree = Frontier()
    query = sa.select(audit_entries.c.leaf).order_by(audit_entries.c.number)
    for leaf in transaction.run(query).scalars():
        tree = tree.append(leaf)
    transaction.run(sa.update(audit_head).values(size=tree.size, frontier=tree.to_bytes()))


def test_an_entry_says_who_did_what_when(ledger: Ledger, clock: Clock) -> None:
    with ledger.change("person:anna") as change:
        connection = change.connections.add(connector="square", account="M1", name="Main")
    entry = ledger.audit.entries()[-1]
    assert (entry.number, entry.at, entry.actor) == (1, clock.moment, "person:anna")
    assert (entry.action, entry.subject) == ("connection.add", connection.id)
    assert entry.detail == {
        "connector": "square", "account": "M1", "name": "Main", "franchise_id": None,
        "environment": "production", "status": "new",
    }  # fmt: skip


def test_entries_are_found_by_subject_action_and_recency(ledger: Ledger) -> None:
    fill(ledger)
    assert [entry.number for entry in ledger.audit.entries(last=2)] == [3, 4]
    assert [entry.number for entry in ledger.audit.entries(subject="thing 3")] == [4]
    assert [entry.number for entry in ledger.audit.entries(action="ledger.open")] == [0]


def test_a_log_that_nobody_touched_holds(place: Place) -> None:
    ledger = place.open()
    fill(ledger)
    report = ledger.audit.verify()
    assert report.holds
    assert (report.entries, report.checkpoints, report.unsigned, report.bad) == (
        ENTRIES, 3, 0, None,
    )  # fmt: skip


def test_a_checkpoint_proves_entries_by_the_rfc(place: Place) -> None:
    """What the file says is enough for somebody else's verifier."""
    ledger = place.open()
    fill(ledger)
    lines = [json.loads(line) for line in checkpoints(place).read_text().splitlines()]
    leaves = [bytes.fromhex(leaf) for line in lines for leaf in line["leaves"]]
    with place.store().reading() as transaction:
        text = transaction.run(
            sa.select(audit_entries.c.entry).where(audit_entries.c.number == 3)
        ).scalar_one()
    last = lines[-1]
    assert merkle.verify_inclusion(
        leaf_hash(text.encode()), 3, last["size"], merkle.inclusion_proof(leaves, 3),
        bytes.fromhex(last["root"]),
    )  # fmt: skip
    first = lines[1]
    assert merkle.verify_consistency(
        first["size"], last["size"], merkle.consistency_proof(leaves, first["size"]),
        bytes.fromhex(first["root"]), bytes.fromhex(last["root"]),
    )  # fmt: skip


# tampering


@pytest.mark.parametrize("number", range(ENTRIES))
def test_an_edited_entry_is_named(place: Place, number: int) -> None:
    ledger = place.open()
    fill(ledger)
    statement = sa.update(audit_entries).where(audit_entries.c.number == number)
    tamper(place, statement.values(entry='{"number": 0}'))
    report = ledger.audit.verify()
    assert (report.bad, report.reason) == (
        number, "was edited: it does not have the hash that stands beside it",
    )  # fmt: skip


@pytest.mark.parametrize("number", range(ENTRIES))
def test_an_entry_edited_with_hash_and_head_is_named(place: Place, number: int) -> None:
    ledger = place.open()
    fill(ledger)
    tamper(place, edit(number, json.dumps({"number": number, "actor": "nobody"})))
    with place.store().changing("intruder") as transaction:
        rewrite_head(transaction)
    report = ledger.audit.verify()
    assert report.bad == number
    assert "exchanged" in report.reason


@pytest.mark.parametrize("number", range(ENTRIES))
def test_a_removed_entry_is_named(place: Place, number: int) -> None:
    ledger = place.open()
    fill(ledger)
    tamper(place, sa.delete(audit_entries).where(audit_entries.c.number == number))
    report = ledger.audit.verify()
    assert report.bad == number
    assert "is missing" in report.reason


@pytest.mark.parametrize("keep", range(ENTRIES))
def test_a_log_cut_off_with_a_matching_head_is_found(place: Place, keep: int) -> None:
    ledger = place.open()
    fill(ledger)
    tamper(place, sa.delete(audit_entries).where(audit_entries.c.number >= keep))
    with place.store().changing("intruder") as transaction:
        rewrite_head(transaction)
    report = ledger.audit.verify()
    assert (report.bad, report.entries) == (keep, keep)
    assert f"signed for {ENTRIES} entries" in report.reason


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(pair=st.lists(st.integers(0, ENTRIES - 1), min_size=2, max_size=2, unique=True))
def test_two_entries_that_changed_places_are_named(place: Place, pair: list[int]) -> None:
    shutil.rmtree(place.folder / "audit", ignore_errors=True)
    ledger = place.open()
    have = len(ledger.audit.entries())
    fill(ledger, ENTRIES)
    one, two = (have + number for number in pair)
    move = sa.update(audit_entries)
    number = audit_entries.c.number
    tamper(
        place,
        move.where(number == one).values(number=-1),
        move.where(number == two).values(number=one),
        move.where(number == -1).values(number=two),
    )
    with place.store().changing("intruder") as transaction:
        rewrite_head(transaction)
    assert ledger.audit.verify().bad == min(one, two)
    tamper(
        place,
        move.where(number == one).values(number=-1),
        move.where(number == two).values(number=one),
        move.where(number == -1).values(number=two),
    )
    with place.store().changing("intruder") as transaction:
        rewrite_head(transaction)
    assert ledger.audit.verify().holds
    place.close()


def test_an_entry_that_was_added_is_refused_by_its_head(place: Place) -> None:
    ledger = place.open()
    fill(ledger)
    forged = json.dumps({"number": ENTRIES})
    added = sa.insert(audit_entries).values(
        number=ENTRIES, entry=forged, leaf=leaf_hash(forged.encode())
    )
    tamper(place, added)
    report = ledger.audit.verify()
    assert (report.bad, report.reason) == (
        ENTRIES, "the head of the log does not belong to its entries",
    )  # fmt: skip


def test_an_entry_that_says_another_number_is_named_before_it_is_signed(place: Place) -> None:
    ledger = place.open()
    fill(ledger)
    forged = json.dumps({"number": 3})
    added = sa.insert(audit_entries).values(
        number=ENTRIES, entry=forged, leaf=leaf_hash(forged.encode())
    )
    tamper(place, added)
    with place.store().changing("intruder") as transaction:
        rewrite_head(transaction)
    assert ledger.audit.verify().reason == "says that it is number 3: it stands in the wrong place"


# checkpoints


def test_a_checkpoint_with_another_root_names_where_it_differs(place: Place) -> None:
    """The key signed a root that the leaves do not have: entries and file do not agree."""
    ledger = place.open()
    fill(ledger)
    with ledger.checkpoints_in(checkpoints(place)).appending() as writer:
        writer.append([], writer.size, b"\0" * 32, place.clock.moment)
    report = ledger.audit.verify()
    assert (report.bad, report.reason) == (
        ENTRIES - 1, "the root of the tree up to here is not the one that was signed",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda line: line.replace('"size":1', '"size":2'), "the signature does not hold"),
        (lambda line: line.replace('"key_id":"', '"key_id":"f'), "which is not in keys/trusted"),
        (lambda _: "", "is not a checkpoint"),
        (lambda _: "[]", "is not a checkpoint"),
        (lambda _: '{"size": 1}', "is not a checkpoint"),
    ],
)
def test_a_line_of_the_file_that_was_changed_is_found(place: Place, change, cause) -> None:
    ledger = place.open()
    fill(ledger)
    lines = checkpoints(place).read_text().split("\n")
    assert change(lines[0]) != lines[0]
    checkpoints(place).write_text("\n".join([change(lines[0]), *lines[1:]]))
    report = ledger.audit.verify()
    assert not report.holds
    assert report.bad is None
    assert report.reason.startswith("checkpoint 1: ")
    assert cause in report.reason


def test_a_line_that_was_taken_out_is_found(place: Place) -> None:
    ledger = place.open()
    fill(ledger)
    lines = checkpoints(place).read_text().split("\n")
    checkpoints(place).write_text("\n".join([lines[0], *lines[2:]]))
    assert "does not follow the one before" in ledger.audit.verify().reason


def test_a_file_of_another_ledger_is_found(make_place, tmp_path: Path) -> None:
    one = make_place(tmp_path / "one")
    fill(one.open())
    kept = checkpoints(one).read_bytes()
    shutil.copytree(one.folder / "keys", tmp_path / "keys")
    two = make_place(tmp_path / "two")
    shutil.copytree(tmp_path / "keys", two.folder / "keys")
    ledger = two.open()
    fill(ledger)
    checkpoints(two).write_bytes(kept)
    assert "belongs to another ledger" in ledger.audit.verify().reason


def test_a_torn_last_line_is_replaced_by_the_next_checkpoint(place: Place) -> None:
    ledger = place.open()
    fill(ledger)
    whole = checkpoints(place).read_bytes()
    checkpoints(place).write_bytes(whole[:-20])
    report = ledger.audit.verify()
    assert report.holds
    assert report.unsigned == 2
    ledger.audit.checkpoint()
    assert ledger.audit.verify().unsigned == 0
    assert len(checkpoints(place).read_bytes()) == len(whole)


def test_nothing_new_is_not_signed_again(place: Place) -> None:
    ledger = place.open()
    fill(ledger)
    before = checkpoints(place).read_bytes()
    ledger.audit.checkpoint()
    assert checkpoints(place).read_bytes() == before


def test_a_change_whose_checkpoint_fails_is_kept_and_covered_by_the_next(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = place.open()
    shutil.rmtree(place.folder / "audit")
    (place.folder / "audit").write_text("in the way")
    with caplog.at_level(logging.ERROR), ledger.change("anna") as change:
        change.audit("test.do", "thing")
    assert "no checkpoint of the audit log" in caplog.text
    (place.folder / "audit").unlink()
    assert ledger.audit.verify().unsigned == 2
    ledger.audit.checkpoint()
    assert ledger.audit.verify().unsigned == 0


def test_checkpoints_are_not_appended_to_a_file_that_is_none(place: Place) -> None:
    ledger = place.open()
    fill(ledger)
    with checkpoints(place).open("a") as file:
        file.write("nonsense\n")
    with pytest.raises(VerificationFailed, match="no checkpoint"):
        ledger.audit.checkpoint()


def test_a_copy_kept_elsewhere_finds_what_was_cut_off_here(place: Place, tmp_path: Path) -> None:
    ledger = place.open()
    fill(ledger)
    copy = tmp_path / "copy"
    shutil.copy(checkpoints(place), copy)
    lines = checkpoints(place).read_text().splitlines()[:2]
    checkpoints(place).write_text("\n".join(lines) + "\n")
    tamper(place, sa.delete(audit_entries).where(audit_entries.c.number >= 3))
    with place.store().changing("intruder") as transaction:
        rewrite_head(transaction)
    assert ledger.audit.verify().holds  # both were cut off alike: nobody can see that from here
    assert ledger.audit.verify(ledger.checkpoints_in(copy)).bad == 3


def test_a_file_that_cannot_be_read_is_said(place: Place) -> None:
    ledger = place.open()
    with pytest.raises(StorageError, match="cannot read"):
        ledger.checkpoints_in(place.folder).read()


def test_values_that_are_no_json_are_refused(ledger: Ledger) -> None:
    with pytest.raises(InputError), ledger.change("anna") as change:
        change.audit("test.do", "thing", value=float("nan"))


def test_checkpoints_are_those_of_a_path(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "none", "log", lambda: None, dict).read().checkpoints == []
