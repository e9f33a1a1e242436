"""Names of files → which subtitles belong to which video. Of what the files hold it knows the first bytes."""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

SUFFIXES = tuple(
    ".srt .vtt .sbv .ass .ssa .smi .sami .ttml .dfxp .itt .lrc .srv1 .srv2 .srv3 .json3 .stl .scc .mcc .jss .pjs .rt "
    ".sub .idx .sup .txt .json .xml .tsv .csv".split()
)
VIDEOS = frozenset("mp4 mkv avi mov m4v webm ts m2ts mts mpg mpeg vob wmv asf flv ogv 3gp".split())
SOUNDS = frozenset("wav mp3 m4a flac".split())  # what was given to a model that hears
# As Plex, Jellyfin, Kodi, yt-dlp and those who write by hand name what follows the name of the video.
FOR_THE_DEAF = frozenset("sdh cc hi hearing impaired closedcaptions closed".split())
BY_MACHINE = frozenset("auto autogen ai mt whisper generated asr".split())
IN_PART = frozenset("forced foreign signs songs".split())
ASIDE = frozenset("commentary comments".split())
OTHERS = frozenset(
    "default full orig original subs sub subtitles subtitle captions caption transcript utf8 colored".split()
)
MARKS = FOR_THE_DEAF | BY_MACHINE | IN_PART | ASIDE | VIDEOS | SOUNDS | OTHERS
LANGUAGES = frozenset(
    "arabic chinese czech danish dutch english finnish french german greek hebrew hindi hungarian italian japanese "
    "korean norwegian polish portuguese romanian russian spanish swedish turkish ukrainian bulgarian croatian serbian "
    "slovak slovenian thai vietnamese indonesian malay persian bengali tamil telugu catalan "
    "united states brazilian brazil latin american european castilian simplified traditional mandarin british canadian "
    "cantonese "
    "deutsch español français italiano português русский українська polski nederlands svenska dansk norsk suomi "
    "čeština magyar türkçe română ελληνικά עברית العربية 日本語 한국어 中文 简体 繁體 繁体 简体中文 繁體中文 "
    "en de fr es it pt nl sv da no nb nn fi pl cs sk hu ro bg hr sr sl ru uk el tr he ar fa hi bn ta te th vi id ms ja "
    "ko zh ca eu gl et lv lt is ga eng ger deu fre fra spa ita por dut nld swe dan nor fin pol cze ces slo slk hun rum "
    "ron bul hrv srp slv rus ukr gre ell tur heb ara per fas hin ben tha vie ind may jpn kor chi zho chs cht sc tc cat "
    "est lav lit ice isl".split()
)
CODE = re.compile(r"[a-z]{2,3}")
NUMBER = re.compile(r"(track)?\d{1,2}")
REGION = re.compile(r"[a-z]{2}|x|\d{3}|hans|hant|latn|cyrl")
BETWEEN = r"\s._\-()\[\]&+,"
LAST = re.compile(rf"(.*[^{BETWEEN}]|)([{BETWEEN}]+)([^{BETWEEN}]+)[{BETWEEN}]*", re.DOTALL)
ID_OF_CAPTIONS = re.compile(r"(\.[a-z]{2,3}(?:-[A-Z]{2})?)-[\w-]{11}$")  # which yt-dlp writes after the language
COPY = re.compile(r"(.+?) ?\(\d\)")  # what a browser calls a second download
# Not in the name of Zoom's transcript.
SIZE = re.compile(r"([_. -](gallery|gvo|avo|as))?[_. -](\d{3,4}x\d{3,4}|\d{3,4}p)$")
SUBFOLDERS = frozenset(("subs", "subtitles", "sub", "subtitle"))
ANYTHING = (".txt", ".json", ".xml", ".tsv", ".csv")  # their first bytes tell whether they hold subtitles
TIMED = re.compile(
    r"WEBVTT|<SAMI|\[(INFORMATION|TITLE|BEGIN)\]|start[\t,]end[\t,]|[{\[]\d+[}\]][{\[]\d*[}\]]"
    r"|(\d+\s+)?-?(\d+:)?\d+:\d+[.,]\d+\s*(-->|,)|\d+:\d\d:\d\d[:=]"
    r"|\{\s*\"text\"\s*:|\[\s*\{[^{}]*\"start\"\s*:|\{.*\"(segments|transcription|tStartMs)\"\s*:"
    r"|(<\?xml.*?\?>\s*)?(<!--.*?-->\s*)?<(\w+:)?(tt|timedtext|transcript)[\s>]",
    re.DOTALL,
)
PICTURES_OF_TEXT = re.compile(rb"\0\0\x01\xba|# VobSub|PG.{8}[\x14-\x17\x80]", re.DOTALL)  # of DVD and Blu-ray
UNSURE, LAST_RESORT = 4, 10


