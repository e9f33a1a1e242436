"""Texts of a table's cells → numbers. Pure.

A cell has a number where the whole of it is one: 1,234.5 → 1234.5, (12) → -12, 45 % → 45, € 1 234 → 1234, 12* → 12.
A dash, a range, a date, a code with letters has none. Whether "1,234" is a thousand or one and a bit is decided once
for the table, from its cells that can be read in only one way.
"""

from __future__ import annotations

import re
from math import isfinite
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

Sign = Literal[".", ","]

_BLANKS = re.compile(r"[\s\u00a0\u2000-\u200b\u202f\u205f\u3000\ufeff]+")
_MINUS = str.maketrans("\u2212\u2010\u2011\u2012\u2013\u2014\ufe63\uff0d", "-" * 8)
_CURRENCY = (
    r"(?:(?:US|C|A|NZ|HK|R)?[$€£¥₹₽₩₺]"
    r"|USD|EUR|GBP|JPY|CHF|CAD|AUD|NZD|CNY|INR|SEK|NOK|DKK|PLN|CZK|HUF|RUB|BRL|MXN|ZAR|KRW)"
)
# Marks of a footnote: signs; raised digits and letters; one lower-case letter after a blank; [1] or (a).
_FOOTNOTE = r"(?:\ ?[*†‡§#]+|\ ?[⁰¹²³⁴⁵⁶⁷⁸⁹ᵃ-ᵿ]+|\ [a-z]|\ ?\[[0-9a-z]{1,2}\]|\ ?\([a-z]\))"
_CELL = re.compile(
    rf"""(?:[*†‡])?\ ?
    (?P<sign>[-+])?\ ?(?:{_CURRENCY}\ ?)?(?P<open>\(\ ?)?(?P<inner_sign>[-+])?\ ?(?:{_CURRENCY}\ ?)?
    (?P<body>[0-9.,'’][0-9.,'’\ ]*?(?:[eE][-+]?[0-9]{{1,3}})?)
    (?:\ ?[%‰])?(?:\ ?{_CURRENCY})?(?P<close>\ ?\))?(?:\ ?[%‰])?
    {_FOOTNOTE}*""",
    re.VERBOSE,
)

_MAX_CHARS = 60  # no number is longer

_GROUP = {".": r"[,'’ ]", ",": r"[.'’ ]"}  # what may stand between thousands, by decimal sign
_BODY: dict[Sign, re.Pattern[str]] = {
    sign: re.compile(
        rf"""(?:[0-9]+
              | [0-9]{{1,3}}(?P<group>{_GROUP[sign]})[0-9]{{3}}(?:(?P=group)[0-9]{{3}})*
              | [0-9]{{1,2}}(?:,[0-9]{{2}})+,[0-9]{{3}}   # Indian: 12,34,567
              )?(?P<fraction>{re.escape(sign)}[0-9]+)?(?P<exponent>[eE][-+]?[0-9]{{1,3}})?""",
        re.VERBOSE,
    )
    for sign in (".", ",")
}


def numbers(texts: Sequence[str]) -> list[float | None]:
    """The value of each cell of one table that is one number, else None; in order."""
    cells = [
        _CELL.fullmatch(_BLANKS.sub(" ", text).strip().translate(_MINUS)) if len(text) <= _MAX_CHARS else None
        for text in texts
    ]
    sign = _decimal_sign([cell["body"] for cell in cells if cell])
    return [_value(cell, sign) if cell else None for cell in cells]


def _value(cell: re.Match[str], sign: Sign) -> float | None:
    body = cell["body"]
    negative = cell["sign"] == "-" or cell["inner_sign"] == "-"
    if bool(cell["open"]) != bool(cell["close"]) or (cell["sign"] and cell["inner_sign"]):
        return None
    if not _BODY[sign].fullmatch(body) or not any(c.isdigit() for c in body):
        return None
    plain = re.sub(rf"{_GROUP[sign]}", "", body).replace(",", ".")
    value = float(plain)
    if not isfinite(value):
        return None
    return -value if negative or cell["open"] else value


def _decimal_sign(bodies: Sequence[str]) -> Sign:
    """Each cell that can be read in one way only has a vote."""
    votes = {".": 0, ",": 0}
    unclear = {".": 0, ",": 0}
    short = blanks = 0
    for body in bodies:
        point, comma = body.count("."), body.count(",")
        if point and comma:
            votes["." if body.rindex(".") > body.rindex(",") else ","] += 1
        elif point > 1 or comma > 1:
            votes["," if point > 1 else "."] += 1
        elif point or comma:
            mark: Sign = "." if point else ","
            whole, fraction = body.split(mark)
            grouped = len(fraction) == 3 and fraction.isdigit() and re.fullmatch(r"[1-9][0-9]{0,2}", whole)
            if grouped:
                unclear[mark] += 1
            else:
                votes[mark] += 1
        elif re.fullmatch(r"[0-9]{1,3}", body):
            short += 1
        elif " " in body:
            blanks += 1
    if blanks and unclear[","]:
        votes[","] += 1  # blanks stand between thousands, so a comma does not
    if votes["."] != votes[","]:
        return "." if votes["."] > votes[","] else ","
    # 1.234 and nothing clearer: thousands where whole numbers below a thousand stand beside them, and no other.
    return "," if unclear["."] > 1 and not unclear[","] and short > unclear["."] else "."
