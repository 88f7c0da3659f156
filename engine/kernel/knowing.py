"""What every trade teaches, as it happens: contexts kept, closes counted, answers to a person.

The rows of a lesson stand in the transaction of the trade that taught it, so that no stop in
between leaves the one without the other; what should follow from it is handed on after that.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from difflib import get_close_matches

from msgspec.structs import replace

from engine.core import commands as c
from engine.core.clock import DAY, day_of
from engine.core.denials import DenialCode
from engine.core.errors import CommandRefused
from engine.core.learning import (
    Closed,
    CoinStatus,
    Insight,
    Knowledge,
    PairStatus,
    Rule,
    RuleAction,
    Suggestion,
    Target,
    TargetKind,
)
from engine.core.lived import EntryContext, JournalEntry
from engine.core.records import (
    AnyRecord,
    Denied,
    InsightFound,
    PerformanceMeasured,
    PositionEntered,
    RuleSet,
    TradeJournalled,
)
from engine.core.regimes import VolLevel
from engine.core.safetext import SafeText
from engine.core.types import Actor, Fill, InstrumentKind, Position, Proposal, Trade
from engine.core.views import Counterfactual
from engine.journal.lived import Lived, rule_of
from engine.kernel.afterwards import Afterwards
from engine.kernel.commands import Answer, Commands
from engine.kernel.desk import Desk
from engine.learning.adjust import text_of
from engine.learning.coins import AUTO, PERSON
from engine.learning.insights import LONGEST
from engine.learning.pairs import pair_name, value_of
from engine.learning.patterns import recognise
from engine.learning.quick import QuickUpdate
from engine.learning.rules import hour_of, weekday_of
from engine.market.funding import INTERVAL_NS
from engine.portfolio.measured import measured

MEASURED = 1_000
"""Closed trades that performance is measured over, so that a day's turn stays a few
milliseconds; the journal has them all."""

RULE_FACTOR = "rule "
"""How the size factor of a rule begins; its id follows."""


class Knowing:
    """Owned by the kernel thread.

    `suggest` takes what should follow from a lesson; until somebody listens it gathers in
    `suggested`. `taught` hears of every closed trade once it is journaled, `overruled` of
    what a person set against the learners.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.memory = desk.memory
        self.quick = QuickUpdate(desk.memory)
        self.afterwards = Afterwards(desk)
        self.suggested: list[Suggestion] = []
        self.suggest: Callable[[Iterable[Suggestion]], None] = self.suggested.extend
        self.taught: list[Callable[[JournalEntry], None]] = []
        self.overruled: Callable[[Target, Actor, str], None] = lambda target, who, why: None
        self._open: dict[str, EntryContext] = {}
        self._lessons: list[tuple[JournalEntry, tuple[Suggestion, ...]]] = []
        self._refused: dict[str, str] = {}
        self._trades: deque[Trade] = deque(maxlen=MEASURED)
        self._day = -1
        self._shown: Knowledge | None = None
        self._shown_at = (-1, 0)

    # A position's life.

    def entered(self, position: Position, fill: Fill) -> list[AnyRecord]:
        """A position was opened; the record that belongs into its first fill's transaction."""
        desk = self._desk
        proposal = desk.proposals.get(position.proposal)
        context = self._context(position, fill.time_ns, proposal)
        self._open[position.id] = context
        self.quick.opened(context)
        return [PositionEntered(time_ns=desk.now_ns, context=context)]

    def _context(
        self, position: Position, entered_ns: int, proposal: Proposal | None
    ) -> EntryContext:
        desk = self._desk
        symbol = desk.symbols[position.symbol]
        reason = proposal.reasoning if proposal is not None else ""
        seen = recognise(
            position.strategy,
            position.regime,
            position.direction,
            proposal.pattern if proposal is not None and proposal.condition else "",
            reason,
        )
        price = float(position.entry_price)
        cvd, cvd_note = symbol.delta.at(entered_ns)
        return EntryContext(
            position=position.id,
            symbol=position.symbol,
            direction=position.direction,
            strategy=position.strategy,
            entered_ns=entered_ns,
            price=price,
            stop=float(position.initial_stop),
            target=float(position.targets[0]) if position.targets else math.nan,
            notional=float(position.quantity * symbol.instrument.contract_size) * price,
            reason=reason,
            pattern=seen.id,
            pattern_words=seen.words,
            pattern_by=seen.by,
            condition=proposal.condition if proposal is not None else "",
            regime=position.regime,
            vol_level=symbol.vol_level,
            volatility=symbol.daily_vol_pct,
            funding_rate=self._funding(position.symbol, entered_ns),
            btc_trend=self._btc_trend(),
            hour=hour_of(entered_ns),
            weekday=weekday_of(entered_ns),
            cvd=cvd,
            cvd_note=cvd_note,
        )

    def _funding(self, symbol: str, now_ns: int) -> float:
        """The rate last paid; NaN on spot and where nobody knows it."""
        desk = self._desk
        if desk.symbols[symbol].instrument.kind is not InstrumentKind.SWAP:
            return math.nan
        rate = desk.rates.rate(symbol, now_ns - now_ns % INTERVAL_NS)
        return math.nan if rate is None else rate

    def _btc_trend(self) -> str:
        for symbol in self._desk.symbols.values():
            if symbol.instrument.base == "BTC":
                return symbol.label
        return ""

    def closed(self, trade: Trade, position_id: str) -> list[AnyRecord]:
        """A position ended; the records that belong into its trade's transaction."""
        context = self._open.pop(position_id, None)
        if context is None:
            return []
        desk = self._desk
        entry = JournalEntry(context=context, closed=_closed(trade, context))
        lesson = self.quick.process_trade_close(entry.closed, context, desk.now_ns)
        self._trades.append(entry.closed.trade)
        self._lessons.append((entry, lesson.suggestions))
        self.afterwards.add(entry)
        return [TradeJournalled(time_ns=desk.now_ns, entry=entry), *lesson.records]

    def hand_on(self) -> None:
        """The transaction of a fill is journaled: tell what follows from it."""
        while self._lessons:
            entry, suggestions = self._lessons.pop(0)
            if suggestions:
                self.suggest(suggestions)
            for listener in self.taught:
                listener(entry)

    # Rules.

    def denied(self, denied: Denied) -> None:
        """A candidate was refused; where a rule did it, the rule has acted."""
        if denied.code != DenialCode.RULE_NO_TRADE:
            return
        name = rule_of(denied.gate.detail)
        self._refused[denied.id] = name
        self._acted(name)

    def proposed(self, proposal: Proposal) -> None:
        """An entry was proposed; rules that changed its size have acted."""
        for factor in proposal.factors:
            if factor.name.startswith(RULE_FACTOR):
                self._acted(factor.name.removeprefix(RULE_FACTOR))

    def _acted(self, name: str) -> None:
        rule = self.memory.rules.triggered(name)
        if rule is not None:
            self._desk.record(self._acting(rule))

    def _acting(self, rule: Rule) -> RuleSet:
        return RuleSet(time_ns=self._desk.now_ns, rule=rule, who=self.memory.rules.name)

    def followed(self, ended: Counterfactual) -> None:
        """A candidate that was refused has come to its end."""
        name = self._refused.pop(ended.id, None)
        if name is None:
            return
        rule, suggestions = self.memory.rules.saved(name, ended.id, ended.pnl_pct)
        if rule is not None:
            self._desk.record(self._acting(rule))
        if suggestions:
            self.suggest(suggestions)

    # Insights, and what time alone brings.

    def found(self, insight: Insight) -> None:
        """Reflection found something, or a person decided on what it had found."""
        self.memory.insights.add(insight)
        self._desk.record(InsightFound(time_ns=self._desk.now_ns, insight=insight))

    def look(self) -> None:
        """Prices that never came, and what a new day brings. Asked every cycle."""
        desk = self._desk
        self.afterwards.look()
        today = day_of(desk.now_ns)
        if today == self._day:
            return
        before, self._day = self._day, today
        if before < 0:
            return
        self._measure((today - 1) * DAY)
        suggestions = list(self.quick.daily(desk.now_ns, before * DAY + DAY))
        if suggestions:
            self.suggest(suggestions)

    def _measure(self, since_ns: int) -> None:
        desk, memory = self._desk, self.memory
        coins = [one.status for one in memory.coins.scores()]
        periods, strategies = measured(
            tuple(self._trades),
            float(desk.ledger.start),
            since_ns,
            knowledge_version=memory.version,
            active_patterns=sum(one.active for one in memory.patterns.patterns()),
            blacklisted_coins=coins.count(CoinStatus.BLACKLISTED),
        )
        desk.record(
            PerformanceMeasured(time_ns=desk.now_ns, periods=periods, strategies=strategies)
        )

    # A person.

    def listen(self, commands: Commands) -> None:
        """Answer the commands that are about knowledge."""
        commands.handles(c.SetCoin, self._set_coin)
        commands.handles(c.SetPattern, self._set_pattern)
        commands.handles(c.SetRule, self._set_rule)
        commands.handles(c.SetPair, self._set_pair)
        commands.handles(c.SetInsight, self._set_insight)

    def _set_coin(self, command: c.SetCoin) -> Answer:
        known = {*self._desk.symbols, *(one.symbol for one in self.memory.coins.scores())}
        if command.symbol not in known:
            raise CommandRefused("unknown_symbol", f"{command.symbol} is not followed")
        status = command.status.lower()
        if status != AUTO and status not in tuple(CoinStatus):
            words = ", ".join([*CoinStatus, AUTO])
            raise CommandRefused("unknown_status", f"{command.status!r} is no status", words)
        target = Target(kind=TargetKind.COIN, name=command.symbol)
        self._set(target, "null" if status == AUTO else f'"{status}"', command)
        text = f"{command.symbol} is {status}, and learners leave it alone"
        if status == AUTO:
            text = f"{command.symbol} is left to the learners again"
        return "set", text, command.symbol

    def _set_pattern(self, command: c.SetPattern) -> Answer:
        known = {one.id: one for one in self.memory.patterns.patterns()}
        if command.pattern not in known:
            near = get_close_matches(command.pattern, known, n=1)
            hint = f"did you mean {near[0]}?" if near else "`quarterdeck knowledge` lists them"
            raise CommandRefused("unknown_pattern", f"there is no pattern {command.pattern}", hint)
        target = Target(kind=TargetKind.PATTERN, name=command.pattern)
        self._set(target, text_of(command.active), command)
        text = f"pattern {command.pattern} is left to the learners again"
        if command.active is not None:
            state = "on" if command.active else "off"
            text = f"pattern {command.pattern} is {state}, and learners leave it alone"
        return "set", text, command.pattern

    def _set_pair(self, command: c.SetPair) -> Answer:
        """A pair may be judged before it ever traded: to block it is a reason not to."""
        symbol, strategy, status = command.symbol, command.strategy, command.status.lower()
        pairs = self.memory.pairs.scores()
        if symbol not in {*self._desk.symbols, *(one.symbol for one in pairs)}:
            raise CommandRefused("unknown_symbol", f"{symbol} is not followed")
        known = {one.strategy for one in pairs} | {one.id for one in self._desk.strategies}
        if strategy not in known:
            raise CommandRefused(
                "unknown_strategy", f"no strategy is called {strategy}", ", ".join(sorted(known))
            )
        if status != AUTO and status not in tuple(PairStatus):
            words = ", ".join([*PairStatus, AUTO])
            raise CommandRefused("unknown_status", f"{command.status!r} is no status", words)
        name = pair_name(symbol, strategy)
        wanted = None if status == AUTO else PairStatus(status)
        self._set(Target(kind=TargetKind.PAIR, name=name), value_of(wanted), command)
        text = f"{name} is {status}, and learners leave it alone"
        if wanted is None:
            text = f"{name} is left to the learners again"
        return "set", text, name

    def _set_insight(self, command: c.SetInsight) -> Answer:
        """Struck out, in other words, or as it was found; what it led to stays as it is."""
        desk, insights = self._desk, self.memory.insights
        known = insights.find(command.insight)
        if known is None:
            raise CommandRefused(
                "unknown_insight", f"no insight that is still told is called {command.insight}",
                "`quarterdeck knowledge` lists them",
            )  # fmt: skip
        said = SafeText(command.text).line(LONGEST).strip()
        if command.struck and said:
            raise CommandRefused("struck_and_said", "strike it out or give it other words")
        touched = command.struck or bool(said)
        self.found(
            replace(
                known,
                struck=command.struck,
                said=str(said),
                set_by=PERSON if touched else "",
                set_why=command.reason if touched else "",
                set_ns=desk.now_ns if touched else 0,
            )
        )
        desk.journal.barrier()
        what = "is as it was found"
        if touched:
            what = "is struck out: nobody is told of it" if command.struck else f"now says: {said}"
        led = f"; {known.change}, which it led to, stays as it is" if known.change else ""
        return "set", f"insight {known.id} {what}{led}", known.id

    def _set_rule(self, command: c.SetRule) -> Answer:
        desk, rules = self._desk, self.memory.rules
        known = rules.rule(command.rule) if command.rule else None
        if command.rule and known is None:
            raise CommandRefused("unknown_rule", f"there is no rule {command.rule}")
        if known is not None and not command.description.strip():
            rule = replace(known, active=command.active)
        else:
            _check_rule(command)
            rule = Rule(
                id=command.rule or desk.ids.next("R"),
                description=command.description.strip(),
                action=RuleAction(command.action.upper()),
                hours=command.hours,
                weekdays=command.weekdays,
                vol_level=command.vol_level.upper(),
                symbol=command.symbol,
                made_by=PERSON,
                created_ns=known.created_ns if known is not None else desk.now_ns,
                active=command.active,
            )
        rule = rules.set(rule)
        self._desk.record(RuleSet(time_ns=desk.now_ns, rule=rule, who=str(command.actor)))
        why = command.reason or command.description.strip()
        self.overruled(Target(kind=TargetKind.RULE, name=rule.id), command.actor, why)
        desk.journal.barrier()
        state = "on" if rule.active else "off"
        return "set", f"rule {rule.id} is {state}: {rule.action}, {rule.description}", rule.id

    def _set(
        self, target: Target, value: str, command: c.SetCoin | c.SetPattern | c.SetPair
    ) -> None:
        applier = self.memory.appliers()[target.kind]
        self._desk.record(*applier.apply(target, value, PERSON, self._desk.now_ns))
        self.overruled(target, command.actor, command.reason)
        self._desk.journal.barrier()

    # Restart, and what is shown.

    def restore(self, lived: Lived, last_ns: int) -> None:
        """Take back every row, and count results again from their trades."""
        memory = self.memory
        for coin in lived.coins:
            memory.coins.restore(coin)
        for pair in lived.pairs:
            memory.pairs.restore(pair)
        for pattern in lived.patterns:
            memory.patterns.restore(pattern)
        for rule in lived.rules:
            memory.rules.restore(rule)
        for insight in lived.insights:
            memory.insights.restore(insight)
        for record in lived.trades:
            if isinstance(record, PositionEntered):
                self._open[record.context.position] = record.context
                self.quick.opened(record.context)
                continue
            entry = record.entry
            self._open.pop(entry.context.position, None)
            self.quick.recount(entry.closed, entry.context)
            self._trades.append(entry.closed.trade)
            self.afterwards.restore(entry)
        for rule_name, candidate, came_to in lived.refused:
            if came_to is None:
                self._refused[candidate] = rule_name
            else:
                memory.rules.count(rule_name, candidate, came_to)
        memory.told = lived.told
        self._day = day_of(lived.measured_ns or last_ns) if last_ns else -1

    def adopt(self) -> None:
        """Positions from before contexts were kept have the one that their own row tells."""
        for position in self._desk.book.open():
            if position.id not in self._open:
                context = self._context(position, position.opened_ns, None)
                self._open[position.id] = context
                self.quick.opened(context)

    def state(self) -> dict[str, object]:
        """What a restart must find beside the rows: contexts, results, what is followed."""
        return {
            "open": dict(self._open),
            "results": self.memory.results(),
            "after": self.afterwards.following(),
            "refused": dict(self._refused),
            "trades": list(self._trades),
        }

    def knowledge(self) -> Knowledge:
        """All of it; the same object until something in it was told anew."""
        desk = self._desk
        known = len(self.memory.insights.known(desk.now_ns))
        if self._shown is None or self._shown_at != (self.memory.version, known):
            self._shown_at = (self.memory.version, known)
            self._shown = self.memory.get_knowledge_context(desk.now_ns)
        return self._shown


