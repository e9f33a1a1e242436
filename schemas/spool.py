"""Rows of a spool that no database has: what a batch says beside the rows of its parts."""

from typing import ClassVar, Literal

from aria_docs.schemas import Row


class MarkRow(Row):
    """A source was opened, or all that is said in it was looked for: also where there is nothing."""

    table: ClassVar[str] = "marks"
    source_id: str
    mark: Literal["opened", "cues"]


class LinkRow(Row):
    """A table goes on from the one before."""

    table: ClassVar[str] = "links"
    table_id: str
    before: str


class GoneRow(Row):
    """A path that a search no longer found: a row of `files` without a source."""

    table: ClassVar[str] = "files"
    path: str
    present: bool = False
