"""A hand-written hub for screens under test, and builders of realistic snapshots.

`FakeHub` records every command and acknowledges it by a script; `world` builds a snapshot
in which each panel has something to show. Times start at a fixed moment, ids are counted.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from engine.core.clock import MINUTE, SECOND, parse_iso
from engine.core.commands import Ack, AnyCommand, Approve, Pause, Reject, Resume
from engine.core.types import (
    Account,
    Action,
    Actor,
    ApprovalMode,
    Bar,
    BreakerState,
    Control,
    Decision,
    Direction,
    ExpectedValue,
    FeedKind,
    Gate,
    Link,
    Mode,
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
    Vote,
)
from engine.core.views import (
    BreakerView,
    ControlView,
    Counterfactual,
    EquityPoint,
    FeedView,
    Health,
    JournalLine,
    MarketView,
    Outlook,
    PositionView,
    RunInfo,
    Snapshot,
    StepTiming,
)
from engine.hub import LocalHub

START_NS = parse_iso("2025-05-04T12:00:00")
SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")
PRICES = {"BTC/USDT": 61_234.5, "ETH/USDT": 2_987.12, "SOL/USDT": 148.337}


def make_breakers() -> tuple[BreakerView, ...]:
    """Three breakers: one open by itself for half an hour, one half open, one closed."""
    rows = (
        ("losses", BreakerState.OPEN, 5.0, 5.0, "trades", 30, "5 losses in a row, limit 5"),
        ("api_failures", BreakerState.HALF_OPEN, 0.0, 5.0, "failures", 0, "entries on trial"),
        ("drawdown", BreakerState.CLOSED, 3.2, 20.0, "%", 0, ""),
    )
    return tuple(
        BreakerView(
            name=name, title=name.replace("_", " "), state=state, value=value, limit=limit,
            unit=unit, base="closed trades", since_ns=START_NS,
            until_ns=START_NS + minutes * MINUTE if minutes else 0, reason=reason,
            clears="a winning trade", hard=name == "drawdown",
        )
        for name, state, value, limit, unit, minutes, reason in rows
    )  # fmt: skip


def make_counterfactuals() -> tuple[Counterfactual, ...]:
    """One that is still followed, one that would have won, one that would have lost."""
    rows = (
        ("X-9", "denied", "spread", 0.4, "", (("1m", 0.1),), 0),
        (
            "P-3",
            "rejected",
            "not today",
            2.1,
            "take_profit",
            (("1m", 0.1), ("5m", 1.4)),
            12 * MINUTE,
        ),
        ("X-2", "denied", "cooldown", -1.2, "stop_loss", (), 0),
    )
    return tuple(
        Counterfactual(
            id=name, symbol="BTC/USDT", kind=kind, code=code, time_ns=START_NS, price=61_000.0,
            direction="LONG", pnl_pct=pct, ended=ended, marks=marks, gross_pct=pct + 0.2,
            who="person" if kind == "rejected" else "engine", unseen_ns=unseen,
        )
        for name, kind, code, pct, ended, marks, unseen in rows
    )  # fmt: skip


def make_gates(passed: bool = True) -> tuple[Gate, ...]:
    """Gates of an entry; the last one refuses when `passed` is False."""
    rows = [
        ("CONTROL", "control state", True, 0.0, 0.0, 0.0, "", True, "ACTIVE"),
        ("SPREAD", "spread", True, 1.2, 8.0, 6.8, "bps", False, ""),
        ("DAILY_LOSS", "daily loss", True, 0.4, 3.0, 2.6, "% of day start", True, ""),
        ("EXPOSURE", "exposure", True, 18.0, 60.0, 42.0, "% of equity", True, ""),
        ("EV", "expected value", passed, 6.1 if passed else -2.0, 0.0,
         6.1 if passed else -2.0, "bps", False, "net of fees"),
    ]  # fmt: skip
    names = ("code", "name", "passed", "value", "threshold", "distance", "unit", "hard", "detail")
    return tuple(msgspec.convert(dict(zip(names, row, strict=True)), Gate) for row in rows)


def make_signal(symbol: str, strategy: str = "ema_cross", action: Action = Action.BUY) -> Signal:
    """A strategy's vote."""
    price = PRICES.get(symbol, 100.0)
    return Signal(
        strategy=strategy,
        symbol=symbol,
        time_ns=START_NS,
        action=action,
        confidence=0.68,
        entry=price,
        stop=price * 0.985,
        target=price * 1.03,
        reason="fast EMA over slow EMA, volume 1.8 times its mean",
        expected_value=6.1,
    )


