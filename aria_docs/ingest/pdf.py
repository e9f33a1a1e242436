"""PDF files → pages as data: text, words, table candidates, pixels. Knows no model, no tiling, no store.

MuPDF is not thread-safe and its parsers meet hostile bytes: everything here is meant to run in a forked child with
limits on time and memory. It raises or returns; it never prints, starts a thread or starts a process.

All boxes are in points from the top left of the page as displayed (rotation and crop box applied).
"""

from __future__ import annotations

import contextlib
import math
import stat
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from aria_docs.errors import Damaged, Encrypted, Unreachable, WrongKind
from aria_docs.ingest.pdf_text import NO_LINES, PageText, clean, page_text
from aria_docs.ingest.scans.reader import HOW_TO_GET_IT
from aria_docs.ingest.text_layer import read_layer
from aria_docs.media import DocumentInfo, Page, one_note

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from aria_docs.ingest.reading_order import TextLine
    from aria_docs.ingest.scans.reader import OcrName
    from aria_docs.ingest.scans.scan import Scan
    from aria_docs.ingest.text_layer import TextLayer
    from aria_docs.media import Box, TableCandidate, Word

    Apart = Callable[[Callable[[], Any]], Any]

# The longest side of a rendered picture: 8192 px are 200 MB in RGB, more than any reader here asks for.
MAX_EDGE_PX = 8192

_HEADER_BYTES = 1024  # Acrobat looks for %PDF- no further, and so do we (ISO 32000-1, Annex H, note 13)
_CACHE_BYTES = 64 << 20  # MuPDF's store of fonts and images, cut back to this after each page

NO_TEXT = "no text layer"
_FEW_WORDS = 3  # read on the background of a page of text
_COVERED = 0.5  # of a line that was read: then the text layer has it, too


def warm() -> None:
    """Load PyMuPDF and its networks, once; a process that has done so can fork children that use them at once."""
    import aria_docs.ingest.mupdf  # noqa: F401
    from aria_docs.ingest.scans import choice

    if (reader := choice.choose(None)) is not None:
        choice.load(reader)


def _first_bytes(head: bytes) -> str:
    """What a message shows of a file that is no PDF: eight characters, others than ASCII's as \\xNN."""
    return repr(head[:8])[1:]


def open_document(
    path: Path, *, passwords: Sequence[str] = (), ocr: OcrName | None = None, apart: Apart | None = None
) -> OpenPdf:
    """Open a PDF whatever its name; each of `passwords` is tried where it asks for one.

    ocr:    who reads the pages that have no usable text layer; nobody, and their notes say so.
    apart:  where their pictures are read, which takes some hundreds of megabytes; here where nothing is said.

    Raises Unreachable, WrongKind, Encrypted, or Damaged where no page can be reached.
    """
    from aria_docs.ingest.mupdf import ERRORS, pymupdf

    head = _head(path)
    try:
        with _name_for_mupdf(path) as name:
            handle = pymupdf.open(name, filetype="pdf")
    except ERRORS as e:
        if b"%PDF-" in head:
            raise Damaged(f"{path} begins like a PDF, but nothing in it can be read: fetch or export it again") from e
        raise WrongKind(f"{path} is no PDF: it begins with {_first_bytes(head)}") from e
    with contextlib.ExitStack() as unless_opened:
        unless_opened.callback(handle.close)
        if not handle.is_pdf:
            raise WrongKind(f"{path} is no PDF: it begins with {_first_bytes(head)}")
        if handle.needs_pass and not any(handle.authenticate(password) for password in passwords):
            tried = f"none of {len(passwords)} passwords opens it" if passwords else "it asks for a password"
            raise Encrypted(f"{path} is encrypted and {tried}: add its password to a file given with --password-file")
        document = OpenPdf(path, handle, ocr=ocr, apart=apart)
        unless_opened.pop_all()
    return document


@contextmanager
def _name_for_mupdf(path: Path) -> Iterator[str]:
    """MuPDF takes names in UTF-8 and no others; a file whose name is not is opened here."""
    if all(not "\udc80" <= char <= "\udcff" for char in str(path)):  # what os.fsdecode() makes of other bytes
        yield str(path)
        return
    with path.open("rb") as file:
        yield f"/dev/fd/{file.fileno()}"


