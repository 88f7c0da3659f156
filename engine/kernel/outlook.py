"""Why each symbol is or is not traded now, and the standing limits: for screens and `why`."""

from __future__ import annotations

import math

from engine.core.clock import iso
from engine.core.types import Account, Action, Direction, Gate
from engine.core.views import Outlook
from engine.decision.combine import MIN_CONFIDENCE
from engine.kernel.appraisal import Appraiser, Wish
from engine.kernel.desk import Desk
from engine.kernel.symbols import SymbolDesk
from engine.risk.gates import first_refusal, limits


class Outlooks:
    """Asks the gates what nobody has asked yet. Owned by the kernel thread; changes nothing."""

    def __init__(self, desk: Desk, appraiser: Appraiser) -> None:
        self._desk = desk
        self._appraiser = appraiser

    def limits(self, account: Account) -> tuple[Gate, ...]:
        """The standing limits with their headroom."""
        return limits(self._appraiser.standing_context(account), self._desk.params)

    def of(self, symbol: SymbolDesk) -> Outlook:
        """Why this symbol is or is not traded now: the last decision and every gate.

        While nobody wants it, the gates answer for an entry of the least confidence that is
        admitted, so that they tell what else would stand in the way.
        """
        desk = self._desk
        if not symbol.ready or not math.isfinite(symbol.last):
            needed = max(symbol.indicators.spec.warmup_bars, symbol.detector.bars_needed)
            return Outlook(
                symbol=symbol.symbol, time_ns=desk.now_ns, decision=None, signals=(), gates=(),
                verdict="warming up",
                waiting_for=f"{symbol.indicators.bars_seen} of {needed} decision bars",
            )  # fmt: skip
        decision = symbol.decision
        direction = Direction.LONG
        if decision is not None and decision.action is Action.SELL:
            direction = Direction.SHORT
        claimed = decision.confidence if decision is not None else 0.0
        least = float(desk.params.get(MIN_CONFIDENCE, regime=symbol.label or None))
        wish = Wish(
            symbol=symbol,
            direction=direction,
            strategy=decision.winner if decision is not None and decision.winner else "technical",
            confidence=max(claimed, least),
            claimed=claimed,
        )
        gates = self._appraiser.appraise(wish, self._appraiser.account(keep=False)).gates
        refused = first_refusal(gates)
        waiting_for = ""
        if decision is None:
            verdict = "no decision bar has closed yet"
            closes_ns = desk.now_ns - desk.now_ns % symbol.span_ns + symbol.span_ns
            waiting_for = f"the decision bar that closes at {iso(closes_ns)[11:16]} UTC"
        elif decision.action is Action.HOLD:
            verdict = f"HOLD: {decision.reasoning}"
        elif symbol.awaits:
            verdict = f"{decision.action} waits for {symbol.awaits}"
        elif refused is not None:
            verdict = f"{decision.action} refused by {refused.name} ({refused.code})"
        else:
            verdict = f"{decision.action}: every gate admits it"
        return Outlook(
            symbol=symbol.symbol,
            time_ns=decision.time_ns if decision is not None else 0,
            decision=decision,
            signals=symbol.said.signals if symbol.said is not None else (),
            gates=gates,
            verdict=verdict,
            waiting_for=waiting_for,
            since_ns=decision.time_ns if decision is not None else 0,
        )
