"""Dialogs: where the risky direction asks.

Each focuses Cancel, answers to another key than the one that opened it, does not take Enter
alone and is deaf for its first quarter second, so that no key meant for something else can
confirm an order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation

from rich.cells import chop_cells
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.geometry import Size
from textual.widget import Widget
from textual.widgets import Input

from app.chrome import Bar, Parts
from app.modal import Modal
from app.shown import LOOK_NS
from engine.core.clock import monotonic_ns
from widgets.cells import width_of
from widgets.lines import Line, LineWidget, Run, line_width, run

Answer = str | dict[str, str] | None


class Body(LineWidget):
    """Lines of a dialog, scrolled by the dialog's keys; longer ones are folded."""

    DEFAULT_CSS = """
    Body { height: auto; width: 1fr; background: $panel; color: $foreground; }
    """

    def __init__(self, rows: Sequence[Parts], indent: int = 0) -> None:
        super().__init__(id="dialog-body")
        self._rows = [tuple(run(text, words) for text, words in row) for row in rows]
        self._indent = indent
        self.top = 0

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return max(1, len(self._folded(width)))

    def _folded(self, width: int) -> list[Line]:
        return [line for row in self._rows for line in fold(row, width, self._indent)]

    def move(self, lines: int) -> None:
        """Scroll by lines within what there is."""
        last = max(0, len(self._folded(self.size.width)) - self.size.height)
        top = min(max(0, self.top + lines), last)
        if top != self.top:
            self.top = top
            self.redraw()

    def draw(self, width: int, height: int) -> Sequence[Line]:
        return self._folded(width)[self.top :]

    @property
    def says(self) -> str:
        """The whole text, scrolled out of view or not."""
        return "\n".join("".join(text for text, _ in row) for row in self._rows)


def fold(row: Line, width: int, indent: int = 0) -> list[Line]:
    """One row as rows of at most `width` cells, broken at spaces where it can be.

    All but the first are indented, where the width leaves room for that.
    """
    indent = indent if width > 2 * indent else 0
    if line_width(row) <= width:
        return [row]
    lines: list[Line] = []
    line: list[Run] = []
    used = 0
    for text, words in row:
        for word in re.findall(r"\s+|\S+", text):
            piece = word
            if used + width_of(piece) > width and line:
                lines.append(tuple(line))
                line, used = [(" " * indent, "")] if indent else [], indent
                piece = piece.lstrip()
            while width_of(piece) > width - used > 0:
                head, *rest = chop_cells(piece, width - used)
                lines.append((*line, (head, words)))
                line, used = [], 0
                piece = "".join(rest)
            if piece:
                line.append((piece, words))
                used += width_of(piece)
    lines.append(tuple(line))
    return lines


@dataclass(frozen=True)
class Choice:
    """A way to answer: its key, its words and what it returns."""

    key: str
    label: str
    result: str
    danger: bool = False


CANCEL = Choice("escape", "Cancel", "")


class Choices(LineWidget, can_focus=True):
    """The answers in one row; the cursor starts on Cancel, which stands first."""

    DEFAULT_CSS = """
    Choices { height: 1; width: 1fr; background: $panel; color: $foreground; }
    """

    def __init__(
        self, choices: Sequence[Choice], cancel: str = CANCEL.label, index: int = 0
    ) -> None:
        super().__init__(id="choices")
        self.choices = (replace(CANCEL, label=cancel), *choices)
        self.index = index

    def step(self, by: int) -> None:
        self.index = (self.index + by) % len(self.choices)
        self.redraw()

    def labels(self) -> list[str]:
        """The words of each answer, as drawn."""
        return [f" {c.key.replace('escape', 'esc')} {c.label} " for c in self.choices]

    def draw(self, width: int, height: int) -> Sequence[Line]:
        parts: list[Run] = []
        for index, (choice, label) in enumerate(zip(self.choices, self.labels(), strict=True)):
            words = "danger" if choice.danger else ""
            parts += [(label, f"{words} bold reverse" if index == self.index else words), (" ", "")]
        return [tuple(parts)]


