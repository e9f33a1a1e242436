"""A tiny random Aria on disk in the published layout, made in seconds: weights, tokenizer, chat template, processor.

The real weights and the real tokenizer cannot be had on the project's own machines. Everything that decides whether
code meets them is kept: tensor names, patches of 14 px and a position table of 70×70, 128 and 256 queries, `<|img|>`
as id 9, the image's markers, no BOS and no EOS. What is small: widths, layers, experts and the vocabulary.

    .venv/bin/python tests/tiny_aria.py FOLDER      for a server or the command line
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

# The order decides the ids: `<|img|>` is 9, as published. The other ids of the real tokenizer are not known.
SPECIAL = (
    "<unk>", "<s>", "</s>", "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>", "<filename>", "<gh_stars>",
    "<|img|>", "<|im_start|>", "<|im_end|>", "<pad>",
)  # fmt: skip

CHAT_TEMPLATE = (
    "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}"
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% elif message['content'] is iterable %}{% for item in message['content'] %}"
    "{% if item['type'] == 'text' %}{{ item['text'] }}"
    "{% elif item['type'] == 'image' %}<fim_prefix><|img|><fim_suffix>{% endif %}{% endfor %}{% endif %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

# What the tokenizer learns its few merges from: words of the prompts and of the answers' JSON.
_TEXT = (
    'user\nPage 1: [03:20] assistant\n{"tables":[{"caption":"Sales","box":[0,100,999,500],"header_rows":1,"rows":[["a",'
    '"1,234.5"]],"spans":[{"row":0,"col":1,"rows":2,"cols":1}]}]} {"scenes":[{"start":"0:49","end":"1:00","title":"The '
    'harbour","description":"Ships in the fog."}]} {"title":"","language":"en","text":"","key_points":[{"text":"",'
    '"page":1,"time":"0:01"}]} Extract every table on this page with all of its rows and columns, exactly as printed.'
)


def build(
    folder: Path,
    *,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    hidden: int = 64,
    layers: int = 2,
    heads: int = 2,
    experts: int = 8,
    active: int = 2,
    expert_width: int = 32,
    vision_hidden: int = 32,
    vision_layers: int = 2,
    vision_heads: int = 2,
    vision_width: int = 48,
    vocab: int = 512,
    positions: int = 65_536,
    shard_bytes: int | None = None,
    pad_outside: bool = False,
) -> Path:
    """Writes the checkpoint into the folder, which it makes; the same seed and sizes give the same bytes.

    dtype:        float32 to compare numbers, bfloat16 as published.
    shard_bytes:  where a shard of the weights ends, for several of them.
    pad_outside:  `<pad>` gets the first id outside the embedding, as some revisions of the real tokenizer have it.
    """
    from transformers import AriaConfig, AriaForConditionalGeneration, GenerationConfig

    config = AriaConfig(
        vision_config={
            "model_type": "idefics3_vision", "hidden_size": vision_hidden, "num_hidden_layers": vision_layers,
            "num_attention_heads": vision_heads, "intermediate_size": vision_width, "image_size": 980,
            "patch_size": 14, "hidden_act": "gelu_pytorch_tanh",
        },
        text_config={
            "model_type": "aria_text", "hidden_size": hidden, "intermediate_size": expert_width,
            "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": heads,
            "vocab_size": vocab, "max_position_embeddings": positions, "moe_num_experts": experts,
            "moe_topk": active, "moe_num_shared_experts": 2, "pad_token_id": 2, "bos_token_id": None,
            "eos_token_id": None, "rope_parameters": {"rope_type": "default", "rope_theta": 5_000_000.0},
        },
        projector_patch_to_query_dict={1225: 128, 4900: 256},
        image_token_index=SPECIAL.index("<|img|>"),
        dtype=dtype,
    )  # fmt: skip
    with torch.device("meta"):
        network = AriaForConditionalGeneration(config)
    network = network.to_empty(device="cpu").to(dtype)
    _fill(network, torch.Generator().manual_seed(seed))
    folder.mkdir(parents=True, exist_ok=True)
    network.generation_config = GenerationConfig(
        eos_token_id=SPECIAL.index("<|im_end|>"), pad_token_id=SPECIAL.index("</s>")
    )
    network.save_pretrained(folder, **({"max_shard_size": shard_bytes} if shard_bytes else {}))
    _save_processor(folder, vocab, pad_outside=pad_outside)
    return folder


def _fill(network: torch.nn.Module, generator: torch.Generator) -> None:
    """Random numbers of a size that keeps every layer's answer alive: no token wins everywhere, no expert sleeps."""
    for name, parameter in sorted(network.named_parameters()):
        noise = torch.randn(parameter.shape, generator=generator)
        if "norm" in name and name.endswith("weight"):
            values = 1 + 0.1 * noise
        elif name.endswith(("bias", "position_embedding.weight")):
            values = 0.1 * noise
        elif name.endswith(("embed_tokens.weight", "projector.query")):
            values = noise
        else:
            fan_in = parameter.shape[-2] if ".experts." in name and parameter.dim() == 3 else parameter[0].numel()
            # Attention that picks and weighs, or an answer would hang on its last token alone.
            larger = 3 if name.startswith("lm_head") or name.endswith(("q_proj.weight", "o_proj.weight")) else 1
            values = noise * fan_in**-0.5 * larger
        parameter.data.copy_(values)
    for module in network.modules():  # buffers that are not saved and that to_empty has left undefined
        if hasattr(module, "compute_default_rope_parameters"):
            inverse, _ = module.compute_default_rope_parameters(module.config)
            module.inv_freq.copy_(inverse)
            module.original_inv_freq.copy_(inverse)


