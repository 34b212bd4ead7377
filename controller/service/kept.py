"""What was made for one asker and serves the next: encoded once for all, as long as it is true.

A page that fifty people have open is asked for fifty times when a control step ends. What is
dear to make is kept with a token that says of what it was made (a version, a moment); another
token makes it anew. Who asks while it is being made waits for the one that is on its way.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")
MOST = 512


class Kept:
    """Things that were made, the latest used of them; for one event loop."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._made: OrderedDict[Hashable, tuple[object, Any]] = OrderedDict()
        self._coming: dict[Hashable, tuple[object, asyncio.Task[Any]]] = {}

    def get(self, name: Hashable, token: object, make: Callable[[], T]) -> T:
        """The thing of a name, made anew where it was made of something else."""
        kept = self._made.get(name)
        if kept is not None and kept[0] == token:
            self._made.move_to_end(name)
            found: T = kept[1]
            return found
        return self._keep(name, token, make())

    async def from_thread(self, name: Hashable, token: object, make: Callable[[], T]) -> T:
        """The same for what takes long: made beside the event loop, once for all that wait."""
        kept = self._made.get(name)
        if kept is not None and kept[0] == token:
            self._made.move_to_end(name)
            found: T = kept[1]
            return found
        coming = self._coming.get(name)
        if coming is None or coming[0] != token:
            coming = (token, asyncio.create_task(asyncio.to_thread(make)))
            self._coming[name] = coming
        try:
            # Of those who wait one may hang up; the others still want it.
            made: T = await asyncio.shield(coming[1])
        finally:
            if coming[1].done() and self._coming.get(name) is coming:
                del self._coming[name]
        return self._keep(name, token, made)

    def _keep(self, name: Hashable, token: object, made: T) -> T:
        self._made[name] = (token, made)
        self._made.move_to_end(name)
        if len(self._made) > self._most:
            self._made.popitem(last=False)
        return made