def make_decision(symbol: str, number: int = 1, action: Action = Action.BUY) -> Decision:
    """A decision with its five votes, one of them absent."""
    return Decision(
        id=f"D-{number}",
        symbol=symbol,
        time_ns=START_NS,
        action=action,
        confidence=0.64,
        size_pct=4.0,
        price=PRICES.get(symbol, 100.0),
        regime="BULL",
        regime_confidence=0.71,
        reasoning="Trend and volume agree; the regime is BULL with confidence 0.71.",
        votes=(
            Vote(source="strategies", action=action, confidence=0.68, weight=0.5, reason="2 of 3"),
            Vote(source="regime", action=action, confidence=0.71, weight=0.3, reason="BULL"),
            Vote(source="momentum", action=Action.HOLD, confidence=0.4, weight=0.2, reason="flat"),
        ),
        absent=("llm", "model"),
        signals=(make_signal(symbol), make_signal(symbol, "rsi_revert", Action.HOLD)),
        winner="ema_cross",
        expected=ExpectedValue(
            probability=0.52,
            win_bps=120.0,
            loss_bps=80.0,
            fees_bps=15.0,
            spread_bps=1.2,
            slippage_bps=2.0,
            net_bps=6.1,
            n=41,
            prior=False,
        ),
    )


def make_proposal(number: int = 17, symbol: str = "BTC/USDT", **changes: Any) -> Proposal:
    """A proposal that waits for approval."""
    price = Decimal(str(PRICES.get(symbol, 100.0)))
    proposal = Proposal(
        id=f"P-{number}",
        version=1,
        digest=f"{number:04d}" + "a1b2c3d4" * 7,
        symbol=symbol,
        direction=Direction.LONG,
        quantity=Decimal("0.0150"),
        price=price,
        stop=(price * Decimal("0.985")).quantize(Decimal("0.01")),
        targets=(
            (price * Decimal("1.02")).quantize(Decimal("0.01")),
            (price * Decimal("1.04")).quantize(Decimal("0.01")),
        ),
        leverage=1,
        notional=(price * Decimal("0.0150")).quantize(Decimal("0.01")),
        risk=(price * Decimal("0.0150") * Decimal("0.015")).quantize(Decimal("0.01")),
        strategy="ema_cross",
        decision="D-1",
        confidence=0.64,
        created_ns=START_NS,
        expires_ns=START_NS + 15 * MINUTE,
        state=ProposalState.WAITING,
        gates=make_gates(),
        factors=(
            SizeFactor(name="risk per trade", value=1.0, result=0.0210),
            SizeFactor(name="regime", value=0.9, result=0.0189),
            SizeFactor(name="confidence", value=0.8, result=0.0151),
        ),
        regime="BULL",
        reasoning="Trend and volume agree; the regime is BULL with confidence 0.71.",
        why_waits="approval mode is review",
    )
    return msgspec.structs.replace(proposal, **changes)


def make_position(number: int = 3, symbol: str = "ETH/USDT", **changes: Any) -> PositionView:
    """An open long with a small profit."""
    mark = PRICES.get(symbol, 100.0)
    entry = Decimal(str(round(mark * 0.99, 2)))
    position = Position(
        id=f"T-{number}",
        symbol=symbol,
        direction=Direction.LONG,
        quantity=Decimal("0.4200"),
        entry_price=entry,
        opened_ns=START_NS - 42 * MINUTE,
        strategy="ema_cross",
        decision="D-0",
        proposal="P-11",
        regime="BULL",
        leverage=1,
        stop=(entry * Decimal("0.985")).quantize(Decimal("0.01")),
        targets=((entry * Decimal("1.03")).quantize(Decimal("0.01")),),
        fees=Decimal("1.24"),
        realised=Decimal("0"),
        initial_stop=(entry * Decimal("0.985")).quantize(Decimal("0.01")),
        initial_quantity=Decimal("0.4200"),
        confidence=0.61,
        mfe_pct=1.4,
        mae_pct=-0.3,
    )
    view = PositionView(
        position=position,
        mark=mark,
        unrealised=Decimal("12.55"),
        pnl_pct=1.01,
        r_multiple=0.67,
        stop_distance_pct=2.4,
        target_distance_pct=1.9,
        held_ns=42 * MINUTE,
    )
    return msgspec.structs.replace(view, **changes)


def make_market(symbol: str, last: float | None = None, **changes: Any) -> MarketView:
    """A symbol whose feed is up."""
    price = PRICES.get(symbol, 100.0) if last is None else last
    view = MarketView(
        symbol=symbol,
        last=price,
        bid=price * 0.9999,
        ask=price * 1.0001,
        change_pct=1.32,
        volume_ratio=1.8,
        link=Link.UP,
        age_ns=0,
        regime="BULL",
        vol_level="NORMAL",
        spread_bps=2.0,
        modelled=False,
        forming=make_bar(symbol, 60, final=False),
    )
    return msgspec.structs.replace(view, **changes)


