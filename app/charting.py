"""Keys of the chart: zoom, pan, and the indicators drawn over it. Nothing here sends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app import studies
from app.chrome import Parts
from app.dialogs import Answer, Field
from engine.core.errors import QuarterdeckError
from widgets.chart import PriceChart

if TYPE_CHECKING:
    from app.app import QuarterdeckApp

_HELP = (
    "Names are those of the ta library: ema_indicator, bollinger_hband, rsi …",
    "Arguments follow as in window=50; several overlays are separated by semicolons.",
    "none takes them away.",
)


class Charting:
    """The part of the screen that looks closer at prices."""

    def __init__(self, deck: QuarterdeckApp) -> None:
        self.deck = deck

    def _chart(self) -> PriceChart | None:
        screen = self.deck.base_screen()
        panel = screen.panels.get("chart") if screen is not None else None
        return panel if isinstance(panel, PriceChart) else None

    def do_zoom(self, by: str) -> None:
        chart = self._chart()
        if chart is not None:
            chart.zoom(int(by))

    def do_pan(self, by: str) -> None:
        chart = self._chart()
        if chart is not None:
            chart.page(int(by))

    def do_point(self, by: str) -> None:
        chart = self._chart()
        if chart is not None:
            chart.point(int(by))

    def do_timeframe(self, _argument: str) -> None:
        chart = self._chart()
        if chart is not None:
            self.deck.say(f"candles of {chart.next_frame()}", "note")
            self.deck.hurry_paint()

    def do_overlay(self, _argument: str) -> None:
        drawn = self.deck.studies.text

        def answered(answer: Answer) -> None:
            if isinstance(answer, dict):
                self._want(answer["overlays"])

        rows: list[Parts] = [[(line, "muted")] for line in _HELP]
        field = Field("overlays", "Overlays", drawn, _check)
        self.deck.ask(self.deck.form("Chart overlay", rows, [field], "Draw"), answered)

    def _want(self, text: str) -> None:
        wanted = studies.parse(text)
        self.deck.studies.want(wanted)
        names = ", ".join(each.text for each in wanted)
        self.deck.say(f"computing {names}" if names else "the chart has no overlay", "note")
        self.deck.hurry_paint()


def _check(text: str) -> str:
    try:
        studies.parse(text)
    except QuarterdeckError as error:
        return f"{error.message}; {error.hint}" if error.hint else error.message
    return ""
