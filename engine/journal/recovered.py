"""What a journal says about where an engine stopped: the events, folded in order.

Only events are believed, because only they carry the chain; the other tables are for
readers.
"""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from engine.core.clock import day_of
from engine.core.honesty import Aftermath
from engine.core.news import Headline
from engine.core.records import (
    Accounted,
    AnyRecord,
    BreakerChanged,
    ConditionChanged,
    ControlChanged,
    Cooldown,
    Cursor,
    Entering,
    EntryHeld,
    Filled,
    Followed,
    FollowedUp,
    Following,
    Funded,
    HeadlineHeard,
    OrderChanged,
    ParameterSet,
    PositionChanged,
    ProposalChanged,
    RunStarted,
    TradeClosed,
)
from engine.core.types import (
    Account,
    Actor,
    Control,
    Fill,
    Funding,
    Order,
    OrderState,
    Position,
    Proposal,
    ProposalState,
    Trade,
    TradeCondition,
    Value,
)
from engine.core.views import BreakerView, ControlView, Counterfactual
from engine.journal import learnstate, scored
from engine.journal.codec import decode
from engine.journal.learnstate import Learned, LearnedFold
from engine.journal.lived import KINDS as _LIVED
from engine.journal.lived import Lived, LivedFold
from engine.journal.scored import ScoredFold

T = TypeVar("T")

RECENT_TRADES = 500  # as many as a screen and a learner's warm start can use
RECENT_STATES = 1_000  # states of positions, for the charts that show how stops moved
RECENT_HEADLINES = 1_000  # by which what a feed repeats is known
RECENT_FOLLOWED = 50  # as many ended ones as a screen shows


class Recovered(Value, frozen=True):
    """The state at the last event; what an engine starts from, every time.

    `positions` carry the JSON of their watch. `ids` holds the highest number used by each
    id prefix. `account`, and with it `day_start_equity`, `peak_equity` and `trades_today`,
    are the last ones journaled; `day` is the UTC day they belong to. `proposals` are those
    that wait, and those that were approved and not yet filled; `own_targets` belong to them.
    `folded` counts records that came from the emergency log. `following` are the trades
    that were not made and are still followed, `followed` those that ended last. `entering`
    is what the entries of positions that are open, or may still open, found.
    """

    empty: bool
    last_seq: int
    last_ns: int
    run: RunStarted | None
    control: ControlView | None
    positions: tuple[tuple[Position, str], ...]
    orders: tuple[Order, ...]
    proposals: tuple[Proposal, ...]
    conditions: tuple[TradeCondition, ...]
    cooldowns: dict[str, int]
    parameters: tuple[ParameterSet, ...]
    ids: dict[str, int]
    fills: tuple[Fill, ...]
    trades: tuple[Trade, ...]
    cursor: Cursor | None
    account: Account | None
    day_start_equity: Decimal | None
    peak_equity: Decimal | None
    trades_today: int
    day: int
    counts: dict[str, int]
    folded: int = 0
    breakers: tuple[BreakerView, ...] = ()
    funding: tuple[Funding, ...] = ()
    own_targets: dict[str, tuple[float, ...]] = msgspec.field(default_factory=dict)
    learned: Learned = Learned()
    scored: tuple[AnyRecord, ...] = ()
    """What the scoreboard is made of, oldest first."""
    aftermaths: dict[str, Aftermath] = msgspec.field(default_factory=dict)
    following: tuple[Following, ...] = ()
    entering: dict[str, Entering] = msgspec.field(default_factory=dict)
    followed: tuple[Counterfactual, ...] = ()
    lived: Lived = Lived()
    headlines: tuple[Headline, ...] = ()
    """The newest headlines, the oldest of them first."""
    held: tuple[EntryHeld, ...] = ()
    """Entries that waited for the advisor when the engine stopped."""
    protected: tuple[AnyRecord, ...] = ()
    """The newest states and ends of positions, for who draws how they were protected."""


class _Id(msgspec.Struct):
    id: str
    state: str = ""
    position: str = ""


class _Quiet(msgspec.Struct):
    decision: str


class _Named(msgspec.Struct):
    """As much of a record as tells whose state it is; the rest is decoded if it is the last.

    Most states of most orders and positions are history by the end of the fold.
    """

    decision: _Id | msgspec.UnsetType = msgspec.UNSET
    counterfactual: _Id | msgspec.UnsetType = msgspec.UNSET
    order: _Id | msgspec.UnsetType = msgspec.UNSET
    proposal: _Id | msgspec.UnsetType = msgspec.UNSET
    trade: _Id | msgspec.UnsetType = msgspec.UNSET
    position: _Id | str | msgspec.UnsetType = msgspec.UNSET


