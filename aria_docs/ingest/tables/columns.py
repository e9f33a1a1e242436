"""Where the columns of an open table part: hints of a network, put right by the text. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from aria_docs.ingest.tables.lines import WIDE_GAP, Line, is_value, middle_of, phrases_of
from aria_docs.media import Word

_MIN_LINES = 3
_ALIGNED_PT = 1.5
_CLEAR = 0.8  # of the text's height
_HINTED = 0.4  # of the text's height: between columns that the network sees too, or between amounts
_JOINS = frozenset("± +/- +/− +− - – — − / × x * to bis à ( < > = ≤ ≥ ~ ≈".split())  # of a value's parts
_GROUPED = re.compile(r"\D?\d{1,3} \d{3}(?:[.,]\d+)?\D*")  # one number, its thousands set off by a blank


def settle_edges(hints: Sequence[float], lines: Sequence[Line], height: float) -> list[float]:
    """The x of each edge between two columns: hints that the text bears out, those that were missing, all in place."""
    edges = _support_edges([*hints, *_missing_edges(hints, lines, height)], lines, height)
    edges += _clear_edges(edges, lines, height)
    return _without_torn(sorted([*edges, *_narrow_edges(edges, lines, height)]), lines)


def _without_torn(edges: list[float], lines: Sequence[Line]) -> list[float]:
    """Without an edge between a head that nothing stands under and a column that has none: a head at the left end of
    its column, figures at the right."""
    filled = [{int(np.searchsorted(edges, middle_of(word)[0])) for word in line.words} for line in lines]
    body = set().union(*filled[1:])
    for n in range(len(edges) - 1, -1, -1):
        if n in filled[0] - body and n + 1 in body - filled[0]:
            return _without_torn([*edges[:n], *edges[n + 1 :]], lines)
    return edges


def _clear_edges(edges: Sequence[float], lines: Sequence[Line], height: float) -> list[float]:
    """Edges in strips that are free on all lines, where texts on both sides stand on lines of their own: cells set to
    the middle of their rows have no line in common."""
    found = []
    for low, high in pairwise([-np.inf, *sorted(edges), np.inf]):
        parts = [[word for word in line.words if low < middle_of(word)[0] < high] for line in lines]
        parts = [part for part in parts if part]
        wide = _free_strips(parts, height, least=_CLEAR)
        for x in wide or _free_strips(parts, height, least=_HINTED):
            lefts = [part for part in parts if part[0].box[0] < x]
            rights = [part for part in parts if part[-1].box[2] > x]
            if min(len(lefts), len(rights)) < _MIN_LINES or len(lefts) + len(rights) > len(parts) + 1:
                continue
            # Amounts in either of two columns, debit and credit, stand so apart that no other texts would.
            if wide or all(is_value(part[0].text) for part in (*lefts[1:], *rights[1:])):
                found.append(x)
    return found


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


def _narrow_edges(edges: Sequence[float], lines: Sequence[Line], height: float) -> list[float]:
    """Edges between columns no more than a blank apart, which nothing crosses on any line.

        Date       Description               20 kg       35 kg
        03.03.2025 Standing order            812 ± 4.1 b 790 ± 3.9 b
        05.03.2025 Card payment              640 ± 2.0 a 633 ± 3.1 a

    On the left there are dates or numbers and the texts on the right begin at one place, one of them (the head) well
    apart; or there are numbers on both sides, heads included.
    """
    found: list[float] = []
    waiting = list(pairwise([-np.inf, *sorted(edges), np.inf]))
    while waiting:
        low, high = waiting.pop()
        parts = [[word for word in line.words if low < middle_of(word)[0] < high] for line in lines]
        parts = [part for part in parts if part]
        for x in _free_strips(parts, height):
            sides = [([w for w in part if w.box[2] <= x], [w for w in part if w.box[0] >= x]) for part in parts]
            if _are_two_columns(sides, height):
                found.append(x)
                waiting += [(low, x), (x, high)]
                break
    return found


def _free_strips(parts: Sequence[list[Word]], height: float, least: float = 0.15) -> list[float]:
    """The middles of strips that are free on all lines, so much of a line's height wide at least."""
    if len(parts) < _MIN_LINES:
        return []
    spans = sorted((word.box[0], word.box[2]) for part in parts for word in part)
    strips, reach = [], spans[0][1]
    for start, end in spans:
        if start - reach > least * height:
            strips.append((reach + start) / 2)
        reach = max(reach, end)
    return strips


