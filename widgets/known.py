"""Knowledge of coins and symbol × strategy pairs, each with n and interval."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from engine.core.learning import CoinScore, CoinStatus, Knowledge, PairScore
from engine.core.views import Snapshot
from widgets import learned, numbers
from widgets.columns import Column
from widgets.facts import Fact, flow
from widgets.lines import Line, Run, run
from widgets.rows import Row
from widgets.tablepanel import TablePanel


class KnowledgePanel(TablePanel):
    """A table of one part of what is known."""

    live = False

    def known(self, knowledge: Knowledge) -> tuple[Any, ...]:
        """The part that this panel shows."""
        return ()

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        return (*self._known(snapshot), numbers.day(snapshot.time_ns))

    def _known(self, snapshot: Snapshot | None) -> tuple[Any, ...]:
        view = snapshot.learning if snapshot is not None else None
        knowledge = view.knowledge if view is not None else None
        return self.known(knowledge) if knowledge is not None else ()

    def find(self, key: str) -> Any:
        """What a row was made from, or None."""
        return next((one for one in self._known(self.snapshot) if self.key(one) == key), None)

    @property
    def chosen(self) -> Any:
        """What the cursor is on, as it is drawn."""
        return self.find(self.selected_key or "")

    def key(self, one: Any) -> str:
        """The key of a row."""
        return str(one.id)

    def row(self, one: Any, now_ns: int) -> Row:
        """A row."""
        raise NotImplementedError

    def items(self, snapshot: Snapshot) -> Iterable[Row]:
        now_ns, today = snapshot.time_ns, numbers.day(snapshot.time_ns)

        def made(one: Any, _today: str) -> Row:
            return self.row(one, now_ns)

        known = self._known(snapshot)
        return self.made.build(((self.key(one), (one, today)) for one in known), made)


def ends(low: float, high: float) -> Run:
    """An interval in R, in the role of a gain or loss once it leaves zero out."""
    if not (numbers.known(low) and numbers.known(high)):
        return numbers.NONE, "muted"
    role = "gain" if low > 0 else "loss" if high < 0 else "soft"
    text = ", ".join(numbers.number(end, 2, sign=True) for end in (low, high))
    return f"[{text}]", role


def proof(low: float, high: float, n: int) -> Run:
    """What an interval proves, in words, with its n."""
    if not (numbers.known(low) and numbers.known(high)):
        return f"n {n}: nothing can be said yet", "muted"
    if low > 0:
        return f"better than none, n {n}", "gain"
    return (f"worse than none, n {n}", "loss") if high < 0 else (f"undecided at n {n}", "note")


def won(share: float) -> Run:
    """Share of winners among what was won or lost."""
    return (numbers.share(share), "soft") if numbers.known(share) else (numbers.NONE, "muted")


class CoinsPanel(KnowledgePanel):
    """One row a symbol: how its trades went and what that makes of its size."""

    title = "Coins"
    empty = (
        "No trade has closed yet.",
        "Each coin stands here with its score; e sets what is thought of it.",
    )
    columns = (
        Column("symbol", "Coin", 8, most=18),
        Column("status", "Status", 10, most=13),
        Column("trades", "n", 3, "right", most=6),
        Column("won", "Won", 5, "right", rank=2),
        Column("pnl", "%", 7, "right", rank=1, most=9),
        Column("mean", "Mean R", 6, "right", rank=3),
        Column("interval", "95 % interval", 16, rank=4, most=18),
        Column("trend", "Trend R", 7, "right", rank=5),
        Column("since", "Since", 6, rank=6),
        Column("by", "By", 6, rank=7, most=14),
    )

    def known(self, knowledge: Knowledge) -> tuple[Any, ...]:
        return knowledge.coins

    def key(self, one: CoinScore) -> str:
        return one.symbol

    def row(self, one: CoinScore, now_ns: int) -> Row:
        average = numbers.number(one.gross_mean, 2, sign=True)
        trend = numbers.number(one.trend, 2, sign=True)
        return Row(
            one.symbol,
            {
                "symbol": (one.symbol, "bold"),
                "status": learned.COINS[one.status],
                "trades": (str(one.trades), "soft"),
                "won": won(one.win_rate),
                "pnl": (numbers.number(one.pnl_pct, 2, sign=True), numbers.role(one.pnl_pct)),
                "mean": (average, ""),
                "interval": ends(one.gross_low, one.gross_high),
                "trend": (trend, "soft"),
                "since": (learned.when(one.since_ns, now_ns) if one.since_ns else "", "muted"),
                "by": run(one.status_by, "muted"),
            },
            sort={
                "trades": float(one.trades), "won": one.win_rate, "pnl": one.pnl_pct,
                "mean": one.gross_mean, "trend": one.trend, "since": float(one.since_ns),
            },
            symbol=one.symbol,
        )  # fmt: skip

    def details(self, row: Row, width: int) -> Sequence[Line]:
        one = self.find(row.key)
        if one is None:
            return ()
        facts: list[Fact] = [
            ("", (proof(one.gross_low, one.gross_high, one.trades),)),
            ("winner", (run(numbers.percent(one.avg_winner_pct)),)),
            ("loser", (run(numbers.percent(one.avg_loser_pct)),)),
        ]
        if one.status is not CoinStatus.NORMAL or one.status_by:
            facts.append(("set by", (run(one.status_by or numbers.NONE),)))
        return flow(facts, width)


class PairsPanel(KnowledgePanel):
    """One row a symbol × strategy pair."""

    title = "Pairs"
    empty = (
        "No trade has closed yet.",
        "Each symbol stands here with each strategy that traded it; e blocks or favours one.",
    )
    columns = (
        Column("symbol", "Coin", 8, most=18),
        Column("strategy", "Strategy", 10, most=19, grows=True),
        Column("trades", "n", 3, "right", most=6),
        Column("won", "Won", 5, "right", rank=2),
        Column("mean", "Mean R", 6, "right", rank=1),
        Column("interval", "95 % interval", 16, rank=3, most=18),
        Column("status", "Status", 10, rank=0, most=11),
        Column("by", "By", 6, rank=4, most=14),
    )

    def known(self, knowledge: Knowledge) -> tuple[Any, ...]:
        return knowledge.pairs

    def key(self, one: PairScore) -> str:
        return f"{one.symbol} {one.strategy}"

    def row(self, one: PairScore, now_ns: int) -> Row:
        return Row(
            self.key(one),
            {
                "symbol": (one.symbol, "bold"),
                "strategy": run(one.strategy, "soft"),
                "trades": (str(one.trades), "soft"),
                "won": won(one.win_rate),
                "mean": (numbers.number(one.gross_mean, 2, sign=True), ""),
                "interval": ends(one.gross_low, one.gross_high),
                "status": learned.PAIRS[one.status],
                "by": run(one.status_by, "muted"),
            },
            sort={"trades": float(one.trades), "mean": one.gross_mean},
            symbol=one.symbol,
        )

    def details(self, row: Row, width: int) -> Sequence[Line]:
        one = self.find(row.key)
        if one is None:
            return ()
        facts: list[Fact] = [("", (proof(one.gross_low, one.gross_high, one.trades),))]
        if one.status_by:
            facts.append(("set by", (run(one.status_by),)))
        return flow(facts, width)
