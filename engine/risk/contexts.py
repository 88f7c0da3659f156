"""What the gates look at: the account and one candidate entry, in plain numbers.

No object of the engine is in them, so a gate can be asked about an account that never was.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.core.types import Control, Direction
from engine.risk.exposure import UNCLASSIFIED


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountContext:
    """The account as the gates see it; amounts in the quote currency.

    `breakers_open` counts the circuit breakers that stop entries, `breakers` names them.
    `opened_risk` adds up the losses at the stops of the entries since 00:00 UTC,
    `open_positions` counts positions and entries on their way, `largest_exposure` is the
    notional of the symbol that has most, `largest_sector` of the sector, `largest_cluster` of
    the cluster of correlated symbols that has most; `var` is the one-day value at risk of what
    is held, and `var_from` says out of what; None in one of these two is not known.
    """

    control: Control
    equity: float
    cash: float
    day_start_equity: float
    peak_equity: float
    open_positions: int
    new_in_cycle: int
    trades_today: int
    opened_risk: float
    orders_last_s: int
    breakers_open: int = 0
    breakers: str = ""
    largest_exposure: float = 0.0
    largest_cluster: float | None = None
    largest_sector: float = 0.0
    var: float | None = None
    var_from: str = "not known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What is held around a candidate, in quote currency; positions and entries on their way.

    `correlated` is the notional held in the candidate's cluster, 0 where no other symbol of it
    is; `sector_exposure` that of its sector; `var` the one-day value at risk of all positions
    with the candidate. None in the first or the last is not known, because there is too little
    history. The limit can't be judged then: its gate says so in its detail and lets pass,
    since the limits that need no history hold all the same. A NaN is refused as everywhere.
    """

    correlated: float | None = None
    correlated_with: str = "not known"
    sector: str = UNCLASSIFIED
    sector_exposure: float = 0.0
    var: float | None = None
    var_from: str = "not known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What was learned that forbids an entry, each in words; empty is nothing.

    A person may override all of it.
    """

    coin: str = ""
    pair: str = ""
    pattern: str = ""
    rule: str = ""

    @property
    def refuses(self) -> bool:
        return bool(self.coin or self.pair or self.pattern or self.rule)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateContext:
    """One candidate entry. Prices and amounts in the quote currency, times in seconds.

    `quote_age_s` is on event time; `polled` says that prices are asked for and not
    streamed. `cooldown_left_s` is how long the symbol still may not be entered, 0 for
    not at all. `symbol_positions` counts positions and entries on their way in this
    symbol, `symbol_exposure` their notional. `stop` NaN is no stop; `net_ev_bps` NaN is an
    expected value that is not known, and neither passes. `least_notional` is what the venue
    takes and buys back at the stop (`least_entry`). `fee` is the entry's share of notional.
    """

    account: AccountContext
    symbol: str
    direction: Direction
    quantity: float
    price: float
    stop: float
    confidence: float
    net_ev_bps: float
    quote_age_s: float
    spread_bps: float
    fee: float
    can_short: bool
    least_notional: float
    contract_size: float = 1.0
    leverage: int = 1
    most_leverage: int | None = None
    """The most at which the stop fires before the liquidation guard; None: nothing says."""
    polled: bool = False
    cooldown_left_s: float = 0.0
    symbol_positions: int = 0
    symbol_exposure: float = 0.0
    diamond: bool = False
    grows: bool = False
    """The candidate adds to the position there is, so it is no further one."""
    regime: str | None = None
    around: Around = Around()
    known: Known = Known()
    strategy: str = ""
    skew_s: float = 0.0
    """How far this machine's clock is from the venue's, either way."""

    @property
    def notional(self) -> float:
        return self.quantity * self.price * self.contract_size

    @property
    def risk(self) -> float:
        """Loss at the stop, before costs; NaN without a stop."""
        return self.quantity * self.contract_size * abs(self.price - self.stop)
