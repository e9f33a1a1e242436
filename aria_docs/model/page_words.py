"""Where a text stands among the words of a page: every run of words that spells it. Pure geometry and characters.

Compared are characters without blanks, because a text layer, OCR and a model part words in their own ways: `1 234`
may be one word or two, `$5` too. Ligatures, dashes, quotes and full-width forms count as what they stand for; nothing
else is forgiven: 1,234 is not 1.234, and neither is 1234.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from statistics import median

from aria_docs.media import Box, Word

MOST_PLACES = 5_000  # of one text
# Words tried behind others, for one text and for all texts of a page: a page made for it would take for ever.
_MOST_STEPS, _MOST_PAGE_STEPS = 3_000, 30_000

# All in heights of a word. A blank is about 0.25 wide, between justified words up to 1; lines stand 1.2 apart, or 2.
_UNSPACED, _THOUSANDS, _SPACED = 0.3, 0.6, 2.5
_NEXT_LINE = 2.2
_ASIDE = 1.5  # how far beside the line above a centred or hanging line may end
_SAME_LINE = 0.5

_LIGATURES = {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st", "…": "..."}
_SIGNS = {
    **dict.fromkeys("‐‑‒–—―−﹘﹣", "-"),
    **dict.fromkeys("‘’‚‛′´`ʼ", "'"),
    **dict.fromkeys("“”„‟″«»", '"'),
    **dict.fromkeys("·∙•⋅", "·"),
    **dict.fromkeys("µ", "μ"),
    **dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060\ufeff", ""),
}
_RAISED_LETTERS = dict(zip("ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ", "abcdefghijklmnoprstuvwxyz", strict=True))
_FULL_WIDTH = {chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
_PLAIN = str.maketrans({**_FULL_WIDTH, **_RAISED_LETTERS, **_LIGATURES, **_SIGNS})
_TRAILING = re.compile(r"(?:[*†‡§#⁰¹²³⁴⁵⁶⁷⁸⁹]+|\.{3,}|_{3,})$")  # marks of a footnote, dots that lead to a number

_BEFORE, _BEHIND = "$€£¥₹(", "%‰)€"  # what may stand apart from its number, or not
_DIGITS = re.compile(r"\d*")


def plain(text: str) -> list[str]:
    """The words of a text as they are compared."""
    return text.translate(_PLAIN).split()


@dataclass(frozen=True, slots=True)
class WordRun:
    """A run of words that spells a text.

    words:        their numbers.
    first, last:  the lines it touches, and with them those between.
    """

    words: tuple[int, ...]
    box: Box
    first: int
    last: int

    @property
    def middle(self) -> tuple[float, float]:
        """x and y."""
        return (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2


class PageWords:
    """The words of a page by line and by what they spell.

    height_pt:  of a usual word.
    middles:    y of each line's middle, ascending.
    """

    def __init__(self, words: Sequence[Word]) -> None:
        spelled = {("".join(plain(word.text)), tuple(round(edge) for edge in word.box)): word.box for word in words}
        self._found = [(text, box) for (text, _), box in spelled.items() if text]  # what is printed twice stands once
        self.height_pt = max(median(box[3] - box[1] for _, box in self._found) if self._found else 1.0, 1.0)
        self._lay_lines()
        self._by_text: dict[str, list[int]] = {}
        self._spellings: list[tuple[str, ...]] = []
        self._steps_left = _MOST_PAGE_STEPS
        for number, (text, _) in enumerate(self._found):
            spellings = tuple(dict.fromkeys((text, _TRAILING.sub("", text) or text, *_unhyphenate(text))))
            self._spellings.append(spellings)
            for spelling in spellings:
                self._by_text.setdefault(spelling, []).append(number)
        self._longest = max(map(len, self._by_text), default=0)
        self._known: dict[str, tuple[WordRun, ...]] = {}

    def _lay_lines(self) -> None:
        lines: list[list[int]] = []
        self.middles: list[float] = []
        for number in sorted(range(len(self._found)), key=self._y):
            if lines and self._y(number) - self.middles[-1] < _SAME_LINE * self.height_pt:
                lines[-1].append(number)
                self.middles[-1] += (self._y(number) - self.middles[-1]) / len(lines[-1])
            else:
                lines.append([number])
                self.middles.append(self._y(number))
        for line in lines:
            line.sort(key=lambda number: self._found[number][1][0])
        self._lines = lines
        self._line = {number: at for at, line in enumerate(lines) for number in line}
        self._after = {a: b for line in lines for a, b in pairwise(line)}
        self._before = {b: a for a, b in self._after.items()}

    def __len__(self) -> int:
        return len(self._found)

    def places(self, text: str) -> tuple[WordRun, ...]:
        """Where a text stands, from the top. On one line where it does so anywhere, else over several."""
        if text not in self._known:
            parts = plain(text)
            chars = "".join(parts)
            breaks = set(accumulate(map(len, parts[:-1])))
            found = self._spell(chars, breaks) if chars else []
            one_line = [place for place in found if place.first == place.last]
            kept = sorted(one_line or found, key=lambda place: (place.first, place.box[0]))
            self._known[text] = tuple(kept[:MOST_PLACES])
        return self._known[text]

    def _spell(self, chars: str, breaks: set[int]) -> list[WordRun]:
        found: dict[tuple[int, ...], WordRun] = {}
        open_: list[tuple[tuple[int, ...], int]] = []
        for end, number in self._beginning(chars, breaks):
            if end == len(chars):
                found[(number,)] = self._place((number,))
            else:
                open_.append(((number,), end))
        been: set[tuple[int, int]] = set()  # a word that a run has come to, and what was said by then
        steps = min(_MOST_STEPS, self._steps_left)
        while open_ and steps and len(found) < MOST_PLACES:
            steps -= 1
            self._steps_left -= 1
            run, said = open_.pop()
            for number in self._following(run, chars, said, breaks):
                for spelling in self._spellings[number]:
                    end = said + len(spelling)
                    if (number, end) in been or not _spells(spelling, chars, said, breaks):
                        continue
                    been.add((number, end))
                    if end == len(chars):
                        found[(*run, number)] = self._place((*run, number))
                    else:
                        open_.append(((*run, number), end))
        return list(found.values())

    def _beginning(self, chars: str, breaks: set[int]) -> Iterator[tuple[int, int]]:
        """(end, word) for each word that says the characters up to `end`."""
        for end in range(1, min(self._longest, len(chars)) + 1):
            numbers = self._by_text.get(chars[:end], ())
            if numbers and _spells(chars[:end], chars, 0, breaks):
                for number in numbers:
                    yield end, number

    def _following(self, run: tuple[int, ...], chars: str, said: int, breaks: set[int]) -> set[int]:
        """The words that may go on from a run: the next of the line, and those that begin a line below."""
        box = self._found[run[-1]][1]
        height = max(box[3] - box[1], 1.0)
        allowed = set()
        beside = self._after.get(run[-1])
        if beside is not None:
            gap = (self._found[beside][1][0] - box[2]) / height
            apart = said in breaks or chars[said - 1] in _BEFORE or chars[said] in _BEHIND
            most = _SPACED if apart else _THOUSANDS if _is_thousands(chars, said) else _UNSPACED
            if -1 < gap <= most:
                allowed.add(beside)
        left, right = (edge(self._found[number][1][side] for number in run) for edge, side in ((min, 0), (max, 2)))
        here = self._line[run[-1]]
        for line in range(here + 1, len(self._lines)):
            if self.middles[line] - self.middles[here] > _NEXT_LINE * height:
                break
            for number in self._lines[line]:
                x0, _, x1, _ = self._found[number][1]
                before = self._before.get(number)
                begins = before is None or x0 - self._found[before][1][2] > _UNSPACED * height * 2
                if begins and x1 > left - _ASIDE * height and x0 < right + _ASIDE * height:
                    allowed.add(number)
        return allowed

    def _place(self, run: tuple[int, ...]) -> WordRun:
        boxes = [self._found[number][1] for number in run]
        lines = [self._line[number] for number in run]
        return WordRun(run, union(boxes), min(lines), max(lines))

    def _y(self, number: int) -> float:
        box = self._found[number][1]
        return (box[1] + box[3]) / 2


def union(boxes: Sequence[Box]) -> Box:
    """The smallest box around all."""
    return (min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes))


def _spells(spelling: str, chars: str, start: int, breaks: set[int]) -> bool:
    """Whether a word says the characters from `start` on, blanks of the text within the word included."""
    if not chars.startswith(spelling, start):
        return False
    return all(_may_close(chars, gap) for gap in range(start + 1, start + len(spelling)) if gap in breaks)


def _unhyphenate(text: str) -> tuple[str, ...]:
    """A word that goes on in the next line, as it is written where it does not."""
    return (text[:-1],) if len(text) > 2 and text[-1] == "-" and text[-2].isalpha() else ()


def _may_close(chars: str, gap: int) -> bool:
    """Whether a blank of the text may be none on the page: never between two digits, but for thousands."""
    return not (chars[gap - 1].isdigit() and chars[gap].isdigit()) or _is_thousands(chars, gap)


def _is_thousands(chars: str, gap: int) -> bool:
    """Whether a digit stands before, and behind it only whole groups of three."""
    digits = len(_DIGITS.match(chars, gap).group())  # type: ignore[union-attr]
    return chars[gap - 1].isdigit() and digits > 0 and digits % 3 == 0
