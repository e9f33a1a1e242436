"""Bands of a lattice that hold several records, with no line between them → a lattice with a row for each. Pure.

┌─────────┬─────────────┬─────────┐
│         │ North line  │ 157,642 │     the lines of "People" are values, those of "Line" stand beside them: three
│ Ferries │ South line  │  42,097 │     records; "Ferries" is one label for all
│         │ Night line  │  13,435 │
├─────────┼─────────────┼─────────┤
│ A label │ wrapped in  │      12 │     one record: the words of the second line had no room on the first
│ that is │ its cell    │         │
└─────────┴─────────────┴─────────┘
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from aria_docs.ingest.tables.lines import Line, height_of, is_value, lines_of, middle_of, steps_of, within

if TYPE_CHECKING:
    from aria_docs.ingest.tables.lattice import Lattice
    from aria_docs.media import Word

_BLANK = 0.3  # of a line's height: what a next word needs beside its own width


@dataclass(frozen=True, slots=True)
class _Records:
    """Where each record of a band begins but the first (y), and which of its cells are one for all records."""

    cuts: tuple[float, ...]
    labels: frozenset[int]


def with_records(lattice: Lattice, words: Sequence[Word]) -> Lattice:
    """The lattice with its bands parted at their records."""
    from aria_docs.ingest.tables.lattice import Lattice

    inside = [word for word in words if within(word, lattice.box)]
    bands = [_records_of(lattice, row, inside) for row in range(len(lattice.ys) - 1)]
    if not any(bands):
        return lattice
    ys: list[float] = []
    begins: list[int] = []  # the new number of each row
    for row, band in enumerate(bands):
        begins.append(len(ys))
        ys += [lattice.ys[row], *(band.cuts if band else ())]
    begins.append(len(ys))
    ys.append(lattice.ys[-1])
    cells: list[tuple[int, int, int, int]] = []
    for n, (row, col, row_span, col_span) in enumerate(lattice.cells):
        first, last = begins[row], begins[row + row_span]
        band = bands[row]
        if row_span == 1 and band and n not in band.labels:
            cells += [(new, col, 1, col_span) for new in range(first, last)]
        else:
            cells.append((first, col, last - first, col_span))
    return Lattice(lattice.xs, tuple(ys), tuple(sorted(cells)))


def _records_of(lattice: Lattice, row: int, words: Sequence[Word]) -> _Records | None:
    """The records of one band; cells that reach into other bands are labels of them all."""
    here = [n for n, cell in enumerate(lattice.cells) if cell[0] == row and cell[2] == 1]
    top, bottom = lattice.ys[row], lattice.ys[row + 1]
    contents: list[list[Word]] = []
    sides: list[tuple[float, float]] = []
    for n in here:
        _, col, _, col_span = lattice.cells[n]
        x0, x1 = lattice.xs[col], lattice.xs[col + col_span]
        contents.append([w for w in words if x0 <= middle_of(w)[0] < x1 and top <= middle_of(w)[1] < bottom])
        sides.append((x0, x1))
    lines = lines_of([word for content in contents for word in content])
    if len(lines) < 2 or len(here) < 2:
        return None
    band = _Band(lines, contents, sides)
    is_head = row == 0 and len(lattice.ys) > 2
    found = band.align(is_head=is_head)
    if found is None and not is_head and (starts := band.stagger()):
        found = (starts, [])
    if found is None:
        has_tall = any(cell[2] > 1 and cell[0] <= row < cell[0] + cell[2] for cell in lattice.cells)
        starts = None if has_tall else band.label()
        found = (starts, []) if starts else None
    if found is None:
        return None
    starts, labels = found
    cuts = tuple((lines[i - 1].bottom + lines[i].top) / 2 for i in starts[1:])
    return _Records(cuts, frozenset(here[n] for n in labels))


def _is_number(words: Sequence[Word]) -> bool:
    """Whether half of the words or more are numbers: a text that mentions a year is none."""
    digits = sum(is_value(word.text) and any(c.isdigit() for c in word.text) for word in words)
    return 2 * digits >= len(words)


class _Band:
    """The lines of one band, and what each of its cells has on them."""

    def __init__(
        self, lines: list[Line], contents: Sequence[Sequence[Word]], sides: Sequence[tuple[float, float]]
    ) -> None:
        self.lines, self.sides = lines, sides
        owner = {id(word): n for n, content in enumerate(contents) for word in content}
        self.parts: list[dict[int, list[Word]]] = []  # by line: the words of each cell
        for line in lines:
            self.parts.append({})
            for word in line.words:
                self.parts[-1].setdefault(owner[id(word)], []).append(word)
        self.own = [[i for i, part in enumerate(self.parts) if n in part] for n in range(len(contents))]

    def align(self, *, is_head: bool) -> tuple[list[int], list[int]] | None:
        """The first line of each record, and the cells that are labels: two cells or more that stack their texts on
        the same lines, and no other lines that need a place."""
        tall = [n for n, own in enumerate(self.own) if len(own) > 1]
        stacks = [n for n in tall if self._is_stack(n)]
        if len(stacks) < 2:
            return None
        starts = max((self.own[n] for n in stacks), key=lambda own: (sum(self.own[n] == own for n in stacks), len(own)))
        values = [n for n in stacks if self.own[n] == starts and self._has_values(n)]
        if sum(self.own[n] == starts for n in stacks) < 2:
            return None
        if not values:  # texts only: all cells on all of three lines, as lists beside each other are not
            whole = [n for n, own in enumerate(self.own) if own]
            if is_head or len(starts) < 3 or any(self.own[n] != starts for n in tall) or len(tall) < len(whole) - 1:
                return None
        elif any(not set(self.own[n]) <= set(starts) for n in tall):
            return None
        labels = [n for n, own in enumerate(self.own) if self._is_label(n, own, starts)]
        return starts, labels

    def stagger(self) -> list[int] | None:
        """The first line of each record: one cell stacks values, and the others, of one line each, do not stand on the
        same of its lines. Values in brackets belong to those above them."""
        tall = [n for n, own in enumerate(self.own) if len(own) > 1]
        if len(tall) != 1 or len(self.own[tall[0]]) != len(self.lines) or not self._has_values(tall[0]):
            return None
        bracketed = any(self._text(i, tall[0]).startswith(("(", "[")) for i in self.own[tall[0]])
        beside = {own[0] for own in self.own if len(own) == 1}
        return None if bracketed or len(beside) < 2 else self.own[tall[0]]

    def _is_label(self, n: int, own: list[int], starts: list[int]) -> bool:
        if not own or any(is_value(self._text(i, n)) for i in own):
            return False
        if len(own) > 1:  # wrapped, beside more records than it has lines
            return len(own) < len(starts) and not self._is_stack(n)
        return n == 0 or own[0] not in starts

    def label(self) -> list[int] | None:
        """The first line of each record: a label, and a number or a fresh start beside it."""
        lines, filled = self.lines, [set(part) for part in self.parts]
        if len(lines) > 2 and all(len(part) == len(self.own) for part in self.parts) and self._had_room():
            return list(range(len(lines)))
        valued = [
            any(n > 0 and _is_number(words) for n, words in part.items())
            and not all(w.text.startswith(("(", "[")) for n, ws in part.items() if n > 0 for w in ws)
            for part in self.parts
        ]
        steps = [b.middle - a.middle for a, b in pairwise(lines)]
        height = height_of([word for line in lines for word in line.words])
        loose = 1.3 * min(steps_of(lines, height), default=0.0)
        starts = [
            i
            for i in range(len(lines))
            if 0 in filled[i] and (valued[i] or (len(filled[i]) > 1 and i > 0 and steps[i - 1] > loose) or i == 0)
        ]
        middle = len(lines) // 2
        if len(lines) % 2 and all(filled[i] == {0} for i in range(len(lines)) if i != middle):
            return None  # a wrapped label, and what is set to its middle
        if len(starts) < 2 or not all(valued[i] or len(filled[i]) > 1 or i == 0 for i in starts):
            return None
        return [0, *starts[1:]]

    def _is_stack(self, n: int) -> bool:
        """Whether the lines of a cell are several texts: all values, or most could have gone on on the line above."""
        return self._has_values(n) or 2 * sum(self._rooms(n)) > len(self.own[n]) - 1

    def _has_values(self, n: int) -> bool:
        texts = [self._text(i, n) for i in self.own[n]]
        return all(map(is_value, texts)) and any(c.isdigit() for text in texts for c in text)

    def _text(self, line: int, n: int) -> str:
        return " ".join(word.text for word in self.parts[line][n])

    def _rooms(self, n: int) -> list[bool]:
        """For each line of a cell but the last: whether the first word of the next would have had room on it."""
        rows = [self.parts[i][n] for i in self.own[n]]
        x0, x1 = self.sides[n]
        height = self.lines[0].bottom - self.lines[0].top
        padding = min([height, *(row[0].box[0] - x0 for row in rows), *(x1 - row[-1].box[2] for row in rows)])
        return [
            row[-1].box[2] - row[0].box[0] + _BLANK * height + below[0].box[2] - below[0].box[0]
            <= x1 - x0 - 2 * padding
            for row, below in pairwise(rows)
        ]

    def _had_room(self) -> bool:
        """Whether most lines end where, in one cell at least, the next word would have had room."""
        early = [any(rooms) for rooms in zip(*(self._rooms(n) for n in range(len(self.own))), strict=True)]
        return 2 * sum(early) > len(early)
