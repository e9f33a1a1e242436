"""The unit and the scale that a heading, a line, a caption or a cell names. Pure.

"EUR thousand", "in thousands of euros", "TEUR"     EUR, 1000
"(USD million)", "$m", "Millions of U.S. dollars"   USD, 1000000
"%", "per cent", "Share in %"                       %, 1
"Passengers, thousand", "in '000"                   no unit, 1000
"1 000 tonnes", "GWh", "km²"                        tonnes, 1000; GWh, 1; km², 1
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_CURRENCIES = {
    "EUR": r"eur|euros?|€|meur|teur|keur",
    "USD": r"usd|us ?\$|u\.?s\.? dollars?|dollars?|\$",
    "GBP": r"gbp|pounds? sterling|pounds?|£",
    "CHF": r"chf|swiss francs?",
    "JPY": r"jpy|yen|¥",
    "SEK": r"sek", "NOK": r"nok", "DKK": r"dkk", "PLN": r"pln", "CZK": r"czk", "HUF": r"huf", "RON": r"ron",
    "CAD": r"cad|c\$", "AUD": r"aud|a\$", "NZD": r"nzd", "INR": r"inr|₹|rupees?", "CNY": r"cny|rmb|yuan",
    "BRL": r"brl|r\$", "ZAR": r"zar", "KRW": r"krw|₩", "MXN": r"mxn", "RUB": r"rub|₽",
}  # fmt: skip
_OTHERS = {
    "%": r"%|per ?cent(?:age)?s?|pct|percentage points?|pp",
    "‰": r"‰|per mille",
    "tonnes": r"(?:metric )?tonnes?|metric tons?|tons?",
    "kg": r"kg|kilograms?", "km²": r"km²|km2|sq\.? km|square kilomet(?:re|er)s?", "m²": r"m²|m2|square met(?:re|er)s?",
    "m³": r"m³|m3|cubic met(?:re|er)s?", "km": r"km|kilomet(?:re|er)s?", "ha": r"ha|hectares?",
    "GWh": r"gwh", "MWh": r"mwh", "kWh": r"kwh", "TWh": r"twh", "MW": r"mw", "GW": r"gw", "kW": r"kw",
    "TJ": r"tj", "PJ": r"pj", "Mtoe": r"mtoe", "ktoe": r"ktoe", "t CO₂": r"t ?co[2₂](?:e|eq)?",
    "persons": r"persons?|inhabitants?|people|employees|fte", "hours": r"hours?", "litres": r"lit(?:re|er)s?",
    "shares": r"shares",
}  # fmt: skip
_SCALES = {
    1e3: r"thousands?|thous\.?|'000s?|’000s?|000s|1[ ,.]?000|teur|keur|tsd\.?|k",
    1e6: r"millions?|mill?\.?|mio\.?|mn|meur|m|1[ ,.]?000[ ,.]?000",
    1e9: r"billions?|bn|bln|mrd\.?",
}
_CURRENCY = {code: re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE) for code, words in _CURRENCIES.items()}
_OTHER = {unit: re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE) for unit, words in _OTHERS.items()}
_SCALE = {scale: re.compile(rf"(?<![\w.,])(?:{words})(?!\w)", re.IGNORECASE) for scale, words in _SCALES.items()}
# A lone m or k is metres or a name; after a currency it is millions or thousands.
_LONE = re.compile(r"(?:[€$£¥₹]|\b(?:eur|usd|gbp|chf|sek|nok|dkk)) ?(?P<scale>m|k|bn)\b", re.IGNORECASE)
_MARKED = re.compile(r"\(([^()]*)\)|\[([^\[\]]*)\]|,\s*([^,]*)$|\bin ([^,()]*)", re.IGNORECASE)

# What may stand beside a unit without saying more.
_FILLERS = re.compile(
    r"\b(?:in|of|the|figures|amounts?|all|values?|expressed|except.*|unless.*|number|units?|at|current|prices|as|a|share|total)\b"
    r"|[()\[\]:;,.\s–-]+",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Unit:
    """unit: a currency's code, %, tonnes …, None if only a scale is named; scale: what a value is multiplied by."""

    unit: str | None
    scale: float = 1.0


def unit_of(text: str) -> Unit | None:
    """What a heading or a line is counted in: named by the whole of it, in brackets, after a comma or after "in"."""
    if re.search(r"\bper share\b", text, re.IGNORECASE):
        return Unit(None)
    if whole := _unit(text, whole=True):
        return whole
    for match in _MARKED.finditer(text):
        part = next((group for group in match.groups() if group), "")
        if found := _unit(part, whole=True):
            return found
    return _unit(text, whole=False) if re.search(r"[%‰€$£¥]", text) else None


def unit_of_caption(text: str) -> Unit | None:
    """What the figures below a caption are counted in: only what it says in brackets, after a comma or after "in"."""
    if whole := _unit(text, whole=True):
        return whole
    for match in reversed(list(_MARKED.finditer(text))):
        part = next((group for group in match.groups() if group), "")
        if found := _unit(part, whole=True):
            return found
    return None


def _unit(text: str, *, whole: bool) -> Unit | None:
    """whole:  the text must say nothing besides."""
    rest, unit, scale = text, None, 1.0
    if lone := _LONE.search(rest):
        scale = {"m": 1e6, "k": 1e3, "bn": 1e9}[lone["scale"].lower()]
        rest = rest[: lone.start("scale")] + " " + rest[lone.end("scale") :]
    else:
        for factor in (1e9, 1e6, 1e3):
            pattern = _SCALE[factor]
            match = pattern.search(rest)
            if match and match[0].lower() not in ("m", "k"):
                scale = factor
                if not re.fullmatch(r"[tmk]eur", match[0], re.IGNORECASE):
                    rest = rest[: match.start()] + " " + rest[match.end() :]
                break
    for table in (_CURRENCY, _OTHER):
        for name, pattern in table.items():
            if match := pattern.search(rest):
                unit = name
                rest = rest[: match.start()] + " " + rest[match.end() :]
                break
        if unit:
            break
    if unit is None and scale == 1.0:
        return None
    if whole and _FILLERS.sub("", rest):
        return None
    return Unit(unit, scale)
