"""F29, F31 and F32 through the whole engine: market faults against open positions and entries.

Each driver plays `count` cases and returns what went wrong, empty when nothing did.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.core.clock import SECOND
from engine.core.ids import source
from engine.core.records import Decided, Denied
from engine.core.types import Action, Bar, Link
from tests.engine.scripted import BTC, ETH, PRICE, SPAN, Script
from tests.faults.market import BAD_PRICES, bad_price


@contextmanager
def engine(**settings: Any) -> Iterator[Script]:
    """A scripted engine in a folder of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="qd-kernel-") as name,
        Script(Path(name), **settings) as script,
    ):
        yield script


def bad_ticks(count: int, seed: int) -> list[str]:
    """F32: bad ticks and quotes among good ones, while a position is open and a bar closes."""
    wrong: list[str] = []
    chance = source(seed, "bad ticks")
    with engine() as script:
        script.opened()
        orders = len(script.orders())
        price, bad = PRICE, 0
        while bad < count:
            # Near the entry, so that every order and every exit is a fault's doing.
            price = PRICE * (1 + chance.gauss(0, 0.0005))
            script.price(price)
            kind = chance.choice(BAD_PRICES)
            for _ in range(chance.choice((1, 1, 4))):
                bad += 1
                if chance.random() < 0.3:
                    script.quote(bad_price(kind, price), bad_price(kind, price), after_s=0.01)
                else:
                    script.tick(bad_price(kind, price), after_s=0.01)
                if script.desk.symbols[BTC].last != price:
                    wrong.append(f"seed {seed}: a tick {kind} became the last price")
        if len(script.orders()) != orders:
            wrong.append(f"seed {seed}: {len(script.orders()) - orders} orders after bad ticks")
        if len(script.desk.book.open()) != 1:
            wrong.append(f"seed {seed}: the position was left")
    return wrong


def forming_bars(count: int, seed: int) -> list[str]:
    """F31: bars that are not over, offered before the true one, are never decided on."""
    wrong: list[str] = []
    chance = source(seed, "forming")
    with engine(approval="auto") as script:
        for case in range(count):
            script.speaker.says[BTC] = (Action.HOLD, 0.0)
            opened = script.now_ns - script.now_ns % SPAN
            for _ in range(chance.randrange(1, 4)):
                close = PRICE * chance.uniform(0.9, 1.1)
                script.push(
                    Bar(
                        symbol=BTC, open_ns=opened, span_ns=SPAN, open=PRICE,
                        high=max(PRICE, close), low=min(PRICE, close), close=close, volume=1.0,
                        final=False,
                    )
                )  # fmt: skip
                script.price(PRICE, after_s=chance.uniform(0.1, 40))
            decided = script.desk.tally.decisions
            script.close_bar(PRICE)
            last = script.desk.symbols[BTC].last_bar
            if script.desk.tally.decisions != decided + 1:
                wrong.append(f"seed {seed}, case {case}: decided on what was not closed")
            if last is None or last.close != PRICE:
                wrong.append(f"seed {seed}, case {case}: closed at {last and last.close}")
        if any(r.decision.price != PRICE for r in script.records(Decided)):
            wrong.append(f"seed {seed}: a forming close was decided on")
    return wrong


def silences(count: int, seed: int) -> list[str]:
    """F29: one symbol freezes while the other lives: found in time, and no entry made on it."""
    wrong: list[str] = []
    for case in range(count):
        chance = source(seed, "silence", case)
        with engine(symbols=(BTC, ETH), live=True, approval="auto") as script:
            frozen, lives = (BTC, ETH) if chance.random() < 0.5 else (ETH, BTC)
            for _ in range(5):
                script.price(PRICE, BTC, after_s=1.0)
                script.price(PRICE, ETH, after_s=1.0)
            began, found = script.now_ns, 0
            while script.now_ns - began < 70 * SECOND:
                script.price(PRICE, lives, after_s=chance.uniform(0.5, 2.0))
                if not found and script.desk.symbols[frozen].link is Link.STALE:
                    found = script.now_ns
                if script.desk.symbols[lives].link is Link.STALE:
                    wrong.append(f"seed {seed}, case {case}: the living symbol was called stale")
            # 15 s of age, looked at by a cycle every 30 s.
            if not found or found - began > 50 * SECOND:
                wrong.append(f"seed {seed}, case {case}: frozen for 50 s and not found")
            script.speaker.says[frozen] = (Action.BUY, 0.9)
            opened = script.now_ns - script.now_ns % SPAN
            while script.now_ns < opened + SPAN + 4 * SECOND:
                script.price(PRICE, lives, after_s=20)
            script.push(
                Bar(
                    symbol=frozen, open_ns=opened, span_ns=SPAN, open=PRICE, high=PRICE,
                    low=PRICE, close=PRICE, volume=1.0,
                )
            )  # fmt: skip
            for _ in range(4):
                script.price(PRICE, lives, after_s=1.0)
            if [d.code for d in script.records(Denied)] != ["stale_quote"]:
                wrong.append(f"seed {seed}, case {case}: not refused as stale")
            if script.orders():
                wrong.append(f"seed {seed}, case {case}: an entry on a frozen price")
    return wrong
