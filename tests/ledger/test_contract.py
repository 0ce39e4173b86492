"""Connections, secrets, cursors and leases: the same on both engines."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from meterstone.errors import ConflictError, InputError, LeaseLost, StorageError
from meterstone.ledger import Ledger

from .conftest import Clock, Place


def add(ledger: Ledger, account: str = "M1", **options: object) -> str:
    with ledger.change("test") as change:
        return change.connections.add(connector="square", account=account, **options).id


# transactions


def test_an_exception_undoes_a_change_with_its_audit_entry(ledger: Ledger) -> None:
    before = ledger.audit.entries()

    def change_and_fail() -> None:
        with ledger.change("test") as change:
            change.connections.add(connector="square", account="M1")
            change.queue.put("sync", {})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change_and_fail()
    with ledger.read() as seen:
        assert seen.connections.all() == []
        assert seen.queue.all() == []
    assert ledger.audit.entries() == before


def test_what_only_reads_cannot_change(ledger: Ledger) -> None:
    with ledger.read() as seen, pytest.raises(InputError, match="only reads"):
        seen.connections.add(connector="square", account="M1")


def test_a_change_within_a_change_of_the_thread_is_refused(ledger: Ledger) -> None:
    with ledger.change("test"), pytest.raises(InputError, match=r"in the middle of a change"):
        ledger.queue.put("sync", {})


def test_a_ledger_is_there_when_it_is_opened_again(place: Place) -> None:
    ledger = place.open()
    connection = add(ledger)
    with ledger.change("test") as change:
        change.secrets.put(connection, "token", b"s")
    ledger.close()
    with place.open().read() as seen:
        assert seen.connections.get(connection).account == "M1"
        assert seen.secrets.get(connection, "token").value == b"s"


# connections


def test_a_connection_is_found_by_id_and_by_account(ledger: Ledger, clock: Clock) -> None:
    connection = add(ledger, name="Main street", franchise_id="F0001", settings={"a": [1]})
    add(ledger, "M2")
    with ledger.read() as seen:
        found = seen.connections.get(connection)
        assert (found.name, found.franchise_id, found.settings) == (
            "Main street", "F0001", {"a": [1]},
        )  # fmt: skip
        assert (found.status, found.version, found.created_at) == ("new", 1, clock.moment)
        assert seen.connections.find("square", "M1") == found
        assert seen.connections.find("square", "M3") is None
        assert len(seen.connections.all("square")) == 2
        assert seen.connections.all("clover") == []
        assert seen.connections.all(status="active") == []


def test_a_connection_has_a_name_when_none_is_given(ledger: Ledger) -> None:
    connection = add(ledger)
    with ledger.read() as seen:
        assert seen.connections.get(connection).name == "M1"


def test_an_account_is_connected_once_until_it_is_disconnected(ledger: Ledger) -> None:
    first = add(ledger)
    with pytest.raises(InputError, match="connected already"):
        add(ledger)
    with ledger.change("test") as change:
        assert change.disconnect(first, "moved").status == "disconnected"
    assert add(ledger) != first


def test_an_unknown_connection_is_refused_with_the_nearest(ledger: Ledger) -> None:
    with ledger.read() as seen, pytest.raises(InputError) as nothing:
        seen.connections.get("square-1")
    assert nothing.value.mend == "meterstone connect VENDOR"
    connection = add(ledger)
    with ledger.read() as seen, pytest.raises(InputError) as near:
        seen.connections.get(connection[:-1])
    assert connection in near.value.mend


def test_a_status_has_its_reason_and_mend(ledger: Ledger) -> None:
    connection = add(ledger)
    for _ in range(2):
        with ledger.change("worker-1") as change:
            found = change.connections.set_status(
                connection, "broken", reason="Square no longer accepts it", mend="connect again"
            )
    assert (found.reason, found.mend, found.version) == (
        "Square no longer accepts it", "connect again", 2,
    )  # fmt: skip
    entries = ledger.audit.entries(action="connection.status")
    assert [(each.actor, each.detail["after"]) for each in entries] == [("worker-1", "broken")]


def test_an_update_that_read_an_older_version_is_refused(ledger: Ledger) -> None:
    connection = add(ledger)
    with ledger.change("a") as change:
        changed = change.connections.update(connection, name="A", expected_version=1)
    assert (changed.name, changed.version) == ("A", 2)
    with pytest.raises(ConflictError), ledger.change("b") as change:
        change.connections.update(connection, settings={"x": 1}, expected_version=1)
    with ledger.read() as seen:
        assert seen.connections.get(connection) == changed


# secrets


def test_a_secret_is_kept_with_version_and_expiry(ledger: Ledger, clock: Clock) -> None:
    until = clock.moment + timedelta(hours=1)
    with ledger.change("test") as change:
        assert change.secrets.get("app:square", "client") is None
        assert change.secrets.put("app:square", "client", b"one") == 1
        assert change.secrets.put("app:square", "client", b"two", expires_at=until) == 2
    with ledger.read() as seen:
        found = seen.secrets.get("app:square", "client")
        assert (found.value, found.version, found.expires_at) == (b"two", 2, until)
        assert seen.secrets.names("app:square") == ["client"]
        assert "two" not in repr(found)


def test_only_the_first_of_two_renewals_is_kept(ledger: Ledger) -> None:
    with ledger.change("a") as change:
        change.secrets.put("c1", "token", b"old", expected_version=0)
        change.secrets.put("c1", "token", b"a", expected_version=1)
    for version in (0, 1, 3):
        with pytest.raises(ConflictError), ledger.change("b") as change:
            change.secrets.put("c1", "token", b"b", expected_version=version)
    with ledger.read() as seen:
        assert seen.secrets.get("c1", "token").value == b"a"


def test_a_deleted_secret_is_gone_and_its_version_stays_used(ledger: Ledger) -> None:
    with ledger.change("test") as change:
        change.secrets.put("c1", "token", b"1")
        change.secrets.put("c1", "refresh", b"2")
        change.secrets.delete("c1", "token")
        assert change.secrets.get("c1", "token") is None
        assert change.secrets.names("c1") == ["refresh"]
        assert change.secrets.put("c1", "token", b"3", expected_version=0) == 2
        change.secrets.delete("c1")
        assert change.secrets.names("c1") == []
        assert change.secrets.put("c1", "token", b"4") == 1


def test_owners_whose_values_have_all_expired_are_purged(ledger: Ledger, clock: Clock) -> None:
    soon, later = (clock.moment + timedelta(seconds=s) for s in (10, 1000))
    with ledger.change("test") as change:
        for owner, name, until in (
            ("flow:a", "state", soon), ("flow:b", "state", later), ("flow:c", "state", None),
            ("flow:d", "state", soon), ("flow:d", "more", None), ("app:x", "client", soon),
        ):  # fmt: skip
            change.secrets.put(owner, name, b"x", expires_at=until)
    clock.forward(60)
    with ledger.change("test") as change:
        assert change.secrets.purge("flow:") == 1
        assert change.secrets.get("flow:a", "state") is None
        assert change.secrets.get("app:x", "client").value == b"x"
        assert change.secrets.names("flow:d") == ["more", "state"]


def test_the_audit_log_names_a_secret_and_not_its_value(ledger: Ledger) -> None:
    with ledger.change("oauth") as change:
        change.secrets.put("c1", "token", b"hunter2")
    last = ledger.audit.entries(subject="c1")[-1]
    assert (last.action, last.detail) == ("secret.put", {"name": "token", "version": 1})
    assert "hunter2" not in str(ledger.audit.entries())


# cursors


def test_a_cursor_is_a_checkpoint_with_a_version(ledger: Ledger, clock: Clock) -> None:
    connection = add(ledger)
    with ledger.change("worker") as change:
        assert change.cursors.get(connection, "payments") is None
        assert change.cursors.put(connection, "payments", {"page": "a"}).version == 1
        moved = change.cursors.put(connection, "payments", {"page": "b"}, expected_version=1)
        change.cursors.put(connection, "orders", {}, expected_version=0)
    assert (moved.value, moved.version, moved.changed_at) == ({"page": "b"}, 2, clock.moment)
    with ledger.read() as seen:
        assert [each.stream for each in seen.cursors.of(connection)] == ["orders", "payments"]


@pytest.mark.parametrize("version", [0, 2])
def test_a_cursor_that_another_run_moved_is_refused(ledger: Ledger, version: int) -> None:
    connection = add(ledger)
    with ledger.change("worker") as change:
        change.cursors.put(connection, "payments", {})
    with pytest.raises(ConflictError), ledger.change("other") as change:
        change.cursors.put(connection, "payments", {}, expected_version=version)


def test_a_version_of_a_cursor_that_is_not_there_is_refused(ledger: Ledger) -> None:
    connection = add(ledger)
    with pytest.raises(ConflictError), ledger.change("worker") as change:
        change.cursors.put(connection, "payments", {}, expected_version=1)
    with ledger.read() as seen:
        assert seen.cursors.of(connection) == []


def test_setting_a_cursor_back_is_in_the_audit_log(ledger: Ledger) -> None:
    connection = add(ledger)
    with ledger.change("cli") as change:
        change.cursors.put(connection, "payments", {})
        change.cursors.reset(connection, "payments")
        assert change.cursors.get(connection, "payments") is None
    assert ledger.audit.entries()[-1].action == "cursor.reset"


def test_a_cursor_needs_its_connection(ledger: Ledger) -> None:
    with pytest.raises(StorageError), ledger.change("worker") as change:
        change.cursors.put("nobody", "payments", {})


# leases


def test_one_holder_at_a_time(ledger: Ledger, clock: Clock) -> None:
    lease = ledger.leases.take("refresh:c1", "a", 10)
    assert lease is not None
    assert ledger.leases.take("refresh:c1", "b", 10) is None
    assert ledger.leases.take("refresh:c1", "a", 10) is None
    assert ledger.leases.take("refresh:c2", "b", 10).fence == 1
    clock.forward(10)
    assert ledger.leases.take("refresh:c1", "b", 10).fence == lease.fence + 1


def test_a_lease_that_ran_out_protects_nothing(ledger: Ledger, clock: Clock) -> None:
    lease = ledger.leases.take("refresh:c1", "a", 10)
    lease = ledger.leases.extend(lease, 20)
    clock.forward(15)
    with ledger.change("a") as change:
        change.leases.check(lease)
    clock.forward(5)
    with pytest.raises(LeaseLost), ledger.change("a") as change:
        change.leases.check(lease)
    with pytest.raises(LeaseLost):
        ledger.leases.extend(lease, 20)


def test_giving_back_a_lease_lets_the_next_one_in(ledger: Ledger) -> None:
    lease = ledger.leases.take("refresh:c1", "a", 10)
    ledger.leases.release(lease)
    newer = ledger.leases.take("refresh:c1", "b", 10)
    ledger.leases.release(lease)  # an old holder's: without effect
    assert ledger.leases.take("refresh:c1", "c", 10) is None
    assert newer.fence == lease.fence + 1


# what goes wrong


@pytest.mark.parametrize("url", ["mysql://x/y", "oracle+nothing://x", "no url", "odd://"])
def test_a_url_of_another_engine_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(InputError) as refused:
        Ledger.open(tmp_path, url)
    assert "METERSTONE_LEDGER_URL" in refused.value.mend


def test_a_server_that_is_not_there_is_said_without_the_password(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as refused:
        Ledger.open(tmp_path, "postgresql://me:hunter2@127.0.0.1:1/none?connect_timeout=1")
    assert "hunter2" not in str(refused.value)


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("x")
    with pytest.raises(StorageError, match="cannot use this folder"):
        Ledger.open(tmp_path / "home")


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_bytes(b"this is no database" * 100)
    with pytest.raises(StorageError, match="the database refused"):
        Ledger.open(tmp_path)


def test_no_value_of_a_statement_reaches_an_error(ledger: Ledger) -> None:
    with pytest.raises(StorageError) as refused, ledger.change("test") as change:
        change._tx.run(sa.text("SELECT * FROM nothing WHERE a = 'hunter2'"))
    assert "hunter2" not in str(refused.value)
