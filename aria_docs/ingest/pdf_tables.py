"""Table candidates of a page: where PyMuPDF's layout network or the ruling lines see a table, `table_grid` reads it.

PyMuPDF's own Table.extract() and to_pandas() lose decimal points and blanks (2.0), and its find_tables() is worse than
linear in drawings; neither is used: cells are made of the page's words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aria_docs.ingest.table_grid import Lattice, Rule, lattice_table, lattices, merge_rules, open_table, tells_columns

if TYPE_CHECKING:
    from aria_docs.media import Box, Page, TableCandidate, Word

MAX_WORDS = 6_000  # the network's graph grows with them
MAX_DRAWINGS = 20_000

CROWDED = "tables looked for by ruling lines only"


def find(handle: Any, page: Page) -> tuple[tuple[TableCandidate, ...], str | None]:
    """The candidates of a loaded page, and a note where only the cheap way was open."""
    if len(page.words) < 4:
        return (), None
    words = list(page.words)
    drawings = handle.get_cdrawings()
    horizontal, vertical = _rules(drawings)
    grids = lattices(horizontal, vertical)
    handle.get_layout(return_raw=True)
    regions = _regions(handle.layout_information or [])
    found: list[TableCandidate | None] = []
    used: list[Lattice] = []
    for box, edges in regions:
        inside = [lattice for lattice in grids if lattice not in used and _overlap(lattice.box, box) > 0.5]
        whole = [lattice for lattice in inside if _explains(lattice, box, words)]
        if whole:
            used += inside
            found += [lattice_table(lattice, words) for lattice in whole]
        elif inside and len(inside) > 1 and _together(inside, box, words):
            used += inside
            found += [lattice_table(lattice, words) for lattice in inside]
        else:
            used += inside
            # Lines that do not make the table may still tell some of its columns.
            ruled = [x for lattice in inside for x in lattice.xs if box[0] + 6 < x < box[2] - 6]
            edges = [*edges, *(x for x in ruled if all(abs(x - edge) > 8 for edge in edges))]
            found.append(open_table(box, words, edges, horizontal))
    pictures = [
        tuple(group["group_bbox"][:4]) for group in handle.layout_information or [] if group["class_name"] == "picture"
    ]
    for lattice in grids:
        if lattice in used or any(_overlap(lattice.box, box) > 0.25 for box, _ in regions):
            continue
        if any(_overlap(lattice.box, box) > 0.8 for box in pictures):
            continue
        found.append(lattice_table(lattice, words))
    return tuple(table for table in found if table is not None), None


def _regions(groups: list[dict[str, Any]]) -> list[tuple[Box, list[float]]]:
    """Boxes that the network calls tables, and where it sees edges of columns."""
    regions = []
    for group in groups:
        if group["class_name"] == "table" and group.get("table_grid") is not None:
            x0, y0, x1, y1 = group["group_bbox"][:4]
            regions.append(((x0, y0, x1, y1), [x0 + x for x in group["table_grid"].v_lines]))
    return regions


def _explains(lattice: Lattice, box: Box, words: list[Word]) -> bool:
    """Whether a lattice holds nearly all words of a region, and tells its columns apart."""
    here = [word for word in words if _inside(word, box)]
    held = sum(_inside(word, lattice.box) for word in here)
    return held >= 0.9 * len(here) and len(lattice.xs) > 2 and len(lattice.ys) > 2 and tells_columns(lattice, words)


def _together(inside: list[Lattice], box: Box, words: list[Word]) -> bool:
    here = [word for word in words if _inside(word, box)]
    held = sum(any(_inside(word, lattice.box) for lattice in inside) for word in here)
    return held >= 0.9 * len(here) and all(
        len(lattice.xs) > 2 and len(lattice.ys) > 2 and tells_columns(lattice, words) for lattice in inside
    )


def _inside(word: Word, box: Box) -> bool:
    x, y = (word.box[0] + word.box[2]) / 2, (word.box[1] + word.box[3]) / 2
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


def _overlap(a: Box, b: Box) -> float:
    """The share of the smaller box that lies in the other."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    smaller = min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))
    return width * height / smaller if width > 0 and height > 0 and smaller > 0 else 0.0


def _rules(drawings: list[dict[str, Any]]) -> tuple[list[Rule], list[Rule]]:
    """Horizontal and vertical lines: strokes, borders, and filled boxes too thin to be anything else."""
    horizontal, vertical = [], []

    def line(x0: float, y0: float, x1: float, y1: float) -> None:
        if abs(y1 - y0) <= 1 < abs(x1 - x0):
            horizontal.append(Rule((y0 + y1) / 2, min(x0, x1), max(x0, x1)))
        elif abs(x1 - x0) <= 1 < abs(y1 - y0):
            vertical.append(Rule((x0 + x1) / 2, min(y0, y1), max(y0, y1)))

    def rect(x0: float, y0: float, x1: float, y1: float, *, stroked: bool) -> None:
        if y1 - y0 <= 3:
            line(x0, (y0 + y1) / 2, x1, (y0 + y1) / 2)
        elif x1 - x0 <= 3:
            line((x0 + x1) / 2, y0, (x0 + x1) / 2, y1)
        elif stroked:
            for edge in ((x0, y0, x1, y0), (x0, y1, x1, y1), (x0, y0, x0, y1), (x1, y0, x1, y1)):
                line(*edge)

    for drawing in drawings:
        stroked = "s" in drawing["type"]
        for item in drawing.get("items", ()):
            if item[0] == "l" and stroked:
                line(*item[1], *item[2])
            elif item[0] == "re":
                rect(*item[1], stroked=stroked)
            elif item[0] == "qu":
                (ax, ay), _, _, (dx, dy) = item[1]
                rect(min(ax, dx), min(ay, dy), max(ax, dx), max(ay, dy), stroked=stroked)
        # A thin box drawn as a path of lines and filled.
        if drawing["type"] == "f" and all(item[0] == "l" for item in drawing["items"]):
            rect(*drawing["rect"], stroked=False)
    return merge_rules(horizontal), merge_rules(vertical)
