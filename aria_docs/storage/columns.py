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
import hashlib
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
BLANK = r"^([-‐‑‒–—―−.…·*/\s]*|(?i:n\.?\s?/?\s?[am]\.?|nil))$"
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


@dataclass(frozen=True, slots=True)
class Heading:
    """A cell of the header rows."""

    row: int
    col: int
    col_span: int
    text: str


@dataclass(frozen=True, slots=True)
class Contents:
    """How many cells of a column, below the header, say something, and how many of these are numbers, whole numbers,
    dates. A cell that spans columns is a line of its own and counts for none."""

    n_filled: int = 0
    n_numbers: int = 0
    n_whole: int = 0
    n_dates: int = 0

    def __add__(self, other: Contents) -> Contents:
        return Contents(
            self.n_filled + other.n_filled,
            self.n_numbers + other.n_numbers,
            self.n_whole + other.n_whole,
            self.n_dates + other.n_dates,
        )

    @property
    def type(self) -> Type:
        """A type that every cell fits, so that nothing is lost: one word among a thousand numbers makes it text."""
        if self.n_filled and self.n_filled == self.n_whole:
            return "BIGINT"
        if self.n_filled and self.n_filled == self.n_numbers:
            return "DOUBLE"
        if self.n_filled and self.n_filled == self.n_dates:
            return "DATE"
        return "VARCHAR"


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


def table_query(table_id: str, *, first_row: int, names: Sequence[str], types: Sequence[Type]) -> str:
    """One table as rows and typed columns, from its cells in `named_cells`."""
    return (
        f"SELECT in_row AS row_no, {_columns(names, types)}\n"
        f"FROM (SELECT unnest(range(row_no, row_no + row_span)) AS in_row, * FROM named_cells "
        f"WHERE table_id = '{table_id}' AND row_no >= {first_row})\n"
        "GROUP BY in_row ORDER BY in_row"
    )


def stack_query(stack: str, *, names: Sequence[str], types: Sequence[Type]) -> str:
    """All tables of a stack under each other, each content once, with the path and page of each."""
    return (
        f"SELECT path, page, table_id, in_row AS row_no, {_columns(names, types)}\n"
        "FROM (SELECT unnest(range(c.row_no, c.row_no + c.row_span)) AS in_row, c.*, t.path, t.page "
        "FROM stacked_tables s JOIN tables_once t USING (table_id) JOIN cells c USING (table_id) "
        f"WHERE s.stack = '{stack}' AND c.row_no >= t.n_header_rows)\n"
        "GROUP BY path, page, table_id, in_row"
    )


def _columns(names: Sequence[str], types: Sequence[Type]) -> str:
    """A word that spans rows stands in each of them, a number in its first only: sums stay right."""
    columns = []
    for number, (name, type_) in enumerate(zip(names, types, strict=True)):
        if type_ in ("BIGINT", "DOUBLE"):
            value = f"max(number) FILTER (col_no = {number} AND row_no = in_row)"
        else:
            value = f"nullif(max(text) FILTER (col_no = {number}), '')"
        if type_ == "DATE":
            value = f"try_strptime({value}, {list(DATES)})"
        columns.append(f'CAST({value} AS {type_}) AS "{name}"')
    return ", ".join(columns)


def stack_name(names: Sequence[str]) -> str:
    """What the view of all tables with these columns is called: readable, and the same in every database."""
    digest = hashlib.sha256("\x1f".join(names).encode()).hexdigest()[:8]
    return f"stacked_{'_'.join(names)[:_LONGEST_STACK].strip('_')}_{digest}"
