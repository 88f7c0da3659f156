"""The panels drawn without an application: sizes, states, hostile words, and what repaints."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from textual.geometry import Region

from engine.core.clock import SECOND
from engine.core.types import Control, FeedKind, Link
from engine.core.views import Snapshot
from tests.ui import fakehub as fake
from tests.ui import gallery
from widgets import risk, words
from widgets.approvals import ApprovalsPanel
from widgets.chart import PriceChart
from widgets.decision import DecisionDetail
from widgets.equity import EquityLine, buckets
from widgets.frame import Frame
from widgets.gauge import gauge
from widgets.journal import JournalPanel
from widgets.levels import Levels
from widgets.limits import LimitsPanel
from widgets.market import MarketPanel
from widgets.panel import Panel
from widgets.positions import PositionsPanel
from widgets.proposal import ProposalDetail
from widgets.reasoning import ReasoningPanel
from widgets.risk import RiskPanel
from widgets.signals import SignalsPanel
from widgets.status import StatusLine
from widgets.waterfall import WaterfallPanel

PANELS = sorted({each for page in gallery.PAGES for cell in page for each in cell},
                key=lambda each: each.__name__)  # fmt: skip
SIZES = ((1, 1), (2, 40), (5, 3), (20, 5), (40, 2), (40, 9), (60, 15), (80, 24), (120, 40),
         (200, 60))  # fmt: skip
replace = msgspec.structs.replace


def bare(**changes: Any) -> Snapshot:
    """A snapshot of an engine that has just started."""
    return fake.world(
        proposals=(), ended=(), positions=(), outlooks=(), markets=(), trades=(), orders=(),
        limits=(), **changes,
    )  # fmt: skip


def shown(cls: type[Panel], snapshot: Snapshot, width: int = 80, height: int = 20) -> Panel:
    panel = cls()
    panel.fit(width, height)
    panel.active = True
    gallery.fill([panel], snapshot)
    return panel


def check(panel: Panel, width: int, height: int) -> str:
    """Every row is as wide as the panel, of printable text; all of it as one text."""
    rows = [panel.render_line(y) for y in range(height)]
    assert all(strip.cell_length == width for strip in rows)
    for strip in rows:
        assert sum(segment.cell_length for segment in strip) == width
        assert strip.text.isprintable()
    return "\n".join(strip.text for strip in rows)


@pytest.mark.parametrize("cls", PANELS, ids=lambda cls: cls.__name__)
def test_every_size_frame_and_state_is_drawn(cls: type[Panel]) -> None:
    world, empty = gallery.world(), bare()
    for width, height in SIZES:
        for frame in Frame:
            panel = cls(frame=frame)
            panel.fit(width, height)
            check(panel, width, height)  # before the engine's first snapshot
            panel.show(empty, 0)
            check(panel, width, height)
            gallery.fill([panel], world)
            panel.active = True
            check(panel, width, height)
            for by in (1, 50, -1, -100):
                panel.move(by)
            panel.filter("btc")
            check(panel, width, height)
            panel.filter("")
            panel.show(world, 60 * SECOND)
            check(panel, width, height)
            panel.fail("the feed's table has no such column: \x1b[2J")
            check(panel, width, height)


@pytest.mark.parametrize("cls", PANELS, ids=lambda cls: cls.__name__)
def test_empty_says_so_and_what_will_appear(cls: type[Panel]) -> None:
    panel = cls()
    panel.fit(100, 16)
    assert "Waiting for the engine" in check(panel, 100, 16)
    panel.show(bare(), 0)
    text = check(panel, 100, 16)
    if cls in (RiskPanel,):
        assert "ACTIVE" in text
    else:
        assert any(word in text for word in ("No ", "Nothing", "not said"))
        assert (
            "adds" in text
            or "stand" in text
            or "begins" in text
            or "Select" in text
            or "Nothing adapts" in text
        )


@pytest.mark.parametrize("cls", PANELS, ids=lambda cls: cls.__name__)
def test_a_silent_engine_makes_every_panel_stale_and_a_new_snapshot_ends_it(
    cls: type[Panel],
) -> None:
    world = gallery.world()
    panel = shown(cls, world)
    panel.show(world, 2 * SECOND)
    assert "STALE" not in panel.text.splitlines()[0]
    panel.show(world, 12 * SECOND)
    assert "STALE 12 s" in panel.text.splitlines()[0]
    panel.show(replace(world, version=2), 13 * SECOND)
    assert "STALE" not in panel.text.splitlines()[0]


def test_a_stale_feed_marks_panels_of_prices_and_not_the_journal() -> None:
    world = gallery.world()
    world = replace(world, feed=replace(world.feed, link=Link.STALE))
    assert "STALE" in shown(PositionsPanel, world).text.splitlines()[0]
    assert "STALE" not in shown(JournalPanel, world).text.splitlines()[0]


@pytest.mark.parametrize("cls", PANELS, ids=lambda cls: cls.__name__)
def test_an_error_is_said_and_an_empty_one_ends_it(cls: type[Panel]) -> None:
    panel = shown(cls, gallery.world())
    before = panel.text
    panel.fail("could not be read\x1b]0;x\x07")
    assert "✕ could not be read" in panel.text
    panel.fail("")
    assert panel.text == before


HOSTILE = "\x1b]52;c;aGk=\x07\x9b2J\u202e[@click=app.approve('P-17')]now[/] [/ [TODO]\n\ttail\ud800"


def test_hostile_words_from_outside_are_drawn_as_words_on_every_panel() -> None:
    world = gallery.world()
    decision = replace(
        fake.make_decision("BTC/USDT"),
        reasoning=HOSTILE, winner=HOSTILE, absent=(HOSTILE,), regime=HOSTILE,
        votes=tuple(replace(v, source=HOSTILE, reason=HOSTILE) for v in
                    fake.make_decision("BTC/USDT").votes),
        signals=(replace(fake.make_signal("BTC/USDT", HOSTILE), reason=HOSTILE),),
    )  # fmt: skip
    gates = tuple(replace(gate, name=HOSTILE, detail=HOSTILE, unit=HOSTILE)
                  for gate in fake.make_gates(False))  # fmt: skip
    world = replace(
        world,
        control=replace(world.control, reason=HOSTILE),
        feed=replace(world.feed, label=HOSTILE, kind=FeedKind.LIVE),
        outlooks=(replace(world.outlooks[0], decision=decision, verdict=HOSTILE, gates=gates,
                          waiting_for=HOSTILE, signals=decision.signals),),
        proposals=(fake.make_proposal(1, symbol=HOSTILE, strategy=HOSTILE, reasoning=HOSTILE,
                                      why_waits=HOSTILE, gates=gates, note=HOSTILE),),
        positions=tuple(
            replace(view, position=replace(view.position, symbol=HOSTILE, strategy=HOSTILE))
            for view in world.positions
        ),
        markets=tuple(replace(m, symbol=HOSTILE, reason=HOSTILE, regime=HOSTILE)
                      for m in world.markets[:1]),
        limits=gates,
        trades=(fake.make_trade(1, symbol=HOSTILE, exit_reason=HOSTILE, strategy=HOSTILE),),
        orders=(fake.make_order(1, symbol=HOSTILE, reason=HOSTILE, exit_reason=HOSTILE),),
    )  # fmt: skip
    for cls in PANELS:
        panel = shown(cls, world, 200, 50)
        if isinstance(panel, JournalPanel):
            panel.show_lines([replace(gallery.journal()[0], text=HOSTILE, kind=HOSTILE)])
        if isinstance(panel, PriceChart):
            panel.show_bars(HOSTILE, gallery.bars_of("BTC/USDT"), None, None, HOSTILE)
        text = check(panel, 200, 50)
        if cls in (ReasoningPanel, JournalPanel, DecisionDetail, ApprovalsPanel, RiskPanel):
            assert "[TODO]" in text
            assert "[@click=app.approve('P-17')]now[/]" in text
        assert "\u202e" not in panel.export()
    line = StatusLine()
    line.fit(200, 1)
    line.show(world, llm=HOSTILE, trouble=HOSTILE)
    assert line.render_line(0).text.isprintable()


def counted(panel: Panel, act: Callable[[], object]) -> list[Region]:
    """The regions marked while `act` runs."""
    regions: list[Region] = []

    def refresh(*marked: Region, **_: object) -> Panel:
        regions.extend(marked or (Region(0, 0, 999, 999),))
        return panel

    panel.refresh = refresh  # type: ignore[method-assign]
    act()
    return regions


def test_a_snapshot_of_the_same_objects_marks_nothing_on_any_panel() -> None:
    world = gallery.world()
    for cls in PANELS:
        panel = shown(cls, world)
        again = replace(world, version=world.version + 1)
        taken: list[Snapshot] = []
        panel.take = taken.append  # type: ignore[method-assign,assignment]
        assert counted(panel, lambda p=panel, s=again: p.show(s, 0)) == []  # type: ignore[misc]
        assert taken == []


def test_one_new_price_marks_one_row_of_the_market() -> None:
    world = gallery.world()
    panel = shown(MarketPanel, world)
    markets = list(world.markets)
    markets[2] = replace(markets[2], last=148.99)
    new = replace(world, version=2, markets=tuple(markets))
    regions = counted(panel, lambda: panel.show(new, 0))
    assert [(region.y, region.height) for region in regions] == [(4, 1)]
    assert regions[0].width < 12
    assert "148.99" in panel.render_line(4).text


def test_the_forming_bar_repaints_the_end_of_the_chart_and_not_all_of_it() -> None:
    chart = PriceChart()
    chart.fit(80, 24)
    bars, now = gallery.bars_of("BTC/USDT"), gallery.forming("BTC/USDT")
    chart.show_bars("BTC/USDT", bars, now, None, "15m")
    shown_bars = bars[-70:]
    top = max(bar.high for bar in shown_bars)
    reach = top - min(bar.low for bar in shown_bars)
    # A new high of all, still inside the margin above the old one.
    later = replace(now, close=round(now.open * 0.9998, 2), high=round(top + reach * 0.02, 2))
    regions = counted(chart, lambda: chart.show_bars("BTC/USDT", bars, later, None, "15m"))
    assert 0 < len(regions) < 10
    reading = 1
    assert all(region.x >= 40 for region in regions if region.y != reading)
    assert set("╷│") & set(chart.render_line(2).text[60:-2])


def test_approve_is_named_only_where_symbol_and_size_stand_uncut() -> None:
    world = gallery.world()
    panel = shown(ApprovalsPanel, world, 60, 9)
    assert isinstance(panel, ApprovalsPanel)
    readable = [panel.readable]
    assert "a approve P-17" in panel.text
    assert "BTC/USDT" in panel.text
    assert "0.015" in panel.text
    panel.fit(24, 9)
    assert "approve" not in panel.text
    readable.append(panel.readable)
    assert readable == [True, False]


def test_the_selected_proposal_is_told_with_its_terms() -> None:
    text = shown(ApprovalsPanel, gallery.world(), 118, 14).text
    for word in ("61,234.50", "60,315.98", "62,459.19", "1.3", "64 %", "approval mode is review"):
        assert word in text
    panel = shown(ApprovalsPanel, gallery.world(), 118, 14)
    panel.move(1)
    assert panel.selected_key == "P-18"
    assert f"+53 bp{words.PRIOR}" in panel.text
    assert "prior" in panel.text


def test_the_control_state_is_a_word_with_its_reason() -> None:
    control = replace(fake.world().control, state=Control.HALTED, reason="drawdown 20 %")
    text = shown(RiskPanel, fake.world(control=control)).text
    assert "HALTED" in text
    assert "drawdown 20 %" in text


def test_a_refusing_limit_stands_first() -> None:
    world = fake.world(limits=fake.make_gates(False))
    lines = shown(RiskPanel, world, 80, 20).text.splitlines()
    first = next(line for line in lines if "≤" in line or "≥" in line)
    assert "Expected value" in first


def test_a_gate_tells_when_it_turned() -> None:
    world = gallery.world()
    panel = shown(WaterfallPanel, world, 130, 30)
    assert isinstance(panel, WaterfallPanel)
    view = replace(world.outlooks[0], gates=gallery.gates("SPREAD"))
    later = replace(world, version=2, time_ns=world.time_ns + 600 * SECOND, outlooks=(view,))
    panel.show(later, 0)
    line = next(line for line in panel.text.splitlines() if "Spread" in line)
    assert "✕" in line
    assert "12:10" in line


def test_the_gate_that_refuses_is_in_sight_until_somebody_looks_elsewhere() -> None:
    world = gallery.world()
    view = replace(world.outlooks[0], gates=gallery.gates("VAR"))
    panel = WaterfallPanel()
    panel.fit(80, 9)
    panel.show(replace(world, outlooks=(view,)), 0)
    assert "✕" in panel.text
    panel.active = True
    panel.move(-30)
    assert "✕" not in panel.text
    again = replace(view, gates=gallery.gates("CORRELATION"))
    panel.show(replace(world, version=2, outlooks=(again,)), 0)
    assert panel.selected_key == again.gates[0].code


def test_a_small_size_is_not_written_as_nothing() -> None:
    gate = fake.make_gates()[1]
    said = [words.gate_value(replace(gate, value=value)) for value in (0.0034, 0.04, -0.0, 1.5)]
    assert said == ["0.0034", "0.04", "0", "1.50"]


def test_why_does_not_repeat_the_decision_beside_it() -> None:
    world = fake.world()
    view = replace(world.outlooks[2], verdict="HOLD: the votes cancel out")
    text = shown(SignalsPanel, replace(world, outlooks=(view,)), 110, 10).text
    assert "the votes cancel out" in text
    assert "HOLD:" not in text


def test_signals_carry_arrow_and_word_where_there_is_room() -> None:
    text = shown(SignalsPanel, gallery.world(), 110, 10).text
    assert "▲ BUY" in text
    assert "▼ SELL" in text
    assert "· HOLD" in text
    narrow = shown(SignalsPanel, gallery.world(), 60, 10).text
    assert "▼ " in narrow


def test_levels_are_named_and_those_outside_stand_at_the_edge() -> None:
    chart = PriceChart()
    chart.fit(80, 24)
    bars = gallery.bars_of("BTC/USDT")
    chart.show_bars("BTC/USDT", bars, None, Levels(61_000.0, 20_000.0, (61_900.0,)), "15m")
    text = chart.text
    assert "entry" in text
    assert "↓ stop" in text
    assert "20,000" in text
    assert "target" in text


def test_a_candle_shows_body_and_wick_where_they_are() -> None:
    chart = PriceChart(frame=Frame.NONE)
    chart.fit(40, 12)
    rising = replace(gallery.bars_of("BTC/USDT")[0], open=100.0, low=90.0, close=120.0, high=130.0)
    chart.show_bars("BTC/USDT", [rising], None, None, "15m")
    column = [line[32:33] for line in chart.text.splitlines()]
    drawn = "".join(char for line in chart.text.splitlines() for char in line if char in "│┃╽╿╷╵╻╹")
    assert "┃" in drawn
    assert column is not None
    assert drawn[0] in "│╷"
    assert drawn[-1] in "│╵"


def test_panning_back_keeps_its_place_when_bars_are_added() -> None:
    chart = PriceChart()
    chart.fit(80, 24)
    bars = gallery.bars_of("BTC/USDT")
    chart.show_bars("BTC/USDT", bars[:-5], None, None, "15m")
    chart.pan(-40)
    before = chart.text.splitlines()[1:]
    chart.show_bars("BTC/USDT", bars, None, None, "15m")
    assert chart.text.splitlines()[1:] == before
    assert "45 bars back" in chart.text


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_bar_that_is_no_number_costs_its_candle_and_no_more(bad: float) -> None:
    chart = PriceChart()
    chart.fit(80, 24)
    bars = gallery.bars_of("BTC/USDT")
    chart.show_bars("BTC/USDT", [*bars[:-1], replace(bars[-1], high=bad)], None, None, "15m")
    assert "┃" in chart.text


def test_equity_moves_by_whole_columns() -> None:
    points = gallery.points()
    first = buckets(points[:1000], 60)
    assert len(first) <= 60
    assert buckets(points[:1001], 60)[:-2] == first[: len(buckets(points[:1001], 60)) - 2]
    line = EquityLine()
    line.fit(80, 12)
    line.show_points(points)
    assert "drawdown" in line.text
    assert f"{max(p.equity for p in points):,.2f}" in line.text


def test_reasoning_keeps_its_cursor_when_a_newer_decision_comes() -> None:
    world = gallery.world()
    panel = shown(ReasoningPanel, world)
    panel.move(1)
    key = panel.selected_key
    newer = replace(fake.make_decision("XRP/USDT", 99), time_ns=world.time_ns + SECOND)
    view = replace(world.outlooks[3], decision=newer)
    panel.show(replace(world, version=2, outlooks=(*world.outlooks[:3], view)), 0)
    assert panel.selected_key == key
    assert "XRP/USDT" in panel.text
    marked = next(line for line in panel.text.splitlines() if "▸" in line)
    assert "ETH/USDT" in marked


def test_details_show_votes_weights_and_who_was_absent() -> None:
    text = shown(DecisionDetail, gallery.world(), 100, 40).text
    for word in ("strategies", "50 %", "llm, model", "Expected value", "net", "Size"):
        assert word in text
    text = shown(ProposalDetail, gallery.world(), 100, 40).text
    for word in ("0017a1b2", "Gates", "risk per trade"):
        assert word in text


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_the_status_line_always_has_mode_feed_and_control(width: int) -> None:
    line = StatusLine()
    line.fit(width, 1)
    control = replace(fake.world().control, state=Control.REDUCING)
    line.show(fake.world(control=control))
    text = line.render_line(0).text
    for word in ("PAPER", "SIM", "REDUCING"):
        assert word in text
    assert line.show(fake.world(control=control)) is False


def test_a_missing_guard_is_shouted_with_its_age() -> None:
    line = StatusLine()
    line.fit(120, 1)
    health = fake.make_health(heartbeat_ok=False, heartbeat_ns=fake.START_NS - 9 * SECOND)
    line.show(fake.world(health=health))
    assert "NO GUARD 9 s" in line.render_line(0).text


def test_limits_say_how_much_is_used() -> None:
    gate = fake.make_gates()[2]
    assert words.used_share(gate) == pytest.approx(0.4 / 3.0)
    assert words.used_share(replace(gate, passed=False)) == 1.0
    unknown = replace(gate, value=math.nan, distance=math.nan)
    assert math.isnan(words.used_share(unknown))
    lines = risk.limit_lines([unknown], 80)
    assert "━" not in "".join(text for text, _ in lines[0]), "nothing measured is nothing used"
    assert words.gate_limit(gate) == "≤ 3 % of day start"
    assert "≥ 0" in words.gate_limit(fake.make_gates()[4])
    assert len("".join(text for text, _ in gauge(0.5, 10))) == 10
    assert "0.13" not in shown(LimitsPanel, bare()).text


def test_money_that_does_not_add_up_is_said() -> None:
    account = fake.make_account(checked=False, equity=Decimal("1"))
    assert "≠" in shown(RiskPanel, fake.world(account=account), 100, 20).text
    line = StatusLine()
    line.fit(140, 1)
    line.show(fake.world(account=account))
    assert "books do not add up" in line.render_line(0).text


def test_a_source_without_a_name_has_a_column_as_well() -> None:
    from widgets.signals import _votes

    for room in (20, 60, 200):
        assert len(_votes(("", " ", "moving average", "\x00"), room)) == 4
