"""What an answer says next, guessed from what it quotes: tokens in, tokens out. Knows no model and no text.

A table answer repeats the words of its page, mostly in their order. So the source (the page's words in the form of an
answer, as `model/quoting.py` writes it) is followed as far as the answer does, and found again where the answer has
left it: at the longest run of last tokens that both have, the nearest to where the answer was.

    source    … "Oslo","12.5"],["Perth","7.0"] …
    written   … "Oslo","1Z.5"]                     left at 1Z, found again at "]
    guess                      ,["Perth","7.0"]    as far as `most` goes

Guesses cost time where they are wrong: an answer of which too few stood is not guessed any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

_LONGEST = 8  # tokens looked back to find a place again
_NEAR = 2  # tokens: how far away a single token in common is a place
_UNSURE = 4  # how far a place found again is followed, for each token that brought it there
_HOPED, _WORTH = 2.0, 0.3  # tokens that stand of a guess: at first, and where guessing is given up
_SHARE = 0.1  # of the newest guess in the mean


class Draft:
    """Of one answer.

    source:  the tokens that it is expected to say, in their order.
    """

    def __init__(self, source: Sequence[int]) -> None:
        self._source = list(source)
        self._runs: dict[tuple[int, int], list[int]] = {}  # where its second token stands, of each two in a row
        for place, pair in enumerate(pairwise(self._source), start=1):
            self._runs.setdefault(pair, []).append(place)
        self._at, self._read, self._sure = 0, 0, len(self._source)
        self._mean = _HOPED
        self.n_guessed = self.n_stood = 0

    @property
    def is_off(self) -> bool:
        """Whether guessing has been given up, or there is nothing to guess from."""
        return not self._source or self._mean < _WORTH

    def following(self, written: Sequence[int], most: int) -> list[int]:
        """What may come after what is written, at most so many tokens; nothing where the source has no such place."""
        if self.is_off:
            return []
        for place in range(self._read, len(written)):
            self._step(written[: place + 1])
        self._read = len(written)
        return self._source[self._at : self._at + min(most, self._sure)]

    def learn(self, guessed: int, stood: int) -> None:
        """So many tokens were guessed, and so many of them stood."""
        self.n_guessed += guessed
        self.n_stood += stood
        self._mean += _SHARE * (stood - self._mean)

    def _step(self, written: Sequence[int]) -> None:
        token = written[-1]
        if self._at < len(self._source) and self._source[self._at] == token:
            self._at += 1
            self._sure *= 2
            return
        length, _, place = max(
            ((self._alike(written, place), -abs(place - self._at), place) for place in self._places(written)),
            default=(0, 0, 0),
        )
        if length:
            self._at, self._sure = place + 1, _UNSURE * length
        else:  # one token stands for another: a letter was misread, a number is rounded
            self._at, self._sure = self._at + 1, _UNSURE

    def _places(self, written: Sequence[int]) -> Iterator[int]:
        """Where the last two tokens stand, anywhere, and where the last one does, near by: further away that is chance,
        above all where a token is a digit or a letter."""
        if len(written) > 1:
            yield from self._runs.get((written[-2], written[-1]), ())
        near = range(max(0, self._at - _NEAR), min(len(self._source), self._at + _NEAR + 1))
        yield from (place for place in near if self._source[place] == written[-1])

    def _alike(self, written: Sequence[int], place: int) -> int:
        """How many tokens up to that place are the last that were written."""
        most = min(_LONGEST, place + 1, len(written))
        return next((n for n in range(most) if self._source[place - n] != written[-1 - n]), most)