class Dialog(Modal[Answer]):
    """Asks one question. Returns the chosen result, or None when it was cancelled.

    `opener` is the key that opened it; a choice on that key is refused when it is built.
    """

    DEFAULT_CSS = """
    Dialog { align: center middle; background: $background 0%; }
    Dialog > Vertical {
        width: 76; max-width: 100%; height: auto; max-height: 100%;
        background: $panel; border: round $primary; padding: 0 1;
    }
    Dialog Body { max-height: 60vh; margin: 0 0 1 0; }
    Dialog Input {
        height: 1; border: none; padding: 0; background: $surface;
    }
    Dialog Input:focus { border: none; background: $boost; }
    Dialog #error { color: $danger; }
    """
    AUTO_FOCUS = "#choices"

    def __init__(
        self,
        title: str,
        rows: Sequence[Parts],
        choices: Sequence[Choice],
        opener: str = "",
        monotonic: Callable[[], int] = monotonic_ns,
        indent: int = 0,
    ) -> None:
        super().__init__()
        for choice in choices:
            if choice.key in (opener, "enter", "escape"):
                raise ValueError(f"a dialog opened by {opener} can't be confirmed by {choice.key}")
        self._title = title
        self._rows = rows
        self._choices = tuple(choices)
        self._monotonic = monotonic
        self._opened_ns: int | None = None
        self.body = Body(rows, indent)
        self.choices = Choices(choices)
        self.heading = Bar("dialog-title", [(title, "bold")])

    def tell(self, text: str, style: str) -> None:
        """Say beside the title what happened meanwhile: the dialog may cover the message line."""
        said = (text, f"bold {style}" if style else "")
        self.heading.put([(self._title, "bold"), ("  ", ""), said])

    def takes(self, key: str) -> bool:
        """Whether a key means something here, so that it must not do anything else."""
        return isinstance(self.focused, Input) or any(key == choice.key for choice in self._choices)

    def compose(self) -> ComposeResult:
        with Vertical():
            yield self.heading
            yield self.body
            yield from self.fields()
            yield self.choices

    def fields(self) -> Sequence[Widget]:
        """Input lines between the text and the answers; none here."""
        return ()

    def on_mount(self) -> None:
        self.call_after_refresh(self._open)

    def _open(self) -> None:
        self._opened_ns = self._monotonic()

    @property
    def deaf(self) -> bool:
        """True for the first quarter second after it was painted."""
        opened = self._opened_ns
        return opened is None or self._monotonic() - opened < LOOK_NS

    def on_key(self, event: events.Key) -> None:
        """Textual calls this for every class of the line; the last word has `take_key`."""
        self.take_key(event)

    def take_key(self, event: events.Key) -> None:
        """All keys of a plain dialog; forms leave typing to their fields."""
        event.stop()
        event.prevent_default()
        key = event.key
        if key == "escape":
            self.dismiss(None)
        elif key in ("tab", "right"):
            self.step_focus(1)
        elif key in ("shift+tab", "left"):
            self.step_focus(-1)
        elif key in ("down", "j", "pagedown"):
            self.body.move(10 if key == "pagedown" else 1)
        elif key in ("up", "k", "pageup"):
            self.body.move(-10 if key == "pageup" else -1)
        elif key == "enter":
            self.enter()
        else:
            for choice in self._choices:
                if choice.key == key:
                    self.choose(choice)
                    return

    def on_click(self, event: events.Click) -> None:
        """A click on an answer takes it."""
        if event.widget is not self.choices:
            return
        used = 0
        for choice, label in zip(self.choices.choices, self.choices.labels(), strict=True):
            width = width_of(label)
            if used <= event.x < used + width:
                if choice.key == CANCEL.key:
                    self.dismiss(None)
                else:
                    self.choose(choice)
                return
            used += width + 1

    def step_focus(self, by: int) -> None:
        self.choices.step(by)

    def enter(self) -> None:
        """Enter takes the answer that a person has moved to; at first that is Cancel."""
        choice = self.choices.choices[self.choices.index]
        if choice.key == CANCEL.key:
            self.dismiss(None)
        else:
            self.choose(choice)

    def choose(self, choice: Choice) -> None:
        self.dismiss(choice.result)


