"""`aria_docs.open`: a database in a notebook. Tables as frames, pages as pictures, and objects that show themselves.

    db = aria_docs.open("results.duckdb")
    db.sql("SELECT path, page, caption FROM document_tables")      shows itself; .df() .pl() .arrow() .rows
    table = db.table("212739ce91e5f6e5")                           the same, with its columns typed
    table.page.image()                                             its page, with the boxes of its tables

The file is open only while a statement runs; nothing here can change it.
"""

from __future__ import annotations

import base64
import html
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from aria_docs import text_table
from aria_docs.errors import QueryError, TimedOut, Unreachable
from aria_docs.media import Box
from aria_docs.storage.rows import quote

if TYPE_CHECKING:
    import numpy as np
    import pandas
    import polars
    import pyarrow
    from numpy.typing import NDArray
    from PIL.Image import Image

    from aria_docs.storage.database import QueryResult, Store

SHOWN_ROWS = 50
LONG_EDGE_PX = 1200  # 10-point print on A4 can be read
_LIMIT_S = 60.0
# From Okabe and Ito's palette: blue for what was found on the page, vermilion for what was not; told apart by all eyes.
_TABLE, _GROUNDED, _UNGROUNDED = (0, 114, 178), (86, 180, 233), (213, 94, 0)


