"""`aria_docs.read`: one file as an object, without a database. Read as a run reads it: same children, same limits.

document = aria_docs.read("report.pdf")
document.pages[0].text; document.tables[0].df(); document.summary; document.to_markdown()
film = aria_docs.read("film.mp4"); film.scenes
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aria_docs import errors
from aria_docs.errors import AriaDocsError, UsageError, WrongKind
from aria_docs.markdown import PageParts, document_markdown, page_markdown, table_html, table_markdown, video_markdown
from aria_docs.media import Box
from aria_docs.storage.columns import BLANK, DATES, MARK, ColumnContents, Heading, column_names

if TYPE_CHECKING:
    import pandas

    from aria_docs.ingest.scans.reader import OcrName
    from aria_docs.run.outcome import Failure
    from aria_docs.schemas.scenes import CueRow, SceneRow
    from aria_docs.schemas.sources import FormFieldRow, PageRow
    from aria_docs.schemas.summaries import SummaryRow
    from aria_docs.schemas.tables import CellRow, TableRow
    from aria_docs.storage.memory import Memory

Value = str | int | float | date | None


@dataclass(frozen=True)
class DocumentTable:
    """A table of one page, as in `document_tables`; `cells` has a spanning cell once, at its top left."""

    row: TableRow = field(repr=False)
    cells: tuple[CellRow, ...] = field(repr=False)
    continued_from: DocumentTable | None = field(default=None, repr=False)

    @property
    def page(self) -> int:
        """The number of its page, from 1."""
        return self.row.page

    @property
    def caption(self) -> str | None:
        """What is printed above, below or beside it."""
        return self.row.caption

    @property
    def box(self) -> Box:
        """In points from the page's top left."""
        return (self.row.x0, self.row.y0, self.row.x1, self.row.y1)

    @property
    def rows(self) -> list[list[str]]:
        """All texts as a grid, header rows first; what a spanning cell covers is empty."""
        grid = [["" for _ in range(self.row.n_cols)] for _ in range(self.row.n_rows)]
        for cell in self.cells:
            grid[cell.row_no][cell.col_no] = cell.text
        return grid

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """A name for each column, as SQL has it."""
        head = self._head
        heads = [cell for cell in head.cells if cell.row_no < head.row.n_header_rows]
        return column_names(self.row.n_cols, [Heading(c.row_no, c.col_no, c.col_span, c.text) for c in heads])

    @property
    def _head(self) -> DocumentTable:
        """The table whose header is this one's: itself, or the first before it that has one and as many columns."""
        table = self
        while not table.row.n_header_rows and table.continued_from:
            table = table.continued_from
        return table if table.row.n_cols == self.row.n_cols else self

    def values(self) -> list[list[Value]]:
        """Its rows below the header with typed columns, as `tbl_<table_id>` has them in SQL."""
        below = [cell for cell in self.cells if cell.row_no >= self.row.n_header_rows]
        columns = []
        for number in range(self.row.n_cols):
            of_column = [cell for cell in below if cell.col_no == number]
            columns.append(_column_values(of_column, range(self.row.n_header_rows, self.row.n_rows)))
        return [list(row) for row in zip(*columns, strict=True)]

    def df(self) -> pandas.DataFrame:
        """As a pandas frame with typed columns."""
        import pandas

        return pandas.DataFrame(self.values(), columns=list(self.columns))

    def to_markdown(self) -> str:
        """A GitHub table; HTML where cells span or several rows are headers."""
        return table_markdown(self.row, self.cells)

    def to_html(self) -> str:
        """With spans and header cells."""
        return table_html(self.row, self.cells)

    def __repr__(self) -> str:
        size = f"{self.row.n_rows}×{self.row.n_cols}"
        return f"Table(page {self.page}, {size}: {self.caption or 'no caption'})"

    def _repr_html_(self) -> str:
        return self.to_html()


