"""PP-OCRv6, from the wheel of `rapidocr`: a picture of a page → lines of words. Nothing is fetched, one thread.

Two networks (Apache-2.0): one marks where lines of text are, one reads a line 48 pixels high. They are run here and
not by rapidocr's own pipeline because that pads each short cell to 320 pixels (a page of figures takes twice the time),
cuts lines from the small picture that the first network saw, and guesses where words stand from the mean width of a
character; a table needs to know that.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

from aria_docs.errors import EngineError
from aria_docs.ingest.scans.picture import Gray, ink, patches
from aria_docs.ingest.scans.reader import IDEOGRAPH, OcrLine, OcrWord

_DETECTION, _RECOGNITION = "PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx"

# The long side of what the first network sees: 125 dpi of a letter page, at which it misses no line of 6 pt; its time
# and memory grow with the square (1280: 1.4 s, 0.5 GB; 1760: 3.4 s, 1 GB).
_DETECTION_EDGE_PX = 1408
_INK_PROBABILITY, _LINE_PROBABILITY = 0.3, 0.5  # as rapidocr has them
# The network is trained to mark the middle of a line; this much of area by girth brings back the rest (DBNet, §3.4).
_GROWTH = 1.6

_HEIGHT_PX = 48
_STEP_PX = 8  # one answer for so many columns
_MAX_WIDTH_PX = 3_200
_BATCH_PX = 1_024  # of width in one call: more falls out of a processor's cache and takes a quarter longer a pixel
_SOME_IDEOGRAPHS = 0.05  # of the characters of a page, if it has any
_CERTAIN = 0.5  # mean probability of a line's characters; less is a smudge or a picture
_CERTAIN_UNSEEN = 0.8  # and of a letter or two that only their place in a row speaks for
_MAX_OVERLOOKED = 100  # more are a drawing, or a picture
_WIDE_GAP = 0.27  # of a line's height, which is 1.3 times the size of type: no letters of one word stand so far apart
_GLANCE = 8  # heights of a line: as much of it is read to tell which way round it is
_FLUENT = 0.85  # upside down, lines of clean text come out below it


_Box = tuple[int, int, int, int]
_Reading = tuple[str, list[float], list[float]]
"""A text, where in the width of its line (0 to 1) each character stands, and the probability of each."""


class Networks:
    """Both networks, loaded. A forked child can use what its parent has loaded."""

    def __init__(self) -> None:
        self._detection, self._recognition = _session(_DETECTION), _session(_RECOGNITION)
        characters = self._recognition.get_modelmeta().custom_metadata_map["character"].splitlines()
        self._characters = ["", *characters, " "]
        self._western = np.array([not IDEOGRAPH.search(character) for character in self._characters])

    def read(self, picture: Gray) -> tuple[int, list[OcrLine]]:
        """Clockwise quarter turns that set the text upright, and the lines of the picture so turned."""
        boxes = self._detect(picture)
        if not boxes:
            return 0, []
        quarters = self._quarters(picture, boxes)
        if quarters:
            boxes = [_turn(box, quarters, picture.shape) for box in boxes]
            picture = np.rot90(picture, -quarters)
        n_seen = len(boxes)
        boxes += _find_specks(picture, boxes)
        crops = [picture[y0:y1, x0:x1] for x0, y0, x1, y1 in boxes]
        # A line on its side (a heading of a narrow column, an axis' name) is turned; a lone digit is tall, too.
        tall = 2 * median(min(crop.shape) for crop in crops)
        sideways = [crop.shape[0] > max(tall, 1.5 * crop.shape[1]) for crop in crops]
        upright = [np.rot90(crop, -1) if side else crop for crop, side in zip(crops, sideways, strict=True)]
        lines = []
        read = zip(boxes, crops, sideways, self._texts(upright), strict=True)
        for n, (box, crop, side, (text, at, sure)) in enumerate(read):
            certainty = _mean(sure)
            if certainty < (_CERTAIN if n < n_seen else _CERTAIN_UNSEEN) or not text.strip():
                continue
            if n >= n_seen and not text.strip()[0].isalnum():
                continue
            x0, y0, x1, y1 = box
            if side:
                words: tuple[OcrWord, ...] = (OcrWord(text.strip(), x0, x1, min(sure)),)
            else:
                words = tuple(OcrWord(word, x0 + a, x0 + b, c) for word, a, b, c in _words(text, at, sure, crop))
            lines.append(OcrLine(words, y0, y1, certainty))
        return quarters, lines

    def _detect(self, picture: Gray) -> list[_Box]:
        """Boxes of lines, in pixels of the picture."""
        height, width = picture.shape
        scale = min(1.0, _DETECTION_EDGE_PX / max(height, width))
        rows, cols = (max(32, round(side * scale / 32) * 32) for side in (height, width))  # it halves five times
        small = Image.fromarray(picture).resize((cols, rows), Image.Resampling.BOX if scale < 0.7 else None)
        pixels = np.asarray(small, dtype=np.float32) / 127.5 - 1
        sees = {self._detection.get_inputs()[0].name: np.repeat(pixels[None, None], 3, axis=1)}
        probability: NDArray[np.float32] = self._detection.run(None, sees)[0][0, 0]
        fx, fy = width / cols, height / rows
        boxes = []
        for patch in patches(probability > _INK_PROBABILITY):
            w, h = patch.x1 - patch.x0, patch.y1 - patch.y0
            inside = probability[patch.y0 : patch.y1, patch.x0 : patch.x1]
            if min(w, h) < 3 or inside[inside > _INK_PROBABILITY].mean() < _LINE_PROBABILITY:
                continue
            margin = _GROWTH * w * h / (2 * (w + h))
            x0, y0 = max(0, int((patch.x0 - margin) * fx)), max(0, int((patch.y0 - margin) * fy))
            x1, y1 = min(width, int((patch.x1 + margin) * fx) + 1), min(height, int((patch.y1 + margin) * fy) + 1)
            boxes.append((x0, y0, x1, y1))
        return boxes

    def _quarters(self, picture: Gray, boxes: list[_Box]) -> int:
        """Which way round the longest lines read best."""
        lengths = [(x1 - x0, y1 - y0) for x0, y0, x1, y1 in boxes]
        lying = sum(w for w, h in lengths if w > h) >= sum(h for w, h in lengths if h > w)
        longest = sorted(boxes, key=lambda box: -max(box[2] - box[0], box[3] - box[1]))[:6]
        fluency = {}
        for quarters in (0, 2) if lying else (1, 3):
            crops = [np.rot90(picture[y0:y1, x0:x1], -quarters) for x0, y0, x1, y1 in longest]
            crops = [crop[:, : _GLANCE * len(crop)] for crop in crops]
            fluency[quarters] = median(_mean(sure) for (_, _, sure), _ in self._recognise(crops))
            if quarters == 0 and fluency[0] >= _FLUENT:
                return 0
        return max(fluency, key=lambda quarters: fluency[quarters])

    def _texts(self, crops: list[Gray]) -> list[_Reading]:
        """What the lines of one page say: a dagger or a dash looks like an ideograph, and on a page with hardly any it
        is none."""
        read = self._recognise(crops)
        text = "".join(text for (text, _, _), _ in read)
        is_western = len(IDEOGRAPH.findall(text)) < _SOME_IDEOGRAPHS * len(text)
        return [western if is_western else reading for reading, western in read]

    def _recognise(self, crops: list[Gray]) -> list[tuple[_Reading, _Reading]]:
        """What each line says, and what it says without ideographs, whatever it looks like; as certainly in both."""
        images = [_scale(crop) for crop in crops]
        order = sorted(range(len(images)), key=lambda n: images[n].shape[1])
        read: dict[int, tuple[_Reading, _Reading]] = {}
        while order:
            narrow = images[order[0]].shape[1]
            alike = [n for n in order if images[n].shape[1] <= narrow + max(16, narrow // 8)]
            batch = alike[: max(1, _BATCH_PX // narrow)]
            order = order[len(batch) :]
            width = -(-images[batch[-1]].shape[1] // _STEP_PX) * _STEP_PX
            sees = np.zeros((len(batch), 3, _HEIGHT_PX, width), dtype=np.float32)
            for row, n in enumerate(batch):
                sees[row, :, :, : images[n].shape[1]] = images[n]
            says: NDArray[np.float32] = self._recognition.run(None, {self._recognition.get_inputs()[0].name: sees})[0]
            for row, n in enumerate(batch):
                stretch = width / images[n].shape[1]
                reading = western = self._decode(says[row], stretch)
                if IDEOGRAPH.search(reading[0]):
                    text, at, _ = self._decode(says[row] * self._western, stretch)
                    western = text, at, [_mean(reading[2])] * len(text)
                read[n] = reading, western
        return [read[n] for n in range(len(crops))]

    def _decode(self, says: NDArray[np.float32], stretch: float) -> _Reading:
        """CTC: a character is a run of equal answers, 0 is none. `stretch` is the padded width by the picture's."""
        best, sure = says.argmax(axis=1), says.max(axis=1)
        starts = np.flatnonzero(np.diff(best, prepend=-1))
        ends = np.append(starts[1:], len(best))
        runs = [(int(best[a]), a, b) for a, b in zip(starts, ends, strict=True) if best[a]]
        if not runs:
            return "", [], []
        text = [self._characters[character] for character, _, _ in runs]
        at = [min(1.0, float(a + b) / 2 / len(best) * stretch) for _, a, b in runs]
        return "".join(text), at, [float(sure[a]) for _, a, _ in runs]


