"""The tables of a database, some at a time, as the formats for tables want them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aria_docs.export import Names

if TYPE_CHECKING:
    from aria_docs.storage.database import Store

# Tables taken in one opening of the file: long enough to be quick, short enough for a nightly job to get in between.
AT_ONCE = 200

# One row per table and content: a report that lies in two folders is exported once.
_TABLES = """
    SELECT table_id, path, page, table_no, caption, n_rows, n_cols, n_header_rows
    FROM tables_once ORDER BY path, source_id, page, table_no
"""
_STACKS = "SELECT stack, n_tables, n_files FROM stacks ORDER BY stack"


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

    @property
    def query(self) -> str:
        """All their rows, in the order of their files."""
        return f'SELECT * FROM "{self.name}" ORDER BY path, page, table_id, row_no'

    def facts(self, n_rows: int) -> dict[str, object]:
        """For the manifest."""
        return {"stack": self.name, "n_tables": self.n_tables, "n_files": self.n_files, "n_rows": n_rows}


def batches(store: Store) -> Iterator[Sequence[Listed]]:
    """All tables, those of a document in a folder of its name."""
    names, folder_of = Names(), dict[str, str]()
    listed = []
    for row in store.records(_TABLES):
        source = row.pop("path")
        if source not in folder_of:
            folder_of[source] = names.take(Path(source).stem)
        name = Path(folder_of[source], f"page-{row['page']:04}-table-{row['table_no']}")
        listed.append(Listed(**row, source=source, name=name))
    for start in range(0, len(listed), AT_ONCE):
        yield listed[start : start + AT_ONCE]


def stacks(store: Store) -> list[Stack]:
    """All stacks, by name."""
    return [Stack(row["stack"], row["n_tables"], row["n_files"]) for row in store.records(_STACKS)]
