"""THE STORY: how a document and a video are read. ingest → model → rows; never touches the store.

`read_document` and `read_video` run in a sandbox child. They take a job, answer requests, and say before each step
what they are about to do, so that whoever listens knows what was in work when a child dies.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from aria_docs.ingest import sandbox
from aria_docs.ingest.scans.reader import OcrName
from aria_docs.media import Cue, DocumentInfo, Page, Scene, Shot, Summary, Table, TableCell, VideoInfo, one_note
from aria_docs.model import choice
from aria_docs.model.custom import CustomSchema
from aria_docs.model.engine import Engine, ModelId, Task
from aria_docs.model.seen import Read, SeenDocument, SeenPage, SeenVideo
from aria_docs.schemas.readings import Finished, ReadingRow, reading_id
from aria_docs.schemas.scenes import SceneRow, ShotRow
from aria_docs.schemas.sources import Kind, PageRow
from aria_docs.schemas.summaries import KeyPoint, SummaryRow
from aria_docs.schemas.tables import CellRow, TableRow, table_id


@dataclass(frozen=True, slots=True)
class Job:
    """One source to read.

    recipes:    the tasks asked for, each with its recipe's hash.
    passwords:  tried in turn on an encrypted PDF.
    timeout_s:  for one page; for each begun minute of video.
    group:      join shots to scenes.
    speech:     folder of a model that writes down what is said in videos without subtitles.
    ocr:        who reads pages without a usable text layer.
    look:       how it is shown to a model (`showing`); None where an engine reads it in the child.
    model:      who is shown it.
    """

    path: str
    source_id: str
    run_id: str
    engine: str
    recipes: dict[Task, str]
    timeout_s: float
    passwords: tuple[str, ...] = ()
    group: bool = False
    speech: str | None = None
    ocr: OcrName | None = None
    look: Look | None = None
    model: ModelId | None = None


@dataclass(frozen=True, slots=True)
class ReadPages:
    """A request to read these pages, in this order."""

    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Summarise:
    """A request to summarise a document: its pages' texts, and a note on those that are missing."""

    pages: tuple[tuple[int, str], ...]
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Begun:
    """From now on a failure is one of this stage of this part. The clock of a part starts with its first stage."""

    task: Task
    part: str
    stage: str


Seen = SeenPage | SeenDocument | SeenVideo
Answer = Begun | DocumentInfo | VideoInfo | Finished | Seen


@dataclass(frozen=True, slots=True)
class Look:
    """How pages and frames are shown to a model, and for what.

    profile:     of the model, by name; context: tokens of its window.
    resolution:  for everything; None is ultra for single pages, the sharpest that fits one window for whole documents,
                 medium for videos.
    frames:      of a video, in one window; None is as many as fit, a window for each begun hour.
    question:    the longest that will be asked; answer: tokens kept free for what is answered.
    pages, document, video:  the tasks asked of each page, each whole document, each video.
    """

    profile: str
    context: int
    question: str
    answer: int
    resolution: str | None = None
    frames: int | None = None
    sampling: Literal["uniform", "shots"] = "uniform"
    pages: tuple[Task, ...] = ()
    document: tuple[Task, ...] = ()
    video: tuple[Task, ...] = ()


def warm_documents() -> None:
    """What every child that reads documents needs; called once, before the children are forked."""
    from aria_docs.ingest import pdf
    from aria_docs.model.embedded import summary, tables  # noqa: F401

    pdf.warm()
    summary.warm()


def warm_videos() -> None:
    """What every child that reads videos needs; called once, before the children are forked."""
    from aria_docs.ingest.video import watch as video
    from aria_docs.model.embedded import scenes, summary  # noqa: F401

    video.warm()
    summary.warm()


def document_limit_s(timeout_s: float, n_pages: int) -> float:
    """Wall seconds for a part that takes a whole document: one a page, and no less than the limit of one page."""
    return max(timeout_s, float(n_pages))


