"""What was read from a SQLite file a moment ago, as long as nobody has written since.

A service asks for the same few records with every request: the session, what waits, what is
open. SQLite counts the commits of all connections and processes (``PRAGMA data_version``), so
that an answer is kept exactly until anybody commits, and one that is kept is always the one that
the file would give.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
MOST_ANSWERS = 256


class ReadMemory:
    """Answers to questions about one file."""

    def __init__(self, path: Path) -> None:
        self._counter = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._lock = threading.Lock()
        self._version: int | None = None
        self._answers: OrderedDict[Hashable, Any] = OrderedDict()

    def answer(self, question: Hashable, ask: Callable[[], T]) -> T:
        """The answer to a question, asked for again only if somebody has written."""
        with self._lock:
            version = self._look()
            if question in self._answers:
                self._answers.move_to_end(question)
                kept: T = self._answers[question]
                return kept
        found = ask()
        with self._lock:
            # Read before or after a commit that came meanwhile: the version before it stands
            # for both, for the next look sees another one.
            if version == self._version:
                self._answers[question] = found
                if len(self._answers) > MOST_ANSWERS:
                    self._answers.popitem(last=False)
        return found

    def close(self) -> None:
        """Let go of the file."""
        self._counter.close()

    def _look(self) -> int:
        (version,) = self._counter.execute("PRAGMA data_version").fetchone()
        if version != self._version:
            self._answers.clear()
            self._version = int(version)
        return int(version)
