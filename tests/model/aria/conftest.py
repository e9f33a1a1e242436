"""A tiny Aria in float32, and transformers' own answer to the same crops in one piece: what ours is held to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aria_docs.model.chat_model import Shown
from aria_docs.tiling.budget import ContextImage, frame_part, page_part, prompt
from aria_docs.tiling.pixels import crops
from aria_docs.tiling.resolution import MEDIUM, PATCH_PX, ULTRA_490, Mode

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")


@dataclass(frozen=True)
class Loaded:
    """What `weights.load` gives, made by transformers alone."""

    network: Any
    tokenizer: Any
    model: str = "tiny"
    revision: str | None = None


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny products are slower on two threads, ten times where other processes want the cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.tiny_aria import build

    return build(tmp_path_factory.mktemp("aria") / "tiny")


@pytest.fixture(scope="session")
def loaded(checkpoint: Path) -> Loaded:
    return load(checkpoint)


def load(folder: Path) -> Loaded:
    from transformers import AriaForConditionalGeneration, AutoTokenizer

    network = AriaForConditionalGeneration.from_pretrained(folder, dtype="auto").eval()
    return Loaded(network, AutoTokenizer.from_pretrained(folder))


def shown(part: ContextImage, seed: int = 0) -> Shown:
    """Noise of two scales, so that neither the whole nor a patch is grey."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (7, 5, 3), np.uint8).repeat(60, axis=0).repeat(60, axis=1)
    picture = coarse // 2 + random.integers(0, 128, coarse.shape, np.uint8)
    return Shown(part, crops(picture, part.layout), key=f"noise {seed}")


def page(number: int, mode: Mode = MEDIUM, *, landscape: bool = False) -> Shown:
    """A4 upright, or a slide of 16:9."""
    size = (960.0, 540.0) if landscape else (595.0, 842.0)
    return shown(page_part(number, *size, mode), seed=number)


def frame(second: float) -> Shown:
    return shown(frame_part(second, 1280, 720, MEDIUM), seed=1000 + int(second))


PAGES = [page(1, ULTRA_490), page(2, ULTRA_490, landscape=True)]  # 7 and 9 crops


@torch.inference_mode()
def reference(loaded: Loaded, context: Sequence[Shown]) -> dict[str, Any]:
    """Transformers' own features, for its own forward: every crop an image, padded to a square, with its mask."""
    from aria_docs.tiling.pixels import Crop

    pixels, masks = [], []
    for one in context:
        edge = one.part.layout.mode.tile_px
        for crop in one.crops:
            assert isinstance(crop, Crop)
            height, width = crop.pixels.shape[:2]
            square, mask = np.zeros((edge, edge, 3), np.float32), np.zeros((edge, edge), bool)
            square[:height, :width] = crop.pixels
            mask[:height, :width] = True
            assert crop.patches == (-(-height // PATCH_PX), -(-width // PATCH_PX))
            pixels.append((square / 255 - 0.5) / 0.5)
            masks.append(mask)
    features = loaded.network.get_image_features(
        pixel_values=torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).to(loaded.network.dtype),
        pixel_mask=torch.from_numpy(np.stack(masks)),
    )
    return {"image": features}


def reference_ids(loaded: Loaded, context: Sequence[Shown], question: str) -> torch.Tensor:
    """[1, S], of the whole prompt as one text."""
    text = prompt([one.part for one in context], question)
    ids: torch.Tensor = loaded.tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
    return ids