def beside(video: Path, files: dict[str, str]) -> str | None:
    """The subtitle file of a video among those that `in_folder` found."""
    return next((files[key] for key in sorted(_keys(video.stem), key=len, reverse=True) if key in files), None)


def in_folder(folder: str, *, of: Path | None = None) -> dict[str, str]:
    """The subtitle files of a folder, and of `Subs` in it, by what `beside` asks for: to `film.mp4` belongs `film.srt`,
    else `film.<language or mark>….srt`, the full text before that for the deaf, that before what a machine wrote or is
    forced, then by name; `film.part2.final.srt` does not, nor what an export wrote there. Beside a single video the
    name of a language is enough.

    of: whose file is wanted; then no other is looked into.
    """
    try:
        others, places, is_single = _list(folder)
        named = [entry for place, prefix in places for entry in _files(place, prefix)]
    except OSError:  # a folder that shows nobody what it holds, but gives out what is named
        return {}
    exported = _own_exports(folder) if named else set()
    asked = _keys(of.stem) if of else others
    if of and not is_single:  # ten thousand films may lie there
        named = [entry for entry in named if _key(entry[0]).startswith(min(asked, key=len))]
    found: dict[str, tuple[tuple[int, str], str]] = {}
    for name, path in named:
        keys = [(_key(stem), _rank(tokens)) for stem, tokens in _stems(name)]
        of_content = _rank_of_content(path, claimed=any(key in asked for key, _ in keys))
        if name in exported or of_content is None:
            continue
        for key, rank in keys:
            if key not in found or (rank + of_content, name) < found[key][0]:
                found[key] = (rank + of_content, name), path
            if key in others:
                break
    return {key: path for key, (_, path) in found.items()}


def unclaimed(video: Path) -> list[str]:
    """Names of subtitle files beside a video without any that may be its own: all beside a single video, else those
    that go on after its name, and belong to no other."""
    folder = str(video.parent)
    try:
        others, _, is_single = _list(folder)
        found = {name for name, _ in _files(folder, "") if not name.lower().endswith(ANYTHING)}
        longer = re.compile(rf"{re.escape(_key(video.stem))}[{BETWEEN}]")
        found = {name for name in found if is_single or longer.match(_key(name))}
        if not found:
            return []
        belonging = {Path(path).name for key, path in in_folder(folder, of=video).items() if key in others}
        return sorted(found - belonging - _own_exports(folder))
    except OSError:  # see `in_folder`
        return []


def _keys(stem: str) -> set[str]:
    return {_key(each) for each in {stem, SIZE.sub("", stem)}}


def _key(stem: str) -> str:
    folded = stem.lower() if stem.isascii() else unicodedata.normalize("NFC", stem).casefold()
    return folded if folded[-1:].isalnum() else re.sub(rf"[{BETWEEN}]+$", "", folded)


