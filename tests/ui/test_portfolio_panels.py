"""Correlation and portfolio: the figures as text, in their order, and what is not known yet."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from engine.core.views import BacktestView, BetaView, RiskView
from tests.ui import fakehub as fake
from widgets.correlation import CorrelationPanel
from widgets.panel import Panel
from widgets.portfolio import PortfolioPanel

VIEW = RiskView(
    at_ns=fake.START_NS,
    symbols=("BTC/USDT", "DOGE/USDT", "ETH/USDT"),
    correlation=((1.0, 0.41, 0.83), (0.41, 1.0, 0.2), (0.83, 0.2, 1.0)),
    clusters=(("BTC/USDT", "ETH/USDT"), ("DOGE/USDT",)),
    threshold=0.7,
    shrinkage=0.12,
    n=720,
    short=(("NEW/USDT", 17),),
    least=96,
    held=(("BTC/USDT", 6.0), ("ETH/USDT", -2.5)),
    sectors=(("store of value", 6.0), ("smart contracts", 2.5)),
    concentration=0.585,
    var_pct=0.42,
    cvar_pct=0.61,
    var_from="historical, 45 days",
    normal_var_pct=0.39,
    normal_cvar_pct=0.49,
    backtest=BacktestView(
        n=80, exceptions=5, kupiec_p=0.62, independence_p=0.4, coverage_p=0.61,
        verdict="not rejected",
    ),
    betas=(BetaView(factor="market", value=0.93, error=0.04, n=2_200),),
)  # fmt: skip


def lines(panel: Panel, width: int = 58, height: int = 18, **changes: Any) -> list[str]:
    """What the panel draws inside its frame."""
    risk = msgspec.structs.replace(VIEW, **changes)
    panel.fit(width + 4, height + 2)
    panel.show(fake.world(risk=risk), 0)
    return ["".join(text for text, _ in line).rstrip() for line in panel.body(width, height)]


def test_the_heat_map_puts_a_cluster_together_below_its_diagonal() -> None:
    drawn = lines(CorrelationPanel())
    assert [row.split()[0] for row in drawn[:3]] == ["BTC", "ETH", "DOGE"]
    assert drawn[1].split() == ["ETH", ".83", "1"]
    assert drawn[2].split() == ["DOGE", ".41", ".20", "1"]
    assert drawn[3].split() == ["BTC", "ETH", "DOGE"]


def test_what_is_above_the_threshold_stands_out_and_moves_with_it() -> None:
    def bold(threshold: float) -> set[str]:
        panel = CorrelationPanel()
        lines(panel, threshold=threshold)
        runs = [run for line in panel.body(58, 18)[:3] for run in line]
        return {text.strip() for text, words in runs if "loss" in words}

    assert bold(0.7) == {".83"}
    assert bold(0.4) == {".83", ".41"}
    assert bold(0.9) == set()


def test_clusters_say_how_much_is_held_in_them_whatever_its_direction() -> None:
    text = "\n".join(lines(CorrelationPanel()))
    assert "8.5 % held in 2: BTC ETH" in text
    assert "NEW 17" in text


def test_without_history_it_says_how_much_is_missing() -> None:
    drawn = " ".join(lines(CorrelationPanel(), symbols=(), correlation=(), clusters=()))
    assert "17 of 96 bars" in drawn


def test_where_the_map_has_no_room_the_clusters_stay() -> None:
    drawn = lines(CorrelationPanel(), height=4)
    assert any("8.5 % held" in row for row in drawn)
    assert not any(".83" in row for row in drawn)


def test_value_at_risk_stands_with_its_source_and_the_test_of_it() -> None:
    drawn = lines(PortfolioPanel(), width=90)
    assert "0.42 %" in drawn[0]
    assert "historical, 45 days" in drawn[0]
    assert "not rejected" in drawn[2]
    assert "5 of 80 days, 4.0 expected" in drawn[2]
    assert "store of value 6.0 %, smart contracts 2.5 %" in drawn[3]
    assert "β market +0.93 ± 0.04" in drawn[4]
    assert "n=2200" in drawn[4]


def test_what_is_not_known_is_said_instead_of_a_number() -> None:
    drawn = lines(
        PortfolioPanel(), width=90, var_pct=math.nan, var_from="not known: too few bars of BTC"
    )
    assert drawn[0].endswith("not known: too few bars of BTC")
    thin = msgspec.structs.replace(VIEW.backtest, verdict="insufficient data: n=12 of 60", n=12)
    assert lines(PortfolioPanel(), backtest=thin)[2].endswith("insufficient data: n=12 of 60")
