"""Which rows of a page are headings. Pure: boxes and strings, no parser.

A heading is set apart from the body by its type (larger, bold, in capitals, or numbered in a face of its own), stands
on few rows of its own, and text follows it. The same type is used for much that is none: running heads, captions,
labels in tables and charts, bold words at the start of a paragraph or an item, the entries of a contents page.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aria_docs.ingest.reading_order import TextLine
    from aria_docs.media import Box

_LEVELS = ((1.6, "# "), (1.3, "## "), (0.0, "### "))  # size by body size, from the top
_LARGER, _LARGER_BOLD = 1.12, 1.04  # of the body's size; below, a rounding of the producer
_NOT_SMALLER = 0.93  # bold or capitals of a smaller size are labels
_LARGE = 1.3  # so large that neither place nor words speak against it
_MAX_ROWS, _MAX_ROWS_LARGE = 3, 5
_MAX_CHARS = 200
_TITLE = 1.6  # of the body's size: an article's title, which may be long
_MAX_ROWS_TITLE, _MAX_CHARS_TITLE = 9, 400
_MAX_SENTENCE_WORDS = 12  # more, and a full stop at the end is a sentence's
_FULL = 0.85  # of the column's width: a shorter row ends its paragraph
_MORE_WHITE = 0.25  # of the size, than usual: above a heading
_PARTED = 2.0  # of the size: what stands further apart in one row is a table's, but for a heading's number
_NUMBER_GAP = 4.5  # of the size: from a number to its heading
_LEADING = 1.0  # of the size: white between two rows of one heading is less
_SHARE_OF_BODY = 0.3  # of the characters of a page
_EDGE = 0.09  # of the page's height from its top and foot: where running heads stand
_APART = 1.0  # of the row's size: white between a running head and the body is more
_MIN_LIST = 3  # headings in a row with nothing below any but the last are a list

_NUMBER = re.compile(
    r"(?:(?:\d{1,2}|[A-Z])(?:\.\d{1,2}){0,4}[.)]?|[IVX]{1,5}[.)]|§+ ?\d+\w?"
    r"|(?:appendix|annex|chapter|section|part|kapitel|teil|chapitre|cap[ií]tulo) (?:\d{1,3}|[IVXLC]+|[A-Z])[.:]?)",
    re.IGNORECASE,
)
NUMBERED = re.compile(rf"(?:{_NUMBER.pattern})\s+[^\W\d_]", re.IGNORECASE)
_SUBSECTION = re.compile(
    r"\d{1,2}(?:\.\d{1,2}){1,3}\.?\s+[^\W\d_].*\w"
)  # 3.2 Methods: no item of a list is numbered so
_NAMED = re.compile(
    r"(?:abstract|summary|introduction|background|(?:materials? and )?methods|results|(?:results and )?discussion"
    r"|conclusions?|acknowledge?ments?|references|bibliography|appendix|funding|abbreviations"
    r"|conflicts? of interests?|competing interests|authors?.{0,3} contributions)\W?",
    re.IGNORECASE,
)  # what stands alone on a row of a type of its own, whatever its size, is no label then
_CAPTION = re.compile(
    r"(?:table|tab\.?|fig(?:ure|\.)?|chart|graph|map|plate|photo|image|exhibit|scheme|box|diagram|illustration"
    r"|abb(?:ildung|\.)|tabelle|tableau|schéma|graphique|tabla|figura|cuadro|tabela|tabella|grafico|рис\.?|таблица|图|表)"
    r"\s*(?:[A-Z]{0,2}[-.]?\d|[IVXLC]+\b|[A-Z]\b)",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"(?:\d{1,2}(?:st|nd|rd|th|\.)?\s+)?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?\s*(?:\d{1,2},?\s*)?"
    r"(?:19|20)\d\d",
    re.IGNORECASE,
)
_KIND = re.compile(
    r"(?:(?:original|research|review|short|brief|full|regular|case)\W+)+(?:article|paper|report|communication|research)s?"
    r"(?:\W+open access)?|open access|open",
    re.IGNORECASE,
)
_CITED = re.compile(r"\bet al\b|\bdoi\b|(?:19|20)\d\d\W{1,3}\d+|\bvol(?:ume|\.)|\bissn\b", re.IGNORECASE)
_NAME_WORDS = frozenset("and et und y e de van von der den la le del da di dos du bin al el".split())
_ITEM = re.compile(r"[•◦▪■□●○–—*✓➢⮚\uf0b7\uf0a7·‣⁃-]")
_PAGE_NUMBER = re.compile(r"[\s.…]\d{1,4}$")
_WORD_OF_THREE = re.compile(r"[^\W\d_]{3,}")
_WORD = re.compile(r"[^\W\d_]{2,}")


@dataclass(frozen=True)
class HeadingRow:
    """Lines on one baseline, from the left."""

    lines: tuple[TextLine, ...]

    @cached_property
    def text(self) -> str:
        """The lines with a blank between them."""
        return " ".join(line.text.strip() for line in self.lines)

    @cached_property
    def box(self) -> Box:
        """Around all lines."""
        x0, y0, x1, y1 = zip(*(line.box for line in self.lines), strict=True)
        return min(x0), min(y0), max(x1), max(y1)

    @cached_property
    def size_pt(self) -> float:
        """Of its longest line."""
        return max(self.lines, key=lambda line: len(line.text)).size_pt

    @cached_property
    def bold(self) -> bool:
        """Whether all of it is."""
        return all(line.bold for line in self.lines)

    @property
    def starts_bold(self) -> bool:
        """Whether its first letters are, whatever follows."""
        return self.lines[0].starts_bold

    @property
    def face(self) -> tuple[str, int]:
        """Font and colour of its last line: a number may have its own."""
        return self.lines[-1].font, self.lines[-1].color

    @cached_property
    def is_parted(self) -> bool:
        """Whether it has pieces far apart: cells, not words."""
        first = self.lines[0]
        gaps = [b.box[0] - a.box[2] for a, b in pairwise(self.lines)]
        if sum(gap > self.size_pt for gap in gaps) > 1:
            return True
        for before, after in pairwise(self.lines):
            numbers = before is first and _NUMBER.fullmatch(before.text.strip())
            allowed = (_NUMBER_GAP if numbers else _PARTED) * max(before.size_pt, after.size_pt)
            if after.box[0] - before.box[2] > allowed:
                return True
        return "    " in self.text or ("\t" in self.text.strip() and not NUMBERED.match(self.text))


@dataclass(frozen=True, slots=True)
class Body:
    """The type that most of a page is set in, and the page's height."""

    size_pt: float
    bold: bool
    upper: bool
    face: tuple[str, int]
    height_pt: float


