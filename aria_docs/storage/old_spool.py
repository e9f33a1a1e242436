"""Spools of versions before Parquet: gzipped JSON, a file a batch. They become batches of Parquet, in their order.

Inside is a line that says what it is, a line with all but the parts, and a line for each finished part.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter

from aria_docs.errors import SpoolError
from aria_docs.schemas.readings import Finished, RecipeRow, RunRow
from aria_docs.schemas.records import SchemaRow
from aria_docs.schemas.spool import GoneRow
from aria_docs.storage import lake
from aria_docs.storage.batches import Writer, rows_of
from aria_docs.storage.keeper import Batch
from aria_docs.storage.object_store import is_remote

FORM = 1


@dataclass(frozen=True, slots=True)
class _Ended:
    run_id: str
    ended_at: datetime
    n_read: int
    n_failed: int
    n_skipped: int


@dataclass(slots=True)
class _SpoolEntry:
    """What one file says: a run begins, files are gone, a batch is finished, a run ends."""

    run: RunRow | None = None
    recipes: list[RecipeRow] = field(default_factory=list)
    schema: SchemaRow | None = None
    gone: list[str] = field(default_factory=list)
    batch: Batch = field(default_factory=Batch)
    ended: _Ended | None = None


_ENTRY = TypeAdapter(_SpoolEntry)
_FINISHED = TypeAdapter(Finished)


def convert(folder: Path, *, on_bad: Callable[[str, SpoolError], None], into: Path | None = None) -> None:
    """Writes each such file as a batch of the same name, and removes it. Raises SpoolError where that cannot be done.
    Those versions wrote to no object store.

    on_bad:  told of a file that cannot be understood; it is left.
    into:    another folder for the batches: nothing is removed.
    """
    if is_remote(folder):
        return
    with lake.as_spool_error(folder):
        old = sorted(path for path in folder.iterdir() if lake.OLD_NAMED.fullmatch(path.name))
    if not old:
        return
    runs: dict[str, RunRow] = {}
    with Writer(into or folder) as writer:
        for path in old:
            name = path.name.removesuffix(".jsonl.gz")
            try:
                with _reading(path) as lines:
                    entry = _ENTRY.validate_json(next(lines, b""))
                    entry.batch.finished = [_FINISHED.validate_json(line) for line in lines]
            except SpoolError as error:
                on_bad(path.name, error)
                continue
            if entry.run:
                runs[entry.run.run_id] = entry.run
            if not (folder / name).exists():  # else it was killed before it came to remove the file
                writer.write(name, _rows(entry, runs), at=_time_of(name, entry))
            if into is None:
                with lake.as_spool_error(path):
                    path.unlink()


def _rows(entry: _SpoolEntry, runs: dict[str, RunRow]) -> list[object]:
    rows: list[object] = [*entry.recipes, *(GoneRow(path=path) for path in entry.gone), *rows_of(entry.batch)]
    rows += [row for row in (entry.run, entry.schema) if row]
    if (ended := entry.ended) and ended.run_id in runs:
        counts = {name: getattr(ended, name) for name in ("ended_at", "n_read", "n_failed", "n_skipped")}
        rows.append(runs[ended.run_id].model_copy(update=counts))
    return rows


def _time_of(name: str, entry: _SpoolEntry) -> datetime:
    """The latest time that the file names: its own name has the beginning of its run."""
    times = [lake.time_of(name)]
    times += [row.failed_at for row in entry.batch.failures]
    times += [part.reading.read_at for part in entry.batch.finished if part.reading]
    times += [entry.ended.ended_at] if entry.ended else []
    return max(times)


@contextmanager
def _reading(path: Path) -> Iterator[Iterator[bytes]]:
    """The lines after the first. Whatever turns out to be wrong with the file while they are read is a SpoolError: its
    checksum and its length, which end it, tell of a file cut off."""
    try:
        with gzip.open(path) as file:
            head = json.loads(file.readline())
            form, by = head["aria-docs spool"], head["by"]
            if form != FORM:
                raise SpoolError(f"{path} was written by aria-docs {by}, in another form: load it with that")
            yield iter(file)
    except (EOFError, OSError, zlib.error, KeyError, TypeError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise SpoolError(f"{path} cannot be read: {error.strerror}") from error
        why = " ".join(str(error).split()) or type(error).__name__
        raise SpoolError(f"{path} cannot be understood: {why[:200]} ({lake.HINT})") from error
