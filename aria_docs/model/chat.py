"""A vision-language engine over a `ChatModel`: contexts, questions, answers, and what becomes of them.

Knows no file, no store, no torch and no HTTP. What a model says is validated (recovery.py), its cells are found among
the page's own words (grounding.py), its scenes are laid on detected shots (snapping.py), and what several windows of
one document or video say is joined (joining.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from aria_docs import prompts
from aria_docs.media import Page, Scene, Summary, Table, Video
from aria_docs.model.chat_model import ChatModel, Shown
from aria_docs.model.engine import ModelId
from aria_docs.tiling.budget import ANSWER_TOKENS

Kind = Literal["page", "document", "video"]
Told = Callable[[int], None]


class Custom(Protocol):
    """A user's own schema, as `custom.CustomSchema` is one.

    name:  of the task, and of its table.
    """

    name: str

    def question(self, kind: Kind) -> str:
        """What is asked of a page, a document or a video."""

    def wire(self, kind: Kind) -> str:
        """The JSON schema of the answer, as text."""

    def parse(self, kind: Kind, text: str) -> tuple[Any, ...]:
        """The records of an answer; those of a video have start_s and end_s. ValueError says in a sentence why not."""


@dataclass(frozen=True, slots=True)
class SeenPage:
    """A page as a child saw it.

    page:   with its words, of the text layer or of OCR.
    shown:  the page in the mode asked for.
    tasks:  "tables", the name of a custom schema, or both, in the order to ask.
    """

    page: Page
    shown: Shown
    tasks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SeenDocument:
    """A whole document.

    title:  what the file claims.
    pages:  the numbers of the pages shown, as many as `shown` and in the same order.
    tasks:  "summary", the name of a custom schema, or both, in the order to ask.
    note:   which pages could not be shown.
    """

    title: str | None
    pages: tuple[int, ...]
    shown: tuple[Shown, ...]
    tasks: tuple[str, ...]
    note: str | None = None

    def __post_init__(self) -> None:
        assert self.shown and len(self.pages) == len(self.shown), (len(self.pages), len(self.shown))


@dataclass(frozen=True, slots=True)
class SeenVideo:
    """A whole video.

    times_s:  of the frames shown, ascending, as many as `shown` and in the same order.
    tasks:    "scenes", "summary", the name of a custom schema, in the order to ask.
    """

    video: Video
    times_s: tuple[float, ...]
    shown: tuple[Shown, ...]
    tasks: tuple[str, ...]

    def __post_init__(self) -> None:
        assert self.shown and len(self.times_s) == len(self.shown), (len(self.times_s), len(self.shown))


@dataclass(frozen=True, slots=True)
class Read:
    """What one task found in one page, document or video.

    records:  of a custom schema.
    answer:   what the model said, word by word; a JSON array of such texts where several windows made one reading.
    note:     why the reading is partial, what could not be shown included; None where it is whole.
    frames:   the times shown, of a video.

    Times and tokens are sums over all questions it took, the memory is the most of any; None where nobody knows.
    """

    task: str
    tables: tuple[Table, ...] = ()
    scenes: tuple[Scene, ...] = ()
    summary: Summary | None = None
    records: tuple[Any, ...] = ()
    answer: str | None = None
    note: str | None = None
    frames: tuple[float, ...] | None = None
    prefill_s: float | None = None
    decode_s: float | None = None
    peak_bytes: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


class ChatEngine:
    """Tables, scenes, summaries and a user's own records, asked of a model that looks at pictures.

    custom:         the user's schema, asked where a seen thing names it among its tasks.
    answer_tokens:  the length an answer is cut off at the first time it is asked for.
    """

    def __init__(self, model: ChatModel, *, custom: Custom | None = None, answer_tokens: int = ANSWER_TOKENS) -> None:
        self._model, self._custom, self._answer_tokens = model, custom, answer_tokens
        self.name = model.name

    def model_id(self, task: str) -> ModelId:  # noqa: ARG002
        """Which weights, in which state, asked in which words."""
        return ModelId(self._model.model, self._model.revision, prompts.VERSION)

    def read_pages(self, seen: Sequence[SeenPage], *, told: Told = lambda _: None) -> list[list[Read]]:
        """For each page, in order, what each of its tasks found. A task is asked of all pages together.

        Raises BudgetError where a page does not fit the window, ModelError where the model could not be run.
        """
        raise NotImplementedError

    def read_document(self, seen: SeenDocument, *, told: Told = lambda _: None) -> list[Read]:
        """What each task found in a document, in order. Raises as `read_pages`."""
        raise NotImplementedError

    def read_video(self, seen: SeenVideo, *, told: Told = lambda _: None) -> list[Read]:
        """What each task found in a video, in order. Raises as `read_pages`."""
        raise NotImplementedError
