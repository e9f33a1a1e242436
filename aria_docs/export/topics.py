"""What is said → chapters: where the words change, named by the words that tell a stretch from the others.

Hearst 1997, "TextTiling: Segmenting text into multi-paragraph subtopic passages": the words of some time before a gap
are compared with those of the same time after it; where they have least in common a chapter begins. Pure arithmetic.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SHORTEST_S = 10.0
N_WORDS = 3  # in a title
SNAP_S = 4.0  # to a cut so near
_WORD = re.compile(r"[^\W\d_]{4,}")  # shorter ones are mostly grammar


def topics(
    lines: Sequence[tuple[float, str]], cuts_s: Sequence[float], *, duration_s: float, most: int
) -> list[tuple[float, str]]:
    """(second, text) of every line, and where the picture changes → (start, title) of at most `most` chapters of ten
    seconds or more, the first at 0; fewer where the film is short. Empty where the lines have no words that could be
    told apart."""
    words = [(at_s, word.casefold(), word) for at_s, text in lines for word in _WORD.findall(text) if at_s < duration_s]
    if not words:
        return []
    spacing_s = max(SHORTEST_S, duration_s / (1.5 * most))
    starts_s = _starts([(at_s, word) for at_s, word, _ in words], duration_s, spacing_s, most)
    starts_s = [0.0] + [_snap(at_s, cuts_s) for at_s in starts_s]
    starts_s = [0.0] + [b for a, b in pairwise(starts_s) if b - a >= SHORTEST_S and duration_s - b >= SHORTEST_S]
    stretches: list[list[tuple[str, str]]] = [[] for _ in starts_s]
    for at_s, word, written in words:
        stretches[bisect_right(starts_s, at_s) - 1].append((word, written))
    titles = _titles(stretches)
    return [(start_s, title) for start_s, title in zip(starts_s, titles, strict=True) if title]


def _starts(words: Sequence[tuple[float, str]], duration_s: float, spacing_s: float, most: int) -> list[float]:
    """The seconds of lines before which other words are used than after, the clearest first, then in order."""
    times_s = [at_s for at_s, _ in words]
    gaps: list[tuple[float, float]] = []
    for at_s in sorted({*times_s}):
        if not spacing_s / 2 <= at_s <= duration_s - spacing_s / 2:
            continue
        low, middle, high = (bisect_right(times_s, t - 1e-6) for t in (at_s - spacing_s, at_s, at_s + spacing_s))
        before = Counter(word for _, word in words[low:middle])
        after = Counter(word for _, word in words[middle:high])
        gaps.append((_cosine(before, after), at_s))
    chosen: list[float] = []
    for _, at_s in sorted(gaps):
        if len(chosen) + 1 < most and all(abs(at_s - other) >= spacing_s for other in chosen):
            chosen.append(at_s)
    return sorted(chosen)


def _cosine(a: Counter[str], b: Counter[str]) -> float:
    product = sum(n * b[word] for word, n in a.items())
    return product / math.sqrt(sum(n * n for n in a.values()) * sum(n * n for n in b.values()) + 1e-9)


def _snap(at_s: float, cuts_s: Sequence[float]) -> float:
    return min((cut_s for cut_s in cuts_s if abs(cut_s - at_s) <= SNAP_S), key=lambda c: abs(c - at_s), default=at_s)


def _titles(stretches: Sequence[Sequence[tuple[str, str]]]) -> list[str]:
    """The words that are frequent in a stretch and rare in the others (tf-idf), in the order in which they are said."""
    counts = [Counter(word for word, _ in stretch) for stretch in stretches]
    in_stretches = Counter(word for count in counts for word in count)
    titles = []
    for stretch, count in zip(stretches, counts, strict=True):
        weight = {
            word: (1 + math.log(n)) * math.log((1 + len(stretches)) / in_stretches[word]) for word, n in count.items()
        }
        first = {word: i for i, (word, _) in reversed(list(enumerate(stretch)))}
        best = sorted(weight, key=lambda word: (-weight[word], -len(word), first[word]))[:N_WORDS]
        written = [stretch[first[word]][1] for word in sorted(best, key=first.__getitem__)]
        title = ", ".join(written)
        titles.append(title[:1].upper() + title[1:])
    return titles
