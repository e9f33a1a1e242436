"""The run where a model answers: what it is shown, what is stored, and what becomes of a model that fails."""

import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from fake_model import FakeModel

from aria_docs.errors import EngineError
from aria_docs.model.profiles.plain import PLAIN
from aria_docs.run.recipes import parse_pages
from aria_docs.run.run import Run

SCHEMA = """
from datetime import date
from pydantic import BaseModel

class Visit(BaseModel):
    "A visit."
    name: str | None
    day: date | None
"""


@pytest.fixture
def with_model(bench, monkeypatch):
    """Bench whose engine is a fake model; call it with what FakeModel takes."""

    def use(**how) -> FakeModel:
        model = FakeModel(PLAIN, **how)
        monkeypatch.setattr("aria_docs.model.choice.open_model", lambda *_, **__: opened.append(model) or model)
        return model

    opened: list[FakeModel] = []
    bench.opened = opened
    bench.options = replace(
        bench.options, engine="remote", model="fake", revision="1", profile=PLAIN.name, context=PLAIN.context,
        servers=("http://localhost:1/v1",), frames=4,
    )  # fmt: skip
    return use


def readings(bench) -> list[tuple[str, str, str]]:
    return bench.rows("SELECT task, part, status FROM readings ORDER BY ALL")


def test_a_model_reads_documents_and_videos_once(bench, video, with_model) -> None:
    model = with_model()
    bench.pdf("a.pdf", 3, tables=(1, 2, 3))
    shutil.copy(video, bench.folder)
    shutil.copy(video.with_suffix(".srt"), bench.folder)
    outcome = bench.run()
    assert (outcome.n_read, outcome.n_failed, outcome.n_parts) == (2, 0, 6)
    assert set(bench.told.parts.values()) == {0}
    assert readings(bench) == [
        ("scenes", "video", "ok"), ("summary", "document", "ok"), ("summary", "video", "ok"),
        ("tables", "page:1", "ok"), ("tables", "page:2", "ok"), ("tables", "page:3", "ok"),
    ]  # fmt: skip
    [(cells, grounded)] = bench.rows("SELECT count(*), count(*) FILTER (grounded) FROM cells WHERE number IN (1.5, -1)")
    assert (cells, grounded) == (6, 6)
    assert bench.rows("SELECT title, octet_length(thumbnail) > 0 FROM scenes") == [("A harbour", True)]
    assert bench.rows("SELECT count(*) FROM shots") == [(2,)]
    [(frames, model_name, input_tokens)] = bench.rows(
        "SELECT frames, model, input_tokens FROM readings WHERE task = 'scenes'"
    )
    assert (len(frames), model_name, input_tokens) == (4, "fake", 9)
    assert len(bench.rows("SELECT * FROM pages WHERE text LIKE '%region%'")) == 3
    words = [label for labels in model.asked for label in labels if "harbour" in label]
    assert all(label.startswith("The harbour of Bergen lies in the fog.\n[") for label in words)
    again = bench.run()
    assert (again.n_skipped, again.n_parts, len(bench.opened)) == (2, 0, 1), "nothing left: no model is opened"
    assert bench.run(resolution="medium").n_parts == 6, "shown otherwise, it is another reading"


def test_a_part_that_the_model_fails_on_is_tried_again_alone(bench, with_model) -> None:
    bench.pdf("a.pdf", 4)
    with_model(fails=["Page 3: "] * 5)
    outcome = bench.run(tasks=("tables",))
    assert (outcome.n_failed, [(f.part, f.error, f.retryable) for f in outcome.failures]) == (
        1, [("page:3", "ModelError", True)],
    )  # fmt: skip
    assert len(readings(bench)) == 3
    model = with_model()
    assert bench.run(tasks=("tables",)).n_parts == 1
    assert model.asked == [["Page 3: "]]
    assert bench.rows("SELECT * FROM failures") == []


def test_a_defect_costs_its_part(bench, with_model) -> None:
    bench.pdf("a.pdf", 2)
    with_model(fails=["Page 2: "], error=ZeroDivisionError("of ours"))
    outcome = bench.run(tasks=("tables",))
    assert [(f.part, f.error) for f in outcome.failures] == [("page:2", "Crashed")]
    assert "ZeroDivisionError" in outcome.failures[0].message
    assert len(readings(bench)) == 1


def test_a_model_that_cannot_run_ends_the_run(bench, with_model) -> None:
    bench.pdf("a.pdf", 2)
    with_model(fails=["Page 1: "], error=EngineError("no card"))
    with pytest.raises(EngineError, match="no card"):
        bench.run(tasks=("tables",), workers=1)
    assert bench.rows("SELECT * FROM failures") == []
    with_model()
    assert bench.run(tasks=("tables",)).n_read == 1


