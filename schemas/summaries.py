"""Summaries of documents and videos."""

from typing import ClassVar

from pydantic import BaseModel

from aria_docs.schemas import Row


class KeyPointRow(BaseModel):
    """One sentence and where it stands: a page of a document or a second of a video."""

    text: str
    page: int | None = None
    start_s: float | None = None


class SummaryRow(Row):
    """What a document or a video is about."""

    table: ClassVar[str] = "summaries"
    reading_id: str
    source_id: str
    title: str | None
    language: str | None
    text: str
    key_points: list[KeyPointRow]
