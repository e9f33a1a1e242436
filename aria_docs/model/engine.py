"""The seam between what was ingested and who answers: an engine turns pages and videos into tables, scenes, summaries.

Protocols alone: who is chosen and loaded is `choice.py`. To add an engine, write a class with these members and name it
in `choice.load`; `tests/model/test_engine.py` is its contract.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from aria_docs.media import Cue, Page, Scene, Summary, Table, Video

Task = str  # one of TASKS, or the name of a user's schema
TASKS: tuple[Task, ...] = ("tables", "scenes", "summary")
HEARING = "hearing"  # what is kept of a film while it is listened to: nobody asks for it

Name = Literal["embedded", "aria", "remote"]


@dataclass(frozen=True, slots=True)
class ModelId:
    """Whose answer it is: part of a recipe and of every reading."""

    model: str | None
    revision: str | None
    prompt_version: str | None = None


class Engine(Protocol):
    """Answers about what it is shown. Stateless between calls; never invents: what it cannot know is None or absent."""

    name: str

    def model_id(self, task: Task) -> ModelId:
        """Who answers this task."""

    def tables(self, page: Page) -> tuple[Table, ...]:
        """The tables of one page, from top to bottom."""

    def summarise_document(self, pages: Sequence[tuple[int, str]], *, title: str | None) -> Summary | None:
        """What a document says; pages are (number, text) in order, title is what the file claims. None without text."""

    def scenes(self, video: Video, *, group: bool) -> tuple[Scene, ...]:
        """One scene per shot, or groups of shots; gapless, at least one."""

    def summarise_video(self, cues: Sequence[Cue]) -> Summary | None:
        """What is said in a video; None without words."""
