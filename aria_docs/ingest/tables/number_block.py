"""Open tables that the network takes for text: lines of numbers that stand in columns. Pure.

Station    Jan   Feb   Mar   Apr        heads, of which most are no numbers
Station 1 47.0 100.1 153.2  16.3        three lines or more, each with a label and four numbers or more that end where
Station 2 84.0 137.2 190.4  53.6        those of the line above end
Station 3 121.0 174.3 37.6  90.9
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from aria_docs.ingest.tables.lines import Line, height_of, is_value, lines_of, middle_of
from aria_docs.media import Box, Word

_MIN_VALUES, _MIN_LINES = 2, 3
_MIN_UNLABELLED = 3  # columns of numbers, where the first is one of years or of counts
_STEP = 2.2  # heights from line to line of one block
_ALIGNED_PT = 2.0
_SHARE = 0.7  # of the numbers of a line end where those of the line above do; of the columns have a head


@dataclass(frozen=True, slots=True)
class NumberBlock:
    """Where such a table stands, and where its columns part."""

    box: Box
    edges: tuple[float, ...]


def number_blocks(words: Sequence[Word]) -> list[NumberBlock]:
    """The blocks among words that no table has taken."""
    if sum(any(map(str.isdigit, word.text)) for word in words) < _MIN_VALUES * _MIN_LINES:
        return []
    lines, height = lines_of(words), height_of(words)
    blocks = []
    start = 0
    for i in range(1, len(lines) + 1):
        if i < len(lines) and _goes_on(lines[i - 1], lines[i], height):
            continue
        if i - start > 1 and (block := _block(lines, start, i, height)):
            blocks.append(block)
        start = i
    return blocks


def _goes_on(above: Line, below: Line, height: float) -> bool:
    ends, others = ([word.box[2] for word in _values(line)] for line in (above, below))
    if min(len(ends), len(others)) < _MIN_VALUES or below.middle - above.middle > _STEP * height:
        return False
    aligned = sum(any(abs(a - b) < _ALIGNED_PT for b in ends) for a in others)
    return aligned >= _SHARE * max(len(ends), len(others))


def _values(line: Line) -> list[Word]:
    return [word for word in line.words if is_value(word.text) and any(c.isdigit() for c in word.text)]


def _block(lines: Sequence[Line], start: int, end: int, height: float) -> NumberBlock | None:
    body = lines[start:end]
    columns = _columns([word for line in body for word in _values(line)], _SHARE * len(body))
    labelled = 2 * sum(any(c.isalpha() for c in line.words[0].text) for line in body) > len(body)
    if len(columns) < (_MIN_VALUES if labelled else _MIN_UNLABELLED) or len(body) < (_MIN_LINES if labelled else 2):
        return None
    top = start
    while top > 0 and start - top < 3 and lines[top].middle - lines[top - 1].middle < _STEP * height:
        if not _heads(lines[top - 1], columns):
            break
        top -= 1
    headed = {n for line in lines[top:start] for n in _heads(line, columns)}
    if len(headed) < (_SHARE if labelled else 1) * len(columns):
        return None
    if not labelled and any(len(line.words) != len(columns) for line in lines[top:end]):
        return None  # a word in each column, and nothing else
    edges = [(a[1] + b[0]) / 2 for a, b in pairwise(columns)]
    if labelled:
        labels = [word.box[2] for line in body for word in line.words if word.box[2] < columns[0][0]]
        edges.insert(0, (max(labels, default=columns[0][0] - height) + columns[0][0]) / 2)
    inside = [word.box for line in lines[top:end] for word in line.words]
    box = min(b[0] for b in inside), lines[top].top, max(b[2] for b in inside), lines[end - 1].bottom
    return NumberBlock(box, tuple(edges))


def _columns(values: Sequence[Word], least: float) -> list[tuple[float, float]]:
    """From the left: (left, right) of the numbers that end at one place in most lines."""
    groups: list[list[Word]] = []
    for word in sorted(values, key=lambda word: word.box[2]):
        if groups and word.box[2] - groups[-1][-1].box[2] < _ALIGNED_PT:
            groups[-1].append(word)
        else:
            groups.append([word])
    spans = [(min(w.box[0] for w in g), max(w.box[2] for w in g)) for g in groups if len(g) >= least]
    return spans if all(a[1] < b[0] for a, b in pairwise(spans)) else []


def _heads(line: Line, columns: Sequence[tuple[float, float]]) -> set[int]:
    """The columns over which a word of the line stands that is no number."""
    words = [word for word in line.words if not is_value(word.text)]
    bounds = [(a + b) / 2 for (_, a), (b, _) in pairwise(columns)]
    edges = [columns[0][0] - (columns[0][1] - columns[0][0]), *bounds, columns[-1][1] + 2 * _ALIGNED_PT]
    return {
        n for n, (low, high) in enumerate(pairwise(edges)) if any(low < middle_of(word)[0] < high for word in words)
    }
