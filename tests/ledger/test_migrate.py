"""Migrations: run when a ledger is opened; the tables of the code are theirs."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from meterstone.errors import StorageError
from meterstone.ledger import migrate
from meterstone.ledger.tables import metadata

from .conftest import Place


def test_the_newest_migration_is_the_one_that_is_asked_for() -> None:
    scripts = ScriptDirectory.from_config(migrate.configuration())
    assert scripts.get_heads() == [migrate.HEAD]


def test_an_empty_database_is_migrated_and_used(empty_place: Place) -> None:
    ledger = empty_place.open()
    ledger.queue.put("sync", {"a": 1})
    with empty_place.store().reading() as transaction:
        assert migrate.revision(transaction.connection) == migrate.HEAD


def test_the_tables_of_the_code_are_those_of_the_migrations(empty_place: Place) -> None:
    empty_place.open()
    with empty_place.store().reading() as transaction:
        context = MigrationContext.configure(
            transaction.connection, opts={"compare_type": True, "target_metadata": metadata}
        )
        assert compare_metadata(context, metadata) == []


def test_the_comparison_sees_a_difference(empty_place: Place) -> None:
    empty_place.open()
    opened = empty_place.store()
    with opened.changing("test") as transaction:
        transaction.run(sa.text("ALTER TABLE jobs ADD COLUMN more TEXT"))
    with opened.reading() as transaction:
        context = MigrationContext.configure(transaction.connection)
        assert [each[0] for each in compare_metadata(context, metadata)] == ["remove_column"]


def test_each_migration_runs_after_the_one_before(empty_place: Place) -> None:
    scripts = ScriptDirectory.from_config(migrate.configuration())
    steps = [script.revision for script in reversed(list(scripts.walk_revisions()))]
    opened = empty_place.store()
    for step in steps:
        with opened.changing("test") as transaction:
            command.upgrade(migrate.configuration(transaction.connection), step)
        with opened.reading() as transaction:
            assert migrate.revision(transaction.connection) == step
    empty_place.open().queue.put("sync", {})


def test_two_that_open_an_empty_database_at_once_take_turns(empty_place: Place) -> None:
    failed: list[BaseException] = []

    def opening() -> None:
        try:
            empty_place.open().queue.put("sync", {})
        except StorageError as error:
            failed.append(error)

    threads = [threading.Thread(target=opening) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    ledger = empty_place.open()
    assert ledger.queue.counts()["waiting"] == 3
    assert [each.action for each in ledger.audit.entries()] == ["ledger.open"]


def test_a_ledger_of_a_newer_version_is_refused(empty_place: Place) -> None:
    empty_place.open().close()
    with empty_place.store().changing("test") as transaction:
        transaction.run(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StorageError, match="9999"):
        empty_place.open()


def test_a_migration_that_fails_leaves_nothing(empty_place: Place) -> None:
    opened = empty_place.store()

    def migrate_and_fail() -> None:
        with opened.changing("test") as transaction:
            migrate.migrate(transaction)
            transaction.run(sa.text("SELECT nothing FROM nowhere"))

    with pytest.raises(StorageError):
        migrate_and_fail()
    with opened.reading() as transaction:
        assert sa.inspect(transaction.connection).get_table_names() == []