def _column_values(cells: Sequence[CellRow], rows: range) -> list[Value]:
    """One column as values of the type that all its cells fit."""
    filled = [cell for cell in cells if cell.col_span == 1 and (cell.number is not None or not _is_blank(cell.text))]
    numbers = [cell.number for cell in filled if cell.number is not None]
    contents = ColumnContents(
        n_filled=len(filled),
        n_numbers=len(numbers),
        n_whole=sum(number == int(number) and abs(number) < 1e15 for number in numbers),
        n_dates=sum(cell.number is None and _date(cell.text) is not None for cell in filled),
    )
    column: dict[int, Value] = {}
    for cell in cells:
        if contents.type in ("BIGINT", "DOUBLE"):
            number = cell.number
            column[cell.row_no] = int(number) if number is not None and contents.type == "BIGINT" else number
        else:
            value = _date(cell.text) if contents.type == "DATE" else (cell.text or None)
            column |= dict.fromkeys(range(cell.row_no, cell.row_no + cell.row_span), value)
    return [column.get(row) for row in rows]


def _is_blank(text: str) -> bool:
    return re.search(BLANK, text) is not None or re.search(MARK, text) is not None


def _date(text: str) -> date | None:
    for form in DATES:
        try:
            return datetime.strptime(text, form).date()
        except ValueError:
            continue
    return None


@dataclass(frozen=True)
class DocumentPage:
    """A page, its tables and what is filled in on it."""

    parts: PageParts = field(repr=False)
    tables: tuple[DocumentTable, ...] = ()
    form_fields: tuple[FormFieldRow, ...] = field(default=(), repr=False)
    note: str | None = None

    @property
    def row(self) -> PageRow:
        """As the table `pages` has it."""
        return self.parts.row

    @property
    def number(self) -> int:
        """From 1."""
        return self.row.page

    @property
    def text(self) -> str:
        """In reading order, headings marked as in Markdown; tables as the lines that they are printed on."""
        return self.row.text

    @property
    def from_ocr(self) -> bool:
        """Whether it was read from a picture."""
        return self.row.from_ocr

    def to_markdown(self) -> str:
        """Its text with the tables in their places."""
        return page_markdown(self.parts)


@dataclass(frozen=True, repr=False)
class Document:
    """What was read of a file. A PDF or an image has pages and tables, a video has scenes and cues.

    notes:     what was not read, and where.
    failures:  pages that could not be read at all.
    """

    path: Path
    kind: str
    pages: tuple[DocumentPage, ...] = ()
    tables: tuple[DocumentTable, ...] = ()
    summary: SummaryRow | None = None
    scenes: tuple[SceneRow, ...] = ()
    cues: tuple[CueRow, ...] = ()
    notes: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()

    def __repr__(self) -> str:
        """`Document(report.pdf: 12 pages, 3 tables)`."""
        parts = ("pages", "tables", "scenes", "cues", "notes", "failures")
        counts = [f"{n} {part if n != 1 else part[:-1]}" for part in parts if (n := len(getattr(self, part)))]
        return f"Document({self.path.name}: {', '.join(counts) or 'nothing in it'})"

    @property
    def form_fields(self) -> tuple[FormFieldRow, ...]:
        """Of all pages."""
        return tuple(field for page in self.pages for field in page.form_fields)

    def to_markdown(self) -> str:
        """The whole of it; pages are parted by comments."""
        if self.kind == "video":
            return video_markdown(self.path.stem, self.summary, self.scenes, self.cues)
        return document_markdown([page.parts for page in self.pages])

    def as_json(self) -> dict[str, Any]:
        """What `aria-docs read --format json` prints."""
        return {
            "path": str(self.path),
            "kind": self.kind,
            "pages": [page.row.model_dump(exclude={"source_id"}) | {"note": page.note} for page in self.pages],
            "tables": [
                table.row.model_dump(exclude={"reading_id", "source_id"})
                | {"cells": [cell.model_dump(exclude={"table_id"}) for cell in table.cells]}
                for table in self.tables
            ],
            "form_fields": [field.model_dump(exclude={"source_id"}) for field in self.form_fields],
            "summary": self.summary and self.summary.model_dump(exclude={"reading_id", "source_id"}),
            "scenes": [scene.model_dump(exclude={"reading_id", "source_id", "thumbnail"}) for scene in self.scenes],
            "cues": [cue.model_dump(exclude={"source_id"}) for cue in self.cues],
            "notes": list(self.notes),
            "failures": [{"part": failure.part, "message": failure.message} for failure in self.failures],
        }