def make_bar(symbol: str, index: int, final: bool = True) -> Bar:
    """Bar number `index` of a gentle wave."""
    base = PRICES.get(symbol, 100.0)
    step = base * 0.002
    wave = ((index * 7) % 23 - 11) * step / 4
    opening = base + wave
    closing = opening + step * ((index % 5) - 2) / 2
    return Bar(
        symbol=symbol,
        open_ns=START_NS + (index - 60) * 15 * MINUTE,
        span_ns=15 * MINUTE,
        open=opening,
        high=max(opening, closing) + step / 2,
        low=min(opening, closing) - step / 2,
        close=closing,
        volume=120.0 + index,
        final=final,
    )


def make_order(number: int = 8, **changes: Any) -> Order:
    """A resting limit order."""
    order = Order(
        id=f"O-{number}",
        client_id=f"qdtestO-{number}",
        symbol="ETH/USDT",
        side=Side.SELL,
        type=OrderType.LIMIT,
        purpose=Purpose.EXIT,
        quantity=Decimal("0.42"),
        limit=Decimal("3045.10"),
        state=OrderState.OPEN,
        created_ns=START_NS - 40 * MINUTE,
        position="T-3",
        sent_ns=START_NS - 40 * MINUTE,
    )
    return msgspec.structs.replace(order, **changes)


def make_trade(number: int = 1, **changes: Any) -> Trade:
    """A closed trade that won."""
    trade = Trade(
        id=f"T-{number}",
        symbol="SOL/USDT",
        direction=Direction.LONG,
        quantity=Decimal("12.5"),
        entry_price=Decimal("145.20"),
        exit_price=Decimal("148.10"),
        opened_ns=START_NS - 300 * MINUTE,
        closed_ns=START_NS - 200 * MINUTE,
        pnl=Decimal("33.10"),
        pnl_pct=1.82,
        fees=Decimal("3.15"),
        strategy="ema_cross",
        decision="D-0",
        proposal="P-9",
        regime="BULL",
        exit_reason="take_profit",
        leverage=1,
        mfe_pct=2.1,
        mae_pct=-0.5,
        confidence=0.6,
    )
    return msgspec.structs.replace(trade, **changes)


def make_account(**changes: Any) -> Account:
    """Ten thousand, a little up."""
    account = Account(
        quote="USDT",
        cash=Decimal("8757.82"),
        equity=Decimal("10045.65"),
        realised=Decimal("33.10"),
        unrealised=Decimal("12.55"),
        fees=Decimal("4.39"),
        funding=Decimal("0"),
        day_start_equity=Decimal("10000"),
        day_pnl=Decimal("45.65"),
        peak_equity=Decimal("10061.20"),
        drawdown_pct=0.15,
        start_equity=Decimal("10000"),
        exposure=Decimal("1254.59"),
        trades_today=1,
    )
    return msgspec.structs.replace(account, **changes)


def make_outlook(symbol: str, number: int, passed: bool = True) -> Outlook:
    """What was last decided for a symbol, and why it is or is not traded."""
    return Outlook(
        symbol=symbol,
        time_ns=START_NS,
        decision=make_decision(symbol, number, Action.BUY if passed else Action.HOLD),
        signals=(make_signal(symbol), make_signal(symbol, "rsi_revert", Action.HOLD)),
        gates=make_gates(passed),
        verdict="proposed" if passed else "EV refuses: −2.0 bps against 0",
        since_ns=START_NS - 15 * MINUTE,
    )


def make_health(**changes: Any) -> Health:
    """An engine in good health."""
    health = Health(
        heartbeat_ns=START_NS,
        heartbeat_ok=True,
        events=12_345,
        events_per_s=220.0,
        inbox=0,
        journal_lag=0,
        journal_state="ok",
        cycle=(StepTiming(name="decide", last_us=210.0, worst_us=900.0),),
        cycles=41,
        faults=(),
        quarantined=0,
        corrections=0,
        decisions=3,
    )
    return msgspec.structs.replace(health, **changes)