def _mean(sure: Sequence[float]) -> float:
    return sum(sure) / len(sure) if sure else 0.0


def _find_specks(picture: Gray, boxes: list[_Box]) -> list[_Box]:
    """Places of a lone digit or letter in a row of text that the first network takes for a speck: where ink of that
    size stands, in one or two pieces, with room on both sides."""
    size = median(y1 - y0 for _, y0, _, y1 in boxes)
    mask = ink(picture, radius_px=int(size))
    for x0, y0, x1, y1 in boxes:
        mask[y0:y1, x0:x1] = False
    found: list[_Box] = []
    for patch in sorted(patches(mask), key=lambda patch: patch.x0):
        width, height = patch.x1 - patch.x0, patch.y1 - patch.y0
        if not (0.35 * size < height < 0.8 * size and 0.08 * size < width < 0.8 * size):
            continue
        y = (patch.y0 + patch.y1) / 2
        row = [box for box in boxes if box[3] - box[1] < 1.5 * size and abs(box[1] + box[3] - 2 * y) < 0.3 * size]
        if not row:
            continue
        _, y0, _, y1 = min(row, key=lambda box: max(box[0] - patch.x1, patch.x0 - box[2]))
        margin = int(0.2 * size)
        box = max(0, patch.x0 - margin), y0, min(picture.shape[1], patch.x1 + margin), y1
        if found and found[-1][1] == y0 and box[0] <= found[-1][2]:
            box = (found.pop()[0], *box[1:])
        found.append(box)
    return [box for box in found if box[2] - box[0] < 2 * size] if len(found) <= _MAX_OVERLOOKED else []


