"""InternVL (1.5 to 3.5): the server cuts a picture into up to 12 tiles of 448 px; nothing is cut here.

Of the grids with at most 12 tiles the one of the nearest shape is taken, and a thumbnail of the whole is added where
that is more than one. Each is 256 tokens (448 px in 14-px patches, a quarter of them kept), between one `<img>` and one
`</img>`: `calculate_internvl_targets` in vllm/transformers_utils/processors/internvl.py, 0.32; force_image_size,
max_dynamic_patch, use_thumbnail and downsample_ratio of the published config.json. So a page costs about the same in
each mode, an A4 page 6 tiles and a thumbnail; a 16:9 frame costs 2 and a thumbnail as long as it is small.

Boxes are thousandths (InternVL's documentation, "Grounding / Detection Data"; issue OpenGVLab/InternVL#1016). The
window is that of the 3.5 models' config.json, max_position_embeddings 40,960; a server says where it holds less.
"""

from aria_docs.model.profiles import Profile
from aria_docs.tiling.resolution import Mode, Size
from aria_docs.tiling.split import Layout

TILE_PX, TILE_TOKENS, MAX_TILES = 448, 256, 12

# The medium one is small enough for the smaller of two grids of the same shape, and no 16:9 frame is stretched in it.
MODES = tuple(Mode(name, px, TILE_TOKENS) for name, px in (("ultra", 1792), ("high", 1344), ("medium", 672)))

_GRIDS = sorted(
    ((across, down) for across in range(1, MAX_TILES + 1) for down in range(1, MAX_TILES // across + 1)),
    key=lambda grid: grid[0] * grid[1],
)


def grid(size: Size) -> Size:
    """(columns, rows) of the tiles for a picture of that size in pixels.

    Where two grids are as near, the later one is taken if the picture fills more than half of it.
    """
    width, height = size
    nearest, best = float("inf"), (1, 1)
    for columns, rows in _GRIDS:
        distance = abs(width / height - columns / rows)
        fills_half = width * height > 0.5 * TILE_PX**2 * columns * rows
        if distance < nearest or (distance == nearest and fills_half):
            nearest, best = distance, (columns, rows)
    return best


def image_tokens(layout: Layout) -> int:
    """256 for each tile, and for the thumbnail where there are several."""
    columns, rows = grid(layout.overview_px)
    tiles = columns * rows
    return TILE_TOKENS * (tiles + 1 if tiles > 1 else 1)


INTERNVL = Profile(
    name="internvl",
    modes=MODES,
    image_tokens=image_tokens,
    context=40_960,
    encoded="jpeg",
)
