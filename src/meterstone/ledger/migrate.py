"""Brings the schema of a ledger up to date when it is opened."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from meterstone.errors import StorageError
from meterstone.ledger.store import Transaction

HEAD = "0009"
"""The newest migration; a test holds it against the folder."""

_LOCK = 0x6D65_7465_7273  # any number that others do not lock: "meters"


def migrate(transaction: Transaction) -> None:
    """Run the migrations that are missing; two processes that open at once take turns.

    Raises:
        StorageError: the ledger was migrated by a newer version of Meterstone.
    """
    connection = transaction.connection
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    found = revision(connection)
    if found == HEAD:
        return
    if found is not None and found > HEAD:
        raise StorageError(
            f"the ledger has schema {found}, and this version knows up to {HEAD}",
            place="ledger",
            mend="use the newer version of Meterstone that migrated it",
        )
    command.upgrade(configuration(connection), HEAD)


def revision(connection: sa.Connection) -> str | None:
    """The migration that a database has; None: it is empty."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return None if found is None else str(found)


def configuration(connection: sa.Connection | None = None) -> Config:
    """What Alembic needs to know; no file, so that the program carries all of it."""
    config = Config()
    config.set_main_option("script_location", "meterstone.ledger:migrations")
    config.attributes["connection"] = connection
    return config
