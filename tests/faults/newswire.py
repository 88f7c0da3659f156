"""A server on loopback that serves news feeds, and misbehaves when it is asked to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from email.utils import formatdate
from threading import Thread
from types import TracebackType
from typing import Any
from xml.sax.saxutils import escape

from aiohttp import web

Behaviour = Callable[["Newswire", web.Request], Awaitable[web.StreamResponse]]


def rss(*titles: str, at_s: float | None = None) -> bytes:
    """A feed as publishers write it: the newest first, each with a link, a guid and a date."""
    items = "".join(
        f"<item><title>{escape(title)}</title><link>https://news.example/{k}</link>"
        f"<guid>g-{k}</guid>{_dated(at_s)}"
        "<media:title xmlns:media='m'>an image</media:title></item>"
        for k, title in enumerate(titles)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><rss version="2.0"><channel>'
        f"<title>Example</title>{items}</channel></rss>"
    ).encode()


def _dated(at_s: float | None) -> str:
    return "" if at_s is None else f"<pubDate>{formatdate(at_s, usegmt=True)}</pubDate>"


def atom(*titles: str) -> bytes:
    entries = "".join(
        f"<entry><title type='html'>{escape(title)}</title><link href='https://news.example/{k}'/>"
        f"<updated>2025-06-0{k + 1}T10:00:00Z</updated></entry>"
        for k, title in enumerate(titles)
    )
    return f"<feed xmlns='http://www.w3.org/2005/Atom'><title>E</title>{entries}</feed>".encode()


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(f'<!ENTITY {chr(98 + k)} "{f"&{chr(97 + k)};" * 10}">'.encode() for k in range(9))
    + b"]><rss><channel><item><title>&j;</title></item></channel></rss>"
)
FILE = (
    b'<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    b"<rss><channel><item><title>&x;</title></item></channel></rss>"
)
DEEP = b"<rss>" + b"<a>" * 100_000
CUT = rss("one", "two")[:200]


def serves(body: bytes, **headers: str) -> Behaviour:
    """Answer with this feed, and with 304 whoever has it."""

    async def answer(_: Newswire, request: web.Request) -> web.StreamResponse:
        etag = headers.get("ETag")
        if etag is not None and request.headers.get("If-None-Match") == etag:
            return web.Response(status=304)
        return web.Response(body=body, headers=headers, content_type="application/rss+xml")

    return answer


def says(status: int, **headers: str) -> Behaviour:
    async def answer(_: Newswire, _request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers=headers)

    return answer


async def silent(wire: Newswire, _: web.Request) -> web.StreamResponse:
    """Take the request and say nothing until the server goes."""
    await wire.leaving.wait()
    return web.Response()


async def floods(wire: Newswire, request: web.Request) -> web.StreamResponse:
    """Send a title without end."""
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"<rss><channel><item><title>")
    while not wire.leaving.is_set():
        await response.write(b"x" * 65_536)
    return response


class Newswire:
    """Serves one address in a thread of its own; `behaviour` is what it does now."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.asked: list[dict[str, str]] = []
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="newswire", daemon=True)

    def __enter__(self) -> Newswire:
        self._thread.start()
        self._call(self._start())
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def _call(self, what: Any) -> None:
        future: Future[Any] = asyncio.run_coroutine_threadsafe(what, self._loop)
        future.result(10)

    async def _start(self) -> None:
        self.leaving = asyncio.Event()
        app = web.Application()
        app.router.add_get("/{path:.*}", self._get)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}/feed"

    async def _stop(self) -> None:
        self.leaving.set()
        await self._runner.cleanup()

    async def _get(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(dict(request.headers))
        return await self.behaviour(self, request)
