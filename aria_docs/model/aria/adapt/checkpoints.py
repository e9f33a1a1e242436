"""Where a training stands, on disk: one file of weights and their moments, which appears whole or not at all."""

from __future__ import annotations

from pathlib import Path

import torch

from aria_docs.errors import EngineError

_FOLDER, _SUFFIX, _TEMPORARY = "checkpoints", ".safetensors", ".tmp"


def save(folder: Path, step: int, tensors: dict[str, torch.Tensor], *, recipe: str) -> None:
    """After so many steps; the one before goes."""
    from safetensors.torch import save_file

    place = folder / _FOLDER
    place.mkdir(parents=True, exist_ok=True)
    file = place / f"step-{step:07d}{_SUFFIX}"
    partial = file.with_suffix(_TEMPORARY)
    # Metadata are texts: the recipe says what the step is a step of.
    save_file(
        {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, partial, {"recipe": recipe}
    )
    partial.rename(file)
    for other in place.iterdir():
        if other != file:
            other.unlink()


def latest(folder: Path) -> tuple[int, str] | None:
    """(steps done, recipe) of the last one; None if absent."""
    from safetensors import SafetensorError, safe_open

    files = sorted((folder / _FOLDER).glob(f"step-*{_SUFFIX}"))
    if not files:
        return None
    try:
        with safe_open(files[-1], framework="pt") as tensors:
            recipe = (tensors.metadata() or {}).get("recipe", "")
    except (OSError, SafetensorError) as error:
        raise EngineError(f"{files[-1]} cannot be read ({error}): remove {folder / _FOLDER} and train again") from error
    return int(files[-1].stem.partition("-")[2]), recipe


def load(folder: Path, step: int) -> dict[str, torch.Tensor]:
    """The tensors of that step."""
    from safetensors.torch import load_file

    return load_file(folder / _FOLDER / f"step-{step:07d}{_SUFFIX}")


def remove(folder: Path) -> None:
    """All of them, when the training is over."""
    place = folder / _FOLDER
    if place.is_dir():
        for file in place.iterdir():
            file.unlink()
        place.rmdir()
