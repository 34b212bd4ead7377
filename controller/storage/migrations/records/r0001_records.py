"""Records: one table, found by kind and id, by time, and by state."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0001"
down_revision = None


def upgrade() -> None:
    """Make the table; one that an Isotherm before these migrations made is taken over."""
    op.create_table(
        "records",
        sa.Column(
            "sequence",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("time_s", sa.Double, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("body", sa.JSON().with_variant(sa.Text, "sqlite"), nullable=False),
        sa.UniqueConstraint("kind", "id"),
        sqlite_autoincrement=True,
        if_not_exists=True,
    )
    op.create_index("records_by_time", "records", ["kind", "time_s"], if_not_exists=True)
    op.create_index("records_by_state", "records", ["kind", "state"], if_not_exists=True)


def downgrade() -> None:
    """There is nothing before: an empty store."""
    op.drop_table("records")
