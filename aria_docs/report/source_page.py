"""One source's page and the files beside it: its tables and their CSV, its pages' texts, its pictures."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from aria_docs.ingest.sandbox import Sandbox
from aria_docs.report import grid, html, pictures
from aria_docs.report.content import PageContent, ReportContents, SourceView, TableContent
from aria_docs.report.pictures import PictureRequest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aria_docs.media import Box
    from aria_docs.report.content import CellView, SceneContent
    from aria_docs.report.folder import Folder
    from aria_docs.report.grid import Slot, TableGrid

COVER = f"cover-{pictures.COVER_PX}.webp"
_INLINE_TEXT_BYTES = 300_000  # beyond, the pages' texts are side files: a browser opens 5 MB of them in a second
_PAGES_A_FILE = 50
_WITHOUT = "the report was made without pictures"


@dataclass(frozen=True, slots=True)
class TableView:
    """A table as its page shows it.

    boxed:   the shown cells that have a box, with their keys.
    doubts:  (row, column) of cells that a check names, with what it says.
    rest:    the address of the side file with all rows, where some are cut.
    """

    id: str
    anchor: str
    page: int
    caption: str | None
    box: Box | None
    n_rows: int
    n_cols: int
    grounded: float | None
    continues: str | None
    continues_page: int | None
    grid: TableGrid
    boxed: tuple[tuple[int, CellView], ...]
    csv: str
    csv_name: str
    failed_checks: tuple[str, ...]
    doubts: dict[tuple[int, int], str]
    rest: str | None


@dataclass(frozen=True, slots=True)
class Sheet:
    """A page and its tables.

    picture:  its address, or why_not.
    pictured: whether it should have one.
    read:     whether tables were looked for.
    text:     what stands on it, or the address of the side file that has it.
    """

    number: int
    content: PageContent | None
    picture: str | None
    pictured: bool
    why_not: str | None
    read: bool
    tables: tuple[TableView, ...]
    text: str
    text_at: str | None
    original: str | None


@dataclass(frozen=True, slots=True)
class SceneView:
    """A scene with the address of its thumbnail."""

    scene: SceneContent
    picture: str | None

    @property
    def name(self) -> str:
        """Its title, or its number."""
        return self.scene.title or f"Scene {self.scene.number + 1}"

    @property
    def label(self) -> str:
        """For those who hear the timeline."""
        return f"{self.name}, {html.clock(self.scene.start_s)} to {html.clock(self.scene.end_s)}"


@dataclass(frozen=True, slots=True)
class PicturePlace:
    """Where a source's page stands in the report: its neighbours' (address, name), and the database's path.

    corrects:  whether the database takes corrections, which then can be made on the page.
    """

    database: str
    corrects: bool
    before: tuple[str, str] | None
    after: tuple[str, str] | None


class Artist:
    """The sandbox that draws; a report of which nothing is drawn starts none."""

    def __init__(self, *, draws: bool = True) -> None:
        self.draws = draws
        self._lock = threading.Lock()
        self._sandbox: Sandbox | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._sandbox:
            self._sandbox.close()

    def draw(self, wanted: PictureRequest) -> Iterator[pictures.Drawn]:
        """See `pictures.draw`."""
        with self._lock:
            if self._sandbox is None:
                self._sandbox = Sandbox(warm=pictures.WARM)
        return pictures.draw(self._sandbox, wanted)


def make(
    site: Folder, artist: Artist, contents: ReportContents, place: PicturePlace, *, fingerprint: str
) -> Counter[str]:
    """One source's page and all its files. Returns how many pages were made, pictures drawn and not drawable."""
    page = _PageView(site, artist, contents.source)
    text = _video(page, contents, place) if contents.source.kind == "video" else _document(page, contents, place)
    page.files.append(site.put(address(contents.source), text))
    site.finished(contents.source.id, "" if page.retryable else fingerprint, page.files)
    page.counts["made"] += 1
    return page.counts


def address(source: SourceView) -> str:
    """Of a source's page in the folder."""
    return f"sources/{source.id}.html"


def inner(source: SourceView, name: str) -> str:
    """Of a file beside a source's page, in the folder."""
    return f"sources/{source.id}/{name}"


