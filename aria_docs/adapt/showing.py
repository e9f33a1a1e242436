"""Lines of data → what a model is shown of them: pictures and frames cut by the same rules as in `run`.

Pictures are untrusted bytes, so they are opened in a child of the sandbox; one that breaks costs its line, and another
child goes on. First only sizes are asked for (`Measured`), to refuse lines before anything is trained; then pixels,
when a step needs them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from aria_docs.adapt.layout import DataLine
from aria_docs.errors import AriaDocsError, Damaged, TimedOut
from aria_docs.ingest import sandbox
from aria_docs.ingest.images import ERRORS, upright
from aria_docs.ingest.sandbox import Child, Sandbox
from aria_docs.ingest.video import sampling
from aria_docs.ingest.video import watch as videos
from aria_docs.ingest.video.opening import open_clip
from aria_docs.model.chat_model import Shown
from aria_docs.tiling import split
from aria_docs.tiling.budget import ContextImage, frame_part
from aria_docs.tiling.pixels import crops
from aria_docs.tiling.resolution import HIGH, MEDIUM, Mode, named
from aria_docs.tiling.split import Layout

LIMIT_S = 120.0  # for one line: 256 frames of 4K take half of that


@dataclass(frozen=True, slots=True)
class ExampleRequest:
    """One line to be looked at.

    mode:    for every picture of it; None as the line itself says.
    pixels:  whether crops are wanted, or sizes alone.
    """

    line: DataLine
    mode: Mode | None
    pixels: bool


@dataclass(frozen=True, slots=True)
class Pictures:
    """The pictures of a line in order: layouts, labels of a video's frames, and crops if asked for."""

    layouts: tuple[Layout, ...]
    labels: tuple[str, ...] = ()
    shown: tuple[Shown, ...] = ()


class Viewer:
    """Looks at lines in a child that is started when it is needed and replaced when it dies. A context manager."""

    def __init__(self, mode: Mode | None = None) -> None:
        self._mode, self._sandbox = mode, Sandbox()
        self._child: Child | None = None

    def look(self, line: DataLine, *, pixels: bool) -> Pictures:
        """FileError for a picture or video that cannot be read, SandboxError where reading it kills the child."""
        if self._child is None:
            self._child = self._sandbox.start("aria_docs.adapt.showing:show", None)
        self._child.send(ExampleRequest(line, self._mode, pixels))
        try:
            if not self._child.connection.poll(LIMIT_S * 10):
                raise TimedOut(f"its pictures were not read within {LIMIT_S * 10:g} s")
            answer: Pictures | AriaDocsError = self._child.receive()
        except AriaDocsError:
            self._child.kill()
            self._child = None
            raise
        if isinstance(answer, AriaDocsError):
            raise answer
        return answer

    def __enter__(self) -> Viewer:
        return self

    def __exit__(self, *_: object) -> None:
        if self._child:
            self._child.kill()
        self._sandbox.close()


def show(_job: object, requests: Iterable[ExampleRequest]) -> Iterator[Pictures | AriaDocsError]:
    """The child: an answer to each request, an error of a file in place of its pictures."""
    for request in requests:
        sandbox.allow_cpu(LIMIT_S)
        try:
            yield _pictures(request)
        except AriaDocsError as error:
            yield error


def _pictures(request: ExampleRequest) -> Pictures:
    line = request.line
    if line.video:
        return _frames(request, line.video.path, line.video.frames)
    layouts: list[Layout] = []
    shown: list[Shown] = []
    for number, path in enumerate(line.images):
        picture = _open_picture(path)
        layout = _layout(line, number, picture.shape[1], picture.shape[0], request.mode)
        layouts.append(layout)
        if request.pixels:
            shown.append(Shown(ContextImage("page", "", layout), crops(picture, layout), key=str(path)))
    return Pictures(tuple(layouts), (), tuple(shown))


def _open_picture(path: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    try:
        with Image.open(path) as image:
            return np.asarray(upright(image).convert("RGB"))
    except ERRORS as error:
        raise Damaged(f"{path.name} is no picture that can be read ({error})") from error


def _layout(line: DataLine, number: int, width_px: int, height_px: int, mode: Mode | None) -> Layout:
    """As the line's own `shown` has it: a page in ultra is stretched to its tiles, and only its size in points says to
    which shape. Any other picture is laid out as a frame is."""
    known = line.about.get("shown")
    sizes = known.get("sizes_pt") if isinstance(known, dict) else None
    if mode is None:
        mode = named(str(known["mode"])) if isinstance(known, dict) and "mode" in known else HIGH
    if isinstance(sizes, list) and number < len(sizes) and sizes[number]:
        try:
            width_pt, height_pt = map(float, sizes[number])
        except (TypeError, ValueError) as error:
            raise Damaged(f"shown: {sizes[number]!r} is no width and height in points") from error
        return split.page(width_pt, height_pt, mode)
    return split.frame(width_px, height_px, mode)


def _frames(request: ExampleRequest, path: Path, n: int) -> Pictures:
    """Frames at the middles of equal bins of time, each labelled with its clock, as a run shows a video."""
    mode = request.mode or MEDIUM
    clip = open_clip(path)
    every_s = clip.times_s()
    times_s = [every_s[index] for index in sampling.uniform(every_s, n)]
    if not times_s:
        raise Damaged(f"{path.name} has no frame that can be shown")
    if not request.pixels:
        info = clip.info
        parts = [frame_part(time_s, info.width, info.height, mode) for time_s in times_s]
        return Pictures(tuple(part.layout for part in parts), tuple(part.label for part in parts))
    shown = []
    for frame in videos.frames_at(clip, times_s):
        height, width = frame.pixels.shape[:2]
        part = frame_part(frame.time_s, width, height, mode)
        shown.append(Shown(part, crops(frame.pixels, part.layout), key=f"{path}/{frame.time_s:.6f}"))
    if len(shown) != len(times_s):
        raise Damaged(f"{path.name} shows {len(shown)} of {len(times_s)} frames")
    return Pictures(tuple(one.part.layout for one in shown), tuple(one.part.label for one in shown), tuple(shown))


def lay_out(line: DataLine, pictures: Pictures) -> list[tuple[str, tuple[str | Layout, ...]]]:
    """(role, content) of each message, with layouts at the places of pictures; a video becomes its labelled frames:

    [00:02]▢\\n[00:07]▢\\nWhat happens here?
    """
    left = iter(pictures.layouts)
    turns: list[tuple[str, tuple[str | Layout, ...]]] = []
    for message in line.messages:
        content: list[str | Layout] = []
        for number, item in enumerate(message.content):
            if item.kind == "text":
                content.append(item.text)
            elif item.kind == "image":
                content.append(next(left))
            else:
                follows = "".join(other.text for other in message.content[number + 1 : number + 2])
                for label, layout in zip(pictures.labels, pictures.layouts, strict=True):
                    content += [label, layout, "\n"]
                if follows.startswith("\n"):
                    content.pop()
        turns.append((message.role, tuple(content)))
    return turns


def relabel(shown: Shown, label: str) -> Shown:
    """The same picture with the text that stands before it."""
    return replace(shown, part=replace(shown.part, label=label))
