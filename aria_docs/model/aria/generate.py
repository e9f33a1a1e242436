"""Contexts read once, questions answered side by side: the greedy loop over a `Decoder`. Knows no page and no text.

    prefill    contexts' tokens in chunks that may hold several contexts, or part of one; no logits
    answer     questions' tokens, then one token of every answer at a time, as one batch; on a card in lockstep

What a schema leaves no choice about is not asked of the model: it is fed along with the token before it. What an
answer probably quotes (drafting.py) is fed along too, and stands as far as the model would have said it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch

from aria_docs.errors import ModelError
from aria_docs.model.aria.cache import Prefix, Tail, TokenSpan
from aria_docs.model.aria.decoder import Decoder
from aria_docs.model.aria.drafting import Draft
from aria_docs.model.aria.grammar import Constraint, Grammars
from aria_docs.model.aria.lockstep import Lockstep

CHUNK = 4_096  # tokens of one pass: an MoE layer gathers six rows for each, 0.5 GB at Aria's width
_GUESSED = 24  # tokens of a draft checked in a pass that is not recorded: four cells of a table
_SPAN = 8  # tokens of an answer in a recorded step, guesses included: it wakes 35 of 64 experts where one wakes 6
_IN_TURN = 4  # tokens that an answer takes in one by one in lockstep; a step is 4 times as fast as an unrecorded pass


@dataclass(frozen=True, slots=True)
class ContextReading:
    """A context to be read: its ids, the features of its image tokens [images, C], and where its keys go."""

    ids: Sequence[int]
    features: torch.Tensor
    prefix: Prefix


class Writing:
    """One answer in the making.

    ids:            of the question, behind `prefix`, which has been read.
    constraint:     what it is held to; None for any tokens but `forbidden` ones.
    max_tokens:     where it is cut off.
    draft:          what it probably quotes; None to take every token from the model, one at a time.

    pending:        tokens that are written, or asked, and that the model has not taken in yet.
    guess:          tokens of the draft behind them, which the model checks in the same pass.
    written:        the answer's ids, without its end.
    ended:          whether it came to its end.
    has_numbers:    False where the network answered it with none.
    n_passes:       how many passes of the decoder it took so far.
    first_s, last_s:  time.perf_counter() at its first and last token.
    """

    def __init__(
        self,
        decoder: Decoder,
        prefix: Prefix,
        ids: Sequence[int],
        constraint: Constraint | None,
        max_tokens: int,
        *,
        draft: Draft | None = None,
    ) -> None:
        assert max_tokens > 0, max_tokens
        self.prefix, self.constraint, self._max, self._draft = prefix, constraint, max_tokens, draft
        self.tail = Tail(decoder.shape, len(ids) + max_tokens)
        self.pending, self.guess, self.written = list(ids), list[int](), list[int]()
        self.ended, self.has_numbers, self.n_passes = False, True, 0
        self._write(self._forced())
        self.first_s = self.last_s = time.perf_counter() if self.done else 0.0

    @property
    def done(self) -> bool:
        """Ended, or cut off."""
        return self.ended or len(self.written) >= self._max

    @property
    def is_broken(self) -> bool:
        """Whether an error of a step is its own, and no other answer's."""
        return not self.has_numbers or (self.constraint is not None and self.constraint.is_broken)

    @property
    def drafts(self) -> bool:
        """Whether it has guesses to be checked, now or later."""
        return self._draft is not None and not self._draft.is_off

    def guess_on(self, most: int) -> None:
        """Up to `most` tokens to check behind those pending: as many as the draft has and the grammar takes."""
        most = min(most, self._max - len(self.written))  # the tail has room for no more
        self.guess = self._draft.following(self.written, most) if self._draft and most > 0 else []
        if self.constraint is not None and self.guess:
            self.guess = self.guess[: self.constraint.accepted(self.guess)]

    def choose(self, picks: Sequence[int], end: int) -> None:
        """The model's choices: behind what was pending, and behind each token of the guess.

        A choice is what greedy decoding takes as long as all tokens before it are; the first that the guess has
        not foreseen ends that. What stands of the guess is in the tail already, what does not is written over.
        """
        guess, stands = self.guess, 0
        taken_in, self.pending, self.guess = len(self.pending), [], []
        self.last_s = time.perf_counter()
        self.first_s = self.first_s or self.last_s
        self.n_passes += 1
        while not self.done:
            before = len(self.written)
            if picks[stands] == end:
                self.ended = True
                break
            self._write([picks[stands]])
            self._write(self._forced())
            new = self.written[before:]
            agreed = _count_agreed(new, guess[stands:])
            stands += agreed
            self.pending = new[agreed:]
            if self.pending:
                break
        self.tail.advance(taken_in + stands)
        if self._draft is not None and guess:
            self._draft.learn(len(guess), stands)

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


def _count_agreed(new: Sequence[int], guess: Sequence[int]) -> int:
    """How many tokens at the start of both are the same."""
    return next(
        (at for at, (one, other) in enumerate(zip(new, guess, strict=False)) if one != other), min(len(new), len(guess))
    )


