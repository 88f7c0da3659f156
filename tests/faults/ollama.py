"""A server on loopback that speaks Ollama's HTTP API, and misbehaves when it is asked to.

Paths, fields and status codes are those of the API description and of recorded exchanges:
`/api/tags`, `/api/version` and `/api/chat`, the last one streamed as lines of JSON. What a
chat does is taken from a plan, one entry a request, so that a test says what happens when.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future
from threading import Event, Thread
from typing import Any

from aiohttp import web

MODEL = "qwen2.5:7b"
DIGEST = "845dbda0ea48ed749caafd9e6037047aa19acfcfd82e704d7ca97d631a0b697e"
CREATED = "2025-10-17T23:14:07.414671Z"

STRATEGIST, ADVISOR, REFLECTION = "strategist", "advisor", "reflection"

Behaviour = Callable[["Ollama", web.Request, dict[str, Any]], AsyncIterator[bytes]]


def condition(**changed: Any) -> dict[str, Any]:
    """A condition that passes every check around a market of 60,000."""
    return {
        "symbol": "BTC/USDT", "direction": "LONG", "entry": 60_600.0, "stop": 59_800.0,
        "targets": [62_000.0], "valid_sec": 240, "reasoning": "it breaks out",
        "pattern": "breakout", **changed,
    }  # fmt: skip


def answer(*conditions: dict[str, Any]) -> str:
    """The text of a well-formed answer."""
    return json.dumps({"conditions": list(conditions)})


def advice(stance: str = "agree", **changed: Any) -> str:
    """The text of an advisor's well-formed answer."""
    known = {"stance": stance, "confidence": 0.7, "warnings": ["news ahead"],
             "reasoning": "nothing speaks against it"}  # fmt: skip
    return json.dumps({**known, **changed})


def findings(*found: dict[str, Any]) -> str:
    """The text of a reflection's well-formed answer."""
    return json.dumps({"findings": list(found)})


def role_of(body: dict[str, Any]) -> str:
    """As what the model is asked, by the words with which it is told who it is."""
    system = str(body.get("messages", [{}])[0].get("content", ""))
    if "risk advisor" in system:
        return ADVISOR
    return REFLECTION if "reflect" in system else STRATEGIST


def _line(content: str, **more: Any) -> bytes:
    message = {"role": "assistant", "content": content}
    body = {"model": MODEL, "created_at": CREATED, "message": message, "done": False, **more}
    return json.dumps(body).encode() + b"\n"


def _end(reason: str = "stop", prompt: int = 412, tokens: int = 96) -> bytes:
    return _line(
        "", done=True, done_reason=reason, total_duration=174_560_334, load_duration=101_397_084,
        prompt_eval_count=prompt, prompt_eval_duration=13_074_791, eval_count=tokens,
        eval_duration=52_479_709,
    )  # fmt: skip


def says(text: str, reason: str = "stop", prompt: int = 412, tokens: int = 96) -> Behaviour:
    """Answer with this text, some characters a line, and end for this reason."""

    async def speak(_s: Ollama, _r: web.Request, _b: dict[str, Any]) -> AsyncIterator[bytes]:
        for start in range(0, len(text), 40):
            yield _line(text[start : start + 40])
        yield _end(reason, prompt, tokens)

    return speak


def lines(body: Sequence[bytes]) -> Behaviour:
    """Send these bytes as they are, such as those of a recorded exchange."""

    async def speak(_s: Ollama, _r: web.Request, _b: dict[str, Any]) -> AsyncIterator[bytes]:
        for part in body:
            yield part

    return speak


def after(word: Event, behaviour: Behaviour) -> Behaviour:
    """Say nothing until somebody gives the word, then behave like this."""

    async def speak(server: Ollama, r: web.Request, b: dict[str, Any]) -> AsyncIterator[bytes]:
        while not word.is_set() and not server.leaving.is_set():
            await asyncio.sleep(0.002)
        async for part in behaviour(server, r, b):
            yield part

    return speak


async def silent(server: Ollama, _r: web.Request, _b: dict[str, Any]) -> AsyncIterator[bytes]:
    """Take the request and say nothing until the server goes."""
    await server.leaving.wait()
    yield b""


async def slow(server: Ollama, _r: web.Request, _b: dict[str, Any]) -> AsyncIterator[bytes]:
    """Begin an answer and never end it."""
    yield _line('{"conditions": [')
    await server.leaving.wait()


async def blank(_s: Ollama, _r: web.Request, _b: dict[str, Any]) -> AsyncIterator[bytes]:
    """White space for ever, as a model held to a schema may write."""
    while True:
        yield _line("\n  \t ")
        await asyncio.sleep(0)


