"""Checkpoints of both layouts, read; and everything that must not be read, refused in one sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aria_docs.errors import EngineError, UsageError

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from safetensors import safe_open  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

from aria_docs.model.aria import experts, weights  # noqa: E402

# rhymes-ai/Aria's config.json of the native layout (hub revision ba062b0), what decides its network.
PUBLISHED = {
    "model_type": "aria",
    "image_token_index": 9,
    "projector_patch_to_query_dict": {"1225": 128, "4900": 256},
    "ignore_index": -100,
    "pad_token_id": 2,
    "vision_feature_layer": -1,
    "initializer_range": 0.02,
    "torch_dtype": "bfloat16",
    "text_config": {
        "model_type": "aria_text",
        "hidden_size": 2560,
        "num_hidden_layers": 28,
        "num_attention_heads": 20,
        "num_key_value_heads": 20,
        "intermediate_size": 1664,
        "moe_num_experts": 64,
        "moe_topk": 6,
        "moe_num_shared_experts": 2,
        "vocab_size": 100_352,
        "max_position_embeddings": 65_536,
        "rope_theta": 5_000_000,
    },
    "vision_config": {
        "model_type": "idefics3_vision",
        "attention_heads": 16,  # the wrong key of some revisions, which also leave out hidden_size
        "num_hidden_layers": 27,
        "intermediate_size": 4304,
        "image_size": 980,
        "patch_size": 14,
        "hidden_act": "gelu_pytorch_tanh",
    },
}


def published_tensors(layers: int = 28, vision_layers: int = 27) -> dict[str, tuple[int, ...]]:
    """Names and shapes of rhymes-ai/Aria's safetensors.

    Written down from transformers' convert_aria_weights_to_hf.py, its conversion mapping, and the sizes in the paper
    (arXiv 2410.05993, section 2): not from the code under test.
    """
    c, e, width, vocab = 2560, 1152, 1664, 100_352
    norm = lambda name, n: {f"{name}.weight": (n,), f"{name}.bias": (n,)}  # noqa: E731
    linear = lambda name, o, i: {f"{name}.weight": (o, i), f"{name}.bias": (o,)}  # noqa: E731
    found: dict[str, tuple[int, ...]] = {
        "language_model.model.embed_tokens.weight": (vocab, c),
        "language_model.model.norm.weight": (c,),
        "language_model.lm_head.weight": (vocab, c),
    }
    for n in range(layers):
        layer = f"language_model.model.layers.{n}"
        found |= {f"{layer}.{name}_layernorm.weight": (c,) for name in ("input", "post_attention")}
        found |= {f"{layer}.self_attn.{side}_proj.weight": (c, c) for side in "qkvo"}
        found |= {
            f"{layer}.mlp.router.weight": (64, c),
            f"{layer}.mlp.experts.fc1.weight": (64, c, 2 * width),
            f"{layer}.mlp.experts.fc2.weight": (64, width, c),
            f"{layer}.mlp.shared_experts.gate_proj.weight": (2 * width, c),
            f"{layer}.mlp.shared_experts.up_proj.weight": (2 * width, c),
            f"{layer}.mlp.shared_experts.down_proj.weight": (c, 2 * width),
        }
    for n in range(vision_layers):
        layer = f"vision_tower.encoder.layers.{n}"
        for side in ("q", "k", "v", "out"):
            found |= linear(f"{layer}.self_attn.{side}_proj", e, e)
        found |= norm(f"{layer}.layer_norm1", e) | norm(f"{layer}.layer_norm2", e)
        found |= linear(f"{layer}.mlp.fc1", 4304, e) | linear(f"{layer}.mlp.fc2", e, 4304)
    found |= {
        "vision_tower.embeddings.patch_embedding.weight": (e, 3, 14, 14),
        "vision_tower.embeddings.patch_embedding.bias": (e,),
        "vision_tower.embeddings.position_embedding.weight": (4900, e),
    }
    projector = "multi_modal_projector"
    cross = f"{projector}.cross_attn"
    found |= norm("vision_tower.post_layernorm", e) | {f"{projector}.query": (256, e)}
    found |= {f"{cross}.{side}_proj.weight": (e, e) for side in "qkv"}
    found |= {f"{cross}.multihead_attn.in_proj_weight": (3 * e, e), f"{cross}.multihead_attn.in_proj_bias": (3 * e,)}
    found |= linear(f"{cross}.multihead_attn.out_proj", e, e) | linear(f"{cross}.linear", e, e)
    found |= norm(f"{cross}.layer_norm", e) | norm(f"{cross}.layer_norm_kv", e) | norm(f"{projector}.layer_norm", e)
    return found | {
        f"{projector}.feed_forward.linear_in.weight": (c, e),
        f"{projector}.feed_forward.linear_out.weight": (c, c),
    }


def as_old(name: str) -> str:
    """A published name as Aria-Chat and Aria-Base-* have it."""
    for new, old in (
        ("vision_tower.", "vision_tower.vision_model."),
        ("projector.layer_norm.", "projector.ln_ffn."),
        ("feed_forward", "ffn"),
        ("layer_norm_kv", "ln_kv"),
    ):
        name = name.replace(new, old)
    return name


def edit(folder: Path, change: Callable[[dict[str, Any]], None], name: str = "config.json") -> Path:
    content = json.loads((folder / name).read_text())
    change(content)
    (folder / name).write_text(json.dumps(content))
    return folder


def edit_tensors(folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture
def copy(checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoint, tmp_path / "copy"))


@pytest.fixture
def old(copy: Path) -> Path:
    """The tiny checkpoint as Rhymes' own code would have written it."""

    def rename(tensors: dict[str, Any]) -> None:
        named = {as_old(name): tensor for name, tensor in tensors.items() if "post_layernorm" not in name}
        tensors.clear()
        tensors.update(named)
        tensors["language_model.model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(16)

    def older(config: dict[str, Any]) -> None:
        text = config["text_config"]
        text |= {"model_type": "aria_moe_lm", "moe_intermediate_size": text["intermediate_size"]}
        text |= {"intermediate_size": 13_568, "rope_theta": text.pop("rope_parameters")["rope_theta"]}
        config["vision_config"]["model_type"] = "aria_vision_model"
        config["auto_map"] = {"AutoConfig": "modeling_aria.AriaConfig"}

    return edit(edit_tensors(copy, rename), older)


def state(network: Any) -> dict[str, Any]:
    return dict(network.state_dict())


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("published")
    (folder / "config.json").write_text(json.dumps(PUBLISHED))
    return weights.skeleton(weights.read_config(folder))


def test_the_published_config_has_exactly_the_published_tensors(published: Any) -> None:
    wanted = {weights.name_in_memory(name): shape for name, shape in published_tensors().items()}
    assert len(wanted) == len(published_tensors()) == 28 * 12 + 27 * 16 + 26
    assert weights.shapes(published) == wanted
    assert all(tensor.is_meta for tensor in published.parameters())


def test_the_published_config_has_25_billion_parameters(published: Any) -> None:
    def count(*names: str) -> float:
        return sum(p.numel() for name, p in published.named_parameters() if any(part in name for part in names)) / 1e9

    assert round(count(""), 3) == 25.307
    assert round(count("language_model", "lm_head"), 2) == 24.87
    assert round(count(".experts."), 2) == 22.90
    assert round(count("vision_tower", "multi_modal_projector"), 3) == 0.438
    assert round(experts.nbytes(published) / 2**30, 1) == 47.1


def test_the_forecast_counts_what_the_engine_takes(tmp_path: Path) -> None:
    """aria_docs/forecast.py has no torch: its numbers are held to the network and the cache here. One layer's experts
    are quantised, which takes a twenty-eighth of the time of all, and stand for those of the others."""
    from aria_docs import forecast
    from aria_docs.model.aria.cache import CacheShape

    (tmp_path / "config.json").write_text(json.dumps(PUBLISHED))
    found = {}
    for kind in forecast.WEIGHT_BYTES:
        network = weights.skeleton(weights.read_config(tmp_path))
        layers = network.model.language_model.layers
        whole, before = experts.nbytes(network), experts.nbytes(layers[0])
        if kind != "bf16":
            experts.quantise(layers[0], kind)  # type: ignore[arg-type]
        saved = len(layers) * (before - experts.nbytes(layers[0]))
        found[kind] = whole - saved - network.model.language_model.rotary_emb.inv_freq.nbytes * 2
    assert found == forecast.WEIGHT_BYTES
    assert {kind: round(size / 2**30, 1) for kind, size in found.items()} == {"bf16": 47.1, "int8": 25.8, "int4": 15.8}
    text = network.config.text_config
    devices = (torch.device("meta"),) * text.num_hidden_layers
    cache = CacheShape(text.num_attention_heads, text.head_dim, devices, torch.bfloat16)
    kept = {"bf16": cache.bytes_per_token(), "fp8": cache.bytes_per_token("fp8")}
    assert kept == forecast.KV_BYTES_PER_TOKEN
    assert cache.bytes_per_token("int8") == kept["fp8"]


def test_transformers_renames_as_we_do(published: Any) -> None:
    from transformers.conversion_mapping import get_model_conversion_mapping

    rules = get_model_conversion_mapping(published)
    for name in published_tensors(layers=2, vision_layers=2):
        theirs = name
        for rule in rules:
            theirs, _ = rule.rename_source_key(theirs)
        assert theirs == weights.name_in_memory(name)


def test_the_old_layout_becomes_the_published_one() -> None:
    for name in published_tensors(layers=1, vision_layers=1):
        assert weights.name_in_memory(as_old(name)) == weights.name_in_memory(name)
    assert (
        as_old("multi_modal_projector.cross_attn.layer_norm.bias") == "multi_modal_projector.cross_attn.layer_norm.bias"
    )


def test_an_old_config_is_read_as_the_native_one(tmp_path: Path, published: Any) -> None:
    config = json.loads(json.dumps(PUBLISHED))
    config["text_config"] |= {"model_type": "aria_moe_lm", "intermediate_size": 13_568, "moe_intermediate_size": 1664}
    config["vision_config"] |= {"model_type": "aria_vision_model"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    found = weights.read_config(tmp_path)
    assert weights.shapes(weights.skeleton(found)) == weights.shapes(published)
    assert found.text_config.rope_parameters["rope_theta"] == 5_000_000
    assert (found.vision_config.hidden_size, found.vision_config.num_attention_heads) == (1152, 16)


def test_a_checkpoint_is_read_as_transformers_reads_it(checkpoint: Path, loaded: Any) -> None:
    found = weights.load(str(checkpoint), device="cpu")
    theirs = state(loaded.network)
    assert state(found.network).keys() == theirs.keys()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in state(found.network).items())
    rotary = "model.language_model.rotary_emb"
    assert torch.equal(found.network.get_submodule(rotary).inv_freq, loaded.network.get_submodule(rotary).inv_freq)
    assert not found.network.training
    assert not any(p.requires_grad or p.is_meta for p in found.network.parameters())
    assert (found.dtype, str(found.device), found.attention) == (torch.float32, "cpu", "sdpa")
    assert found.tokenizer.convert_tokens_to_ids("<|img|>") == 9
    assert repr(found) == f"Loaded({checkpoint}@{found.revision[:8]}, float32 on cpu, sdpa)"
    ids = torch.arange(20, 60)[None]
    with torch.inference_mode():
        assert torch.equal(found.network(input_ids=ids).logits, loaded.network(input_ids=ids).logits)


def test_a_checkpoint_of_several_files_is_read_and_written_again(tmp_path: Path) -> None:
    from tests.tiny_aria import build

    folder = build(tmp_path / "sharded", layers=1, vision_layers=1, shard_bytes=400_000)
    assert len(list(folder.glob("*.safetensors"))) > 2
    found = weights.load(str(folder), device="cpu")
    found.network.save_pretrained(tmp_path / "again")
    names: set[str] = set()
    for file in folder.glob("*.safetensors"):
        with safe_open(file, framework="pt") as tensors:
            names |= set(tensors.keys())
    with safe_open(tmp_path / "again" / "model.safetensors", framework="pt") as tensors:
        assert set(tensors.keys()) == names
    shutil.copy(folder / "tokenizer.json", tmp_path / "again")
    shutil.copy(folder / "tokenizer_config.json", tmp_path / "again")
    again = state(weights.load(str(tmp_path / "again"), device="cpu").network)
    assert all(torch.equal(tensor, again[name]) for name, tensor in state(found.network).items())


def test_the_old_layout_is_read_and_written_as_published(old: Path, checkpoint: Path, tmp_path: Path) -> None:
    theirs = state(weights.load(str(checkpoint), device="cpu").network)
    found = weights.load(str(old), device="cpu").network
    unread = {name for name, tensor in state(found).items() if not torch.equal(tensor, theirs[name])}
    assert unread == {f"model.vision_tower.post_layernorm.{name}" for name in ("weight", "bias")}
    assert not found.model.vision_tower.post_layernorm.weight.any()
    found.save_pretrained(tmp_path / "again")
    with safe_open(tmp_path / "again" / "model.safetensors", framework="pt") as tensors:
        assert set(tensors.keys()) == set(load_file(checkpoint / "model.safetensors"))


def test_bfloat16_is_kept_and_pad_may_lie_outside(tmp_path: Path) -> None:
    from tests.tiny_aria import build

    folder = build(tmp_path / "b", layers=1, vision_layers=1, dtype=torch.bfloat16, pad_outside=True)
    found = weights.load(str(folder), device="cpu")
    assert found.dtype == torch.bfloat16
    assert {p.dtype for p in found.network.parameters()} == {torch.bfloat16}
    assert found.tokenizer.convert_tokens_to_ids("<pad>") == found.network.config.text_config.vocab_size


REFUSED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "another model": (
        lambda f: edit(f, lambda c: c.update(model_type="qwen2_vl")),
        "holds a model of type qwen2_vl, not aria: serve it and give its address as --server",
    ),
    "no config": (lambda f: (f / "config.json").unlink(), "has no config.json"),
    "a broken config": (lambda f: (f / "config.json").write_text("{"), "cannot be read"),
    "a quantised checkpoint": (
        lambda f: edit(f, lambda c: c.update(quantization_config={"quant_method": "torchao"})),
        "quantised already: give the published bfloat16 weights, and --quantize",
    ),
    "other patches": (
        lambda f: edit(f, lambda c: c["vision_config"].update(patch_size=16)),
        "patch_size is 16 in .* and Aria's is 14",
    ),
    "other queries": (
        lambda f: edit(f, lambda c: c.update(projector_patch_to_query_dict={"1225": 64, "4900": 256})),
        "projector_patch_to_query_dict is .*64.* and Aria's is",
    ),
    "another layer's features": (
        lambda f: edit(f, lambda c: c.update(vision_feature_layer=-2)),
        "vision_feature_layer is -2",
    ),
    "a width of the wrong type": (
        lambda f: edit(f, lambda c: c["text_config"].update(hidden_size="wide")),
        "is not a config of Aria",
    ),
    "no number of heads": (
        lambda f: edit(f, lambda c: c["text_config"].pop("num_attention_heads")),
        "does not say num_attention_heads",
    ),
    "no number of experts a token": (lambda f: edit(f, lambda c: c["text_config"].pop("moe_topk")), "not say moe_topk"),
    "no rotary base": (lambda f: edit(f, lambda c: c["text_config"].pop("rope_parameters")), "not say rope_theta"),
    "the old intermediate size alone": (
        lambda f: edit(f, lambda c: c["text_config"].update(intermediate_size=13_568)),
        r"experts.gate_up_proj is \(8, 64, 64\) in .*, and its config.json makes it \(8, 64, 27136\)",
    ),
    "a missing tensor": (
        lambda f: edit_tensors(f, lambda t: t.pop("language_model.model.norm.weight")),
        "lacks model.language_model.norm.weight of Aria's tensors: give the published weights",
    ),
    "no vision tower": (
        lambda f: edit_tensors(f, lambda t: [t.pop(name) for name in list(t) if name.startswith("vision_tower")]),
        r"lacks model.vision_tower.\S+ and \d+ more of Aria's tensors",
    ),
    "an unknown tensor": (
        lambda f: edit_tensors(f, lambda t: t.update({"language_model.model.layers.0.mlp.gate.weight": torch.ones(2)})),
        "holds model.language_model.layers.0.mlp.gate.weight, which Aria does not have",
    ),
    "one tensor under two names": (
        lambda f: edit_tensors(f, lambda t: t.update({"multi_modal_projector.ln_ffn.bias": torch.ones(32)})),
        "holds both multi_modal_projector.l.* and multi_modal_projector.l",
    ),
    "another shape": (
        lambda f: edit_tensors(f, lambda t: t.update({"language_model.model.norm.weight": torch.ones(65)})),
        r"norm.weight is \(65,\) in .*, and its config.json makes it \(64,\)",
    ),
    "numbers of 8 bits": (
        lambda f: edit_tensors(f, lambda t: t.update({"language_model.model.norm.weight": torch.ones(64).char()})),
        "holds numbers of type I8: give the published weights, and --quantize",
    ),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "lacks model.safetensors: download it again"),
    "a file cut short": (
        lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:-100]),
        "model.safetensors is not a whole safetensors file",
    ),
    "a shard that is absent": (
        lambda f: (f / "model.safetensors.index.json").write_text('{"weight_map": {"a": "model-1.safetensors"}}'),
        "lacks model-1.safetensors: download it again",
    ),
    "a broken index": (lambda f: (f / "model.safetensors.index.json").write_text("[]"), "index.json cannot be read"),
    "no tokenizer": (
        lambda f: [(f / name).unlink() for name in ("tokenizer.json", "tokenizer_config.json")],
        "has no tokenizer that can be read: download tokenizer.json beside it",
    ),
    "another image token": (
        lambda f: edit(f, lambda c: c.update(image_token_index=8)),
        r"<\|img\|> is token 9 in .*, and its config.json says 8",
    ),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_is_not_whole_and_aria_is_refused_before_it_is_read(why: str, copy: Path) -> None:
    spoil, sentence = REFUSED[why]
    spoil(copy)
    with pytest.raises(EngineError, match=sentence) as refused:
        weights.load(str(copy), device="cpu")
    assert str(copy) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_token_of_the_template_outside_the_embedding_is_refused(copy: Path) -> None:
    def number(tokenizer: dict[str, Any]) -> None:
        for token in tokenizer["added_tokens"]:
            if token["content"] == "<|im_start|>":
                token["id"] = 513
        tokenizer["model"]["vocab"]["<|im_start|>"] = 513

    edit(copy, number, "tokenizer.json")
    with pytest.raises(EngineError, match=r"<\|im_start\|> is 513 in .*, and the embedding ends at 511"):
        weights.load(str(copy), device="cpu")


