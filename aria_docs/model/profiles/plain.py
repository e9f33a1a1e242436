"""Any other model that looks at pictures: one picture a page, counted dear.

What it costs is not known, so it is counted as in the dearest models that are served widely: a token for each begun
16-px patch and one for the end of each row (Pixtral: patch_size 16 and no merging in the published
processor_config.json, `[IMG_BREAK]` after a row). Where a model takes less, its window holds more than is asked of it
and nothing breaks.
"""

from aria_docs.model.profiles import Profile
from aria_docs.tiling.resolution import Mode
from aria_docs.tiling.split import Layout

PATCH_PX = 16

MODES = tuple(
    Mode(name, px, (px // PATCH_PX) * (px // PATCH_PX + 1))
    for name, px in (("ultra", 1536), ("high", 1024), ("medium", 608))
)


def image_tokens(layout: Layout) -> int:
    """A token for each begun patch of 16 px, and one for each row of them."""
    columns, rows = (-(-edge // PATCH_PX) for edge in layout.overview_px)
    return rows * (columns + 1)


PLAIN = Profile(
    name="plain",
    modes=MODES,
    image_tokens=image_tokens,
    context=32_768,  # where the server does not say
    encoded="jpeg",
)
