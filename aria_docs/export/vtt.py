"""What is said in each video as WebVTT subtitles, as `srt` does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from aria_docs.export import EVERYTHING, Chosen, Left, Written, srt

if TYPE_CHECKING:
    from aria_docs.storage.database import Store


def export(store: Store, folder: Path, chosen: Chosen = EVERYTHING) -> Iterator[Written | Left]:
    """NAME.vtt for each video in which something is said."""
    return srt.export(store, folder, chosen, form="vtt")
