"""Every size shows what fits, and says what it needs where nothing does."""

from __future__ import annotations

from itertools import combinations

import pytest
from textual.geometry import Size

from app.layouts import LAYOUTS, fit_of, in_columns
from tests.ui.deck import Deck, drive
from tests.ui.fakehub import SYMBOLS, FakeHub, make_bar, make_market, world
from widgets.status import StatusLine

TITLES = ("Approvals", "Positions", "Signals", "Reasoning", "Adaptations", "Risk")


@pytest.mark.parametrize("size", [(120, 40), (200, 60)])
def test_the_desk_shows_all_panels_beside_the_chart(size: tuple[int, int]) -> None:
    async def script(deck: Deck) -> None:
        for title in (*TITLES, "Chart", "Equity"):
            assert title in deck.text
        assert "PAPER" in deck.status
        assert "SIM" in deck.status

    drive(script, size=size)


@pytest.mark.parametrize("screen", sorted(LAYOUTS))
@pytest.mark.parametrize("size", [(180, 45), (200, 60), (320, 90)])
def test_a_wide_window_has_three_columns_without_a_gap(screen: str, size: tuple[int, int]) -> None:
    area = Size(size[0], size[1] - 3)
    regions = in_columns(screen, fit_of(Size(*size)), area, size[1])
    assert set(regions) == {slot.id for slot in LAYOUTS[screen]}
    assert len({region.x for region in regions.values()}) == 3
    assert sum(region.area for region in regions.values()) == area.area
    for one, other in combinations(regions.values(), 2):
        assert not one.overlaps(other)
    assert min(region.height for region in regions.values()) >= 7


def test_what_stands_in_a_wide_window_alone_gives_the_keys_back_in_a_lesser_one() -> None:
    async def script(deck: Deck) -> None:
        base = deck.app.base_screen()
        assert base is not None
        base.focus_panel("market")
        await deck.press("j")
        await deck.look()
        assert "ETH/USDT 15m" in deck.text
        await deck.resize(120, 40)
        assert base.active == "approvals"
        assert not base.has_on_screen("market")
        names = set()
        for _ in base.slots:
            await deck.press("tab")
            names.add(base.active)
        assert names == {slot.id for slot in LAYOUTS["desk"]} - {"market"}

    drive(script, size=(200, 60))


def test_at_80x24_panels_are_tabs_and_the_chart_stays_with_approvals() -> None:
    async def script(deck: Deck) -> None:
        for title in TITLES:
            assert title in deck.rows[1]
        assert "BTC/USDT" in deck.text
        assert "61,234.5" in deck.text
        assert deck.text.count("Why not") == 0
        assert deck.app.base_screen().has_on_screen("chart")  # type: ignore[union-attr]
        await deck.press("tab", "tab")
        assert "EV refuses" in deck.text
        assert not deck.app.base_screen().has_on_screen("approvals")  # type: ignore[union-attr]

    drive(script, size=(80, 24))


@pytest.mark.parametrize(("key", "tabs"), [("1", 2), ("2", 0), ("2", 1)])
def test_at_80x24_what_a_short_table_selects_stands_below_it(key: str, tabs: int) -> None:
    async def script(deck: Deck) -> None:
        await deck.press(key, *["tab"] * tabs, "j")
        await deck.look()
        below = "\n".join(deck.rows[12:])
        assert "ETH/USDT 15m" in below if key == "1" else "Why not ─" in below
        assert "ETH/USDT" in below
        await deck.press("z")
        assert "15m" not in deck.text
        assert "Why not ─" not in deck.text

    drive(script, size=(80, 24))


def test_at_60x15_one_panel_remains_and_names_itself() -> None:
    async def script(deck: Deck) -> None:
        assert "Approvals" in deck.text
        assert "Positions" not in deck.text
        assert "BTC/USDT" in deck.text
        assert "0.015" in deck.text

    drive(script, size=(60, 15))


@pytest.mark.parametrize("size", [(59, 15), (60, 14), (20, 3), (1, 1)])
def test_below_60x15_there_is_a_note_and_no_act(size: tuple[int, int]) -> None:
    async def script(deck: Deck) -> None:
        await deck.press("a", "x", "c", "s")
        assert deck.hub.sent == []
        assert "a approve" not in deck.text
        if size[0] >= 20:
            assert "60x15 is needed" in deck.text

    drive(script, size=size)


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (60, 15), (200, 60)])
@pytest.mark.parametrize("key", ["1", "2", "3", "4", "5", "7"])
def test_every_screen_opens_at_every_size(size: tuple[int, int], key: str) -> None:
    async def script(deck: Deck) -> None:
        await deck.press(key)
        await deck.look()
        assert "SIM" in deck.status
        assert "PAPER" in deck.rows[0]
        for _ in range(4):
            await deck.press("tab", "j", "enter", "escape")

    drive(script, size=size)


def test_the_lab_says_why_it_can_not_be_opened() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("6")
        assert "the Lab opens with" in deck.message
        assert deck.app.current_mode == "desk"

    drive(script)


def test_the_cursor_stays_on_its_key_through_resizing() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("j")
        for size in ((80, 24), (60, 15), (10, 4), (1, 1), (200, 60), (120, 40)):
            await deck.resize(*size)
        await deck.look()
        assert deck.app.base_screen().selected("approvals") == "P-18"  # type: ignore[union-attr]

    drive(script)


def test_maximise_and_escape() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("z")
        assert "Positions" not in deck.text
        await deck.press("escape")
        assert "Positions" in deck.text

    drive(script)


