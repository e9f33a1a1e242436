"""A short film with cuts, a dissolve and a fade, and its subtitles: drawn, and told to the frame.

Photographs under a moving camera and a clip of Big Buck Bunny. Knows nothing of the report.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, Literal

import ffmpeg
import imageio_ffmpeg
import numpy as np
import skimage.data
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

FPS, WIDTH, HEIGHT = 25, 640, 360
Window = tuple[float, float, float]  # middle x, middle y and width of the part in view, as shares of the picture


@dataclass(frozen=True)
class Shot:
    """A photograph under a camera that moves from one window to another, or the clip.

    enters:  how it takes over from the shot before; `mixed` frames show both, half of them on either side.
    """

    source: str
    n_frames: int
    start: Window = (0.5, 0.5, 1.0)
    end: Window = (0.5, 0.5, 1.0)
    enters: Literal["start", "cut", "dissolve", "fade"] = "cut"
    mixed: int = 0


SHOTS = (
    Shot("coffee", 125, (0.5, 0.33, 1.0), (0.46, 0.28, 0.72), "start"),
    Shot("chelsea", 120, (0.42, 0.3, 0.7), (0.56, 0.36, 0.7)),
    Shot("camera", 115, (0.32, 0.3, 0.5), (0.5, 0.5, 0.95)),
    Shot("bunny", 132, enters="dissolve", mixed=24),
    Shot("brick", 90, (0.4, 0.4, 0.7), (0.55, 0.6, 0.8)),
    Shot("retina", 125, (0.5, 0.52, 0.85), (0.4, 0.5, 0.6)),
    Shot("grass", 130, (0.35, 0.3, 0.8), (0.6, 0.7, 0.9), "fade", 30),
    Shot("hubble_deep_field", 120, (0.3, 0.3, 0.5), (0.62, 0.55, 0.5)),
    Shot("astronaut", 130, (0.45, 0.62, 0.85), (0.43, 0.26, 0.6)),
    Shot("coffee", 90, (0.62, 0.45, 0.42), (0.52, 0.36, 0.5)),
)
CUTS = tuple(accumulate((shot.n_frames for shot in SHOTS), initial=0))  # the frame where each shot starts, and the end

NARRATION = """
    0.6 4.4 Good morning, and welcome to the Museum of Near and Far.|We start in the café, where the coffee is strong.
    5.3 9.2 This is Chelsea, the museum cat.|She has slept in every room but one.
    9.9 13.6 The first gallery shows how people learned|to take photographs of distant things.
    15.0 18.6 In the small cinema a rabbit wakes up,|stretches and looks at a perfect day.
    19.9 23.0 Behind this old brick wall|the second part of the tour begins.
    23.6 27.6 This is the back of a human eye.|All that the museum shows has to pass through here.
    29.2 33.0 The lights go out, and we step into the garden,|where the grass may grow as it likes.
    33.9 37.8 Every point of light in this picture is a galaxy.|The telescope looked at one spot for twenty-three days.
    38.7 42.8 Eileen Collins was the first woman|to pilot and to command a space shuttle.
    43.6 46.6 And so we are back in the café.|Thank you for coming along.
