"""Tables as a person works with them: order, filter, detail and file, by keys."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.layouts import LAYOUTS
from engine.core.views import Snapshot
from tests.ui.deck import Deck, drive
from tests.ui.fakehub import FakeHub, world
from widgets import numbers
from widgets.columns import Column
from widgets.lines import line_width
from widgets.rows import Row
from widgets.table import Table
from widgets.tablepanel import TablePanel

replace = msgspec.structs.replace
KEYS = {"desk": "1", "signals": "2", "reasoning": "3", "learning": "4", "risk": "5",
        "journal": "7"}  # fmt: skip


def active(deck: Deck) -> TablePanel:
    """The table that keys go to."""
    screen = deck.app.base_screen()
    assert screen is not None
    panel = screen.panels[screen.active]
    assert isinstance(panel, TablePanel)
    return panel


def focus(deck: Deck, panel: str) -> None:
    screen = deck.app.base_screen()
    assert screen is not None
    screen.focus_panel(panel)


def with_trades(count: int) -> Snapshot:
    """A world with so many trades, each with a result of its own."""
    base = world()
    trades = tuple(
        replace(base.trades[0], id=f"T-{i}", symbol=("ETH/USDT", "SOL/USDT")[i % 2],
                pnl=Decimal(7 * i % count), closed_ns=base.time_ns - i)
        for i in range(count)
    )  # fmt: skip
    return replace(base, trades=trades)


def test_a_key_orders_by_the_next_column_and_the_heading_says_which() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("7")
        focus(deck, "trades")
        before = [row.key for row in active(deck).table.shown]
        await deck.press("R")
        assert "sort them first" in deck.message
        seen = []
        for _ in range(12):
            await deck.press("S")
            order = active(deck).table.ordered_by
            if not order:
                break
            seen.append(order)
            assert order in deck.text
            assert order in deck.message
            heading = active(deck).text.splitlines()[1]
            assert order[-1] in heading, heading
        assert "by P&L ▾" in seen
        assert [row.key for row in active(deck).table.shown] == before
        assert "rows as they came" in deck.message

    drive(script, hub=FakeHub(with_trades(9)))


def test_the_cursor_stays_on_its_trade_through_order_filter_refill_and_size() -> None:
    hub = FakeHub(with_trades(9))

    async def script(deck: Deck) -> None:
        await deck.press("7")
        focus(deck, "trades")
        await deck.press("j", "j", "j")
        key = active(deck).selected_key
        while "P&L" not in active(deck).table.ordered_by:
            await deck.press("S")
        results = [numbers.read(row.text("pnl")) for row in active(deck).table.shown]
        assert results == sorted(results, reverse=True)
        assert active(deck).selected_key == key
        await deck.press("R")
        results = [numbers.read(row.text("pnl")) for row in active(deck).table.shown]
        assert results == sorted(results)
        await deck.press("slash")
        await deck.write("sol")
        await deck.press("enter")
        assert active(deck).selected_key == key
        assert "/sol 4 of 9" in deck.text
        await deck.resize(80, 24)
        assert active(deck).selected_key == key
        hub.change(trades=with_trades(15).trades)
        await deck.look()
        assert active(deck).selected_key == key
        assert "▴" in active(deck).table.ordered_by

    drive(script, hub=hub)


TABLES = [(screen, slot.id) for screen, slots in LAYOUTS.items() for slot in slots]


@pytest.mark.parametrize("screen", sorted(KEYS))
def test_enter_opens_a_detail_of_every_table_with_a_row(screen: str) -> None:
    async def script(deck: Deck) -> None:
        await deck.press(KEYS[screen])
        await deck.look()
        base = deck.app.base_screen()
        assert base is not None
        opened = 0
        for slot in LAYOUTS[screen]:
            panel = base.panels[slot.id]
            if not isinstance(panel, TablePanel) or panel.selected_key is None:
                continue
            focus(deck, slot.id)
            await deck.press("enter")
            assert len(deck.dialog.body.says) > 40, slot.id
            await deck.press("escape")
            opened += 1
        assert opened or screen in ("reasoning", "learning")

    drive(script)


def test_w_writes_what_the_filter_lets_through_in_the_order_shown() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("7")
        focus(deck, "trades")
        while active(deck).table.ordered_by != "by P&L ▾":
            await deck.press("S")
        await deck.press("slash")
        await deck.write("eth")
        await deck.press("enter", "w")
        assert "wrote 5 of 9 rows as JSON lines to" in deck.message
        (path,) = deck.app.options.export_folder.glob("quarterdeck-trades-*.txt")
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        assert [row["symbol"] for row in rows] == ["ETH/USDT"] * 5
        results = [Decimal(row["pnl"]) for row in rows]
        assert results == sorted(results, reverse=True)

    drive(script, hub=FakeHub(with_trades(9)))


def test_an_empty_panel_writes_no_file_and_says_so() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("tab", "w")
        assert "Positions is empty" in deck.message
        assert list(deck.app.options.export_folder.glob("quarterdeck-*")) == []

    drive(script, hub=FakeHub(world(positions=())))


COLUMNS = (Column("name", "Name", 6), Column("size", "Size", 6, "right"))


def rows_of(values: Sequence[float]) -> list[Row]:
    return [
        Row(f"K{i}", {"name": f"n{i}", "size": numbers.number(value, 3)})
        for i, value in enumerate(values)
    ]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=1, max_size=20), st.booleans()
)
def test_numbers_are_ordered_as_numbers_and_unknown_ones_stand_last(
    values: list[float], descending: bool
) -> None:
    table = Table(COLUMNS)
    table.set_rows(rows_of(values))
    table.select("K0")
    table.sort_by("size", descending)
    found = [numbers.read(row.text("size")) for row in table.shown]
    known = [value for value in found if value == value]
    assert known == sorted(known, reverse=descending)
    assert all(value != value for value in found[len(known) :])
    assert table.selected is not None
    assert table.selected.key == "K0"


@pytest.mark.parametrize(
    ("text", "value"),
    [("▲ +1,234.50", 1234.5), ("−3.4 bp", -3.4), ("12.4k", 12_400.0), ("3.1M", 3.1e6),
     ("~0.9 bp", 0.9), ("5 kg", 5.0)],
)  # fmt: skip
def test_numbers_are_read_as_they_are_written(text: str, value: float) -> None:
    assert numbers.read(text) == pytest.approx(value)


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (120, 40), (200, 60)])
@pytest.mark.parametrize("panel", ["approvals", "signals"])
def test_a_detail_is_laid_out_for_its_window(size: tuple[int, int], panel: str) -> None:
    async def script(deck: Deck) -> None:
        focus(deck, panel)
        await deck.press("enter")
        body = deck.dialog.body
        wide = [row for row in body._rows if line_width(row) > body.size.width]
        # A digest is one word of 64 letters, which the least window can't hold.
        assert all(row[0][0].startswith("digest") for row in wide), wide

    drive(script, size=size)
