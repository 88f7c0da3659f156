"""Fetches news feeds in a thread of its own; what it found waits for the kernel.

Every request ends by its deadline, and nothing that a server sends can raise here, grow without
bound, or reach anybody as anything but `SafeText`. A source that did not change is asked with
what it gave last time (ETag, Last-Modified) and costs a line; one that fails is asked less often.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Thread
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urljoin, urlsplit

from engine.core.errors import FeedError
from engine.core.news import Headline
from engine.core.safetext import SafeText
from engine.market.news.reading import read

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

THREAD = "qd-news"

MOST_BYTES = 2_000_000
"""Bytes of one feed."""

MOST_REDIRECTS = 3

SLOWEST = 8
"""A source that keeps failing is asked after so many times the usual pause, at most."""

HELD = 64
AGENT = "quarterdeck"


@dataclass(frozen=True, slots=True)
class Fetched:
    """What one request came to: headlines, or why there are none. Empty both: unchanged."""

    source: str
    headlines: tuple[Headline, ...] = ()
    why: str = ""


class NewsLine(Protocol):
    """Whoever delivers headlines: a client, or a recording."""

    recorded: bool

    @property
    def names(self) -> tuple[str, ...]: ...

    def start(self) -> None: ...

    def take(self, now_ns: int) -> list[Fetched]: ...

    def close(self) -> bool: ...


@dataclass(slots=True)
class _Source:
    url: str
    name: str
    tags: dict[str, str] = field(default_factory=dict)
    failures: int = 0


class NewsClient:
    """Asks each source every so often. Made, read and closed by the kernel thread.

    `start` begins the thread and imports the library there; `wake` is called from it whenever
    something was fetched.
    """

    def __init__(
        self,
        urls: Sequence[str],
        wake: Callable[[], None],
        *,
        every_s: float = 600.0,
        deadline_s: float = 15.0,
    ) -> None:
        self._sources = tuple(_Source(url, named(url)) for url in urls)
        self.recorded = False
        self._wake = wake
        self._every_s = every_s
        self._deadline_s = deadline_s
        self._found: deque[Fetched] = deque(maxlen=HELD)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: Thread | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(source.name for source in self._sources)

    def start(self) -> None:
        """Begin to fetch; the first requests go out at once."""
        if self._thread is None:
            self._loop = asyncio.new_event_loop()
            self._task = self._loop.create_task(self._run())
            self._thread = Thread(target=self._serve, name=THREAD, daemon=True)
            self._thread.start()

    def take(self, now_ns: int) -> list[Fetched]:
        """What was fetched since the last time; `now_ns` matters to a recording alone."""
        del now_ns
        found = []
        while self._found:
            found.append(self._found.popleft())
        return found

    def close(self, timeout_s: float = 0.5) -> bool:
        """End the thread and wait for it; True when it has gone. Safe to call twice."""
        if self._thread is None or self._loop is None or self._task is None:
            return True
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    # In the thread.

    def _serve(self) -> None:
        loop, task = self._loop, self._task
        assert loop is not None
        assert task is not None
        asyncio.set_event_loop(loop)
        try:
            with suppress(asyncio.CancelledError):
                loop.run_until_complete(task)
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    async def _run(self) -> None:
        import aiohttp

        async with (
            aiohttp.ClientSession(
                headers={"User-Agent": AGENT, "Accept-Encoding": "identity"},
                auto_decompress=False,
                max_line_size=8_000,
                max_field_size=8_000,
            ) as session,
            asyncio.TaskGroup() as group,
        ):
            for source in self._sources:
                group.create_task(self._follow(session, source))

    async def _follow(self, session: ClientSession, source: _Source) -> None:
        while True:
            fetched = await self._once(session, source)
            source.failures = source.failures + 1 if fetched.why else 0
            self._found.append(fetched)
            self._wake()
            await asyncio.sleep(self._every_s * min(SLOWEST, 2 ** min(source.failures, 10)))

    async def _once(self, session: ClientSession, source: _Source) -> Fetched:
        """One request from its beginning to what came of it, whatever happens on the way."""
        try:
            async with asyncio.timeout(self._deadline_s):
                return Fetched(source.name, await self._fetch(session, source))
        except TimeoutError:
            why = f"no answer within {self._deadline_s:g} s"
        except FeedError as error:
            why = error.message
        except Exception as error:  # noqa: BLE001 - a server may do anything; we ask again later
            why = f"{type(error).__name__}: {error}"
        return Fetched(source.name, why=str(SafeText(why).line(200)))

    async def _fetch(self, session: ClientSession, source: _Source) -> tuple[Headline, ...]:
        url = source.url
        for _ in range(MOST_REDIRECTS + 1):
            async with session.get(url, headers=source.tags, allow_redirects=False) as response:
                if response.status in (301, 302, 303, 307, 308):
                    url = redirected(url, response.headers.get("Location", ""))
                    continue
                if response.status == 304:
                    return ()
                if response.status != 200:
                    raise FeedError(f"HTTP {response.status}")
                body = await _body(response)
                headlines = await asyncio.to_thread(read, body, source.name)
                source.tags = {
                    name: value
                    for name, told in (("If-None-Match", "ETag"),
                                       ("If-Modified-Since", "Last-Modified"))
                    if (value := response.headers.get(told))
                }  # fmt: skip
                return headlines
        raise FeedError(f"more than {MOST_REDIRECTS} redirects")


async def _body(response: ClientResponse) -> bytes:
    """The body, refused where it is longer than any feed, or packed, which was not asked for."""
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise FeedError("a compressed answer, which was not asked for")
    parts, length = [], 0
    async for part in response.content.iter_chunked(65_536):
        length += len(part)
        if length > MOST_BYTES:
            raise FeedError(f"more than {MOST_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)


def redirected(url: str, to: str) -> str:
    """Where a redirect leads; never away from HTTP and never from HTTPS to less."""
    there = urljoin(url, to)
    safe = ("https",) if urlsplit(url).scheme == "https" else ("http", "https")
    if not to or urlsplit(there).scheme not in safe:
        raise FeedError("a redirect to nowhere that is followed")
    return there


def named(url: str) -> str:
    """A source as a person reads it: the host and where on it."""
    parts = urlsplit(url)
    host = (parts.hostname or "").removeprefix("www.")
    return str(SafeText(f"{host}{parts.path.rstrip('/')}").line(60))
