"""Shots and scenes; times in seconds from the first displayed frame."""

from base64 import b64decode, b64encode
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, PlainSerializer

from aria_docs.schemas import Row

Transition = Literal["start", "cut", "dissolve", "fade", "wipe"]
# The store's inserts go through JSON; DuckDB's from_base64 wants the standard alphabet.
Blob = Annotated[
    bytes,
    PlainSerializer(lambda value: b64encode(value).decode(), when_used="json-unless-none"),
    BeforeValidator(lambda value: b64decode(value) if isinstance(value, str) else value),
]


class ShotRow(Row):
    """A run of frames from one camera, and the transition that leads into it.

    confidence:  that something changes where it begins.
    """

    table: ClassVar[str] = "shots"
    source_id: str
    shot_no: int
    start_s: float
    end_s: float
    transition: Transition
    transition_start_s: float
    transition_end_s: float
    confidence: float | None = None


class CueRow(Row):
    """One subtitle, or one line that was transcribed."""

    table: ClassVar[str] = "cues"
    source_id: str
    cue_no: int
    start_s: float
    end_s: float
    text: str
    origin: Literal["track", "sidecar", "speech"]


class SceneRow(Row):
    """A stretch of a video; the thumbnail is a JPEG."""

    table: ClassVar[str] = "scenes"
    reading_id: str
    source_id: str
    scene_no: int
    start_s: float
    end_s: float
    transition: Transition
    title: str | None = None
    description: str | None = None
    thumbnail: Blob | None = Field(default=None, repr=False)
