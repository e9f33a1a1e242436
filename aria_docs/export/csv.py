"""CSV (RFC 4180, UTF-8): tables with typed columns, and scenes; nothing in it that a spreadsheet would run."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aria_docs.export import Chosen, Left, Written, make_folder, tables
from aria_docs.formulas import harmless

if TYPE_CHECKING:
    from aria_docs.storage.database import Store

_SCENES = """
    SELECT s.path, scene_no, start_s, end_s, start_clock, end_clock, transition, title, description
    FROM video_scenes s
    WHERE s.path = (SELECT min(path) FROM files f WHERE f.source_id = s.source_id AND present)
    ORDER BY s.path, scene_no
"""


def export(store: Store, folder: Path, chosen: Chosen) -> Iterator[Written | Left]:
    """A file for each table, and scenes.csv where there are videos."""
    for batch in tables.batches(store, chosen):
        answers = store.ask_all([table.query for table in batch])
        for table, answer in zip(batch, answers, strict=True):
            target = make_folder(folder / table.name.parent) / f"{table.name.name}.csv"
            _write(target, answer.names, answer.rows)
            yield Written(target, table.source, table.facts(len(answer.rows)))
    scenes = store.ask(_SCENES) if chosen.all else None
    if scenes and scenes.rows:
        target = folder / "scenes.csv"
        _write(target, scenes.names, scenes.rows)
        yield Written(target, None, {"n_rows": len(scenes.rows)})


def export_stacked(store: Store, folder: Path, chosen: Chosen) -> Iterator[Written | Left]:
    """A file for each stack."""
    for stack in tables.stacks(store, chosen):
        answer = store.ask(stack.query)
        target = folder / f"{stack.name}.csv"
        _write(target, answer.names, answer.rows)
        yield Written(target, None, stack.facts(len(answer.rows)))


def _write(target: Path, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows([harmless(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
