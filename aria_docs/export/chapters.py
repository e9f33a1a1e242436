"""Scenes as chapters, in the four forms that players and sites take: for each video

NAME.ffmetadata     ffmpeg -i VIDEO -i NAME.ffmetadata -map 0 -map_chapters 1 -c copy WITH_CHAPTERS.mp4
NAME.chapters.xml   mkvmerge --chapters NAME.chapters.xml -o WITH_CHAPTERS.mkv VIDEO
NAME.chapters.vtt   <track kind="chapters" src="NAME.chapters.vtt">
NAME.youtube.txt    lines for the description of a video
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from aria_docs.errors import FileError, SandboxError
from aria_docs.export import EVERYTHING, Chosen, Left, Written
from aria_docs.export.timecode import clock
from aria_docs.export.topics import topics
from aria_docs.export.videos import Cut, VideoSource, videos
from aria_docs.ingest.sandbox import Sandbox
from aria_docs.ingest.video.cutting import STALL_S

if TYPE_CHECKING:
    from aria_docs.storage.database import Store

MOST_CHAPTERS = 12
QUOTED = 40  # characters of what is said, as a title
YOUTUBE_FEWEST, YOUTUBE_SHORTEST_S = 3, 10
"""YouTube shows none at all where there are fewer or one is shorter (support.google.com/youtube/answer/9884579)."""

# What XML 1.0 cannot hold, escaped or not; in the other forms it would be no better.
_NO_CHARACTERS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def export(
    store: Store, folder: Path, chosen: Chosen = EVERYTHING, *, most: int = MOST_CHAPTERS
) -> Iterator[Written | Left]:
    """Four files for each video; no list for YouTube where it would show none.

    most: chapters of a video, where they are made of its words or its shots.
    """
    forms = {"ffmetadata": ffmetadata, "chapters.xml": matroska_xml, "chapters.vtt": webvtt}
    with Sandbox(warm=["aria_docs.ingest.video.cutting:warm"]) as box:
        for video in videos(store, chosen):
            cuts = _chapters(store, box, video, most)
            for suffix, written_as in forms.items():
                yield _write(folder, video, suffix, written_as(cuts), len(cuts))
            if len(kept := youtube_chapters(cuts)) >= YOUTUBE_FEWEST:
                yield _write(folder, video, "youtube.txt", youtube(cuts), len(kept))
            else:
                yield Left(
                    video.path,
                    FileError(
                        f"no list for YouTube: it shows {YOUTUBE_FEWEST} chapters and more, of {YOUTUBE_SHORTEST_S} s "
                        f"each, and of such this video has {len(kept)}"
                    ),
                    is_unwanted=True,
                )


def _write(folder: Path, video: VideoSource, suffix: str, text: str, n_chapters: int) -> Written:
    file = folder / f"{video.name}.{suffix}"
    file.write_text(text, encoding="utf-8", newline="\n")
    return Written(file, video.path, {"source_id": video.source_id, "n_chapters": n_chapters})


def _chapters(store: Store, box: Sandbox, video: VideoSource, most: int) -> Sequence[Cut]:
    """Those that the file names; else the scenes, if a model has named them; else what is said; else the scenes, by
    number only where nothing is said."""
    if named := _of_file(box, video):
        return named
    rows = store.records(
        f"SELECT start_s, text FROM cues WHERE source_id = '{video.source_id}' ORDER BY start_s, cue_no"
    )
    lines = [(row["start_s"], row["text"]) for row in rows]
    if any(cut.title for cut in video.cuts):
        return _quote(video.cuts, lines)
    found = topics(lines, [cut.start_s for cut in video.cuts], duration_s=video.duration_s, most=most)
    if not found:
        return _quote(_fewer(video.cuts, most), lines)
    ends_s = [start_s for start_s, _ in found[1:]] + [video.duration_s]
    return [Cut(i, *at, "cut", title) for i, (at, title) in enumerate(_spans(found, ends_s))]


def _quote(cuts: Sequence[Cut], lines: Sequence[tuple[float, str]]) -> Sequence[Cut]:
    """Titles for those that have none: what is said first in them; where nothing is, they go with the one before."""
    if not lines:
        return cuts
    quoted: list[Cut] = []
    for cut in cuts:
        said = next((text for at_s, text in lines if cut.start_s <= at_s < cut.end_s), "" if quoted else lines[0][1])
        if cut.title or said or not quoted:
            quoted.append(replace(cut, title=cut.title or textwrap.shorten(said[:QUOTED], QUOTED - 1, placeholder="…")))
        else:
            quoted[-1] = replace(quoted[-1], end_s=cut.end_s)
    return quoted


def _spans(found: Sequence[tuple[float, str]], ends_s: Sequence[float]) -> Iterator[tuple[tuple[float, float], str]]:
    for (start_s, title), end_s in zip(found, ends_s, strict=True):
        yield (start_s, end_s), title


def _of_file(box: Sandbox, video: VideoSource) -> list[Cut]:
    """The chapters that the writer of the file has named; none where it is gone or cannot be opened."""
    try:
        child = box.start("aria_docs.ingest.video.cutting:chapters", str(video.file()))
    except FileError:
        return []
    try:
        if not child.connection.poll(STALL_S):
            return []
        named = child.receive()
    except (FileError, SandboxError, StopIteration):
        return []
    finally:
        child.kill()
    return [Cut(i, start_s, end_s, "cut", title) for i, (start_s, end_s, title) in enumerate(named)]


def _fewer(cuts: Sequence[Cut], most: int) -> Sequence[Cut]:
    """At most so many, those that begin soonest after equal times."""
    if len(cuts) <= most:
        return cuts
    length_s = cuts[-1].end_s - cuts[0].start_s
    wanted_s = (cuts[0].start_s + length_s * i / most for i in range(most))
    kept = sorted({min(range(len(cuts)), key=lambda i: abs(cuts[i].start_s - at_s)) for at_s in wanted_s} | {0})[:most]
    ends_s = [cuts[i].start_s for i in kept[1:]] + [cuts[-1].end_s]
    return [replace(cuts[i], end_s=end_s) for i, end_s in zip(kept, ends_s, strict=True)]


def ffmetadata(cuts: Sequence[Cut]) -> str:
    """FFmpeg's own (ffmpeg-formats, "Metadata"): = ; # and \\ are escaped."""
    lines = [";FFMETADATA1"]
    for cut in cuts:
        title = re.sub(r"([=;#\\])", r"\\\1", _name(cut))
        start, end = round(cut.start_s * 1000), round(cut.end_s * 1000)
        lines += ["[CHAPTER]", "TIMEBASE=1/1000", f"START={start}", f"END={end}", f"title={title}"]
    return "\n".join(lines) + "\n"


