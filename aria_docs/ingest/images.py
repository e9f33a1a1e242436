"""Image files → documents: a page each, or one for each frame of a TIFF. Pillow is the door; EXIF turns are applied.

A page has the size that the image says of itself in dots an inch, and no more than A4's height where it says nothing.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from aria_docs.errors import Damaged, Unreachable, WrongKind
from aria_docs.ingest.pdf import MAX_EDGE_PX, OpenPdf
from aria_docs.ingest.text_layer import TextLayer
from aria_docs.media import DocumentInfo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from aria_docs.ingest.pdf import Apart
    from aria_docs.ingest.scans.reader import OcrName
    from aria_docs.media import TableCandidate

_LONGEST_PT = 842.0  # A4, for an image that says nothing of its size
_SCREEN_DPI = 96.0  # the least: a small picture is no poster
_PLAUSIBLE_DPI = (50.0, 1_200.0)
_SCREENS = (72.0, 96.0)  # what programs write who know nothing of the size
_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP")
# What Pillow raises for bytes that it cannot decode.
ERRORS = (OSError, SyntaxError, ValueError, IndexError, OverflowError, Image.DecompressionBombError)


def open_image(path: Path, *, ocr: OcrName | None = None, apart: Apart | None = None) -> ImageDocument:
    """Opens an image whatever its name. Raises Unreachable, WrongKind, Damaged."""
    Image.init()  # TIFF and WebP are not among the formats that it knows at once
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(path, formats=_FORMATS)
    except UnidentifiedImageError as e:
        raise WrongKind(f"{path} is no image that can be read: save it as PNG, JPEG, TIFF, WebP or BMP") from e
    except FileNotFoundError as e:
        raise Unreachable(f"{path} cannot be opened: {e.strerror}") from e
    except ERRORS as e:
        raise Damaged(f"{path} begins like an image, but cannot be decoded ({e}): fetch or save it again") from e
    return ImageDocument(path, image, ocr=ocr, apart=apart)


class ImageDocument(OpenPdf):
    """An open image as a document. One frame is decoded at a time, the last one is kept."""

    def __init__(self, path: Path, image: Any, *, ocr: OcrName | None = None, apart: Apart | None = None) -> None:
        self._frame: tuple[int, NDArray[np.uint8], tuple[float, float]] | None = None
        super().__init__(path, image, ocr=ocr, apart=apart)

    def _info(self) -> DocumentInfo:
        with self._decoding(1):
            n_frames = getattr(self._handle, "n_frames", 1)
        if n_frames > 1 and self._handle.format == "WEBP":
            return DocumentInfo(n_pages=1, note=f"the first of {n_frames} moving pictures is read, the others are not")
        return DocumentInfo(n_pages=n_frames if self._handle.format == "TIFF" else 1)

    def size(self, number: int) -> tuple[float, float]:
        """(width, height) of a page in points. Raises Damaged."""
        return self._decode(number)[1]

    def _text_of(self, number: int) -> tuple[TextLayer, tuple[float, float]]:
        width, height = self.size(number)
        return TextLayer(painted=(("fill-image", (0.0, 0.0, width, height)),)), (width, height)

    def _find_in_layer(self, *_: object) -> tuple[tuple[TableCandidate, ...], None]:
        return (), None

    def _pixels(
        self, number: int, *, long_edge_px: int = 0, size_px: tuple[int, int] | None = None, gray: bool
    ) -> NDArray[np.uint8]:
        assert 1 <= max(size_px or (long_edge_px,)) <= MAX_EDGE_PX, (size_px, long_edge_px)
        pixels, _ = self._decode(number)
        height, width = pixels.shape[:2]
        scale = long_edge_px / max(height, width)
        target = size_px or (max(1, round(width * scale)), max(1, round(height * scale)))
        image = Image.fromarray(pixels).convert("L" if gray else "RGB")
        smaller = target[0] < width
        resized = image.resize(target, Image.Resampling.BOX if smaller else Image.Resampling.BICUBIC, reducing_gap=2.0)
        return np.asarray(resized).reshape(target[1], target[0], 1 if gray else 3).copy()

    def _decode(self, number: int) -> tuple[NDArray[np.uint8], tuple[float, float]]:
        """A frame, upright, on white, and its size in points."""
        if self._frame is None or self._frame[0] != number:
            with self._decoding(number):
                self._handle.seek(number - 1)
                image = upright(self._handle)
                dpi = _dpi(self._handle.info.get("dpi"), max(image.size))
                pixels = np.asarray(image)
            size_pt = image.width * 72 / dpi, image.height * 72 / dpi
            self._frame = number, pixels, size_pt
        return self._frame[1], self._frame[2]

    @contextmanager
    def _decoding(self, number: int) -> Iterator[None]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # large images; the child's memory is limited
                yield
        except ERRORS as e:
            raise Damaged(f"{self.path}: page {number} cannot be decoded ({e}): fetch or save it again") from e


def _dpi(said: Any, long_edge_px: int) -> float:
    dpi = float(max(said)) if said else 0.0
    if _PLAUSIBLE_DPI[0] <= dpi <= _PLAUSIBLE_DPI[1] and round(dpi) not in _SCREENS:
        return dpi
    return max(_SCREEN_DPI, long_edge_px * 72 / _LONGEST_PT)


def upright(image: Any) -> Any:
    """Turned as its EXIF says, in RGB or gray on white; 16 bits become 8. Raises ERRORS where it cannot be decoded."""
    image = ImageOps.exif_transpose(image)
    if image.mode in ("I;16", "I;16B", "I", "F"):
        values = np.asarray(image, dtype=np.float64)
        top = 65_535.0 if values.max(initial=0) > 255 else 255.0
        return Image.fromarray((values.clip(0, top) * (255 / top)).astype(np.uint8))
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        paper = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(paper, image).convert("RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")
