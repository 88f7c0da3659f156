"""What learning speaks of: opportunities, changes with their evidence, and what is known.

Core types, because strategies, the language model and risk read knowledge, and screens read
changes, without knowing who learns. Outcomes are percent of the entry's notional; `gross` is
before fees, `net` after them.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec.structs import replace

from engine.core.types import Direction, Trade, Value

NAN = float("nan")

# Opportunities: what old and new are compared on.


class Opportunity(Value, frozen=True):
    """An entry that the engine wanted, whether or not it was traded.

    Everything that its exit plan is made from, so that the position step can be run over the
    prices that followed with other rules. `kind` is `traded`, `denied`, `rejected`,
    `expired` or `vetoed`; `code` the gate that refused it.
    """

    id: str
    symbol: str
    direction: Direction
    opened_ns: int
    price: float
    stop: float
    targets: tuple[float, ...]
    atr: float
    fee: float
    spread: float
    strategy: str
    regime: str
    confidence: float
    kind: str
    code: str = ""
    pattern: str = ""
    vol_level: str = ""
    size_factor: float = 1.0
    """What knowledge made of its size; 0 where it forbade it."""


class Outcome(Value, frozen=True, gc=False):
    """What an opportunity came to by one set of rules.

    `r` and `net_r` are the gross and the net result in entry-to-stop distances. `closed` is
    False where the prices ended before the rules did; then it is valued at the last one.
    """

    gross: float
    net: float
    r: float
    net_r: float
    reason: str
    bars: int
    closed: bool


class Path(Value, frozen=True):
    """The `count` bars that followed an opportunity, packed by `engine.learning.paths`.

    `prices` is base64 of zlib of, column by column and little-endian: open, high, low and close
    as int64 multiples of `unit` less the close before, milliseconds since the row before as
    int64, and ATR, score and regime code as float64.
    """

    opened_ns: int
    span_ns: int
    count: int
    unit: float
    prices: str


# Changes: the only way in which anything is ever adapted.


class TargetKind(StrEnum):
    """What a change may move."""

    PARAMETER = "parameter"
    COIN = "coin"
    PATTERN = "pattern"
    RULE = "rule"
    PAIR = "pair"
    """A symbol × strategy pair."""


class Target(Value, frozen=True):
    """What a change moves: a parameter in a scope, a coin, a pattern, a rule or a pair."""

    kind: TargetKind
    name: str
    symbol: str | None = None
    regime: str | None = None
    strategy: str | None = None

    @property
    def text(self) -> str:
        """`exit.trail_distance_pct · BTC/USDT`, `coin SOL/USDT`, as a person reads it."""
        name = self.name if self.kind is TargetKind.PARAMETER else f"{self.kind} {self.name}"
        parts = [part for part in (self.symbol, self.regime, self.strategy) if part]
        return " · ".join([name, *parts])


class ChangeKind(StrEnum):
    """PRECAUTION tightens on thin evidence, at once, and expires. TRIAL moves a value by a
    step and is watched in shadow against what it replaced. VERDICT rests on the bound."""

    PRECAUTION = "precaution"
    TRIAL = "trial"
    VERDICT = "verdict"


class Lean(StrEnum):
    """Whether a change takes risk off or on; what loosens asks a person first."""

    TIGHTENS = "tightens"
    LOOSENS = "loosens"
    NEUTRAL = "neutral"


class ChangeState(StrEnum):
    """Where a change stands.

    ASKED waits for a person. APPLIED is in force and undecided. KEPT is in force and proven.
    All others are over and the exact old value is back: ROLLED_BACK was shown to harm,
    STOPPED hit the hard loss stop, EXPIRED was a precaution whose time ran out, LAPSED was
    never decided within its watch, RELEASED was kept once and helps no longer, REVERTED by a
    person, REFUSED before it was applied, SUPERSEDED by a verdict on the same target.
    OVERRULED is the one end after which nothing comes back: a person set the target meanwhile,
    and what they set stands.
    """

    ASKED = "asked"
    APPLIED = "applied"
    KEPT = "kept"
    ROLLED_BACK = "rolled back"
    STOPPED = "stopped"
    EXPIRED = "expired"
    LAPSED = "lapsed"
    RELEASED = "released"
    REVERTED = "reverted"
    REFUSED = "refused"
    SUPERSEDED = "superseded"
    OVERRULED = "overruled"

    @property
    def in_force(self) -> bool:
        return self in (ChangeState.APPLIED, ChangeState.KEPT)


class Evidence(Value, frozen=True):
    """A figure with all that is needed to judge and to recompute it.

    `mean` lies in [`low`, `high`] at every look with the probability 1 − `alpha` where
    `bound` is True (a confidence sequence); otherwise the interval is none and both are
    NaN. `below` is the part of `alpha` with which the mean may lie under `low`, NaN in a row
    of a version whose interval was another one. `ids` are the opportunities or trades it was
    computed from, in order.
    """

    metric: str
    unit: str
    n: int
    mean: float
    low: float = NAN
    high: float = NAN
    alpha: float = NAN
    bound: bool = False
    ids: tuple[str, ...] = ()
    note: str = ""
    below: float = NAN


class Change(Value, frozen=True):
    """One row of the ledger. `before` and `after` are JSON texts; `before` `null` means that
    nothing was set in this scope, and `stood` says what held there all the same: a default, or
    a wider scope's value. `evidence` is why it was proposed, `shadow` what comparing it with
    what it replaced has come to so far."""

    id: str
    target: Target
    before: str
    after: str
    kind: ChangeKind
    lean: Lean
    state: ChangeState
    who: str
    reason: str
    evidence: Evidence
    made_ns: int
    applied_ns: int = 0
    ends_ns: int = 0
    ended_ns: int = 0
    shadow: Evidence | None = None
    net: Evidence | None = None
    """As `shadow` after fees; a verdict needs both to agree, so that what only saves costs
    is not taken for skill."""
    decided_by: str = ""
    note: str = ""
    stood: str = ""
    """Empty in journals from before it was kept."""

    @property
    def replaced(self) -> str:
        """What held before, as a person asks for it; `before` is what is put back."""
        return self.stood or self.before


class Compared(Value, frozen=True):
    """One opportunity under the old and the new rules of one change, in R; never altered."""

    change: str
    opportunity: str
    old_gross: float
    new_gross: float
    old_net: float
    new_net: float


class Suggestion(Value, frozen=True):
    """What a learner would like changed; the ledger decides what becomes of it.

    `lasts_ns` is how long a precaution holds, or how long a trial may stay undecided; 0 for a
    verdict that locks something, which stays until a person or its comparison ends it.
    """

    target: Target
    after: str
    kind: ChangeKind
    lean: Lean
    who: str
    reason: str
    evidence: Evidence
    lasts_ns: int


class Trials(Value, frozen=True):
    """A search that a learner made: how many values it tried for what, and their scores.

    Counted for ever, since the best of many is good by luck alone.
    """

    id: str
    who: str
    target: Target
    values: tuple[str, ...]
    scores: tuple[float, ...]
    n: int
    chosen: str


# Knowledge: what is known of coins, pairs, patterns and hours.


class CoinStatus(StrEnum):
    """What the scores of a coin make of its size; BLACKLISTED admits no entry."""

    NORMAL = "normal"
    REDUCED = "reduced"
    FAVOURED = "favoured"
    BLACKLISTED = "blacklisted"
    PROBATION = "probation"
    """Off the blacklist for one test trade."""


class CoinScore(Value, frozen=True):
    """How trades in one symbol went. Percentages are of the entry's notional.

    Trades that were neither won nor lost (`Closed.scratch`) count in `trades` and `pnl_pct`
    alone, so that a stop at break-even doesn't make a coin look worse.

    `gross_mean` with `gross_low` and `gross_high` is the mean result in R before fees with
    its confidence sequence; `trend` the mean of the last ten less the mean of all.
    """

    symbol: str
    trades: int = 0
    wins: int = 0
    losses: int = 0
    pnl_pct: float = 0.0
    avg_winner_pct: float = 0.0
    avg_loser_pct: float = 0.0
    gross_mean: float = NAN
    gross_low: float = NAN
    gross_high: float = NAN
    trend: float = NAN
    status: CoinStatus = CoinStatus.NORMAL
    status_by: str = ""
    """Who set the status: a change's id or a person; empty while it is as it began."""
    since_ns: int = 0
    updated_ns: int = 0

    @property
    def win_rate(self) -> float:
        decided = self.wins + self.losses
        return self.wins / decided if decided else NAN


