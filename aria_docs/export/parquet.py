"""Parquet: tables with typed columns, for other databases and data frames."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from aria_docs.export import Chosen, Left, Written, make_folder, tables

if TYPE_CHECKING:
    from aria_docs.storage.database import Store


def export(store: Store, folder: Path, chosen: Chosen) -> Iterator[Written | Left]:
    """A file for each table."""
    for batch in tables.batches(store, chosen):
        targets = [make_folder(folder / table.name.parent) / f"{table.name.name}.parquet" for table in batch]
        counts = store.write_parquet([(table.query, target) for table, target in zip(batch, targets, strict=True)])
        for table, target, n_rows in zip(batch, targets, counts, strict=True):
            yield Written(target, table.source, table.facts(n_rows))


def export_stacked(store: Store, folder: Path, chosen: Chosen) -> Iterator[Written | Left]:
    """A file for each stack."""
    for stack in tables.stacks(store, chosen):
        target = folder / f"{stack.name}.parquet"
        [n_rows] = store.write_parquet([(stack.query, target)])
        yield Written(target, None, stack.facts(n_rows))
