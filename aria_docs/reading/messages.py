"""What parent and child say to each other: jobs and requests go down, answers come up. Data alone.

`ingest/wire.py` is how the answers travel, `ingest/sandbox.py` what they travel through.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aria_docs.ingest.scans.reader import OcrName
from aria_docs.media import DocumentInfo, VideoInfo
from aria_docs.model.engine import ModelId, Task
from aria_docs.model.seen import SeenDocument, SeenPage, SeenVideo
from aria_docs.schemas.readings import Finished

WALL_FACTOR = 10.0
"""`--timeout` is CPU seconds of the child, so that a busy machine loses nothing. On the wall a part may take ten times
that: a child that waits for a dead disk uses no CPU."""


@dataclass(frozen=True, slots=True)
class Look:
    """How pages and frames are shown to a model, and for what.

    profile:     of the model, by name; context: tokens of its window.
    resolution:  for everything; None is ultra for single pages, the sharpest that fits one window for whole documents,
                 medium for videos.
    frames:      of a video, in one window; None is as many as fit, a window for each begun hour.
    question:    the longest that will be asked; answer: tokens kept free for what is answered.
    pages, document, video:  the tasks asked of each page, each whole document, each video.
    """

    profile: str
    context: int
    question: str
    answer: int
    resolution: str | None = None
    frames: int | None = None
    sampling: Literal["uniform", "shots"] = "uniform"
    pages: tuple[Task, ...] = ()
    document: tuple[Task, ...] = ()
    video: tuple[Task, ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """One source to read.

    recipes:    the tasks asked for, each with its recipe's hash.
    passwords:  tried in turn on an encrypted PDF.
    timeout_s:  for one page; for each begun minute of video.
    group:      join shots to scenes.
    speech:     folder of a model that writes down what is said in videos without subtitles.
    hearing:    the recipe of that.
    heard:      what an earlier run has heard of it, see `rows.heard_part`.
    ocr:        who reads pages without a usable text layer.
    look:       how it is shown to a model (`showing`); None where an engine reads it in the child.
    model:      who is shown it.
    """

    path: str
    source_id: str
    run_id: str
    engine: str
    recipes: dict[Task, str]
    timeout_s: float
    passwords: tuple[str, ...] = ()
    group: bool = False
    speech: str | None = None
    hearing: str = ""
    heard: tuple[str, ...] = ()
    ocr: OcrName | None = None
    look: Look | None = None
    model: ModelId | None = None


@dataclass(frozen=True, slots=True)
class ReadPages:
    """A request to read these pages, in this order."""

    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Summarise:
    """A request to summarise a document: its pages' texts, and a note on those that are missing."""

    pages: tuple[tuple[int, str], ...]
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Begun:
    """From now on a failure is one of this stage of this part. The clock of a part starts with its first stage."""

    task: Task
    part: str
    stage: str


@dataclass(frozen=True, slots=True)
class Reached:
    """How much of a film is read, in its own seconds."""

    film_s: float


@dataclass(frozen=True, slots=True)
class ShowPages:
    """A request to show these pages as a whole, with their texts, as far as known, and a note on missing pages."""

    numbers: tuple[int, ...]
    note: str | None = None
    texts: tuple[str, ...] = ()


Seen = SeenPage | SeenDocument | SeenVideo
Answer = Begun | Reached | DocumentInfo | VideoInfo | Finished | Seen


def document_limit_s(timeout_s: float, n_pages: int) -> float:
    """CPU seconds for a part that takes a whole document: one a page, and no less than the limit of one page."""
    return max(timeout_s, float(n_pages))


def video_limit_s(timeout_s: float, duration_s: float) -> float:
    """CPU seconds for a whole video: the limit for each begun minute."""
    return timeout_s * max(1, -(-duration_s // 60))
