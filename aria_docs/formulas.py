"""What a spreadsheet would run as a formula, and how a text is kept from it. Pure."""

from __future__ import annotations

import re

# What spreadsheets take for a formula, the full-width signs of Japanese ones too (OWASP, "CSV Injection"). A dash, or
# several, with nothing to compute behind it is none.
_FORMULA = re.compile(r"[=+\-@\t\r\n＝＋－＠](?=.*\w)", re.DOTALL)
# -5, +3.2 %: there is nothing in them to run.
_HARMLESS = re.compile(r"[+-]?[\d.,'\s%]*")


def harmless(text: str) -> str:
    """The text, with an apostrophe before what a spreadsheet would run as a formula.

    >>> harmless("=HYPERLINK(A1)"), harmless("-5"), harmless("-5+cmd|' /C calc'!A0")
    ("'=HYPERLINK(A1)", '-5', "'-5+cmd|' /C calc'!A0")
    """
    return f"'{text}" if _FORMULA.match(text) and not _HARMLESS.fullmatch(text) else text