def body_of(rows: Sequence[HeadingRow], height_pt: float) -> Body:
    """What most characters are set in."""
    every = [line for row in rows for line in row.lines]
    lines = [line for line in every if not line.in_picture] or every
    sizes: Counter[float] = Counter()
    for line in lines:
        sizes[round(line.size_pt * 2) / 2] += len(line.text)
    # A page of notes, captions and references has its body in the larger type of two; titles are larger still.
    most, n_most = sizes.most_common(1)[0]
    large = max(
        size for size, n in sizes.items() if n >= min(n_most, _SHARE_OF_BODY * sizes.total()) and size <= _LARGE * most
    )
    of_size = [line for line in lines if round(line.size_pt * 2) / 2 == large]
    size_pt = sum(line.size_pt * len(line.text) for line in of_size) / sum(len(line.text) for line in of_size)
    styles: Counter[tuple[bool, bool, tuple[str, int]]] = Counter()
    for line in of_size:
        styles[line.bold, line.text.isupper(), (line.font, line.color)] += len(line.text)
    bold, upper, face = styles.most_common(1)[0][0]
    return Body(max(size_pt, 0.5), bold, upper, face, height_pt)  # damaged files set type of no size


def running(rows: Sequence[HeadingRow], body: Body) -> set[int]:
    """Which rows, by their place among all rows from the top, are running heads and feet."""
    found: set[int] = set()
    edge = _EDGE * body.height_pt
    places = range(len(rows))
    for order, is_head in ((list(places), True), (list(reversed(places)), False)):
        for place, n in enumerate(order[:3]):
            row, inner = rows[n], rows[order[place + 1]] if place + 1 < len(order) else None
            outside = row.box[3] < edge if is_head else row.box[1] > body.height_pt - edge
            if not outside or (row.size_pt > _LARGE * body.size_pt and _WORD.search(row.text)):
                break
            if inner:
                white = inner.box[1] - row.box[3] if is_head else row.box[1] - inner.box[3]
                if white > _APART * row.size_pt or _ends_in_number(row) or _CITED.search(row.text):
                    found.update(order[: place + 1])
    return found


