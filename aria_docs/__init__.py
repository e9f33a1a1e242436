"""aria_docs: folders of PDFs and long videos in, one DuckDB file of tables, scenes and summaries out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aria_docs.version import __version__

if TYPE_CHECKING:
    from aria_docs.notebook import Database

__all__ = ["__version__", "open"]


def open(path: str | Path, *, passwords: Sequence[str] = ()) -> Database:  # noqa: A001 - said as aria_docs.open
    """A results file for notebooks and scripts: `aria_docs.open("results.duckdb").tables()[0].df()`.

    passwords:  for drawing the pages of encrypted PDFs; each is tried.

    Raises StoreError where there is no such database, StoreBusy while a run writes to it.
    """
    from aria_docs.notebook import Database

    return Database(path, passwords=passwords)
