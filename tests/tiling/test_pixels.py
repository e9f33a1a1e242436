"""Crops against the original rule in plain PIL; then any kind of picture to RGB."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from aria_docs.errors import Damaged
from aria_docs.tiling import pixels, split
from aria_docs.tiling.resolution import HIGH, MEDIUM, ULTRA, ULTRA_490


def printed(width, height, background="white"):
    """A picture of lines of small print and ruled boxes, as a page, slide or receipt has them."""
    image = Image.new("RGB", (width, height), background)
    draw = ImageDraw.Draw(image)
    for y in range(20, height - 20, 26):
        draw.text((15, y), f"{y:5d}  Total 1,234.5 and 45 % of it  " * (1 + width // 200), fill=(10, 10, y % 200))
    for x in range(10, width - 60, 170):
        draw.rectangle((x, height // 3, x + 140, height // 3 + 90), outline="black")
    return np.array(image)


def filmed(width, height):
    """A frame as a camera gives it: a gradient, an edge and noise."""
    noise = np.random.default_rng(7).normal(0, 6, (height, width, 3))
    shades = np.linspace(30, 220, width)[None, :, None] + np.linspace(-30, 30, height)[:, None, None]
    shades = np.where(np.arange(width)[None, :, None] > width // 2, shades - 60, shades)
    return (shades + noise).clip(0, 255).astype(np.uint8)


PICTURES = {
    "page": printed(1191, 1684),
    "slide": printed(1920, 1080, "#204060"),
    "receipt": printed(600, 2400),
    "square": printed(1000, 1000, "#fdf6e3"),
    "landscape frame": filmed(1280, 720),
    "portrait frame": filmed(720, 1280),
    "tiny": filmed(9, 5),
    "strip": filmed(1, 30_000),
}


def plain(picture, mode):
    """The crops by the original rule, each padded to a square, as Aria's vision_processor.py makes them."""
    image, tile = Image.fromarray(picture), mode.tile_px
    scale = tile / max(image.size)
    if image.width >= image.height:
        size = (tile, max(int(image.height * scale), 336))
    else:
        size = (max(int(image.width * scale), 336), tile)
    whole = Image.new("RGB", (tile, tile))
    whole.paste(image.resize(size, Image.Resampling.BICUBIC))
    crops = [np.asarray(whole)]
    if mode.splits:
        columns, rows = split.grid(*image.size, tile)
        canvas = image.resize((columns * tile, rows * tile), Image.Resampling.BICUBIC)
        for i in range(columns * rows):
            left, top = i % columns * tile, i // columns * tile
            crops.append(np.asarray(canvas.crop((left, top, left + tile, top + tile))))
    return crops


def padded(crop, tile_px):
    height, width = crop.shape[:2]
    return np.pad(crop, ((0, tile_px - height), (0, tile_px - width), (0, 0))).astype(int)


