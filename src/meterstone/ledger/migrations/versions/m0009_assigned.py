"""Who is on a discrepancy."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """A column."""
    op.add_column(
        "discrepancies",
        sa.Column("assigned_to", sa.Text(), nullable=False, server_default=""),
    )