def _save_processor(folder: Path, vocab: int, *, pad_outside: bool) -> None:
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=_tokenizer(vocab, pad_outside=pad_outside),
        unk_token="<unk>", pad_token="<pad>", bos_token=None, eos_token=None, padding_side="left",
        clean_up_tokenization_spaces=False, model_max_length=65_536,
        extra_special_tokens={"image_token": "<|img|>"},
    )  # fmt: skip
    tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.save_pretrained(folder)
    image = {
        "image_processor_type": "AriaImageProcessor", "max_image_size": 980, "min_image_size": 336,
        "split_image": False, "do_convert_rgb": True, "do_rescale": True, "rescale_factor": 1 / 255,
        "do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "resample": 3,
    }  # fmt: skip
    processor = {"processor_class": "AriaProcessor", "image_token": "<|img|>", "size_conversion": {490: 128, 980: 256}}
    written = {
        "preprocessor_config.json": image | {"processor_class": "AriaProcessor"},
        "processor_config.json": processor,
        "chat_template.json": {"chat_template": CHAT_TEMPLATE},
    }
    for name, content in written.items():
        (folder / name).write_text(json.dumps(content, indent=2))


def _tokenizer(vocab: int, *, pad_outside: bool) -> object:
    """Byte-level BPE with every byte, the special tokens in front, a few merges, and filler up to the vocabulary."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

    inside = SPECIAL[:-1] if pad_outside else SPECIAL
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    learner.train_from_iterator(
        [_TEXT],
        trainers.BpeTrainer(
            vocab_size=min(vocab, 400), special_tokens=list(inside), show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )  # fmt: skip
    learned = json.loads(learner.to_str())["model"]
    ids: dict[str, int] = learned["vocab"]
    ids |= {f"<unused_{number}>": number for number in range(len(ids), vocab)}
    tokenizer = Tokenizer(models.BPE(ids, [(left, right) for left, right in learned["merges"]], unk_token="<unk>"))
    tokenizer.pre_tokenizer = learner.pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    assert tokenizer.token_to_id("<|img|>") == 9
    assert tokenizer.token_to_id("<pad>") == (vocab if pad_outside else SPECIAL.index("<pad>"))
    return tokenizer


if __name__ == "__main__":
    build(Path(sys.argv[1]), dtype=torch.bfloat16)
