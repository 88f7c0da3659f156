"""What was learned and lived, as table rows; columns of earlier designs come first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from engine.core.clock import SECOND
from engine.core.learning import CoinStatus
from engine.core.records import (
    CoinScored,
    InsightFound,
    PairScored,
    PatternScored,
    PerformanceMeasured,
    RuleSet,
    TradeJournalled,
)
from engine.journal.rows import Row, into, text

TABLES = """
CREATE TABLE coin_scores (
  coin TEXT PRIMARY KEY, total_trades INTEGER, wins INTEGER, losses INTEGER, total_pnl REAL,
  avg_pnl REAL, win_rate REAL, avg_winner REAL, avg_loser REAL, is_blacklisted INTEGER,
  blacklist_reason TEXT, trend REAL, last_updated INTEGER, status TEXT, status_by TEXT,
  since_ns INTEGER, gross_mean REAL, gross_low REAL, gross_high REAL, seq INTEGER);
CREATE TABLE pair_scores (
  symbol TEXT, strategy_id TEXT, total_trades INTEGER, wins INTEGER, gross_mean REAL,
  gross_low REAL, gross_high REAL, is_blocked INTEGER, last_updated INTEGER, status TEXT,
  status_by TEXT, since_ns INTEGER, losses INTEGER, seq INTEGER,
  PRIMARY KEY (symbol, strategy_id));
CREATE TABLE trading_patterns (
  id TEXT PRIMARY KEY, description TEXT, entry_conditions TEXT, exit_conditions TEXT,
  times_used INTEGER, wins INTEGER, losses INTEGER, total_pnl REAL, confidence REAL,
  is_active INTEGER, created_at INTEGER, last_used INTEGER, made_by TEXT, gross_low REAL,
  gross_high REAL, set_by TEXT, seq INTEGER);
CREATE TABLE regime_rules (
  id TEXT PRIMARY KEY, description TEXT, condition TEXT, action TEXT,
  times_triggered INTEGER, estimated_saves REAL, is_active INTEGER, created_at INTEGER,
  made_by TEXT, who TEXT, seq INTEGER);
CREATE TABLE insights (
  id TEXT PRIMARY KEY, timestamp INTEGER, source TEXT, kind TEXT, text TEXT, symbols TEXT,
  pattern_id TEXT, evidence TEXT, change_id TEXT, is_struck INTEGER, said TEXT, set_by TEXT,
  set_why TEXT, set_ns INTEGER, seq INTEGER);
CREATE TABLE trade_journal (
  id TEXT PRIMARY KEY, entry_time INTEGER, entry_price REAL, entry_reason TEXT, coin TEXT,
  direction TEXT, position_size_usd REAL, stop_loss_price REAL, take_profit_price REAL,
  strategy_id TEXT, pattern_id TEXT, condition_id TEXT, market_regime TEXT, volatility REAL,
  funding_rate REAL, cvd REAL, btc_trend TEXT, hour_of_day INTEGER, day_of_week INTEGER,
  exit_time INTEGER, exit_price REAL, exit_reason TEXT, pnl_usd TEXT, pnl_pct REAL,
  duration_seconds REAL, price_1min_after REAL, price_5min_after REAL,
  price_15min_after REAL, missed_profit REAL, volatility_level TEXT, gross_r REAL,
  position_id TEXT, cvd_note TEXT, seq INTEGER);
CREATE TABLE performance_snapshots (
  timestamp INTEGER, period TEXT, total_trades INTEGER, win_rate REAL, total_pnl REAL,
  avg_pnl REAL, max_drawdown REAL, sharpe_ratio REAL, profit_factor REAL,
  knowledge_version INTEGER, active_patterns INTEGER, blacklisted_coins INTEGER, seq INTEGER,
  PRIMARY KEY (timestamp, period));
CREATE TABLE strategy_performance (
  strategy_id TEXT, regime TEXT, win_rate REAL, avg_pnl REAL, sharpe_ratio REAL,
  max_drawdown REAL, profit_factor REAL, total_trades INTEGER, last_updated INTEGER,
  seq INTEGER, PRIMARY KEY (strategy_id, regime));
