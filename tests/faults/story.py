"""Records of an invented but coherent trading day, for the journal's tests.

Trade after trade: decision, proposal, intent, fill with its position, exit, closed trade;
what belongs together comes as one group.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec import structs

from engine.core.clock import MINUTE, SECOND
from engine.core.commands import Ack, Approve
from engine.core.records import (
    Accounted,
    AnyRecord,
    Commanded,
    ConditionChanged,
    ControlChanged,
    Cooldown,
    Cursor,
    Decided,
    Denied,
    Filled,
    Followed,
    Measured,
    Noted,
    OrderChanged,
    ParameterSet,
    PositionChanged,
    ProposalChanged,
    RegimeChanged,
    RunStarted,
    Signalled,
    TradeClosed,
)
from engine.core.types import (
    Account,
    Action,
    Actor,
    Control,
    Decision,
    Direction,
    Fill,
    Gate,
    Liquidity,
    Order,
    OrderState,
    OrderType,
    Position,
    Proposal,
    ProposalState,
    Purpose,
    Side,
    Signal,
    SizeFactor,
    Trade,
    TradeCondition,
    Vote,
)
from engine.core.views import Counterfactual

if TYPE_CHECKING:
    from random import Random  # noqa: TID251 - the type alone; the source is core.ids'

START = 1_746_360_000 * SECOND
SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")
NAN = float("nan")


def gate(passed: bool = True) -> Gate:
    return Gate(
        code="SPREAD",
        name="spread",
        passed=passed,
        value=3.25,
        threshold=10.0,
        distance=6.75 if passed else -6.75,
        unit="bps",
        hard=False,
    )


def started(resumed: bool = False) -> RunStarted:
    return RunStarted(
        time_ns=START,
        mode="PAPER",
        feed="SIM",
        seed=7,
        symbols=SYMBOLS,
        timeframe="15m",
        approval="review",
        profile="balanced",
        cash="10000",
        resumed=resumed,
        parameters={"risk.per_trade_pct": "1.0", "exit.stop_atr_mult": "2.0"},
    )


def note(text: str, time_ns: int = START) -> Noted:
    return Noted(time_ns=time_ns, who=Actor.ENGINE, text=text)


def control(state: Control, time_ns: int = START, reason: str = "a test") -> ControlChanged:
    return ControlChanged(time_ns=time_ns, state=state, reason=reason, who=Actor.PERSON)


def intent(
    number: int, time_ns: int = START, state: OrderState = OrderState.INTENT
) -> OrderChanged:
    """The order of an exit, in any state."""
    order = Order(
        id=f"O-{number}",
        client_id=f"qdtestO-{number}",
        symbol=SYMBOLS[number % 3],
        side=Side.SELL,
        type=OrderType.MARKET,
        purpose=Purpose.EXIT,
        quantity=Decimal("0.5"),
        limit=None,
        state=state,
        created_ns=time_ns,
        position=f"T-{number}",
        exit_reason="stop",
        expected_price=Decimal("101.25"),
    )
    return OrderChanged(time_ns=time_ns, order=order, gates=(gate(),))


class Story:
    """Groups of records, trade after trade; `first` is the number of the first trade."""

    def __init__(self, rng: Random, first: int = 1, start_ns: int = START) -> None:
        self._rng = rng
        self._next = first
        self._now = start_ns
        self._cash = Decimal(10_000)

    def groups(self, trades: int) -> Iterator[list[AnyRecord]]:
        for _ in range(trades):
            yield from self.trade()

    def trade(self) -> Iterator[list[AnyRecord]]:
        """One trade's groups, about twenty records."""
        n, rng = self._next, self._rng
        self._next += 1
        symbol = SYMBOLS[n % 3]
        price = Decimal(rng.randrange(10_000, 90_000)) / 100
        quantity = Decimal(rng.randrange(1, 500)) / 1000
        now = self._tick()
        signal = Signal(
            strategy="trend",
            symbol=symbol,
            time_ns=now,
            action=Action.BUY,
            confidence=rng.random(),
            entry=float(price),
            stop=NAN if rng.random() < 0.5 else float(price) * 0.98,
            reason="ema cross",
        )
        vote = Vote(
            source="trend", action=Action.BUY, confidence=0.7, weight=0.4, reason="ema cross"
        )
        decision = Decision(
            id=f"D-{n}",
            symbol=symbol,
            time_ns=now,
            action=Action.BUY,
            confidence=0.71,
            size_pct=4.5,
            price=float(price),
            regime="TREND_UP",
            regime_confidence=0.8,
            reasoning="trend and volume agree",
            votes=(vote, vote),
            absent=("llm",),
            signals=(signal,),
            winner="trend",
        )
        yield [Signalled(time_ns=now, signal=signal), Decided(time_ns=now, decision=decision)]
        if n % 4 == 0:
            yield self._refused(n, symbol, float(price))
        if n % 5 == 0:
            yield self._asides(n, symbol)
        proposal = self._proposal(n, symbol, price, quantity, now)
        yield [ProposalChanged(time_ns=now, proposal=proposal, who=Actor.ENGINE)]
        now = self._tick()
        yield self._approval(n, proposal, now)
        entry = self._order(n * 2 - 1, n, symbol, Side.BUY, quantity, price, now)
        yield [OrderChanged(time_ns=now, order=entry, gates=(gate(),))]
        position = self._position(n, symbol, price, quantity, now)
        fee = (price * quantity * Decimal("0.001")).quantize(Decimal("0.00000001"))
        self._cash -= price * quantity + fee
        yield [
            self._filled(entry, price, fee, now),
            OrderChanged(time_ns=now, order=self._done(entry, now)),
            PositionChanged(
                time_ns=now, position=position, watch='{"high":1.5,"stop":null}', why="opened"
            ),
            self._account(now),
        ]
        if n % 7 == 0:  # some stay open
            return
        exit_price = price + Decimal(rng.randrange(-500, 700)) / 100
        now = self._tick()
        order = self._order(n * 2, n, symbol, Side.SELL, quantity, exit_price, now)
        yield [OrderChanged(time_ns=now, order=order)]
        self._cash += exit_price * quantity - fee
        trade = Trade(
            id=f"T-{n}",
            symbol=symbol,
            direction=Direction.LONG,
            quantity=quantity,
            entry_price=price,
            exit_price=exit_price,
            opened_ns=position.opened_ns,
            closed_ns=now,
            pnl=(exit_price - price) * quantity - 2 * fee,
            pnl_pct=float((exit_price / price - 1) * 100),
            fees=2 * fee,
            strategy="trend",
            decision=f"D-{n}",
            proposal=f"P-{n}",
            regime="TREND_UP",
            exit_reason="target",
            leverage=1,
            mfe_pct=1.5,
            mae_pct=-0.5,
            confidence=0.71,
        )
        yield [
            self._filled(order, exit_price, fee, now),
            OrderChanged(time_ns=now, order=self._done(order, now)),
            TradeClosed(time_ns=now, trade=trade, position=f"T-{n}"),
            Cooldown(time_ns=now, symbol=symbol, until_ns=now + 30 * MINUTE),
            self._account(now),
        ]
        yield [
            Cursor(time_ns=now, position=n * 100, ids={"O": n * 2}, trades_today=n, day=20_212),
            Measured(time_ns=now, values={"cycle_us": rng.random() * 100}),
        ]

    def _tick(self) -> int:
        self._now += self._rng.randrange(1, 600) * SECOND
        return self._now

    def _refused(self, n: int, symbol: str, price: float) -> list[AnyRecord]:
        denied = Denied(
            time_ns=self._now,
            id=f"B-{n}",
            symbol=symbol,
            decision=f"D-{n}",
            direction="LONG",
            code="SPREAD",
            gate=gate(passed=False),
            price=price,
            stop=price * 0.98,
            target=NAN,
            score=2.5,
            quantity="0.25",
        )
        followed = Counterfactual(
            id=f"B-{n}",
            symbol=symbol,
            kind="denied",
            code="SPREAD",
            time_ns=self._now,
            price=price,
            direction="LONG",
            pnl_pct=-0.4,
            ended="",
            marks=(("1m", 0.1), ("5m", NAN)),
        )
        return [denied, Followed(time_ns=self._now, counterfactual=followed)]

    def _asides(self, n: int, symbol: str) -> list[AnyRecord]:
        now = self._now
        condition = TradeCondition(
            id=f"C-{n}",
            symbol=symbol,
            direction=Direction.LONG,
            trigger=105.5,
            above=True,
            stop=101.0,
            targets=(110.0, 115.0),
            created_ns=now,
            valid_until_ns=now + 30 * MINUTE,
            reasoning="breakout",
            strategy="breakout",
        )
        return [
            RegimeChanged(
                time_ns=now,
                symbol=symbol,
                from_regime="RANGE",
                to_regime="TREND_UP",
                vol_level="normal",
                confidence=0.75,
                indicators={"adx": 27.5, "atr_pct": 0.9},
            ),
            ConditionChanged(
                time_ns=now, condition=condition, state="armed" if n % 2 else "expired"
            ),
            ParameterSet(
                time_ns=now,
                name="risk.per_trade_pct",
                scope=(symbol, None, None),
                before="1.0",
                after=f"{1 + n / 100}",
                who="person",
            ),
            control(Control.REDUCING if n % 2 else Control.ACTIVE, now),
            note("a quiet moment · ruhig, 静か", now),
        ]

    def _proposal(
        self, n: int, symbol: str, price: Decimal, quantity: Decimal, now: int
    ) -> Proposal:
        return Proposal(
            id=f"P-{n}",
            version=1,
            digest=f"{n:08x}",
            symbol=symbol,
            direction=Direction.LONG,
            quantity=quantity,
            price=price,
            stop=price * Decimal("0.98"),
            targets=(price * Decimal("1.02"), price * Decimal("1.04")),
            leverage=1,
            notional=price * quantity,
            risk=price * quantity * Decimal("0.02"),
            strategy="trend",
            decision=f"D-{n}",
            confidence=0.71,
            created_ns=now,
            expires_ns=now + 10 * MINUTE,
            state=ProposalState.WAITING,
            gates=(gate(), gate()),
            factors=(SizeFactor(name="regime", value=1.2, result=4.5),),
        )

    def _approval(self, n: int, proposal: Proposal, now: int) -> list[AnyRecord]:
        if n % 6 == 0:  # some keep waiting, and are entered all the same by the story
            return [note("nobody answered", now)]
        command = Approve(id=f"k-{n}", proposal=proposal.id, digest=proposal.digest, version=1)
        ack = Ack(id=f"k-{n}", ok=True, code="OK", text="approved", time_ns=now, ref=proposal.id)
        approved = structs.replace(proposal, state=ProposalState.FILLED)
        return [
            Commanded(time_ns=now, command=command, ack=ack),
            ProposalChanged(time_ns=now, proposal=approved, who=Actor.PERSON),
        ]

    def _order(
        self,
        number: int,
        n: int,
        symbol: str,
        side: Side,
        quantity: Decimal,
        price: Decimal,
        now: int,
    ) -> Order:
        return Order(
            id=f"O-{number}",
            client_id=f"qdtestO-{number}",
            symbol=symbol,
            side=side,
            type=OrderType.LIMIT if side is Side.BUY else OrderType.MARKET,
            purpose=Purpose.ENTRY if side is Side.BUY else Purpose.EXIT,
            quantity=quantity,
            limit=price if side is Side.BUY else None,
            state=OrderState.INTENT,
            created_ns=now,
            position=f"T-{n}",
            proposal=f"P-{n}",
            exit_reason="" if side is Side.BUY else "target",
            expected_price=price,
        )

    def _done(self, order: Order, now: int) -> Order:
        return structs.replace(order, state=OrderState.FILLED, filled=order.quantity, ended_ns=now)

    def _filled(self, order: Order, price: Decimal, fee: Decimal, now: int) -> Filled:
        fill = Fill(
            id=f"F-{order.id[2:]}",
            order=order.id,
            symbol=order.symbol,
            side=order.side,
            quantity=order.quantity,
            price=price,
            fee=fee,
            fee_asset="USDT",
            liquidity=Liquidity.TAKER,
            time_ns=now,
            position=order.position,
            assumptions='{"spread_bps":3.0}',
        )
        return Filled(time_ns=now, fill=fill)

    def _position(
        self, n: int, symbol: str, price: Decimal, quantity: Decimal, now: int
    ) -> Position:
        return Position(
            id=f"T-{n}",
            symbol=symbol,
            direction=Direction.LONG,
            quantity=quantity,
            entry_price=price,
            opened_ns=now,
            strategy="trend",
            decision=f"D-{n}",
            proposal=f"P-{n}",
            regime="TREND_UP",
            leverage=1,
            stop=price * Decimal("0.98"),
            targets=(price * Decimal("1.02"),),
            fees=Decimal("0.1"),
            realised=Decimal(0),
            initial_stop=price * Decimal("0.98"),
            initial_quantity=quantity,
        )

    def _account(self, now: int) -> Accounted:
        account = Account(
            quote="USDT",
            cash=self._cash,
            equity=self._cash,
            realised=self._cash - 10_000,
            unrealised=Decimal(0),
            fees=Decimal("1.5"),
            funding=Decimal(0),
            day_start_equity=Decimal(10_000),
            day_pnl=self._cash - 10_000,
            peak_equity=Decimal("10100.5"),
            drawdown_pct=1.25,
            start_equity=Decimal(10_000),
            exposure=Decimal(0),
            trades_today=self._next,
        )
        return Accounted(time_ns=now, account=account, why="fill")