async def wordy(_s: Ollama, _r: web.Request, _b: dict[str, Any]) -> AsyncIterator[bytes]:
    """Words for ever, whatever `num_predict` says."""
    while True:
        yield _line("because ")
        await asyncio.sleep(0)


async def endless_line(_s: Ollama, _r: web.Request, _b: dict[str, Any]) -> AsyncIterator[bytes]:
    """One line that never ends."""
    while True:
        yield b"[" * 65_536
        await asyncio.sleep(0)


async def cut_off(_s: Ollama, request: web.Request, _b: dict[str, Any]) -> AsyncIterator[bytes]:
    """Drop the connection in the middle of an answer."""
    yield _line('{"conditions": [')
    if request.transport is not None:
        request.transport.abort()


def refuses(status: int, error: str) -> Behaviour:
    """Answer with an HTTP error of the API's own form."""

    async def speak(_s: Ollama, _r: web.Request, _b: dict[str, Any]) -> AsyncIterator[bytes]:
        if status >= 400:
            raise _error(status, error)
        yield b""

    return speak


def _error(status: int, error: str) -> web.HTTPException:
    kinds: dict[int, type[web.HTTPException]] = {
        404: web.HTTPNotFound, 500: web.HTTPInternalServerError, 503: web.HTTPServiceUnavailable,
    }  # fmt: skip
    return kinds[status](text=json.dumps({"error": error}), content_type="application/json")


class Ollama:
    """The server in a thread of its own; use it as a context manager.

    `plan` holds what the strategist's next chats do, `default` what they do once it is empty;
    `plans` and `defaults` the same for the other roles. `asked` are the bodies of the
    strategist's chats, `asked_as` those of each role. `models` are what `/api/tags`
    lists, `encoding` what a chat says that it is compressed by.
    """

    def __init__(self, *plan: Behaviour, default: Behaviour | None = None, port: int = 0) -> None:
        self.plan = deque(plan)
        self.default = default or says(answer(condition()))
        self.plans = {ADVISOR: deque[Behaviour](), REFLECTION: deque[Behaviour]()}
        self.defaults = {ADVISOR: says(advice()), REFLECTION: says(findings())}
        self.models: tuple[str, ...] = (MODEL,)
        self.asked: list[dict[str, Any]] = []
        self.asked_as = {STRATEGIST: self.asked, ADVISOR: list[Any](), REFLECTION: list[Any]()}
        self.host = ""
        self._port = port
        self.encoding = ""
        self.leaving: asyncio.Event
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="test-ollama", daemon=True)
        self._runner: web.AppRunner

    def __enter__(self) -> Ollama:
        self._thread.start()
        self._call(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def _call(self, what: Any) -> None:
        future: Future[Any] = asyncio.run_coroutine_threadsafe(what, self._loop)
        future.result(5)

    async def _start(self) -> None:
        self.leaving = asyncio.Event()
        app = web.Application()
        app.router.add_get("/api/tags", self._tags)
        app.router.add_get("/api/version", self._version)
        app.router.add_post("/api/chat", self._chat)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.host = f"http://{host}:{port}"

    async def _stop(self) -> None:
        self.leaving.set()
        await self._runner.cleanup()
        await self._loop.shutdown_asyncgens()

    async def _version(self, _request: web.Request) -> web.Response:
        return web.json_response({"version": "0.12.6"})

    async def _tags(self, _request: web.Request) -> web.Response:
        details = {"format": "gguf", "family": "qwen2", "families": ["qwen2"],
                   "parameter_size": "7.6B", "quantization_level": "Q4_K_M"}  # fmt: skip
        models = [
            {"name": name, "model": name, "modified_at": CREATED, "size": 4_683_087_332,
             "digest": DIGEST, "details": details}
            for name in self.models
        ]  # fmt: skip
        return web.json_response({"models": models})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        role = role_of(body)
        self.asked_as[role].append(body)
        if body.get("model") not in self.models:
            raise _error(404, f"model '{body.get('model')}' not found")
        plan = self.plans.get(role, self.plan)
        behaviour = plan.popleft() if plan else self.defaults.get(role, self.default)
        parts = behaviour(self, request, body)
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        if self.encoding:
            response.headers["Content-Encoding"] = self.encoding
        response.enable_chunked_encoding()
        try:
            async for part in parts:
                if not response.prepared:
                    await response.prepare(request)
                await response.write(part)
            if not response.prepared:
                await response.prepare(request)
            await response.write_eof()
        except (ConnectionError, asyncio.CancelledError):
            pass
        return response
