"""What has to be known of a model to show it something: a small file for each kind of model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Literal

from aria_docs.errors import UsageError
from aria_docs.tiling.budget import ANSWER_TOKENS, MAX_FRAMES, WINDOW, Budget, Count, ImageTokens, upper_bound
from aria_docs.tiling.resolution import Mode, Size
from aria_docs.tiling.split import Layout

OVERVIEW_PX = attrgetter("overview_px")


@dataclass(frozen=True, slots=True)
class Profile:
    """One kind of model.

    name:          as `--profile` takes it.
    modes:         its resolutions, as the command line names them, sharpest first; the last one is for frames.
    image_tokens:  what a page or frame costs in the window, markers between its crops counted, its label not.
    context:       tokens that prompt and answer may have together.
    max_images:    crops in one context, None for any number.
    max_frames:    of one video.
    stop:          strings that end an answer, beyond the server's own.
    boxes:         what numbers of a box count: thousandths of the page's width and height, or pixels of the first crop.
    encoded:       how crops are handed over: as pixels, or as files of that kind.
    seen_px:       (width, height) of a layout's first crop as the model sees it, after a server's own resizing.
    """

    name: str
    modes: tuple[Mode, ...]
    image_tokens: ImageTokens
    context: int = WINDOW
    max_images: int | None = None
    max_frames: int = MAX_FRAMES
    stop: tuple[str, ...] = ()
    boxes: Literal["thousandths", "pixels"] = "thousandths"
    encoded: Literal["pixels", "jpeg", "png"] = "pixels"
    seen_px: Callable[[Layout], Size] = OVERVIEW_PX

    def mode(self, name: str) -> Mode:
        """The mode of that name; UsageError where the model has none."""
        for mode in self.modes:
            if mode.name == name:
                return mode
        names = " or ".join(mode.name for mode in self.modes)
        raise UsageError(f"A model with the profile {self.name} has no {name} resolution: take {names}.")

    def box_edges(self, layout: Layout) -> Size:
        """What the numbers of a box count up to at the right and bottom edge of a page with that layout."""
        return (1000, 1000) if self.boxes == "thousandths" else self.seen_px(layout)

    def budget(self, question: str, *, answer: int = ANSWER_TOKENS, count: Count = upper_bound) -> Budget:
        """The room there is in this model's window beside that question and an answer of so many tokens."""
        return Budget(
            question,
            answer=answer,
            limit=self.context,
            count=count,
            image_tokens=self.image_tokens,
            max_frames=self.max_frames,
            max_images=self.max_images,
            modes=self.modes,
        )
