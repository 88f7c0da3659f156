"""What strategists want becomes what the sniper watches: asked, checked, armed, journaled.

The model's answer comes back as a message and is held against the market of that moment.
Nothing here waits, and nothing here is in the way of an exit.
"""

from __future__ import annotations

import math

from engine.core.clock import MILLISECOND
from engine.core.records import ConditionChanged, LlmCalled, Measured
from engine.core.types import TradeCondition
from engine.core.views import LlmCall, LlmView
from engine.journal.packing import pack_text
from engine.kernel.desk import Desk
from engine.kernel.symbols import SymbolDesk
from engine.llm.checks import condition_of, refusal
from engine.llm.rules import RULES
from engine.llm.settings import MOST
from engine.llm.situation import TOLD, Situation, SymbolState
from engine.llm.strategist import MODEL, Spoken

RECENT_TRADES = 20
"""Closed trades of a symbol that its results are told from."""

STREAM_SIZE = 200

Verdicts = tuple[tuple[str, str], ...]


class Conditions:
    """The kernel's side of the strategist; does nothing where the desk has none."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def speak_if_due(self) -> None:
        """Begin a turn when its time has come and some market is known. Asked every cycle."""
        desk, strategist = self._desk, self._desk.strategist
        if strategist is None or not any(symbol.ready for symbol in desk.symbols.values()):
            return
        if strategist.due(desk.now_ns):
            spoken = strategist.speak(self.situation(), desk.ids.next("L"))
            if spoken is not None:
                self._take(spoken)

    def look(self) -> None:
        """Take what the model has answered meanwhile. Asked on every turn of the loop."""
        strategist = self._desk.strategist
        if strategist is not None and strategist.waiting:
            spoken = strategist.look(self.situation)
            if spoken is not None:
                self._take(spoken)

    def view(self) -> LlmView | None:
        """The model's health, None where no strategist speaks."""
        strategist = self._desk.strategist
        return strategist.view() if strategist is not None else None

    def situation(self) -> Situation:
        """What a strategist may know now."""
        known = (symbol for symbol in self._desk.symbols.values() if symbol.ready)
        return Situation(time_ns=self._desk.now_ns, symbols=tuple(map(self._state, known)))

    def _state(self, symbol: SymbolDesk) -> SymbolState:
        desk, regime = self._desk, symbol.regime
        lows, highs = symbol.indicators.levels()
        levels = sorted({level for level in (*lows, *highs) if math.isfinite(level)})
        held = desk.book.of_symbol(symbol.symbol)
        trades = [trade for trade in desk.trades if trade.symbol == symbol.symbol]
        trades = trades[-RECENT_TRADES:]
        features = ((name, symbol.feature(name)) for name in TOLD)
        return SymbolState(
            symbol=symbol.symbol,
            price=symbol.last,
            regime=symbol.label,
            regime_confidence=regime.confidence if regime is not None else 0.0,
            vol_level=str(regime.vol_level) if regime is not None else "",
            features=tuple((name, value) for name, value in features if math.isfinite(value)),
            supports=tuple(level for level in levels if level < symbol.last),
            resistances=tuple(level for level in levels if level > symbol.last),
            can_short=symbol.instrument.can_short,
            held=str(held[0].direction) if held else "",
            trades=len(trades),
            won=sum(trade.won for trade in trades),
            net_pct=sum(trade.pnl_pct for trade in trades),
            cooling=desk.cooldowns.get(symbol.symbol, 0) > desk.now_ns,
        )

    def _take(self, spoken: Spoken) -> None:
        """Withdraw what strategists said before, arm what passes, and keep who said what."""
        withdrawn = self._withdraw()
        changes, verdicts = self._arm(spoken)
        self._keep(spoken, verdicts, [*withdrawn, *changes])

    def _withdraw(self) -> list[ConditionChanged]:
        desk = self._desk
        earlier = [c for c in desk.sniper.conditions() if c.strategy in (MODEL, RULES)]
        for condition in earlier:
            desk.sniper.disarm(condition.id)
        return [self._changed(c, "withdrawn", "the strategist spoke again") for c in earlier]

    def _arm(self, spoken: Spoken) -> tuple[list[ConditionChanged], Verdicts]:
        desk = self._desk
        situation = self.situation()
        changes: list[ConditionChanged] = []
        verdicts: list[tuple[str, str]] = []
        for draft in spoken.drafts[: int(desk.params.get(MOST))]:
            state = situation.of(draft.symbol)
            name = f"{draft.direction} {draft.symbol} at {draft.entry:.8g}"
            why = refusal(draft, state, desk.params)
            if why or state is None:
                verdicts.append(("", f"{name} refused: {why}"))
                continue
            condition = condition_of(
                draft, state, desk.params, desk.ids.next("TC"), desk.now_ns, spoken.strategy
            )
            why = desk.sniper.arm(condition, state.price, desk.now_ns)
            if why:
                verdicts.append(("", f"{name} refused: {why}"))
                continue
            changes.append(self._changed(condition, "armed", f"by {spoken.speaker}"))
            verdicts.append((condition.id, f"{name} armed: {draft.reasoning}"))
        return changes, tuple(verdicts)

    def _changed(self, condition: TradeCondition, state: str, why: str) -> ConditionChanged:
        return ConditionChanged(
            time_ns=self._desk.now_ns, condition=condition, state=state, why=why
        )

    def _keep(self, spoken: Spoken, verdicts: Verdicts, changes: list[ConditionChanged]) -> None:
        desk, reply = self._desk, spoken.reply
        called = LlmCalled(
            time_ns=desk.now_ns,
            id=spoken.id,
            speaker=spoken.speaker,
            why_rules=spoken.why_rules,
            model=reply.model if reply is not None else "",
            model_digest=str(reply.digest) if reply is not None else "",
            prompt_sha=reply.prompt_sha if reply is not None else "",
            reply=str(reply.text) if reply is not None else "",
            checks=reply.checks if reply is not None else (),
            verdicts=verdicts,
            prompt=pack_text(str(reply.prompt)) if reply is not None else "",
        )
        desk.record(called, *changes)
        took_ms = reply.latency_ns / MILLISECOND if reply is not None else 0.0
        if reply is not None:
            values = {
                "llm.latency_ms": took_ms,
                "llm.prompt_tokens": float(reply.prompt_tokens),
                "llm.reply_tokens": float(reply.reply_tokens),
            }
            desk.journal.append(Measured(time_ns=desk.now_ns, values=values))
        desk.hub.append(
            "llm",
            LlmCall(
                id=called.id,
                time_ns=called.time_ns,
                speaker=called.speaker,
                why_rules=called.why_rules,
                model=called.model,
                model_digest=called.model_digest,
                prompt=str(reply.prompt) if reply is not None else "",
                prompt_sha=called.prompt_sha,
                reply=called.reply,
                checks=called.checks,
                verdicts=verdicts,
                latency_ms=took_ms,
                prompt_tokens=reply.prompt_tokens if reply is not None else 0,
                reply_tokens=reply.reply_tokens if reply is not None else 0,
                done_reason=str(reply.done_reason) if reply is not None else "",
                repaired=reply.repaired if reply is not None else False,
            ),
            STREAM_SIZE,
        )
