"""What is wanted of each invoice, for `aria-docs run … --schema examples/invoice.py:Invoice`."""

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, Field, computed_field

Money = Annotated[Decimal, Field(max_digits=14, decimal_places=2)]


class Currency(StrEnum):
    EUR = "EUR"
    USD = "USD"
    GBP = "GBP"


class Line(BaseModel):
    """One line of an invoice."""

    text: Annotated[str, Field(max_length=300, description="what was sold, as printed")]
    quantity: Annotated[Decimal, Field(max_digits=10, decimal_places=3)] = Decimal(1)
    amount: Annotated[Money, Field(description="of the whole line, without tax")]


class Invoice(BaseModel):
    """One invoice, as its sender wrote it."""

    number: Annotated[str, Field(max_length=40, description="the sender's own number of it")]
    sender: Annotated[str, Field(max_length=200)]
    issued: Annotated[date, Field(description="the day it was written")]
    due: Annotated[date | None, Field(description="the last day to pay it")]
    currency: Currency | None
    total: Annotated[Money, Field(description="what is to be paid, tax included")]
    lines: Annotated[list[Line], Field(max_length=100)]

    @computed_field
    @property
    def net(self) -> Money:
        return sum((line.amount for line in self.lines), Decimal(0))
