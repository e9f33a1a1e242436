"""What the report shows, as data: the store's rows, gathered per source. Knows no HTML and draws nothing."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from aria_docs.credentials import without_credentials
from aria_docs.errors import StoreError
from aria_docs.media import Box
from aria_docs.storage.database import Store

# A nightly job may be writing a batch: it lets go of the file within seconds.
_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class FailureView:
    """What could not be read, and why; task and part are '' where the file could not be opened."""

    path: str
    source_id: str | None
    task: str
    part: str
    error: str
    message: str
    retryable: bool


@dataclass(frozen=True, slots=True)
class FileState:
    """A path that holds the content, and how it was when it was read."""

    path: str
    size_bytes: int
    modified_at: datetime

    def why_not_shown(self) -> str | None:
        """None where the file is there and as it was; else what keeps its pictures from being drawn again."""
        try:
            facts = Path(self.path).stat()
        except OSError as e:
            return f"the file cannot be opened now ({e.strerror})"
        as_it_was = (self.size_bytes, self.modified_at)
        if (facts.st_size, datetime.fromtimestamp(facts.st_mtime, UTC).replace(tzinfo=None)) != as_it_was:
            return "the file has changed since it was read"
        return None


@dataclass(frozen=True, slots=True)
class SourceView:
    """One content with all its present paths, and what is known of it at a glance.

    engines:      who read its parts.
    models:       with which weights; of the embedded engine, which has libraries for models, none.
    n_partial:    readings that are only partly there.
    grounded:     the share of its tables' cells found on the page; None without tables.
    note:         of the first part that is only partly there: which part, and why.
    fingerprint:  changes when anything on the source's page does, the state of its file included.
    unshown:      why no picture of it can be drawn now, else None.
    """

    id: str
    kind: str
    files: tuple[FileState, ...]
    size_bytes: int
    n_pages: int | None
    duration_s: float | None
    width: int | None
    height: int | None
    fps: float | None
    engines: tuple[str, ...]
    models: tuple[str, ...]
    n_parts: int
    n_partial: int
    read_at: datetime | None
    n_tables: int
    n_cells: int
    n_scenes: int
    grounded: float | None
    title: str | None
    note: str | None
    failures: tuple[FailureView, ...]
    fingerprint: str
    unshown: str | None

    @property
    def path(self) -> str:
        """The path that is opened for pictures."""
        return self.files[0].path

    @property
    def is_gone(self) -> bool:
        """Whether the file cannot be opened now."""
        return not Path(self.path).is_file()

    @property
    def name(self) -> str:
        """What people call it."""
        return Path(self.path).name

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return Path(self.path).stem

    @property
    def status(self) -> str:
        """ok | partial | failed | unread."""
        if any(not failure.task for failure in self.failures):
            return "failed"
        if self.n_partial or self.failures:
            return "partial"
        return "ok" if self.n_parts else "unread"


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything on the first page. `failures` has those of files without a source too."""

    database: Path
    sources: tuple[SourceView, ...]
    failures: tuple[FailureView, ...]
    engines: tuple[dict[str, Any], ...]
    runs: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class CellView:
    """A cell as it is stored: a spanning one stands once, at its top left."""

    row: int
    col: int
    row_span: int
    col_span: int
    is_header: bool
    text: str
    number: float | None
    box: Box | None
    grounded: bool
    confidence: float | None = None
    corrected: bool = False


@dataclass(frozen=True, slots=True)
class FailedCheck:
    """What arithmetic or the page say against a table. suspects: (row, column) of the cells that may be wrong."""

    note: str
    suspects: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class TableContent:
    """A table with its cells in reading order."""

    id: str
    page: int
    number: int
    box: Box | None
    n_rows: int
    n_cols: int
    caption: str | None
    continues: str | None
    grounded: float | None
    cells: tuple[CellView, ...]
    confidence: float | None = None
    failed_checks: tuple[FailedCheck, ...] = ()


@dataclass(frozen=True, slots=True)
class Point:
    """A sentence of a summary and where it stands."""

    text: str
    page: int | None
    start_s: float | None


