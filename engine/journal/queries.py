"""Reading a journal: beside a running engine, after it, or from a copy.

A reader never writes and never takes the engine's lock. What it returns comes from the
events that the tables point to, each checked against its link of the chain, so that a
flipped byte is an error here too and never a wrong amount.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from engine.core.errors import JournalError
from engine.core.learning import REMOVED, Compared, Knowledge, Trials
from engine.core.lived import JournalEntry
from engine.core.news import Headline
from engine.core.records import (
    Accounted,
    AnyRecord,
    BreakerChanged,
    ChangeMoved,
    CoinScored,
    Commanded,
    ComparedOn,
    ControlChanged,
    Cooldown,
    Decided,
    DecidedFrom,
    Denied,
    Filled,
    Followed,
    HeadlineHeard,
    InsightFound,
    OpportunityBegan,
    OpportunityEnded,
    OrderChanged,
    Outlooked,
    PairScored,
    ParameterSet,
    PatternScored,
    PositionChanged,
    ProposalChanged,
    Quieted,
    RegimeChanged,
    RuleSet,
    RunStarted,
    Signalled,
    TradeClosed,
    TradeJournalled,
    TrialsRun,
)
from engine.core.types import (
    Control,
    Decision,
    Fill,
    Order,
    Position,
    Proposal,
    Signal,
    Trade,
    Value,
)
from engine.core.views import ControlView, Counterfactual
from engine.journal.codec import GENESIS, decode, link, row_bytes
from engine.journal.errors import JournalDamaged
from engine.journal.schema import APPLICATION_ID, VERSION

NOW = 1 << 62
"""After every event."""


class Event(Value, frozen=True):
    """One event as it stands in the journal: its record, and the text the digest is of."""

    seq: int
    time_ns: int
    kind: str
    body: str
    record: AnyRecord


class Status(Value, frozen=True):
    """A journal at a glance; amounts are those of the last account entry, None before it."""

    mode: str
    feed: str
    run: RunStarted | None
    control: ControlView | None
    last_seq: int
    last_ns: int
    counts: dict[str, int]
    equity: Decimal | None
    day_pnl: Decimal | None
    quote: str
    positions: int
    waiting: int
    trades: int


class Reader:
    """Read-only questions to one journal file; a context manager.

    Lists are newest first unless they say otherwise. Raises `JournalError` when the file is
    absent, foreign or newer, `JournalDamaged` when a row is not the one that was written.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._connection = _connect(self.path)

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def digest(self, until: int = NOW) -> str:
        """SHA-256 over all events in order, up to and with seq `until`."""
        digest = hashlib.sha256()
        for seq, time_ns, kind, body, _ in self._rows(
            "SELECT seq, time_ns, kind, body, chain FROM events WHERE seq <= ? ORDER BY seq", until
        ):
            digest.update(row_bytes(seq, time_ns, kind, body))
        return digest.hexdigest()

    def verify(self) -> int:
        """Check pages, indices and every link; returns the last seq."""
        problems = [row[0] for row in self._rows("PRAGMA integrity_check(3)")]
        if problems != ["ok"]:
            raise JournalDamaged(f"{self.path.name} is damaged: {problems[0]}", _RESTORE)
        chain, last = GENESIS, 0
        for seq, time_ns, kind, body, stored in self._rows(
            "SELECT seq, time_ns, kind, body, chain FROM events ORDER BY seq"
        ):
            chain = link(chain, row_bytes(seq, time_ns, kind, body))
            if chain != stored or seq != last + 1:
                raise JournalDamaged(f"event {seq} is not the one that was written", _RESTORE)
            last = seq
        return last

    def status(self) -> Status:
        """What `status` prints: run, control, money, what is open."""
        meta = {row[0]: row[1] for row in self._rows("SELECT key, value FROM meta")}
        last = list(self._rows("SELECT seq, time_ns FROM events ORDER BY seq DESC LIMIT 1"))
        accounts = self.accounts(limit=1)
        runs = self._records("runs", RunStarted, limit=1)
        return Status(
            mode=str(meta.get("mode", "")),
            feed=str(meta.get("feed", "")),
            run=runs[0] if runs else None,
            control=self.control(),
            last_seq=last[0][0] if last else 0,
            last_ns=last[0][1] if last else 0,
            counts={
                row[0]: row[1]
                for row in self._rows("SELECT kind, count(*) FROM events GROUP BY kind")
            },
            equity=accounts[0].account.equity if accounts else None,
            day_pnl=accounts[0].account.day_pnl if accounts else None,
            quote=accounts[0].account.quote if accounts else "",
            positions=self._count("positions"),
            waiting=self._count("proposals", "state = 'waiting'"),
            trades=self._count("trades"),
        )

    def trades(self, limit: int = 100, symbol: str | None = None) -> list[Trade]:
        return [r.trade for r in self._records("trades", TradeClosed, limit, symbol=symbol)]

    def orders(
        self, limit: int = 100, symbol: str | None = None, state: str | None = None
    ) -> list[Order]:
        found = self._records("orders", OrderChanged, limit, symbol=symbol, state=state)
        return [r.order for r in found]

    def fills(self, limit: int = 100, symbol: str | None = None) -> list[Fill]:
        return [r.fill for r in self._records("fills", Filled, limit, symbol=symbol)]

    def positions(self) -> list[tuple[Position, str]]:
        """Open positions with the JSON of their watch."""
        return [(r.position, r.watch) for r in self._records("positions", PositionChanged)]

    def proposals(self, limit: int = 100, state: str | None = None) -> list[Proposal]:
        return [r.proposal for r in self._records("proposals", ProposalChanged, limit, state=state)]

    def proposal(self, name: str) -> Proposal | None:
        """The proposal of that id in its last version."""
        found = self._records("proposals", ProposalChanged, 1, id=name)
        return found[0].proposal if found else None

    def approvals(self, limit: int = 100) -> list[ProposalChanged]:
        """Every change of every proposal, with who made it."""
        return self._records("approvals", ProposalChanged, limit)

    def decisions(self, limit: int = 100, symbol: str | None = None) -> list[Decision]:
        return [r.decision for r in self._records("decisions", Decided, limit, symbol=symbol)]

    def decision(self, name: str) -> Decision | None:
        found = self._records("decisions", Decided, 1, id=name)
        return found[0].decision if found else None

    def decision_ids(self, symbol: str | None = None) -> list[tuple[str, int]]:
        """Every decision with the seq of its event, oldest first; nothing is decoded."""
        where, values = ("symbol = ?", (symbol,)) if symbol else ("1", ())
        tables = ["decisions", *(["quiet"] if self.has("quiet") else [])]
        each = [f"SELECT id, seq FROM {table} WHERE {where}" for table in tables]
        query = f"{' UNION ALL '.join(each)} ORDER BY seq"
        return [(row[0], row[1]) for row in self._rows(query, *(values * len(tables)))]

    def quiet(self, name: str) -> Quieted | None:
        """What is kept of a decision at which no strategy spoke."""
        found = self._records("quiet", Quieted, 1, id=name) if self.has("quiet") else []
        return found[0] if found else None

    def inputs(self, decision: str, seq: int) -> list[DecidedFrom]:
        """What a decision was made from, by its id and the seq of its event; oldest first."""
        near = self.events(since=seq, kind="inputs", limit=_NEAR)
        records = [event.record for event in near]
        return [r for r in records if isinstance(r, DecidedFrom) and r.decision == decision]

    def instruments(self) -> list[tuple[int, DecidedFrom]]:
        """Each instrument as decisions saw it, from the seq at which it was as it is."""
        found = self.events(kind="inputs", text='"stage":"instrument"', limit=-1)
        return [(e.seq, e.record) for e in found if isinstance(e.record, DecidedFrom)]

    def entry_of(self, decision: str) -> tuple[Proposal | None, Denied | None, Trade | None]:
        """What a decision led to: its proposal as first made, its denial, its trade."""
        denied = self._records("blocked_trades", Denied, 1, decision_id=decision)
        closed = self._records("trades", TradeClosed, 1, decision_id=decision)
        wanted = self._records("proposals", ProposalChanged, 1, decision_id=decision)
        first = None
        if wanted:
            name = wanted[0].proposal.id
            changes = self._records("approvals", ProposalChanged, -1, proposal_id=name)
            first = changes[-1].proposal
        trade = closed[0].trade if closed else None
        return first, denied[0] if denied else None, trade

    def counterfactual(self, name: str) -> Counterfactual | None:
        """What became of the trade not made, by the id of its denial or proposal."""
        found = self._records("counterfactuals", Followed, 1, id=name)
        return found[0].counterfactual if found else None

    def vetoed(self, decision: str) -> Counterfactual | None:
        """What became of the entry that a decision with a model's veto held back."""
        found = self._records("counterfactuals", Followed, 1, code=decision)
        return found[0].counterfactual if found else None

    def run_at(self, seq: int) -> RunStarted | None:
        """The run in which an event was written."""
        query = "SELECT max(seq) FROM runs WHERE seq <= ?"
        began = next(self._rows(query, seq))[0]
        found = self.events(since=began - 1, kind="run_started", limit=1) if began else []
        record = found[0].record if found else None
        return record if isinstance(record, RunStarted) else None

    def signals(self, limit: int = 100, symbol: str | None = None) -> list[Signal]:
        return [r.signal for r in self._records("signals", Signalled, limit, symbol=symbol)]

    def denials(self) -> list[tuple[str, int]]:
        """How often each code refused, the most frequent first."""
        query = (
            "SELECT code, count(*) FROM blocked_trades GROUP BY code ORDER BY count(*) DESC, code"
        )
        return [(row[0], row[1]) for row in self._rows(query)]

    def denied(self, limit: int = 100, code: str | None = None) -> list[Denied]:
        return self._records("blocked_trades", Denied, limit, code=code)

    def counterfactuals(self, limit: int = 100) -> list[Counterfactual]:
        found = self._records("counterfactuals", Followed, limit)
        return [r.counterfactual for r in found]

    def accounts(self, limit: int = 100) -> list[Accounted]:
        return self._records("account_history", Accounted, limit)

    def regimes(self, limit: int = 100, symbol: str | None = None) -> list[RegimeChanged]:
        return self._records("regime_transitions", RegimeChanged, limit, symbol=symbol)

    def control(self) -> ControlView | None:
        """The control state as it was last set."""
        found = self._records("control_history", ControlChanged, 1)
        if not found:
            return None
        r = found[0]
        return ControlView(state=Control(r.state), reason=r.reason, since_ns=r.time_ns, who=r.who)

    def knowledge(self) -> Knowledge:
        """The last row of everything that is known, the oldest first."""
        return Knowledge(
            time_ns=self.status().last_ns,
            coins=tuple(r.coin for r in self._learned("coin_scores", CoinScored)[::-1]),
            pairs=tuple(r.pair for r in self._learned("pair_scores", PairScored)[::-1]),
            patterns=tuple(
                r.pattern for r in self._learned("trading_patterns", PatternScored)[::-1]
            ),
            rules=tuple(
                r.rule
                for r in self._learned("regime_rules", RuleSet)[::-1]
                if r.rule.made_by != REMOVED
            ),
            insights=tuple(
                sorted(
                    (r.insight for r in self._learned("insights", InsightFound)),
                    key=lambda one: (-one.known_ns, one.id),
                )
            ),
        )

    def lived(self, limit: int = 100) -> list[JournalEntry]:
        """Closed trades with their context, those that were told of last first."""
        return [r.entry for r in self._learned("trade_journal", TradeJournalled, limit)]

    def headlines(self, limit: int = 12) -> list[Headline]:
        """The newest headlines that were heard."""
        return [r.headline for r in self._learned("news_items", HeadlineHeard, limit)]

    def lived_of(self, trade: str) -> JournalEntry | None:
        """A closed trade with its context."""
        found = self._learned("trade_journal", TradeJournalled, 1, id=trade)
        return found[0].entry if found else None

    def controls(self, limit: int = 100) -> list[ControlChanged]:
        return self._records("control_history", ControlChanged, limit)

    def breakers(self, limit: int = 100) -> list[BreakerChanged]:
        return self._records("circuit_breaker_events", BreakerChanged, limit)

    def outlooks(self, symbol: str | None = None) -> list[Outlooked]:
        """The newest outlook of each symbol, or of one; they carry no hash."""
        where, values = ("symbol = ?", (symbol,)) if symbol else ("1", ())
        query = f"SELECT body FROM outlooks WHERE {where} ORDER BY symbol"
        found = [decode(body) for (body,) in self._rows(query, *values)]
        return [record for record in found if isinstance(record, Outlooked)]

    def parameters(self) -> list[ParameterSet]:
        """The last setting of each parameter in each scope."""
        return self._records("param_values", ParameterSet)

    def parameter_history(self, name: str, limit: int = 100) -> list[ParameterSet]:
        return self._records("param_history", ParameterSet, limit, name=name)

    def commands(self, limit: int = 100) -> list[Commanded]:
        return self._records("commands", Commanded, limit)

    def commanded(self, name: str) -> Commanded | None:
        """What became of the command of that id."""
        found = self._records("commands", Commanded, 1, id=name)
        return found[0] if found else None

    def cooldowns(self) -> dict[str, int]:
        """By symbol, until when (nanoseconds) it may not be entered."""
        return {r.symbol: r.until_ns for r in self._records("cooldowns", Cooldown)}

    # What was learned. A file from before version 5 has nothing of it.

    def changes(self, limit: int = -1, state: str | None = None) -> list[ChangeMoved]:
        """Every change as it stands now, the last one that moved first."""
        return self._learned("changes", ChangeMoved, limit, state=state)

    def change(self, name: str) -> ChangeMoved | None:
        """The change of that id as it stands now."""
        found = self._learned("changes", ChangeMoved, 1, id=name)
        return found[0] if found else None

    def change_steps(self, name: str) -> list[tuple[int, ChangeMoved]]:
        """Every step of a change with its seq, oldest first."""
        return self._counted("change_history", name)

    def comparisons(self, name: str | None = None) -> list[tuple[int, ComparedOn]]:
        """What changes were compared on with its seq, in the order in which it was counted."""
        return self._counted("change_evidence", name)

    def compared(self, change: str | None = None) -> list[Compared]:
        """As `comparisons`, the values alone."""
        return [record.compared for _, record in self.comparisons(change)]

    def trials(self, limit: int = -1) -> list[Trials]:
        return [r.trials for r in self._learned("trials", TrialsRun, limit)]

    def opportunities(
        self, limit: int = -1, name: str | None = None
    ) -> list[OpportunityBegan | OpportunityEnded]:
        """Opportunities, ended or still followed, or the one of that id."""
        kind: Any = OpportunityBegan | OpportunityEnded
        return self._learned("opportunities", kind, limit, id=name)

    def frozen(self) -> list[str]:
        """Targets that a person has frozen against changes."""
        if not self.has("frozen_targets"):
            return []
        query = "SELECT target FROM frozen_targets WHERE frozen ORDER BY target"
        return [row[0] for row in self._rows(query)]

    def events(
        self, since: int = 0, kind: str | None = None, text: str | None = None, limit: int = 1_000
    ) -> list[Event]:
        """Events after seq `since`, oldest first; `text` must occur in the row's JSON."""
        where = ["e.seq > ?"]
        values: list[Any] = [since]
        if kind is not None:
            where.append("e.kind = ?")
            values.append(kind)
        if text:
            where.append("instr(lower(e.body), lower(?))")
            values.append(text)
        return list(self._events("", " AND ".join(where), values, "ASC", limit))

    def records(self, kinds: Iterable[str]) -> Iterator[AnyRecord]:
        """The records of these kinds, oldest first, one at a time."""
        wanted = sorted(kinds)
        where = f"e.kind IN ({', '.join('?' * len(wanted))})"
        for event in self._events("", where, list(wanted), "ASC", -1):
            yield event.record

    def last_events(self, limit: int = 100) -> list[Event]:
        """The newest events, oldest first."""
        return list(self._events("", "1", [], "DESC", limit))[::-1]

    def table(self, name: str) -> Iterator[dict[str, Any]]:
        """Every row of a table by column name, in a stable order."""
        cursor = self._connection.execute(f'SELECT * FROM "{name}" ORDER BY 1, 2')
        columns = [column[0] for column in cursor.description]
        for row in cursor:
            yield dict(zip(columns, row, strict=True))

    def tables(self) -> list[str]:
        query = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name"
        return [row[0] for row in self._rows(query) if not row[0].startswith("sqlite_")]

    def has(self, table: str) -> bool:
        """Whether there is such a table or view; older files lack the later ones."""
        query = "SELECT 1 FROM sqlite_schema WHERE name = ?"
        return next(self._rows(query, table), None) is not None

    def _counted(self, table: str, change: str | None) -> list[Any]:
        if not self.has(table):
            return []
        where, values = ("t.change_id = ?", [change]) if change else ("1", [])
        join = f"JOIN {table} t ON t.seq = e.seq"
        events = self._events(join, where, values, "ASC", -1)
        return [(event.seq, event.record) for event in events]

    def _learned(
        self, table: str, kind: type[Any], limit: int = -1, **where: str | None
    ) -> list[Any]:
        return self._records(table, kind, limit, **where) if self.has(table) else []

    def _records(
        self, table: str, kind: type[Any], limit: int = -1, **where: str | None
    ) -> list[Any]:
        named = {key: value for key, value in where.items() if value is not None}
        condition = " AND ".join(f"t.{key} = ?" for key in named) or "1"
        join = f"JOIN {table} t ON t.seq = e.seq"
        events = self._events(join, condition, list(named.values()), "DESC", limit)
        records = [event.record for event in events]
        for record in records:
            if not isinstance(record, kind):
                raise JournalDamaged(f"a row of {table} points to another event", _RESTORE)
        return records

    def _events(
        self, join: str, where: str, values: list[Any], order: str, limit: int
    ) -> Iterator[Event]:
        query = (
            "SELECT e.seq, e.time_ns, e.kind, e.body, e.chain, p.chain FROM events e "
            f"{join} LEFT JOIN events p ON p.seq = e.seq - 1 "
            f"WHERE {where} ORDER BY e.seq {order} LIMIT ?"
        )
        for seq, time_ns, kind, body, chain, before in self._rows(query, *values, limit):
            row = row_bytes(seq, time_ns, kind, body)
            if link(GENESIS if seq == 1 else before or b"", row) != chain:
                raise JournalDamaged(f"event {seq} is not the one that was written", _RESTORE)
            record = decode(body)
            yield Event(seq=seq, time_ns=time_ns, kind=kind, body=body, record=record)

    def _count(self, table: str, where: str = "1") -> int:
        return int(next(self._rows(f"SELECT count(*) FROM {table} WHERE {where}"))[0])

    def _rows(self, query: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._connection.execute(query, values)
        except sqlite3.OperationalError as error:
            raise JournalError(f"can't read {self.path.name}: {error}", "try again") from None
        except (sqlite3.DatabaseError, msgspec.MsgspecError) as error:
            raise JournalDamaged(f"{self.path.name} is damaged: {error}", _RESTORE) from None


_RESTORE = "restore the newest backup"

_NEAR = 200
"""Size and gates of a decision stand within this many of such records after it."""


def _connect(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise JournalError(f"there is no journal {path}", "start an engine first, or name another")
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    try:
        connection = _probe(uri)
    except sqlite3.OperationalError:
        # A copy in a folder where SQLite may not even put its shared memory.
        if path.with_name(path.name + "-wal").exists():
            raise JournalError(f"can't read {path}", "is its folder writable?") from None
        connection = _probe(uri + "&immutable=1")
    except sqlite3.DatabaseError as error:
        raise JournalError(f"can't read {path}: {error}", "is it a journal?") from None
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application != APPLICATION_ID or version > VERSION:
        connection.close()
        what = "belongs to another program" if application != APPLICATION_ID else "is newer"
        raise JournalError(f"{path} {what}", "name another file")
    return connection


def _probe(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=2.0)
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.Error:
        with contextlib.suppress(sqlite3.Error):
            connection.close()
        raise
    return connection
