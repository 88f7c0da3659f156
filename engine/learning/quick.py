"""The quick update: what every closed trade teaches at once, by arithmetic alone.

No model is asked and nothing waits. What is thought over at length comes hourly; what must
be known for the next entry is known here, in well under half a millisecond.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from engine.core.learning import Closed, Suggestion
from engine.core.lived import EntryContext
from engine.core.records import CoinScored, PairScored, PatternScored
from engine.learning.memory import Memory
from engine.learning.patterns import Recognised


@dataclass(frozen=True, slots=True)
class Taught:
    """What one trade changed: the new rows, and what should follow from them."""

    records: tuple[CoinScored | PairScored | PatternScored, ...]
    suggestions: tuple[Suggestion, ...]


class QuickUpdate:
    """Takes closed trades into the memory. Owned by the kernel thread."""

    name = "quick"

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def opened(self, context: EntryContext) -> None:
        """A position was opened: its pattern's results come in the order of openings."""
        self._memory.patterns.opened(context.pattern, context.position)

    def process_trade_close(self, closed: Closed, context: EntryContext, now_ns: int) -> Taught:
        """Update coin, pair and pattern; check every threshold."""
        memory = self._memory
        coin, of_coin = memory.coins.process_trade_result(closed)
        pair, of_pair = memory.pairs.process_trade_result(closed)
        seen = Recognised(context.pattern, context.pattern_words, context.pattern_by)
        pattern, of_pattern = memory.patterns.record_pattern_outcome(closed, context.position, seen)
        return Taught(
            (
                CoinScored(time_ns=now_ns, coin=coin),
                PairScored(time_ns=now_ns, pair=pair),
                PatternScored(time_ns=now_ns, pattern=pattern),
            ),
            (*of_coin, *of_pair, *of_pattern),
        )

    def recount(self, closed: Closed, context: EntryContext) -> None:
        """The same trade after a restart: counted, while the rows come from the journal."""
        memory = self._memory
        memory.coins.count(closed)
        memory.pairs.count(closed)
        memory.patterns.count(closed, context.position)

    def daily(self, now_ns: int, before_ns: int) -> Iterable[Suggestion]:
        """What time alone brings up: whoever is locked out is up for another look."""
        memory = self._memory
        yield from memory.coins.daily(now_ns, before_ns)
        yield from memory.pairs.daily(now_ns, before_ns)
        yield from memory.patterns.daily(now_ns, before_ns)
