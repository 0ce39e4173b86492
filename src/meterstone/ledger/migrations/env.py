"""Where Alembic begins: it migrates on the connection that it is given, in its transaction."""

from __future__ import annotations

from alembic import context

from meterstone.ledger.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