class Notice(Dialog):
    """A text to read: details and help. Any of esc, enter and q closes it."""

    DEFAULT_CSS = """
    Notice > Vertical { width: 100; }
    Notice Body { max-height: 80vh; }
    """

    def __init__(
        self,
        title: str,
        rows: Sequence[Parts],
        monotonic: Callable[[], int] = monotonic_ns,
        indent: int = 0,
    ) -> None:
        super().__init__(title, rows, (), monotonic=monotonic, indent=indent)
        self.choices = Choices((), cancel="Close, j and k scroll")

    @property
    def deaf(self) -> bool:
        return False

    def take_key(self, event: events.Key) -> None:
        if event.key in ("q", "question_mark"):
            event.stop()
            self.dismiss(None)
        elif event.key in ("g", "home", "G", "end"):
            event.stop()
            self.body.move(-1_000_000 if event.key in ("g", "home") else 1_000_000)
        else:
            super().take_key(event)


Check = Callable[[str], str]


@dataclass(frozen=True)
class Field:
    """One line to fill in. `check` returns what is wrong with a text, or an empty one."""

    name: str
    label: str
    value: str
    check: Check


class Form(Dialog):
    """Asks for values. Returns those that were changed, by name.

    Enter alone does nothing: something must have been typed, and every field must pass its
    check; what is wrong is said below the fields, which stay as they are.
    """

    AUTO_FOCUS = "Input"

    def __init__(
        self,
        title: str,
        rows: Sequence[Parts],
        fields: Sequence[Field],
        submit: str = "Do it",
        monotonic: Callable[[], int] = monotonic_ns,
    ) -> None:
        super().__init__(title, rows, (), monotonic=monotonic)
        self._fields = tuple(fields)
        self._submit = submit
        self.error = Bar("error")
        # No answer is under a cursor while the fields have the keys.
        self.choices = Choices((Choice("enter", submit, "submit"),), index=-1)

    def fields(self) -> Sequence[Widget]:
        widgets: list[Widget] = []
        for field in self._fields:
            label = Bar(f"label-{field.name}", [(field.label, "muted")])
            line = Input(field.value, id=f"field-{field.name}", select_on_focus=False)
            line.cursor_blink = False
            widgets += [label, line]
        return [*widgets, self.error]

    def values(self) -> dict[str, str]:
        return {
            f.name: self.query_one(f"#field-{f.name}", Input).value.strip() for f in self._fields
        }

    def step_focus(self, by: int) -> None:
        if by > 0:
            self.focus_next(Input)
        else:
            self.focus_previous(Input)

    def take_key(self, event: events.Key) -> None:
        if event.key in ("tab", "shift+tab", "down", "up"):
            event.stop()
            event.prevent_default()
            self.step_focus(1 if event.key in ("tab", "down") else -1)
        elif event.key == "escape":
            event.stop()
            self.dismiss(None)

    def on_input_changed(self, _event: Input.Changed) -> None:
        self.error.put([])

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.submit()

    def choose(self, choice: Choice) -> None:
        self.submit()

    def submit(self) -> None:
        """Hand back what was changed, or say what is wrong with it."""
        values = self.values()
        for field in self._fields:
            if wrong := field.check(values[field.name]):
                self.error.put([(wrong, "danger")])
                self.query_one(f"#field-{field.name}", Input).focus()
                return
        changed = {f.name: values[f.name] for f in self._fields if values[f.name] != f.value}
        if not changed:
            self.error.put([("nothing was changed; esc leaves it as it is", "warn")])
            return
        self.dismiss(dict(changed))


def parse_decimal(text: str) -> Decimal | None:
    """A finite number above zero, with or without thousands separators; None otherwise."""
    try:
        value = Decimal(text.replace(",", "").replace("_", "").strip())
    except InvalidOperation:
        return None
    return value if value.is_finite() and value > 0 else None


def parse_prices(text: str) -> tuple[Decimal, ...] | None:
    """Prices separated by spaces or semicolons, or by comma and space; None when one is none."""
    words = text.replace(";", " ").replace(", ", " ").split()
    values = [parse_decimal(word) for word in words]
    found = tuple(value for value in values if value is not None)
    return found if len(found) == len(values) else None


def price_check(text: str) -> str:
    """What is wrong with a price."""
    return "" if parse_decimal(text) is not None else f"{text or 'nothing'} is no price above 0"


def reason_check(text: str) -> str:
    """What is wrong with a reason."""
    return "" if len(text) >= 3 else "write why, in a word or a sentence"


def optional(_text: str) -> str:
    """Anything goes."""
    return ""
