"""A stagnant position makes room for a better candidate; a book is trimmed back to its weights."""

from __future__ import annotations

from pathlib import Path

from engine.core.records import Denied, Noted
from engine.core.types import Position
from tests.engine.scripted import BTC, ETH, Script

ONE_PLACE = {"cand.max_open_positions": 1}


def stagnant(script: Script, hours: float, confidence: float = 0.6) -> Position:
    """A position in BTC that has stood still for so many hours."""
    script.want(symbol=BTC, confidence=confidence)
    script.price(script.desk.symbols[BTC].last, BTC)
    [position] = script.desk.book.of_symbol(BTC)
    for _ in range(int(hours * 4)):
        script.close_bar(symbol=BTC)
    assert script.desk.book.of_symbol(BTC)
    return position


def better(script: Script, confidence: float = 0.95) -> None:
    """ETH is wanted more, and the market gives the engine time to act on it."""
    script.want(symbol=ETH, confidence=confidence)
    for _ in range(40):
        script.price(script.desk.symbols[BTC].last, BTC)
        script.price(script.desk.symbols[ETH].last, ETH)


def test_a_better_candidate_takes_the_place_of_a_stagnant_position(tmp_path: Path) -> None:
    with Script(tmp_path, symbols=(BTC, ETH), approval="auto", settings=ONE_PLACE) as script:
        stagnant(script, 5)
        better(script)
        [trade] = script.trades
        assert (trade.symbol, trade.exit_reason) == (BTC, "displaced")
        assert [position.symbol for position in script.desk.book.open()] == [ETH]
        assert any("displaced" in note.text for note in script.records(Noted))


def test_a_young_position_stays_and_the_candidate_is_denied(tmp_path: Path) -> None:
    with Script(tmp_path, symbols=(BTC, ETH), approval="auto", settings=ONE_PLACE) as script:
        stagnant(script, 2)
        better(script)
        assert script.trades == ()
        assert [denial.code for denial in script.records(Denied)] == ["open_positions"]


def test_a_small_advantage_displaces_nobody(tmp_path: Path) -> None:
    with Script(tmp_path, symbols=(BTC, ETH), approval="auto", settings=ONE_PLACE) as script:
        stagnant(script, 5, confidence=0.8)
        better(script, confidence=0.9)
        assert script.trades == ()


def test_where_a_person_approves_nothing_is_displaced(tmp_path: Path) -> None:
    with Script(tmp_path, symbols=(BTC, ETH), settings=ONE_PLACE) as script:
        script.opened(BTC, confidence=0.6)
        for _ in range(20):
            script.close_bar(symbol=BTC)
        better(script)
        assert script.trades == ()


def test_a_book_is_trimmed_to_its_weights_only_where_that_was_asked_for(tmp_path: Path) -> None:
    uneven = {
        "meta.rebalance_drift_pct": 2.0, "dec.min_confidence": 0.3, "entry.threshold_score": 1.5,
    }  # fmt: skip
    for method, trims in (("off", False), ("risk_parity", True)):
        settings = {**uneven, "port.construction": method}
        folder = tmp_path / method
        folder.mkdir()
        with Script(folder, symbols=(BTC, ETH), approval="auto", settings=settings) as script:
            script.want(symbol=BTC, confidence=0.95)
            script.price(script.desk.symbols[BTC].last, BTC)
            script.want(symbol=ETH, confidence=0.35)
            script.price(script.desk.symbols[ETH].last, ETH)
            script.close_bar(symbol=BTC)
            for _ in range(6):
                script.close_bar(symbol=ETH)
                script.price(script.desk.symbols[BTC].last, BTC)
            reasons = {order.exit_reason for order in script.orders()}
            assert ("rebalanced" in reasons) is trims, method
