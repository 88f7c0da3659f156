"""Records: what the journal keeps, in the order in which it happened.

Each is a tagged struct; its JSON is the canonical row over which the digest is computed.
`DURABLE` kinds are on disk (FULL) before their effect; `TELEMETRY` kinds are kept out of
the digest, because they carry wall time and latencies.
"""

from __future__ import annotations

import msgspec

from engine.core.commands import Ack, AnyCommand
from engine.core.honesty import Aftermath
from engine.core.learning import (
    Change,
    CoinScore,
    Compared,
    Insight,
    Opportunity,
    Outcome,
    PairScore,
    Path,
    Pattern,
    Rule,
    Trials,
)
from engine.core.lived import EntryContext, JournalEntry, PerformanceRow, StrategyRow
from engine.core.news import Headline
from engine.core.types import (
    Account,
    Actor,
    Bar,
    BarCorrection,
    Control,
    Decision,
    Direction,
    EntryConditions,
    FeedStatus,
    Fill,
    Funding,
    Gate,
    Order,
    Position,
    Proposal,
    Quarantined,
    Signal,
    Trade,
    TradeCondition,
)
from engine.core.views import BreakerView, Counterfactual, Outlook


class Record(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """Base of all records; `time_ns` is engine time."""

    time_ns: int


class RunStarted(Record, frozen=True, tag="run_started"):
    """A run begins: what it trades and with which settings, without paths or wall time."""

    mode: str
    feed: str
    seed: int
    symbols: tuple[str, ...]
    timeframe: str
    approval: str
    profile: str
    cash: str
    resumed: bool
    parameters: dict[str, str]
    code: str = ""
    """Release and digest of the engine's source (`engine.core.release`)."""


class OrderChanged(Record, frozen=True, tag="order"):
    """An order in a new state; the INTENT one is committed before anything is sent.

    `gates` are the values on which an entry was admitted.
    """

    order: Order
    gates: tuple[Gate, ...] = ()


class Entering(Record, frozen=True, tag="entering"):
    """An entry is sent: what its trade will remember of the market and the account then.

    `indicators` is the JSON of the decision bar's row.
    """

    position: str
    symbol: str
    direction: Direction
    leverage: int
    conditions: EntryConditions
    indicators: str


class Filled(Record, frozen=True, tag="fill"):
    """One execution."""

    fill: Fill


class Funded(Record, frozen=True, tag="funded"):
    """An open perpetual paid or received funding."""

    funding: Funding


class PositionChanged(Record, frozen=True, tag="position"):
    """An open position and the exact state of its watch (JSON of `PositionWatch.to_dict`)."""

    position: Position
    watch: str
    why: str


class TradeClosed(Record, frozen=True, tag="trade"):
    """A position ended; its row leaves `positions` and enters `trades`."""

    trade: Trade
    position: str


class ProposalChanged(Record, frozen=True, tag="proposal"):
    """A proposal was made, amended or ended.

    `own_targets` are those that a strategy or a person asked for, over the exit plan's.
    """

    proposal: Proposal
    who: Actor
    why: str = ""
    own_targets: tuple[float, ...] = ()


class Commanded(Record, frozen=True, tag="command"):
    """A person's command as it came, and what became of it: the audit of F18 and F19."""

    command: AnyCommand
    ack: Ack


class Decided(Record, frozen=True, tag="decision"):
    """A decision with its explanation."""

    decision: Decision


class Signalled(Record, frozen=True, tag="signal"):
    """A strategy spoke (anything but HOLD)."""

    signal: Signal


class Denied(Record, frozen=True, tag="denial"):
    """A candidate that a gate refused, with all that its counterfactual needs."""

    id: str
    symbol: str
    decision: str
    direction: str
    code: str
    gate: Gate
    price: float
    stop: float
    target: float
    score: float
    quantity: str


class EntryHeld(Record, frozen=True, tag="held"):
    """An entry that waits for the advisor's word, with all that its counterfactual needs.

    Journaled once when it begins to wait and once, `over`, when it waits no longer: one of
    which only the first is there was lost by a stop of the engine, and is told at its next start.
    """

    id: str
    symbol: str
    decision: str
    direction: Direction
    price: float
    stop: float
    target: float
    strategy: str
    regime: str
    score: float
    over: bool = False


class ControlChanged(Record, frozen=True, tag="control"):
    """The control state moved."""

    state: Control
    reason: str
    who: Actor


class BreakerChanged(Record, frozen=True, tag="breaker"):
    """A circuit breaker took another state, with the figures on which it did."""

    breaker: BreakerView
    who: Actor


class Accounted(Record, frozen=True, tag="account"):
    """The account at a moment worth keeping: day start, after a fill, every 15 minutes."""

    account: Account
    why: str


class RegimeChanged(Record, frozen=True, tag="regime"):
    """A symbol's regime moved, with the values that moved it."""

    symbol: str
    from_regime: str
    to_regime: str
    vol_level: str
    confidence: float
    indicators: dict[str, float]


class ConditionChanged(Record, frozen=True, tag="condition"):
    """A condition was armed, triggered, expired or vetoed."""

    condition: TradeCondition
    state: str
    why: str = ""


class LlmCalled(Record, frozen=True, tag="llm"):
    """The model or the rules spoke: who, asked what (SHA-256 of the prompt), what came of it.

    `speaker` is the model's name or `rules`, `why_rules` why not the model. `verdicts` are
    (id of the condition or nothing, what became of it). `role` and `subject` say as what and
    about which symbol it was asked, `asked_ns` when, `failed` how its call ended where there
    was no answer. How long a call took on the wall is telemetry and stands in `Measured`.
    """

    id: str
    speaker: str
    why_rules: str
    model: str
    model_digest: str
    prompt_sha: str
    reply: str
    checks: tuple[tuple[str, bool], ...]
    verdicts: tuple[tuple[str, str], ...]
    prompt: str = ""
    """What was asked, packed (`engine.journal.packing`)."""
    role: str = "strategist"
    subject: str = ""
    asked_ns: int = 0
    failed: str = ""


class Cooldown(Record, frozen=True, tag="cooldown"):
    """A symbol may not be entered before `until_ns`."""

    symbol: str
    until_ns: int


class ParameterSet(Record, frozen=True, tag="parameter"):
    """A parameter moved, by whom, from what to what (JSON texts)."""

    name: str
    scope: tuple[str | None, str | None, str | None]
    before: str
    after: str
    who: str


class FeedChanged(Record, frozen=True, tag="feed"):
    """The feed or one symbol on it changed its state."""

    status: FeedStatus


class BarCorrected(Record, frozen=True, tag="correction"):
    """A closed candle was revised."""

    correction: BarCorrection


class TickQuarantined(Record, frozen=True, tag="quarantine"):
    """A bad tick, kept with its raw text."""

    tick: Quarantined


class Followed(Record, frozen=True, tag="counterfactual"):
    """What a trade that was not made has come to."""

    counterfactual: Counterfactual


class Following(Record, frozen=True, tag="following"):
    """A trade that was not made, as it stands: what a restart needs to follow it on.

    `watch` is the JSON of `PositionWatch.to_dict`, `sold_pct` what its partial exits made in
    percent of the notional, `last` its last price (NaN before the first), traded at
    `seen_ns`; `fee` is a share of the notional per side.
    """

    counterfactual: Counterfactual
    watch: str
    sold_pct: float
    last: float
    seen_ns: int
    fee: float


class Noted(Record, frozen=True, tag="note"):
    """A line for a person that no other record carries: a fault, a recovery, a shock."""

    who: Actor
    text: str
    ref: str = ""
    symbol: str = ""


class HeldThrough(Record, frozen=True, tag="held_bar"):
    """A decision bar closed while a position was open: the market that its trade went through."""

    position: str
    bar: Bar


class FollowedUp(Record, frozen=True, tag="aftermath"):
    """What the tape did after a fill; a later one of the same fill stands for the earlier."""

    aftermath: Aftermath


class DecidedFrom(Record, frozen=True, tag="inputs"):
    """What a decision was made from, packed (`engine.journal.packing`), to make it again.

    `stage` is `decide` (strategies, coordination, votes) or `appraise` (size and gates).
    """

    decision: str
    stage: str
    packed: str


class Quieted(Record, frozen=True, tag="quiet"):
    """A decision at which no strategy spoke: what it was made from, and how it came out.

    Many are alike, so that of the decision itself only a `digest` is kept: it is made again
    from what is `packed`, and the digest tells whether it came out as it was.
    """

    decision: str
    symbol: str
    digest: str
    packed: str


class OpportunityBegan(Record, frozen=True, tag="opportunity"):
    """An entry that was wanted is followed from now on, whatever became of it."""

    opportunity: Opportunity


class OpportunityEnded(Record, frozen=True, tag="opportunity_ended"):
    """An opportunity's prices and what it came to by the rules then in force.

    The evidence of every comparison; never altered.
    """

    opportunity: Opportunity
    path: Path
    outcome: Outcome


class ChangeMoved(Record, frozen=True, tag="change"):
    """A change of the ledger took another state, or its comparison a step; the last holds."""

    change: Change
    why: str = ""
    who: Actor = Actor.ENGINE


class ComparedOn(Record, frozen=True, tag="compared"):
    """One opportunity by old and new rules of a change; append-only evidence."""

    compared: Compared


class TrialsRun(Record, frozen=True, tag="trials"):
    """A learner searched; append-only, because every trial ever run counts."""

    trials: Trials


class Frozen(Record, frozen=True, tag="frozen"):
    """A person froze a target (or `*`, everything) against changes, or set it free."""

    target: str
    frozen: bool
    who: Actor


class CoinScored(Record, frozen=True, tag="coin"):
    """A coin's score after a trade, an edit or a change; the last holds."""

    coin: CoinScore


class PairScored(Record, frozen=True, tag="pair"):
    """A symbol × strategy pair's score; the last holds."""

    pair: PairScore


class PatternScored(Record, frozen=True, tag="pattern"):
    """A pattern as it stands now; the last holds."""

    pattern: Pattern


class RuleSet(Record, frozen=True, tag="rule"):
    """A rule as it stands now; the last holds."""

    rule: Rule
    who: str


class InsightFound(Record, frozen=True, tag="insight"):
    """Reflection found something."""

    insight: Insight


class HeadlineHeard(Record, frozen=True, tag="headline"):
    """A headline was known from this moment on; what a replay reads at its engine time."""

    headline: Headline


class PositionEntered(Record, frozen=True, tag="entered"):
    """A position was opened, with what was known then; in its first fill's transaction."""

    context: EntryContext


class TradeJournalled(Record, frozen=True, tag="trade_journal"):
    """A closed trade with its context, again as the prices after its exit come; the last
    holds. The first stands in the transaction of the trade."""

    entry: JournalEntry


class PerformanceMeasured(Record, frozen=True, tag="performance"):
    """How all trades went, once a day of engine time; strategies by regime, the last holds."""

    periods: tuple[PerformanceRow, ...]
    strategies: tuple[StrategyRow, ...]


class Cursor(Record, frozen=True, tag="cursor"):
    """How far the engine had come when it wrote what stands beside this record.

    `position` counts the market events that were dealt with: `--resume` goes on there.
    `ids` are the id counters. The rest is what no fill tells and limits count: trades and
    risk opened in `day`, the average that equity is compared with, the last account sample,
    when the strategist last said what it has armed, which conditions had reached their
    price without having been acted on, when closed trades were last thought over, and what a
    simulated market was asked for: (position, kind, symbol) of each shock.
    """

    position: int
    ids: dict[str, int]
    trades_today: int
    day: int
    opened_risk: float = 0.0
    trend_mean: float = 0.0
    trend_samples: int = 0
    accounted_ns: int = 0
    said_ns: int = 0
    triggered: tuple[str, ...] = ()
    reflected_ns: int = 0
    shocks: tuple[tuple[int, str, str], ...] = ()


class Measured(Record, frozen=True, tag="telemetry"):
    """Durations, queue lengths and latencies; never part of the digest."""

    values: dict[str, float]


class Outlooked(Record, frozen=True, tag="outlook"):
    """Why a symbol is or isn't traded, as it was shown; the newest of each symbol is kept.

    Asked in wall time, so that it is no part of the digest.
    """

    outlook: Outlook


AnyRecord = (
    RunStarted
    | OrderChanged
    | Entering
    | Filled
    | Funded
    | PositionChanged
    | TradeClosed
    | ProposalChanged
    | Commanded
    | Decided
    | Signalled
    | Denied
    | EntryHeld
    | ControlChanged
    | BreakerChanged
    | Accounted
    | RegimeChanged
    | ConditionChanged
    | LlmCalled
    | Cooldown
    | ParameterSet
    | FeedChanged
    | BarCorrected
    | TickQuarantined
    | Followed
    | Following
    | Noted
    | HeldThrough
    | FollowedUp
    | DecidedFrom
    | Quieted
    | OpportunityBegan
    | OpportunityEnded
    | ChangeMoved
    | ComparedOn
    | TrialsRun
    | Frozen
    | CoinScored
    | PairScored
    | PatternScored
    | RuleSet
    | InsightFound
    | HeadlineHeard
    | PositionEntered
    | TradeJournalled
    | PerformanceMeasured
    | Cursor
    | Measured
    | Outlooked
)

DURABLE: tuple[type[Record], ...] = (
    RunStarted,
    OrderChanged,
    Filled,
    Funded,
    PositionChanged,
    TradeClosed,
    ProposalChanged,
    Commanded,
    ControlChanged,
    BreakerChanged,
    ParameterSet,
    ConditionChanged,
    Cooldown,
    ChangeMoved,
    Frozen,
    RuleSet,
)
"""Kinds whose loss would be a lost order, fill, approval, change or audit line."""

TELEMETRY: tuple[type[Record], ...] = (Measured, Outlooked)
