"""What the engine shows: one frozen, versioned `Snapshot`, and the items of its streams.

A screen compares rows by identity (`is not`), so the kernel keeps every row that did not
change; what grows without bound (bars, equity, journal lines) goes through streams.
"""

from __future__ import annotations

import math
from decimal import Decimal

from engine.core.commands import Ack
from engine.core.honesty import HonestyView
from engine.core.learning import LearningView
from engine.core.lived import JournalEntry
from engine.core.news import NewsView
from engine.core.types import (
    Account,
    Actor,
    ApprovalMode,
    Bar,
    BreakerState,
    Control,
    Decision,
    Direction,
    FeedKind,
    Gate,
    Link,
    Mode,
    Order,
    Position,
    Proposal,
    Signal,
    Trade,
    TradeCondition,
    Value,
)


class ControlView(Value, frozen=True):
    """The control state, why and since when, and who set it."""

    state: Control
    reason: str
    since_ns: int
    who: Actor


class BreakerView(Value, frozen=True):
    """A circuit breaker: what it measures of which base, its limit, and what clears it.

    `until_ns` is when time alone brings its next state, 0 where time alone never does; a
    `hard` one halts and waits for a person.
    """

    name: str
    title: str
    state: BreakerState
    value: float
    limit: float
    unit: str
    base: str
    since_ns: int
    until_ns: int
    reason: str
    clears: str
    hard: bool = False


class FeedView(Value, frozen=True):
    """The feed as a whole; `label` is what the status line writes behind its kind."""

    kind: FeedKind
    link: Link
    venue: str
    quote: str
    label: str
    reason: str = ""
    speed: float = 1.0
    progress: float = float("nan")


class MarketView(Value, frozen=True, gc=False):
    """One symbol: prices, quality and the bar that is forming.

    `age_ns` is the age of its last event on event time when the snapshot was made, and is
    rounded to seconds so that an idle symbol's row stays the same object within one.
    """

    symbol: str
    last: float
    bid: float
    ask: float
    change_pct: float
    volume_ratio: float
    link: Link
    age_ns: int
    regime: str
    vol_level: str
    spread_bps: float
    modelled: bool
    forming: Bar | None
    reason: str = ""


class PositionView(Value, frozen=True):
    """An open position marked to the market, by the one P&L function.

    Where it has margin: what is put aside for it, its maintenance over its balance (1 is
    liquidation), where it is reduced, left and liquidated, what funding has cost so far
    (negative: brought), and in `margin_note` where tiers, mark and funding come from. `dust`
    says why no order can close it at this price, empty where one can.
    """

    position: Position
    mark: float
    unrealised: Decimal
    pnl_pct: float
    r_multiple: float
    stop_distance_pct: float
    target_distance_pct: float
    held_ns: int
    margin: Decimal | None = None
    margin_ratio: float = float("nan")
    liquidation_price: float | None = None
    liquidation_distance_pct: float = float("nan")
    danger_price: float | None = None
    guard_price: float | None = None
    funding_paid: Decimal | None = None
    margin_note: str = ""
    dust: str = ""


class Absence(Value, frozen=True):
    """What the market did to a position while no engine ran; told once, by the next start.

    `low` and `high` bound the prices of its closed bars and the first price again, and are
    that price alone where `known` is False. `acts` says that the position's plan sells at
    once; `text` is all of it as a sentence.
    """

    position: str
    symbol: str
    time_ns: int
    since_ns: int
    price_before: float
    price: float
    low: float
    high: float
    move_pct: float
    stop_crossed: bool
    targets_reached: tuple[float, ...]
    known: bool
    acts: bool
    text: str


class LevelView(Value, frozen=True):
    """Closed trades of one leverage: how many, how many won, and what they made on average.

    `average_pct` and `worst_mae_pct` are of the notional, without leverage.
    """

    leverage: int
    trades: int
    win_rate: float
    average_pnl: Decimal
    average_pct: float
    worst_mae_pct: float


