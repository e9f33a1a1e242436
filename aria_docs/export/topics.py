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

from aria_docs.export.grammar_words import GRAMMAR

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SHORTEST_S = 10.0
USUAL_S = 30.0  # that a chapter has at least, where the film has room for four of these
COMPARED_S = 45.0  # before a gap and after it, at least: fewer words have nothing in common by chance
N_WORDS = 3  # in a title
SNAP_S = 4.0  # to a cut so near
LONGEST_WORD = 24  # what is longer is a sentence, in scripts without blanks
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


def topics(
    lines: Sequence[tuple[float, str]], cuts_s: Sequence[float], *, duration_s: float, most: int
) -> list[tuple[float, str]]:
    """(second, text) of every line, and where the picture changes → (start, title) of at most `most` chapters of ten
    seconds or more, the first at 0; fewer where the film is short. Empty where the lines have no words that could be
    told apart."""
    said = [(at_s, text) for at_s, text in lines if at_s < duration_s]
    words = [(at_s, word, 1000 * line + n) for line, (at_s, text) in enumerate(said) for n, word in _words(text)]
    if not words:
        return []
    spacing_s = max(SHORTEST_S, min(USUAL_S, duration_s / 4.5), duration_s / (1.5 * most))
    starts_s = _starts([(at_s, _stem(word)) for at_s, word, _ in words], duration_s, spacing_s, most)
    starts_s = [0.0] + [_snap(at_s, cuts_s) for at_s in starts_s]
    starts_s = [0.0] + [b for a, b in pairwise(starts_s) if b - a >= SHORTEST_S and duration_s - b >= SHORTEST_S]
    stretches: list[list[tuple[str, int]]] = [[] for _ in starts_s]
    for at_s, word, number in words:
        stretches[bisect_right(starts_s, at_s) - 1].append((word, number))
    titles = _titles(stretches)
    return [(start_s, title) for start_s, title in zip(starts_s, titles, strict=True) if title]


def _words(text: str) -> Iterator[tuple[int, str]]:
    """The words that may tell a topic, with their numbers among all of the line."""
    for number, word in enumerate(_WORD.findall(text)):
        if len(word) >= 4 and word.casefold().replace("’", "'") not in GRAMMAR:
            yield number, word


def _stem(word: str) -> str:
    """What different forms of a word share, in most languages: their beginning."""
    return word.casefold()[:6].rstrip("s")


def _starts(words: Sequence[tuple[float, str]], duration_s: float, spacing_s: float, most: int) -> list[float]:
    """The seconds of lines before which other words are used than after, the clearest first, then in order."""
    times_s = [at_s for at_s, _ in words]
    reach_s = max(COMPARED_S, spacing_s)
    gaps: list[tuple[float, float]] = []
    for at_s in sorted({*times_s}):
        if not spacing_s / 2 <= at_s <= duration_s - spacing_s / 2:
            continue
        low, middle, high = (bisect_right(times_s, t - 1e-6) for t in (at_s - reach_s, at_s, at_s + reach_s))
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


def _titles(stretches: Sequence[Sequence[tuple[str, int]]]) -> list[str]:
    """The words that are frequent in a stretch and rare in the others (tf-idf), in the order in which they are said;
    those that are said one after the other stay together.

        the Penman equation gives evaporation from the wind    → Penman equation, evaporation
    """
    counts = [Counter(_stem(word) for word, _ in stretch) for stretch in stretches]
    in_stretches = Counter(stem for count in counts for stem in count)
    titles = []
    for stretch, count in zip(stretches, counts, strict=True):
        weight = {
            stem: (1 + math.log(n)) * math.log((1 + len(stretches)) / in_stretches[stem]) for stem, n in count.items()
        }
        first = {_stem(word): i for i, (word, _) in reversed(list(enumerate(stretch)))}
        best = sorted(weight, key=lambda stem: (-weight[stem], -len(stretch[first[stem]][0]), first[stem]))[:N_WORDS]
        plain = {_stem(word): word for word, _ in stretch if word[0].islower()}  # no capital of a sentence's beginning
        title, before = "", -2
        for at in sorted(first[stem] for stem in best):
            word, number = stretch[at]
            title += " " if number == before + 1 else ", " if title else ""
            title += plain.get(_stem(word), word)[:LONGEST_WORD]
            before = number
        titles.append(title[:1].upper() + title[1:])
    return titles
