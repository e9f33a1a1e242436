"""What a model must answer: the wire models whose JSON schema constrains its decoding.

Apart from the stored rows, and all bounded: a list or string without end would let a model that repeats itself run to
its last token. Rows of strings and not a list of cells: a cell costs its text and two tokens, not twenty.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

PerMille = Annotated[int, Field(ge=0, le=9999)]  # thousandths of the page, or pixels: see Profile.boxes
# As in the frames' labels: minutes may pass 59, and frames that lie close together have parts of a second.
Clock = Annotated[str, Field(pattern=r"^[0-9]{1,3}:[0-5][0-9](\.[0-9]{1,3})?$")]
Page = Annotated[int, Field(ge=1, le=99_999)]


class Answer(BaseModel):
    """The whole answer to one question."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SpanAnswer(Answer):
    """A cell that takes more than one place; the places it covers besides its own are empty strings."""

    row: Annotated[int, Field(ge=0, le=999)]
    col: Annotated[int, Field(ge=0, le=99)]
    rows: Annotated[int, Field(ge=1, le=999)]
    cols: Annotated[int, Field(ge=1, le=99)]


class TableAnswer(Answer):
    """One table; `box` is left, top, right, bottom."""

    caption: Annotated[str, Field(max_length=300)] | None
    box: Annotated[list[PerMille], Field(min_length=4, max_length=4)]
    header_rows: Annotated[int, Field(ge=0, le=20)]
    rows: Annotated[
        list[Annotated[list[Annotated[str, Field(max_length=600)]], Field(max_length=64)]], Field(max_length=400)
    ]
    spans: Annotated[list[SpanAnswer], Field(max_length=200)]


class TablesAnswer(Answer):
    """The tables of one page, from top to bottom."""

    tables: Annotated[list[TableAnswer], Field(max_length=30)]


class SceneAnswer(Answer):
    """One scene."""

    start: Clock
    end: Clock
    title: Annotated[str, Field(max_length=200)]
    description: Annotated[str, Field(max_length=2000)]


class ScenesAnswer(Answer):
    """The scenes of the frames shown, in order."""

    scenes: Annotated[list[SceneAnswer], Field(max_length=256)]


class PagePoint(Answer):
    """A key point of a document."""

    text: Annotated[str, Field(max_length=500)]
    page: Page


class DocumentSummaryAnswer(Answer):
    """What a document says; language is an ISO 639-1 code."""

    title: Annotated[str, Field(max_length=300)]
    language: Annotated[str, Field(pattern="^[a-z]{2}$")]
    text: Annotated[str, Field(max_length=4000)]
    key_points: Annotated[list[PagePoint], Field(max_length=20)]


class TimePoint(Answer):
    """A key point of a video."""

    text: Annotated[str, Field(max_length=500)]
    time: Clock


class VideoSummaryAnswer(Answer):
    """What a video shows and says."""

    title: Annotated[str, Field(max_length=300)]
    language: Annotated[str, Field(pattern="^[a-z]{2}$")]
    text: Annotated[str, Field(max_length=4000)]
    key_points: Annotated[list[TimePoint], Field(max_length=20)]
