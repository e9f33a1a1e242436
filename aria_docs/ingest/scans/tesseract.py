"""Tesseract, where it is on PATH: a picture of a page → lines of words. It is run once a page, or up to four times
for a page that is not upright; it inherits the limits on time and memory of the process that runs it.
"""

from __future__ import annotations

import subprocess
from collections import defaultdict
from itertools import pairwise
from statistics import median

import numpy as np

from aria_docs.errors import EngineError
from aria_docs.ingest.scans.picture import Gray
from aria_docs.ingest.scans.reader import OcrLine, OcrWord

_LEVEL_WORD = 5  # of the rows of its TSV, the only ones with text
_FLUENT = 0.7  # a page that reads so is upright
_MIN_CERTAINTY = 0.3
_MAX_LANGUAGES = 4  # each makes it slower; who has installed a hundred has not said which
_WIDE_GAP = 1.5  # of a line's height: words further apart stand in two columns, and make two lines


class Tesseract:
    """The program, and the languages that it has data for."""

    def __init__(self) -> None:
        listed = _run("--list-langs").decode(errors="replace").split("\n")[1:]
        languages = [name for name in map(str.strip, listed) if name not in ("", "osd", "equ", "snum")]
        if not languages:
            raise EngineError("tesseract has no language data: install for example tesseract-ocr-eng")
        few = languages if len(languages) <= _MAX_LANGUAGES else [name for name in languages if name == "eng"]
        self._languages = "+".join(few or languages[:1])

    def read(self, picture: Gray) -> tuple[int, list[OcrLine]]:
        """Clockwise quarter turns that set the text upright, and the lines of the picture so turned."""
        best: tuple[int, list[OcrLine]] = (0, [])
        best_sum = 0.0
        for quarters in (0, 2, 1, 3):
            lines = self._read(np.ascontiguousarray(np.rot90(picture, -quarters)))
            certain = sum(line.certainty * len(line.words) for line in lines)
            if certain > best_sum:
                best, best_sum = (quarters, lines), certain
            if lines and median(line.certainty for line in lines) >= _FLUENT:
                break
        return best

    def _read(self, picture: Gray) -> list[OcrLine]:
        height, width = picture.shape
        pgm = b"P5 %d %d 255\n" % (width, height) + picture.tobytes()
        # --psm 3: it finds blocks and columns by itself, in whatever script it was given.
        tsv = _run("stdin", "stdout", "--psm", "3", "-l", self._languages, "tsv", given=pgm).decode(errors="replace")
        rows: dict[tuple[str, ...], list[tuple[OcrWord, float, float, float]]] = defaultdict(list)
        for line in tsv.split("\n")[1:]:
            fields = line.split("\t")
            if len(fields) != 12 or fields[0] != str(_LEVEL_WORD) or not fields[11].strip():
                continue
            x, y, w, h = map(float, fields[6:10])
            sure = float(fields[10]) / 100
            rows[tuple(fields[1:5])].append((OcrWord(fields[11].strip(), x, x + w, sure), y, y + h, sure))
        return [line for row in rows.values() for line in _lines(row) if line.certainty >= _MIN_CERTAINTY]


def _lines(row: list[tuple[OcrWord, float, float, float]]) -> list[OcrLine]:
    """A row of Tesseract's runs across the columns of a table; it is cut where words stand far apart."""
    row = sorted(row, key=lambda item: item[0].x0)
    y0, y1 = min(item[1] for item in row), max(item[2] for item in row)
    cuts = [n for n, (a, b) in enumerate(pairwise(row), 1) if b[0].x0 - a[0].x1 > _WIDE_GAP * (y1 - y0)]
    return [
        OcrLine(tuple(item[0] for item in row[a:b]), y0, y1, sum(item[3] for item in row[a:b]) / (b - a))
        for a, b in pairwise([0, *cuts, len(row)])
    ]


def _run(*arguments: str, given: bytes = b"") -> bytes:
    try:
        done = subprocess.run(["tesseract", *arguments], input=given, capture_output=True, check=True)
    except OSError as e:
        raise EngineError(f"tesseract cannot be started: {e.strerror}") from e
    except subprocess.CalledProcessError as e:
        said = e.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise EngineError(f"tesseract ended with exit status {e.returncode}: {said or 'it gave no reason'}") from e
    return done.stdout
