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
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from aria_docs.errors import Damaged, Encrypted, Unreachable, WrongKind
from aria_docs.ingest.pdf_text import Line, clean, page_text
from aria_docs.ingest.scans.reader import HOW_TO_GET_IT
from aria_docs.ingest.words import mend
from aria_docs.media import Box, DocumentInfo, Page, Word, one_note
from aria_docs.turns import quarters_upright, turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from aria_docs.ingest.scans.reader import OcrName, Scan

    Apart = Callable[[Callable[[], Scan]], Scan]

# A page may draw a form 2^18 times: what one page yields is bounded, and its note says so.
MAX_CHARS = 500_000
MAX_WORDS = 50_000

# The longest side of a rendered picture: 8192 px are 200 MB in RGB, more than any reader here asks for.
MAX_EDGE_PX = 8192

_HEADER_BYTES = 1024  # Acrobat looks for %PDF- no further, and so do we (ISO 32000-1, Annex H, note 13)
_CACHE_BYTES = 64 << 20  # MuPDF's store of fonts and images, cut back to this after each page

NO_TEXT = "no text layer"
_FEW_WORDS = 10  # a fax line or a page number, stamped on the picture of a page
_SCAN_AREA = 0.85  # of the page
_UNDECODED = 0.5  # of the characters of a text layer; more, and nothing can be made of the rest


def warm() -> None:
    """Load PyMuPDF and its networks, once; a process that has done so can fork children that use them at once."""
    import aria_docs.ingest.mupdf  # noqa: F401
    from aria_docs.ingest.scans import reader as ocr

    if (reader := ocr.choose(None)) is not None:
        ocr.load(reader)


def open_document(
    path: Path, *, passwords: Sequence[str] = (), ocr: OcrName | None = None, apart: Apart | None = None
) -> Document:
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
        raise WrongKind(f"{path} is no PDF: it begins with {head[:8]!r}") from e
    with contextlib.ExitStack() as unless_opened:
        unless_opened.callback(handle.close)
        if not handle.is_pdf:
            raise WrongKind(f"{path} is no PDF: it begins with {head[:8]!r}")
        if handle.needs_pass and not any(handle.authenticate(password) for password in passwords):
            tried = f"none of {len(passwords)} passwords opens it" if passwords else "it asks for a password"
            raise Encrypted(f"{path} is encrypted and {tried}: add its password to a file given with --password-file")
        document = Document(path, handle, ocr=ocr, apart=apart)
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


