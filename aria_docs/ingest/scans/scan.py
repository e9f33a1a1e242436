"""The picture of a page → its words, lines and text, whichever reader is used.

picture ── straighten ──> lines of words ──> upright frame: words, ruling lines, text in reading order
                                                 └── back to the page as displayed ──> Page
"""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from aria_docs.ingest.pdf_text import PageText, TextLine, clean, page_text
from aria_docs.ingest.scans.picture import ink, patches, rotate, rulings, skew_degrees
from aria_docs.ingest.scans.reader import IDEOGRAPH, OcrLine, OcrWord
from aria_docs.ingest.tables.lines import is_value
from aria_docs.media import Word
from aria_docs.turns import turn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from aria_docs.ingest.scans.picture import Gray, Patch
    from aria_docs.ingest.scans.reader import OcrReader
    from aria_docs.media import Box

PICTURE_EDGE_PX = 2_400  # the long side of what is read: 220 dpi of a letter page
PICTURE_DPI = 300  # and no more than that of a small one

# Of the size of type, in most faces.
_X_HEIGHT, _CAPITAL_HEIGHT = 0.5, 0.7
_ASCENT, _DESCENT = 0.95, 0.25  # of the box of a word: as most fonts say of themselves
_MAX_MARKS = 400  # more dashes and dots are a drawing
_WIDE = re.compile("[\uff01-\uff5e]")
_LOOKS_LIKE = {"O": "0", "o": "0", "l": "1", "I": "1", "|": "1"}
_SEPARATED = re.compile(r"(\D{0,3}\d{1,3}(?:[.,]\d{3})*)([.,])(\d{1,3})(\D{0,3})")
_NOUGHT = re.compile(r"\D*0")
_RANGE = re.compile(r"[(\[]?(\d[\d,]*)(?:\.(\d+))?[-\u2013]\d[\d,]*(?:\.\d+)?[)\]]?")
_JOINED = re.compile(r"[(\[]?[\d.,]{4,}[)\]]?")
_ZERO = re.compile(r"(?<=\d)O(?=[\d.,%]|$)|^O(?=[.,]\d)")
_ONE = re.compile(r"^[lI|](?=[.,]\d)|(?<=\d[.,])[lI|](?=\d|$)")
_MIN_ALIKE, _SOME_COMMAS = 8, 0.2  # numbers with three digits behind a mark, and the share of them with a comma
_SAME_TYPE = 1.25  # heights of lines of one size of type differ by no more


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """What was read of a page, in points of its upright frame: turned by `degrees` counter-clockwise about the page's
    middle, then by `quarters` clockwise.

    picture:  in that frame, at 150 dpi.
    level, upright:  its ruling lines, thin boxes.
    """

    width_pt: float
    height_pt: float
    degrees: float
    quarters: int
    lines: tuple[TextLine, ...]
    words: tuple[Word, ...]
    level: tuple[Box, ...]
    upright: tuple[Box, ...]
    picture: Gray

    @property
    def read(self) -> PageText:
        """Its text in reading order, headings marked."""
        return page_text(self.lines, self.height_pt)

    def to_page(self, box: Box) -> Box:
        """Where a box of the upright frame stands on the page as displayed: moved there, and as large as it was."""
        x0, y0, x1, y1 = turn(box, -self.quarters, self.width_pt, self.height_pt)
        width, height = (self.width_pt, self.height_pt) if self.quarters % 2 == 0 else (self.height_pt, self.width_pt)
        x, y = (x0 + x1 - width) / 2, (y0 + y1 - height) / 2
        sin, cos = math.sin(math.radians(self.degrees)), math.cos(math.radians(self.degrees))
        dx, dy = x * cos - y * sin - x, x * sin + y * cos - y
        return (x0 + dx, y0 + dy, x1 + dx, y1 + dy)