class PairStatus(StrEnum):
    """What is made of a strategy in a symbol. FAVOURED goes first where room is scarce, and is a
    person's word alone; BLOCKED admits no entry."""

    NORMAL = "normal"
    FAVOURED = "favoured"
    BLOCKED = "blocked"


class PairScore(Value, frozen=True):
    """How one strategy does in one symbol; in R before fees. What was neither won nor lost
    counts in `trades` alone."""

    symbol: str
    strategy: str
    trades: int = 0
    wins: int = 0
    gross_mean: float = NAN
    gross_low: float = NAN
    gross_high: float = NAN
    blocked: bool = False
    updated_ns: int = 0
    favoured: bool = False
    status_by: str = ""
    """Who set the status: a change's id or a person; empty while nobody did."""
    since_ns: int = 0
    losses: int = 0

    @property
    def win_rate(self) -> float:
        decided = self.wins + self.losses
        return self.wins / decided if decided else NAN

    @property
    def status(self) -> PairStatus:
        if self.blocked:
            return PairStatus.BLOCKED
        return PairStatus.FAVOURED if self.favoured else PairStatus.NORMAL


class Pattern(Value, frozen=True):
    """A way into a trade that is recognised again: who described it and how it has done.

    `confidence` is the mean of a Beta distribution that begins at
    `pattern.initial_confidence`.
    """

    id: str
    description: str
    made_by: str
    created_ns: int
    used: int = 0
    wins: int = 0
    losses: int = 0
    pnl_pct: float = 0.0
    confidence: float = 0.5
    gross_low: float = NAN
    gross_high: float = NAN
    active: bool = True
    last_used_ns: int = 0
    set_by: str = ""
    """Who switched it last: a change's id or a person; empty while nobody did."""


