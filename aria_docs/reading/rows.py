"""What was read, as rows of the database. Used by the child, and by the parent for what a model answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter

from aria_docs.ingest.video.speech import Stretch
from aria_docs.media import Cue, Page, Scene, Shot, Summary, Table, TableCell
from aria_docs.model import checks
from aria_docs.model.confidence import OF_BOUNDARIES
from aria_docs.model.custom import CustomSchema
from aria_docs.model.engine import HEARING, ModelId, Task
from aria_docs.model.seen import Ground, SeenPage, SeenVideo, TaskResult
from aria_docs.reading.messages import Job, Seen
from aria_docs.schemas.corrections import CheckRow
from aria_docs.schemas.readings import Finished, ReadingRow, reading_id
from aria_docs.schemas.records import GroundRow
from aria_docs.schemas.scenes import CueRow, SceneRow, ShotRow
from aria_docs.schemas.sources import FormFieldRow, PageLinesRow, PageRow
from aria_docs.schemas.summaries import KeyPointRow, SummaryRow
from aria_docs.schemas.tables import CellRow, TableRow, table_id


def without(job: Job, part: str, note: str, *, tasks: Iterable[Task], ok: bool = True) -> Iterator[Finished]:
    """Readings of what has nothing to be shown to a model, and why."""
    assert job.model, job
    for task in tasks:
        yield Finished(reading_row(job, job.engine, job.model, task, part, 0.0, note=note, ok=ok))


def reading_row(
    job: Job, engine: str, model: ModelId, task: Task, part: str, seconds: float, *, note: str | None, ok: bool = False
) -> ReadingRow:
    """The row of a reading; a note says why it is partial, unless it is `ok` all the same."""
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


def answer_rows(
    job: Job, seen: Seen, part: str, read: TaskResult, *, seconds: float, custom: CustomSchema | None
) -> Finished:
    """What a model answered, as rows: the second half of the story begun in `showing`.

    part:     that was seen, as in `Begun`.
    seconds:  that it took.
    custom:   the user's schema that records are of.
    """
    assert job.model, job
    row = reading_row(job, job.engine, job.model, read.task, part, seconds, note=read.note)
    facts = ("answer", "prefill_s", "decode_s", "peak_bytes", "input_tokens", "output_tokens")
    spoken: dict[str, Any] = {name: getattr(read, name) for name in facts}
    row = row.model_copy(update=spoken | {"frames": list(read.frames) if read.frames else None})
    number = seen.page.number if isinstance(seen, SeenPage) else None
    assert custom or not read.records, read.task
    shots = seen.video.shots if isinstance(seen, SeenVideo) and read.task == "scenes" else ()
    return Finished(
        row,
        tables=table_rows(row, number or 0, read.tables),
        cells=cell_rows(row, number or 0, read.tables),
        checks=check_rows(row, number or 0, read.tables),
        shots=tuple(shot_row(job.source_id, place, shot) for place, shot in enumerate(shots)),
        scenes=tuple(scene_row(row, place, scene) for place, scene in enumerate(read.scenes)),
        summaries=summary_rows(row, read.summary),
        records=tuple(
            custom.record_row(record, reading_id=row.reading_id, source_id=row.source_id, page=number)
            for record in read.records
            if custom
        ),
        cues=cue_rows(job.source_id, seen.video.cues) if isinstance(seen, SeenVideo) else None,
        grounds=tuple(
            _ground_row(row, place, ground) for place, record in enumerate(read.records) for ground in record.grounds
        ),
    )


def _ground_row(reading: ReadingRow, record_no: int, ground: Ground) -> GroundRow:
    return GroundRow(
        reading_id=reading.reading_id,
        source_id=reading.source_id,
        record_no=record_no,
        field=ground.field,
        value=ground.value,
        page=ground.page,
        **_edges(ground),
        words=ground.words,
        reason=ground.reason,
        confidence=ground.confidence,
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


def page_parts(source_id: str, page: Page) -> Finished:
    """All rows of a page that no task decides: its text, where its lines stand, the fields of its form."""
    edges = [round(edge, 1) for box in page.lines for edge in box]
    return Finished(
        pages=(page_row(source_id, page),),
        page_lines=(PageLinesRow(source_id=source_id, page=page.number, edges=edges),),
        form_fields=tuple(
            FormFieldRow(
                source_id=source_id,
                page=page.number,
                field_no=number,
                name=field.name,
                kind=field.kind,
                value=field.value,
                checked=field.checked,
                **dict(zip(("x0", "y0", "x1", "y1"), field.box, strict=True)),
            )
            for number, field in enumerate(page.fields)
        ),
    )


def table_rows(reading: ReadingRow, page: int, tables: Sequence[Table]) -> tuple[TableRow, ...]:
    """The rows of the tables of one page."""
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
            confidence=table.confidence,
        )
        for number, table in enumerate(tables)
    )


def cell_rows(reading: ReadingRow, page: int, tables: Sequence[Table]) -> tuple[CellRow, ...]:
    """The rows of all cells of the tables of one page."""
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
            confidence=cell.confidence,
        )
        for number, table in enumerate(tables)
        for cell in table.cells
    )


def check_rows(reading: ReadingRow, page: int, tables: Sequence[Table]) -> tuple[CheckRow, ...]:
    """The rows of what is said of the tables of one page."""
    return tuple(
        checks.row_of(check, table_id=id_, check_no=place)
        for number, table in enumerate(tables)
        for id_ in [table_id(reading_id=reading.reading_id, page=page, table_no=number)]
        for place, check in enumerate(table.checks)
    )


def _edges(boxed: Table | TableCell | Ground) -> dict[str, Any]:
    return {} if boxed.box is None else dict(zip(("x0", "y0", "x1", "y1"), boxed.box, strict=True))


def shot_row(source_id: str, number: int, shot: Shot) -> ShotRow:
    """The row of a shot."""
    return ShotRow(
        source_id=source_id,
        shot_no=number,
        start_s=shot.start_s,
        end_s=shot.end_s,
        transition=shot.transition,
        transition_start_s=shot.transition_start_s,
        transition_end_s=shot.transition_end_s,
        confidence=OF_BOUNDARIES[shot.transition],
    )


def heard_part(job: Job, number: int, stretch: Stretch, seconds: float) -> Finished:
    """What was heard in one stretch of a film, kept so that a next run goes on from there: its `answer` is the stretch
    as JSON. What is said in the whole film comes with its scenes or its summary."""
    heard = replace(job, recipes={HEARING: job.hearing})
    row = reading_row(heard, job.engine, ModelId("whisper", None), HEARING, f"sound:{number}", seconds, note=None)
    return Finished(row.model_copy(update={"answer": _STRETCHES.dump_json(stretch).decode()}))


def stretches(heard: Iterable[str]) -> list[Stretch]:
    """The stretches of `heard_part`s, in order."""
    return sorted(map(_STRETCHES.validate_json, heard), key=lambda stretch: stretch.start_s)


_STRETCHES = TypeAdapter(Stretch)


def cue_rows(source_id: str, cues: Sequence[Cue]) -> tuple[CueRow, ...]:
    """In the order they are in."""
    return tuple(
        CueRow(
            source_id=source_id,
            cue_no=number,
            start_s=cue.start_s,
            end_s=cue.end_s,
            text=cue.text,
            origin=cue.origin,
        )
        for number, cue in enumerate(cues)
    )


def scene_row(reading: ReadingRow, number: int, scene: Scene) -> SceneRow:
    """The row of a scene."""
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


def summary_rows(reading: ReadingRow, summary: Summary | None) -> tuple[SummaryRow, ...]:
    """The row of a summary, if there is one."""
    if summary is None:
        return ()
    points = [KeyPointRow(text=point.text, page=point.page, start_s=point.start_s) for point in summary.key_points]
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