def scan(picture: Gray, reader: OcrReader, *, width_pt: float) -> Scan:
    """Reads the picture of a page that is `width_pt` wide as displayed."""
    degrees = skew_degrees(picture)
    if degrees:
        picture = rotate(picture, degrees)
    pt = width_pt / picture.shape[1]
    width_pt, height_pt = width_pt, picture.shape[0] * pt
    level, upright = _rulings(picture, pt)
    picture = _without(picture, [*level, *upright], pt)
    quarters, read = reader.read(picture)
    picture = np.ascontiguousarray(np.rot90(picture, -quarters))
    read = _figures(_with_lone_marks(picture, list(map(_narrow, read))))
    level, upright = ([turn(box, quarters, width_pt, height_pt) for box in boxes] for boxes in (level, upright))
    if quarters % 2:
        level, upright, width_pt, height_pt = upright, level, height_pt, width_pt
    lines = _in_points(read, picture, pt)
    words = tuple(
        Word(text, (word.x0 * pt, of.box[1], word.x1 * pt, of.box[3]), of.block, number, word.sure)
        for number, (line, of) in enumerate(zip(read, lines, strict=True))
        for word in line.words
        if (text := clean(word.text).strip())
    )
    small = np.asarray(Image.fromarray(picture).reduce(_fold(pt)))
    return Scan(width_pt, height_pt, degrees, quarters, tuple(lines), words, tuple(level), tuple(upright), small)


def _in_points(read: list[OcrLine], picture: Gray, pt: float) -> list[TextLine]:
    """Lines as a text layer would have them: with a block, and as high as their type; one size for the same type."""
    if not read:
        return []
    # A reader's boxes are loose, all alike; how loose is seen best in all lines together.
    above, below = np.median([_looseness(line, picture) for line in read], axis=0)
    heights = np.array([line.y1 - line.y0 for line in read])
    weights = np.array([sum(len(word.text) for word in line.words) for line in read])
    order = np.argsort(heights)
    body = float(heights[order][np.searchsorted(np.cumsum(weights[order]), weights.sum() / 2)])
    lines: list[TextLine] = []
    for line, height in zip(read, heights, strict=True):
        tall = float((1 - above - below) * (body if body / _SAME_TYPE < height < body * _SAME_TYPE else height))
        middle = line.y0 + float(above + 1 - below) / 2 * (line.y1 - line.y0)
        box = (line.words[0].x0 * pt, (middle - tall / 2) * pt, line.words[-1].x1 * pt, (middle + tall / 2) * pt)
        text = clean(" ".join(word.text for word in line.words))
        lines.append(TextLine(text, box, tall / (_ASCENT + _DESCENT) * pt, bold=False))
    return [replace(line, block=block) for line, block in zip(lines, _blocks(lines), strict=True)]


def _looseness(line: OcrLine, picture: Gray) -> tuple[float, float]:
    """How much of the line's height is above and below its type, from 0 to 1: most of its ink begins and ends sharply
    at the height of x or of capitals and at the baseline, whatever stands out above and below."""
    x0, x1 = int(line.words[0].x0), math.ceil(line.words[-1].x1)
    y0, y1 = int(line.y0), math.ceil(line.y1)
    profile = (255.0 - picture[y0:y1, x0:x1]).mean(axis=1)
    text = "".join(word.text for word in line.words)
    small = sum(character in "acegmnopqrsuvwxyz" for character in text)
    rise = np.diff(np.convolve(profile, (0.25, 0.5, 0.25), mode="valid"))
    half = len(rise) // 2
    if not half:
        return 0.0, 0.0
    top, baseline = int(np.argmax(rise[:half])) + 2, half + int(np.argmin(rise[half:])) + 2
    size = (baseline - top) / (_X_HEIGHT if 2 * small > len(text) else _CAPITAL_HEIGHT)
    return (baseline - _ASCENT * size) / (y1 - y0), 1 - (baseline + _DESCENT * size) / (y1 - y0)