def _closed(trade: Trade, context: EntryContext) -> Closed:
    """The trade as learners see it; its result in the distance at which it was to be stopped."""
    move = float(trade.exit_price / trade.entry_price - 1) * trade.direction.sign * 100.0
    risk_pct = abs(context.price - context.stop) / context.price * 100.0
    return Closed(
        trade=replace(trade, indicators="{}"),
        gross_r=move / risk_pct if risk_pct > 0.0 else math.nan,
        gross_pct=move,
        pattern=context.pattern,
        vol_level=context.vol_level,
        hour=context.hour,
        weekday=context.weekday,
    )


def _check_rule(command: c.SetRule) -> None:
    """Raises `CommandRefused` for a rule that could never hold or that nobody could read."""
    if not command.description.strip():
        raise CommandRefused("description_needed", "a rule needs a line that says why")
    if command.action.upper() not in tuple(RuleAction):
        words = ", ".join(RuleAction)
        raise CommandRefused("unknown_action", f"{command.action!r} is no action", words)
    if any(not 0 <= hour <= 23 for hour in command.hours):
        raise CommandRefused("bad_hours", "hours are 0 to 23, UTC")
    if any(not 0 <= day <= 6 for day in command.weekdays):
        raise CommandRefused("bad_weekdays", "weekdays are 0 (Monday) to 6 (Sunday)")
    if command.vol_level and command.vol_level.upper() not in tuple(VolLevel):
        words = ", ".join(VolLevel)
        raise CommandRefused("bad_level", f"{command.vol_level!r} is no volatility", words)
