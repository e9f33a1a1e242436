"""What a row is and what a model must answer. Imports pydantic only.

A row class names its table and has that table's columns, in order; `sql/` holds the tables themselves.
"""

from hashlib import sha256
from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Row(BaseModel):
    """One row of the table named by `table`."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")
    table: ClassVar[str]


def derive_id(*parts: str, digits: int) -> str:
    """The first `digits` hex digits of the SHA-256 of the parts, joined by a character that no part holds."""
    return sha256("\x1f".join(parts).encode()).hexdigest()[:digits]
