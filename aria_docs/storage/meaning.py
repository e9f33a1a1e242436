"""What the figures of a table are about: labels, periods and units of its columns and lines. Pure.

    EUR thousand │   2025 │   2024         column 1: label "2025", period 2025; EUR, 1000 from the corner
    ─────────────┼────────┼───────         line 2:   label "Assets / Ships"
    Assets       │        │                figure:   2025, "Assets / Ships", 48,213 → 48213000 EUR
    Ships        │ 48,213 │ 46,270

and what a table has in common with others, so that tables that mean the same are stacked (see `stacks.py`).
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aria_docs.storage import columns as typed
from aria_docs.storage.columns import ColumnContents
from aria_docs.storage.periods import Period, period_of, without_periods
from aria_docs.storage.units import Unit, unit_of, unit_of_caption

BETWEEN = " / "
"""Stands between a section's label and a line's, and between the labels of several columns."""


@dataclass(frozen=True, slots=True)
class FigureCell:
    """A cell below the header."""

    row: int
    col: int
    row_span: int
    col_span: int
    text: str
    number: float | None


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one column or one line says of its figures. scale: None where it names none; unit: '' for none at all."""

    label: str
    period: Period | None = None
    unit: str | None = None
    scale: float | None = None


@dataclass(frozen=True, slots=True)
class FigureTable:
    """A table as far as its meaning goes.

    columns:   one for each column.
    is_label:  which columns label the lines.
    lines:     by row number, those below the header.
    whole:     what the caption and the corner say of every figure.
    names:     the labels of the lines alone, without their sections, in order.
    """

    columns: tuple[Meaning, ...]
    is_label: tuple[bool, ...]
    lines: dict[int, Meaning]
    whole: Meaning
    names: tuple[str, ...]


def table_of(
    *,
    labels: Sequence[str],
    contents: Sequence[ColumnContents],
    cells: Iterable[FigureCell],
    n_rows: int,
    first_row: int,
    caption: str | None,
) -> FigureTable:
    """labels: what stands above each column; cells: those below the header."""
    is_label = typed.label_columns(labels, contents)
    columns = tuple(_column(label) for label in labels)
    corner = next((unit for label, own in zip(labels, is_label, strict=True) if own and (unit := unit_of(label))), None)
    told = unit_of_caption(caption) if caption else None
    unit = corner or told
    if corner and told and corner.unit is None:  # "thousand" in the corner, "EUR" in the caption
        unit = Unit(told.unit, corner.scale)
    whole = _meaning(caption or "", period_of(caption) if caption else None, unit)
    lines, names = _lines(list(cells), is_label, n_rows, first_row)
    return FigureTable(columns, is_label, lines, whole, names)


def _column(label: str) -> Meaning:
    if typed.is_note(label):
        return Meaning(label, None, "", 1.0)  # a note's number is counted in nothing
    unit = unit_of(without_periods(label))
    if unit and unit.scale == 1.0 and unit.unit and len(unit.unit) == 3 and unit.unit.isupper():
        # A currency alone: the corner or the caption may say how many thousands of it.
        return Meaning(label, period_of(label), unit.unit, None)
    return _meaning(label, period_of(label), unit)


def _meaning(label: str, period: Period | None, unit: Unit | None) -> Meaning:
    return Meaning(label, period, unit.unit if unit else None, unit.scale if unit else None)


def _lines(
    cells: Sequence[FigureCell], is_label: Sequence[bool], n_rows: int, first_row: int
) -> tuple[dict[int, Meaning], tuple[str, ...]]:
    """A line without a figure, of one text alone, is the section of those below it up to the next."""
    words: dict[int, dict[int, str]] = {row: {} for row in range(first_row, n_rows)}
    filled: dict[int, int] = dict.fromkeys(words, 0)
    for cell in cells:
        if not cell.text.strip():
            continue
        for row in range(cell.row, cell.row + cell.row_span):
            if row not in words:
                continue
            filled[row] += not re.search(typed.BLANK, cell.text)
            if cell.col < len(is_label) and (is_label[cell.col] or (cell.col == 0 and cell.col_span > 1)):
                words[row][cell.col] = " ".join(cell.text.split())
    lines, names, section = {}, [], Meaning("")
    for row, by_col in words.items():
        own = BETWEEN.join(by_col[col] for col in sorted(by_col))
        unit = unit_of(own) if own else None
        if own and filled[row] == 1 and len(by_col) == 1:
            section = _meaning(own.rstrip(":"), period_of(own), unit)
            lines[row] = section
            continue
        said = _meaning(own, period_of(own), unit)
        label = BETWEEN.join(filter(None, (section.label, own)))
        lines[row] = Meaning(
            label,
            said.period or section.period,
            said.unit if unit else section.unit,
            said.scale if unit else section.scale,
        )
        if own:
            names.append(own)
    return lines, tuple(names)


# What tables have in common