def _session(name: str) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # no pool: threads do not survive fork()
    options.enable_cpu_mem_arena = False  # what a large page needed goes back
    options.log_severity_level = 4
    file = resources.files("rapidocr") / "models" / name
    if not file.is_file():
        raise EngineError(f"the installed rapidocr has no {name}: pip install 'aria-docs[ocr]' brings one that has")
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def _scale(crop: Gray) -> NDArray[np.float32]:
    height, width = crop.shape
    width = min(max(round(width * _HEIGHT_PX / height), 2 * _STEP_PX), _MAX_WIDTH_PX)
    image = Image.fromarray(crop).resize((width, _HEIGHT_PX), Image.Resampling.BICUBIC)
    return np.asarray(image, dtype=np.float32) / np.float32(127.5) - 1


def _turn(box: _Box, quarters: int, shape: tuple[int, ...]) -> _Box:
    x0, y0, x1, y1 = box
    height, width = shape
    for _ in range(quarters):
        x0, y0, x1, y1 = height - y1, x0, height - y0, x1
        height, width = width, height
    return x0, y0, x1, y1


def _words(text: str, at: list[float], sure: list[float], crop: Gray) -> list[tuple[str, float, float, float]]:
    """The words with their first and last column of ink, and the least of their characters' probabilities.

    Characters are known to half a step only, and the widest stretch of paper between two of them is where one ends and
    the next begins.

    A stretch much wider than those around it parts words, too, where no blank was read: figures of two columns.
    """
    height, width = crop.shape
    columns: NDArray[np.bool_] = np.any(ink(crop, radius_px=max(8, height)), axis=0)
    inked = np.flatnonzero(columns)
    left, right = (float(inked[0]), float(inked[-1] + 1)) if len(inked) else (0.0, float(width))
    letters = [n for n, character in enumerate(text) if character != " "]
    gaps = [_gap(columns, at[a] * width, at[b] * width) for a, b in pairwise(letters)]
    inner = [end - start for (a, b), (start, end) in zip(pairwise(letters), gaps, strict=True) if b == a + 1]
    wide = max(_WIDE_GAP * height, 2.5 * median(inner)) if inner else 0.0
    words: list[tuple[str, float, float, float]] = []
    begin = letters[0]
    for (a, b), (start, end) in zip(pairwise(letters), gaps, strict=True):
        if b > a + 1 or end - start > wide:
            words.append((text[begin : a + 1], left, max(start, left + 1), min(sure[begin : a + 1])))
            begin, left = b, end
    last = letters[-1] + 1
    return [*words, (text[begin:last], left, max(right, left + 1), min(sure[begin:last]))]


def _gap(columns: NDArray[np.bool_], start: float, end: float) -> tuple[float, float]:
    """The widest run of columns without ink between two characters; the middle where they touch."""
    first, last = int(start), min(len(columns), int(end) + 1)
    empty = np.flatnonzero(~columns[first:last])
    if not len(empty):
        return (start + end) / 2, (start + end) / 2
    run = max(np.split(empty, np.flatnonzero(np.diff(empty) > 1) + 1), key=len)
    return float(first + run[0]), float(first + run[-1] + 1)
