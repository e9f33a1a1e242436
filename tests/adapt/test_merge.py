"""An adapter in the weights, three ways: as a run loads it, merged into a checkpoint, and by PEFT on transformers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from aria_docs.errors import EngineError, UsageError
from aria_docs.model.aria import adapter as adapters
from aria_docs.model.aria import weights
from aria_docs.model.aria.adapt import merging
from aria_docs.model.chat_model import Shown
from aria_docs.tiling.budget import ContextImage, frame_part, page_part, prompt
from aria_docs.tiling.pixels import Crop, crops
from aria_docs.tiling.resolution import MEDIUM, ULTRA_490


def shown(part: ContextImage, seed: int) -> Shown:
    noise = np.random.default_rng(seed).integers(0, 256, (30, 40, 3), np.uint8).repeat(12, axis=0).repeat(12, axis=1)
    return Shown(part, crops(noise, part.layout), key=f"noise {seed}")


CONTEXTS = {
    "pages": [shown(page_part(1, 595, 842, MEDIUM), 1), shown(page_part(2, 960, 540, ULTRA_490), 2)],
    "frames": [shown(frame_part(second, 1280, 720, MEDIUM), 10 + second) for second in (0, 5)],
}


@torch.inference_mode()
def logits(network: Any, tokenizer: Any, context: list[Shown]) -> torch.Tensor:
    """Transformers' own forward: every crop a padded square with its mask."""
    pixels, masks = [], []
    for one in context:
        edge = one.part.layout.mode.tile_px
        for crop in one.crops:
            assert isinstance(crop, Crop)
            height, width = crop.pixels.shape[:2]
            square, mask = np.zeros((edge, edge, 3), np.float32), np.zeros((edge, edge), bool)
            square[:height, :width], mask[:height, :width] = crop.pixels, True
            pixels.append((square / 255 - 0.5) / 0.5)
            masks.append(mask)
    text = prompt([one.part for one in context], "What is written here?")
    ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
    said: torch.Tensor = network(
        input_ids=ids,
        pixel_values=torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2),
        pixel_mask=torch.from_numpy(np.stack(masks)),
    ).logits
    return said.float()


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path, adapter: Path) -> Path:
    folder = tmp_path_factory.mktemp("merged") / "out"
    merging.merge(str(checkpoint), adapter, folder, say=lambda _: None)
    return folder


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # PEFT's own
def test_three_ways_agree_on_pages_and_frames(checkpoint: Path, adapter: Path, merged: Path) -> None:
    from peft import PeftModel
    from transformers import AriaForConditionalGeneration

    tokenizer = weights.load(str(checkpoint)).tokenizer
    by_run = weights.load(str(checkpoint), adapter=str(adapter)).network
    by_transformers = AriaForConditionalGeneration.from_pretrained(merged, dtype="auto").eval()
    plain = AriaForConditionalGeneration.from_pretrained(checkpoint, dtype="auto").eval()
    before = {name: logits(plain, tokenizer, context) for name, context in CONTEXTS.items()}
    by_peft = PeftModel.from_pretrained(plain, adapter).eval()
    for name, context in CONTEXTS.items():
        sides = [logits(network, tokenizer, context) for network in (by_run, by_transformers, by_peft)]
        assert float((sides[0] - before[name]).abs().max()) > 0.1  # it does adapt something
        for side in sides[1:]:
            assert float((side - sides[0]).abs().max()) < 1e-3, name


def test_every_kind_of_weight_is_adapted(checkpoint: Path, adapter: Path) -> None:
    shapes = weights.shapes(weights.load(str(checkpoint)).network)
    names = {name.rpartition(".layers.")[2].partition(".")[2] for name in adapters.read(adapter, shapes).factors}
    assert {"mlp.experts.gate_up_proj", "mlp.experts.down_proj", "self_attn.q_proj.weight"} <= names
    assert "lm_head.weight" in adapters.read(adapter, shapes).factors
    assert not any("router" in name for name in names)


def test_the_merged_folder_is_the_published_layout(checkpoint: Path, adapter: Path, merged: Path) -> None:
    from safetensors import safe_open

    with (
        safe_open(checkpoint / "model.safetensors", "pt") as base,
        safe_open(merged / "model.safetensors", "pt") as new,
    ):
        assert set(base.keys()) == set(new.keys())
        same = {name for name in base.keys() if torch.equal(base.get_tensor(name), new.get_tensor(name))}  # noqa: SIM118
    assert any("router" in name for name in same)
    assert not any("q_proj" in name and "language_model" in name for name in same)
    for name in ("config.json", "tokenizer.json", "chat_template.json", "preprocessor_config.json"):
        assert (merged / name).read_bytes() == (checkpoint / name).read_bytes()


def test_merged_once_and_again(checkpoint: Path, adapter: Path, merged: Path, tmp_path: Path) -> None:
    said: list[str] = []
    merging.merge(str(checkpoint), adapter, merged, say=said.append)
    assert "merged so before" in said[0]
    half = tmp_path / "out.partial"  # as a kill leaves it
    half.mkdir()
    (half / "merged.json").write_text("{}")
    (half / "model.safetensors").write_bytes(b"half")
    merging.merge(str(checkpoint), adapter, tmp_path / "out", say=said.append)
    assert not half.exists()
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == (merged / "model.safetensors").read_bytes()


