"""A second opinion on a journal's money: equity from its fills against its last account.

The engine checks itself while it runs; this check runs in another process, over what is on
disk, and shares no state with it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from engine.core.errors import InvariantBroken
from engine.core.records import Accounted, Filled
from engine.core.types import ZERO, Account, Direction, Fill
from engine.journal.queries import Reader
from engine.portfolio.holding import TOLERANCE
from engine.portfolio.ledger import Ledger, Terms
from engine.portfolio.recompute import recompute


@dataclass(frozen=True)
class Audit:
    """`ok` is None before the first account; `note` says what was compared or what differs."""

    ok: bool | None
    equity: Decimal | None
    fills: int
    note: str


def audit(reader: Reader) -> Audit:
    """Compare the last account with the fills before it.

    Equity is paid and received amounts plus what is open at its mark. The account keeps the
    worth of all open positions together, so while all of them point one way their marks are
    taken from it; with longs beside shorts its unrealised profit stands in.
    """
    found = _last_account(reader)
    if found is None:
        return Audit(None, None, 0, "no account entry yet")
    seq, account = found
    records = [event.record for event in reader.events(kind="fill", limit=-1) if event.seq < seq]
    fills = [record.fill for record in records if isinstance(record, Filled)]
    terms = terms_of(reader, fills)
    try:
        return _compare(account, fills, terms)
    except (InvariantBroken, KeyError) as error:
        return Audit(False, None, len(fills), f"the fills can't be booked: {error}")


def _last_account(reader: Reader) -> tuple[int, Account] | None:
    seq = max((int(row["seq"]) for row in reader.table("account_history")), default=0)
    for event in reader.events(since=seq - 1, kind="account", limit=1):
        if isinstance(event.record, Accounted):
            return event.seq, event.record.account
    return None


def _compare(account: Account, fills: list[Fill], terms: Mapping[str, Terms]) -> Audit:
    ledger = Ledger(account.quote, account.start_equity)
    for fill in fills:
        ledger.apply(fill, terms[fill.position])
    nothing: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
    paid = recompute(account.start_equity, fills, terms, nothing, account.funding)
    equity = paid + _worth(account, ledger)
    cash = ledger.cash - account.funding
    differs = [
        f"{name} is {kept:f} in the account and {found:f} from the fills"
        for name, kept, found in (
            ("equity", account.equity, equity),
            ("cash", account.cash, cash),
            ("realised", account.realised, ledger.realised),
            ("fees", account.fees, ledger.fees),
        )
        if not abs(kept - found) <= TOLERANCE
    ]
    note = "; ".join(differs) or f"equity recomputed from {len(fills)} fills agrees"
    return Audit(not differs, equity, len(fills), note)


def _worth(account: Account, ledger: Ledger) -> Decimal:
    """What is open, at its mark: what longs are worth, less what buying shorts back costs."""
    held = ledger.open_holdings()
    signs = {holding.terms.direction.sign for holding in held}
    if len(signs) < 2:
        return account.exposure * sum(signs)
    cost = ZERO
    for holding in held:
        sign = holding.terms.direction.sign
        cost += sign * holding.value(holding.quantity, holding.entry_price)
    return cost + account.unrealised


def terms_of(reader: Reader, fills: list[Fill]) -> dict[str, Terms]:
    """Direction, leverage and contract of each position, from its row or its trade."""
    known: dict[str, Terms] = {}
    for position, _ in reader.positions():
        known[position.id] = Terms(
            position.symbol,
            position.direction,
            position.leverage,
            _contract(reader, position.proposal),
        )
    trades = {trade.id: trade for trade in reader.trades(-1)}
    for row in reader.table("trades"):
        trade = trades[row["id"]]
        known[row["position_id"]] = Terms(
            trade.symbol, trade.direction, trade.leverage, _contract(reader, trade.proposal)
        )
    for fill in fills:
        if fill.position not in known:
            # Neither open nor closed: a fill whose position the journal has not reached.
            side = Direction.LONG if fill.side is Direction.LONG.entry_side else Direction.SHORT
            known[fill.position] = Terms(fill.symbol, side)
    return known


def _contract(reader: Reader, proposal: str) -> Decimal:
    """How many coins one contract is; the proposal's notional tells it."""
    found = reader.proposal(proposal) if proposal else None
    if found is None or not found.quantity * found.price:
        return Decimal(1)
    return found.notional / (found.quantity * found.price)
