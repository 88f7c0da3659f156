"""Tables whose rows show the path that a symbol's price took: a sparkline beside its figures."""

from __future__ import annotations

from collections.abc import Mapping

from widgets.frame import Frame
from widgets.tablepanel import TablePanel


class PathsPanel(TablePanel):
    """A table that is told the last closes of each symbol; `PATH` says how many it draws."""

    PATH = 0

    def __init__(self, *, id: str | None = None, frame: Frame = Frame.BOX) -> None:
        super().__init__(id=id, frame=frame)
        self._paths: dict[str, tuple[float, ...]] = {}

    def show_paths(self, paths: Mapping[str, tuple[float, ...]]) -> None:
        """Draw these closes, oldest first; nothing is done while they are the same objects."""
        if all(self._paths.get(symbol) is path for symbol, path in paths.items()):
            return
        self._paths = dict(paths)
        if self.snapshot is not None:
            self.take(self.snapshot)
            self.redraw()

    def path_of(self, symbol: str) -> tuple[float, ...]:
        """The closes of a symbol, none before they are told."""
        return self._paths.get(symbol, ())
