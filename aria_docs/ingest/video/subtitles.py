"""What is said in a video, where somebody wrote it down: its subtitle track, or the file of subtitles beside it."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from dataclasses import dataclass, replace
from html import unescape
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import charset_normalizer
import pysubs2

from aria_docs.errors import Unreachable
from aria_docs.media import Cue, one_note

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from aria_docs.ingest.video.clip import Clip, TextTrack
    from aria_docs.media import Origin

STAMP = r"(?:(\d+):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
# SubRip's and WebVTT's arrow, YouTube's comma (.sbv).
TIMING = re.compile(rf"^\s*{STAMP}\s*(?:-->|,)\s*{STAMP}(?:\s|$)")
# <i>, <00:01.000>, <v Ann>; {\an8} and other ASS overrides.
TAGS = re.compile(r"</?[a-zA-Z][^<>]*>|<\d[^<>]*>|\{\\[^}]*\}")
SUFFIXES = (".srt", ".vtt", ".sbv", ".ass", ".ssa", ".smi", ".sami", ".ttml", ".dfxp", ".sub")
LANGUAGE = re.compile(r"[a-z]{2,3}([-_][a-z0-9]+)*", re.IGNORECASE)
# As Plex, Jellyfin, Kodi and yt-dlp name what follows the name of the video.
MARKS = frozenset("sdh cc hi forced foreign default full orig original auto".split())
LANGUAGES = frozenset(
    "arabic chinese czech danish dutch english finnish french german greek hebrew hindi hungarian italian japanese "
    "korean norwegian polish portuguese romanian russian spanish swedish turkish ukrainian".split()
)
SUBFOLDERS = frozenset(("subs", "subtitles"))
# Code pages of other scripts than the Latin one.
PAGES = "cp1251 koi8_r cp1253 cp1255 cp1256 cp932 euc_jp gb18030 big5 cp949 cp874".split()
_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Words:
    """What is said in a video, in order, and what there is to say about where that comes from."""

    cues: tuple[Cue, ...] = ()
    note: str | None = None


def words(clip: Clip) -> Words:
    """The full subtitle track; without one the file beside the video; without that, a track of what is foreign."""
    full, forced = _tracks(clip.text_tracks)
    if full:
        return Words(_of_track(full, clip.info.duration_s), clip.text_note)
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
        return min(kind, key=lambda track: (track.aside, not track.chosen), default=None)

    return first(t for t in tracks if not is_forced(t)), first(t for t in tracks if is_forced(t))


def _of_track(track: TextTrack, duration_s: float) -> tuple[Cue, ...]:
    cues = (
        Cue(max(0.0, start_s), end_s, text, "track")
        for start_s, end_s, marked in track.lines
        if (text := plain(marked)) and end_s > max(start_s, 0.0) and start_s < duration_s
    )
    return unrolled(sorted(cues, key=lambda cue: cue.start_s))


def sidecar(video: Path, *, duration_s: float, fps: float) -> Words:
    """The cues of the file beside a video, see `in_folder`; times as written, but for those that begin at a later hour
    than the video has. Raises Unreachable."""
    path = in_folder(str(video.parent)).get(video.stem)
    if path is None:
        return Words()
    try:
        data = Path(path).read_bytes()
    except OSError as e:
        raise Unreachable(f"{path} cannot be read: {e.strerror}") from e
    name = Path(path).name
    cues = _parsed(data, Path(path).suffix.lower(), fps)
    if not cues:
        return Words(note=f"{name} holds no subtitles that can be read")
    if all(cue.start_s >= max(duration_s, _HOUR_S) for cue in cues):
        # Broadcast counts a film's time from the hour: 01:00:00 or 10:00:00 is its beginning.
        late_s = cues[0].start_s // _HOUR_S * _HOUR_S
        cues = [replace(cue, start_s=cue.start_s - late_s, end_s=cue.end_s - late_s) for cue in cues]
        if cues[0].start_s >= duration_s:
            return Words(note=f"the subtitles of {name} begin after the end of the video")
        note = f"the subtitles of {name} begin at hour {late_s / _HOUR_S:.0f}, which is taken for the start"
        return Words(unrolled(cues), note)
    return Words(unrolled(cues))


def in_folder(folder: str) -> dict[str, str]:
    """The subtitle files of a folder, and of `Subs` in it, by the stem of the video that they belong to: to `film.mp4`
    belongs `film.srt`, else `film.<language or mark>….srt`, the full text before that for the deaf, that before what is
    forced, then by name; `film.part2.final.srt` does not. What an export wrote there is none."""
    places = [folder]
    try:
        with os.scandir(folder) as entries:
            places += [entry.path for entry in entries if entry.name.lower() in SUBFOLDERS and entry.is_dir()]
        named = [entry for place in places for entry in _files(place)]
    except OSError:  # a folder that shows nobody what it holds, but gives out what is named
        return {}
    exported = _exported(folder) if named else set()
    found: dict[str, tuple[tuple[int, str], str]] = {}
    for name, path in named:
        if name in exported:
            continue
        stem = Path(name).stem
        tokens: list[str] = []
        while True:
            rank = (_rank(tokens), name)
            if stem not in found or rank < found[stem][0]:
                found[stem] = rank, path
            stem, _, token = stem.rpartition(".")
            token = token.casefold()
            if not stem or not (token in MARKS or token in LANGUAGES or LANGUAGE.fullmatch(token)):
                break
            tokens.append(token)
    return {stem: path for stem, (_, path) in found.items()}


def _files(folder: str) -> list[tuple[str, str]]:
    with os.scandir(folder) as entries:
        return [(e.name, e.path) for e in entries if e.name.lower().endswith(SUFFIXES) and e.is_file()]


def _rank(tokens: Sequence[str]) -> int:
    if not tokens:
        return 0
    if "forced" in tokens or "foreign" in tokens:
        return 4
    return 1 if "default" in tokens else 3 if {"sdh", "cc", "hi"} & {*tokens} else 2


def _exported(folder: str) -> set[str]:
    """Names of the files that `aria-docs export` wrote there: chapters are not what is said."""
    try:
        manifest = json.loads((Path(folder) / "manifest.json").read_text(encoding="utf-8"))
        return {str(entry["file"]) for entry in manifest["files"]} | {*map(str, manifest.get("earlier", ()))}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return set()  # it is not there, or somebody else's


def _parsed(data: bytes, suffix: str, fps: float) -> list[Cue]:
    """In order of time; empty where it is no text, or a format that is none of ours."""
    if data.startswith(b"\0\0\x01\xba"):  # .sub of a DVD: pictures of text
        return []
    text = decoded(data)
    if suffix in (".srt", ".vtt", ".sbv"):
        cues = list(_timed(text))
    else:
        try:
            formats = {".sub": "microdvd", ".dfxp": "ttml", ".smi": "sami"}
            form = formats.get(suffix, suffix[1:])
            file = pysubs2.SSAFile.from_string(text, format_=form, fps=fps if form == "microdvd" else None)
        except (pysubs2.exceptions.Pysubs2Error, ValueError, KeyError, SyntaxError):
            return []
        if form == "sami":  # its captions stay until the next one, or an empty one; pysubs2 guesses by their length
            for event, following in pairwise(file):
                event.end = following.start
        cues = [
            Cue(event.start / 1000, event.end / 1000, said, "sidecar")
            for event in file
            if event.type == "Dialogue" and (said := plain(event.text)) and event.end > event.start
        ]
    return sorted(cues, key=lambda cue: cue.start_s)


def _timed(text: str) -> Iterator[Cue]:
    """SubRip, WebVTT or YouTube's, read by what they share: a line with two times, then text up to an empty line.

    Numbers, headers, styles, notes and cue settings stand outside of that. In files that somebody has edited the empty
    line is missing: then the text ends before the next cue's number.
    """
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    starts = [i for i, line in enumerate(lines) if TIMING.match(line)]
    for i, until in pairwise([*starts, len(lines)]):
        timing = TIMING.match(lines[i])
        assert timing
        said = lines[i + 1 : until]
        if until < len(lines) and said and said[-1].strip().isdigit():
            said.pop()
        if "" in said:
            said = said[: said.index("")]
        groups = timing.groups()
        cue = Cue(_seconds(groups[:4]), _seconds(groups[4:]), plain("\n".join(said)), "sidecar")
        if cue.text and cue.end_s > cue.start_s:
            yield cue


def parse(text: str) -> tuple[Cue, ...]:
    """The cues of SubRip or WebVTT, in order of time."""
    return unrolled(sorted(_timed(text), key=lambda cue: cue.start_s))


def unrolled(cues: Sequence[Cue]) -> tuple[Cue, ...]:
    """Captions that roll up show what was said before once more: each keeps the words that are new in it.

        the old wagon │ the old wagon stands │ stands in the yard    → the old wagon │ stands │ in the yard

    Only where a fifth of the cues and more begin with what the one before ends with, and follow without a pause:
    otherwise somebody has said a thing twice.
    """
    again = [_again(a, b) for a, b in pairwise(cues)]
    if sum(n > 0 for n in again) * 5 < len(cues):
        return tuple(cues)
    found = [*cues[:1]]
    for cue, n in zip(cues[1:], again, strict=True):
        if text := " ".join(cue.text.split()[n:]):
            found.append(replace(cue, text=text))
    return tuple(found)


def _again(before: Cue, cue: Cue) -> int:
    """How many words at the start of a cue are the last of the one before; three in a row are no coincidence, nor is
    the whole of a shorter one."""
    if cue.start_s > before.end_s + 0.1:
        return 0
    old, new = before.text.split(), cue.text.split()
    longest_first = range(min(len(old), len(new)), 0, -1)
    return next((n for n in longest_first if old[-n:] == new[:n] and n >= min(3, len(old), len(new))), 0)


def plain(text: str) -> str:
    """Text without markup, on one line. `\\N` and `\\n` are line breaks of ASS."""
    return " ".join(unescape(TAGS.sub("", text)).replace("\\N", " ").replace("\\n", " ").replace("\\h", " ").split())


def decoded(data: bytes) -> str:
    """Text in whatever encoding: UTF-8 and UTF-16 are certain, a code page is told by its letters."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    zeros = Counter(i % 2 for i, byte in enumerate(data[:1000]) if not byte)
    if zeros:  # digits and arrows in two bytes each
        return data.decode("utf-16-le" if zeros[1] > zeros[0] else "utf-16-be", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode(_code_page(data), errors="replace")


def _code_page(data: bytes) -> str:
    """In Latin scripts letters above ASCII stand alone between others, in the rest they make whole words."""
    in_words = sum(len(run) for run in re.findall(rb"[\x80-\xff]{3,}", data))
    n_latin = len(re.findall(rb"[A-Za-z]", data))
    if in_words * 7 >= (in_words + n_latin) * 2:
        guess = charset_normalizer.from_bytes(data, cp_isolation=PAGES, threshold=0.6).best()
        return guess.encoding if guess else "cp1251"
    western = data.decode("cp1252", errors="replace")
    # Letters of Central Europe where Western Europe has signs: ą ł ż ľ are ¹ ³ ¿ ¾; or Czech, by the company they keep.
    if re.search(r"\w[¹³¿¼¾£ª]|[¹³¼¾]\w|\ufffd", western) or (
        re.search("[šžý]", western) and re.search("[øìùèïò]", western)
    ):
        return "cp1250"
    if re.search("[þðý]", western) and not re.search("[áéíóúæ]", western):  # Turkish ş ğ ı; Icelandic has accents too
        return "cp1254"
    return "cp1252"


def _seconds(stamp: Sequence[str | None]) -> float:
    hours, minutes, seconds, fraction = (part or "0" for part in stamp)
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + int(fraction.ljust(3, "0")) / 1000


def write(cues: Sequence[Cue], *, form: str) -> str:
    """SubRip or WebVTT (`srt`, `vtt`)."""
    file = pysubs2.SSAFile()
    for cue in cues:
        event = pysubs2.SSAEvent(start=round(cue.start_s * 1000), end=round(cue.end_s * 1000))
        event.plaintext = cue.text
        file.append(event)
    return file.to_string(form)


def origin_of(cues: Sequence[Cue]) -> Origin | None:
    """Where they come from; None without any."""
    return cues[0].origin if cues else None
