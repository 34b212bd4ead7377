"""Alembic's entry: runs the migrations of one chain over the connection that it is given."""

from __future__ import annotations

from alembic import context

options = context.config.attributes
context.configure(
    connection=options["connection"],
    version_table=options["version_table"],
    transactional_ddl=True,  # SQLite's DDL is transactional, too; Alembic does not rely on it
)
with context.begin_transaction():
    context.run_migrations()
