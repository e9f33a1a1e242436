"""How the caption of a table begins, in the languages of our documents. Pure."""

from __future__ import annotations

import re

# A word for table, and a number, a Roman one or a letter.
_CAPTION = re.compile(
    r"(?:table|tab\.|exhibit|appendix|annex|schedule|tabelle|tableau|tabla|tabela|tabella|tabel|tabell|таблица|表)"
    r"\s*(?:[A-Z]{0,2}[-.]?\d|[IVXLC]+\b|[A-Z]\b|[一二三四五六七八九十])",
    re.IGNORECASE,
)


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
