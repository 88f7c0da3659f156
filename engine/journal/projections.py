"""Each record as the table rows that follow from it.

One function a kind, returning statements with their values; the writer runs them in the
transaction that writes the event, and a rebuild runs them over all events again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from engine.core.clock import MINUTE
from engine.core.records import (
    Accounted,
    AnyRecord,
    BreakerChanged,
    Commanded,
    ConditionChanged,
    ControlChanged,
    Cooldown,
    Decided,
    Denied,
    Filled,
    Followed,
    Funded,
    HeadlineHeard,
    HeldThrough,
    OrderChanged,
    ParameterSet,
    PositionChanged,
    ProposalChanged,
    Quieted,
    RegimeChanged,
    RunStarted,
    Signalled,
    TradeClosed,
)
from engine.core.types import Direction
from engine.journal.codec import encode
from engine.journal.knowledge import PROJECTORS as KNOWLEDGE
from engine.journal.learned import PROJECTORS as LEARNED
from engine.journal.rows import Row
from engine.journal.rows import into as _into
from engine.journal.rows import text as _json

_RUN, _ORDER, _FILL = _into("runs", 12), _into("orders", 20), _into("fills", 13)
_POSITION, _TRADE = _into("positions", 18), _into("trades", 26)
_PROPOSAL, _APPROVAL = _into("proposals", 23), _into("approvals", 8)
_DECISION, _SIGNAL = _into("decisions", 12), _into("signals", 11)
_BLOCKED, _FOLLOWED = _into("blocked_trades", 18), _into("counterfactuals", 20)
_VALUE, _HISTORY = _into("param_values", 6), _into("param_history", 7)
_ACCOUNT, _REGIME = _into("account_history", 16), _into("regime_transitions", 8)
_CONDITION, _BREAKER = _into("active_conditions", 20), _into("circuit_breaker_events", 12)
_CONTROLS = _into("control_history", 5)
_CONTROL, _COOLDOWN, _COMMAND = _into("control", 6), _into("cooldowns", 4), _into("commands", 10)
_FUNDING = _into("funding", 10)
_HELD, _QUIET = _into("intra_trade_bars", 9), _into("quiet", 4)
CLOSED = "DELETE FROM positions WHERE id = ?"


def _texts(amounts: tuple[Any, ...]) -> str:
    return _json([str(amount) for amount in amounts])


def _headline(r: HeadlineHeard, seq: int) -> Iterator[Row]:
    one = r.headline
    values = (seq, one.known_ns, one.source, one.text, one.link, one.published_ns, one.key)
    yield _into("news_items", 7), values


def _run(r: RunStarted, seq: int) -> Iterator[Row]:
    yield (
        _RUN,
        (
            *(seq, r.time_ns, r.mode, r.feed, r.seed, _json(r.symbols), r.timeframe),
            *(r.approval, r.profile, r.cash, int(r.resumed), _json(r.parameters)),
        ),
    )


def _order(r: OrderChanged, seq: int) -> Iterator[Row]:
    o = r.order
    limit = None if o.limit is None else str(o.limit)
    yield (
        _ORDER,
        (
            *(o.id, o.client_id, o.symbol, o.side, o.type, o.purpose, str(o.quantity), limit),
            *(o.state, o.created_ns, o.position, o.proposal, o.exit_reason, str(o.filled)),
            *(o.sent_ns, o.ended_ns, o.reason, str(o.expected_price), r.time_ns, seq),
        ),
    )


def _fill(r: Filled, seq: int) -> Iterator[Row]:
    f = r.fill
    yield (
        _FILL,
        (
            *(f.id, f.order, f.symbol, f.side, str(f.quantity), str(f.price), str(f.fee)),
            *(f.fee_asset, f.liquidity, f.time_ns, f.position, f.assumptions, seq),
        ),
    )


def _funding(r: Funded, seq: int) -> Iterator[Row]:
    f = r.funding
    yield (
        _FUNDING,
        (
            *(f.id, f.boundary_ns, f.symbol, f.position, f.rate, str(f.mark)),
            *(str(f.notional), str(f.amount), f.note, seq),
        ),
    )


def _position(r: PositionChanged, seq: int) -> Iterator[Row]:
    p = r.position
    yield (
        _POSITION,
        (
            *(p.id, p.symbol, p.direction, str(p.quantity), str(p.entry_price), p.opened_ns),
            *(p.strategy, p.regime, p.leverage, str(p.stop), _texts(p.targets), str(p.fees)),
            *(str(p.realised), int(p.taken_over), r.watch, r.why, r.time_ns, seq),
        ),
    )


def _trade(r: TradeClosed, seq: int) -> Iterator[Row]:
    t = r.trade
    action = "BUY" if t.direction is Direction.LONG else "SELL"
    minutes = (t.closed_ns - t.opened_ns) / MINUTE
    yield (
        _TRADE,
        (
            *(t.id, t.closed_ns, t.symbol, action, str(t.entry_price), str(t.exit_price)),
            *(str(t.pnl), t.pnl_pct, t.regime, t.strategy, t.indicators),
            *("WIN" if t.won else "LOSS", str(t.quantity), t.direction, t.leverage),
            *(str(t.fees), minutes, t.exit_reason, t.mfe_pct, t.mae_pct, t.confidence),
            *(t.opened_ns, t.decision, t.proposal, r.position, seq),
        ),
    )
    yield CLOSED, (r.position,)


def _proposal(r: ProposalChanged, seq: int) -> Iterator[Row]:
    p = r.proposal
    yield (
        _PROPOSAL,
        (
            *(p.id, p.version, p.digest, p.symbol, p.direction, str(p.quantity), str(p.price)),
            *(str(p.stop), _texts(p.targets), p.leverage, str(p.notional), str(p.risk)),
            *(p.strategy, p.decision, p.confidence, p.created_ns, p.expires_ns, p.state),
            *(p.origin, p.why_waits, p.note, r.time_ns, seq),
        ),
    )
    yield _APPROVAL, (seq, r.time_ns, p.id, p.version, p.digest, p.state, r.who, r.why)


def _decision(r: Decided, seq: int) -> Iterator[Row]:
    d = r.decision
    yield (
        _DECISION,
        (
            *(d.id, d.time_ns, d.symbol, d.action, d.confidence, d.size_pct, d.price),
            *(d.regime, d.regime_confidence, d.winner, d.reasoning, seq),
        ),
    )


def _quiet(r: Quieted, seq: int) -> Iterator[Row]:
    yield _QUIET, (r.decision, r.time_ns, r.symbol, seq)


def _signal(r: Signalled, seq: int) -> Iterator[Row]:
    s = r.signal
    yield (
        _SIGNAL,
        (
            *(seq, s.time_ns, s.symbol, s.strategy, s.action, s.confidence, s.entry),
            *(s.stop, s.target, s.expected_value, s.reason),
        ),
    )


def _denial(r: Denied, seq: int) -> Iterator[Row]:
    g = r.gate
    yield (
        _BLOCKED,
        (
            *(r.id, r.time_ns, r.symbol, r.decision, r.direction, r.code, g.name, g.value),
            *(g.threshold, g.distance, g.unit, int(g.hard), r.price, r.stop, r.target),
            *(r.score, r.quantity, seq),
        ),
    )


def _followed(r: Followed, seq: int) -> Iterator[Row]:
    c = r.counterfactual
    yield (
        _FOLLOWED,
        (
            *(c.id, c.time_ns, c.symbol, c.kind, c.code, c.price, c.direction, c.pnl_pct),
            *(c.ended, _json(c.marks), seq, c.strategy, c.stop, _json(c.targets), c.score),
            *(c.gross_pct, int(c.own_exit), c.ended_ns, c.unseen_ns, c.who),
        ),
    )


def _parameter(r: ParameterSet, seq: int) -> Iterator[Row]:
    scope = _json(r.scope)
    yield _VALUE, (r.name, scope, r.after, r.who, r.time_ns, seq)
    yield _HISTORY, (seq, r.time_ns, r.name, scope, r.before, r.after, r.who)


def _account(r: Accounted, seq: int) -> Iterator[Row]:
    a = r.account
    yield (
        _ACCOUNT,
        (
            *(seq, r.time_ns, str(a.cash), str(a.equity), str(a.day_start_equity)),
            *(str(a.day_pnl), a.drawdown_pct, str(a.peak_equity), str(a.realised)),
            *(str(a.unrealised), str(a.fees), str(a.funding), str(a.exposure)),
            *(a.trades_today, a.quote, r.why),
        ),
    )


def _regime(r: RegimeChanged, seq: int) -> Iterator[Row]:
    yield (
        _REGIME,
        (
            *(seq, r.time_ns, r.symbol, r.from_regime, r.to_regime, _json(r.indicators)),
            *(r.vol_level, r.confidence),
        ),
    )


def _condition(r: ConditionChanged, seq: int) -> Iterator[Row]:
    c = r.condition
    away = [abs(target / c.trigger - 1) * 100 for target in c.targets[:1] if c.trigger]
    stop_pct = abs(c.stop / c.trigger - 1) * 100 if c.trigger else None
    triggered = r.state == "triggered"
    yield (
        _CONDITION,
        (
            *(c.id, c.symbol, c.direction, c.trigger, "above" if c.above else "below"),
            *(stop_pct, away[0] if away else None, c.strategy, c.reasoning, c.created_ns),
            *(c.valid_until_ns, int(triggered), r.time_ns if triggered else None, r.state),
            *(r.why, c.stop, _json(c.targets), c.pattern, r.time_ns, seq),
        ),
    )


def _control(r: ControlChanged, seq: int) -> Iterator[Row]:
    yield _CONTROLS, (seq, r.time_ns, r.state, r.reason, r.who)
    yield _CONTROL, (1, r.state, r.reason, r.who, r.time_ns, seq)


def _breaker(r: BreakerChanged, seq: int) -> Iterator[Row]:
    b = r.breaker
    yield (
        _BREAKER,
        (
            *(seq, r.time_ns, b.name, b.state, b.value, b.limit, b.unit, b.base, b.reason),
            *(b.clears, b.until_ns, r.who),
        ),
    )


def _cooldown(r: Cooldown, seq: int) -> Iterator[Row]:
    yield _COOLDOWN, (r.symbol, r.until_ns, r.time_ns, seq)


def _command(r: Commanded, seq: int) -> Iterator[Row]:
    c, a = r.command, r.ack
    yield (
        _COMMAND,
        (
            *(seq, c.id, r.time_ns, str(c.__struct_config__.tag), c.actor, encode(c)),
            *(int(a.ok), a.code, a.text, a.ref),
        ),
    )


def _held(r: HeldThrough, seq: int) -> Iterator[Row]:
    b = r.bar
    yield (
        _HELD,
        (r.position, b.open_ns, b.open, b.high, b.low, b.close, b.volume, b.symbol, seq),
    )


_PROJECTORS: dict[type[Any], Callable[[Any, int], Iterator[Row]]] = {
    RunStarted: _run,
    HeadlineHeard: _headline,
    OrderChanged: _order,
    Filled: _fill,
    Funded: _funding,
    HeldThrough: _held,
    PositionChanged: _position,
    TradeClosed: _trade,
    ProposalChanged: _proposal,
    Decided: _decision,
    Quieted: _quiet,
    Signalled: _signal,
    Denied: _denial,
    Followed: _followed,
    ParameterSet: _parameter,
    Accounted: _account,
    RegimeChanged: _regime,
    ConditionChanged: _condition,
    ControlChanged: _control,
    BreakerChanged: _breaker,
    Cooldown: _cooldown,
    Commanded: _command,
    **LEARNED,
    **KNOWLEDGE,
}


def project(record: AnyRecord, seq: int) -> Iterable[Row]:
    """The rows of a record; nothing for kinds that live in `events` alone."""
    projector = _PROJECTORS.get(type(record))
    return projector(record, seq) if projector is not None else ()
