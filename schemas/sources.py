"""Files, the contents they hold, and the pages of a document."""

from datetime import datetime
from typing import ClassVar, Literal

from aria_docs.schemas import Row

Kind = Literal["pdf", "image", "video"]


def source_id(sha256_hex: str) -> str:
    """128 bits of the content's SHA-256."""
    return sha256_hex[:32]


class FileRow(Row):
    """One path, absolute. When the file changes, its path moves to the new source."""

    table: ClassVar[str] = "files"
    path: str
    source_id: str
    size_bytes: int
    modified_at: datetime
    present: bool = True


class SourceRow(Row):
    """One content. n_pages is known for a PDF; duration, size and frame rate for a video."""

    table: ClassVar[str] = "sources"
    source_id: str
    path: str
    kind: Kind
    size_bytes: int
    n_pages: int | None = None
    duration_s: float | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    first_seen_at: datetime


class PageRow(Row):
    """One page: its size in points as displayed, and its text in reading order with Markdown headings."""

    table: ClassVar[str] = "pages"
    source_id: str
    page: int
    width_pt: float
    height_pt: float
    text: str
    from_ocr: bool


class PageLinesRow(Row):
    """Where the lines of a page's text stand: x0, y0, x1, y1 of each that is not blank, one after the other."""

    table: ClassVar[str] = "page_lines"
    source_id: str
    page: int
    edges: list[float]


class FormFieldRow(Row):
    """One field of a form; `checked` is for check boxes and radio buttons, `value` for what is written or chosen."""

    table: ClassVar[str] = "form_fields"
    source_id: str
    page: int
    field_no: int
    name: str
    kind: Literal["text", "checkbox", "radio", "choice", "signature"]
    value: str | None = None
    checked: bool | None = None
    x0: float
    y0: float
    x1: float
    y1: float
