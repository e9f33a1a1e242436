"""aria_docs: folders of PDFs and long videos in, one DuckDB file of tables, scenes and summaries out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from aria_docs import errors
from aria_docs.errors import AriaDocsError
from aria_docs.version import __version__

if TYPE_CHECKING:
    from aria_docs.document import Document
    from aria_docs.notebook import Database

__all__ = ["AriaDocsError", "__version__", "errors", "open", "read"]


def __dir__() -> list[str]:
    return sorted(__all__)  # what is meant to be used: not each module that happens to be imported


def open(path: str | Path, *, passwords: Sequence[str] = ()) -> Database:  # noqa: A001 - said as aria_docs.open
    """A results file for notebooks and scripts: `aria_docs.open("results.duckdb").tables()[0].df()`.

    passwords:  for drawing the pages of encrypted PDFs; each is tried.

    Raises StoreError where there is no such database, StoreBusy while a run writes to it.
    """
    from aria_docs.notebook import Database

    return Database(path, passwords=passwords)


def read(
    path: str | Path,
    *,
    pages: str | Iterable[int] | None = None,
    passwords: Sequence[str] = (),
    ocr: Literal["rapidocr", "tesseract"] | None = None,
    timeout_s: float = 60.0,
) -> Document:
    """One PDF, image or video as an object, without a database: `aria_docs.read("report.pdf").tables[0].df()`.

    pages:      of a document, as "1-5,9" or as numbers; all of them by default.
    passwords:  for an encrypted PDF; each is tried.
    ocr:        what reads scans; rapidocr if it is installed.
    timeout_s:  CPU seconds for a page, or for each begun minute of video.

    Raises UsageError, WrongKind, Encrypted, Damaged, Unreachable, TimedOut, OutOfMemory.
    """
    from aria_docs import document

    return document.read(path, pages=pages, passwords=passwords, ocr=ocr, timeout_s=timeout_s)