@dataclass(frozen=True, slots=True)
class SummaryContent:
    """What a source is about."""

    title: str | None
    language: str | None
    text: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class PageContent:
    """A stored page."""

    number: int
    width_pt: float
    height_pt: float
    from_ocr: bool
    text: str


@dataclass(frozen=True, slots=True)
class SceneContent:
    """A scene; transition_s is how long it took to come in, 0 for a cut."""

    number: int
    start_s: float
    end_s: float
    transition: str
    transition_s: float
    title: str | None
    description: str | None
    thumbnail: bytes | None


@dataclass(frozen=True, slots=True)
class CueView:
    """A subtitle or a spoken line at its own seconds."""

    start_s: float
    end_s: float
    text: str


@dataclass(slots=True)
class ReportContents:
    """Everything on a source's page.

    cues:    None where the database is older than they are.
    frames:  the times that a model saw; empty where none was.
    """

    source: SourceView
    pages: dict[int, PageContent] = field(default_factory=dict)
    tables: list[TableContent] = field(default_factory=list)
    scenes: list[SceneContent] = field(default_factory=list)
    cues: list[CueView] | None = None
    summary: SummaryContent | None = None
    readings: list[dict[str, Any]] = field(default_factory=list)
    frames: list[float] = field(default_factory=list)


def read_overview(store: Store) -> Overview:
    """Raises StoreError, StoreBusy."""
    # An earlier version kept the password of http://user:password@host.
    failures = tuple(
        FailureView(**row | {"message": without_credentials(row["message"])}) for row in query(store, _FAILURES)
    )
    runs = query(store, "SELECT * FROM runs ORDER BY started_at DESC LIMIT 10")
    said: dict[str, list[FailureView]] = {}
    for failure in failures:
        if failure.source_id:
            said.setdefault(failure.source_id, []).append(failure)
    later = _later_facts(store, columns(store))
    return Overview(
        database=store.path,
        sources=tuple(
            _source(row, tuple(said.get(row["source_id"], ())), later.get(row["source_id"], []))
            for row in query(store, _SOURCES)
        ),
        failures=failures,
        engines=tuple(query(store, _ENGINES)),
        runs=tuple(row | {"command": without_credentials(row["command"] or "")} for row in runs),
    )


def read_contents(
    store: Store, sources: Sequence[SourceView], *, cells_at_once: int = 50_000
) -> Iterator[ReportContents]:
    """What is on the page of each source, in order. Read in portions: the database is scanned once for each, and no
    more than about `cells_at_once` cells are held. Raises StoreError, StoreBusy."""
    known = columns(store)
    for portion in portions(sources, cells_at_once):
        yield from _portion(store, portion, known)


def columns(store: Store) -> dict[str, set[str]]:
    """Tables and views of the database with their columns: an older one has fewer. Raises StoreError, StoreBusy."""
    found: dict[str, set[str]] = {}
    for row in query(store, "SELECT table_name, column_name FROM information_schema.columns"):
        found.setdefault(row["table_name"], set()).add(row["column_name"])
    return found


def corrects(known: dict[str, set[str]], view: str) -> bool:
    """Whether the view shows what people have corrected; in an older database none was."""
    return "corrected" in known.get(view, ())


def _cells_query(known: dict[str, set[str]]) -> str:
    if not corrects(known, "document_cells"):
        return _CELLS
    view = known["document_cells"]
    box = "d.x0, d.y0, d.x1, d.y1" if "x0" in view else "c.x0, c.y0, c.x1, c.y1"
    confidence = (
        "d.confidence, " if "confidence" in view else "c.confidence, " if "confidence" in known["cells"] else ""
    )
    return _CORRECTED_CELLS.replace("{more}", confidence + box)


def _later_facts(store: Store, known: dict[str, set[str]]) -> dict[str, list[Any]]:
    """What changes a source's page without a new reading of it: checks and corrections. Their hashes, by source."""
    queries = []
    if "checks" in known:
        queries.append(_CHECKS_DIGEST)
    if "corrections" in known:
        queries.append(_CORRECTIONS_DIGEST)
    facts: dict[str, list[Any]] = {}
    for sql in queries:
        for row in query(store, sql):
            facts.setdefault(row["source_id"], []).append(row["digest"])
    return facts


