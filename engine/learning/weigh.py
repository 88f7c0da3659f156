"""What a change of knowledge would have made of an opportunity: the weight under each value.

The ledger compares old with new on what the engine wanted, refused or not; a coin, a pair, a
pattern or a rule weighs 0 where it forbids, and otherwise what it makes of the size.
"""

from __future__ import annotations

import msgspec

from engine.core.learning import CoinStatus, Opportunity, Rule, RuleAction, Target, TargetKind
from engine.core.parameters import Parameters
from engine.learning.arms import Weigh
from engine.learning.coins import factor_of
from engine.learning.pairs import pair_name
from engine.learning.rules import MULTS, holds


class Weights:
    """Reads factors from the parameters in force."""

    def __init__(self, params: Parameters) -> None:
        self._params = params

    def weighers(self) -> dict[TargetKind, Weigh]:
        return {
            TargetKind.COIN: self.coin,
            TargetKind.PAIR: self.pair,
            TargetKind.PATTERN: self.pattern,
            TargetKind.RULE: self.rule,
        }

    def coin(self, target: Target, value: str, one: Opportunity) -> float:
        if one.symbol != target.name:
            return 1.0
        status = msgspec.json.decode(value, type=CoinStatus | None) or CoinStatus.NORMAL
        return 0.0 if status is CoinStatus.BLACKLISTED else factor_of(self._params, status)

    def pair(self, target: Target, value: str, one: Opportunity) -> float:
        mine = pair_name(one.symbol, one.strategy) == target.name
        return 0.0 if mine and value == "true" else 1.0

    def pattern(self, target: Target, value: str, one: Opportunity) -> float:
        return 0.0 if one.pattern == target.name and value == "false" else 1.0

    def rule(self, target: Target, value: str, one: Opportunity) -> float:
        del target
        rule = msgspec.json.decode(value, type=Rule | None)
        if rule is None or not holds(rule, one.symbol, one.vol_level, one.opened_ns):
            return 1.0
        if rule.action is RuleAction.NO_TRADE:
            return 0.0
        return float(self._params.get(MULTS[rule.action]))
