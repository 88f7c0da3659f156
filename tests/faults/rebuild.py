"""F11: what an engine believed at its stop, and what the next one rebuilds from the journal."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from engine.core.clock import HOUR
from engine.core.commands import (
    Amend,
    AnswerChange,
    AnyCommand,
    ClosePosition,
    Freeze,
    Halt,
    MoveStop,
    MoveTargets,
    Pause,
    Reject,
    Resume,
    RevertChange,
    SetCoin,
    SetParameter,
    SetRule,
    TakeOver,
)
from engine.core.ids import source
from engine.core.learning import ChangeKind, ChangeState, Evidence, Lean, Suggestion
from engine.core.types import Control
from engine.learning.adjust import parameter
from engine.market.costs import Costs
from tests.engine.scripted import BTC, ETH, PRICE, Script

_FREE = Costs(fees_bps=0.0, spread_bps=0.0, slippage_bps=0.0)


def belief(script: Script) -> dict[str, Any]:
    """Everything that must survive a restart, in plain values."""
    desk = script.desk
    ledger = desk.ledger
    follower = script.kernel.entries.follower
    rows = script.kernel.exits.protection.rows()
    school = script.kernel.learning.school
    active = script.state() is Control.ACTIVE
    return {
        "positions": {row.id: msgspec.to_builtins(row) for row in rows},
        "watches": {name: watch.to_dict() for name, watch in desk.watches.items()},
        "orders": {name: msgspec.to_builtins(order) for name, order in desk.orders.items()},
        "proposals": [msgspec.to_builtins(p) for p in desk.proposals.waiting()],
        "own targets": {p.id: desk.own_targets.get(p.id) for p in desk.proposals.waiting()},
        "own sizes": {p.id for p in desk.proposals.waiting()} & desk.own_sizes,
        # Why nothing is restricted is history, and no state.
        "control": "" if active else msgspec.to_builtins(desk.control.view()),
        "cooldowns": dict(desk.cooldowns),
        "money": (ledger.cash, ledger.realised, ledger.fees, ledger.funding),
        "limits": (ledger.day_start, ledger.peak, ledger.trades_today, desk.used),
        "trades": [msgspec.to_builtins(trade) for trade in desk.trades],
        "statistics": [desk.statistics.expected("technical", "", 100.0, _FREE)],
        "parameters": [(name, scope, set_.value) for name, scope, set_ in desk.params.items()],
        "ids": desk.ids.counters(),
        "knowledge": _knowledge(script),
        "changes": [msgspec.json.encode(change) for change in school.ledger.changes()],
        "frozen": sorted(school.ledger.frozen),
        "followed for learning": school.following,
        "unmade": [msgspec.json.encode(path.kept(0)) for path in follower.running()],
        "unmade and ended": [msgspec.json.encode(view) for view in desk.followed],
    }  # fmt: skip


def _knowledge(script: Script) -> dict[str, Any]:
    """Every row of knowledge, and what the next trade would make of it."""
    knowing = script.kernel.knowing
    return {
        # As text, because numbers that are not known equal nothing.
        "rows": repr(knowing.memory.get_knowledge_context(script.desk.now_ns)),
        "version": knowing.memory.version,
        "state": repr(knowing.state()),
    }


def rebuilt(count: int, seed: int, *, steps: int = 25) -> list[str]:
    """Random days of a person and a market; the next engine believes what this one did."""
    wrong: list[str] = []
    for case in range(count):
        with tempfile.TemporaryDirectory(prefix="qd-rebuild-") as name:
            folder = Path(name)
            with Script(folder, symbols=(BTC, ETH)) as script:
                _day(script, seed, case, steps)
                script.kernel.cycle.remember_cursor()
                before = belief(script)
                script.crash()
            with script.again(folder, warm=False) as again:
                after = belief(again)
            wrong += [
                f"seed {seed}, case {case}: {what} was {before[what]}, is {after[what]}"
                for what in before
                if before[what] != after[what]
            ]
    return wrong


def _day(script: Script, seed: int, case: int, steps: int) -> None:
    """Random acts, each possible at its moment or refused; the belief is compared after."""
    chance = source(seed, "day", case)
    price = dict.fromkeys((BTC, ETH), PRICE)
    for _ in range(steps):
        symbol = chance.choice((BTC, ETH))
        act = chance.randrange(10)
        if act < 3:
            script.want(symbol=symbol)
        elif act == 3 and chance.random() < 0.3:
            script.kernel.learning.suggest([_suggestion(chance.randrange(6))])
        elif act < 6:
            price[symbol] *= 1 + chance.gauss(0, 0.006)
            script.price(round(price[symbol], 2), symbol, after_s=chance.uniform(0.1, 400))
        else:
            command = _command(script, chance.randrange(10), chance.random())
            if command is not None:
                script.send(command)
        # Sometimes an order is still on its way when the next act comes, or the stop.
        if chance.random() < 0.7:
            for name, at in price.items():
                script.price(round(at, 2), name)


def _suggestion(which: int) -> Suggestion:
    """A learner's wish: a trial or a precaution of one of two parameters, some of them asking."""
    trail = which % 2 == 0
    return Suggestion(
        target=parameter("exit.trail_distance_atr" if trail else "exit.breakeven_activation_pct"),
        after="1.25" if trail else "0.7",
        kind=ChangeKind.PRECAUTION if which == 4 else ChangeKind.TRIAL,
        lean=Lean.LOOSENS if which % 3 == 0 else Lean.TIGHTENS,
        who="a test",
        reason="random",
        evidence=Evidence(metric="none", unit="R", n=0, mean=0.0),
        lasts_ns=HOUR,
    )


