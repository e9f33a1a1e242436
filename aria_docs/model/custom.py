"""A user's own schema: a pydantic model from a file of theirs, as SQL columns, as a question, and as a JSON schema.

Knows no store and no engine. The user's file is executed by path under a name of its own; it is no part of the package.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel

from schemas.records import SchemaRow

Per = Literal["page", "document"]
Kind = Literal["page", "document", "video"]


@dataclass(frozen=True, slots=True)
class Record:
    """One answer, or one segment of a video's: values by column, as JSON has them, dates and decimals as strings."""

    values: dict[str, Any]
    start_s: float | None = None
    end_s: float | None = None


@dataclass(frozen=True, slots=True)
class CustomSchema:
    """A user's model, ready to be asked for.

    name:         of its task: the class name in lower case, words joined by `_`.
    per:          whether a document is asked about as a whole or page by page; a video is always asked for segments.
    columns:      column → DuckDB type, in the order of the fields; computed fields last.
    hash:         of columns, JSON schema and descriptions; 64 hex digits.
    json_schema:  one answer as JSON schema, descriptions included.
    """

    name: str
    per: Per
    columns: dict[str, str]
    hash: str
    json_schema: str
    model: type[BaseModel] = field(repr=False, compare=False)

    @property
    def table(self) -> str:
        """`x_invoice`."""
        return f"x_{self.name}"

    def row(self) -> SchemaRow:
        """What the store has to know of it, to hand to `Store.begin_run` or `Store.prepare_schema`."""
        raise NotImplementedError

    def identity(self) -> dict[str, object]:
        """What of it decides an answer; a recipe holds it under `schema`, where the views look for its hash."""
        raise NotImplementedError

    def question(self, kind: Kind) -> str:
        """The question, from the model's docstring and the descriptions of its fields."""
        raise NotImplementedError

    def wire(self, kind: Kind) -> str:
        """The JSON schema, as text, that constrains the answer while it is decoded."""
        raise NotImplementedError

    def parse(self, kind: Kind, text: str) -> tuple[Record, ...]:
        """The records of an answer, validated by the user's model. Raises ValueError with a reason of one sentence."""
        raise NotImplementedError

    def recovered(self, kind: Kind, text: str) -> tuple[Record, ...]:
        """What still holds of an answer that was cut off or that `parse` refuses; () where nothing does."""
        raise NotImplementedError


def load(spec: str, *, per: Per = "document") -> CustomSchema:
    """`invoice.py:Invoice` → the model of that name in that file. Raises UsageError."""
    raise NotImplementedError
