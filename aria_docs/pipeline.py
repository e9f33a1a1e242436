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
from aria_docs.ingest.ocr import OcrName
from aria_docs.media import Cue, DocumentInfo, Page, Scene, Shot, Summary, Table, TableCell, VideoInfo
from aria_docs.model import engine as engines
from aria_docs.model.engine import Task
from schemas.readings import Finished, ReadingRow, reading_id
from schemas.scenes import SceneRow, ShotRow
from schemas.sources import Kind, PageRow
from schemas.summaries import KeyPoint, SummaryRow
from schemas.tables import CellRow, TableRow, table_id


@dataclass(frozen=True, slots=True)
class Job:
    """One source to read.

    recipes:    the tasks asked for, each with its recipe's hash.
    passwords:  tried in turn on an encrypted PDF.
    timeout_s:  for one page; for each begun minute of video.
    group:      join shots to scenes.
    speech:     folder of a model that writes down what is said in videos without subtitles.
    ocr:        who reads pages without a usable text layer.
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

    task: Task | Literal[""]
    part: str
    stage: str


Answer = Begun | DocumentInfo | VideoInfo | Finished


def warm_documents() -> None:
    """What every child that reads documents needs; called once, before the children are forked."""
    from aria_docs.ingest import pdf
    from aria_docs.model.embedded import summary, tables  # noqa: F401

    pdf.warm()
    summary.warm()


def warm_videos() -> None:
    """What every child that reads videos needs; called once, before the children are forked."""
    from aria_docs.ingest import video
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

    engine = engines.load(job.engine)
    yield Begun("", "", "open")
    sandbox.allow_cpu(job.timeout_s)
    with pdf.open_document(Path(job.path), passwords=job.passwords, ocr=job.ocr) as document:
        info = document.info
        yield info
        if info.n_pages == 0:
            for task in job.recipes:
                yield Finished(
                    _Reading(job, engine, task, "document").row(_joined("0 pages", info.note), ok=not info.note)
                )
            return
        for request in requests:
            if isinstance(request, Summarise):
                yield Begun("summary", "document", "summary")
                sandbox.allow_cpu(document_limit_s(job.timeout_s, info.n_pages))
                reading = _Reading(job, engine, "summary", "document")
                summary = engine.summarise_document(request.pages, title=info.title)
                row = reading.row(_joined(info.note, request.note))
                yield Finished(row, summaries=_summary_rows(row, summary))
                continue
            for number in request.numbers:
                yield Begun("tables" if "tables" in job.recipes else "summary", f"page:{number}", "text")
                sandbox.allow_cpu(job.timeout_s)
                began = _Reading(job, engine, "tables", f"page:{number}") if "tables" in job.recipes else None
                page = document.page(number)
                yield Finished(pages=(_page_row(job.source_id, page),))
                if began:
                    yield Begun("tables", f"page:{number}", "tables")
                    page = document.with_tables(page)
                    tables = engine.tables(page)
                    row = began.row(_joined(info.note, page.note))
                    yield Finished(row, tables=_table_rows(row, number, tables), cells=_cell_rows(row, number, tables))
    if "scenes" in job.recipes:  # then it is the only task: nothing else was asked for
        yield Finished(_Reading(job, engine, "scenes", "document").row("a PDF has no scenes", ok=True))


def read_video(job: Job, _requests: Iterable[object]) -> Iterator[Answer]:
    """Reads a whole video; waits for no request."""
    from aria_docs.ingest import video as videos
    from aria_docs.model.embedded import referee

    engine, path = engines.load(job.engine), Path(job.path)
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
        cues = video.cues or _heard(job, info)
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
            cues = videos.cues(path, info) or _heard(job, info)
        summary = engine.summarise_video(cues)
        row = reading.row(None)
        yield Finished(row, summaries=_summary_rows(row, summary))


def _heard(job: Job, info: VideoInfo) -> tuple[Cue, ...]:
    """What is said in a video, if the job names somebody who listens."""
    if job.speech is None:
        return ()
    from aria_docs.ingest import speech

    return speech.cues(Path(job.path), info, speech.whisper(Path(job.speech)))


def measure(job: tuple[str, Kind], _requests: Iterable[object]) -> Iterator[list[tuple[float, float]] | VideoInfo]:
    """The sizes of a PDF's pages, in points as displayed; or what a video says of itself. The job is (path, kind)."""
    path, kind = job
    if kind == "video":
        from aria_docs.ingest import video

        yield video.probe(Path(path))
        return
    from aria_docs.ingest import pdf

    with pdf.open_document(Path(path)) as document:
        yield document.sizes()


class _Reading:
    """Times a reading and makes its row."""

    def __init__(self, job: Job, engine: engines.Engine, task: Task, part: str) -> None:
        self._job, self._engine, self._task, self._part = job, engine, task, part
        self._began = time.perf_counter()

    def row(self, note: str | None, *, ok: bool = False) -> ReadingRow:
        """A note says why the reading is partial, unless it is `ok` all the same."""
        job, model = self._job, self._engine.model_id(self._task)
        recipe = job.recipes[self._task]
        return ReadingRow(
            reading_id=reading_id(source_id=job.source_id, task=self._task, part=self._part, recipe=recipe),
            run_id=job.run_id,
            source_id=job.source_id,
            task=self._task,
            part=self._part,
            engine=self._engine.name,
            model=model.model,
            model_revision=model.revision,
            prompt_version=model.prompt_version,
            recipe=recipe,
            status="partial" if note and not ok else "ok",
            note=note,
            seconds=time.perf_counter() - self._began,
            read_at=datetime.now(UTC).replace(tzinfo=None),
        )


def _joined(*notes: str | None) -> str | None:
    return "; ".join(note for note in notes if note) or None


def _page_row(source_id: str, page: Page) -> PageRow:
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
