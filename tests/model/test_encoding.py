"""Crops as picture files: the same picture comes out, and a worker that makes and sends them needs no torch."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw

from aria_docs.model.encoding import encode
from aria_docs.tiling import split
from aria_docs.tiling.pixels import crops
from aria_docs.tiling.resolution import ULTRA


@pytest.fixture(scope="module")
def cut():
    """A page with red and black lines of text, as crops."""
    layout = split.page(595.276, 841.89, ULTRA)
    page = Image.new("RGB", layout.render_px, "white")
    draw = ImageDraw.Draw(page)
    for line in range(0, 980, 20):
        draw.line((1000, line, 1900, line), fill=(255, 0, 0))
    for line in range(60):
        draw.text((100, 40 * line), f"Line {line}: 1,234.5 and (12) % " * 4, fill="red" if line % 2 else "black")
    return crops(np.asarray(page), layout)


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_the_same_pictures_in_the_same_order(cut, kind):
    encoded = encode(cut, kind)
    assert len(encoded) == len(cut) == 7
    for crop, file in zip(cut, encoded, strict=True):
        image = Image.open(io.BytesIO(file.data))
        assert (image.format, image.size, file.media_type) == (kind.upper(), (file.width, file.height), f"image/{kind}")
        pixels = np.asarray(image).astype(int)
        assert pixels.shape == crop.pixels.shape
        off = np.abs(pixels - crop.pixels)
        assert off.mean() < (2 if kind == "jpeg" else 1e-9)


def test_small_coloured_print_keeps_its_colour(cut):
    """Halved colours, the usual JPEG, would mix the red of a line one pixel thick with the paper."""
    tile = cut[2]
    [file] = encode([tile], "jpeg")
    pixels = np.asarray(Image.open(io.BytesIO(file.data))).astype(int)
    red = (tile.pixels == (255, 0, 0)).all(axis=2)
    assert red.sum() > 10_000
    assert np.median(pixels[red][:, 0] - pixels[red][:, 1]) > 200


def test_it_shows_what_it_is(cut):
    assert repr(encode(cut[:1], "jpeg")[0]).startswith("Encoded(693×980 px, image/jpeg, ")


def test_a_worker_that_asks_servers_loads_no_torch():
    program = (
        "import sys, aria_docs.model.remote, aria_docs.model.encoding, aria_docs.model.profiles.choice; "
        "print(sorted({'torch', 'transformers', 'cv2', 'pymupdf'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"
