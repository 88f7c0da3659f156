"""Value types: what the rooms of the engine say to each other. All frozen.

`msgspec.Struct` because values are many, cross the hub's border and fill the journal; a
changed value is a new object, so `is not` tells a screen what moved. Amounts of money,
prices and quantities of orders, fills and positions are `Decimal`; market data is float64.
Times are nanoseconds UTC and end in `_ns`.
"""

from __future__ import annotations

import math
from decimal import Decimal
from enum import StrEnum

import msgspec

ZERO = Decimal(0)


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the value types: immutable, keyword arguments only."""


class Mode(StrEnum):
    """Whose money it is. Paper is the default and the only one before testnet and live."""

    PAPER = "PAPER"
    TESTNET = "TESTNET"
    LIVE = "LIVE"


class FeedKind(StrEnum):
    """Where prices come from; always on screen beside the mode."""

    LIVE = "LIVE"
    REPLAY = "REPLAY"
    SIM = "SIM"
    DOWN = "DOWN"


class Control(StrEnum):
    """What may be done at all, from the freest to the most restrictive.

    ACTIVE admits entries; REDUCING only what shrinks exposure; HALTED only protective
    exits and what a person orders; LOCKED is HALTED because the venue's holdings are
    unknown.
    """

    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"
    HALTED = "HALTED"
    LOCKED = "LOCKED"

    @property
    def severity(self) -> int:
        return ("ACTIVE", "REDUCING", "HALTED", "LOCKED").index(self.value)


class BreakerState(StrEnum):
    """CLOSED lets entries through, OPEN stops them, HALF_OPEN lets one through on trial."""

    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"


class ApprovalMode(StrEnum):
    """Which proposals wait for a person."""

    REVIEW = "review"
    AUTO = "auto"
    REVIEW_ABOVE = "review-above"


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"


class Direction(StrEnum):
    LONG = "LONG"
    SHORT = "SHORT"

    @property
    def sign(self) -> int:
        return 1 if self is Direction.LONG else -1

    @property
    def entry_side(self) -> Side:
        return Side.BUY if self is Direction.LONG else Side.SELL

    @property
    def exit_side(self) -> Side:
        return Side.SELL if self is Direction.LONG else Side.BUY


class Action(StrEnum):
    BUY = "BUY"
    SELL = "SELL"
    HOLD = "HOLD"


class InstrumentKind(StrEnum):
    SPOT = "spot"
    SWAP = "swap"


class Instrument(Value, frozen=True):
    """What can be traded and by which filters the venue rounds and refuses.

    `source` says where the filters come from: `venue`, a dated packaged table, or
    `derived` from prices seen; a screen shows it. Percent-price bounds are multipliers of
    the venue's average price, None where unknown.
    """

    symbol: str
    venue: str
    base: str
    quote: str
    kind: InstrumentKind
    price_tick: Decimal
    lot_step: Decimal
    min_qty: Decimal
    max_qty: Decimal
    min_notional: Decimal
    maker_fee: Decimal
    taker_fee: Decimal
    contract_size: Decimal = Decimal(1)
    price_up: Decimal | None = None
    price_down: Decimal | None = None
    source: str = "venue"

    @property
    def can_short(self) -> bool:
        return self.kind is InstrumentKind.SWAP


class Bar(Value, frozen=True, gc=False):
    """One candle. `final` means its successor arrived or the venue confirmed it."""

    symbol: str
    open_ns: int
    span_ns: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    final: bool = True

    @property
    def close_ns(self) -> int:
        return self.open_ns + self.span_ns


class Quote(Value, frozen=True, gc=False):
    """Top of book at event time. `modelled` marks one built from a bar and a spread model."""

    symbol: str
    time_ns: int
    bid: float
    ask: float
    bid_size: float
    ask_size: float
    modelled: bool = False

    @property
    def mid(self) -> float:
        return (self.bid + self.ask) / 2

    @property
    def spread_bps(self) -> float:
        return (self.ask - self.bid) / self.mid * 10_000


class Tick(Value, frozen=True, gc=False):
    """One public trade on the tape; `buyer_maker` means that the seller was the aggressor."""

    symbol: str
    time_ns: int
    price: float
    size: float
    buyer_maker: bool = False
    trade_id: str = ""


class Book(Value, frozen=True):
    """Depth at event time: (price, size) levels, best first."""

    symbol: str
    time_ns: int
    bids: tuple[tuple[float, float], ...]
    asks: tuple[tuple[float, float], ...]
    modelled: bool = False


class Link(StrEnum):
    """The state of a feed or of one symbol on it."""

    STARTING = "STARTING"
    WARMING = "WARMING"
    UP = "UP"
    STALE = "STALE"
    DOWN = "DOWN"
    ENDED = "ENDED"


class FeedStatus(Value, frozen=True):
    """What a feed says of itself, for one symbol or (symbol empty) as a whole."""

    link: Link
    time_ns: int
    venue: str
    symbol: str = ""
    reason: str = ""


class BarCorrection(Value, frozen=True):
    """A late revision of a closed candle; the store takes it, orders never follow it."""

    bar: Bar
    was_close: float


class Quarantined(Value, frozen=True):
    """A tick that was refused, with its raw text and why."""

    symbol: str
    time_ns: int
    price: float
    reason: str
    raw: str


class History(Value, frozen=True):
    """Closed bars from before the feed began, oldest first: warm-up, never traded on."""

    symbol: str
    bars: tuple[Bar, ...]


class SimMark(Value, frozen=True):
    """Something the simulated market did on request (`news`, `flash_crash`), for the log."""

    time_ns: int
    symbol: str
    kind: str
    detail: str


MarketEvent = (
    Tick | Quote | Book | Bar | BarCorrection | Quarantined | FeedStatus | History | SimMark
)


class Signal(Value, frozen=True):
    """What one strategy says of one symbol when a decision bar closes.

    `confidence` is in [0, 1] and no probability of profit unless `calibrated`; prices are
    the strategy's own, NaN where it leaves them to the exit plan.
    """

    strategy: str
    symbol: str
    time_ns: int
    action: Action
    confidence: float
    entry: float
    stop: float = float("nan")
    target: float = float("nan")
    reason: str = ""
    expected_value: float = float("nan")
    calibrated: bool = False


class Vote(Value, frozen=True):
    """One source's part in a decision; `weight` is the renormalised share in [0, 1]."""

    source: str
    action: Action
    confidence: float
    weight: float
    reason: str


