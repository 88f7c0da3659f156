"""The painter: sends the cells that differ from what the terminal already shows.

Textual knows which regions may have changed and sends them whole, and a dialog that opens
or closes repaints the screen several times over. On a slow line that is seconds of waiting
for nothing, so the last frame is kept here cell by cell, and what is the same stays unsent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.color import Color, ColorSystem
from rich.color_triplet import ColorTriplet
from rich.console import Console
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.strip import Strip

from widgets.cells import width_of

# Cells that are sent again rather than jumped over: a jump takes six to eight bytes.
_BRIDGE = 4

_ATTRIBUTES = (
    ("bold", "1"),
    ("dim", "2"),
    ("italic", "3"),
    ("underline", "4"),
    ("reverse", "7"),
    ("strike", "9"),
)

Pen = tuple[str, str, str]
"""Codes of a style: attributes, foreground, background."""

_UNKNOWN = ("?", -1)


class Painter:
    """The cells of the terminal as last sent, and the bytes that change them."""

    def __init__(self) -> None:
        self._width = 0
        self._height = 0
        self._cells: list[list[tuple[str, int]]] = []
        self._ids: dict[Style | None, int] = {}
        self._pens: list[Pen] = []
        self._system: ColorSystem | None = None
        self._own: tuple[ColorTriplet, ColorTriplet] | None = None

    def own_ground(self, colours: tuple[str | None, str | None] | None) -> None:
        """Draw these two, text and ground, as the terminal's defaults; None draws all as given."""
        text, ground = colours or (None, None)
        own = None
        if text is not None and ground is not None:
            own = (Color.parse(text).get_truecolor(), Color.parse(ground).get_truecolor())
        if own != self._own:
            self._own = own
            self._ids.clear()
            self._pens.clear()
            self.forget()

    def forget(self) -> None:
        """Send everything again: the terminal may show something else than was sent."""
        self._cells = [[_UNKNOWN] * self._width for _ in range(self._height)]

    def fit(self, width: int, height: int) -> None:
        """Follow the size of the window; another size is another screen."""
        if (width, height) != (self._width, self._height):
            self._width, self._height = width, height
            self.forget()

    def encode(self, update: CompositorUpdate, console: Console) -> str:
        """What to write so that the terminal shows this update; empty when it does already."""
        system = console._color_system
        if system is not self._system or len(self._pens) > 4_000:
            self._system = system
            self._ids.clear()
            self._pens.clear()
            self.forget()
        out: list[str] = []
        pen: Pen | None = None
        for y, x, strip in _pieces(update):
            if 0 <= y < self._height:
                pen = self._row(out, y, x, strip, pen)
        if out:
            out.append("\x1b[0m")
        return "".join(out)

    def _row(self, out: list[str], y: int, x: int, strip: Strip, pen: Pen | None) -> Pen | None:
        row, new = self._cells[y], self._cut(strip, self._width - x)
        for start, end in _spans(row, new, x):
            out.append(f"\x1b[{y + 1};{x + start + 1}H")
            last = -2
            for char, style in new[start:end]:
                if style != last:
                    wanted = self._pens[style]
                    if wanted != pen:
                        out.append(_change(pen, wanted))
                        pen = wanted
                    last = style
                out.append(char)
        row[x : x + len(new)] = new
        return pen

    def _cut(self, strip: Strip, room: int) -> list[tuple[str, int]]:
        """The cells of a strip: a wide character is followed by an empty cell."""
        cells: list[tuple[str, int]] = []
        for text, style, control in strip:
            if control or not text:
                continue
            number = self._id(style)
            if text.isascii():
                cells += [(char, number) for char in text]
                continue
            for char in text:
                width = width_of(char)
                if width:
                    cells.append((char, number))
                    if width == 2:
                        cells.append(("", number))
                elif cells:
                    # A combining mark belongs to the character before it.
                    at = -1 if cells[-1][0] or len(cells) < 2 else -2
                    cells[at] = (cells[at][0] + char, cells[at][1])
        return cells[:room] if room < len(cells) else cells

    def _id(self, style: Style | None) -> int:
        number = self._ids.get(style)
        if number is None:
            number = self._ids[style] = len(self._pens)
            self._pens.append(self._pen(style))
        return number

    def _pen(self, style: Style | None) -> Pen:
        system = self._system
        if style is None or (system is None and not style):
            return "", "", ""
        attributes = ";".join(code for name, code in _ATTRIBUTES if getattr(style, name))
        text, ground = style.color, style.bgcolor
        if self._own is not None:
            text = None if text and text.triplet == self._own[0] else text
            ground = None if ground and ground.triplet == self._own[1] else ground
        return attributes, _codes(text, system, True), _codes(ground, system, False)


def _pieces(update: CompositorUpdate) -> Iterator[tuple[int, int, Strip]]:
    """(y, x, strip) of everything in an update."""
    if isinstance(update, LayoutUpdate):
        for y, strips in enumerate(update.strips, update.region.y):
            x = update.region.x
            for strip in strips:
                yield y, x, strip
                x += strip.cell_length
    elif isinstance(update, ChopsUpdate):
        for y, x1, x2 in update.spans:
            for end, (x, chop) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
                if chop is None or x > x2 or end <= x1:
                    continue
                yield y, x, chop if end <= x2 else chop.crop(0, x2 - x)


def _spans(
    row: list[tuple[str, int]], new: list[tuple[str, int]], x: int
) -> Iterable[tuple[int, int]]:
    """Runs of cells that differ, near ones joined; never beginning inside a wide character."""
    spans: list[tuple[int, int]] = []
    old = row[x : x + len(new)]
    if old == new:
        return spans
    for index, (before, after) in enumerate(zip(old, new, strict=False)):
        if before == after:
            continue
        start = index
        while start and not new[start][0]:
            start -= 1
        if spans and start - spans[-1][1] <= _BRIDGE:
            spans[-1] = (spans[-1][0], index + 1)
        else:
            spans.append((start, index + 1))
    return [(start, _past_wide(new, end)) for start, end in spans]


def _past_wide(cells: list[tuple[str, int]], end: int) -> int:
    while end < len(cells) and not cells[end][0]:
        end += 1
    return end


def _codes(colour: Color | None, system: ColorSystem | None, foreground: bool) -> str:
    if colour is None or system is None:
        return ""
    return ";".join(colour.downgrade(system).get_ansi_codes(foreground))


def _change(pen: Pen | None, wanted: Pen) -> str:
    """The sequence from one pen to another, naming only what differs where that is enough."""
    if pen is not None and pen[0] == wanted[0]:
        parts = [
            code if code else default
            for before, code, default in zip(pen[1:], wanted[1:], ("39", "49"), strict=True)
            if before != code
        ]
        return f"\x1b[{';'.join(parts)}m"
    return f"\x1b[{';'.join(('0', *(code for code in wanted if code)))}m"
