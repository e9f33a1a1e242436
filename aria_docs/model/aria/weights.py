"""A checkpoint on disk becomes a network and a tokenizer, or one sentence that says why not and what to do.

Everything is checked before the first weight is read: the config is Aria's, the file headers name exactly the tensors
of that config in the right shapes, the tokens that a prompt is made of have rows in the embedding. transformers itself
would leave the vision tower of an old checkpoint random, with a warning. The network is transformers'
`AriaForConditionalGeneration`; only the reading is here, so that experts are quantised or packed one tensor at a time
and the 47 GiB of the whole are never held twice.

Two layouts of names are known, and what they become in memory (transformers 5):

    rhymes-ai/Aria (published)                Aria-Chat, Aria-Base-8K/-64K (old)            in memory
    language_model.model.…                    the same, and …inv_freq, dropped              model.language_model.…
    ….mlp.experts.fc1.weight, fc2             the same                                      ….gate_up_proj, down_proj
    language_model.lm_head.weight             the same                                      lm_head.weight
    vision_tower.…                            vision_tower.vision_model.…                   model.vision_tower.…
    multi_modal_projector.layer_norm          multi_modal_projector.ln_ffn                  model.multi_modal_…
    multi_modal_projector.feed_forward        multi_modal_projector.ffn
    ….cross_attn.layer_norm_kv                ….cross_attn.ln_kv

Sources: transformers' conversion_mapping.py ("llava", "aria_text") and its convert_aria_weights_to_hf.py of 2024. The
old layout has no `post_layernorm` in the vision tower; nothing reads it, and that converter fills it with zeros too.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from aria_docs.errors import EngineError, UsageError
from aria_docs.forecast import GIB
from aria_docs.model.aria import adapter as adapters
from aria_docs.model.aria import attention, experts, private
from aria_docs.tiling.budget import IMAGE, MARKERS
from aria_docs.tiling.resolution import HIGH, MEDIUM, PATCH_PX

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aria_docs.model.aria.adapter import Adapter
    from aria_docs.model.aria.experts import Quantization

# Of a card or a machine, beside the weights: forecast.WORK_BYTES without the cache, which depends on what is read.
ROOM_BYTES = 3 * GIB

# What no prompt contains, and some revisions of the tokenizer number from 100,352 on, behind the embedding's last row.
NEVER_FED = frozenset({"<pad>", "<s>", "</s>", "<unk>"})

_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w.-]+")
_WANTED = ["*.json", "*.safetensors", "*.jinja", "tokenizer.model"]  # of a hub's folder; never pickled weights
_RENAMED = (
    (re.compile(r"^vision_tower\.vision_model\."), "vision_tower."),
    (re.compile(r"^multi_modal_projector\.ln_ffn\."), "multi_modal_projector.layer_norm."),
    (re.compile(r"^multi_modal_projector\.ffn\."), "multi_modal_projector.feed_forward."),
    (re.compile(r"^multi_modal_projector\.cross_attn\.ln_kv\."), "multi_modal_projector.cross_attn.layer_norm_kv."),
    (re.compile(r"^language_model\.lm_head\."), "lm_head."),
    (re.compile(r"^language_model\.model\."), "model.language_model."),
    (re.compile(r"^(vision_tower|multi_modal_projector)\."), r"model.\1."),
    (re.compile(r"\.mlp\.experts\.fc1\.weight$"), ".mlp.experts.gate_up_proj"),
    (re.compile(r"\.mlp\.experts\.fc2\.weight$"), ".mlp.experts.down_proj"),
)
_UNREAD = "model.vision_tower.post_layernorm."
_DTYPES = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}


@dataclass(frozen=True, slots=True, eq=False)
class LoadedAria:
    """Aria, ready to be asked.

    network:    transformers' AriaForConditionalGeneration, in eval mode, without gradients.
    tokenizer:  transformers' tokenizer. Ids from `network.config.text_config.vocab_size` on must not be fed.
    model:      as it was asked for: a folder or hub id.
    revision:   the hub's commit, or `fingerprint` of a folder that is none of the hub's.
    device:     where token ids and pixels go; the decoder's layers may lie on further cards.
    attention:  as a run reports it: sdpa | flash_attention_2 | flash_attention_3.
    quantize:   of the routed experts.
    adapter:    the folder of the adapter that is in the weights.
    """

    network: Any
    tokenizer: Any
    model: str
    revision: str
    device: torch.device
    dtype: torch.dtype
    attention: str
    quantize: Quantization | None = None
    adapter: str | None = None

    def __repr__(self) -> str:
        numbers = self.quantize or str(self.dtype).removeprefix("torch.")
        adapted = f" with {self.adapter}" if self.adapter else ""
        return f"Loaded({self.model}@{self.revision[:8]}{adapted}, {numbers} on {self.device}, {self.attention})"


@dataclass(frozen=True, slots=True)
class Stored:
    """A tensor in a file, from the file's header: dtype as safetensors writes it, BF16 | F32 | …"""

    file: Path
    name: str
    shape: tuple[int, ...]
    dtype: str


