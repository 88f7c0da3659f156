"""The scripted engine of the demo: publishes a world whose prices move at a given rate."""

from __future__ import annotations

import argparse
import math
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from engine.core.clock import pause
from engine.core.ids import source
from engine.core.views import LlmView, Snapshot
from tests.ui import fakehub
from tests.ui.hostile import poison

if TYPE_CHECKING:
    from app.app import QuarterdeckApp


_USUAL_RATE = 200.0
"""Events a second at which prices move in whole steps of the demo."""


def play(app: QuarterdeckApp, options: argparse.Namespace) -> None:
    """Attach a hub and move its world until the program ends."""
    symbols = [*fakehub.SYMBOLS, *(f"C{i:02d}/USDT" for i in range(3, options.symbols))]
    snapshot = fakehub.world(
        markets=tuple(fakehub.make_market(symbol) for symbol in symbols[: options.symbols]),
        positions=tuple(
            fakehub.make_position(index, symbol)
            for index, symbol in enumerate(symbols[: options.symbols])
        )
        if options.symbols > 3
        else (fakehub.make_position(),),
    )
    if options.hostile:
        snapshot = poison(snapshot, options.seed)
    hub = fakehub.FakeHub(snapshot)
    app.call_from_thread(app.attach, hub)
    if options.fault == "screen":
        app.call_from_thread(lambda: app.call_later(_fault))
    if options.fault == "engine":
        app.call_from_thread(app.engine_failed, RuntimeError("planted in the engine"))
    if options.worlds:
        _in_turn(app, hub, options)
    draws = source(7, "demo")
    # A market moves as far in a second however many events tell of it.
    calm = math.sqrt(_USUAL_RATE / max(options.rate, 1.0))
    while options.rate:
        pause(1.0 / options.rate)
        change: dict[str, object] = (
            {} if options.still else moved(hub.snapshot, draws.random(), calm)
        )
        if options.writing:
            change["llm"] = writing(hub.snapshot)
        hub.change(**change)


def _in_turn(app: QuarterdeckApp, hub: fakehub.FakeHub, options: argparse.Namespace) -> None:
    """One hostile world after the other, each until the screen has been drawn with it twice;
    how many there were stands in a file, so that whoever presses keys can wait for them all."""
    worlds = [poison(fakehub.world(), options.seed + k) for k in range(options.worlds)]
    version, told = 1, options.state / "worlds"
    while True:
        for one in worlds:
            version += 1
            hub.publish(msgspec.structs.replace(one, version=version))
            seen = app.sampler.samples
            while app.sampler.samples < seen + 2:
                pause(0.002)
            told.with_suffix(".part").write_text(str(version))
            told.with_suffix(".part").replace(told)


def moved(snapshot: Snapshot | None, draw: float, calm: float = 1.0) -> dict[str, object]:
    """The fields of a snapshot after one symbol's price has moved, and all that hangs on it.

    `calm` scales how far.
    """
    assert snapshot is not None
    replace = msgspec.structs.replace
    index = int(draw * len(snapshot.markets))
    market = snapshot.markets[index]
    price = market.last * (1 + (draw * 977 % 1 - 0.5) * calm / 1_000)
    changed = replace(market, last=price, bid=price * 0.9999, ask=price * 1.0001)
    markets = (*snapshot.markets[:index], changed, *snapshot.markets[index + 1 :])
    gained = Decimal(f"{(draw * 631 % 1 - 0.5) * calm:.4f}")
    positions = tuple(
        replace(view, mark=price, unrealised=view.unrealised + gained)
        if view.position.symbol == market.symbol
        else view
        for view in snapshot.positions
    )
    equity = snapshot.account.equity + gained
    return {
        "markets": markets,
        "positions": positions,
        "account": replace(snapshot.account, equity=equity),
        "time_ns": snapshot.time_ns + 1_000_000,
    }


def writing(snapshot: Snapshot | None) -> LlmView:
    """A model that writes its answer, some characters a snapshot, and begins again."""
    known = snapshot.llm if snapshot is not None else None
    text = known.writing if known is not None else ""
    grown = text + "because " if len(text) < 2_000 else '{"conditions": ['
    return LlmView(
        state="asking", reason="", model="qwen2.5:7b", model_digest="", calls=1, answered=1,
        schema_failures=0, truncated=0, timeouts=0, repaired=0, p50_ms=1.0, p95_ms=1.0,
        answers=(), collapsed=False, asked_ns=1, writing=grown,
    )  # fmt: skip


def _fault() -> None:
    raise RuntimeError("planted in the screen")
