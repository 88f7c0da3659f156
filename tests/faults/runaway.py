"""F27: a strategy that asks without end, through the whole engine.

The gates judge each entry by itself; the breaker must end it within a second, stay tripped
until a person comes, and nothing may ever be held beyond the caps.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from engine.core.clock import MILLISECOND, SECOND
from engine.core.commands import Resume
from engine.core.ids import source
from engine.core.types import Action, Control, Decision, Direction, Purpose
from engine.kernel.appraisal import Wish
from engine.kernel.deciding import Candidate
from engine.risk.limits import position_cap_pct
from tests.engine.scripted import BTC, ETH, Script

PART = 1_000
"""Calls to one engine."""

SETTINGS = {"ev.prior_win_rate": 0.7, "pos.cooldown_min_per_ticker": 0}


def runaways(count: int, seed: int) -> list[str]:
    """So many calls, at paces from none to one in a fiftieth of a second."""
    wrong: list[str] = []
    chance = source(seed, "runaway")
    done = 0
    while done < count:
        calls = min(PART, count - done)
        pace_ns = chance.choice((0, MILLISECOND // 10, MILLISECOND, 20 * MILLISECOND))
        with (
            tempfile.TemporaryDirectory(prefix="qd-runaway-") as name,
            Script(Path(name), symbols=(BTC, ETH), approval="auto", settings=SETTINGS) as script,
        ):
            found = _run(script, calls, pace_ns)
        wrong += [f"seed {seed}, call {done}, {pace_ns} ns apart: {what}" for what in found]
        done += calls
    return wrong


def _run(script: Script, calls: int, pace_ns: int) -> list[str]:
    desk, entries = script.desk, script.kernel.entries
    wrong: list[str] = []
    began = desk.now_ns
    halted_ns = -1
    cap = position_cap_pct(desk.params) * 2
    for k in range(calls):
        _ask(script, (BTC, ETH)[k % 2])
        equity = float(desk.ledger.account(desk.now_ns, desk.marks()).equity)
        held = sum(map(abs, entries.appraiser.held().values())) / equity * 100.0
        if held > cap * (1 + 1e-9):
            wrong.append(f"{held:.2f} % held, {cap:.2f} % allowed")
        if halted_ns < 0 and desk.control.state is Control.HALTED:
            halted_ns, orders = desk.now_ns - began, _entries(script)
        if pace_ns:
            script.wait(pace_ns / SECOND)
            desk.now_ns += pace_ns
    if halted_ns < 0 or halted_ns > SECOND:
        wrong.append(f"halted after {halted_ns} ns")
    else:
        # Nothing resets it but a person: not prices, not an hour.
        for _ in range(4):
            script.wait(900)
            script.price(60_000.0, BTC)
            script.price(60_000.0, ETH)
            _ask(script, BTC)
        if desk.control.state is not Control.HALTED:
            wrong.append("it reset itself")
        if _entries(script) != orders:
            wrong.append("an entry was sent after the halt")
        script.send(Resume(id="r"))
        if desk.control.state is not Control.ACTIVE:
            wrong.append("a person could not clear it")
    return wrong


def _entries(script: Script) -> int:
    return sum(order.purpose is Purpose.ENTRY for order in script.orders())


def _ask(script: Script, symbol: str) -> None:
    desk = script.desk
    at = desk.symbols[symbol]
    decision = Decision(
        id=desk.ids.next("D"), symbol=symbol, time_ns=desk.now_ns, action=Action.BUY,
        confidence=0.9, size_pct=0.0, price=at.last, regime="", regime_confidence=0.0,
        reasoning="without end", votes=(), absent=(), signals=(), winner="technical",
    )  # fmt: skip
    wish = Wish(symbol=at, direction=Direction.LONG, strategy="technical", confidence=0.9)
    script.kernel.entries.propose(Candidate(at, decision, wish, 1.0))