def _ends_in_number(row: HeadingRow) -> bool:
    """Whether its first or last piece is a page's number."""
    return len(row.lines) > 1 and any(row.lines[n].text.strip().isdigit() for n in (0, -1))


@dataclass(frozen=True, slots=True)
class Place:
    """Where rows stand in a column: how wide it is, the usual white between its rows, the rows above and below."""

    width: float
    usual: float
    before: HeadingRow | None
    after: HeadingRow | None
    below_heading: bool

    def begins(self, row: HeadingRow) -> bool:
        """Whether a paragraph has ended above the row: more white than usual, or a row that is not full."""
        if self.before is None or self.below_heading:
            return True
        white = row.box[1] - self.before.box[3]
        short = self.before.box[2] - self.before.box[0] < _FULL * self.width
        return white > self.usual + _MORE_WHITE * row.size_pt or (short and self.before.text.rstrip()[-1:] not in ",-")

    def heads(self, row: HeadingRow, body: Body) -> bool:
        """Whether a row of the body, or a heading of another kind, stands right below."""
        after = self.after
        if after is None or after.box[1] - row.box[3] > 2 * body.size_pt + max(0.0, self.usual):
            return False
        share = (after.box[2] - after.box[0]) / self.width
        if after.lines[0].font == body.face[0]:
            return share > 0.5 and abs(after.size_pt - body.size_pt) < 1
        return after.face != row.face and bool(_style(after, body)) and not after.is_parted

    def is_clear(self, row: HeadingRow) -> bool:
        """Whether much more white than usual is above it."""
        above = self.before
        return above is None or row.box[1] - above.box[3] > self.usual + 2 * _MORE_WHITE * row.size_pt


def heading_mark(group: Sequence[HeadingRow], body: Body, place: Place) -> str:
    """The Markdown mark of rows of one style, '' where they are no heading."""
    text = " ".join(row.text for row in group).strip()
    first, last = group[0], group[-1]
    ratio = first.size_pt / body.size_pt
    style = "" if any(line.in_picture for row in group for line in row.lines) else _style(first, body)
    is_title = ratio >= _TITLE
    if not style or not _says_something(text, ratio) or len(text) > (_MAX_CHARS_TITLE if is_title else _MAX_CHARS):
        return ""
    large = ratio >= _LARGE
    if len(group) > (_MAX_ROWS_TITLE if is_title else _MAX_ROWS_LARGE if large else _MAX_ROWS) or (
        not large and any(row.is_parted for row in group)
    ):
        return ""
    n_words = len(text.split())
    if text[-1] in ",;" or (text[-1] == "." and n_words > _MAX_SENTENCE_WORDS) or (text[0].islower() and ratio < 1.6):
        return ""
    if not large and not _stands_alone(group, style, place, body):
        return ""
    if ratio < _LARGER and not NUMBERED.match(text) and text[-1] in ".:" and n_words > 2:
        return ""
    if not large and place.after and _runs_in(last, place.after, place.width):
        return ""
    return next(mark for factor, mark in _LEVELS if ratio >= factor)


def _stands_alone(group: Sequence[HeadingRow], style: str, place: Place, body: Body) -> bool:
    """Whether what is hardly larger than the body begins a paragraph of its own; and where its font is all that sets
    it apart, whether it is short and text of the body follows."""
    if group[0].size_pt >= _LARGER * body.size_pt:
        return True
    if not place.begins(group[0]):
        return False
    if style in ("size", "bold", "name"):
        return True
    last = group[-1]
    if style == "number":
        is_short = last.box[2] - last.box[0] < _FULL * place.width
        return len(group) == 1 and is_short and place.is_clear(last) and place.heads(last, body)
    short = last.box[2] - last.box[0] < _FULL * place.width or place.is_clear(group[0]) or place.below_heading
    return short and len(group) <= 2 and place.heads(last, body)


