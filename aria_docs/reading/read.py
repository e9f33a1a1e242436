"""THE STORY: how a document and a video are read. ingest → model → rows; never touches the store.

`read_document` and `read_video` run in a sandbox child. They take a job, answer requests, and say before each step
what they are about to do, so that the parent knows what was in work when a child dies.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from aria_docs.errors import Damaged
from aria_docs.ingest import sandbox
from aria_docs.media import VideoInfo, one_note
from aria_docs.model import choice
from aria_docs.model.engine import Engine, Task
from aria_docs.reading.hearing import Hearing
from aria_docs.reading.messages import (
    Answer,
    Begun,
    Job,
    ReadPages,
    Summarise,
    document_limit_s,
    video_limit_s,
)
from aria_docs.reading.rows import (
    cell_rows,
    check_rows,
    cue_rows,
    page_parts,
    reading_row,
    scene_row,
    shot_row,
    summary_rows,
    table_rows,
)
from aria_docs.schemas.readings import Finished, ReadingRow
from aria_docs.schemas.sources import Kind


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


def read_document(job: Job, requests: Iterable[ReadPages | Summarise]) -> Iterator[Answer]:
    """Opens a PDF, says how many pages it has, and reads what is requested.

    A page gives its text first and its tables second: what was read before the tables failed is not lost.
    """
    from aria_docs.ingest import documents

    engine = choice.load(job.engine)
    yield Begun("", "", "open")
    sandbox.allow_cpu(job.timeout_s)
    with documents.open_document(Path(job.path), passwords=job.passwords, ocr=job.ocr, apart=sandbox.apart) as document:
        info = document.info
        if info.n_pages == 0 and info.note:
            raise Damaged(f"{job.path} has no page left to read: {info.note}")
        yield info
        if info.n_pages == 0:
            for task in job.recipes:
                yield Finished(
                    _TimedReading(job, engine, task, "document").row(one_note("0 pages", info.note), ok=not info.note)
                )
            return
        for request in requests:
            if isinstance(request, Summarise):
                yield Begun("summary", "document", "summary")
                sandbox.allow_cpu(document_limit_s(job.timeout_s, info.n_pages))
                reading = _TimedReading(job, engine, "summary", "document")
                summary = engine.summarise_document(request.pages, title=info.title)
                row = reading.row(one_note(info.note, request.note))
                yield Finished(row, summaries=summary_rows(row, summary))
                continue
            for number in request.numbers:
                yield Begun("tables" if "tables" in job.recipes else "summary", f"page:{number}", "text")
                sandbox.allow_cpu(job.timeout_s)
                began = _TimedReading(job, engine, "tables", f"page:{number}") if "tables" in job.recipes else None
                page = document.page(number)
                yield page_parts(job.source_id, page)
                if began:
                    yield Begun("tables", f"page:{number}", "tables")
                    page = document.with_tables(page)
                    tables = engine.tables(page)
                    row = began.row(one_note(info.note, page.note))
                    yield Finished(
                        row,
                        tables=table_rows(row, number, tables),
                        cells=cell_rows(row, number, tables),
                        checks=check_rows(row, number, tables),
                    )
    if "scenes" in job.recipes:  # then it is the only task: nothing else was asked for
        yield Finished(_TimedReading(job, engine, "scenes", "document").row("a document has no scenes", ok=True))


def read_video(job: Job, _requests: Iterable[object]) -> Iterator[Answer]:
    """Reads a whole video; waits for no request."""
    from aria_docs.ingest.video import subtitles
    from aria_docs.ingest.video import watch as videos
    from aria_docs.ingest.video.opening import open_clip
    from aria_docs.model.embedded import referee

    engine, path = choice.load(job.engine), Path(job.path)
    yield Begun("", "", "open")
    sandbox.allow_cpu(job.timeout_s)
    clip = open_clip(path)
    info = clip.info
    yield info
    if "tables" in job.recipes:  # then it is the only task: nothing else was asked for
        yield Finished(_TimedReading(job, engine, "tables", "video").row("a video has no tables", ok=True))
        return
    first: Task = "scenes" if "scenes" in job.recipes else "summary"
    yield Begun(first, "video", first)
    sandbox.allow_cpu(video_limit_s(job.timeout_s, info.duration_s))
    said = subtitles.words(clip)
    hearing = Hearing(job, info, needed=not said.cues)
    if "scenes" in job.recipes:
        reading = _TimedReading(job, engine, "scenes", "video")
        judge = referee.transitions if referee.version() else None
        video = videos.watch(clip, referee=judge, said=said, on_time=hearing.follow)
        video = replace(video, cues=said.cues or hearing.finish())
        row = reading.row(one_note(video.note, video.words_note), ok=not video.note)
        yield Finished(
            row,
            shots=tuple(shot_row(job.source_id, number, shot) for number, shot in enumerate(video.shots)),
            scenes=tuple(
                scene_row(row, number, scene) for number, scene in enumerate(engine.scenes(video, group=job.group))
            ),
            cues=cue_rows(job.source_id, video.cues),
        )
    if "summary" in job.recipes:
        yield Begun("summary", "video", "summary")
        reading = _TimedReading(job, engine, "summary", "video")
        cues = said.cues or hearing.finish()
        summary = engine.summarise_video(cues)
        row = reading.row(None)
        yield Finished(row, summaries=summary_rows(row, summary), cues=cue_rows(job.source_id, cues))


def measure(job: tuple[str, Kind], _requests: Iterable[object]) -> Iterator[list[tuple[float, float]] | VideoInfo]:
    """The sizes of a PDF's pages, in points as displayed; or what a video says of itself. The job is (path, kind)."""
    path, kind = job
    if kind == "video":
        from aria_docs.ingest.video import watch as video

        yield video.probe(Path(path))
        return
    from aria_docs.ingest import documents

    with documents.open_document(Path(path)) as document:
        yield document.sizes()


class _TimedReading:
    """Times a reading and makes its row."""

    def __init__(self, job: Job, engine: Engine, task: Task, part: str) -> None:
        self._job, self._engine, self._task, self._part = job, engine, task, part
        self._began = time.perf_counter()

    def row(self, note: str | None, *, ok: bool = False) -> ReadingRow:
        """A note says why the reading is partial, unless it is `ok` all the same."""
        model = self._engine.model_id(self._task)
        took = time.perf_counter() - self._began
        return reading_row(self._job, self._engine.name, model, self._task, self._part, took, note=note, ok=ok)
