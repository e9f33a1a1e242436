"""What is said in a video, where somebody wrote it down: its subtitle track, or the .srt or .vtt file beside it."""

from __future__ import annotations

import os
import re
from html import unescape
from pathlib import Path

from aria_docs.errors import Unreachable
from aria_docs.media import Cue

STAMP = r"(?:(\d+):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
TIMING = re.compile(rf"^\s*{STAMP}\s*-->\s*{STAMP}")
# <i>, <00:01.000>, <v Ann>; {\an8} and other ASS overrides.
TAGS = re.compile(r"</?[a-zA-Z][^<>]*>|<\d[^<>]*>|\{\\[^}]*\}")
SUFFIXES = (".srt", ".vtt")
LANGUAGE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]+)*")


def sidecar(video: Path) -> tuple[Cue, ...]:
    """The cues of the file beside a video, see `in_folder`; times as written. Raises Unreachable."""
    path = in_folder(str(video.parent)).get(video.stem)
    if path is None:
        return ()
    try:
        return parse(_decoded(Path(path).read_bytes()))
    except OSError as e:
        raise Unreachable(f"{path} cannot be read: {e.strerror}") from e


def in_folder(folder: str) -> dict[str, str]:
    """The subtitle files of a folder by the stem of the video that they belong to: to `film.mp4` belongs `film.srt` or
    `.vtt`, else the first `film.<language>.srt` or `.vtt` by name; `film.part2.cut.srt` does not."""
    try:
        with os.scandir(folder) as entries:
            named = [entry for entry in entries if entry.name.lower().endswith(SUFFIXES) and entry.is_file()]
    except OSError:  # a folder that shows nobody what it holds, but gives out what is named
        return {}
    exact: dict[str, str] = {}
    of_language: dict[str, str] = {}
    for entry in sorted(named, key=lambda entry: entry.name):
        stem = Path(entry.name).stem
        exact.setdefault(stem, entry.path)
        of, _, language = stem.rpartition(".")
        if of and LANGUAGE.fullmatch(language):
            of_language.setdefault(of, entry.path)
    return of_language | exact


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
