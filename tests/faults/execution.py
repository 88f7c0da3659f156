"""Fault drivers for portfolio and execution; counts and seeds are arguments.

Each plays `count` cases and returns what went wrong, empty when nothing did. The tests ask
for few, the soak for the full counts of F18, F20, F22 and F23.
"""

from __future__ import annotations

import random  # noqa: TID251  the type only; every source is drawn from a seed
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from engine.core.clock import DAY, SECOND
from engine.core.errors import CommandRefused
from engine.core.ids import Ids, source
from engine.core.parameters import Parameters
from engine.core.types import (
    Direction,
    Fill,
    Instrument,
    Liquidity,
    OrderState,
    Proposal,
    Purpose,
    Side,
)
from engine.execution.broker import FillEvent
from engine.execution.proposals import ProposalBook
from engine.market.instruments import (
    check_order,
    packaged,
    round_price,
    round_qty,
    unsellable,
)
from engine.portfolio.ledger import Ledger, Terms
from tests.execution_help import START_NS, Market, propose

SYMBOLS = (
    "BTC/USDT",
    "ETH/USDT",
    "DOGE/USDT",
    "SHIB/USDT",
    "ETH/BTC",
    "BTC/USDT:USDT",
    "XRP/USDT:USDT",
    "XLM/USDT:USDT",
)


def filters(count: int, seed: int) -> list[str]:
    """F22: any size and price, rounded, passes the filters as exact fractions see them."""
    chance = source(seed, "filters")
    wrong = []
    for number in range(count):
        instrument, price = _any_instrument(chance)
        wanted = Decimal(repr(10 ** chance.uniform(-9, 6)))
        at = Decimal(repr(price * chance.uniform(0.5, 2.0)))
        quantity = round_qty(instrument, wanted)
        up = chance.random() < 0.5
        limit = round_price(instrument, at, up=up)
        case = f"{number}: {instrument.symbol} {wanted} at {at}"
        if not _on_grid(quantity, instrument.lot_step) or not _on_grid(
            limit, instrument.price_tick
        ):
            wrong.append(f"{case}: off the grid, {quantity} at {limit}")
        if not 0 <= Fraction(wanted) - Fraction(quantity) < Fraction(instrument.lot_step):
            wrong.append(f"{case}: rounded to {quantity}")
        away = Fraction(limit) - Fraction(at) if up else Fraction(at) - Fraction(limit)
        if not 0 <= away < Fraction(instrument.price_tick):
            wrong.append(f"{case}: price rounded to {limit}")
        accepted = check_order(instrument, quantity, limit, Decimal(repr(price))) == ""
        if accepted != _venue_takes(instrument, quantity, limit, Decimal(repr(price))):
            wrong.append(f"{case}: {quantity} at {limit} judged otherwise than by the venue")
        wrong += _dust(case, instrument, wanted, Decimal(repr(price)))
    return wrong


