"""The values of an answer to a user's own schema → where each stands on the pages that it was read from. Pure.

    {"vendor": {"name": "Acme"}, "total": 1234}      vendor.name   page 1, the box of "Acme"
    "Acme … $1,234.00"                               total         page 1, the box of "$1,234.00": as a number

A text is sought as it is, a date in the ways in which people write it, a number by its value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import groupby
from typing import Any

from aria_docs.media import Box, Word
from aria_docs.model import confidence
from aria_docs.model.numbers import numbers
from aria_docs.model.page_words import PageWords, union
from aria_docs.model.seen import Ground

_MOST_WORDS = 4  # of one number: - $ 1 234
_APART = 1.0  # of a word's height: words of one number stand nearer
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:T00:00:00)?")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_EITHER = re.compile(r"\d{1,3}[.,]\d{3}|\d{1,3}(?: \d{3})+")  # a thousand or one and a bit; one number or several
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip

UNANSWERED, UNWRITTEN, NOT_THERE = "nothing was answered", "a yes or no is not written", "nothing on the page says so"
NO_PAGE = "a video has no page"


class SeenWords:
    """The words of the pages that an answer is about, as values are sought in them.

    pages:  number and words of each.
    """

    def __init__(self, pages: Sequence[tuple[int, Sequence[Word]]]) -> None:
        self._pages = [(number, PageWords(words), _Numbers(words)) for number, words in pages]
        self._words = dict(pages)

    def grounds(self, values: dict[str, Any]) -> tuple[Ground, ...]:
        """Of each value of an answer, in their order; of a list and a nested object each of its own."""
        return tuple(self._ground(name, value) for name, value in _leaves(values))

    def _ground(self, name: str, value: Any) -> Ground:
        said = None if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        if value in (None, ""):
            return Ground(name, None, UNANSWERED, confidence.of_value(is_filled=False))
        if isinstance(value, bool) or not self._pages:
            return Ground(name, said, UNWRITTEN if self._pages else NO_PAGE, confidence.of_value(is_found=False))
        for number, words, figures in self._pages:
            if box := _place(value, words, figures):
                inside = [word for word in self._words[number] if _is_inside(word.box, box)]
                sure = min((word.sure for word in inside), default=1.0)
                text = " ".join(word.text for word in inside)
                return Ground(name, said, None, confidence.of_value(sure=sure), number, box, text)
        return Ground(name, said, NOT_THERE, confidence.of_value(is_found=False))


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _leaves(inner, f"{name}[{number}]")
    else:
        yield name, value


def _place(value: Any, words: PageWords, figures: _Numbers) -> Box | None:
    if isinstance(value, str):
        for text in (value, *_spellings(value)):
            if places := words.places(text):
                return places[0].box
        if not _NUMBER.fullmatch(value):
            return None
    return figures.place(float(value))


def _spellings(text: str) -> Iterator[str]:
    """The ways in which a date is written."""
    if not (found := _DATE.fullmatch(text)):
        return
    try:
        day = date(*map(int, found.groups()))
    except ValueError:
        return
    d, m, y, month = day.day, day.month, day.year, _MONTHS[day.month - 1]
    yield from (
        f"{a:{width}}{sign}{b:{width}}{sign}{y}" for a, b in ((d, m), (m, d)) for width in ("", "02") for sign in "./-"
    )
    yield f"{y}-{m:02}-{d:02}"
    for name in (month, month[:3], f"{month[:3]}."):
        yield from (
            f"{d} {name} {y}",
            f"{d:02} {name} {y}",
            f"{d}. {name} {y}",
            f"{name} {d}, {y}",
            f"{d:02}-{name}-{y}",
        )


class _Numbers:
    """The numbers of a page, by one word or several beside each other, read as those of one column."""

    def __init__(self, words: Sequence[Word]) -> None:
        runs = [run for _, line in groupby(words, key=lambda word: (word.block, word.line)) for run in _runs([*line])]
        self._runs = [run for run in runs if any(map(str.isdigit, run[0].text + run[-1].text))]
        texts = [" ".join(word.text for word in run) for run in self._runs]
        self._texts, self._values = texts, numbers([text.strip(":;") for text in texts])

    def place(self, value: float) -> Box | None:
        """Where it first stands, in fewest words; what can be read in two ways is taken for either."""
        found = [
            run
            for run, text, number in zip(self._runs, self._texts, self._values, strict=True)
            if any(abs(read - value) <= 1e-9 * max(1.0, abs(value)) for read in _readings(text, number))
        ]
        return union([word.box for word in min(found, key=len)]) if found else None


def _readings(text: str, number: float | None) -> Iterator[float]:
    """The numbers that a text may be: `number`, and where it can be read in two ways, either."""
    if number is not None:
        yield number
    if _EITHER.fullmatch(text):
        yield float(re.sub(r"\D", "", text))
        if " " not in text:
            yield float(text.replace(",", "."))


def _runs(line: Sequence[Word]) -> Iterator[tuple[Word, ...]]:
    for first in range(len(line)):
        run: list[Word] = []
        for word in line[first : first + _MOST_WORDS]:
            height = word.box[3] - word.box[1]
            if run and not -height < word.box[0] - run[-1].box[2] < _APART * height:
                break
            run.append(word)
            yield tuple(run)


def _is_inside(inner: Box, outer: Box) -> bool:
    x, y = (inner[0] + inner[2]) / 2, (inner[1] + inner[3]) / 2
    return outer[0] <= x <= outer[2] and outer[1] <= y <= outer[3]
