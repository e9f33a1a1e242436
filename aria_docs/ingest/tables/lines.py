"""Words of a page → lines and phrases, and what a text looks like: a value, a title, a note. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

from aria_docs.bidi import in_reading_order
from aria_docs.captions import is_caption, names_table
from aria_docs.media import Box, Word

WIDE_GAP = 0.55  # of the text's height: words further apart are not one phrase; a blank is about 0.2
HALF_LINE = 0.6  # of the text's height: no line is so close below the last, but what is set to the middle of two lines

_SLANT = 0.05  # rise by run; a poor scan is straightened to less
_EQUAL_WIDTH = 0.45  # of the text's height, at least: letters of a face in which all are equally wide have .5 to .62
_NARROW = 0.3  # of the width of a page's text
_FAR_APART = 1.6  # of the text's height: what the gate takes for a gap between columns

_ONE_LINE = 0.4  # of the text's height: middles no further apart are of one line; of half a line's step they are

_MARKS = "[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹ᵃ-ᶿʰʲʳˢʷˣʸˡⁱⁿ,]+$"
_RAISED = re.compile(rf"(?<=[^\W_])\s?{_MARKS}")  # marks and powers behind a number
_IS_RAISED = re.compile(_MARKS)
_NUMERIC = re.compile(r"[^\w]*\d[\d\W]*(?:[a-z]|[eE][-+]?\d+)?[^\w]*")
_EMPTY_VALUE = re.compile(r"[-\u2010-\u2015\u2212.…*†‡§#:]+|n[./]?[ad]\.?|ref\.?|[(\[]?[a-z]{1,2}[)\]]", re.IGNORECASE)
_PARTED = re.compile(r"(?<=[^\W\d_])-\n(?=[^\W\d_A-Z])")
YEAR = re.compile(r"\D{0,2}(?:19|20|١٩|٢٠|۱۹|۲۰)\d\d\D{0,3}\d?")
NOTED = re.compile(
    r"(?:(?:notes?|sources?|abbreviations?|legend|key|quellen?|anmerkung(?:en)?|remarques?|fuentes?|notas?)\s*[:.—]"
    r"|see (?:also |foot)?notes?\b)",
    re.IGNORECASE,
)
MARKED = re.compile(r"[*†‡§#¹²³]+\s*\S|\(?[a-z0-9]\)\s")


@dataclass(slots=True)
class Line:
    """Words on one baseline, from the left."""

    words: list[Word]
    top: float
    bottom: float

    @property
    def middle(self) -> float:
        """Half way between top and bottom."""
        return (self.top + self.bottom) / 2

    @property
    def text(self) -> str:
        """The words in reading order, with a blank between them."""
        return in_reading_order([word.text for word in self.words])


def lines_of(words: Sequence[Word]) -> list[Line]:
    """Words by baseline from the top; raised and lowered marks go with the line they overlap most."""
    if not words:
        return []
    height = height_of(words)
    small = [word.box[3] - word.box[1] < 0.75 * height or bool(_IS_RAISED.match(word.text)) for word in words]
    if all(small):  # marks alone
        small = [False] * len(words)
    big = [word for word, is_small in zip(words, small, strict=True) if not is_small]
    lines: list[Line] = []
    for word in sorted(big, key=lambda word: middle_of(word)[1]):
        middle = middle_of(word)[1]
        if lines and middle - lines[-1].middle < _ONE_LINE * min(height, lines[-1].bottom - lines[-1].top):
            lines[-1].words.append(word)
        else:
            lines.append(Line([word], word.box[1], word.box[3]))
    for word, is_small in zip(words, small, strict=True):
        if not is_small:
            continue
        overlaps = [min(word.box[3], line.bottom) - max(word.box[1], line.top) for line in lines]
        best = max(range(len(lines)), key=overlaps.__getitem__, default=None)
        if best is not None and overlaps[best] > 0:
            lines[best].words.append(word)
        else:
            lines.append(Line([word], word.box[1], word.box[3]))
    for line in lines:
        line.words.sort(key=lambda word: word.box[0])
    return sorted(lines, key=lambda line: line.middle)


def steps_of(lines: Sequence[Line], height: float) -> list[float]:
    """From the middle of each line to that of the next; what stands half a line down is passed over."""
    middles: list[float] = []
    for line in lines:
        if not middles or line.middle - middles[-1] >= HALF_LINE * height:
            middles.append(line.middle)
    return [b - a for a, b in pairwise(middles)]


def phrases_of(words: Sequence[Word], height: float) -> list[list[Word]]:
    """Words of a line, parted where they stand further apart than WIDE_GAP of `height`."""
    phrases: list[list[Word]] = []
    for word in words:
        if phrases and word.box[0] - phrases[-1][-1].box[2] < WIDE_GAP * height:
            phrases[-1].append(word)
        else:
            phrases.append([word])
    return phrases


def text_of(words: Sequence[Word]) -> str:
    """All words, line by line, on one line; a word that is parted at a hyphen is one."""
    return _PARTED.sub("-", "\n".join(line.text for line in lines_of(words))).replace("\n", " ")


def with_narrow_blanks(words: Sequence[Word]) -> list[Word]:
    """The words as a face of many widths would set them: where all letters are equally wide a blank is as wide as a
    letter, wider than many a gap between columns elsewhere. Each word grows by a third of that."""
    by_height: dict[int, list[Word]] = {}
    for word in words if _has_equal_widths(words) else ():
        by_height.setdefault(round(word.box[3] - word.box[1]), []).append(word)
    wider: dict[int, float] = {}
    for height, own in by_height.items():
        # Figures are equally wide in most faces; letters tell.
        steps = [(w.box[2] - w.box[0]) / len(w.text) for w in own if len(w.text) > 2 and w.text.isalpha()]
        step = median(steps) if len(steps) > 5 else 0.0
        if step > _EQUAL_WIDTH * height and sum(abs(s - step) < 0.02 * step for s in steps) > 0.9 * len(steps):
            wider[height] = step / 3
    if not wider:
        return list(words)
    grown = [wider.get(round(word.box[3] - word.box[1]), 0.0) / 2 for word in words]
    return [
        replace(word, box=(word.box[0] - by, word.box[1], word.box[2] + by, word.box[3]))
        for word, by in zip(words, grown, strict=True)
    ]


def _has_equal_widths(words: Sequence[Word]) -> bool:
    """A cheap look: whether two words beside each other, of letters of many widths, are as wide a letter."""
    steps = [(w.box[2] - w.box[0]) / len(w.text) for w in words if len(w.text) > 2 and w.text.isalpha()]
    return 5 * sum(abs(a - b) < 0.02 * a for a, b in pairwise(steps)) > len(steps)


def without_slanted(words: Sequence[Word]) -> list[Word]:
    """Without the words of lines that rise or fall, as on a stamp, on a page whose other lines do not."""
    lines: dict[tuple[int, int], list[Word]] = {}
    for word in words:
        lines.setdefault((word.block, word.line), []).append(word)
    slanted = {key for key, own in lines.items() if _is_slanted(own)}
    if not slanted or 2 * sum(len(lines[key]) for key in slanted) > len(words):
        return list(words)
    return [word for word in words if (word.block, word.line) not in slanted]


def _is_slanted(line: Sequence[Word]) -> bool:
    """Whether each of three words or more stands as much above or below the one before as they all do."""
    if len(line) < 3 or abs(line[-1].box[1] - line[0].box[1]) <= _SLANT * abs(line[-1].box[0] - line[0].box[0]):
        return False
    middles = [middle_of(word) for word in line]
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(middles) if abs(b[0] - a[0]) > 1]
    if len(slopes) < 2 or len(slopes) < len(line) - 1:
        return False
    return min(map(abs, slopes)) > _SLANT and max(slopes) - min(slopes) < 0.5 * abs(median(slopes))


def height_of(words: Sequence[Word]) -> float:
    """The median height of the words, in points."""
    return median(word.box[3] - word.box[1] for word in words)


def middle_of(word: Word) -> tuple[float, float]:
    """x and y of the middle of its box."""
    return (word.box[0] + word.box[2]) / 2, (word.box[1] + word.box[3]) / 2


def within(word: Word, box: Box) -> bool:
    """Whether the middle of the word lies in the box, or a point outside."""
    x, y = middle_of(word)
    return box[0] - 1 <= x <= box[2] + 1 and box[1] - 1 <= y <= box[3] + 1


def is_value(text: str) -> bool:
    """A number with its signs and marks, or what stands where a number would."""
    return bool(_NUMERIC.fullmatch(_RAISED.sub("", text)) or _EMPTY_VALUE.fullmatch(text))


def is_count(texts: Sequence[str]) -> bool:
    """Whether a row only counts its columns: (1) (2) (3), or 1 2 3."""
    digits = [re.sub(r"[^\w]", "", text) for text in texts if text]
    counts = [int(text) for text in digits if text.isdecimal() and len(text) < 4]
    return len(counts) > 2 and len(counts) == len(digits) and all(b - a == 1 for a, b in pairwise(counts))


def is_measure(row: Mapping[int, str]) -> bool:
    """Whether a row of two texts by column is a name with its measure, 35 W, and no heads."""
    return row.keys() == {0, 1} and row[1][0].isdigit() and not YEAR.match(row[1])


def is_title(text: str) -> bool:
    """Too long for a heading over all columns, or empty, or begins like a caption or a note."""
    return not text or len(text) > 60 or is_caption(text) or bool(NOTED.match(text))


def may_hold_table(words: Sequence[Word]) -> bool:
    """A cheap look: whether lines close together have text far apart that stands in one column.

    One such text on each of four lines, or two on each of two. Of two texts beside each other one must be narrow: those
    of a page in two columns are not (the network is asked for 183 pages of 267 of PMC's articles, 241 without this).
    Or a line begins like the caption of a table.
    """
    height = height_of(words)
    widest = _NARROW * (max(word.box[2] for word in words) - min(word.box[0] for word in words))
    above: list[tuple[float, dict[int, int]]] = []  # middles of lines, and how many lines each column has had so far
    for line in lines_of(words):
        if names_table(line.text):
            return True
        if _is_led(line):
            continue
        near = [columns for middle, columns in above[-6:] if line.middle - middle < 6 * height]
        here: dict[int, int] = {}
        shared = [0] * len(near)
        for left, phrase in pairwise(phrases_of(line.words, _FAR_APART * height)):
            x0, x1 = phrase[0].box[0], phrase[-1].box[2]
            if min(x1 - x0, left[-1].box[2] - left[0].box[0]) > widest:
                continue
            places = (
                round(x0 / 3),
                -round(x1 / 3) - 1,
                100_000 + round((x0 + x1) / 6),
            )  # where it begins, ends, centres
            runs = [[columns.get(place + d, 0) for place in places for d in (-1, 0, 1)] for columns in near]
            shared = [n + any(run) for n, run in zip(shared, runs, strict=True)]
            for i, place in enumerate(places):
                here[place] = 1 + max((max(run[3 * i : 3 * i + 3]) for run in runs), default=0)
        if max(shared, default=0) >= 2 or max(here.values(), default=0) >= 4:
            return True
        if here:
            above.append((line.middle, here))
    return False


def _is_led(line: Line) -> bool:
    """Whether dots lead to its last word, as on pages of contents and in an index."""
    dots = [i for i, word in enumerate(line.words) if set(word.text) <= {".", "…"}]
    return sum(len(line.words[i].text) for i in dots) >= 4 and len(line.words) - 1 - dots[-1] <= 1
