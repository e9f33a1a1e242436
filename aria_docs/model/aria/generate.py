"""Contexts read once, questions answered side by side: the greedy loop over a `Decoder`. Knows no page and no text.

    prefill    contexts' tokens in chunks that may hold several contexts, or part of one; no logits
    answer     questions' tokens, then one token of every answer at a time, as one batch; on a card in lockstep

What a schema leaves no choice about is not asked of the model: it is fed along with the token before it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from aria_docs.model.aria.cache import Prefix, Span, Tail
from aria_docs.model.aria.decoder import Decoder
from aria_docs.model.aria.experts import FEW_TOKENS
from aria_docs.model.aria.grammar import Constraint, Grammars
from aria_docs.model.aria.lockstep import Lockstep

CHUNK = 4_096  # tokens of one pass: an MoE layer gathers six rows for each, 0.5 GB at Aria's width
_IN_TURN = 4  # tokens that an answer takes in one by one in lockstep; a step is 4 times as fast as an unrecorded pass


@dataclass(frozen=True, slots=True)
class Reading:
    """A context to be read: its ids, the features of its image tokens [images, C], and where its keys go."""

    ids: Sequence[int]
    features: torch.Tensor
    prefix: Prefix


class Writing:
    """One answer in the making.

    ids:            of the question, behind `prefix`, which has been read.
    constraint:     what it is held to; None for any tokens but `forbidden` ones.
    max_tokens:     where it is cut off.

    written:        the answer's ids, without its end.
    ended:          whether it came to its end.
    first_s, last_s:  time.perf_counter() at its first and last token.
    """

    def __init__(
        self, decoder: Decoder, prefix: Prefix, ids: Sequence[int], constraint: Constraint | None, max_tokens: int
    ) -> None:
        assert max_tokens > 0, max_tokens
        self.prefix, self.constraint, self._max = prefix, constraint, max_tokens
        self.tail = Tail(decoder.shape, len(ids) + max_tokens)
        self.pending, self.written = list(ids), list[int]()
        self.ended = False
        self._write(self._forced())
        self.first_s = self.last_s = time.perf_counter() if self.done else 0.0

    @property
    def done(self) -> bool:
        """Ended, or cut off."""
        return self.ended or len(self.written) >= self._max

    def choose(self, token: int, end: int) -> None:
        """The model's choice, and what follows from it without one."""
        self.last_s = time.perf_counter()
        self.first_s = self.first_s or self.last_s
        self.pending = []
        if token == end:
            self.ended = True
            return
        self._write([token])
        self._write(self._forced())

    def _forced(self) -> list[int]:
        if self.constraint is None or self.done:
            return []
        return self.constraint.forced()[: self._max - len(self.written)]

    def _write(self, ids: list[int]) -> None:
        self.pending += ids
        self.written += ids
        if self.constraint is not None and ids:
            self.constraint.take(ids)
            self.ended = self.constraint.complete


@torch.inference_mode()
def prefill(
    decoder: Decoder, readings: Sequence[Reading], *, image: int, chunk: int = CHUNK, told: Callable[[int], None]
) -> None:
    """Reads contexts into their prefixes, `chunk` tokens at a time. `told` is called with 0 after each chunk."""
    taken = [0] * len(readings)  # features of each that are used up
    for stretches in chunks([len(reading.ids) for reading in readings], chunk):
        spans, hidden = [], []
        row = 0
        for number, start, stop in stretches:
            reading = readings[number]
            ids = torch.tensor(reading.ids[start:stop])
            embedded = decoder.embedded(ids)
            pictures = (ids == image).to(embedded.device)
            count = int(pictures.sum())
            features = reading.features[taken[number] : taken[number] + count]
            embedded[pictures] = features.to(embedded.device, embedded.dtype)
            taken[number] += count
            hidden.append(embedded)
            spans.append(Span(slice(row, row + stop - start), reading.prefix, seen=start))
            row += stop - start
        decoder.forward(torch.cat(hidden), spans)
        told(0)


