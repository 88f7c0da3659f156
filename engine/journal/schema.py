"""The tables of a journal file and their versions.

`events` is the journal; every other table is a view of it that is cheap to read and can be
computed anew from it. Column names of the tables that earlier designs named are theirs.
"""

from __future__ import annotations

import sqlite3

APPLICATION_ID = 0x51444A31  # "QDJ1"
VERSION = 4

EVENTS = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE events (
  seq INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, kind TEXT NOT NULL,
  body TEXT NOT NULL, chain BLOB NOT NULL);
CREATE TABLE telemetry (
  id INTEGER PRIMARY KEY, timestamp INTEGER NOT NULL, wall_ns INTEGER NOT NULL,
  "values" TEXT NOT NULL);
"""

FUNDING = """
CREATE TABLE funding (
  id TEXT PRIMARY KEY, timestamp INTEGER, symbol TEXT, position_id TEXT, rate REAL,
  mark TEXT, notional TEXT, amount TEXT, note TEXT, seq INTEGER);
"""
"""Since version 2."""

OUTLOOKS = """
CREATE TABLE outlooks (
  symbol TEXT PRIMARY KEY, timestamp INTEGER NOT NULL, verdict TEXT NOT NULL,
  body TEXT NOT NULL);
"""
"""Why each symbol is or isn't traded, the newest answer only. Since version 3."""

BREAKERS = """
CREATE TABLE control_history (
  seq INTEGER PRIMARY KEY, timestamp INTEGER, state TEXT, reason TEXT, who TEXT);
CREATE TABLE circuit_breaker_events (
  seq INTEGER PRIMARY KEY, timestamp INTEGER, breaker TEXT, state TEXT, value REAL,
  threshold REAL, unit TEXT, base TEXT, reason TEXT, clears TEXT, until_ns INTEGER,
  who TEXT);
"""
"""Since version 3; before it, control states stood under the second of these names."""

HELD_BARS = """
CREATE TABLE intra_trade_bars (
  position_id TEXT, timestamp INTEGER, open REAL, high REAL, low REAL, close REAL,
  volume REAL, symbol TEXT, seq INTEGER PRIMARY KEY);
"""
"""The decision bars through which positions were held. Since version 4."""

