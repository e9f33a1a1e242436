"""The settings of a training, in the keys of Rhymes' YAML files; a key that is none of them is named and ignored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from aria_docs.errors import UsageError
from aria_docs.tiling.resolution import HIGH, MEDIUM, ULTRA, ULTRA_490, Mode

SCHEDULES = ("cosine", "linear", "constant", "constant_with_warmup")
# By substring of a tensor's published name. fc1 and fc2 are the routed experts; `linear` and `out_proj`, of Rhymes' own
# files, stand in the vision tower and the projector alone, which are frozen there.
TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "fc1", "fc2", "gate_proj", "up_proj", "down_proj", "lm_head")


@dataclass(frozen=True, slots=True)
class Settings:
    """Rhymes' values for LoRA where a file says nothing.

    max_seq_length:  tokens of the longest line that is taken; None for whatever the lines need.
    max_image_size, split_image:  how pictures are shown; None as each line says, else whole at 980 px, frames at 490.
    dataset_mixer:   further folders of data, relative to the working folder as in Rhymes' own code, or else to the
                     file; and which share of each: 0.5 for its first half, 2 for all of it twice.
    """

    learning_rate: float = 5e-5
    num_train_epochs: float = 1.0
    per_device_train_batch_size: int = 8
    gradient_accumulation_steps: int = 2
    warmup_ratio: float = 0.01
    lr_scheduler_type: str = "cosine"
    weight_decay: float = 0.1
    adam_beta2: float = 0.95
    max_seq_length: int | None = None
    max_image_size: int | None = None
    split_image: bool | None = None
    freeze_vit: bool = True
    freeze_projector: bool = True
    freeze_llm: bool = False
    freeze_llm_layers: tuple[int, ...] = ()
    lora_r: int = 8
    lora_alpha: float = 32.0
    lora_dropout: float = 0.05
    lora_target_modules: tuple[str, ...] = TARGETS
    moe_z_loss_coeff: float = 1e-5
    moe_aux_loss_coeff: float = 1e-4
    bf16: bool = True
    gradient_checkpointing: bool = True
    seed: int = 42
    dataset_mixer: tuple[tuple[Path, float], ...] = ()

    @property
    def mode(self) -> Mode | None:
        """How every picture is shown; None where each line says it."""
        if self.max_image_size is None and self.split_image is None:
            return None
        if self.max_image_size == MEDIUM.tile_px:
            return ULTRA_490 if self.split_image else MEDIUM
        return ULTRA if self.split_image else HIGH


def read(file: Path | None) -> tuple[Settings, tuple[str, ...]]:
    """The settings of a YAML file, and the keys in it that mean nothing here. Raises UsageError."""
    if file is None:
        return Settings(), ()
    import yaml

    try:
        text = file.read_text(encoding="utf-8-sig")
        raw, tree = yaml.safe_load(text), yaml.compose(text, yaml.SafeLoader)
    except (OSError, UnicodeDecodeError, RecursionError, yaml.YAMLError) as error:
        raise UsageError(f"--config {file} cannot be read as YAML: {' '.join(str(error).split())}") from error
    if raw is None:
        return Settings(), ()
    if not isinstance(raw, dict):
        raise UsageError(f"--config {file} holds no keys: write one a line, as in learning_rate: 5e-5")
    for mapping in (tree, *(value for _, value in tree.value if isinstance(value, yaml.MappingNode))):
        keys = [key.value for key, _ in mapping.value]
        if twice := [key for key in keys if keys.count(key) > 1]:
            raise UsageError(f"--config {file} has {twice[0]} twice: keep one of them")
    if raw.get("use_peft") is False:
        raise UsageError(
            f"--config {file} asks for full tuning (use_peft: false), and only LoRA is trained here: drop it"
        )
    known = {field.name for field in fields(Settings)}
    values = {key: _value(file, key, value) for key, value in raw.items() if key in known and value is not None}
    return Settings(**values), tuple(str(key) for key in raw if key not in known and key != "use_peft")


def _value(file: Path, key: str, value: Any) -> Any:
    try:
        return _READERS[key](file, value)
    except (TypeError, ValueError) as error:
        raise UsageError(f"--config {file}: {key}: {value!r} {error or 'is not what it takes'}") from error


def _number(least: float, most: float, *, above: bool = False) -> Callable[[Path, Any], float]:
    def parse(_file: Path, value: Any) -> float:
        # YAML 1.1 takes 5e-5, without a point, for a text.
        try:
            number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else None
        except ValueError:
            number = None
        if number is None or not least <= number <= most or (above and number == least):
            raise ValueError(f"is no number from {least:g} to {most:g}" + " (exclusive)" * above)
        return number

    return parse


def _whole(least: int, most: int) -> Callable[[Path, Any], int]:
    def parse(_file: Path, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ValueError(f"is no whole number from {least:,} to {most:,}")
        return value

    return parse


def _flag(_file: Path, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("is neither true nor false")
    return value


def _one_of(*choices: Any) -> Callable[[Path, Any], Any]:
    def parse(_file: Path, value: Any) -> Any:
        if value not in choices or isinstance(value, bool):
            raise ValueError(f"is none of {', '.join(map(str, choices))}")
        return value

    return parse


def _layers(_file: Path, value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(type(layer) is int and layer >= 0 for layer in value):
        raise ValueError("is no list of layers' numbers, as in [0, 1, 2]")
    return tuple(value)


def _names(_file: Path, value: Any) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise ValueError("is no list of names, as in [q_proj, v_proj]")
    return tuple(names)


def _mixer(file: Path, value: Any) -> tuple[tuple[Path, float], ...]:
    if not isinstance(value, Mapping) or not value:
        raise ValueError('is no mapping of folders to shares, as in "datasets/own": 1')
    share = _number(0, 1000, above=True)
    found = []
    for folder, amount in value.items():
        here, beside = Path(str(folder)), file.parent / str(folder)
        found.append((here if here.is_dir() else beside, share(file, amount)))
    return tuple(found)


_READERS: dict[str, Callable[[Path, Any], Any]] = {
    "learning_rate": _number(0, 1, above=True),
    "num_train_epochs": _number(0, 10_000, above=True),
    "per_device_train_batch_size": _whole(1, 4096),
    "gradient_accumulation_steps": _whole(1, 4096),
    "warmup_ratio": _number(0, 1),
    "lr_scheduler_type": _one_of(*SCHEDULES),
    "weight_decay": _number(0, 10),
    "adam_beta2": _number(0, 1),
    "max_seq_length": _whole(1, 65_536),
    "max_image_size": _one_of(MEDIUM.tile_px, HIGH.tile_px),
    "split_image": _flag,
    "freeze_vit": _flag,
    "freeze_projector": _flag,
    "freeze_llm": _flag,
    "freeze_llm_layers": _layers,
    "lora_r": _whole(1, 4096),
    "lora_alpha": _number(0, 100_000, above=True),
    "lora_dropout": _number(0, 0.99),
    "lora_target_modules": _names,
    "moe_z_loss_coeff": _number(0, 100),
    "moe_aux_loss_coeff": _number(0, 100),
    "bf16": _flag,
    "gradient_checkpointing": _flag,
    "seed": _whole(0, 2**31 - 1),
    "dataset_mixer": _mixer,
}
