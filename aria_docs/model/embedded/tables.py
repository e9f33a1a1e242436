"""Table candidates of a page → tables: captions, numbers, and no false tables. Pure.

What a parser of geometry takes for a table and a reader does not: a chart whose grid lines enclose little text, a list
whose first column is bullets, terms with their definitions beside them, lines of a program, a page of contents, an
index, paragraphs in a frame, a form that nobody has filled in.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from aria_docs.captions import names_table
from aria_docs.media import Table
from aria_docs.model.confidence import How, judge
from aria_docs.model.embedded.table_captions import TITLE_PT, captions, is_named, paragraphs
from aria_docs.model.numbers import Sign, numbers, usual_sign

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aria_docs.media import Page, TableCandidate, TableCell, Word

_MIN_FILLED = 0.3  # of the cells of a table hold text; a chart's grid or a blank form has less
_MAX_WORDS_PER_CELL = 60  # on average; more is paragraphs in a frame

_BULLET = re.compile(r"[•◦▪■□●○–—*✓➢\uf0b7\uf0a7-]|[(\[]?(?:\d{1,3}|[a-z]|[ivx]{1,5})[.)\]]", re.IGNORECASE)
_COMMENT = re.compile(r"(?:#+|//|/\*|%) \w")
_EQUATION = re.compile(r"\(\d{1,3}(?:\.\d{1,3})?[a-z]?\)")
_PAGE = re.compile(r"(?:page|seite|p[aá]gina|pagina|sida|side)\b", re.IGNORECASE)
_ROMAN = re.compile(r"x{0,3}(?:ix|iv|v?i{0,3})")
_ONE_PAGE = re.compile(rf"\d{{1,4}}|{_ROMAN.pattern}")
_DIGITS = {"i": 1, "v": 5, "x": 10}
_PAGES = re.compile(r"\d{1,4}(?:[-\u2013]\d{1,4})?(?:, \d{1,4}(?:[-\u2013]\d{1,4})?)*")
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]{2}|[^\W\d_]{2,}")
_PROSE = 3  # words; a definition has as many
_HEAD = 4  # words; a head has no more
_LEADERS = re.compile(r"(?:\. ?){4,}|…{2,}|_{4,}")

_SAME_PT = 6.0  # columns that begin so near to each other are one


def tables(page: Page) -> tuple[Table, ...]:
    """The tables among `page.candidates`, in reading order, each cell with its number."""
    around = list(paragraphs(page.words))
    true = [
        candidate
        for candidate in page.candidates
        if _is_table(candidate, named=is_named(candidate.box, around), on_top=_is_on_top(candidate, page.words))
    ]
    true.sort(key=lambda candidate: (candidate.box[1], candidate.box[0]))
    found: list[Table] = []
    usual = usual_sign(page.text)
    for candidate, caption in zip(true, captions(true, page), strict=True):
        table = _table(candidate, caption, usual)
        if not _defines(candidate) or _is_called_table(table) or any(_goes_on(above, table) for above in found):
            how = How("lattice" if candidate.lattice else "ruled" if candidate.ruled else "open", candidate.seen)
            found.append(judge(table, page.words, replace(how, from_ocr=page.from_ocr)))
    return tuple(found)


def _is_on_top(candidate: TableCandidate, words: Sequence[Word]) -> bool:
    """Whether no more than one line, a running head, stands above it."""
    above = [word.box for word in words if word.box[3] < candidate.box[1] + 1]
    return not above or max(box[1] for box in above) < min(box[3] for box in above)


def _is_called_table(table: Table) -> bool:
    """Whether its caption says so; an appendix may be a glossary."""
    return bool(table.caption and names_table(table.caption))


def _goes_on(above: Table, below: Table) -> bool:
    """Whether the columns of one stand right under those of the other."""
    lefts = [{cell.col: cell.box[0] for cell in table.cells if cell.box} for table in (above, below)]
    near = 0 <= below.box[1] - above.box[3] < TITLE_PT
    return (
        near
        and lefts[0].keys() == lefts[1].keys()
        and all(abs(lefts[0][col] - x) < _SAME_PT for col, x in lefts[1].items())
    )


def _defines(candidate: TableCandidate) -> bool:
    """Whether it is a list of terms, each with prose beside it: two columns, no rulings and no heads.

    Glossaries, options of a program, questions and answers, headings in the margin.
    """
    if candidate.n_cols != 2 or candidate.ruled:
        return False
    terms = [cell.text for cell in candidate.cells if cell.text and cell.col == 0]
    texts = [cell.text for cell in candidate.cells if cell.text and cell.col == 1]
    if _is_head(texts[0], texts[1:]):
        return False
    prose = sum(_n_words(text) >= _PROSE and not text[0].isdigit() for text in texts)
    named = sum(any(c.isalpha() for c in term) for term in terms)
    return 3 * prose >= 2 * len(texts) and 3 * named >= 2 * len(terms)


def _is_head(text: str, below: Sequence[str]) -> bool:
    """Whether it heads the texts below: a label that is much shorter, or begins with a capital where they do not."""
    if not below or _n_words(text) > _HEAD or text[0].islower() or text[-1] in ".;:,?!":
        return False
    small = sum(other[0].islower() for other in below)
    return 2 * _n_words(text) <= median(map(_n_words, below)) or 3 * small >= 2 * len(below)


def _n_words(text: str) -> int:
    """Words of letters; two ideographs are one."""
    return len(_WORD.findall(text))


def _table(candidate: TableCandidate, caption: str | None, usual: Sign | None) -> Table:
    values = numbers([cell.text for cell in candidate.cells], [cell.col for cell in candidate.cells], usual=usual)
    cells = tuple(replace(cell, number=value) for cell, value in zip(candidate.cells, values, strict=True))
    return Table(candidate.box, candidate.n_rows, candidate.n_cols, candidate.n_header_rows, cells, caption)


def _is_table(candidate: TableCandidate, *, named: bool = False, on_top: bool = False) -> bool:
    """`named`: a caption over or under it says that it is one; `on_top`: no text of its page stands above it."""
    filled = [cell for cell in candidate.cells if cell.text]
    rows = {cell.row for cell in filled}
    columns = {cell.col for cell in filled}
    if len(rows) == 1 and on_top and _is_last_row(candidate, filled):
        return True
    if len(rows) < 2 or len(columns) < 2 or len(filled) < 4:
        return False
    if len(filled) < _MIN_FILLED * len(candidate.cells) and not (named or _has_heads(candidate, filled)):
        return False
    if sum(len(cell.text.split()) for cell in filled) > _MAX_WORDS_PER_CELL * len(filled):
        return False
    first = [cell.text for cell in filled if cell.col == min(columns)]
    if len(columns) == 2 and all(_BULLET.fullmatch(text) for text in first):
        return False
    last = [cell.text for cell in filled if cell.col == max(columns)]
    if len(last) > 1 and 2 * sum(bool(_COMMENT.match(text)) for text in last) > len(last):
        return False  # lines of a program with a comment beside each
    if 2 * sum(cell.text.endswith((",", ";", "{", "}")) for cell in filled) > len(filled):
        return False  # a program again, or what it was given to read
    return named or candidate.lattice or not (_is_numbered(candidate, filled) or _is_contents(candidate, filled))


def _has_heads(candidate: TableCandidate, filled: Sequence[TableCell]) -> bool:
    """Whether nearly all columns have a head and nearly all rows a label: few marks between them are a table's, too.

    The lines of a chart have neither.
    """
    columns = {cell.col + n for cell in filled if cell.row == 0 for n in range(cell.col_span)}
    rows = {cell.row + n for cell in filled if cell.col == 0 for n in range(cell.row_span)}
    return len(columns) >= 0.8 * candidate.n_cols and len(rows) >= 0.8 * candidate.n_rows


def _is_last_row(candidate: TableCandidate, filled: Sequence[TableCell]) -> bool:
    """Whether a lattice of one row, first on its page, may be the last of a table before: full, and with numbers."""
    values = numbers([cell.text for cell in filled])
    full = candidate.n_cols > 2 and len(filled) == candidate.n_cols
    return candidate.lattice and full and sum(value is not None for value in values) > 1


def _is_contents(candidate: TableCandidate, filled: Sequence[TableCell]) -> bool:
    """Whether dots lead to the number of a page in most rows: the last column has nothing else, and it rises."""
    rows = {cell.row for cell in filled}
    led = {cell.row for cell in filled if _LEADERS.search(cell.text)}
    if 2 * len(led) <= len(rows) or candidate.n_cols > 3:
        return False
    ends = [_LEADERS.split(cell.text)[-1].strip() for cell in filled if cell.col == candidate.n_cols - 1]
    pages = [_page(text) for text in ends if _ONE_PAGE.fullmatch(text)]
    rising = sum(a <= b for a, b in pairwise(pages))
    return 3 * len(pages) >= 2 * len([end for end in ends if end]) and 5 * rising >= 4 * (len(pages) - 1)


def _is_numbered(candidate: TableCandidate, filled: Sequence[TableCell]) -> bool:
    """Whether the last column only counts: pages of contents without leaders, an index, or equations."""
    if _is_index(candidate, filled):
        return True
    if candidate.n_cols > 3:
        return False
    last = [cell for cell in filled if cell.col == candidate.n_cols - 1 and not cell.is_header]
    rows = {cell.row for cell in filled if not cell.is_header}
    if len(last) < 0.7 * len(rows):
        return False
    equal = {cell.row for cell in filled if "=" in cell.text}
    if all(_EQUATION.fullmatch(cell.text) for cell in last) and 2 * len(equal) > len(rows):
        return True  # (1) alone is a loss of one
    pages = [_page(cell.text) for cell in last if _ONE_PAGE.fullmatch(cell.text)]
    heads = [cell.text for cell in filled if cell.is_header and cell.col == candidate.n_cols - 1]
    titles = [cell.text for cell in filled if cell.col == 0]
    titled = 3 * sum(_n_words(text) > 0 for text in titles) >= 2 * len(titles)  # beside numbers, an x is no page
    roman = titled and any(all(map(_ROMAN.fullmatch, text.split())) for text in heads)  # the first of the pages
    headed = candidate.n_header_rows and not (roman or any(map(_PAGE.match, heads)))
    rising = all(a <= b for a, b in pairwise(pages)) and len(set(pages)) > 3
    return len(pages) > 4 and len(pages) == len(last) and rising and not headed


def _page(text: str) -> tuple[bool, int]:
    """The number of a page, those of the front matter before the others."""
    if text.isdecimal():
        return True, int(text)
    values = [_DIGITS[digit] for digit in text]
    return False, sum(-a if a < b else a for a, b in pairwise([*values, 0]))


def _is_index(candidate: TableCandidate, filled: Sequence[TableCell]) -> bool:
    """Whether each second column has pages only, and some cells several in rising order."""
    if candidate.n_cols % 2 or any((cell.col % 2 == 1) != bool(_PAGES.fullmatch(cell.text)) for cell in filled):
        return False
    several = [cell.text for cell in filled if ", " in cell.text and cell.col % 2]
    lists = [[int(page) for page in re.findall(r"\d+", text)] for text in several]
    return len(lists) > 1 and all(a < b for pages in lists for a, b in pairwise(pages))
