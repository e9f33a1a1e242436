"""Aria's input: ours against transformers' PIL image processor, alternating in one run, in CPU seconds (all threads).

    python benchmarks/tiling.py [--pdf FILE] [--video FILE] [--rounds N]

Without a file the pictures are drawn here. transformers' own way to split a page is another rule than Aria's, so it is
given the page and Aria's tiles: cut beforehand from a page that was rendered at the size of its grid, made by Pillow
within the time from any other. Both start from the same picture and end with the same model input.
"""

from __future__ import annotations

import argparse
import statistics
import time
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from transformers.models.aria.image_processing_pil_aria import AriaImageProcessorPil

from aria_docs.model.aria import pixels as aria_pixels
from aria_docs.tiling import pixels, split
from aria_docs.tiling.resolution import MEDIUM, ULTRA


def drawn_page(size):
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    for y in range(40, size[1] - 40, 30):
        draw.text((60, y), f"{y}  Total 1,234.5 and 45 % of it  " * 8, fill="black", font_size=22)
    return np.array(image)


def rendered_page(file, size):
    import pymupdf

    with pymupdf.open(file) as document:
        page = document[0]
        picture = page.get_pixmap(matrix=pymupdf.Matrix(size[0] / page.rect.width, size[1] / page.rect.height))
        return np.frombuffer(picture.samples, np.uint8).reshape(picture.height, picture.width, 3).copy()


def drawn_frames(n):
    noise = np.random.default_rng(0).normal(0, 8, (720, 1280, 3))
    shades = np.linspace(0, 255, 1280)[None, :, None] + noise
    return [np.roll(shades, 5 * i, axis=1).clip(0, 255).astype(np.uint8) for i in range(n)]


def filmed_frames(file, n):
    import av

    with av.open(str(file)) as container:
        decoded = islice(container.decode(video=0), n)
        frames = [frame.to_ndarray(format="rgb24", width=1280, height=720) for frame in decoded]
    return [frames[i % len(frames)] for i in range(n)]


def tiles(page, layout):
    canvas, tile = pixels.resize(page, layout.render_px), layout.mode.tile_px
    columns, rows = layout.grid
    cut = canvas.reshape(rows, tile, columns, tile, 3).swapaxes(1, 2)
    return list(np.ascontiguousarray(cut).reshape(-1, tile, tile, 3))


def alternating(rounds, **contenders):
    """Median CPU seconds of each; every round runs each once, the first of them only to warm up."""
    taken = {name: [] for name in contenders}
    for _ in range(rounds + 1):
        for name, work in contenders.items():
            start = time.process_time()
            work()
            taken[name].append(time.process_time() - start)
    return {name: statistics.median(times[1:]) for name, times in taken.items()}


def report(job, taken):
    theirs = taken.pop("transformers, float32")
    for name, spent in taken.items():
        print(f"| {job} | {name} | {spent * 1e3:,.0f} ms | {theirs * 1e3:,.0f} ms | {theirs / spent:.1f}× |")


def normalise(pictures, layout):
    """As the vision tower takes them, 16 crops of one shape at a time."""
    shapes = {}
    for picture in pictures:
        for crop in pixels.crops(picture, layout):
            shapes.setdefault(crop.patches, []).append(crop.pixels)
    return [
        aria_pixels.gather(crops[at : at + 16], queries=layout.mode.tokens_per_crop).normalise()
        for crops in shapes.values()
        for at in range(0, len(crops), 16)
    ]


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--pdf", type=Path)
    options.add_argument("--video", type=Path)
    options.add_argument("--rounds", type=int, default=7)
    args = options.parse_args()
    theirs = AriaImageProcessorPil()
    print("| job | ours | CPU time | transformers | ratio |\n|---|---|---|---|---|")

    layout = split.page(595.276, 841.89, ULTRA)
    for size in (layout.render_px, (1654, 2339)):
        page = rendered_page(args.pdf, size) if args.pdf else drawn_page(size)
        given = tiles(page, layout) if size == layout.render_px else None

        def transformers(page=page, given=given):
            return theirs([page, *(given or tiles(page, layout))], max_image_size=980, return_tensors="pt")

        work = {
            "transformers, float32": transformers,
            "crops": lambda page=page: pixels.crops(page, layout),
            "crops as bfloat16": lambda page=page: normalise([page], layout),
        }
        report(f"an A4 page of {size[0]}×{size[1]} px to 7 crops", alternating(args.rounds, **work))

    frames, film = filmed_frames(args.video, 256) if args.video else drawn_frames(256), split.frame(1280, 720, MEDIUM)
    work = {
        "transformers, float32": lambda: theirs(frames, max_image_size=490, return_tensors="pt"),
        "crops": lambda: [pixels.crops(frame, film) for frame in frames],
        "crops as bfloat16": lambda: normalise(frames, film),
    }
    report("256 frames of 720p to 490 px", alternating(max(args.rounds // 2, 1), **work))


if __name__ == "__main__":
    main()
