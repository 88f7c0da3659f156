"""The loopback model as a process of its own, to look at a screen beside it.

    python -m tests.faults.llmserver --port 11500
    python -m tests.faults.llmserver --port 11500 --plan good,truncated,markup,slow,error,good

Then, in another terminal, a simulation at real pace that asks it:

    AI_STRATEGIST=ask OLLAMA_HOST=http://127.0.0.1:11500 quarterdeck --feed sim --speed 1

Each role goes through the plan by itself and stays at its last word. A good answer reads the
prices out of its prompt and is streamed word by word, as a small model writes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import signal
from collections import deque
from collections.abc import AsyncIterator, Callable
from threading import Event
from typing import Any

from aiohttp import web

from tests.faults import ollama
from tests.faults.ollama import (
    ADVISOR,
    REFLECTION,
    STRATEGIST,
    Behaviour,
    Ollama,
    advice,
    answer,
    findings,
    says,
)

_PRICES = re.compile(r'"symbol": "([^"]+)", "price": ([\d.e+-]+)')
_WORD = re.compile(r"\S+\s*")


def good(role: str, prompt: str, mark: str = "") -> str:
    """An answer that passes, made of what the prompt says."""
    if role == ADVISOR:
        return advice(
            "agree", confidence=0.7, warnings=["volume is thin"],
            reasoning=f"Trend and momentum agree with the votes. {mark}",
        )  # fmt: skip
    if role == REFLECTION:
        found = {"kind": "problem", "text": f"Entries after a run came late. {mark}",
                 "symbols": [], "pattern": "", "caution": ""}  # fmt: skip
        return findings(found)
    wanted = []
    for symbol, told in _PRICES.findall(prompt)[:2]:
        price = float(told)
        wanted.append(
            ollama.condition(
                symbol=symbol, entry=price * 1.002, stop=price * 0.985, targets=[price * 1.03],
                reasoning=f"A break above the last high, with room to the next resistance. {mark}",
            )
        )  # fmt: skip
    return answer(*wanted)


def written(make: Callable[[str], str], delay_s: float) -> Behaviour:
    """Write what `make` makes of the last message, a word at a time."""

    async def speak(_s: Ollama, _r: web.Request, body: dict[str, Any]) -> AsyncIterator[bytes]:
        told = "\n".join(str(one["content"]) for one in body["messages"])
        for word in _WORD.findall(make(told)):
            yield ollama._line(word)
            await asyncio.sleep(delay_s)
        yield ollama._end()

    return speak


def behaviours(role: str, delay_s: float) -> dict[str, Behaviour]:
    """What the server may be told to do, by name."""
    hostile = "\x1b[2J\x1b]0;owned\x07 [@click=app.quit]here[/] \u202e backwards"
    whole = written(lambda prompt: good(role, prompt), delay_s)
    return {
        "good": whole,
        "markup": written(lambda prompt: good(role, prompt, hostile), delay_s),
        "truncated": written(lambda prompt: good(role, prompt)[:60], delay_s),
        "schema": says('{"orders": [{"size": 100}]}'),
        "slow": ollama.slow,
        "silent": ollama.silent,
        "blank": ollama.blank,
        "wordy": ollama.wordy,
        "line": ollama.endless_line,
        "cut": ollama.cut_off,
        "error": ollama.refuses(500, "the runner has stopped"),
        "missing": ollama.refuses(404, "model not found"),
        "hold": says(advice("hold", confidence=0.9)) if role == ADVISOR else whole,
    }


def main() -> None:
    """Serve until a signal ends it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0, help="0 is any")
    parser.add_argument("--plan", default="good", help="what each role does, in order")
    parser.add_argument("--delay", type=float, default=0.15, help="seconds between two words")
    asked = parser.parse_args()
    plan = [name.strip() for name in asked.plan.split(",") if name.strip()]
    known = behaviours(STRATEGIST, asked.delay)
    for name in plan:
        if name not in known:
            parser.error(f"{name!r} is not among {', '.join(known)}")
    server = Ollama(port=asked.port)
    for role in (STRATEGIST, ADVISOR, REFLECTION):
        able = behaviours(role, asked.delay)
        turns = deque(able[name] for name in plan[:-1])
        if role == STRATEGIST:
            server.plan, server.default = turns, able[plan[-1]]
        else:
            server.plans[role], server.defaults[role] = turns, able[plan[-1]]
    ended = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with server:
        print(json.dumps({"host": server.host, "model": ollama.MODEL}), flush=True)  # noqa: T201
        ended.wait()


if __name__ == "__main__":
    main()
