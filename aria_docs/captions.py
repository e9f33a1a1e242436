"""How the caption of a table begins, in the languages of our documents. Pure."""

from __future__ import annotations

import re

_TABLE = (
    r"table|tab\.|tabelle|tableau|tabla|tabela|tabella|tabel|tabell|taulukko|táblázat|tabulka|tabuľka|tablo"
    r"|таблица|таблиця|табл\.|πίνακας|טבלה|جدول|表|표"
)
_OTHER = r"exhibit|appendix|annex|schedule"
_NUMBER = r"\s*(?:[A-Z]{0,2}[-.]?\d+(?:[.-]\d+)*|[IVXLC]+\b|[A-Z]\b|[一二三四五六七八九十])"
# A word for table, and a number, a Roman one or a letter.
_CAPTION = re.compile(rf"(?:{_TABLE}|{_OTHER}){_NUMBER}", re.IGNORECASE)
_OF_TABLE = re.compile(rf"(?:{_TABLE}){_NUMBER}", re.IGNORECASE)


def number_of(text: str) -> str | None:
    """What a text begins with, where that is a caption's word and number.

    >>> number_of("Table 3. Exports by country"), number_of("Tables are read as data"), number_of("表 二 出口")
    ('Table 3', None, '表 二')
    """
    match = _CAPTION.match(text)
    return match.group() if match else None


def is_caption(text: str) -> bool:
    """Whether a text begins like the caption of a table."""
    return number_of(text) is not None


def names_table(text: str) -> bool:
    """Whether it does so with a word for table; an appendix may hold anything."""
    return _OF_TABLE.match(text) is not None