def read(
    path: str | Path,
    *,
    pages: str | Iterable[int] | None = None,
    passwords: Sequence[str] = (),
    ocr: OcrName | None = None,
    timeout_s: float = 60.0,
) -> Document:
    """Reads one PDF, image or video with the embedded engine. A page that fails is left out and is in `failures`.

    pages:      of a document, as "1-5,9" or as numbers; all of them by default.
    passwords:  for an encrypted PDF; each is tried.
    ocr:        what reads scans; rapidocr where it is installed.
    timeout_s:  CPU seconds for a page, or for each begun minute of video.

    Raises UsageError for a path that does not exist, WrongKind for what is no such file, and what it cannot be opened
    with: Encrypted, Damaged, TimedOut, OutOfMemory, Unreachable.
    """
    from aria_docs.ingest.scans.choice import choose
    from aria_docs.run.outcome import Silent
    from aria_docs.run.recipes import Options, PageRange, parse_pages
    from aria_docs.run.run import Run
    from aria_docs.storage.memory import Memory

    path = Path(path)
    if path.is_dir():
        raise UsageError(f"{path} is a folder: aria_docs.run reads folders into a database")
    chosen: tuple[PageRange, ...] | None = None
    if pages is not None:
        numbers = parse_pages(pages) if isinstance(pages, str) else (PageRange(number, number) for number in pages)
        chosen = tuple(numbers)
    options = Options(pages=chosen, passwords=tuple(passwords), ocr=choose(ocr), timeout_s=timeout_s)
    memory = Memory()
    with Run(memory, options, command="read", progress=Silent()) as run:
        files = run.find([path])
        outcome = run.read(files)
    failures = (*run.outcome.failures, *outcome.failures)
    whole = [failure for failure in failures if not failure.part]
    if whole:
        raise _error(whole[0])
    if not files:
        raise WrongKind(f"{path} is no PDF, image or video: aria-docs reads these three")
    return _document(path, files[0].kind, memory, failures)


def _error(failure: Failure) -> AriaDocsError:
    """The error that a failure was."""
    kind = getattr(errors, failure.error, AriaDocsError)
    error: AriaDocsError = kind(failure.message)
    return error


def _document(path: Path, kind: str, memory: Memory, failures: tuple[Failure, ...]) -> Document:
    tables = _tables(memory)
    notes = {reading.part: reading.note for reading in memory.readings if reading.note and reading.status == "partial"}
    pages = []
    for number, row in sorted(memory.pages.items()):
        edges = memory.lines[number].edges if number in memory.lines else []
        here = tuple(table for table in tables if table.page == number)
        parts = PageParts.of(row, edges, [(table.row, table.cells) for table in here])
        pages.append(DocumentPage(parts, here, memory.fields.get(number, ()), notes.get(f"page:{number}")))
    summaries = [row for part in memory.parts.values() for row in part.summaries]
    scenes = sorted((row for part in memory.parts.values() for row in part.scenes), key=lambda row: row.scene_no)
    return Document(
        path=path,
        kind=kind,
        pages=tuple(pages),
        tables=tables,
        summary=summaries[0] if summaries else None,
        scenes=tuple(scenes),
        cues=next((part.cues for part in memory.parts.values() if part.cues), ()),
        notes=tuple(f"{_part_words(part)}: {note}" for part, note in sorted(notes.items(), key=_place)),
        failures=failures,
    )


def _part_words(part: str) -> str:
    return part.replace("page:", "page ")


def _place(item: tuple[str, str]) -> tuple[bool, int]:
    kind, _, number = item[0].partition(":")
    return kind != "page", int(number or 0)


def _tables(memory: Memory) -> tuple[DocumentTable, ...]:
    """In the order of their pages, each with the one that it goes on from."""
    found: dict[str, DocumentTable] = {}
    rows = [(table, part.cells) for part in memory.parts.values() for table in part.tables]
    for row, cells in sorted(rows, key=lambda item: (item[0].page, item[0].table_no)):
        before = memory.continues.get(row.table_id)
        own = tuple(cell for cell in cells if cell.table_id == row.table_id)
        row = row.model_copy(update={"continues": before})
        found[row.table_id] = DocumentTable(row, own, found.get(before or ""))
    return tuple(found.values())
