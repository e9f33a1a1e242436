"""Qwen-VL: one picture of any size, paid by its area; nothing is cut here.

A picture is resized to whole squares of 28 px (Qwen2-VL, Qwen2.5-VL: 14-px patches, merged 2×2) or 32 px (Qwen3-VL and
later: 16-px patches), each of which is one token, between `<|vision_start|>` and `<|vision_end|>`: `smart_resize` in
transformers' models/qwen2_vl/image_processing_qwen2_vl.py; patch, merge and least and largest areas from the published
preprocessor_config.json (3,136 and 12,845,056 px; 65,536 and 16,777,216 px). A server may lower the largest: then a
page costs less than is counted here.

Boxes: Qwen2-VL counts thousandths, Qwen2.5-VL pixels of the resized picture (issues QwenLM/Qwen3-VL#676 and #866),
Qwen3-VL and later thousandths again (#1486). Windows: max_position_embeddings of the published config.json, 32,768 for
Qwen2-VL, 128,000 for Qwen2.5-VL, 262,144 for Qwen3-VL.
"""

import math
from collections.abc import Callable

from aria_docs.model.profiles import Profile
from aria_docs.tiling.resolution import Mode, Size
from aria_docs.tiling.split import Layout

# Edges are multiples of 28 and of 32. An A4 page takes 4,560, 1,632 and 408 tokens of 28 px.
MODES = tuple(Mode(name, px, (px // 28) ** 2) for name, px in (("ultra", 2240), ("high", 1344), ("medium", 672)))


def resize(size: Size, square_px: int, least_px: int, largest_px: int) -> Size:
    """(width, height) of a picture as the model sees it: whole squares, its area within bounds, about its shape.

    The arithmetic is that of `smart_resize`, Python's rounding of halves included.
    """
    width, height = size
    across, down = (round(edge / square_px) * square_px for edge in size)
    if across * down > largest_px:
        scale = math.sqrt(width * height / largest_px)
        across, down = (max(square_px, math.floor(edge / scale / square_px) * square_px) for edge in size)
    elif across * down < least_px:
        scale = math.sqrt(least_px / (width * height))
        across, down = (math.ceil(edge * scale / square_px) * square_px for edge in size)
    return across, down


def _size_seen(square_px: int, least_px: int, largest_px: int) -> Callable[[Layout], Size]:
    return lambda layout: resize(layout.overview_px, square_px, least_px, largest_px)


def _tokens(square_px: int, seen_px: Callable[[Layout], Size]) -> Callable[[Layout], int]:
    return lambda layout: math.prod(edge // square_px for edge in seen_px(layout))


_SEEN_28, _SEEN_32 = _size_seen(28, 3_136, 12_845_056), _size_seen(32, 65_536, 16_777_216)

QWEN2_VL = Profile(
    name="qwen2-vl",
    modes=MODES,
    image_tokens=_tokens(28, _SEEN_28),
    context=32_768,
    encoded="jpeg",
    seen_px=_SEEN_28,
)
QWEN2_5_VL = Profile(
    name="qwen2.5-vl",
    modes=MODES,
    image_tokens=_tokens(28, _SEEN_28),
    context=128_000,
    boxes="pixels",
    encoded="jpeg",
    seen_px=_SEEN_28,
)
QWEN3_VL = Profile(
    name="qwen3-vl",
    modes=MODES,
    image_tokens=_tokens(32, _SEEN_32),
    context=262_144,
    encoded="jpeg",
    seen_px=_SEEN_32,
)
