"""The tables of a journal file and their versions.

`events` is the journal; every other table is a view of it that is cheap to read and can be
computed anew from it. Column names of the tables that earlier designs named are theirs.
"""

from __future__ import annotations

import sqlite3

from engine.journal.knowledge import TABLES as KNOWLEDGE

APPLICATION_ID = 0x51444A31  # "QDJ1"
VERSION = 11

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

QUIET = """
CREATE TABLE quiet (id TEXT PRIMARY KEY, timestamp INTEGER, symbol TEXT, seq INTEGER);
"""
"""Decisions at which no strategy spoke. Since version 10."""

CHANGES = """
CREATE TABLE changes (
  id TEXT PRIMARY KEY, timestamp INTEGER, target_kind TEXT, target TEXT, name TEXT,
  symbol TEXT, regime TEXT, strategy TEXT, "before" TEXT, "after" TEXT, kind TEXT,
  lean TEXT, state TEXT, who TEXT, reason TEXT, metric TEXT, unit TEXT, n INTEGER,
  mean REAL, low REAL, high REAL, alpha REAL, bound INTEGER, ids TEXT,
  shadow_n INTEGER, shadow_mean REAL, shadow_low REAL, shadow_high REAL,
  net_n INTEGER, net_mean REAL, net_low REAL, net_high REAL, made_ns INTEGER,
  applied_ns INTEGER, ends_ns INTEGER, ended_ns INTEGER, decided_by TEXT, note TEXT,
  stood TEXT, shadow_alpha REAL, shadow_below REAL, seq INTEGER);
"""
"""The ledger as it stands. What stood before and the error of its intervals since version 8."""

LEARNING = (
    CHANGES
    + """
CREATE TABLE change_history (
  seq INTEGER PRIMARY KEY, timestamp INTEGER, change_id TEXT, state TEXT, who TEXT,
  why TEXT);
CREATE TABLE change_evidence (
  seq INTEGER PRIMARY KEY, timestamp INTEGER, change_id TEXT, opportunity_id TEXT,
  old_gross REAL, new_gross REAL, old_net REAL, new_net REAL);
CREATE TABLE trials (
  seq INTEGER PRIMARY KEY, timestamp INTEGER, id TEXT, who TEXT, target TEXT,
  "values" TEXT, scores TEXT, n INTEGER, chosen TEXT);
CREATE TABLE opportunities (
  id TEXT PRIMARY KEY, timestamp INTEGER, symbol TEXT, direction TEXT, price REAL,
  stop REAL, targets TEXT, atr REAL, fee REAL, spread REAL, strategy_id TEXT,
  regime TEXT, confidence REAL, kind TEXT, code TEXT, pattern_id TEXT, size_factor REAL,
  ended_ns INTEGER, gross REAL, net REAL, r REAL, reason TEXT, bars INTEGER,
  closed INTEGER, seq INTEGER);
CREATE TABLE frozen_targets (
  target TEXT PRIMARY KEY, frozen INTEGER, who TEXT, timestamp INTEGER, seq INTEGER);
CREATE INDEX change_evidence_of ON change_evidence (change_id);
CREATE INDEX change_history_of ON change_history (change_id);
CREATE INDEX opportunities_time ON opportunities (timestamp);
"""
)
"""The ledger of changes, its evidence and the opportunities behind it. Since version 5."""

APPEND_ONLY = ("change_evidence", "trials")
"""Tables that only grow: not even a program that writes SQL may alter what a verdict rests on."""