PROJECTIONS = """
CREATE TABLE runs (
  seq INTEGER PRIMARY KEY, timestamp INTEGER, mode TEXT, feed TEXT, seed INTEGER,
  symbols TEXT, timeframe TEXT, approval TEXT, profile TEXT, cash TEXT, resumed INTEGER,
  parameters TEXT);
CREATE TABLE orders (
  id TEXT PRIMARY KEY, client_id TEXT, symbol TEXT, side TEXT, type TEXT, purpose TEXT,
  quantity TEXT, limit_price TEXT, state TEXT, created_ns INTEGER, position_id TEXT,
  proposal_id TEXT, exit_reason TEXT, filled TEXT, sent_ns INTEGER, ended_ns INTEGER,
  reason TEXT, expected_price TEXT, timestamp INTEGER, seq INTEGER);
CREATE TABLE fills (
  id TEXT PRIMARY KEY, order_id TEXT, symbol TEXT, side TEXT, quantity TEXT, price TEXT,
  fee TEXT, fee_asset TEXT, liquidity TEXT, timestamp INTEGER, position_id TEXT,
  assumptions TEXT, seq INTEGER);
CREATE TABLE positions (
  id TEXT PRIMARY KEY, symbol TEXT, direction TEXT, quantity TEXT, entry_price TEXT,
  opened_ns INTEGER, strategy_id TEXT, regime TEXT, leverage INTEGER, stop TEXT,
  targets TEXT, fees TEXT, realised TEXT, taken_over INTEGER, watch TEXT, why TEXT,
  timestamp INTEGER, seq INTEGER);
CREATE TABLE trades (
  id TEXT PRIMARY KEY, timestamp INTEGER, symbol TEXT, action TEXT, entry_price TEXT,
  exit_price TEXT, pnl TEXT, pnl_pct REAL, regime TEXT, strategy_id TEXT, indicators TEXT,
  outcome TEXT, quantity TEXT, side TEXT, leverage INTEGER, fees TEXT,
  hold_duration_mins REAL, close_reason TEXT, mfe REAL, mae REAL, confidence REAL,
  opened_ns INTEGER, decision_id TEXT, proposal_id TEXT, position_id TEXT, seq INTEGER);
CREATE TABLE proposals (
  id TEXT PRIMARY KEY, version INTEGER, digest TEXT, symbol TEXT, direction TEXT,
  quantity TEXT, price TEXT, stop TEXT, targets TEXT, leverage INTEGER, notional TEXT,
  risk TEXT, strategy_id TEXT, decision_id TEXT, confidence REAL, created_ns INTEGER,
  expires_ns INTEGER, state TEXT, origin TEXT, why_waits TEXT, note TEXT,
  timestamp INTEGER, seq INTEGER);
CREATE TABLE approvals (
  seq INTEGER PRIMARY KEY, timestamp INTEGER, proposal_id TEXT, version INTEGER,
  digest TEXT, state TEXT, who TEXT, why TEXT);
CREATE TABLE decisions (
  id TEXT PRIMARY KEY, timestamp INTEGER, symbol TEXT, action TEXT, confidence REAL,
  size_pct REAL, price REAL, regime TEXT, regime_confidence REAL, winner TEXT,
  reasoning TEXT, seq INTEGER);
CREATE TABLE signals (
  seq INTEGER PRIMARY KEY, timestamp INTEGER, symbol TEXT, strategy_id TEXT, action TEXT,
  confidence REAL, entry REAL, stop REAL, target REAL, expected_value REAL, reason TEXT);
CREATE TABLE blocked_trades (
  id TEXT PRIMARY KEY, timestamp INTEGER, symbol TEXT, decision_id TEXT, direction TEXT,
  code TEXT, gate TEXT, value REAL, threshold REAL, distance REAL, unit TEXT, hard INTEGER,
  price REAL, stop REAL, target REAL, score REAL, quantity TEXT, seq INTEGER);
CREATE TABLE counterfactuals (
  id TEXT PRIMARY KEY, timestamp INTEGER, symbol TEXT, kind TEXT, code TEXT, price REAL,
  direction TEXT, pnl_pct REAL, ended TEXT, marks TEXT, seq INTEGER);
CREATE TABLE param_values (
  name TEXT, scope TEXT, value TEXT, who TEXT, timestamp INTEGER, seq INTEGER,
  PRIMARY KEY (name, scope));
CREATE TABLE param_history (
  seq INTEGER PRIMARY KEY, timestamp INTEGER, name TEXT, scope TEXT, "before" TEXT,
  "after" TEXT, who TEXT);
CREATE TABLE account_history (
  seq INTEGER PRIMARY KEY, timestamp INTEGER, balance TEXT, equity TEXT,
  day_start_balance TEXT, daily_pnl TEXT, drawdown REAL, peak_equity TEXT, realised TEXT,
  unrealised TEXT, fees TEXT, funding TEXT, exposure TEXT, trades_today INTEGER,
  quote TEXT, why TEXT);
CREATE TABLE regime_transitions (
  seq INTEGER PRIMARY KEY, timestamp INTEGER, symbol TEXT, from_regime TEXT,
  to_regime TEXT, indicators_at_transition TEXT, vol_level TEXT, confidence REAL);
CREATE TABLE active_conditions (
  id TEXT PRIMARY KEY, coin TEXT, direction TEXT, trigger_price REAL,
  trigger_condition TEXT, stop_loss_pct REAL, take_profit_pct REAL, strategy_id TEXT,
  reasoning TEXT, created_at INTEGER, valid_until INTEGER, triggered INTEGER,
  triggered_at INTEGER, state TEXT, why TEXT, stop REAL, targets TEXT, pattern_id TEXT,
  timestamp INTEGER, seq INTEGER);
CREATE TABLE control (
  id INTEGER PRIMARY KEY CHECK (id = 1), state TEXT, reason TEXT, who TEXT,
  since_ns INTEGER, seq INTEGER);
CREATE TABLE cooldowns (symbol TEXT PRIMARY KEY, until_ns INTEGER, timestamp INTEGER, seq INTEGER);
CREATE TABLE commands (
  seq INTEGER PRIMARY KEY, id TEXT, timestamp INTEGER, command TEXT, actor TEXT, body TEXT,
  ok INTEGER, code TEXT, text TEXT, ref TEXT);
CREATE INDEX trades_time ON trades (timestamp);
"""

EVENTS += OUTLOOKS
PROJECTIONS += FUNDING + BREAKERS + HELD_BARS


def statements(script: str) -> list[str]:
    """The statements of a script, so that they can run inside one transaction."""
    return [part.strip() for part in script.split(";") if part.strip()]


def create(connection: sqlite3.Connection, meta: dict[str, str]) -> None:
    """Make an empty journal in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    for statement in statements(EVENTS + PROJECTIONS):
        connection.execute(statement)
    connection.executemany("INSERT INTO meta VALUES (?, ?)", sorted(meta.items()))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def projection_tables() -> list[str]:
    """The names of all tables that are computed from `events`."""
    words = [statement.split() for statement in statements(PROJECTIONS)]
    return [word[2] for word in words if word[:2] == ["CREATE", "TABLE"]]
