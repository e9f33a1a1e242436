"""Crops as the vision tower takes them; that they are the original rule's is in tests/tiling/test_pixels.py."""

import tracemalloc

import numpy as np
import pytest
from PIL import Image

from aria_docs.tiling import split
from aria_docs.tiling.pixels import crops
from aria_docs.tiling.resolution import HIGH, MEDIUM

torch = pytest.importorskip("torch")
from aria_docs.model.aria import pixels  # noqa: E402

random = np.random.default_rng(3)
FRAMES = [random.integers(0, 256, (90, 160, 3), np.uint8) for _ in range(5)]


def batched(*pictures, mode=MEDIUM):
    layout = split.frame(pictures[0].shape[1], pictures[0].shape[0], mode)
    found = [crop.pixels for picture in pictures for crop in crops(picture, layout)]
    return pixels.gather(found, queries=mode.tokens_per_crop)


def test_a_batch_holds_its_own_bytes_and_no_more():
    batch = batched(*FRAMES)
    assert (len(batch), batch.patches, batch.queries) == (5, (24, 35), 128)
    numbers = 5 * 3 * 336 * 490
    assert batch.pixels.untyped_storage().nbytes() == numbers  # 256 frames: 126 MB
    assert batch.normalise().untyped_storage().nbytes() == 2 * numbers  # 253 MB
    assert batch.pixels.is_contiguous(memory_format=torch.channels_last)
    assert batch.normalise().is_contiguous(memory_format=torch.channels_last)


def test_normalising_makes_no_float32_copy():
    batch = batched(*FRAMES)
    batch.normalise()  # builds the table once
    tracemalloc.start()
    values = batch.normalise()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < values.nbytes + 2**20  # the indices of one block beside the answer


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_normalised_is_right_to_the_last_bit(dtype):
    levels = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16).expand(1, 3, 16, 16)
    exact = ((levels.double() / 255 - 0.5) / 0.5).to(dtype)
    assert torch.equal(pixels.CropBatch(levels, (1, 1), 128).normalise(dtype), exact)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_normalises_to_the_same_bits():
    batch = batched(*FRAMES)
    found = batch.normalise(device="cuda")
    assert found.device.type == "cuda"
    assert torch.equal(found.cpu(), batch.normalise())


def test_padding_to_whole_patches_is_black():
    batch = batched(np.full((1080, 1920, 3), 255, np.uint8), mode=HIGH)  # 980×551 in 40 rows of patches
    values = batch.normalise(torch.float32)
    assert values[:, :, :551].min() == 1
    assert values[:, :, 551:].max() == -1
    assert (values.shape[2], batch.patches, batch.queries) == (560, (40, 70), 256)


@pytest.mark.parametrize("mode", [MEDIUM, HIGH], ids=str)
@pytest.mark.parametrize("size", [(1280, 720), (720, 1280), (1191, 1684)])
def test_transformers_sees_the_same(mode, size):
    processor = pytest.importorskip("transformers.models.aria.image_processing_pil_aria").AriaImageProcessorPil()
    noise = random.integers(0, 256, (size[1] // 8, size[0] // 8, 3), np.uint8)
    picture = np.asarray(Image.fromarray(noise).resize(size))
    answer = processor(Image.fromarray(picture), max_image_size=mode.tile_px, return_tensors="pt")
    batch = batched(picture, mode=mode)
    found = batch.normalise(torch.float32)[0]
    height, width = found.shape[1:]
    assert (found - answer["pixel_values"][0, :, :height, :width]).abs().max() < 1e-6
    mask = answer["pixel_mask"][0].unfold(0, 14, 14).unfold(1, 14, 14).any(dim=(-1, -2))
    assert (int(mask.any(1).sum()), int(mask.any(0).sum())) == batch.patches
