"""Characters of ornament fonts, which say `4` and show a tick → the characters that they show. Pure."""

from __future__ import annotations

import re

# ITC Zapf Dingbats as Adobe encodes it: codes in a row from ✁, but for signs that Unicode had before.
_ZAPF = {code: 0x2701 + code - 0x21 for code in range(0x21, 0x7F)} | {
    0x25: 0x260E, 0x2A: 0x261B, 0x2B: 0x261E, 0x48: 0x2605, 0x6C: 0x25CF, 0x6D: 0x274D, 0x6E: 0x25A0, 0x73: 0x25B2,
    0x74: 0x25BC, 0x75: 0x25C6, 0x76: 0x2756, 0x77: 0x25D7,
}  # fmt: skip
# Of Wingdings what forms and lists use.
_WINGDINGS = dict(
    zip(
        (0x6C, 0x6E, 0x6F, 0x71, 0x72, 0x76, 0x78, 0x9F, 0xA1, 0xA7, 0xA8, 0xD8, 0xE0, 0xFB, 0xFC, 0xFD, 0xFE),
        map(ord, "●■□❑❒❖☒•○▪◻➢→✗✓☒☑"),
        strict=True,
    )
)
_PRIVATE = 0xF000  # where a font without an encoding puts its codes
_SYMBOLS = {_PRIVATE + code: char for code, char in _WINGDINGS.items()} | {_PRIVATE + 0xB7: ord("•")}
_NAMED_ZAPF = re.compile(r"zapf.?dingbats|^(?:.*\+)?zadb", re.IGNORECASE)
_NAMED_WINGDINGS = re.compile(r"wingdings(?! ?[23])", re.IGNORECASE)


def as_shown(text: str, font: str) -> str:
    """What a text in that font shows.

    >>> as_shown("4", "ZapfDingbats"), as_shown("\\uf0fe", "ABCDEF+Wingdings-Regular"), as_shown("4", "Helvetica")
    ('✔', '☑', '4')
    """
    if _NAMED_ZAPF.search(font):
        return text.translate(_ZAPF)
    if _NAMED_WINGDINGS.search(font):
        return text.translate(_WINGDINGS | _SYMBOLS)
    return text.translate(_SYMBOLS) if "symbol" in font.lower() else text
