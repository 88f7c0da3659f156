"""F16: the clock jumps while a position is held, a proposal waits and a timer is due.

A suspended machine wakes hours later: engine time leaps, the market is silent at first, and
the bars that were missed come all at once. Nothing may be ordered on a price of before the
leap, and what fell due meanwhile happens once.
"""

from __future__ import annotations

from engine.core.clock import HOUR, MINUTE, SECOND
from engine.core.commands import Approve
from engine.core.ids import source
from engine.core.types import Action, Bar, Link, Purpose
from tests.engine.scripted import BTC, ETH, PRICE, SPAN, Script
from tests.faults.kernel import engine

LEAPS = (20 * SECOND, 90 * SECOND, 20 * MINUTE, 3 * HOUR, 50 * HOUR)


def jumps(count: int, seed: int) -> list[str]:
    """Leaps of seconds to days at random moments; what went wrong."""
    wrong: list[str] = []
    for case in range(count):
        chance = source(seed, "jump", case)
        with engine(symbols=(BTC, ETH), live=True, approval="review") as script:
            leap = int(chance.choice(LEAPS) * chance.uniform(1.0, 1.9))
            found = leap_over(script, leap, chance.random())
            wrong += [f"seed {seed}, case {case}, {leap // SECOND} s: {one}" for one in found]
    return wrong


def leap_over(script: Script, leap: int, moment: float) -> list[str]:
    """One leap with a position held and a proposal waiting; what went wrong."""
    wrong: list[str] = []
    script.opened(ETH)
    waiting = script.proposed(BTC)
    script.price(PRICE, BTC, after_s=moment * 25)
    script.price(PRICE, ETH)
    orders, cycles = len(script.orders()), script.desk.tally.cycles
    expired = len(script.desk.proposals.waiting())
    script.wait(leap / SECOND)
    for _ in range(50):
        script.kernel.step()
    if script.desk.tally.cycles > cycles + 1:
        wrong.append(f"{script.desk.tally.cycles - cycles} cycles at once")
    if any(script.desk.symbols[name].link is not Link.STALE for name in (BTC, ETH)):
        wrong.append("a price of before the leap counts as fresh")
    wrong += _approved_after(script, waiting.id, waiting.digest, waiting.version)
    _missed_bars(script, leap)
    if len(script.orders()) != orders:
        wrong.append(f"{len(script.orders()) - orders} orders before there was a price")
    # The market is back: protection goes on, and what expired has expired once.
    for _ in range(3):
        script.price(PRICE, BTC)
        script.price(PRICE, ETH)
    new = [one for one in script.orders()[orders:] if one.purpose is Purpose.ENTRY]
    if new:
        wrong.append(f"{len(new)} entries that nobody approved")
    if len(script.desk.proposals.waiting()) > expired + 1:
        wrong.append("proposals in a burst")
    if any(script.desk.symbols[name].link is Link.STALE for name in (BTC, ETH)):
        wrong.append("still stale with prices coming in")
    return wrong


def _approved_after(script: Script, name: str, digest: str, version: int) -> list[str]:
    """Somebody approves what the screen showed before the machine slept."""
    ack = script.send(Approve(id=script.name(), proposal=name, digest=digest, version=version))
    return ["approved on a price of before the leap"] if ack.ok else []


def _missed_bars(script: Script, leap: int) -> None:
    """The bars of the gap arrive at once, while a strategy would like to enter."""
    script.speaker.says[BTC] = (Action.BUY, 0.9)
    now = script.now_ns
    first = now - leap
    first += SPAN - first % SPAN
    for opened in range(first, now - SPAN + 1, SPAN):
        for symbol in (BTC, ETH):
            script.push(
                Bar(
                    symbol=symbol, open_ns=opened, span_ns=SPAN, open=PRICE, high=PRICE * 1.001,
                    low=PRICE * 0.999, close=PRICE, volume=20.0,
                )
            )  # fmt: skip
    script.wait(4)