def load(
    model: str,
    *,
    revision: str | None = None,
    quantize: Quantization | None = None,
    device: str | None = None,
    packed: bool | None = None,
    adapter: str | None = None,
) -> LoadedAria:
    """A folder, or a hub id: from the local hub cache, else downloaded, since to name it is to ask for it.

    revision:  of a hub id: a commit, branch or tag; None for its main branch.
    quantize:  the routed experts, 90 of 100 weights, to 8 or 4 bits while they are read; the rest stays bfloat16.
    device:    cuda, cuda:1, cpu; by itself the first card, several where one is too small, the CPU where there is none.
    packed:    the decoder's weights in oneDNN's layout, which gradients cannot pass; None where that is of use
               (`experts.packs`).
    adapter:   the folder of a LoRA adapter, added to the weights as they are read, before they are quantised.

    Numbers are bfloat16; a float32 checkpoint stays float32 on a CPU. EngineError, before anything is read, where the
    checkpoint is not whole and Aria's, where it does not fit, or where it is not here and cannot be fetched.
    """
    folder = locate(model, revision=revision)
    config = read_config(folder)
    stored = read_headers(folder)
    first = find_device(device)
    dtype = _dtype(folder, stored.values(), first)
    chosen = attention.choose(first, dtype)
    network = skeleton(config, dtype=dtype, vision=chosen)
    wanted = shapes(network)
    check_tensors(folder, {name: tensor.shape for name, tensor in stored.items()}, wanted)
    added = None if adapter is None else adapters.read(Path(adapter), wanted)
    tokenizer = read_tokenizer(folder, config)
    packed = experts.packs(dtype, first) if packed is None else packed
    if quantize:
        experts.quantise(network, quantize)
    if quantize or packed:
        network.set_experts_implementation(experts.register())
    places = _places(network, first, spread=device is None)
    _fill(network, stored, places, dtype, quantize, added)
    if packed:
        experts.pack(network.model.language_model)
        network.lm_head = experts.PackedLinear(network.lm_head)
    if len(places) > 1:
        from accelerate import dispatch_model

        network = dispatch_model(network, device_map=places)
    state = revision_of(folder) if added is None else adapted_revision(revision_of(folder), added.identity)
    return LoadedAria(network.eval(), tokenizer, model, state, first, dtype, chosen, quantize, adapter)


def locate(model: str, *, revision: str | None = None, download: bool = True) -> Path:
    """The folder of a checkpoint; with download=False only what is on this machine, for whoever asks whether it is.

    revision:  of a hub id: a commit, branch or tag.

    EngineError where it is not there and, for a hub id, cannot be fetched; UsageError for the revision of a folder.
    """
    if (folder := Path(model).expanduser()).is_dir():
        if revision:
            raise UsageError(
                f"--revision {revision}: {model} is a folder, which has one state; give a hub id as --model"
            )
        return folder
    if not _HUB_ID.fullmatch(model):
        raise EngineError(f"{model} is no folder and no model id: give the folder of Aria's weights, or rhymes-ai/Aria")
    import httpx
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RevisionNotFoundError,
    )

    try:
        held = Path(snapshot_download(model, revision=revision, allow_patterns=_WANTED, local_files_only=True))
        if not _absent(held):
            return held
    except LocalEntryNotFoundError:
        pass  # never fetched: the next lines do
    way_out = f"fetch it where there is a network (hf download {model}) and give its folder as the model"
    if not download:
        raise EngineError(f"{model} is not in this machine's hub cache: {way_out}")
    try:
        return Path(snapshot_download(model, revision=revision, allow_patterns=_WANTED))
    except RevisionNotFoundError as e:
        raise EngineError(f"{model} has no revision {revision}: give one of its branches, tags or commits") from e
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, httpx.HTTPError, OSError) as e:
        raise EngineError(f"{model} is not in this machine's hub cache and cannot be downloaded: {way_out}") from e


