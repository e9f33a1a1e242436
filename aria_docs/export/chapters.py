"""Scenes as chapters, in the four forms that players and sites take: for each video

NAME.ffmetadata     ffmpeg -i VIDEO -i NAME.ffmetadata -map 0 -map_chapters 1 -c copy WITH_CHAPTERS.mp4
NAME.chapters.xml   mkvmerge --chapters NAME.chapters.xml -o WITH_CHAPTERS.mkv VIDEO
NAME.vtt            <track kind="chapters" src="NAME.vtt">
NAME.youtube.txt    lines for the description of a video
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from aria_docs.export import EVERYTHING, Chosen, Left, Written
from aria_docs.export.timecode import clock
from aria_docs.export.videos import Cut, videos

if TYPE_CHECKING:
    from aria_docs.storage.database import Store

YOUTUBE_SHORTEST_S = 10
"""YouTube shows no chapters at all where one is shorter (support.google.com/youtube/answer/9884579)."""

# What XML 1.0 cannot hold, escaped or not; in the other forms it would be no better.
_NO_CHARACTERS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def export(store: Store, folder: Path, chosen: Chosen = EVERYTHING) -> Iterator[Written | Left]:
    """Four files for each video."""
    forms = {"ffmetadata": ffmetadata, "chapters.xml": matroska_xml, "vtt": webvtt, "youtube.txt": youtube}
    for video in videos(store, chosen):
        for suffix, written_as in forms.items():
            file = folder / f"{video.name}.{suffix}"
            file.write_text(written_as(video.cuts), encoding="utf-8", newline="\n")
            yield Written(file, video.path, {"source_id": video.source_id, "n_scenes": len(video.cuts)})


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
    """Whole seconds from 0:00; what is shorter than YouTube takes goes with the chapter before it, or after the start.

    YouTube wants three chapters at least: a shorter list stays a list of links into the video.
    """
    end_s = round(cuts[-1].end_s)
    kept: list[tuple[int, str]] = []
    for cut in cuts:
        start_s = round(cut.start_s) if kept else 0
        if not kept or (start_s - kept[-1][0] >= YOUTUBE_SHORTEST_S and end_s - start_s >= YOUTUBE_SHORTEST_S):
            kept.append((start_s, _name(cut)))
    # < and > are refused in descriptions.
    lines = (f"{_short_clock(start_s)} {re.sub('[<>]', '', name)}" for start_s, name in kept)
    return "\n".join(lines) + "\n"


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
