"""A file of subtitles → cues, by what is in it: its suffix is often another's. Pure, no I/O.

SubRip, WebVTT, SubViewer and YouTube's are read by what they share, a line with two times; TTML in all its clocks,
YouTube's XML and JSON, Whisper's JSON and tables, SAMI and LRC are read here; Advanced SubStation, MicroDVD and MPL2 by
pysubs2; EBU's STL in `ebu_stl`. What nobody here knows FFmpeg may (`pyav_clip.subtitles`).
"""

from __future__ import annotations

import csv
import json
import re
import warnings
from dataclasses import replace
from html import unescape
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pysubs2

from aria_docs.ingest.video import ebu_stl
from aria_docs.ingest.video.code_pages import decode
from aria_docs.media import Cue

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

STAMP = r"(-?)\s*(?:(\d+)\s*:\s*)?(\d{1,3})\s*:\s*(\d{1,2})(?:\s*[.,:;]\s*(\d{1,9}))?"
# SubRip's and WebVTT's arrow, whatever an editor has made of it; the comma of SubViewer and YouTube.
TIMING = re.compile(rf"^\s*{STAMP}\s*(?:-*>|[\u2010-\u2015\u2212]+>|[→⇒]|,)\s*{STAMP}(?:\s+(?!,)(.*)|$)")
NUMBER = re.compile(r"[-#]?[a-zA-Z]?\d+")  # of a cue
WIDE = str.maketrans("：，．", ":,.")  # as a translator's keyboard has them
SETTINGS = re.compile(r"(\s*\w+:\S+)*\s*")  # where on the screen
DRAWING = re.compile(r"\{[^}]*\\p[1-9][^}]*\}.*?(\{[^}]*\\p0[^}]*\}|$)", re.DOTALL)
# The readings of ruby; <i>, <00:01.000>, <v Ann>, but not vector<int>; {\an8} of ASS, {b} and {y:i} of MicroDVD.
TAGS = re.compile(
    r"<rt\b[^>]*>.*?(?:</rt>|(?=</ruby))|<rp\b[^>]*>.*?</rp>|<\d[\d:.]*>"
    r"|</?(?:[biusc](?:\.[\w.]*)?|v\b[^<>]*|(?:br|em|strong|small|big|center|ruby|rtc?|rb)\s*/?)>"
    r"|</?(?:a\s+href|p|font|span|div|lang|body|sami|sync)\b[^<>]*>|</a>|\{\\[^}]*\}|\{/?[biu]\}|\{[yYcCfFsSpP]:[^}]*\}",
    re.IGNORECASE,
)
BREAKS = re.compile(r"\\N|(?i:\[br\]|<br\s*/?>)")
IN_BRACES, BREAKS_OF_ASS, ESCAPED = re.compile(r"(?<!\\)\{[^}]*\}"), re.compile(r"\\[Nnh]"), re.compile(r"\\([{}])")
ESCAPED_TWICE = re.compile(r"&#\d+;|&quot;")
# Bytes of control, soft hyphens, marks of direction; not the joiners, which Persian and emoji need.
HIDDEN = re.compile("[\0-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
SPRITE = re.compile(r"\S+\.(jpe?g|png|webp|gif)([#?]\S*)?", re.IGNORECASE)  # a player's preview pictures
LRC = re.compile(r"\[(\d+):(\d{1,2}(?:[.:]\d{1,3})?)\]")
OFFSET_OF_LRC = re.compile(r"^\[offset:\s*([+-]?\d+)\s*\]", re.IGNORECASE | re.MULTILINE)
HTML_NAME = re.compile(r"&(?!#|(?:amp|lt|gt|quot|apos);)(\w+;)?")  # what XML does not know, and what is none
SYNC = re.compile(r"<SYNC[^>]*?\bStart\s*=\s*[\"']?(-?\d+)[^>]*>", re.IGNORECASE)
PARAGRAPH = re.compile(r"<P\b(?:[^>]*?\bClass\s*=\s*[\"']?(\w+))?[^>]*>", re.IGNORECASE)
CLOCK = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)(?::(\d+(?:\.\d+)?))?")
OFFSET = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s|f|t|)")
AT_LEAST_S = 2.0  # how long a line stands whose end is not before its start
LAST_S = 5.0  # and the last one, where only beginnings are written


