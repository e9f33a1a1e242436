"""Chapters are what other programs read out of them, whatever a title says."""

import json
import subprocess
from itertools import pairwise
from xml.etree import ElementTree

import av
import ffmpeg
import imageio_ffmpeg
import pytest

from aria_docs.errors import UsageError
from aria_docs.export import chapters, export
from aria_docs.export.videos import Cut

NASTY = 'a=b;c#d\\e --> <b>&amp; "x"\x00\x1b 表 é'
CUTS = [
    Cut(0, 0.0, 3.2, "start", "Start"),
    Cut(1, 3.2, 60.0, "cut", NASTY),
    Cut(2, 60.0, 3723.456, "fade", "two\nlines"),
]


def test_ffmpeg_reads_the_ffmetadata(tmp_path):
    text, film, made = tmp_path / "c.ffmetadata", tmp_path / "f.mkv", tmp_path / "made.mkv"
    text.write_text(chapters.ffmetadata(CUTS), encoding="utf-8")
    exe = imageio_ffmpeg.get_ffmpeg_exe()
    ffmpeg.input("color=s=32x32:d=1:r=5", f="lavfi").output(str(film)).run(cmd=exe, quiet=True)
    command = [exe, "-loglevel", "error", "-i", film, "-i", text, "-map", "0", "-map_chapters", "1", "-c", "copy", made]
    subprocess.run(command, check=True)
    with av.open(str(made)) as container:
        found = [(float(c["start"] * c["time_base"]), c["metadata"]["title"]) for c in container.chapters()]
    assert found == [(0.0, "Start"), (3.2, NASTY.replace("\x00", "").replace("\x1b", "")), (60.0, "two lines")]


def test_webvtt():
    lines = chapters.webvtt(CUTS).split("\n")
    assert lines[:4] == ["WEBVTT", "", "1", "00:00:00.000 --> 00:00:03.200"]
    assert [line for line in lines if "-->" in line] == [
        "00:00:00.000 --> 00:00:03.200",
        "00:00:03.200 --> 00:01:00.000",
        "00:01:00.000 --> 01:02:03.456",
    ]
    assert 'a=b;c#d\\e --&gt; &lt;b&gt;&amp;amp; "x" 表 é' in lines


def test_matroska_xml():
    root = ElementTree.fromstring(chapters.matroska_xml(CUTS))
    assert root.tag == "Chapters"
    assert [e.text for e in root.iter("ChapterString")] == [
        "Start",
        NASTY.replace("\x00", "").replace("\x1b", ""),
        "two lines",
    ]
    assert [e.text for e in root.iter("ChapterTimeStart")][2] == "00:01:00.000000000"
    assert [e.text for e in root.iter("ChapterTimeEnd")][2] == "01:02:03.456000000"


@pytest.mark.parametrize(
    ("edges_s", "lines"),
    [
        ([0, 10, 20, 30], ["0:00 Scene 1", "0:10 Scene 2", "0:20 Scene 3"]),
        ([0, 4, 12, 25, 40], ["0:00 Scene 1", "0:12 Scene 3", "0:25 Scene 4"]),  # a short first one
        ([0, 15, 30, 34], ["0:00 Scene 1", "0:15 Scene 2"]),  # a short last one
        ([0.4, 15, 3600, 7261], ["0:00 Scene 1", "0:15 Scene 2", "1:00:00 Scene 3"]),
        ([0, 3], ["0:00 Scene 1"]),
    ],
)
def test_youtube_wants_ten_seconds_each(edges_s, lines):
    cuts = [Cut(i, a, b, "cut") for i, (a, b) in enumerate(pairwise(edges_s))]
    assert chapters.youtube(cuts).splitlines() == lines


def test_every_video_gets_its_four_files_under_a_name_of_its_own(films, out):
    films.add("/in/b/../../x.mp4", [0, 5, 9])
    films.add("/in/A.mp4", [0, 5])
    films.add("/in/z/a.mkv", [0, 7])
    made = export(films.store, out, form="chapters")
    assert not made.left
    names = {file.name for file in out.iterdir()}
    assert {"A.vtt", "a-2.vtt", "x.vtt", "x.youtube.txt", "x.chapters.xml", "x.ffmetadata"} < names
    assert len(made.written) == 12
    assert "00:00:07.000" in (out / "a-2.vtt").read_text()
    manifest = json.loads((out / "manifest.json").read_text())
    assert {"file": "A.vtt", "source": "/in/A.mp4"}.items() <= next(
        f for f in manifest["files"] if f["file"] == "A.vtt"
    ).items()


def test_a_database_without_scenes_is_said_so(films, out):
    with pytest.raises(UsageError, match="holds no scenes"):
        export(films.store, out, form="chapters")
