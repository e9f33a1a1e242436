"""The period that a heading, a line, a caption or a cell names: years, halves, quarters, months, days. Pure.

    "2024", "FY 2024", "2024E"            2024         1 January to 31 December 2024
    "2023/24", "2023-24"                  2023/24      1 January 2023 to 31 December 2024
    "Q1 2024", "1Q24", "first quarter 2024"   2024-Q1
    "H1 2024", "first half of 2024"       2024-H1
    "Jan 2024", "2024-01", "January 2024" 2024-01
    "31 December 2024", "31.12.2024"      2024-12-31   a day
    "Year ended 31 December 2024"         2024         the twelve months before that day

A text that names two different periods names none, a range ("1999-2006", "1999 to 2006") aside, which is one.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date, timedelta

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar janvier enero", "february feb februar février febrero", "march mar märz mars marzo",
            "april apr avril abril", "may mai mayo", "june jun juni juin junio", "july jul juli juillet julio",
            "august aug août agosto",
            "september sep sept septembre septiembre", "october oct oktober octobre okt octubre",
            "november nov novembre noviembre", "december dec dezember décembre diciembre dez",
        ),
        start=1,
    )
    for name in names.split()
}  # fmt: skip
_ORDINALS = {"first": 1, "1st": 1, "second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4}
_COUNTS = {
    "three": 3, "3": 3, "six": 6, "6": 6, "nine": 9, "9": 9, "twelve": 12, "12": 12, "half": 6, "quarter": 3,
    "year": 12,
}  # fmt: skip
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_YEAR = r"(?:1[89]|20)\d\d"
_END = r"(?!\w|[.,]\d)"
_BEGIN = r"(?<![\w.,])"

_PATTERNS = [
    # Days: 31 December 2024, December 31, 2024, 31.12.2024, 2024-12-31
    rf"{_BEGIN}(?P<d1>\d{{1,2}})\.? (?P<m1>{_MONTH})\.?,? (?P<y1>{_YEAR}){_END}",
    rf"{_BEGIN}(?P<m2>{_MONTH})\.? (?P<d2>\d{{1,2}}),? (?P<y2>{_YEAR}){_END}",
    rf"{_BEGIN}(?P<d3>\d{{1,2}})\.(?P<n3>\d{{1,2}})\.(?P<y3>{_YEAR}){_END}",
    rf"{_BEGIN}(?P<y4>{_YEAR})-(?P<n4>\d\d)-(?P<d4>\d\d){_END}",
    # Quarters and halves: Q1 2024, 2024 Q1, 1Q24, Q1/24, 2024-Q1, first quarter of 2024
    rf"{_BEGIN}(?P<k5>[qh])(?P<i5>[1-4])[ /'’-]*(?P<y5>{_YEAR}|\d\d){_END}",
    rf"{_BEGIN}(?P<i6>[1-4])(?P<k6>[qh])[ /'’-]*(?P<y6>{_YEAR}|\d\d){_END}",
    rf"{_BEGIN}(?P<y7>{_YEAR})[ /-]*(?P<k7>[qh])(?P<i7>[1-4]){_END}",
    rf"{_BEGIN}(?P<i8>{'|'.join(_ORDINALS)})[ -](?P<k8>quarter|half)(?: of)?,? (?P<y8>{_YEAR}){_END}",
    # Months: January 2024, Jan-24, 2024-01, 01/2024
    rf"{_BEGIN}(?P<m9>{_MONTH})\.?,?[ -]?(?P<y9>{_YEAR}){_END}",
    rf"{_BEGIN}(?P<m10>{_MONTH})[-'’ ]+(?P<y10>\d\d){_END}",
    rf"{_BEGIN}(?P<y11>{_YEAR})-(?P<n11>0[1-9]|1[0-2])(?!-?\d){_END}",
    rf"{_BEGIN}(?P<n12>0[1-9]|1[0-2])/(?P<y12>{_YEAR}){_END}",
    # Ranges of years: 2023/24, 2023-24, 2023-2024, 1999 to 2006
    rf"{_BEGIN}(?P<y13>{_YEAR}) ?(?:[/–-]|to|bis|and|à) ?(?P<z13>{_YEAR}|\d\d){_END}",
    # Years: 2024, FY2024, FY 24, 2024E, 2024A, 2024p, (2024)
    rf"(?<![\w.,])(?:fy|cy) ?['’]?(?P<y14>{_YEAR}|\d\d)(?:e|a|p|f|r)?{_END}",
    rf"(?<![\w.,$€£-])(?P<y15>{_YEAR})(?: ?[eapfr]|\*+|[¹²³⁴⁵⁶⁷⁸⁹⁰]+)?{_END}",
]  # fmt: skip
_PERIOD = re.compile("|".join(f"(?:{pattern})" for pattern in _PATTERNS), re.IGNORECASE)
_ENDED = re.compile(
    r"(?P<n>three|six|nine|twelve|3|6|9|12|half|quarter|year)[ -]?(?:months?|year)?(?: period)? (?:ended|ending|to)\b",
    re.IGNORECASE,
)
_WITHOUT = re.compile(r"[\s()\[\]:;,.–—/|-]+")


@dataclass(frozen=True, slots=True)
class Period:
    """What is named, as people sort it, and its first and last day."""

    name: str
    start: date
    end: date


def period_of(text: str) -> Period | None:
    """The one period that a text names, None if it names none or several."""
    found = _find(text)
    distinct = {period.name: period for period, _ in found}
    if len(distinct) != 1:
        return None
    [period] = distinct.values()
    ended = _ENDED.search(text)
    if ended and period.start == period.end:
        return _until(period.end, _COUNTS[ended["n"].lower()])
    return period


def without_periods(text: str) -> str:
    """The text without the periods in it: '' for "2024", "Change" for "Change 2024"."""
    kept, at = [], 0
    for _, (begin, end) in _find(text):
        kept.append(text[at:begin])
        at = end
    kept.append(text[at:])
    rest = " ".join(kept)
    return rest.strip() if _WITHOUT.sub("", rest) else ""


def _find(text: str) -> list[tuple[Period, tuple[int, int]]]:
    if not any(char.isdigit() for char in text):
        return []
    found = []
    for match in _PERIOD.finditer(text):
        facts = {key.rstrip("0123456789"): value for key, value in match.groupdict().items() if value}
        period = _period(facts)
        if period:
            found.append((period, match.span()))
    return found


def _period(facts: dict[str, str]) -> Period | None:
    year = _year(facts["y"])
    try:
        if "d" in facts:
            month = _MONTHS[facts["m"].lower()] if "m" in facts else int(facts["n"])
            day = date(year, month, int(facts["d"]))
            return Period(day.isoformat(), day, day)
        if "k" in facts:
            number = int(facts["i"]) if facts["i"].isdecimal() else _ORDINALS[facts["i"].lower()]
            months = 3 if facts["k"].lower() in ("q", "quarter") else 6
            if number * months > 12:
                return None
            start, end = date(year, (number - 1) * months + 1, 1), _last_day(year, number * months)
            return Period(f"{year}-{'Q' if months == 3 else 'H'}{number}", start, end)
        if "m" in facts or "n" in facts:
            month = _MONTHS[facts["m"].lower()] if "m" in facts else int(facts["n"])
            return Period(f"{year}-{month:02}", date(year, month, 1), _last_day(year, month))
    except ValueError:  # 31 February
        return None
    if "z" in facts:
        last = int(facts["z"]) if len(facts["z"]) == 4 else year // 100 * 100 + int(facts["z"])
        last += 100 * (last < year and len(facts["z"]) == 2)
        if not year < last <= year + 200:
            return None
        name = f"{year}/{last % 100:02}" if last == year + 1 else f"{year}-{last}"
        return Period(name, date(year, 1, 1), date(last, 12, 31))
    return Period(str(year), date(year, 1, 1), date(year, 12, 31))


def _year(text: str) -> int:
    """Two digits are of this century up to 68, as POSIX has it."""
    return int(text) if len(text) == 4 else int(text) + (1900 if int(text) > 68 else 2000)


def _last_day(year: int, month: int) -> date:
    return date(year, month, calendar.monthrange(year, month)[1])


def _until(end: date, months: int) -> Period:
    """The months before and with a day."""
    total = end.year * 12 + end.month - months
    start = date(total // 12, total % 12 + 1, 1)
    if end != _last_day(end.year, end.month):  # a year ended 28 March
        start = end - timedelta(days=round(months * 30.44)) + timedelta(days=1)
    if months == 12:
        name = str(end.year) if end.month == 12 else f"{start.year}/{end.year % 100:02}"
    elif start.month % months == 1 and end.month == start.month + months - 1:
        name = f"{end.year}-{'Q' if months == 3 else 'H'}{end.month // months}" if months in (3, 6) else ""
    else:
        name = ""
    return Period(name or f"{start:%Y-%m}/{end:%Y-%m}", start, end)