def portions(sources: Sequence[SourceView], cells_at_once: int) -> Iterator[list[SourceView]]:
    """The sources in order, each portion with about so many cells."""
    portion: list[SourceView] = []
    n_cells = 0
    for source in sources:
        weight = source.n_cells + 10 * (source.n_pages or 0)  # the text of a page weighs about ten cells
        if portion and n_cells + weight > cells_at_once:
            yield portion
            portion, n_cells = [], 0
        portion.append(source)
        n_cells += weight
    if portion:
        yield portion


def _portion(store: Store, sources: Sequence[SourceView], known: dict[str, set[str]]) -> Iterator[ReportContents]:
    found = {source.id: ReportContents(source) for source in sources}
    these = source_condition(found)
    for row in query(store, _PAGES.format(these=these)):
        contents = found[row.pop("source_id")]
        contents.pages[row["number"]] = PageContent(**row)
    cells = {
        table: tuple(_cell(row) for row in rows)
        for table, rows in groupby(query(store, _cells_query(known).format(these=these)), itemgetter("table_id"))
    }
    failed: dict[str, list[FailedCheck]] = {}
    for row in query(store, _FAILED_CHECKS.format(these=these)) if "checks" in known else ():
        suspects = tuple((at["row_no"], at["col_no"]) for at in row["suspects"] or ())
        failed.setdefault(row["table_id"], []).append(FailedCheck(row["note"] or row["kind"], suspects))
    tables = _CORRECTED_TABLES if corrects(known, "document_tables") else _TABLES
    for row in query(store, tables.format(these=these)):
        id_ = row["table_id"]
        found[row["source_id"]].tables.append(_table(row, cells.get(id_, ()), tuple(failed.get(id_, ()))))
    if "cues" in known:
        cues = {
            id_: list(rows) for id_, rows in groupby(query(store, _CUES.format(these=these)), itemgetter("source_id"))
        }
        for id_, contents in found.items():
            contents.cues = [CueView(row["start_s"], row["end_s"], row["text"]) for row in cues.get(id_, ())]
    for row in query(store, (_CORRECTED_SCENES if corrects(known, "video_scenes") else _SCENES).format(these=these)):
        found[row.pop("source_id")].scenes.append(SceneContent(**row))
    for row in query(store, f"SELECT s.* FROM summaries s SEMI JOIN latest_readings USING (reading_id) WHERE {these}"):
        points = tuple(Point(**point) for point in row["key_points"] or ())
        found[row["source_id"]].summary = SummaryContent(row["title"], row["language"], row["text"] or "", points)
    for row in query(store, _READINGS.format(these=these)):
        contents = found[row["source_id"]]
        contents.frames = row["frames"] or contents.frames
        contents.readings.append(row)
    yield from found.values()


def _source(row: dict[str, Any], failures: tuple[FailureView, ...], later: list[Any]) -> SourceView:
    files = tuple(FileState(**file) for file in row.pop("files"))
    # A copy that is still as it was serves as well as the first.
    states = [(file.why_not_shown(), file) for file in files]
    shown = next((file for why, file in states if why is None), None)
    unshown = None if shown else states[0][0]
    if shown:
        files = (shown, *(file for file in files if file is not shown))
    facts = [row, [file.path for file in files], [repr(failure) for failure in failures], unshown, later]
    fingerprint = hashlib.sha256(json.dumps(facts, default=str).encode()).hexdigest()
    row.pop("digest")
    if not re.fullmatch("[0-9a-f]+", row["source_id"]):  # it becomes the name of a file
        raise StoreError(f"the database names a source {row['source_id']!r}: it was not made by aria-docs, read anew")
    return SourceView(
        id=row.pop("source_id"),
        files=files,
        engines=tuple(row.pop("engines")),
        models=tuple(row.pop("models")),
        failures=failures,
        fingerprint=fingerprint,
        unshown=unshown,
        **row,
    )