def test_a_video_that_fails_has_a_failure_for_each_task(bench, video, with_model) -> None:
    shutil.copy(video, bench.folder)
    with_model(fails=["[00:00.3]"])
    bench.run()
    assert bench.rows("SELECT task, part, stage FROM failures ORDER BY ALL") == [
        ("scenes", "video", "model"), ("summary", "video", "model"),
    ]  # fmt: skip


@pytest.mark.parametrize("per", ["page", "document"])
def test_a_schema_of_the_users_own(bench, video, with_model, tmp_path: Path, per: str) -> None:
    with_model()
    schema = tmp_path / "visits.py"
    schema.write_text(SCHEMA)
    bench.pdf("a.pdf", 2, word="harbour")
    shutil.copy(video, bench.folder)
    how = {"schema": f"{schema}:Visit", "per": per, "tasks": ()}
    bench.run(**how)
    parts = ["page:1", "page:2"] if per == "page" else ["document"]
    assert readings(bench) == [("visit", part, "ok") for part in [*parts, "video"]]
    rows = bench.rows("SELECT page, start_s, end_s, name, year(day) FROM x_visit ORDER BY ALL")
    pages = [1, 2] if per == "page" else [None]
    assert set(rows) == {(p, None, None, "harbour", 2025) for p in pages} | {(None, 0.0, 2.0, "harbour", 2025)}
    grounds = "SELECT DISTINCT page, words, reason FROM field_grounds WHERE field = '{}' ORDER BY ALL"
    places = [(page, "harbour", None) for page in ([1, 2] if per == "page" else [1])]
    assert bench.rows(grounds.format("name")) == [*places, (None, None, "a video has no page")]
    assert (None, None, "nothing on the page says so") in bench.rows(grounds.format("day"))
    assert bench.rows("SELECT count(*) FROM field_grounds WHERE confidence IS NULL") == [(0,)]
    assert bench.run(**how).n_skipped == 2
    schema.write_text(SCHEMA + "    price: float | None = None\n")
    from aria_docs.run import recipes

    recipes._load.cache_clear()
    assert bench.run(**how).n_read == 2, "a changed schema is read anew"
    assert bench.rows("SELECT count(*) FROM x_visit WHERE price IS NULL") == [(len(rows),)]


def test_pages_that_have_their_tables_are_asked_for_the_rest_alone(bench, with_model, tmp_path: Path) -> None:
    bench.pdf("a.pdf", 3)
    with_model(fails=["Page 2: "])
    bench.run(tasks=("tables",))
    schema = tmp_path / "visits.py"
    schema.write_text(SCHEMA)
    model = with_model()
    bench.run(tasks=("tables",), schema=f"{schema}:Visit", per="page")
    assert sorted(label for labels in model.asked for label in labels) == [
        "Page 1: ",
        "Page 2: ",
        "Page 2: ",
        "Page 3: ",
    ]
    assert len(readings(bench)) == 6


def test_what_has_nothing_to_show_has_a_reading(bench, video, with_model) -> None:
    with_model()
    bench.pdf("a.pdf", 1)
    shutil.copy(video, bench.folder)
    bench.run(tasks=("scenes",))
    bench.run(tasks=("tables",))
    assert bench.rows("SELECT task, part, note FROM readings WHERE note IS NOT NULL ORDER BY ALL") == [
        ("scenes", "document", "a document has no scenes"), ("tables", "video", "a video has no tables"),
    ]  # fmt: skip


def test_a_summary_is_asked_of_all_pages_in_one_window(bench, with_model) -> None:
    model = with_model()
    bench.pdf("a.pdf", 5)
    bench.run(tasks=("summary",), pages=parse_pages("2-"))
    assert model.asked == [["Page 2: "]]
    assert bench.rows("SELECT title, note FROM summaries JOIN readings USING (reading_id)") == [("Sales", None)]


def test_a_run_that_is_stopped_keeps_what_the_model_has_answered(bench, with_model) -> None:
    bench.pdf("a.pdf", 8)
    go_on = threading.Event()
    model = with_model(hold=go_on)
    with Run(bench.store, replace(bench.options, tasks=("tables",)), command="test", progress=bench.told) as run:
        threading.Timer(2.0, run.stop).start()
        outcome = run.read(run.find([bench.folder]))
    assert outcome.interrupted
    assert model.closed.is_set()
    assert bench.rows("SELECT * FROM failures") == []
    with_model()
    assert bench.run(tasks=("tables",)).n_read == 1
    assert len(readings(bench)) == 8
