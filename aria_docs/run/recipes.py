"""What a run is asked to do, and the recipe that follows from it: all that decides an answer, hashed."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

from aria_docs import prompts
from aria_docs.errors import UsageError
from aria_docs.ingest.scans.reader import OcrName
from aria_docs.ingest.shards import WHOLE, Shard
from aria_docs.ingest.video import speech
from aria_docs.model import choice as choices
from aria_docs.model.custom import CustomSchema
from aria_docs.model.custom import load as load_custom
from aria_docs.model.engine import HEARING, TASKS, ModelId, Name, Task
from aria_docs.reading.messages import Look
from aria_docs.schemas import derive_id
from aria_docs.schemas.readings import RecipeRow
from aria_docs.tiling.budget import ANSWER_TOKENS

MAX_TIMEOUT_S = 86_400
REQUEST_TIMEOUT_S = 600.0


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

    shard:      which share of the files.

    Of a model that is shown pages and frames (aria, remote):

    model, revision, profile, context:  as `model.choice.choose` found them.
    device:      where aria runs: cpu, cuda, cuda:1, …; no part of the recipe.
    servers:     base URLs, for remote; request_timeout_s: for one answer of theirs.
    resolution, frames, sampling:  how much of pages and videos is shown, see `pipeline.Look`.
    schema:      FILE.py:Model, a user's own schema; per: whether it is asked of each page or of each whole document.
    adapter:     the folder of a LoRA adapter for Aria on this machine; `revision` names its contents.
    quantize, kv_cache:  what Aria's experts, and its keys and values, are kept in on this machine.
    """

    engine: Name = "embedded"
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
    model: str | None = None
    revision: str | None = None
    profile: str = ""
    context: int = 0
    device: str | None = None
    servers: tuple[str, ...] = ()
    request_timeout_s: float = REQUEST_TIMEOUT_S
    resolution: Literal["medium", "high", "ultra"] | None = None
    frames: int | None = None
    sampling: Literal["uniform", "shots"] = "uniform"
    schema: str | None = None
    per: Literal["page", "document"] = "document"
    quantize: Literal["int8", "int4"] | None = None
    kv_cache: Literal["fp8", "int8"] | None = None
    adapter: str | None = None
    shard: Shard = WHOLE

    def __post_init__(self) -> None:
        for option, value in (("--timeout", self.timeout_s), ("--request-timeout", self.request_timeout_s)):
            if not 0 < value <= MAX_TIMEOUT_S:  # nan is refused too
                raise UsageError(f"{option} {value:g}: it takes more than 0 and at most {MAX_TIMEOUT_S} seconds")
        if self.engine == "embedded":
            for option, given in (
                ("--schema", self.schema),
                ("--resolution", self.resolution),
                ("--frames", self.frames),
                ("--sampling", self.sampling != "uniform"),
            ):
                if given:
                    raise UsageError(
                        f"{option} is for a model that is shown pages and frames, and the embedded engine has none: "
                        "add --engine aria or --engine remote"
                    )
        if self.schema is None and self.per != "document":
            raise UsageError("--per says how --schema is asked: name one")
        if self.engine != "remote" and self.request_timeout_s != REQUEST_TIMEOUT_S:
            raise UsageError("--request-timeout is for a server's answers: add --engine remote")
        if self.engine != "aria" and (self.quantize or self.kv_cache):
            raise UsageError("--quantize and --kv-cache are for Aria on this machine: add --engine aria")
        if self.engine != "aria" and self.adapter:
            raise UsageError("--adapter is for Aria on this machine: add --engine aria")
        if self.engine != "embedded" and self.group:
            raise UsageError("--group joins shots to scenes, and a model names the scenes itself: leave it out")

    def resolve(self) -> Options:
        """The same with the model's facts looked up, where a deployment's parameters name an engine and no more.

        Raises UsageError, EngineError.
        """
        if self.engine == "embedded" or self.context:
            return self
        found = choices.choose(
            self.engine,
            model=self.model,
            revision=self.revision,
            device=self.device,
            servers=self.servers,
            profile=self.profile or None,
            adapter=self.adapter,
        )
        return replace(self, model=found.model, revision=found.revision, profile=found.profile, context=found.context)

    @property
    def choice(self) -> choices.EngineChoice:
        """Who reads."""
        return choices.EngineChoice(
            self.engine, "", self.model, self.revision, self.profile, self.context, self.adapter
        )

    @property
    def custom(self) -> CustomSchema | None:
        """The user's schema. Raises UsageError where it cannot be loaded."""
        return None if self.schema is None else _load(self.schema, self.per)

    @property
    def per_page(self) -> tuple[Task, ...]:
        """The tasks that are read page by page."""
        custom = self.custom
        own = (custom.name,) if custom and self.per == "page" else ()
        return tuple(task for task in self.tasks if task == "tables") + own

    @property
    def per_document(self) -> tuple[Task, ...]:
        """The tasks that are read of a whole document."""
        custom = self.custom
        own = (custom.name,) if custom and self.per == "document" else ()
        return tuple(task for task in self.tasks if task == "summary") + own

    @property
    def per_video(self) -> tuple[Task, ...]:
        """The tasks that are read of a whole video."""
        custom = self.custom
        return tuple(task for task in self.tasks if task in ("scenes", "summary")) + ((custom.name,) if custom else ())

    @property
    def look(self) -> Look | None:
        """How pages and frames are shown; None where the engine reads in the child."""
        if self.engine == "embedded":
            return None
        custom = self.custom
        questions = [prompts.TABLES, prompts.SUMMARY, prompts.SCENES, prompts.VIDEO_SUMMARY]
        if custom:
            questions += [custom.question(kind) for kind in (self.per, "video")]
        return Look(
            profile=self.profile,
            context=self.context,
            question=max(questions, key=lambda question: len(question.encode())),
            answer=min(ANSWER_TOKENS, self.context // 2),  # as model/chat.py asks for
            resolution=self.resolution,
            frames=self.frames,
            sampling=self.sampling,
            pages=self.per_page,
            document=self.per_document,
            video=self.per_video,
        )

    def model_id(self, task: Task) -> ModelId:
        """Who answers this task."""
        if self.engine == "embedded":
            return choices.load(self.engine).model_id(task)
        return ModelId(self.model, self.revision, prompts.VERSION)

    def recipes(self) -> dict[Task, RecipeRow]:
        """For each task all that decides its answer, and the hash of that."""
        spoken: dict[str, object] = {"speech": speech.identity(self.speech)} if self.speech else {}
        # rapidocr is no part of it: it changes no answer on a page with a text layer (see `pending.known_to`).
        scans: dict[str, object] = {"ocr": self.ocr} if self.ocr == "tesseract" else {}
        pages: dict[str, object] = {"pages": [[r.first, r.last] for r in self.pages] if self.pages else None}
        custom = self.custom
        own: dict[Task, dict[str, object]] = {
            "tables": scans,
            "scenes": {"group": self.group} | spoken,
            "summary": pages | spoken | scans,
        }
        if custom:
            own[custom.name] = {"schema": custom.identity()} | spoken | scans
            own[custom.name] |= pages if self.per == "document" else {}
        shown: dict[str, object] = {}
        if self.engine != "embedded":
            own["scenes"] |= {"labels": prompts.FRAMES}
            shown = {"profile": self.profile, "context": self.context, "resolution": self.resolution}
            shown |= {"frames": self.frames, "sampling": self.sampling}
            shown |= {"quantize": self.quantize, "kv_cache": self.kv_cache}
        if self.adapter:  # by its contents, wherever it lies; a recipe without one is hashed as ever
            shown |= {"adapter": (self.revision or "").rpartition("+")[2]}
        rows = {}
        for task in (*self.tasks, *((custom.name,) if custom else ())):
            model = self.model_id(task)
            decides = {
                "task": task,
                "engine": self.engine,
                "model": model.model,
                "revision": model.revision,
                "prompt_version": model.prompt_version,
            } | own[task]
            rows[task] = _recipe(decides | shown)
        return rows

    def recipe_of_hearing(self) -> RecipeRow | None:
        """Of what is heard in a film, which other recipes of scenes and summaries do not change."""
        return _recipe({"task": HEARING, "speech": speech.identity(self.speech)}) if self.speech else None

    def recipe_of_run(self) -> RecipeRow:
        """The recipes of all tasks of the run, as one."""
        return _recipe({task: row.recipe for task, row in self.recipes().items()})


@cache
def _load(spec: str, per: Literal["page", "document"]) -> CustomSchema:
    return load_custom(spec, per=per)


def _recipe(decides: dict[str, object]) -> RecipeRow:
    options = json.dumps(decides, sort_keys=True)
    return RecipeRow(recipe=derive_id(options, digits=16), options=options)


def parse_tasks(text: str, *, also: str | None = None) -> tuple[Task, ...]:
    """`tables,summary` → the tasks, in their own order. Raises UsageError.

    also:  the name of a user's schema, which is asked for in any case and may be named, to ask for nothing besides.
    """
    asked = {name.strip() for name in text.split(",")}
    known = (*TASKS, also) if also else TASKS
    if unknown := asked.difference(known):
        raise UsageError(f"--tasks {text}: {min(unknown)!r} is no task; there are {', '.join(known)}")
    return tuple(task for task in TASKS if task in asked)


def read_passwords(path: Path) -> tuple[str, ...]:
    """One a line, in UTF-8; empty lines do not count. Raises UsageError."""
    try:
        return tuple(line for line in path.read_text(encoding="utf-8-sig").split("\n") if line)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--password-file {path} cannot be read as UTF-8 text: {error}") from error
