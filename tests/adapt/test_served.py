"""A merged checkpoint behind a real vLLM: it answers as the same folder does here. Run by `make test-vllm` alone."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aria_docs.model.aria.model import AriaModel
from aria_docs.model.chat_model import ChatModel, Question, Shown
from aria_docs.model.encoding import encode
from aria_docs.tiling.budget import ContextImage, frame_part, page_part
from aria_docs.tiling.pixels import Crop, crops
from aria_docs.tiling.resolution import HIGH

pytestmark = pytest.mark.skipif(
    "ARIA_DOCS_MERGED" not in os.environ, reason="needs a real vLLM that serves a merged checkpoint: make test-vllm"
)
SCHEMA = json.dumps({"type": "string", "minLength": 10, "maxLength": 30})  # long enough to go apart


def shown(part: ContextImage, seed: int) -> Shown:
    coarse = np.random.default_rng(seed).integers(0, 256, (30, 40, 3), np.uint8)
    return Shown(part, crops(coarse.repeat(12, axis=0).repeat(12, axis=1), part.layout), key=str(seed))


# At high resolution: vLLM has no medium mode. An upright A4 page has 50 columns of patches and padding beside them.
CONTEXTS = [
    [shown(page_part(1, 500, 500, HIGH), 7)],
    [shown(page_part(1, 595, 842, HIGH), 1)],
    [shown(page_part(1, 300, 200, HIGH), 2), shown(page_part(2, 842, 595, HIGH), 3)],
    [shown(frame_part(second, 1280, 720, HIGH), 10 + second) for second in (0, 5)],
]


def encoded(one: Shown) -> Shown:
    """As PNG, which keeps every pixel; a run sends JPEG."""
    return replace(one, crops=encode([crop for crop in one.crops if isinstance(crop, Crop)], "png"))


def answers(model: ChatModel, contexts: Sequence[Sequence[Shown]]) -> list[str]:
    asked = [
        (model.open(context), Question(text, SCHEMA, 60))
        for context in contexts
        for text in ("Which tables?", "What is written here?")
    ]
    return [reply.text for reply in model.ask(asked)]


def test_vllm_answers_as_the_same_folder_here() -> None:
    from aria_docs.model.remote import RemoteModel

    here = answers(AriaModel.load(str(Path(os.environ["ARIA_DOCS_MERGED"])), device="cpu"), CONTEXTS)
    server = [os.environ["ARIA_DOCS_VLLM"]]
    with RemoteModel.connect(server, model=None, profile="aria-vllm", key=None) as model:
        there = answers(model, [[encoded(one) for one in context] for context in CONTEXTS])
    assert len(set(here)) > 3, "the pictures and questions count"
    assert there == here
