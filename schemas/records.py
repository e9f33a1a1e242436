"""Custom schemas and what was read by them: rows of the typed tables `x_<name>`."""

from typing import ClassVar

from aria_docs.schemas import Row


class SchemaRow(Row):
    """A custom schema. Its table is `x_<name>`; while another schema of that name has that, `x_<name>_<hash8>`.

    columns:  JSON of column → DuckDB type, in order.
    """

    table: ClassVar[str] = "custom_schemas"
    name: str
    hash: str
    columns: str
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
