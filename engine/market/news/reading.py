"""Headlines out of RSS and Atom, by a parser that a stranger may feed anything.

Document types are refused before anything in them is read, so that no entity is declared,
expanded or fetched; depth, items and texts are bounded. Markup inside a title is taken out, and
what is left is `SafeText`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from hashlib import sha256
from xml.parsers import expat

from engine.core.errors import FeedError
from engine.core.news import Headline
from engine.core.safetext import SafeText

MOST_ITEMS = 200
MOST_DEPTH = 40
MOST_TEXT = 4_000
"""Characters of one element that are kept; the rest of it is let go."""

LONGEST = 240
LONGEST_LINK = 500

_ITEMS = ("item", "entry")
_WANTED = ("title", "link", "guid", "id", "pubDate", "published", "updated", "date")
_TAGS = re.compile(r"<[^<>]{0,500}>")
_SPACES = re.compile(r"\W+")


class _Items:
    """Collects the items of a feed while it is parsed; names are without their namespace."""

    def __init__(self) -> None:
        self.items: list[dict[str, str]] = []
        self.root = ""
        self._path: list[str] = []
        self._item: dict[str, str] | None = None
        self._text: list[str] = []
        self._length = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(" ")[2]
        self.root = self.root or local
        self._path.append(local)
        if len(self._path) > MOST_DEPTH:
            raise FeedError(f"elements more than {MOST_DEPTH} deep")
        self._text, self._length = [], 0
        if local in _ITEMS and self._item is None:
            self._item = {}
            self._depth = len(self._path)
        elif self._item is not None and local == "link" and attributes.get("href"):
            self._item.setdefault("link", attributes["href"])

    def text(self, data: str) -> None:
        if self._item is not None and self._length < MOST_TEXT:
            self._text.append(data[: MOST_TEXT - self._length])
            self._length += len(data)

    def end(self, name: str) -> None:
        local = self._path.pop()
        if self._item is None:
            return
        # Only what belongs to the item itself: an image in it has a title of its own.
        if len(self._path) == self._depth and local in _WANTED and self._text:
            self._item.setdefault(local, "".join(self._text).strip())
        elif len(self._path) == self._depth - 1:
            if len(self.items) < MOST_ITEMS:
                self.items.append(self._item)
            self._item = None
        self._text, self._length = [], 0


def read(body: bytes, source: str, known_ns: int = 0) -> tuple[Headline, ...]:
    """The headlines of a feed in its order. Raises `FeedError` for what is none."""
    items = _Items()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = items.start
    parser.EndElementHandler = items.end
    parser.CharacterDataHandler = items.text
    parser.StartDoctypeDeclHandler = _refused
    parser.EntityDeclHandler = _refused
    parser.ExternalEntityRefHandler = _refused
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise FeedError(f"no well-formed XML: {error}") from None
    except (LookupError, ValueError) as error:
        raise FeedError(f"an encoding that nobody knows: {error}") from None
    if items.root not in ("rss", "RDF", "feed"):
        raise FeedError(f"neither RSS nor Atom: <{SafeText(items.root).line(40)}>")
    return tuple(_headlines(items.items, source, known_ns))


def _refused(*_: object) -> int:
    raise FeedError("a document type, which is not read")


def _headlines(items: list[dict[str, str]], source: str, known_ns: int) -> Iterator[Headline]:
    for item in items:
        text = plain(item.get("title", ""))
        if text:
            link = SafeText(item.get("link", "")).line(LONGEST_LINK)
            dates = (item.get(name, "") for name in ("pubDate", "published", "updated", "date"))
            yield Headline(
                known_ns=known_ns,
                source=source,
                text=str(text),
                link=str(link),
                published_ns=moment(next(filter(None, dates), "")),
                key=key_of(text),
            )


def plain(text: str) -> SafeText:
    """A title as one line of text: without tags, its references read twice as feeds write them."""
    return SafeText(_TAGS.sub("", html.unescape(_TAGS.sub("", html.unescape(text))))).line(LONGEST)


def key_of(text: str) -> str:
    """The same for one headline in two spellings, and in two sources."""
    return sha256(_SPACES.sub(" ", text.casefold()).strip().encode()).hexdigest()[:16]


def moment(text: str) -> int:
    """What a feed says of a time in nanoseconds, 0 for what can't be read."""
    for parse in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            found = parse(text.strip())
            aware = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
            return max(0, int(aware.timestamp())) * 1_000_000_000
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
    return 0
