"""Honesty and the time machine on the screen: figures as text, and steps through a journal."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from app.recalling import recall
from engine.core.clock import SECOND
from engine.core.honesty import Aftermath, HonestyView, Later
from engine.core.types import Direction, Fill, Liquidity, Side
from engine.journal.queries import Reader
from engine.portfolio.holding import Terms
from engine.portfolio.honesty import HonestyReport
from tests.engine.test_replay import run as replay
from tests.faults.recording import record
from tests.ui import fakehub as fake
from tests.ui.deck import Deck, drive
from widgets.honesty import HonestyPanel
from widgets.machine import MachinePanel, Part, Told

NAN = float("nan")


def a_fill(number: int, side: Side, price: str, mid: str, best: str) -> Fill:
    told = {"mid": mid, "best": best, "source": "quote", "spread_bps": 2.0}
    return Fill(
        id=f"F-{number}", order=f"O-{number}", symbol="BTC/USDT", side=side,
        quantity=Decimal("0.5"), price=Decimal(price), fee=Decimal("1.25"), fee_asset="USDT",
        liquidity=Liquidity.TAKER, time_ns=fake.START_NS + number * SECOND, position="P-1",
        assumptions=msgspec.json.encode(told).decode(),
    )  # fmt: skip


def report() -> HonestyView:
    """A bought and sold half coin: one watched to its end, one still being watched."""
    kept = HonestyReport("USDT")
    terms = Terms("BTC/USDT", Direction.LONG)
    bought = a_fill(1, Side.BUY, "1000.2", "1000", "1000.1")
    sold = a_fill(2, Side.SELL, "1009.8", "1010", "1009.9")
    for fill in (bought, sold):
        kept.fill(fill, terms)
    prices = (("1s", 1001.2), ("5s", NAN), ("1m", 999.2), ("5m", 1000.2))
    later = [Later(after=name, price=price, how="quote") for name, price in prices]
    for fill, ended in ((bought, True), (sold, False)):
        kept.aftermath(
            Aftermath(
                fill=fill.id, symbol=fill.symbol, side=fill.side, time_ns=fill.time_ns, mid=1000.0,
                later=tuple(later) if ended else (), again=1000.7 if ended else NAN,
                again_how="quote" if ended else "", available=False if ended else None,
                available_how="gone within a second" if ended else "", limit=999.9,
                through_ns=42 * SECOND if ended else -2, ended=ended,
            )
        )  # fmt: skip
    return kept.view({})


def drawn(width: int = 110, height: int = 16) -> list[str]:
    panel = HonestyPanel()
    panel.fit(width + 4, height + 2)
    panel.show(fake.world(honesty=report()), 0)
    assert panel.select("F-1")
    return ["".join(text for text, _ in line).rstrip() for line in panel.body(width, height)]


def test_each_fill_tells_its_cost_and_what_the_tape_did_next() -> None:
    lines = drawn()
    [bought] = [line for line in lines if " buy " in line]
    figures = "−2.0 +10.0 – −10.0 0.0 +5.0 no in 42 s 1,000.2"
    assert " ".join(bought.split()).endswith(figures)
    [sold] = [line for line in lines if " sell " in line]
    assert "…" in sold
    text = "\n".join(lines)
    for words in ("Gross +5.00", "Fees −2.50", "Spread −0.10", "Slippage −0.10", "Net +2.30",
                  "too few to say", "gone within a second"):  # fmt: skip
        assert words in text, words


def test_before_the_first_fill_it_says_what_will_stand_here() -> None:
    panel = HonestyPanel()
    panel.fit(60, 12)
    panel.show(fake.world(), 0)
    assert panel.nothing()
    text = "".join(part for line in panel.draw(60, 12) for part, _ in line)
    assert "Nothing was filled yet." in text


@pytest.mark.parametrize("width", [40, 58, 110])
def test_the_time_machine_wraps_what_is_long(width: int) -> None:
    panel = MachinePanel()
    panel.fit(width, 12)
    told = Told(
        "D-7", "D-7  BTC/USDT  BUY 62%", 3, 9,
        (Part("Inputs", (("close", "1"), ("rsi", "55")), (("word " * 40, "soft"),)),), "same",
    )  # fmt: skip
    panel.show(fake.world(), 0)
    panel.show_story(told)
    for line in panel.document(width - 4):
        assert sum(len(text) for text, _ in line) <= width - 4
    assert "made again: same" in "".join(text for text, _ in panel.note())
    assert panel.selected_key == "D-7"


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recall")
    replay(folder / "j.db", f"replay:{record(folder / 'market', 2_500)}")
    return folder / "j.db"


def test_every_decision_can_be_stepped_to_and_the_ends_are_ends(journal: Path) -> None:
    with Reader(journal) as reader:
        ids = [name for name, _ in reader.decision_ids()]
    assert len(ids) > 40
    told = recall(journal, "", "older")
    seen: list[str] = []
    while told is not None and len(seen) < 40:
        seen.append(told.id)
        told = recall(journal, told.id, "older")
    assert seen == ids[::-1][:40]
    assert recall(journal, ids[0], "older") is None
    first = recall(journal, ids[0], "newer")
    assert first is not None
    assert (first.id, first.place, first.total) == (ids[1], 2, len(ids))
    assert recall(journal, ids[-1], "newer") is None
    again = recall(journal, ids[2], "again")
    assert again is not None
    assert again.verdict == "same"
    assert {"Made again", "Outcome", "Inputs"} <= {part.title for part in again.parts}
    unkept = recall(journal, "D-99999", "")
    assert unkept is not None
    assert "not in the journal" in unkept.parts[0].sentences[0][0]


def test_keys_step_and_make_again_without_a_command(journal: Path) -> None:
    run = msgspec.structs.replace(fake.world().run, journal=str(journal))
    hub = fake.FakeHub(fake.world(run=run))

    async def shown(deck: Deck, key: str, until: str) -> str:
        await deck.press(key)
        panel = deck.app.base_screen().panels["machine"]  # type: ignore[union-attr]
        assert isinstance(panel, MachinePanel)
        for _ in range(2_000):
            text = "\n".join("".join(part for part, _ in line) for line in panel.draw(70, 20))
            if until in text and not deck.app.recalling.busy:
                return text
            await asyncio.sleep(0.005)
        pytest.fail(f"{until} never came: {text}")

    async def script(deck: Deck) -> None:
        await deck.press("3")
        await deck.look()
        with Reader(journal) as reader:
            ids = [name for name, _ in reader.decision_ids()]
        await shown(deck, "less_than_sign", ids[-1])
        await shown(deck, "less_than_sign", ids[-2])
        assert "every value comes out as it was" in await shown(deck, "r", "made again: same")
        await shown(deck, "greater_than_sign", ids[-1])
        assert hub.sent == []

    drive(script, hub=hub)
