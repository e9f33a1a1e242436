"""A dialogue with pictures → the ids and labels that a step learns from. Knows the tokenizer, no weights and no file.

    <|im_start|>user\\nPage 1: <fim_prefix><|img|> × 128<fim_suffix>\\nExtract …<|im_end|>\\n<|im_start|>assistant\\n
    {"tables": …}<|im_end|>\\n                                     learnt: what the assistant says, and that it ends

The prompt's ids are those that `tokens.Tokens` gives a run for the same page and question. The answer is tokenised
apart from what stands before it, as it is generated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from aria_docs.model.aria.tokens import Tokens
from aria_docs.tiling.budget import END, IMAGE
from aria_docs.tiling.split import Layout

IGNORED = -100  # torch's own default of a label that counts for nothing


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side says: texts, and layouts where pictures stand."""

    role: Literal["user", "assistant"]
    content: tuple[str | Layout, ...]


@dataclass(frozen=True, slots=True)
class Lesson:
    """ids of the whole dialogue, and for each the label to be predicted for it: IGNORED, or the id itself."""

    ids: tuple[int, ...]
    labels: tuple[int, ...]

    @property
    def learnt(self) -> int:
        """How many tokens are learnt."""
        return sum(label != IGNORED for label in self.labels)


def lesson(tokens: Tokens, turns: Sequence[Turn]) -> Lesson:
    """Raises ModelError where a text holds a token that the network has no embedding for."""
    ids: list[int] = []
    labels: list[int] = []
    prompt = ""
    for turn in turns:
        prompt += f"<|im_start|>{turn.role}\n"
        if turn.role == "user":
            prompt += "".join(map(_write, turn.content)) + f"{END}\n"
            continue
        asked, prompt = tokens.ids(prompt), ""
        said = [*tokens.ids("".join(map(_write, turn.content))), *tokens.ids(END), *tokens.ids("\n")]
        ids += asked + said
        labels += [IGNORED] * len(asked) + said
    return Lesson(tuple(ids), tuple(labels))


def _write(piece: str | Layout) -> str:
    return piece if isinstance(piece, str) else f"<fim_prefix>{IMAGE * piece.tokens}<fim_suffix>"