"""
"""`cvd` is NULL where the feed names no aggressors, and `cvd_note` says so.
`exit_conditions` of a pattern is the exit plan in force, since patterns are entries."""


_COIN, _PAIR = into("coin_scores", 20), into("pair_scores", 14)
_PATTERN, _RULE = into("trading_patterns", 17), into("regime_rules", 11)
_INSIGHT, _LIVED = into("insights", 15), into("trade_journal", 34)
_PERIOD, _STRATEGY = into("performance_snapshots", 13), into("strategy_performance", 10)


def _coin(r: CoinScored, seq: int) -> Iterator[Row]:
    c = r.coin
    black = c.status is CoinStatus.BLACKLISTED
    yield (
        _COIN,
        (
            *(c.symbol, c.trades, c.wins, c.losses, c.pnl_pct),
            *(c.pnl_pct / c.trades if c.trades else None, c.win_rate, c.avg_winner_pct),
            *(c.avg_loser_pct, int(black), c.status_by if black else "", c.trend),
            *(c.updated_ns, c.status, c.status_by, c.since_ns, c.gross_mean, c.gross_low),
            *(c.gross_high, seq),
        ),
    )


def _pair(r: PairScored, seq: int) -> Iterator[Row]:
    p = r.pair
    yield (
        _PAIR,
        (
            *(p.symbol, p.strategy, p.trades, p.wins, p.gross_mean, p.gross_low, p.gross_high),
            *(int(p.blocked), p.updated_ns, p.status, p.status_by, p.since_ns, p.losses),
            seq,
        ),
    )


def _pattern(r: PatternScored, seq: int) -> Iterator[Row]:
    p = r.pattern
    yield (
        _PATTERN,
        (
            *(p.id, p.description, p.description, "the exit plan in force", p.used, p.wins),
            *(p.losses, p.pnl_pct, p.confidence, int(p.active), p.created_ns, p.last_used_ns),
            *(p.made_by, p.gross_low, p.gross_high, p.set_by, seq),
        ),
    )


def _rule(r: RuleSet, seq: int) -> Iterator[Row]:
    rule = r.rule
    condition = {
        "hours": rule.hours,
        "weekdays": rule.weekdays,
        "vol_level": rule.vol_level,
        "symbol": rule.symbol,
    }
    yield (
        _RULE,
        (
            *(rule.id, rule.description, text(condition), rule.action, rule.triggered),
            *(rule.saved_pct, int(rule.active), rule.created_ns, rule.made_by, r.who, seq),
        ),
    )


def _insight(r: InsightFound, seq: int) -> Iterator[Row]:
    i = r.insight
    yield (
        _INSIGHT,
        (
            *(i.id, i.known_ns, i.source, i.kind, i.text, text(i.symbols), i.pattern),
            *(text(i.evidence), i.change, int(i.struck), i.said, i.set_by, i.set_why, i.set_ns),
            seq,
        ),
    )


def _lived(r: TradeJournalled, seq: int) -> Iterator[Row]:
    entry = r.entry
    c, t = entry.context, entry.closed.trade
    after = dict(entry.after)
    yield (
        _LIVED,
        (
            *(t.id, c.entered_ns, c.price, c.reason, c.symbol, c.direction, c.notional, c.stop),
            *(c.target, c.strategy, c.pattern, c.condition, c.regime, c.volatility),
            *(c.funding_rate, c.cvd, c.btc_trend, c.hour, c.weekday, t.closed_ns),
            *(float(t.exit_price), t.exit_reason, str(t.pnl), t.pnl_pct),
            *((t.closed_ns - t.opened_ns) / SECOND, after.get(1), after.get(5), after.get(15)),
            *(entry.missed_pct, c.vol_level, entry.closed.gross_r, c.position),
            *(c.cvd_note, seq),
        ),
    )


def _performance(r: PerformanceMeasured, seq: int) -> Iterator[Row]:
    for p in r.periods:
        yield (
            _PERIOD,
            (
                *(r.time_ns, p.period, p.total_trades, p.win_rate, p.total_pnl, p.avg_pnl),
                *(p.max_drawdown, p.sharpe_ratio, p.profit_factor, p.knowledge_version),
                *(p.active_patterns, p.blacklisted_coins, seq),
            ),
        )
    for s in r.strategies:
        yield (
            _STRATEGY,
            (
                *(s.strategy, s.regime, s.win_rate, s.avg_pnl, s.sharpe_ratio, s.max_drawdown),
                *(s.profit_factor, s.total_trades, r.time_ns, seq),
            ),
        )


PROJECTORS: dict[type[Any], Callable[[Any, int], Iterator[Row]]] = {
    CoinScored: _coin,
    PairScored: _pair,
    PatternScored: _pattern,
    RuleSet: _rule,
    InsightFound: _insight,
    TradeJournalled: _lived,
    PerformanceMeasured: _performance,
}
