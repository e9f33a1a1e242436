"""Which of several workers reads a file: a share that stays the same, whatever files come or go beside it.

A worker looks at all files to find its own, so a share must not cost a reading of them all. The ends of a file and its
size decide: copies of one content fall to one worker, and other contents that look alike do no harm there.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from aria_docs.errors import UsageError
from aria_docs.ingest.folder import FoundFile

_END_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Shard:
    """One share of n: `Shard(1, 4)` is the first of four. Raises UsageError for a share that there cannot be."""

    number: int
    n: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.n:
            raise UsageError(
                f"--shard {self}: there are shards 1/{max(self.n, 1)} to {max(self.n, 1)}/{max(self.n, 1)}"
            )

    def __str__(self) -> str:
        return f"{self.number}/{self.n}"

    def has(self, file: FoundFile) -> bool:
        """Whether the file is in this share, by its content; by its path where it cannot be read."""
        return self.n == 1 or self._falls(alike(file))

    def has_path(self, path: str) -> bool:
        """Whether what is to be said of this path, though nothing can be read there, is for this share to say."""
        return self._falls(_path_key(path))

    def _falls(self, key: bytes) -> bool:
        return int.from_bytes(hashlib.sha256(key).digest()[:8]) % self.n == self.number - 1


WHOLE = Shard(1, 1)


def parse_shard(text: str) -> Shard:
    """`1/4` → the first of four. Raises UsageError."""
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text.strip())
    if not match:
        raise UsageError(f"--shard {text}: write for example 1/4, for the first of four")
    return Shard(int(match[1]), int(match[2]))


def alike(file: FoundFile) -> bytes:
    """The same for copies, and for few other files: size and ends; of a file that cannot be read its path."""
    try:
        return _ends_of(file)
    except OSError:
        return _path_key(file.path)


def _path_key(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _ends_of(file: FoundFile) -> bytes:
    """The size, the first and the last 64 KiB."""
    with open(file.path, "rb") as content:  # noqa: PTH123
        first = content.read(_END_BYTES)
        content.seek(max(len(first), file.size_bytes - _END_BYTES))
        return b"%d\0" % file.size_bytes + first + content.read(_END_BYTES)
