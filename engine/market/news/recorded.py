"""Headlines that were recorded: a replay reads each from the engine time at which it was known."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from engine.core.errors import ConfigError
from engine.core.news import Headline
from engine.core.records import HeadlineHeard
from engine.market.news.client import Fetched

LONGEST_ROW = 20_000
"""Characters of one line; longer ones are no recording of ours."""


class RecordedNews:
    """Gives headlines as engine time reaches them; asks nobody. Owned by the kernel thread."""

    def __init__(self, headlines: Iterable[Headline]) -> None:
        self._all = sorted(headlines, key=lambda one: one.known_ns)
        self._at = 0
        self.recorded = True

    @property
    def names(self) -> tuple[str, ...]:
        return tuple({one.source: None for one in self._all})

    def start(self) -> None:
        """There is nothing to begin."""

    def take(self, now_ns: int) -> list[Fetched]:
        """What became known since the last time, until now."""
        until = bisect_right(self._all, now_ns, lo=self._at, key=lambda one: one.known_ns)
        found, self._at = self._all[self._at : until], until
        return [Fetched(one.source, (one,)) for one in found]

    def close(self) -> bool:
        return True


def load(path: Path) -> list[Headline]:
    """The headlines of a journal, or of the `news_items.jsonl` that `export` writes.

    Raises `ConfigError` for a file that is neither.
    """
    if not path.is_file():
        raise ConfigError(f"there are no recorded headlines at {path}", "name a file")
    try:
        with path.open("rb") as stream:
            journal = stream.read(16).startswith(b"SQLite format 3")
        return list(_of_journal(path) if journal else _of_export(path))
    except (OSError, UnicodeDecodeError, msgspec.MsgspecError) as error:
        raise ConfigError(
            f"{path} holds no recorded headlines: {error}",
            "take data/news_items.jsonl",
        ) from None


def _of_journal(path: Path) -> Iterator[Headline]:
    from engine.journal.queries import Reader

    with Reader(path) as reader:
        for event in reader.events(kind="headline", limit=-1):
            if isinstance(event.record, HeadlineHeard):
                yield event.record.headline


def _of_export(path: Path) -> Iterator[Headline]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if len(line) > LONGEST_ROW:
                raise msgspec.ValidationError("a line that is longer than any headline")
            row = msgspec.json.decode(line, type=_Row)
            yield Headline(
                known_ns=row.timestamp, source=row.source, text=row.text, link=row.link,
                published_ns=row.published_ns, key=row.key,
            )  # fmt: skip


class _Row(msgspec.Struct):
    """A line of the export."""

    timestamp: int
    source: str
    text: str
    link: str = ""
    published_ns: int = 0
    key: str = ""
