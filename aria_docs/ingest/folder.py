"""Paths → the PDFs and videos below them, and what is wrong with the rest. Looks at the first bytes, parses nothing."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Literal

from aria_docs.errors import FileError, Unreachable, UsageError, WrongKind
from aria_docs.ingest.video import sidecars

Kind = Literal["pdf", "image", "video"]

# Names that promise a video. Not .ts, which is TypeScript's too: a transport stream is known by its content.
VIDEO_SUFFIXES = frozenset(
    f".{name}"
    for name in (
        "3g2 3gp 264 265 asf avi divx dv f4v flv gxf h264 h265 hevc ivf m2ts m2v m4v mjpeg mjpg mkv mov mp4 mpeg mpg "
        "mts mxf nut obu ogm ogv rm rmvb vob webm wmv wtv y4m"
    ).split()
)
# ISO base media files that are pictures, raw photographs or sound.
_STILL_OR_SOUND_BRANDS = frozenset((b"heic", b"heix", b"mif1", b"avif", b"crx ", b"M4A ", b"M4B "))
_VIDEO_MAGIC = re.compile(
    rb"\x1a\x45\xdf\xa3"  # Matroska, WebM
    rb"|RIFF....AVI |FLV\x01|OggS|DKIF|YUV4MPEG2 "
    rb"|\x00\x00\x01[\xba\xb3]"  # MPEG program and video streams
    rb"|\x30\x26\xb2\x75\x8e\x66\xcf\x11"  # ASF, WMV
    rb"|\x06\x0e\x2b\x34\x02\x05\x01\x01|\x00{4}\x01\xbc.{8}\xe1\xe2"  # MXF, GXF
    rb"|\.RMF|nut/multimedia container"
    rb"|\xb7\xd8\x00\x20\x37\x49\xda\x11\xa6\x4e\x00\x07\xe9\x5e\xad\x8d"  # Windows' recordings of television
    rb"|\x89PNG.*?\x00{3}\x08acTL(?!\x00{3}[\x00\x01])"  # moving pictures, with more than one of them
    rb"|GIF8.*?(?:NETSCAPE2\.0|!\xf9\x04.(?!\x00\x00).{2})"  # that repeat, or wait
    rb"|....(?:ftyp|moov|mdat|wide)"  # MP4, QuickTime
    rb"|\x47(?:.{187}\x47){3}|.{4}\x47(?:.{191}\x47){3}",  # MPEG transport streams of 188- and 192-byte packets
    re.DOTALL,
)
_BLOCK_BYTES = 1 << 20  # hashed at once: a few milliseconds
_IMAGE_MAGIC = re.compile(
    rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|II[*+]\x00|MM\x00[*+]|RIFF....WEBP|BM.{4}\x00{4}.{4}[\x0c\x28\x38\x40\x6c\x7c]\x00{3}",
    re.DOTALL,
)
_PDF_HEADER_WITHIN = 1024  # bytes of junk that Acrobat accepts ahead of %PDF- (ISO 32000-1, annex H.3.4.1)


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file that holds a PDF or a video, by its content or by its name's promise.

    promised:  the name says so; without a promise, a container that turns out to hold sound alone is no failure.
    sidecar:   the subtitles beside a video, which go into what is read of it.
    """

    path: str
    kind: Kind
    promised: bool
    size_bytes: int
    modified_at: datetime
    sidecar: str | None = None

    @property
    def name(self) -> str:
        """The last component of the path."""
        return Path(self.path).name


@dataclass(slots=True)
class Findings:
    """What lies below the paths. ignored counts files that neither are nor claim to be a PDF or a video."""

    files: list[FoundFile] = field(default_factory=list)
    unreadable: list[tuple[str, FileError]] = field(default_factory=list)
    ignored: int = 0


def kind_of(head: bytes, suffix: str) -> Kind | None:
    """The kind of a file by its first bytes (4 KiB are enough), then by its suffix (lower case, with the dot)."""
    if b"%PDF-" in head[: _PDF_HEADER_WITHIN + 5]:
        return "pdf"
    is_video = _VIDEO_MAGIC.match(head) and not (head[4:8] == b"ftyp" and head[8:12] in _STILL_OR_SOUND_BRANDS)
    if suffix == ".sub":  # a DVD's, in a container of films
        return None
    if is_video:
        return "video"
    if _IMAGE_MAGIC.match(head) and suffix != ".pdf" and suffix not in VIDEO_SUFFIXES:
        return "image"
    return "pdf" if suffix == ".pdf" else "video" if suffix in VIDEO_SUFFIXES else None