class ExpectedValue(Value, frozen=True):
    """What a trade should earn per unit of notional, net of all its costs, in basis points.

    `prior` is true while the probability comes from the declared prior rather than from
    trades of this kind; `n` counts those trades.
    """

    probability: float
    win_bps: float
    loss_bps: float
    fees_bps: float
    spread_bps: float
    slippage_bps: float
    net_bps: float
    n: int
    prior: bool


class Decision(Value, frozen=True):
    """One decision for one symbol with everything that explains it."""

    id: str
    symbol: str
    time_ns: int
    action: Action
    confidence: float
    size_pct: float
    price: float
    regime: str
    regime_confidence: float
    reasoning: str
    votes: tuple[Vote, ...]
    absent: tuple[str, ...]
    signals: tuple[Signal, ...]
    winner: str
    expected: ExpectedValue | None = None


class Gate(Value, frozen=True):
    """One gate's answer. `distance` is the headroom to the threshold, negative when refused.

    All three are in `unit`. `hard` gates never give way to an override.
    """

    code: str
    name: str
    passed: bool
    value: float
    threshold: float
    distance: float
    unit: str
    hard: bool
    detail: str = ""


class SizeFactor(Value, frozen=True, gc=False):
    """One factor of a position size, in the order in which it was applied."""

    name: str
    value: float
    result: float


class ProposalState(StrEnum):
    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    REFUSED = "refused"
    FILLED = "filled"
    FAILED = "failed"


class Origin(StrEnum):
    """Who wanted the order."""

    ENGINE = "engine"
    PERSON = "person"
    CONDITION = "condition"


class Proposal(Value, frozen=True):
    """An entry that waits for approval. What a person approves is `digest`, nothing else.

    A change of any term makes a new `version` with a new digest. `then` is the price at
    which it was proposed.
    """

    id: str
    version: int
    digest: str
    symbol: str
    direction: Direction
    quantity: Decimal
    price: Decimal
    stop: Decimal
    targets: tuple[Decimal, ...]
    leverage: int
    notional: Decimal
    risk: Decimal
    strategy: str
    decision: str
    confidence: float
    created_ns: int
    expires_ns: int
    state: ProposalState
    gates: tuple[Gate, ...]
    factors: tuple[SizeFactor, ...]
    regime: str = ""
    reasoning: str = ""
    expected: ExpectedValue | None = None
    origin: Origin = Origin.ENGINE
    why_waits: str = ""
    note: str = ""
    pattern: str = ""
    """The way into the trade that it is recognised as, and the condition that triggered it."""
    condition: str = ""
    margin: Decimal | None = None
    """On a perpetual: what the entry puts aside, and the price at which that is lost (0:
    none)."""
    liquidation: float = 0.0
    grows: str = ""
    """The position that it adds to; empty where it opens one."""


class OrderType(StrEnum):
    MARKET = "market"
    LIMIT = "limit"


class OrderState(StrEnum):
    """INTENT is committed and not yet sent; UNKNOWN was sent and never answered."""

    INTENT = "intent"
    SENT = "sent"
    OPEN = "open"
    PARTIAL = "partial"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    UNKNOWN = "unknown"

    @property
    def live(self) -> bool:
        return self in (
            OrderState.INTENT,
            OrderState.SENT,
            OrderState.OPEN,
            OrderState.PARTIAL,
            OrderState.UNKNOWN,
        )


