"""THE REPORT: which pages there are, what each shows, and which are made again.

    store ──> content ──> pictures (in children) ──> html ──> folder

Sources are read in portions and their pages are made by a few threads: while one waits for a child that draws, another
fills in its tables. A page whose source, file and templates are as they were stays as it is.
"""

from __future__ import annotations

import os
import threading
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from aria_docs.ingest.sandbox import Sandbox
from aria_docs.report import grid, html, pictures
from aria_docs.report.content import (
    Contents,
    Overview,
    Source,
    TableContent,
    read_contents,
    read_overview,
    search_entries,
)
from aria_docs.report.folder import Folder
from aria_docs.report.pictures import Wanted
from aria_docs.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from aria_docs.media import Box
    from aria_docs.report.content import Cell, PageContent, SceneContent
    from aria_docs.report.grid import Grid
    from aria_docs.storage.database import Store

INDEX = "index.html"
COVER = f"cover-{pictures.COVER_PX}.webp"
_SHOWN_FAILURES = 2_000
_INSIDE_BYTES = 2_500_000  # what the overview's search may hold of the insides of files
_INSIDE_LONGEST = 240  # bytes of one table's or scene's words
_SAY_EVERY_S = 10.0


@dataclass(frozen=True, slots=True)
class Made:
    """How it went: pages of sources made now and kept from before, pictures drawn and not drawable, files removed."""

    index: Path
    n_made: int
    n_kept: int
    n_drawn: int
    n_undrawn: int
    n_removed: int


@dataclass(frozen=True, slots=True)
class TableView:
    """A table as its page shows it. boxed: the shown cells that have a box, with their keys."""

    anchor: str
    page: int
    caption: str | None
    box: Box | None
    n_rows: int
    n_cols: int
    grounded: float | None
    continues: str | None
    continues_page: int | None
    grid: Grid
    boxed: tuple[tuple[int, Cell], ...]
    csv: str
    csv_name: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """A page and its tables. picture: its address, or why_not; read: whether tables were looked for."""

    number: int
    content: PageContent | None
    picture: str | None
    why_not: str | None
    read: bool
    tables: tuple[TableView, ...]


@dataclass(frozen=True, slots=True)
class SceneView:
    """A scene with the address of its thumbnail."""

    scene: SceneContent
    picture: str | None

    @property
    def label(self) -> str:
        """For those who hear the timeline."""
        scene = self.scene
        name = scene.title or f"Scene {scene.number + 1}"
        return f"{name}, {html.clock(scene.start_s)} to {html.clock(scene.end_s)}"


def write_report(store: Store, folder: Path, *, say: Callable[[str], None] = lambda _: None) -> Made:
    """Makes the report of a database, or brings it up to date. Raises UsageError, StoreError, StoreBusy."""
    overview = read_overview(store)
    style = html.fingerprint()
    with Folder(folder) as site, _Artist() as artist, ThreadPoolExecutor(os.cpu_count() or 1) as workers:
        stale = [source for source in overview.sources if not site.keep(source.id, source.fingerprint + style)]
        counts: Counter[str] = Counter()
        said = time.monotonic()
        waiting: list[Future[Counter[str]]] = []
        try:
            for contents in read_contents(store, stale):
                waiting.append(workers.submit(_make, site, artist, contents, style))
                while len(waiting) > 16:  # the store is read on only when the threads get through
                    counts += waiting.pop(0).result()
                if time.monotonic() - said >= _SAY_EVERY_S:
                    said = time.monotonic()
                    say(f"{counts['made']} of {len(stale)} files, {counts['drawn']} pictures drawn")
            for future in waiting:
                counts += future.result()
        finally:
            for future in waiting:
                future.cancel()
        site.finished(INDEX, "", [site.put(INDEX, _index(site, overview, store))])
        n_removed = site.sweep()
    n_kept = len(overview.sources) - len(stale)
    return Made(folder / INDEX, counts["made"], n_kept, counts["drawn"], counts["undrawn"], n_removed)


