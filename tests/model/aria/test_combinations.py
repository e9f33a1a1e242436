"""One contract for every dtype, packing and device: a question is answered to its end, with transformers' tokens.

Packing is asked for, not left to the CPU at hand: a checkpoint in bfloat16 once answered nothing on CPUs that have
instructions for it, and every other test passed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from aria_docs.model.aria import experts, weights  # noqa: E402
from aria_docs.model.aria.model import AriaModel  # noqa: E402
from aria_docs.model.chat_model import Question  # noqa: E402
from tests.model.aria.conftest import Loaded, load, page, reference, reference_ids  # noqa: E402
from tests.model.aria.test_generate import Ours  # noqa: E402

SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"n": {"type": "integer", "minimum": 0, "maximum": 99}, "what": {"enum": ["table", "scene"]}},
        "required": ["n", "what"],
        "additionalProperties": False,
    }
)
QUESTIONS = ["Which tables?", "Summarise this.", "é"]
CARD = pytest.param(
    "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA card: none is here")
)


@dataclass(frozen=True)
class Kept:
    """How weights are kept: as arguments of `weights.load`."""

    quantize: Any = None
    packed: bool = False


KINDS = {"plain": Kept(), "packed": Kept(packed=True), "int8": Kept("int8"), "int4": Kept("int4")}
KINDS |= {"int8 packed": Kept("int8", packed=True), "int4 packed": Kept("int4", packed=True)}


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.tiny_aria import build

    # 64 wide experts: the CPU's int4 kernel takes no narrower ones.
    made = tmp_path_factory.mktemp("combined") / request.param
    return build(made, dtype=getattr(torch, request.param), expert_width=64, positions=4_096)


@torch.no_grad()
def theirs(folder: Path, ours: Any) -> Loaded:
    """transformers' own network; its experts hold what ours hold, be it rounded to 8 or 4 bits."""
    loaded = load(folder)
    for plain, kept in zip(loaded.network.model.language_model.layers, ours.model.language_model.layers, strict=True):
        for name in experts.STACKS:
            weights_of, stack = getattr(plain.mlp.experts, name), getattr(kept.mlp.experts, name)
            if isinstance(stack, (torch.nn.Parameter, experts.PackedStack)):
                continue
            rows = torch.eye(weights_of.shape[1], dtype=weights_of.dtype)
            weights_of.copy_(torch.stack([stack.multiply(expert, rows) for expert in range(len(weights_of))]))
    return loaded


@torch.inference_mode()
def logits(loaded: Loaded, question: str, written: list[int]) -> torch.Tensor:
    """Of every token of an answer, and of what follows it: [written + 1, V]."""
    shown = [page(1)]
    ids = torch.cat([reference_ids(loaded, shown, question), torch.tensor([written], dtype=torch.long)], dim=1)
    found: torch.Tensor = loaded.network(input_ids=ids, mm_encoder_outputs=reference(loaded, shown)).logits[0]
    return found[-len(written) - 1 :]


def a_step(number: float) -> float:
    """Between a number and the next that bfloat16 has: 7 bits stand behind the point."""
    return float(torch.finfo(torch.bfloat16).eps * 2 ** torch.tensor(abs(number)).log2().floor())


@pytest.mark.parametrize("device", ["cpu", CARD])
@pytest.mark.parametrize("kind", KINDS)
def test_a_question_is_answered_to_its_end_with_transformers_tokens(folder: Path, kind: str, device: str) -> None:
    kept = KINDS[kind]
    if kept.packed and device == "cuda":
        pytest.skip("oneDNN's layout is for CPUs")
    loaded = weights.load(str(folder), quantize=kept.quantize, packed=kept.packed, device=device)
    model = AriaModel(loaded)
    context = model.open([page(1)])
    (reply,) = model.ask([(context, Question("Which tables?", SCHEMA, 40))])
    assert reply.ended
    assert set(json.loads(reply.text)) == {"n", "what"}

    ours, other = Ours(loaded), theirs(folder, loaded.network)
    never = torch.zeros(ours.decoder.vocabulary, dtype=torch.bool)
    never[ours.tokens.forbidden] = True
    (prefix,) = ours.read([page(1)])
    behind = []  # of tokens that transformers would not have taken: bfloat16 steps from its own
    for question in QUESTIONS:
        (written,) = ours.answers([([page(1)], prefix, question)])
        expected = logits(other, question, written).float().masked_fill(never, -torch.inf)
        for row, token in zip(expected, written, strict=False):
            if token != int(row.argmax()):
                best = row.max().item()
                behind.append((best - row[token].item()) / a_step(best))
    exact = loaded.dtype == torch.float32 and device == "cpu"
    # Both round the tower's features, .8 % off float32's on either side, and go apart from there: of 1,280 tokens 45 of
    # ours are not float32's, 40 of transformers'. A router that takes another expert moves a logit by 40 steps.
    assert not behind if exact else len(behind) <= 4 and max(behind, default=0.0) <= 2.0, behind
