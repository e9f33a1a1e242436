"""What is said in a video, where somebody wrote it down: its subtitle track, or the file of subtitles beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from aria_docs.errors import Unreachable
from aria_docs.ingest.video import pyav_clip, sidecars, subtitle_formats
from aria_docs.ingest.video.code_pages import decode
from aria_docs.ingest.video.subtitle_formats import plain
from aria_docs.media import Cue, one_note

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aria_docs.ingest.video.clip import Clip, TextTrack

_HOUR_S = 3600.0
A_FRAME_S = 0.15


@dataclass(frozen=True, slots=True)
class Words:
    """What is said in a video, in order, and what there is to say about where that comes from."""

    cues: tuple[Cue, ...] = ()
    note: str | None = None


def words(clip: Clip) -> Words:
    """The full subtitle track; without one the file beside the video; without that, a track of what is foreign."""
    full, forced = _tracks(clip.text_tracks)
    if full and (cues := _of_track(full, clip.info.duration_s)):
        return Words(cues, clip.text_note)
    beside = sidecar(clip.path, duration_s=clip.info.duration_s, fps=clip.info.fps)
    note = one_note(clip.text_note, beside.note)
    if not beside.cues and forced:
        return Words(_of_track(forced, clip.info.duration_s), one_note(note, "only the forced subtitles are there"))
    return Words(beside.cues, note)


def _tracks(tracks: Sequence[TextTrack]) -> tuple[TextTrack | None, TextTrack | None]:
    """The one that a viewer would choose: the full and the forced one; of full ones that which its writer chose, else
    the first. Not every forced track is marked: it has a quarter of the lines of another in its language, or less."""

    def is_forced(track: TextTrack) -> bool:
        same = [len(other.lines) for other in tracks if other.language in (track.language, "") and not other.forced]
        return track.forced or len(track.lines) * 4 <= max(same, default=0)

    def first(kind: Iterable[TextTrack]) -> TextTrack | None:
        return min(kind, key=lambda track: (track.aside, not track.chosen, track.for_the_deaf), default=None)

    return first(t for t in tracks if not is_forced(t)), first(t for t in tracks if is_forced(t))


def _of_track(track: TextTrack, duration_s: float) -> tuple[Cue, ...]:
    cues = [
        Cue(max(0.0, start_s), end_s, plain(marked, of_ass=True), "track") for start_s, end_s, marked in track.lines
    ]
    shown = (cue for cue in cues if cue.text and cue.end_s >= 0 and cue.start_s < duration_s)
    return unroll(tuple(subtitle_formats.lasting(sorted(shown, key=lambda cue: cue.start_s))))


def sidecar(video: Path, *, duration_s: float, fps: float) -> Words:
    """The cues of the file beside a video, see `in_folder`; times as written, but for those that begin at a later hour
    than the video has. Raises Unreachable."""
    path = sidecars.beside(video, sidecars.in_folder(str(video.parent), of=video))
    if path is None:
        unclaimed = sidecars.unclaimed(video)
        named = f"{' and '.join(unclaimed[:3])} beside it has another name, and is not read" if unclaimed else None
        return Words(note=named)
    try:
        data = Path(path).read_bytes()
    except OSError as e:
        raise Unreachable(f"{path} cannot be read: {e.strerror}") from e
    name = Path(path).name
    if sidecars.PICTURES_OF_TEXT.match(data):
        return Words(note=f"{name} holds pictures of text, which are not read")
    cues = subtitle_formats.cues(data, fps=fps) or pyav_clip.subtitles(decode(data))
    if not cues:
        return Words(note=f"{name} holds no subtitles that can be read")
    if all(cue.start_s >= max(duration_s, _HOUR_S) for cue in cues):
        # Broadcast counts a film's time from the hour, 01:00:00 or 10:00:00; what stands just before it is a leader.
        late_s = cues[0].start_s // _HOUR_S * _HOUR_S
        late_s += _HOUR_S if cues[0].start_s - late_s >= duration_s else 0
        moved = (replace(cue, start_s=max(0.0, cue.start_s - late_s), end_s=cue.end_s - late_s) for cue in cues)
        cues = tuple(cue for cue in moved if cue.end_s > 0)
        if not cues or cues[0].start_s >= duration_s:
            return Words(note=f"the subtitles of {name} begin after the end of the video")
        note = f"the subtitles of {name} begin at hour {late_s / _HOUR_S:.0f}, which is taken for the start"
        return Words(unroll(cues), note)
    n_late = sum(cue.start_s > duration_s + 1 for cue in cues)
    late = f"{n_late} of {len(cues)} subtitles of {name} begin after the end of the video"
    return Words(unroll(cues), late if n_late else None)


def unroll(cues: Sequence[Cue]) -> tuple[Cue, ...]:
    """Captions that roll up show what was said before once more: each keeps the words that are new in it.

        the old wagon │ the old wagon stands │ stands in the yard    → the old wagon │ stands │ in the yard

    Only where a fifth of the cues and more begin with what the one before ends with, and follow without a pause:
    otherwise somebody has said a thing twice.
    """
    cues = _typeset(dict.fromkeys(cues))  # Advanced SubStation draws a line twice for its shadow
    again = [_again(a, b) for a, b in pairwise(cues)]
    n_rolled = sum(n > 1 for n in again)
    if n_rolled * 5 < len(cues):
        return cues
    if n_rolled * 2 >= len(again):  # nearly all do: then a single word has been said before, too
        again = [_again(a, b, least=1) for a, b in pairwise(cues)]
    found = [*cues[:1]]
    for cue, n in zip(cues[1:], again, strict=True):
        if text := " ".join(cue.text.split()[n:]):
            found.append(replace(cue, text=text))
    return tuple(found)


def _typeset(cues: Iterable[Cue]) -> tuple[Cue, ...]:
    """A sign that moves is drawn anew for every frame: one cue."""
    found: list[Cue] = []
    last: dict[str, tuple[int, float]] = {}  # text → its place, and how long it was drawn the last time
    for cue in cues:
        length_s = cue.end_s - cue.start_s
        at, before_s = last.get(cue.text, (0, float("inf")))
        if max(length_s, before_s) < A_FRAME_S and cue.start_s - found[at].end_s < A_FRAME_S:
            found[at] = replace(found[at], end_s=max(cue.end_s, found[at].end_s))
        else:
            at = len(found)
            found.append(cue)
        last[cue.text] = at, length_s
    return tuple(found)


def _again(before: Cue, cue: Cue, *, least: int = 3) -> int:
    """How many words at the start of a cue are the last of the one before; three in a row are no coincidence, nor is
    the whole of a shorter one."""
    if cue.start_s > before.end_s + 0.1:
        return 0
    old, new = before.text.split(), cue.text.split()
    longest_first = range(min(len(old), len(new)), 0, -1)
    return next((n for n in longest_first if old[-n:] == new[:n] and n >= min(least, len(old), len(new))), 0)
