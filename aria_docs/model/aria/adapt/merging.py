"""A checkpoint with an adapter in its weights: the published layout, file by file, checked before it has its name.

    OUT.partial/   config.json, tokenizer … as they are; each file of weights with the same names, adapted
        checked    every tensor as it is read back: bit for bit the base's where the adapter leaves it alone, else what
                   the adapter makes of it; then the logits of base and adapter, loaded as a run loads them, against
                   those of the new folder
    OUT/           renamed

A file of weights is held in memory at a time (5 GB of Aria), a stack of experts once more.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from aria_docs import whole_folder
from aria_docs.errors import EngineError, UsageError
from aria_docs.model.aria import adapter as adapters
from aria_docs.model.aria import weights
from aria_docs.model.aria.adapter import Adapter
from aria_docs.model.aria.weights import Stored

RECORD = "merged.json"  # says what a folder was merged from
AGREE = 1e-3  # of logits in float32; in bfloat16 both sides have the same rounded weights
_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth")
_INDEX = "model.safetensors.index.json"


def merge(model: str, adapter: Path, output: Path, *, say: Callable[[str], None]) -> None:
    """EngineError where model and adapter do not fit or the check fails, UsageError where `output` is not ours."""
    folder = weights.locate(model)
    config = weights.read_config(folder)
    stored = weights.read_headers(folder)
    wanted = weights.shapes(weights.skeleton(config))
    weights.check_tensors(folder, {name: tensor.shape for name, tensor in stored.items()}, wanted)
    added = adapters.read(adapter, wanted)
    record = {"base": weights.fingerprint(folder), "adapter": added.identity}
    if _is_merged(output, record):
        say(f"{output} was merged so before: nothing is left to do")
        return
    partial = whole_folder.begin(output, RECORD)
    _copy_rest(folder, partial)
    files = sorted({tensor.file for tensor in stored.values()})
    # Old checkpoints lack a norm that nothing reads; transformers would make one of random numbers, with a warning.
    zeros = {name: shape for name, shape in wanted.items() if name not in stored}
    for number, file in enumerate(files, start=1):
        say(f"merging {file.name}, {number} of {len(files)}")
        _write_file(file, stored, added, partial, zeros if number == 1 else {})
    _write_index(folder, partial, files[0].name, zeros)
    say(f"checking {len(stored):,} tensors and the logits")
    _check_tensors(stored, added, partial)
    _check_logits(model, adapter, partial)
    (partial / RECORD).write_text(json.dumps(record, indent=2), encoding="utf-8")
    partial.rename(output)
    say(f"{len(added.factors):,} of {len(stored):,} tensors adapted → {output}")


def _is_merged(output: Path, record: dict[str, str]) -> bool:
    if not output.exists():
        return False
    try:
        found = json.loads((output / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if found != record:
        raise UsageError(f"{output} is there and was not merged from these: name a new folder with -o")
    return True


def _copy_rest(folder: Path, partial: Path) -> None:
    """Everything beside the weights; a config of the old layout is written as transformers reads it."""
    for file in folder.iterdir():
        if file.is_file() and file.suffix not in _WEIGHTS and file.name not in (RECORD, _INDEX):
            shutil.copyfile(file, partial / file.name)
    raw = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if raw.get("text_config", {}).get("model_type") != "aria_text":
        weights.read_config(folder).to_json_file(partial / "config.json")


def _write_index(folder: Path, partial: Path, first: str, zeros: Mapping[str, tuple[int, ...]]) -> None:
    if not (folder / _INDEX).is_file():
        return
    index = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
    index["weight_map"] = {
        published_name(weights.name_in_memory(name)): file
        for name, file in index["weight_map"].items()
        if not name.endswith(".inv_freq")
    } | {published_name(name): first for name in zeros}
    (partial / _INDEX).write_text(json.dumps(index, indent=2), encoding="utf-8")


def published_name(name: str) -> str:
    """A tensor's name in rhymes-ai/Aria, from its name in memory: what transformers and vLLM load."""
    if name.startswith("lm_head."):
        return f"language_model.{name}"
    if name.startswith("model.language_model."):
        name = "language_model.model." + name.removeprefix("model.language_model.")
        name = name.replace(".mlp.experts.gate_up_proj", ".mlp.experts.fc1.weight")
        return name.replace(".mlp.experts.down_proj", ".mlp.experts.fc2.weight")
    return name.removeprefix("model.")


