"""Opens what has pages: a PDF, or an image as a document."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aria_docs.errors import Unreachable
from aria_docs.ingest.folder import kind_of
from aria_docs.ingest.pdf import OpenPdf
from aria_docs.ingest.pdf import open_document as open_pdf

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aria_docs.ingest.pdf import Apart
    from aria_docs.ingest.scans.reader import OcrName


def open_document(
    path: Path, *, passwords: Sequence[str] = (), ocr: OcrName | None = None, apart: Apart | None = None
) -> OpenPdf:
    """The file as a document, by its first bytes. See `pdf.open_document` and `images.open_image`."""
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as e:
        raise Unreachable(f"{path} cannot be opened: {e.strerror}") from e
    if kind_of(head, path.suffix.lower()) == "image":
        from aria_docs.ingest.images import open_image

        return open_image(path, ocr=ocr, apart=apart)
    return open_pdf(path, passwords=passwords, ocr=ocr, apart=apart)
