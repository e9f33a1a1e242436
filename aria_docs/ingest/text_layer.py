"""The text layer of a page → words and lines as people see them. Works on MuPDF's pages, keeps none.

A text layer says more than the page shows: white and covered text, text outside the page, text drawn twice; and it
says it in another order: mirrored, from right to left. What is not visible is left out here, for words and lines alike.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from aria_docs.bidi import in_reading_order
from aria_docs.ingest.dingbats import as_shown
from aria_docs.ingest.forms import fields_of, in_fields, with_fields
from aria_docs.ingest.letters import is_salad, is_strange
from aria_docs.ingest.pdf_text import NO_LINES, PageText, TextLine, clean, page_text
from aria_docs.ingest.words import mend
from aria_docs.media import Box, FormField, Word
from aria_docs.turns import is_mirrored, quarters_upright, turn

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

# A page may draw a form 2^18 times: what one page yields is bounded, and its note says so.
MAX_CHARS = 500_000
MAX_WORDS = 50_000

_UNDECODED = 0.5  # of the characters of a text layer; more, and nothing can be made of the rest
_ASCENT, _DESCENT = 0.8, 0.2  # of the size, from the baseline: fonts say of themselves anything up to 3
_BOLD = re.compile(r"bold|black|heavy|medi(?!um)|demi|(?<![a-z])cmbx|\.BI?$", re.IGNORECASE)
_RTL = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_SOFT_HYPHEN = re.compile("\u00ad(?!$)")

_PAINTED = 16 | 32  # MuPDF's flags of a character that is filled or stroked
_OPAQUE = 12  # of 255; less is no more than a watermark's trace
_WHITE = 0xE8  # in all three colours
_CONTRAST = 24  # of 255 levels: text that can be read differs so much from what it stands on
_MAX_SUSPECTS = 300
_LOOK_SCALE = 2.0  # pixels a point: a stem of 9-point type has one
_WIDE_GAP = 1.6  # of the size, between words of a right-to-left line that MuPDF has joined


@dataclass(frozen=True, slots=True)
class TextLayer:
    """What a text layer says.

    quarters:   clockwise quarter turns that set most of the text upright, from the page's own coordinates.
    lines:      as displayed; empty where most of the text is turned or mirrored.
    invisible:  whether most of it is not painted: what another program has read of a picture.
    doubtful:   words in fonts whose letters are hardly those of a language; is_salad: it is certain.
    painted:    what the page paints, in order: the kind, as MuPDF names it, and the box as displayed.
    """

    words: tuple[Word, ...] = ()
    text: PageText = NO_LINES
    lines: tuple[TextLine, ...] = ()
    invisible: bool = False
    painted: tuple[tuple[str, Box], ...] = ()
    notes: tuple[str, ...] = ()
    fields: tuple[FormField, ...] = ()
    doubtful: tuple[Word, ...] = ()
    is_salad: bool = False
    quarters: int = 0


def read_layer(page: Any) -> TextLayer:
    """Words and text of a page, boxes as displayed."""
    from aria_docs.ingest.mupdf import pymupdf

    flags = pymupdf.TEXT_PRESERVE_WHITESPACE | pymupdf.TEXT_MEDIABOX_CLIP
    textpage = page.get_textpage(flags=flags)
    matrix = page.rotation_matrix if page.rotation else None
    notes = []
    raw_words = textpage.extractWORDS()
    unknown = _unknown("".join(raw[4] for raw in raw_words))
    if unknown > _UNDECODED:
        return TextLayer(painted=_paint_of(page), fields=tuple(fields_of(page)))
    if unknown:  # the numbers of glyphs say more than question marks, and often what they should
        textpage = page.get_textpage(flags=flags | pymupdf.TEXT_CID_FOR_UNKNOWN_UNICODE)
        raw_words = textpage.extractWORDS()
    blocks = textpage.extractDICT()["blocks"]
    raw_words = _without_dingbats(raw_words, blocks)
    fields = fields_of(page)
    is_cut = len(raw_words) > MAX_WORDS
    if is_cut:
        notes.append(f"cut: only the first {MAX_WORDS:,} of {len(raw_words):,} words are kept")
        raw_words = raw_words[:MAX_WORDS]
    spans = [span for block in blocks for line in block.get("lines", ()) for span in line["spans"]]
    texts, strange = _by_font(spans) if not is_cut else ({}, [])
    n_painted, n_unpainted = _n_painted(spans)
    invisible = n_unpainted > n_painted
    painted = _paint_of(page)
    hidden = _find_hidden(page, spans, painted, invisible=invisible) if not is_cut else []
    mended = [raw for raw in mend(textpage, raw_words, blocks) if _is_seen(raw[:4], hidden)]
    if fields:
        mended = [raw for raw in mended if not in_fields(raw[:4], fields)]
    words = tuple(
        Word(text, _box(raw[:4], matrix), raw[5], raw[6])
        for raw in mended
        if (text := _SOFT_HYPHEN.sub("", clean(raw[4])).strip()) and _is_somewhere(raw[:4])
    )
    rect = page.rect  # made anew each time it is asked for
    words = tuple(word for word in words if _is_on(word.box, rect))
    lines, cut = _lines(blocks, mended)
    notes += cut
    lines = with_fields(lines, fields) if fields else lines
    quarters = quarters_upright(
        (*line["dir"], len(line["spans"])) for block in blocks for line in block.get("lines", ())
    )
    area = textpage.rect
    if quarters:
        lines = [replace(line, box=turn(line.box, quarters, area.width, area.height)) for line in lines]
    width, height = (area.height, area.width) if quarters % 2 else (area.width, area.height)
    mirrored = _is_mirrored(blocks)
    if mirrored:
        lines = [replace(line, box=_flip(line.box, height)) for line in lines]
    read = page_text(lines, height)
    boxes = [_flip(box, height) for box in read.boxes] if mirrored else read.boxes
    places = tuple(_box(turn(box, -quarters, width, height), matrix) for box in boxes)
    upright = () if quarters or mirrored else tuple(replace(line, box=_box(line.box, matrix)) for line in lines)
    return TextLayer(
        words,
        PageText(read.text, places),
        upright,
        invisible,
        painted,
        tuple(notes),
        tuple(replace(field, box=_box(field.box, matrix)) for field in fields),
        _in_boxes(words, [_box(box, matrix) for box in strange]),
        any(map(is_salad, texts.values())),
        quarters,
    )


def _by_font(spans: Sequence[dict[str, Any]]) -> tuple[dict[str, str], list[Box]]:
    """What is said in each font, and where those say it whose letters are hardly those of a language."""
    texts: dict[str, str] = {}
    for span in spans:
        texts[span["font"]] = texts.get(span["font"], "") + span["text"]
    strange = {font for font, text in texts.items() if is_strange(text)}
    return texts, [span["bbox"] for span in spans if span["font"] in strange]


def _in_boxes(words: Sequence[Word], boxes: Sequence[Box]) -> tuple[Word, ...]:
    return tuple(word for word in words if any(_is_inside(word.box, box) for box in boxes)) if boxes else ()


def _lines(blocks: Sequence[dict[str, Any]], words: Sequence[Any]) -> tuple[list[TextLine], list[str]]:
    """The lines that have words left, and a note where there are too many."""
    of_line: dict[tuple[int, int], list[Any]] = {}
    for word in words:
        of_line.setdefault((word[5], word[6]), []).append(word)
    lines: list[TextLine] = []
    n_chars = 0
    for block in blocks:
        for number, raw in enumerate(block.get("lines", ())):
            own = of_line.get((block["number"], number), [])
            for line in _line(raw, block["number"], own) if own else ():
                if not _is_somewhere((*line.box, line.size_pt)):
                    continue
                n_chars += len(line.text)
                if n_chars > MAX_CHARS:
                    return lines, [f"cut: only the first {MAX_CHARS:,} characters of the text are kept"]
                lines.append(line)
    return lines, []


def _line(raw: dict[str, Any], block: int, words: Sequence[Any]) -> list[TextLine]:
    """A line as high as its type, whatever its font says of its height; a right-to-left one parted at wide gaps."""
    spans = [span for span in raw["spans"] if span["text"].strip()] or raw["spans"]
    text = clean("".join(span["text"] for span in raw["spans"]))
    if len("".join(text.split())) > sum(len(word[4]) for word in words):  # drawn twice, or not all of it is seen
        text = " ".join(word[4] for word in words)
    text = _SOFT_HYPHEN.sub("", text)
    main = max(spans, key=lambda span: len(span["text"].strip()))
    n_bold = sum(sum(map(str.isalnum, span["text"])) for span in spans if _is_bold(span))
    n_main = sum(sum(map(str.isalpha, span["text"])) for span in spans if span["font"] == main["font"])
    size = main["size"]
    if text.isupper():  # small capitals: the size is that of the large ones
        size = max((span["size"] for span in spans if any(map(str.isalpha, span["text"]))), default=size)
    line = TextLine(
        text,
        _as_high_as_type(raw, main["origin"], main["size"]),
        size,
        bold=10 * n_bold > 9 * sum(map(str.isalnum, text)),
        block=block,
        starts_bold=_is_bold(spans[0]),
        font=main["font"],
        color=main["color"],
        uniform=n_main >= 0.95 * sum(map(str.isalpha, text)),
    )
    if not _RTL.search(text) or raw["dir"] != (1.0, 0.0):
        return [line]
    parts: list[list[Any]] = []
    for word in sorted(words, key=lambda word: word[0]):
        if parts and word[0] - parts[-1][-1][2] < _WIDE_GAP * size:
            parts[-1].append(word)
        else:
            parts.append([word])
    return [
        replace(
            line,
            text=in_reading_order([word[4] for word in part]),
            box=(part[0][0], line.box[1], max(word[2] for word in part), line.box[3]),
        )
        for part in parts
    ]


def _without_dingbats(words: Sequence[Any], blocks: Sequence[dict[str, Any]]) -> list[Any]:
    """The words, those in ornament fonts as they are shown; the texts of `blocks` are changed alike."""
    shown: list[tuple[Box, str, str]] = []
    for block in blocks:
        for line in block.get("lines", ()):
            for span in line["spans"]:
                text = as_shown(span["text"], span["font"])
                if text != span["text"]:
                    shown.append((span["bbox"], span["font"], text))
                    span["text"] = text
    if not shown:
        return list(words)
    result = []
    for word in words:
        font = next((font for box, font, _ in shown if _is_inside(word[:4], box)), "")
        result.append((*word[:4], as_shown(word[4], font), *word[5:]))
    return result


def _as_high_as_type(raw: dict[str, Any], origin: tuple[float, float], size: float) -> Box:
    (dx, dy), (x, y) = raw["dir"], origin
    x0, y0, x1, y1 = raw["bbox"]
    up = -size if is_mirrored(raw["dir"], origin, raw["bbox"]) else size
    if abs(dx) > 0.99:
        y0, y1 = sorted((y - dx * _ASCENT * up, y + dx * _DESCENT * up))
    elif abs(dy) > 0.99:
        x0, x1 = sorted((x + dy * _ASCENT * up, x - dy * _DESCENT * up))
    return x0, y0, x1, y1


def _is_mirrored(blocks: Sequence[dict[str, Any]]) -> bool:
    """Whether most lines are drawn in a mirror."""
    lines = [line for block in blocks for line in block.get("lines", ())]
    votes = sum(is_mirrored(line["dir"], line["spans"][0]["origin"], line["bbox"]) for line in lines)
    return 2 * votes > len(lines)


def _is_bold(span: dict[str, Any]) -> bool:
    return bool(span["flags"] & 16) or bool(_BOLD.search(span["font"]))


# What is not visible


def _n_painted(spans: Iterable[dict[str, Any]]) -> tuple[int, int]:
    """How many characters are painted, and how many are not."""
    painted = unpainted = 0
    for span in spans:
        if span["char_flags"] & _PAINTED:
            painted += len(span["text"])
        else:
            unpainted += len(span["text"])
    return painted, unpainted


def _paint_of(page: Any) -> tuple[tuple[str, Box], ...]:
    matrix = page.rotation_matrix if page.rotation else None
    return tuple((kind, _box(box, matrix)) for kind, box in page.get_bboxlog() if _is_somewhere(box))


def _find_hidden(
    page: Any, spans: Sequence[dict[str, Any]], painted: Sequence[tuple[str, Box]], *, invisible: bool
) -> list[Box]:
    """Boxes of text that the page does not show. Suspects are white, or are painted over later; the page's own pixels
    decide. Where most of the layer is not painted it is what OCR read, and stays."""
    hidden: list[Box] = []
    suspects: list[Box] = []
    later = _later_paint(painted)
    for span in spans:
        box = span["bbox"]
        if not span["text"].strip() or not _is_somewhere(box):
            continue
        if not span["char_flags"] & _PAINTED or span["alpha"] < _OPAQUE:
            if not invisible:
                hidden.append(box)
        elif _is_white(span["color"]) or any(_is_inside(box, cover) for cover in later):
            suspects.append(box)
    if suspects and not page.rotation:
        pixels = _look(page)
        hidden += [box for box in suspects[:_MAX_SUSPECTS] if not _shows(pixels, box)]
    return hidden


def _later_paint(painted: Sequence[tuple[str, Box]]) -> list[Box]:
    """Areas that are filled after the first text."""
    found: list[Box] = []
    text_seen = False
    for kind, box in painted:
        text_seen = text_seen or kind == "fill-text"
        if text_seen and kind in ("fill-path", "fill-image", "fill-shade") and box[3] - box[1] > 4:
            found.append(box)
    return found[:_MAX_SUSPECTS]


def _is_white(color: int) -> bool:
    return min(color >> 16 & 255, color >> 8 & 255, color & 255) >= _WHITE


def _look(page: Any) -> NDArray[np.uint8]:
    from aria_docs.ingest.mupdf import pymupdf

    scale = min(_LOOK_SCALE, 4_000 / max(page.rect.width, page.rect.height))
    pixmap = page.get_pixmap(matrix=pymupdf.Matrix(scale, scale), colorspace=pymupdf.csGRAY, alpha=False)
    pixels = np.frombuffer(pixmap.samples_mv, dtype=np.uint8).reshape(pixmap.h, pixmap.stride)
    return pixels[:, : pixmap.w].copy()


def _shows(pixels: NDArray[np.uint8], box: Box) -> bool:
    scale = _LOOK_SCALE
    x0, y0, x1, y1 = (max(0, int(edge * scale)) for edge in box)
    inside = pixels[y0 + 1 : y1, x0 + 1 : x1]
    return inside.size == 0 or int(inside.max()) - int(inside.min()) > _CONTRAST


def _is_seen(box: Sequence[float], hidden: Sequence[Box]) -> bool:
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return not any(x0 <= x <= x1 and y0 <= y <= y1 for x0, y0, x1, y1 in hidden)


def _is_inside(box: Sequence[float], cover: Box) -> bool:
    return cover[0] <= (box[0] + box[2]) / 2 <= cover[2] and cover[1] <= (box[1] + box[3]) / 2 <= cover[3]


def _is_on(box: Box, rect: Any) -> bool:
    """Whether its middle is on the page."""
    return bool(0 <= (box[0] + box[2]) / 2 <= rect.width and 0 <= (box[1] + box[3]) / 2 <= rect.height)


def _is_somewhere(places: Iterable[float]) -> bool:
    """Text set in an endless size, or endlessly far away, is on no page that anyone sees."""
    return all(map(isfinite, places))


def _flip(box: Box, height: float) -> Box:
    return box[0], height - box[3], box[2], height - box[1]


def _box(box: Any, matrix: Any) -> Box:
    if matrix is not None:
        from aria_docs.ingest.mupdf import pymupdf

        box = (pymupdf.Rect(box) * matrix).normalize()
    x0, y0, x1, y1 = box
    return (x0, y0, x1, y1)


def _unknown(text: str) -> float:
    """The share of characters that stand for what the font does not tell: U+FFFD and private use."""
    return sum(c == "\ufffd" or "\ue000" <= c <= "\uf8ff" for c in text) / max(1, len(text))
