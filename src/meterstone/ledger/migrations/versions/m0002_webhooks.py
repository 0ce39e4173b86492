"""Webhooks: endpoints that fail, groups that are held, answers' hashes, events that came in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Columns that deliveries need, and the events that came."""
    op.add_column("job_groups", sa.Column("held_until", sa.BigInteger()))
    op.add_column(
        "endpoints", sa.Column("failures", sa.Integer(), nullable=False, server_default="0")
    )
    op.add_column("endpoints", sa.Column("failing_since", sa.BigInteger()))
    op.add_column("deliveries", sa.Column("told", sa.Text(), nullable=False, server_default=""))
    op.add_column("attempts", sa.Column("sha256", sa.Text(), nullable=False, server_default=""))
    untold = sa.text("told != status")
    op.create_index(
        "ix_deliveries_untold",
        "deliveries",
        ["created_at"],
        sqlite_where=untold,
        postgresql_where=untold,
    )
    op.create_table(
        "inbound_hooks",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("connector", sa.Text(), nullable=False),
        sa.Column("connection", sa.Text()),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("removed_at", sa.BigInteger()),
        sa.Column("taken", sa.Integer(), nullable=False),
        sa.Column("doubles", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.BigInteger()),
        sa.Column("last_refusal", sa.Text(), nullable=False),
        sa.Column("handshake", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection"], ["connections.id"], name="fk_inbound_hooks_connection"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_inbound_hooks"),
    )
    op.create_table(
        "inbound_events",
        sa.Column("connection", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.BigInteger()),
        sa.Column("arrived_at", sa.BigInteger(), nullable=False),
        sa.Column("deliveries", sa.Integer(), nullable=False),
        sa.Column("missed", sa.Boolean(), nullable=False),
        sa.Column("landed", NUMBER),
        sa.Column("done_at", sa.BigInteger()),
        sa.Column("told", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("connection", "event", name="pk_inbound_events"),
    )
    op.create_index(
        "ix_inbound_events_record", "inbound_events", ["connection", "stream", "record"]
    )
    op.create_index("ix_inbound_events_arrived_at", "inbound_events", ["arrived_at"])
    waits = sa.text("done_at IS NULL AND landed IS NOT NULL")
    op.create_index(
        "ix_inbound_events_open",
        "inbound_events",
        ["landed"],
        sqlite_where=waits,
        postgresql_where=waits,
    )