@torch.inference_mode()
def prefill(decoder: Decoder, readings: Sequence[ContextReading], *, image: int, chunk: int = CHUNK) -> Iterator[int]:
    """Reads contexts into their prefixes; yields after each chunk its number of tokens: answers may be written then."""
    taken = [0] * len(readings)  # features of each that are used up
    for stretches in chunks([len(reading.ids) for reading in readings], chunk):
        spans, hidden = [], []
        row = 0
        for number, start, stop in stretches:
            reading = readings[number]
            ids = torch.tensor(reading.ids[start:stop])
            embedded = decoder.embed(ids)
            pictures = (ids == image).to(embedded.device)
            count = int(pictures.sum())
            features = reading.features[taken[number] : taken[number] + count]
            embedded[pictures] = features.to(embedded.device, embedded.dtype)
            taken[number] += count
            hidden.append(embedded)
            spans.append(TokenSpan(slice(row, row + stop - start), reading.prefix, seen=start))
            row += stop - start
        decoder.forward(torch.cat(hidden), spans)
        yield row


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


class Steps:
    """A step of several answers at a time: what is pending of each is taken in, what is guessed is checked.

    in_step:  in lockstep where that can be; None where the decoder's device gains by it.
    """

    def __init__(
        self,
        decoder: Decoder,
        grammars: Grammars,
        *,
        end: int,
        forbidden: Sequence[int],
        chunk: int = CHUNK,
        in_step: bool | None = None,
    ) -> None:
        self._decoder, self._grammars, self._end, self._chunk = decoder, grammars, end, chunk
        self._never = torch.zeros(decoder.vocabulary, dtype=torch.bool)
        self._never[list(forbidden)] = True
        self._in_step = decoder.records if in_step is None else in_step
        self._lockstep: Lockstep | None = None

    @torch.inference_mode()
    def take(self, writings: Sequence[Writing]) -> None:
        """One step of answers that are not done. Those of one context should be neighbours: they share its keys."""
        if self._in_step and _may_be_in_step(writings, self._decoder.widest):
            self._take_in_step(writings)
            return
        for writing in writings:
            writing.guess_on(_GUESSED)
        for some in _pack(writings, self._chunk):
            self._choose(some, self._passed(some))

    def _take_in_step(self, writings: Sequence[Writing]) -> None:
        lockstep = self._lockstep
        if lockstep is None or not lockstep.serves([writing.tail for writing in writings]):
            self._lockstep = None  # lets go of its memory before the next takes some
            sequences = [(writing.prefix, writing.tail) for writing in writings]
            span = self._span(writings)
            lockstep = Lockstep(self._decoder, sequences, recorded=self._decoder.records, span=span)
            self._lockstep = lockstep
        given = []
        for writing in writings:
            writing.guess_on(lockstep.span - len(writing.pending))
            given.append((writing.tail, [*writing.pending, *writing.guess][: lockstep.span]))
        logits = lockstep.step(given)  # of every token given, one answer behind the other
        whole, rows, at = list[Writing](), list[int](), 0
        for writing, (_, tokens) in zip(writings, given, strict=True):
            if len(writing.pending) > len(tokens):  # takes in the rest with the next steps
                writing.tail.advance(len(tokens))
                del writing.pending[: len(tokens)]
            else:
                whole.append(writing)
                rows += range(at + len(writing.pending) - 1, at + len(tokens))
            at += len(tokens)
        if whole:
            self._choose(whole, logits[rows])

    def _span(self, writings: Sequence[Writing]) -> int:
        """Tokens of each answer in a recorded step: one, or a few where guesses are worth checking."""
        if not any(writing.drafts for writing in writings):
            return 1
        return max(1, min(_SPAN, self._decoder.widest // len(writings)))

    def _passed(self, writings: Sequence[Writing]) -> torch.Tensor:
        """Takes in all that is pending and guessed; logits [n, V] behind the last pending token and each guess."""
        spans, asked = list[TokenSpan](), list[int]()
        row = 0
        for writing in writings:
            count = len(writing.pending) + len(writing.guess)
            writing.tail.make_room(count)
            spans.append(TokenSpan(slice(row, row + count), writing.prefix, writing.prefix.length, writing.tail))
            row += count
            asked += range(row - len(writing.guess) - 1, row)
        ids = torch.tensor([token for writing in writings for token in (*writing.pending, *writing.guess)])
        hidden = self._decoder.forward(self._decoder.embed(ids), spans)
        return self._decoder.logits(hidden[asked])

    def _choose(self, writings: Sequence[Writing], logits: torch.Tensor) -> None:
        # On a GPU the pass is still under way while the CPU works out what may come next.
        allowed = self._grammars.allowed([(writing.constraint, writing.guess) for writing in writings]) & ~self._never
        best = logits.masked_fill(~allowed.to(logits.device), -torch.inf).max(dim=-1)
        if any(broken := best.values.isnan().tolist()):
            rows = iter(broken)
            for writing in writings:
                writing.has_numbers = not any(list(islice(rows, len(writing.guess) + 1)))
            raise ModelError("The network answers with no numbers (NaN): its weights are broken, download them again.")
        likeliest = best.indices.tolist()
        for writing in writings:
            count = len(writing.guess) + 1
            writing.choose(likeliest[:count], self._end)
            del likeliest[:count]


def _may_be_in_step(writings: Sequence[Writing], widest: int) -> bool:
    """Few enough, with so few tokens to take in that a pass for each costs less than one pass that is not recorded."""
    few = len(writings) <= widest
    return few and all(len(writing.pending) <= _IN_TURN and writing.prefix.length for writing in writings)


def _pack(writings: Sequence[Writing], size: int) -> Iterator[list[Writing]]:
    """As many together as have `size` tokens to take in, and at least one: questions may be long."""
    some: list[Writing] = []
    room = size
    for writing in writings:
        count = len(writing.pending) + len(writing.guess)
        if some and count > room:
            yield some
            some, room = [], size
        some.append(writing)
        room -= count
    if some:
        yield some
