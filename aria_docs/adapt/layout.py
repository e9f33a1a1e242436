"""Rhymes' data layout, read and checked line by line: https://github.com/rhymes-ai/Aria, docs/custom_dataset.md.

    FOLDER/train.jsonl                 one example a line
           test.jsonl                  optional
           images/page-1.png …         media, by paths relative to FOLDER

    {"messages": [{"role": "user", "content": [{"type": "text", "text": "Page 1: "}, {"type": "image"}, …]},
                  {"role": "assistant", "content": [{"type": "text", "text": "{\\"tables\\": …}"}]}],
     "images": ["images/page-1.png"]}                   or "video": {"path": "film.mp4", "num_frames": 8}, never both

Further keys of a line are ignored by readers of the layout. Ours writes three: `source`, `correction` and `shown`.
Opens no picture: that is `showing.py`'s.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from aria_docs.errors import UsageError
from aria_docs.tiling.budget import MARKERS

Split = Literal["train", "test"]

ROLES = ("user", "assistant")
FRAMES = 8  # of a video whose line does not say how many, or says 0 or fewer


@dataclass(frozen=True, slots=True)
class Item:
    """A piece of a message: a text, or the place of the next picture, or of the video."""

    kind: Literal["text", "image", "video"]
    text: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """What one side says."""

    role: Literal["user", "assistant"]
    content: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class VideoFile:
    """A video file, and how many frames of it are shown."""

    path: Path
    frames: int


@dataclass(frozen=True, slots=True)
class DataLine:
    """One example.

    file, number:  where it stands; lines count from 1.
    images:        absolute paths, as many as the messages have places for pictures.
    about:         the keys of a line that are not part of the layout.
    """

    file: Path
    number: int
    messages: tuple[Message, ...]
    images: tuple[Path, ...] = ()
    video: VideoFile | None = None
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def media(self) -> tuple[Path, ...]:
        """Every file that the line names."""
        return (*self.images, self.video.path) if self.video else self.images


@dataclass(frozen=True, slots=True)
class Refusal:
    """A line that cannot be used, and why."""

    file: Path
    number: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file.name} line {self.number}: {self.reason}"


def read(folder: Path, split: Split = "train") -> tuple[list[DataLine], list[Refusal]]:
    """The lines of a split that are whole, and those that are refused; two empty lists where there is no test.jsonl.

    Raises UsageError where the folder has no train.jsonl, or the file cannot be read.
    """
    file = folder / f"{split}.jsonl"
    if not file.is_file():
        if split == "test" and (folder / "train.jsonl").is_file():
            return [], []
        raise UsageError(
            f"{folder} has no {file.name}: `aria-docs adapt export` writes one, and docs/adapting.md says how"
        )
    lines: list[DataLine] = []
    refused: list[Refusal] = []
    try:
        texts = file.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read as UTF-8 text: {error}") from error
    for number, text in enumerate(texts, start=1):
        if not text.strip():
            continue
        try:
            lines.append(_line(folder, file, number, text))
        except _NoExample as error:
            refused.append(Refusal(file, number, str(error)))
    return lines, refused


class _NoExample(ValueError):
    """Why a line is none."""


def _line(folder: Path, file: Path, number: int, text: str) -> DataLine:
    try:
        raw = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise _NoExample(f"it is no JSON ({error})") from error
    if not isinstance(raw, dict):
        raise _NoExample("it is no JSON object")
    messages = tuple(_messages(raw.get("messages")))
    images, video = _images(folder, raw.get("images")), _video(folder, raw.get("video"))
    places = Counter(item.kind for message in messages for item in message.content)
    if images and video:
        raise _NoExample("it has images and a video: one of them must go")
    if places["image"] != len(images):
        raise _NoExample(f"its messages have {places['image']} places for images, and it names {len(images)}")
    if places["video"] != (video is not None):
        raise _NoExample(
            f"its messages have {places['video']} places for a video, and it names {int(video is not None)}"
        )
    about = {key: value for key, value in raw.items() if key not in ("messages", "images", "video")}
    return DataLine(file, number, messages, images, video, about)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"the key {Counter(key for key, _ in pairs).most_common(1)[0][0]!r} stands twice in an object")
    return found


def _messages(raw: Any) -> Iterator[Message]:
    if not isinstance(raw, list) or not raw:
        raise _NoExample("it has no messages")
    for message in raw:
        if not isinstance(message, dict):
            raise _NoExample("a message is no JSON object")
        role, content = message.get("role"), message.get("content")
        if role not in ROLES:
            raise _NoExample(f"{role!r} is no role: take user or assistant")
        if not isinstance(content, list) or not content:
            raise _NoExample(f"a message of the {role} has no list of contents")
        items = tuple(map(_item, content))
        if role == "assistant" and any(item.kind != "text" for item in items):
            raise _NoExample("the assistant's message holds a picture or video, and it can only answer in text")
        yield Message(role, items)
    if raw[-1]["role"] != "assistant":
        raise _NoExample("its last message is not the assistant's: nothing follows that could be learnt")


def _item(raw: Any) -> Item:
    kind = raw.get("type") if isinstance(raw, dict) else None
    if kind in ("image", "video"):
        return Item(kind)
    if kind != "text":
        raise _NoExample(f"{kind!r} is no type of content: take text, image or video")
    text = raw.get("text")
    if not isinstance(text, str):
        raise _NoExample("a content of type text has no text")
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise _NoExample("a text holds half of a surrogate pair, which is no character")
    if found := next((marker for marker in MARKERS if marker in text), None):  # it would move where a picture begins
        raise _NoExample(f"a text holds {found}, which is a marker of the model's own: leave it out")
    return Item("text", text)


def _images(folder: Path, raw: Any) -> tuple[Path, ...]:
    if raw is None:
        return ()
    if not isinstance(raw, list):
        raise _NoExample("its images are no list of paths")
    return tuple(_inside(folder, path) for path in raw)


def _video(folder: Path, raw: Any) -> VideoFile | None:
    if raw is None:
        return None
    if not isinstance(raw, dict):
        raise _NoExample('its video is not written as {"path": …, "num_frames": …}')
    frames = raw.get("num_frames")
    if frames is not None and (not isinstance(frames, int) or isinstance(frames, bool)):
        raise _NoExample(f"num_frames {frames!r} is no number of frames")
    return VideoFile(_inside(folder, raw.get("path")), frames if frames and frames > 0 else FRAMES)


def _inside(folder: Path, raw: Any) -> Path:
    if not isinstance(raw, str) or not raw or "\0" in raw:
        raise _NoExample(f"{raw!r} is no path")
    try:
        path = (folder / raw).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise _NoExample(f"{raw} leaves the folder")
        if not path.is_file():
            raise _NoExample(f"there is no file {raw}")
    except OSError as error:
        raise _NoExample(f"{raw[:80]} cannot be a file ({error.strerror})") from error
    except RuntimeError as error:  # before Python 3.13
        raise _NoExample(f"{raw[:80]} is a link in a circle") from error
    return path