def test_what_is_not_ours_is_left_alone(checkpoint: Path, adapter: Path, tmp_path: Path) -> None:
    for name in ("out", "new.partial"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "thesis.txt").write_text("years of work")
    for name in ("out", "new"):
        with pytest.raises(UsageError, match="name a new folder"):
            merging.merge(str(checkpoint), adapter, tmp_path / name, say=lambda _: None)
    assert (tmp_path / "new.partial" / "thesis.txt").exists()


def test_the_old_layout_and_several_files_become_the_published_one(tmp_path: Path, adapter: Path) -> None:
    """Names of Rhymes' own code, without a norm that nothing reads; the tensors in two files with an index."""
    from safetensors.torch import load_file, save_file
    from transformers import AriaForConditionalGeneration

    from tests.tiny_aria import build

    folder = build(tmp_path / "old")
    tensors = load_file(folder / "model.safetensors")
    renames = [("vision_tower.", "vision_tower.vision_model."), (".layer_norm_kv.", ".ln_kv."), ("projector.layer_norm.", "projector.ln_ffn."), ("projector.feed_forward.", "projector.ffn.")]  # fmt: skip  # noqa: E501
    old = {}
    for name, tensor in tensors.items():
        if "post_layernorm" not in name:
            for new, was in renames:
                name = name.replace(new, was)
            old[name] = tensor
    (folder / "model.safetensors").unlink()
    names, index = sorted(old), {}
    for number, some in enumerate((names[::2], names[1::2])):
        save_file({name: old[name] for name in some}, folder / f"part-{number}.safetensors", {"format": "pt"})
        index |= dict.fromkeys(some, f"part-{number}.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["model_type"], config["vision_config"]["model_type"] = "aria_moe_lm", "aria_vision_model"
    config["text_config"]["moe_intermediate_size"] = config["text_config"].pop("intermediate_size")
    (folder / "config.json").write_text(json.dumps(config))
    merging.merge(str(folder), adapter, tmp_path / "out", say=lambda _: None)
    network, loading = AriaForConditionalGeneration.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not loading["missing_keys"]
    assert not loading["unexpected_keys"]
    assert not any("vision_model" in name for name in network.state_dict())


def test_experts_are_quantised_with_the_adapter_in_them(checkpoint: Path, adapter: Path) -> None:
    plain = weights.load(str(checkpoint), adapter=str(adapter)).network
    small = weights.load(str(checkpoint), adapter=str(adapter), quantize="int8").network
    base = weights.load(str(checkpoint)).network
    [stack, was, exact] = [
        network.model.language_model.layers[0].mlp.experts.gate_up_proj for network in (small, base, plain)
    ]
    back = (stack.values.float() * stack.scales.float()[..., None]).transpose(1, 2)
    assert float((back - exact).abs().max()) < float((was - exact).abs().max()) / 2


def test_an_adapter_is_part_of_the_recipe(checkpoint: Path, adapter: Path, tmp_path: Path) -> None:
    from aria_docs.model.choice import choose
    from aria_docs.run.recipes import Options

    def recipe(folder: Path | None) -> str:
        found = choose("aria", model=str(checkpoint), adapter=None if folder is None else str(folder))
        options = Options(
            engine=found.engine, model=found.model, revision=found.revision, profile=found.profile,
            context=found.context, adapter=found.adapter,
        )  # fmt: skip
        return options.recipes()["tables"].recipe

    moved, other = shutil.copytree(adapter, tmp_path / "moved"), shutil.copytree(adapter, tmp_path / "other")
    config = json.loads((other / "adapter_config.json").read_text())
    (other / "adapter_config.json").write_text(json.dumps(config | {"lora_alpha": 1}))
    assert recipe(adapter) == recipe(moved)
    assert len({recipe(None), recipe(adapter), recipe(other)}) == 3


def test_adapters_that_cannot_be_applied(checkpoint: Path, adapter: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    def broken(name: str, change: Any) -> Path:
        folder = shutil.copytree(adapter, tmp_path / name)
        change(folder)
        return folder

    def edit(folder: Path, **values: Any) -> None:
        file = folder / "adapter_config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | values))

    def wider(folder: Path) -> None:
        tensors = load_file(folder / "adapter_model.safetensors")
        name = next(name for name in tensors if "q_proj.lora_B" in name and "language_model" in name)
        tensors[name] = tensors[name].repeat(2, 1)
        save_file(tensors, folder / "adapter_model.safetensors")

    for folder, said in (
        (tmp_path, "holds no adapter"),
        (broken("dora", lambda place: edit(place, use_dora=True)), "use_dora: True"),
        (broken("other", lambda place: edit(place, peft_type="IA3")), "holds no LoRA adapter"),
        (broken("wider", wider), "fits no weight of this model"),
        (broken("half", lambda place: (place / "adapter_model.safetensors").write_bytes(b"half")), "cannot be read"),
    ):
        with pytest.raises(EngineError, match=said):
            weights.load(str(checkpoint), adapter=str(folder))


def test_an_adapter_is_for_aria_on_this_machine(adapter: Path) -> None:
    from aria_docs.model.choice import choose

    with pytest.raises(UsageError, match="--adapter is for Aria on this machine"):
        choose("embedded", adapter=str(adapter))
    with pytest.raises(UsageError, match="merge it"):
        choose("remote", servers=["http://127.0.0.1:1/v1"], adapter=str(adapter))
