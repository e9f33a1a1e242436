"""Pages and frames as small pictures, drawn again from the files: in child processes with limits on time and memory.

A picture that cannot be drawn is a sentence on the page that wanted it; the table stands there without it.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aria_docs.errors import Damaged, Encrypted, FileError, SandboxError, TimedOut
from aria_docs.ingest import sandbox
from aria_docs.ingest.sandbox import Sandbox

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# The longer sides. They are part of the pictures' names: with another size, others are drawn.
PAGE_PX = 1200  # 10-point print on A4 can be read
COVER_PX = 144  # three times what the overview shows, for fine screens
FRAME_PX = 240
_QUALITY = 62

_LIMIT_S = 20.0  # for one page, or for the next frame of a video
_DEATHS = 3  # after so many children lost to one file, the rest of it goes without pictures

WARM = ("aria_docs.ingest.pdf:warm", "aria_docs.ingest.video.watch:warm")


@dataclass(frozen=True, slots=True)
class PictureRequest:
    """Pictures of one file. numbers: pages of a PDF, from 1; times_s: frames of a video, ascending."""

    path: str
    numbers: tuple[int, ...] = ()
    times_s: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture, or why there is none. at: the page or the time; cover: a smaller one of the same.

    retryable: there may be one another time.
    """

    at: float
    picture: bytes | None
    why_not: str | None = None
    cover: bytes | None = None
    retryable: bool = False


def draw(child_of: Sandbox, wanted: PictureRequest) -> Iterator[Drawn]:
    """One answer for each picture wanted, in order."""
    worker = "draw_frames" if wanted.times_s else "draw_pages"
    left: deque[float] = deque(wanted.times_s or wanted.numbers)
    for _ in range(_DEATHS):
        if not left:
            return
        rest = (
            PictureRequest(wanted.path, times_s=tuple(left))
            if wanted.times_s
            else PictureRequest(wanted.path, tuple(int(number) for number in left))
        )
        child = child_of.start(f"{__name__}:{worker}", rest)
        try:
            while left:
                if not child.connection.poll(_LIMIT_S):
                    raise TimedOut(f"drawing took more than {_LIMIT_S:.0f} seconds")
                drawn: Drawn = child.receive()
                left.popleft()
                yield drawn
        except StopIteration:
            why, retryable = "the file has no more pictures", False
            break
        except Encrypted:
            why, retryable = "the file asks for a password", False
            break
        except FileError as error:
            why, retryable = str(error), error.retryable
            break
        except SandboxError as error:
            why, retryable = str(error), error.retryable
            yield Drawn(left.popleft(), None, why, retryable=retryable)
        finally:
            child.kill()
    for at in left:
        yield Drawn(at, None, why, retryable=retryable)


def draw_pages(wanted: PictureRequest, _requests: Iterable[object]) -> Iterator[Drawn]:
    """Runs in a child."""
    from aria_docs.ingest import documents

    sandbox.allow_cpu(_LIMIT_S)
    with documents.open_document(Path(wanted.path)) as document:
        for number in wanted.numbers:
            sandbox.allow_cpu(_LIMIT_S)
            try:
                pixels = document.render(number, long_edge_px=PAGE_PX)
            except Damaged as error:  # one page; the others may do
                yield Drawn(number, None, str(error))
                continue
            yield Drawn(number, _webp(pixels), cover=_webp(pixels, COVER_PX))


def draw_frames(wanted: PictureRequest, _requests: Iterable[object]) -> Iterator[Drawn]:
    """Runs in a child."""
    from aria_docs.ingest.video import watch
    from aria_docs.ingest.video.opening import open_clip

    sandbox.allow_cpu(_LIMIT_S * len(wanted.times_s))
    frames = watch.frames_at(open_clip(Path(wanted.path)), wanted.times_s, size_px=FRAME_PX)
    for at, frame in zip(wanted.times_s, frames, strict=False):  # fewer where the file breaks off
        yield Drawn(at, _webp(frame.pixels))


def _webp(pixels: NDArray[np.uint8], longest_px: int | None = None) -> bytes:
    from PIL import Image

    image = Image.fromarray(pixels)
    if longest_px:
        image.thumbnail((longest_px, longest_px), reducing_gap=2.0)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=_QUALITY, method=2)
    return buffer.getvalue()


def pages_pictured(n_pages: int | None, with_tables: Sequence[int], named: Sequence[int]) -> list[int]:
    """The first page, those with tables, and those that the summary points to: others would only fill the disk."""
    return sorted(page for page in {1, *with_tables, *named} if 1 <= page <= (n_pages or 0))
