"""Where the columns of an open table part: hints of a network, put right by the text. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from aria_docs.ingest.tables.lines import WIDE_GAP, Line, is_value, middle_of, phrases_of


def settled_edges(hints: Sequence[float], lines: Sequence[Line], height: float) -> list[float]:
    """The x of each edge between two columns: hints that the text bears out, those that were missing, all in place."""
    edges = _supported_edges([*hints, *_missing_edges(hints, lines, height)], lines, height)
    return _moved_edges(edges, lines, height)


def _missing_edges(edges: Sequence[float], lines: Sequence[Line], height: float) -> list[float]:
    """Edges that the hints lack: a strip left free by most lines, with a number to the right of it in many."""
    missing = []
    bounds = [-np.inf, *sorted(edges), np.inf]
    for low, high in pairwise(bounds):
        pairs: list[tuple[float, float]] = []
        for line in lines:
            inside = [word for word in line.words if low < middle_of(word)[0] < high]
            phrases = phrases_of(inside, height)
            pairs += [
                (a[-1].box[2], b[0].box[0]) for a, b in pairwise(phrases) if all(is_value(word.text) for word in b)
            ]
        if len(pairs) < 3:
            continue
        # The strip that most of the gaps share.
        candidates = sorted((a + b) / 2 for a, b in pairs)
        best = max(candidates, key=lambda x: sum(a < x < b for a, b in pairs))
        sharing = [(a, b) for a, b in pairs if a < best < b]
        crossed = sum(any(word.box[0] < best < word.box[2] for word in line.words) for line in lines)
        if len(sharing) >= max(3, 0.5 * len(pairs)) and 2 * crossed < len(sharing):
            missing.append((max(a for a, _ in sharing) + min(b for _, b in sharing)) / 2)
    return missing


def _supported_edges(edges: list[float], lines: Sequence[Line], height: float) -> list[float]:
    """The edges that some line of text bears out: words in both columns beside it, further apart than a blank."""
    edges = sorted(edges)
    while edges:
        bounds = [-np.inf, *edges, np.inf]
        support = [0] * len(edges)
        filled = [0] * (len(edges) + 1)
        for line in lines:
            columns = [int(np.searchsorted(edges, (word.box[0] + word.box[2]) / 2)) for word in line.words]
            for column in set(columns):
                filled[column] += 1
            for (a, b), (i, j) in zip(pairwise(line.words), pairwise(columns), strict=True):
                if j != i + 1:
                    continue
                gap = b.box[0] - a.box[2]
                if gap >= WIDE_GAP * height or (gap > 0.1 * height and is_value(a.text) and is_value(b.text)):
                    support[i] += 1
        empty = [column for column, n in enumerate(filled) if not n]
        if empty:
            column = empty[0]
            lower, upper = bounds[column], bounds[column + 1]
            edges = [edge for edge in edges if edge not in (lower, upper)]
            if np.isfinite(lower) and np.isfinite(upper):
                edges = sorted([*edges, (lower + upper) / 2])
            continue
        if 0 not in support:
            break
        edges.pop(support.index(0))
    return edges


def _moved_edges(edges: list[float], lines: Sequence[Line], height: float) -> list[float]:
    """Edges moved past a phrase that they cut off from its column: a wide head over a narrow column of numbers."""
    moved = list(edges)
    for i, edge in enumerate(edges):
        low, high = (moved[i - 1] if i else -np.inf), (edges[i + 1] if i + 1 < len(edges) else np.inf)
        for line in lines:
            left = phrases_of([word for word in line.words if low < middle_of(word)[0] < edge], height)
            right = phrases_of([word for word in line.words if edge < middle_of(word)[0] < high], height)
            if len(left) == 2 and not right:
                x = (left[0][-1].box[2] + left[1][0].box[0]) / 2
            elif len(right) == 2 and not left:
                x = (right[0][-1].box[2] + right[1][0].box[0]) / 2
            else:
                continue
            if not any(word.box[0] < x < word.box[2] for other in lines for word in other.words):
                moved[i] = x
                break
    return moved