class _Artist:
    """The sandbox that draws; a report of which nothing is drawn starts none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sandbox: Sandbox | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._sandbox:
            self._sandbox.close()

    def draw(self, wanted: Wanted) -> Iterator[pictures.Drawn]:
        """See `pictures.draw`."""
        with self._lock:
            if self._sandbox is None:
                self._sandbox = Sandbox(warm=pictures.WARM)
        return pictures.draw(self._sandbox, wanted)


class _Page:
    """A source's page while it is made: its files, and what was drawn for it."""

    def __init__(self, site: Folder, artist: _Artist, source: Source) -> None:
        self.source = source
        self.files: list[str] = []
        self.counts: Counter[str] = Counter()
        self.retryable = False  # a picture that is missing now may be drawn another time
        self._site, self._artist = site, artist

    def address(self, name: str) -> str | None:
        """Of a file of this page, as the page names it; None where it is not there."""
        return f"{self.source.id}/{name}" if _inner(self.source, name) in self.files else None

    def put(self, name: str, content: bytes | str) -> None:
        """Writes a file beside the page."""
        self.files.append(self._site.put(_inner(self.source, name), content))

    def keep(self, name: str) -> bool:
        """Whether the file is there from an earlier report, which drew it from the same content."""
        kept = self._site.has(_inner(self.source, name))
        if kept:
            self.files.append(_inner(self.source, name))
        return kept

    def draw(self, wanted: dict[float, str], *, frames: bool, cover_of: float | None = None) -> dict[float, str]:
        """Draws what is not there yet: pages or times with the names of their pictures. Returns why some are not."""
        missing = sorted(at for at, name in wanted.items() if not self.keep(name))
        if cover_of not in missing and cover_of is not None:
            self.keep(COVER)
        if missing and self.source.unshown:
            return dict.fromkeys(missing, self.source.unshown)
        why_not = {}
        for drawn in self._artist.draw(_wanted(self.source.path, missing, frames=frames)) if missing else ():
            if drawn.picture is None:
                why_not[drawn.at] = drawn.why_not or ""
                self.counts["undrawn"] += 1
                self.retryable |= drawn.retryable
                continue
            self.put(wanted[drawn.at], drawn.picture)
            self.counts["drawn"] += 1
            if drawn.at == cover_of and drawn.cover:
                self.put(COVER, drawn.cover)
        return why_not


def _wanted(path: str, missing: Sequence[float], *, frames: bool) -> Wanted:
    return Wanted(path, times_s=tuple(missing)) if frames else Wanted(path, tuple(int(number) for number in missing))


def _inner(source: Source, name: str) -> str:
    return f"sources/{source.id}/{name}"


def _make(site: Folder, artist: _Artist, contents: Contents, style: str) -> Counter[str]:
    """One source's page and all its files."""
    page = _Page(site, artist, contents.source)
    text = _video(page, contents) if contents.source.kind == "video" else _document(page, contents)
    page.files.append(site.put(f"sources/{contents.source.id}.html", text))
    site.finished(contents.source.id, "" if page.retryable else contents.source.fingerprint + style, page.files)
    page.counts["made"] += 1
    return page.counts


def _document(page: _Page, contents: Contents) -> str:
    source, summary = contents.source, contents.summary
    named = [point.page for point in summary.points if point.page] if summary else []
    last = source.n_pages or max(contents.pages, default=0)
    numbers = pictures.pages_pictured(last, [table.page for table in contents.tables], named)
    names: dict[float, str] = {number: f"p{number}-{pictures.PAGE_PX}.webp" for number in numbers}
    why_not = page.draw(names, frames=False, cover_of=1)
    read = {reading["part"] for reading in contents.readings if reading["task"] == "tables"}
    tables = _tables(page, contents.tables)
    sheets = [
        Sheet(
            number=number,
            content=contents.pages.get(number),
            picture=page.address(names[number]),
            why_not=why_not.get(number),
            read=f"page:{number}" in read,
            tables=tuple(tables.get(number, ())),
        )
        for number in numbers
    ]
    facts = [("Pages", html.count(source.n_pages)), ("Tables", html.count(source.n_tables))]
    if source.grounded is not None:
        facts.append(("Cells found on the page", html.share(source.grounded)))
    outline = [table for sheet in sheets for table in sheet.tables]
    return html.page("document", **_common(contents, facts), sheets=sheets, outline=outline)


def _tables(page: _Page, tables: Sequence[TableContent]) -> dict[int, list[TableView]]:
    """The tables of each page, and their CSV files beside it."""
    views: dict[int, list[TableView]] = {}
    at = {table.id: table for table in tables}
    cells_left = grid.MAX_CELLS_PER_SOURCE
    for table in tables:
        n_rows = grid.rows_shown(table.n_rows, table.n_cols, cells_left=cells_left)
        shown = grid.lay_out(table, n_rows=n_rows)
        cells_left = max(0, cells_left - sum(map(len, shown.rows)))
        name = f"{_anchor(table)}.csv"
        page.put(name, grid.as_csv(table))
        before = at.get(table.continues or "")
        view = TableView(
            anchor=_anchor(table),
            page=table.page,
            caption=table.caption,
            box=table.box,
            n_rows=table.n_rows,
            n_cols=table.n_cols,
            grounded=table.grounded,
            continues=_anchor(before) if before else None,
            continues_page=before.page if before else None,
            grid=shown,
            boxed=tuple((slot.key, slot.cell) for slots in shown.rows for slot in slots if slot.cell and slot.cell.box),
            csv=f"{page.source.id}/{name}",
            csv_name=f"{Path(page.source.name).stem}-page{table.page}-table{table.number + 1}.csv",
        )
        views.setdefault(table.page, []).append(view)
    return views