# Labels that stand in tables of all kinds: two tables that share no more than these share nothing.
_GENERIC = frozenset(
    """total totals sum all note notes no nr number ref change changes difference unit units item items description
    year years month quarter name amount amounts value values in of the and per cent percent pct eur usd gbp euro euros
    thousand thousands million millions billion mn m actual budget forecast average mean min max share index rank
    m f male female men women both sexes source type code table""".split()
)
_CONTINUED = re.compile(r"\((?:continued|cont\.?|fortsetzung|suite)\)|\bcontinued\b|, cont\.?$", re.IGNORECASE)
_NUMBERED = re.compile(
    r"^\s*(?:table|tabelle|tab|tableau|exhibit|figure|annex)\b\.?\s*[a-z]?[\d.\-–]*[a-z]?\s*[.:–-]?\s*", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Likeness:
    """What is compared between two tables.

    labels:    the columns' labels without periods, folded; empty ones left out.
    distinct:  those of them that do not stand in tables of all kinds.
    periods:   whether columns name periods.
    lines:     the lines' labels without periods, folded.
    caption:   the caption's words, numbers and years left out.
    """

    labels: frozenset[str]
    distinct: frozenset[str]
    periods: bool
    lines: frozenset[str]
    caption: tuple[str, ...]


def likeness(table: FigureTable) -> Likeness:
    """What a table has in common with others is decided by this alone."""
    stripped = [_fold(without_periods(column.label)) for column in table.columns]
    labels = frozenset(label for label in stripped if label)
    return Likeness(
        labels,
        frozenset(label for label in labels if set(label.split()) - _GENERIC and not label.replace(" ", "").isdigit()),
        any(column.period for column in table.columns),
        frozenset(filter(None, (_fold(without_periods(name)) for name in table.names))),
        caption_words(table.whole.label),
    )


def title_of(table: FigureTable) -> str:
    """A few words that name the stack of such tables: telling labels of the columns, else the caption's words."""
    labels = [_fold(without_periods(column.label)) for column in table.columns]
    words = [label for label in dict.fromkeys(labels) if label]
    like = likeness(table)
    return "_".join(words if len(like.distinct) > 1 or not like.caption else like.caption)


def caption_words(caption: str) -> tuple[str, ...]:
    """A caption without its number, years, "(continued)": 'Table 3. Income 2024' and 'Table 4. Income 2023' agree."""
    text = _CONTINUED.sub(" ", _NUMBERED.sub("", caption))
    words = _fold(without_periods(text) if period_of(text) else re.sub(r"\d+", " ", text)).split()
    return tuple(word for word in words if not word.isdigit())


def why_alike(one: Likeness, other: Likeness) -> str | None:
    """Why two tables mean the same, in words; None if they do not.

    A header of two telling labels or more speaks for itself, unless captions and lines both contradict it. "EUR
    thousand │ 2024 │ 2023" stands above balance sheets and income statements: there the lines or the captions decide.
    """
    same = one.labels == other.labels and one.periods == other.periods
    both_captioned = len(one.caption) > 1 and len(other.caption) > 1
    same_caption = both_captioned and one.caption == other.caption
    captions = _overlap(set(one.caption), set(other.caption)) if both_captioned else None
    lines = _overlap(one.lines, other.lines)
    shared = one.distinct & other.distinct
    if same and len(one.distinct) >= 2 and (captions is None or captions >= 0.5 or lines >= 0.5):
        return "same columns, but for periods" if one.periods else "same columns"
    if same and _is_plain(one) and (captions is None or captions >= 0.5):
        return "same columns"
    if same_caption and one.periods == other.periods and (same or _overlap(one.labels, other.labels) >= 0.5):
        return "same caption, but for numbers and years"
    if (
        same
        and one.labels
        and lines >= 0.6
        and len(one.lines & other.lines) >= 3
        and (captions is None or captions > 0.2)
    ):
        return "same columns and lines, but for periods"
    subset = one.labels <= other.labels or other.labels <= one.labels
    if subset and len(shared) >= 3 and one.periods == other.periods and (captions is None or captions >= 0.5):
        return "columns of one are among those of the other"
    return None


def keys_of(like: Likeness) -> list[str]:
    """Two tables that mean the same share one of these; those that share one need not."""
    columns = f"{'|'.join(sorted(like.labels))}|{like.periods}"
    if len(like.distinct) >= 2 or _is_plain(like):
        keys = [f"columns:{columns}"]
    else:
        # Thousands of tables have "EUR thousand │ 2024 │ 2023": of those, only the ones that may share most lines. Two
        # sets share the smallest hash with a chance of the share they have in common; of four, with 0.6, 0.97.
        keys = [f"lines:{columns}:{n}:{_smallest(like.lines, n)}" for n in range(4) if len(like.lines) >= 3]
    if len(like.caption) > 1:
        keys.append(f"caption:{' '.join(like.caption)}")
    if len(like.distinct) >= 3:
        keys += [f"label:{label}" for label in like.distinct]
    return keys


def _is_plain(like: Likeness) -> bool:
    """Two columns or more without periods, one of them telling: "Name │ Phone"."""
    return not like.periods and len(like.labels) > 1 and len(like.distinct) > 0


def _smallest(words: Iterable[str], seed: int) -> str:
    return min(words, key=lambda word: hashlib.sha256(f"{seed}{word}".encode()).digest())


def _overlap(one: Iterable[str], other: Iterable[str]) -> float:
    one, other = set(one), set(other)
    return len(one & other) / len(one | other) if one or other else 0.0


def _fold(text: str) -> str:
    """Letters and digits in lower case, without accents and footnote marks, one blank between words."""
    text = "".join(char for char in text if not unicodedata.decomposition(char).startswith("<super>"))
    text = unicodedata.normalize("NFKD", text.replace("%", " pct ")).casefold()
    kept = "".join(char if char.isalnum() else " " for char in text if not unicodedata.combining(char))
    return " ".join(kept.split())
