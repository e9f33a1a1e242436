"""Scenes as an edit decision list (CMX 3600), which every editing program reads: one video track, a cut per scene.

A CMX list has no frame rate of its own and counts whole frames: `timecode.nearest` says which are meant. Dissolves are
already in the picture; a list that asked for them would have them made twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aria_docs.export import EVERYTHING, Chosen, Left, Written
from aria_docs.export.timecode import Rate, nearest
from aria_docs.export.videos import Cut, videos

if TYPE_CHECKING:
    from aria_docs.storage.database import Store

MOST_EVENTS = 999
"""An event number has three digits; longer lists are told apart by files, with record times that go on."""


def export(store: Store, folder: Path, chosen: Chosen = EVERYTHING) -> Iterator[Written | Left]:
    """NAME.edl for each video, where it has more than 999 scenes NAME/NAME-1.edl and so on."""
    for video in videos(store, chosen):
        rate = nearest(video.fps)
        for first in range(0, len(video.cuts), MOST_EVENTS):
            file = folder / f"{video.name}.edl"
            if len(video.cuts) > MOST_EVENTS:  # in a folder, since NAME-2 may be the name of another video
                file = folder / video.name / f"{video.name}-{first // MOST_EVENTS + 1}.edl"
                file.parent.mkdir(exist_ok=True)
            cuts = video.cuts[first : first + MOST_EVENTS]
            text = cmx3600(cuts, rate=rate, title=file.stem, clip_name=Path(video.path).name)
            file.write_text(text, encoding="utf-8", newline="\r\n")
            facts = {"source_id": video.source_id, "n_scenes": len(cuts), "timecode_fps": round(float(rate.fps), 3)}
            yield Written(file, video.path, facts)


def cmx3600(cuts: Sequence[Cut], *, rate: Rate, title: str, clip_name: str) -> str:
    """Source in and out, record in and out; out is the first frame that no longer belongs.

    Scenes of no whole frame at this rate (of a variable one) are left out: programs refuse an edit without length.
    """
    lines = [f"TITLE: {_line(title)}", f"FCM: {'DROP FRAME' if rate.drops else 'NON-DROP FRAME'}", ""]
    number = 0
    for cut in cuts:
        start, end = rate.frames(cut.start_s), rate.frames(cut.end_s)
        if start == end:
            continue
        number += 1
        edges = f"{rate.timecode(start)} {rate.timecode(end)}"
        lines += [
            f"{number:03}  AX       V     C        {edges} {edges}",
            f"* FROM CLIP NAME: {_line(clip_name)}",
            f"* COMMENT: {_line(cut.name)} ({cut.transition})",
        ]
    return "\n".join(lines) + "\n"


def _line(text: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f\ud800-\udfff]+", " ", text)
