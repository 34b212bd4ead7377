"""Which layout a store has, and the way to another version's and back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from controller.storage.engines import writing
from controller.storage.ports import StorageError

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection, Engine

MIGRATIONS = Path(__file__).parent / "migrations"
CHAINS = ("records", "hot", "fleet")


@dataclass(frozen=True, slots=True)
class Level:
    """Where a store stands on its chain of migrations."""

    chain: str
    current: str | None
    """None of a store that was just made, or of an Isotherm before there were migrations."""
    head: str

    @property
    def is_head(self) -> bool:
        """Whether this version can use the store as it is."""
        return self.current == self.head


def level(engine: Engine, chain: str) -> Level:
    """Where a store stands.

    Raises
    ------
    StorageError
        A newer Isotherm left it at a migration that this version does not know.
    """
    from sqlalchemy import inspect, text

    table = _version_table(chain)
    current = None
    with engine.connect() as connection:
        if inspect(connection).has_table(table):
            current = connection.execute(text(f"SELECT version_num FROM {table}")).scalar()  # noqa: S608 - a constant
    known = revisions(chain)
    if current is not None and current not in known:
        raise StorageError(
            f"{_where(engine)} is at migration {current}, this version knows "
            f"{known[-1]} and older: it was written by a newer Isotherm; run that one, or have it "
            f"take the store back with `isotherm storage downgrade`"
        )
    return Level(chain, current, known[-1])


@cache
def revisions(chain: str) -> tuple[str, ...]:
    """The chain's migrations, oldest first."""
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(_config(chain))
    return tuple(script.revision for script in reversed(list(scripts.walk_revisions())))


def make_ready(engine: Engine, chain: str) -> None:
    """Give a new store its tables; refuse one that has to be upgraded first.

    Raises
    ------
    StorageError
        The store is of an older or a newer version.
    """
    found = level(engine, chain)
    if found.is_head:
        return
    if found.current is not None or _has_tables(engine):
        raise StorageError(
            f"{_where(engine)} was written by an older Isotherm "
            f"({found.current or 'before migrations'}, now {found.head}): "
            "run `isotherm storage upgrade`, which keeps a copy first"
        )
    migrate(engine, chain, found.head)


def migrate(engine: Engine, chain: str, revision: str) -> None:
    """Bring a store to a revision, forwards or back, in one transaction.

    Raises
    ------
    StorageError
        There is no such revision.
    """
    from alembic import command

    found, known = level(engine, chain), revisions(chain)
    if revision not in known:
        raise StorageError(f"the chain {chain} has no revision {revision!r}: {', '.join(known)}")
    with writing(engine) as connection:
        config = _config(chain, connection)
        back = found.current is not None and known.index(revision) < known.index(found.current)
        (command.downgrade if back else command.upgrade)(config, revision)


def _config(chain: str, connection: Connection | None = None) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("version_locations", str(MIGRATIONS / chain))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    config.attributes["version_table"] = _version_table(chain)
    return config


def _has_tables(engine: Engine) -> bool:
    """Whether an SQLite file holds something; a database of a fleet may hold other tables."""
    from sqlalchemy import inspect

    return engine.dialect.name == "sqlite" and bool(inspect(engine).get_table_names())


def _version_table(chain: str) -> str:
    return f"isotherm_{chain}_version"


def _where(engine: Engine) -> str:
    url = engine.url
    return str(url.database) if engine.dialect.name == "sqlite" else url.render_as_string()