class _PageView:
    """A source's page while it is made: its files, and what was drawn for it."""

    def __init__(self, site: Folder, artist: Artist, source: SourceView) -> None:
        self.source = source
        self.files: list[str] = []
        self.counts: Counter[str] = Counter()
        self.retryable = False  # a picture that is missing now may be drawn another time
        self._site, self._artist = site, artist

    def address(self, name: str) -> str | None:
        """Of a file of this page, as the page names it; None where it is not there."""
        return f"{self.source.id}/{name}" if inner(self.source, name) in self.files else None

    def put(self, name: str, content: bytes | str) -> str:
        """Writes a file beside the page. Returns its address."""
        self.files.append(self._site.put(inner(self.source, name), content))
        return f"{self.source.id}/{name}"

    def keep(self, name: str) -> bool:
        """Whether the file is there from an earlier report, which drew it from the same content."""
        kept = self._site.has(inner(self.source, name))
        if kept:
            self.files.append(inner(self.source, name))
        return kept

    def draw(self, wanted: dict[float, str], *, frames: bool, cover_of: float | None = None) -> dict[float, str]:
        """Draws what is not there yet: pages or times with the names of their pictures. Returns why some are not."""
        missing = sorted(at for at, name in wanted.items() if not self.keep(name))
        if cover_of not in missing and cover_of is not None:
            self.keep(COVER)
        if missing and not self._artist.draws:
            return dict.fromkeys(missing, _WITHOUT)
        if missing and self.source.unshown:
            return dict.fromkeys(missing, self.source.unshown)
        why_not = {}
        for drawn in self._artist.draw(_pictures_needed(self.source.path, missing, frames=frames)) if missing else ():
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


def _pictures_needed(path: str, missing: Sequence[float], *, frames: bool) -> PictureRequest:
    return (
        PictureRequest(path, times_s=tuple(missing))
        if frames
        else PictureRequest(path, tuple(int(number) for number in missing))
    )


def original(source: SourceView, page: int | None = None) -> str | None:
    """The address of the source's own file, of a PDF at a page; None where it cannot be opened now."""
    if source.unshown and source.is_gone:
        return None
    return Path(source.path).as_uri() + (f"#page={page}" if page and source.kind == "pdf" else "")


def _document(page: _PageView, contents: ReportContents, place: PicturePlace) -> str:
    source, summary = contents.source, contents.summary
    named = [point.page for point in summary.points if point.page] if summary else []
    last = source.n_pages or max(contents.pages, default=0)
    pictured = pictures.pages_pictured(last, [table.page for table in contents.tables], named)
    names: dict[float, str] = {number: f"p{number}-{pictures.PAGE_PX}.webp" for number in pictured}
    why_not = page.draw(names, frames=False, cover_of=1)
    read = {reading["part"] for reading in contents.readings if reading["task"] == "tables"}
    tables = _tables(page, contents.tables)
    texts = _texts(page, contents.pages)
    sheets = [
        Sheet(
            number=number,
            content=contents.pages.get(number),
            picture=page.address(names[number]) if number in names else None,
            pictured=number in names,
            why_not=why_not.get(number),
            read=f"page:{number}" in read,
            tables=tuple(tables.get(number, ())),
            text=contents.pages[number].text if number in contents.pages and not texts else "",
            text_at=texts.get(number),
            original=original(source, number),
        )
        for number in sorted({*pictured, *contents.pages})
    ]
    facts = [("Pages", html.count(source.n_pages)), ("Tables", html.count(source.n_tables))]
    if source.grounded is not None:
        facts.append(("Text found on the page", html.share(source.grounded)))
    outline = [table for sheet in sheets for table in sheet.tables]
    return html.page("document", **_common(contents, facts, place), sheets=sheets, outline=outline)


def _texts(page: _PageView, pages: dict[int, PageContent]) -> dict[int, str]:
    """Of a long document, the side file of each page's text; none of a short one, whose page has them all."""
    if sum(len(content.text) for content in pages.values()) <= _INLINE_TEXT_BYTES:
        return {}
    at: dict[int, str] = {}
    numbers = sorted(number for number, content in pages.items() if content.text)
    for first in range(0, len(numbers), _PAGES_A_FILE):
        portion = numbers[first : first + _PAGES_A_FILE]
        side = page.put(f"text-{portion[0]}.html", html.side({number: pages[number].text for number in portion}))
        at |= dict.fromkeys(portion, side)
    return at


