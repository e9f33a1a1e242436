"""What a person knows better than a reading, and what arithmetic says of a table."""

from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from aria_docs.schemas import Row

Target = Literal["cell", "caption", "header_rows", "row", "column", "table", "scene"]


class Anchor(BaseModel):
    """Where a correction belongs: a box on its page, with row and column, or the times of a scene and which field.

    shape:  rows and columns of the table when it was corrected, for cells that have no box of their own.
    """

    model_config = ConfigDict(extra="allow")
    box: tuple[float, float, float, float] | None = None
    row: int | None = None
    col: int | None = None
    start_s: float | None = None
    end_s: float | None = None
    field: Literal["title", "description", "start_s", "end_s"] | None = None
    shape: tuple[int, int] | None = None


class GivenCorrection(BaseModel):
    """One entry of a file for `aria-docs correct --from`; other keys are ignored."""

    path: str | None = None
    source_id: str | None = None
    page: int | None = None
    target: Target
    anchor: Anchor
    before: Any = None
    after: Any = None
    made_at: datetime | None = None
    made_by: str | None = None
    note: str | None = None


class CorrectionRow(Row):
    """A correction as it is stored; a confirmation has an `after` that equals its `before`."""

    table: ClassVar[str] = "corrections"
    correction_id: str
    source_id: str
    page: int | None
    target: Target
    anchor: Anchor
    before: Any
    after: Any
    made_at: datetime
    made_by: str | None
    note: str | None
    state: Literal["applied", "stale"]


class Suspect(BaseModel):
    """A cell that may be wrong."""

    row_no: int
    col_no: int


class CheckRow(Row):
    """Something that arithmetic says of a table; row_no, col_no: the row or column that is meant where it is whole."""

    table: ClassVar[str] = "checks"
    table_id: str
    check_no: int
    kind: str
    holds: bool
    row_no: int | None
    col_no: int | None
    suspects: list[Suspect]
    mend: float | None
    expected: float | None
    found: float | None
    note: str | None
