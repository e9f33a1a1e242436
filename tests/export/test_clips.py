"""Clips by way of the export: names, what becomes of videos that are gone, changed, broken, or kill their cutter."""

import os
import subprocess
import sys
import time
from pathlib import Path

import ffmpeg
import imageio_ffmpeg
import numpy as np
import pytest

from aria_docs.errors import UsageError
from aria_docs.export import clips, export
from aria_docs.ingest import sandbox
from aria_docs.ingest.video.opening import open_clip

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
N = 50


@pytest.fixture
def film(tmp_path):
    """Each frame is a grey that tells its number."""

    def make(name, *, offset=0):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.broadcast_to((offset + 20 + 4 * np.arange(N, dtype=np.uint8)).reshape(-1, 1, 1, 1), (N, 48, 64, 3))
        pictures = ffmpeg.input("pipe:", format="rawvideo", pix_fmt="rgb24", s="64x48", framerate=25)
        sound = ffmpeg.input("sine=d=2", f="lavfi")
        options = {"vcodec": "libx264", "pix_fmt": "yuv420p", "crf": 8, "bf": 2, "g": 20, "acodec": "aac"}
        ffmpeg.output(pictures, sound, f"file:{path}", **options).run(cmd=FFMPEG, input=pixels.tobytes(), quiet=True)
        return path

    return make


def numbers(path):
    return [round((float(p.upright().mean()) - 20) / 4) for p in open_clip(path).pictures()]


def test_the_clips_of_a_video_are_its_frames(films, out, film):
    path = film("a film: part 1.mp4")
    sid = films.add(path, [0.0, 0.36, 1.2, 2.0], titles=["One", None, 'Ti"tle=3; %d'])
    made = export(films.store, out, form="clips")
    assert not made.left
    files = [written.file for written in made.written]
    assert [file.relative_to(out).as_posix() for file in files] == [
        f"a film part 1/a film part 1-00{n}.mp4" for n in (1, 2, 3)
    ]
    assert [number for file in files for number in numbers(file)] == list(range(N))
    assert [written.facts for written in made.written] == [
        {"source_id": sid, "scene_no": 0, "n_frames": 9},
        {"source_id": sid, "scene_no": 1, "n_frames": 21},
        {"source_id": sid, "scene_no": 2, "n_frames": 20},
    ]
    said = subprocess.run([FFMPEG, "-hide_banner", "-i", files[2]], capture_output=True, text=True).stderr
    assert 'title           : Ti"tle=3; %d' in said
    assert "Audio: aac" in said
    assert sorted(file.name for file in files[0].parent.iterdir()) == [file.name for file in files]  # nothing half made


def test_joined_by_ffmpeg_they_are_the_video_again(films, out, film, tmp_path):
    films.add(film("a.mp4"), [0.0, 0.36, 1.2, 2.0])
    files = [written.file for written in export(films.store, out, form="clips").written]
    listed, joined = tmp_path / "list.txt", tmp_path / "joined.mp4"
    listed.write_text("".join(f"file '{file}'\n" for file in files))
    command = [FFMPEG, "-loglevel", "error", "-f", "concat", "-safe", "0", "-i", listed, "-c", "copy", joined]
    subprocess.run(command, check=True)
    clip = open_clip(joined)
    pictures = list(clip.pictures())
    assert numbers(joined) == list(range(N))
    assert [p.time_s for p in pictures] == pytest.approx([n / 25 for n in range(N)], abs=0.03)


