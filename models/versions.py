"""A folder of a site's models: every version kept, one in use, and who changed that and why.

::

    registry.json            what is in use, what was before, and everything that was done
    <version>/               as `models.registry.Bundle.save` writes it; never changed after
        card.md              the same for people
        evaluations/*.json   one for each history that it was judged on, by the data's hash

``registry.json`` is replaced as a whole under a lock, so that which model is in use and which
was before change together or not at all. Whatever takes the folder of a model takes the
folder of a registry too, and gets the version in use.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

STATE, LOCK, EVALUATIONS = "registry.json", ".lock", "evaluations"
NAME_CHARS = 16
"""Of a version's hash: the name of its folder."""
FORMAT = 1


class VersionsError(ValueError):
    """The registry cannot do that; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Action:
    """Something that was done to a registry."""

    at_s: float
    """Wall time."""
    what: str
    """``added``, ``promoted``, ``rolled back`` or ``refused``."""
    version: str
    who: str
    why: str
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class State:
    """What a registry knows."""

    site: str
    current: str | None = None
    previous: str | None = None
    actions: tuple[Action, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"format": FORMAT, **asdict(self), "actions": [asdict(a) for a in self.actions]}


def located(folder: Path) -> Path:
    """The model's folder: ``folder`` itself, or, of a registry, that of the version in use.

    Raises
    ------
    VersionsError
        It is a registry and nothing was promoted yet, or it is damaged.
    """
    if not (folder / STATE).exists():
        return folder
    registry = Versions(folder)
    current = registry.state.current
    if current is None:
        raise VersionsError(
            f"{folder}: no model is in use there yet; promote one: isotherm model promote"
        )
    return registry.folder_of(current)


class Versions:
    """The registry in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def state(self) -> State:
        """As it is on disk now; raises `VersionsError` where there is none, or it is damaged."""
        path = self.folder / STATE
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            if data.pop("format") != FORMAT:
                raise VersionsError(f"{path}: of another format than {FORMAT}")
            return State(**{**data, "actions": tuple(Action(**a) for a in data["actions"])})
        except FileNotFoundError:
            raise VersionsError(
                f"{self.folder}: no registry there; `isotherm model train` makes one"
            ) from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            if isinstance(error, VersionsError):
                raise
            raise VersionsError(f"{path}: damaged ({error}); restore it from a backup") from None

    @property
    def names(self) -> tuple[str, ...]:
        """All versions, in the order in which they came."""
        return tuple(a.version for a in self.state.actions if a.what == "added")

    def folder_of(self, version: str) -> Path:
        """Where a version lies, by its name or the beginning of it, ``current`` or ``previous``.

        Raises
        ------
        VersionsError
            There is none, or more than one.
        """
        return self.folder / self.name_of(version)

    def name_of(self, version: str) -> str:
        """The full name of a version; raises `VersionsError` as `folder_of` does."""
        state = self.state
        if version in ("current", "previous"):
            named = state.current if version == "current" else state.previous
            if named is None:
                raise VersionsError(f"{self.folder}: there is no {version} version")
            return named
        names = self.names
        if version in names:
            return version
        found = [name for name in names if version and name.startswith(version[:NAME_CHARS])]
        if len(found) != 1:
            listed = ", ".join(names) or "none yet"
            what = "more than one version begins" if found else "no version begins"
            raise VersionsError(f"{what} with {version!r}; there are {listed}")
        return found[0]

    def add(
        self, site: str, version: str, write: Callable[[Path], None], action: Action
    ) -> tuple[str, bool]:
        """Keep a new version, whose files ``write`` puts into a folder.

        Answers its name, and whether it is new: the same numbers are the same version.

        Raises
        ------
        VersionsError
            The registry is of another site.
        """
        name = version[:NAME_CHARS]
        with self._locked():
            state = self.state if (self.folder / STATE).exists() else State(site)
            if state.site != site:
                raise VersionsError(f"{self.folder}: it is of site {state.site}, not of {site}")
            if any(a.version == name and a.what == "added" for a in state.actions):
                return name, False
            unfinished = self.folder / f".{name}.new"
            shutil.rmtree(unfinished, ignore_errors=True)
            write(unfinished)
            final = self.folder / name
            shutil.rmtree(final, ignore_errors=True)  # of an attempt that was cut off here
            unfinished.rename(final)
            self._save(_with(state, action, version=name))
        return name, True

    def promote(self, version: str, action: Action) -> State:
        """Put a version into use; the one before can be gone back to."""
        with self._locked():
            state, name = self.state, self.name_of(version)
            if name == state.current:
                raise VersionsError(f"{name} is in use already")
            state = _with(state, action, version=name, current=name, previous=state.current)
            self._save(state)
        return state

    def roll_back(self, action: Action) -> State:
        """Put back what was in use before; what is in use now becomes the one before."""
        with self._locked():
            state = self.state
            if state.previous is None:
                raise VersionsError(f"{self.folder}: there is no version to go back to")
            name = state.previous
            state = _with(state, action, version=name, current=name, previous=state.current)
            self._save(state)
        return state

    def note(self, version: str, action: Action) -> None:
        """Record something that changed nothing, such as a promotion refused."""
        with self._locked():
            self._save(_with(self.state, action, version=self.name_of(version)))

    def keep_evaluation(self, version: str, evaluation: dict[str, Any]) -> Path:
        """Keep how a version did on a history; the same history replaces what was kept of it."""
        folder = self.folder_of(version) / EVALUATIONS
        folder.mkdir(exist_ok=True)
        path = folder / f"{evaluation['data_hash'][:NAME_CHARS]}.json"
        replace_text(path, json.dumps(evaluation, indent=1, sort_keys=True, allow_nan=False))
        return path

    def evaluations(self, version: str) -> tuple[dict[str, Any], ...]:
        """Everything that a version was judged on, by the end of the history, latest last."""
        folder = self.folder_of(version) / EVALUATIONS
        found = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")]
        return tuple(sorted(found, key=lambda e: (e["last_s"], e["data_hash"])))

    def _save(self, state: State) -> None:
        replace_text(
            self.folder / STATE,
            json.dumps(state.to_json(), indent=1, sort_keys=True, allow_nan=False),
        )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / LOCK).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def replace_text(path: Path, text: str) -> None:
    """Write a file whole or not at all, and on the disk before it answers."""
    partial = path.with_name(f".{path.name}.part")
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _with(state: State, action: Action, **changes: Any) -> State:
    version = changes.pop("version")
    done = Action(**{**asdict(action), "version": version})
    return State(
        site=state.site,
        current=changes.get("current", state.current),
        previous=changes.get("previous", state.previous),
        actions=(*state.actions, done),
    )