def _table(row: dict[str, Any], cells: tuple[CellView, ...], failed_checks: tuple[FailedCheck, ...]) -> TableContent:
    return TableContent(
        id=row["table_id"],
        page=row["page"],
        number=row["table_no"],
        box=box_of(row),
        n_rows=row["n_rows"],
        n_cols=row["n_cols"],
        caption=row["caption"],
        continues=row["continues"],
        grounded=row["grounded"],
        cells=cells,
        confidence=row.get("confidence"),
        failed_checks=failed_checks,
    )


def _cell(row: dict[str, Any]) -> CellView:
    return CellView(
        row=row["row_no"],
        col=row["col_no"],
        row_span=row["row_span"],
        col_span=row["col_span"],
        is_header=row["is_header"],
        text=row["text"] or "",
        number=row["number"],
        box=box_of(row),
        grounded=row["grounded"],
        confidence=row.get("confidence"),
        corrected=bool(row.get("corrected")),
    )


def box_of(row: dict[str, Any]) -> Box | None:
    """The row's box; None where it has none."""
    return None if row["x0"] is None else (row["x0"], row["y0"], row["x1"], row["y1"])


def query(store: Store, sql: str) -> list[dict[str, Any]]:
    """The rows that it answers. Raises StoreError, StoreBusy."""
    return store.records(sql, patience_s=_PATIENCE_S)


def source_condition(ids: Iterable[str]) -> str:
    """The condition that a row is of one of these sources."""
    quoted = ", ".join("'{}'".format(text.replace("'", "''")) for text in ids)
    return f"source_id IN ({quoted})"


