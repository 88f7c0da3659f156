"""The base of everything that lives on the screen: rows drawn one by one.

Textual sends every region marked dirty in whole, so a live panel must mark no more than what
changed. A panel says what its rows are; this base compares them with those on the screen and
marks only the runs that differ. A row is plain values, so it can be compared, tested without
an application, and drawn again in another theme.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from widgets.cells import cut, plain, width_of
from widgets.roles import Roles

Run = tuple[str, str]
"""Text and the role words it is drawn in."""

Line = tuple[Run, ...]
"""One row: runs from left to right."""

BLANK: Line = ()

_ON_BLANKS = frozenset(("reverse", "underline", "strike"))


def run(text: object, words: str = "") -> Run:
    """A run of text from anywhere: cleaned, so that nothing in it can act on the terminal."""
    return plain(text), words


def line_width(line: Line) -> int:
    """Cells that the row takes."""
    return sum(width_of(text) for text, _ in line)


def crop(line: Iterable[Run], width: int) -> Line:
    """The row in at most `width` cells, with an ellipsis where something was lost."""
    runs = [part for part in line if part[0]]
    kept: list[Run] = []
    left = width
    for index, (text, words) in enumerate(runs):
        length = width_of(text)
        if length <= left:
            kept.append((text, words))
            left -= length
            continue
        if left > 0:
            kept.append((" " * left if text.isspace() else cut(text, left), words))
        if all(part[0].isspace() for part in runs[index:]) or not kept:
            break
        last, style = kept[-1]
        if not last.endswith("…"):
            kept[-1] = (cut(last + "…", width_of(last)), style)
        break
    return tuple(kept)


def pad(line: Iterable[Run], width: int, words: str = "") -> Line:
    """The row in exactly `width` cells."""
    cropped = crop(line, width)
    space = width - line_width(cropped)
    return (*cropped, (" " * space, words)) if space > 0 else cropped


def spread(left: Sequence[Run], right: Sequence[Run], width: int, words: str = "") -> Line:
    """`left` from the left and `right` at the right edge, a blank between; the left gives way."""
    end = crop(right, width)
    room = width - line_width(end)
    return (*pad(crop(left, room - 1), room, words), *end)


def clean(line: Iterable[Run]) -> Line:
    """The row with every text cleaned: the border that nothing drawn gets around."""
    return tuple((plain(text), words) for text, words in line)


def joined(line: Iterable[Run]) -> Line:
    """The row with blanks joined to their neighbours, where a blank looks the same in both.

    Each run costs some forty bytes of colours on the line, so that gaps must not be runs.
    Words stay runs of their own: a changed one is marked without its neighbours.
    """
    runs: list[Run] = []
    for text, words in line:
        if not runs or _ground(runs[-1][1]) != _ground(words):
            runs.append((text, words))
        elif text.isspace():
            runs[-1] = (runs[-1][0] + text, runs[-1][1])
        elif runs[-1][0].isspace():
            runs[-1] = (runs[-1][0] + text, words)
        else:
            runs.append((text, words))
    return tuple(runs)


@lru_cache(maxsize=1_024)
def _ground(words: str) -> tuple[str, ...]:
    """The words of a role that show on a blank too."""
    seen = (word for word in words.split() if word.startswith("on:") or word in _ON_BLANKS)
    return tuple(sorted(seen))


def over(line: Line, words: str) -> Line:
    """The row with more role words on each run, as for the cursor."""
    return tuple((text, f"{style} {words}".strip()) for text, style in line)


def changed_spans(old: Line, new: Line) -> list[tuple[int, int]]:
    """The cells of `new` in which it differs from `old`, in whole runs from left to right."""
    if old is new or old == new:
        return []
    before = set(_placed(old))
    spans: list[tuple[int, int]] = []
    for start, text, words in _placed(new):
        if (start, text, words) in before:
            continue
        end = start + width_of(text)
        if spans and spans[-1][1] == start:
            spans[-1] = (spans[-1][0], end)
        elif end > start:
            spans.append((start, end))
    return spans


def _placed(line: Line) -> Iterator[tuple[int, str, str]]:
    start = 0
    for text, words in line:
        yield start, text, words
        start += width_of(text)


class LineWidget(Widget):
    """A widget of fixed size that repaints only the runs that changed.

    Subclasses implement `draw`; `redraw` is called when what they show may have changed.
    Sizes come from `fit`, which a resize calls and a test may call without an application.
    """

    DEFAULT_CSS = """
    LineWidget { width: 1fr; height: 1fr; background: $background; color: $foreground; }
    """

    def __init__(
        self, *, name: str | None = None, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self._area = (0, 0)
        self._lines: list[Line] = []
        self._roles: Roles | None = None

    def draw(self, width: int, height: int) -> Sequence[Line]:
        """The rows to show in that many cells; fewer rows and shorter ones are filled up."""
        return ()

    def fit(self, width: int, height: int) -> None:
        """Draw for this size from now on."""
        self._area = (max(0, width), max(0, height))
        self._lines = self._drawn()
        self.refresh()

    def redraw(self) -> int:
        """Draw again and mark the runs that changed; the number of rows marked."""
        old, new = self._lines, self._drawn()
        self._lines = new
        marked = 0
        for y, line in enumerate(new):
            spans = changed_spans(old[y], line) if y < len(old) else [(0, self._area[0])]
            if spans:
                # Textual draws each span from the widget's left edge on, so one is cheapest;
                # which of its cells are sent is the painter's to find.
                start, end = spans[0][0], spans[-1][1]
                self.refresh(Region(start, y, end - start, 1))
                marked += 1
        return marked

    def _drawn(self) -> list[Line]:
        width, height = self._area
        if not width or not height:
            return []
        rows = [joined(pad(clean(line), width)) for line in self.draw(width, height)[:height]]
        rows.extend([((" " * width, ""),)] * (height - len(rows)))
        return rows

    def on_resize(self, _event: events.Resize) -> None:
        """Draw for the size which the layout gave."""
        self.fit(*self.size)

    def notify_style_update(self) -> None:
        """Another theme: the rows stay, their colours do not."""
        self._roles = None
        super().notify_style_update()

    @property
    def roles(self) -> Roles:
        """The styles of the application's theme, or the defaults where there is none."""
        if self._roles is None:
            if not self.is_attached:
                return Roles()
            self._roles = Roles(self.app.theme_variables, _opaque(self.rich_style))
        return self._roles

    @property
    def monochrome(self) -> bool:
        """Whether shapes must say what colours can't."""
        return self.is_attached and bool(self.app.no_color)

    def render_line(self, y: int) -> Strip:
        """One row as Textual wants it."""
        if self.is_attached and tuple(self.size) != self._area:
            self._area = (self.size.width, self.size.height)
            self._lines = self._drawn()
        width, _ = self._area
        style = self.roles.style
        if not 0 <= y < len(self._lines):
            return Strip.blank(width, style(""))
        return Strip([Segment(text, style(words)) for text, words in self._lines[y]], width)

    @property
    def text(self) -> str:
        """The rows as they stand on the screen, for tests and for the clipboard."""
        return "\n".join("".join(text for text, _ in line).rstrip() for line in self._lines)


def _opaque(style: Style) -> Style:
    """The widget's own colours without attributes that are for its state."""
    return Style(color=style.color, bgcolor=style.bgcolor)
