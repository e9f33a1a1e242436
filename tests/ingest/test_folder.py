"""The walk: awkward names, links, loops, and what counts as a PDF or a video."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from aria_docs.errors import Unreachable, UsageError, WrongKind
from aria_docs.ingest.folder import find, kind_of, sha256_of
from aria_docs.ingest.video import sidecars

MP4 = b"\x00\x00\x00\x18ftypisom" + bytes(100)
PDF = b"%PDF-1.7\n"


@pytest.mark.parametrize(
    ("head", "suffix", "kind"),
    [
        (PDF, ".pdf", "pdf"),
        (b"HTTP/1.1 200 OK\r\n" * 50 + PDF, ".bin", "pdf"),
        (b"x" * 2000 + PDF, ".bin", None),
        (b"<html>", ".pdf", "pdf"),  # the name promises: opening it will say what it is
        (MP4, ".pdf", "video"),
        (MP4, ".txt", "video"),
        (b"\x00\x00\x00\x18ftypheic", ".heic", None),
        (b"\x00\x00\x00\x18ftypM4A ", ".m4a", None),
        (b"\x1a\x45\xdf\xa3", "", "video"),
        (b"RIFF\x00\x01\x02\x03AVI LIST", "", "video"),
        (b"RIFF\x00\x01\x02\x03WAVEfmt ", "", None),
        ((b"\x47" + bytes(187)) * 5, ".ts", "video"),
        (b"Gexport const x = 1", ".ts", None),
        (b"GIF89a" + bytes(20) + b"NETSCAPE2.0", ".gif", "video"),
        (b"GIF89a" + bytes(20), ".gif", None),
        (b"GIF89a" + bytes(20) + b"!\xf9\x04\0\x0a\0\0\0", ".gif", "video"),
        (b"\x89PNG\r\n\x1a\n" + bytes(25) + b"\0\0\0\x08acTL\0\0\0\x09", ".png", "video"),
        (b"\0\0\x01\xba" + bytes(20), ".sub", None),
        (b".RMF" + bytes(20), "", "video"),
        (b"\x89PNG\r\n", ".png", None),
        (b"\x89PNG\r\n", ".mp4", "video"),
        (b"", ".txt", None),
    ],
)
def test_kind_by_content_then_by_name(head: bytes, suffix: str, kind: str | None) -> None:
    assert kind_of(head, suffix) == kind


def test_awkward_names_are_found(tmp_path: Path) -> None:
    names = ["ü" * 125 + ".pdf", "a b\t'\"%#[x].pdf", "视频 🎬.mp4", os.fsdecode(b"\xff\xfe.pdf"), "UPPER.PDF"]
    for name in names:
        (tmp_path / name).write_bytes(MP4 if "mp4" in name else PDF)
    assert sorted(file.name for file in find([tmp_path]).files) == sorted(names)


def test_subtitles_beside_a_video_are_found(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    beside = {
        "a.mp4": ("a.en.srt", "a.srt", "a.de.vtt"),
        "b.c.mp4": ("b.c.VTT", "b.srt"),
        "c.mp4": ("c.pt-BR.vtt", "c.en.srt", "c.fr.srt", "c.cut of friday.srt"),
        "d.mp4": ("d2.srt", "d.english.srt", "d.part2.en.srt", "d.txt"),
        "deep/e.mp4": ("e.srt", "deep/._e.srt"),
        "f.pdf": ("f.srt",),
    }
    for name, others in beside.items():
        (tmp_path / name).write_bytes(PDF if name == "f.pdf" else MP4)
        for other in others:
            (tmp_path / other).touch()
    (tmp_path / "d.srt").mkdir()
    expected = {"a.mp4": "a.srt", "b.c.mp4": "b.c.VTT", "c.mp4": "c.en.srt", "d.mp4": "d.english.srt"}
    expected["e.mp4"] = None
    for paths in ([tmp_path], [tmp_path / name for name in beside]):
        found = {file.name: file.sidecar and os.path.relpath(file.sidecar, tmp_path) for file in find(paths).files}
        assert found == expected | {"f.pdf": None}


def test_each_folder_with_videos_is_listed_once_for_their_subtitles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(50):
        (tmp_path / f"{number}.mp4").write_bytes(MP4)
    listed = []
    in_folder = sidecars.in_folder
    monkeypatch.setattr(sidecars, "in_folder", lambda folder: listed.append(folder) or in_folder(folder))
    assert len(find([tmp_path]).files) == 50
    assert listed == [str(tmp_path)]


def test_a_folder_named_like_a_video_is_walked(tmp_path: Path) -> None:
    (tmp_path / "clips.mp4").mkdir()
    (tmp_path / "clips.mp4" / "deep.pdf").write_bytes(PDF)
    findings = find([tmp_path])
    assert [file.name for file in findings.files] == ["deep.pdf"]
    assert not findings.unreadable


def test_links_loops_and_doubles(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.pdf").write_bytes(PDF)
    (folder / "again").symlink_to(folder)
    (folder / "link.pdf").symlink_to(folder / "a.pdf")
    (folder / "gone.mp4").symlink_to(folder / "nowhere")
    (folder / "gone.txt").symlink_to(folder / "nowhere")
    findings = find([folder, folder / "a.pdf", folder])
    assert [file.name for file in findings.files] == ["a.pdf", "link.pdf"]
    [(path, error)] = findings.unreadable
    assert path.endswith("gone.mp4")
    assert isinstance(error, Unreachable)
    assert findings.ignored == 1


def test_what_is_no_plain_file_or_empty_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pdf")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "._a.pdf").write_bytes(b"\x00\x05\x16\x07")
    (tmp_path / "notes.txt").write_text("x")
    findings = find([tmp_path])
    assert sorted((Path(path).name, type(error)) for path, error in findings.unreadable) == [
        ("empty.mp4", WrongKind),
        ("pipe.pdf", Unreachable),
    ]
    assert findings.ignored == 3


@pytest.mark.parametrize(("depth", "readable"), [(1600, True), (2400, False)])
def test_deeper_than_the_stack_and_than_the_longest_path(tmp_path: Path, depth: int, readable: bool) -> None:
    here = Path.cwd()
    try:
        os.chdir(tmp_path)
        for _ in range(depth // 40):
            Path("/".join("d" * 40)).mkdir(parents=True)
            os.chdir("/".join("d" * 40))
        Path("deep.pdf").write_bytes(PDF)
    finally:
        os.chdir(here)
    findings = find([tmp_path])
    assert len(findings.files) == readable
    assert [str(error).endswith("too long") for _, error in findings.unreadable] == [True] * (not readable)
    subprocess.run(["rm", "-r", tmp_path / "d"], check=True)  # deeper than pytest's own cleaning can go


def test_a_missing_path_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        find([tmp_path / "nowhere"])


def test_sha256_and_a_file_that_went_away(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(PDF)
    assert sha256_of(str(tmp_path / "a")) == hashlib.sha256(PDF).hexdigest()
    with pytest.raises(Unreachable):
        sha256_of(str(tmp_path / "b"))