def same_heading(row: HeadingRow, below: HeadingRow, body: Body) -> bool:
    """Whether a row and the next are set alike and close: then they are one heading, unless both are numbered."""
    white = below.box[1] - row.box[3]
    larger = min(row.size_pt, below.size_pt) >= _LARGER * body.size_pt
    alike = abs(row.size_pt - below.size_pt) < 0.5 and row.bold == below.bold and (larger or row.face == below.face)
    numbered = _NUMBER.fullmatch(row.text.strip()) or NUMBERED.match(below.text)
    # METHODS over Participants: a heading of another level, but not a line of capitals that a name begins or ends.
    in_capitals = row.text.isupper() and below.text[:1].isupper() and not below.text.isupper()
    return alike and white < _LEADING * row.size_pt and not numbered and not in_capitals


def is_set_apart(row: HeadingRow, body: Body) -> bool:
    """Whether its type is not the body's."""
    return bool(_style(row, body))


def listings(paragraphs: Sequence[tuple[str, Sequence[HeadingRow]]]) -> set[int]:
    """Which of the paragraphs, each with its mark and rows, are entries of a list or of a page of contents: headings
    with nothing below but the next of them, or with page numbers at the ends of the rows below."""
    found: set[int] = set()
    marked = [n for n, (mark, rows) in enumerate(paragraphs) if mark or _WORD.search("".join(row.text for row in rows))]
    begin = 0
    for k in range(1, len(marked) + 1):
        (mark, rows) = paragraphs[marked[begin]]
        if k < len(marked) and mark and _alike(paragraphs[marked[k]], rows[0]):
            continue
        if mark and k - begin >= _MIN_LIST:
            found.update(marked[begin:k])
        begin = k
    entries = [n for n, (mark, _) in enumerate(paragraphs[:-1]) if mark and _is_contents(paragraphs[n + 1][1])]
    sizes = [paragraphs[n][1][0].size_pt for n in entries]
    if len(entries) >= 2:
        found.update(
            n for n, size in zip(entries, sizes, strict=True) if n != entries[0] or size < 1.1 * max(sizes[1:])
        )
    return found


def _alike(paragraph: tuple[str, Sequence[HeadingRow]], row: HeadingRow) -> bool:
    mark, rows = paragraph
    return bool(mark) and abs(rows[0].size_pt - row.size_pt) < 0.5 and rows[0].bold == row.bold


def _is_contents(rows: Sequence[HeadingRow]) -> bool:
    ended = sum(bool(_PAGE_NUMBER.search(row.text)) for row in rows)
    return ended >= 2 and 3 * ended >= 2 * len(rows)


def _style(row: HeadingRow, body: Body) -> str:
    """What sets it apart from the body."""
    ratio = row.size_pt / body.size_pt
    if ratio >= _LARGER or (ratio >= _LARGER_BOLD and row.bold):
        return "size"
    if _NAMED.fullmatch(row.text.strip()) and row.lines[-1].font != body.face[0]:
        return "name"
    if ratio < _NOT_SMALLER:
        return ""
    if row.bold and not body.bold:
        return "bold"
    if row.text.isupper() and not body.upper and sum(map(len, _WORD.findall(row.text))) > 0.6 * len(row.text):
        return "capitals"
    other_font = row.lines[-1].font != body.face[0] and all(line.uniform for line in row.lines)
    if other_font and "=" not in row.text and _WORD_OF_THREE.search(row.text):
        return "font"
    return "number" if row.face == body.face and _SUBSECTION.fullmatch(row.text.strip()) else ""


def _says_something(text: str, ratio: float) -> bool:
    """Whether it has words, or is the number of a chapter, which is large; no caption, item or date."""
    if _CAPTION.match(text) or _ITEM.match(text) or _DATE.fullmatch(text) or _KIND.fullmatch(text) or _is_names(text):
        return False
    return bool(_WORD.search(text)) or ratio >= 1.8


def _is_names(text: str) -> bool:
    """Whether it is a list of authors: between commas nothing but capitals."""
    return len(re.findall("[,;]", text)) >= 2 and all(
        not word[0].islower() or word.rstrip(",;") in _NAME_WORDS for word in text.split()
    )


def _runs_in(row: HeadingRow, after: HeadingRow, width: float) -> bool:
    """Whether the row's bold goes on into the next, and ends within: the first words of a paragraph."""
    close = after.box[1] - row.box[3] < 0.35 * row.size_pt
    return close and row.bold and after.starts_bold and not after.bold and row.box[2] - row.box[0] > 0.7 * width