"""


def first_and_last_mixed(i: int) -> tuple[int, int]:
    """The frames that show both shot i and the one before: the first of them, and the first after them."""
    return CUTS[i] - SHOTS[i].mixed // 2, CUTS[i] + SHOTS[i].mixed - SHOTS[i].mixed // 2


def weights(i: int, frame: int) -> tuple[float, float]:
    """How much of the shot before and of shot i a frame shows, within the change from one to the other."""
    first, end = first_and_last_mixed(i)
    share = (frame - first + 1) / (end - first + 1)
    if SHOTS[i].enters == "dissolve":
        return 1 - share, share
    # A fade goes down to black, stays there for a moment, and comes up again.
    light = max(0.0, 1.2 * abs(1 - 2 * share) - 0.2)
    return (light, 0.0) if share < 0.5 else (0.0, light)


def frames(bunny: Path) -> Iterator[NDArray[np.uint8]]:
    """The film, frame by frame: (360, 640, 3) uint8."""
    photographs = {shot.source: photograph(shot.source) for shot in SHOTS if shot.source != "bunny"}
    clip = clip_frames(bunny)

    def shown(i: int, frame: int) -> NDArray[np.float64]:
        """Shot i at a frame of the film. Beside its own time, in a change, its camera moves on and the clip stands."""
        shot, at = SHOTS[i], frame - CUTS[i]
        if shot.source == "bunny":
            return np.asarray(clip[min(max(at, 0), len(clip) - 1)], dtype=np.float64)
        x, y, width = (a + (b - a) * at / shot.n_frames for a, b in zip(shot.start, shot.end, strict=True))
        return in_view(photographs[shot.source], x, y, width)

    i = 0
    for frame in range(CUTS[-1]):
        i += frame == CUTS[i + 1]
        picture = shown(i, frame)
        for change in (i, i + 1):
            if 0 < change < len(SHOTS) and frame in range(*first_and_last_mixed(change)):
                before, after = weights(change, frame)
                picture = before * shown(change - 1, frame) + after * shown(change, frame)
        yield picture.round().astype(np.uint8)


def photograph(name: str) -> Image.Image:
    return Image.fromarray(getattr(skimage.data, name)()).convert("RGB")


def in_view(picture: Image.Image, x: float, y: float, width: float) -> NDArray[np.float64]:
    """A window of the film's shape, made smaller and moved where it would stick out of the picture."""
    w = min(width * picture.width, picture.width, picture.height * WIDTH / HEIGHT)
    h = w * HEIGHT / WIDTH
    left = min(max(x * picture.width - w / 2, 0), picture.width - w)
    top = min(max(y * picture.height - h / 2, 0), max(picture.height - h, 0))
    view = picture.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC, box=(left, top, left + w, top + h))
    return np.asarray(view, dtype=np.float64)


def clip_frames(bunny: Path) -> NDArray[np.uint8]:
    """Every frame of the clip: (132, 360, 640, 3) uint8."""
    raw, _ = (
        ffmpeg.input(str(bunny))
        .output("pipe:", format="rawvideo", pix_fmt="rgb24", s=f"{WIDTH}x{HEIGHT}")
        .run(cmd=imageio_ffmpeg.get_ffmpeg_exe(), capture_stdout=True, quiet=True)
    )
    return np.frombuffer(raw, np.uint8).reshape(-1, HEIGHT, WIDTH, 3)


def make_film(bunny: Path, path: Path) -> dict[str, Any]:
    """Write the film and its subtitles; the truth about its shots, in frames and seconds."""
    exact = {"flags:v": "+bitexact", "fflags": "+bitexact", "movflags": "+faststart", "threads": 1}
    encoder = (
        ffmpeg.input("pipe:", format="rawvideo", pix_fmt="rgb24", s=f"{WIDTH}x{HEIGHT}", r=FPS)
        .output(str(path), vcodec="libx264", pix_fmt="yuv420p", crf=27, preset="slow", loglevel="error", **exact)
        .overwrite_output()
        .run_async(cmd=imageio_ffmpeg.get_ffmpeg_exe(), pipe_stdin=True)
    )
    for frame in frames(bunny):
        encoder.stdin.write(frame.tobytes())
    encoder.stdin.close()
    assert encoder.wait() == 0, "ffmpeg failed, see above"

    cues = [line.strip().replace("|", "\n").split(" ", 2) for line in NARRATION.strip().splitlines()]
    blocks = [f"{i}\n{clock(start)} --> {clock(end)}\n{text}\n" for i, (start, end, text) in enumerate(cues, start=1)]
    path.with_suffix(".srt").write_text("\n".join(blocks), encoding="utf-8")

    changes = range(1, len(SHOTS))
    return {
        "fps": FPS,
        "frames": CUTS[-1],
        "duration": CUTS[-1] / FPS,
        "width": WIDTH,
        "height": HEIGHT,
        "cues": [{"start": float(start), "end": float(end), "text": text} for start, end, text in cues],
        "scenes": [
            {"start": a / FPS, "end": b / FPS, "transition_in": shot.enters, "source": shot.source}
            for shot, (a, b) in zip(SHOTS, pairwise(CUTS), strict=True)
        ],
        # start: the first frame that shows the change; end: the first that doesn't any more. One moment for a cut.
        "transitions": [
            {"kind": SHOTS[i].enters, "time": CUTS[i] / FPS, "start": first / FPS, "end": end / FPS}
            for i, (first, end) in zip(changes, map(first_and_last_mixed, changes), strict=True)
        ],
    }


def clock(time_s: str) -> str:
    """Seconds as subtitle files write them: 00:00:05,300."""
    minutes, seconds = divmod(float(time_s), 60)
    return f"{minutes // 60:02.0f}:{minutes % 60:02.0f}:{seconds:06.3f}".replace(".", ",")
