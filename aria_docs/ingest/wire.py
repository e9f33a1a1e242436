"""How the answers of a child travel: JSON beside raw buffers. Data, never code; sizes are checked before they are read.

    frame    "adw1" │ n │ size of JSON │ size of each of n buffers │ JSON │ buffers …
    JSON     {"is": "aria_docs.media.DocumentInfo", "value": {…}}
    inside   {"$bytes": 0}   {"$array": [1, "uint8", [980, 490, 3]]}   {"$error": ["Damaged", "why"]}

A child may be in the hands of the file it parses. So only dataclasses and rows of this package that the parent has
imported already can be named, pydantic checks every field of them, and whatever does not fit is a `WireError`.
"""

from __future__ import annotations

import json
import math
import struct
import sys
from collections.abc import Sequence
from dataclasses import is_dataclass
from datetime import date, datetime
from pathlib import PurePath
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import SchemaError

from aria_docs import errors
from aria_docs.errors import AriaDocsError

MAX_JSON_BYTES = 512 << 20
MAX_FRAME_BYTES = 3 << 30
"""The largest that we send is a film's 256 frames at 980 px: 0.7 GB."""

MAX_BUFFERS = 1 << 16

_MAGIC = b"adw1"
_HEAD = struct.Struct("!4sIQ")  # magic, number of buffers, bytes of JSON
_SIZE = struct.Struct("!Q")
HEAD_BYTES = _HEAD.size

Buffer = bytes | bytearray | memoryview


class WireError(ValueError):
    """Bytes that are no message of ours."""


def encode(message: object) -> list[Buffer]:
    """A message as the pieces of one frame, to be written one after the other."""
    buffers: list[Buffer] = []

    def other(value: object) -> object:
        """What JSON has no form for."""
        if isinstance(value, bytes):
            buffers.append(value)
            return {"$bytes": len(buffers) - 1}
        if isinstance(value, np.ndarray):
            buffers.append(np.ascontiguousarray(value).data.cast("B") if value.size else b"")
            return {"$array": [len(buffers) - 1, value.dtype.name, list(value.shape)]}
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, datetime | date):
            return value.isoformat()
        if isinstance(value, PurePath):
            return str(value)
        if isinstance(value, set | frozenset):
            return list(value)
        if isinstance(value, AriaDocsError):
            public = next(kind for kind in type(value).__mro__ if kind.__module__ == errors.__name__)
            return {"$error": [public.__name__, str(value)]}  # a room's own kind arrives as the public one above it
        raise TypeError(f"{type(value).__name__} does not travel from a child")

    kind: type[Any] = type(message)
    named = is_dataclass(message) or isinstance(message, BaseModel)
    value = _adapter(kind).dump_python(message) if named else message
    name = f"{kind.__module__}.{kind.__qualname__}" if named else ""
    # JSON cannot carry half of a surrogate pair; a broken font may name one.
    text = json.dumps({"is": name, "value": value}, default=other, ensure_ascii=True).encode("ascii")
    sizes = [_SIZE.pack(len(buffer)) for buffer in buffers]
    return [_HEAD.pack(_MAGIC, len(buffers), len(text)), *sizes, text, *buffers]


class MessageReader:
    """Bytes as they come in, cut into messages. `feed` them; `take` gives those that are whole."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._sizes: list[int] | None = None
        self._body = memoryview(b"")
        self._filled = 0

    def wanted(self) -> memoryview | int:
        """Where the next bytes go: the rest of the body, or how many bytes of a head are missing."""
        if self._sizes is not None:
            return self._body[self._filled :]
        missing = HEAD_BYTES - len(self._head)
        if missing > 0:
            return missing
        _, n, _ = self._check_head()
        return HEAD_BYTES + n * _SIZE.size - len(self._head)

    def feed_head(self, data: bytes) -> None:
        """Bytes of a head, as many as were wanted or fewer. Raises WireError for what is no head, or is too large."""
        self._head += data
        if len(self._head) < HEAD_BYTES:
            return
        _, n, n_json = self._check_head()
        if len(self._head) < HEAD_BYTES + n * _SIZE.size:
            return
        sizes = [n_json, *(size for (size,) in _SIZE.iter_unpack(self._head[HEAD_BYTES:]))]
        if sum(sizes) > MAX_FRAME_BYTES:
            raise WireError(f"a message of {sum(sizes):,} bytes")
        self._sizes, self._body, self._filled = sizes, memoryview(bytearray(sum(sizes))), 0

    def filled(self, n: int) -> None:
        """So many bytes of the body have been written to where they were wanted."""
        self._filled += n

    def take(self) -> tuple[Any] | None:
        """The message that has come whole, in a tuple since it may be None. Raises WireError."""
        if self._sizes is None or self._filled < len(self._body):
            return None
        pieces, at = [], 0
        for size in self._sizes:
            pieces.append(self._body[at : at + size])
            at += size
        self._head, self._sizes, self._body = bytearray(), None, memoryview(b"")
        return (decode(bytes(pieces[0]), pieces[1:]),)

    def _check_head(self) -> tuple[bytes, int, int]:
        magic, n, n_json = _HEAD.unpack(self._head[:HEAD_BYTES])
        if magic != _MAGIC:
            raise WireError("bytes that are no message")
        if n > MAX_BUFFERS or n_json > MAX_JSON_BYTES:
            raise WireError(f"a message of {n:,} buffers and {n_json:,} bytes of text")
        return magic, n, n_json


def decode(text: bytes, buffers: Sequence[memoryview]) -> Any:
    """The message of a frame. Raises WireError."""
    try:
        found = json.loads(text, object_hook=lambda item: _revive(item, buffers))
        name, value = found["is"], found["value"]
        return value if name == "" else _adapter(_class_of(name)).validate_python(value)
    except (
        ValidationError,
        PydanticUserError,
        SchemaError,
        ValueError,
        KeyError,
        TypeError,
        IndexError,
        RecursionError,
    ) as error:
        raise WireError(" ".join(str(error).split())[:200]) from error


def _revive(item: dict[str, Any], buffers: Sequence[memoryview]) -> Any:
    """What `encode` made of bytes, arrays and errors."""
    if len(item) != 1:
        return item
    [(key, value)] = item.items()
    if key == "$bytes":
        return bytes(buffers[value])
    if key == "$array":
        index, dtype, shape = value
        kind = np.dtype(dtype)
        if kind.hasobject or math.prod(shape) * kind.itemsize != len(buffers[index]):
            raise WireError(f"an array of {shape} {dtype} in {len(buffers[index]):,} bytes")
        return np.frombuffer(buffers[index], kind).reshape(shape)
    if key == "$error":
        name, message = value
        kind_of = getattr(errors, str(name), None)
        if not (isinstance(kind_of, type) and issubclass(kind_of, AriaDocsError)):
            raise WireError(f"an error called {name!r:.80}")
        return kind_of(str(message))
    return item


def _class_of(name: str) -> type[Any]:
    """A dataclass or row of this package. The parent imports nothing because a child says so."""
    module, _, attribute = str(name).rpartition(".")
    found = getattr(sys.modules.get(module), attribute, None) if module.startswith("aria_docs.") else None
    if not isinstance(found, type) or not (is_dataclass(found) or issubclass(found, BaseModel)):
        raise WireError(f"a message called {name!r:.120}")
    return found


_adapters: dict[type, TypeAdapter[Any]] = {}


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    if kind not in _adapters:
        if not issubclass(kind, BaseModel):
            kind.__pydantic_config__ = ConfigDict(arbitrary_types_allowed=True)  # for arrays
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]
