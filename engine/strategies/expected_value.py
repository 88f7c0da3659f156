"""What a trade should earn after all costs, from what trades like it have earned.

A signal that wins often can still lose money once fees, spread and slippage are paid, so
candidates are ranked and gated by expected value and not by confidence alone. Few trades
prove little: their figures are shrunk towards a declared prior, and the answer says so.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from engine.core.parameters import Parameters, declare
from engine.core.regimes import Regime
from engine.core.types import ExpectedValue, Trade
from engine.market.costs import Costs

BPS = 10_000.0

PRIOR_WIN_RATE = declare(
    "ev.prior_win_rate", 0.45, low=0.2, high=0.7, step=0.01, unit="prob", scopes="GRT", risk=1,
    doc="Share of trades assumed to move in their favour before any were seen.",
)  # fmt: skip
PRIOR_PAYOFF = declare(
    "ev.prior_payoff", 2.0, low=0.5, high=4.0, step=0.1, unit="R", scopes="GRT", risk=1,
    doc="Average win assumed before any was seen, in entry-to-stop distances; a loss is one.",
)  # fmt: skip
PRIOR_TRADES = declare(
    "ev.prior_trades", 20, low=5, high=100, step=5, unit="count", scopes="GRT",
    doc="How many trades the prior weighs as much as.",
)  # fmt: skip
REGIME_TRADES = declare(
    "ev.regime_trades", 30, low=10, high=200, step=5, unit="count", scopes="GT",
    doc="Trades of a strategy in one regime from which that regime's own figures hold.",
)  # fmt: skip

RECENT = 200
"""Closed trades kept for rolling figures; more than any window that is asked for."""


@dataclass(slots=True)
class Tally:
    """Closed trades of one kind: how many moved in favour and against, and by how much."""

    wins: int = 0
    losses: int = 0
    won_bps: float = 0.0
    lost_bps: float = 0.0

    @property
    def n(self) -> int:
        return self.wins + self.losses

    def add(self, move_bps: float) -> None:
        if move_bps > 0.0:
            self.wins += 1
            self.won_bps += move_bps
        else:
            self.losses += 1
            self.lost_bps -= move_bps


class TradeStatistics:
    """Figures of closed trades by strategy and by strategy and regime family.

    Takes each trade as it closes (`update`) or all of them after a restart (`rebuild`); both
    give the same figures. Owned by the kernel thread.
    """

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self._by_strategy: dict[str, Tally] = {}
        self._by_regime: dict[tuple[str, str], Tally] = {}
        self._recent: deque[tuple[float, bool]] = deque(maxlen=RECENT)

    def update(self, trade: Trade) -> None:
        """Count one closed trade by the move from its average entry to its average exit."""
        move = float(trade.exit_price / trade.entry_price - 1) * trade.direction.sign * BPS
        self._by_strategy.setdefault(trade.strategy, Tally()).add(move)
        key = (trade.strategy, _family(trade.regime))
        self._by_regime.setdefault(key, Tally()).add(move)
        self._recent.append((float(trade.pnl), trade.won))

    def rebuild(self, trades: Iterable[Trade]) -> None:
        """Forget everything and count these, in the order in which they closed."""
        self._by_strategy.clear()
        self._by_regime.clear()
        self._recent.clear()
        for trade in trades:
            self.update(trade)

    def tally(self, strategy: str, regime: str = "") -> tuple[Tally, bool]:
        """What the estimate rests on: the regime's own trades if enough, else all of them.

        The second value tells whether the trades are the regime's own.
        """
        own = self._by_regime.get((strategy, _family(regime)))
        enough = self._parameters.get(REGIME_TRADES, strategy=strategy)
        if regime and own is not None and own.n >= enough:
            return own, True
        return self._by_strategy.get(strategy) or Tally(), False

    def counted(self, strategy: str, regime: str) -> tuple[Tally | None, Tally | None]:
        """The counted trades of a strategy: of all regimes, and of this one; None is none."""
        return self._by_strategy.get(strategy), self._by_regime.get((strategy, _family(regime)))

    def count(self, strategy: str, regime: str, of_all: Tally | None, own: Tally | None) -> None:
        """Take what `counted` gave, to judge as it was judged then."""
        if of_all is not None:
            self._by_strategy[strategy] = of_all
        if own is not None:
            self._by_regime[strategy, _family(regime)] = own

    def recent(self, count: int) -> tuple[int, float, float]:
        """Of the last `count` trades of the account: how many, net P&L, share that won."""
        kept = list(self._recent)[-count:]
        if not kept:
            return 0, 0.0, math.nan
        return (
            len(kept),
            sum(pnl for pnl, _ in kept),
            sum(won for _, won in kept) / len(kept),
        )

    def expected(self, strategy: str, regime: str, risk_bps: float, costs: Costs) -> ExpectedValue:
        """Expected value of one more trade of this strategy, net, in bps of notional.

        EV = p·win − (1 − p)·loss − fees − spread − slippage. `risk_bps` is the distance from
        entry to stop, which the prior's win and loss are multiples of.

        p is the mean of a Beta distribution: prior share and weight plus the counted trades.
        Average win and loss are shrunk the same way, with the prior's share of the weight.
        Fills have paid spread and slippage already, so today's estimate of both is added
        back to the counted moves before the formula takes it off. Without a stop there is no
        prior in bps, and with too little of anything else the answer is NaN, which no gate
        admits. `prior` tells that the prior weighs more than the trades.
        """
        get = self._parameters.get
        regime_scope = regime or None
        p0 = get(PRIOR_WIN_RATE, regime=regime_scope, strategy=strategy)
        payoff = get(PRIOR_PAYOFF, regime=regime_scope, strategy=strategy)
        weight = get(PRIOR_TRADES, regime=regime_scope, strategy=strategy)
        seen, _ = self.tally(strategy, regime)
        paid = costs.spread_bps + costs.slippage_bps
        n, wins, losses = seen.n, seen.wins, seen.losses
        p = (weight * p0 + wins) / (weight + n)
        win_weight, loss_weight = weight * p0, weight * (1.0 - p0)
        win = (win_weight * payoff * risk_bps + seen.won_bps + wins * paid) / (win_weight + wins)
        loss = (loss_weight * risk_bps + seen.lost_bps - losses * paid) / (loss_weight + losses)
        loss = max(0.0, loss) if not math.isnan(loss) else loss
        return ExpectedValue(
            probability=p,
            win_bps=win,
            loss_bps=loss,
            fees_bps=costs.fees_bps,
            spread_bps=costs.spread_bps,
            slippage_bps=costs.slippage_bps,
            net_bps=p * win - (1.0 - p) * loss - costs.total_bps,
            n=n,
            prior=n < weight,
        )


def _family(regime: str) -> str:
    """The regime without its grade; a text that is no regime stands for itself."""
    try:
        return Regime(regime).family.value
    except ValueError:
        return regime
