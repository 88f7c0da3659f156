"""Commands about what is known: show it, and override it.

What a person sets stands until they take it back; learners leave it alone meanwhile.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated

import typer

from app import commanding
from app.commanding import Base, Reason
from app.journals import ConfigFile, Db, Feed, Json, Mode, pick_for
from app.telling import Table, plain, say_json, say_table
from engine.core import commands as c
from engine.core.clock import iso
from engine.core.errors import CommandRefused
from engine.core.learning import CoinStatus, Insight, Knowledge, PairStatus, Rule
from engine.core.lived import JournalEntry
from engine.journal.queries import Reader

AUTO = "auto"
"""The status that leaves a coin to the learners again."""

INSIGHT_STATES = ("strike", "reword", "restore")

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    for command in (knowledge, lessons):
        app.command(command.__name__)(command)
    commanding.register(app, (coin, pair, pattern, rule, insight))


def knowledge(
    db: Db = None,
    feed: Feed = None,
    mode: Mode = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> int:
    """What is known of coins, strategies in symbols, patterns and hours, with n and interval."""
    picked = pick_for(config, db, feed, mode)
    with Reader(picked.path) as reader:
        known = reader.knowledge()
    if as_json:
        facts = plain(known)
        for row, score in zip(facts["coins"], known.coins, strict=True):
            row["win_rate"] = plain(score.win_rate)
        say_json({"journal": str(picked.path), **facts})
        return 0
    for table in _tables(known):
        say_table(table)
    return 0


def lessons(
    limit: Annotated[int, typer.Option("--limit", min=1, help="the newest so many")] = 20,
    db: Db = None,
    feed: Feed = None,
    mode: Mode = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> int:
    """Closed trades with what was known at their entry, and what the market did after the exit."""
    picked = pick_for(config, db, feed, mode)
    with Reader(picked.path) as reader:
        lived = reader.lived(limit)
    if as_json:
        say_json({"journal": str(picked.path), "trades": [plain(entry) for entry in lived]})
        return 0
    columns = ("trade", "closed", "symbol", "pattern", "R gross", "net %", "1 min", "5 min",
               "15 min", "missed %")  # fmt: skip
    say_table(Table("lessons", columns, [_lived(entry) for entry in lived], empty="none yet"))
    return 0


def coin(
    reader: Reader,
    base: Base,
    symbol: Annotated[str, typer.Argument(help="such as BTC/USDT")],
    status: Annotated[
        str, typer.Argument(help="normal, reduced, favoured, blacklisted, probation or auto")
    ],
    reason: Reason = "",
) -> c.AnyCommand:
    """Set what is thought of a coin; with auto learners may move it again."""
    words = [*CoinStatus, AUTO]
    if status.lower() not in words:
        raise CommandRefused("unknown_status", f"{status!r} is no status", ", ".join(words))
    followed = _followed(reader) | {score.symbol for score in reader.knowledge().coins}
    name = _named(symbol.upper(), followed, "unknown_symbol", "is not followed")
    return c.SetCoin(symbol=name, status=status.lower(), reason=reason, **base)


def pair(
    reader: Reader,
    base: Base,
    symbol: Annotated[str, typer.Argument(help="such as BTC/USDT")],
    strategy: Annotated[str, typer.Argument(help="as `knowledge` shows it")],
    status: Annotated[str, typer.Argument(help="normal, favoured, blocked or auto")],
    reason: Reason = "",
) -> c.AnyCommand:
    """Set what is made of a strategy in a symbol; with auto learners may move it again."""
    from engine.strategies.builtin import builtin_strategies

    words = [*PairStatus, AUTO]
    if status.lower() not in words:
        raise CommandRefused("unknown_status", f"{status!r} is no status", ", ".join(words))
    known = reader.knowledge()
    followed = _followed(reader) | {one.symbol for one in known.pairs}
    name = _named(symbol.upper(), followed, "unknown_symbol", "is not followed")
    strategies = {one.strategy for one in known.pairs} | {one.id for one in builtin_strategies()}
    which = _named(strategy, strategies, "unknown_strategy", "is no strategy")
    return c.SetPair(symbol=name, strategy=which, status=status.lower(), reason=reason, **base)


def insight(
    reader: Reader,
    base: Base,
    name: Annotated[str, typer.Argument(metavar="ID", help="as `knowledge` shows it")],
    state: Annotated[str, typer.Argument(help="strike, reword or restore")],
    text: Annotated[str, typer.Option("--text", help="what it says from now on")] = "",
    reason: Reason = "",
) -> c.AnyCommand:
    """Strike an insight out, give it other words, or restore it as it was found."""
    if state.lower() not in INSIGHT_STATES:
        words = ", ".join(INSIGHT_STATES)
        raise CommandRefused("unknown_state", f"{state!r} is not among what can be done", words)
    if (state.lower() == "reword") != bool(text.strip()):
        raise CommandRefused("text_needed", "other words and --text go together", "reword --text …")
    known = {one.id for one in reader.knowledge().insights}
    found = _named(name.upper(), known, "unknown_insight", "is no insight")
    struck = state.lower() == "strike"
    return c.SetInsight(insight=found, struck=struck, text=text.strip(), reason=reason, **base)


def pattern(
    reader: Reader,
    base: Base,
    name: Annotated[str, typer.Argument(help="as `knowledge` shows it")],
    state: Annotated[str, typer.Argument(help="on, off or auto")],
    reason: Reason = "",
) -> c.AnyCommand:
    """Switch a pattern on or off; with auto learners may move it again."""
    known = {one.id for one in reader.knowledge().patterns}
    found = _named(name, known, "unknown_pattern", "is no pattern")
    active = None if state.lower() == AUTO else _switch(state)
    return c.SetPattern(pattern=found, active=active, reason=reason, **base)


def rule(
    reader: Reader,
    base: Base,
    action: Annotated[
        str, typer.Argument(help="no_trade, reduce_size, increase_size, caution; on, off")
    ],
    why: Annotated[str, typer.Argument(help="a line that says why, or the rule for on and off")],
    hours: Annotated[str, typer.Option("--hours", help="UTC, such as 0-6,22")] = "",
    days: Annotated[str, typer.Option("--days", help="such as sat,sun")] = "",
    volatility: Annotated[str, typer.Option("--vol", help="low, normal or high")] = "",
    symbol: Annotated[str, typer.Option("--symbol", help="only in this symbol")] = "",
    replace: Annotated[str, typer.Option("--replace", help="the rule that it replaces")] = "",
    reason: Reason = "",
) -> c.AnyCommand:
    """Make a rule of time or volatility, or switch one on or off (`rule off R-1`)."""
    known = {one.id: one for one in reader.knowledge().rules}
    if action.lower() in ("on", "off"):
        found = _named(why.upper(), set(known), "unknown_rule", "is no rule")
        state = _switch(action)
        return c.SetRule(rule=found, description="", action="", active=state, reason=reason, **base)
    if replace:
        _named(replace.upper(), set(known), "unknown_rule", "is no rule")
    return c.SetRule(
        rule=replace.upper(),
        description=why,
        action=action.upper(),
        hours=hours_of(hours),
        weekdays=days_of(days),
        vol_level=volatility.upper(),
        symbol=symbol.upper(),
        reason=reason,
        **base,
    )


def hours_of(text: str) -> tuple[int, ...]:
    """`0-6,22` as hours; a range may go over midnight. Raises `CommandRefused`."""
    found: list[int] = []
    for part in filter(None, (one.strip() for one in text.split(","))):
        first, dash, last = part.partition("-")
        try:
            begin, end = int(first), int(last) if dash else int(first)
        except ValueError:
            raise CommandRefused("bad_hours", f"{part!r} is no hour", "write 0-6,22") from None
        if not (0 <= begin <= 23 and 0 <= end <= 23):
            raise CommandRefused("bad_hours", f"{part!r} is not within 0 to 23")
        found += [hour % 24 for hour in range(begin, (end if end >= begin else end + 24) + 1)]
    return tuple(sorted(set(found)))


def days_of(text: str) -> tuple[int, ...]:
    """`sat,sun` as weekdays from Monday, 0. Raises `CommandRefused`."""
    found = []
    for part in filter(None, (one.strip().lower()[:3] for one in text.split(","))):
        if part not in DAYS:
            raise CommandRefused("bad_weekdays", f"{part!r} is no day", ", ".join(DAYS))
        found.append(DAYS.index(part))
    return tuple(sorted(set(found)))


def _followed(reader: Reader) -> set[str]:
    run = reader.status().run
    return set(run.symbols) if run is not None else set()


def _switch(text: str) -> bool:
    if text.lower() not in ("on", "off"):
        raise CommandRefused("bad_state", f"{text!r} is neither on nor off")
    return text.lower() == "on"


def _named(name: str, known: set[str], code: str, what: str) -> str:
    if name in known:
        return name
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else ", ".join(sorted(known)) or "there is none yet"
    raise CommandRefused(code, f"{name} {what}", hint)


def _tables(known: Knowledge) -> list[Table]:
    figures = frozenset(("n", "won", "net %", "R mean", "interval", "trend", "acted", "saved %",
                         "confidence"))  # fmt: skip
    coins = [
        (
            *(one.symbol, str(one.status), one.status_by, one.trades, one.wins),
            *(_signed(one.pnl_pct), _signed(one.gross_mean)),
            *(_interval(one.gross_low, one.gross_high), _signed(one.trend)),
        )
        for one in known.coins
    ]
    pairs = [
        (
            *(one.symbol, one.strategy, str(one.status), one.status_by, one.trades, one.wins),
            *(_signed(one.gross_mean), _interval(one.gross_low, one.gross_high)),
        )
        for one in known.pairs
    ]
    patterns = [
        (
            *(one.id, "on" if one.active else "off", one.set_by, one.made_by, one.used, one.wins),
            *(_signed(one.pnl_pct), f"{one.confidence:.2f}"),
            *(_interval(one.gross_low, one.gross_high), one.description),
        )
        for one in known.patterns
    ]
    rules = [
        (
            *(one.id, "on" if one.active else "off", str(one.action), when(one), one.made_by),
            *(one.triggered, _signed(one.saved_pct), one.description),
        )
        for one in known.rules
    ]
    insights = [
        (one.id, iso(one.known_ns)[:16], one.source, str(one.kind), *_told(one), one.change)
        for one in known.insights
    ]
    return [
        Table("coins", ("symbol", "status", "by", "n", "won", "net %", "R mean", "interval",
                        "trend"), coins, figures, "no trade has closed yet"),
        Table("strategies in symbols", ("symbol", "strategy", "status", "by", "n", "won",
                                        "R mean", "interval"), pairs, figures,
              "no trade has closed yet"),
        Table("patterns", ("id", "state", "set by", "by", "n", "won", "net %", "confidence",
                           "interval", "what"), patterns, figures, "no trade has closed yet"),
        Table("rules", ("id", "state", "does", "when", "by", "acted", "saved %", "why"), rules,
              figures, "none"),
        Table("insights", ("id", "known", "by", "kind", "state", "what", "change"), insights,
              figures, "none"),
    ]  # fmt: skip


def when(one: Rule) -> str:
    """The condition of a rule in a few words."""
    parts = [
        f"{','.join(map(str, one.hours))} h" if one.hours else "",
        ",".join(DAYS[day] for day in one.weekdays),
        f"volatility {one.vol_level}" if one.vol_level else "",
        one.symbol,
    ]
    return " · ".join(filter(None, parts)) or "always"


def _lived(entry: JournalEntry) -> tuple[object, ...]:
    trade, after = entry.closed.trade, dict(entry.after)
    prices = [f"{after[m]:.8g}" if after.get(m, 0.0) > 0 else "—" for m in (1, 5, 15)]
    return (
        *(trade.id, iso(trade.closed_ns)[:16], trade.symbol, entry.context.pattern),
        *(_signed(entry.closed.gross_r), _signed(trade.pnl_pct), *prices),
        _signed(entry.missed_pct),
    )


def _told(one: Insight) -> tuple[str, str]:
    """What became of an insight by a person's hand, and its words."""
    because = f": {one.set_why}" if one.set_why else ""
    if one.struck:
        return f"struck out{because}", one.text
    return (f"reworded{because}" if one.said else "told"), one.words


def _signed(value: float) -> str:
    return "—" if value != value else f"{value:+.2f}"


def _interval(low: float, high: float) -> str:
    return "—" if low != low else f"{low:+.2f} … {high:+.2f}"