def cues(data: bytes, *, fps: float) -> tuple[Cue, ...]:
    """In order of time; empty where it is no text, or a format that is none of ours. fps: for formats that count."""
    return tuple(lasting([*ebu_stl.cues(data)])) if ebu_stl.MAGIC.match(data) else parse(decode(data), fps=fps)


def parse(text: str, *, fps: float = 25.0) -> tuple[Cue, ...]:
    """The cues of a text in any of the formats, in order of time."""
    try:
        found = list(_in_form(text.lstrip(), fps))
    except (
        pysubs2.Pysubs2Error,
        ET.ParseError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        csv.Error,
        RecursionError,
    ):
        return ()  # it begins like one of the formats, and is none
    found = sorted((cue for cue in found if cue.text and cue.end_s >= 0), key=lambda cue: cue.start_s)
    return tuple(lasting(found))


def _in_form(text: str, fps: float) -> Iterator[Cue]:
    if re.search(r"^(\[Script Info\]|Dialogue:)", text, re.MULTILINE):
        return _by_pysubs2(text, "ass")
    text = re.sub(r"^\{DEFAULT\}.*\s+", "", text)  # MicroDVD's colours
    if re.match(r"\{\d+\}\{\d*\}", text):
        says = re.match(r"\{[01]\}\{[01]\}\d+(\.\d+)?\s", text)
        return _by_pysubs2(text, "microdvd", fps=None if says else fps)
    if re.match(r"\[\d+\]\[\d*\]", text):
        return _by_pysubs2(text, "mpl2")
    if re.search("<SAMI", text[:1000], re.IGNORECASE):
        return _sami(text)
    if re.search(r"<(\w+:)?(tt|timedtext|transcript)[\s>]", text[:2000]):
        without_names = HTML_NAME.sub(lambda name: unescape(name[0]) if name[1] else "&amp;", text)
        return _xml(ET.fromstring(re.sub(r"^<\?xml[^>]*\?>", "", without_names)))
    if re.match(r"\{|\[\s*\{", text):
        return _json(json.loads(text))
    if re.match(r"start[\t,]end[\t,]", text):
        return _table(text)
    if LRC.search(text) and not any(TIMING.match(line) for line in text.splitlines()):
        return _lrc(text)
    return _read_timed(text)


def lasting(found: Sequence[Cue]) -> Iterator[Cue]:
    """What ends before it begins stands until the next, for two seconds at most."""
    for i, cue in enumerate(found):
        if cue.end_s > cue.start_s:
            yield cue
            continue
        following_s = next((later.start_s for later in found[i + 1 :] if later.start_s > cue.start_s), float("inf"))
        yield replace(cue, end_s=min(following_s, cue.start_s + AT_LEAST_S))


def plain(text: str, *, of_ass: bool = False) -> str:
    """Text without markup, on one line. of_ass: in the markup of Advanced SubStation, as FFmpeg gives all of it."""
    if of_ass:
        text = ESCAPED.sub(r"\1", BREAKS_OF_ASS.sub(" ", IN_BRACES.sub("", DRAWING.sub("", text))))
    text = unescape(TAGS.sub("", BREAKS.sub(" ", DRAWING.sub("", text))))
    return " ".join(HIDDEN.sub("", ESCAPED_TWICE.sub(lambda name: unescape(name[0]), text)).split())


def _cue(start_s: float, end_s: float, marked: str, *, of_ass: bool = False) -> Cue:
    return Cue(max(0.0, start_s), end_s, plain(marked, of_ass=of_ass), "sidecar")


def _by_pysubs2(text: str, form: str, **options: Any) -> Iterator[Cue]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of a layer that is no number
        file = pysubs2.SSAFile.from_string(text, format_=form, **options)
    said = (event for event in file if event.type == "Dialogue")
    return (_cue(event.start / 1000, event.end / 1000, event.text, of_ass=True) for event in said)


