"""Aria on this machine: its own three modes, all crops of a page inside one pair of markers."""

from aria_docs.model.profiles import Profile
from aria_docs.tiling.resolution import MODES

ARIA = Profile(name="aria", modes=MODES, image_tokens=lambda layout: layout.tokens)
