"""Sparklines in tables: the last closes of each symbol, drawn anew only when a bar has closed."""

from __future__ import annotations

from tests.ui.deck import Deck, drive
from tests.ui.fakehub import FakeHub, make_bar, world
from widgets.market import MarketPanel
from widgets.positions import PositionsPanel
from widgets.spark import BLOCKS, PATH_CELLS, spark_role, trend


def market(deck: Deck) -> MarketPanel:
    screen = deck.app.base_screen()
    assert screen is not None
    panel = screen.panels["market"]
    assert isinstance(panel, MarketPanel)
    return panel


def test_each_symbol_shows_its_own_path_and_a_closed_bar_moves_it_on() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("2")
        await deck.look()
        panel = market(deck)
        rows = {row.key: row for row in panel.table.rows}
        path = rows["BTC/USDT"].text("path")
        assert len(path) == PATH_CELLS
        assert set(path) <= set(BLOCKS)
        built = panel.made.built
        deck.hub.change()
        await deck.look()
        assert panel.made.built == built, "the same bars make no row anew"
        deck.hub.append("bars:BTC/USDT", make_bar("BTC/USDT", 61))
        await deck.look()
        now = {row.key: row for row in panel.table.rows}
        assert panel.made.built == built + 1
        assert now["ETH/USDT"] is rows["ETH/USDT"]
        assert now["BTC/USDT"].text("path")[:-1] != path[:-1] or path[1:] == path[:-1]

    drive(script, size=(200, 60))


def test_positions_carry_the_path_of_their_symbol() -> None:
    panel = PositionsPanel()
    panel.fit(180, 12)
    panel.show(world(), 0)
    symbols = {view.position.symbol for view in world().positions}
    panel.show_paths(dict.fromkeys(symbols, (1.0, 2.0, 3.0)))
    assert "▁▅█" in panel.text or "▁▄█" in panel.text


def test_a_path_that_says_nothing_has_no_role() -> None:
    assert spark_role(()) == "muted"
    assert spark_role((2.0,)) == "muted"
    assert spark_role((1.0, 2.0)) == "gain"
    assert spark_role((2.0, float("nan"), 1.0)) == "loss"
    assert trend((2.0, float("nan"), 1.0)) == -50.0


def test_nothing_is_followed_without_a_hub() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("2")
        await deck.look()
        assert market(deck).path_of("BTC/USDT") == ()

    drive(script, hub=FakeHub())
