"""The hot segment: points, batches of readings, and the list of Parquet files."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "h0001"
down_revision = None


def upgrade() -> None:
    """Make the tables; those that an Isotherm before these migrations made are taken over."""
    op.create_table(
        "points",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("tag", sa.Text, nullable=False, unique=True),
        if_not_exists=True,
    )
    op.create_table(
        "batches",
        sa.Column("seen_ms", sa.Integer, primary_key=True),
        sa.Column("readings", sa.LargeBinary, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "files",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("start_ms", sa.Integer, nullable=False),
        sa.Column("end_ms", sa.Integer, nullable=False),
        sa.Column("readings", sa.Integer, nullable=False),
        if_not_exists=True,
    )


def downgrade() -> None:
    """There is nothing before: an empty store."""
    for table in ("points", "batches", "files"):
        op.drop_table(table)
