"""Situations and calls for tests of the strategist, around a market of 60,000."""

from __future__ import annotations

import asyncio
from threading import Event
from typing import Any

import msgspec

from engine.llm.client import OllamaClient
from engine.llm.conditions import ConditionsQuestion
from engine.llm.replies import Ask, Reply
from engine.llm.situation import Situation, SymbolState
from tests.faults.ollama import MODEL

BTC, PERP = "BTC/USDT", "BTC/USDT:USDT"
NOW = 1_760_000_000_000_000_000

FEATURES = (("ema_20", 59_600.0), ("atr", 300.0), ("rsi", 55.0), ("adx", 28.0))


def state(**changed: Any) -> SymbolState:
    """A rising market with a support below and a resistance above."""
    known = SymbolState(
        symbol=BTC, price=60_000.0, regime="BULL", regime_confidence=0.8, vol_level="NORMAL",
        features=FEATURES, supports=(59_000.0,), resistances=(60_500.0,), can_short=False,
    )  # fmt: skip
    return msgspec.structs.replace(known, **changed)


def situation(*states: SymbolState) -> Situation:
    return Situation(time_ns=NOW, symbols=states or (state(),))


def asking(deadline_s: float = 5.0, id: str = "L-1", **changed: Any) -> Ask:
    told = {"most": 3, "longest_sec": 300, "reach_pct": 3.0, "situation": situation(), **changed}
    return Ask(id, ConditionsQuestion(**told), deadline_s)


class Caller:
    """A client whose replies can be waited for; closes it at the end."""

    def __init__(self, host: str, model: str = MODEL) -> None:
        self.woken = Event()
        self.client = OllamaClient(host, model, self.woken.set)

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.client.close(5.0), "the client's thread did not end"

    def reply(self, timeout_s: float = 10.0) -> Reply:
        assert self.woken.wait(timeout_s), "no reply"
        self.woken.clear()
        reply = self.client.take()
        assert reply is not None
        return reply

    def call(self, deadline_s: float = 5.0, **changed: Any) -> Reply:
        assert self.client.ask(asking(deadline_s, **changed))
        return self.reply(deadline_s + 5.0)


def unused_port() -> int:
    """A port on which nobody listens, for a moment at least."""

    async def find() -> int:
        server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
        port = int(server.sockets[0].getsockname()[1])
        server.close()
        await server.wait_closed()
        return port

    return asyncio.run(find())
