"""What is said in a video, where somebody wrote it down: its subtitle track, or the .srt or .vtt file beside it."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING

from aria_docs.media import Cue

if TYPE_CHECKING:
    from pathlib import Path

STAMP = r"(?:(\d+):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
TIMING = re.compile(rf"^\s*{STAMP}\s*-->\s*{STAMP}")
# <i>, <00:01.000>, <v Ann>; {\an8} and other ASS overrides.
TAGS = re.compile(r"</?[a-zA-Z][^<>]*>|<\d[^<>]*>|\{\\[^}]*\}")


def sidecar(video: Path) -> tuple[Cue, ...]:
    """The cues of `name.srt` or `.vtt`, else of the first `name.<language>.srt` or `.vtt` by name; times as written."""
    beside = sorted(
        path
        for path in video.parent.iterdir()
        if path.suffix.lower() in {".srt", ".vtt"} and path.is_file() and _names(path, video)
    )
    exact = [path for path in beside if path.stem == video.stem]
    for path in exact or beside:
        return parse(_decoded(path.read_bytes()))
    return ()


def parse(text: str) -> tuple[Cue, ...]:
    """SubRip or WebVTT, read by what they share: a line with an arrow between two times, then text up to a blank line.

    Numbers, headers, styles, notes and cue settings stand outside of that.
    """
    cues: list[Cue] = []
    lines = iter(text.splitlines())
    for line in lines:
        timing = TIMING.match(line)
        if not timing:
            continue
        said: list[str] = []
        for following in lines:
            if not following.strip():
                break
            said.append(following)
        groups = timing.groups()
        cue = Cue(_seconds(groups[:4]), _seconds(groups[4:]), plain("\n".join(said)))
        if cue.text and cue.end_s > cue.start_s:
            cues.append(cue)
    return tuple(sorted(cues, key=lambda cue: cue.start_s))


def plain(text: str) -> str:
    """Text without markup, on one line. `\\N` and `\\n` are line breaks of ASS."""
    return " ".join(unescape(TAGS.sub("", text)).replace("\\N", " ").replace("\\n", " ").split())


def _names(path: Path, video: Path) -> bool:
    """`film.srt` and `film.en.srt` belong to `film.mp4`; `film.part2.cut.srt` does not."""
    language = path.stem.removeprefix(video.stem)
    return path.stem == video.stem or (
        path.stem.startswith(video.stem) and re.fullmatch(r"\.[A-Za-z]{2,3}([-_][A-Za-z0-9]+)*", language) is not None
    )


def _decoded(data: bytes) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")  # every byte is a character there


def _seconds(stamp: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, fraction = (part or "0" for part in stamp)
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + int(fraction.ljust(3, "0")) / 1000