def _rank_of_content(path: str, *, claimed: bool) -> int | None:
    """What the first bytes add to the rank of a name; None where the file holds no subtitles, or nobody claims it."""
    if path.lower().endswith((".idx", ".sup")):
        return LAST_RESORT
    anything = path.lower().endswith(ANYTHING)
    if not claimed or not (anything or path.lower().endswith(".sub")):
        return None if anything else 0
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            head = file.read(4096)
    except OSError:  # whoever reads the film will say so of what is named for it
        return None if anything else 0
    if PICTURES_OF_TEXT.match(head):
        return LAST_RESORT
    text = head.replace(b"\0", b"").decode("latin-1").lstrip("\xef\xbb\xbf\xfe\xff \r\n\t")
    return (UNSURE if TIMED.match(text) else None) if anything else 0


def _list(folder: str) -> tuple[set[str], list[tuple[str, str]], bool]:
    """What identifies the files that are no subtitles; where subtitles lie, with what stands before their names: beside
    a single video and in `Subs` a file is named for its language, or lies in a folder named for the video; and whether
    there is a single video."""
    with os.scandir(folder) as entries:
        listed = list(entries)
    others = [os.path.splitext(entry.name) for entry in listed if not entry.name.lower().endswith(SUFFIXES)]  # noqa: PTH122
    videos = {stem for stem, suffix in others if suffix[1:].lower() in VIDEOS}
    claimants = {key for stem, _ in others for key in _keys(stem)}
    only = f"{videos.pop()}." if len(videos) == 1 else ""
    places = [(folder, ""), (folder, only)] if only else [(folder, "")]
    for entry in listed:
        if entry.name.lower() in SUBFOLDERS and entry.is_dir():
            places += [(entry.path, ""), (entry.path, only)] if only else [(entry.path, "")]
            with os.scandir(entry.path) as inner:
                places += [(each.path, f"{each.name}.") for each in inner if each.is_dir()]
    return claimants, places, bool(only)


def _files(folder: str, prefix: str) -> list[tuple[str, str]]:
    with os.scandir(folder) as entries:
        return [(prefix + e.name, e.path) for e in entries if e.name.lower().endswith(SUFFIXES) and e.is_file()]


def _stems(name: str) -> Iterator[tuple[str, Sequence[str]]]:
    """Of which videos a file may be, by its name: (stem, what follows it), the longest stem first.

    film.pt-BR.forced.srt → film.pt-BR.forced, film.pt-BR (forced), film (forced, br, pt)
    """
    stem = ID_OF_CAPTIONS.sub(r"\1", Path(name).stem)
    tokens: list[str] = []
    yield stem, ()
    if copied := COPY.fullmatch(stem):
        stem = copied[1]
        tokens.append("copy")
        yield stem, tokens
    is_said = is_pending = False  # whether a language or mark was there; whether a region or number waits for one
    while split := LAST.fullmatch(stem):
        stem, between, token = split.groups()
        token = unicodedata.normalize("NFC", token).casefold()
        if token in MARKS or token in LANGUAGES or ("." in between and CODE.fullmatch(token)):
            is_said, is_pending = True, False
        elif (REGION.fullmatch(token) and "." not in between) or (
            NUMBER.fullmatch(token) and ("." in between or not token.isdigit())
        ):
            is_pending = is_pending or not is_said
        else:
            return
        tokens.append(token)
        stem = stem.rstrip("._- ")
        if not stem:
            return
        if is_said and not is_pending:
            yield stem, tuple(tokens)


def _rank(tokens: Iterable[str]) -> int:
    has = set(tokens) - VIDEOS - SOUNDS
    if not has:
        return 0
    ranks = (ASIDE, 6), (IN_PART, 5), (BY_MACHINE, 4), (frozenset(("default",)), 1), (FOR_THE_DEAF, 3)
    return next((rank for marks, rank in ranks if marks & has), 2)


def _own_exports(folder: str) -> set[str]:
    """Names of the files that `aria-docs export` wrote there: chapters are not what is said."""
    try:
        manifest = json.loads((Path(folder) / "manifest.json").read_text(encoding="utf-8"))
        return {str(entry["file"]) for entry in manifest["files"]} | {*map(str, manifest.get("earlier", ()))}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return set()  # it is not there, or somebody else's
