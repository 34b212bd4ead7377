"""Trends of five minutes in files of their own, and marks of how far they go."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "h0002"
down_revision = "h0001"


def upgrade() -> None:
    """Files get a kind; marks a table."""
    op.add_column("files", sa.Column("kind", sa.Text, nullable=False, server_default="readings"))
    op.create_table(
        "marks",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("at_ms", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    """Trends follow from the readings and are made again; what retention took stays gone."""
    op.execute("DELETE FROM files WHERE kind <> 'readings'")
    op.drop_column("files", "kind")
    op.drop_table("marks")
