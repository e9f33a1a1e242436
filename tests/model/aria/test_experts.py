"""Packed and quantised experts against the same products written out, and against transformers' eager loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from aria_docs.model.aria import experts, weights  # noqa: E402


def layer(dtype: Any, *, width: int = 96) -> Any:
    """Transformers' AriaExperts: 16 experts of which a token asks 3; hidden 128."""
    from transformers.models.aria.modeling_aria import AriaExperts, AriaTextConfig

    config = AriaTextConfig(hidden_size=128, intermediate_size=width, moe_num_experts=16, moe_topk=3)
    config._experts_implementation = "eager"
    made = AriaExperts(config).requires_grad_(False)
    random = torch.Generator().manual_seed(5)
    for parameter in made.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=random) * parameter.shape[1] ** -0.5)
    return made.to(dtype)


def routed(tokens: int, dtype: Any) -> tuple[Any, Any, Any]:
    random = torch.Generator().manual_seed(tokens)
    hidden = torch.randn(tokens, 128, generator=random).to(dtype)
    logits, index = torch.randn(tokens, 16, generator=random).topk(3)
    return hidden, index, logits.softmax(dim=-1).to(dtype)


def off(found: Any, wanted: Any) -> float:
    return float((found.float() - wanted.float()).norm() / wanted.float().norm())


@pytest.mark.parametrize("tokens", [1, 8, 200])
def test_packed_experts_answer_as_transformers_loop_does(tokens: int) -> None:
    module, (hidden, index, share) = layer(torch.bfloat16), routed(tokens, torch.bfloat16)
    eager = module(hidden, index, share)
    exact = layer(torch.float32)(hidden.float(), index, share.float())
    bytes_before = experts.nbytes(module)
    experts.pack(module)
    assert not list(module.parameters())
    assert experts.nbytes(module) == bytes_before
    module.config._experts_implementation = experts.register()
    found = module(hidden, index, share)
    assert (found.dtype, found.shape) == (hidden.dtype, hidden.shape)
    assert off(found, exact) <= 1.05 * off(eager, exact)  # bfloat16's own error, and no more
    assert off(found, eager) < 0.01


def test_stacks_of_any_kind_give_a_known_answer_in_float32() -> None:
    """Every weight is one that 4 bits hold exactly: multiples of a scale between a lowest and a highest value."""
    module, (hidden, index, share) = layer(torch.float32), routed(40, torch.float32)
    for parameter in module.parameters():
        numbers = torch.randint(0, 16, parameter.shape, generator=torch.Generator().manual_seed(1))
        numbers[:, :2], numbers[:, 2::32], numbers[:, 3::32] = torch.tensor([0, 15])[:, None], 0, 15
        parameter.copy_((numbers - 7.5) / 64)
    exact = module(hidden, index, share)
    experts.quantise(module, "int4")
    module.config._experts_implementation = experts.register()
    assert isinstance(module.gate_up_proj, experts.Int4Stack)
    assert torch.allclose(module(hidden, index, share), exact, atol=1e-5)