def _write_file(
    file: Path, stored: dict[str, Stored], added: Adapter, partial: Path, zeros: Mapping[str, tuple[int, ...]]
) -> None:
    from safetensors.torch import save_file

    adapted = {published_name(name): added.added(name, value) for name, value in _tensors(file, stored)}
    kind = next(iter(adapted.values())).dtype
    adapted |= {published_name(name): torch.zeros(shape, dtype=kind) for name, shape in zeros.items()}
    save_file({name: value.contiguous() for name, value in adapted.items()}, partial / file.name, {"format": "pt"})


def _tensors(file: Path, stored: dict[str, Stored]) -> Iterator[tuple[str, torch.Tensor]]:
    from safetensors import safe_open

    with safe_open(file, framework="pt") as tensors:
        for name, tensor in stored.items():
            if tensor.file == file:
                yield name, tensors.get_tensor(tensor.name)


def _check_tensors(stored: dict[str, Stored], added: Adapter, partial: Path) -> None:
    written = weights.read_headers(partial)
    if missing := stored.keys() - written.keys():
        raise EngineError(f"{partial} lacks {min(missing)}: merge again")
    for file in sorted({tensor.file for tensor in stored.values()}):
        bases = dict(_tensors(file, stored))
        for name, value in _tensors(partial / file.name, written):
            if name in bases and not torch.equal(value, added.added(name, bases[name])):
                raise EngineError(f"{name} was not written to {file} as it was merged: check the disk, and merge again")


def _check_logits(model: str, adapter: Path, partial: Path) -> None:
    """Both sides as a run loads them, one after the other, asked to go on from the same picture and text."""
    sides = [_logits(model, str(adapter)), _logits(str(partial), None)]
    apart = float((sides[0] - sides[1]).abs().max())
    if not apart <= AGREE * max(1.0, float(sides[0].abs().max())):
        raise EngineError(
            f"{partial} answers otherwise than base and adapter do (logits {apart:.2g} apart): merge again"
        )


@torch.inference_mode()
def _logits(model: str, adapter: str | None) -> torch.Tensor:
    """Float32, of every token of a prompt with a drawn picture."""
    from aria_docs.model.aria.cache import Prefix, TokenSpan
    from aria_docs.model.aria.decoder import Decoder
    from aria_docs.model.aria.features import Vision
    from aria_docs.model.aria.tokens import Tokens

    loaded = weights.load(model, adapter=adapter)
    network: Any = loaded.network
    shown = _draw_page()
    text = network.config.text_config
    tokens = Tokens(loaded.tokenizer, vocabulary=text.vocab_size, image=network.config.image_token_index)
    ids = torch.tensor([*tokens.prefix([shown.part]), *tokens.question([shown.part], "What is written here?")])
    decoder = Decoder(network)
    embedded = decoder.embed(ids)
    [features] = Vision(network).features([shown])
    embedded[(ids == tokens.image).to(embedded.device)] = features.to(embedded.device, embedded.dtype)
    prefix = Prefix(decoder.shape, len(ids))
    hidden = decoder.forward(embedded, [TokenSpan(slice(0, len(ids)), prefix, seen=0)])
    return decoder.logits(hidden).cpu()


def _draw_page() -> Any:
    """A page of noise: no patch is like another."""
    import numpy as np

    from aria_docs.model.chat_model import Shown
    from aria_docs.tiling.budget import page_part
    from aria_docs.tiling.pixels import crops
    from aria_docs.tiling.resolution import MEDIUM

    part = page_part(1, 300, 200, MEDIUM)
    noise = np.random.default_rng(0).integers(0, 256, (24, 35, 3), np.uint8).repeat(14, axis=0).repeat(14, axis=1)
    return Shown(part, crops(noise, part.layout), key="noise")