def read_config(folder: Path) -> Any:
    """transformers' AriaConfig of a folder, of both layouts. EngineError where it is not Aria's."""
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AriaConfig

    try:
        raw = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError as e:
        raise EngineError(f"{folder} has no config.json: give the folder of a checkpoint of Aria") from e
    except (OSError, ValueError) as e:
        raise EngineError(f"{folder / 'config.json'} cannot be read ({e}): download it again") from e
    kind = raw.get("model_type") if isinstance(raw, dict) else None
    if kind != "aria":
        raise EngineError(f"{folder} holds a model of type {kind}, not aria: serve it and give its address as --server")
    if "quantization_config" in raw:
        raise EngineError(f"{folder} is quantised already: give the published bfloat16 weights, and --quantize")
    native = _native(raw)
    text = native["text_config"]
    # Shapes show neither of these, and transformers would take the defaults of another model for them.
    if lacking := [name for name in ("num_attention_heads", "moe_topk") if name not in text] or (
        [] if {"rope_theta", "rope_parameters"} & text.keys() else ["rope_theta"]
    ):
        raise EngineError(f"{folder / 'config.json'} does not say {lacking[0]} of the text model: download it again")
    try:
        config: Any = AriaConfig(**native)
    except (StrictDataclassError, ValueError, TypeError, KeyError) as e:
        said = " ".join(str(e).split())
        raise EngineError(f"{folder / 'config.json'} is not a config of Aria ({said}): download it again") from e
    vision = config.vision_config
    queries = {(mode.tile_px // PATCH_PX) ** 2: mode.tokens_per_crop for mode in (MEDIUM, HIGH)}
    for name, found, wanted in (
        ("patch_size", vision.patch_size, PATCH_PX),
        ("image_size", vision.image_size, HIGH.tile_px),
        ("projector_patch_to_query_dict", config.projector_patch_to_query_dict, queries),
        ("vision_feature_layer", config.vision_feature_layer, -1),
    ):
        if found != wanted:
            raise EngineError(f"{name} is {found} in {folder / 'config.json'}, and Aria's is {wanted}: it is no Aria")
    return config


def read_headers(folder: Path) -> dict[str, Stored]:
    """Every tensor of a folder's safetensors by its name in memory; reads the headers alone.

    EngineError where files are absent or broken, or two tensors claim one name.
    """
    from safetensors import SafetensorError, safe_open

    if absent := _absent(folder):
        raise EngineError(f"{folder} lacks {_some(absent)}: download it again")
    found: dict[str, Stored] = {}
    for file in _files(folder):
        try:
            with safe_open(file, framework="pt") as tensors:
                headers = {name: tensors.get_slice(name) for name in tensors.keys()}  # noqa: SIM118 - no mapping
                kept = [
                    Stored(file, name, tuple(header.get_shape()), header.get_dtype())
                    for name, header in headers.items()
                    if not name.endswith(".inv_freq")
                ]
        except (SafetensorError, OSError) as e:
            raise EngineError(f"{file} is not a whole safetensors file ({e}): download it again") from e
        for tensor in kept:
            if (other := found.setdefault(name_in_memory(tensor.name), tensor)) is not tensor:
                raise EngineError(
                    f"{folder} holds both {other.name} and {tensor.name}: keep one checkpoint in a folder"
                )
    return found


def name_in_memory(name: str) -> str:
    """A tensor's name in transformers' network, from its name in a checkpoint of either layout."""
    for pattern, replacement in _RENAMED:
        name = pattern.sub(replacement, name)
    return name


def skeleton(config: Any, *, dtype: torch.dtype = torch.bfloat16, vision: str = "sdpa") -> Any:
    """The network of a config on the meta device: names, shapes and bytes, no memory. Its rotary table is real.

    vision:  how transformers calls the vision tower's attention; the decoder's is not transformers'.
    """
    from transformers import AriaForConditionalGeneration

    for part in (config, config.text_config, config.vision_config):
        part.dtype = dtype
    private.set_attention(config, vision=vision)
    with torch.device("meta"):
        network: Any = AriaForConditionalGeneration(config)
    network.to(dtype)
    language = network.model.language_model
    language.rotary_emb = type(language.rotary_emb)(config.text_config)
    return network.requires_grad_(False)


def shapes(network: Any) -> dict[str, tuple[int, ...]]:
    """Every tensor that a checkpoint of this network has, by its name in memory."""
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def check_tensors(folder: Path, found: Mapping[str, tuple[int, ...]], wanted: Mapping[str, tuple[int, ...]]) -> None:
    """EngineError where a tensor is missing, unknown, or of another shape; `post_layernorm`, unread, may be missing."""
    published = "give the published weights, rhymes-ai/Aria or rhymes-ai/Aria-Chat, whole"
    if missing := [name for name in wanted if name not in found and not name.startswith(_UNREAD)]:
        raise EngineError(f"{folder} lacks {_some(missing)} of Aria's tensors: {published}")
    if unknown := [name for name in found if name not in wanted]:
        raise EngineError(f"{folder} holds {_some(unknown)}, which Aria does not have: {published}")
    for name, shape in found.items():
        if shape != wanted[name]:
            raise EngineError(
                f"{name} is {shape} in {folder}, and its config.json makes it {wanted[name]}: {published}"
            )


def read_tokenizer(folder: Path, config: Any) -> Any:
    """transformers' tokenizer. EngineError where a token that prompts are made of has no row in the embedding.

    `<pad>` and its like may lie outside, as in some published revisions: no prompt is padded with them.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, ImportError) as e:
        raise EngineError(f"{folder} has no tokenizer that can be read: download tokenizer.json beside it") from e
    rows, image = config.text_config.vocab_size, config.image_token_id
    again = "download the tokenizer of rhymes-ai/Aria beside it"
    ids = tokenizer.get_vocab()
    for token in MARKERS:
        if tokenizer.encode(token, add_special_tokens=False) != [ids.get(token)]:
            raise EngineError(f"the tokenizer in {folder} has no token {token}: {again}")
    if ids[IMAGE] != image:
        raise EngineError(f"{IMAGE} is token {ids[IMAGE]} in {folder}, and its config.json says {image}: {again}")
    for token, number in ids.items():
        if number >= rows and token not in NEVER_FED:
            raise EngineError(f"token {token} is {number} in {folder}, and the embedding ends at {rows - 1}: {again}")
    return tokenizer


def revision_of(folder: Path) -> str:
    """The commit of a folder in a hub cache, else `fingerprint`."""
    resolved = folder.resolve()
    if resolved.parent.name == "snapshots" and re.fullmatch(r"[0-9a-f]{40}", resolved.name):
        return resolved.name
    return fingerprint(folder)


def adapted_revision(state: str, identity: str) -> str:
    """The revision of weights with an adapter in them."""
    return f"{state}+{identity}"


def fingerprint(folder: Path) -> str:
    """16 hex digits of config, tokenizer, and of each file of weights, its header and 1 KiB of every 64 MiB of data.

    Reads about a megabyte of 47 GiB. Another training run changes every sample; where somebody changes a few
    numbers by hand, --force reads again. EngineError where a file of weights is absent.
    """
    if absent := _absent(folder):
        raise EngineError(f"{folder} lacks {_some(absent)}: download it again")
    digest = hashlib.sha256()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        if (folder / name).is_file():
            digest.update((folder / name).read_bytes())
    for file in _files(folder):
        with file.open("rb") as f:
            length = f.read(8)
            digest.update(length + f.read(int.from_bytes(length, "little")))
            start, size = f.tell(), file.stat().st_size
            for place in range(start, size, 64 * 2**20):
                f.seek(place)
                digest.update(f.read(1024))
    return digest.hexdigest()[:16]


def _native(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A config as transformers 5 wants it, of one that Rhymes' own code wrote; a native one comes out as it was.

    The old one calls its towers aria_moe_lm and aria_vision_model, and has an `intermediate_size` of 13,568 that
    nothing uses: the experts' width is its `moe_intermediate_size`.
    """
    unused = ("auto_map", "architectures", "_name_or_path", "transformers_version")
    config = {name: value for name, value in raw.items() if name not in unused}
    text = {name: value for name, value in dict(config.get("text_config") or {}).items() if name not in unused}
    vision = {name: value for name, value in dict(config.get("vision_config") or {}).items() if name not in unused}
    if "moe_intermediate_size" in text:
        text["intermediate_size"] = text.pop("moe_intermediate_size")
    if "attention_heads" in vision:  # so in some revisions of the hub's config
        vision.setdefault("num_attention_heads", vision.pop("attention_heads"))
    text["model_type"], vision["model_type"] = "aria_text", "idefics3_vision"
    return config | {"text_config": text, "vision_config": vision}


def _files(folder: Path) -> list[Path]:
    """The files of weights: those that an index names, else the one."""
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return [folder / "model.safetensors"]
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
        raise EngineError(f"{index} cannot be read ({e!r}): download it again") from e
    return [folder / name for name in names]


def _absent(folder: Path) -> list[str]:
    return [file.name for file in _files(folder) if not file.is_file()]


def _some(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1:,} more"


def find_device(device: str | None) -> torch.device:
    """As asked for, else the first card, else the CPU. EngineError for one that is not there."""
    if device is None:
        return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    try:
        found = torch.device(device)
    except RuntimeError as e:
        raise EngineError(f"{device} is no device: give cuda, cuda:1 or cpu") from e
    if found.type == "cuda":
        found = torch.device("cuda", found.index or 0)
    if found.type not in ("cuda", "cpu") or (found.type == "cuda" and found.index >= torch.cuda.device_count()):
        raise EngineError(f"{device} is not on this machine, which has {torch.cuda.device_count()} CUDA cards: use cpu")
    return found


def _dtype(folder: Path, stored: Iterable[Stored], device: torch.device) -> torch.dtype:
    """bfloat16; float32 where everything is stored so and there is no card. EngineError for anything quantised."""
    kinds = {tensor.dtype for tensor in stored}
    if other := kinds - _DTYPES.keys():
        raise EngineError(f"{folder} holds numbers of type {min(other)}: give the published weights, and --quantize")
    return torch.float32 if kinds == {"F32"} and device.type == "cpu" else torch.bfloat16


def _places(network: nn.Module, first: torch.device, *, spread: bool) -> dict[str, torch.device]:
    """Where the modules go, by name: everything ("") to one device, or spread over all cards where one is too small.

    EngineError where it does not fit, or where spreading needs accelerate and that is not installed.
    """
    needed, free = experts.nbytes(network), free_bytes(first)
    if free is None or needed + ROOM_BYTES * (first.type == "cuda") <= free:
        return {"": first}
    smaller = "--quantize int8 takes 25.8 GiB for all of Aria, int4 15.8"
    lacks = f"the weights take {needed / GIB:.1f} GiB and {first} has {free / GIB:.1f} free"
    cards = torch.cuda.device_count()
    if not spread or first.type == "cpu" or cards < 2:
        raise EngineError(f"{lacks}: {smaller}; or serve the model elsewhere and give its address as --server")
    try:
        from accelerate import infer_auto_device_map
    except ImportError as e:
        raise EngineError(f"{lacks}: pip install accelerate spreads them over {cards} cards; {smaller}") from e
    room = {card: max(torch.cuda.mem_get_info(card)[0] - ROOM_BYTES, 0) for card in range(cards)}
    whole = ["AriaTextDecoderLayer", "Idefics3VisionTransformer", "AriaProjector"]
    found = infer_auto_device_map(network, max_memory=room, no_split_module_classes=whole)
    if {"cpu", "disk"} & set(found.values()):  # where accelerate puts what no card has room for
        raise EngineError(f"{lacks}, all {cards} cards {sum(room.values()) / GIB:.1f}: {smaller}")
    return {name: torch.device("cuda", card) for name, card in found.items()}


def free_bytes(device: torch.device) -> int | None:
    """Memory that weights may take; None where it cannot be known, as on a CPU under another system than Linux."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    meminfo = Path("/proc/meminfo")
    if not meminfo.is_file():
        return None
    found = re.search(r"^MemAvailable:\s+(\d+) kB", meminfo.read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def _fill(
    network: nn.Module,
    stored: Mapping[str, Stored],
    places: Mapping[str, torch.device],
    dtype: torch.dtype,
    quantize: Quantization | None,
    added: Adapter | None,
) -> None:
    """Reads tensor by tensor, each to its place. On a CPU, what needs no conversion stays mapped from its file."""
    from safetensors import safe_open

    for file, inside in groupby(sorted(stored.items(), key=lambda item: item[1].file), lambda item: item[1].file):
        with safe_open(file, framework="pt") as tensors:
            for name, tensor in inside:
                value = tensors.get_tensor(tensor.name).to(_place(name, places), dtype)
                if added:
                    value = added.added(name, value)
                module, leaf = _owner(network, name)
                if quantize and leaf in experts.STACKS:
                    experts.put(module, leaf, experts.quantise_stack(value, quantize))
                else:
                    setattr(module, leaf, nn.Parameter(value, requires_grad=False))
    for name, unread in list(network.named_parameters()):
        if unread.is_meta:
            assert name.startswith(_UNREAD), name
            module, leaf = _owner(network, name)
            zeros = torch.zeros(unread.shape, dtype=dtype, device=_place(name, places))
            setattr(module, leaf, nn.Parameter(zeros, requires_grad=False))
    rotary = "model.language_model.rotary_emb"
    network.get_submodule(rotary).to(_place(rotary, places))


def _owner(network: nn.Module, name: str) -> tuple[nn.Module, str]:
    owner, _, leaf = name.rpartition(".")
    return network.get_submodule(owner), leaf


def _place(name: str, places: Mapping[str, torch.device]) -> torch.device:
    """That of the module nearest above."""
    while name not in places and name:
        name = name.rpartition(".")[0]
    return places[name]
