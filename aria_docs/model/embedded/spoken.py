"""SUBTITLES → SENTENCES. What is said, and the second at which each sentence begins."""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

from aria_docs.model.embedded.sentences import ends_sentence, is_unspaced, split

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aria_docs.media import Cue

_PAUSE_S = 2.0
# What goes on for longer without a full stop is cut where a subtitle ends: a sentence nobody would quote, and captions
# that speech recognition wrote without any.
_MAX_CHARS, _MAX_UNPUNCTUATED_CHARS = 300, 80

# "[Music]", "(door slams)" alone, "♪ … ♪"; the dashes and arrows that mark who speaks.
_SOUND = re.compile(r"\[[^\[\]]*\]|♪[^♪]*(?:♪|$)|^\s*\([^()]*\)\s*$")
_SPEAKER = re.compile(r"^\s*(?:[-–]\s?|>>\s?)|(?<=[.?!…] )(?:[-–]|>>)\s?")


def cue_sentences(cues: Sequence[Cue]) -> list[tuple[str, float]]:
    """What subtitles say: sentences, and the start of the subtitle that each begins in.

    Sound notes and the marks of a dialogue are left out, and so are words that the subtitle before ended on: captions
    that roll up say everything twice.
    """
    spoken = list(_read_subtitles(cues))
    punctuated = sum(ends_sentence(text) for text, _, _ in spoken) * 8 >= len(spoken)
    limit = _MAX_CHARS if punctuated else _MAX_UNPUNCTUATED_CHARS
    found: list[tuple[str, float]] = []
    stretch: list[tuple[str, float]] = []
    without_stop = 0
    for i, (text, start_s, end_s) in enumerate(spoken):
        stretch.append((text, start_s))
        without_stop = len(text) if len(split(text)) > 1 else 0 if ends_sentence(text) else without_stop + len(text)
        pause = i + 1 == len(spoken) or (spoken[i + 1][1] - end_s > _PAUSE_S and not spoken[i + 1][0][:1].islower())
        if pause or without_stop >= limit:
            found += _sentence_times(stretch)
            stretch, without_stop = [], 0
    # "Yes." says nothing beside sentences, and is all there is where there are none.
    return [item for item in found if len(item[0]) >= (6 if is_unspaced(item[0]) else 12)] or found


def _read_subtitles(cues: Sequence[Cue]) -> Iterator[tuple[str, float, float]]:
    """The words of each subtitle that has some, with its times."""
    before: list[str] = []
    for cue in cues:
        words = _SPEAKER.sub("", _SOUND.sub(" ", cue.text)).split()
        # Three words in a row are no coincidence, nor is the whole of a shorter subtitle.
        longest_first = range(min(len(before), len(words)), 0, -1)
        again = next((n for n in longest_first if before[-n:] == words[:n] and n >= min(3, len(before))), 0)
        before = words or before
        text = " ".join(words[again:])
        if any(c.isalnum() for c in text):
            yield text, cue.start_s, cue.end_s


def _sentence_times(stretch: Sequence[tuple[str, float]]) -> Iterator[tuple[str, float]]:
    """The sentences of subtitles that read on, each with the start of the subtitle that its first character is in."""
    texts = [text for text, _ in stretch]
    begins = list(accumulate((len(text) + 1 for text in texts), initial=0))
    whole, at = " ".join(texts), 0
    for sentence in split(whole):
        at = whole.index(sentence, at)
        yield sentence, stretch[bisect_right(begins, at) - 1][1]
        at += len(sentence)