@pytest.mark.parametrize("mode", [MEDIUM, HIGH, ULTRA, ULTRA_490], ids=str)
@pytest.mark.parametrize("picture", PICTURES.values(), ids=PICTURES)
def test_crops_are_those_of_the_original_rule(picture, mode):
    layout = split.frame(picture.shape[1], picture.shape[0], mode)
    found, expected = pixels.crops(picture, layout), plain(picture, mode)
    assert len(found) == len(expected) == layout.crops
    for crop, wanted in zip(found, expected, strict=True):
        assert crop.pixels.dtype == np.uint8
        assert crop.patches == (-(-crop.pixels.shape[0] // 14), -(-crop.pixels.shape[1] // 14))
        assert np.array_equal(padded(crop.pixels, mode.tile_px), wanted)


def test_a_page_rendered_at_the_size_of_its_grid_is_sliced_untouched():
    layout = split.page(595.276, 841.89, ULTRA)
    rendered = printed(*layout.render_px)
    overview, *tiles = pixels.crops(rendered, layout)
    assert (overview.patches, overview.pixels.shape) == ((70, 50), (980, 693, 3))
    rows = [np.concatenate([tile.pixels for tile in tiles[i : i + 2]], axis=1) for i in (0, 2, 4)]
    assert np.array_equal(np.concatenate(rows), rendered)


@pytest.mark.parametrize("mode", [HIGH, ULTRA], ids=str)
def test_a_mark_is_found_where_the_layout_says(mode):
    picture = np.zeros((900, 700, 3), np.uint8)
    picture[600:620, 500:520] = 255  # its middle is at (510, 610)
    layout = split.frame(700, 900, mode)
    crop, x, y = layout.locate(510, 610)
    seen = pixels.crops(picture, layout)[crop].pixels[:, :, 0] > 127
    rows, columns = np.nonzero(seen)
    assert (columns.mean() + 0.5, rows.mean() + 0.5) == pytest.approx((x, y), abs=0.5)
    assert layout.to_page(crop, columns.mean() + 0.5, rows.mean() + 0.5) == pytest.approx((510, 610), abs=0.5)


def test_tiles_are_views_not_copies():
    layout = split.page(600, 900, ULTRA)
    rendered = printed(*layout.render_px)
    assert all(np.shares_memory(crop.pixels, rendered) for crop in pixels.crops(rendered, layout)[1:])


GREY = np.arange(256, dtype=np.uint8).reshape(16, 16)
RGB = np.repeat(GREY[:, :, None], 3, axis=2)


def test_rgb_is_returned_as_it_is():
    assert pixels.rgb(RGB) is RGB


@pytest.mark.parametrize(
    "picture",
    [
        GREY,
        GREY[:, :, None],
        GREY.astype(np.uint16) * 257,
        RGB.astype(np.uint16) * 257,
        np.dstack([GREY, np.full_like(GREY, 255)]),
        np.dstack([RGB, np.full_like(GREY, 255)]),
        Image.fromarray(GREY),
        Image.fromarray(GREY).convert("LA"),
        Image.fromarray(GREY).convert("P"),
        Image.fromarray(RGB).convert("RGBA"),
        Image.fromarray(RGB).convert("CMYK"),
        Image.fromarray(GREY.astype(np.uint16) * 257),  # mode I;16
        Image.fromarray(GREY.astype(np.int32) * 257),  # mode I
    ],
    ids=lambda picture: getattr(picture, "mode", None) or f"{picture.dtype}{picture.shape}",
)
def test_every_kind_of_picture_gives_the_same_rgb(picture):
    assert np.array_equal(pixels.rgb(picture), RGB)


def test_black_and_white():
    assert np.array_equal(pixels.rgb(Image.fromarray(GREY > 127)), np.where(RGB > 127, 255, 0))


def test_what_shines_through_is_white():
    picture = np.zeros((1, 3, 4), np.uint8)
    picture[0, :, 3] = (0, 128, 255)
    assert pixels.rgb(picture)[0, :, 0].tolist() == [255, 127, 0]
    assert pixels.rgb(picture.astype(np.uint16) * 257)[0, :, 0].tolist() == [255, 127, 0]
    assert pixels.rgb(Image.fromarray(picture))[0, :, 0].tolist() == [255, 127, 0]
    palette = Image.new("P", (1, 1), 0)
    palette.putpalette([10, 20, 30])
    palette.info["transparency"] = 0
    assert pixels.rgb(palette).tolist() == [[[255, 255, 255]]]


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.zeros((0, 5, 3), np.uint8), r"5 × 0 px has no area"),
        (np.zeros((5, 0), np.uint8), r"0 × 5 px has no area"),
        (Image.new("CMYK", (0, 3)), r"0 × 3 px has no area"),
        (np.zeros((5, 5, 5), np.uint8), r"shape \(5, 5, 5\) and type uint8 is unknown"),
        (np.zeros(5, np.uint8), r"shape \(5,\)"),
        (np.zeros((5, 5, 3), np.float32), r"type float32 is unknown"),
        (Image.new("F", (2, 2)), r"floating-point levels"),
        (Image.fromarray(np.array([[0, 70_000]], np.int32)), r"levels from 0 to 70000 is not 16 bits deep"),
    ],
)
def test_what_cannot_be_read_as_rgb(picture, message):
    with pytest.raises(Damaged, match=message):
        pixels.crops(picture, split.frame(100, 100, MEDIUM))


def test_a_picture_file_cut_short():
    file = io.BytesIO()
    Image.fromarray(printed(200, 200)).save(file, "PNG")
    with pytest.raises(Damaged, match="cannot be read as RGB"):
        pixels.rgb(Image.open(io.BytesIO(file.getvalue()[:500])))