class Document:
    """An open PDF. Pages are loaded one at a time and nothing of them is kept but the last scan."""

    def __init__(self, path: Path, handle: Any, *, ocr: OcrName | None = None, apart: Apart | None = None) -> None:
        self.path = path
        self._handle = handle
        self._ocr, self._apart = ocr, apart
        self._scan: tuple[int, Scan] | None = None
        self.info = _info(path, handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._handle.close()

    def sizes(self) -> list[tuple[float, float]]:
        """(width, height) of every page, in points as displayed. Raises Damaged."""
        return [self.size(number) for number in range(1, self.info.n_pages + 1)]

    def size(self, number: int) -> tuple[float, float]:
        """(width, height) of a page, in points as displayed. Raises Damaged."""
        with self._open(number) as page:
            return page.rect.width, page.rect.height

    def page(self, number: int) -> Page:
        """Text and words of a page, from 1; a few milliseconds, or some seconds where it must be read from its picture.

        A page that shows something but has no usable text layer, and that nobody reads, has a note that begins with
        NO_TEXT. Raises Damaged.
        """
        from aria_docs.ingest.mupdf import ERRORS

        with self._open(number) as page:
            try:
                layer, usable = _read(page, number)
            except ERRORS as e:
                raise self._damaged(number, e) from e
        if usable:
            return layer
        if self._ocr is None:
            return replace(layer, note=one_note(layer.note, f"{NO_TEXT}: {HOW_TO_GET_IT}"))
        scan = self._read_picture(layer, self._ocr)
        if layer.words and len(scan.words) <= len(layer.words):
            return layer  # a few words on a background: the picture says no more, and less surely
        self._scan = number, scan
        words = tuple(replace(word, box=scan.to_page(word.box)) for word in scan.words)
        return replace(layer, text=scan.text, words=words, from_ocr=True)

    def _read_picture(self, page: Page, reader: OcrName) -> Scan:
        from aria_docs.ingest.scans import reader as ocr

        long_side_pt = max(page.width_pt, page.height_pt)
        edge_px = min(ocr.PICTURE_EDGE_PX, math.ceil(long_side_pt * ocr.PICTURE_DPI / 72))
        picture = self._pixels(page.number, long_edge_px=edge_px, gray=True)[:, :, 0]
        networks = ocr.load(reader)

        def read() -> Scan:
            return ocr.scan(picture, networks, width_pt=page.width_pt)

        return self._apart(read) if self._apart else read()

    def with_tables(self, page: Page) -> Page:
        """The page with its table candidates, and with a note where it was too crowded for the full search."""
        from aria_docs.ingest.mupdf import ERRORS
        from aria_docs.ingest.scans.tables import find_in_scan
        from aria_docs.ingest.tables.candidates import find

        with self._open(page.number) as handle:
            try:
                if page.from_ocr and self._ocr:
                    if self._scan is None or self._scan[0] != page.number:
                        self._scan = page.number, self._read_picture(page, self._ocr)
                    candidates, note = find_in_scan(self._scan[1])
                else:
                    candidates, note = find(handle, page)
            except ERRORS as e:
                raise self._damaged(page.number, e) from e
        return replace(page, candidates=candidates, note=one_note(page.note, note))

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
                raise self._damaged(number, e) from e
            if not (pixmap.w and pixmap.h):
                raise Damaged(
                    f"{self.path}: page {number} has no pixels, its box is {', '.join(f'{x:g}' for x in page.rect)}"
                )
            pixels = np.frombuffer(pixmap.samples_mv, dtype=np.uint8).reshape(pixmap.h, pixmap.stride)
            # A copy: the pixmap's memory goes with it.
            return pixels[:, : pixmap.n * pixmap.w].reshape(pixmap.h, pixmap.w, pixmap.n).copy()

    def _open(self, number: int) -> _OpenPage:
        return _OpenPage(self, number)

    def _damaged(self, number: int, error: Exception) -> Damaged:
        return Damaged(f"{self.path}: page {number} cannot be read ({clean(str(error)) or type(error).__name__})")


class _OpenPage:
    """A loaded page, and MuPDF's caches cut back behind it: a manual of 1,158 pages stays in bounded memory."""

    def __init__(self, document: Document, number: int) -> None:
        self._document, self._number = document, number

    def __enter__(self) -> Any:
        from aria_docs.ingest.mupdf import ERRORS

        assert 1 <= self._number <= self._document.info.n_pages, self._number
        try:
            page = self._document._handle.load_page(self._number - 1)
            rect = page.rect
        except ERRORS as e:
            raise self._document._damaged(self._number, e) from e
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
    title = clean((handle.metadata or {}).get("title") or "").strip()
    return DocumentInfo(n_pages=n_pages, title=title or None, note="; ".join(notes) or None)


def _count_pages(handle: Any) -> int:
    """The page objects in the file, whatever its page tree says."""
    from aria_docs.ingest.mupdf import ERRORS

    n_pages = 0
    for xref in range(1, handle.xref_length()):
        with contextlib.suppress(*ERRORS):  # an object that cannot be read is no page
            n_pages += handle.xref_get_key(xref, "Type") == ("name", "/Page")
    return n_pages


def _read(page: Any, number: int) -> tuple[Page, bool]:
    """What the text layer says, and whether it can be used: whether it is there, and says what the page shows."""
    from aria_docs.ingest.mupdf import pymupdf

    flags = pymupdf.TEXT_PRESERVE_WHITESPACE | pymupdf.TEXT_MEDIABOX_CLIP
    textpage = page.get_textpage(flags=flags)
    matrix = page.rotation_matrix if page.rotation else None
    notes = []

    raw_words = textpage.extractWORDS()
    unknown = _unknown("".join(raw[4] for raw in raw_words))
    if 0 < unknown <= _UNDECODED:  # the numbers of glyphs say more than question marks, and often what they should
        textpage = page.get_textpage(flags=flags | pymupdf.TEXT_CID_FOR_UNKNOWN_UNICODE)
        raw_words = textpage.extractWORDS()
    if len(raw_words) > MAX_WORDS:
        notes.append(f"cut: only the first {MAX_WORDS:,} of {len(raw_words):,} words are kept")
        raw_words = raw_words[:MAX_WORDS]
    blocks = textpage.extractDICT()["blocks"]
    words = tuple(
        Word(text, _box(raw[:4], matrix), raw[5], raw[6])
        for raw in mend(textpage, raw_words, blocks)
        if (text := clean(raw[4]).strip()) and _is_somewhere(raw[:4])
    )
    raw_lines = [(line, block["number"]) for block in blocks for line in block.get("lines", ())]
    quarters = quarters_upright((*line["dir"], len(line["spans"])) for line, _ in raw_lines)
    area = textpage.rect
    lines = []
    n_chars = 0
    for raw_line, block in raw_lines:
        line = _line(raw_line, block)
        if not _is_somewhere((*line.box, line.size_pt)):
            continue
        n_chars += len(line.text)
        if n_chars > MAX_CHARS:
            notes.append(f"cut: only the first {MAX_CHARS:,} characters of the text are kept")
            break
        if quarters:
            line = replace(line, box=turn(line.box, quarters, area.width, area.height))
        lines.append(line)
    text = page_text(lines)
    if unknown > _UNDECODED:
        words, text = (), ""
    usable = len(words) >= _FEW_WORDS or not _is_picture(page, has_words=bool(words))
    rect = page.rect
    return Page(number, rect.width, rect.height, text, words, note=one_note(*notes)), usable


def _line(raw: dict[str, Any], block: int) -> Line:
    spans = raw["spans"]
    text = clean("".join(span["text"] for span in spans))
    main = max(spans, key=lambda span: len(span["text"].strip()))
    bold = bool(main["flags"] & 16) or "bold" in main["font"].lower()
    return Line(text, raw["bbox"], main["size"], bold, block)


def _is_somewhere(places: Iterable[float]) -> bool:
    """Text set in an endless size, or endlessly far away, is on no page that anyone sees."""
    return all(map(isfinite, places))


def _box(box: Any, matrix: Any) -> Box:
    if matrix is not None:
        from aria_docs.ingest.mupdf import pymupdf

        box = (pymupdf.Rect(box) * matrix).normalize()
    x0, y0, x1, y1 = box
    return (x0, y0, x1, y1)


def _unknown(text: str) -> float:
    """The share of characters that stand for what the font does not tell: U+FFFD and private use."""
    return sum(c == "\ufffd" or "\ue000" <= c <= "\uf8ff" for c in text) / max(1, len(text))


def _is_picture(page: Any, *, has_words: bool) -> bool:
    """Whether a page shows ink or an image; with words beside it, a stamp on a scan, an image as large as the page."""
    log = page.get_bboxlog()
    if not has_words:
        return any(kind.startswith(("fill", "stroke")) for kind, _ in log)
    rect = page.rect
    return any(
        kind == "fill-image" and (x1 - x0) * (y1 - y0) >= _SCAN_AREA * rect.width * rect.height
        for kind, (x0, y0, x1, y1) in log
    )
