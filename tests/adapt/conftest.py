"""A tiny random Aria in float32, a folder of pages to learn from, and adapters trained on it for a few steps."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # kinds.py, which a benchmark uses too

torch = pytest.importorskip("torch")
pytest.importorskip("peft")
pytest.importorskip("accelerate")

from aria_docs.adapt.config import Settings  # noqa: E402 - after the question whether it can be tested
from aria_docs.ingest.sandbox import Sandbox  # noqa: E402

SMALL = Settings(
    learning_rate=1e-2, per_device_train_batch_size=2, gradient_accumulation_steps=1, num_train_epochs=2.0, lora_r=2,
    lora_dropout=0.1, bf16=False, lr_scheduler_type="constant",
)  # fmt: skip


class Shared:
    """A sandbox that outlives those who use it."""

    def __init__(self, box: Sandbox) -> None:
        self.start = box.start

    def __enter__(self) -> Shared:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    close = __exit__


@pytest.fixture(scope="session", autouse=True)
def alone(tmp_path_factory: pytest.TempPathFactory, box: Sandbox) -> Iterator[None]:
    """One thread, no features of other runs, and one warm process that looks at pictures for all tests."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARIA_DOCS_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
        for user in ("export", "showing"):
            patch.setattr(f"aria_docs.adapt.{user}.Sandbox", lambda: Shared(box))
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.tiny_aria import build

    return build(tmp_path_factory.mktemp("aria") / "tiny")


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five lines of one page each: noise, and a short answer."""
    from kinds import line, write
    from PIL import Image

    folder = tmp_path_factory.mktemp("adapt") / "data"
    (folder / "images").mkdir(parents=True)
    for number in range(5):
        coarse = np.random.default_rng(number).integers(0, 256, (24, 35, 3), np.uint8)
        noise = coarse.repeat(14, axis=0).repeat(14, axis=1)
        Image.fromarray(noise).save(folder / "images" / f"{number}.png")
    answers = [json.dumps({"tables": []}) + "." * number for number in range(5)]
    write(folder / "train.jsonl", [line(f"images/{number}.png", answer) for number, answer in enumerate(answers)])
    return folder


@pytest.fixture(scope="session")
def adapter(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path, data: Path) -> Path:
    """Everything adapted that can be: experts, projections, the head, tower and projector."""
    from aria_docs.adapt.train import train

    folder = tmp_path_factory.mktemp("adapted") / "adapter"
    named = (*SMALL.lora_target_modules, "out_proj", "linear")
    settings = replace(SMALL, freeze_vit=False, freeze_projector=False, lora_target_modules=named, num_train_epochs=1.0)
    assert train(data, model=str(checkpoint), output=folder, settings=settings, say=lambda _: None)
    return folder
