"""Upright text on a level page: heads of narrow columns, labels of groups of rows. Pure.

Its words stand one over the other, each in a box taller than wide. Read from the top they come out backwards, and each
ends at a height of its own, so that heads side by side make no line. Here the words of one upright line become one
word, in the order in which the text layer has them, and get a level place for it: heads that stand beside each other
at their common foot, one alone in its middle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from aria_docs.ingest.tables.lines import height_of
from aria_docs.media import Box, Word

_TALL = 1.3  # times as tall as wide; level words of three letters are wider than tall in any font
_MIN_LETTERS = 3


def level(words: Sequence[Word]) -> list[Word]:
    """The words with each upright line as one word on the level."""
    upright = [_is_upright(word) for word in words]
    if not any(upright) or 2 * sum(upright) > len(words):
        return list(words)
    height = height_of([word for word, is_upright in zip(words, upright, strict=True) if not is_upright])
    result: list[Word] = []
    heads: list[Word] = []
    for _, group in groupby(words, key=lambda word: (word.block, word.line)):
        line = list(group)
        if any(map(_is_upright, line)) and _is_stack(line):
            heads.append(replace(line[0], text=" ".join(word.text for word in line), box=_union(line)))
        else:
            result += line
    for head in heads:
        x0, top, x1, bottom = head.box
        beside = [other.box for other in heads if other is not head and other.box[1] < bottom and top < other.box[3]]
        foot = max([bottom, *(box[3] for box in beside)]) if beside else (top + bottom + height) / 2
        result.append(replace(head, box=(x0, foot - height, x1, foot)))
    return result


def _is_upright(word: Word) -> bool:
    x0, y0, x1, y1 = word.box
    return len(word.text) >= _MIN_LETTERS and y1 - y0 > _TALL * (x1 - x0)


def _is_stack(line: Sequence[Word]) -> bool:
    """Whether the words stand one over the other, and not side by side."""
    x0, _, x1, _ = line[0].box
    return all(x0 < (word.box[0] + word.box[2]) / 2 < x1 for word in line)


def _union(words: Sequence[Word]) -> Box:
    boxes = [word.box for word in words]
    return min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes)
