"""SafeText: the only form in which text from outside may reach a screen.

Headlines, model replies, exchange errors and symbols may carry terminal escapes that set
the clipboard or the title, and characters that reorder what a person reads. They are
dropped at the border, once, and the type says that it was done.
"""

from __future__ import annotations

import unicodedata

_KEEP = {"\n", "\t"}
_BIDI_AND_ZERO_WIDTH = frozenset(
    [0x061C, 0x180E, 0xFEFF, *range(0x200B, 0x2010), *range(0x2028, 0x202F), *range(0x2060, 0x2070)]
)


def _visible(char: str) -> bool:
    if char in _KEEP:
        return True
    code = ord(char)
    if code < 0x20 or 0x7F <= code < 0xA0 or code in _BIDI_AND_ZERO_WIDTH:
        return False
    # Cf: invisible format characters (tags, joiners); Cs: lone surrogates that no terminal
    # can encode; Co and Cn: private and unassigned, which fonts draw as anything.
    return unicodedata.category(char) not in ("Cf", "Cs", "Co", "Cn")


class SafeText(str):
    """Text without C0, C1, ESC, DEL, bidi, zero-width and invisible format characters.

    Newlines and tabs stay; `line` gives a one-line form. Widgets draw it as plain content
    and never as markup. Constructing one from a SafeText costs nothing.
    """

    __slots__ = ()

    def __new__(cls, text: object = "", limit: int = 20_000) -> SafeText:
        if type(text) is SafeText and len(text) <= limit:
            return text
        raw = str(text)
        clipped = raw[:limit]
        if clipped.isascii() and clipped.isprintable():
            return super().__new__(cls, clipped)
        return super().__new__(cls, "".join(filter(_visible, clipped)))

    def line(self, limit: int = 500) -> SafeText:
        """The same text on one line, cut to `limit` characters with an ellipsis."""
        flat = " ".join(self.split())
        return SafeText(flat if len(flat) <= limit else flat[: limit - 1] + "…")
