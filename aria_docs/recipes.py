"""What a run is asked to do, and the recipe that follows from it: all that decides an answer, hashed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from aria_docs.errors import UsageError
from aria_docs.ingest import speech
from aria_docs.ingest.ocr import OcrName
from aria_docs.model import engine as engines
from aria_docs.model.engine import TASKS, Task
from schemas import derived_id
from schemas.readings import RecipeRow

MAX_TIMEOUT_S = 86_400


@dataclass(frozen=True, slots=True)
class PageRange:
    """Pages from first to last, both included; last is None for the end of the document."""

    first: int
    last: int | None

    def __contains__(self, page: int) -> bool:
        return self.first <= page and (self.last is None or page <= self.last)


def parse_pages(text: str) -> tuple[PageRange, ...]:
    """`1-5,9,20-` → ranges. Raises UsageError."""
    ranges = []
    for item in text.split(","):
        first, dash, last = (side.strip() for side in item.partition("-"))
        if not first.isdecimal() or int(first) < 1 or not (last.isdecimal() or (dash and not last) or not dash):
            raise UsageError(f"--pages {text}: {item.strip()!r} is no page or range; write for example 1-5,9,20-")
        end = int(last) if last else None if dash else int(first)
        if end is not None and end < int(first):
            raise UsageError(f"--pages {text}: the range {item.strip()!r} runs backwards")
        ranges.append(PageRange(int(first), end))
    return tuple(ranges)


@dataclass(frozen=True, slots=True)
class Options:
    """What a run is asked to do, beyond which files.

    timeout_s:  for a page, or for each begun minute of a video.
    pages:      of every PDF, None for all.
    speech:     folder of a model that writes down what is said in videos without subtitles.
    ocr:        who reads pages without a usable text layer; None leaves them `partial`.
    """

    engine: str = "embedded"
    tasks: tuple[Task, ...] = TASKS
    timeout_s: float = 60.0
    workers: int = 1
    pages: tuple[PageRange, ...] | None = None
    passwords: tuple[str, ...] = ()
    group: bool = False
    speech: Path | None = None
    ocr: OcrName | None = None
    force: bool = False
    retry_failed: bool = False
    debug: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.timeout_s <= MAX_TIMEOUT_S:  # nan is refused too
            raise UsageError(f"--timeout {self.timeout_s:g}: it takes more than 0 and at most {MAX_TIMEOUT_S} seconds")

    def recipes(self) -> dict[Task, RecipeRow]:
        """For each task all that decides its answer, and the hash of that."""
        engine = engines.load(self.engine)
        heard: dict[str, object] = {"speech": speech.identity(self.speech)} if self.speech else {}
        # rapidocr is no part of it: it changes no answer on a page with a text layer (see `pending.known_to`).
        scans: dict[str, object] = {"ocr": self.ocr} if self.ocr == "tesseract" else {}
        own: dict[Task, dict[str, object]] = {
            "tables": scans,
            "scenes": {"group": self.group} | heard,
            "summary": {"pages": [[r.first, r.last] for r in self.pages] if self.pages else None} | heard | scans,
        }
        rows = {}
        for task in self.tasks:
            model = engine.model_id(task)
            decides = {
                "task": task,
                "engine": engine.name,
                "model": model.model,
                "revision": model.revision,
                "prompt_version": model.prompt_version,
            } | own[task]
            rows[task] = _recipe(decides)
        return rows

    def recipe_of_run(self) -> RecipeRow:
        """The recipes of all tasks of the run, as one."""
        return _recipe({task: row.recipe for task, row in self.recipes().items()})


def _recipe(decides: dict[str, object]) -> RecipeRow:
    options = json.dumps(decides, sort_keys=True)
    return RecipeRow(recipe=derived_id(options, digits=16), options=options)


def parse_tasks(text: str) -> tuple[Task, ...]:
    """`tables,summary` → the tasks, in their own order. Raises UsageError."""
    asked = {name.strip() for name in text.split(",")}
    if unknown := asked.difference(TASKS):
        raise UsageError(f"--tasks {text}: {min(unknown)!r} is no task; there are {', '.join(TASKS)}")
    return tuple(task for task in TASKS if task in asked)


def read_passwords(path: Path) -> tuple[str, ...]:
    """One a line, in UTF-8; empty lines do not count. Raises UsageError."""
    try:
        return tuple(line for line in path.read_text(encoding="utf-8-sig").split("\n") if line)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--password-file {path} cannot be read as UTF-8 text: {error}") from error