def video_limit_s(timeout_s: float, duration_s: float) -> float:
    """Wall seconds for a whole video: the limit for each begun minute."""
    return timeout_s * max(1, -(-duration_s // 60))


def read_document(job: Job, requests: Iterable[ReadPages | Summarise]) -> Iterator[Answer]:
    """Opens a PDF, says how many pages it has, and reads what is requested.

    A page gives its text first and its tables second: what was read before the tables failed is not lost.
    """
    from aria_docs.ingest import pdf

    engine = choice.load(job.engine)
    yield Begun("", "", "open")
    sandbox.allow_cpu(job.timeout_s)
    with pdf.open_document(Path(job.path), passwords=job.passwords, ocr=job.ocr, apart=sandbox.apart) as document:
        info = document.info
        yield info
        if info.n_pages == 0:
            for task in job.recipes:
                yield Finished(
                    _Reading(job, engine, task, "document").row(one_note("0 pages", info.note), ok=not info.note)
                )
            return
        for request in requests:
            if isinstance(request, Summarise):
                yield Begun("summary", "document", "summary")
                sandbox.allow_cpu(document_limit_s(job.timeout_s, info.n_pages))
                reading = _Reading(job, engine, "summary", "document")
                summary = engine.summarise_document(request.pages, title=info.title)
                row = reading.row(one_note(info.note, request.note))
                yield Finished(row, summaries=_summary_rows(row, summary))
                continue
            for number in request.numbers:
                yield Begun("tables" if "tables" in job.recipes else "summary", f"page:{number}", "text")
                sandbox.allow_cpu(job.timeout_s)
                began = _Reading(job, engine, "tables", f"page:{number}") if "tables" in job.recipes else None
                page = document.page(number)
                yield Finished(pages=(page_row(job.source_id, page),))
                if began:
                    yield Begun("tables", f"page:{number}", "tables")
                    page = document.with_tables(page)
                    tables = engine.tables(page)
                    row = began.row(one_note(info.note, page.note))
                    yield Finished(row, tables=_table_rows(row, number, tables), cells=_cell_rows(row, number, tables))
    if "scenes" in job.recipes:  # then it is the only task: nothing else was asked for
        yield Finished(_Reading(job, engine, "scenes", "document").row("a PDF has no scenes", ok=True))


def read_video(job: Job, _requests: Iterable[object]) -> Iterator[Answer]:
    """Reads a whole video; waits for no request."""
    from aria_docs.ingest.video import watch as videos
    from aria_docs.model.embedded import referee

    engine, path = choice.load(job.engine), Path(job.path)
    yield Begun("", "", "open")
    sandbox.allow_cpu(job.timeout_s)
    info = videos.probe(path)
    yield info
    cues = None
    if "tables" in job.recipes:  # then it is the only task: nothing else was asked for
        yield Finished(_Reading(job, engine, "tables", "video").row("a video has no tables", ok=True))
    if "scenes" in job.recipes:
        yield Begun("scenes", "video", "scenes")
        sandbox.allow_cpu(video_limit_s(job.timeout_s, info.duration_s))
        reading = _Reading(job, engine, "scenes", "video")
        video = videos.watch(path, referee=referee.transitions if referee.version() else None)
        cues = video.cues or heard(job, info)
        video = replace(video, cues=cues)
        row = reading.row(video.note)
        yield Finished(
            row,
            shots=tuple(_shot_row(job.source_id, number, shot) for number, shot in enumerate(video.shots)),
            scenes=tuple(
                _scene_row(row, number, scene) for number, scene in enumerate(engine.scenes(video, group=job.group))
            ),
        )
    if "summary" in job.recipes:
        yield Begun("summary", "video", "summary")
        reading = _Reading(job, engine, "summary", "video")
        if cues is None:
            cues = videos.cues(path, info) or heard(job, info)
        summary = engine.summarise_video(cues)
        row = reading.row(None)
        yield Finished(row, summaries=_summary_rows(row, summary))


def heard(job: Job, info: VideoInfo) -> tuple[Cue, ...]:
    """What is said in a video, if the job names somebody who listens."""
    if job.speech is None:
        return ()
    from aria_docs.ingest.video import speech

    return speech.cues(Path(job.path), info, speech.whisper(Path(job.speech)))


def measure(job: tuple[str, Kind], _requests: Iterable[object]) -> Iterator[list[tuple[float, float]] | VideoInfo]:
    """The sizes of a PDF's pages, in points as displayed; or what a video says of itself. The job is (path, kind)."""
    path, kind = job
    if kind == "video":
        from aria_docs.ingest.video import watch as video

        yield video.probe(Path(path))
        return
    from aria_docs.ingest import pdf

    with pdf.open_document(Path(path)) as document:
        yield document.sizes()


def without(job: Job, part: str, note: str, *, tasks: Iterable[Task], ok: bool = True) -> Iterator[Finished]:
    """Readings of what has nothing to be shown to a model, and why."""
    assert job.model, job
    for task in tasks:
        yield Finished(_reading_row(job, job.engine, job.model, task, part, 0.0, note=note, ok=ok))


class _Reading:
    """Times a reading and makes its row."""

    def __init__(self, job: Job, engine: Engine, task: Task, part: str) -> None:
        self._job, self._engine, self._task, self._part = job, engine, task, part
        self._began = time.perf_counter()

    def row(self, note: str | None, *, ok: bool = False) -> ReadingRow:
        """A note says why the reading is partial, unless it is `ok` all the same."""
        model = self._engine.model_id(self._task)
        took = time.perf_counter() - self._began
        return _reading_row(self._job, self._engine.name, model, self._task, self._part, took, note=note, ok=ok)


def _reading_row(
    job: Job, engine: str, model: ModelId, task: Task, part: str, seconds: float, *, note: str | None, ok: bool = False
) -> ReadingRow:
    recipe = job.recipes[task]
    return ReadingRow(
        reading_id=reading_id(source_id=job.source_id, task=task, part=part, recipe=recipe),
        run_id=job.run_id,
        source_id=job.source_id,
        task=task,
        part=part,
        engine=engine,
        model=model.model,
        model_revision=model.revision,
        prompt_version=model.prompt_version,
        recipe=recipe,
        status="partial" if note and not ok else "ok",
        note=note,
        seconds=seconds,
        read_at=datetime.now(UTC).replace(tzinfo=None),
    )


def answered(job: Job, seen: Seen, part: str, read: Read, *, seconds: float, custom: CustomSchema | None) -> Finished:
    """What a model answered, as rows: the second half of the story begun in `showing`.

    part:     that was seen, as in `Begun`.
    seconds:  that it took.
    custom:   the user's schema that records are of.
    """
    assert job.model, job
    row = _reading_row(job, job.engine, job.model, read.task, part, seconds, note=read.note)
    facts = ("answer", "prefill_s", "decode_s", "peak_bytes", "input_tokens", "output_tokens")
    spoken: dict[str, Any] = {name: getattr(read, name) for name in facts}
    row = row.model_copy(update=spoken | {"frames": list(read.frames) if read.frames else None})
    number = seen.page.number if isinstance(seen, SeenPage) else None
    assert custom or not read.records, read.task
    shots = seen.video.shots if isinstance(seen, SeenVideo) and read.task == "scenes" else ()
    return Finished(
        row,
        tables=_table_rows(row, number or 0, read.tables),
        cells=_cell_rows(row, number or 0, read.tables),
        shots=tuple(_shot_row(job.source_id, place, shot) for place, shot in enumerate(shots)),
        scenes=tuple(_scene_row(row, place, scene) for place, scene in enumerate(read.scenes)),
        summaries=_summary_rows(row, read.summary),
        records=tuple(
            custom.record_row(record, reading_id=row.reading_id, source_id=row.source_id, page=number)
            for record in read.records
            if custom
        ),
    )


def page_row(source_id: str, page: Page) -> PageRow:
    """The row of a page, whatever the tasks."""
    return PageRow(
        source_id=source_id,
        page=page.number,
        width_pt=page.width_pt,
        height_pt=page.height_pt,
        text=page.text,
        from_ocr=page.from_ocr,
    )


def _table_rows(reading: ReadingRow, page: int, tables: Sequence[Table]) -> tuple[TableRow, ...]:
    return tuple(
        TableRow(
            table_id=table_id(reading_id=reading.reading_id, page=page, table_no=number),
            reading_id=reading.reading_id,
            source_id=reading.source_id,
            page=page,
            table_no=number,
            **_edges(table),
            n_rows=table.n_rows,
            n_cols=table.n_cols,
            n_header_rows=table.n_header_rows,
            caption=table.caption,
            grounded=table.grounded,
        )
        for number, table in enumerate(tables)
    )


def _cell_rows(reading: ReadingRow, page: int, tables: Sequence[Table]) -> tuple[CellRow, ...]:
    return tuple(
        CellRow(
            table_id=table_id(reading_id=reading.reading_id, page=page, table_no=number),
            row_no=cell.row,
            col_no=cell.col,
            row_span=cell.row_span,
            col_span=cell.col_span,
            is_header=cell.is_header,
            text=cell.text,
            number=cell.number,
            **_edges(cell),
            grounded=cell.grounded,
        )
        for number, table in enumerate(tables)
        for cell in table.cells
    )


def _edges(boxed: Table | TableCell) -> dict[str, Any]:
    return {} if boxed.box is None else dict(zip(("x0", "y0", "x1", "y1"), boxed.box, strict=True))


def _shot_row(source_id: str, number: int, shot: Shot) -> ShotRow:
    return ShotRow(
        source_id=source_id,
        shot_no=number,
        start_s=shot.start_s,
        end_s=shot.end_s,
        transition=shot.transition,
        transition_start_s=shot.transition_start_s,
        transition_end_s=shot.transition_end_s,
    )


def _scene_row(reading: ReadingRow, number: int, scene: Scene) -> SceneRow:
    return SceneRow(
        reading_id=reading.reading_id,
        source_id=reading.source_id,
        scene_no=number,
        start_s=scene.start_s,
        end_s=scene.end_s,
        transition=scene.transition,
        title=scene.title,
        description=scene.description,
        thumbnail=scene.thumbnail,
    )


def _summary_rows(reading: ReadingRow, summary: Summary | None) -> tuple[SummaryRow, ...]:
    if summary is None:
        return ()
    points = [KeyPoint(text=point.text, page=point.page, start_s=point.start_s) for point in summary.key_points]
    return (
        SummaryRow(
            reading_id=reading.reading_id,
            source_id=reading.source_id,
            title=summary.title,
            language=summary.language,
            text=summary.text,
            key_points=points,
        ),
    )