def _narrow(line: OcrLine) -> OcrLine:
    """In a line without ideographs letters and punctuation have their usual width."""
    if IDEOGRAPH.search("".join(word.text for word in line.words)):
        return line
    words = (
        replace(word, text=_WIDE.sub(lambda wide: unicodedata.normalize("NFKC", wide.group()), word.text))
        for word in line.words
    )
    return replace(line, words=tuple(words))


def _figures(lines: list[OcrLine]) -> list[OcrLine]:
    """A lone O among numbers is a zero, a lone l or | is a one: what stands over or under it in one column tells. It
    tells a point from a comma, too; and in a number no letter is meant."""
    words = [(word, line) for line in lines for word in line.words]
    alike = [item for item in words if item[0].text in _LOOKS_LIKE]
    separated = [(item, found) for item in words if (found := _SEPARATED.fullmatch(item[0].text))]
    places = np.array([(word.x0, word.x1, line.y0, line.y1) for word, line in words]).reshape(-1, 4)
    numeric = np.array([is_value(word.text) and any(c.isdigit() for c in word.text) for word, _ in words], dtype=bool)
    # For each separator, and each count of digits behind it: which words have them.
    endings = [(match[2], len(match[3])) if (match := _SEPARATED.fullmatch(w.text)) else ("", 0) for w, _ in words]
    marks, digits = np.array([mark for mark, _ in endings]), np.array([n for _, n in endings])
    meant: dict[int, str] = {}

    def column(word: OcrWord, line: OcrLine, lines_away: float) -> NDArray[np.bool_]:
        """The words over and under this one that begin, end or are centred where it is."""
        x0, x1, y0, y1 = places.T
        size = line.y1 - line.y0
        apart = np.abs(y0 + y1 - line.y0 - line.y1) / 2
        aligned = np.minimum(abs(x0 - word.x0), np.minimum(abs(x1 - word.x1), abs(x0 + x1 - word.x0 - word.x1) / 2))
        same: NDArray[np.bool_] = (aligned < 0.4 * size) & (size / 2 < apart) & (apart < lines_away * size)
        return same

    for word, line in alike:
        same = column(word, line, 4)
        if 2 * numeric[same].sum() > same.sum():
            meant[id(word)] = _LOOKS_LIKE[word.text]
    meant |= _one_separator([(word, match) for (word, _), match in separated])
    for (word, line), match in separated:
        other = "," if match[2] == "." else "."
        like = digits == len(match[3])
        over_and_under = marks[column(word, line, 15) & like]
        # A column of decimals may end with thousands (a regression and its number of cases), hardly the reverse.
        thousands = len(match[3]) == 3
        if thousands and other == ".":
            continue
        page_agrees = like.sum() > 4 and (marks[like] == other).mean() > 0.75
        column_agrees = len(over_and_under) > 2 and (over_and_under == other).mean() > 0.5
        if id(word) not in meant and column_agrees and (thousands or page_agrees) and not _NOUGHT.fullmatch(match[1]):
            meant[id(word)] = f"{match[1]}{other}{match[3]}{match[4]}"
    ranges = [
        match and (0 if match[2] else len(match[1]), len(match[2] or ""))
        for match in (_RANGE.fullmatch(word.text) for word, _ in words)
    ]
    for word, line in words:
        if _JOINED.fullmatch(word.text):
            near = [ranges[n] for n in np.flatnonzero(column(word, line, 15))]
            usual = max(set(near) - {None}, key=near.count, default=None)
            if usual is not None and near.count(usual) > 2:
                meant[id(word)] = _with_dash(word.text, *usual)

    def mended(word: OcrWord) -> OcrWord:
        text = meant.get(id(word)) or _ONE.sub("1", _ZERO.sub("0", word.text))
        return word if text == word.text else replace(word, text=text)

    return [replace(line, words=tuple(map(mended, line.words))) for line in lines]


