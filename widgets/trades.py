"""Trades: positions whose life is over, how each ended and what it brought."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine.core.lived import EntryContext
from engine.core.types import Trade
from engine.core.views import Snapshot
from widgets import numbers, words
from widgets.columns import Column
from widgets.facts import Fact, flow
from widgets.lines import Line, Run, run
from widgets.rows import Row
from widgets.tablepanel import TablePanel


class TradesPanel(TablePanel):
    """Closed trades, the newest first."""

    title = "Trades"
    live = False
    follows = True
    empty = ("No trade is closed yet.", "Each stands here with its result after all costs.")
    columns = (
        Column("closed", "Closed", 6, rank=1),
        Column("symbol", "Symbol", 8, most=18),
        Column("side", "Side", 7, rank=2),
        Column("pnl", "P&L", 9, "right", most=13),
        Column("pct", "%", 6, "right", rank=1, most=9),
        Column("exit", "Exit", 11, rank=2, most=12),
        Column("size", "Size", 6, "right", rank=6, most=14),
        Column("entry", "In", 8, "right", rank=5, most=12),
        Column("out", "Out", 8, "right", rank=5, most=12),
        Column("held", "Held", 6, "right", rank=4, most=8),
        Column("strategy", "Strategy", 10, rank=3, grows=True),
    )

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        return snapshot.trades

    def items(self, snapshot: Snapshot) -> Iterable[Row]:
        newest = sorted(snapshot.trades, key=lambda trade: trade.closed_ns, reverse=True)
        return self.made.build(((trade.id, (trade,)) for trade in newest), self._row)

    def _row(self, trade: Trade) -> Row:
        symbol = trade.symbol
        self.ticks.see(symbol, trade.entry_price, trade.exit_price)
        return Row(
            trade.id,
            {
                "closed": (numbers.clock(trade.closed_ns), "muted"),
                "symbol": (symbol, "bold"),
                "side": words.side(trade.direction),
                "pnl": words.change(trade.pnl, numbers.money(trade.pnl, sign=True)),
                "pct": words.signed(trade.pnl_pct, numbers.number(trade.pnl_pct, 2, sign=True)),
                "exit": (trade.exit_reason.replace("_", " "), "soft"),
                "size": numbers.quantity(trade.quantity),
                "entry": self.ticks.price(symbol, trade.entry_price),
                "out": self.ticks.price(symbol, trade.exit_price),
                "held": (numbers.held(trade.closed_ns - trade.opened_ns), "muted"),
                "strategy": (trade.strategy, "muted"),
            },
            sort={
                "closed": float(trade.closed_ns),
                "pnl": float(trade.pnl),
                "pct": trade.pnl_pct,
                "held": float(trade.closed_ns - trade.opened_ns),
            },
            symbol=symbol,
        )

    def details(self, row: Row, width: int) -> Sequence[Line]:
        trades = self.snapshot.trades if self.snapshot else ()
        trade = next((each for each in trades if each.id == row.key), None)
        if trade is None:
            return ()
        return flow(
            [
                ("Best", [(numbers.percent(trade.mfe_pct), numbers.role(trade.mfe_pct))]),
                ("Worst", [(numbers.percent(-trade.mae_pct), numbers.role(-trade.mae_pct))]),
                ("Kept of best", [(numbers.share(trade.exit_efficiency), "")]),
                ("Fees", [(numbers.money(trade.fees), "")]),
                ("Regime", [(trade.regime.replace("_", " ").lower() or numbers.NONE, "")]),
                ("Sure", [(numbers.share(trade.confidence), "")]),
                *self._lived(trade),
            ],
            width,
        )

    def _lived(self, trade: Trade) -> list[Fact]:
        """Its pattern and result in R, and how far the price went on after the exit."""
        lived = self.snapshot.lived if self.snapshot else ()
        entry = next((one for one in lived if one.closed.trade.id == trade.id), None)
        if entry is None:
            return []
        left, sign = float(trade.exit_price), trade.direction.sign
        after = [(m, (price / left - 1.0) * sign * 100.0) for m, price in entry.after]
        result = entry.closed.gross_r
        facts: list[Fact] = [
            ("Gross", [(f"{numbers.number(result, 2, sign=True)} R", numbers.role(result))]),
            ("Pattern", [run(entry.context.pattern, "")]),
            ("Volume delta", [_delta(entry.context)]),
        ]
        facts += [
            (f"{minutes} min after", [(numbers.percent(moved), numbers.role(-moved))])
            for minutes, moved in after
            if moved == moved
        ]
        if entry.missed_pct > 0.0:
            facts.append(("Missed", [(numbers.percent(entry.missed_pct), "warn")]))
        return facts

    def note(self) -> Sequence[Run]:
        trades = self.snapshot.trades if self.snapshot else ()
        if not trades:
            return ()
        won = sum(trade.won for trade in trades)
        return ((f"{won} of {len(trades)} won", "muted"),)


def _delta(context: EntryContext) -> Run:
    """What aggressors bought less what they sold in the hour before the entry, or why nobody
    knows."""
    if not numbers.known(context.cvd):
        return run(context.cvd_note, "muted")
    return f"{numbers.number(context.cvd, 4, sign=True)} in 1 h", numbers.role(context.cvd)