def histories(count: int, seed: int) -> list[str]:
    """F23: partial, duplicate, late and early fills leave the same, exact ledger."""
    wrong = []
    for number in range(count):
        chance = source(seed, "history", number)
        story = _story(chance)
        arrivals = [list(story.fills), _disturbed(chance, story.fills)]
        ledgers = [_booked(story, fills) for fills in arrivals]
        truth = _truth(story)
        for name, ledger in zip(("in order", "disturbed"), ledgers, strict=True):
            account = ledger.account(START_NS + DAY // 2, story.marks)
            if abs(Fraction(account.equity) - truth) > Fraction(1, 10**12):
                wrong.append(f"{number} {name}: equity {account.equity}, truth {float(truth)}")
            if ledger.unmatched():
                wrong.append(f"{number} {name}: {len(ledger.unmatched())} exits left over")
            ledger.verify(full=True)
        first, second = (ledger.account(START_NS + DAY // 2, story.marks) for ledger in ledgers)
        if (first.cash, first.realised, first.fees) != (second.cash, second.realised, second.fees):
            wrong.append(f"{number}: the order of arrival changed the books")
        held = [_state(ledger) for ledger in ledgers]
        if held[0] != held[1]:
            wrong.append(f"{number}: the order of arrival changed a position")
    return wrong


def approvals(count: int, seed: int) -> list[str]:
    """F18: three clients approve, amend, reject and come late; at most one order, as shown."""
    wrong = []
    for number in range(count):
        chance = source(seed, "approvals", number)
        book = ProposalBook(Parameters(), Ids("t"))
        shown = [propose(book)] * 3
        sent: list[tuple[Proposal, Proposal]] = []
        now = START_NS
        for _ in range(chance.randint(3, 12)):
            now += int(chance.expovariate(1 / (300 * SECOND)))
            client = chance.randrange(3)
            act = chance.choice(("look", "approve", "approve", "amend", "reject", "expire"))
            _act(book, act, shown, client, now, chance, sent)
        if len(sent) > 1:
            wrong.append(f"{number}: {len(sent)} orders from one proposal")
        for approved, seen in sent:
            if approved.digest != seen.digest or approved.quantity != seen.quantity:
                wrong.append(f"{number}: sent {approved.quantity}, shown {seen.quantity}")
    return wrong


def resent(count: int, seed: int) -> list[str]:
    """F20 on paper: an order that is sent again and again, and cancelled in between, fills
    at most once, and its fills never exceed its size."""
    wrong = []
    for number in range(count):
        chance = source(seed, "resent", number)
        market = Market(latency_ms=chance.choice((0.0, 50.0, 400.0)))
        market.quote(60_000.0, 60_000.5, size=chance.uniform(0.001, 0.5))
        purpose = chance.choice((Purpose.ENTRY, Purpose.EXIT))
        order = market.order(round(chance.uniform(0.001, 0.4), 5), purpose=purpose)
        events = market.broker.submit(order)
        for _ in range(8):
            act = chance.choice(("again", "cancel", "quote", "tick", "time"))
            if act == "again":
                events += market.broker.submit(order)
            elif act == "cancel":
                events += market.broker.cancel(order.id)
            elif act == "quote":
                events += market.quote(
                    60_000.0, 60_000.5, chance.uniform(0.001, 0.5), after_ms=chance.uniform(0, 200)
                )
            elif act == "tick":
                events += market.tick(60_000.0, after_ms=chance.uniform(0, 200))
            else:
                market.clock.advance(int(chance.uniform(0, 2e8)))
                events += market.broker.on_time(market.clock.now_ns())
        filled = sum(
            (event.fill.quantity for event in events if isinstance(event, FillEvent)), Decimal(0)
        )
        last = market.broker.find(order.client_id)
        if last is None or last.filled != filled or filled > order.quantity:
            wrong.append(f"{number}: {filled} filled of {order.quantity}, order says {last}")
        elif last.state is OrderState.CANCELLED and market.quote(60_000.0, 60_000.5, after_ms=999):
            wrong.append(f"{number}: something happened after the cancellation")
    return wrong


# -- F22: the venue's own view, in exact fractions ---------------------------------------


def _any_instrument(chance: random.Random) -> tuple[Instrument, float]:
    if chance.random() < 0.3:
        price = 10 ** chance.uniform(-7, 5)
        return packaged("NEW/USDT", price=price), price
    instrument = packaged(chance.choice(SYMBOLS))
    return instrument, float(instrument.price_tick) * 10 ** chance.uniform(3, 7)


def _on_grid(value: Decimal, step: Decimal) -> bool:
    return (Fraction(value) / Fraction(step)).denominator == 1


def _venue_takes(
    instrument: Instrument, quantity: Decimal, price: Decimal, reference: Decimal
) -> bool:
    inside = instrument.min_qty <= quantity <= instrument.max_qty and quantity > 0 and price > 0
    worth = Fraction(quantity) * Fraction(price) * Fraction(instrument.contract_size)
    low = instrument.price_down is None or Fraction(price) >= (
        Fraction(reference) * Fraction(instrument.price_down)
    )
    high = instrument.price_up is None or Fraction(price) <= (
        Fraction(reference) * Fraction(instrument.price_up)
    )
    return inside and low and high and worth >= Fraction(instrument.min_notional)


def _dust(case: str, instrument: Instrument, held: Decimal, price: Decimal) -> list[str]:
    """A position is DUST exactly when no market order can sell anything of it."""
    sellable = min(round_qty(instrument, held), instrument.max_qty)
    can = sellable > 0 and not check_order(instrument, sellable, None, price, reduces=True)
    if bool(unsellable(instrument, held, price)) == can:
        return [f"{case}: dust {not can} expected for {held} at {price}"]
    return []


# -- F23: a history, its disturbance and its truth ---------------------------------------


@dataclass(frozen=True)
class Story:
    """Fills in the order of their time, what they belong to, and the last prices."""

    fills: tuple[Fill, ...]
    terms: dict[str, Terms]
    marks: dict[str, Decimal]


def _story(chance: random.Random) -> Story:
    fills: list[Fill] = []
    terms: dict[str, Terms] = {}
    for which in range(chance.randint(1, 3)):
        name = f"X-{which}"
        swap = chance.random() < 0.5
        symbol = f"{('BTC', 'ETH', 'SOL')[which]}/USDT" + (":USDT" if swap else "")
        direction = chance.choice(tuple(Direction)) if swap else Direction.LONG
        size = Decimal(chance.choice(("1", "0.01", "10"))) if swap else Decimal(1)
        terms[name] = Terms(symbol, direction, chance.choice((1, 3)) if swap else 1, size)
        fills += _life(chance, name, terms[name])
    marks = {of.symbol: _price(chance) for of in terms.values()}
    return Story(tuple(sorted(fills, key=lambda fill: (fill.time_ns, fill.id))), terms, marks)


def _life(chance: random.Random, name: str, terms: Terms) -> list[Fill]:
    """Entries and exits in turn, never more out than in; often closed at the end."""
    fills: list[Fill] = []
    held = Decimal(0)
    at = START_NS
    steps = chance.randint(2, 9)
    for step in range(steps):
        at += chance.randint(1, 600) * SECOND
        entry = held == 0 or chance.random() < 0.5
        quantity = Decimal(chance.randint(1, 90_000)) / 100_000
        if not entry:
            whole = step == steps - 1 and chance.random() < 0.7
            quantity = held if whole else min(held, quantity)
        held += quantity if entry else -quantity
        in_kind = entry and ":" not in terms.symbol and chance.random() < 0.3
        fee = quantity / 1000 if in_kind else quantity * 60
        if in_kind:
            held -= fee
        fills.append(
            Fill(
                id=f"F-{name}-{step}",
                order=f"O-{name}-{step}",
                symbol=terms.symbol,
                side=terms.direction.entry_side if entry else terms.direction.exit_side,
                quantity=quantity,
                price=_price(chance),
                fee=fee,
                fee_asset=terms.symbol.split("/")[0] if in_kind else "USDT",
                liquidity=Liquidity.TAKER,
                time_ns=at,
                position=name,
            )
        )
    return fills


def _price(chance: random.Random) -> Decimal:
    return Decimal(chance.randint(5_000_000, 7_000_000)) / 100


def _disturbed(chance: random.Random, fills: tuple[Fill, ...]) -> list[Fill]:
    """The same fills in any order, some of them more than once."""
    arrived = [*fills, *(fill for fill in fills if chance.random() < 0.4)]
    chance.shuffle(arrived)
    return arrived


def _booked(story: Story, fills: list[Fill]) -> Ledger:
    ledger = Ledger("USDT", Decimal(10_000))
    for fill in fills:
        ledger.apply(fill, story.terms[fill.position])
    return ledger


def _truth(story: Story) -> Fraction:
    """Equity as plain cash flows in exact fractions."""
    equity = Fraction(10_000)
    left: dict[str, Fraction] = {}
    for fill in story.fills:
        of = story.terms[fill.position]
        sign = 1 if fill.side is Side.BUY else -1
        size, price = Fraction(of.contract_size), Fraction(fill.price)
        equity -= sign * Fraction(fill.quantity) * price * size
        got = Fraction(fill.quantity)
        if fill.fee_asset == "USDT":
            equity -= Fraction(fill.fee)
        else:
            got -= Fraction(fill.fee)
        left[fill.position] = left.get(fill.position, Fraction(0)) + sign * got
    for name, quantity in left.items():
        of = story.terms[name]
        equity += quantity * Fraction(story.marks[of.symbol]) * Fraction(of.contract_size)
    return equity


def _state(ledger: Ledger) -> dict[str, tuple[Decimal, ...]]:
    return {
        id_: (held.quantity, held.entry_price, held.realised, held.fees, held.entered)
        for id_, held in sorted(ledger.holdings.items())
    }


# -- F18 ---------------------------------------------------------------------------------


def _act(
    book: ProposalBook,
    act: str,
    shown: list[Proposal],
    client: int,
    now: int,
    chance: random.Random,
    sent: list[tuple[Proposal, Proposal]],
) -> None:
    seen = shown[client]
    try:
        if act == "look":
            shown[client] = book.get(seen.id) or seen
        elif act == "approve":
            sent.append((book.approve(seen.id, seen.digest, seen.version, now), seen))
        elif act == "amend":
            book.amend(seen.id, quantity=Decimal(chance.randint(1, 50)) / 1000)
        elif act == "reject" and chance.random() < 0.3:
            book.reject(seen.id)
        elif act == "expire":
            book.expire_due(now)
    except CommandRefused as refused:
        known = ("already_ended", "expired", "version_changed", "digest_mismatch")
        if refused.code not in known:
            raise