def _one_separator(separated: Sequence[tuple[OcrWord, re.Match[str]]]) -> dict[int, str]:
    """Where all numbers of a page have three digits behind their mark, and none begins with a nought, the marks are
    thousands. Those that are points were commas, if some are commas: at a low resolution a comma loses its tail, and a
    point does not grow one."""
    marks = [match[2] for _, match in separated]
    if len(marks) < _MIN_ALIKE or any(len(match[3]) != 3 or _NOUGHT.fullmatch(match[1]) for _, match in separated):
        return {}
    if marks.count(",") < _SOME_COMMAS * len(marks):
        return {}
    return {id(word): word.text.replace(".", ",") for word, match in separated if match[2] == "."}


def _with_dash(text: str, n_whole: int, n_decimals: int) -> str:
    """A range whose dash was not seen: two numbers with `n_decimals` behind the point, or of `n_whole` digits; anything
    else as it is."""
    number = rf"\d[\d,]*\.\d{{{n_decimals}}}" if n_decimals else rf"\d{{{n_whole}}}"
    match = re.fullmatch(rf"([(\[]?)({number})({number})([)\]]?)", text)
    if match is None or float(match[2].replace(",", "")) > float(match[3].replace(",", "")):
        return text
    return f"{match[1]}{match[2]}-{match[3]}{match[4]}"


def _with_lone_marks(picture: Gray, lines: list[OcrLine]) -> list[OcrLine]:
    """The lines, and what stands for an empty value in a table: short level strokes in the middle of a row of text, and
    two dots or more on its baseline, as dark as it. Readers look for lines of text; they overlook such a mark, or take
    it for a flat digit."""
    if not lines:
        return []
    size = float(np.median([line.y1 - line.y0 for line in lines]))
    lines = [line for line in lines if not (line.y1 - line.y0 < 0.6 * size and _is_stroke(line, picture))]
    return [*lines, *_lone_marks(picture, lines, size)] if lines else []


def _is_stroke(line: OcrLine, picture: Gray) -> bool:
    """Whether all of a line is one character that is at least twice as wide as high."""
    if len(line.words) > 1 or len(line.words[0].text) > 1:
        return False
    y0, y1 = int(line.y0), math.ceil(line.y1)
    ys, xs = np.nonzero(ink(picture[y0:y1, int(line.words[0].x0) : math.ceil(line.words[0].x1)], radius_px=y1 - y0))
    return len(ys) > 0 and bool(np.ptp(xs) > 2 * np.ptp(ys) + 1)


def _lone_marks(picture: Gray, lines: list[OcrLine], size: float) -> list[OcrLine]:
    """Marks beside lines of that height."""
    mask = ink(picture, radius_px=int(size))
    boxes = [(int(line.words[0].x0), int(line.y0), math.ceil(line.words[-1].x1), math.ceil(line.y1)) for line in lines]
    text = np.concatenate([picture[y0:y1, x0:x1][mask[y0:y1, x0:x1]] for x0, y0, x1, y1 in boxes])
    dark = float(np.median(text)) if len(text) else 0.0
    for x0, y0, x1, y1 in boxes:
        mask[y0:y1, x0:x1] = False

    def row_of(patch: Patch, first: float, last: float) -> tuple[int, int, int, int] | None:
        """The nearest line in whose height, from 0 to 1, the middle of the patch lies between `first` and `last`."""
        y = (patch.y0 + patch.y1) / 2
        row = [box for box in boxes if first < (y - box[1]) / (box[3] - box[1]) < last]
        return min(row, key=lambda box: max(box[0] - patch.x1, patch.x0 - box[2]), default=None)

    marks: list[OcrLine] = []
    dots: list[Patch] = []
    for patch in patches(mask):
        width, height = patch.x1 - patch.x0, patch.y1 - patch.y0
        dash = size / 7 < width < size and height <= 0.6 * width and patch.area > 0.7 * width * height
        dot = size / 16 < min(width, height) and max(width, height) < min(size / 4, 2 * min(width, height) + 1)
        if not (dash or dot):
            continue
        around = picture[
            max(0, patch.y0 - int(size / 3)) : patch.y1 + int(size / 3),
            max(0, patch.x0 - int(size / 3)) : patch.x1 + int(size / 3),
        ]
        paper = float(np.percentile(around, 75))
        if picture[patch.y0 : patch.y1, patch.x0 : patch.x1].mean() > paper - 0.4 * (paper - dark):
            continue
        if dash and (row := row_of(patch, 0.3, 0.75)):
            marks.append(OcrLine((OcrWord("-", patch.x0, patch.x1),), row[1], row[3], 1.0))
        elif dot:
            dots.append(patch)
    marks += [
        OcrLine((OcrWord("." * len(run), run[0].x0, run[-1].x1),), row[1], row[3], 1.0)
        for run in _runs_of_dots(dots, size)
        if len(run) > 1 and (row := row_of(run[0], 0.6, 0.95))
    ]
    return marks if len(marks) <= _MAX_MARKS else []


