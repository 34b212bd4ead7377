"""Who may write what: the mode of every actuator, kept on disk. The default is shadow."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path

from facility.commands import Mode


class ModesError(Exception):
    """The file of modes cannot be used; the message names the mend."""


class Modes:
    """The mode of every actuator of the site.

    Parameters
    ----------
    actuators
        All of the site's.
    path
        ``modes.json``; None keeps them in memory only (tests, benchmarks).

    Raises
    ------
    ModesError
        The file is damaged. An actuator that the file does not name is in shadow, and one
        that the site no longer has is forgotten.
    """

    def __init__(self, actuators: Collection[str], path: Path | None = None) -> None:
        self._path = path
        known = {} if path is None or not path.exists() else _load(path)
        self._modes = {a: known.get(a, Mode.SHADOW) for a in actuators}

    @property
    def all(self) -> Mapping[str, Mode]:
        """By actuator id."""
        return self._modes

    def __getitem__(self, actuator: str) -> Mode:
        return self._modes[actuator]

    def set(self, modes: Mapping[str, Mode]) -> None:
        """Change some modes, on disk first.

        Raises
        ------
        OSError
            They could not be kept; nothing has changed.
        """
        changed = {**self._modes, **modes}
        if self._path is not None:
            text = {actuator: mode.value for actuator, mode in changed.items()}
            write_atomically(self._path, json.dumps(text, indent=1) + "\n")
        self._modes = changed


def write_atomically(path: Path, text: str) -> None:
    """Replace a file's content so that after a crash it is the old or the new one, whole."""
    beside = path.with_suffix(path.suffix + ".new")
    with beside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _load(path: Path) -> dict[str, Mode]:
    try:
        return {str(k): Mode(v) for k, v in json.loads(path.read_text("utf-8")).items()}
    except (ValueError, AttributeError) as error:
        raise ModesError(
            f"{path} is damaged ({error}); delete it to start with every actuator in shadow"
        ) from None
