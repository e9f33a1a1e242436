"""Words of one line, from the left → its text in reading order. Pure.

A small part of the Unicode bidirectional algorithm: the words of a right-to-left line are read from the right, those
of the other direction inside it in their own order. A number has no direction: it is read where it stands.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_RTL = re.compile("[\u0590-\u065f\u066e-\u06ef\u06fa-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")


def in_reading_order(texts: Sequence[str]) -> str:
    """The words joined with blanks.

    >>> in_reading_order(["1,250", "שנתי", "תקציב"]), in_reading_order(["Table", "4."])
    ('תקציב שנתי 1,250', 'Table 4.')
    """
    rtl = [bool(_RTL.search(text)) for text in texts]
    if not any(rtl):
        return " ".join(texts)
    ltr = [not is_rtl and any(c.isalpha() for c in text) for text, is_rtl in zip(texts, rtl, strict=True)]
    from_right = sum(rtl) >= sum(ltr) or (rtl[0] and rtl[-1])
    against = ltr if from_right else rtl  # words that run against their line
    runs: list[list[str]] = []
    before = False
    for text, turned in zip(texts, against, strict=True):
        if turned and before:
            runs[-1].append(text)
        else:
            runs.append([text])
        before = turned
    if from_right:
        return " ".join(text for run in reversed(runs) for text in run)
    return " ".join(text for run in runs for text in reversed(run))
