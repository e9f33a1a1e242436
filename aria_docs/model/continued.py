"""Which tables go on from the page before. Pure geometry and text, so it serves every engine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

# A part that goes on stands at the foot of its page, the next at the head; footers, headers and notes take the rest.
FOOT, HEAD = 0.6, 0.35
# The same columns stand at the same place; a part may be a little narrower where its widest cell is on the other page.
EDGE_SHIFT = 0.06


@dataclass(frozen=True, slots=True)
class TablePart:
    """A table on one page, with what decides whether the next one continues it.

    box:     (x0, y0, x1, y1) in points, as `media.Box`.
    size_pt: width and height of the page.
    header:  the texts of its header rows, row by row; empty where it has none.
    """

    table_id: str
    page: int
    box: Sequence[float]
    size_pt: Sequence[float]
    n_cols: int
    header: Sequence[str]
    caption: str | None = None


def find_continued(parts: Iterable[TablePart]) -> dict[str, str]:
    """table_id → the table_id it goes on from. `parts` are those of one document, in reading order.

    page 4  ┌────────────┐        page 5  ┌────────────┐
            │ text       │                │ Region  km │  the same header, or none
            │ Region  km │                │ East     3 │
            │ North    1 │ ── goes on ──> │ West     4 │
            │ South    2 │                │ text       │
            └────────────┘                └────────────┘
    """
    by_page: dict[int, list[TablePart]] = {}
    for part in parts:
        by_page.setdefault(part.page, []).append(part)
    links = {}
    for before, after in pairwise(sorted(by_page)):
        if after == before + 1:
            last = max(by_page[before], key=lambda part: part.box[3])
            first = min(by_page[after], key=lambda part: part.box[1])
            if _goes_on(last, first):
                links[first.table_id] = last.table_id
    return links


def _goes_on(last: TablePart, first: TablePart) -> bool:
    at_edges = last.box[3] >= FOOT * last.size_pt[1] and first.box[1] <= HEAD * first.size_pt[1]
    if not at_edges or last.n_cols != first.n_cols:
        return False
    if first.header and first.header != last.header:
        return False
    if first.caption and not first.header and _fold(first.caption) != _fold(last.caption or ""):
        return False  # it has a name of its own
    shift = EDGE_SHIFT * last.size_pt[0]
    return abs(last.box[0] - first.box[0]) <= shift and abs(last.box[2] - first.box[2]) <= shift


def _fold(caption: str) -> str:
    words = caption.casefold().replace("(continued)", " ").replace("(cont.)", " ").replace("continued", " ")
    return " ".join(words.split())
