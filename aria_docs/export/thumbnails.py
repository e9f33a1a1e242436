"""A picture of each scene: the JPEG that the database keeps, so that the video itself need not be there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from aria_docs.errors import Damaged
from aria_docs.export import EVERYTHING, Chosen, Left, Written
from aria_docs.export.videos import pictures, videos

if TYPE_CHECKING:
    from aria_docs.storage.database import Store


def export(store: Store, folder: Path, chosen: Chosen = EVERYTHING) -> Iterator[Written | Left]:
    """NAME/NAME-001.jpg and so on for each video."""
    for video in videos(store, chosen):
        inside = folder / video.name
        inside.mkdir(exist_ok=True)
        for cut, jpeg in zip(video.cuts, pictures(store, video), strict=True):
            if jpeg is None:
                why = f"{cut.name} of {Path(video.path).name} has no picture: none of its frames could be decoded"
                yield Left(video.path, Damaged(why))
                continue
            file = inside / f"{video.stem(cut)}.jpg"
            file.write_bytes(jpeg)
            facts = {"source_id": video.source_id, "scene_no": cut.scene_no, "start_s": cut.start_s, "end_s": cut.end_s}
            yield Written(file, video.path, facts)
