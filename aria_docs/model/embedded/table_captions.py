"""Where the caption of each table stands: above it, below it, beside the gutter, or a title without a number. Pure.

Words are looked at in the frame in which the table's own text is upright: a table may be turned on an upright page.
A numbered caption belongs to one table. Pages have their captions over the tables or under them: what gives more
tables a caption is believed, so that none takes its neighbour's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from aria_docs.bidi import in_reading_order
from aria_docs.captions import is_caption, names_table, number_of
from aria_docs.turns import turn

if TYPE_CHECKING:
    from aria_docs.media import Box, Page, TableCandidate, Word

_ABOVE_PT, _BELOW_PT = 60.0, 30.0  # how far from its table a caption may begin
TITLE_PT = 24.0  # how far above a table a line that does not begin like a caption may end, and yet be its title
_TOUCH_PT = 4.0  # boxes of type reach so far into those of the next line
_CAPTION_MAX_CHARS = 500
_TITLE_MAX_CHARS = 160
_MARGIN = 0.05  # of the page's height: running heads and feet stand in it

_FIGURE = re.compile(
    r"(?:fig(?:ure|\.)?|abb(?:ildung|\.)|chart|graph|photo|source|note)s?\b\s*[:.\dA-Z]", re.IGNORECASE
)
_SOURCE = re.compile(r"\bdoi\b|https?:|\bwww\.|\bet al\b|\bvol\. ?\d", re.I)  # of a running head
# What goes on like a sentence: "Table 3 shows the rates of all countries."
_SENTENCE = re.compile(r"\s+[^\W\d_A-ZÀ-Þ][^\W\d_]*\s.*\.$", re.DOTALL)
_PAGE_NUMBER = re.compile(
    r"^(?:page\s+)?\d{1,4}\s+\D|\D\s+\d{1,4}$|\bpage \d+\b|\b\d+\s*(?:of|/)\s*\d+$", re.IGNORECASE
)
_WIDE_GAP = 2.0  # heights between two words of a line: they are label and value, or stand in two columns


@dataclass(frozen=True, slots=True)
class CaptionBlock:
    """Lines of one block of the text layer that follow each other closely."""

    box: Box
    text: str
    is_apart: bool = False  # its words stand in columns


def captions(candidates: Sequence[TableCandidate], page: Page) -> list[str | None]:
    """The caption of each table of a page, in their order."""
    quarters = [_quarters(candidate) for candidate in candidates]
    found: list[str | None] = [None] * len(candidates)
    for turned in set(quarters):
        own = [n for n, other in enumerate(quarters) if other == turned]
        frame = _UprightPage(page, turned, [candidate.box for candidate in candidates])
        for n, caption in zip(own, frame.captions([candidates[n].box for n in own]), strict=True):
            found[n] = caption
    return found


def _quarters(candidate: TableCandidate) -> int:
    """Clockwise quarter turns that set the table upright: its columns then follow each other to the right."""
    votes = [0, 0, 0, 0]
    single = {(c.row, c.col): c.box for c in candidate.cells if c.box and c.row_span == c.col_span == 1}
    for (row, col), a in single.items():
        if b := single.get((row, col + 1)):
            across, down = b[0] + b[2] - a[0] - a[2], b[1] + b[3] - a[1] - a[3]
            level = abs(across) >= abs(down)
            votes[(0 if across > 0 else 2) if level else (1 if down < 0 else 3)] += 1
    return max(range(4), key=lambda quarters: (votes[quarters], -quarters))


class _UprightPage:
    """The paragraphs of a page outside its tables, turned so that some of the tables stand upright."""

    def __init__(self, page: Page, quarters: int, tables: Sequence[Box]) -> None:
        def level(box: Box) -> Box:
            return turn(box, quarters, page.width_pt, page.height_pt)

        self.level = level
        self.height_pt = page.width_pt if quarters % 2 else page.height_pt
        outside = [(word, level(word.box)) for word in page.words if not any(inside(word.box, box) for box in tables)]
        self.paragraphs = list(paragraphs([word for word, _ in outside], {id(word): box for word, box in outside}))
        self.tables = [level(box) for box in tables]

    def captions(self, boxes: Sequence[Box]) -> list[str | None]:
        levels = [self.level(box) for box in boxes]
        starts = max((self._starts(levels, over=over) for over in (True, False)), key=len)  # the first of equals
        return [self._text(box, starts[n]) if n in starts else self._title(box) for n, box in enumerate(levels)]

    def _starts(self, boxes: Sequence[Box], *, over: bool) -> dict[int, CaptionBlock]:
        """The first paragraph of each table's caption, looked for over the tables of a page first, or under them."""
        pairs = sorted((cost, n, i) for n, box in enumerate(boxes) for i, cost in self._costs(box, over=over))
        starts: dict[int, CaptionBlock] = {}
        taken: set[str] = set()
        for _, n, i in pairs:
            number = number_of(self.paragraphs[i].text) or ""
            if n not in starts and number not in taken:
                starts[n] = self.paragraphs[i]
                taken.add(number)
        return starts

    def _costs(self, box: Box, *, over: bool) -> Iterator[tuple[int, float]]:
        """Paragraphs that may be the caption of a table, with how far they stand from it."""
        for i, paragraph in enumerate(self.paragraphs):
            text = paragraph.text
            number = number_of(text)
            if number is None or _SENTENCE.match(text[len(number) :]):
                continue
            above, below = box[1] - paragraph.box[3], paragraph.box[1] - box[3]
            if above > -_TOUCH_PT and box[1] - paragraph.box[1] < _ABOVE_PT:
                if _is_over(paragraph.box, box):
                    yield i, max(above, 0.0) + (0 if over else _ABOVE_PT)
                elif self._stands_left(paragraph, box):
                    yield i, max(above, 0.0) + 2 * _ABOVE_PT
            elif -_TOUCH_PT < below < _BELOW_PT and _is_over(paragraph.box, box):
                yield i, max(below, 0.0) + (_ABOVE_PT if over else 0)

    def _stands_left(self, caption: CaptionBlock, box: Box) -> bool:
        """Whether a caption at the left margin is that of a table further right: nothing else stands under it."""
        if not names_table(caption.text) or caption.box[2] > box[0]:
            return False
        under = [*self.tables, *(other.box for other in self.paragraphs if other is not caption)]
        return not any(
            other[0] < caption.box[2] and other[2] > caption.box[0] and caption.box[3] - 1 < other[1] < box[3]
            for other in under
        )

    def _text(self, box: Box, start: CaptionBlock) -> str:
        """The caption with all down to the table; a title may stand beside its number, and begin a little higher."""
        if start.box[1] > box[1]:
            return start.text[:_CAPTION_MAX_CHARS]
        number = number_of(start.text)
        above = [
            p
            for p in self.paragraphs
            if _is_over(p.box, box) and box[1] - _ABOVE_PT < p.box[1] < p.box[3] < box[1] + _TOUCH_PT
        ]
        above.sort(key=lambda p: p.box[1])
        # Some layers repeat the number unseen before each line: the first is meant.
        first = next((p for p in above if number_of(p.text) == number), start)
        rest = [p.text for p in above if p is not first and p.box[3] > first.box[1] + _TOUCH_PT]
        return " ".join([first.text, *rest])[:_CAPTION_MAX_CHARS]

    def _title(self, box: Box) -> str | None:
        above = [p for p in self.paragraphs if _is_over(p.box, box) and p.box[3] < box[1] + _TOUCH_PT]
        if not above:
            return None
        last = max(above, key=lambda p: p.box[3])
        in_margin = last.box[3] < _MARGIN * self.height_pt
        numbered = last is min(self.paragraphs, key=lambda p: p.box[1]) and _PAGE_NUMBER.search(last.text)
        near = box[1] - last.box[3] <= TITLE_PT
        return last.text if near and not in_margin and not numbered and _is_title(last) else None


