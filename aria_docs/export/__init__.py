"""What people take away: tables, chapters, edit lists, clips, pictures. One file a format.

    export(store, folder, "csv") ── a format's module ──> Written, Left, Written … ──> manifest.json

A format is a module here with `export(store, folder)`: a generator that yields `Written` for each file when it is
whole, and `Left` for each that could not be made, and goes on.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from aria_docs.errors import AriaDocsError, FileError, UsageError

if TYPE_CHECKING:
    from aria_docs.storage.database import Store

Format = Literal[
    "csv", "parquet", "xlsx", "markdown", "chapters", "edl", "otio", "clips", "thumbnails", "sheets", "srt", "vtt",
]  # fmt: skip
FORMATS: tuple[Format, ...] = get_args(Format)
MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Written:
    """A file that was made.

    file:     where it lies.
    source:   the path of the PDF or video that it comes from; None where it is made of several.
    facts:    what else the manifest says of it, as JSON takes it: table_id, page, scene_no, n_rows …
    """

    file: Path
    source: str | None
    facts: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Left:
    """A file that could not be made, or a source of which none could be.

    is_unwanted: the file would be of no use: this is reported, and is no failure.
    """

    source: str
    error: AriaDocsError
    is_unwanted: bool = False


@dataclass(frozen=True, slots=True)
class ExportOutcome:
    """What became of an export."""

    written: tuple[Written, ...]
    left: tuple[Left, ...]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which tables or scenes are exported; all by default.

    path:    a glob that the path or the file's name matches.
    where:   SQL, a condition over document_tables, or over video_scenes for the formats of videos.
    tables:  table ids.
    """

    path: str | None = None
    where: str | None = None
    tables: tuple[str, ...] = ()

    @property
    def all(self) -> bool:
        """Whether nothing is left out."""
        return not (self.path or self.where or self.tables)

    def of(self, columns: str, view: str, ids: Sequence[str] = ()) -> tuple[str, list[str]]:
        """A query for these columns of the chosen rows of a view, and its parameters."""
        conditions, parameters = [], list[str]()
        if self.path:
            conditions.append("(path GLOB ? OR parse_filename(path) GLOB ?)")
            parameters += [self.path, self.path]
        if ids:
            conditions.append(f"table_id IN ({', '.join('?' for _ in ids)})")
            parameters += ids
        if self.where:
            conditions.append(f"({self.where}\n)")
        return f"SELECT DISTINCT {columns} FROM {view} WHERE {' AND '.join(conditions)}", parameters


EVERYTHING = Chosen()


def export(
    store: Store,
    folder: Path,
    *,
    form: str,
    stacked: bool = False,
    separate: bool = False,
    chosen: Chosen = EVERYTHING,
    max_chapters: int | None = None,
    on_left: Callable[[Left], None] = lambda _: None,
) -> ExportOutcome:
    """Writes everything of one format under the folder, and a manifest of it.

    stacked:   tables of one stack become one file or sheet instead of one each.
    separate:  of xlsx, a workbook for each table instead of one.
    max_chapters:  of a video, where they are made of its words or its shots.
    on_left:   called at once with each file that could not be made.

    Raises UsageError, StoreError; a single file that cannot be made raises nothing.
    """
    if form not in FORMATS:
        raise UsageError(f"{form} is no format of an export: take one of {', '.join(FORMATS)}")
    module = importlib.import_module(f"aria_docs.export.{form}")
    if stacked and not hasattr(module, "export_stacked"):
        raise UsageError(f"--stacked is for tables, and {form} is of videos: leave it out")
    if chosen.tables and not hasattr(module, "export_stacked"):
        raise UsageError(f"--table is for tables, and {form} is of videos: choose with --path or --where")
    if separate and (form != "xlsx" or stacked):
        raise UsageError("--separate is for --format xlsx without --stacked: leave it out")
    write = module.export_stacked if stacked else module.export
    if separate:
        write = functools.partial(write, separate=True)
    if max_chapters is not None:
        if form != "chapters" or max_chapters < 1:
            raise UsageError("--max-chapters N is for --format chapters, and N is 1 or more")
        write = functools.partial(write, most=max_chapters)
    store.ask("SELECT 1")  # before a folder is made: StoreError where there is no database
    written: list[Written] = []
    left: list[Left] = []
    with _make_folder(folder), tempfile.TemporaryDirectory(dir=folder, prefix=".export-") as staged:
        ours = _earlier_files(folder)
        for made in write(store, Path(staged), chosen):
            settled = made if isinstance(made, Left) else _move(made, Path(staged), folder, ours)
            if isinstance(settled, Left):
                left.append(settled)
                on_left(settled)
            else:
                written.append(settled)
    _write_manifest(folder / MANIFEST, folder, form, written, left, ours)
    return ExportOutcome(tuple(written), tuple(left))


@contextmanager
def _make_folder(folder: Path) -> Iterator[None]:
    """The folder, made where it is missing, and removed again where an error leaves it empty. Raises UsageError."""
    is_new = not folder.exists()
    make_folder(folder)
    try:
        yield
    except AriaDocsError:
        if is_new:
            with suppress(OSError):  # it is not empty
                folder.rmdir()
        raise


def _earlier_files(folder: Path) -> set[str]:
    """The names of all files there that an export wrote. Raises UsageError if the manifest is not an export's."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        return {entry["file"] for entry in manifest["files"]} | {*manifest.get("earlier", ())}
    except FileNotFoundError:
        return set()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
        raise UsageError(f"{path} was not written by an export, and would be overwritten: name another with -o") from e


def _move(made: Written, staged: Path, folder: Path, ours: set[str]) -> Written | Left:
    """A file that is whole, at its place: unless one lies there that no export wrote."""
    name = made.file.relative_to(staged)
    target = folder / name
    if name.as_posix() not in ours and os.path.lexists(target):
        hint = "name another folder with -o"
        return Left(made.source or str(target), FileError(f"{target} was not written by an export, and stays: {hint}"))
    make_folder(target.parent)
    made.file.replace(target)
    return replace(made, file=target)


def _write_manifest(
    target: Path, folder: Path, form: str, written: list[Written], left: list[Left], ours: set[str]
) -> None:
    """Replaces the manifest at once, so that no reader sees half of one.

    ours: what exports wrote before; what of it is still there may be overwritten by the next.
    """
    files = [{"file": made.file.relative_to(folder).as_posix(), "source": made.source} | made.facts for made in written]
    manifest = {
        "format": form,
        "files": files,
        "left_out": [{"source": made.source, "error": str(made.error)} for made in left],
        "earlier": sorted(name for name in ours - {file["file"] for file in files} if (folder / str(name)).exists()),
    }
    partial = target.with_name(target.name + ".partial")
    partial.write_text(json.dumps(manifest, indent=1, ensure_ascii=False, default=str) + "\n", encoding="utf-8")
    partial.replace(target)


def make_folder(folder: Path) -> Path:
    """The folder, made where it is missing. Raises UsageError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise UsageError(f"{folder} cannot be made a folder ({e.strerror}): name another with -o") from e
    return folder


def sources(store: Store, kind: str) -> Iterator[tuple[str, str]]:
    """(source_id, path) of every content that still has a file; the first path where it has several."""
    query = (
        "SELECT f.source_id, min(f.path) AS path FROM files f JOIN sources s USING (source_id) "
        f"WHERE f.present AND s.kind = '{kind}' GROUP BY ALL ORDER BY path"
    )
    for row in store.records(query):
        yield row["source_id"], row["path"]
