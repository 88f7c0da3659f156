"""Positions and orders: moving protection, closing, cancelling; each named in its dialog."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from app import describe, dialogs
from app.dialogs import Answer, Choice, Field
from engine.core import commands as cmd
from engine.core.views import PositionView

if TYPE_CHECKING:
    from app.app import QuarterdeckApp


class Holding:
    """Acts on what is held: stop, targets, close; and on what rests."""

    def __init__(self, deck: QuarterdeckApp) -> None:
        self.deck = deck

    def do_move_stop(self, _argument: str) -> None:
        view = self.deck.chosen_position()
        if view is None:
            return

        def check(text: str) -> str:
            price = dialogs.parse_decimal(text)
            if price is None:
                return dialogs.price_check(text)
            return describe.stop_trouble(view, price)

        position = view.position
        form = self.deck.form(
            f"Stop of {position.id} {position.direction.value} {position.symbol}",
            [[("price now ", "muted"), (f"{view.mark:,.8g}", "bold")]],
            [Field("price", "stop", f"{position.stop:f}", check)],
            "Move the stop",
        )
        self.deck.ask(
            form,
            lambda answer: (
                self.deck.order(
                    cmd.MoveStop(
                        id=self.deck.new_id(),
                        position=position.id,
                        price=dialogs.parse_decimal(answer["price"]) or position.stop,
                    ),
                    f"move the stop of {position.symbol}",
                )
                if isinstance(answer, dict)
                else None
            ),
        )

    def do_move_targets(self, _argument: str) -> None:
        view = self.deck.chosen_position()
        if view is None:
            return

        def check(text: str) -> str:
            prices = dialogs.parse_prices(text)
            if prices is None:
                return "write prices above 0, separated by spaces, or nothing for none"
            return describe.target_trouble(view, prices)

        position = view.position
        form = self.deck.form(
            f"Targets of {position.id} {position.direction.value} {position.symbol}",
            [[("price now ", "muted"), (f"{view.mark:,.8g}", "bold")]],
            [Field("prices", "targets", " ".join(f"{t:f}" for t in position.targets), check)],
            "Move the targets",
        )
        self.deck.ask(
            form,
            lambda answer: (
                self.deck.order(
                    cmd.MoveTargets(
                        id=self.deck.new_id(),
                        position=position.id,
                        prices=dialogs.parse_prices(answer["prices"]) or (),
                    ),
                    f"move the targets of {position.symbol}",
                )
                if isinstance(answer, dict)
                else None
            ),
        )

    def do_close_position(self, _argument: str) -> None:
        view = self.deck.chosen_position()
        if view is None:
            return
        position = view.position
        self.deck.ask(
            self.deck.dialog(
                f"Close {position.id} {position.direction.value} {position.symbol}?",
                describe.closing_rows(view),
                [
                    Choice("a", "All of it", "1", danger=True),
                    Choice("h", "Half", "0.5"),
                    Choice("s", "Some of it …", "part"),
                ],
                "c",
            ),
            lambda answer: self._close_answered(view, answer),
        )

    def _close_answered(self, view: PositionView, answer: Answer) -> None:
        if answer == "part":
            form = self.deck.form(
                f"How much of {view.position.symbol}?",
                [],
                [Field("percent", "percent, above 0 and up to 100", "", _percent_check)],
                "Close this part",
            )
            self.deck.ask(
                form,
                lambda filled: (
                    self._close(view, float(Decimal(filled["percent"]) / 100))
                    if isinstance(filled, dict)
                    else None
                ),
            )
        elif isinstance(answer, str) and answer:
            self._close(view, float(answer))

    def _close(self, view: PositionView, fraction: float) -> None:
        part = "all" if fraction == 1.0 else f"{fraction:.0%}"
        self.deck.order(
            cmd.ClosePosition(id=self.deck.new_id(), position=view.position.id, fraction=fraction),
            f"close {part} of {view.position.symbol}",
        )

    def do_cancel_order(self, _argument: str) -> None:
        order = self.deck.chosen_order()
        self.deck.order(cmd.CancelOrder(id=self.deck.new_id(), order=order), f"cancel {order}")


def _percent_check(text: str) -> str:
    value = dialogs.parse_decimal(text)
    if value is None or value > 100:
        return "write a percentage above 0 and up to 100"
    return ""
