"""What a model's server may send at most, held before anything reads it.

A stream that never breaks a line would grow in memory until the deadline, and a compressed
one would unfold there; both are refused at the socket. Imported with the client library,
in the client's own thread.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx

from engine.llm.replies import Flood

MOST_BYTES = 4_000_000
"""Bytes of one response: some hundred times a long answer, streamed word by word."""


class _Counted(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        count = 0
        async for part in self._stream:
            count += len(part)
            if count > MOST_BYTES:
                raise Flood(f"more than {MOST_BYTES} bytes")
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()


class BoundedTransport(httpx.AsyncHTTPTransport):
    """Plain HTTP as the library does it, without proxies, compression or endless bodies."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.headers["accept-encoding"] = "identity"
        response = await super().handle_async_request(request)
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            raise Flood("a compressed answer, which was not asked for")
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _Counted(response.stream)
        return response