def _are_two_columns(sides: Sequence[tuple[list[Word], list[Word]]], height: float) -> bool:
    both = [(left, right) for left, right in sides if left and right]
    if len(both) < _MIN_LINES:
        return False
    body = both[1:]
    begins = [right[0].box[0] for _, right in both]
    gaps = [right[0].box[0] - left[-1].box[2] for left, right in both]
    numbered = [is_value(left[-1].text) and any(c.isdigit() for c in left[-1].text) for left, _ in body]
    if len(numbered) == sum(numbered) and all(len(left) == 1 for left, _ in body):
        ends = [right[-1].box[2] for _, right in both]
        aligned = min(max(begins) - min(begins), max(ends) - min(ends)) < _ALIGNED_PT
        return (
            aligned and max(gaps) > 2 * WIDE_GAP * height and not any(_begins_with_number(right) for _, right in body)
        )
    if any(left[-1].text in _JOINS for left, _ in body):
        return False
    if min(gaps) > _HINTED * height and all(is_value(word.text) for _, right in body for word in right):
        return len(body) >= _MIN_LINES
    numbers = sum(_begins_with_number(left) and _begins_with_number(right) for left, right in body)
    return len(both) == len(sides) and 5 * numbers >= 4 * len(body) and not _are_thousands(body)


def _begins_with_number(words: Sequence[Word]) -> bool:
    return words[0].text.lstrip("-+\u2212<>≤≥~$€£")[:1].isdigit() and len(words) > 1


def _are_thousands(body: Sequence[tuple[list[Word], list[Word]]]) -> bool:
    return all(left[-1].text.isdigit() and right[0].text[:3].isdigit() for left, right in body)


def _support_edges(edges: list[float], lines: Sequence[Line], height: float) -> list[float]:
    """The edges that some line of text bears out: words in both columns beside it, further apart than a blank."""
    edges = sorted(edges)
    while edges:
        bounds = [-np.inf, *edges, np.inf]
        support = [0] * len(edges)
        gaps: list[list[float]] = [[] for _ in edges]
        filled = [0] * (len(edges) + 1)
        for line in lines:
            columns = [int(np.searchsorted(edges, (word.box[0] + word.box[2]) / 2)) for word in line.words]
            for column in set(columns):
                filled[column] += 1
            for (a, b), (i, j) in zip(pairwise(line.words), pairwise(columns), strict=True):
                if j != i + 1:
                    continue
                gap = b.box[0] - a.box[2]
                gaps[i].append(gap)
                values = is_value(a.text) and is_value(b.text) and not _GROUPED.fullmatch(f"{a.text} {b.text}")
                if gap >= WIDE_GAP * height or (gap > 0.1 * height and values):
                    support[i] += 1
        empty = [column for column, n in enumerate(filled) if not n]
        if empty:
            column = empty[0]
            lower, upper = bounds[column], bounds[column + 1]
            edges = [edge for edge in edges if edge not in (lower, upper)]
            if np.isfinite(lower) and np.isfinite(upper):
                edges = sorted([*edges, (lower + upper) / 2])
            continue
        # Or words of many lines are apart there, and on no line they are not.
        weak = [
            i
            for i, n in enumerate(support)
            if not n and not (len(gaps[i]) > _MIN_LINES and min(gaps[i]) > _HINTED * height)
        ]
        if not weak:
            break
        edges.pop(weak[0])
    return edges