class Purpose(StrEnum):
    """What an order is for; exits of every kind pass where entries do not."""

    ENTRY = "entry"
    SCALE_IN = "scale_in"
    EXIT = "exit"
    REDUCE = "reduce"


class Order(Value, frozen=True):
    """An order from intent to its end."""

    id: str
    client_id: str
    symbol: str
    side: Side
    type: OrderType
    purpose: Purpose
    quantity: Decimal
    limit: Decimal | None
    state: OrderState
    created_ns: int
    position: str
    proposal: str = ""
    exit_reason: str = ""
    filled: Decimal = ZERO
    sent_ns: int = 0
    ended_ns: int = 0
    reason: str = ""
    expected_price: Decimal = ZERO


class Liquidity(StrEnum):
    MAKER = "maker"
    TAKER = "taker"


class Fill(Value, frozen=True):
    """One execution, with every assumption by which paper arrived at it (JSON text)."""

    id: str
    order: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_asset: str
    liquidity: Liquidity
    time_ns: int
    position: str
    assumptions: str = ""


class Funding(Value, frozen=True):
    """One position's funding at one hour. `amount` positive was paid, negative received.

    `mark` is the price at which the notional was taken, `note` where mark and rate came from.
    The id is made of position and hour, so that no hour is paid for twice.
    """

    id: str
    position: str
    symbol: str
    boundary_ns: int
    rate: float
    mark: Decimal
    notional: Decimal
    amount: Decimal
    note: str = ""


class Position(Value, frozen=True):
    """An open position as the books have it; prices of protection as they stand now.

    `taken_over` means that a person manages stop and targets and the machine keeps only
    liquidation protection.
    """

    id: str
    symbol: str
    direction: Direction
    quantity: Decimal
    entry_price: Decimal
    opened_ns: int
    strategy: str
    decision: str
    proposal: str
    regime: str
    leverage: int
    stop: Decimal
    targets: tuple[Decimal, ...]
    fees: Decimal
    realised: Decimal
    initial_stop: Decimal
    initial_quantity: Decimal
    confidence: float = 0.0
    taken_over: bool = False
    mfe_pct: float = 0.0
    mae_pct: float = 0.0


class EntryConditions(Value, frozen=True):
    """Market and account as an entry found them, in the order of the leverage state.

    `known` are names with their values; `absent` the names that had none, because the feed
    does not tell them or nothing has happened yet that they could be made of.
    """

    known: tuple[tuple[str, float], ...]
    absent: tuple[str, ...]


class Trade(Value, frozen=True):
    """A position's whole life, closed: one row of the `trades` table.

    `conditions` are those of its entry, None in journals from before they were kept.
    """

    id: str
    symbol: str
    direction: Direction
    quantity: Decimal
    entry_price: Decimal
    exit_price: Decimal
    opened_ns: int
    closed_ns: int
    pnl: Decimal
    pnl_pct: float
    fees: Decimal
    strategy: str
    decision: str
    proposal: str
    regime: str
    exit_reason: str
    leverage: int
    mfe_pct: float
    mae_pct: float
    confidence: float
    indicators: str = "{}"
    conditions: EntryConditions | None = None

    @property
    def won(self) -> bool:
        return self.pnl > 0

    @property
    def exit_efficiency(self) -> float:
        """How much of the best unrealised profit the exit kept: min(1, profit / MFE).

        NaN where the position never was in profit: there was nothing to keep.
        """
        return min(1.0, self.pnl_pct / self.mfe_pct) if self.mfe_pct > 0.0 else math.nan


class TradeCondition(Value, frozen=True):
    """An entry that waits for its price: what the sniper watches on every tick.

    Written by a strategist (later by a language model); it never carries a size. `above`
    tells whether the price has to rise to `trigger` or to fall to it.
    """

    id: str
    symbol: str
    direction: Direction
    trigger: float
    above: bool
    stop: float
    targets: tuple[float, ...]
    created_ns: int
    valid_until_ns: int
    reasoning: str
    strategy: str
    pattern: str = ""


class Account(Value, frozen=True):
    """Money, recomputed from the fills. `quote` names the currency of all amounts.

    Day figures count from 00:00 UTC; `peak_equity` is the high-water mark that the
    drawdown is measured against.
    """

    quote: str
    cash: Decimal
    equity: Decimal
    realised: Decimal
    unrealised: Decimal
    fees: Decimal
    funding: Decimal
    day_start_equity: Decimal
    day_pnl: Decimal
    peak_equity: Decimal
    drawdown_pct: float
    start_equity: Decimal
    exposure: Decimal
    trades_today: int
    checked: bool = True


class Actor(StrEnum):
    """Who did it."""

    PERSON = "person"
    ENGINE = "engine"
    COMMAND_LINE = "command line"
