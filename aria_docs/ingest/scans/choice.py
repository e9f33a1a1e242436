"""Which OCR reader to use, and its loading: the networks in the wheel of `rapidocr`, or `tesseract` on PATH."""

from __future__ import annotations

import functools
import shutil
from importlib.util import find_spec
from typing import TYPE_CHECKING

from aria_docs.errors import EngineError
from aria_docs.ingest.scans.reader import HOW_TO_GET_IT

if TYPE_CHECKING:
    from aria_docs.ingest.scans.reader import OcrName, OcrReader


def choose(asked: OcrName | None) -> OcrName | None:
    """The reader asked for, else rapidocr if it is installed, else None.

    Raises EngineError if the one asked for is not installed.
    """
    if asked == "tesseract":
        if shutil.which("tesseract") is None:
            raise EngineError(
                "--ocr tesseract: no tesseract on PATH; install it, or leave the option away for rapidocr"
            )
        return "tesseract"
    if find_spec("rapidocr"):
        return "rapidocr"
    if asked == "rapidocr":
        raise EngineError(f"--ocr rapidocr: it is not installed; {HOW_TO_GET_IT}")
    return None


@functools.cache
def load(name: OcrName) -> OcrReader:
    """The reader, loaded once; forked children use what their parent has loaded."""
    if name == "tesseract":
        from aria_docs.ingest.scans.tesseract import Tesseract

        return Tesseract()
    from aria_docs.ingest.scans.networks import Networks

    return Networks()
