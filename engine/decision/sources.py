"""Who votes: the port of every source of a decision, and the technical one.

A source that does not exist is not registered; the combination then names it as absent and
shares its weight among the others, which differs from a source that votes HOLD.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from engine.core.parameters import Parameter, declare
from engine.core.types import Action, Direction
from engine.strategies.base import StrategyContext
from engine.strategies.coordination import Coordinated

WEIGHTS: dict[str, Parameter] = {
    "technical": declare(
        "dec.w_technical", 30.0, low=0, high=60, step=1, unit="%", scopes="GR",
        doc="Weight of the coordinated strategies among the sources that vote.",
    ),
    "rl": declare(
        "dec.w_rl", 25.0, low=0, high=60, step=1, unit="%", scopes="GR",
        doc="Weight of the reinforcement-learning agent among the sources that vote.",
    ),
    "evolved": declare(
        "dec.w_evolved", 20.0, low=0, high=60, step=1, unit="%", scopes="GR",
        doc="Weight of the best evolved strategy among the sources that vote.",
    ),
    "online": declare(
        "dec.w_online", 15.0, low=0, high=40, step=1, unit="%", scopes="GR",
        doc="Weight of the online learner among the sources that vote.",
    ),
    "llm": declare(
        "dec.w_llm", 10.0, low=0, high=30, step=1, unit="%", scopes="GR",
        doc="Weight of the language model among the sources that vote.",
    ),
}  # fmt: skip
"""Weight parameter of each source, in the order in which a decision names them."""


@dataclass(frozen=True, slots=True)
class DecisionContext:
    """What a source may know: the market as a strategy sees it, and what strategies said."""

    market: StrategyContext
    coordinated: Coordinated


@dataclass(frozen=True, slots=True)
class Opinion:
    """One source's answer. `veto` turns the decision into HOLD whatever the others say.

    `confidence` is in [0, 1] and counts in the direction of `action`; HOLD counts for
    neither. `reason` is the part of the reasoning that a person reads.
    """

    action: Action
    confidence: float
    reason: str
    veto: bool = False


class VoteSource(Protocol):
    """A source of votes. `name` is a key of `WEIGHTS`."""

    @property
    def name(self) -> str: ...

    def vote(self, context: DecisionContext) -> Opinion | None:
        """The opinion on this bar; None where the source has none to give (absent)."""
        ...


class TechnicalSource:
    """The vote of the strategies: the winner of their coordination, or HOLD."""

    name = "technical"

    def vote(self, context: DecisionContext) -> Opinion | None:
        said = context.coordinated
        if said.action is Action.HOLD:
            return Opinion(Action.HOLD, 0.0, said.reason)
        direction = Direction.LONG if said.action is Action.BUY else Direction.SHORT
        winner = said.winner.signal.strategy if said.winner is not None else ""
        reason = f"{direction} {said.confidence:.0%} by {winner}: {said.reason}"
        return Opinion(said.action, said.confidence, reason)
