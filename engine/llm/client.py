"""The client of a language model behind Ollama's HTTP API, in a thread of its own.

The kernel hands over an `Ask` and goes on; a `Reply` comes back through a small bounded
queue, whatever the server does: every call ends by its deadline, and nothing that a server
sends can raise here, grow without bound, or reach anybody as anything but `SafeText`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from threading import Thread
from typing import Any

from pydantic import BaseModel

from engine.core.clock import monotonic_ns
from engine.core.safetext import SafeText
from engine.llm import prompt as words
from engine.llm.replies import Ask, Flood, Outcome, Reply

THREAD = "qd-llm"

CONTEXT_TOKENS = 8_192
"""`num_ctx`: the server's own default cuts longer prompts at their beginning, in silence."""

REPLY_TOKENS = 1_200
"""`num_predict`: ten conditions with their reasons fit twice."""

LONGEST_REPLY = 16_000
"""Characters; a server that ignores `num_predict` is cut off here."""

LONGEST_BLANK = 200
"""White space in a row: a model held to a schema may write nothing else until its limit."""

SHOWN_PARTIAL = 2_000

HELD_REPLIES = 8


@dataclass(slots=True)
class _Call:
    """One call while it runs: what was found out so far, for whichever way it ends."""

    ask: Ask
    began_ns: int
    prompt: str = ""
    text: str = ""
    digest: str = ""
    done_reason: str = ""
    prompt_tokens: int = 0
    reply_tokens: int = 0
    repaired: bool = False
    answer: Any = None
    gist: str = ""
    checks: list[tuple[str, bool]] = field(default_factory=list)


