"""Text ↔ tokens: the prompt of `tiling/budget.py` as ids, cut where the question begins. Knows no weights.

    <|im_start|>user\\nPage 1: <fim_prefix><|img|> × 1,792      the prefix: the same for every question of a context
    <fim_suffix>\\nWhich tables …?<|im_end|>\\n<|im_start|>assistant\\n                                the question

Every id that goes into the network is one that its embedding has: some revisions of Aria's tokenizer number `<pad>`
and others beyond it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from aria_docs.errors import EngineError, ModelError
from aria_docs.tiling.budget import END, IMAGE, ContextImage, prompt

_IMAGES = re.compile(f"((?:{re.escape(IMAGE)})+)")


class Tokens:
    """Aria's tokenizer, for a network with `vocabulary` embeddings and the image token `image`.

    end:        the id that ends an answer; it is no EOS of the tokenizer, and skip_special_tokens leaves it in.
    forbidden:  ids that are never part of an answer: all special ones but the end.

    Raises EngineError where the image token or the end of an answer is not what the network was trained with.
    """

    def __init__(self, tokenizer: Any, *, vocabulary: int, image: int) -> None:
        self.tokenizer, self.vocabulary, self.image = tokenizer, vocabulary, image
        known = tokenizer.get_vocab()
        if known.get(IMAGE) != image:
            raise EngineError(
                f"The tokenizer gives {IMAGE} the id {known.get(IMAGE)} and the network expects {image}: take the "
                f"tokenizer that belongs to these weights."
            )
        self.end = int(known.get(END, vocabulary))
        if self.end >= vocabulary:
            raise EngineError(
                f"The tokenizer gives {END} the id {known.get(END)}, outside the {vocabulary:,} of the network: take "
                f"the tokenizer that belongs to these weights."
            )
        special = set(tokenizer.all_special_ids) | {
            number for number, token in tokenizer.added_tokens_decoder.items() if token.special
        }
        self._never = special | {number for number in known.values() if number >= vocabulary}
        self.forbidden = sorted(number for number in special - {self.end} if number < vocabulary)

    def count(self, text: str) -> int:
        """How many tokens a text has, special ones recognised, none added."""
        return sum(len(run) for run in self._runs(text))

    def likely(self, quoted: str) -> list[int]:
        """The tokens of a text that an answer may quote: without those that no answer can have."""
        return [number for run in self._runs(quoted) for number in run if number not in self._never]

    def ids(self, text: str) -> list[int]:
        """The tokens of a text; ModelError where one of them is outside the network's embedding."""
        found = [number for run in self._runs(text) for number in run]
        if found and max(found) >= self.vocabulary:
            token = self.tokenizer.convert_ids_to_tokens(max(found))
            raise ModelError(
                f"The text contains {token!r}, id {max(found)}, outside the {self.vocabulary:,} tokens of the network: "
                f"leave it out."
            )
        return found

    def prefix(self, parts: Sequence[ContextImage]) -> list[int]:
        """What is the same for every question of a context: all up to its last image token."""
        found = self.ids(_prefix(parts))
        self._check(found, sum(part.layout.tokens for part in parts), "A label")
        return found

    def question(self, parts: Sequence[ContextImage], text: str) -> list[int]:
        """What follows the prefix of these parts: the question, and the opening of the answer."""
        found = self.ids(prompt(parts[:1], text)[len(_prefix(parts[:1])) :])
        self._check(found, 0, "The question")
        return found

    def text(self, ids: Sequence[int]) -> str:
        """The text of an answer."""
        return str(self.tokenizer.decode(list(ids), clean_up_tokenization_spaces=False))

    def _runs(self, text: str) -> list[list[int]]:
        """The ids of a text run by run; a page's 1,792 image tokens are not sent through the tokenizer."""
        pieces = [piece for piece in _IMAGES.split(text) if piece]
        return [
            [self.image] * (len(piece) // len(IMAGE))
            if piece.startswith(IMAGE)
            else self.tokenizer(piece, add_special_tokens=False)["input_ids"]
            for piece in pieces
        ]

    def _check(self, ids: Sequence[int], images: int, where: str) -> None:
        if ids.count(self.image) != images:
            raise ModelError(f"{where} contains {IMAGE}, which stands for pictures only: leave it out.")


def _prefix(parts: Sequence[ContextImage]) -> str:
    text = prompt(parts, "")
    return text[: text.rindex(IMAGE) + len(IMAGE)]
