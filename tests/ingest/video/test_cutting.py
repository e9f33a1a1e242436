"""Clips put in a row give back every frame of their source once, whatever the container tells of its times.

Every frame carries its number in eight black or white bars; every second of sound has a pitch of its own.
"""

import subprocess
from itertools import chain, pairwise

import imageio_ffmpeg
import numpy as np
import pytest
from av import open as av_open
from hypothesis import given
from hypothesis import strategies as st

from aria_docs.errors import Damaged, NoVideoStream
from aria_docs.ingest.video import cutting
from aria_docs.ingest.video.cutting import Busy, ClipRange, CutJob, FailedClip, WrittenClip, spans
from aria_docs.ingest.video.opening import open_clip

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
N = 100
TONES = "aevalsrc=0.5*sin(2*PI*t*(500+250*floor(t))):d=4:s=44100"
# A single frame, a cut inside a group of pictures, one on a keyframe (1.2 s), one between two frames.
EDGES_S = [0.0, 0.52, 0.56, 1.2, 2.5]


def encode(path, *options, filters="null", sound=True):
    frames = np.full((N, 48, 64, 3), 90, np.uint8)
    for number in range(N):
        for bit in range(8):
            frames[number, 8:40, bit * 8 : bit * 8 + 8] = 235 if number >> bit & 1 else 20
    command = [FFMPEG, "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "64x48", "-framerate", "25"]
    command += ["-i", "pipe:", *(["-f", "lavfi", "-i", TONES] if sound else []), "-vf", filters, *options, str(path)]
    subprocess.run(command, input=frames.tobytes(), check=True)
    return path


X264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", "10", "-bf", "3", "-g", "30", "-sc_threshold", "0")
GAPS = ("-fps_mode", "passthrough", "-enc_time_base", "1/12800")

CLIPS = {
    "b_frames.mp4": (X264, {}),
    "open_gop.mp4": ((*X264, "-x264-params", "open-gop=1"), {}),
    "one_keyframe.mp4": ((*X264, "-g", "1000"), {}),
    "vfr.mp4": ((*X264, *GAPS), {"filters": "setpts=(N+3*floor(N/10))/25/TB*100/127"}),
    "starts_at_5s.mkv": ((*X264, "-output_ts_offset", "5"), {}),
    "transport.ts": (X264, {}),
    "program.mpg": (("-c:v", "mpeg2video", "-bf", "2", "-q:v", "2", "-g", "15"), {}),
    "packed.avi": (("-c:v", "mpeg4", "-bf", "2", "-q:v", "2", "-g", "30"), {}),
    "no_display_times.avi": (X264, {}),
    "no_times.h264": (X264, {"sound": False}),
    "hidden_frames.webm": (("-c:v", "libvpx", "-auto-alt-ref", "1", "-lag-in-frames", "16", "-b:v", "1M"), {}),
    "a:b%03d é.flv": (X264, {}),
    "odd_size.mkv": (("-c:v", "ffv1"), {"filters": "crop=63:47:0:0"}),
    "animation.gif": ((), {"sound": False}),
    "hevc_10bit.mp4": (("-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-x265-params", "log-level=none"), {}),
}


def numbers(path):
    def number(pixels):
        bars = pixels[16:32, 2::8].mean(axis=(0, 2))[:8]
        return sum(int(bar > 128) << bit for bit, bar in enumerate(bars))

    return [number(picture.upright()) for picture in open_clip(path).pictures()]


def cut(path, folder, edges_s):
    parts = [ClipRange(a, b, str(folder / f"{i}.mp4"), f"Scene {i}") for i, (a, b) in enumerate(pairwise(edges_s))]
    answers = cutting.cut(CutJob(str(path), tuple(parts)), iter(()))
    return [folder / f"{i}.mp4" for i in range(len(parts))], [a for a in answers if not isinstance(a, Busy)]


@pytest.mark.parametrize("name", CLIPS)
def test_every_frame_is_in_one_clip(name, tmp_path):
    options, recipe = CLIPS[name]
    source = encode(tmp_path / name, *options, **recipe)
    times_s = [picture.time_s for picture in open_clip(source).pictures()]
    if name == "no_display_times.avi":  # what the decoder guesses is not even in order
        times_s = [number / 25 for number in range(N)]
    files, answers = cut(source, tmp_path, [*EDGES_S, 99.0])
    expected = [[n for n, t in enumerate(times_s) if a <= t + 0.0005 < b] for a, b in pairwise([*EDGES_S, 99.0])]
    assert [numbers(file) for file in files] == expected
    assert list(chain(*expected)) == list(range(N))
    assert answers == [WrittenClip(len(frames), 0) for frames in expected]


def test_frames_of_a_variable_rate_keep_their_times(tmp_path):
    options, recipe = CLIPS["vfr.mp4"]
    source = encode(tmp_path / "vfr.mp4", *options, **recipe)
    times_s = np.array([picture.time_s for picture in open_clip(source).pictures()])
    assert len(set(np.diff(times_s).round(3))) > 1
    [_, file], _ = cut(source, tmp_path, [0.0, 1.0, 3.0])
    kept_s = times_s[(times_s >= 0.9995) & (times_s < 2.9995)]
    assert [picture.time_s for picture in open_clip(file).pictures()] == pytest.approx(kept_s - kept_s[0], abs=1e-3)


def test_rotation_is_in_the_pictures(tmp_path):
    upright = encode(tmp_path / "upright.mp4", *X264)
    turned = tmp_path / "turned.mp4"
    subprocess.run(
        [FFMPEG, "-loglevel", "error", "-display_rotation", "90", "-i", upright, "-c", "copy", turned], check=True
    )
    [_, file], _ = cut(turned, tmp_path, [0.0, 1.0, 2.0])
    clip = open_clip(file)
    assert (clip.info.width, clip.info.height, clip.info.rotation) == (48, 64, 0)
    [first, *_], [shown] = list(clip.pictures()), list(open_clip(turned).pictures_at([1.0]))
    assert np.abs(first.upright().astype(int) - shown.upright()).mean() < 3


def sound(path, stream=0):
    with av_open(str(path)) as container:
        blocks = [frame.to_ndarray() for frame in container.decode(container.streams.audio[stream])]
        return np.concatenate([block.reshape(-1) for block in blocks]), container.streams.audio[stream].rate


def pitch(samples, rate):
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return np.fft.rfftfreq(len(samples), 1 / rate)[spectrum.argmax()]


def test_sound_is_cut_with_the_pictures(tmp_path):
    files, _ = cut(encode(tmp_path / "b.mkv", *X264, "-c:a", "flac"), tmp_path, [0.0, 1.0, 2.0, 4.0])
    for second, file in enumerate(files):
        samples, rate = sound(file)
        assert len(samples) / rate == pytest.approx(2 if second == 2 else 1, abs=1024 / rate)
        for part in (samples[1500:5000], samples[38000:42000]):  # near both ends: nothing of the neighbour
            assert pitch(part, rate) == pytest.approx(500 + 250 * second, abs=15)


def test_every_sound_track_is_kept_and_one_that_begins_late_does_not_move(tmp_path):
    source = tmp_path / "two.mkv"
    plain = encode(tmp_path / "plain.mkv", *X264, sound=False)
    early, late = ("-f", "lavfi", "-i", "sine=500:d=4"), ("-itsoffset", "1.5", "-f", "lavfi", "-i", "sine=2000:d=2")
    mapped = ("-map", "0", "-map", "1", "-map", "2", "-c:v", "copy", "-c:a", "flac")
    subprocess.run([FFMPEG, "-loglevel", "error", "-i", plain, *early, *late, *mapped, source], check=True)
    [_, file], _ = cut(source, tmp_path, [0.0, 1.0, 2.0])
    low, rate = sound(file, 0)
    assert pitch(low, rate) == pytest.approx(500, abs=10)
    late, rate = sound(file, 1)
    assert np.abs(late[: int(0.45 * rate)]).max() < 0.01
    assert pitch(late[int(0.55 * rate) :], rate) == pytest.approx(2000, abs=10)


def test_what_is_missing_of_a_damaged_file_is_counted(tmp_path):
    source = encode(tmp_path / "cut_off.mkv", *X264)
    whole = source.read_bytes()
    source.write_bytes(whole[: len(whole) * 6 // 10])
    there = numbers(source)
    files, answers = cut(source, tmp_path, [0.0, 1.0, 2.0, 3.96, 4.0])
    assert 40 < len(there) < 90
    assert list(chain(*(numbers(file) for file in files if file.exists()))) == there
    assert isinstance(answers[-1], FailedClip)
    assert "no frame of cut_off.mkv begins between 3.960 s and 4.000 s" in str(answers[-1].error)


def test_a_scene_without_a_frame_fails_and_the_next_one_is_cut(tmp_path):
    source = encode(tmp_path / "b.mp4", *X264)
    files, answers = cut(source, tmp_path, [0.0, 1.005, 1.01, 4.0])
    assert [type(answer) for answer in answers] == [WrittenClip, FailedClip, WrittenClip]
    assert "between 1.005 s and 1.010 s" in str(answers[1].error)
    assert numbers(files[0]) + numbers(files[2]) == list(range(N))


def test_a_seek_that_lands_too_late_is_made_up_for(tmp_path, monkeypatch):
    source = encode(tmp_path / "b.mp4", *X264)
    commanded, seeks = cutting._command, []

    def late(source, span, part, *, seek_s):
        seeks.append(seek_s)
        return commanded(source, span, part, seek_s=seek_s if seek_s is None else seek_s + 1.2)

    monkeypatch.setattr(cutting, "_command", late)
    [_, _, file], answers = cut(source, tmp_path, [0.0, 1.0, 2.5, 3.5])
    assert answers[2] == WrittenClip(25, 0)
    assert numbers(file) == list(range(63, 88))
    assert seeks[-1] is None
    assert seeks[-2] == pytest.approx(2.4)


def test_files_that_are_no_video_raise(tmp_path):
    rubbish = tmp_path / "x.mp4"
    rubbish.write_bytes(b"\0\0\0\x18ftypmp42" + b"x" * 500)
    with pytest.raises(Damaged):
        cut(rubbish, tmp_path, [0.0, 1.0])
    song = tmp_path / "song.mp4"
    subprocess.run([FFMPEG, "-loglevel", "error", "-f", "lavfi", "-i", "sine=d=1", song], check=True)
    with pytest.raises(NoVideoStream):
        cut(song, tmp_path, [0.0, 1.0])


def test_spans():
    pts_s = [10.0, 10.1, 10.2, 10.3, 10.4]
    [span] = spans(pts_s, [10.0, 10.2], [(10.1, 10.25)])
    assert (span.first, span.end, span.start_s, span.end_s, span.keyframe_s) == (1, 3, 10.1, 10.3, None)
    assert (span.from_s, span.until_s) == (pytest.approx(10.05), pytest.approx(10.25))
    [span] = spans(pts_s, [10.0, 10.2], [(10.2004, 99.0)])  # rounded to a tick behind the frame
    assert (span.first, span.end, span.from_s, span.until_s) == (2, 5, pytest.approx(10.15), None)
    assert (span.end_s, span.keyframe_s) == (None, 10.2)
    assert list(spans(pts_s, [], [(10.11, 10.19), (0.0, 1.0), (11.0, 12.0)])) == [None, None, None]


@given(
    st.lists(st.integers(0, 10**6), min_size=1, max_size=60, unique=True).map(sorted),
    st.lists(st.floats(0, 1100), max_size=9).map(sorted),
)
def test_edges_that_meet_share_no_frame_and_leave_none_out(milliseconds, inner_s):
    pts_s = [ms / 1000 for ms in milliseconds]
    found = list(spans(pts_s, pts_s[::7], list(pairwise([pts_s[0], *(e for e in inner_s if e > pts_s[0]), 2000.0]))))
    held = [number for span in found if span for number in range(span.first, span.end)]
    assert held == list(range(len(pts_s)))
    assert all(span.keyframe_s is None or span.keyframe_s <= span.start_s for span in found if span)
