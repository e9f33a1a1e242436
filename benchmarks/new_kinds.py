"""A tiny Aria adapted to pages of a kind that it has not seen: does it read them, and does it keep what it could?

    python benchmarks/new_kinds.py --model ../shared/data/tiny-aria/model --exam ../shared/data/tiny-aria/exam

For each kind: 64 pages to train on, with 64 of the tiny Aria's own kind (teach_pages.py) in `dataset_mixer`, and 64
others to read, by `aria-docs adapt train` and `aria-docs run --adapter`. Cells are right that stand at their place with
their text. CPU seconds are those of the commands, of all their processes.

times     Times of 12.5 points on 300×200: clock times, fractions, numbers and codes in round and square brackets below
          a header of words, a line under it
labels    slanted bold Courier of 14 points on 360×240: measures, weights and numbers, each cell in a box of its own,
          no header
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import duckdb
import pymupdf
from PIL import Image
from teach_pages import Maker, make_template

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "adapt"))

import kinds

N = 64
CONFIG = {
    "learning_rate": 2e-3, "num_train_epochs": 8, "per_device_train_batch_size": 8, "gradient_accumulation_steps": 1,
    "lora_r": 16, "bf16": False, "gradient_checkpointing": False,
}  # fmt: skip
HEADS = "Start Until Part Lot Hall Gauge Track Door Stage Berth".split()
Rows = list[list[str]]


LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
TIMES: tuple[Callable[[random.Random], str], ...] = (
    lambda chance: f"{chance.randrange(24):02d}:{chance.randrange(60):02d}",
    lambda chance: f"{chance.randrange(1, 16)}/{chance.choice((8, 12, 16))}",
    lambda chance: f"({chance.randrange(1000)})",
    lambda chance: f"[{chance.choice(LETTERS)}{chance.randrange(100)}]",
)
LABELS: tuple[Callable[[random.Random], str], ...] = (
    lambda chance: f"{chance.randrange(2, 100)}x{chance.randrange(2, 100)}",
    lambda chance: f"{chance.randrange(100) / 10:.1f}kg",
    lambda chance: f"No.{chance.randrange(1000)}",
    lambda chance: f"{chance.choice(LETTERS)}={chance.randrange(100)}",
)


def times(page: pymupdf.Page, chance: random.Random) -> Rows:
    """Draws a table of that kind; what it says."""
    columns = chance.choices(TIMES, k=chance.randint(2, 4))
    rows = [chance.sample(HEADS, len(columns))]
    rows += [[cell(chance) for cell in columns] for _ in range(chance.randint(1, 4))]
    left, top, wide, high = (chance.uniform(*span) for span in ((14, 40), (24, 50), (52, 62), (20, 28)))
    for row, cells in enumerate(rows):
        for col, text in enumerate(cells):
            page.insert_text((left + wide * col, top + high * row), text, fontname="tiro", fontsize=12.5)
    page.draw_line((left - 3, top + 6), (left + wide * len(columns) - 10, top + 6), width=0.8)
    return rows


def labels(page: pymupdf.Page, chance: random.Random) -> Rows:
    """Draws a table of that kind; what it says."""
    columns = chance.choices(LABELS, k=chance.randint(2, 3))
    rows = [[cell(chance) for cell in columns] for _ in range(chance.randint(2, 4))]
    left, top, wide, high, gap = (chance.uniform(*span) for span in ((8, 24), (8, 30), (84, 96), (26, 36), (6, 14)))
    for row, cells in enumerate(rows):
        for col, text in enumerate(cells):
            x, y = left + (wide + gap) * col, top + (high + gap) * row
            page.draw_rect((x, y, x + wide, y + high), width=0.8)
            start = x + (wide - pymupdf.get_text_length(text, "cobi", 14)) / 2
            page.insert_text((start, y + high / 2 + 4), text, fontname="cobi", fontsize=14)
    return rows


KINDS = {"times": (times, (300, 200), 1), "labels": (labels, (360, 240), 0)}  # how it is drawn, points, header rows


def draw(kind: str, folder: Path, seed: str) -> dict[str, Rows]:
    """N PDFs of a kind in the folder, and what each says by its name."""
    folder.mkdir(parents=True)
    chance, truth = random.Random(f"{kind} {seed}"), {}
    show, (width, height), _ = KINDS[kind]
    for number in range(N):
        with pymupdf.open() as document:
            truth[f"page{number:02d}.pdf"] = show(document.new_page(width=width, height=height), chance)
            document.save(folder / f"page{number:02d}.pdf")
    return truth


def draw_own(folder: Path, seed: int) -> None:
    """N lines of the kind that the tiny Aria was taught with."""
    (folder / "images").mkdir(parents=True)
    make_template(folder, Path("/usr/share/fonts"))
    maker, chance, lines = Maker(folder), random.Random(f"own {seed}"), []
    for number in range(N):
        page = maker.page(chance)
        name = f"images/{number}.png"
        Image.fromarray(page.picture).convert("RGB").save(folder / name)
        lines.append(kinds.line(name, page.answer))
    kinds.write(folder / "train.jsonl", lines)


def call(*arguments: object) -> float:
    """CPU seconds of a command of aria-docs and its processes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "aria_docs", *map(str, arguments)], check=True, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def read(folder: Path, truth: dict[str, Rows], model: str, *adapter: object) -> tuple[float, float]:
    """Share of the cells that a run gets right, and its CPU seconds."""
    with tempfile.TemporaryDirectory() as place:
        db = Path(place) / "r.duckdb"
        asked = ("--engine", "aria", "--model", model, *adapter, "--resolution", "medium", "--tasks", "tables")
        cpu_s = call("run", folder, "--db", db, *asked)
        with duckdb.connect(str(db), read_only=True) as found:
            cells = found.execute("SELECT path, row_no, col_no, text FROM document_cells").fetchall()
    said = {(Path(path).name, row, col): text for path, row, col, text in cells}
    wanted = {
        (name, row, col): text
        for name, rows in truth.items() for row, cells in enumerate(rows) for col, text in enumerate(cells)
    }  # fmt: skip
    return sum(said.get(place) == text for place, text in wanted.items()) / len(wanted), cpu_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--exam", type=Path, required=True, help="text/pageNN.pdf and truth.json")
    parser.add_argument("--kind", nargs="*", choices=KINDS, default=list(KINDS))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    exam = {f"{name}.pdf": rows for name, rows in json.loads((options.exam / "truth.json").read_text()).items()}
    exam_s = options.exam / "text"
    own, _ = read(exam_s, exam, options.model)
    print("| kind | before | after | own kind before | after | training, CPU s | reading, CPU s |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for kind in options.kind:
        with tempfile.TemporaryDirectory() as temporary:
            place = Path(temporary)
            learnt = draw(kind, place / "learnt", f"{options.seed} train")
            fresh = draw(kind, place / "fresh", f"{options.seed} test")
            kinds.lines(place / "data", place / "learnt", learnt, header_rows=KINDS[kind][2])
            draw_own(place / "own", options.seed)
            before, _ = read(place / "fresh", fresh, options.model)
            settings = CONFIG | {"dataset_mixer": {str(place / "own"): 1}}
            (place / "config.yaml").write_text(json.dumps(settings))
            to = ("--model", options.model, "--config", place / "config.yaml", "-o", place / "adapter")
            trained_s = call("adapt", "train", place / "data", *to)
            after, read_s = read(place / "fresh", fresh, options.model, "--adapter", place / "adapter")
            kept, _ = read(exam_s, exam, options.model, "--adapter", place / "adapter")
            shares = f"{before:.3f} | {after:.3f} | {own:.3f} | {kept:.3f}"
            print(f"| {kind} | {shares} | {trained_s:.0f} | {read_s:.0f} |", flush=True)


if __name__ == "__main__":
    main()
