"""Answers written to their ends by the steps that a batch takes, without a batch: for tests and benchmarks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from aria_docs.model.aria.decoder import Decoder
from aria_docs.model.aria.generate import CHUNK, Steps, Writing
from aria_docs.model.aria.grammar import Grammars


def answer(
    decoder: Decoder,
    writings: Sequence[Writing],
    grammars: Grammars,
    *,
    end: int,
    forbidden: Sequence[int],
    chunk: int = CHUNK,
    in_step: bool | None = None,
    on_tokens: Callable[[int], None],
) -> None:
    """Writes all answers to their ends or limits, the likeliest token each time, and reports them to `on_tokens`."""
    steps = Steps(decoder, grammars, end=end, forbidden=forbidden, chunk=chunk, in_step=in_step)
    heard = 0
    while active := [writing for writing in writings if not writing.done]:
        steps.take(active)
        total = sum(len(writing.written) for writing in writings)
        on_tokens(total - heard)
        heard = total