class Outlook(Value, frozen=True):
    """Why a symbol is or is not traded: last decision, every vote, every gate.

    `waiting_for` says in words what is missing when nothing was decided yet.
    """

    symbol: str
    time_ns: int
    decision: Decision | None
    signals: tuple[Signal, ...]
    gates: tuple[Gate, ...]
    verdict: str
    waiting_for: str = ""
    since_ns: int = 0


class Counterfactual(Value, frozen=True):
    """What a trade that was not made would have done by now; `ended` names its end.

    `who` said no: a person, the command line, or the engine by a gate or an expiry. `stop`
    and `targets` are those it was followed with. `pnl_pct` is after the fees of both sides
    and `gross_pct` before them, both of the notional. `own_exit` says that a stop, target
    or deadline of its own ended it. `unseen_ns` is how long no price was seen because the
    engine was down; marks that fell into it are missing. What an older journal did not keep
    is empty or NaN.
    """

    id: str
    symbol: str
    kind: str
    code: str
    time_ns: int
    price: float
    direction: str
    pnl_pct: float
    ended: str
    marks: tuple[tuple[str, float], ...] = ()
    strategy: str = ""
    stop: float = math.nan
    targets: tuple[float, ...] = ()
    score: float = math.nan
    gross_pct: float = math.nan
    own_exit: bool = False
    ended_ns: int = 0
    unseen_ns: int = 0
    who: str = ""


class StepTiming(Value, frozen=True, gc=False):
    """One step of the 30 s cycle: last and worst duration in microseconds."""

    name: str
    last_us: float
    worst_us: float


class Health(Value, frozen=True):
    """The engine about itself. `heartbeat_ns` is when stops were last checked."""

    heartbeat_ns: int
    heartbeat_ok: bool
    events: int
    events_per_s: float
    inbox: int
    journal_lag: int
    journal_state: str
    cycle: tuple[StepTiming, ...]
    cycles: int
    faults: tuple[str, ...]
    quarantined: int
    corrections: int
    decisions: int
    threads: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class BetaView(Value, frozen=True, gc=False):
    """How much of the positions' moves a factor explains, with its standard error and n."""

    factor: str
    value: float
    error: float
    n: int


class BacktestView(Value, frozen=True, gc=False):
    """Whether the value at risk held on past days: exceptions, p values and what they say."""

    n: int
    exceptions: int
    kupiec_p: float
    independence_p: float
    coverage_p: float
    verdict: str


class RiskView(Value, frozen=True):
    """What the positions together hang on. Shares are percent of equity, NaN is not known.

    `correlation` holds the shrunk correlations of `symbols`, row by row, estimated at `at_ns`
    from `n` bars; `short` names symbols with fewer than `least` of them and how many they
    have. `held` is signed, longs positive, with the entries on their way. `var_from` says out
    of what the value at risk is that gates go by; the normal one stands beside it.
    """

    at_ns: int
    symbols: tuple[str, ...]
    correlation: tuple[tuple[float, ...], ...]
    clusters: tuple[tuple[str, ...], ...]
    threshold: float
    shrinkage: float
    n: int
    short: tuple[tuple[str, int], ...]
    least: int
    held: tuple[tuple[str, float], ...]
    sectors: tuple[tuple[str, float], ...]
    concentration: float
    var_pct: float
    cvar_pct: float
    var_from: str
    normal_var_pct: float
    normal_cvar_pct: float
    backtest: BacktestView
    betas: tuple[BetaView, ...]


