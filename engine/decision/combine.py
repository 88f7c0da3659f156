"""Votes into one decision: weighted, renormalised, and explained to the last share.

The arithmetic. Each source that answers has a weight w (`dec.w_*`); the weights of those
that answered are divided by their sum, so that absent sources leave no hole. With d = +1
for BUY, −1 for SELL, 0 for HOLD and c the confidence of a vote,

    score = Σ w · d · c        action = its sign        confidence = its size

so a source that votes HOLD is heard and pulls towards HOLD, and opposite votes cancel. A
confidence below `dec.min_confidence` is HOLD; so is any veto. SELL closes a long and opens
a short only where the instrument has one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from engine.core.errors import QuarterdeckError
from engine.core.parameters import Parameters, declare
from engine.core.types import Action, Decision, Direction, Vote
from engine.decision.size import indicated_pct
from engine.decision.sources import WEIGHTS, DecisionContext, Opinion, VoteSource
from engine.strategies.base import StrategyContext

MIN_CONFIDENCE = declare(
    "dec.min_confidence", 0.40, low=0.2, high=0.8, step=0.05, unit="prob", scopes="GR", risk=-1,
    doc="A decision with less combined confidence than this is HOLD.",
)  # fmt: skip

_NAMES = {"technical": "Technical", "rl": "RL", "evolved": "Evolved", "online": "Online",
          "llm": "LLM"}  # fmt: skip
_SIGN = {Action.BUY: 1.0, Action.SELL: -1.0, Action.HOLD: 0.0}


class Combiner:
    """Asks the registered sources and makes the decision. Owned by the kernel thread."""

    def __init__(self, parameters: Parameters, sources: Iterable[VoteSource]) -> None:
        self._parameters = parameters
        self._sources = {source.name: source for source in sources}
        unknown = self._sources.keys() - WEIGHTS.keys()
        if unknown:
            raise QuarterdeckError(
                f"no weight is declared for {', '.join(sorted(unknown))}",
                f"sources are {', '.join(WEIGHTS)}",
            )

    def decide(self, decision_id: str, context: DecisionContext) -> Decision:
        """The decision on this bar, with every vote, every absent source and the reasoning."""
        market = context.market
        opinions, absent = self._opinions(context)
        weights = self._weights(opinions, market)
        score, votes = 0.0, []
        for name, opinion in opinions.items():
            weight = weights[name]
            score += weight * _SIGN[opinion.action] * opinion.confidence
            votes.append(
                Vote(
                    source=name,
                    action=opinion.action,
                    confidence=opinion.confidence,
                    weight=weight,
                    reason=opinion.reason,
                )
            )
        action, confidence, verdict = self._verdict(score, opinions, market)
        said = context.coordinated
        winner = said.winner
        regime = market.regime
        strategy = winner.signal.strategy if winner is not None else ""
        size_pct = 0.0
        if action is not Action.HOLD:
            size_pct = indicated_pct(
                self._parameters,
                market.symbol,
                strategy,
                confidence,
                regime.label if regime is not None else None,
                regime.confidence if regime is not None else 0.0,
            )
        return Decision(
            id=decision_id,
            symbol=market.symbol,
            time_ns=market.time_ns,
            action=action,
            confidence=confidence,
            size_pct=size_pct,
            price=market.bar.close,
            regime=regime.label.value if regime is not None else "",
            regime_confidence=regime.confidence if regime is not None else 0.0,
            reasoning=_reasoning(votes, absent, verdict),
            votes=tuple(votes),
            absent=absent,
            signals=said.signals,
            winner=strategy,
            expected=winner.expected if winner is not None else None,
        )

    def _opinions(self, context: DecisionContext) -> tuple[dict[str, Opinion], tuple[str, ...]]:
        opinions: dict[str, Opinion] = {}
        absent: list[str] = []
        for name in WEIGHTS:
            source = self._sources.get(name)
            opinion = source.vote(context) if source is not None else None
            if opinion is None or not math.isfinite(opinion.confidence):
                absent.append(name)
            else:
                opinions[name] = opinion
        return opinions, tuple(absent)

    def _weights(self, opinions: Iterable[str], market: StrategyContext) -> dict[str, float]:
        """Weights of those that answered, as shares of their sum; zero where all are zero."""
        regime = market.regime.label if market.regime is not None else None
        raw = {name: self._parameters.get(WEIGHTS[name], regime=regime) for name in opinions}
        total = sum(raw.values())
        return {name: (value / total if total else 0.0) for name, value in raw.items()}

    def _verdict(
        self, score: float, opinions: dict[str, Opinion], market: StrategyContext
    ) -> tuple[Action, float, str]:
        """Action, confidence, and what made a HOLD of votes that wanted more."""
        confidence = min(1.0, abs(score))
        for name, opinion in opinions.items():
            if opinion.veto:
                return Action.HOLD, confidence, f"vetoed by {_NAMES[name]}"
        if score == 0.0:
            return Action.HOLD, 0.0, ""
        regime = market.regime.label if market.regime is not None else None
        least = self._parameters.get(MIN_CONFIDENCE, regime=regime)
        if confidence < least:
            return Action.HOLD, confidence, f"{confidence:.0%} is below the minimum {least:.0%}"
        action = Action.BUY if score > 0.0 else Action.SELL
        wanted = Direction.LONG if score > 0.0 else Direction.SHORT
        if market.holding is wanted:
            return Action.HOLD, confidence, f"already {wanted}"
        opens = market.holding is None
        if opens and wanted is Direction.SHORT and not market.instrument.can_short:
            return Action.HOLD, confidence, "spot can't be sold short"
        return action, confidence, ""


def _reasoning(votes: list[Vote], absent: tuple[str, ...], verdict: str) -> str:
    """`Technical LONG 49 % … + RL BUY 65 %; HOLD: …; absent: Online`."""
    text = " + ".join([f"{_NAMES[vote.source]} {_words(vote)}" for vote in votes])
    if verdict:
        text = f"{text or 'nobody voted'}; HOLD: {verdict}"
    if absent:
        text = f"{text or 'nobody voted'}; absent: {', '.join([_NAMES[name] for name in absent])}"
    return text


def _words(vote: Vote) -> str:
    return vote.reason if vote.action is not Action.HOLD else f"HOLD ({vote.reason})"