def _is_over(a: Box, b: Box) -> bool:
    """Whether they share a third of the narrower's width."""
    return min(a[2], b[2]) - max(a[0], b[0]) > 0.3 * min(a[2] - a[0], b[2] - b[0])


def _is_title(paragraph: CaptionBlock) -> bool:
    text = paragraph.text
    if len(text) > _TITLE_MAX_CHARS or text[-1] in ".:;," or not any(c.isalpha() for c in text):
        return False
    if text.count(": ") > 1 or paragraph.is_apart:
        return False  # labels, each with its value
    return not (number_of(text) or _FIGURE.match(text) or _SOURCE.search(text))


def is_named(box: Box, around: Sequence[CaptionBlock]) -> bool:
    """Whether a paragraph right above or below begins with a word for table and a number."""
    return any(
        names_table(p.text)
        and min(p.box[2], box[2]) > max(p.box[0], box[0])
        and (-TITLE_PT < box[1] - p.box[3] < _ABOVE_PT or -_TOUCH_PT < p.box[1] - box[3] < _BELOW_PT)
        for p in around
    )


def paragraphs(words: Sequence[Word], boxes: Mapping[int, Box] | None = None) -> Iterator[CaptionBlock]:
    """`boxes` has the place of each word, by its id, where that is not its own."""
    blocks: dict[int, list[tuple[Box, str]]] = {}
    for word in words:
        blocks.setdefault(word.block, []).append((boxes[id(word)] if boxes else word.box, word.text))
    for block in blocks.values():
        lines: list[list[tuple[Box, str]]] = []
        for boxed in sorted(block, key=lambda item: item[0][1] + item[0][3]):
            if lines and boxed[0][1] + boxed[0][3] < 2 * lines[-1][0][0][3]:
                lines[-1].append(boxed)
            else:
                lines.append([boxed])
        part: list[list[tuple[Box, str]]] = []
        for line in lines:
            line.sort(key=lambda item: item[0][0])
            if part:
                before, here = _union(part[-1]), _union(line)
                apart = here[1] - before[3] > 0.6 * (here[3] - here[1])
                if apart or is_caption(_join([line])):
                    yield _paragraph(part)
                    part = []
            part.append(line)
        yield _paragraph(part)


def _paragraph(lines: Sequence[Sequence[tuple[Box, str]]]) -> CaptionBlock:
    apart = any(b[0] - a[2] > _WIDE_GAP * (a[3] - a[1]) for line in lines for (a, _), (b, _) in pairwise(line))
    return CaptionBlock(_union([word for line in lines for word in line]), _join(lines), apart)


def _join(lines: Sequence[Sequence[tuple[Box, str]]]) -> str:
    return " ".join(in_reading_order([text for _, text in line]) for line in lines)


def _union(words: Sequence[tuple[Box, str]]) -> Box:
    boxes = [box for box, _ in words]
    return (min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes))


def inside(inner: Box, outer: Box) -> bool:
    """Whether the middle of a box lies in another."""
    x, y = (inner[0] + inner[2]) / 2, (inner[1] + inner[3]) / 2
    return outer[0] <= x <= outer[2] and outer[1] <= y <= outer[3]
