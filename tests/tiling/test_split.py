import math

import pymupdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aria_docs.errors import Damaged
from aria_docs.tiling import split
from aria_docs.tiling.resolution import HIGH, MEDIUM, MODES, ULTRA, ULTRA_490

A4, LETTER = (595.276, 841.89), (612, 792)


@pytest.mark.parametrize(
    ("size_px", "grid", "crops", "tokens", "tokens_490"),
    [
        ((1191, 1684), (2, 3), 7, 1792, 896),  # A4 at 144 dpi
        ((1224, 1584), (2, 3), 7, 1792, 896),  # Letter
        ((1684, 1191), (3, 2), 7, 1792, 896),
        ((1920, 1080), (2, 1), 3, 768, 1152),
        ((3840, 2160), (4, 2), 9, 2304, 1152),
        ((1000, 1000), (2, 2), 5, 1280, 640),
        ((600, 2400), (1, 4), 5, 1280, 640),
        ((1, 30_000), (1, 8), 9, 2304, 1152),
        ((30_000, 1), (8, 1), 9, 2304, 1152),
        ((100_000, 100_000), (2, 2), 5, 1280, 640),  # an area past 32 bits, where the original overflows
    ],
)
def test_known_answers(size_px, grid, crops, tokens, tokens_490):
    layout = split.frame(*size_px, ULTRA)
    assert (layout.grid, layout.crops, layout.tokens) == (grid, crops, tokens)
    assert layout.at(ULTRA_490).tokens == tokens_490
    assert (layout.at(HIGH).crops, layout.at(HIGH).tokens) == (1, 256)
    assert (layout.at(MEDIUM).crops, layout.at(MEDIUM).tokens) == (1, 128)


@pytest.mark.parametrize(
    ("size_pt", "size_px", "tokens"),
    [
        (A4, (1191, 1684), 1792),
        (LETTER, (1224, 1584), 1792),
        (A4[::-1], (1684, 1191), 1792),
        ((960, 540), (1920, 1080), 768),
        ((1920, 1080), (3840, 2160), 2304),
        ((0.2, 0.2), (1, 1), 1280),
        ((14_400, 14_400), (28_800, 28_800), 1280),
    ],
)
def test_a_page_counts_at_144_dpi(size_pt, size_px, tokens):
    layout = split.page(*size_pt, ULTRA)
    assert (layout.size_px, layout.tokens) == (size_px, tokens)


@pytest.mark.parametrize(
    ("height", "grid"),
    [
        (1385, (2, 1)),  # 3.836 million pixels fill just under half of 4×2 tiles of 980
        (1386, (4, 2)),
    ],
)
def test_ties_go_by_area(height, grid):
    assert split.grid(2 * height, height, 980) == grid


def test_the_first_of_a_tie_is_kept_between_two_grids_as_near():
    assert split.grid(500, 400, 980) == (2, 2)  # 5:4 is as far from 2×2 as from 3×2
    assert split.grid(5000, 4000, 980) == (3, 2)


def test_nineteen_candidates_in_their_order():
    ratios = "1:2 1:3 1:4 1:5 1:6 1:7 1:8 2:4 2:3 2:2 2:1 3:1 3:2 4:1 4:2 5:1 6:1 7:1 8:1"
    assert " ".join(f"{columns}:{rows}" for columns, rows in split.CANDIDATES) == ratios


def test_boxes_are_the_whole_page_then_the_tiles_row_by_row():
    boxes = split.page(600, 900, ULTRA).boxes
    assert boxes == (
        *((0, 0, 600, 900), (0, 0, 300, 300), (300, 0, 600, 300)),
        *((0, 300, 300, 600), (300, 300, 600, 600), (0, 600, 300, 900), (300, 600, 600, 900)),
    )
    assert split.page(600, 900, HIGH).boxes == ((0, 0, 600, 900),)


def test_a_point_of_a_tile_is_a_point_of_the_page():
    layout = split.page(600, 900, ULTRA)  # a tile pixel is 300/980 pt wide and high, an overview pixel 900/980 pt high
    assert layout.to_page(4, 490, 98) == (450, 330)
    assert layout.to_page(0, 0, 980) == (0, 900)
    assert layout.to_crop(4, 450, 330) == (490, 98)
    assert layout.locate(450, 330) == (4, 490, 98)
    assert layout.locate(600, 900) == (6, 980, 980)  # the far corner belongs to the last tile
    assert layout.at(HIGH).locate(300, 900) == (0, 326.5, 980)