def test_a_filter_narrows_and_escape_clears_it() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("slash")
        await deck.write("sol")
        await deck.press("enter")
        assert "1 of" in deck.text or "/sol" in deck.text
        assert deck.app.base_screen().selected("approvals") == "P-18"  # type: ignore[union-attr]
        await deck.press("escape")
        assert "/sol" not in deck.text

    drive(script)


def test_nothing_is_repainted_when_nothing_changed() -> None:
    async def script(deck: Deck) -> None:
        painted: list[object] = []
        original = deck.app._display

        def watch(screen: object, update: object) -> None:
            if update is not None:
                painted.append(update)
            original(screen, update)  # type: ignore[arg-type]

        deck.app._display = watch  # type: ignore[method-assign, assignment]
        for _ in range(5):
            deck.hub.change()
            await deck.look(100)
        assert painted == []
        deck.hub.change(markets=tuple(make_market(s, 1.0) for s in SYMBOLS))
        await deck.press("2")
        await deck.look(100)
        assert painted

    drive(script)


def test_a_frozen_view_stays_while_the_status_goes_on() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("space")
        deck.hub.change(proposals=())
        await deck.look()
        assert "P-17" in deck.text
        assert "FROZEN" in deck.status
        await deck.press("space")
        await deck.look()
        assert "P-17" not in deck.text

    drive(script)


def test_a_silent_engine_is_said_to_be_silent() -> None:
    async def script(deck: Deck) -> None:
        await deck.look(4_000)
        assert "ENGINE SILENT" in deck.status
        assert "STALE" in deck.text
        deck.hub.change()
        await deck.look(100)
        assert "SILENT" not in deck.status

    drive(script)


def test_without_an_engine_the_screen_says_that_it_is_starting() -> None:
    async def script(deck: Deck) -> None:
        assert "starting" in deck.message
        assert "compiles once" not in deck.message
        await deck.press("a")
        assert "has not started yet" in deck.message
        await deck.look(8_000)
        assert "compiles once" in deck.message
        deck.hub.publish(world())
        await deck.look()
        assert "PAPER" in deck.status

    drive(script, hub=FakeHub())


def test_an_engine_that_failed_is_named_with_its_report() -> None:
    async def script(deck: Deck) -> None:
        deck.app.engine_failed(RuntimeError("the venue is gone"))
        await deck.look()
        assert "the venue is gone" in deck.message
        assert "ENGINE STOPPED" in deck.status
        assert deck.app.crash_path is not None
        assert "the venue is gone" in deck.app.crash_path.read_text()

    drive(script)


def test_the_chart_follows_the_selection() -> None:
    async def script(deck: Deck) -> None:
        assert "BTC/USDT 15m" in deck.text
        await deck.press("j")
        await deck.look(100)
        assert "SOL/USDT 15m" in deck.text
        deck.hub.append("bars:SOL/USDT", make_bar("SOL/USDT", 61))
        await deck.look()
        assert "SOL/USDT 15m" in deck.text

    drive(script)


def test_the_chart_follows_a_row_that_comes_under_the_cursor_by_itself() -> None:
    async def script(deck: Deck) -> None:
        assert "BTC/USDT 15m" in deck.text
        other = deck.hub.snapshot.proposals[1]  # type: ignore[union-attr]
        deck.hub.change(proposals=(other,))
        await deck.look(100)
        deck.hub.change()
        await deck.look(100)
        assert f"{other.symbol} 15m" in deck.text

    drive(script)


def test_w_writes_the_panel_and_y_copies_the_row() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("w")
        assert "wrote" in deck.message
        files = list(deck.app.options.export_folder.glob("quarterdeck-approvals-*.txt"))
        assert len(files) == 1
        assert "P-17" in files[0].read_text()
        await deck.press("y")
        assert "OSC 52" in deck.message
        assert "BTC/USDT" in deck.app.clipboard

    drive(script)


def test_help_lists_every_live_key_and_why_dead_ones_are_dead() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("question_mark")
        says = deck.dialog.body.says
        for action in deck.app.actions:
            if action.scope in ("global", "desk"):
                assert action.title in says
        assert "not now: no position is open" in says
        await deck.press("escape")

    drive(script, hub=FakeHub(world(positions=())))


def test_hints_lead_a_newcomer_and_leave_others_alone() -> None:
    async def newcomer(deck: Deck) -> None:
        await deck.look(10_000)
        assert "enter shows why" in deck.message
        await deck.press("a")
        deck.hub.change()
        await deck.look(10_000)
        deck.hub.change()
        await deck.look(10_000)
        assert "s moves the stop" in deck.message

    async def old_hand(deck: Deck) -> None:
        await deck.look(10_000)
        assert deck.message == ""

    drive(newcomer, first_run=True)
    drive(old_hand)


def test_hints_fit_the_least_window_whole() -> None:
    async def script(deck: Deck) -> None:
        for acts in ((), ("enter", "escape"), ("a",)):
            await deck.press(*acts)
            deck.hub.change()
            await deck.look(10_000)
            deck.hub.change()
            await deck.look(10_000)
            assert deck.message
            assert deck.message in deck.rows[-2], deck.message

    drive(script, size=(60, 15), first_run=True)
    drive(script, size=(60, 15), first_run=True, hub=FakeHub(world(proposals=())))


def test_a_sample_that_falls_into_the_end_of_a_screen_does_no_harm() -> None:
    async def script(deck: Deck) -> None:
        screen = deck.app.base_screen()
        assert screen is not None
        await screen.query_one(StatusLine).remove()
        deck.hub.change()
        assert deck.app.base_screen() is None
        deck.app.sampler.step()
        await deck.pilot.press("a", "p", "j")
        assert deck.app.is_running

    drive(script)
