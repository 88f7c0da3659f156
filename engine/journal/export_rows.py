"""What each exported file says, row by row, from a journal's tables and events."""

from __future__ import annotations

import bisect
import math
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec

from engine.core.clock import MILLISECOND
from engine.core.records import (
    AnyRecord,
    BreakerChanged,
    Commanded,
    ControlChanged,
    FeedChanged,
    Filled,
    OrderChanged,
    PositionChanged,
    ProposalChanged,
    RunStarted,
    TradeClosed,
)
from engine.core.types import Fill, Order, OrderState, Side
from engine.journal.codec import encode
from engine.journal.queries import Reader

Row = dict[str, Any]


def _kind(reader: Reader, kind: str) -> Iterator[tuple[int, AnyRecord]]:
    for event in reader.events(kind=kind, limit=-1):
        yield event.seq, event.record


def model_calls(reader: Reader) -> Iterator[Row]:
    """When the strategist spoke: who, asked what, answered what, and what came of it."""
    for seq, record in _kind(reader, "llm"):
        yield {"seq": seq, **_json(record)}


def _json(value: msgspec.Struct) -> Any:
    """A value as plain JSON data; numbers that are none are the strings of the journal."""
    return msgspec.json.decode(encode(value))


def _fills(reader: Reader) -> dict[str, list[Fill]]:
    """Fills by their order, oldest first."""
    found: dict[str, list[Fill]] = {}
    for _, record in _kind(reader, "fill"):
        if isinstance(record, Filled):
            found.setdefault(record.fill.order, []).append(record.fill)
    return found


def _average(fills: list[Fill]) -> Decimal | None:
    quantity = sum((fill.quantity for fill in fills), Decimal(0))
    if not quantity:
        return None
    return sum((fill.price * fill.quantity for fill in fills), Decimal(0)) / quantity


def _slippage_bps(order: Order, price: Decimal | None) -> float | None:
    """What the fill cost against the expected price; positive is worse."""
    if price is None or not order.expected_price:
        return None
    sign = 1 if order.side is Side.BUY else -1
    return float((price / order.expected_price - 1) * 10_000 * sign)


def orders(reader: Reader) -> Iterator[Row]:
    """Every order as it ended: fill, slippage, latency, how often it was sent."""
    fills = _fills(reader)
    sent: Counter[str] = Counter()
    for _, record in _kind(reader, "order"):
        if isinstance(record, OrderChanged) and record.order.state is OrderState.SENT:
            sent[record.order.id] += 1
    for order in reversed(reader.orders(-1)):
        done = fills.get(order.id, [])
        price = _average(done)
        began = order.sent_ns or order.created_ns
        yield {
            "id": order.id,
            "timestamp": order.created_ns,
            "symbol": order.symbol,
            "side": order.side,
            "type": order.type,
            "purpose": order.purpose,
            "price": None if order.limit is None else str(order.limit),
            "expected": str(order.expected_price),
            "fill": None if price is None else str(price),
            "qty": str(order.quantity),
            "filled": str(order.filled),
            "retries": max(0, sent[order.id] - 1),
            "latency_ms": (done[0].time_ns - began) / MILLISECOND if done else None,
            "slippage_bps": _slippage_bps(order, price),
            "status": order.state,
            "reason": order.reason,
        }


def live_orders(reader: Reader) -> Iterator[Row]:
    """Every state that every order went through."""
    for seq, record in _kind(reader, "order"):
        if isinstance(record, OrderChanged):
            yield {"seq": seq, "timestamp": record.time_ns, **_json(record.order)}


def blocked(reader: Reader) -> Iterator[Row]:
    """Refused candidates with the prices that followed."""
    followed = {c.id: c for c in reader.counterfactuals(-1)}
    for row in reader.table("blocked_trades"):
        after = followed.get(row["id"])
        later = {"marks": dict(after.marks), "pnl_pct": after.pnl_pct} if after else {}
        yield {**row, "later": later, "ended": after.ended if after else ""}


def execution_quality(reader: Reader) -> Iterator[Row]:
    """Each fill against what was expected of it."""
    by_id = {order.id: order for order in reader.orders(-1)}
    for _, record in _kind(reader, "fill"):
        if not isinstance(record, Filled):
            continue
        fill = record.fill
        order = by_id.get(fill.order)
        began = (order.sent_ns or order.created_ns) if order is not None else fill.time_ns
        yield {
            "id": fill.id,
            "order": fill.order,
            "timestamp": fill.time_ns,
            "symbol": fill.symbol,
            "expected": None if order is None else str(order.expected_price),
            "price": str(fill.price),
            "quantity": str(fill.quantity),
            "fee": str(fill.fee),
            "liquidity": fill.liquidity,
            "slippage_bps": None if order is None else _slippage_bps(order, fill.price),
            "fill_time_ms": (fill.time_ns - began) / MILLISECOND,
            "assumptions": fill.assumptions,
        }


def composite(reader: Reader) -> Iterator[Row]:
    """Each closed trade with the votes that made its decision."""
    decisions = {decision.id: decision for decision in reader.decisions(-1)}
    for trade in reversed(reader.trades(-1)):
        decision = decisions.get(trade.decision)
        if decision is not None:
            yield {
                "trade": trade.id,
                "decision": decision.id,
                "timestamp": trade.closed_ns,
                "symbol": trade.symbol,
                "confidence": decision.confidence,
                "components": [_json(vote) for vote in decision.votes],
                "absent": list(decision.absent),
                "pnl": str(trade.pnl),
                "pnl_pct": trade.pnl_pct,
                "outcome": "WIN" if trade.won else "LOSS",
            }


