"""Memory: everything that was learned of coins, pairs, patterns, hours and markets.

One place that answers two questions: what does an entry have to know (`bearing`), and what
should somebody who thinks about trading be told (`get_knowledge_context`).
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.core.learning import Knowledge, TargetKind
from engine.core.parameters import Parameters
from engine.learning.base import Applier
from engine.learning.coins import CoinScorer
from engine.learning.insights import Insights
from engine.learning.pairs import PairTable
from engine.learning.patterns import PatternLibrary
from engine.learning.rules import RuleBook
from engine.risk.contexts import Known


@dataclass(frozen=True, slots=True)
class Bearing:
    """What knowledge makes of one entry.

    `known` is what forbids it, `factors` what its size is multiplied by.
    """

    known: Known
    factors: tuple[tuple[str, float], ...]

    @property
    def size_factor(self) -> float:
        """All factors together, 0 where the entry is forbidden."""
        if self.known.refuses:
            return 0.0
        product = 1.0
        for _, factor in self.factors:
            product *= factor
        return product


class Memory:
    """Holds the stores of knowledge. Owned by the kernel thread.

    `told` counts what earlier runs had told of knowledge, `version` all that was ever told.
    """

    def __init__(self, params: Parameters) -> None:
        self.coins = CoinScorer(params)
        self.pairs = PairTable(params)
        self.patterns = PatternLibrary(params)
        self.rules = RuleBook(params)
        self.insights = Insights()
        self.told = 0

    @property
    def version(self) -> int:
        stores = (self.coins, self.pairs, self.patterns, self.rules, self.insights)
        return self.told + sum(store.told for store in stores)

    def appliers(self) -> dict[TargetKind, Applier]:
        """Who carries out changes of which kind."""
        return {
            TargetKind.COIN: self.coins,
            TargetKind.PAIR: self.pairs,
            TargetKind.PATTERN: self.patterns,
            TargetKind.RULE: self.rules,
        }

    def bearing(
        self, symbol: str, strategy: str, pattern: str, vol_level: str, now_ns: int
    ) -> Bearing:
        """What it makes of an entry now."""
        rules = self.rules.verdict(symbol, vol_level, now_ns)
        coin = self.coins.factor(symbol)
        factors = ((f"coin {self.coins.score(symbol).status}", coin),) if coin != 1.0 else ()
        return Bearing(
            known=Known(
                coin=self.coins.refusal(symbol),
                pair=self.pairs.refusal(symbol, strategy),
                pattern=self.patterns.refusal(pattern),
                rule=rules.refusal,
            ),
            factors=(*factors, *rules.factors),
        )

    def order(self, symbol: str, strategy: str, pattern: str) -> float:
        """What a candidate's rank is multiplied by: the three tilts, none below a tenth."""
        coin = self.coins.tilt(symbol)
        pair = self.pairs.tilt(symbol, strategy)
        return max(0.1, 1.0 + coin + pair + self.patterns.tilt(pattern))

    def results(self) -> tuple[object, ...]:
        """The counted results behind every row."""
        return (
            self.coins.results(),
            self.pairs.results(),
            self.patterns.results(),
            self.rules.results(),
        )

    def get_knowledge_context(self, now_ns: int) -> Knowledge:
        """All of it as it stands now; insights only from when they were knowable."""
        return Knowledge(
            time_ns=now_ns,
            coins=self.coins.scores(),
            pairs=self.pairs.scores(),
            patterns=self.patterns.patterns(),
            rules=self.rules.rules(),
            insights=self.insights.known(now_ns),
        )
