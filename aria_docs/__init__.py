"""aria_docs: folders of PDFs and long videos in, one DuckDB file of tables, scenes and summaries out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aria_docs import errors
from aria_docs.errors import AriaDocsError
from aria_docs.version import __version__

if TYPE_CHECKING:
    from aria_docs.notebook import Database

__all__ = ["AriaDocsError", "__version__", "errors", "open"]


def __dir__() -> list[str]:
    return sorted(__all__)  # what is meant to be used: not each module that happens to be imported


def open(path: str | Path, *, passwords: Sequence[str] = ()) -> Database:  # noqa: A001 - said as aria_docs.open
    """A results file for notebooks and scripts: `aria_docs.open("results.duckdb").tables()[0].df()`.

    passwords:  for drawing the pages of encrypted PDFs; each is tried.

    Raises StoreError where there is no such database, StoreBusy while a run writes to it.
    """
    from aria_docs.notebook import Database

    return Database(path, passwords=passwords)
