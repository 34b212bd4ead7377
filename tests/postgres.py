"""A PostgreSQL cluster for tests, of Debian's `pg_virtualenv`, and databases in it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

MISSING = "needs pg_virtualenv (on Debian: postgresql and postgresql-common)"
# Says where it is, then waits for its input to end.
KEEP = 'printf "%s %s %s %s" "$PGHOST" "$PGPORT" "$PGUSER" "$PGPASSWORD" >"$1.new"; mv "$1.new" "$1"; cat'  # noqa: E501 - one command


def cluster() -> Iterator[str]:
    """The address of a new cluster, gone afterwards; the password goes by PGPASSFILE."""
    if shutil.which("pg_virtualenv") is None:
        pytest.skip(MISSING)
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "told"
        with subprocess.Popen(
            [
                "pg_virtualenv",
                "-t",
                "-c",
                f"--port {_free_port()}",
                "sh",
                "-c",
                KEEP,
                "sh",
                str(told),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        ) as process:
            try:
                while not told.exists():
                    assert process.poll() is None, "pg_virtualenv gave up"
                    try:
                        process.wait(0.05)
                    except subprocess.TimeoutExpired:
                        continue
                host, port, user, password = told.read_text().split()
                passwords = Path(folder) / "passwords"
                passwords.write_text(f"*:*:*:*:{password}\n")
                passwords.chmod(0o600)
                os.environ["PGPASSFILE"] = str(passwords)
                yield f"postgresql://{user}@{host}:{port}/postgres"
            finally:
                os.environ.pop("PGPASSFILE", None)
                assert process.stdin is not None
                process.stdin.close()


def _free_port() -> int:
    """Two clusters that start at once would choose the same one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def new_database(address: str) -> str:
    """The address of an empty database in a cluster."""
    import psycopg

    name = f"t{uuid4().hex[:12]}"
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    return f"{address.rpartition('/')[0]}/{name}"
