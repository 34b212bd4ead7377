"""Backups of a state directory while the controller runs, and their restoration.

SQLite files are copied by SQLite's own online backup, so that a copy is of one moment; Parquet
files and tick records never change and are copied as they are. A backup carries a list of its
files with their SHA-256; what is not whole is refused before anything is replaced.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from controller.storage.opening import HOT, RECORDS, TELEMETRY, TICKS
from controller.storage.ports import StorageError
from controller.storage.upgrading import alone

MANIFEST = "backup.json"
FORMAT = 1
DATABASES = (RECORDS, HOT)
FOLDERS = (TICKS, "inputs")


def back_up(state: Path, target: Path, *, telemetry_files: bool = True) -> int:
    """Copy a state directory; answer how many bytes. The controller may run meanwhile.

    Raises
    ------
    StorageError
        There is nothing to copy, or the target holds something, or the disk is full.
    """
    if not (state / RECORDS).exists():
        raise StorageError(f"{state} holds no records: give the --state of an `isotherm serve`")
    if target.exists() and any(target.iterdir()):
        raise StorageError(f"{target} holds something already: choose a new directory")
    try:
        partial = target.with_name(f".{target.name}.part")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for name in DATABASES:
            if (state / name).exists():
                _copy_database(state / name, partial / name)
        if telemetry_files:
            _copy_listed(state, partial)
            for folder in FOLDERS:
                if (state / folder).is_dir():
                    ignored = shutil.ignore_patterns("*.new", ".new*")
                    shutil.copytree(state / folder, partial / folder, ignore=ignored)
        size = _seal(partial)
        if target.exists():
            target.rmdir()
        partial.rename(target)
    except (OSError, sqlite3.Error, shutil.Error) as error:
        raise StorageError(f"the backup to {target} failed: {error}") from error
    return size


def restore(backup: Path, state: Path) -> int:
    """Put a backup in the place of a state directory; what was there is kept beside it.

    Raises
    ------
    StorageError
        The backup is not whole, or a controller runs on the directory. Nothing was changed.
    """
    size = verify(backup)
    with alone(state):
        fresh = state.with_name(f".{state.name}.restored")
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            shutil.copytree(backup, fresh)
            (fresh / MANIFEST).unlink()
            for path in (p for p in fresh.rglob("*") if p.is_file()):
                with path.open("rb") as file:
                    os.fsync(file.fileno())
            before = state.with_name(f"{state.name}.before-restore-{int(time.time())}")
            state.rename(before)
            fresh.rename(state)
        except OSError as error:
            raise StorageError(f"restoring {backup} to {state} failed: {error}") from error
    return size


def verify(backup: Path) -> int:
    """Check every file of a backup against its list; answer how many bytes.

    Raises
    ------
    StorageError
        A file is missing or was changed, or this is no backup.
    """
    try:
        manifest = json.loads((backup / MANIFEST).read_text(encoding="utf-8"))
        listed: dict[str, str] = manifest["files"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageError(f"{backup} is no whole backup: {MANIFEST}: {error}") from error
    if manifest.get("format") != FORMAT:
        raise StorageError(f"{backup} has format {manifest.get('format')!r}, known is {FORMAT}")
    size = 0
    for name, expected in listed.items():
        path = backup / name
        if not path.is_file():
            raise StorageError(f"{backup} is not whole: {name} is missing")
        if _sha256(path) != expected:
            raise StorageError(f"{backup} is damaged: {name} is not what was copied")
        size += path.stat().st_size
    return size


def _copy_listed(state: Path, partial: Path) -> None:
    """The Parquet files that the copied list names; one that was replaced meanwhile is still there.

    A compaction removes what the one before it replaced, an hour later.
    """
    hot = partial / HOT
    if not hot.exists():
        return
    with sqlite3.connect(f"file:{hot}?mode=ro", uri=True) as db:
        names = [str(row[0]) for row in db.execute("SELECT name FROM files")]
    db.close()
    for name in names:
        _copy_file(state / TELEMETRY / name, partial / TELEMETRY / name)


def _copy_file(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _copy_database(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    origin, copy = sqlite3.connect(source, timeout=30.0), sqlite3.connect(target)
    try:
        origin.backup(copy, pages=4096, sleep=0.01)
        if copy.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
            raise StorageError(f"{source} is damaged: SQLite's integrity check fails")
    finally:
        copy.close()
        origin.close()


def _seal(folder: Path) -> int:
    """Flush every file, and write the list."""
    files, size = {}, 0
    for path in _files(folder):
        with path.open("rb") as file:
            os.fsync(file.fileno())
        files[str(path.relative_to(folder))] = _sha256(path)
        size += path.stat().st_size
    data = {"format": FORMAT, "made_s": time.time(), "files": files}
    with (folder / MANIFEST).open("w", encoding="utf-8") as file:
        json.dump(data, file, indent=1, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    return size


def _files(folder: Path) -> Iterator[Path]:
    return iter(sorted(path for path in folder.rglob("*") if path.is_file()))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