def _read_timed(text: str) -> Iterator[Cue]:
    """A line with two times, then text up to the next.

    Numbers, headers, styles, notes and cue settings stand outside of that. In WebVTT an empty line ends the text; in
    SubRip somebody's editor may have left it out, doubled it, or put one in the middle, and only the next cue's number
    does.
    """
    lines = re.sub("\r*\n|\r", "\n", text).split("\n")
    timings = {i: timing for i, line in enumerate(lines) if (timing := TIMING.match(line.translate(WIDE)))}
    starts = list(timings)
    if not starts:
        return
    is_vtt = text.startswith("WEBVTT")
    numbered = NUMBER.fullmatch([*filter(None, map(str.strip, lines[: starts[0]])), ""][-2:][0])
    for i, until in pairwise([*starts, len(lines)]):
        *stamps, rest = timings[i].groups()
        said = lines[i + 1 : until]
        if is_vtt and "" in said:
            said = said[: said.index("")]
        said = [line.strip() for line in said if not line.startswith("```")]  # a chat's fence
        while said and not said[-1]:
            said.pop()
        is_before = until < len(lines) or said[-2:-1] == [""]  # another cue, or what is left of one
        if is_before and numbered and said and NUMBER.fullmatch(said[-1]):
            said.pop()
        if rest and not SETTINGS.fullmatch(rest):
            said.insert(0, rest)
        if not all(map(SPRITE.fullmatch, said)):
            yield _cue(_seconds(stamps[:5]), _seconds(stamps[5:]), "\n".join(said))


def _seconds(stamp: Sequence[str | None]) -> float:
    hours, minutes, seconds, fraction = (part or "0" for part in stamp[1:])
    seconds_s = int(hours) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{fraction}")
    return -seconds_s if stamp[0] else seconds_s


def _sami(text: str) -> Iterator[Cue]:
    """Of several languages the one that says most. A caption stays until the next one of it, or an empty one."""
    pieces = SYNC.split(text)
    by_class: dict[str, list[tuple[float, str]]] = {}
    for start_ms, piece in zip(pieces[1::2], pieces[2::2], strict=True):
        paragraphs = PARAGRAPH.split(piece)
        for name, marked in zip(paragraphs[1::2], paragraphs[2::2], strict=True):
            by_class.setdefault((name or "").casefold(), []).append((int(start_ms) / 1000, plain(marked)))
    most = sorted(
        max(by_class.values(), key=lambda lines: sum(bool(said) for _, said in lines), default=[]), key=_first
    )
    for (start_s, said), (end_s, _) in pairwise([*most, (most[-1][0] + LAST_S if most else 0.0, "")]):
        yield _cue(start_s, end_s, said)


def _first(line: tuple[float, str]) -> float:
    return line[0]


def _lrc(text: str) -> Iterator[Cue]:
    """Lyrics: a line stands until the next; one that is sung again has several times. Their offset comes in
    milliseconds, by which all of it is earlier."""
    lines = []
    offset = OFFSET_OF_LRC.search(text)
    early_s = int(offset[1]) / 1000 if offset else 0.0
    for line in text.splitlines():
        stamps = LRC.findall(line)
        said = LRC.sub("", line)
        lines += [(int(minutes) * 60 + float(seconds.replace(":", ".")), said) for minutes, seconds in stamps]
    lines.sort(key=_first)
    for (start_s, said), (end_s, _) in pairwise([*lines, (lines[-1][0] + LAST_S, "")]):
        yield _cue(start_s - early_s, end_s - early_s, said)


def _json(written: Any) -> Iterator[Cue]:
    """YouTube's json3; the segments of Whisper and of whisper.cpp, or a list of the like."""
    if "events" in written:
        for event in written["events"]:
            start_s = event["tStartMs"] / 1000
            said = "".join(piece.get("utf8", "") for piece in event.get("segs", ()))
            yield _cue(start_s, start_s + event.get("dDurationMs", 0) / 1000, said)
    elif "transcription" in written:
        for line in written["transcription"]:
            yield _cue(line["offsets"]["from"] / 1000, line["offsets"]["to"] / 1000, line["text"])
    else:
        for line in written if isinstance(written, list) else written["segments"]:
            start_s = float(line["start"])
            end_s = float(line["end"]) if "end" in line else start_s + float(line.get("duration", AT_LEAST_S))
            yield _cue(start_s, end_s, line["text"])


