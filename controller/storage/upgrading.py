"""Upgrades of a site's stores, and the way back: a copy first, then each chain in a transaction."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from controller.storage.migrate import Level, level, migrate, revisions
from controller.storage.opening import Place
from controller.storage.ports import StorageError


@contextmanager
def alone(state: Path) -> Iterator[None]:
    """Hold a state directory against ``isotherm serve`` and other commands that change it.

    Raises
    ------
    StorageError
        Somebody has it.
    """
    try:
        state.mkdir(parents=True, exist_ok=True)
        file = (state / "serve.lock").open("a", encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{state}: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StorageError(
                f"{state} belongs to an `isotherm serve` that runs: stop it first"
            ) from error
        yield


def levels(place: Place) -> list[Level]:
    """Where each of a site's databases stands on its chain."""
    found = []
    engines = place.engines()
    try:
        for engine, chain in engines:
            found.append(level(engine, chain))
    finally:
        for engine, _ in engines:
            engine.dispose()
    return found


def move(place: Place, targets: Sequence[tuple[str, str]]) -> list[tuple[Level, Level]]:
    """Bring chains to revisions; answer where each stood and where it stands."""
    asked, done = dict(targets), []
    engines = place.engines()
    try:
        for engine, chain in engines:
            if chain in asked:
                before = level(engine, chain)
                migrate(engine, chain, asked[chain])
                done.append((before, level(engine, chain)))
    finally:
        for engine, _ in engines:
            engine.dispose()
    return done


def to_heads(place: Place) -> list[tuple[str, str]]:
    """What an upgrade asks for: of each chain that is behind, its newest revision."""
    return [(found.chain, found.head) for found in levels(place) if not found.is_head]


def check(place: Place, targets: Sequence[tuple[str, str]]) -> None:
    """Find what is wrong with targets before anything is done.

    Raises
    ------
    StorageError
        There is no such chain or revision.
    """
    present = [found.chain for found in levels(place)]
    for chain, revision in targets:
        if chain not in present:
            raise StorageError(f"{place} has no chain {chain!r}: there are {', '.join(present)}")
        if revision not in revisions(chain):
            raise StorageError(
                f"the chain {chain} has no revision {revision!r}: {', '.join(revisions(chain))}"
            )
