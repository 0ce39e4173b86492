"""Webhooks: endpoints that fail, groups that are held, answers' hashes, events that came in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


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
        "inbound_events",
        sa.Column("connection", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.BigInteger()),
        sa.Column("arrived_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("connection", "event", name="pk_inbound_events"),
    )
    op.create_index(
        "ix_inbound_events_record", "inbound_events", ["connection", "stream", "record"]
    )
    op.create_index("ix_inbound_events_arrived_at", "inbound_events", ["arrived_at"])
