"""The seam to a vision-language model: contexts that it is shown, and questions that are asked of them.

Two sides implement it, Aria on this machine (`aria/`) and any server (`remote.py`), and pass one contract test. Knows
no file, no store, and not what the questions are about: that is `chat.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from aria_docs.model.profiles import Profile
from aria_docs.tiling.budget import ContextImage
from aria_docs.tiling.pixels import Crop


@dataclass(frozen=True, slots=True)
class Encoded:
    """A crop as the bytes of a picture file, as servers want it: made once, in the child that made the crop.

    media_type:     image/jpeg | image/png.
    width, height:  in pixels.
    """

    data: bytes
    media_type: str
    width: int
    height: int

    def __repr__(self) -> str:
        return f"Encoded({self.width}×{self.height} px, {self.media_type}, {len(self.data):,} bytes)"


@dataclass(frozen=True, slots=True)
class Shown:
    """One page or frame as a model is shown it.

    part:   its label and layout.
    crops:  as many as the layout has, the overview first: all `Crop` for a model that takes pixels, all `Encoded` for
            one that takes pictures (`Profile.encoded`).
    key:    names what the crops show (content, page or time, mode), for a cache of features.
    """

    part: ContextImage
    crops: tuple[Crop, ...] | tuple[Encoded, ...]
    key: str


@dataclass(frozen=True, slots=True)
class Question:
    """One question, asked after everything that is shown.

    schema:      the JSON schema, as text, that the answer is constrained to while it is decoded.
    max_tokens:  where an answer is cut off.
    quoted:      text that the answer probably repeats, in its form where that can be: a model may guess from it what
                 comes next, which changes no answer. Empty if unknown.
    """

    text: str
    schema: str
    max_tokens: int
    quoted: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model said, and what that took; None where it cannot be known.

    ended:          False where the answer was cut off at max_tokens.
    input_tokens:   of the whole prompt, context included, also where its cache was reused.
    prefill_s:      until the first token; of a context's first question with the context, of the others without.
    decode_s:       from the first token to the last.
    peak_bytes:     the most memory of the device, since the context was opened.
    """

    text: str
    ended: bool
    input_tokens: int | None = None
    output_tokens: int | None = None
    prefill_s: float | None = None
    decode_s: float | None = None
    peak_bytes: int | None = None


class Context(Protocol):
    """Pages or frames in a model's window. Several questions may be asked of it, in any order; none sees another."""

    def close(self) -> None:
        """Gives back what the model holds of it. Harmless when done twice."""


class ChatModel(Protocol):
    """A model that looks at pictures and answers in JSON.

    name:      of the engine it makes: aria | remote.
    profile:   what has to be known to show it something.
    model:     which weights, for a recipe; revision: which state of them, None if unknown.
    lanes:     how many threads may be in `ask` at once.
    unreachable:  why servers that were named are left out, a sentence each.
    """

    name: str
    profile: Profile
    model: str
    revision: str | None
    lanes: int
    unreachable: tuple[str, ...]

    def count(self, text: str) -> int:
        """Tokens of a text, special ones recognised; an upper bound where the tokenizer is not at hand."""

    def open(self, shown: Sequence[Shown]) -> Context:
        """A context of these pages or frames. It costs nothing until the first question. Raises BudgetError."""

    def ask(
        self, asked: Sequence[tuple[Context, Question]], *, on_tokens: Callable[[int], None] = lambda _: None
    ) -> list[Reply]:
        """A reply to each question, in their order. Contexts may differ or be the same.

        May be called from many threads at once: what they ask is answered side by side.

        on_tokens:  how many more tokens have been decoded, now and then; also the sign that the work goes on.

        Raises ModelError where the model could not be run on these, EngineError where it cannot be run at all.
        """

    def close(self) -> None:
        """Gives everything back. May be called from another thread: what is in `ask` then ends with ModelError soon."""