# Normal numbers in groups of 128 span 5.2 deviations: 15 steps are off by a tenth, in gate, up and down alike.
@pytest.mark.parametrize(("kind", "tolerance"), [("int8", 0.015), ("int4", 0.2)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("tokens", [1, 200])  # one row of an expert, and more than the CPU's int8 kernel is given
def test_quantised_experts_stay_near(kind: Any, tolerance: float, dtype: Any, tokens: int) -> None:
    module, (hidden, index, share) = layer(dtype), routed(tokens, dtype)
    exact = layer(torch.float32)(hidden.float(), index, share.float())
    experts.quantise(module, kind)
    module.config._experts_implementation = experts.register()
    assert off(module(hidden, index, share), exact) < tolerance


def test_the_cpus_own_int4_kernel_has_the_same_weights_in_the_same_bytes() -> None:
    weights_of = layer(torch.bfloat16).gate_up_proj
    assert isinstance(own := experts.quantise_stack(weights_of, "int4"), experts.Int4CpuStack)
    plain, rows = experts.Int4Stack(weights_of), torch.eye(128).bfloat16()
    assert own.nbytes == plain.nbytes
    for expert in (0, 15):
        assert torch.allclose(own.multiply(expert, rows), plain.multiply(expert, rows), atol=2**-8, rtol=2**-7)


@pytest.mark.parametrize("stack", [experts.Int8Stack, experts.Int4Stack])
def test_each_row_by_its_own_expert_is_what_one_expert_after_another_gives(stack: Any) -> None:
    module, (hidden, index, share) = layer(torch.float32), routed(8, torch.float32)
    gate_up, down = stack(module.gate_up_proj.detach()), stack(module.down_proj.detach())
    experts.put(module, "gate_up_proj", gate_up)
    experts.put(module, "down_proj", down)
    expected = experts.multiply_routed(module, hidden, index, share)
    assert torch.allclose(experts.multiply_few(gate_up, down, hidden, index, share), expected, atol=1e-5)


def test_a_column_of_zeros_and_one_large_number_survive_quantising() -> None:
    rows = torch.eye(128)
    stack = torch.zeros(1, 128, 4)
    stack[0, 7, 1], stack[0, 9, 1], stack[0, :, 2] = 100.0, -1.0, 3.0
    for kind, step in (("int8", 100 / 127), ("int4", 101 / 15)):
        found = experts.quantise_stack(stack, kind).multiply(0, rows)  # type: ignore[arg-type]
        assert (found - stack[0]).abs().max() <= step / 2 + 1e-4
        assert not found[:, [0, 3]].any()


def test_memory_of_the_real_network_by_kind() -> None:
    """ARIA.md's 47.1, 25.8 and 15.8 GiB, of one layer's experts at their real size."""
    from transformers.models.aria.modeling_aria import AriaExperts, AriaTextConfig

    config = AriaTextConfig(hidden_size=2560, intermediate_size=1664, moe_num_experts=64, moe_topk=6)
    found = {}
    for kind in (None, "int8", "int4"):
        with torch.device("meta"):
            module = AriaExperts(config).to(torch.bfloat16)
        if kind:
            experts.quantise(module, kind)  # type: ignore[arg-type]
        found[kind] = experts.nbytes(module)
    columns, numbers = 64 * (3328 + 2560), 64 * (2560 * 3328 + 1664 * 2560)
    assert found == {None: 2 * numbers, "int8": numbers + 2 * columns, "int4": numbers // 2 + numbers // 128 * 4}


@pytest.mark.parametrize(("kind", "tolerance"), [("int8", 0.05), ("int4", 0.25)])
def test_a_quantised_tiny_model_answers_nearly_the_same(checkpoint: Path, kind: Any, tolerance: float) -> None:
    whole, less = (
        weights.load(str(checkpoint), device="cpu"),
        weights.load(str(checkpoint), device="cpu", quantize=kind),
    )
    ids = torch.arange(20, 84)[None]
    with torch.inference_mode():
        assert off(less.network(input_ids=ids).logits, whole.network(input_ids=ids).logits) < tolerance
    routed = sum(p.nbytes for name, p in whole.network.named_parameters() if ".experts." in name)
    rest = experts.nbytes(whole.network) - routed
    share = {"int8": 0.25, "int4": 0.125}[kind]  # of float32, without scales
    assert share * routed < experts.nbytes(less.network) - rest < (share + 0.13) * routed
    assert repr(less).startswith(f"Loaded({checkpoint}@") and f", {kind} on cpu, sdpa)" in repr(less)


def test_a_loaded_bfloat16_model_is_packed_and_answers_as_near_to_float32_as_transformers(tmp_path: Path) -> None:
    from transformers import AriaForConditionalGeneration

    from tests.tiny_aria import build

    folder = build(tmp_path / "b", layers=2, vision_layers=1, dtype=torch.bfloat16, hidden=128, expert_width=64)
    found = weights.load(str(folder), device="cpu", packed=True)
    theirs = AriaForConditionalGeneration.from_pretrained(folder, dtype=torch.bfloat16).eval()
    exact = AriaForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    assert isinstance(found.network.lm_head, experts.PackedLinear)
    assert isinstance(found.network.model.language_model.layers[0].mlp.experts.down_proj, experts.PackedStack)
    assert isinstance(found.network.model.vision_tower.encoder.layers[0].mlp.fc1, torch.nn.Linear)
    assert experts.nbytes(found.network) == experts.nbytes(theirs)
    ids = torch.arange(20, 84)[None]
    with torch.inference_mode():
        ours, peer, wanted = (net(input_ids=ids).logits for net in (found.network, theirs, exact))
    assert off(ours, wanted) < 1.5 * off(peer, wanted)