def _runs_of_dots(dots: list[Patch], size: float) -> list[list[Patch]]:
    """Dots on one level, none further from the next than half the height of a line."""
    runs: list[list[Patch]] = []
    for dot in sorted(dots, key=lambda dot: dot.x0):
        for run in reversed(runs):
            last = run[-1]
            if abs(dot.y1 - last.y1) <= 1 + size / 16 and 0 < dot.x0 - last.x1 < size / 2:
                run.append(dot)
                break
        else:
            runs.append([dot])
    return runs


def _blocks(lines: list[TextLine]) -> list[int]:
    """A number for each line; lines closely below each other have the same."""
    blocks = [0] * len(lines)
    order = sorted(range(len(lines)), key=lambda n: lines[n].box[1])
    for k, n in enumerate(order):
        x0, y0, x1, y1 = lines[n].box
        blocks[n] = n
        for m in reversed(order[:k]):
            a0, b0, a1, b1 = lines[m].box
            beside = min(x1, a1) - max(x0, a0) > 0.5 * min(x1 - x0, a1 - a0)
            if beside and y0 - b1 < 0.5 * (y1 - y0) and b0 < y0 and lines[m].size_pt == lines[n].size_pt:
                blocks[n] = blocks[m]
                break
    return blocks


def _rulings(picture: Gray, pt: float) -> tuple[list[Box], list[Box]]:
    """Level and upright lines in points, each as a thin box; looked for at 150 dpi."""
    fold = _fold(pt)
    small = np.asarray(Image.fromarray(picture).reduce(fold))
    pt *= fold
    level, upright = rulings(small, pt=pt)
    in_points = [[(p.x0 * pt, p.y0 * pt, p.x1 * pt, p.y1 * pt) for p in lines] for lines in (level, upright)]
    return in_points[0], in_points[1]


def _fold(pt: float) -> int:
    """By how much a picture of `pt` points a pixel is larger than one of 150 dpi."""
    return max(1, round(72 / 150 / pt))


def _without(picture: Gray, lines: list[Box], pt: float) -> Gray:
    """The picture with its ruling lines painted over in the lighter of what is on both sides: a reader takes the end
    of one for a letter."""
    picture = picture.copy()
    rows, cols = picture.shape
    for x0, y0, x1, y1 in lines:
        top, bottom = max(0, int(y0 / pt) - 1), min(rows, int(y1 / pt) + 2)
        left, right = max(0, int(x0 / pt) - 1), min(cols, int(x1 / pt) + 2)
        if x1 - x0 > y1 - y0:
            above, below = picture[max(0, top - 2), left:right], picture[min(rows - 1, bottom + 1), left:right]
            picture[top:bottom, left:right] = np.maximum(above, below)
        else:
            before, after = picture[top:bottom, max(0, left - 2)], picture[top:bottom, min(cols - 1, right + 1)]
            picture[top:bottom, left:right] = np.maximum(before, after)[:, None]
    return picture
