"""Images as documents: pages, sizes, turns, and what cannot be decoded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aria_docs.errors import Damaged, WrongKind
from aria_docs.ingest.documents import open_document
from aria_docs.ingest.folder import kind_of
from aria_docs.ingest.images import open_image
from aria_docs.ingest.pdf import NO_TEXT


def flag() -> Image.Image:
    """300 by 200, red above white: its pixels say which way up it is."""
    pixels = np.full((200, 300, 3), 255, np.uint8)
    pixels[:100] = (255, 0, 0)
    return Image.fromarray(pixels)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "bmp"])
def test_each_kind_is_a_document_of_one_page(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{suffix}"
    flag().save(path)
    assert kind_of(path.read_bytes()[:4096], "") == "image"
    with open_document(path) as document:
        assert document.info.n_pages == 1
        page = document.page(1)
        pixels = document.render(1, long_edge_px=150)
    assert (page.note or "").startswith(NO_TEXT)
    assert pixels.shape == (100, 150, 3)
    assert pixels[10, 75, 0] > 240 > 60 > pixels[10, 75, 1]
    assert pixels[90, 75].min() > 240


def test_frames_of_a_tiff_are_pages(tmp_path: Path) -> None:
    white = Image.new("L", (100, 300), 255)
    flag().save(tmp_path / "x.tif", save_all=True, append_images=[white, flag()], dpi=(150, 150))
    with open_document(tmp_path / "x.tif") as document:
        assert document.info.n_pages == 3
        assert [tuple(map(round, size)) for size in document.sizes()] == [(144, 96), (48, 144), (144, 96)]
        assert document.render(2, long_edge_px=30).min() == 255


def test_moving_pictures_that_are_not_read_are_named(tmp_path: Path) -> None:
    white = Image.new("RGB", (300, 200), "white")
    flag().save(tmp_path / "x.webp", save_all=True, append_images=[white, flag()], duration=100)
    with open_document(tmp_path / "x.webp") as document:
        assert document.info.n_pages == 1
        assert document.info.note == "the first of 3 moving pictures is read, the others are not"


def test_a_photograph_is_turned_as_its_camera_says(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    flag().transpose(Image.Transpose.ROTATE_90).save(tmp_path / "x.jpg", exif=exif)
    with open_image(tmp_path / "x.jpg") as document:
        width, height = document.size(1)
        pixels = document.render(1, long_edge_px=150)
    assert width > height
    assert pixels[10, 75, 1] < 60 and pixels[90, 75, 1] > 240


def test_what_is_clear_is_white(tmp_path: Path) -> None:
    Image.new("RGBA", (40, 40), (0, 0, 0, 0)).save(tmp_path / "x.png")
    with open_image(tmp_path / "x.png") as document:
        assert document.render(1, long_edge_px=40).min() == 255


def test_a_large_image_is_no_poster(tmp_path: Path) -> None:
    Image.new("L", (1000, 4000), 255).save(tmp_path / "x.png")
    with open_image(tmp_path / "x.png") as document:
        assert document.size(1) == pytest.approx((210.5, 842))


def test_what_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    flag().save(tmp_path / "x.png")
    data = (tmp_path / "x.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(data[: len(data) // 2])
    with open_image(tmp_path / "cut.png") as document, pytest.raises(Damaged, match=r"cut\.png: page 1"):
        document.render(1, long_edge_px=40)
    (tmp_path / "head.png").write_bytes(data[:8] + b"nothing")
    with pytest.raises(WrongKind, match=r"head\.png"):
        open_image(tmp_path / "head.png")


def test_a_name_that_promises_a_pdf_is_held_to_it(tmp_path: Path) -> None:
    flag().save(tmp_path / "x.png")
    assert kind_of((tmp_path / "x.png").read_bytes()[:4096], ".pdf") == "pdf"