def _tables(page: _PageView, tables: Sequence[TableContent]) -> dict[int, list[TableView]]:
    """The tables of each page, and their CSV files beside it."""
    views: dict[int, list[TableView]] = {}
    at = {table.id: table for table in tables}
    cells_left = grid.MAX_CELLS_PER_SOURCE
    for table in tables:
        n_rows = grid.rows_shown(table.n_rows, table.n_cols, cells_left=cells_left)
        shown = grid.lay_out(table, n_rows=n_rows)
        cells_left = max(0, cells_left - sum(map(len, shown.rows)))
        name = f"{anchor(table)}.csv"
        before = at.get(table.continues or "")
        doubts = {at: check.note for check in table.failed_checks for at in check.suspects}
        rest = _rest(table, doubts) if n_rows < table.n_rows else None
        view = TableView(
            id=table.id,
            anchor=anchor(table),
            page=table.page,
            caption=table.caption,
            box=table.box,
            n_rows=table.n_rows,
            n_cols=table.n_cols,
            grounded=table.grounded,
            continues=anchor(before) if before else None,
            continues_page=before.page if before else None,
            grid=shown,
            boxed=tuple((slot.key, slot.cell) for slots in shown.rows for slot in slots if slot.cell and slot.cell.box),
            csv=page.put(name, grid.as_csv(table)),
            csv_name=f"{Path(page.source.name).stem}-page{table.page}-table{table.number + 1}.csv",
            failed_checks=tuple(check.note for check in table.failed_checks),
            doubts=doubts,
            rest=page.put(f"{anchor(table)}-rows.html", html.side(rest)) if rest else None,
        )
        views.setdefault(table.page, []).append(view)
    return views


def _rest(table: TableContent, doubts: dict[tuple[int, int], str]) -> dict[str, Any]:
    """All rows of a table that its page cuts, for the script that lays them out:
    [text, key, row_span, col_span, is_header, classes, title, box] for each cell."""
    whole = grid.lay_out(table, n_rows=min(table.n_rows, grid.MAX_ROWS_ASKED))
    return {
        "header": whole.n_header_rows,
        "rows": [[_slot(slot, doubts) for slot in slots] for slots in whole.rows],
    }


def _slot(slot: Slot, doubts: dict[tuple[int, int], str]) -> list[Any] | None:
    cell = slot.cell
    if cell is None:
        return None
    box = [round(edge, 2) for edge in cell.box] if cell.box else None
    classes = html.slot_classes(slot, doubts)
    title = html.why_doubted(cell, doubts)
    return [cell.text, slot.key, slot.row_span, slot.col_span, int(cell.is_header), classes, title, box]


def anchor(table: TableContent) -> str:
    """A table's place on its page."""
    return f"t{table.page}-{table.number}"


def _video(page: _PageView, contents: ReportContents, place: PicturePlace) -> str:
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
        **_common(contents, facts, place),
        film=original(source),
        scenes=scenes,
        cues=contents.cues,
        frames=[(at, page.address(name)) for at, name in names.items()],
        frames_why_not=next(iter(why_not.values()), None),
        ticks=html.ticks(duration_s),
        along=lambda at: f"{100 * at / duration_s if duration_s else 0:.3f}%",
        scene_at=lambda at: contents.scenes[max(0, bisect_right(starts_s, at) - 1)].number if scenes else None,
    )


def _common(contents: ReportContents, facts: list[tuple[str, Any]], place: PicturePlace) -> dict[str, Any]:
    source = contents.source
    facts += [("Size", html.size(source.size_bytes)), ("Read by", ", ".join(engine_names(source.engines)) or "–")]
    if source.models:
        facts.append(("Model", ", ".join(source.models)))
    if source.read_at:
        facts.append(("Read", html.moment(source.read_at)))
    noted = [reading for reading in contents.readings if reading["note"]]
    return {
        "source": source,
        "place": place,
        "original": original(source),
        "summary": contents.summary,
        "facts": facts,
        "notes": noted,
    }


def engine_names(engines: Iterable[str]) -> list[str]:
    """The engine in words that need no manual."""
    return [
        {"embedded": "built-in rules", "aria": "Aria, local", "remote": "a model server"}.get(e, e) for e in engines
    ]