class LlmCall(Value, frozen=True):
    """One time that the model was asked or the rules spoke, for the stream `llm`.

    `role` is strategist, advisor or reflection, `subject` the symbol that it was about.
    `speaker` is the model's name or `rules`; `why_rules` says why not the model. Each of
    `verdicts` is what became of a condition: its id or nothing, and in words why.
    `recorded` tells that the reply was read from a recording.
    """

    id: str
    time_ns: int
    speaker: str
    why_rules: str
    model: str
    model_digest: str
    prompt: str
    prompt_sha: str
    reply: str
    checks: tuple[tuple[str, bool], ...]
    verdicts: tuple[tuple[str, str], ...]
    latency_ms: float
    prompt_tokens: int
    reply_tokens: int
    done_reason: str
    repaired: bool
    role: str = "strategist"
    subject: str = ""
    recorded: bool = False


class LlmView(Value, frozen=True):
    """The language model's health, and who speaks in its place.

    `state` is `off` (nobody asks), `ok`, `asking` or `rules`; `reason` says why it isn't ok.
    Latencies are of the last calls in milliseconds, NaN before the first. `answers` counts
    the last answers by what they came to; `collapsed` is one answer nearly every time.
    `writing` is the end of the answer that is being written.
    """

    state: str
    reason: str
    model: str
    model_digest: str
    calls: int
    answered: int
    schema_failures: int
    truncated: int
    timeouts: int
    repaired: int
    p50_ms: float
    p95_ms: float
    answers: tuple[tuple[str, int], ...]
    collapsed: bool
    asked_ns: int
    writing: str = ""
    role: str = "strategist"
    failed: int = 0
    others: tuple[LlmView, ...] = ()
    """The other roles in which the model is asked."""


class RunInfo(Value, frozen=True):
    """What this run is: fixed for its life."""

    mode: Mode
    approval: ApprovalMode
    profile: str
    symbols: tuple[str, ...]
    timeframe: str
    seed: int
    journal: str
    started_ns: int
    version: str
    recovered: str = ""


class Snapshot(Value, frozen=True):
    """Everything a screen or a command may know at one moment. Never changes."""

    version: int
    time_ns: int
    run: RunInfo
    control: ControlView
    feed: FeedView
    account: Account
    markets: tuple[MarketView, ...]
    positions: tuple[PositionView, ...]
    proposals: tuple[Proposal, ...]
    ended: tuple[Proposal, ...]
    orders: tuple[Order, ...]
    conditions: tuple[TradeCondition, ...]
    trades: tuple[Trade, ...]
    outlooks: tuple[Outlook, ...]
    limits: tuple[Gate, ...]
    denials: tuple[tuple[str, int], ...]
    counterfactuals: tuple[Counterfactual, ...]
    health: Health
    acks: tuple[Ack, ...]
    breakers: tuple[BreakerView, ...] = ()
    risk: RiskView | None = None
    llm: LlmView | None = None
    levels: tuple[LevelView, ...] = ()
    honesty: HonestyView | None = None
    lived: tuple[JournalEntry, ...] = ()
    """The newest closed trades with what was known at their entry and what came after."""
    learning: LearningView | None = None
    absences: tuple[Absence, ...] = ()
    news: NewsView | None = None


class JournalLine(Value, frozen=True, gc=False):
    """One line of the event log as a person reads it: who did what, and what it concerned."""

    seq: int
    time_ns: int
    kind: str
    who: Actor
    text: str
    ref: str = ""
    symbol: str = ""


class ParameterMove(Value, frozen=True):
    """A parameter was set in a scope, for the stream `parameters`; values are JSON texts."""

    time_ns: int
    target: str
    """As `Target.text` writes it: the name, then its scope."""
    before: str
    after: str
    who: str


class Protection(Value, frozen=True):
    """What protects a position from a moment on, for the stream `protections`.

    A stop of 0 is none; once the position has `ended` there is neither stop nor target.
    """

    time_ns: int
    position: str
    symbol: str
    direction: Direction
    entry_price: Decimal
    stop: Decimal
    targets: tuple[Decimal, ...]
    ended: bool = False


class EquityPoint(Value, frozen=True, gc=False):
    """Equity at one moment, for the line and the drawdown beneath it."""

    time_ns: int
    equity: float
    drawdown_pct: float
