"""Features on disk: 9.2 MB of an A4 page in ultra, 0.66 MB of a frame, read in no time where the tower takes seconds.

A file a page or frame, named by what it depends on: the pixels of the crops, the number of queries, and the weights of
tower and projector. So the name alone says that the content fits, whatever page or file the pixels come from: the same
slide in two documents is one file, and a `Shown.key`, which names where pixels come from, has nothing to add. Bounded:
what was used longest ago goes first. Several processes may share a folder: files appear whole (by renaming) or not at
all, and one that another process has removed is a miss. Knows no network's forward pass.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aria_docs.errors import EngineError
from aria_docs.tiling.pixels import Crop

_TEMPORARY = ".tmp"

LIMIT_BYTES = 4 * 2**30  # 450 A4 pages in ultra, or 25 videos of 256 frames


def fingerprint(network: Any) -> str:
    """Of the weights that features depend on: those of vision tower and projector, a second for Aria's 0.88 GB."""
    digest = blake2b(digest_size=16)
    for module in (network.model.vision_tower, network.model.multi_modal_projector):
        for name, parameter in sorted(module.named_parameters()):
            digest.update(f"{name} {tuple(parameter.shape)} {parameter.dtype};".encode())
            digest.update(parameter.detach().cpu().contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()


class FeatureCache:
    """Features in a folder, which is made.

    weights:  the `fingerprint` of the network.
    limit:    bytes that all files together may have after a write; files of other weights count.

    Raises EngineError where the folder cannot be written.
    """

    def __init__(self, folder: Path, *, weights: str, dtype: torch.dtype, limit: int = LIMIT_BYTES) -> None:
        self._folder, self._weights, self._dtype, self._limit = folder, weights, dtype, limit

    def name(self, crops: Sequence[Crop], queries: int) -> str:
        """Of the file for these crops as one page or frame."""
        digest = blake2b(f"{self._weights} {self._dtype} {queries}".encode(), digest_size=20)
        for crop in crops:
            digest.update(f" {crop.pixels.shape};".encode())
            digest.update(np.ascontiguousarray(crop.pixels).data)
        return digest.hexdigest()

    def read(self, name: str, shape: tuple[int, int]) -> torch.Tensor | None:
        """The features of that name, and it counts as used now; None where there are none of that shape."""
        path = self._path(name)
        try:
            content = bytearray(path.read_bytes())
            os.utime(path)
        except FileNotFoundError:
            return None
        except OSError as e:
            raise self._error("read", e) from e
        if len(content) != shape[0] * shape[1] * self._dtype.itemsize:
            return None  # not by us, or a disk that lost its end: written again
        return torch.frombuffer(content, dtype=self._dtype).view(shape)

    def write(self, features: Mapping[str, torch.Tensor]) -> None:
        """Keeps features under their names, then removes what was used longest ago beyond the limit."""
        if not features:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for name, tensor in features.items():
                self._write(self._path(name), tensor)
            self._trim()
        except OSError as e:
            raise self._error("written", e) from e

    def _write(self, path: Path, tensor: torch.Tensor) -> None:
        content = tensor.detach().to("cpu", self._dtype).contiguous().view(torch.uint8).numpy()
        handle, temporary = tempfile.mkstemp(dir=self._folder, suffix=_TEMPORARY)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content.data)
            Path(temporary).replace(path)
        finally:
            Path(temporary).unlink(missing_ok=True)

    def _trim(self) -> None:
        """Keeps the limit. A temporary file is another process's work, or after an hour that of one that was killed."""
        files = []
        for path in self._folder.iterdir():
            try:
                status = path.stat()
            except FileNotFoundError:  # removed by another process since it was listed
                continue
            if path.suffix != _TEMPORARY or status.st_mtime < time.time() - 3600:
                files.append((status.st_mtime_ns, status.st_size, path))
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if total <= self._limit:
                return
            path.unlink(missing_ok=True)
            total -= size

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.features"

    def _error(self, done: str, error: OSError) -> EngineError:
        return EngineError(
            f"The feature cache in {self._folder} cannot be {done} ({error.strerror or error}): make room there, or "
            f"choose another folder with ARIA_DOCS_CACHE."
        )