_SOURCES = """
WITH read AS (
    SELECT source_id, count(*) AS n_parts, count(*) FILTER (status = 'partial') AS n_partial, max(read_at) AS read_at,
           list(DISTINCT engine ORDER BY engine) AS engines,
           list(DISTINCT model ORDER BY model) FILTER (engine <> 'embedded') AS models,
           first(concat_ws(': ', replace(part, 'page:', 'page '), note) ORDER BY part) FILTER (note <> '') AS note,
           md5(string_agg(concat_ws('|', reading_id, read_at, status, note), ';' ORDER BY reading_id)) AS digest
    FROM latest_readings GROUP BY source_id
), measured AS (
    SELECT t.source_id, t.table_id, t.caption, t.continues, t.grounded, count(c.table_id) AS n_cells
    FROM tables t SEMI JOIN latest_readings USING (reading_id) LEFT JOIN cells c USING (table_id) GROUP BY ALL
), tabled AS (
    SELECT source_id, count(*) AS n_tables, sum(n_cells)::BIGINT AS n_cells,
           sum(grounded * n_cells) / nullif(sum(n_cells) FILTER (grounded IS NOT NULL), 0) AS grounded,
           md5(string_agg(concat_ws('|', table_id, caption, continues), ';' ORDER BY table_id)) AS digest
    FROM measured GROUP BY source_id
), filmed AS (
    SELECT source_id, count(*) AS n_scenes FROM scenes SEMI JOIN latest_readings USING (reading_id) GROUP BY source_id
), told AS (
    SELECT source_id, any_value(title) AS title
    FROM summaries SEMI JOIN latest_readings USING (reading_id) GROUP BY source_id
)
SELECT s.source_id, s.kind, s.size_bytes, s.n_pages, s.duration_s, s.width, s.height, s.fps,
       list({'path': f.path, 'size_bytes': f.size_bytes, 'modified_at': f.modified_at} ORDER BY f.path) AS files,
       coalesce(any_value(read.engines), []) AS engines, coalesce(any_value(read.models), []) AS models,
       coalesce(any_value(read.n_parts), 0) AS n_parts,
       coalesce(any_value(read.n_partial), 0) AS n_partial, any_value(read.read_at) AS read_at,
       coalesce(any_value(tabled.n_tables), 0) AS n_tables, coalesce(any_value(tabled.n_cells), 0) AS n_cells,
       coalesce(any_value(filmed.n_scenes), 0) AS n_scenes, any_value(tabled.grounded) AS grounded,
       any_value(told.title) AS title, any_value(read.note) AS note,
       concat(any_value(read.digest), any_value(tabled.digest)) AS digest
FROM sources s
JOIN files f ON f.source_id = s.source_id AND f.present
LEFT JOIN read ON read.source_id = s.source_id
LEFT JOIN tabled ON tabled.source_id = s.source_id
LEFT JOIN filmed ON filmed.source_id = s.source_id
LEFT JOIN told ON told.source_id = s.source_id
GROUP BY s.source_id, s.kind, s.size_bytes, s.n_pages, s.duration_s, s.width, s.height, s.fps
ORDER BY min(f.path)
"""
_FAILURES = """
SELECT path, source_id, task, part, error, message, retryable FROM failures
ORDER BY path, task, try_cast(split_part(part, ':', 2) AS INTEGER), part, recipe
"""
_ENGINES = """
SELECT engine, model, model_revision, prompt_version, list(DISTINCT task ORDER BY task) AS tasks, count(*) AS n_parts,
       count(*) FILTER (status = 'partial') AS n_partial, sum(seconds) AS seconds,
       count(DISTINCT source_id) AS n_sources, max(read_at) AS last_at
FROM latest_readings GROUP BY engine, model, model_revision, prompt_version ORDER BY last_at DESC
"""
_PAGES = """
SELECT source_id, page AS number, width_pt, height_pt, from_ocr, text FROM pages WHERE {these}
"""
_TABLES = """
SELECT t.* FROM tables t SEMI JOIN latest_readings USING (reading_id)
WHERE {these} ORDER BY t.source_id, page, table_no
"""
_CELLS = """
SELECT c.* FROM cells c SEMI JOIN (SELECT table_id FROM tables WHERE {these}) USING (table_id)
ORDER BY table_id, row_no, col_no
"""
_SCENES = """
SELECT s.source_id, scene_no AS number, s.start_s, s.end_s, s.transition, title, description, thumbnail,
       coalesce(shots.transition_end_s - shots.transition_start_s, 0) AS transition_s
FROM scenes s SEMI JOIN latest_readings USING (reading_id)
LEFT JOIN shots ON shots.source_id = s.source_id AND shots.start_s = s.start_s
WHERE s.{these} ORDER BY s.source_id, scene_no
"""
_READINGS = """
SELECT source_id, task, part, engine, model, status, note, seconds, input_tokens, output_tokens, frames, read_at
FROM latest_readings WHERE {these}
ORDER BY source_id, task, try_cast(split_part(part, ':', 2) AS INTEGER), part
"""
_CORRECTED_TABLES = """
SELECT DISTINCT * EXCLUDE (path) FROM document_tables WHERE {these} ORDER BY source_id, page, table_no
"""
_CORRECTED_CELLS = """
SELECT DISTINCT d.table_id, d.row_no, d.col_no, d.row_span, d.col_span, d.is_header, d.text, d.number, d.grounded,
       d.corrected, {more}
FROM document_cells d LEFT JOIN cells c USING (table_id, row_no, col_no)
WHERE d.{these} ORDER BY table_id, row_no, col_no
"""
_CORRECTED_SCENES = """
SELECT DISTINCT s.source_id, scene_no AS number, s.start_s, s.end_s, s.transition, title, description, thumbnail,
       coalesce(shots.transition_end_s - shots.transition_start_s, 0) AS transition_s
FROM video_scenes s LEFT JOIN shots ON shots.source_id = s.source_id AND shots.start_s = s.start_s
WHERE s.{these} ORDER BY s.source_id, scene_no
"""
_CHECKS_DIGEST = """
SELECT source_id,
       md5(string_agg(concat_ws('|', table_id, check_no, holds, note), ';' ORDER BY table_id, check_no)) AS digest
FROM checks JOIN tables USING (table_id) GROUP BY source_id
"""
_CORRECTIONS_DIGEST = """
SELECT source_id, md5(string_agg(concat_ws('|', correction_id, state), ';' ORDER BY correction_id)) AS digest
FROM corrections GROUP BY source_id
"""
_FAILED_CHECKS = """
SELECT table_id, kind, note, suspects FROM checks SEMI JOIN (SELECT table_id FROM tables WHERE {these}) USING (table_id)
WHERE NOT holds ORDER BY table_id, check_no
"""
_CUES = "SELECT source_id, start_s, end_s, text FROM cues WHERE {these} ORDER BY source_id, cue_no"
