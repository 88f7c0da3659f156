"""The terminal driver: hang-ups, signals and stalled terminals end the program properly.

Textual handles neither SIGHUP nor SIGTERM, spins on a terminal that went away and waits
without end for one that does not read. Here every way out restores the terminal, flushes
the engine and leaves within a second of that flush; a watchdog ends what does not end.
"""

from __future__ import annotations

import os
import selectors
import signal
import sys
import termios
import threading
from codecs import getincrementaldecoder
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, Any

from textual import events
from textual._parser import ParseError
from textual._xterm_parser import XTermParser
from textual.drivers import linux_driver as base
from textual.drivers.linux_driver import LinuxDriver
from textual.geometry import Size

from app.writer import TerminalWriter
from engine.core.errors import QuarterdeckError

if TYPE_CHECKING:
    from textual.app import App

LEAVE_SECONDS = 0.7
FLUSH_SECONDS = 10.0
"""How long the engine may take to flush before the watchdog ends the process anyway."""

_RESTORE = (
    "\x1b[?2026l"  # end of synchronised output
    "\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?1016l"  # mouse reports
    "\x1b[?2004l\x1b[?1004l\x1b[?2048l"  # paste, focus and resize reports
    "\x1b[<u"  # the extended keyboard protocol
    "\x1b[0m\x1b[?7h\x1b[?1049l\x1b[?25h"  # colours, line wrap, alternate screen, cursor
)


def require_terminal() -> None:
    """Raise unless a person sits at both ends: keys come in and a screen goes out."""
    for stream, word in ((sys.__stdin__, "input"), (sys.__stdout__, "output")):
        if stream is None or not stream.isatty():
            raise QuarterdeckError(
                f"the screen needs a terminal, and its {word} is none",
                "run it in a terminal, or use the commands with --json",
            )


class Exit:
    """The one way out: asked for by a key, a signal or a hang-up, and taken once.

    `flush` ends the engine. It runs once, whoever asks first; the others wait for it, and
    nobody waits longer than `FLUSH_SECONDS`.
    """

    def __init__(self, flush: Callable[[], None] | None = None) -> None:
        self._flush = flush
        self._lock = threading.Lock()
        self._started = False
        self.flushed = threading.Event()
        self.left = threading.Event()
        self.signal = 0
        self.fault: BaseException | None = None

    def flush(self) -> bool:
        """Flush the engine in a thread of its own; False when it has not ended in time."""
        with self._lock:
            if not self._started:
                self._started = True
                threading.Thread(target=self._run, daemon=True, name="flush").start()
        return self.flushed.wait(FLUSH_SECONDS)

    def _run(self) -> None:
        try:
            if self._flush is not None:
                self._flush()
        except BaseException as error:  # noqa: BLE001 - leaving goes on whatever happens
            self.fault = error
        finally:
            self.flushed.set()


