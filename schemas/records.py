"""Custom schemas and what was read by them: rows of the typed tables `x_<name>`."""

import json
import re
from typing import Annotated, ClassVar

from pydantic import AfterValidator, StringConstraints

from aria_docs.schemas import Row

_SCALAR = re.compile(
    r"(?:VARCHAR|BOOLEAN|TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT|FLOAT|DOUBLE|DATE|TIMESTAMP WITH TIME ZONE|TIMESTAMPTZ"
    r"|TIMESTAMP|TIME|INTERVAL|UUID|JSON|BLOB|DECIMAL\([0-9]+, ?[0-9]+\))"
)
_FIELD_NAME = re.compile(r'"(?:[^"]|"")+" |[A-Za-z_][A-Za-z0-9_]* ')


def _past_type(text: str, at: int) -> int:
    """Where the DuckDB type that begins at `at` ends. Raises ValueError: these types are written into SQL."""
    if text.startswith(("STRUCT(", "MAP("), at):
        is_struct = text[at] == "S"
        at = text.index("(", at) + 1
        while True:
            if is_struct:
                if not (name := _FIELD_NAME.match(text, at)):
                    raise ValueError(f"no column type: {text!r:.200}")
                at = name.end()
            at = _past_type(text, at)
            if not text.startswith(", ", at):
                break
            at += 2
        if not text.startswith(")", at):
            raise ValueError(f"no column type: {text!r:.200}")
        at += 1
    elif scalar := _SCALAR.match(text, at):
        at = scalar.end()
    else:
        raise ValueError(f"no column type: {text!r:.200}")
    while text.startswith("[]", at):
        at += 2
    return at


def _check_columns(text: str) -> str:
    columns = json.loads(text)
    if not isinstance(columns, dict):
        raise ValueError("columns are a JSON object of column → type")
    for type_ in columns.values():
        if _past_type(type_, 0) != len(type_):
            raise ValueError(f"no column type: {type_!r:.200}")
    return text


class SchemaRow(Row):
    """A custom schema. Its table is `x_<name>`; while another schema of that name has that, `x_<name>_<hash8>`.

    columns:  JSON of column → DuckDB type, in order.

    Name, hash and types are written into SQL, and may come from a file of unknown origin: they are checked.
    """

    table: ClassVar[str] = "custom_schemas"
    name: Annotated[str, StringConstraints(pattern=r"\A[a-z_][a-z0-9_]*\z", max_length=200)]
    hash: Annotated[str, StringConstraints(pattern=r"\A[0-9a-f]{8,64}\z")]
    columns: Annotated[str, AfterValidator(_check_columns)]
    json_schema: str


class RecordRow(Row):
    """One row of a custom schema's table; name and hash say which.

    page:    of a document asked page by page; start_s and end_s: of a segment of a video.
    fields:  JSON of the schema's columns.
    """

    table: ClassVar[str] = "x_"
    name: str
    hash: str
    reading_id: str
    source_id: str
    page: int | None = None
    start_s: float | None = None
    end_s: float | None = None
    fields: str


class GroundRow(Row):
    """Where one value of a row of a custom schema's table stands.

    record_no:  of the row in its reading, from 0.
    field:      with the place in a list from 0: `lines[0].amount`.
    words:      of the page, that it was read from; reason: why there are none.
    """

    table: ClassVar[str] = "grounds"
    reading_id: str
    source_id: str
    record_no: int
    field: str
    value: str | None
    page: int | None = None
    x0: float | None = None
    y0: float | None = None
    x1: float | None = None
    y1: float | None = None
    words: str | None = None
    reason: str | None = None
    confidence: float
