"""The embedded engine: everything answered on this machine, with nothing to download."""

from __future__ import annotations

from collections.abc import Sequence

from aria_docs.media import Cue, Page, Scene, Summary, Table, Video
from aria_docs.model.embedded import referee
from aria_docs.model.engine import ModelId, Task
from aria_docs.version import minor

# Raised whenever a rule of this folder changes what is answered, so that a next run reads again.
RULES = {"tables": "6", "scenes": "9", "summary": "2"}
# What else decides the answer: PyMuPDF's layout network and text order, PyAV's decoders.
_LIBRARIES = {"tables": ("pymupdf",), "scenes": ("av",), "summary": ("pymupdf", "py3langid")}


class EmbeddedEngine:
    """Layout, ruling lines, shot detection, extractive summaries."""

    name = "embedded"

    def model_id(self, task: Task) -> ModelId:
        """The libraries without patch levels, the referee where it is installed, and the version of our own rules."""
        libraries = [minor(name) for name in _LIBRARIES[task]]
        if task == "scenes" and (judge := referee.version()):
            libraries.append(judge)
        return ModelId(model=" ".join(libraries), revision=f"rules-{RULES[task]}")

    def tables(self, page: Page) -> tuple[Table, ...]:
        """See `tables.tables`."""
        from aria_docs.model.embedded.tables import tables

        return tables(page)

    def summarise_document(self, pages: Sequence[tuple[int, str]], *, title: str | None) -> Summary | None:
        """See `summary.summarise_document`."""
        from aria_docs.model.embedded.summary import summarise_document

        return summarise_document(pages, title=title)

    def scenes(self, video: Video, *, group: bool) -> tuple[Scene, ...]:
        """See `scenes.scenes`."""
        from aria_docs.model.embedded.scenes import scenes

        return scenes(video, group=group)

    def summarise_video(self, cues: Sequence[Cue]) -> Summary | None:
        """See `summary.summarise_cues`."""
        from aria_docs.model.embedded.summary import summarise_cues

        return summarise_cues(cues)