class QuarterdeckDriver(LinuxDriver):
    """Draws on standard output and treats a lost terminal as a wish to leave.

    `way_out` is the process's `Exit`, set by the session before the application starts.
    """

    way_out: Exit = Exit()

    def __init__(
        self,
        app: App[Any],
        *,
        debug: bool = False,
        mouse: bool = True,
        size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        assert sys.__stdout__ is not None
        self._screen_fd = os.dup(sys.__stdout__.fileno())
        self._leaving = False
        self._writer: TerminalWriter | None = None
        self._handlers: dict[int, Any] = {}

    @property
    def backlog(self) -> int:
        """Frames that the terminal has not taken yet."""
        return self._writer.backlog if self._writer else 0

    @property
    def frames(self) -> int:
        """Writes so far; a sample that painted nothing leaves it unchanged."""
        return self._writer.frames if self._writer else 0

    def _get_terminal_size(self) -> tuple[int, int]:
        try:
            width, height = os.get_terminal_size(self._screen_fd)
        except OSError:
            width, height = 80, 24
        return max(width, 1), max(height, 1)

    def start_application_mode(self) -> None:
        """Start drawing; signals are taken over before the first byte goes out."""
        if self._writer is not None:
            self._repaint()  # drawing goes on after a suspension: the screen is empty
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            self._handlers[number] = signal.signal(number, self._on_signal)
        # The base class makes its writer while it starts; giving it the class to make is
        # the one seam that it offers without a copy of the whole method. Its module does not
        # tell the class, nor its methods their types: hence what is not checked here.
        original = base.WriterThread  # type: ignore[attr-defined]
        base.WriterThread = self._make_writer  # type: ignore[attr-defined,assignment]
        try:
            super().start_application_mode()  # type: ignore[no-untyped-call]
        finally:
            base.WriterThread = original  # type: ignore[attr-defined]
        signal.signal(signal.SIGWINCH, self._on_window)

    def _on_window(self, _number: int, _frame: FrameType | None) -> None:
        """The window changed: its size is read on the loop, after all signals there were.

        A handler that reads it itself is interrupted by the next signal's, and what it read
        before would be told last.
        """
        if not self._in_band_window_resize:
            with suppress(RuntimeError):  # the loop may have ended by itself
                self._loop.call_soon_threadsafe(self._tell_size)

    def _tell_size(self) -> None:
        size = Size(*self._get_terminal_size())
        self._app.post_message(events.Resize(size, size))

    def _make_writer(self, _file: object) -> TerminalWriter:
        self._writer = TerminalWriter(self._screen_fd, self._hang_up, self._repaint)
        return self._writer

    def _repaint(self) -> None:
        repaint = getattr(self._app, "repaint", self._app.refresh)
        with suppress(RuntimeError):  # the loop may have ended by itself
            self._loop.call_soon_threadsafe(repaint)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self.leave(number)

    def _hang_up(self) -> None:
        self.leave(signal.SIGHUP)

    def leave(self, number: int) -> None:
        """Leave because of a signal or a hang-up: flush, stop drawing, restore, go.

        Safe in a signal handler and from any thread; a second call changes nothing.
        """
        if self._leaving:
            return
        self._leaving = True
        self.way_out.signal = number
        threading.Thread(target=self._end, args=(number,), daemon=True, name="watchdog").start()

    def _end(self, number: int) -> None:
        self.way_out.flush()
        with suppress(RuntimeError):  # the loop may have ended by itself
            self._loop.call_soon_threadsafe(self._app.exit, None, 128 + number)
        if not self.way_out.left.wait(LEAVE_SECONDS):
            self.restore()
            os._exit(128 + number)

    def restore(self) -> None:
        """Put the terminal back with nobody's help: no loop, no queue, no other thread."""
        if self.attrs_before is not None:
            try:
                termios.tcflush(self._screen_fd, termios.TCOFLUSH)
                termios.tcsetattr(self.fileno, termios.TCSANOW, self.attrs_before)
            except (termios.error, OSError):
                return
        try:
            os.set_blocking(self._screen_fd, False)
            os.write(self._screen_fd, _RESTORE.encode())
        except OSError:
            return
        finally:
            with suppress(OSError):
                os.set_blocking(self._screen_fd, True)

    def stop_application_mode(self) -> None:
        """Stop drawing; a terminal that does not read is restored past the queue."""
        super().stop_application_mode()
        for number, handler in self._handlers.items():
            if not self._leaving:
                signal.signal(number, handler)

    def close(self) -> None:
        """End the writer, at the latest after a moment."""
        if self._writer is not None and (not self._writer.stop() or self._writer.dropped):
            self.restore()

    def run_input_thread(self) -> None:
        """Read keys until told to stop; an ended or broken terminal is a hang-up."""
        parser = XTermParser(self._debug)
        decode = getincrementaldecoder("utf-8")("replace").decode
        with selectors.DefaultSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                if selector.select(0.1):
                    try:
                        data = os.read(self.fileno, 4_096)
                    except InterruptedError:
                        continue
                    except OSError:
                        data = b""
                    if not data:
                        self._hang_up()
                        return
                    for message in parser.feed(decode(data)):
                        self.process_message(message)
                for message in parser.tick():
                    self.process_message(message)
        try:
            for _ in parser.feed(""):
                continue
        except (EOFError, ParseError):
            return
