"""What the test examples say of a model, before and after: asked through the same engine as in a run.

tables    cells that stand at their place with their text; pages on which all do, and no other
scenes    scenes whose start and end are both within a second; videos of which all are, and no other
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from aria_docs import prompts
from aria_docs.adapt import layout
from aria_docs.adapt.config import Settings
from aria_docs.adapt.layout import DataLine, Refusal
from aria_docs.adapt.showing import Viewer, lay_out, relabel
from aria_docs.adapt.train import RECORD, refuse
from aria_docs.errors import AriaDocsError, EngineError, UsageError
from aria_docs.media import Page, Shot, Table, Video, VideoInfo
from aria_docs.model.cell_grid import grid
from aria_docs.model.chat import ChatEngine
from aria_docs.model.seen import SeenPage, SeenVideo
from aria_docs.schemas.answers import ScenesAnswer, TablesAnswer
from aria_docs.tiling.resolution import Mode

if TYPE_CHECKING:
    from aria_docs.model.chat_model import Shown

CLOSE_S = 1  # scenes are answered in whole seconds
_QUESTIONS = {prompts.TABLES: "tables", prompts.SCENES: "scenes"}
_CLOCK = re.compile(r"\[(\d+):(\d\d)\]\s*$")
_TOGETHER = 8


@dataclass(frozen=True, slots=True)
class Tally:
    """Counted over examples: whole are those of which everything is right, `right` of `wanted` cells or scenes."""

    examples: int = 0
    whole: int = 0
    wanted: int = 0
    right: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.examples + other.examples,
            self.whole + other.whole,
            self.wanted + other.wanted,
            self.right + other.right,
        )


@dataclass(frozen=True, slots=True)
class Worse:
    """An example of which less is right with the adapter than without."""

    line: int
    source: str
    before: int
    after: int
    wanted: int


@dataclass(frozen=True, slots=True)
class Score:
    """By task; `after` is None without an adapter. other: examples of questions that are not ours."""

    before: Mapping[str, Tally]
    after: Mapping[str, Tally] | None
    worse: tuple[Worse, ...]
    other: int

    def as_json(self) -> dict[str, Any]:
        """The shape that `--json` prints."""
        sides = {"before": self.before, "after": self.after}
        told: dict[str, Any] = {
            name: side and {task: asdict(tally) for task, tally in side.items()} for name, side in sides.items()
        }
        return told | {"worse": [asdict(one) for one in self.worse], "not_scored": self.other}

    def as_lines(self) -> list[str]:
        """For a terminal."""
        lines = []
        for task, noun, whole in (("tables", "cells", "pages"), ("scenes", "scenes", "videos")):
            for name, side in (("before", self.before), ("after", self.after)):
                if side and (tally := side.get(task)):
                    share = tally.right / tally.wanted if tally.wanted else 1.0
                    lines.append(
                        f"{name}: {tally.right:,} of {tally.wanted:,} {noun} right ({share:.3f}), "
                        f"{tally.whole:,} of {tally.examples:,} {whole} whole"
                    )
        lines += [
            f"worse: test.jsonl line {one.line} ({one.source}): {one.before} → {one.after} of {one.wanted}"
            for one in self.worse
        ]
        if self.other:
            lines.append(f"{self.other:,} examples of other questions are not scored")
        return lines


def score(
    folder: Path, *, model: str, adapter: str | None, device: str | None = None, say: Callable[[str], None]
) -> Score:
    """UsageError where there is nothing to score or a line is refused, EngineError where the model is missing."""
    lines, refused = layout.read(folder, "test")
    refuse(refused, "scored")
    asked = {line.number: task for line in lines if (task := _QUESTIONS.get(_question(line)))}
    own = [line for line in lines if line.number in asked]
    faults = [(line, _fault(line, asked[line.number])) for line in own]
    refuse([Refusal(line.file, line.number, fault) for line, fault in faults if fault], "scored")
    if not own:
        raise UsageError(f"{folder} has no test.jsonl with tables or scenes to score")
    mode = trained_mode(Path(adapter)) if adapter else None
    with Viewer(mode) as viewer:
        sides = []
        for place in (None, adapter) if adapter else (None,):
            say(f"asking {model}" + (f" with {place}" if place else ""))
            sides.append(_side(own, asked, viewer, model, place, device))
    before, after = sides[0], sides[1] if adapter else None
    worse = []
    for line in own:
        if after and after[line.number].right < before[line.number].right:
            counts = before[line.number].right, after[line.number].right, before[line.number].wanted
            worse.append(Worse(line.number, _source(line), *counts))
    summed = None if after is None else _sum_tallies(after, asked)
    return Score(_sum_tallies(before, asked), summed, tuple(worse), len(lines) - len(own))


def trained_mode(adapter: Path) -> Mode | None:
    """How a training showed every picture; None as each line says, or where the adapter is not of `adapt train`."""
    if not (record := adapter / RECORD).is_file():
        return None
    try:
        settings = json.loads(record.read_text(encoding="utf-8"))["settings"]
        return Settings(max_image_size=settings["max_image_size"], split_image=settings["split_image"]).mode
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{record} cannot be read ({error!r}): train the adapter again") from error


def _side(
    lines: Sequence[DataLine],
    asked: Mapping[int, str],
    viewer: Viewer,
    model: str,
    adapter: str | None,
    device: str | None,
) -> dict[int, Tally]:
    try:
        from aria_docs.model.aria.model import AriaModel
    except ModuleNotFoundError as error:
        hint = "pip install 'aria-docs[aria]' brings it"
        raise EngineError(f"scoring needs {error.name}, which is not installed: {hint}") from error

    loaded = AriaModel.load(model, adapter=adapter, device=device)
    engine = ChatEngine(loaded)
    tallies: dict[int, Tally] = {}
    try:
        pages = [line for line in lines if asked[line.number] == "tables"]
        for start in range(0, len(pages), _TOGETHER):
            some = pages[start : start + _TOGETHER]
            reads = engine.read_pages([_page(line, viewer) for line in some])
            for line, [read] in zip(some, reads, strict=True):
                tallies[line.number] = _tables(line, read.tables)
        for line in lines:
            if asked[line.number] == "scenes":
                [read] = engine.read_video(_video(line, viewer))
                tallies[line.number] = _scenes(line, read.answer or "")
    finally:
        loaded.close()
    return tallies


def _question(line: DataLine) -> str:
    """What a line asks, where it is one question and one answer."""
    if [message.role for message in line.messages] != ["user", "assistant"]:
        return ""
    return line.messages[0].content[-1].text.removeprefix("\n")


def _fault(line: DataLine, task: str) -> str | None:
    """Why a line cannot be scored."""
    if task == "tables" and len(line.images) != 1:
        return f"it asks for a page's tables and shows {len(line.images)} pictures"
    if not line.media:
        return "it asks for scenes and shows nothing"
    try:
        (TablesAnswer if task == "tables" else ScenesAnswer).model_validate_json(_answer(line))
    except ValidationError as error:
        return f"its answer does not fit the form ({error.errors()[0]['msg']})"
    return None


def _answer(line: DataLine) -> str:
    return "".join(item.text for item in line.messages[-1].content)


def _source(line: DataLine) -> str:
    source = line.about.get("source")
    if isinstance(source, dict) and source.get("path"):
        page = source.get("page")
        return f"{source['path']} page {page}" if page else str(source["path"])
    return ", ".join(path.name for path in line.media[:1])


def _show(line: DataLine, viewer: Viewer) -> list[Shown]:
    """The pictures of a line, each with the text that stands before it as its label."""
    try:
        pictures = viewer.look(line, pixels=True)
    except AriaDocsError as error:
        raise UsageError(f"nothing was scored, because {line.file.name} line {line.number}: {error}") from error
    [(_, content), _] = lay_out(line, pictures)
    labels, text = [], ""
    for piece in content:
        if isinstance(piece, str):
            text += piece
        else:
            labels.append(text.removeprefix("\n"))
            text = ""
    return [relabel(one, label) for one, label in zip(pictures.shown, labels, strict=True)]


def _page(line: DataLine, viewer: Viewer) -> SeenPage:
    [shown] = _show(line, viewer)
    across, down = shown.part.layout.width, shown.part.layout.height
    return SeenPage(Page(1, across, down, ""), shown, ("tables",))


def _video(line: DataLine, viewer: Viewer) -> SeenVideo:
    """Without its shots: what the model says is scored, not what it is snapped to."""
    shown = _show(line, viewer)
    times_s = tuple(_time_s(one.part.label, number) for number, one in enumerate(shown))
    duration_s = times_s[-1] + 1.0
    size = int(shown[0].part.layout.width), int(shown[0].part.layout.height)
    info = VideoInfo(duration_s, *size, fps=1.0, n_frames=len(shown), start_s=0.0, codec="")
    whole = Video(info, (Shot(0.0, duration_s, "start", 0.0, 0.0),), (None,))
    return SeenVideo(whole, times_s, tuple(shown), ("scenes",))


def _time_s(label: str, number: int) -> float:
    found = _CLOCK.search(label)
    return float(60 * int(found[1]) + int(found[2])) if found else float(number)


def _tables(line: DataLine, said: Sequence[Table]) -> Tally:
    wanted: dict[tuple[int, int, int], str] = {}
    for number, table in enumerate(TablesAnswer.model_validate_json(_answer(line)).tables):
        cells = grid(table.rows, table.spans, header_rows=table.header_rows)
        wanted |= {(number, cell.row, cell.col): cell.text for cell in (cells.cells if cells else ())}
    found = {(number, cell.row, cell.col): cell.text for number, table in enumerate(said) for cell in table.cells}
    right = sum(found.get(place) == text for place, text in wanted.items())
    return Tally(1, int(found == wanted), len(wanted), right)


def _scenes(line: DataLine, said: str) -> Tally:
    wanted = _clocks(_answer(line))
    try:
        found = _clocks(said)
    except ValueError:  # an answer that broke off: nothing of it counts
        found = []
    right = sum(any(_are_close(scene, other) for other in found) for scene in wanted)
    return Tally(1, int(right == len(wanted) == len(found)), len(wanted), right)


def _clocks(answer: str) -> list[tuple[int, int]]:
    data = json.loads(answer)
    texts = data if isinstance(data, list) else [answer]  # a text for each window
    scenes = [scene for text in texts for scene in ScenesAnswer.model_validate_json(text).scenes]
    return [(_second(scene.start), _second(scene.end)) for scene in scenes]


def _second(clock: str) -> int:
    minutes, _, seconds = clock.partition(":")
    return 60 * int(minutes) + int(seconds)


def _are_close(scene: tuple[int, int], other: tuple[int, int]) -> bool:
    return all(abs(one - two) <= CLOSE_S for one, two in zip(scene, other, strict=True))


def _sum_tallies(tallies: Mapping[int, Tally], asked: Mapping[int, str]) -> dict[str, Tally]:
    sums: dict[str, Tally] = {}
    for number, tally in tallies.items():
        sums[asked[number]] = sums.get(asked[number], Tally()) + tally
    return sums
