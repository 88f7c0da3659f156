"""News as the kernel takes it: fetched elsewhere, known from the moment it comes in here.

A headline informs prompts and nothing else. It is journaled when it is taken, so that a replay of
this run reads it at the same engine time; what was heard before is not heard again.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from msgspec.structs import replace

from engine.core.clock import DAY
from engine.core.news import Headline, NewsSource, NewsView
from engine.core.records import HeadlineHeard
from engine.kernel.desk import Desk
from engine.market.news.client import Fetched

OLDEST_NS = DAY
"""A feed begins with what it has kept for weeks; older than this it is no news."""

REMEMBERED = 4_000
"""Headlines by which one that comes again is known."""

SHOWN = 12


class News:
    """Owned by the kernel thread; never waits. Does nothing where no source is configured."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._heard: dict[str, None] = {}
        self._sources: dict[str, NewsSource] = {}
        self._view: NewsView | None = None

    def begin(self, headlines: Iterable[Headline]) -> None:
        """Take back what was heard before this start, the oldest first, and begin to listen."""
        for one in headlines:
            self._desk.headlines.append(one)
            self._remember(one)
        line = self._desk.news
        if line is not None:
            self._sources = {name: NewsSource(name, "waiting") for name in line.names}
            line.start()

    def look(self) -> None:
        """Take what has come in. Asked on every turn, and before a cycle of an events' clock."""
        line = self._desk.news
        if line is None:
            return
        for fetched in line.take(self._desk.now_ns):
            self._took(fetched)

    def _took(self, fetched: Fetched) -> None:
        desk, now_ns = self._desk, self._desk.now_ns
        self._view = None
        known = self._sources.get(fetched.source) or NewsSource(fetched.source, "waiting")
        new = [one for one in fetched.headlines if self._is_new(one)]
        if fetched.why and fetched.why != known.why:
            desk.note(f"news of {fetched.source}: {fetched.why}")
        failing = bool(fetched.why)
        self._sources[fetched.source] = replace(
            known,
            state="failing" if failing else "ok",
            why=fetched.why,
            tried_ns=now_ns,
            ok_ns=known.ok_ns if failing else now_ns,
            headlines=known.headlines + len(new),
        )
        # A feed tells its newest first; here they come in the order in which they were published.
        for one in reversed(new):
            headline = one if one.known_ns else replace(one, known_ns=now_ns)
            self._remember(headline)
            desk.headlines.append(headline)
            desk.record(HeadlineHeard(time_ns=now_ns, headline=headline))

    def _is_new(self, one: Headline) -> bool:
        old = one.published_ns and one.published_ns < self._desk.now_ns - OLDEST_NS
        return one.key not in self._heard and not (old and not one.known_ns)

    def _remember(self, one: Headline) -> None:
        self._heard[one.key] = None
        while len(self._heard) > REMEMBERED:
            del self._heard[next(iter(self._heard))]

    def view(self) -> NewsView | None:
        """The sources and the newest headlines; the same object until one of them moved."""
        line = self._desk.news
        if line is None:
            return None
        if self._view is None:
            self._view = NewsView(
                sources=tuple(self._sources.values()),
                headlines=tuple(islice(reversed(self._desk.headlines), SHOWN)),
                recorded=line.recorded,
            )
        return self._view
