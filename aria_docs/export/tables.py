"""The tables of a database, some at a time, as the formats for tables want them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aria_docs.errors import UsageError
from aria_docs.export import Chosen
from aria_docs.export.names import Names

if TYPE_CHECKING:
    from aria_docs.storage.database import Store

# Tables taken in one opening of the file: long enough to be quick, short enough for a nightly job to get in between.
AT_ONCE = 200

# One row per table and content: a report that lies in two folders is exported once.
_TABLES = """
    SELECT table_id, path, page, table_no, caption, n_rows, n_cols, n_header_rows
    FROM tables_once {where} ORDER BY path, source_id, page, table_no
"""
_STACKS = "SELECT stack, n_tables, n_files, a_caption AS caption, why FROM stacks {where} ORDER BY stack"


@dataclass(frozen=True, slots=True)
class Listed:
    """A table to export, and where to: `name` is a path without suffix, relative to the folder of the export."""

    table_id: str
    source: str
    page: int
    table_no: int
    caption: str | None
    n_rows: int
    n_cols: int
    n_header_rows: int
    name: Path

    @property
    def query(self) -> str:
        """Its rows below the header, with typed columns."""
        return f"SELECT * EXCLUDE (row_no) FROM tbl_{self.table_id} ORDER BY row_no"

    def facts(self, n_rows: int) -> dict[str, object]:
        """For the manifest."""
        return {
            "table_id": self.table_id,
            "page": self.page,
            "table_no": self.table_no,
            "caption": self.caption,
            "n_rows": n_rows,
            "n_cols": self.n_cols,
        }


@dataclass(frozen=True, slots=True)
class Stack:
    """Tables of one header, to be exported as one."""

    name: str
    n_tables: int
    n_files: int
    caption: str | None = None
    why: str | None = None

    @property
    def query(self) -> str:
        """All their rows, in the order of their files."""
        return f'SELECT * FROM "{self.name}" ORDER BY path, page, table_id, row_no'

    def facts(self, n_rows: int) -> dict[str, object]:
        """For the manifest."""
        return {"stack": self.name, "n_tables": self.n_tables, "n_files": self.n_files, "n_rows": n_rows}


def batches(store: Store, chosen: Chosen) -> Iterator[Sequence[Listed]]:
    """The chosen tables, those of a document in a folder of its name. Tables are counted from 1 in file names.

    Raises UsageError where nothing is chosen.
    """
    names, folder_of = Names(), dict[str, str]()
    listed = []
    for row in store.records(_TABLES.format(where=_where(store, chosen))):
        source = row.pop("path")
        if source not in folder_of:
            folder_of[source] = names.take(Path(source).stem)
        name = Path(folder_of[source], f"page-{row['page']:04}-table-{row['table_no'] + 1}")
        listed.append(Listed(**row, source=source, name=name))
    for start in range(0, len(listed), AT_ONCE):
        yield listed[start : start + AT_ONCE]


def stacks(store: Store, chosen: Chosen) -> list[Stack]:
    """The stacks that have a chosen table, by name. Raises UsageError if there is none."""
    where = _where(store, chosen)
    if where:
        where = f"WHERE stack IN (SELECT stack FROM stacked_tables JOIN tables_once USING (table_id) {where})"
    found = [Stack(row.pop("stack"), **row) for row in store.records(_STACKS.format(where=where))]
    if not found:
        raise UsageError(
            f"{store.path} has no stack: tables of two files or more are stacked where their columns, captions or rows "
            "agree but for years; leave --stacked out for a file each"
        )
    return found


def _where(store: Store, chosen: Chosen) -> str:
    """The condition of the chosen tables; none where all are."""
    if chosen.all:
        return ""
    ids = [table_id for (table_id,) in store.ask(*chosen.of("table_id", "document_tables", chosen.tables)).rows]
    if not ids:
        raise UsageError("no table is chosen: --path, --where and --table leave none of document_tables")
    return "WHERE table_id IN ({})".format(", ".join(f"'{table_id}'" for table_id in sorted(ids)))
