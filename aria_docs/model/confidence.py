"""The chance that a cell is right, by what its reader knew and what arithmetic and the page say. Pure.

    table, words of its page, how its grid was found ── word_cells ──> which words each cell has
              └── checks ──────────────────────────────────────────┐       │
    log-odds of an error = intercept + Σ weight × feature  <───────┴── features, each 0 to 1

Every weight is at or above 0: what speaks against a cell never makes it surer. The weights are fitted by
`benchmarks/confidence.py`, and stand in `confidence_weights`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import exp, log
from typing import TYPE_CHECKING, Literal

import numpy as np

from aria_docs.model.checks import Entry, checks_of
from aria_docs.model.confidence_weights import INTERCEPT, OF_TABLES, WEIGHTS
from aria_docs.model.word_cells import WordCells, page_checks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from aria_docs.media import Check, Place, Table, TableCell, Transition, Word

Grid = Literal["lattice", "ruled", "open", "model"]
"""Who parted a table into cells: lines around them, lines between rows, their distances alone, or a model."""

OF_BOUNDARIES: dict[Transition, float] = {"start": 1.0, "cut": 0.995, "fade": 0.98, "wipe": 0.97, "dissolve": 0.83}
"""That a shot begins where it does, by how: of those found in the 14 composed and 82 made videos of benchmarks/video.md
(2026-11), (right + 1) / (found + 2). All 8 that were wrong in the composed ones are dissolves."""

_MANY = 3  # filled cells of a column that say what its type is
_LEAST, _MOST = 0.002, 0.98  # of errors: a few hundred tables cannot tell rarer ones


@dataclass(frozen=True, slots=True)
class How:
    """How a table was read.

    seen:      rows and columns that the layout network counts at its place; None where it sees no table, or was not
               asked.
    from_ocr:  whether words of it were read by OCR.
    """

    grid: Grid
    seen: tuple[int, int] | None = None
    from_ocr: bool = False


def judge(table: Table, words: Sequence[Word], how: How) -> Table:
    """The table with its checks, its confidence and that of each cell.

    words:  of the page.
    """
    entries = [
        Entry(cell.row, cell.col, cell.text, cell.number, cell.col_span > 1 or cell.row_span > 1, cell.is_header)
        for cell in table.cells
    ]
    found = WordCells(table, words)
    checks = (*page_checks(table, found), *checks_of(entries, n_header_rows=table.n_header_rows))
    given = features(table, found, how, checks)
    odds = sum((weight * given[name] for name, weight in WEIGHTS.items()), start=np.full(len(table.cells), INTERCEPT))
    errors = np.clip(1 / (1 + np.exp(-odds)), _LEAST, _MOST)
    cells = tuple(
        replace(cell, confidence=round(1 - float(error), 4)) for cell, error in zip(table.cells, errors, strict=True)
    )
    sure = of_table([cell.confidence or 0.0 for cell in cells])
    return replace(table, cells=cells, confidence=sure, checks=checks)


def features(table: Table, found: WordCells, how: How, checks: Sequence[Check]) -> dict[str, NDArray[np.float64]]:
    """What may speak against each cell of a table, in their order, from 0 to 1.

    Where lines part the cells, the network's count of rows says nothing.
    """
    cells = table.cells
    body = [not cell.is_header and cell.row >= table.n_header_rows for cell in cells]
    kinds = [_kind(cell) for cell in cells]
    odd = _odd(cells, kinds, body)
    n_seen = how.seen[0] if how.seen and how.grid != "lattice" else table.n_rows
    differ = (n_seen - table.n_rows) / max(n_seen, table.n_rows)
    doubted = against(checks)
    held_rows = {check.row for check in checks if check.holds and check.row is not None}
    held_cols = {check.col for check in checks if check.holds and check.col is not None}

    def of_table(value: float) -> NDArray[np.float64]:
        return np.full(len(cells), min(1.0, float(value)))

    def of_each(values: Iterable[float]) -> NDArray[np.float64]:
        return np.fromiter(values, dtype=np.float64, count=len(cells))

    return {
        "rows_joined": of_table(max(0.0, 4 * differ)),
        "rows_parted": of_table(max(0.0, -4 * differ)),
        "headless": of_table(table.n_header_rows == 0),
        "high_cells": of_table(float(np.mean(found.n_lines > 1))),
        "odd_cells": of_table(float(np.mean(odd))),
        "failing": of_table(any(not check.holds for check in checks)),
        "model": of_table(how.grid == "model"),
        "filled": of_each(kind != "blank" for kind in kinds),
        "odd": of_each(odd),
        "gap": of_each(found.gap > 1),
        "cut": np.clip(found.cut, 0.0, 1.0),
        "unsure": np.minimum(1.0, 2 * (1 - found.sure)),
        "unheld": of_each(
            cell.number is None or not (cell.row in held_rows or cell.col in held_cols) for cell in cells
        ),
        "doubted": of_each(doubted.get((cell.row, cell.col), 0.0) for cell in cells),
        "ungrounded": of_each(not cell.grounded for cell in cells),
    }


def against(checks: Sequence[Check]) -> dict[Place, float]:
    """How much failed checks speak against cells: one in as many as a check names."""
    found: defaultdict[Place, float] = defaultdict(float)
    for check in checks:
        if not check.holds:
            for place in check.suspects:
                found[place] = max(found[place], 1 / len(check.suspects))
    return found


def recheck(confidence: float, before: float, now: float) -> float:
    """The confidence of a cell against which arithmetic said `before` and says `now` (`against`)."""
    if before == now:
        return confidence
    sure = min(max(confidence, 1 - _MOST), 1 - _LEAST)
    odds = log((1 - sure) / sure) + WEIGHTS["doubted"] * (now - before)
    return round(1 - min(max(1 / (1 + exp(-odds)), _LEAST), _MOST), 4)


def of_table(cells: Sequence[float]) -> float:
    """The chance that all of its cells are right. Errors of a table come together, so it is no product."""
    expected = sum(1 - confidence for confidence in cells)
    intercept, weight = OF_TABLES
    return round(1 / (1 + exp(intercept + weight * log(max(expected, 1e-6)))), 4) if expected else 1.0


def of_value(*, is_found: bool = True, is_filled: bool = True, sure: float = 1.0) -> float:
    """The confidence of a value of a model's answer to a user's own schema, as of a cell of a model's table.

    sure:  of the words it was read from, where they are of OCR.
    """
    unsure = min(1.0, 2 * (1 - sure))
    given = {"model": 1.0, "filled": is_filled, "unheld": 1.0, "unsure": unsure, "ungrounded": not is_found}
    odds = INTERCEPT + sum(WEIGHTS[name] * value for name, value in given.items())
    return round(1 - min(max(1 / (1 + exp(-odds)), _LEAST), _MOST), 4)


def _kind(cell: TableCell) -> Literal["blank", "number", "text"]:
    digits, letters = (sum(map(test, cell.text)) for test in (str.isdigit, str.isalpha))
    if cell.number is not None or digits > letters:
        return "number"
    return "text" if letters else "blank"


def _odd(cells: Sequence[TableCell], kinds: Sequence[str], body: Sequence[bool]) -> list[bool]:
    """Texts in columns of numbers, and numbers in columns of texts."""
    counts: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for cell, kind, in_body in zip(cells, kinds, body, strict=True):
        if in_body and kind != "blank":
            counts[cell.col][kind] += 1
    odd = []
    for cell, kind, in_body in zip(cells, kinds, body, strict=True):
        total = counts[cell.col].total()
        odd.append(in_body and kind != "blank" and total >= _MANY and 3 * counts[cell.col][kind] < total)
    return odd
