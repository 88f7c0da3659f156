"""What execution costs: armed conditions on a tick, paper fills, the ledger, an approval.

Run it with `python -m tests.benchmarks.bench_execution`.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from engine.core.clock import monotonic_ns
from engine.core.ids import Ids, source
from engine.core.parameters import Parameters
from engine.core.types import Direction, Purpose, Side, TradeCondition
from engine.execution.paper import FillContext
from engine.execution.proposals import ProposalBook
from engine.execution.sniper import Sniper
from engine.portfolio.ledger import Ledger, Terms
from tests.benchmarks import report
from tests.execution_help import START_NS, SYMBOL, D, Market, fill, later, propose

ROUNDS = report.runs(5)


def measured(name: str, target: str, samples: list[float]) -> None:
    """One line: min, median and max in µs beside the target."""
    report.show(name, target, samples, "µs")


def per_call(work: Callable[[], int]) -> list[float]:
    """µs per unit of `work` (which returns how many units it did), once per round."""
    took = []
    for _ in range(ROUNDS):
        begin = monotonic_ns()
        units = work()
        took.append((monotonic_ns() - begin) / 1_000 / units)
    return took


def conditions(count: int) -> list[TradeCondition]:
    chance = source(1, "conditions")
    return [
        TradeCondition(
            id=f"C-{n}",
            symbol=SYMBOL,
            direction=Direction.LONG,
            trigger=100.0 + chance.uniform(1, 10) * (1 if n % 2 else -1),
            above=bool(n % 2),
            stop=90.0,
            targets=(),
            created_ns=START_NS,
            valid_until_ns=later(300),
            reasoning="",
            strategy="s",
        )
        for n in range(count)
    ]


def sniper() -> None:
    watch = Sniper()
    watch.set_conditions(conditions(1_000))
    prices = [100.0 + 0.0001 * n for n in range(1_000)]

    def ticks() -> int:
        check = watch.on_price
        for price in prices * 50:
            check(SYMBOL, price, START_NS)
        return len(prices) * 50

    measured("1,000 armed conditions, a tick that triggers none", "p50 ≤ 0.4", per_call(ticks))

    def trigger() -> int:
        armed = conditions(1_000)
        watch.set_conditions(armed)
        hits = 0
        for n in range(1_000):
            hits += len(watch.on_price(SYMBOL, 101.0 + n * 0.009, START_NS))
        return hits

    measured("arm 1,000 and trigger half of them, per trigger", "", per_call(trigger))


def paper() -> None:
    market = Market(latency_ms=0)
    asks = tuple((60_001.0 + n, 0.2) for n in range(20))
    bids = tuple((60_000.0 - n, 0.2) for n in range(20))
    market.book(bids, asks)
    orders = [market.order("0.1") for _ in range(2_000)]
    samples = []
    for order in orders:
        market.book(bids, asks)
        begin = monotonic_ns()
        events = market.broker.submit(order)
        samples.append((monotonic_ns() - begin) / 1_000)
        assert len(events) == 2
    samples.sort()
    measured("submit and fill against a book of 20 levels", "", samples)
    measured("  p99 of these", "", [report.percentile(samples, 0.99)])
    market.tick(60_000.0)
    exits = []
    for _ in range(2_000):
        order = market.order("0.1", Side.SELL, Purpose.EXIT)
        context = FillContext("bar_path", D(59_000), 3.0, 20.0)
        begin = monotonic_ns()
        market.broker.fill_now(order, None, START_NS, context)
        exits.append((monotonic_ns() - begin) / 1_000)
    measured("exit inside a bar (`fill_now`), modelled book", "", exits)

    def idle() -> int:
        for n in range(10_000):
            market.tick(60_000.0 + n % 3)
        return 10_000

    measured("a tick without working orders", "", per_call(idle))


def books() -> None:
    def trades() -> int:
        ledger = Ledger("USDT", D(1_000_000))
        terms = Terms(SYMBOL, Direction.LONG)
        for n in range(2_000):
            at, name = later(n), f"X-{n}"
            buy = fill(f"{n}a", Side.BUY, "0.1", 60_000 + n % 50, at_ns=at, fee=6, position=name)
            sell = fill(f"{n}b", Side.SELL, "0.1", 60_010, at_ns=at + 1, fee=6, position=name)
            ledger.apply(buy, terms)
            ledger.apply(sell, terms)
        return 4_000

    measured("ledger: one fill, with its checks", "", per_call(trades))
    ledger = Ledger("USDT", D(1_000_000))
    for n in range(10):
        symbol = f"S{n}/USDT"
        ledger.apply(
            fill(n, Side.BUY, "0.1", 60_000, position=f"X-{n}", symbol=symbol),
            Terms(symbol, Direction.LONG),
        )
    marks = {f"S{n}/USDT": 60_000.5 + n for n in range(10)}

    def accounts() -> int:
        for _ in range(2_000):
            ledger.account(START_NS, marks)
        return 2_000

    measured("account with ten open positions", "", per_call(accounts))


def approval() -> None:
    book = ProposalBook(Parameters(), Ids("b"))

    def approve() -> int:
        for _ in range(1_000):
            made = propose(book)
            book.requote_check(made, made.price, made.quantity, made.gates)
            book.approve(made.id, made.digest, made.version, START_NS)
        book.forget_ended(0)
        return 1_000

    measured("propose, requote, approve", "", per_call(approve))
    made = propose(book)
    report.show("a proposal in the journal", "", [float(len(msgspec.json.encode(made)))], "bytes")


def main() -> None:
    report.heading("execution and the books")
    sniper()
    paper()
    books()
    approval()


if __name__ == "__main__":
    main()
