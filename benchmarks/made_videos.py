"""Videos made here, a JSON of transitions beside each, for `video.py scenes`: slides in six styles, wipes, hard shots.

    python benchmarks/made_videos.py slides OUT [--n 30] [--seed 0]
    python benchmarks/made_videos.py wipes OUT SCENES [--n 40] [--seed 0]
    python benchmarks/made_videos.py hard OUT SCENES [--n 24] [--seed 0]

slides  light, dark, with a picture, with a lecturer in the corner, built line by line, and crossfaded; 640 × 360,
        H.264, 25 frames a second; between 5 and 8 slides of 4 to 9 s each.
wipes   two changes between three shots cut out of the videos in SCENES (each with its JSON), by the wipes,
        slides, smooth wipes, radial and diagonal ones of ffmpeg's xfade, of half a second to a second and a half.
hard    two cuts between three such shots, in each of which something happens that is no boundary: bars close, the focus
        is pulled, light comes and goes, the camera turns (TREATMENTS, by turns).
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import textwrap
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from PIL import Image, ImageDraw, ImageFont

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
FPS, WIDTH, HEIGHT = 25, 640, 360
EVEN = f"scale={WIDTH}:{HEIGHT},setsar=1,fps={FPS},settb=1/{FPS},trim=end_frame=100"
STYLES = ("light", "dark", "photo", "lecturer", "built", "crossfaded")
WORDS = (
    "estuary current salinity measurement of a the model error between under river sediment transport layer "
    "surface wind wave height season tide gauge sensor drift mean variance sample depth boundary flux energy "
    "budget moisture soil "
).split()
XFADES = (
    "wipeleft wiperight wipeup wipedown slideleft slideright slideup slidedown smoothleft smoothright smoothup "
    "smoothdown radial diagtl diagtr diagbl diagbr circleopen circleclose horzopen vertclose coverleft "
    "revealright "
).split()

_BAR = "drawbox=h={0}:t=fill:enable=gte(t\\,{1}),drawbox=y=ih-{0}:h={0}:t=fill:enable=gte(t\\,{1})"
TREATMENTS = {  # filters of ffmpeg; {i} is the number of the shot
    "bars": ",".join(_BAR.format(6 * step, 1 + step / 10) for step in range(1, 9)),
    "focus": "split[a{i}][b{i}];[b{i}]gblur=8[c{i}];[a{i}][c{i}]xfade=fade:duration=0.6:offset=1.5",
    "strobe": "eq=brightness='0.4*lt(mod(t,0.16),0.06)':eval=frame",
    "flash": "eq=brightness='0.6*between(mod(t,1.3),0.5,0.58)':eval=frame",
    "dimmed": "eq=brightness='-0.4*clip(t-1,0,1)':eval=frame",
    "grey": "hue=s=0:enable=between(t\\,1\\,2.5)",
    "noise": "noise=alls=50:allf=t",
    "turned": "rotate=0.3*t,crop=iw/2:ih/2,scale=640:360",
    "zoomed": "zoompan=z=1+0.012*on:d=1:s=640x360:fps=25",
    "faint": "eq=contrast=0.15",
    "night": "eq=contrast=0.25:brightness=-0.4",
    "coarse": "scale=32:18:flags=area,scale=640:360:flags=neighbor",
}


def slide(rng: random.Random, style: str, number: int, n_lines: int | None = None) -> np.ndarray:
    """One slide; the same numbers give the same slide."""
    dark = style == "dark"
    paper, letters = ((24, 26, 32), (225, 225, 230)) if dark else ((252, 252, 250), (30, 30, 35))
    image = Image.new("RGB", (WIDTH, HEIGHT), paper)
    draw = ImageDraw.Draw(image)
    accent = (220, 150, 40) if dark else (150, 30, 40)
    draw.rectangle((0, HEIGHT - 18, WIDTH, HEIGHT), fill=accent)
    title = " ".join(rng.sample(WORDS, 3)).capitalize()
    draw.text((34, 22), f"{number}  {title}", fill=accent, font=ImageFont.load_default(26))
    bullets = [" ".join(rng.choices(WORDS, k=rng.randint(4, 8))) for _ in range(rng.randint(4, 6))]
    for line, bullet in enumerate(bullets[:n_lines]):
        wrapped = textwrap.shorten(bullet, 46)
        draw.text((46, 78 + 40 * line), f"• {wrapped}", fill=letters, font=ImageFont.load_default(18))
    pixels = np.asarray(image).copy()
    if style == "photo":
        patches = np.random.default_rng(rng.randint(0, 1 << 30)).integers(0, 255, (6, 8, 3), dtype=np.uint8)
        photo = Image.fromarray(patches).resize((230, 180), Image.Resampling.BICUBIC)
        pixels[130:310, 390:620] = np.asarray(photo)
    return pixels


def slides(out: Path, n: int, seed: int) -> None:
    """N videos, the styles by turns."""
    out.mkdir(parents=True, exist_ok=True)
    for number in range(n):
        rng = random.Random(f"{seed}/{number}")
        style = STYLES[number % len(STYLES)]
        name = f"slides_{style}_{number:02}"
        transitions, frames = [], []
        last = None
        for which in range(1, rng.randint(5, 8) + 1):
            state = rng.getstate()
            shown = slide(rng, style, which)
            after = rng.getstate()
            if last is not None:
                length = 15 if style == "crossfaded" else 0
                start = len(frames)
                frames += [(last * (1 - t) + shown * t).astype(np.uint8) for t in np.linspace(0, 1, length + 2)[1:-1]]
                kind = "dissolve" if length else "cut"
                times = {"start": start / FPS, "end": len(frames) / FPS, "time": (start + len(frames)) / 2 / FPS}
                transitions.append({"kind": kind, **times})
            rng.setstate(after)
            stands = rng.randint(4 * FPS, 9 * FPS)
            if style == "built":  # the lines come one after the other, which replaces nothing
                for n_lines in range(1, 7):
                    rng.setstate(state)
                    part = slide(rng, style, which, n_lines)
                    frames += [part] * (stands // 6)
                rng.setstate(after)
            else:
                frames += [shown] * stands
            last = shown.astype(np.float32)
        if style == "lecturer":
            head = np.random.default_rng(number).integers(40, 220, (9, 12, 3), dtype=np.uint8)
            for i, frame in enumerate(frames):
                x = round(4 * np.sin(i / 7) + 2 * np.sin(i / 3))
                face = np.asarray(Image.fromarray(np.roll(head, x, 1)).resize((130, 80), Image.Resampling.BICUBIC))
                frames[i] = frame.copy()
                frames[i][255:335, 500:630] = face
        encode(out / f"{name}.mp4", frames)
        write_truth(out / f"{name}.json", f"{name}.mp4", len(frames), transitions)


def encode(path: Path, frames: list[np.ndarray]) -> None:
    """H.264 as screen recorders write it."""
    source = f"-f rawvideo -pix_fmt rgb24 -s {WIDTH}x{HEIGHT} -r {FPS} -i pipe:".split()
    target = "-c:v libx264 -preset veryfast -crf 26 -pix_fmt yuv420p -y".split()
    with subprocess.Popen([FFMPEG, "-v", "error", *source, *target, path], stdin=subprocess.PIPE) as ffmpeg:
        assert ffmpeg.stdin
        for frame in frames:
            ffmpeg.stdin.write(frame.astype(np.uint8).tobytes())
        ffmpeg.stdin.close()


def write_truth(path: Path, video: str, n_frames: int, transitions: list[dict]) -> None:
    """As in ../shared/data/video/scenes."""
    truth = {
        "video": video,
        "frames": n_frames,
        "duration": n_frames / FPS,
        "fps": f"{FPS}/1",
        "transitions": transitions,
    }
    path.write_text(json.dumps(truth, indent=1))


def takes(scenes: Path) -> list[tuple[Path, float]]:
    """Where in the videos in SCENES a shot of more than 4.4 s begins in which nothing else happens."""
    shots = []
    for path in sorted(scenes.glob("*.json")):
        truth = json.loads(path.read_text())
        ends_s = [*(t["start"] for t in truth["transitions"]), truth["duration"]]
        starts_s = [0.0, *(t["end"] for t in truth["transitions"])]
        shots += [
            (path.with_name(truth["video"]), a)
            for a, b in zip(starts_s, ends_s, strict=True)
            if b - a > 4.4 and not any(q["start"] < a + 4.4 and q["end"] > a for q in truth.get("negatives", []))
        ]
    return shots


def join(video: Path, chosen: list[tuple[Path, float]], chains: list[str]) -> None:
    """Four seconds of each of the shots, through these filters, whose last output is [y]."""
    inputs = [word for path, at_s in chosen for word in ("-ss", f"{at_s + 0.1:.3f}", "-t", "4", "-i", str(path))]
    target = "-map [y] -c:v libx264 -preset veryfast -crf 24 -y".split()
    subprocess.run([FFMPEG, "-v", "error", *inputs, "-filter_complex", ";".join(chains), *target, video], check=True)


def wipes(out: Path, scenes: Path, n: int, seed: int) -> None:
    """N videos of three shots each."""
    out.mkdir(parents=True, exist_ok=True)
    shots = takes(scenes)
    for number in range(n):
        rng = random.Random(f"{seed}/{number}")
        chosen = rng.sample(shots, 3)
        kinds = rng.sample(XFADES, 2)
        length_s = rng.choice((0.52, 0.8, 1.0, 1.48))
        chains = [f"[{i}:v]{EVEN}[v{i}]" for i in range(3)]
        first_s, second_s = 4 - length_s, 8 - 2 * length_s
        chains.append(f"[v0][v1]xfade={kinds[0]}:duration={length_s}:offset={first_s:.3f}[x]")
        chains.append(f"[x][v2]xfade={kinds[1]}:duration={length_s}:offset={second_s:.3f}[y]")
        name = f"wipe_{number:02}_{kinds[0]}_{kinds[1]}"
        join(out / f"{name}.mp4", chosen, chains)
        transitions = [
            {"kind": "wipe", "start": s, "end": s + length_s, "time": s + length_s / 2} for s in (first_s, second_s)
        ]
        write_truth(out / f"{name}.json", f"{name}.mp4", round((12 - 2 * length_s) * FPS), transitions)


def hard(out: Path, scenes: Path, n: int, seed: int) -> None:
    """N videos of three shots each, the treatments by turns."""
    out.mkdir(parents=True, exist_ok=True)
    shots = takes(scenes)
    for number in range(n):
        kind = [*TREATMENTS][number % len(TREATMENTS)]
        chosen = random.Random(f"{seed}/{number}").sample(shots, 3)
        chains = [f"[{i}:v]{EVEN},{TREATMENTS[kind].format(i=i)},trim=end_frame=100[v{i}]" for i in range(3)]
        name = f"hard_{number:02}_{kind}"
        join(out / f"{name}.mp4", chosen, [*chains, "[v0][v1][v2]concat=n=3[y]"])
        cuts = [{"kind": "cut", "start": s, "end": s, "time": s} for s in (4.0, 8.0)]
        write_truth(out / f"{name}.json", f"{name}.mp4", 12 * FPS, cuts)


def main() -> None:
    """See the top."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    jobs = parser.add_subparsers(required=True, dest="job")
    for name, n in (("slides", 30), ("wipes", 40), ("hard", 24)):
        job = jobs.add_parser(name)
        job.add_argument("out", type=Path)
        if name != "slides":
            job.add_argument("scenes", type=Path)
        job.add_argument("--n", type=int, default=n)
        job.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.job == "slides":
        slides(options.out, options.n, options.seed)
    else:
        {"wipes": wipes, "hard": hard}[options.job](options.out, options.scenes, options.n, options.seed)


if __name__ == "__main__":
    main()