def _on_changes(script: Script, share: float) -> AnyCommand | None:
    """An answer to what asks, a freeze, or the taking back of what is in force."""
    name = script.name()
    if share < 0.2:
        return Freeze(id=name, target="*", frozen=share < 0.1)
    for change in script.kernel.learning.school.ledger.changes():
        if change.state is ChangeState.ASKED:
            return AnswerChange(id=name, change=change.id, admit=share < 0.7)
        if change.state.in_force and share > 0.8:
            return RevertChange(id=name, change=change.id)
    return None


def _command(script: Script, act: int, share: float) -> AnyCommand | None:
    if act == 5 and script.kernel.learning.school.ledger.changes():
        return _on_changes(script, share)
    desk, name = script.desk, script.name()
    waiting, held = desk.proposals.waiting(), desk.book.open()
    if act == 0:
        return Pause(id=name) if share < 0.5 else Resume(id=name)
    if act == 1:
        return Halt(id=name) if share < 0.2 else Resume(id=name)
    if act == 2 and share < 0.35:
        status = ("reduced", "favoured", "blacklisted", "auto", "probation")[int(share * 14)]
        return SetCoin(id=name, symbol=BTC if share < 0.2 else ETH, status=status)
    if act == 2 and share < 0.6:
        action = ("NO_TRADE", "REDUCE_SIZE", "CAUTION")[int(share * 100) % 3]
        return SetRule(id=name, description="told to", action=action, hours=(int(share * 40) % 24,))
    if act == 2:
        return SetParameter(
            id=name, name="pos.cooldown_min_per_ticker", value=str(int(share * 9) * 5)
        )
    if act < 6 and waiting:
        proposal = waiting[0]
        if share < 0.15:
            return Reject(id=name, proposal=proposal.id)
        if share < 0.4:
            half = (proposal.quantity / 2).quantize(Decimal("0.0001"))
            return Amend(
                id=name, proposal=proposal.id, digest=proposal.digest,
                quantity=half if share < 0.3 else None,
                targets=(proposal.price * Decimal("1.02"),) if share > 0.2 else None,
            )  # fmt: skip
        script.approve(proposal)
        return None
    if not held:
        return None
    position = held[int(share * len(held))]
    last = Decimal(repr(desk.symbols[position.symbol].last))
    if act == 6:
        return MoveStop(id=name, position=position.id, price=last * Decimal("0.99"))
    if act == 7:
        return MoveTargets(id=name, position=position.id, prices=(last * Decimal("1.03"),))
    if act == 8:
        return TakeOver(id=name, position=position.id, taken=share < 0.7)
    return ClosePosition(id=name, position=position.id, fraction=1.0 if share < 0.4 else 0.5)
