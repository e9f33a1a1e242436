"""Tables and their cells."""

from typing import ClassVar

from aria_docs.schemas import Row, derive_id


def table_id(*, reading_id: str, page: int, table_no: int) -> str:
    """Short enough to type: 64 bits."""
    return derive_id(reading_id, str(page), str(table_no), digits=16)


class TableRow(Row):
    """One table on one page; boxes in PDF points from the page's top left."""

    table: ClassVar[str] = "tables"
    table_id: str
    reading_id: str
    source_id: str
    page: int
    table_no: int
    x0: float
    y0: float
    x1: float
    y1: float
    n_rows: int
    n_cols: int
    n_header_rows: int
    caption: str | None = None
    continues: str | None = None
    grounded: float | None = None
    confidence: float | None = None


class CellRow(Row):
    """One cell, a spanning one once; `number` is set where the whole cell is one number."""

    table: ClassVar[str] = "cells"
    table_id: str
    row_no: int
    col_no: int
    row_span: int
    col_span: int
    is_header: bool
    text: str
    number: float | None = None
    x0: float | None = None
    y0: float | None = None
    x1: float | None = None
    y1: float | None = None
    grounded: bool
    confidence: float | None = None
