"""Pages of a kind that the tiny Aria has never seen, as PDFs and as lines of the data layout: tables of codes.

Small letters of one font on a small page, no rules, every cell a code such as `QX-41` or `KRT-7`.

    .venv/bin/python tests/adapt/kinds.py FOLDER N      N pages as lines to train on
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path

import pymupdf

from aria_docs import prompts
from aria_docs.tiling.budget import page_part
from aria_docs.tiling.resolution import MEDIUM

Rows = list[list[str]]
SIZE = (300.0, 200.0)
LETTERS, DIGITS = "ABCDEFGHJKLMNPQRSTUVWXYZ", "0123456789"


def code(kind: int, chance: random.Random) -> str:
    """One code of one of two shapes."""
    shape = ("LL-DD", "LLL-D")[kind]
    return "".join(chance.choice({"L": LETTERS, "D": DIGITS}.get(char, char)) for char in shape)


def rows(chance: random.Random) -> Rows:
    """2 to 5 rows of 2 to 4 columns, the first row a header of codes too."""
    n_rows, kinds = chance.randint(2, 5), [chance.randrange(2) for _ in range(chance.randint(2, 4))]
    return [[code(kind, chance) for kind in kinds] for _ in range(n_rows)]


def draw(path: Path, table: Rows, chance: random.Random, *, size_pt: float = 12.5) -> tuple[float, float, float, float]:
    """A PDF of one page with that table in Helvetica; the box of the table in points."""
    left, top = chance.uniform(12, 40), chance.uniform(20, 50)
    wide, high = chance.uniform(58, 64), chance.uniform(20, 28)
    with pymupdf.open() as document:
        page = document.new_page(width=SIZE[0], height=SIZE[1])
        for row, cells in enumerate(table):
            for column, text in enumerate(cells):
                page.insert_text((left + wide * column, top + high * row), text, fontname="helv", fontsize=size_pt)
        page.draw_line((left - 3, top + 6), (left + wide * len(table[0]) - 8, top + 6), width=0.8)
        document.save(path)
    return left, top - size_pt, left + wide * len(table[0]) - 8, top + high * (len(table) - 1) + 4


def pages(folder: Path, n: int, seed: int, *, size_pt: float = 12.5) -> dict[str, Rows]:
    """n PDFs in the folder, and what each says by its name."""
    folder.mkdir(parents=True)
    chance, truth = random.Random(seed), {}
    for number in range(n):
        table = rows(chance)
        draw(folder / f"page{number:03d}.pdf", table, chance, size_pt=size_pt)
        truth[f"page{number:03d}.pdf"] = table
    return truth


def lines(folder: Path, sources: Path, truth: dict[str, Rows], *, header_rows: int = 1) -> Path:
    """The same pages as a folder in the layout, by this file's own hand: nothing of the export is used."""
    from PIL import Image

    (folder / "images").mkdir(parents=True, exist_ok=True)
    found = []
    for name, table in truth.items():
        with pymupdf.open(sources / name) as document:
            page = document[0]
            words = [word[:4] for word in page.get_text("words")]
            box = [
                min(w[0] for w in words),
                min(w[1] for w in words),
                max(w[2] for w in words),
                max(w[3] for w in words),
            ]
            size = page.rect.width, page.rect.height
            across, down = page_part(1, *size, MEDIUM).layout.render_px
            matrix = pymupdf.Matrix(across / size[0], down / size[1])
            pixmap = page.get_pixmap(matrix=matrix, alpha=False)
            picture = Image.frombytes("RGB", (pixmap.width, pixmap.height), pixmap.samples).crop((0, 0, across, down))
        image = f"images/{Path(name).stem}.png"
        picture.save(folder / image)
        edges = [round(1000 * edge / full) for edge, full in zip(box, size * 2, strict=True)]
        answer = {"tables": [{"caption": None, "box": edges, "header_rows": header_rows, "rows": table, "spans": []}]}
        found.append(line(image, json.dumps(answer, separators=(",", ":"))))
    write(folder / "train.jsonl", found)
    return folder


def line(image: str, answer: str, *, question: str = prompts.TABLES) -> dict[str, object]:
    """A page and what is to be answered."""
    asked = [{"type": "text", "text": "Page 1: "}, {"type": "image"}, {"type": "text", "text": f"\n{question}"}]
    said = [{"type": "text", "text": answer}]
    messages = [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]
    return {"messages": messages, "images": [image], "shown": {"mode": "medium"}}


def write(file: Path, found: Sequence[dict[str, object]]) -> None:
    """One JSON object a line."""
    file.write_text("".join(json.dumps(one) + "\n" for one in found), encoding="utf-8")


if __name__ == "__main__":
    home = Path(sys.argv[1])
    lines(home, home / "pages", pages(home / "pages", int(sys.argv[2]), 0))