REMOVED = "removed"
"""`made_by` of a rule that is no more: what a reader of the journal finds of it."""


class RuleAction(StrEnum):
    """What a rule does to entries while its condition holds."""

    NO_TRADE = "NO_TRADE"
    REDUCE_SIZE = "REDUCE_SIZE"
    INCREASE_SIZE = "INCREASE_SIZE"
    CAUTION = "CAUTION"


class Rule(Value, frozen=True):
    """A time or volatility rule. Empty fields don't restrict; hours and weekdays are UTC,
    Monday is 0, `vol_level` is a `VolLevel`."""

    id: str
    description: str
    action: RuleAction
    hours: tuple[int, ...] = ()
    weekdays: tuple[int, ...] = ()
    vol_level: str = ""
    symbol: str = ""
    made_by: str = ""
    created_ns: int = 0
    active: bool = True
    triggered: int = 0
    saved_pct: float = 0.0
    """Sum of what the entries that it refused would have lost, net, in percent; negative is
    what they would have made."""


class InsightKind(StrEnum):
    PATTERN = "pattern"
    PROBLEM = "problem"
    OPPORTUNITY = "opportunity"


class Insight(Value, frozen=True):
    """Something that reflection found. `known_ns` is when it became knowable; nothing that
    runs at an earlier engine time may see it."""

    id: str
    known_ns: int
    source: str
    """`statistics`, or the model's name."""
    kind: InsightKind
    text: str
    symbols: tuple[str, ...] = ()
    pattern: str = ""
    evidence: Evidence | None = None
    change: str = ""
    """The change that it led to, if any."""
    struck: bool = False
    """Struck out by a person: nobody is told of it any more."""
    said: str = ""
    """What a person says instead; nobody is told the text any more."""
    set_by: str = ""
    set_why: str = ""
    set_ns: int = 0
    """Who decided so last, why, and since when."""

    def at(self, now_ns: int) -> Insight:
        """As it stood at a moment: what a person decided later was not known then."""
        if not self.set_ns or self.set_ns <= now_ns:
            return self
        return replace(self, struck=False, said="", set_by="", set_why="", set_ns=0)

    @property
    def words(self) -> str:
        """What is told of it: a person's words where they gave some."""
        return self.said or self.text


class Knowledge(Value, frozen=True):
    """Everything known at one moment, for prompts, screens and exports."""

    time_ns: int
    coins: tuple[CoinScore, ...] = ()
    pairs: tuple[PairScore, ...] = ()
    patterns: tuple[Pattern, ...] = ()
    rules: tuple[Rule, ...] = ()
    insights: tuple[Insight, ...] = ()


class Closed(Value, frozen=True):
    """A trade as learners see it: its row, its result in R before fees, and its pattern.

    The result is before fees, because a coin or a strategy that only loses its costs is no
    worse than another.
    """

    trade: Trade
    gross_r: float
    gross_pct: float
    pattern: str = ""
    vol_level: str = ""
    hour: int = 0
    weekday: int = 0

    @property
    def scratch(self) -> bool:
        """Neither won nor lost: it lost nothing but its costs, as a stop at break-even does.

        What earned more than it cost is won, however little, and a price that went against the
        entry is a loss whatever it cost.
        """
        return self.gross_pct >= 0.0 and not self.trade.won


class Score(Value, frozen=True):
    """One row of the counterfactual scoreboard: what a gate, a person or a model was worth.

    `mean` is what following it gained per opportunity, net, in percent of notional: for a
    refusal the loss that was avoided, for an approval the result of the trade.
    """

    who: str
    """`gate`, `person`, `advisor`, `rule`, `coin`."""
    what: str
    """The denial code, `approved`, `rejected`, `expired`, `overridden`, ..."""
    evidence: Evidence


class LearningView(Value, frozen=True):
    """What learning looks like from outside. `opportunities` counts those that ended,
    `following` those that are still being followed, `trials` all values ever tried."""

    changes: tuple[Change, ...] = ()
    knowledge: Knowledge | None = None
    scoreboard: tuple[Score, ...] = ()
    frozen: tuple[str, ...] = ()
    opportunities: int = 0
    following: int = 0
    trials: int = 0
    next_daily_ns: int = 0
    budget: str = ""
    """The hard loss stop of changes in force: what they have cost, and what they may."""
