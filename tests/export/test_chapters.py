"""Chapters are what other programs read out of them, whatever a title says."""

import json
import subprocess
from itertools import pairwise
from xml.etree import ElementTree

import av
import ffmpeg
import imageio_ffmpeg
import numpy as np
import pytest

from aria_docs.errors import UsageError
from aria_docs.export import chapters, export
from aria_docs.export.topics import topics
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


def test_every_video_gets_its_files_under_a_name_of_its_own(films, out):
    films.add("/in/b/../../x.mp4", [0, 5, 9])
    films.add("/in/A.mp4", [0, 5])
    films.add("/in/z/a.mkv", [0, 7])
    made = export(films.store, out, form="chapters")
    assert all(left.is_unwanted for left in made.left) and len(made.left) == 3
    names = {file.name for file in out.iterdir()}
    assert {"A.chapters.vtt", "a-2.chapters.vtt", "x.chapters.vtt", "x.chapters.xml", "x.ffmetadata"} < names
    assert len(made.written) == 9
    assert "00:00:07.000" in (out / "a-2.chapters.vtt").read_text()
    manifest = json.loads((out / "manifest.json").read_text())
    assert {"file": "A.chapters.vtt", "source": "/in/A.mp4"}.items() <= next(
        f for f in manifest["files"] if f["file"] == "A.chapters.vtt"
    ).items()


def test_a_database_without_scenes_is_said_so(films, out):
    with pytest.raises(UsageError, match="holds no scenes"):
        export(films.store, out, form="chapters")


HARBOUR = "The ferry leaves the harbour; every ferry waits for the tide in this harbour."
KITCHEN = "Knead the dough, let the dough rest, and bake the bread in a hot oven."
STARS = "A telescope gathers light of distant galaxies; the mirror of this telescope is polished."


def test_chapters_of_what_is_said():
    lines = [(i * 5.0, text) for i, text in enumerate([HARBOUR] * 12 + [KITCHEN] * 12 + [STARS] * 12)]
    found = topics(lines, [0.0, 61.5, 90.0], duration_s=180.0, most=3)
    assert [start_s for start_s, _ in found] == [0.0, 61.5, 120.0], "the second at the cut that is near"
    for (_, title), word in zip(found, ("ferry", "dough", "telescope"), strict=True):
        assert word in title.casefold() and "Scene" not in title


@pytest.mark.parametrize(("duration_s", "most"), [(30.0, 12), (600.0, 4), (3600.0, 12), (9.0, 12)])
def test_chapters_are_few_and_ten_seconds_long(duration_s, most):
    lines = [(at, [HARBOUR, KITCHEN, STARS][int(at // 7) % 3]) for at in np.arange(0, duration_s, 3.5).tolist()]
    starts_s = [start_s for start_s, _ in topics(lines, [], duration_s=duration_s, most=most)]
    assert starts_s[0] == 0 and len(starts_s) <= most
    assert all(b - a >= 10 for a, b in pairwise([*starts_s, duration_s])) or starts_s == [0.0]


def test_what_is_said_makes_the_chapters(films, out, film_with_words):
    film_with_words(
        "/in/talk.mp4", [(i * 5.0, t) for i, t in enumerate([HARBOUR] * 12 + [KITCHEN] * 12 + [STARS] * 12)]
    )
    made = export(films.store, out, form="chapters", max_chapters=3)
    assert not made.left and len(made.written) == 4
    youtube = (out / "talk.youtube.txt").read_text()
    assert len(youtube.splitlines()) == 3 and "Scene" not in youtube and "erry" in youtube.splitlines()[0]


def test_a_title_has_no_words_of_grammar_and_keeps_together_what_is_said_together():
    said = ["Then the Penman equation gives something like that.", "And it really was the Penman equation."]
    about = ["There are, you know, always oxen.", "And these oxen, would they come again?"]
    lines = [(i * 4.0, text) for i, text in enumerate(said * 6 + about * 6)]
    titles = [title for _, title in topics(lines, [], duration_s=96.0, most=2)]
    assert titles == ["Penman equation", "Oxen"]


def test_where_something_is_said_no_chapter_has_a_number(films, out, film_with_words):
    film_with_words("/in/talk.mp4", [(0.0, "Who is it? It was me!"), (40.0, "So it is.")])
    export(films.store, out, form="chapters")
    assert "title=Who is it? It was me!" in (out / "talk.ffmetadata").read_text()


@pytest.mark.parametrize(("form", "head"), [("srt", "1\n00:00:00,000 --> 00:00:02,000\n"), ("vtt", "WEBVTT")])
def test_what_is_said_is_written_as_subtitles(films, out, film_with_words, form, head):
    film_with_words("/in/talk.mp4", [(0.0, HARBOUR), (5.0, KITCHEN)])
    [written] = export(films.store, out, form=form).written
    text = written.file.read_text()
    assert text.startswith(head) and KITCHEN in text and written.facts["n_cues"] == 2


def test_what_no_export_wrote_is_not_overwritten(films, out):
    films.add("/in/film.mp4", [0, 20, 40, 60])
    out.mkdir(exist_ok=True)
    (out / "film.youtube.txt").write_text("mine")
    made = export(films.store, out, form="chapters")
    assert (out / "film.youtube.txt").read_text() == "mine"
    [left] = made.left
    assert "film.youtube.txt was not written by an export" in str(left.error) and not left.is_unwanted
    (out / "film.youtube.txt").unlink()
    export(films.store, out, form="chapters")
    export(films.store, out, form="edl")
    assert not export(films.store, out, form="chapters").left, "ours may be replaced, whatever was exported between"
    assert not [file for file in out.iterdir() if file.name.startswith(".export")]


def test_a_manifest_of_somebody_else_is_not_overwritten(films, out):
    films.add("/in/film.mp4", [0, 20, 40, 60])
    out.mkdir(exist_ok=True)
    (out / "manifest.json").write_text('{"name": "my web app"}')
    with pytest.raises(UsageError, match=r"manifest\.json was not written by an export"):
        export(films.store, out, form="chapters")
