"""Rhymes' YAML files as they are: every key that is known, and what is said of the others."""

from pathlib import Path

import pytest

from aria_docs.adapt import config
from aria_docs.errors import UsageError

RHYMES = """
model_name_or_path: rhymes-ai/Aria
dataset_mixer:
  "datasets/nextqa": 1
per_device_train_batch_size: 4
gradient_accumulation_steps: 4
bf16: true
gradient_checkpointing: true
logging_steps: 1
num_train_epochs: 1
learning_rate: 5e-5
weight_decay: 0.1
adam_beta2: 0.95
warmup_ratio: 0.01
lr_scheduler_type: "cosine"
max_image_size: 490
seed: 42
max_seq_length: 4096
moe_z_loss_coeff: 1e-5
moe_aux_loss_coeff: 1e-4
freeze_vit: true
freeze_llm: false
freeze_llm_layers: [0, 1]
freeze_projector: true
use_peft: true
lora_r: 8
lora_alpha: 32
lora_dropout: 0.05
lora_target_modules:
  - fc1
  - q_proj
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "config.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_file_of_rhymes_own(tmp_path: Path) -> None:
    settings, ignored = config.read(write(tmp_path, RHYMES))
    assert ignored == ("model_name_or_path", "logging_steps")
    assert settings.learning_rate == 5e-5  # YAML 1.1 takes it for a text
    assert (settings.per_device_train_batch_size, settings.gradient_accumulation_steps) == (4, 4)
    assert settings.lora_target_modules == ("fc1", "q_proj")
    assert settings.freeze_llm_layers == (0, 1)
    assert settings.dataset_mixer == ((tmp_path / "datasets" / "nextqa", 1.0),)
    assert str(settings.mode) == "medium"


def test_defaults_are_rhymes_own() -> None:
    settings, ignored = config.read(None)
    assert not ignored
    assert (settings.learning_rate, settings.lora_r, settings.lora_alpha, settings.lora_dropout) == (5e-5, 8, 32, 0.05)
    assert settings.mode is None


@pytest.mark.parametrize(
    ("keys", "mode"),
    [
        ("max_image_size: 980", "high"),
        ("max_image_size: 980\nsplit_image: true", "ultra"),
        ("max_image_size: 490\nsplit_image: true", "ultra-490"),
        ("split_image: false", "high"),
    ],
)
def test_how_pictures_are_shown(tmp_path: Path, keys: str, mode: str) -> None:
    assert str(config.read(write(tmp_path, keys))[0].mode) == mode


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("learning_rate: fast", "learning_rate: 'fast' is no number"),
        ("learning_rate: 0", "learning_rate: 0 is no number"),
        ("lora_r: 2.5", "lora_r: 2.5 is no whole number"),
        ("lora_r: true", "lora_r: True is no whole number"),
        ("max_image_size: 600", "max_image_size: 600 is none of 490, 980"),
        ("lr_scheduler_type: exponential", "none of cosine"),
        ("bf16: 1", "neither true nor false"),
        ("lora_target_modules: []", "no list of names"),
        ("dataset_mixer: [a]", "no mapping"),
        ("use_peft: false", "full tuning"),
        ("- a", "holds no keys"),
        ("lora_r: 4\nseed: 1\nlora_r: 8", "lora_r twice"),
        ("dataset_mixer: {a: 1, b: 1, a: 2}", "a twice"),
        ("freeze_llm_layers: [true]", "no list of layers"),
        ("a: [", "cannot be read as YAML"),
    ],
)
def test_a_value_that_cannot_be(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        config.read(write(tmp_path, text))
    assert said in str(error.value)
    assert "config.yaml" in str(error.value)