ADAPTATIONS = """
CREATE VIEW adaptations AS
WITH scoped AS (
  SELECT c.*, CASE WHEN applied_ns > 0 THEN applied_ns ELSE made_ns END AS began_ns,
    CASE WHEN ended_ns > 0 THEN ended_ns ELSE 9223372036854775807 END AS until_ns,
    CASE WHEN target_kind = 'coin' THEN name ELSE symbol END AS of_symbol
  FROM changes c)
SELECT s.id, s.made_ns AS timestamp, s.target_kind AS type,
  s.target || ': ' || s."before" || ' → ' || s."after" AS description, s.reason AS details,
  (SELECT avg(t.outcome = 'WIN') FROM trades t
    WHERE t.timestamp <= s.began_ns AND t.timestamp > s.began_ns - 604800000000000
    AND (s.of_symbol IS NULL OR t.symbol = s.of_symbol)
    AND (s.strategy IS NULL OR t.strategy_id = s.strategy)) AS pre_win_rate,
  (SELECT avg(t.outcome = 'WIN') FROM trades t
    WHERE s.applied_ns > 0 AND t.timestamp > s.began_ns
    AND t.timestamp <= min(s.until_ns, s.began_ns + 604800000000000)
    AND (s.of_symbol IS NULL OR t.symbol = s.of_symbol)
    AND (s.strategy IS NULL OR t.strategy_id = s.strategy)) AS post_win_rate,
  (SELECT sum(CAST(t.pnl AS REAL)) FROM trades t
    WHERE t.timestamp <= s.began_ns AND t.timestamp > s.began_ns - 86400000000000
    AND (s.of_symbol IS NULL OR t.symbol = s.of_symbol)
    AND (s.strategy IS NULL OR t.strategy_id = s.strategy)) AS pre_pnl_24h,
  (SELECT sum(CAST(t.pnl AS REAL)) FROM trades t
    WHERE s.applied_ns > 0 AND t.timestamp > s.began_ns
    AND t.timestamp <= min(s.until_ns, s.began_ns + 86400000000000)
    AND (s.of_symbol IS NULL OR t.symbol = s.of_symbol)
    AND (s.strategy IS NULL OR t.strategy_id = s.strategy)) AS post_pnl_24h,
  (SELECT avg(e.new_net - e.old_net) FROM change_evidence e
    WHERE e.change_id = s.id AND e.new_net <> e.old_net) AS impact,
  s.state IN ('applied', 'kept') AS is_active,
  s.target, s.symbol, s.regime, s.strategy, s."before", s."after", s.kind, s.lean, s.state,
  s.who, s.reason, s.metric, s.unit, s.n, s.mean, s.low, s.high, s.alpha, s.bound, s.ids,
  s.shadow_n, s.shadow_mean, s.shadow_low, s.shadow_high, s.net_n, s.net_mean,
  s.net_low, s.net_high, s.stood, s.shadow_alpha, s.shadow_below, s.applied_ns, s.ends_ns,
  s.ended_ns, s.decided_by, s.note, s.seq
FROM scoped s;
"""
"""The ledger with the figures that earlier designs compared: win rate in the week before and
after, profit in the day before and after, of trades in the change's scope. They mix a
change with the market; `impact` does not, it is what the new value made more than the old one
on the same opportunities, in R after fees, on average where they differed. The figures of
`shadow` and `net` are those on which the row was last decided."""

FOLLOWED = """
CREATE TABLE counterfactuals (
  id TEXT PRIMARY KEY, timestamp INTEGER, symbol TEXT, kind TEXT, code TEXT, price REAL,
  direction TEXT, pnl_pct REAL, ended TEXT, marks TEXT, seq INTEGER, strategy_id TEXT,
  stop REAL, targets TEXT, score REAL, gross_pct REAL, own_exit INTEGER, ended_ns INTEGER,
  unseen_ns INTEGER, who TEXT);
"""
"""Trades that were not made; version 6 tells more of each than the ones before."""

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

NEWS = """
CREATE TABLE news_items (
  seq INTEGER PRIMARY KEY, timestamp INTEGER, source TEXT, text TEXT, link TEXT,
  published_ns INTEGER, key TEXT);
"""
"""Headlines, each from when it was known. Since version 11."""

EVENTS += OUTLOOKS
PROJECTIONS += FUNDING + BREAKERS + HELD_BARS + QUIET + LEARNING + FOLLOWED + KNOWLEDGE
PROJECTIONS += NEWS


def _guards(table: str) -> str:
    """Triggers that keep a table's rows; one against replacing, which no other one sees."""
    said = f"RAISE(ABORT, '{table} is append-only')"
    return f"""
CREATE TRIGGER {table}_kept_update BEFORE UPDATE ON {table} BEGIN SELECT {said}; END;
CREATE TRIGGER {table}_kept_delete BEFORE DELETE ON {table} BEGIN SELECT {said}; END;
CREATE TRIGGER {table}_kept_insert BEFORE INSERT ON {table}
  WHEN EXISTS (SELECT 1 FROM {table} WHERE seq = NEW.seq) BEGIN SELECT {said}; END;
"""


GUARDS = "".join(map(_guards, APPEND_ONLY))


def statements(script: str) -> list[str]:
    """The statements of a script, so that they can run inside one transaction."""
    found: list[str] = []
    whole = ""
    for part in script.split(";"):
        whole += part + ";"
        # A trigger has semicolons inside.
        if sqlite3.complete_statement(whole):
            found.append(whole.strip().removesuffix(";"))
            whole = ""
    return [statement for statement in found if statement]


def create(connection: sqlite3.Connection, meta: dict[str, str]) -> None:
    """Make an empty journal in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    for statement in statements(EVENTS + PROJECTIONS + ADAPTATIONS + GUARDS):
        connection.execute(statement)
    connection.executemany("INSERT INTO meta VALUES (?, ?)", sorted(meta.items()))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def projection_tables() -> list[str]:
    """The names of all tables that are computed from `events`."""
    words = [statement.split() for statement in statements(PROJECTIONS)]
    return [word[2] for word in words if word[:2] == ["CREATE", "TABLE"]]


def unguard(connection: sqlite3.Connection) -> None:
    """Drop the triggers of append-only tables, for a rebuild from the events they repeat."""
    for statement in statements(GUARDS):
        connection.execute(f"DROP TRIGGER IF EXISTS {statement.split()[2]}")


def guard(connection: sqlite3.Connection) -> None:
    """Make the tables append-only again."""
    for statement in statements(GUARDS):
        connection.execute(statement)
