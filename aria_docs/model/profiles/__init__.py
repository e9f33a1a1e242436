"""What has to be known of a model to show it something: a small file for each kind of model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from aria_docs.tiling.budget import MAX_FRAMES, WINDOW
from aria_docs.tiling.resolution import Mode
from aria_docs.tiling.split import Layout


@dataclass(frozen=True, slots=True)
class Profile:
    """One kind of model.

    modes:         the resolutions of the command line for it: medium, high and ultra, sharpest first.
    image_tokens:  what a page or frame costs in the window, markers between its crops counted, its label not.
    context:       tokens that prompt and answer may have together.
    max_images:    crops in one context, None for any number.
    max_frames:    of one video.
    stop:          strings that end an answer, beyond the server's own.
    boxes:         what numbers of a box count: thousandths of the page's width and height, or pixels of the first crop.
    encoded:       how crops are handed over: as pixels, or as files of that kind.
    """

    name: str
    modes: tuple[Mode, ...]
    image_tokens: Callable[[Layout], int]
    context: int = WINDOW
    max_images: int | None = None
    max_frames: int = MAX_FRAMES
    stop: tuple[str, ...] = ()
    boxes: Literal["thousandths", "pixels"] = "thousandths"
    encoded: Literal["pixels", "jpeg", "png"] = "pixels"

    def mode(self, name: str) -> Mode:
        """The mode of that name."""
        return next(mode for mode in self.modes if mode.name == name)
