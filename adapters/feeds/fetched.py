"""A feed from a URL or a file: fetched now and then, kept, used while it is fresh, then held."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from adapters.feeds.feed import Persistence
from adapters.feeds.published import Published, read_published
from adapters.feeds.series import FeedError
from facility.outside import FeedSource

log = logging.getLogger(__name__)

TIMEOUT_S = 10.0
LONGEST_ANSWER = 16 * 2**20
LONGEST_WAIT_S = 3600.0


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """How a feed is doing, for people."""

    name: str
    fresh: bool
    age_s: float | None
    """Since it was fetched; None where it never was."""
    error: str
    """Why the last attempt failed; empty where it did not."""
    failures: int
    """Attempts that failed, one after the other."""


class FetchedFeed:
    """One quantity from one source, behind the port `adapters.feeds.feed.Feed`.

    `known` answers from memory at once; `refresh` does the waiting, in its owner's time. An
    answer that cannot be used changes nothing: the one before is used until it is stale, then the
    last value is held, then nothing is known. A file carries its own times: it is not stale by age.

    Parameters
    ----------
    site_folder
        Where relative paths begin.
    keep
        Folder in which the last answer is kept over a restart; None keeps it in memory.
    """

    def __init__(self, source: FeedSource, site_folder: Path, keep: Path | None = None) -> None:
        self.source = source
        self.name = ".".join(part for part in (source.quantity.value, source.hall) if part)
        self._is_remote = source.source.startswith(("http://", "https://"))
        self._folder = site_folder
        self._kept = None if keep is None else keep / f"{self.name}.json"
        self._published: Published | None = None
        self._fetched_s: float | None = None
        self._tags: dict[str, str] = {}
        self._held = Persistence(source.hold_s)
        self._next_s = float("-inf")
        self._failures = 0
        self._error = ""

    def known(self, times_s: Sequence[float], now_s: float) -> tuple[float, ...] | None:
        """The values at ``times_s`` as known at ``now_s``; the last one held where it is stale."""
        if self._published is not None and self.is_fresh(now_s):
            if (current := self._published.known([now_s], now_s)) is not None:
                self._held.saw(current[0], now_s)
            values = self._published.known(times_s, now_s)
            if values is not None:
                return values
        return self._held.known(times_s, now_s)

    def is_fresh(self, now_s: float) -> bool:
        """Whether the answer in hand is worth using."""
        fetched_s = self._fetched_s
        if not self._is_remote:
            return fetched_s is not None
        return fetched_s is not None and 0.0 <= now_s - fetched_s <= self.source.stale_s

    def status(self, now_s: float) -> FeedStatus:
        """How it is doing."""
        age_s = None if self._fetched_s is None else now_s - self._fetched_s
        return FeedStatus(self.name, self.is_fresh(now_s), age_s, self._error, self._failures)

    async def refresh(self, client: httpx.AsyncClient, now_s: float) -> None:
        """Fetch where it is time to; raises nothing for the source's faults."""
        if now_s < self._next_s:
            return
        try:
            if self._is_remote:
                await self._ask(client, now_s)
            else:
                self._read_file(now_s)
        except (FeedError, httpx.HTTPError, OSError, UnicodeDecodeError) as error:
            self._failures += 1
            told = str(error) or type(error).__name__
            if told != self._error:
                log.warning("feed %s: %s", self.name, told)
            self._error = told
            wait_s = min(
                0.1 * self.source.refresh_s * 2.0 ** min(self._failures, 8), LONGEST_WAIT_S
            )
            self._next_s = now_s + wait_s
            return
        if self._error:
            log.info("feed %s answers again", self.name)
        self._failures, self._error = 0, ""
        self._next_s = now_s + self.source.refresh_s

    async def _ask(self, client: httpx.AsyncClient, now_s: float) -> None:
        headers = dict(self._tags)
        if name := self.source.token_variable:
            if not (token := os.environ.get(name)):
                raise FeedError(f"the environment variable {name} with its token is not set")
            headers["Authorization"] = f"Bearer {token}"
        async with client.stream("GET", self.source.source, headers=headers) as answer:
            if answer.status_code == httpx.codes.NOT_MODIFIED and self._published is not None:
                self._fetched_s = now_s
                return
            if answer.status_code != httpx.codes.OK:
                raise FeedError(f"it answers {answer.status_code} {answer.reason_phrase}")
            body = bytearray()
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > LONGEST_ANSWER:
                    raise FeedError(f"its answer is longer than {LONGEST_ANSWER >> 20} MiB")
            text = body.decode("utf-8-sig")
            self._take(text, now_s, now_s)
            names = {"etag": "If-None-Match", "last-modified": "If-Modified-Since"}
            self._tags = {
                asked: answer.headers[told]
                for told, asked in names.items()
                if told in answer.headers
            }
        self._keep(text, now_s)

    def _read_file(self, now_s: float) -> None:
        path = self._folder / self.source.source
        try:
            text = path.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise FeedError(f"{path} cannot be read: {error.strerror}") from None
        self._take(text, now_s, None)

    def _take(self, text: str, now_s: float, fetched_s: float | None) -> None:
        self._published = read_published(
            text, self.source, fetched_s=fetched_s, where=self.source.source
        )
        self._fetched_s = now_s

    # -- over a restart ------------------------------------------------------------------------

    def _keep(self, text: str, now_s: float) -> None:
        if self._kept is None:
            return
        self._kept.parent.mkdir(parents=True, exist_ok=True)
        beside = self._kept.with_suffix(".new")
        content = {"source": self.source.source, "fetched_s": now_s, "text": text}
        beside.write_text(json.dumps(content), encoding="utf-8")
        beside.replace(self._kept)

    def resume(self) -> None:
        """Take up what was kept before a restart; what cannot be used is left alone."""
        if self._kept is None or not self._kept.exists():
            return
        try:
            kept = json.loads(self._kept.read_text(encoding="utf-8"))
            if kept["source"] == self.source.source:
                fetched_s = float(kept["fetched_s"])
                self._take(str(kept["text"]), fetched_s, fetched_s)
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("feed %s: what was kept cannot be used: %s", self.name, error)
