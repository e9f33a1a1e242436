"""aria_docs: folders of PDFs and long videos in, one DuckDB file of tables, scenes and summaries out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from aria_docs import errors
from aria_docs.errors import AriaDocsError
from aria_docs.version import __version__

if TYPE_CHECKING:
    from aria_docs.document import Document
    from aria_docs.notebook import Database
    from aria_docs.run.outcome import Outcome

__all__ = ["AriaDocsError", "__version__", "errors", "open", "read", "run"]


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


def run(
    paths: str | Path | Iterable[str | Path],
    *,
    db: str | Path,
    tasks: str = "tables,scenes,summary",
    engine: Literal["auto", "embedded", "aria", "remote"] = "auto",
    model: str | None = None,
    servers: Sequence[str] = (),
    schema: str | None = None,
    pages: str | None = None,
    passwords: Sequence[str] = (),
    ocr: Literal["rapidocr", "tesseract"] | None = None,
    workers: int | None = None,
    timeout_s: float = 60.0,
    force: bool = False,
    retry_failed: bool = False,
    on_progress: Callable[[str], object] | None = None,
) -> Outcome:
    """Reads what is new or changed under some paths into a database, as `aria-docs run` does.

    tasks, engine, model, servers, schema, pages, ocr, workers, force, retry_failed:  as the command's options.
    passwords:    for encrypted PDFs; each is tried.
    timeout_s:    CPU seconds for a page, or for each begun minute of video.
    on_progress:  called with a sentence for each file that is done and each failure; `print` will do.

    Raises UsageError, StoreError, EngineError. A file that cannot be read raises nothing: it is in the outcome's
    `failures`.
    """
    from aria_docs.run import library

    return library.run(
        paths, db=db, tasks=tasks, engine=engine, model=model, servers=servers, schema=schema, pages=pages,
        passwords=passwords, ocr=ocr, workers=workers, timeout_s=timeout_s, force=force, retry_failed=retry_failed,
        on_progress=on_progress,
    )  # fmt: skip
