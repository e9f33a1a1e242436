"""Extracted tables as SQL knows them: columns with names and types. Knows no database: words and counts in, SQL out.

        Passengers, thousand │ Note              row 0     passengers_thousand_2025  BIGINT
          2025     │  2024   │                   row 1  →  passengers_thousand_2024  BIGINT
    ───────────────┼─────────┼─────                        note                      VARCHAR
            1,204  │  1,151  │ a, b              row 2

The names follow the rule of DuckDB's own `read_csv(normalize_names = true)`: lower case, underscores, a leading one
before a digit or a reserved word, so that none of them needs quotes.
"""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Type = Literal["VARCHAR", "BIGINT", "DOUBLE", "DATE"]

_LONGEST_NAME = 60  # characters; Postgres, which many BI tools sit on, cuts at 63
_LONGEST_STACK = 40

# What stands in a cell that has no value to tell: dashes, dots, "n/a", "n.m.". In SQL's regular expressions.
BLANK = r"^([-‐‑‒–—―−.…·*/\s]*|(?i:n\.?\s?/?\s?[amd]\.?|nil))$"
# Signs that stand where a number is withheld, secret or not available (Eurostat's ":", "(c)"): no value, but no blank.
MARK = r"^\s*(\(?:\)?|\([A-Za-z]{1,2}\)|[†‡§¶#]+)\s*$"
# A column is one of numbers where so many of its cells are: below, the texts are contents and no stray marks.
_SHARE_OF_NUMBERS = 0.8
_NOTES = frozenset(("note", "notes", "ref", "anhang", "footnote", "footnotes"))
# Read one way only: 03/04/2025 is a third of April or a fourth of March, and stays text.
DATES = ("%Y-%m-%d", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%d.%m.%Y", "%d-%b-%Y")

# duckdb_keywords() where keyword_category = 'reserved'; a test compares.
RESERVED = frozenset(
    """all analyse analyze and any array as asc asymmetric both case cast check collate column constraint create default
    deferrable desc describe distinct do else end except false fetch for foreign from group having in initially
    intersect into lambda lateral leading limit not null offset on only or order pivot pivot_longer pivot_wider placing
    primary qualify references returning select show some summarize symmetric table then to trailing true union unique
    unpivot using variadic when where window with""".split()
)


# Columns of every stack besides the tables' own.
PLACE = ("path", "page", "table_id", "row_no")


# The schema of a database that holds what is ours alone: no contract, and no reading for people.
INTERNAL = "aria_docs_internal"


@dataclass(frozen=True, slots=True)
class Heading:
    """A cell of the header rows."""

    row: int
    col: int
    col_span: int
    text: str


@dataclass(frozen=True, slots=True)
class ColumnContents:
    """How many cells of a column, below the header, say something, and how many of these are numbers, whole numbers,
    dates, years (1800 to 2100) and numbers that span rows; n_marks more hold a sign in place of a number.

    A cell that spans columns is a line of its own and counts for none.
    """

    n_filled: int = 0
    n_numbers: int = 0
    n_whole: int = 0
    n_dates: int = 0
    n_years: int = 0
    n_spanning: int = 0
    n_marks: int = 0

    def __add__(self, other: ColumnContents) -> ColumnContents:
        return ColumnContents(
            self.n_filled + other.n_filled,
            self.n_numbers + other.n_numbers,
            self.n_whole + other.n_whole,
            self.n_dates + other.n_dates,
            self.n_years + other.n_years,
            self.n_spanning + other.n_spanning,
            self.n_marks + other.n_marks,
        )

    @property
    def type(self) -> Type:
        """A number's where most cells are numbers (the others stand in a column `…_mark`), a date's where all are."""
        if self.n_numbers and self.n_numbers >= _SHARE_OF_NUMBERS * self.n_filled:
            return "BIGINT" if self.n_whole == self.n_numbers else "DOUBLE"
        if self.n_filled and self.n_filled == self.n_dates:
            return "DATE"
        return "VARCHAR"

    @property
    def has_marks(self) -> bool:
        """Whether the column is one of numbers, and some cells hold something else."""
        return self.type in ("BIGINT", "DOUBLE") and (self.n_filled > self.n_numbers or self.n_marks > 0)

    @property
    def _has_words(self) -> bool:
        return self.n_filled > 0 and self.n_numbers * 2 < self.n_filled

    @property
    def _has_years(self) -> bool:
        return 0 < self.n_numbers == self.n_years

    def is_label(self, before: Sequence[ColumnContents], after: Sequence[ColumnContents]) -> bool:
        """Whether the column says what its rows are about, those before it doing so too: words, years, empty ones; and
        the first also where its numbers span rows, or only count the words beside them."""
        if not any(other.type in ("BIGINT", "DOUBLE") for other in after):
            return self._has_words or self.n_filled == 0
        counts = bool(after) and after[0]._has_words
        return (
            self._has_words or self.n_filled == 0 or self._has_years or (not before and (self.n_spanning > 0 or counts))
        )


@dataclass(frozen=True, slots=True)
class Column:
    """A column as SQL has it.

    marks:     the name of the column that holds what is no number in it, None where everything is.
    is_label:  a number that spans rows stands in each of them, since it says what they are about.
    """

    name: str
    type: Type
    marks: str | None = None
    is_label: bool = False

    def select(self, condition: str) -> str:
        """The column, and its marks, of cells grouped by `in_row`, of which those under the condition are its own.

        A word that spans rows stands in each of them, an amount in its first only: sums stay right.
        """
        first = "" if self.is_label else " AND row_no = in_row"
        if self.type in ("BIGINT", "DOUBLE"):
            value = f"max(number) FILTER ({condition}{first})"
        else:
            value = f"nullif(max(text) FILTER ({condition}), '')"
        if self.type == "DATE":
            value = f"try_strptime({value}, {list(DATES)})"
        columns = f'CAST({value} AS {self.type}) AS "{self.name}"'
        if self.marks:
            marks = f"nullif(max(text) FILTER ({condition} AND number IS NULL), '')"
            columns += f', {marks} AS "{self.marks}"'
        return columns


def columns_of(names: Sequence[str], labels: Sequence[str], contents: Sequence[ColumnContents]) -> tuple[Column, ...]:
    """The columns of a table, each with a name for its marks that no other column has."""
    used = {*PLACE, *names}
    columns = []
    for name, label, column in zip(names, label_columns(labels, contents), contents, strict=True):
        marks = None
        if column.has_marks:
            tries = itertools.chain([f"{name}_mark"], (f"{name}_mark_{n}" for n in itertools.count(2)))
            marks = next(candidate for candidate in tries if candidate not in used)
            used.add(marks)
        columns.append(Column(name, column.type, marks, label))
    return tuple(columns)


def is_note(label: str) -> bool:
    """Whether a column holds the numbers of notes."""
    return _plain(label) in _NOTES


def label_columns(labels: Sequence[str], contents: Sequence[ColumnContents]) -> tuple[bool, ...]:
    """For each column whether it labels the rows: leading ones of words or years, columns of notes left out."""
    found, leading = [False] * len(contents), True
    for number, column in enumerate(contents):
        if is_note(labels[number]):
            continue
        leading = leading and column.is_label(contents[:number], contents[number + 1 :])
        found[number] = leading
    return tuple(found)


def column_labels(n_cols: int, headings: Iterable[Heading]) -> tuple[str, ...]:
    """What stands above each column, as printed: header rows joined from the top down, a word that spans columns in
    each of them."""
    above: list[list[str]] = [[] for _ in range(n_cols)]
    for heading in sorted(headings, key=lambda heading: (heading.row, heading.col)):
        word = " ".join(heading.text.split())
        for words in above[heading.col : heading.col + heading.col_span]:
            if word and (not words or words[-1] != word):
                words.append(word)
    return tuple(" ".join(words) for words in above)


def column_names(n_cols: int, headings: Iterable[Heading]) -> tuple[str, ...]:
    """A name for each column, unlike each other and PLACE; c<number> where nothing stands above it.

    Header rows are joined from the top down; a word that spans columns goes into each of their names.
    """
    above: list[list[str]] = [[] for _ in range(n_cols)]
    for heading in sorted(headings, key=lambda heading: (heading.row, heading.col)):
        word = _plain(heading.text)
        for words in above[heading.col : heading.col + heading.col_span]:
            if word and (not words or words[-1] != word):
                words.append(word)
    used = set(PLACE)
    names = []
    for number, words in enumerate(above):
        name = "_".join(words)[:_LONGEST_NAME].strip("_") or f"c{number}"
        name = f"_{name}" if name[0].isdigit() or name in RESERVED else name
        candidates = itertools.chain([name], (f"{name}_{n}" for n in itertools.count(2)))
        names.append(next(candidate for candidate in candidates if candidate not in used))
        used.add(names[-1])
    return tuple(names)


@functools.lru_cache(maxsize=10_000)  # an archive says "Total" many times
def _plain(text: str) -> str:
    """Letters and digits of any script in lower case, everything else one underscore; superscripts, being footnote
    marks most of the time, are dropped."""
    text = "".join(char for char in text if not unicodedata.decomposition(char).startswith("<super>"))
    text = unicodedata.normalize("NFKC", text).replace("%", " pct ").casefold()
    kept = (char if unicodedata.category(char)[0] in "LMN" else "_" for char in text)
    return re.sub("_+", "_", "".join(kept)).strip("_")


def table_query(table_id: str, *, first_row: int, columns: Sequence[Column]) -> str:
    """One table as rows and typed columns, from its cells in `named_cells`."""
    picked = [column.select(f"col_no = {number}") for number, column in enumerate(columns)]
    return (
        f"SELECT in_row AS row_no, {', '.join(picked)}\n"
        f"FROM (SELECT unnest(range(row_no, row_no + row_span)) AS in_row, * FROM named_cells "
        f"WHERE table_id = '{table_id}' AND row_no >= {first_row})\n"
        "GROUP BY in_row ORDER BY in_row"
    )


def stack_query(stack: str, columns: Sequence[Column]) -> str:
    """All tables of a stack under each other, each content once, with the path and page of each; columns by name."""
    picked = [column.select(f"name = '{column.name}'") for column in columns]
    return (
        f"SELECT path, page, table_id, in_row AS row_no, {', '.join(picked)}\n"
        "FROM (SELECT unnest(range(c.row_no, c.row_no + c.row_span)) AS in_row, c.*, f.name, t.path, t.page "
        f"FROM {INTERNAL}.stacked_tables s JOIN tables_once t USING (table_id) "
        f"JOIN {INTERNAL}.shown_cells c USING (table_id) "
        f"JOIN {INTERNAL}.table_columns f ON f.table_id = c.table_id AND f.col_no = c.col_no "
        f"WHERE s.stack = '{stack}' AND c.row_no >= t.n_header_rows)\n"
        "GROUP BY path, page, table_id, in_row"
    )


def long_query(stack: str) -> str:
    """All figures of the tables of a stack, each content once: a row for each number, whatever its column."""
    return (
        f"SELECT f.* FROM figures f JOIN {INTERNAL}.stacked_tables s USING (table_id) WHERE s.stack = '{stack}' "
        "AND f.path = (SELECT min(path) FROM files WHERE present AND source_id = f.source_id)"
    )


def stack_name(title: str, digest: str) -> str:
    """What the view of a stack is called: readable, and the same in every database."""
    return f"stacked_{_plain(title)[:_LONGEST_STACK].strip('_')}_{digest[:8]}"
