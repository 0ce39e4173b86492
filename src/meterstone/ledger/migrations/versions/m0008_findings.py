"""What studies found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Two tables."""
    op.create_table(
        "study_rounds",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("study", sa.Text(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("known_at", sa.BigInteger(), nullable=False),
        sa.Column("input", sa.Text(), nullable=False),
        sa.Column("took_s", sa.Float(), nullable=False),
        sa.Column("found", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_study_rounds"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_study_rounds_study", "study_rounds", ["study", "day"])
    op.create_table(
        "findings",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("round", NUMBER, nullable=False),
        sa.Column("scope_kind", sa.Text(), nullable=False),
        sa.Column("scope_key", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["round"], ["study_rounds.number"], name="fk_findings_round_study_rounds"
        ),
        sa.PrimaryKeyConstraint("number", name="pk_findings"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_findings_round", "findings", ["round", "scope_kind", "scope_key", "key"], unique=True
    )
