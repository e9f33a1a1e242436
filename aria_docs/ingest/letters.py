"""Whether letters are those of a language: a font whose table of characters is wrong says salad. Pure.

Measured is how far the letters are from the mean of European languages (Kullback and Leibler 1951, in nats): prose of
any of them stays below .5, a table of names or codes below .9, letters shifted or swapped come out above 1.
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter

_PER_MILLE = dict(
    zip(
        "eaintorslducmphgbfvkywzjxq",
        (140, 85, 75, 75, 75, 70, 65, 65, 45, 40, 40, 30, 30, 25, 30, 20, 15, 15, 12, 12, 12, 10, 8, 5, 3, 3),
        strict=True,
    )
)
_MIN_LETTERS = 24  # fewer say nothing
_STRANGE, _SALAD = 0.9, 1.0  # nats: worth a comparison with what is painted, and certain without one
_CERTAIN_LETTERS = 80


def is_strange(text: str) -> bool:
    """Whether the letters should be compared with what the page shows."""
    distance, n = _distance(text)
    return n >= _MIN_LETTERS and distance > _STRANGE


def is_salad(text: str) -> bool:
    """Whether they are hardly those of a language at all."""
    distance, n = _distance(text)
    return n >= _CERTAIN_LETTERS and distance > _SALAD


def _distance(text: str) -> tuple[float, int]:
    """From the letters of European languages, and of how many letters."""
    counts = Counter(char for char in unicodedata.normalize("NFD", text.casefold()) if char in _PER_MILLE)
    n = counts.total()
    total = sum(_PER_MILLE.values())
    return sum(k / n * math.log(k / n / (_PER_MILLE[char] / total)) for char, k in counts.items()), n
