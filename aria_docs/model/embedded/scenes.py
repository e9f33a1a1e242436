"""Scenes without a model: one per shot, described by what is said in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aria_docs.media import Scene

if TYPE_CHECKING:
    from aria_docs.media import Video


def scenes(video: Video) -> tuple[Scene, ...]:
    """One scene per shot; the description is the words of the cues whose middle lies in it, None without any."""
    found = []
    for shot, thumbnail in zip(video.shots, video.thumbnails, strict=True):
        said = [c.text for c in video.cues if shot.start_s <= (c.start_s + c.end_s) / 2 < shot.end_s]
        found.append(Scene(shot.start_s, shot.end_s, shot.transition, None, " ".join(said) or None, thumbnail))
    return tuple(found)
