"""A journal behind the screens: `quarterdeck inspect`, a hub in which nothing can be ordered.

It reads beside a running engine as well as from a copied file, looks again every second,
and never writes.
"""

from __future__ import annotations

from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

from app.lastknown import last_known
from app.learnedview import KINDS, LearnedFold
from app.state import READING
from engine.core.commands import Ack, AnyCommand
from engine.core.errors import QuarterdeckError
from engine.core.records import (
    Accounted,
    AnyRecord,
    Decided,
    Filled,
    PositionChanged,
    TradeClosed,
)
from engine.core.views import EquityPoint, Snapshot
from engine.hub import LocalHub, Slice
from engine.journal.lines import line
from engine.journal.queries import Reader
from engine.journal.streams import KEPT, streamed
from engine.wire.rows import Assembler, Dissector

if TYPE_CHECKING:
    from app.app import QuarterdeckApp

LINES = 5_000
POINTS = 20_000
DECISIONS = 500
AGAIN_S = 1.0
TRADED = (Filled, PositionChanged, TradeClosed)
"""What charts draw of the newest events; of what is learned they are given everything."""


class JournalHub:
    """A hub over a journal file; `read` brings it up to date, in one thread.

    Commands are refused at once. Raises `JournalError` for a file that is no journal of ours.
    """

    trouble = READING

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inner = LocalHub()
        self._dissector = Dissector()
        self._assembler = Assembler()
        self._refused: dict[str, Ack] = {}
        self._learned = LearnedFold()
        self._seq = -1
        self._version = 0

    @property
    def snapshot(self) -> Snapshot | None:
        return self._inner.snapshot

    def stream(self, name: str) -> Slice:
        return self._inner.stream(name)

    def since(self, name: str, seq: int) -> Slice:
        return self._inner.since(name, seq)

    def send(self, command: AnyCommand) -> None:
        now = self.snapshot.time_ns if self.snapshot is not None else 0
        self._refused = {
            command.id: Ack(id=command.id, ok=False, code="read_only", text=READING, time_ns=now)
        }

    def ack(self, command_id: str) -> Ack | None:
        return self._refused.get(command_id)

    def read(self) -> bool:
        """Take what was written since; True when there was anything."""
        with Reader(self._path) as reader:
            last = reader.status().last_seq
            if last == self._seq:
                return False
            if self._seq < 0:
                self._begin(reader)
            else:
                for event in reader.events(self._seq, limit=-1):
                    if event.seq <= last:
                        self._append(event.seq, event.record)
            self._seq = last
            self._version += 1
            made = last_known(reader, self._path, self._version, self._learned.view())
        # Rows that are as they were stay the same objects, which panels compare by.
        fields = self._dissector.fields(made)
        self._inner.publish(self._assembler.take(fields))
        return True

    def _begin(self, reader: Reader) -> None:
        """The newest of everything; older events stay in the file."""
        for account in reversed(reader.accounts(POINTS)):
            self._point(account)
        for decision in reversed(reader.decisions(DECISIONS)):
            self._inner.append("decisions", decision)
        for record in reader.records({*KINDS, "parameter"}):
            self._learned.add(record)
            self._item(record)
        for event in reader.last_events(LINES):
            if isinstance(event.record, TRADED):
                self._item(event.record)
            self._line(event.seq, event.record)

    def _append(self, seq: int, record: AnyRecord) -> None:
        if isinstance(record, Accounted):
            self._point(record)
        elif isinstance(record, Decided):
            self._inner.append("decisions", record.decision)
        self._learned.add(record)
        self._item(record)
        self._line(seq, record)

    def _item(self, record: AnyRecord) -> None:
        item = streamed(record)
        if item is not None:
            self._inner.append(*item, KEPT)

    def _line(self, seq: int, record: AnyRecord) -> None:
        text = line(seq, record)
        if text is not None:
            self._inner.append("journal", text, LINES)

    def _point(self, record: Accounted) -> None:
        account = record.account
        point = EquityPoint(
            time_ns=record.time_ns,
            equity=float(account.equity),
            drawdown_pct=account.drawdown_pct,
        )
        self._inner.append("equity", point, POINTS)


class Pages:
    """What stands behind a screen that inspects: a thread that reads the journal again."""

    def __init__(self, path: Path) -> None:
        self.hub = JournalHub(path)
        self.hub.read()
        self._leaving = Event()
        self._thread = Thread(target=self._run, name="qd-pages", daemon=True)
        self.app: QuarterdeckApp | None = None
        self.refused: QuarterdeckError | None = None

    def start(self) -> None:
        app = self.app
        if app is not None:
            app.attach(self.hub)
        self._thread.start()

    def stop(self) -> None:
        self._leaving.set()

    def _run(self) -> None:
        while not self._leaving.wait(AGAIN_S):
            try:
                self.hub.read()
            except QuarterdeckError as error:
                self._tell(error)
                return

    def _tell(self, error: QuarterdeckError) -> None:
        app = self.app
        if app is not None and not self._leaving.is_set():
            app.call_from_thread(app.engine_failed, error)
