"""Tables drawn with characters: what stands for a line becomes one, and is no word. Pure.

+------------+-----+     ┌────────────┬─────┐     | Item       | Qty |
| Item       | Qty |     │ Item       │ Qty │     |------------|-----|
+============+=====+     ├────────────┼─────┤     | Hex bolt   | 120 |
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from aria_docs.ingest.tables.lattice import Rule
from aria_docs.ingest.tables.lines import height_of, lines_of
from aria_docs.media import Word

_LEVEL = re.compile(
    "[|+:]*(?:[-=\u2013\u2014]{4,}|[\u2500\u2501\u2550]{2,})[-=\u2013\u2014|+:\u2500-\u257f]*|[\u2500-\u257f]{3,}"
)
_UPRIGHT = re.compile("[|\u2502\u2503\u2551]")
_DRAWS = re.compile("[|\u2500-\u257f]|[-=\u2013\u2014]{4}")
_MIN_LINES = 3
_SAME_PT = 1.5


def lines_typed(words: Sequence[Word]) -> tuple[list[Word], list[Rule], list[Rule]]:
    """The words without those that draw, and the level and upright lines that they draw."""
    if not _DRAWS.search(" ".join([word.text for word in words])):
        return list(words), [], []
    level, upright, text = list[Word](), list[Word](), list[Word]()
    for word in words:
        if _LEVEL.fullmatch(word.text):
            level.append(word)
            continue
        step = (word.box[2] - word.box[0]) / max(1, len(word.text))
        ends = [n for n in (0, len(word.text) - 1) if _UPRIGHT.match(word.text[n : n + 1])]
        for n in set(ends):  # a bar beside a text, without a blank
            x0 = word.box[0] + n * step
            upright.append(replace(word, text=word.text[n], box=(x0, word.box[1], x0 + step, word.box[3])))
        first, last = int(0 in ends), len(word.text) - int(len(word.text) - 1 in ends)
        if first < last:
            box = (word.box[0] + first * step, word.box[1], word.box[0] + last * step, word.box[3])
            text.append(replace(word, text=word.text[first:last], box=box) if ends else word)
    columns = Counter(round(word.box[0] / _SAME_PT) for word in upright)
    horizontal = [Rule((w.box[1] + w.box[3]) / 2, w.box[0], w.box[2]) for w in level]
    if sum(n >= _MIN_LINES for n in columns.values()) < 2:
        pieces = Counter(round(rule.at) for rule in horizontal)  # a line under each head
        return (text, horizontal, []) if not upright and max(pieces.values(), default=0) > 1 else (list(words), [], [])
    more = 0.6 * height_of(upright)
    bars = lines_of(upright)
    for n, bar in enumerate(bars):  # without a line over the first and under the last, as in Markdown
        for at, other in ((bar.top - more, n - 1), (bar.bottom + more, n + 1)):
            near = abs(bars[other].middle - bar.middle) < 5 * more if 0 <= other < len(bars) else False
            if not near and all(abs(rule.at - at) > 2 * more for rule in horizontal):
                horizontal.append(Rule(at, bar.words[0].box[0], bar.words[-1].box[2]))
    vertical = [Rule((w.box[0] + w.box[2]) / 2, w.box[1] - more, w.box[3] + more) for w in upright]
    return text, horizontal, vertical