def chunks(lengths: Sequence[int], size: int) -> Iterator[list[tuple[int, int, int]]]:
    """Sequences of those lengths one behind the other, cut every `size` tokens: of each chunk (sequence, start, stop).

    lengths 3, 5, size 4:  [(0, 0, 3), (1, 0, 1)], [(1, 1, 5)]
    """
    chunk: list[tuple[int, int, int]] = []
    room = size
    for number, length in enumerate(lengths):
        start = 0
        while start < length:
            stop = min(start + room, length)
            chunk.append((number, start, stop))
            room -= stop - start
            start = stop
            if room == 0:
                yield chunk
                chunk, room = [], size
    if chunk:
        yield chunk


@torch.inference_mode()
def answer(
    decoder: Decoder,
    writings: Sequence[Writing],
    grammars: Grammars,
    *,
    end: int,
    forbidden: Sequence[int],
    chunk: int = CHUNK,
    in_step: bool | None = None,
    told: Callable[[int], None],
) -> None:
    """Writes all answers to their ends or limits, the likeliest token each time. `told` hears of tokens as they come.

    Writings of one context should be neighbours: their queries then read its keys together.

    in_step:  in lockstep where that can be; None where the decoder's device gains by it.
    """
    never = torch.zeros(decoder.vocabulary, dtype=torch.bool)
    never[list(forbidden)] = True
    in_step = decoder.records if in_step is None else in_step
    lockstep: Lockstep | None = None
    heard = 0
    while active := [writing for writing in writings if not writing.done]:
        if in_step and _may_be_in_step(active):
            tails = [writing.tail for writing in active]
            if lockstep is None or not lockstep.serves(tails):
                lockstep = None  # lets go of its memory before the next takes some
                sequences = [(writing.prefix, writing.tail) for writing in active]
                lockstep = Lockstep(decoder, sequences, recorded=decoder.records)
            logits = lockstep.step([(writing.tail, writing.pending.pop(0)) for writing in active])
            if rows := [row for row, writing in enumerate(active) if not writing.pending]:
                _choose([active[row] for row in rows], logits[rows], grammars, end, never)
        else:
            for some in _packed(active, chunk):
                _choose(some, _passed(decoder, some), grammars, end, never)
        total = sum(len(writing.written) for writing in writings)
        told(total - heard)
        heard = total


def _may_be_in_step(writings: Sequence[Writing]) -> bool:
    """Few enough, with so few tokens to take in that a pass for each costs less than one pass that is not recorded."""
    few = len(writings) <= FEW_TOKENS
    return few and all(len(writing.pending) <= _IN_TURN and writing.prefix.length for writing in writings)


def _packed(writings: Sequence[Writing], size: int) -> Iterator[list[Writing]]:
    """As many together as have `size` pending tokens, and at least one: questions may be long."""
    some: list[Writing] = []
    for writing in writings:
        if some and sum(len(one.pending) for one in [*some, writing]) > size:
            yield some
            some = []
        some.append(writing)
    if some:
        yield some


def _passed(decoder: Decoder, writings: Sequence[Writing]) -> torch.Tensor:
    """Takes in all that is pending; logits [writings, V] of what follows."""
    spans, lasts = [], []
    row = 0
    for writing in writings:
        count = len(writing.pending)
        writing.tail.make_room(count)
        spans.append(Span(slice(row, row + count), writing.prefix, writing.prefix.length, writing.tail))
        row += count
        lasts.append(row - 1)
    ids = torch.tensor([number for writing in writings for number in writing.pending])
    hidden = decoder.forward(decoder.embedded(ids), spans)
    for writing in writings:
        writing.tail.advance(len(writing.pending))
    return decoder.logits(hidden[lasts])


def _choose(
    writings: Sequence[Writing], logits: torch.Tensor, grammars: Grammars, end: int, never: torch.Tensor
) -> None:
    # On a GPU the pass is still under way while the CPU works out what may come next.
    allowed = grammars.allowed([writing.constraint for writing in writings]) & ~never
    logits = logits.masked_fill(~allowed.to(logits.device), -torch.inf)
    for writing, token in zip(writings, logits.argmax(dim=-1).tolist(), strict=True):
        writing.choose(token, end)
