"""What a child has seen of a page, a document or a video, as it travels to the model; and what the model read in it.

Knows no model and no engine: children and the run import it without either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aria_docs.media import Box, Page, Scene, Summary, Table, Video, Word
from aria_docs.model.chat_model import Shown


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
    texts:  of the pages shown, in their order; empty if unknown. An answer may quote them.
    words:  of each page shown, where a custom schema is asked for; else empty.
    """

    title: str | None
    pages: tuple[int, ...]
    shown: tuple[Shown, ...]
    tasks: tuple[str, ...]
    note: str | None = None
    texts: tuple[str, ...] = ()
    words: tuple[tuple[Word, ...], ...] = ()

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
class Ground:
    """Where one value of an answer stands.

    field:   as in SQL, with the place in a list from 0: `lines[0].amount`.
    reason:  why it stands nowhere; None where it has page, box and the words there.
    """

    field: str
    value: str | None
    reason: str | None
    confidence: float
    page: int | None = None
    box: Box | None = None
    words: str | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """One answer, or one segment of a video's.

    values:   by column, in their order, as JSON that DuckDB takes for the column's type.
    grounds:  of each value; empty before they were sought.
    """

    values: dict[str, Any]
    start_s: float | None = None
    end_s: float | None = None
    grounds: tuple[Ground, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What one task found in one page, document or video.

    records:  of a custom schema.
    answer:   what the model said, word by word; a JSON array of such texts where several windows made one reading.
    note:     why the reading is partial, what could not be shown included; None where it is whole.
    frames:   the times shown, of a video.

    Times and tokens are sums over all questions it took, the memory is the most of any; None if unknown.
    """

    task: str
    tables: tuple[Table, ...] = ()
    scenes: tuple[Scene, ...] = ()
    summary: Summary | None = None
    records: tuple[Record, ...] = ()
    answer: str | None = None
    note: str | None = None
    frames: tuple[float, ...] | None = None
    prefill_s: float | None = None
    decode_s: float | None = None
    peak_bytes: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
