"""A schema of a user's own, for the files beside it."""

from datetime import date
from decimal import Decimal

from pydantic import BaseModel


class Letter(BaseModel):
    """A letter with an amount."""

    sender: str
    total: Decimal | None
    written: date
    lines: list[str]
