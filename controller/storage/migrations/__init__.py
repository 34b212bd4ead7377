"""How stores come from one version's layout to another's, and back (Alembic).

Three chains: ``records`` (SQLite and PostgreSQL), ``hot`` (the hot segment's SQLite file) and
``fleet`` (telemetry in PostgreSQL). A migration is one transaction: it happens or it does not.
"""
