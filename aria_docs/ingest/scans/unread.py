"""Where a page shows words that its text layer lacks: pictures, and text drawn as outlines. Pure but for numpy.

A cheap look first, on a coarse picture of the page: patches of the size of letters that stand in rows. A photograph has
such patches too, but few rows of them; what passes is left to the reader, which finds nothing on a photograph.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from aria_docs.ingest.scans.picture import ink, patches

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aria_docs.ingest.scans.picture import Gray, Patch
    from aria_docs.ingest.scans.reader import OcrLine, OcrReader
    from aria_docs.media import Box, Word

LOOK_DPI, LOOK_EDGE_PX = 100, 1600  # of the picture that is looked at; a poster has larger type
WHOLE_PAGE = 0.5  # of the page's area: then all of it is read, and not a part

_MIN_SHARE, _MIN_SIDE_PT = 0.012, 30.0  # of the page, and of each side: smaller pictures are signs and rules
_OUTLINE_PT = (1.5, 45.0)  # height of a letter drawn as a path
_MIN_OUTLINES = 60
_APART_PT = 12.0  # strips of one scan, or letters of one text, are no further apart
_MIN_IN_ROWS = 14  # patches that have a like neighbour at their side
_LETTER_PX = (4, 45)
_SAMPLED, _MIN_SAMPLED = 10, 4  # words of a layer that are compared with what the page shows
_WRONG = 0.5  # mean likeness of these; layers of poor OCR have .7 and more, shifted ones less than .3


def unread_boxes(painted: Iterable[tuple[str, Box]], size_pt: tuple[float, float]) -> list[Box]:
    """Boxes of pictures and of outlines, as displayed, where they are large enough to hold words.

    painted:  what the page paints, in order, each with its kind as MuPDF names it.
    """
    width, height = size_pt
    pictures: list[Box] = []
    outlines: list[Box] = []
    for kind, (x0, y0, x1, y1) in painted:
        box = (max(0.0, x0), max(0.0, y0), min(width, x1), min(height, y1))
        if kind in ("fill-image", "fill-imgmask") and box[2] - box[0] > 1 and box[3] - box[1] > 1:
            pictures.append(box)
        elif kind == "fill-path" and _OUTLINE_PT[0] < y1 - y0 < _OUTLINE_PT[1] and 0.3 < x1 - x0 < 3 * _OUTLINE_PT[1]:
            outlines.append(box)
    found = _merge(pictures)
    if len(outlines) >= _MIN_OUTLINES:  # lines of text stand further apart than letters: all of them are one box
        found.append(functools.reduce(_around, outlines))
    return [box for box in _merge(found) if _is_large(box, width * height)]


def shows_text(picture: Gray, scale: float, boxes: Sequence[Box], words: Sequence[Word]) -> list[Box]:
    """Those boxes in which the page, painted at `scale` pixels a point, has rows of letters besides its words."""
    picture = picture.copy()
    for word in words:
        x0, y0, x1, y1 = (round(edge * scale) for edge in word.box)
        picture[max(0, y0 - 1) : y1 + 1, max(0, x0 - 1) : x1 + 1] = 255
    found = []
    for box in boxes:
        x0, y0, x1, y1 = (max(0, int(edge * scale)) for edge in box)
        part = np.ascontiguousarray(picture[y0:y1, x0:x1])
        if min(part.shape, default=0) > _LETTER_PX[0] and _n_in_rows(part) >= _MIN_IN_ROWS:
            found.append(box)
    return found


def is_wrong(picture: Gray, words: Sequence[Word], reader: OcrReader, scale: float) -> bool:
    """Whether the words are not those that the picture shows where they stand: some of them are read to compare."""
    chosen = _sample([word for word in words if sum(map(str.isalnum, word.text)) >= 4])
    if len(chosen) < _MIN_SAMPLED:
        return False
    crops = [_crop(picture, word.box, scale) for word in chosen]
    gap = max(len(crop) for crop in crops) // 2 + 8
    sheet = np.full((sum(len(crop) + gap for crop in crops) + gap, max(c.shape[1] for c in crops) + 40), 255, np.uint8)
    places = []
    top = gap
    for crop in crops:
        sheet[top : top + len(crop), 20 : 20 + crop.shape[1]] = crop
        places.append((top, top + len(crop)))
        top += len(crop) + gap
    quarters, lines = reader.read(sheet)
    read = [_text_at(lines, place) if not quarters else "" for place in places]
    return sum(_alike(word.text, text) for word, text in zip(chosen, read, strict=True)) < _WRONG * len(chosen)


def _sample(words: Sequence[Word]) -> list[Word]:
    """Some of the longer words from all over the page."""
    step = max(1, len(words) // _SAMPLED)
    groups = [words[n : n + step] for n in range(0, len(words), step)]
    return [max(group, key=lambda word: min(len(word.text), 12)) for group in groups][:_SAMPLED]


def _crop(picture: Gray, box: Box, scale: float) -> Gray:
    x0, y0, x1, y1 = box
    margin = 0.1 * (y1 - y0)
    left, top = (max(0, int((edge - margin) * scale)) for edge in (x0, y0))
    right, bottom = (int((edge + margin) * scale) + 1 for edge in (x1, y1))
    return picture[top:bottom, left:right]


def _text_at(lines: Sequence[OcrLine], place: tuple[int, int]) -> str:
    inside = [line for line in lines if place[0] <= (line.y0 + line.y1) / 2 < place[1]]
    return " ".join(word.text for line in inside for word in line.words)


def _alike(text: str, other: str) -> float:
    from difflib import SequenceMatcher

    plain = ["".join(c for c in side.casefold() if c.isalnum()) for side in (text, other)]
    return SequenceMatcher(None, plain[0], plain[1]).ratio()


def _n_in_rows(picture: Gray) -> int:
    """How many patches of the size of letters have another of like size close at their side."""
    letters = [patch for patch in patches(ink(picture, radius_px=12)) if _is_letter(patch)]
    letters.sort(key=lambda patch: (patch.y0 + patch.y1, patch.x0))
    n = 0
    for k, patch in enumerate(letters):
        height, middle = patch.y1 - patch.y0, patch.y0 + patch.y1
        for other in letters[k + 1 : k + 40]:
            tall = other.y1 - other.y0
            if other.y0 + other.y1 - middle > height:
                break
            gap = max(other.x0 - patch.x1, patch.x0 - other.x1)
            if 0 <= gap < 1.2 * height and 0.55 < tall / height < 1.8:
                n += 1
                break
    return n


def _is_letter(patch: Patch) -> bool:
    width, height = patch.x1 - patch.x0, patch.y1 - patch.y0
    low, high = _LETTER_PX
    return low <= height <= high and 0.12 * height < width < 6 * height and patch.area > 0.12 * width * height


def _is_large(box: Box, page: float) -> bool:
    width, height = box[2] - box[0], box[3] - box[1]
    return min(width, height) >= _MIN_SIDE_PT and width * height >= _MIN_SHARE * page


def _merge(boxes: Sequence[Box]) -> list[Box]:
    """Boxes that touch or nearly do, as one."""
    merged: list[Box] = []
    for box in sorted(boxes, key=lambda box: (box[1], box[0])):
        for n, other in enumerate(merged):
            if _near(box, other):
                box = _around(box, other)
                del merged[n]
                break
        merged.append(box)
    again = len(merged) < len(boxes)
    return _merge(merged) if again and len(merged) > 1 else merged


def _near(box: Box, other: Box) -> bool:
    apart = (max(box[n], other[n]) - min(box[n + 2], other[n + 2]) for n in (0, 1))
    return all(gap < _APART_PT for gap in apart)


def _around(box: Box, other: Box) -> Box:
    return min(box[0], other[0]), min(box[1], other[1]), max(box[2], other[2]), max(box[3], other[3])
