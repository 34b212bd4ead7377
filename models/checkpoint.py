"""What a training run has done so far, on disk: interrupted, it goes on and ends bit for bit the
same.

A file of tensors and plain numbers, read with ``weights_only``; replaced as a whole, so that a
run killed while it writes finds the state before. It is bound to one run by a key over the
history, the seed, the effort and the code: another run does not go on with it.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError  # torch's name for «not a file of tensors»
from typing import Any

import torch

FORMAT = 1


class CheckpointError(ValueError):
    """The file cannot be used; the message says why and what to do."""


class Checkpoint:
    """A file that keeps the stages of one training run.

    Parameters
    ----------
    path
        Read where it exists; written by `put`.
    key
        What the run is made of; a file of another key is refused.

    Raises
    ------
    CheckpointError
        There is a file and it is damaged, or of another run.
    """

    def __init__(self, path: Path, key: str) -> None:
        self._path = path
        self._begin_s = time.process_time()
        self.earlier_s = 0.0
        """Processor time of the parts of the run before this one."""
        self._data: dict[str, Any] = {"format": FORMAT, "key": key, "stages": {}, "spent_s": 0.0}
        if not path.exists():
            return
        try:
            found = torch.load(path, weights_only=True)
        except (OSError, RuntimeError, ValueError, EOFError, UnpicklingError) as error:
            raise CheckpointError(f"{path}: damaged ({error}); delete it to begin anew") from None
        if not isinstance(found, dict) or found.get("format") != FORMAT or found.get("key") != key:
            raise CheckpointError(
                f"{path}: it is of another run (other history, seed, effort or code); delete it to "
                "begin anew, or name another file"
            )
        self._data = found
        self.earlier_s = float(found["spent_s"])

    def stage(self, name: str) -> Stage:
        """The part of the run called ``name``."""
        return Stage(self, name)

    def get(self, name: str) -> dict[str, Any] | None:
        """What `put` kept last under ``name``."""
        found: dict[str, Any] | None = self._data["stages"].get(name)
        return found

    def put(self, name: str, state: dict[str, Any]) -> None:
        """Keep ``state`` under ``name`` and write the file."""
        self._data["stages"][name] = state
        self._data["spent_s"] = self.earlier_s + time.process_time() - self._begin_s
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_name(self._path.name + ".part")
        with partial.open("wb") as file:
            torch.save(self._data, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._path)

    def remove(self) -> None:
        """The run is done: nothing is left to go on with."""
        self._path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Stage:
    """One named part of a run's checkpoint."""

    checkpoint: Checkpoint
    name: str

    def last(self) -> dict[str, Any] | None:
        """Where it was left, if it was begun."""
        return self.checkpoint.get(self.name)

    def keep(self, state: dict[str, Any]) -> None:
        """Remember where it is."""
        self.checkpoint.put(self.name, state)