def test_a_video_that_cannot_be_cut_is_one_line_and_the_others_are_cut(films, out, film, tmp_path):
    films.add(film("gone.mp4"), [0.0, 1.0, 2.0])
    films.add(film("changed.mp4", offset=1), [0.0, 1.0, 2.0])
    films.add(film("moved.mp4", offset=2), [0.0, 2.0])
    films.add(film("touched.mp4", offset=3), [0.0, 2.0])
    broken = tmp_path / "in" / "broken.mp4"
    broken.write_bytes(b"\0\0\0\x18ftypmp42" + b"x" * 300)
    films.add(broken, [0.0, 1.0, 2.0])
    (tmp_path / "in" / "gone.mp4").unlink()
    changed = tmp_path / "in" / "changed.mp4"
    changed.write_bytes(changed.read_bytes() + b"more")
    copy = tmp_path / "in" / "moved" / "again.mp4"  # the same content, still there under another name
    copy.parent.mkdir()
    (tmp_path / "in" / "moved.mp4").rename(copy)
    films.add(copy, [0.0, 2.0])
    os.utime(tmp_path / "in" / "touched.mp4")  # only the time differs

    made = export(films.store, out, form="clips")
    assert {written.file.name for written in made.written} == {"moved-001.mp4", "touched-001.mp4"}
    said = {Path(left.source).name: str(left.error) for left in made.left}
    assert set(said) == {"gone.mp4", "changed.mp4", "broken.mp4"}
    assert len(made.left) == 3
    assert "is gone" in said["gone.mp4"]
    assert "has changed since it was read" in said["changed.mp4"]
    assert "broken.mp4" in said["broken.mp4"]


def fake_ffmpeg(tmp_path, monkeypatch, *, on, does):
    """An ffmpeg that does something else when it is to write a certain clip."""
    script = tmp_path / "ffmpeg"
    script.write_text(f'#!/bin/sh\ncase "$*" in *{on}*) {does};; esac\nexec {FFMPEG} "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(script))


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel elsewhere ends no children of a parent that was killed")
def test_an_ffmpeg_that_hangs_is_killed_and_costs_one_clip(films, out, film, tmp_path, monkeypatch):
    films.add(film("a.mp4"), [0.0, 0.4, 1.2, 2.0])
    pid = tmp_path / "pid"
    fake_ffmpeg(tmp_path, monkeypatch, on="a-002.mp4", does=f"echo $$ > {pid}; exec sleep 600")
    patient = sandbox._Connection.poll
    monkeypatch.setattr(sandbox._Connection, "poll", lambda who, within_s=0.0: patient(who, within_s and within_s / 30))
    made = export(films.store, out, form="clips")
    assert [number for written in made.written for number in numbers(written.file)] == [*range(10), *range(30, 50)]
    [left] = made.left
    assert "Scene 2 of" in str(left.error)
    assert "nothing came of it for 120 s" in str(left.error)
    until = time.monotonic() + 5
    while alive(int(pid.read_text())) and time.monotonic() < until:
        time.sleep(0.05)
    assert not alive(int(pid.read_text()))
    assert not list(out.rglob("*.partial"))


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("kill -9 $PPID; exit", "killed the parser"),  # as the kernel does when memory runs out
        ("kill -SEGV $$", "ffmpeg ended with status -11"),
        ("echo 'No space left on device' >&2; exit 1", "ffmpeg says: No space left on device"),
    ],
)
def test_a_crash_costs_one_clip(films, out, film, tmp_path, monkeypatch, does, said):
    films.add(film("a.mp4"), [0.0, 0.4, 1.2, 2.0])
    fake_ffmpeg(tmp_path, monkeypatch, on="a-002.mp4", does=does)
    made = export(films.store, out, form="clips")
    assert [number for written in made.written for number in numbers(written.file)] == [*range(10), *range(30, 50)]
    [left] = made.left
    assert said in str(left.error)
    assert "Scene 2" in str(left.error)
    assert not list(out.rglob("*.partial"))


def test_a_video_that_always_kills_is_given_up(films, out, film, tmp_path, monkeypatch):
    films.add(film("a.mp4"), [0.0, 0.4, 0.8, 1.2, 1.6, 2.0])
    films.add(film("b.mp4", offset=1), [0.0, 2.0])
    fake_ffmpeg(tmp_path, monkeypatch, on="a-00", does="kill -9 $PPID; exit")
    made = export(films.store, out, form="clips")
    assert [written.file.name for written in made.written] == ["b-001.mp4"]
    assert len(made.left) == clips.GIVE_UP_AFTER
    assert "Scene 3 of" in str(made.left[-1].error)
    assert "and the 2 scenes after it" in str(made.left[-1].error)


def test_no_scenes_is_wrong_usage(films, out):
    with pytest.raises(UsageError, match="holds no scenes"):
        export(films.store, out, form="clips")
