"""What an OCR reader is and what it gives: lines of words, in pixels of the picture. Two readers, one contract."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from aria_docs.ingest.scans.picture import Gray

OcrName = Literal["rapidocr", "tesseract"]
HOW_TO_GET_IT = "pip install 'aria-docs[ocr]' brings what reads scans"
IDEOGRAPH = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


@dataclass(frozen=True, slots=True)
class OcrWord:
    """A word, its first and last column of pixels, and how sure its least certain character is, from 0 to 1."""

    text: str
    x0: float
    x1: float
    sure: float = 1.0


@dataclass(frozen=True, slots=True)
class OcrLine:
    """Words on one baseline, from the left, in the rows of pixels y0 to y1; `certainty` is 0 to 1."""

    words: tuple[OcrWord, ...]
    y0: float
    y1: float
    certainty: float


class OcrReader(Protocol):
    """Reads a straightened gray picture, whichever way up it is."""

    def read(self, picture: Gray) -> tuple[int, list[OcrLine]]:
        """Clockwise quarter turns that set the text upright, and the lines of the picture so turned."""