def require(paths: Iterable[Path]) -> None:
    """Raises UsageError for a path that does not exist."""
    for path in paths:
        if not os.path.lexists(path):
            raise UsageError(f"{path}: no such file or folder")


def find(paths: Sequence[Path]) -> Findings:
    """Searches files and folders recursively and in order; links are followed, no folder is entered twice.

    Raises UsageError for a path that does not exist.
    """
    findings = Findings()
    seen: set[str | tuple[int, int]] = set()
    require(paths)
    for path in paths:
        absolute = os.path.abspath(path)  # noqa: PTH100 - resolve() would follow links: the user's own names are kept
        _visit(absolute, findings, seen)
    findings.files = _with_sidecars(findings.files)
    findings.files.sort(key=lambda file: file.path)
    return findings


def _visit(start: str, findings: Findings, seen: set[str | tuple[int, int]]) -> None:
    waiting = [start]  # not recursion: folders nest deeper than Python's stack
    while waiting:
        path = waiting.pop()
        try:
            facts = os.stat(path)  # noqa: PTH116 - a million files: no Path for each
            key = (facts.st_dev, facts.st_ino) if stat.S_ISDIR(facts.st_mode) else path
            if key in seen:
                continue
            seen.add(key)
            if stat.S_ISDIR(facts.st_mode):
                with os.scandir(path) as entries:
                    waiting.extend(entry.path for entry in entries)
            else:
                _inspect(path, facts, findings)
        except OSError as error:
            is_folder = error.errno == errno.ENAMETOOLONG or os.path.isdir(path)  # noqa: PTH112 - Path's may raise here
            _refuse(path, Unreachable(f"{path} cannot be read: {error.strerror}"), findings, named=is_folder)


def _inspect(path: str, facts: os.stat_result, findings: Findings) -> None:
    name, suffix = Path(path).name, Path(path).suffix.lower()
    if name.startswith("._"):  # what macOS writes beside a file on foreign disks: its name, but none of its content
        findings.ignored += 1
        return
    if not stat.S_ISREG(facts.st_mode):
        _refuse(path, Unreachable(f"{path} is no plain file"), findings)
        return
    with open(path, "rb") as file:  # noqa: PTH123
        head = file.read(4096)
    kind = kind_of(head, suffix)
    if kind is None:
        findings.ignored += 1
    elif not head:
        _refuse(path, WrongKind(f"{path} is empty"), findings)
    else:
        modified_at = datetime.fromtimestamp(facts.st_mtime, UTC).replace(tzinfo=None)
        findings.files.append(FoundFile(path, kind, _promises(path), facts.st_size, modified_at))


def _with_sidecars(files: Iterable[FoundFile]) -> list[FoundFile]:
    """Each folder that holds a video is listed once more, however many it holds."""
    in_folder = cache(sidecars.in_folder)

    def sidecar(video: Path) -> str | None:
        return sidecars.beside(video, in_folder(str(video.parent)))

    return [replace(file, sidecar=sidecar(Path(file.path))) if file.kind == "video" else file for file in files]


def _refuse(path: str, error: FileError, findings: Findings, *, named: bool = False) -> None:
    """A failure where the name promised something or `named`; otherwise nobody asked for the file."""
    if named or _promises(path):
        findings.unreadable.append((path, error))
    else:
        findings.ignored += 1


def _promises(path: str) -> bool:
    suffix = Path(path).suffix.lower()
    return suffix == ".pdf" or suffix in VIDEO_SUFFIXES


def sha256_of(path: str, *, stopping: Callable[[], bool] = lambda: False) -> str:
    """The content's SHA-256 in hex, read as a stream.

    stopping:  asked before each block: a file of 50 GB takes minutes.

    Raises Unreachable, also when stopped.
    """
    digest = hashlib.sha256()
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
                if stopping():
                    raise Unreachable(f"{path} was being hashed when the run was stopped")
    except OSError as error:
        raise Unreachable(f"{path} cannot be read: {error.strerror}") from error
    return digest.hexdigest()
