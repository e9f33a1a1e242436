"""Runs, recipes, readings and failures: what was done, how, and what came of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

from aria_docs.schemas import Row, derive_id
from aria_docs.schemas.corrections import CheckRow
from aria_docs.schemas.records import GroundRow, RecordRow
from aria_docs.schemas.scenes import CueRow, SceneRow, ShotRow
from aria_docs.schemas.sources import FormFieldRow, PageLinesRow, PageRow
from aria_docs.schemas.summaries import SummaryRow
from aria_docs.schemas.tables import CellRow, TableRow


def reading_id(*, source_id: str, task: str, part: str, recipe: str) -> str:
    """Reading the same part again under the same recipe has the same id, and so replaces."""
    return derive_id(source_id, task, part, recipe, digits=32)


class RunRow(Row):
    """One call of `run`. The counts are files: read now, failed (new or standing), with nothing left to read."""

    table: ClassVar[str] = "runs"
    run_id: str
    started_at: datetime
    ended_at: datetime | None = None
    command: str
    engine: str
    recipe: str
    n_read: int | None = None
    n_failed: int | None = None
    n_skipped: int | None = None


class RecipeRow(Row):
    """A recipe's hash, and the JSON of all that was hashed."""

    table: ClassVar[str] = "recipes"
    recipe: str
    options: str


class ReadingRow(Row):
    """One part of one source read for one task under one recipe."""

    table: ClassVar[str] = "readings"
    reading_id: str
    run_id: str
    source_id: str
    task: str
    part: str
    engine: str
    model: str | None = None
    model_revision: str | None = None
    prompt_version: str | None = None
    recipe: str
    answer: str | None = None
    status: Literal["ok", "partial"]
    note: str | None = None
    seconds: float
    prefill_s: float | None = None
    decode_s: float | None = None
    peak_bytes: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    frames: list[float] | None = None
    read_at: datetime


class SidecarRow(Row):
    """The subtitles that lay beside a video when it was read; a reading of a file that lay alone has none."""

    table: ClassVar[str] = "sidecars"
    reading_id: str
    sha256: str


class FailureRow(Row):
    """Why a part could not be read; task and part are '' where the file could not be opened."""

    table: ClassVar[str] = "failures"
    path: str
    source_id: str | None
    task: str
    part: str
    recipe: str
    stage: str
    error: str
    message: str
    retryable: bool
    failed_at: datetime


@dataclass(frozen=True, slots=True)
class Finished:
    """All rows of one part, written all or nothing. The page of a document may come without a reading.

    cues:  all that is said in the video, in place of what was known before; None if not looked for.
    """

    reading: ReadingRow | None = None
    pages: tuple[PageRow, ...] = ()
    tables: tuple[TableRow, ...] = ()
    cells: tuple[CellRow, ...] = ()
    shots: tuple[ShotRow, ...] = ()
    scenes: tuple[SceneRow, ...] = ()
    summaries: tuple[SummaryRow, ...] = ()
    records: tuple[RecordRow, ...] = ()
    sidecars: tuple[SidecarRow, ...] = ()
    cues: tuple[CueRow, ...] | None = None
    page_lines: tuple[PageLinesRow, ...] = ()
    form_fields: tuple[FormFieldRow, ...] = ()
    checks: tuple[CheckRow, ...] = ()
    grounds: tuple[GroundRow, ...] = ()