def attribution(reader: Reader, exits: bool = False) -> Iterator[Row]:
    """Closed trades with their context and the conditions of their entry.

    For `exits` with the last watch before the end.
    """
    found = {trade.id: trade for trade in reader.trades(-1)}
    watches: dict[str, str] = {}
    if exits:
        for _, record in _kind(reader, "position"):
            if isinstance(record, PositionChanged):
                watches[record.position.id] = record.watch
    for row in reader.table("trades"):
        if exits:
            row["watch"] = watches.get(row["position_id"], "")
            row["peak_capture"] = row["pnl_pct"] / row["mfe"] if row["mfe"] else None
        trade = found[row["id"]]
        kept, conditions = trade.exit_efficiency, trade.conditions
        row["exit_efficiency"] = kept if math.isfinite(kept) else None
        row["conditions"] = dict(conditions.known) if conditions is not None else None
        row["absent"] = list(conditions.absent) if conditions is not None else None
        yield row


def adaptations(reader: Reader) -> Iterator[Row]:
    """Every change with its figures and, one by one, the comparisons that they come from."""
    compared: dict[str, list[Any]] = {}
    for one in reader.compared():
        compared.setdefault(one.change, []).append(_json(one))
    for row in reader.table("adaptations") if reader.has("adaptations") else ():
        yield {**row, "compared": compared.get(row["id"], [])}


def governance(reader: Reader) -> Iterator[Row]:
    """Freezes, breaker trips, approvals and every command of a person, in order."""
    rows: list[tuple[int, Row]] = []
    for seq, record in _kind(reader, "control"):
        if isinstance(record, ControlChanged):
            rows.append((seq, {"event": "control", "state": record.state, **_json(record)}))
    for seq, record in _kind(reader, "breaker"):
        if isinstance(record, BreakerChanged):
            breaker = record.breaker
            row = {"event": "breaker", "breaker": breaker.name, "state": breaker.state}
            rows.append((seq, {**row, **_json(record)}))
    for seq, record in _kind(reader, "proposal"):
        if isinstance(record, ProposalChanged):
            proposal = record.proposal
            row = {"event": "approval", "proposal": proposal.id, "state": proposal.state}
            rows.append((seq, {**row, "who": record.who, "why": record.why}))
    for seq, record in _kind(reader, "command"):
        if isinstance(record, Commanded):
            rows.append((seq, {"event": "command", **_json(record)}))
    times = {event.seq: event.time_ns for event in reader.events(limit=-1)}
    for seq, row in sorted(rows, key=lambda item: item[0]):
        yield {"seq": seq, "timestamp": times[seq], **row}


def watchdog(reader: Reader) -> Iterator[Row]:
    """Starts and restarts, and what the feed said of itself."""
    rows: list[tuple[int, Row]] = []
    for kind in ("run_started", "feed"):
        for seq, record in _kind(reader, kind):
            if isinstance(record, RunStarted | FeedChanged):
                bisect.insort(
                    rows,
                    (seq, {"event": kind, "timestamp": record.time_ns, **_json(record)}),
                    key=lambda item: item[0],
                )
    for seq, row in rows:
        yield {"seq": seq, **row}


def portfolio_events(reader: Reader) -> Iterator[Row]:
    """Openings, changes and closings of positions, and the account in between."""
    for event in reader.events(limit=-1):
        record = event.record
        base = {"seq": event.seq, "timestamp": event.time_ns}
        if isinstance(record, PositionChanged):
            yield {**base, "event": "position", "why": record.why, **_json(record.position)}
        elif isinstance(record, TradeClosed):
            yield {**base, "event": "closed", "position": record.position, **_json(record.trade)}
        elif event.kind == "account":
            yield {**base, "event": "account", **_json(record)}


def state(reader: Reader) -> dict[str, Any]:
    """The state files: positions and money, signals, equity, how the machine stands."""
    status = reader.status()
    accounts = list(reversed(reader.accounts(-1)))
    signals = [_json(signal) for signal in reversed(reader.signals(500))]
    return {
        "data/state.json": {
            "mode": status.mode,
            "feed": status.feed,
            "timestamp": status.last_ns,
            "positions": [_json(position) for position, _ in reader.positions()],
            "account": _json(accounts[-1].account) if accounts else None,
            "trades": status.trades,
        },
        "data/signals.json": signals,
        "data/equity_history.json": [
            {
                "timestamp": entry.time_ns,
                "equity": str(entry.account.equity),
                "balance": str(entry.account.cash),
                "day_start_balance": str(entry.account.day_start_equity),
                "daily_pnl": str(entry.account.day_pnl),
                "drawdown": entry.account.drawdown_pct,
            }
            for entry in accounts
        ],
        "data/ai_orchestrator_state.json": {
            "control": _json(status.control) if status.control else None,
            "run": _json(status.run) if status.run else None,
            "parameters": [_json(parameter) for parameter in reader.parameters()],
            "cooldowns": reader.cooldowns(),
            "regimes": {r.symbol: r.to_regime for r in reversed(reader.regimes(-1))},
            "conditions": list(reader.table("active_conditions")),
        },
    }