class OllamaClient:
    """Asks one model on one server, one call at a time; made and used by the kernel thread.

    `ask` starts the thread on first use and imports the library there, so that neither a
    start nor a replay pays for a model that nobody asks. `wake` is called from that thread
    when a reply is there.
    """

    def __init__(self, host: str, model: str, wake: Callable[[], None]) -> None:
        self.host = host
        self.model = model
        self.partial = SafeText()
        """The answer that is being written, its last part; replaced as it grows."""
        self.why_not = "the model is still busy"
        self.recorded = False
        self._wake = wake
        self._replies: deque[Reply] = deque(maxlen=HELD_REPLIES)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: Thread | None = None
        self._task: asyncio.Task[None] | None = None
        self._busy = False
        self._closed = False

    @property
    def busy(self) -> bool:
        """Whether a call is under way."""
        return self._busy

    @property
    def answer_ns(self) -> int:
        """Unknown: a server answers when it likes."""
        return 0

    def ask(self, ask: Ask) -> bool:
        """Begin a call; False where one is under way or the client is closed."""
        if self._busy or self._closed:
            return False
        self._busy = True
        loop = self._running()
        loop.call_soon_threadsafe(self._begin, ask)
        return True

    def take(self) -> Reply | None:
        """The oldest reply that is waiting, or None."""
        return self._replies.popleft() if self._replies else None

    def cancel(self) -> None:
        """End the call under way; its reply says so."""
        self._tell(self._cancel)

    def close(self, timeout_s: float = 0.5) -> bool:
        """Cancel, end the thread and wait for it; True when it has gone. Safe to call twice."""
        self._closed = True
        if self._loop is None or self._thread is None:
            return True
        self._tell(self._leave)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _tell(self, what: Callable[[], None]) -> None:
        """Have the thread do something; a loop that has ended has nothing left to do."""
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(what)

    # In the thread.

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = Thread(target=self._serve, name=THREAD, daemon=True)
            self._thread.start()
        return self._loop

    def _serve(self) -> None:
        loop = self._loop
        assert loop is not None
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    def _begin(self, ask: Ask) -> None:
        assert self._loop is not None
        self._task = self._loop.create_task(self._answer(ask))
        self._task.add_done_callback(lambda task: self._never_began(task, ask))

    def _never_began(self, task: asyncio.Task[None], ask: Ask) -> None:
        """A call that was cancelled before its first step still has its reply."""
        if task.cancelled():
            call = _Call(ask, monotonic_ns())
            self._hand_over(call, Outcome.CANCELLED, "the call was cancelled")

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _leave(self) -> None:
        assert self._loop is not None
        task = self._task
        if task is None or task.done():
            self._loop.stop()
            return
        task.add_done_callback(lambda _task: self._loop and self._loop.stop())
        task.cancel()

    async def _answer(self, ask: Ask) -> None:
        """One call from the prompt to its reply, whatever happens on the way."""
        import ollama  # noqa: F401 - loaded before the deadline begins to run

        call = _Call(ask, monotonic_ns())
        self.partial = SafeText()
        try:
            async with asyncio.timeout(ask.deadline_s):
                outcome, detail = await self._talk(call)
        except TimeoutError:
            outcome, detail = Outcome.TIMEOUT, f"no answer within {ask.deadline_s:g} s"
        except asyncio.CancelledError:
            outcome, detail = Outcome.CANCELLED, "the call was cancelled"
        except Flood as flood:
            outcome, detail = Outcome.FLOOD, str(flood)
        except Exception as error:  # noqa: BLE001 - a server may do anything; the rules speak then
            outcome, detail = _named(error)
        self._hand_over(call, outcome, detail)

    def _hand_over(self, call: _Call, outcome: Outcome, detail: str) -> None:
        self.partial = SafeText()
        self._replies.append(
            Reply(
                id=call.ask.id,
                outcome=outcome,
                detail=SafeText(detail).line(300),
                model=self.model,
                digest=SafeText(call.digest).line(100),
                prompt=SafeText(call.prompt),
                prompt_sha=words.digest_of(call.ask.question.system, call.prompt),
                text=SafeText(call.text, LONGEST_REPLY),
                answer=call.answer if outcome is Outcome.OK else None,
                gist=call.gist,
                checks=tuple(call.checks),
                done_reason=SafeText(call.done_reason).line(40),
                prompt_tokens=call.prompt_tokens,
                reply_tokens=call.reply_tokens,
                latency_ns=monotonic_ns() - call.began_ns,
                repaired=call.repaired,
            )
        )
        self._busy = False
        self._wake()

    async def _talk(self, call: _Call) -> tuple[Outcome, str]:
        """Look for the model, ask, check, and ask once more where the answer is none."""
        from ollama import AsyncClient

        from engine.llm.transport import BoundedTransport

        question = call.ask.question
        form = question.form()
        schema = form.model_json_schema()
        call.prompt = question.prompt(schema)
        async with AsyncClient(
            self.host, transport=BoundedTransport(), follow_redirects=False
        ) as server:
            found = await self._find(server, call)
            call.checks.append(("model", found))
            if not found:
                return Outcome.NO_MODEL, f"{self.model} isn't there; `ollama pull {self.model}`"
            messages = [
                {"role": "system", "content": question.system},
                {"role": "user", "content": call.prompt},
            ]
            outcome, detail = await self._once(server, call, form, schema, messages)
            if outcome in (Outcome.SCHEMA, Outcome.TRUNCATED):
                call.repaired = True
                messages += [
                    {"role": "assistant", "content": call.text},
                    {"role": "user", "content": words.repair_of(detail)},
                ]
                outcome, detail = await self._once(server, call, form, schema, messages)
            return outcome, detail

    async def _find(self, server: Any, call: _Call) -> bool:
        """Whether the server has the model, and which bytes it is."""
        listed = await server.list()
        names = (self.model, f"{self.model}:latest")
        for model in listed.models:
            if model.model in names:
                call.digest = str(model.digest or "")
                return True
        return False

    async def _once(
        self,
        server: Any,
        call: _Call,
        form: type[BaseModel],
        schema: dict[str, Any],
        messages: list[dict[str, str]],
    ) -> tuple[Outcome, str]:
        call.text, call.done_reason = "", ""
        await self._stream(server, call, schema, messages)
        whole = call.done_reason == "stop"
        used = call.prompt_tokens + call.reply_tokens
        fits = used < CONTEXT_TOKENS
        parsed = call.ask.question.read(call.text, form)
        call.checks += [
            ("whole", whole),
            ("context", fits),
            ("schema", not isinstance(parsed, str)),
        ]
        if not fits:
            return Outcome.TRUNCATED, f"{used} tokens fill the context of {CONTEXT_TOKENS}"
        if not whole:
            return Outcome.TRUNCATED, f"the answer ended by {call.done_reason or 'nothing'!r}"
        if isinstance(parsed, str):
            return Outcome.SCHEMA, parsed
        call.answer, call.gist = parsed, call.ask.question.gist(parsed)
        return Outcome.OK, ""

    async def _stream(
        self, server: Any, call: _Call, schema: dict[str, Any], messages: list[dict[str, str]]
    ) -> None:
        """Read an answer as it is written; raises `Flood` when it is more than one."""
        parts = await server.chat(
            model=self.model,
            messages=messages,
            format=schema,
            stream=True,
            options={"num_ctx": CONTEXT_TOKENS, "num_predict": REPLY_TOKENS, "temperature": 0},
        )
        blank = 0
        async with aclosing(parts):
            async for part in parts:
                piece = part.message.content or ""
                call.text += piece
                trailing = len(piece) - len(piece.rstrip())
                blank = trailing if piece.strip() else blank + trailing
                if len(call.text) > LONGEST_REPLY:
                    raise Flood(f"an answer of more than {LONGEST_REPLY} characters")
                if blank > LONGEST_BLANK:
                    raise Flood("nothing but white space")
                self.partial = SafeText(call.text[-SHOWN_PARTIAL:])
                if part.done:
                    call.done_reason = str(part.done_reason or "")
                    call.prompt_tokens = max(0, int(part.prompt_eval_count or 0))
                    call.reply_tokens = max(0, int(part.eval_count or 0))
                    return


def _named(error: Exception) -> tuple[Outcome, str]:
    """Which end an exception of the library or its transport means."""
    import httpx
    from ollama import ResponseError

    if isinstance(error, ResponseError):
        missing = error.status_code == 404 and "not found" in error.error
        return (Outcome.NO_MODEL if missing else Outcome.HTTP), f"{error.status_code} {error.error}"
    if isinstance(error, httpx.ConnectError | ConnectionError):
        return Outcome.NO_SERVER, "nobody answers at the host"
    return Outcome.HTTP, f"{type(error).__name__}: {error}"
