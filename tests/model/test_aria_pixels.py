"""What only the torch way does; that its crops are the original rule's is in tests/tiling/test_pixels.py."""

import tracemalloc

import numpy as np
import pytest
from PIL import Image

from aria_docs.tiling import split
from aria_docs.tiling.resolution import HIGH, MEDIUM, ULTRA

torch = pytest.importorskip("torch")
from aria_docs.model.aria import pixels  # noqa: E402

random = np.random.default_rng(3)
FRAMES = [random.integers(0, 256, (90, 160, 3), np.uint8) for _ in range(5)]


def test_a_page_is_its_overview_and_a_batch_of_tiles():
    layout = split.page(595, 842, ULTRA)
    overview, tiles = pixels.page(random.integers(0, 256, (842, 595, 3), np.uint8), layout)
    assert (overview.pixels.shape, overview.patches) == ((1, 3, 980, 700), (70, 50))
    assert (tiles.pixels.shape, tiles.patches) == ((6, 3, 980, 980), (70, 70))
    assert overview.queries == tiles.queries == 256
    assert len(overview) + len(tiles) == layout.crops


def test_frames_come_in_batches_that_keep_their_order():
    layout = split.frame(160, 90, MEDIUM)
    batches = list(pixels.frames(iter(FRAMES), layout, at_once=2))
    assert [(len(batch), batch.patches, batch.queries) for batch in batches] == [(n, (24, 35), 128) for n in (2, 2, 1)]
    for frame, crop in zip(FRAMES, torch.cat([batch.pixels for batch in batches]), strict=True):
        (alone,) = pixels.page(frame, layout)
        assert torch.equal(alone.pixels[0], crop)


def test_no_more_frames_are_taken_than_the_batch_needs():
    taken = []
    frames = (taken.append(i) or frame for i, frame in enumerate(FRAMES))
    next(pixels.frames(frames, split.frame(160, 90, MEDIUM), at_once=2))
    assert taken == [0, 1]


def test_queries_go_by_mode_not_by_patches():
    (batch,) = pixels.page(FRAMES[0], split.frame(160, 90, HIGH))
    assert (batch.patches, batch.queries) == ((40, 70), 256)


def test_frames_hold_their_own_bytes_and_no_more():
    (batch,) = pixels.frames(FRAMES, split.frame(160, 90, MEDIUM))
    numbers = 5 * 3 * 336 * 490
    assert batch.pixels.untyped_storage().nbytes() == numbers  # 256 frames: 126 MB
    assert batch.normalised().untyped_storage().nbytes() == 2 * numbers  # 253 MB


def test_normalising_makes_no_float32_copy():
    (batch,) = pixels.frames(FRAMES, split.frame(160, 90, MEDIUM))
    batch.normalised()  # builds the table once
    tracemalloc.start()
    values = batch.normalised()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < values.nbytes + 2**20  # the indices of one block beside the answer


def test_everything_is_channels_last():
    for batch in pixels.page(FRAMES[0], split.frame(160, 90, ULTRA)):
        assert batch.pixels.is_contiguous(memory_format=torch.channels_last)
        assert batch.normalised().is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_normalised_is_right_to_the_last_bit(dtype):
    levels = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16).expand(1, 3, 16, 16)
    exact = ((levels.double() / 255 - 0.5) / 0.5).to(dtype)
    assert torch.equal(pixels.CropBatch(levels, (1, 1), 128).normalised(dtype), exact)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_normalises_to_the_same_bits():
    (batch,) = pixels.frames(FRAMES, split.frame(160, 90, MEDIUM))
    found = batch.normalised(device="cuda")
    assert found.device.type == "cuda"
    assert torch.equal(found.cpu(), batch.normalised())


def test_padding_to_whole_patches_is_black():
    white = np.full((1080, 1920, 3), 255, np.uint8)
    (batch,) = pixels.page(white, split.frame(1920, 1080, HIGH))  # 980×551 in 40 rows of patches
    values = batch.normalised(torch.float32)
    assert values[:, :, :551].min() == 1
    assert values[:, :, 551:].max() == -1
    assert values.shape[2] == 560


def test_chunks_share_their_memory():
    (batch,) = pixels.frames(FRAMES, split.frame(160, 90, MEDIUM))
    chunks = list(batch.chunks(2))
    assert [len(chunk) for chunk in chunks] == [2, 2, 1]
    assert torch.equal(torch.cat([chunk.pixels for chunk in chunks]), batch.pixels)
    assert chunks[1].pixels.data_ptr() == batch.pixels[2:].data_ptr()


def test_read_only_pixels_are_no_trouble():
    frame = FRAMES[0].copy()
    frame.flags.writeable = False
    layout = split.frame(160, 90, MEDIUM)
    assert torch.equal(pixels.page(frame, layout)[0].pixels, pixels.page(FRAMES[0], layout)[0].pixels)


@pytest.mark.parametrize("mode", [MEDIUM, HIGH], ids=str)
@pytest.mark.parametrize("size", [(1280, 720), (720, 1280), (1191, 1684)])
def test_transformers_sees_the_same(mode, size):
    processor = pytest.importorskip("transformers.models.aria.image_processing_pil_aria").AriaImageProcessorPil()
    noise = random.integers(0, 256, (size[1] // 8, size[0] // 8, 3), np.uint8)
    picture = np.asarray(Image.fromarray(noise).resize(size))
    answer = processor(Image.fromarray(picture), max_image_size=mode.tile_px, return_tensors="pt")
    (batch,) = pixels.page(picture, split.frame(*size, mode))
    found = batch.normalised(torch.float32)[0]
    height, width = found.shape[1:]
    levels = (found - answer["pixel_values"][0, :, :height, :width]).abs() * 127.5
    assert levels.max() <= 2.001
    assert levels.mean() <= 0.01
    mask = answer["pixel_mask"][0].unfold(0, 14, 14).unfold(1, 14, 14).any(dim=(-1, -2))
    assert (int(mask.any(1).sum()), int(mask.any(0).sum())) == batch.patches
