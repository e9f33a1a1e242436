"""Which token may come next, so that an answer is JSON of its schema: llguidance, in Rust, under a millisecond a token.

The only llguidance import. Compact JSON: no blanks between values, or a model could write them for ever. The schema
should forbid extra keys and bound its lists and strings, or there is no last token either: `schemas/answers.py`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from llguidance import LLMatcher, LLTokenizer
from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask
from numpy.typing import NDArray

from aria_docs.errors import EngineError, ModelError
from aria_docs.model.aria.tokens import Tokens


class Grammars:
    """Makes constraints for one tokenizer. Building it takes about a second, a first constraint milliseconds."""

    def __init__(self, tokens: Tokens) -> None:
        backend = tokens.tokenizer.backend_tokenizer
        self._tokenizer = LLTokenizer(_within(backend.to_str(), tokens.vocabulary), tokens.vocabulary, tokens.end)
        self.vocabulary = tokens.vocabulary
        self._compiled: dict[str, LLMatcher] = {}

    def constraint(self, schema: str) -> Constraint:
        """A new answer by a JSON schema; EngineError where the schema is not one, or has what llguidance lacks."""
        if schema not in self._compiled:
            try:
                grammar = LLMatcher.grammar_from_json_schema(schema, overrides={"whitespace_flexible": False})
            except ValueError as e:
                raise EngineError(f"The answer's schema is not JSON ({e}): correct it.") from e
            matcher = LLMatcher(self._tokenizer, grammar, log_level=0)
            if matcher.is_error():
                why = _one_line(matcher.get_error())
                raise EngineError(f"No answer can be held to this schema ({why}): take a simpler model.")
            self._compiled[schema] = matcher
        return Constraint(self._compiled[schema].deep_copy())

    def allowed(self, answers: Sequence[tuple[Constraint | None, Sequence[int]]]) -> torch.Tensor:
        """Which tokens may come next in answers, and behind each token of their guesses, which fit their forms.

        bool [rows, vocabulary] on the CPU, a row and one for each guessed token of every answer; any where there is
        no constraint.
        """
        rows = sum(1 + len(guess) for _, guess in answers)
        bits = allocate_token_bitmask(rows, self.vocabulary)  # 32 tokens in each number, all allowed
        row = 0
        for constraint, guess in answers:
            if constraint is not None:
                constraint.fill(bits, row, guess)
            row += 1 + len(guess)
        flags = np.unpackbits(bits.view(np.uint8), axis=1, count=self.vocabulary, bitorder="little")
        return torch.from_numpy(flags.view(np.bool_))


def _within(tokenizer: str, vocabulary: int) -> str:
    """A tokenizer's JSON without the added tokens that the network has no embedding for: llguidance refuses those."""
    content: dict[str, Any] = json.loads(tokenizer)
    content["added_tokens"] = [token for token in content["added_tokens"] if token["id"] < vocabulary]
    return json.dumps(content)


def _one_line(error: str) -> str:
    return " ".join(error.split())[:200]


class Constraint:
    """One answer as far as it is written."""

    def __init__(self, matcher: LLMatcher) -> None:
        self._matcher = matcher

    @property
    def complete(self) -> bool:
        """Nothing can follow."""
        return bool(self._matcher.is_stopped())

    @property
    def is_broken(self) -> bool:
        """Nothing can be asked of it any more: what it raised is its own answer's."""
        return bool(self._matcher.is_error())

    def fill(self, bits: NDArray[np.int32], row: int, guess: Sequence[int] = ()) -> None:
        """The tokens that may come next, as bits of that row, and behind each of the guess, of the rows after it."""
        fill_next_token_bitmask(self._matcher, bits, row)
        taken = 0
        for token in guess:
            self._matcher.consume_tokens([token])
            taken += 1
            if self._matcher.is_stopped():
                break  # nothing follows, and nobody asks what does
            fill_next_token_bitmask(self._matcher, bits, row + taken)
        if taken:
            self._matcher.rollback(taken)
        self._check()

    def accepted(self, ids: Sequence[int]) -> int:
        """How many of these tokens, from the first on, may come next."""
        count = int(self._matcher.validate_tokens(list(ids)))
        self._check()
        return count

    def forced(self) -> list[int]:
        """The tokens that must come next, as the tokenizer would write them: keys, quotes and brackets. May be none."""
        found: list[int] = self._matcher.compute_ff_tokens()
        self._check()
        return found

    def take(self, ids: Sequence[int]) -> None:
        """These tokens were written."""
        self._matcher.consume_tokens(list(ids))
        self._check()

    def _check(self) -> None:
        if self.is_broken:
            why = _one_line(self._matcher.get_error())
            raise ModelError(f"The answer cannot be held to its schema any longer ({why}): take a simpler one.")
