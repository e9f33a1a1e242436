"""What counts as right: cells at their place, scenes within a second; and what got worse is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from kinds import line, write
from PIL import Image

from aria_docs import prompts
from aria_docs.adapt import score
from aria_docs.errors import UsageError
from aria_docs.media import Table, TableCell
from aria_docs.tiling.resolution import MEDIUM

ROWS = [["Item", "Price"], ["Tea", "2.50"]]


def answer(rows: list[list[str]]) -> str:
    table = {"caption": None, "box": [0, 0, 500, 500], "header_rows": 1, "rows": rows, "spans": []}
    return json.dumps({"tables": [table]})


def read(rows: list[list[str]]) -> Table:
    cells = tuple(TableCell(row, col, text) for row, texts in enumerate(rows) for col, text in enumerate(texts))
    return Table((0, 0, 1, 1), len(rows), len(rows[0]), 1, cells)


def scenes(*spans: tuple[str, str]) -> str:
    return json.dumps({"scenes": [{"start": a, "end": b, "title": "", "description": ""} for a, b in spans]})


class Engine:
    """Says the same to every page and video: what it is made with."""

    def __init__(self, rows: list[list[str]], said: str) -> None:
        self.rows, self.said = rows, said

    def read_pages(self, seen: Any) -> list[list[Any]]:
        from aria_docs.model.seen import TaskResult

        return [[TaskResult("tables", tables=(read(self.rows),))] for _ in seen]

    def read_video(self, seen: Any) -> list[Any]:
        from aria_docs.model.seen import TaskResult

        return [TaskResult("scenes", answer=self.said)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A page and a film of two frames to test, and a line of another question."""
    for name in ("page.png", "a.png", "b.png"):
        Image.new("RGB", (490, 336), "white").save(tmp_path / name)
    film = line("a.png", scenes(("0:00", "0:04"), ("0:04", "0:09")))
    texts = [{"type": "text", "text": text} for text in ("[00:01]", "\n[00:06]", f"\n{prompts.SCENES}")]
    image = {"type": "image"}
    film["messages"][0]["content"] = [texts[0], image, texts[1], image, texts[2]]  # type: ignore[index]
    film["images"] = ["a.png", "b.png"]
    write(tmp_path / "test.jsonl", [line("page.png", answer(ROWS)), film, line("page.png", "A cat.", question="What?")])
    write(tmp_path / "train.jsonl", [])
    return tmp_path


def measured(folder: Path, monkeypatch: pytest.MonkeyPatch, before: Engine, after: Engine) -> score.Score:
    class Model:
        @classmethod
        def load(cls, model: str, *, adapter: str | None, device: str | None) -> Any:
            made = cls()
            made.adapter = adapter  # type: ignore[attr-defined]
            return made

        def close(self) -> None:
            pass

    monkeypatch.setattr("aria_docs.model.aria.model.AriaModel", Model)
    monkeypatch.setattr(score, "ChatEngine", lambda model: after if model.adapter else before)
    return score.score(folder, model="m", adapter="a", say=lambda _: None)


def test_before_and_after_and_what_got_worse(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = [["Item", "Price"], ["Tea", "2.60"]]
    early = scenes(("0:00", "0:05"), ("0:05", "0:09"))  # within a second
    late = scenes(("0:00", "0:06"), ("0:06", "0:09"))
    found = measured(folder, monkeypatch, Engine(wrong, early), Engine(ROWS, late))
    assert found.before == {"tables": score.Tally(1, 0, 4, 3), "scenes": score.Tally(1, 1, 2, 2)}
    assert found.after == {"tables": score.Tally(1, 1, 4, 4), "scenes": score.Tally(1, 0, 2, 0)}
    [worse] = found.worse
    assert (worse.line, worse.before, worse.after, worse.wanted) == (2, 2, 0, 2)
    assert found.other == 1
    assert found.as_json()["worse"][0]["line"] == 2
    assert "before: 3 of 4 cells right (0.750), 0 of 1 pages whole" in found.as_lines()


def test_a_table_too_many_is_no_whole_page(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    more = [[*row, "x"] for row in ROWS]
    found = measured(folder, monkeypatch, Engine(more, "{"), Engine(ROWS, "{"))
    assert found.before["tables"] == score.Tally(1, 0, 4, 4)
    assert found.before["scenes"] == score.Tally(1, 0, 2, 0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"images": ["a.png", "b.png"]}, "a page's tables and shows 2 pictures"),
        ({"answer": "none"}, "its answer does not fit the form"),
        ({"question": prompts.SCENES, "images": [], "answer": scenes()}, "asks for scenes and shows nothing"),
    ],
)
def test_a_line_that_cannot_be_scored_is_named(folder: Path, change: dict[str, Any], reason: str) -> None:
    images = change.get("images", ["a.png"])
    one: Any = line("a.png", change.get("answer", answer(ROWS)), question=change.get("question", prompts.TABLES))
    one["images"] = images
    one["messages"][0]["content"][1:2] = [{"type": "image"}] * len(images)
    write(folder / "test.jsonl", [line("page.png", answer(ROWS)), one])
    with pytest.raises(UsageError, match=f"1 line cannot be used: test.jsonl line 2: .*{reason}"):
        score.score(folder, model="m", adapter=None, say=lambda _: None)


def test_pictures_are_shown_as_the_training_showed_them(tmp_path: Path) -> None:
    """A `max_image_size` of the training counts for all lines, whatever they say."""
    assert score.trained_mode(tmp_path) is None
    for size, mode in ((490, MEDIUM), (None, None)):
        record = {"settings": {"max_image_size": size, "split_image": None}}
        (tmp_path / "training.json").write_text(json.dumps(record))
        assert score.trained_mode(tmp_path) == mode
    (tmp_path / "training.json").write_text("{}")
    with pytest.raises(UsageError, match="train the adapter again"):
        score.trained_mode(tmp_path)


def test_a_folder_without_a_test_split_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", [])
    with pytest.raises(UsageError, match=r"no test\.jsonl with tables or scenes"):
        score.score(tmp_path, model="m", adapter=None, say=lambda _: None)
