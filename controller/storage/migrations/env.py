"""Alembic's entry: runs the migrations of one chain over the connection that it is given."""

from __future__ import annotations

from alembic import context


def run() -> None:
    """Within Alembic's own context, which is there while it runs a command."""
    options = context.config.attributes
    context.configure(
        connection=options["connection"],
        version_table=options["version_table"],
        transactional_ddl=True,  # SQLite's DDL is transactional, too; Alembic does not rely on it
    )
    with context.begin_transaction():
        context.run_migrations()


if hasattr(context, "config"):  # looked at by an importer there is nothing to migrate
    run()