def _anchor(table: TableContent) -> str:
    return f"t{table.page}-{table.number}"


def _video(page: _Page, contents: Contents) -> str:
    source = contents.source
    scenes = []
    for scene in contents.scenes:
        if scene.thumbnail:
            page.put(f"s{scene.number}.jpg", scene.thumbnail)
        scenes.append(SceneView(scene, page.address(f"s{scene.number}.jpg")))
    names = {at: f"f{round(at * 1000)}-{pictures.FRAME_PX}.webp" for at in contents.frames}
    why_not = page.draw(names, frames=True)
    duration_s = source.duration_s or max((scene.end_s for scene in contents.scenes), default=0.0)
    starts_s = [scene.start_s for scene in contents.scenes]
    facts = [("Length", html.clock(source.duration_s)), ("Scenes", html.count(source.n_scenes))]
    if source.width and source.height:
        facts.append(
            ("Picture", f"{source.width} × {source.height}" + (f", {source.fps:.4g} fps" if source.fps else ""))
        )
    return html.page(
        "video",
        **_common(contents, facts),
        scenes=scenes,
        frames=[(at, page.address(name)) for at, name in names.items()],
        frames_why_not=next(iter(why_not.values()), None),
        ticks=html.ticks(duration_s),
        along=lambda at: f"{100 * at / duration_s if duration_s else 0:.3f}%",
        scene_at=lambda at: contents.scenes[max(0, bisect_right(starts_s, at) - 1)].number if scenes else None,
    )


def _common(contents: Contents, facts: list[tuple[str, str]]) -> dict[str, Any]:
    source = contents.source
    facts += [("Size", html.size(source.size_bytes)), ("Engine", ", ".join(source.engines) or "–")]
    if source.models:
        facts.append(("Model", ", ".join(source.models)))
    if source.read_at:
        facts.append(("Read", f"{source.read_at:%Y-%m-%d %H:%M} UTC"))
    noted = [reading for reading in contents.readings if reading["note"]]
    return {"source": source, "summary": contents.summary, "facts": facts, "notes": noted}


def _index(site: Folder, overview: Overview, store: Store) -> str:
    sources = overview.sources
    of_kind = Counter(source.kind for source in sources)
    totals = [
        ("PDFs", of_kind["pdf"]),
        ("Pages", sum(source.n_pages or 0 for source in sources)),
        ("Tables", sum(source.n_tables for source in sources)),
        ("Cells", sum(source.n_cells for source in sources)),
        ("Videos", of_kind["video"]),
        ("Scenes", sum(source.n_scenes for source in sources)),
        ("Failures", len(overview.failures)),
    ]
    hours = sum(source.duration_s or 0 for source in sources)
    return html.page(
        "overview",
        overview=overview,
        totals=[(name, html.count(value)) for name, value in totals]
        + ([("Film", html.clock(hours, tenths=False))] if hours else []),
        statuses=Counter(source.status for source in sources),
        lines=[{"source": source, "href": _href(source), "cover": _cover(site, source)} for source in sources],
        failures=[
            (failure, next((_href(source) for source in sources if source.id == failure.source_id), None))
            for failure in overview.failures[:_SHOWN_FAILURES]
        ],
        inside=_inside(search_entries(store), sources),
        version=__version__,
        made_at=datetime.now(UTC),
    )


def _href(source: Source) -> str:
    return f"sources/{source.id}.html"


def _cover(site: Folder, source: Source) -> str | None:
    names = (_inner(source, name) for name in (("s0.jpg",) if source.kind == "video" else (COVER,)))
    return next((name for name in names if site.has(name)), None)


def _inside(found: Iterable[tuple[str, str, str]], sources: Sequence[Source]) -> list[tuple[int, str, str]]:
    """What the search finds inside of files: (index of the file, place on its page, words), within a size.

    With more entries than room, each has fewer words: a long table's caption is worth more than its fifth row.
    """
    index = {source.id: number for number, source in enumerate(sources)}
    entries = [(index[source], place, words) for source, place, words in found if source in index]
    room = min(_INSIDE_LONGEST, _INSIDE_BYTES // max(1, len(entries)) - 20)
    return [(at, place, _cut(words, max(0, room))) for at, place, words in entries]


def _cut(text: str, n_bytes: int) -> str:
    """Not more than so many bytes, and no half word where a whole one fits."""
    if len(text) * 4 <= n_bytes or len(encoded := text.encode()) <= n_bytes:
        return text
    cut = encoded[:n_bytes].decode(errors="ignore")
    return (cut.rpartition(" ")[0] or cut) + "…"


def told(made: Made) -> Iterable[str]:
    """How it went, for people."""
    yield f"{made.n_made} pages made, {made.n_kept} kept, {made.n_drawn} pictures drawn → {made.index}"
    if made.n_undrawn:
        yield f"{made.n_undrawn} pictures could not be drawn; their pages say why"
