"""What the pages' search looks through, as side files that a page loads only when someone searches.

Each side file holds the words of a few sources, about a megabyte. Knows no page and no folder.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

# A browser takes a side file of this size in about 20 ms, and a page that searches keeps all of them in memory.
_SIDE_FILE_BYTES = 1_000_000
_WHOLE_BYTES = 64_000_000  # up to here every text is searched whole; beyond, each is cut
_CUT_BYTES = 240


@dataclass(slots=True)
class Searched:
    """What the search looks through: what an empty answer names. n_cut: texts of which only the beginning is there."""

    n_tables: int = 0
    n_pages: int = 0
    n_scenes: int = 0
    n_cues: int = 0
    n_cut: int = 0
    names: list[str] = field(default_factory=list)

    def count(self, place: str) -> None:
        """Counts an entry by its place."""
        self.n_tables += place[0] == "t" and not place.startswith("t=")
        self.n_cues += place.startswith("t=")
        self.n_pages += place[0] == "p"
        self.n_scenes += place[0] == "s" and place != "summary"


def side_files(found: Iterable[tuple[str, str, str, str]], searched: Searched) -> Iterator[str]:
    """The texts of the side files: JSON lists of [source, [[place, head, body], …]]. `searched` is filled as they come.

    found: (source, place, head, body), by source.
    """
    portion: list[tuple[str, list[tuple[str, str, str]]]] = []
    n_bytes = total = 0
    for source, rows in groupby(found, itemgetter(0)):
        entries = []
        for _, place, head, body in rows:
            if total > _WHOLE_BYTES:
                head, body = _cut(head, _CUT_BYTES), _cut(body, _CUT_BYTES)
                searched.n_cut += 1
            searched.count(place)
            entries.append((place, head, body))
            n_bytes += len(head) + len(body) + 20
            total += len(head) + len(body)
        portion.append((source, entries))
        if n_bytes >= _SIDE_FILE_BYTES:
            yield json.dumps(portion, ensure_ascii=False, separators=(",", ":"))
            portion, n_bytes = [], 0
    if portion:
        yield json.dumps(portion, ensure_ascii=False, separators=(",", ":"))


def _cut(text: str, n_bytes: int) -> str:
    """Not more than so many bytes, and no half word where a whole one fits."""
    if len(text) * 4 <= n_bytes or len(encoded := text.encode()) <= n_bytes:
        return text
    cut = encoded[:n_bytes].decode(errors="ignore")
    return (cut.rpartition(" ")[0] or cut) + "…"