def test_a_model_that_is_not_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(EngineError, match=r"not in this machine's hub cache and cannot be downloaded: fetch it where"):
        weights.load("rhymes-ai/Aria")
    with pytest.raises(EngineError, match=r"hf download rhymes-ai/Aria"):
        weights.locate("rhymes-ai/Aria", download=False)
    with pytest.raises(EngineError, match="nowhere/at/all is no folder and no model id"):
        weights.load("nowhere/at/all")


def test_a_model_in_the_hub_cache_is_named_by_its_commit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, checkpoint: Path
) -> None:
    from huggingface_hub import constants

    commit = "ba062b0e" * 5
    kept = tmp_path / "models--rhymes-ai--Aria"
    shutil.copytree(checkpoint, kept / "snapshots" / commit)
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text(commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    found = weights.load("rhymes-ai/Aria", device="cpu")
    assert (found.model, found.revision) == ("rhymes-ai/Aria", commit)


def test_a_fingerprint_follows_the_content_and_not_the_place(copy: Path, checkpoint: Path) -> None:
    first = weights.revision_of(copy)
    assert first == weights.revision_of(checkpoint)
    assert len(first) == 16
    edit_tensors(copy, lambda tensors: tensors["language_model.lm_head.weight"].neg_())
    assert weights.revision_of(copy) != first
    (copy / "model.safetensors").unlink()
    with pytest.raises(EngineError, match="lacks model"):
        weights.revision_of(copy)


@pytest.mark.parametrize(("device", "sentence"), [("cuda:99", "is not on this machine"), ("gpu", "gpu is no device")])
def test_a_device_that_is_not_there(device: str, sentence: str, checkpoint: Path) -> None:
    with pytest.raises(EngineError, match=sentence):
        weights.load(str(checkpoint), device=device)


def test_what_does_not_fit_is_refused(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "free_bytes", lambda device: 1000)
    with pytest.raises(EngineError, match=r"the weights take 0.0 GiB and cpu has 0.0 free: --quantize int8 takes 25.8"):
        weights.load(str(checkpoint), device="cpu")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA card")
@pytest.mark.parametrize("quantize", [None, "int8", "int4"])
def test_a_card_answers_as_the_cpu_does(checkpoint: Path, quantize: Any) -> None:
    ids = torch.arange(20, 60)[None]
    with torch.inference_mode():
        here = weights.load(str(checkpoint), device="cpu").network(input_ids=ids).logits
        there = weights.load(str(checkpoint), device="cuda", quantize=quantize).network(input_ids=ids.cuda()).logits
    assert (there.float().cpu() - here).norm() / here.norm() < (0.2 if quantize == "int4" else 0.05)


def test_a_revision_is_of_a_hub_id_and_is_what_is_fetched(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"--revision main: .* is a folder, which has one state"):
        weights.locate(str(checkpoint), revision="main")
    asked = []

    def snapshot(model: str, *, revision: str | None, allow_patterns: list[str], local_files_only: bool = False) -> str:
        asked.append((model, revision, local_files_only))
        return str(checkpoint)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    assert weights.locate("rhymes-ai/Aria", revision="v2") == checkpoint
    assert asked == [("rhymes-ai/Aria", "v2", True)]