def _table(text: str) -> Iterator[Cue]:
    """Whisper's tables, with tabs, or with commas and quotes; in whole milliseconds, or in seconds."""
    lines = text.splitlines()
    is_quoted = "\t" not in lines[0]
    rows = list(csv.DictReader(lines) if is_quoted else csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    unit_s = 1.0 if any("." in row["start"] for row in rows) else 0.001
    for row in rows:
        yield _cue(float(row["start"]) * unit_s, float(row["end"]) * unit_s, row["text"])


def _xml(root: ET.Element) -> Iterator[Cue]:
    """TTML (and DFXP, its older name), or YouTube's three."""
    kind = _name(root)
    if kind == "transcript":
        for text in root.iter("text"):
            start_s = float(text.attrib["start"])
            yield _cue(start_s, start_s + float(text.get("dur", AT_LEAST_S)), unescape("".join(text.itertext())))
    elif kind == "timedtext":
        for p in (element for element in root.iter() if element.tag in ("p", "text")):
            start_s = float(p.attrib["t"]) / 1000
            yield _cue(start_s, start_s + float(p.get("d", 1000 * AT_LEAST_S)) / 1000, "".join(p.itertext()))
    else:
        rates = {_name(key): value for key, value in root.attrib.items()}
        above, below = rates.get("frameRateMultiplier", "1 1").replace(":", " ").split()
        frame_s = 1 / (float(rates.get("frameRate", 30)) * float(above) / float(below))
        tick_s = 1 / float(rates["tickRate"]) if "tickRate" in rates else frame_s
        yield from _read_timed_text(root, 0.0, frame_s, tick_s)


def _read_timed_text(element: ET.Element, since_s: float, frame_s: float, tick_s: float) -> Iterator[Cue]:
    """Times count from the beginning of what an element stands in."""
    begin_s = since_s + _time_s(element.get("begin", "0s"), frame_s, tick_s)
    if _name(element) not in ("p", "span") or (_name(element) == "p" and not _says_when(element)):
        for child in element:
            yield from _read_timed_text(child, begin_s, frame_s, tick_s)
        return
    if "dur" in element.attrib:
        end_s = begin_s + _time_s(element.attrib["dur"], frame_s, tick_s)
    else:
        end_s = since_s + _time_s(element.get("end", "0s"), frame_s, tick_s)
    yield _cue(begin_s, end_s, "".join(_texts(element)))


def _says_when(p: ET.Element) -> bool:
    """Whether it stands at one time, and not each of its parts at its own."""
    return bool({"begin", "end", "dur"} & set(p.attrib)) or not any("begin" in child.attrib for child in p)


def _texts(element: ET.Element) -> Iterator[str]:
    """Without what is said of it, and without the readings of ruby."""
    if _name(element) not in ("metadata", "set") and not any(
        _name(key) == "ruby" and value in ("text", "textContainer", "delimiter")
        for key, value in element.attrib.items()
    ):
        yield " " if _name(element) == "br" else element.text or ""
        for child in element:
            yield from _texts(child)
            yield child.tail or ""


def _name(element: ET.Element | str) -> str:
    """Without its namespace."""
    return (element if isinstance(element, str) else element.tag).rpartition("}")[2]


def _time_s(written: str, frame_s: float, tick_s: float) -> float:
    written = written.strip().replace(",", ".")
    if clock := CLOCK.fullmatch(written):
        hours, minutes, seconds, frames = clock.groups()
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds) + float(frames or 0) * frame_s
    offset = OFFSET.fullmatch(written)
    if not offset:
        raise ValueError(f"{written} is no time of TTML")
    units_s = {"h": 3600.0, "m": 60.0, "s": 1.0, "": 1.0, "ms": 0.001, "f": frame_s, "t": tick_s}
    return float(offset[1]) * units_s[offset[2]]


def write(said: Sequence[Cue], *, form: str) -> str:
    """SubRip or WebVTT (`srt`, `vtt`)."""
    file = pysubs2.SSAFile()
    for cue in said:
        event = pysubs2.SSAEvent(start=round(cue.start_s * 1000), end=round(cue.end_s * 1000))
        event.plaintext = cue.text
        file.append(event)
    return file.to_string(form)
