"""File names made of captions, titles and paths. Pure."""

from __future__ import annotations

import re
import unicodedata

_LONGEST_STEM = 80  # characters; with a folder and a suffix, well inside the 255 bytes of a file name in most scripts


class Names:
    """File names made of people's words: safe on every system, unlike each other, the same for the same input.

    >>> names = Names()
    >>> names.take("../Q1: Sales"), names.take("q1 sales")
    ('Q1 Sales', 'q1 sales-2')
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._last: dict[str, int] = {}  # of each stem, so that the next of thousands is not sought from 2 on

    def take(self, words: str) -> str:
        """A stem that is not taken yet, also on file systems that ignore case."""
        stem = _clean(words)
        n = self._last.get(stem.casefold(), 0) + 1
        name = stem if n == 1 else f"{stem}-{n}"
        while name.casefold() in self._taken:
            n += 1
            name = f"{stem}-{n}"
        self._taken.add(name.casefold())
        self._last[stem.casefold()] = n
        return name


# Names that Windows keeps for devices, whatever the suffix.
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


def _clean(words: str) -> str:
    text = unicodedata.normalize("NFC", words)
    text = re.sub(r'[\x00-\x1f\x7f<>:"/\\|?*\s\u200b-\u200f\u2028-\u202e\ufffd\ud800-\udfff]+', " ", text)
    text = text.strip(" .-")[:_LONGEST_STEM].strip(" .-")
    return f"_{text}" if not text or _DEVICES.match(text) else text