def _head(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise Unreachable(f"{path} is no plain file: name a file or a folder of files")
        with path.open("rb") as file:
            head = file.read(_HEADER_BYTES)
    except OSError as e:
        raise Unreachable(f"{path} cannot be opened: {e.strerror}") from e
    if not head:
        raise WrongKind(f"{path} is empty: fetch or export it again")
    return head


class OpenPdf:
    """An open PDF. Pages are loaded one at a time and nothing of them is kept but the last scan."""

    def __init__(self, path: Path, handle: Any, *, ocr: OcrName | None = None, apart: Apart | None = None) -> None:
        self.path = path
        self._handle = handle
        self._ocr, self._apart = ocr, apart
        self._last: tuple[int, _ReadPage] | None = None
        self.info = self._info()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._handle.close()

    def _info(self) -> DocumentInfo:
        return _info(self.path, self._handle)

    def sizes(self) -> list[tuple[float, float]]:
        """(width, height) of every page, in points as displayed. Raises Damaged."""
        return [self.size(number) for number in range(1, self.info.n_pages + 1)]

    def size(self, number: int) -> tuple[float, float]:
        """(width, height) of a page, in points as displayed. Raises Damaged."""
        with self._open(number) as page:
            return page.rect.width, page.rect.height

    def page(self, number: int) -> Page:
        """Text and words of a page, from 1; a few milliseconds, or some seconds where it must be read from its picture.

        What the page shows and its text layer lacks is read from its picture if there is an OCR reader; else the page
        has a note that begins with NO_TEXT. Raises Damaged.
        """
        found = self._scan_page(number, *self._text_of(number))
        self._last = number, found
        return found.page

    def _text_of(self, number: int) -> tuple[TextLayer, tuple[float, float]]:
        """The text layer of a page, and its size in points."""
        from aria_docs.ingest.mupdf import ERRORS

        with self._open(number) as handle:
            try:
                return read_layer(handle), (handle.rect.width, handle.rect.height)
            except ERRORS as e:
                raise self._damage(number, e) from e

    def _scan_page(self, number: int, layer: TextLayer, size_pt: tuple[float, float]) -> _ReadPage:
        """The page with what is read of its pictures."""
        whole = (0.0, 0.0, *size_pt)
        wrong = self._is_wrong(number, layer, size_pt)
        if wrong:  # in a part of it: then nothing of it is believed
            layer = replace(layer, words=(), lines=(), text=NO_LINES)
        boxes = [whole] if wrong else self._find_unread(number, layer, size_pt)
        text = layer.text
        note = one_note(*layer.notes)
        page = Page(number, *size_pt, text.text, layer.words, note=note, lines=text.boxes, fields=layer.fields)
        if self._ocr is None:
            return _ReadPage(replace(page, note=one_note(note, _not_read(layer, boxes, size_pt))), layer)
        scans = []
        for box in boxes:
            placed = self._scan_of(number, box, size_pt, self._ocr)
            if placed.adds_to(layer.words, box):
                scans.append(placed)
        return _ReadPage(_merge(page, layer, scans) if scans else page, layer, tuple(scans))

    def _is_wrong(self, number: int, layer: TextLayer, size_pt: tuple[float, float]) -> bool:
        """Whether a text layer says what the page does not show: what a program took a scan for, or a font that says
        salad. Some of its words are compared with the page's picture, if a reader is there."""
        from aria_docs.ingest.scans import choice
        from aria_docs.ingest.scans.unread import WHOLE_PAGE, is_wrong, unread_boxes

        doubtful = layer.doubtful
        if layer.invisible:
            areas = ((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in unread_boxes(layer.painted, size_pt))
            if max(areas, default=0.0) >= WHOLE_PAGE * size_pt[0] * size_pt[1]:
                doubtful = layer.words
        if not doubtful or self._ocr is None:
            return False
        picture, scale = self._to_read(number)
        reader = choice.load(self._ocr)

        def compare() -> bool:
            return is_wrong(picture, doubtful, reader, scale)

        return bool(self._apart(compare) if self._apart else compare())

    def _find_unread(self, number: int, layer: TextLayer, size_pt: tuple[float, float]) -> list[Box]:
        """Boxes of what must be read from its picture; the whole page as one where that is most of it."""
        from aria_docs.ingest.scans.unread import LOOK_DPI, LOOK_EDGE_PX, WHOLE_PAGE, shows_text, unread_boxes

        width, height = size_pt
        whole = [(0.0, 0.0, width, height)]
        if not layer.words:
            shows = any(kind.startswith(("fill", "stroke")) for kind, _ in layer.painted)
            return whole if shows else []
        boxes = unread_boxes(layer.painted, size_pt)
        if not boxes:
            return []
        edge_px = max(1, min(LOOK_EDGE_PX, round(max(size_pt) * LOOK_DPI / 72)))
        picture = self._pixels(number, long_edge_px=edge_px, gray=True)[:, :, 0]
        boxes = shows_text(picture, edge_px / max(size_pt), boxes, layer.words)
        covered = sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in boxes)
        return whole if covered >= WHOLE_PAGE * width * height else boxes

    def _to_read(self, number: int) -> tuple[NDArray[np.uint8], float]:
        """The page in gray as a reader takes it, and its pixels a point."""
        from aria_docs.ingest.scans import scan as scans

        long_side_pt = max(self.size(number))
        edge_px = min(scans.PICTURE_EDGE_PX, math.ceil(long_side_pt * scans.PICTURE_DPI / 72))
        return self._pixels(number, long_edge_px=edge_px, gray=True)[:, :, 0], edge_px / long_side_pt

    def _scan_of(self, number: int, box: Box, size_pt: tuple[float, float], reader: OcrName) -> _PlacedScan:
        """What is read in a box of the page."""
        from aria_docs.ingest.scans import choice
        from aria_docs.ingest.scans import scan as scans

        picture, scale = self._to_read(number)
        x0, y0, x1, y1 = (round(edge * scale) for edge in box)
        part = np.ascontiguousarray(picture[y0:y1, x0:x1])
        networks = choice.load(reader)

        def read() -> Scan:
            return scans.scan(part, networks, width_pt=part.shape[1] / scale)

        scan = self._apart(read) if self._apart else read()
        return _PlacedScan(scan, x0 / scale, y0 / scale, box == (0.0, 0.0, *size_pt))

    def with_tables(self, page: Page) -> Page:
        """The page with its table candidates, and with a note where it was too crowded for the full search."""
        from aria_docs.ingest.scans.tables import find_in_scan

        if self._last is None or self._last[0] != page.number:
            self.page(page.number)
        assert self._last
        found = self._last[1]
        candidates: list[TableCandidate] = []
        notes = [page.note]
        for placed in found.scans:
            tables, note = find_in_scan(placed.scan)
            candidates += [_move(table, placed) for table in tables]
            notes.append(note)
        if not any(placed.whole for placed in found.scans):
            tables, note = self._find_in_layer(
                page.number, replace(page, words=found.layer.words), found.layer.quarters
            )
            candidates += tables
            notes.append(note)
        return replace(page, candidates=tuple(candidates), note=one_note(*notes))

    def _find_in_layer(self, number: int, page: Page, quarters: int) -> tuple[tuple[TableCandidate, ...], str | None]:
        """The tables of the text layer, and why they may not be all."""
        from aria_docs.ingest.mupdf import ERRORS
        from aria_docs.ingest.tables.candidates import find

        with self._open(number) as handle:
            try:
                return find(handle, page, quarters)
            except ERRORS as e:
                raise self._damage(number, e) from e

    def render(self, number: int, *, long_edge_px: int) -> NDArray[np.uint8]:
        """The page as displayed: RGB, shape (height, width, 3), its longer side `long_edge_px` long. Raises Damaged."""
        return self._pixels(number, long_edge_px=long_edge_px, gray=False)

    def render_to(self, number: int, size_px: tuple[int, int]) -> NDArray[np.uint8]:
        """The page as displayed, stretched to (width, height): RGB, shape (height, width, 3). Raises Damaged.

        A pixel more or less where MuPDF rounds a page's edge otherwise.
        """
        return self._pixels(number, size_px=size_px, gray=False)

    def _pixels(
        self, number: int, *, long_edge_px: int = 0, size_px: tuple[int, int] | None = None, gray: bool
    ) -> NDArray[np.uint8]:
        from aria_docs.ingest.mupdf import ERRORS, pymupdf

        assert 1 <= max(size_px or (long_edge_px,)) <= MAX_EDGE_PX, (size_px, long_edge_px)
        colours = pymupdf.csGRAY if gray else pymupdf.csRGB
        with self._open(number) as page:
            # By matrix and not by dpi: a page may be 144,000 points wide.
            across = down = long_edge_px / max(page.rect.width, page.rect.height)
            if size_px:
                across, down = size_px[0] / page.rect.width, size_px[1] / page.rect.height
            try:
                pixmap = page.get_pixmap(matrix=pymupdf.Matrix(across, down), colorspace=colours, alpha=False)
            except ERRORS as e:
                raise self._damage(number, e) from e
            if not (pixmap.w and pixmap.h):
                raise Damaged(
                    f"{self.path}: page {number} has no pixels, its box is {', '.join(f'{x:g}' for x in page.rect)}"
                )
            pixels = np.frombuffer(pixmap.samples_mv, dtype=np.uint8).reshape(pixmap.h, pixmap.stride)
            # A copy: the pixmap's memory goes with it.
            return pixels[:, : pixmap.n * pixmap.w].reshape(pixmap.h, pixmap.w, pixmap.n).copy()

    def _open(self, number: int) -> _OpenPage:
        return _OpenPage(self, number)

    def _damage(self, number: int, error: Exception) -> Damaged:
        return Damaged(f"{self.path}: page {number} cannot be read ({clean(str(error)) or type(error).__name__})")


class _OpenPage:
    """A loaded page, and MuPDF's caches cut back behind it: a manual of 1,158 pages stays in bounded memory."""

    def __init__(self, document: OpenPdf, number: int) -> None:
        self._document, self._number = document, number

    def __enter__(self) -> Any:
        from aria_docs.ingest.mupdf import ERRORS

        assert 1 <= self._number <= self._document.info.n_pages, self._number
        try:
            page = self._document._handle.load_page(self._number - 1)
            rect = page.rect
        except ERRORS as e:
            raise self._document._damage(self._number, e) from e
        if not (0 < rect.width < float("inf") and 0 < rect.height < float("inf")):
            raise Damaged(f"{self._document.path}: page {self._number} has no area, there is nothing to read on it")
        return page

    def __exit__(self, *_: object) -> None:
        from aria_docs.ingest.mupdf import pymupdf

        pymupdf.TOOLS.store_shrink(50)


def _info(path: Path, handle: Any) -> DocumentInfo:
    """Pages, title and what is wrong with the file; mends a page count that cannot be true."""
    from aria_docs.ingest.mupdf import ERRORS

    notes = []
    if handle.is_repaired:
        notes.append("repaired: the file was damaged and was rebuilt from the objects found in it")
    try:
        n_pages = handle.page_count
    except ERRORS as e:
        n_pages = _count_pages(handle)
        try:
            kind, root = handle.xref_get_key(handle.pdf_catalog(), "Pages")
            if not n_pages or kind != "xref":
                raise Damaged(f"{path} has no readable page tree: fetch or export it again") from e
            handle.xref_set_key(int(root.split()[0]), "Count", str(n_pages))
            handle.load_page(0)
        except ERRORS:
            raise Damaged(f"{path} has no readable page tree: fetch or export it again") from e
        notes.append(f"the page tree promises a number of pages that cannot be; {n_pages} found")
    else:
        try:
            if n_pages:
                handle.load_page(n_pages - 1)
        except ERRORS:
            found = min(n_pages, _count_pages(handle))
            if found < n_pages:
                notes.append(f"the page tree promises {n_pages} pages; {found} found")
                n_pages = found
    notes += _name_unread_parts(handle)
    title = clean((handle.metadata or {}).get("title") or "").strip()
    return DocumentInfo(n_pages=n_pages, title=title or None, note="; ".join(notes) or None)


def _name_unread_parts(handle: Any) -> list[str]:
    """What a PDF holds besides its pages."""
    from aria_docs.ingest.mupdf import ERRORS

    notes = []
    with contextlib.suppress(*ERRORS):  # a catalogue that cannot be read names no parts
        _, form = handle.xref_get_key(handle.pdf_catalog(), "AcroForm/XFA")
        if form != "null" and not handle.is_form_pdf:
            notes.append("an XFA form: what is filled in there was not read, print it to a PDF first")
        if n := handle.embfile_count():
            names = ", ".join(clean(name) for name in handle.embfile_names()[:5])
            notes.append(f"{n} attached files were not read ({names}): save them beside it")
    return notes


def _count_pages(handle: Any) -> int:
    """The page objects in the file, whatever its page tree says."""
    from aria_docs.ingest.mupdf import ERRORS

    n_pages = 0
    for xref in range(1, handle.xref_length()):
        with contextlib.suppress(*ERRORS):  # an object that cannot be read is no page
            n_pages += handle.xref_get_key(xref, "Type") == ("name", "/Page")
    return n_pages


@dataclass(frozen=True, slots=True)
class _PlacedScan:
    """What was read of a part of a page, and where that part begins."""

    scan: Scan
    x: float
    y: float
    whole: bool

    def to_page(self, box: Box) -> Box:
        """A box of the scan's upright frame, on the page as displayed."""
        x0, y0, x1, y1 = self.scan.to_page(box)
        return x0 + self.x, y0 + self.y, x1 + self.x, y1 + self.y

    def adds_to(self, words: Sequence[Word], box: Box) -> bool:
        """Whether more was read than the text layer has there: of a few words on a background the picture says no
        more, and less surely."""
        if not words:
            return True
        there = sum(_is_within(word.box, box) for word in words)
        return len(self.words(words)) >= (max(_FEW_WORDS, there) if self.whole else 2)

    def words(self, but: Sequence[Word]) -> list[Word]:
        """As displayed, without those that stand where the text layer has some."""
        words = (replace(word, box=self.to_page(word.box)) for word in self.scan.words)
        return [word for word in words if not any(_is_within(word.box, other.box) for other in but)]

    def lines(self, but: Sequence[Word]) -> list[TextLine]:
        """As displayed, without those most of which stands where the text layer has words."""
        placed = [replace(line, box=self.to_page(line.box), in_picture=not self.whole) for line in self.scan.lines]
        return [line for line in placed if _share_covered(line.box, but) < _COVERED]


@dataclass(frozen=True, slots=True)
class _ReadPage:
    """A page, and what it was read from."""

    page: Page
    layer: TextLayer
    scans: tuple[_PlacedScan, ...] = ()


def _merge(page: Page, layer: TextLayer, scans: Sequence[_PlacedScan]) -> Page:
    """The page with the words of its scans besides those of its text layer, all in one reading order."""
    words = (*layer.words, *(word for placed in scans for word in placed.words(layer.words)))
    whole = any(placed.whole for placed in scans)
    if not layer.words and len(scans) == 1 and whole:  # in the frame of the scan, which may be turned
        text = scans[0].scan.read
        boxes = tuple(map(scans[0].to_page, text.boxes))
        return replace(page, text=text.text, words=words, from_ocr=True, lines=boxes)
    if layer.words and not layer.lines:  # turned or mirrored: the texts stand in two frames
        apart = [placed.scan.read for placed in scans]
        boxes = tuple(placed.to_page(box) for placed in scans for box in placed.scan.read.boxes)
        text = PageText("\n\n".join(part.text for part in (layer.text, *apart)), (*layer.text.boxes, *boxes))
    else:
        read = [line for placed in scans for line in placed.lines(layer.words)]
        text = page_text([*layer.lines, *read], page.height_pt)
    return replace(page, text=text.text, words=words, from_ocr=whole, lines=text.boxes)


def _not_read(layer: TextLayer, boxes: Sequence[Box], size_pt: tuple[float, float]) -> str | None:
    """Why a page is not read whole, where there is no OCR reader."""
    if layer.is_salad:
        return f"{NO_TEXT} that says what is shown, its letters are of no language: {HOW_TO_GET_IT}"
    if not boxes:
        return None
    share = sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in boxes) / (size_pt[0] * size_pt[1])
    where = f" under a picture of {share:.0%} of the page" if layer.words else ""
    return f"{NO_TEXT}{where}: {HOW_TO_GET_IT}"


def _move(table: TableCandidate, placed: _PlacedScan) -> TableCandidate:
    def moved(box: Box) -> Box:
        return box[0] + placed.x, box[1] + placed.y, box[2] + placed.x, box[3] + placed.y

    cells = tuple(replace(cell, box=moved(cell.box) if cell.box else None) for cell in table.cells)
    return replace(table, box=moved(table.box), cells=cells)


def _is_within(box: Box, other: Box) -> bool:
    """Whether the middle of a box is in the other."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return other[0] - 1 <= x <= other[2] + 1 and other[1] - 1 <= y <= other[3] + 1


def _share_covered(box: Box, words: Sequence[Word]) -> float:
    """How much of a line's width words of the text layer take."""
    y = (box[1] + box[3]) / 2
    level = [word.box for word in words if word.box[1] - 1 <= y <= word.box[3] + 1]
    inside = sum(max(0.0, min(box[2], other[2]) - max(box[0], other[0])) for other in level)
    return inside / max(1.0, box[2] - box[0])
