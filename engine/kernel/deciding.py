"""From a closed decision bar to candidates: hear the strategies, decide, rank.

What strategies say becomes at most one candidate a symbol. A decision is journaled with all
that it was made from, also one at which nobody spoke.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine.core.records import Decided, DecidedFrom, RegimeChanged, Signalled
from engine.core.types import Action, Decision, Direction, Position, Signal
from engine.decision.combine import Combiner
from engine.decision.sources import DecisionContext, TechnicalSource
from engine.kernel.appraisal import Appraiser, Wish
from engine.kernel.desk import Desk
from engine.kernel.exits import Exits
from engine.kernel.inputs import Keeper
from engine.kernel.learning import Learning
from engine.kernel.symbols import SymbolDesk
from engine.learning.patterns import recognise
from engine.market.costs import Costs
from engine.strategies.base import StrategyContext
from engine.strategies.coordination import coordinate


@dataclass(frozen=True, slots=True)
class Candidate:
    """A decision that wants something done: an entry, or (`closes`) the end of a position."""

    symbol: SymbolDesk
    decision: Decision
    wish: Wish
    rank: float
    closes: Position | None = None
    context: DecisionContext | None = None
    """What the decision was made from, to make it again with one more vote."""


class Deciding:
    """Decides on bars that closed. Owned by the kernel thread."""

    def __init__(self, desk: Desk, exits: Exits, appraiser: Appraiser) -> None:
        self._desk = desk
        self._exits = exits
        self._appraiser = appraiser
        self._combiner = Combiner(desk.params, [TechnicalSource()])
        self.keeper = Keeper(desk.params, desk.statistics)
        self.learning: Learning | None = None
        self.hold: Callable[[Candidate], bool] = lambda candidate: False
        """Whether an entry waits for a word on it before it is proposed."""

    def hear(self) -> list[Candidate]:
        """Decide on every symbol whose decision bar closed since the last time."""
        self._appraiser.new_in_cycle = 0
        closed = [s for s in self._desk.symbols.values() if s.pending is not None]
        if not closed:
            return []
        self._desk.risk.refresh()
        heard = []
        for symbol in closed:
            candidate = self._decide(symbol)
            symbol.pending = None
            if candidate is not None and not self.hold(candidate):
                heard.append(candidate)
        return heard

    def _decide(self, symbol: SymbolDesk) -> Candidate | None:
        desk, bar = self._desk, symbol.pending
        assert bar is not None
        self._regime(symbol)
        if not symbol.ready:
            return None
        held = desk.book.of_symbol(symbol.symbol)
        position = held[0] if held else None
        context = StrategyContext.at_close(
            bar,
            symbol.indicators,
            symbol.regime,
            desk.params,
            symbol.instrument,
            symbol.quote,
            position.direction if position is not None else None,
        )
        signals = [strategy.analyze(context) for strategy in desk.strategies]
        costs = self.keeper.asked(lambda: self._usual_costs(symbol))
        standing = self.keeper.stood(lambda signal: self._standing(symbol, signal))
        said = coordinate(context, signals, desk.statistics, costs, standing)
        asked_of = DecisionContext(context, said)
        decision = self._combiner.decide(desk.ids.next("D"), asked_of)
        symbol.said, symbol.decision = said, decision
        desk.tally.decisions += 1
        self._exits.refresh(symbol, decision)
        if self.learning is not None:
            self.learning.decided(symbol, decision)
        asked = [one.id for one in desk.strategies]
        if said.ranked:
            inputs = self.keeper.decided(decision.id, desk.now_ns, context, asked)
            self.told(decision, *inputs)
        else:
            desk.record(*self.keeper.quiet(decision, desk.now_ns, context, asked))
        if decision.action is Action.HOLD or said.winner is None:
            return None
        direction = Direction.LONG if decision.action is Action.BUY else Direction.SHORT
        winner = said.winner
        wish = Wish(
            symbol=symbol,
            direction=direction,
            strategy=winner.signal.strategy,
            confidence=decision.confidence,
            stop=winner.stop,
            target=winner.signal.target,
        )
        return Candidate(symbol, decision, wish, winner.rank, position, asked_of)

    def _standing(self, symbol: SymbolDesk, signal: Signal) -> float:
        """What coin, pair and pattern have shown so far makes of a signal's rank."""
        direction = Direction.LONG if signal.action is Action.BUY else Direction.SHORT
        seen = recognise(signal.strategy, symbol.label, direction)
        return self._desk.memory.order(symbol.symbol, signal.strategy, seen.id)

    def _usual_costs(self, symbol: SymbolDesk) -> Costs:
        return self._appraiser.costs(
            symbol, self._appraiser.usual_notional(self._appraiser.account())
        )

    def told(self, decision: Decision, *inputs: DecidedFrom) -> None:
        """Journal a decision, what it was made from, and who spoke."""
        desk = self._desk
        spoke = [signal for signal in decision.signals if signal.action is not Action.HOLD]
        desk.tally.signals += len(spoke)
        desk.record(
            Decided(time_ns=desk.now_ns, decision=decision),
            *inputs,
            *(Signalled(time_ns=desk.now_ns, signal=signal) for signal in spoke),
        )
        desk.hub.append("decisions", decision)

    def _regime(self, symbol: SymbolDesk) -> None:
        change = symbol.detector.transition
        if change is not None:
            self._desk.record(
                RegimeChanged(
                    time_ns=self._desk.now_ns,
                    symbol=symbol.symbol,
                    from_regime=str(change.before),
                    to_regime=str(change.after),
                    vol_level=str(symbol.regime.vol_level) if symbol.regime is not None else "",
                    confidence=change.confidence,
                    indicators=dict(change.evidence),
                )
            )

    def rank(self, candidates: list[Candidate]) -> list[Candidate]:
        """The most promising first, so that scarce room goes to it; exits before entries."""
        return sorted(
            candidates,
            key=lambda one: (one.closes is None, -one.rank, one.symbol.symbol),
        )
