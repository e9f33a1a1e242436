"""Words from sound: known sounds through a fake transcriber, and what is said of models that cannot be used."""

import sys
from dataclasses import replace
from types import SimpleNamespace

import ffmpeg
import imageio_ffmpeg
import numpy as np
import pytest

from aria_docs.errors import EngineError, UsageError
from aria_docs.ingest.video import pyav_clip, speech, watch
from aria_docs.ingest.video.speech import LULL_S, RATE_HZ, STRETCH_S, cut_sound

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()


def encode(path, *, sound=None, **options):
    """Two seconds of picture from 0; the sound beside it."""
    streams = [ffmpeg.input("testsrc=d=2:s=64x48:r=25", f="lavfi"), *([sound] if sound else [])]
    ffmpeg.output(*streams, str(path), preset="ultrafast", **options).run(cmd=FFMPEG, quiet=True)
    return path


class Beeps:
    """A fake listener: a "word" for each stretch that is loud; the first half second tells the language."""

    def __init__(self):
        self.asked = []

    def find_pause(self, sound):
        return int(np.abs(sound).reshape(-1, RATE_HZ // 10).mean(1).argmin()) * (RATE_HZ // 10) + RATE_HZ // 20

    def find_language(self, sound):
        return "en" if np.abs(sound).max() > 0.05 else None

    def transcribe(self, sound, language):
        self.asked.append((len(sound), language))
        loud = np.concatenate(([False], np.abs(sound) > 0.05, [False]))
        near = np.convolve(loud, np.ones(801), "same") > 0.5  # over the zeros of a wave
        edges = np.flatnonzero(np.diff(near.astype(int)))
        return [(begin / RATE_HZ, end / RATE_HZ, " beep \n") for begin, end in edges.reshape(-1, 2).tolist()]


def tone(begin_s, end_s, *, length_s=2.0):
    """Loud from begin to end."""
    wave = f"aevalsrc='0.8*sin(2*PI*440*t)*between(t,{begin_s},{end_s})':d={length_s}:s=44100"
    return ffmpeg.input(wave, f="lavfi")


def heard(path):
    return tuple(cue for stretch in speech.hear(path, watch.probe(path), Beeps()) for cue in stretch.cues)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_cues_stand_where_the_sound_does(tmp_path, name):
    [cue] = heard(encode(tmp_path / name, sound=tone(0.5, 1.0)))
    assert (cue.start_s, cue.end_s) == pytest.approx((0.5, 1.0), abs=0.06)
    assert cue.text == "beep"


def test_a_sound_track_that_starts_late(tmp_path):
    sound = ffmpeg.input(str(wav(tmp_path)), itsoffset=0.4)
    [cue] = heard(encode(tmp_path / "a.mkv", sound=sound))
    assert (cue.start_s, cue.end_s) == pytest.approx((0.9, 1.4), abs=0.06)


def wav(folder):
    path = folder / "tone.wav"
    ffmpeg.output(tone(0.5, 1.0, length_s=1.5), str(path)).run(cmd=FFMPEG, quiet=True)
    return path


def test_a_container_that_does_not_start_at_zero(tmp_path):
    path = encode(tmp_path / "a.mkv", sound=tone(0.5, 1.0), output_ts_offset=5)
    [cue] = heard(path)
    assert (cue.start_s, cue.end_s) == pytest.approx((0.5, 1.0), abs=0.06)


def test_silence_and_no_sound_at_all(tmp_path):
    assert heard(encode(tmp_path / "silent.mp4", sound=tone(3, 3))) == ()
    assert heard(encode(tmp_path / "mute.mp4")) == ()


def test_sound_is_mono_at_the_rate_asked_for(tmp_path):
    path = encode(tmp_path / "a.mkv", sound=tone(0, 2))
    samples = np.concatenate([block for _, block in pyav_clip.sound(path, rate_hz=RATE_HZ)])
    assert samples.dtype == np.float32
    assert len(samples) == pytest.approx(2 * RATE_HZ, rel=0.02)
    assert 0.5 < np.abs(samples).max() <= 1


def test_long_sound_is_cut_in_a_pause_and_loses_nothing():
    noise = np.random.default_rng(0).normal(0, 0.1, int(2.2 * STRETCH_S) * RATE_HZ).astype(np.float32)
    lull = int((STRETCH_S - 7.3) * RATE_HZ)
    noise[lull : lull + RATE_HZ // 2] = 0
    tail = LULL_S * RATE_HZ
    parts = list(cut_sound(np.array_split(noise, 1000), lambda _, s: len(s) - tail + Beeps().find_pause(s[-tail:])))
    assert [first for first, _ in parts] == [0, *np.cumsum([len(part) for _, part in parts[:-1]])]
    assert lull < parts[1][0] < lull + RATE_HZ // 2
    assert max(len(part) for _, part in parts) < (STRETCH_S + 2) * RATE_HZ
    assert np.array_equal(np.concatenate([part for _, part in parts]), noise)


def test_hearing_goes_on_where_it_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(speech, "STRETCH_S", 2)
    monkeypatch.setattr(speech, "LULL_S", 1)
    path = encode(
        tmp_path / "a.mkv", sound=tone(1, 9.25, length_s=9.5).filter("volume", "gt(mod(t,1),0.5)", eval="frame")
    )
    info, whole, rest = replace(watch.probe(path), duration_s=9.5), Beeps(), Beeps()
    told = list(speech.hear(path, info, whole))
    assert len(told) == len(whole.asked) > 4
    assert {stretch.language for stretch in told} == {"en"}, "asked for until it is known"
    assert [round(cue.start_s, 1) for stretch in told for cue in stretch.cues][1:4] == [1.5, 2.5, 3.5]
    assert list(speech.hear(path, info, rest, heard=told[:2])) == told
    assert rest.asked == whole.asked[2:]


def test_no_sound_is_not_cut():
    assert list(cut_sound([], lambda *_: 0)) == []


def test_without_the_extra(tmp_path, monkeypatch):
    def missing(name):
        raise speech.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(speech.metadata, "version", missing)
    with pytest.raises(UsageError, match=r"needs faster-whisper: pip install aria-docs\[speech\]"):
        speech.identity(tmp_path)


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A folder that looks like a model, and an extra that looks installed."""
    monkeypatch.setattr(speech.metadata, "version", lambda name: "1.2.1")
    folder = tmp_path / "model"
    folder.mkdir()
    for name in speech.NEEDED:
        (folder / name).write_bytes(name.encode())
    return folder


def test_a_folder_that_holds_no_model(model):
    (model / "tokenizer.json").unlink()
    (model / "model.bin").unlink()
    with pytest.raises(UsageError, match=r"holds no model\.bin and no tokenizer\.json: name a folder"):
        speech.identity(model)
    with pytest.raises(UsageError, match=r"holds no model\.bin"):
        speech.identity(model / "nowhere")


def test_a_model_is_known_by_its_content(model, tmp_path):
    before = speech.identity(model)
    assert before.startswith("faster-whisper-1.2 ")
    assert speech.identity(model.rename(tmp_path / "moved")) == before
    (tmp_path / "moved" / "model.bin").write_bytes(b"model.bim")
    assert speech.identity(tmp_path / "moved") != before


def test_a_model_that_cannot_be_loaded(model):
    pytest.importorskip("faster_whisper")
    with pytest.raises(EngineError, match=r"--speech-model .*model cannot be loaded \(.+\): "):
        speech.whisper(model)


def test_a_model_is_loaded_from_its_folder_alone(tmp_path, monkeypatch):
    loaded = []
    fake = SimpleNamespace(WhisperModel=lambda *folder, **how: loaded.append((folder, how["local_files_only"])))
    monkeypatch.setitem(sys.modules, "faster_whisper", fake)
    speech.whisper(tmp_path)
    assert loaded == [((str(tmp_path),), True)]


def test_a_sentence_begins_with_its_first_word():
    """Not where Whisper's line does, which spans a silence."""

    class Model:
        model = SimpleNamespace(is_multilingual=True)

        def transcribe(self, sound, *, language, word_timestamps=False, **_):
            assert language == "en"
            assert word_timestamps
            said = [(1.65, 2.0, " Dr."), (2.0, 2.4, " Lee."), (2.7, 6.89, " Yes"), (11.15, 13.31, " it is")]
            words = [SimpleNamespace(start=np.float64(a), end=np.float64(b), word=word) for a, b, word in said]
            return [SimpleNamespace(words=words)], None

    told = list(speech.Whisper(Model()).transcribe(np.zeros(0, np.float32), "en"))
    assert told == [(1.65, 2.4, " Dr. Lee."), (2.7, 6.89, " Yes"), (11.15, 13.31, " it is")]


def test_another_language_is_written_where_the_model_is_sure():
    class Model:
        model = SimpleNamespace(
            is_multilingual=True, detect_language=lambda sure: [[("<|fr|>", sure), ("<|en|>", 1 - sure)]]
        )

        def transcribe(self, sound, *, multilingual, **_):
            heard = [self.model.detect_language(sure)[0][0][0] for sure in sound]
            words = [SimpleNamespace(start=i * 9.0, end=i * 9.0 + 1, word=word) for i, word in enumerate(heard)]
            return [SimpleNamespace(words=words)] * multilingual, None

    told = speech.Whisper(Model()).transcribe(np.array([0.6, 0.9]), "en")
    assert [word for *_, word in told] == ["<|en|>", "<|fr|>"]


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([(0, 100), (200, 300), (600, 1000)], 450),  # the longest
        ([(0, 500)], 750),
        ([(300, 400), (410, 1000)], 150),
        ([], 500),
        ([(0, 1000)], 500),
    ],
)
def test_a_pause_is_where_nobody_speaks(monkeypatch, spans, expected):
    found = [{"start": start, "end": end} for start, end in spans]
    vad = SimpleNamespace(get_speech_timestamps=lambda sound, **_: found)
    monkeypatch.setitem(sys.modules, "faster_whisper.vad", vad)
    assert speech.Whisper(None).find_pause(np.zeros(1000, np.float32)) == expected
