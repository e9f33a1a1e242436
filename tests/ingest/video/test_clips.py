"""Awkward files, each with its recipe: what two decoders must say of them, and what `watch` makes of damaged ones.

Every frame is one grey that tells its number, with a white corner at the top left that tells which way is up.
"""

import io
import os
import subprocess
import sys
from pathlib import Path

import av
import ffmpeg
import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from aria_docs.errors import Damaged, NoVideoStream, Unreachable, WrongKind
from aria_docs.ingest.video import decord_clip, pyav_clip, subtitles
from aria_docs.ingest.video import watch as video
from aria_docs.ingest.video.decord_clip import DecordClip
from aria_docs.ingest.video.opening import open_clip
from aria_docs.ingest.video.pyav_clip import PyAVClip
from aria_docs.ingest.video.tone import Colours, to_srgb
from aria_docs.media import Cue

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
N = 40
EVEN_S = [i / 25 for i in range(N)]
GAPS_S = [(i + 5 * (i // 10)) / 25 for i in range(N)]  # after every ten frames the picture stands still


def frames(n=N, width=64, height=48):
    pixels = np.empty((n, height, width, 3), np.uint8)
    pixels[:] = (30 + 5 * np.arange(n)).reshape(-1, 1, 1, 1)
    pixels[:, : height // 3, : width // 3] = 255
    return pixels


def encode(path, pixels=None, *, filters=(), **options):
    """Raw pictures, 25 a second → ffmpeg → a file."""
    pixels = frames() if pixels is None else pixels
    stream = ffmpeg.input(
        "pipe:", format="rawvideo", pix_fmt="rgb24", s=f"{pixels.shape[2]}x{pixels.shape[1]}", framerate=25
    )
    for name, *arguments in filters:
        stream = stream.filter(name, *arguments)
    options = {"vcodec": "libx264", "pix_fmt": "yuv420p", "crf": 8, "g": 12, **options}
    stream.output(str(path), **options).overwrite_output().run(cmd=FFMPEG, input=pixels.tobytes(), quiet=True)
    return path


def remux(path, source, *, before=None, **options):
    ffmpeg.input(str(source), **(before or {})).output(str(path), **{"c": "copy", **options}).overwrite_output().run(
        cmd=FFMPEG, quiet=True
    )
    return path


def two_streams(path):
    small, large = encode(path.with_name("s.mp4"), frames(n=5, width=32, height=24)), encode(path.with_name("l.mp4"))
    ffmpeg.output(ffmpeg.input(str(small)), ffmpeg.input(str(large)), str(path), c="copy").run(cmd=FFMPEG, quiet=True)
    return path


def gaps(path):
    return encode(path, filters=[("setpts", "N+5*floor(N/10)")], fps_mode="passthrough", enc_time_base="1/12800")


# name → (recipe, times, width, height, also decord?)
CLIPS = {
    "b_frames.mp4": (lambda p: encode(p, bf=3), EVEN_S, 64, 48, True),
    "one_keyframe.mp4": (lambda p: encode(p, g=1000), EVEN_S, 64, 48, True),
    "vfr.mp4": (gaps, GAPS_S, 64, 48, True),
    "starts_at_5s.mkv": (lambda p: encode(p, output_ts_offset=5), EVEN_S, 64, 48, True),
    "transport.ts": (lambda p: encode(p, bf=3), EVEN_S, 64, 48, False),
    "rotated.mp4": (
        lambda p: remux(p, encode(p.with_name("upright.mp4")), before={"display_rotation": 90}),
        EVEN_S,
        48,
        64,
        False,
    ),
    "anamorphic.mp4": (lambda p: encode(p, filters=[("setsar", "2/1")]), EVEN_S, 128, 48, False),
    "two_streams.mkv": (two_streams, EVEN_S, 64, 48, False),
    "odd_size.mp4": (lambda p: encode(p, frames(width=45, height=35), pix_fmt="yuv444p"), EVEN_S, 45, 35, True),
    "one_frame.mp4": (lambda p: encode(p, frames(n=1)), [0.0], 64, 48, True),
    "no_timestamps.h264": (lambda p: encode(p), EVEN_S, 64, 48, False),
    "hevc_10bit.mp4": (
        lambda p: encode(p, vcodec="libx265", pix_fmt="yuv420p10le", **{"x265-params": "log-level=none"}),
        EVEN_S,
        64,
        48,
        True,
    ),
    "a:b%03d é.webm": (lambda p: encode(p, vcodec="libvpx-vp9"), EVEN_S, 64, 48, True),
}
CASES = [(name, PyAVClip) for name in CLIPS] + [(name, DecordClip) for name, clip in CLIPS.items() if clip[4]]


@pytest.fixture(scope="module")
def clip_path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    made = {}

    def make(name):
        if name not in made:
            made[name] = CLIPS[name][0](folder / name)
        return made[name]

    return make


def number(pixels):
    """Which frame this is: the grey of the far corner from the white one."""
    height, width, _ = pixels.shape
    return round((float(np.median(pixels[height // 2 :, width // 2 :])) - 30) / 5)


@pytest.mark.parametrize(("name", "decoder"), CASES)
def test_every_decoder_gives_the_same_frames_at_the_same_times(clip_path, name, decoder):
    _, times_s, width, height, _ = CLIPS[name]
    clip = decoder(clip_path(name))
    assert (clip.info.width, clip.info.height, clip.info.n_frames) == (width, height, len(times_s))
    assert clip.info.duration_s == pytest.approx(times_s[-1] + 1 / 25, abs=0.045)  # VFR: the last may stand longer
    seen = [(picture.time_s, number(picture.upright()), picture.damaged) for picture in clip.pictures()]
    assert [n for _, n, _ in seen] == list(range(len(times_s)))
    assert [t for t, _, _ in seen] == pytest.approx(times_s, abs=0.001)
    assert not any(damaged for _, _, damaged in seen)
    assert clip.note is None


@pytest.mark.parametrize(("name", "decoder"), CASES)
@pytest.mark.parametrize("wanted_s", [[0.0], [0.05, 0.5, 0.51, 1.3], [1.55, 99.0], [i / 50 for i in range(80)]])
def test_the_frame_at_a_time_is_the_one_displayed_then(clip_path, name, decoder, wanted_s):
    times_s = CLIPS[name][1]
    expected = [max(i for i, t in enumerate(times_s) if t <= wanted + 0.001) for wanted in wanted_s]
    pictures = list(decoder(clip_path(name)).pictures_at(wanted_s))
    assert [number(picture.upright()) for picture in pictures] == expected
    assert [picture.time_s for picture in pictures] == pytest.approx([times_s[i] for i in expected], abs=0.001)


def test_seeking_decodes_little(clip_path, monkeypatch):
    path = encode(clip_path("b_frames.mp4").with_name("long.mp4"), np.tile(frames(), (10, 1, 1, 1)), g=20)
    clip, decoded = PyAVClip(path), []
    counted = pyav_clip._frames

    def counting(*arguments, **options):
        for frame in counted(*arguments, **options):
            decoded.append(frame.pts)
            yield frame

    monkeypatch.setattr(pyav_clip, "_frames", counting)
    assert [picture.time_s for picture in clip.pictures_at([2.0, 14.0])] == [2.0, 14.0]
    assert len(decoded) < 45  # of 400: each at most a group of 20, and what the decoder holds ahead


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotated_pictures_stand_upright(tmp_path, degrees):
    path = remux(tmp_path / "r.mp4", encode(tmp_path / "u.mp4"), before={"display_rotation": degrees})
    info = video.probe(path)
    assert info.rotation == degrees
    [frame] = video.frames_at(open_clip(path), [0.0])
    assert frame.pixels.shape == (info.height, info.width, 3) == ((48, 64, 3) if degrees == 180 else (64, 48, 3))
    # ffmpeg turns it itself where it decodes to pictures
    shown, _ = (
        ffmpeg.input(str(path))
        .output("pipe:", format="rawvideo", pix_fmt="rgb24", vframes=1)
        .run(cmd=FFMPEG, quiet=True)
    )
    assert np.abs(frame.pixels.astype(int) - np.frombuffer(shown, np.uint8).reshape(frame.pixels.shape)).mean() < 3


def test_frames_are_made_smaller_never_larger(clip_path):
    path = clip_path("anamorphic.mp4")
    assert [f.pixels.shape for f in video.frames_at(open_clip(path), [0.0], size_px=64)] == [(24, 64, 3)]
    assert [f.pixels.shape for f in video.frames_at(open_clip(path), [0.0], size_px=500)] == [(48, 128, 3)]


def write(data):
    return lambda path: path.write_bytes(data)


def png(path):
    Image.new("RGB", (20, 20)).save(path, "PNG")


def sound(path):
    ffmpeg.input("sine=d=1", f="lavfi").output(str(path)).run(cmd=FFMPEG, quiet=True)


def sound_with_cover(path):
    cover, tone = path.with_suffix(".png"), path.with_suffix(".m4a")
    png(cover)
    sound(tone)
    picture, music = ffmpeg.input(str(cover)), ffmpeg.input(str(tone))
    options = {"c": "copy", "disposition:v:0": "attached_pic"}
    ffmpeg.output(picture, music, str(path), **options).run(cmd=FFMPEG, quiet=True)


def without_index(path):
    whole = encode(path.with_name("whole.mp4")).read_bytes()
    path.write_bytes(whole[: len(whole) * 6 // 10])


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (write(b""), WrongKind),
        (write(b"Dear all,\nplease find attached\n" * 30), WrongKind),
        (write(np.random.default_rng(0).bytes(20_000)), WrongKind),
        (write(b"#EXTM3U\n#EXTINF:10,\n/etc/passwd\n"), WrongKind),
        (write(b"ffconcat version 1.0\nfile other.mp4\n"), WrongKind),
        (png, WrongKind),
        (sound, NoVideoStream),
        (sound_with_cover, NoVideoStream),
        (without_index, Damaged),
        (lambda path: path.mkdir(), Unreachable),
        (lambda path: path.symlink_to("nowhere"), Unreachable),
        (os.mkfifo, Unreachable),
    ],
    ids=[
        "empty",
        "text",
        "noise",
        "playlist",
        "script",
        "picture",
        "sound",
        "cover",
        "no index",
        "folder",
        "dangling link",
        "pipe",
    ],
)
def test_what_is_no_video_is_named(tmp_path, make, error):
    path = tmp_path / "notes.mp4"
    make(path)
    with pytest.raises(error, match=r"notes\.mp4 .+\.$"):
        video.probe(path)
    with pytest.raises(error):
        video.watch(open_clip(path))


def test_a_cut_off_file_is_read_as_far_as_it_goes(tmp_path):
    whole = encode(tmp_path / "whole.mkv", np.tile(frames(), (4, 1, 1, 1)), preset="ultrafast").read_bytes()
    path = tmp_path / "half.mkv"
    path.write_bytes(whole[: len(whole) // 2])
    seen = video.watch(open_clip(path))
    assert seen.note is not None and " s of 6.4 s" in seen.note
    stop_s = float(seen.note.split()[2])
    assert 2 < stop_s < 5
    assert seen.shots[-1].end_s == seen.info.duration_s == pytest.approx(stop_s, abs=0.1)


def test_a_cut_off_mp4_says_so_too(tmp_path):
    whole = encode(tmp_path / "whole.mp4", np.tile(frames(), (4, 1, 1, 1)), movflags="faststart").read_bytes()
    path = tmp_path / "half.mp4"
    path.write_bytes(whole[: len(whole) * 2 // 3])
    note = video.watch(open_clip(path)).note
    assert note is not None and note.startswith("stops at ") and "of 6.4 s" in note


def test_a_longer_sound_is_no_missing_picture(tmp_path):
    picture, tone = ffmpeg.input(str(encode(tmp_path / "v.mp4"))), ffmpeg.input("sine=d=5", f="lavfi")
    ffmpeg.output(picture, tone, str(tmp_path / "both.mkv"), vcodec="copy").run(cmd=FFMPEG, quiet=True)
    assert video.watch(open_clip(tmp_path / "both.mkv")).note is None


def test_pictures_that_the_decoder_made_up_are_noted_and_cut_no_shots(tmp_path):
    noise = np.random.default_rng(1).integers(0, 60, (100, 48, 64, 3))
    noisy = np.clip(scenery(100, 1) * 0.8 + noise, 0, 255).astype(np.uint8)
    whole = bytearray(encode(tmp_path / "v.mp4", noisy, g=25).read_bytes())
    middle = len(whole) // 2
    whole[middle : middle + 400] = bytes(400)
    (tmp_path / "v.mp4").write_bytes(whole)
    seen = video.watch(open_clip(tmp_path / "v.mp4"))
    assert seen.note is not None and seen.note.startswith("damaged from ")
    assert 0.5 < float(seen.note.split()[2]) < 3.5
    assert len(seen.shots) == 1


def scenery(n, seed):
    """n frames of a still picture of coarse random blocks."""
    blocks = np.random.default_rng(seed).integers(0, 255, (6, 8, 3)).astype(np.uint8)
    return np.repeat(blocks.repeat(8, 0).repeat(8, 1)[None], n, 0)


def test_one_pass_gives_shots_and_thumbnails(tmp_path):
    path = encode(tmp_path / "v.mp4", np.concatenate([scenery(50, 1), scenery(8, 2), scenery(60, 3)]))
    seen = video.watch(open_clip(path), thumbnail_px=32)
    assert [(s.start_s, s.end_s, s.transition) for s in seen.shots] == [
        (0.0, 2.0, "start"),
        (2.0, 2.32, "cut"),
        (2.32, pytest.approx(4.72), "cut"),
    ]
    for thumbnail, seed in zip(seen.thumbnails, (1, 2, 3), strict=True):
        assert thumbnail is not None
        with Image.open(io.BytesIO(thumbnail)) as image:
            assert (image.format, image.size) == ("JPEG", (32, 24))
            expected = scenery(1, seed)[0, ::2, ::2].astype(int)
            assert np.abs(np.asarray(image).astype(int) - expected).mean() < 20


def test_candidates_for_thumbnails_do_not_pile_up(tmp_path):
    path = encode(tmp_path / "v.mp4", frames(n=2)[[0] * 3000], filters=[("setpts", "N/TB")], fps_mode="passthrough")
    keeper = video._Candidates(16)
    kept = max(len(keeper._kept) for _ in keeper.passing(PyAVClip(path).pictures()))
    assert 32 <= kept <= keeper.LIMIT


def drifting(n, width, height):
    """A coarse pattern that drifts, with grain: what a coder at a low rate breaks into blocks."""
    rng = np.random.default_rng(0)
    pattern = rng.uniform(0, 255, (height // 8, width // 8, 3)).repeat(8, 0).repeat(8, 1)
    moved = np.stack([np.roll(pattern, 3 * i, 1) for i in range(n)])
    return np.clip(moved + rng.normal(0, 20, moved.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("width", "is_rough"), [(640, True), (632, False)])
def test_rough_pictures_are_those_of_large_videos_that_no_other_is_built_from(tmp_path, width, is_rough):
    path = encode(tmp_path / "v.mp4", drifting(24, width, 360), crf=36, bf=3)
    clip = PyAVClip(path)
    differ, differ_small = [], []
    for a, b in zip(clip.pictures(), clip.pictures(rough=True), strict=True):
        assert (a.time_s, a.damaged) == (b.time_s, b.damaged)
        differ.append(not np.array_equal(a.upright(), b.upright()))
        differ_small.append(np.abs(a.scale(48, 27).astype(int) - b.scale(48, 27)).mean())
    assert any(differ) == is_rough
    assert sum(differ) <= 0.75 * len(differ), "what others are built from is whole"
    assert max(differ_small) < 1


SRT = """1
00:00:00,200 --> 00:00:00,900
<i>Hello</i> there,
{\\an8}you

2
00:00:01,000 --> 00:00:01,500
Bye &amp; thanks
"""
SAID = (Cue(0.2, 0.9, "Hello there, you", "sidecar"), Cue(1.0, 1.5, "Bye & thanks", "sidecar"))


@pytest.mark.parametrize(("name", "codec"), [("v.mkv", "srt"), ("v.mkv", "ass"), ("v.mp4", "mov_text")])
@pytest.mark.parametrize("offset_s", [0, 5])
def test_the_subtitle_track_counts_from_the_first_frame(tmp_path, name, codec, offset_s):
    (tmp_path / "in.srt").write_text(SRT)
    picture, words = ffmpeg.input(str(encode(tmp_path / "in.mp4"))), ffmpeg.input(str(tmp_path / "in.srt"))
    options = {"vcodec": "copy", "scodec": codec, "output_ts_offset": offset_s}
    ffmpeg.output(picture, words, str(tmp_path / name), **options).run(cmd=FFMPEG, quiet=True)
    seen = video.watch(open_clip(tmp_path / name)).cues
    assert [cue.text for cue in seen] == [cue.text for cue in SAID]
    assert [t for cue in seen for t in (cue.start_s, cue.end_s)] == pytest.approx([0.2, 0.9, 1.0, 1.5], abs=0.011)


def test_the_track_that_its_writer_chose(tmp_path):
    (tmp_path / "1.srt").write_text(SRT)
    (tmp_path / "2.srt").write_text(SRT.replace("Hello", "Salut"))
    inputs = [ffmpeg.input(str(path)) for path in (encode(tmp_path / "in.mp4"), tmp_path / "1.srt", tmp_path / "2.srt")]
    options = {"c": "copy", "disposition:s:0": "0", "disposition:s:1": "default"}
    ffmpeg.output(*inputs, str(tmp_path / "v.mkv"), **options).run(cmd=FFMPEG, quiet=True)
    assert video.watch(open_clip(tmp_path / "v.mkv")).cues[0].text == "Salut there, you"


def test_captions_of_television_are_in_the_pictures():
    """A/53: marker, count, a byte, threes, the first of which says what the others are; H.264 keeps zeros apart."""
    said = b"\x06\x04GA94\x03" + bytes([0x40 | 3, 0xFF]) + b"\xfa\0\0\x03\xfc\x80\x80\xfc\x73\x61" + bytes(50)
    assert [*pyav_clip._caption_pairs(av.Packet(said))] == ["7361"]


def test_captions_of_a_broadcast_are_heard_at_their_second(tmp_path):
    """Pairs of CEA-608, one a picture: a caption is loaded, shown by 942f, and gone by 942c."""
    pairs = "9420 9420 9470 9470 7361 e964 942f 942f".split() + 20 * ["8080"] + ["942c", "942c"]
    path = tmp_path / "v.mkv"
    with av.open(str(encode(tmp_path / "in.mp4", bf=0))) as given, av.open(str(path), "w") as made:
        track = made.add_stream_from_template(given.streams.video[0])
        for number, packet in enumerate(given.demux(video=0)):
            if packet.size:
                pair = bytes.fromhex(pairs[number] if number < len(pairs) else "8080")
                said = b"\xb5\0\x31GA94\x03\x41\xff\xfc" + pair + b"\xff"
                sei = b"\x06\x04" + bytes([len(said)]) + said + b"\x80"
                captioned = av.Packet(len(sei).to_bytes(4, "big") + sei + bytes(packet))
                captioned.pts, captioned.dts, captioned.time_base = packet.pts, packet.dts, packet.time_base
                captioned.is_keyframe, captioned.stream = packet.is_keyframe, track
                made.mux(captioned)
    [cue] = subtitles.words(open_clip(path)).cues
    assert cue.text == "said" and (cue.start_s, cue.end_s) == (
        pytest.approx(0.28, abs=0.1),
        pytest.approx(1.16, abs=0.1),
    )


def test_webvtt_in_mp4_is_read(tmp_path):
    (tmp_path / "1.srt").write_text(SRT)
    inputs = [ffmpeg.input(str(path)) for path in (encode(tmp_path / "in.mp4"), tmp_path / "1.srt")]
    ffmpeg.output(*inputs, str(tmp_path / "text.mp4"), **{"c:v": "copy", "c:s": "mov_text"}).run(cmd=FFMPEG, quiet=True)
    path = tmp_path / "v.mp4"
    with av.open(str(tmp_path / "text.mp4")) as given, av.open(str(path), "w") as made:
        tracks = {stream.index: made.add_stream_from_template(stream) for stream in given.streams}
        for packet in given.demux():
            if packet.size:
                sample = bytes(packet)
                if packet.stream.type == "subtitle":  # a length, then the text
                    said = sample[2 : 2 + int.from_bytes(sample[:2], "big")]
                    sample = box(b"vttc", box(b"payl", said)) if said else box(b"vtte")
                boxed = av.Packet(sample)
                boxed.pts, boxed.dts, boxed.duration = packet.pts, packet.dts, packet.duration
                boxed.time_base, boxed.is_keyframe = packet.time_base, packet.is_keyframe
                boxed.stream = tracks[packet.stream.index]
                made.mux(boxed)
    path.write_bytes(path.read_bytes().replace(b"tx3g", b"wvtt"))
    assert subtitles.words(open_clip(path)).cues == subtitles.words(open_clip(tmp_path / "text.mp4")).cues != ()


@pytest.mark.parametrize(
    ("name", "how", "note"),
    [
        ("v.ogv", {"vcodec": "libtheora", "crf": 23}, "it lacks its last page"),
        ("v.wmv", {"vcodec": "wmv2", "crf": 23}, "stops at 2"),
    ],
)
def test_a_film_whose_container_tells_its_end_is_missed_there(tmp_path, name, how, note):
    path = encode(tmp_path / name, np.random.default_rng(0).integers(0, 255, (100, 96, 128, 3), np.uint8), **how)
    whole = open_clip(path)
    assert [*whole.pictures()] and not whole.note
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    clip = open_clip(path)
    assert [*clip.pictures()] and note in (clip.note or "")


def test_a_track_of_pictures_of_text_is_named(tmp_path):
    (tmp_path / "1.srt").write_text(SRT)
    path = tmp_path / "v.mkv"
    inputs = [ffmpeg.input(str(each)) for each in (encode(tmp_path / "in.mp4"), tmp_path / "1.srt")]
    ffmpeg.output(*inputs, str(path), **{"c:v": "copy", "c:s": "srt"}).run(cmd=FFMPEG, quiet=True)
    path.write_bytes(path.read_bytes().replace(b"S_TEXT/UTF8", b"S_HDMV/PGS\0"))
    words = subtitles.words(open_clip(path))
    assert words == subtitles.Words((), "1 track of subtitles made of pictures, which are not read")


@pytest.mark.parametrize(
    ("name", "n", "note"), [("a.mp4", N, "another film is joined"), ("a.mkv", 2 * N, "the time stamps jump")]
)
def test_a_film_behind_a_film_is_named(tmp_path, name, n, note):
    path = encode(tmp_path / name)
    assert not pyav_clip._is_joined(path)
    path.write_bytes(path.read_bytes() * 2)
    clip = open_clip(path)
    assert len([*clip.pictures()]) == n and clip.note.startswith(note)
    assert clip.info.duration_s == pytest.approx(n / 25, abs=0.2)


def box(kind, *inside):
    return (8 + len(b"".join(inside))).to_bytes(4, "big") + kind + b"".join(inside)


def test_webvtt_in_boxes():
    sample = box(b"vttc", box(b"iden", b"1"), box(b"payl", b"Hello")) + box(b"vttc", box(b"payl", b"there")) + b"\0"
    assert pyav_clip._of_boxes(sample) == b"Hello\nthere" and pyav_clip._of_boxes(box(b"vtte")) == b""


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("film.srt", SRT.encode("utf-8-sig")),
        ("film.SRT", SRT.encode("utf-16")),
        ("film.en.srt", SRT.encode()),
        (
            "film.pt-BR.vtt",
            ("WEBVTT\n\nNOTE x\n\n" + SRT.replace(",200", ".200").replace("00:00:00,9", "00:00.9")).encode(),
        ),
    ],
)
def test_a_sidecar_file_is_read(tmp_path, name, data):
    path = encode(tmp_path / "film.mp4")
    (tmp_path / "film2.srt").write_text(SRT.replace("Hello", "Wrong"))
    (tmp_path / "film.cut of friday.srt").write_text(SRT.replace("Hello", "Wrong"))
    assert video.watch(open_clip(path)).cues == ()
    (tmp_path / name).write_bytes(data)
    assert video.watch(open_clip(path)).cues == SAID


def test_a_sidecar_in_latin_1_is_read(tmp_path):
    path = encode(tmp_path / "film.mp4")
    (tmp_path / "film.srt").write_bytes(SRT.replace("Hello", "Ça va").encode("latin-1"))
    assert video.watch(open_clip(path)).cues[0].text == "Ça va there, you"


def test_decord_is_asked_when_pyav_decodes_nothing(clip_path, monkeypatch):
    path = clip_path("b_frames.mp4")
    monkeypatch.setattr(pyav_clip, "_frames", lambda *_, **__: iter(()))
    clip = open_clip(path)
    assert isinstance(clip, DecordClip)
    assert [number(picture.upright()) for picture in clip.pictures()] == list(range(N))


def test_decord_does_not_pass_garbage_on(clip_path):
    with pytest.raises(Damaged, match="turned"):
        DecordClip(clip_path("rotated.mp4"))


def test_when_neither_decodes_it_pyav_has_the_word(clip_path, monkeypatch):
    def refuse(path, **_):
        raise Damaged("decord says so.")

    monkeypatch.setattr(pyav_clip, "_frames", lambda *_, **__: iter(()))
    monkeypatch.setattr(decord_clip, "DecordClip", refuse)
    with pytest.raises(Damaged, match=r"has a h264 stream of which no frame can be decoded"):
        open_clip(clip_path("b_frames.mp4"))


def test_reading_starts_no_thread(clip_path):
    """A warm process forks, and forking with threads is not safe. numpy's own pool is made safe by OpenBLAS."""
    script = (
        "import os, pathlib, sys; from aria_docs.ingest.video import watch as video;"
        "from aria_docs.ingest.video.opening import open_clip; video.warm();"
        "before = len(os.listdir('/proc/self/task')); video.watch(open_clip(pathlib.Path(sys.argv[1])));"
        "print(before - len(os.listdir('/proc/self/task')))"
    )
    if not Path("/proc/self/task").exists():
        pytest.skip("no /proc to count threads in")
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    path = str(clip_path("b_frames.mp4"))
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, env=environment)
    assert (done.stdout.strip(), done.returncode) == ("0", 0), done.stderr


def test_low_resolution_is_what_the_detector_takes(clip_path):
    small = list(video.low_resolution(open_clip(clip_path("b_frames.mp4"))))
    assert [t for t, _, _ in small] == pytest.approx(EVEN_S, abs=0.001)
    assert {pixels.shape for _, pixels, _ in small} == {(54, 96, 3)}
    assert [number(pixels) for _, pixels, _ in small] == list(range(N))


def test_a_hole_in_a_stream_is_named_and_what_follows_it_is_not_trusted(tmp_path):
    pixels = frames(100)
    whole = encode(tmp_path / "whole.ts", np.minimum(pixels, 250), g=250, sc_threshold=0, crf=2).read_bytes()
    n_packets = len(whole) // 188
    (tmp_path / "hole.ts").write_bytes(whole[: n_packets * 3 // 10 * 188] + whole[n_packets * 7 // 10 * 188 :])
    clip = PyAVClip(tmp_path / "hole.ts")
    seen = list(clip.pictures())
    after = next(i for i in range(1, len(seen)) if seen[i].time_s - seen[i - 1].time_s > 1)
    assert all(picture.damaged for picture in seen[after:]) and not any(
        picture.damaged for picture in seen[: after - 1]
    )
    assert "nothing is there from" in clip.note


def test_a_stream_that_begins_in_the_middle_is_passed_over(tmp_path):
    whole = encode(tmp_path / "whole.flv", vcodec="flv1", bf=0).read_bytes()
    tag = whole.index(b"\x09", 13 + 20)
    script = b"\x08\0\0\x04" + b"\0" * 7 + b"\xaf\1\0\0" + (15).to_bytes(4, "big")  # a tag of sound
    second = 13 + 11 + int.from_bytes(whole[14:17], "big") + 4
    (tmp_path / "sound.flv").write_bytes(whole[:second] + script + whole[second:])
    assert tag and PyAVClip(tmp_path / "sound.flv").info.n_frames == N


def test_recordings_that_were_joined_go_on_in_time(tmp_path):
    """Two broadcasts written one after the other: the second begins earlier than the first has ended."""
    first = encode(tmp_path / "a.ts", output_ts_offset=500).read_bytes()
    second = encode(tmp_path / "b.ts", output_ts_offset=20).read_bytes()
    (tmp_path / "joined.ts").write_bytes(first + second)
    clip = PyAVClip(tmp_path / "joined.ts")
    assert clip.info.duration_s == pytest.approx(3.2, abs=0.05) and clip.info.n_frames == 2 * N
    seen = [(picture.time_s, number(picture.upright())) for picture in clip.pictures()]
    assert [n for _, n in seen] == [*range(N), *range(N)]
    assert [t for t, _ in seen] == pytest.approx([i / 25 for i in range(2 * N)], abs=0.001)
    assert clip.note == "the time stamps jump at 1.6 s, as where recordings are joined: the time goes on there"
    assert [number(picture.upright()) for picture in clip.pictures_at([0.4, 2.4])] == [10, 20]


def test_a_keyframe_that_an_edit_list_hides_is_still_where_decoding_begins(tmp_path):
    path = remux(tmp_path / "cut.mp4", encode(tmp_path / "whole.mp4", g=1000, bf=0), before={"ss": 0.8})
    clip = PyAVClip(path)
    shown = [(p.time_s, number(p.upright())) for p in clip.pictures()]
    [first, later] = clip.pictures_at([0.0, 0.4])
    assert (first.time_s, number(first.upright())) == shown[0] == (0.0, 20)
    assert number(later.upright()) == 30


def test_a_large_picture_beside_a_film_is_no_film(tmp_path):
    """As MKV has covers that are not marked as such."""
    film, cover = encode(tmp_path / "film.mp4"), encode(tmp_path / "cover.mp4", frames(n=1, width=640, height=480))
    ffmpeg.output(
        ffmpeg.input(str(cover)), ffmpeg.input(str(film)), str(tmp_path / "both.mkv"), c="copy", disposition=0
    ).run(cmd=FFMPEG, quiet=True)
    info = PyAVClip(tmp_path / "both.mkv").info
    assert (info.width, info.height, info.n_frames) == (64, 48, N)


def test_a_film_that_changes_its_shape_is_not_squeezed(tmp_path):
    wide, tall = encode(tmp_path / "wide.ts"), encode(tmp_path / "tall.ts", frames(width=48, height=96))
    (tmp_path / "both.ts").write_bytes(wide.read_bytes() + tall.read_bytes())
    shapes = [picture.upright().shape for picture in PyAVClip(tmp_path / "both.ts").pictures()]
    assert shapes[:N] == [(48, 64, 3)] * N and shapes[-1] == (96, 48, 3)


@pytest.mark.parametrize(("text", "expected"), [("Hello there", ("Hello there",)), ("\x01\x02\x03\x04", ())])
def test_subtitles_that_ffmpeg_has_no_decoder_for(tmp_path, text, expected):
    """Plain text is read all the same; what is something else is named, and the pictures are read."""
    (tmp_path / "in.srt").write_text(SRT.replace("<i>Hello</i> there", text).replace("{\\an8}you\n", ""))
    picture, words = ffmpeg.input(str(encode(tmp_path / "in.mp4"))), ffmpeg.input(str(tmp_path / "in.srt"))
    ffmpeg.output(picture, words, str(tmp_path / "v.mkv"), vcodec="copy", scodec="srt", t=0.95).run(
        cmd=FFMPEG, quiet=True
    )
    data = (tmp_path / "v.mkv").read_bytes()
    assert data.count(b"S_TEXT/UTF8") == 1
    (tmp_path / "v.mkv").write_bytes(data.replace(b"S_TEXT/UTF8", b"S_TEXT/XXXX"))
    seen = video.watch(open_clip(tmp_path / "v.mkv"))
    assert len(seen.shots) == 1 and tuple(cue.text.rstrip(",") for cue in seen.cues) == expected
    assert (seen.words_note is None) == bool(expected)


def test_high_dynamic_range_is_shown_as_on_a_common_screen(tmp_path):
    """Code values of PQ for 203 nits, which is white, look grey where they are taken for sRGB."""
    pixels = np.full((10, 64, 64, 3), round(0.5807 * 255), np.uint8)
    tags = "colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:log-level=none"
    options = {"vcodec": "libx265", "pix_fmt": "yuv420p10le", "x265-params": tags}
    path = encode(tmp_path / "hdr.mp4", pixels, **options)
    picture = next(PyAVClip(path).pictures())
    assert picture.scale(8, 8).mean() == pytest.approx(148, abs=3)
    assert picture.upright().mean() == pytest.approx(255 * (1.055 * 0.52 ** (1 / 2.4) - 0.055), abs=4)


@pytest.mark.parametrize(
    ("colours", "code", "expected"),
    [
        (Colours("pq", False), (0, 0, 0), (0, 0, 0)),
        (Colours("pq", False), (0.7518, 0.7518, 0.7518), (255, 255, 255)),  # 1,000 nits, the peak
        (Colours("hlg", False), (1, 1, 1), (255, 255, 255)),
        (Colours("hlg", False), (0.75, 0.75, 0.75), (190, 190, 190)),  # 203 nits
        (Colours("common", True), (0.5, 0.5, 0.5), (128, 128, 128)),
        (Colours("common", True), (0.8, 0.4, 0.4), (245, 77, 99)),  # a red that BT.709 needs more of
    ],
)
def test_known_light(colours, code, expected):
    pixels = np.round(np.array([[code]]) * 65535).astype(np.uint16)
    assert np.abs(to_srgb(pixels, colours)[0, 0].astype(int) - expected).max() <= 3