def world(**changes: Any) -> Snapshot:
    """A snapshot in which everything has something to show; `changes` replace its fields."""
    snapshot = Snapshot(
        version=1,
        time_ns=START_NS,
        run=RunInfo(
            mode=Mode.PAPER,
            approval=ApprovalMode.REVIEW,
            profile="balanced",
            symbols=SYMBOLS,
            timeframe="15m",
            seed=7,
            journal="paper-sim.db",
            started_ns=START_NS - 60 * MINUTE,
            version="0.1.0",
        ),
        control=ControlView(
            state=Control.ACTIVE, reason="", since_ns=START_NS - 60 * MINUTE, who=Actor.ENGINE
        ),
        feed=FeedView(
            kind=FeedKind.SIM, link=Link.UP, venue="sim", quote="USDT", label="60x", speed=60.0
        ),
        account=make_account(),
        markets=tuple(make_market(symbol) for symbol in SYMBOLS),
        positions=(make_position(),),
        proposals=(make_proposal(17), make_proposal(18, "SOL/USDT")),
        ended=(make_proposal(9, "SOL/USDT", state=ProposalState.FILLED),),
        orders=(make_order(),),
        conditions=(),
        trades=(make_trade(),),
        outlooks=tuple(
            make_outlook(symbol, index, index != 2) for index, symbol in enumerate(SYMBOLS)
        ),
        limits=make_gates(),
        denials=(("EV", 4), ("SPREAD", 1)),
        counterfactuals=(),
        health=make_health(),
        acks=(),
    )
    return msgspec.structs.replace(snapshot, **changes)


Script = Callable[[AnyCommand, Snapshot], tuple[Ack, Snapshot]]


def ack_of(command: AnyCommand, ok: bool = True, code: str = "ok", text: str = "") -> Ack:
    """An ack for a command."""
    return Ack(id=command.id, ok=ok, code=code, text=text or type(command).__name__,
               time_ns=START_NS)  # fmt: skip


def obedient(command: AnyCommand, snapshot: Snapshot) -> tuple[Ack, Snapshot]:
    """Does what it is told as far as a screen can see it."""
    replace = msgspec.structs.replace
    text = f"{type(command).__name__.lower()} done"
    if isinstance(command, (Approve, Reject)):
        kept = tuple(p for p in snapshot.proposals if p.id != command.proposal)
        snapshot = replace(snapshot, proposals=kept)
        text = f"{command.proposal} {'approved' if isinstance(command, Approve) else 'rejected'}"
    elif isinstance(command, (Pause, Resume)):
        state = Control.REDUCING if isinstance(command, Pause) else Control.ACTIVE
        control = ControlView(
            state=state, reason=command.reason, since_ns=snapshot.time_ns, who=Actor.PERSON
        )
        snapshot = replace(snapshot, control=control)
    return ack_of(command, text=text), snapshot


class FakeHub(LocalHub):
    """A hub whose engine is a script: `sent` has every command, `publish` moves the world."""

    def __init__(self, snapshot: Snapshot | None = None, script: Script | None = obedient) -> None:
        super().__init__()
        self.sent: list[AnyCommand] = []
        self.script = script
        for symbol in SYMBOLS:
            for index in range(60):
                self.append(f"bars:{symbol}", make_bar(symbol, index))
        for index in range(50):
            self.append(
                "equity",
                EquityPoint(
                    time_ns=START_NS + (index - 50) * MINUTE,
                    equity=10_000.0 + index * 0.9 - (index % 7) * 2,
                    drawdown_pct=(index % 7) * 0.02,
                ),
            )
        for index in range(30):
            self.append(
                "journal",
                JournalLine(
                    seq=index,
                    time_ns=START_NS + (index - 30) * SECOND,
                    kind="note",
                    who=Actor.ENGINE,
                    text=f"line {index} of the journal",
                ),
            )
        if snapshot is not None:
            self.publish(snapshot)

    def send(self, command: AnyCommand) -> None:
        self.sent.append(command)
        snapshot = self.snapshot
        if self.script is None or snapshot is None:
            return
        ack, after = self.script(command, snapshot)
        self.publish(
            msgspec.structs.replace(
                after, acks=(*after.acks, ack)[-100:], version=snapshot.version + 1
            )
        )

    def change(self, **changes: Any) -> Snapshot:
        """Publish the present snapshot with other fields."""
        snapshot = self.snapshot
        assert snapshot is not None
        changed = msgspec.structs.replace(snapshot, version=snapshot.version + 1, **changes)
        self.publish(changed)
        return changed

    def last(self) -> AnyCommand:
        """The command sent last."""
        return self.sent[-1]


class FakeTime:
    """Monotonic time that a test moves by hand."""

    def __init__(self) -> None:
        self.now = 1_000 * SECOND

    def __call__(self) -> int:
        return self.now

    def pass_ms(self, milliseconds: float) -> None:
        self.now += int(milliseconds * 1_000_000)