def webvtt(cuts: Sequence[Cut]) -> str:
    """A chapters track (W3C WebVTT, 4.2.2): & < > are escaped, by which --> is too."""
    blocks = ["WEBVTT\n"]
    for number, cut in enumerate(cuts, 1):
        title = _name(cut).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        blocks.append(f"{number}\n{clock(cut.start_s)} --> {clock(cut.end_s)}\n{title}\n")
    return "\n".join(blocks)


def youtube(cuts: Sequence[Cut]) -> str:
    """Lines for a description; < and > are refused there."""
    kept = youtube_chapters(cuts)
    return "\n".join(f"{_short_clock(start_s)} {re.sub('[<>]', '', name)}" for start_s, name in kept) + "\n"


def youtube_chapters(cuts: Sequence[Cut]) -> list[tuple[int, str]]:
    """Whole seconds from 0:00; what is shorter than YouTube takes goes with the chapter before it."""
    end_s = round(cuts[-1].end_s)
    kept: list[tuple[int, str]] = []
    for cut in cuts:
        start_s = round(cut.start_s) if kept else 0
        if not kept or (start_s - kept[-1][0] >= YOUTUBE_SHORTEST_S and end_s - start_s >= YOUTUBE_SHORTEST_S):
            kept.append((start_s, _name(cut)))
    return kept


def matroska_xml(cuts: Sequence[Cut]) -> str:
    """mkvmerge's and mkvpropedit's (Matroska specification, "Chapters")."""
    chapters = ElementTree.Element("Chapters")
    edition = ElementTree.SubElement(chapters, "EditionEntry")
    for cut in cuts:
        atom = ElementTree.SubElement(edition, "ChapterAtom")
        ElementTree.SubElement(atom, "ChapterTimeStart").text = clock(cut.start_s, digits=9)
        ElementTree.SubElement(atom, "ChapterTimeEnd").text = clock(cut.end_s, digits=9)
        display = ElementTree.SubElement(atom, "ChapterDisplay")
        ElementTree.SubElement(display, "ChapterString").text = _name(cut)
        ElementTree.SubElement(display, "ChapterLanguage").text = "und"
    ElementTree.indent(chapters)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(chapters, encoding="unicode") + "\n"


def _name(cut: Cut) -> str:
    return _NO_CHARACTERS.sub("", cut.name)


def _short_clock(seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"
