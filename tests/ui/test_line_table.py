"""The table: what it repaints, where its cursor stands, and that nothing hostile gets out."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textual.geometry import Region

from widgets.cells import width_of
from widgets.columns import Column
from widgets.lines import LineWidget, changed_spans, line_width
from widgets.linetable import LineTable
from widgets.rows import Row, Rows
from widgets.table import Table

COLUMNS = (
    Column("symbol", "Symbol", 8, most=14),
    Column("price", "Price", 9, "right", rank=1),
    Column("reason", "Reason", 10, rank=2, grows=True),
)


def row(key: str, price: float = 1.0, reason: str = "") -> Row:
    return Row(
        key,
        {"symbol": key, "price": f"{price:.2f}", "reason": reason},
        sort={"price": price},
        symbol=key,
    )


class Counting(LineTable):
    """A table that remembers which regions it marked."""

    def __init__(self) -> None:
        super().__init__(COLUMNS)
        self.regions: list[Region] = []

    def refresh(self, *regions: Region, **_kwargs: object) -> Counting:
        self.regions.extend(regions)
        return self


def table(rows: Sequence[Row], width: int = 60, height: int = 12) -> Counting:
    made = Counting()
    made.set_rows(rows)
    made.fit(width, height)
    made.regions.clear()
    return made


def test_rows_that_are_the_same_objects_mark_nothing() -> None:
    rows = [row(f"S{i}") for i in range(8)]
    shown = table(rows)
    assert shown.set_rows(list(rows)) == 0
    assert shown.regions == []


def test_a_changed_row_marks_its_own_cells_and_no_other() -> None:
    rows = [row(f"S{i}", 1.0, "steady") for i in range(8)]
    shown = table(rows)
    rows[3] = row("S3", 2.5, "steady")
    assert shown.set_rows(rows) == 1
    (region,) = shown.regions
    assert region.y == 4  # the heading is row 0
    assert region.height == 1
    marked = shown.render_line(4).text[region.x : region.right]
    assert "2.50" in marked
    assert "S3" not in marked
    assert "steady" not in marked


def test_an_equal_row_in_a_new_object_marks_nothing() -> None:
    shown = table([row("A"), row("B")])
    assert shown.set_rows([row("A"), row("B")]) == 0
    assert shown.regions == []


def test_moving_the_cursor_repaints_two_rows() -> None:
    shown = table([row(f"S{i}") for i in range(8)])
    shown.move(1)
    assert sorted(region.y for region in shown.regions) == [1, 2]


def test_rows_are_made_again_only_for_other_objects() -> None:
    made = Rows()
    one, two = object(), object()
    first = made.build([("a", (one, 5)), ("b", (two, 5))], lambda *_: row("a"))
    again = made.build([("a", (one, 5)), ("b", (two, 6))], lambda *_: row("b"))
    assert again[0] is first[0]
    assert again[1] is not first[1]
    assert made.built == 3


def test_the_cursor_stays_on_its_key_when_rows_come_before_it() -> None:
    shown = table([row("B"), row("C")])
    shown.move(1)
    shown.set_rows([row("A"), row("B"), row("C"), row("D")])
    assert shown.selected_key == "C"
    assert "▸C" in shown.render_line(3).text


def test_the_cursor_takes_the_next_row_when_its_own_is_gone() -> None:
    shown = table([row("A"), row("B"), row("C")])
    shown.move(1)
    shown.set_rows([row("A"), row("C")])
    assert shown.selected_key == "C"
    shown.set_rows([])
    assert shown.selected_key is None


def test_filter_wants_every_word_in_any_cell() -> None:
    shown = table([row("BTC", reason="wide spread"), row("ETH", reason="wide stop")])
    shown.filter("WIDE eth")
    assert [each.key for each in shown.table.shown] == ["ETH"]
    shown.filter("")
    assert len(shown.table.shown) == 2


def test_sort_puts_unknown_numbers_last() -> None:
    shown = table([row("A", float("nan")), row("B", 2.0), row("C", 1.0)])
    shown.sort_by("price")
    assert [each.key for each in shown.table.shown] == ["C", "B", "A"]


def test_columns_give_way_by_rank_and_rank_zero_stays() -> None:
    model = Table(COLUMNS)
    model.set_rows([row("BTC/USDT", 61_234.5)])
    assert [c.key for c, _ in model.visible(60)] == ["symbol", "price", "reason"]
    assert [c.key for c, _ in model.visible(22)] == ["symbol", "price"]
    assert [c.key for c, _ in model.visible(12)] == ["symbol"]
    assert [(c.key, cells) for c, cells in model.visible(6)] == [("symbol", 5)]


def test_wide_characters_keep_the_columns_aligned() -> None:
    shown = table([row("比特币/USDT", 1.0), row("BTC/USDT", 1.0)])
    first, second = shown.render_line(1), shown.render_line(2)
    assert first.cell_length == second.cell_length == 60
    before = [text.split("1.00")[0] for text in (first.text, second.text)]
    assert width_of(before[0]) == width_of(before[1])


def test_whole_is_false_as_soon_as_a_needed_cell_is_cut() -> None:
    model = Table(COLUMNS)
    model.set_rows([row("BTC/USDT:USDT")])
    model.lines(60, 5)
    assert model.whole()
    model.lines(10, 5)
    assert not model.whole()


HOSTILE = (
    "\x1b]52;c;aGVsbG8=\x07",
    "\x1b]0;owned\x1b\\",
    "\x1b[2J\x1b[H",
    "\x9b31m red \x9d0;title\x9c",
    "a\x00b\x08c\x7f",
    "\u202eevil\u2066\u2069\u200b\u200d",
    "[@click=app.approve('T-17')]press[/]",
    "[/",
    "[/]",
    "[TODO]",
    "[b]bold[/b]",
    "two\nlines\tand a tab\r",
    "e\u0301\u0301\u0301\u0301\u0301",
    "👨\u200d👩\u200d👧\ufe0f",
    "\ud800",
    "\U000e0041",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_gets_through_that_a_terminal_would_act_on(text: str) -> None:
    shown = table([Row("k", {"symbol": text, "reason": (text, "muted"), "price": ((text, ""),)})])
    drawn = "".join(shown.render_line(y).text for y in range(3))
    assert drawn.isprintable()
    assert not any(ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0 for char in drawn)
    assert not any(char in drawn for char in "\u202e\u2066\u2069\u200b\u200d\ufe0f")
    for y in range(3):
        strip = shown.render_line(y)
        assert strip.cell_length == sum(width_of(segment.text) for segment in strip) == 60
        assert not any(segment.style and segment.style.meta for segment in strip)


@pytest.mark.parametrize("text", ["[TODO]", "[/", "[b]x[/b]", "[@click=app.quit]"])
def test_brackets_are_drawn_as_they_are(text: str) -> None:
    shown = table([row("k", reason=text)])
    assert text in shown.render_line(1).text


def test_a_plain_text_with_escapes_is_cleaned_even_past_the_cells() -> None:
    class Careless(LineWidget):
        def draw(self, width: int, height: int) -> list[tuple[tuple[str, str], ...]]:
            return [(("\x1b[2Jhello\x07", ""),)]

    widget = Careless()
    widget.fit(20, 1)
    assert "\x1b" not in widget.render_line(0).text
    assert "hello" in widget.render_line(0).text


KEYS = st.lists(st.sampled_from("ABCDEFGHIJKLMNOP"), unique=True, max_size=12)
STEPS = st.one_of(
    st.tuples(st.just("rows"), KEYS),
    st.tuples(st.just("move"), st.integers(-20, 20)),
    st.tuples(st.just("fit"), st.tuples(st.integers(0, 80), st.integers(0, 15))),
    st.tuples(st.just("sort"), st.sampled_from(["", "price", "symbol"])),
    st.tuples(st.just("filter"), st.sampled_from(["", "A", "e", "zz"])),
)


@settings(max_examples=120, deadline=None)
@given(st.lists(STEPS, max_size=14))
def test_cursor_and_screen_hold_through_any_sequence(steps: list[tuple[str, object]]) -> None:
    shown = table([row("A"), row("B"), row("C")])
    for kind, value in steps:
        before = shown.selected_key
        if kind == "rows":
            assert isinstance(value, list)
            shown.set_rows([row(key, float(ord(key) % 5), key * 3) for key in value])
        elif kind == "move":
            assert isinstance(value, int)
            shown.move(value)
        elif kind == "fit":
            assert isinstance(value, tuple)
            shown.fit(*value)
        elif kind == "sort":
            shown.sort_by(str(value), descending=True)
        else:
            shown.filter(str(value))
        keys = [each.key for each in shown.table.shown]
        assert shown.selected_key == (None if not keys else shown.selected_key)
        if keys:
            assert shown.selected_key in keys
            if kind != "move" and before in keys:
                assert shown.selected_key == before
        width, height = shown._area
        drawn = [shown.render_line(y) for y in range(height if width else 0)]
        assert all(strip.cell_length == width for strip in drawn)
        if keys and height > 1 and width > 4:
            assert sum(strip.text.startswith("▸") for strip in drawn) == 1


LINES = st.lists(st.tuples(st.text("ab", min_size=1, max_size=3), st.sampled_from(["", "x"])))


@given(LINES, LINES)
def test_the_changed_span_covers_every_difference(
    old: list[tuple[str, str]], new: list[tuple[str, str]]
) -> None:
    one, two = tuple(old), tuple(new)
    if line_width(one) != line_width(two):
        return
    spans = changed_spans(one, two)
    cells = [
        (a, b)
        for a, b in zip(
            [(c, w) for text, w in one for c in text],
            [(c, w) for text, w in two for c in text],
            strict=True,
        )
    ]
    differing = {x for x, (a, b) in enumerate(cells) if a != b}
    marked = {x for start, end in spans for x in range(start, end)}
    assert differing <= marked
    assert spans == sorted(spans)


def test_a_log_s_cursor_stays_with_the_newest_until_it_is_moved() -> None:
    log, plain_table = Table(COLUMNS, follows=True), Table(COLUMNS)
    rows = [row("2"), row("1")]
    for one in (log, plain_table):
        one.set_rows(rows)
        one.set_rows([row("3"), *rows])
    assert [one.selected and one.selected.key for one in (log, plain_table)] == ["3", "2"]
    log.move(1)
    log.set_rows([row("4"), row("3"), *rows])
    assert log.selected is not None
    assert log.selected.key == "2", "what was chosen stays chosen"
    log.move(-9)
    log.set_rows([row("5"), row("4"), row("3"), *rows])
    assert log.selected is not None
    assert log.selected.key == "5"