@dataclass(frozen=True, slots=True, repr=False)
class Rows:
    """What a query answers. Each frame asks anew; `rows` are Python values, fetched once."""

    _store: Store
    _query: str
    _kept: list[QueryResult] = field(default_factory=list, compare=False)
    _parameters: tuple[Any, ...] = ()

    @property
    def _answer(self) -> QueryResult:
        if not self._kept:
            self._kept.append(self._store.ask(self._query, self._parameters))
        return self._kept[0]

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return self._answer.names

    @property
    def rows(self) -> list[tuple[Any, ...]]:
        """All rows."""
        return self._answer.rows

    def df(self) -> pandas.DataFrame:
        """As a pandas frame."""
        frame: pandas.DataFrame = self._store.frame(self._query, "pandas", self._parameters)
        return frame

    def pl(self) -> polars.DataFrame:
        """As a polars frame."""
        frame: polars.DataFrame = self._store.frame(self._query, "polars", self._parameters)
        return frame

    def arrow(self) -> pyarrow.Table:
        """As an Arrow table."""
        frame: pyarrow.Table = self._store.frame(self._query, "pyarrow", self._parameters)
        return frame

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        width = shutil.get_terminal_size((120, 24)).columns
        drawn = text_table.as_text(self.columns, self.rows[:SHOWN_ROWS], width=width)
        return "\n".join(filter(None, [drawn, self._rest()]))

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.columns)
        body = "".join(
            f"<tr>{''.join(f'<td>{_as_html(value)}</td>' for value in row)}</tr>" for row in self.rows[:SHOWN_ROWS]
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{html.escape(self._rest())}"

    def _rest(self) -> str:
        return f"… {len(self) - SHOWN_ROWS:,} more rows" if len(self) > SHOWN_ROWS else ""


def _as_html(value: object) -> str:
    """HTML of a value: a thumbnail is a picture, everything else is text."""
    if isinstance(value, bytes) and value.startswith(b"\xff\xd8"):
        return f'<img src="data:image/jpeg;base64,{base64.b64encode(value).decode()}">'
    return "" if value is None else html.escape(text_table.show(value))


@dataclass(frozen=True, slots=True, repr=False)
class StoredTable(Rows):
    """An extracted table: its rows below the header, with typed columns.

    path, page_no, caption:  where it stands.
    size:                    its rows and columns, header rows counted.
    """

    table_id: str = ""
    path: str = ""
    page_no: int = 0
    caption: str | None = None
    size: tuple[int, int] = (0, 0)
    _passwords: tuple[str, ...] = ()

    @property
    def page(self) -> StoredPage:
        """The page it stands on."""
        return StoredPage(self._store, self.path, self.page_no, self._passwords)

    @property
    def cells(self) -> Rows:
        """Its cells as read, header rows too: row_no, col_no, spans, text, number, box."""
        query = "SELECT * EXCLUDE (table_id) FROM cells WHERE table_id = ? ORDER BY row_no, col_no"
        return Rows(self._store, query, [], (self.table_id,))

    def image(self) -> Image:
        """A picture of it, cut from its page. Raises Unreachable where the file has gone."""
        [(x0, y0, x1, y1, width_pt)] = self._store.ask(
            "SELECT x0, y0, x1, y1, width_pt FROM document_tables JOIN pages USING (source_id, page) "
            "WHERE table_id = ? LIMIT 1",
            [self.table_id],
        ).rows
        whole = self.page.image(boxes=False)
        scale = whole.width / width_pt
        return whole.crop(_around((x0, y0, x1, y1), scale, margin_px=8))

    def to_markdown(self) -> str:
        """A GitHub table; HTML where cells span or several rows are headers."""
        from aria_docs.markdown import table_markdown
        from aria_docs.schemas.tables import CellRow, TableRow

        this = f"WHERE table_id = {quote(self.table_id)}"
        [table] = self._store.records(f"SELECT * FROM shown_tables {this}")
        cells = self._store.records(f"SELECT * FROM shown_cells {this} ORDER BY row_no, col_no")
        known = TableRow.model_fields, CellRow.model_fields
        row = TableRow(**{name: value for name, value in table.items() if name in known[0]})
        of_table = [CellRow(**{name: value for name, value in cell.items() if name in known[1]}) for cell in cells]
        return table_markdown(row, of_table)

    def to_excel(self, path: str | Path) -> None:
        """A workbook of one sheet: the table as it stands on its page, its source above it. Raises UsageError."""
        from aria_docs.export.xlsx import write_table

        write_table(Path(path), self._store, self.table_id)

    def _heading(self) -> str:
        where = f"{Path(self.path).name}, page {self.page_no}"
        return f"Table({self.table_id}, {where}, {self.size[0]}×{self.size[1]}: {self.caption or 'no caption'})"

    def __repr__(self) -> str:
        return f"{self._heading()}\n{Rows.__repr__(self)}"

    def _repr_html_(self) -> str:
        where = f"{self.caption or 'Table'} — {Path(self.path).name}, page {self.page_no}"
        return f"<div><b>{html.escape(where)}</b> <code>{self.table_id}</code>{Rows._repr_html_(self)}</div>"


class Tables(list[StoredTable]):
    """Tables, shown as a line each."""

    def __repr__(self) -> str:
        lines = [table._heading() for table in self[:SHOWN_ROWS]]
        more = [f"… {len(self) - SHOWN_ROWS:,} more tables"] if len(self) > SHOWN_ROWS else []
        return "\n".join(lines + more) or "no tables"

    def _repr_html_(self) -> str:
        head = "<tr><th>file</th><th>page</th><th>caption</th><th>size</th><th>table_id</th></tr>"
        body = ""
        for table in self[:SHOWN_ROWS]:
            facts = (Path(table.path).name, table.page_no, table.caption or "", "×".join(map(str, table.size)))
            cells = "".join(f"<td>{html.escape(str(fact))}</td>" for fact in facts)
            body += f"<tr>{cells}<td><code>{table.table_id}</code></td></tr>"
        more = f"… {len(self) - SHOWN_ROWS:,} more tables" if len(self) > SHOWN_ROWS else ""
        return f"<table><thead>{head}</thead><tbody>{body}</tbody></table>{more}"


@dataclass(frozen=True, slots=True)
class StoredPage:
    """A page of a PDF."""

    _store: Store = field(repr=False)
    path: str
    number: int
    _passwords: tuple[str, ...] = field(default=(), repr=False)

    @property
    def text(self) -> str:
        """Its text in reading order, headings marked as in Markdown."""
        query = "SELECT text FROM pages JOIN files USING (source_id) WHERE path = ? AND page = ?"
        return str(self._store.ask(query, [self.path, self.number]).rows[0][0])

    @property
    def tables(self) -> Tables:
        """The tables on it."""
        return _tables(self._store, "path = ? AND page = ?", [self.path, self.number], self._passwords)

    def image(self, *, boxes: bool = True, long_edge_px: int = LONG_EDGE_PX) -> Image:
        """A picture of the page, drawn again from its file; with frames around tables (blue) and cells (light blue;
        vermilion where the text was not found on the page).

        Raises Unreachable where the file has gone, Damaged, Encrypted, SandboxError.
        """
        from PIL import Image, ImageDraw

        pixels = render(self.path, self.number, long_edge_px=long_edge_px, passwords=self._passwords)
        image = Image.fromarray(pixels)
        if not boxes:
            return image
        [(width_pt, tables, cells)] = self._boxes()
        scale = image.width / width_pt
        draw = ImageDraw.Draw(image)
        for cell in cells or ():
            colour = _GROUNDED if cell["grounded"] else _UNGROUNDED
            draw.rectangle(_around(cell["box"], scale), outline=colour, width=1)
        for box in tables or ():
            draw.rectangle(_around(box, scale, margin_px=4), outline=_TABLE, width=3)
        return image

    def _boxes(self) -> list[tuple[float, list[Box] | None, list[dict[str, Any]] | None]]:
        return self._store.ask(f"""
            WITH here AS (
                SELECT table_id, x0, y0, x1, y1 FROM document_tables
                WHERE path = {quote(self.path)} AND page = {self.number}
            )
            SELECT any_value(width_pt), (SELECT list([x0, y0, x1, y1]) FROM here),
                   (SELECT list({{'box': [c.x0, c.y0, c.x1, c.y1], 'grounded': c.grounded}})
                    FROM cells c JOIN here USING (table_id) WHERE c.x0 IS NOT NULL AND c.text <> '')
            FROM pages JOIN files USING (source_id) WHERE path = {quote(self.path)} AND page = {self.number}
        """).rows

    def _repr_png_(self) -> bytes:
        import io

        buffer = io.BytesIO()
        self.image().save(buffer, "PNG")
        return buffer.getvalue()


class Database:
    """One results file, or a spool as it is, a folder or s3://. Every error is an AriaDocsError of one sentence."""

    def __init__(self, path: str | Path, *, passwords: Sequence[str] = ()) -> None:
        from aria_docs.storage.database import Store
        from aria_docs.storage.lake import Lake
        from aria_docs.storage.object_store import is_remote, parse

        place = parse(path)
        self._store = Lake(place) if is_remote(place) or place.is_dir() else Store(place)
        self._passwords = tuple(passwords)
        self._store.ask("SELECT 1")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open between statements: `with` is for those who are used to it."""

    def sql(self, query: str, parameters: Sequence[Any] = ()) -> Rows:
        """One statement that reads, with a parameter for each `?`. Raises QueryError, StoreBusy."""
        answer = self._store.ask(query, parameters)
        return Rows(self._store, query, [answer], tuple(parameters))

    @property
    def files(self) -> Rows:
        """The files that are present: kind, pages or seconds, size, path."""
        return self.sql(
            "SELECT s.kind, s.n_pages, s.duration_s, f.size_bytes, f.path "
            "FROM files f JOIN sources s USING (source_id) WHERE f.present ORDER BY f.path"
        )

    @property
    def failures(self) -> Rows:
        """What could not be read, and why."""
        return self.sql("SELECT path, part, error, message, retryable FROM failures ORDER BY path, part")

    def summary(self, file: str) -> str | None:
        """What a document or video says in short, None if it has no summary. By its path, or its name."""
        found = self._store.ask("SELECT text FROM file_summaries WHERE path = ? LIMIT 1", [self._path(file)]).rows
        return str(found[0][0]) if found else None

    def tables(
        self, file: str | None = None, *, path: str | None = None, caption: str | None = None, page: int | None = None
    ) -> Tables:
        """All tables, or those of a file, of a page, of some captions; all conditions hold.

        file:     its path, or its name where only one has it.
        path:     a glob for paths or file names: "*annual*".
        caption:  words that it has, whatever their case.
        """
        conditions, parameters = ["true"], list[Any]()
        if file is not None:
            conditions, parameters = [*conditions, "path = ?"], [*parameters, self._path(file)]
        if path is not None:
            conditions.append("(path GLOB ? OR parse_filename(path) GLOB ?)")
            parameters += [path, path]
        if caption is not None:
            conditions, parameters = [*conditions, "contains(lower(caption), lower(?))"], [*parameters, caption]
        if page is not None:
            conditions, parameters = [*conditions, "page = ?"], [*parameters, page]
        return _tables(self._store, " AND ".join(conditions), parameters, self._passwords)

    def table(self, table_id: str) -> StoredTable:
        """One table. Raises QueryError if there is none of that id."""
        found = _tables(self._store, "table_id = ?", [table_id], self._passwords)
        if not found:
            raise QueryError(f"no table {table_id!r}: the ids are in document_tables")
        return found[0]

    def page(self, file: str, number: int) -> StoredPage:
        """One page of a PDF: by the file's path, or its name where only one has it. Raises QueryError."""
        path = self._path(file)
        exists = f"SELECT 1 FROM pages JOIN files USING (source_id) WHERE path = {quote(path)} AND page = {number:d}"
        if not self._store.ask(exists).rows:
            raise QueryError(f"page {number} of {path} was not read: the pages that were are in `pages`")
        return StoredPage(self._store, path, number, self._passwords)

    def scenes(self, file: str | None = None) -> Rows:
        """The scenes of all videos, or of one, with their thumbnails."""
        where = f"WHERE path = {quote(self._path(file))}" if file else ""
        return self.sql(
            "SELECT thumbnail, start_clock, end_clock, transition, title, description, scene_no, path "
            f"FROM video_scenes {where} ORDER BY path, scene_no"
        )

    def search(self, words: str) -> Rows:
        """Pages, captions, summaries and scenes that hold all the words."""
        return self.sql(f"FROM search({quote(words)})")

    def __repr__(self) -> str:
        counts = ", ".join(f"{count:,} {what}" for what, count in self._counts())
        return f"{self._store.path}: {counts}"

    def _repr_html_(self) -> str:
        cells = "".join(f"<tr><td>{what}</td><td>{count:,}</td></tr>" for what, count in self._counts())
        return f"<table><caption>{html.escape(str(self._store.path))}</caption>{cells}</table>"

    def _counts(self) -> list[tuple[str, int]]:
        counted = ("pages", "tables", "cells", "scenes", "summaries", "failures")
        answer = self._store.ask("SELECT " + ", ".join(f"(SELECT count(*) FROM {what})" for what in counted))
        return list(zip(counted, answer.rows[0], strict=True))

    def _path(self, file: str) -> str:
        called = f"{quote(file)} IN (path, parse_filename(path))"
        found = [path for (path,) in self._store.ask(f"SELECT path FROM files WHERE present AND {called}").rows]
        if file in found:
            return file
        if len(found) != 1:
            why = f"{len(found)} files are called that: give the whole path" if found else "the paths are in `files`"
            raise QueryError(f"no single file {file!r} in {self._store.path}: {why}")
        return str(found[0])


def _tables(store: Store, where: str, parameters: Sequence[Any], passwords: tuple[str, ...]) -> Tables:
    """A table is listed once, whatever number of files has its content."""
    query = f"""
        SELECT table_id, min(path), any_value(page), any_value(caption), any_value(n_rows), any_value(n_cols)
        FROM document_tables WHERE {where} GROUP BY table_id ORDER BY min(path), any_value(page), any_value(table_no)
    """
    return Tables(
        StoredTable(
            store, f"FROM tbl_{id_} ORDER BY row_no", [], (), id_, path, page, caption, (n_rows, n_cols), passwords
        )
        for id_, path, page, caption, n_rows, n_cols in store.ask(query, list(parameters)).rows
    )


def _around(box: Sequence[float], scale: float, *, margin_px: float = 1) -> Box:
    """A frame that does not cover the letters: they begin right at their box."""
    x0, y0, x1, y1 = (edge * scale for edge in box)
    return (x0 - margin_px, y0 - margin_px, max(x0, x1) + margin_px, max(y0, y1) + margin_px)


@dataclass(frozen=True, slots=True)
class _PageRequest:
    path: str
    number: int
    long_edge_px: int
    passwords: tuple[str, ...]


def render(path: str, number: int, *, long_edge_px: int, passwords: tuple[str, ...] = ()) -> NDArray[np.uint8]:
    """The page as displayed, (height, width, 3): drawn by a child process with limits on time and memory."""
    from aria_docs.ingest.sandbox import Sandbox

    if not Path(path).exists():
        raise Unreachable(f"{path} has gone: without the file there is no picture of its pages")
    with Sandbox() as sandbox:
        child = sandbox.start("aria_docs.notebook:draw_page", _PageRequest(path, number, long_edge_px, passwords))
        try:
            if not child.connection.poll(_LIMIT_S):
                raise TimedOut(f"{path}: drawing page {number} took more than {_LIMIT_S:.0f} seconds")
            pixels: NDArray[np.uint8] = child.receive()
            return pixels
        finally:
            child.kill()


def draw_page(wanted: _PageRequest, _requests: Iterable[object]) -> Iterator[NDArray[np.uint8]]:
    """Runs in the child."""
    from aria_docs.ingest import documents, sandbox

    sandbox.allow_cpu(_LIMIT_S)
    with documents.open_document(Path(wanted.path), passwords=wanted.passwords) as document:
        if not 1 <= wanted.number <= document.info.n_pages:
            raise Unreachable(f"{wanted.path} has no page {wanted.number} any more: it has changed since it was read")
        yield document.render(wanted.number, long_edge_px=wanted.long_edge_px)