_WHOLE = frozenset(
    (
        "run_started",
        "fill",
        "funded",
        "control",
        "breaker",
        "condition",
        "cooldown",
        "parameter",
        "aftermath",
        "held",
    )
)
_NAMED = frozenset(("decision", "counterfactual", "order", "proposal", "trade", "position"))
_FOLLOWING = "following"
_ENTERING = "entering"
_LIVE = frozenset(state.value for state in OrderState if state.live)
_UNFILLED = frozenset((OrderState.CANCELLED.value, OrderState.REJECTED.value))
_UNDECIDED = frozenset((ProposalState.WAITING.value, ProposalState.APPROVED.value))
_named = msgspec.json.Decoder(_Named)
_quieted = msgspec.json.Decoder(_Quiet)
_denied = msgspec.json.Decoder(_Id)


class Fold:
    """Takes events one by one and gives the state after them."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.seq = 0
        self.time_ns = 0
        self.positions: dict[str, tuple[str, int]] = {}
        self.fills: dict[str, tuple[Fill, int]] = {}
        self.funding: dict[str, tuple[Funding, int]] = {}
        self._orders: dict[str, str] = {}
        self._proposals: dict[str, str] = {}
        self._aftermaths: dict[str, Aftermath] = {}
        self._conditions: dict[str, TradeCondition] = {}
        self._cooldowns: dict[str, int] = {}
        self._parameters: dict[tuple[str, Any], ParameterSet] = {}
        self._ids: dict[str, int] = {}
        self._trades: deque[str] = deque(maxlen=RECENT_TRADES)
        self._protected: deque[str] = deque(maxlen=RECENT_STATES)
        self._following: dict[str, str] = {}
        self._entering: dict[str, str] = {}
        self._followed: deque[str] = deque(maxlen=RECENT_FOLLOWED)
        self._run: RunStarted | None = None
        self._control: ControlChanged | None = None
        self._held: dict[str, EntryHeld] = {}
        self._breakers: dict[str, BreakerView] = {}
        self._lived = LivedFold()
        self._headlines: deque[str] = deque(maxlen=RECENT_HEADLINES)
        self._cursor = ""
        self._quiet = ""
        self._denial = ""
        self._accounted = ""
        self._learned = LearnedFold()
        self._scored = ScoredFold()

    def event(self, seq: int, time_ns: int, kind: str, body: str) -> None:
        """Take one event; only what may be state at the end is decoded whole."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        self.seq, self.time_ns = seq, max(self.time_ns, time_ns)
        if kind in scored.KINDS:
            self._scored.event(kind, body)
        if kind in _WHOLE:
            self._apply(decode(body), seq)
        elif kind == "account":
            self._accounted = body
        elif kind == "cursor":
            self._cursor = body
        elif kind == "quiet":
            self._quiet = body
        elif kind == "denial":
            self._denial = body
            self._lived.denied(body)
        elif kind in _LIVED:
            self._lived.event(body)
        elif kind in learnstate.KINDS:
            self._used(self._learned.event(kind, body))
        elif kind in _NAMED:
            self._name(kind, _named.decode(body), body, seq)
        elif kind == "headline":
            self._headlines.append(body)
        elif kind == _FOLLOWING:
            self._following[_id_of(_named.decode(body).counterfactual)] = body
        elif kind == _ENTERING:
            position = _named.decode(body).position
            assert isinstance(position, str)
            self._entering[position] = body

    def _name(self, kind: str, named: _Named, body: str, seq: int) -> None:
        of = getattr(named, kind)
        self._used(of.id)
        if kind == "order":
            _keep(self._orders, of.id, body, of.state in _LIVE)
            if of.state in _UNFILLED and of.position not in self.positions:
                self._entering.pop(of.position, None)
        elif kind == "proposal":
            _keep(self._proposals, of.id, body, of.state in _UNDECIDED)
        elif kind == "position":
            self.positions[of.id] = (body, seq)
            self._protected.append(body)
        elif kind == "counterfactual":
            self._following.pop(of.id, None)
            self._lived.followed(body, of.id)
            self._followed.append(body)
        elif kind == "trade" and isinstance(named.position, str):
            self.positions.pop(named.position, None)
            self._entering.pop(named.position, None)
            self._trades.append(body)
            self._protected.append(body)

    def _used(self, name: str) -> None:
        prefix, dash, digits = name.rpartition("-")
        if dash and digits.isdecimal():
            number = int(digits)
            if number > self._ids.get(prefix, 0):
                self._ids[prefix] = number

    def _apply(self, record: AnyRecord, seq: int) -> None:
        match record:
            case Filled(fill=fill):
                self.fills[fill.id] = (fill, seq)
                self._used(fill.id)
            case Funded(funding=funding):
                self.funding[funding.id] = (funding, seq)
            case FollowedUp(aftermath=aftermath):
                self._aftermaths[aftermath.fill] = aftermath
            case ConditionChanged(condition=condition, state=state):
                _keep(self._conditions, condition.id, condition, state == "armed")
                self._used(condition.id)
            case EntryHeld():
                _keep(self._held, record.id, record, not record.over)
                self._used(record.id)
            case ControlChanged():
                self._control = record
            case BreakerChanged(breaker=breaker):
                self._breakers[breaker.name] = breaker
            case Cooldown():
                self._cooldowns[record.symbol] = record.until_ns
            case ParameterSet():
                self._parameters[record.name, record.scope] = record
            case RunStarted():
                self._run = record
            case _:
                pass

    def _use_the_last(self) -> None:
        """Ids of one kind rise, so the last of the many that are asked for nothing else."""
        if self._quiet:
            self._used(_quieted.decode(self._quiet).decision)
        if self._denial:
            self._used(_denied.decode(self._denial).id)

    def _last_cursor(self) -> Cursor | None:
        """The newest cursor; ids that it names were used, whatever else names them."""
        if not self._cursor:
            return None
        cursor = decode(self._cursor)
        assert isinstance(cursor, Cursor)
        for prefix, number in cursor.ids.items():
            self._used(f"{prefix}-{number}")
        return cursor

    def result(self, folded: int = 0) -> Recovered:
        """The state after all events taken."""
        accounted = decode(self._accounted) if self._accounted else None
        account = accounted.account if isinstance(accounted, Accounted) else None
        held = [decode(body) for body, _ in self.positions.values()]
        closed = map(decode, self._trades)
        following = map(decode, self._following.values())
        entered = map(decode, self._entering.values())
        followed = map(decode, self._followed)
        ordered = map(decode, self._orders.values())
        proposed = [r for r in map(decode, self._proposals.values()) if type(r) is ProposalChanged]
        trades_today = account.trades_today if account is not None else 0
        day = day_of(accounted.time_ns) if accounted is not None else 0
        cursor = self._last_cursor()
        self._use_the_last()
        if cursor is not None and (accounted is None or cursor.time_ns >= accounted.time_ns):
            trades_today, day = cursor.trades_today, cursor.day
        return Recovered(
            empty=self.seq == 0,
            last_seq=self.seq,
            last_ns=self.time_ns,
            run=self._run,
            control=_control(self._control),
            positions=tuple((r.position, r.watch) for r in held if isinstance(r, PositionChanged)),
            orders=tuple(r.order for r in ordered if isinstance(r, OrderChanged)),
            proposals=tuple(r.proposal for r in proposed),
            own_targets={r.proposal.id: r.own_targets for r in proposed if r.own_targets},
            conditions=tuple(self._conditions.values()),
            cooldowns=dict(self._cooldowns),
            protected=tuple(map(decode, self._protected)),
            parameters=tuple(self._parameters.values()),
            ids=dict(self._ids),
            fills=tuple(fill for fill, _ in self.fills.values()),
            funding=tuple(payment for payment, _ in self.funding.values()),
            aftermaths=dict(self._aftermaths),
            trades=tuple(r.trade for r in closed if isinstance(r, TradeClosed)),
            cursor=cursor,
            account=account,
            day_start_equity=account.day_start_equity if account is not None else None,
            peak_equity=account.peak_equity if account is not None else None,
            trades_today=trades_today,
            day=day,
            counts=dict(self.counts),
            folded=folded,
            breakers=tuple(self._breakers.values()),
            entering={r.position: r for r in entered if isinstance(r, Entering)},
            following=tuple(r for r in following if isinstance(r, Following)),
            followed=tuple(r.counterfactual for r in followed if isinstance(r, Followed)),
            lived=self._lived.result(),
            headlines=tuple(
                r.headline for r in map(decode, self._headlines) if isinstance(r, HeadlineHeard)
            ),
            learned=self._learned.result(),
            scored=self._scored.result(),
            held=tuple(self._held.values()),
        )


def _id_of(named: _Id | msgspec.UnsetType) -> str:
    assert isinstance(named, _Id)
    return named.id


def _keep(kept: dict[str, T], name: str, value: T, lasting: bool) -> None:
    """Keep a state that lasts, forget the id of one that ended."""
    if lasting:
        kept[name] = value
    else:
        kept.pop(name, None)


def _control(record: ControlChanged | None) -> ControlView | None:
    if record is None:
        return None
    return ControlView(
        state=Control(record.state),
        reason=record.reason,
        since_ns=record.time_ns,
        who=Actor(record.who),
    )
