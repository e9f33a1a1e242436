"""The stories told in this process: words that were heard join scenes and summaries, scanned pages are read apart."""

from dataclasses import replace
from types import SimpleNamespace

import ffmpeg
import imageio_ffmpeg
import pymupdf
import pytest

from aria_docs.errors import OutOfMemory
from aria_docs.ingest import sandbox
from aria_docs.ingest.scans import choice
from aria_docs.ingest.video import speech
from aria_docs.model.engine import ModelId
from aria_docs.reading import messages, read, show
from aria_docs.schemas.readings import Finished
from aria_docs.storage.database import Batch, Store

SAID = "A ferry leaves the harbour in the morning and carries two hundred people across the fjord."


@pytest.fixture
def silent_film(tmp_path):
    path = tmp_path / "film.mp4"
    streams = [ffmpeg.input(source, f="lavfi") for source in ("testsrc=d=2:s=64x48:r=25", "sine=d=2")]
    ffmpeg.output(*streams, str(path)).run(cmd=imageio_ffmpeg.get_ffmpeg_exe(), quiet=True)
    return path


@pytest.fixture
def told(monkeypatch):
    """What the pipeline says of a video, and how often it had somebody listen."""
    listened = []

    def whisper(folder):
        assert str(folder) == "models/tiny"
        return SimpleNamespace(
            find_language=lambda sound: "en",
            transcribe=lambda sound, language: listened.append(len(sound)) or [(0.2, 1.5, SAID)],
        )

    monkeypatch.setattr(speech, "whisper", whisper)
    monkeypatch.setattr(sandbox, "allow_cpu", lambda seconds: None)

    def tell(path, *tasks, speech="models/tiny", heard=()):
        recipes = dict.fromkeys(tasks, "0" * 16)
        job = messages.Job(str(path), "0" * 64, "run", "embedded", recipes, 60.0, speech=speech)
        job = replace(job, hearing="1" * 16, heard=heard)
        finished = [answer for answer in read.read_video(job, ()) if isinstance(answer, Finished)]
        scenes = [scene.description for part in finished for scene in part.scenes]
        return scenes, [summary.text for part in finished for summary in part.summaries], len(listened)

    return tell


def test_what_is_heard_describes_scenes_and_is_summarised(silent_film, told):
    assert told(silent_film, "scenes", "summary") == ([SAID], [SAID], 1)


def test_what_was_heard_is_kept_and_not_heard_again(silent_film, told, monkeypatch, tmp_path):
    reported = []
    monkeypatch.setattr(sandbox, "report", reported.append)
    assert told(silent_film, "scenes")[2] == 1
    store = Store(tmp_path / "r.duckdb")
    store.prepare(patience_s=1)
    store.write(Batch(finished=[part for part in reported if isinstance(part, Finished)]))
    heard = store.answers("0" * 64, "1" * 16)
    assert len(heard) == 1
    assert told(silent_film, "scenes", heard=tuple(heard)) == ([SAID], [], 1), "the one of before"
    assert store.answers("0" * 64, "2" * 16) == []


def test_a_summary_alone_listens_too(silent_film, told):
    assert told(silent_film, "summary") == ([], [SAID], 1)


def test_nobody_listens_where_there_are_subtitles(silent_film, told):
    silent_film.with_suffix(".srt").write_text("1\n00:00:00,500 --> 00:00:01,500\nWritten words.\n")
    scenes, _, n_listened = told(silent_film, "scenes")
    assert (scenes, n_listened) == (["Written words."], 0)


def test_nobody_listens_unless_asked_to(silent_film, told):
    assert told(silent_film, "scenes", "summary", speech=None) == ([None], [], 0)


@pytest.mark.parametrize("story", [read.read_document, show.show_document])
def test_a_scanned_page_is_read_apart(story, tmp_path, monkeypatch):
    with pymupdf.open() as document:
        document.new_page().draw_rect((72, 72, 300, 300), fill=(0, 0, 0))  # ink, and no text
        document.save(tmp_path / "scan.pdf")

    def apart(work):
        raise OutOfMemory("there, and not here")

    monkeypatch.setattr(sandbox, "apart", apart)
    monkeypatch.setattr(sandbox, "allow_cpu", lambda seconds: None)
    monkeypatch.setattr(choice, "load", lambda reader: None)
    job = messages.Job(
        str(tmp_path / "scan.pdf"), "0" * 64, "run", "embedded", {"tables": "0" * 16}, 60.0,
        ocr="rapidocr", look=messages.Look("aria", 65_536, "What is there?", 4_096), model=ModelId("m", "1"),
    )  # fmt: skip
    with pytest.raises(OutOfMemory, match="there, and not here"):
        list(story(job, [read.ReadPages((1,))]))
