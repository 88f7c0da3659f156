"""Market: what each symbol costs now, how wide its spread is and whether its feed lives."""

from __future__ import annotations

from collections.abc import Iterable

from engine.core.types import Link
from engine.core.views import MarketView, Snapshot
from widgets import numbers, words
from widgets.columns import Column
from widgets.pathspanel import PathsPanel
from widgets.rows import Row
from widgets.spark import PATH_CELLS, spark_role, sparkline, trend

_REGIME_ROLES = {
    "STRONG_BULL": "gain",
    "BULL": "gain",
    "BEAR": "loss",
    "STRONG_BEAR": "loss",
    "CRASH": "danger",
    "HIGH_VOL": "warn",
}
_REGIME_ARROWS = {1: ("STRONG_BULL", "BULL"), -1: ("STRONG_BEAR", "BEAR", "CRASH")}


class MarketPanel(PathsPanel):
    """One row a symbol: last, bid and ask, spread, change, regime and link."""

    title = "Market"
    empty = (
        "No symbol is followed yet.",
        "Prices stand here as soon as the feed has sent the first of them.",
    )
    live = False
    columns = (
        Column("symbol", "Symbol", 8, most=18),
        Column("last", "Last", 9, "right", most=13),
        Column("change", "24 h", 10, "right", rank=1),
        Column("path", "Last 12 bars", PATH_CELLS, rank=3),
        Column("bid", "Bid", 9, "right", rank=6, most=13),
        Column("ask", "Ask", 9, "right", rank=6, most=13),
        Column("spread", "Spread", 8, "right", rank=4),
        Column("volume", "Vol ×", 5, "right", rank=5),
        Column("regime", "Regime", 13, rank=2, most=13),
        Column("link", "Feed", 9, rank=1, most=14),
        Column("reason", "", 8, rank=7, grows=True),
    )
    PATH = PATH_CELLS

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        return snapshot.markets

    def items(self, snapshot: Snapshot) -> Iterable[Row]:
        return self.made.build(
            ((view.symbol, (view, self.path_of(view.symbol))) for view in snapshot.markets),
            self._row,
        )

    def _row(self, view: MarketView, path: tuple[float, ...]) -> Row:
        symbol = view.symbol
        self.ticks.see(symbol, view.last, view.bid, view.ask)
        old = view.link is not Link.UP
        price = self.ticks.price
        spread = numbers.basis_points(view.spread_bps, sign=False)
        return Row(
            symbol,
            {
                "symbol": (symbol, "bold"),
                "last": (price(symbol, view.last), "stale" if old else "bold"),
                "change": words.change(view.change_pct, numbers.percent(view.change_pct)),
                "path": (sparkline(path, self.PATH), spark_role(path)),
                "bid": (price(symbol, view.bid), "soft"),
                "ask": (price(symbol, view.ask), "soft"),
                "spread": (f"~{spread}" if view.modelled else spread, "muted"),
                "volume": (numbers.ratio(view.volume_ratio), "muted"),
                "regime": (regime_text(view.regime), regime_role(view.regime)),
                "link": words.link(view.link, view.age_ns),
                "reason": (view.reason, "muted"),
            },
            sort={
                "last": view.last,
                "change": view.change_pct,
                "path": trend(path),
                "spread": view.spread_bps,
                "volume": view.volume_ratio,
            },
            symbol=symbol,
        )


def regime_text(regime: str) -> str:
    """A regime in small words with the arrow of its direction: `▲ strong bull`."""
    if not regime:
        return numbers.NONE
    sign = next((s for s, names in _REGIME_ARROWS.items() if regime in names), 0)
    return f"{numbers.arrow(sign)} {regime.replace('_', ' ').lower()}"


def regime_role(regime: str) -> str:
    """The colour role of a regime."""
    return _REGIME_ROLES.get(regime, "muted")