@pytest.mark.parametrize("size", [(0, 500), (500, 0), (-1, 5), (math.nan, 500), (500, math.inf)])
def test_a_page_without_area(size):
    with pytest.raises(Damaged, match=r"no area to read"):
        split.page(*size, ULTRA)


def test_a_picture_without_area():
    with pytest.raises(Damaged, match=r"0 × 720 px has no area"):
        split.frame(0, 720, MEDIUM)


@pytest.mark.parametrize("size", [A4, LETTER, (200.3, 1999.7), (7, 5), (841.89, 595.276)])
@pytest.mark.parametrize("rotation", [0, 90])
def test_mupdf_renders_exactly_the_size_asked_for(size, rotation):
    with pymupdf.open() as document:
        page = document.new_page(width=size[0], height=size[1])
        page.set_rotation(rotation)
        layout = split.page(page.rect.width, page.rect.height, ULTRA)
        at_144_dpi = page.get_pixmap(matrix=pymupdf.Matrix(2, 2))
        assert (at_144_dpi.width, at_144_dpi.height) == layout.size_px
        for mode in MODES:
            width, height = layout.at(mode).render_px
            scale = pymupdf.Matrix(width / page.rect.width, height / page.rect.height)
            rendered = page.get_pixmap(matrix=scale)
            assert (rendered.width, rendered.height) == (width, height)


edges = st.floats(0.5, 14_400)
layouts = st.builds(split.page, edges, edges, st.sampled_from([*MODES, ULTRA_490]))
bounded = settings(derandomize=True, max_examples=300, deadline=None)


@bounded
@given(layouts, st.floats(0, 1), st.floats(0, 1))
def test_every_point_of_a_page_lies_in_a_tile_that_leads_back_to_it(layout, across, down):
    x, y = across * layout.width, down * layout.height
    crop, tile_x, tile_y = layout.locate(x, y)
    limit_x, limit_y = (layout.mode.tile_px,) * 2 if crop else layout.overview_px
    assert -1e-6 <= tile_x <= limit_x + 1e-6 and -1e-6 <= tile_y <= limit_y + 1e-6
    x0, y0, x1, y1 = layout.boxes[crop]
    assert x0 - 1e-6 <= x <= x1 + 1e-6 and y0 - 1e-6 <= y <= y1 + 1e-6
    back = layout.to_page(crop, tile_x, tile_y)
    assert back == pytest.approx((x, y), abs=1e-6)


@bounded
@given(layouts, st.data())
def test_tile_to_page_to_tile_is_the_identity_within_half_a_pixel(layout, data):
    crop = data.draw(st.integers(0, layout.crops - 1))
    x, y = data.draw(st.floats(0, 979)), data.draw(st.floats(0, 979))
    assert layout.to_crop(crop, *layout.to_page(crop, x, y)) == pytest.approx((x, y), abs=1e-6)
    if crop:
        middle = layout.mode.tile_px / 2
        assert layout.locate(*layout.to_page(crop, middle, middle)) == pytest.approx((crop, middle, middle), abs=1e-6)


@bounded
@given(layouts)
def test_the_tiles_cover_the_page_once(layout):
    x0, y0, x1, y1 = zip(*layout.boxes[1:] or layout.boxes, strict=True)
    assert (min(x0), min(y0)) == (0, 0)
    assert (max(x1), max(y1)) == pytest.approx((layout.width, layout.height))
    area = sum((right - left) * (bottom - top) for left, top, right, bottom in zip(x0, y0, x1, y1, strict=True))
    assert area == pytest.approx(layout.width * layout.height)


@bounded
@given(st.integers(1, 40_000), st.integers(1, 40_000), st.sampled_from([490, 980]))
def test_no_grid_is_nearer(width, height, tile_px):
    columns, rows = split.grid(width, height, tile_px)
    distance = abs(width / height - columns / rows)
    assert distance == min(abs(width / height - c / r) for c, r in split.CANDIDATES)
