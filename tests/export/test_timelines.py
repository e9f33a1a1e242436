"""Edit lists and timelines: every frame of the video once, in the order of the scenes."""

import re
import subprocess
import sys
from itertools import pairwise

import ffmpeg
import imageio_ffmpeg
import opentimelineio as otio
import pytest

from aria_docs.export import export
from aria_docs.export.edl import cmx3600
from aria_docs.export.timecode import nearest
from aria_docs.export.videos import Cut

EVENT = re.compile(r"^(\d{3})  AX       V     C        (\S{11}) (\S{11}) (\S{11}) (\S{11})$")


def test_a_list_as_editing_programs_know_it():
    cuts = [Cut(0, 0.0, 5.0, "start"), Cut(1, 5.0, 62.48, "dissolve", "The\nend")]
    assert cmx3600(cuts, rate=nearest(25.0), title="Film", clip_name="film.mp4") == (
        "TITLE: Film\n"
        "FCM: NON-DROP FRAME\n"
        "\n"
        "001  AX       V     C        00:00:00:00 00:00:05:00 00:00:00:00 00:00:05:00\n"
        "* FROM CLIP NAME: film.mp4\n"
        "* COMMENT: Scene 1 (start)\n"
        "002  AX       V     C        00:00:05:00 00:01:02:12 00:00:05:00 00:01:02:12\n"
        "* FROM CLIP NAME: film.mp4\n"
        "* COMMENT: The end (dissolve)\n"
    )


def test_drop_frame():
    text = cmx3600([Cut(0, 0.0, 60.06, "start")], rate=nearest(29.97), title="x", clip_name="x")
    assert "FCM: DROP FRAME" in text
    assert "00:01:00;02" in text


def test_more_than_999_scenes_are_several_lists_that_go_on(films, out):
    films.add("/in/long.mp4", [i / 5 for i in range(1502)])
    films.add("/in/long-2.mp4", [0.0, 1.0])
    made = export(films.store, out, form="edl")
    assert sorted(w.file.relative_to(out).as_posix() for w in made.written) == [
        "long-2.edl", "long/long-1.edl", "long/long-2.edl",
    ]  # fmt: skip
    first, second = (
        [event for line in (out / "long" / f"long-{n}.edl").read_text().splitlines() if (event := EVENT.match(line))]
        for n in (1, 2)
    )
    assert (len(first), len(second)) == (999, 502)
    assert [event[1] for event in second[:2]] == ["001", "002"]
    events = first + second
    assert all(a[3] == b[2] and a[5] == b[4] for a, b in pairwise(events))


@pytest.fixture
def film(tmp_path):
    path = tmp_path / "film & co.mkv"
    picture = ffmpeg.input("testsrc=s=64x48:d=2:r=30000/1001", f="lavfi")
    sound = ffmpeg.input("sine=d=2", f="lavfi")
    ffmpeg.output(picture, sound, str(path), vcodec="libx264", acodec="aac").run(
        cmd=imageio_ffmpeg.get_ffmpeg_exe(), quiet=True
    )
    return path


def test_a_timeline_plays_the_file_from_end_to_end(films, out, film):
    films.add(film, [0.0, 20 * 1001 / 30000, 60 * 1001 / 30000], fps=29.9701, titles=["One", None])
    [written] = export(films.store, out, form="otio").written
    line = otio.adapters.read_from_file(str(written.file))
    assert [track.kind for track in line.tracks] == ["Video", "Audio"]
    for track in line.tracks:
        assert [clip.name for clip in track] == ["One", "Scene 2"]
        ranges = [track.trimmed_range_of_child(clip) for clip in track]
        assert [(r.start_time.value, r.duration.value, r.duration.rate) for r in ranges] == [
            (0, 20, pytest.approx(29.97003)),
            (20, 40, pytest.approx(29.97003)),
        ]
        [reference] = {clip.media_reference.target_url for clip in track}
        assert reference == film.as_uri()
        assert track[1].media_reference.available_range.duration.value == 60


def test_a_file_that_is_gone_or_no_video_is_one_line_each(films, out, film, tmp_path):
    films.add("/in/gone.mp4", [0, 1])
    films.add(film, [0, 2])
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"\0\0\0\x18ftypmp42" + b"x" * 200)
    films.add(broken, [0, 1])
    made = export(films.store, out, form="otio")
    assert [w.source for w in made.written] == [str(film)]
    assert sorted(type(left.error).__name__ for left in made.left) == ["Damaged", "Unreachable"]
    assert all(str(left.error).count("\n") == 0 for left in made.left)


def test_without_the_library_the_way_out_is_named(tmp_path):
    program = (
        "import sys; sys.modules['opentimelineio'] = None\n"
        "from aria_docs.export import otio\n"
        "from aria_docs.errors import UsageError\n"
        "try: next(otio.export(None, None))\n"
        "except UsageError as e: print(e)\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'aria-docs[export]'" in run.stdout
