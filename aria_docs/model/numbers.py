"""Texts of a table's cells → numbers. Pure.

A cell has a number if the whole of it is one: 1,234.5 → 1234.5, (12) → -12, 12- → -12, 45 % → 45, € 1 234 → 1234,
12* → 12. A dash, a range, a date, a code with letters has none. A wrong value is worse than none: what can be read in
two ways, and nothing around it decides, has none.

1. Each cell is taken apart: sign, currency, digits with their marks, percent, footnote.
2. Whether "1,234" is a thousand or one and a bit is decided by the cells that can be read in one way only: those of its
   column if they agree, else those of the table. Cells that are no amounts (dates, codes 1.2.3, leader dots) have no
   vote, and the first column, which holds labels and codes, has one only if no other has. Where no cell decides, the
   language of the page does: 1.300 is a thousand in German.
3. What may stand between thousands is decided likewise: beside 1,300 and 2,150, "2 150 300" is not two millions but
   three values in one cell.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Sign = Literal[".", ","]
_SIGNS: tuple[Sign, Sign] = (".", ",")

_BLANKS = re.compile(r"[\s\u00a0\u2000-\u200b\u202f\u205f\u3000]+")
# One spelling of minus signs, parentheses and percent; of Arabic marks: U+066B is a decimal point, U+066C thousands.
_PLAIN = str.maketrans("\u2212\u2010\u2011\u2012\u2013\u2014\ufe63\uff0d（）％٪٫٬．，", "--------()%%.'.,")
_LEADERS = re.compile(
    r"^(?:[.…·_] ?){3,}(?= |\d)|(?:(?<= )(?:[.…·_] ?){2,}|(?<=\d)[.…·_]{3,}|[…_]+)$"
)  # a row of dots beside a number

_SYMBOLS = "".join(c for c in map(chr, range(0x24, 0xFFE7)) if unicodedata.category(c) == "Sc" and c != "¢")
_CODES = (  # ISO 4217, without those that are words or are hardly printed
    "AED AFN AMD AOA ARS AUD AZN BAM BDT BGN BHD BIF BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNH CNY COP CRC"
    " CZK DEM DJF DKK DOP DZD EGP ERN ETB EUR FJD FRF GBP GHS GMD GTQ HKD HNL HRK HUF IDR ILS INR IQD IRR ISK ITL JMD"
    " JOD JPY KES KGS KHR KRW KWD KZT LBP LKR LYD MAD MDL MGA MKD MMK MNT MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR"
    " NZD OMR PEN PGK PHP PKR PLN PYG QAR RMB RON RSD RUB RWF SAR SDG SEK SGD SYP THB TJS TMT TND TRY TTD TWD TZS UAH"
    " UGX USD UYU UZS VEF VES VND XAF XCD XOF XPF YER ZAR ZMW"
)
_CURRENCY = (
    rf"(?:(?:AU|CA|GH|HK|MX|NT|NZ|US|Mex|[ACRS])?\ ?[{_SYMBOLS}]|(?:{_CODES.replace(' ', '|')})(?![^\W\d_])"
    r"|(?:[Kk]r|Rs|R[pM]|[Ss]?[Ff]r|[Dd]hs|[Tt]k|KSh|руб|грн|лв|[dD]in)\.?(?![^\W\d_])"
    r"|B/\.|S/\.?|DM|KM|zł|Kč|Ft|kn|lei|TL|đ|元|円|원)"
)
_POWERS = {"⁻": "-", "⁺": "+", **{raised: str(digit) for digit, raised in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")}}
_RAISED = "".join(_POWERS)
# Marks of a footnote: signs; raised digits and letters; one lower-case letter after a blank; [1] or (a).
_SMALL = f"{_RAISED}ᵃ-ᶿˀ-ˤⁿⁱ⁽⁾"
_FOOTNOTE = rf"(?:\ ?[*†‡§#¶]+|\ ?[{_SMALL},]*[{_SMALL}]|\ ?[{_RAISED}]+\)|\ [a-z]|\ ?\[[0-9a-z]{{1,2}}\]|\ ?\([a-z]\))"
_CELL = re.compile(
    rf"""(?:[*†‡]|%)?\ ?
    (?P<sign>[-+])?\ ?(?:{_CURRENCY}\ ?)?(?P<open>\(\ ?)?(?P<inner_sign>[-+])?\ ?(?:{_CURRENCY}\ ?)?
    (?P<body>[0-9.,'’][0-9.,'’\ ]*?(?:[eE][-+]?[0-9]{{1,3}})?)
    (?:\ ?[×x·∙⋅*]\ ?10(?P<power>[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]{{1,3}}))?
    (?:(?P<round>[.,](?:-{{1,2}})?)|(?P<last_sign>-))?                     # 12.  1.250,-  780,00-
    (?:\ ?[%‰])?(?:\ ?{_CURRENCY})?(?P<close>[*†‡§#{_RAISED}]*\ ?\))?(?:\ ?[%‰])?
    (?P<marks>{_FOOTNOTE}*)(?P<note>\ ?\([0-9]{{1,2}}\))?""",
    re.VERBOSE,
)
_TEN_TO_MINUS = re.compile("10⁻([⁰¹²³⁴⁵⁶⁷⁸⁹]{1,3})")
_COUNT = re.compile(r"\(([0-9]{1,2})\)")
_PARTS = re.compile(r"[0-9]+(?: [0-9]+)+")  # digits and blanks

_MAX_CHARS = 60  # no number is longer

_GROUP = {".": r"[,'’ ]", ",": r"[.'’ ]"}  # what may stand between thousands, by decimal sign
_BODY: dict[Sign, re.Pattern[str]] = {
    sign: re.compile(
        rf"""(?:[0-9]+
              | [1-9][0-9]{{0,2}}(?P<group>{_GROUP[sign]})[0-9]{{3}}(?:(?P=group)[0-9]{{3}})*
              {"| [1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3}" if sign == "." else ""}   # Indian: 12,34,567
              )?(?P<fraction>{re.escape(sign)}[0-9]+)?(?P<exponent>[eE][-+]?[0-9]{{1,3}})?""",
        re.VERBOSE,
    )
    for sign in _SIGNS
}

# Five cells such as 1,300, all with three digits behind the comma, weigh as much as one 3,4: that is a list or a slip
# (a page of opendataloader has 41,27 among seven thousands).
_WEAK_VOTE = 0.2
_SURE = 2  # as many cells of a column that can be read in one way only decide for it, if they agree


# Words that are frequent in one language and in English or the others not; letters that English has in names only.
_ENGLISH = frozenset("the of and to is for from by with are were was which this that or".split())
_WITH_COMMA = frozenset(
    "und der die das von mit für den dem im les des une dans pour sur du et aux los las del una por para con el il"
    " della delle dei gli che dos uma não em het een van voor en och av til af til är ja oraz się nie na és az și cu ve"
    " bir dan yang untuk dengan".split()
)
_LETTERS_WITH_COMMA = re.compile("[à-öø-ÿāăąćčďęěğīıłńňőœřśšşșţťůűźżžά-ώа-яё]")
_MIN_SEEN = 2


@dataclass(frozen=True, slots=True)
class _Amount:
    """A cell that looks like a number; `ways` has its value by decimal sign, where it can be read so."""

    column: int
    body: str
    ways: Mapping[Sign, float]
    noted: bool  # a digit in parentheses follows it

    @property
    def only_way(self) -> Sign | None:
        return next(iter(self.ways)) if len(self.ways) == 1 else None

    @property
    def is_unclear(self) -> bool:
        return len(self.ways) == 2 and self.ways["."] != self.ways[","]

    @property
    def has_blanks(self) -> bool:
        return " " in self.body


def numbers(
    texts: Sequence[str], columns: Sequence[int] | None = None, *, usual: Sign | None = None
) -> list[float | None]:
    """The value of each cell of one table that is one number, else None; in order.

    `columns` has the column of each cell; without it all are taken for one column. `usual` is the decimal sign of what
    stands around the table, where that is known.
    """
    columns = columns or [0] * len(texts)
    plain = [_plain(text) if len(text) <= _MAX_CHARS else "" for text in texts]
    amounts = [_amount(text, column) for text, column in zip(plain, columns, strict=True)]
    present = [amount for amount in amounts if amount]
    signs = _signs(present, usual)
    unblanked = _columns_without_blanks(present, plain, columns, signs)
    shares = _columns_of_shares(present)
    counted = _counts(plain, columns)
    return [
        None
        if amount is None
        or n in counted
        or (amount.has_blanks and amount.column in unblanked)
        or (amount.noted and amount.column in shares)
        else amount.ways.get(signs[amount.column])
        for n, amount in enumerate(amounts)
    ]


def usual_sign(text: str) -> Sign | None:
    """The decimal sign of the language that a text is in, if it is seen: English, or one of those with a comma.

    >>> usual_sign("Die Zahl der Betriebe und der Einwohner"), usual_sign("The number of farms and of inhabitants")
    (',', '.')
    """
    words = re.findall(r"[^\W\d_]+", text.casefold())
    english = sum(word in _ENGLISH for word in words)
    others = sum(word in _WITH_COMMA or bool(_LETTERS_WITH_COMMA.search(word)) for word in words)
    if others > 2 * english and others >= _MIN_SEEN:
        return ","
    return "." if english > 2 * others and english >= _MIN_SEEN else None


def sign_of(texts: Sequence[str], values: Sequence[float | None]) -> Sign | None:
    """The decimal sign by which those texts have these values, where some tell."""
    for text, value in zip(texts, values, strict=True):
        amount = _amount(_plain(text), 0) if value is not None else None
        if amount and amount.is_unclear:
            return next((sign for sign, read in amount.ways.items() if read == value), None)
    return None


def _plain(text: str) -> str:
    """With ASCII digits, one kind of blank and minus, and without marks of direction, soft hyphens or leader dots."""
    text = "".join(c for c in text if unicodedata.category(c) != "Cf" or c in "\u200b")
    text = _BLANKS.sub(" ", text).strip().translate(_PLAIN)
    if not text.isascii():
        text = "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)
    return _LEADERS.sub("", text).strip()


def _amount(text: str, column: int) -> _Amount | None:
    if tiny := _TEN_TO_MINUS.fullmatch(text):
        return _Amount(column, "10", dict.fromkeys(_SIGNS, float(f"1e-{_digits(tiny[1])}")), noted=False)
    cell = _CELL.fullmatch(text)
    if cell is None or bool(cell["open"]) != bool(cell["close"]):
        return None
    if bool(cell["sign"]) + bool(cell["inner_sign"]) + bool(cell["last_sign"]) > 1:
        return None
    body = cell["body"]
    if body == "10" and not cell["power"] and any(c in _POWERS for c in cell["marks"]):
        return None  # 10⁵: a hundred thousand, or ten with a footnote
    negative = bool(cell["open"]) or "-" in (cell["sign"], cell["inner_sign"], cell["last_sign"])
    scale = f"e{_digits(cell['power'])}" if cell["power"] else ""
    ways: dict[Sign, float] = {}
    for sign in _SIGNS:
        read = _value(body, scale, sign, is_round=bool(cell["round"]))
        if read is not None:
            ways[sign] = -read if negative else read
    return _Amount(column, body, ways, noted=bool(cell["note"])) if ways else None


def _digits(raised: str) -> str:
    return "".join(_POWERS[c] for c in raised)


def _value(body: str, scale: str, sign: Sign, *, is_round: bool) -> float | None:
    match = _BODY[sign].fullmatch(body)
    if not match or not any(c.isdigit() for c in body) or (is_round and match["fraction"]):
        return None
    if scale and match["exponent"]:
        return None
    value = float(re.sub(_GROUP[sign], "", body).replace(",", ".") + scale)
    return value if isfinite(value) else None


def _signs(amounts: Sequence[_Amount], usual: Sign | None) -> dict[int, Sign]:
    """The decimal sign of each column."""
    by_column: dict[int, list[_Amount]] = {}
    for amount in amounts:
        by_column.setdefault(amount.column, []).append(amount)
    voters = [amount for amount in amounts if amount.column > 0]
    if not any(amount.only_way or amount.is_unclear for amount in voters):
        voters = list(amounts)
    whole = _decimal_sign(voters, usual)
    signs: dict[int, Sign] = {}
    for column, own in by_column.items():
        sure = Counter(amount.only_way for amount in own if amount.only_way)
        decided = len(sure) == 1 and sure.total() >= _SURE
        signs[column] = next(way for way in sure if way) if decided else whole
    return signs


def _decimal_sign(voters: Sequence[_Amount], usual: Sign | None) -> Sign:
    """Each cell that can be read in one way only has a vote."""
    votes: dict[Sign, float] = dict.fromkeys(_SIGNS, 0.0)
    unclear: Counter[str] = Counter()
    short = 0
    for amount in voters:
        if amount.only_way:
            votes[amount.only_way] += 1
        elif amount.is_unclear:
            unclear["." if "." in amount.body else ","] += 1
        elif re.fullmatch(r"[0-9]{1,3}", amount.body):
            short += 1
    votes["."] += _WEAK_VOTE * unclear[","] * (usual != ",")
    votes[","] += _blanks_between_thousands(voters)
    if votes["."] != votes[","]:
        return "." if votes["."] > votes[","] else ","
    if usual == ",":
        return ","
    # 1.234 and nothing clearer: thousands where whole numbers below a thousand stand beside them, and no other.
    return "," if unclear["."] > 1 and not unclear[","] and short > unclear["."] else "."


def _blanks_between_thousands(voters: Sequence[_Amount]) -> int:
    """Columns in which blanks stand between thousands (1 234), so that a comma (1,500) does not."""
    blanks = Counter(amount.column for amount in voters if amount.has_blanks)
    commas = Counter(amount.column for amount in voters if amount.is_unclear and "," in amount.body)
    return sum(blanks[column] >= n for column, n in commas.items())


def _columns_without_blanks(
    amounts: Sequence[_Amount], texts: Sequence[str], columns: Sequence[int], signs: Mapping[int, Sign]
) -> set[int]:
    """Columns in which digits parted by a blank are several values: nothing there says that blanks part thousands.

    The table parts thousands otherwise, or the column has longer numbers without a blank or blanks at other places.
    """
    marked = blanks = 0
    for amount in amounts:
        match = _BODY[signs[amount.column]].fullmatch(amount.body)
        marked += bool(match and match["group"] and match["group"] != " ")
        blanks += amount.has_blanks
    without = {amount.column for amount in amounts} if marked >= blanks else set[int]()
    without |= {amount.column for amount in amounts if re.fullmatch(r"[1-9][0-9]{4,}", amount.body)}
    for text, column in zip(texts, columns, strict=True):
        if _PARTS.fullmatch(text) and not _BODY["."].fullmatch(text):
            without.add(column)
    return without


def _columns_of_shares(amounts: Sequence[_Amount]) -> set[int]:
    """Columns in which most numbers are followed by one in parentheses: 12 (3) is a count and its share."""
    noted, all_of = Counter(a.column for a in amounts if a.noted), Counter(a.column for a in amounts)
    return {column for column, n in noted.items() if 2 * n > all_of[column] > 1}


def _counts(texts: Sequence[str], columns: Sequence[int]) -> set[int]:
    """Cells (1), (2), (3) that count rows or columns and are no negative numbers."""
    counted: set[int] = set()
    places = list(range(len(texts)))
    down = sorted((n for n in places if texts[n]), key=lambda n: columns[n])  # stable: in each column from the top
    for order, in_one_column in ((places, False), (down, True)):
        run: list[int] = []
        for n in [*order, None]:
            match = _COUNT.fullmatch(texts[n]) if n is not None else None
            follows = bool(match) and n is not None and (not run or not in_one_column or columns[run[-1]] == columns[n])
            if match and n is not None and follows and int(match[1]) == len(run) + 1:
                run.append(n)
                continue
            if len(run) > 2:
                counted.update(run)
            run = [n] if match and n is not None and match[1] == "1" else []
    return counted
