"""Small pages with one table, as the product renders them: the picture, the answer, and where each character stands.

A page is a PDF content stream over a template with fonts, drawn by MuPDF at the pixels of the product's medium mode,
490×336 for a page of about 3:2. Made in 1 to 2 ms; the same chance makes the same page.

    python benchmarks/teach_pages.py FOLDER 500      so many of them as PDFs with a text layer, of a chance of their own
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pymupdf
from numpy.typing import NDArray

CHARS = "\0 abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,-%$/():+#&'*"  # \0: none
WIDTH, HEIGHT = 490, 336
SIZES = ((300, 200), (350, 240), (320, 210), (360, 240), (420, 280), (297, 200))  # of pages, in points
CLASSES = (6, 5, 13)  # of a character's row, column and place in its cell: 0 is none, the last place is all beyond
MAX_GLYPHS = 144
BUILT_IN = "helv hebo heit tiro tibo tiit cour cobo".split()
FILES = {
    "dsans": "DejaVuSans", "dbold": "DejaVuSans-Bold", "dserif": "DejaVuSerif", "dserifb": "DejaVuSerif-Bold",
    "dmono": "DejaVuSansMono", "dcond": "DejaVuSansCondensed", "lsans": "LiberationSans-Regular",
    "lbold": "LiberationSans-Bold", "lserif": "LiberationSerif-Regular", "lserifb": "LiberationSerif-Bold",
    "lmono": "LiberationMono-Regular", "lnarrow": "LiberationSansNarrow-Regular",
}  # fmt: skip
BODY = "helv helv heit tiro tiro tiit cour dsans dserif dmono dcond lsans lserif lmono lnarrow".split()
BOLD = {
    "helv": "hebo", "heit": "hebo", "tiro": "tibo", "tiit": "tibo", "cour": "cobo", "dsans": "dbold",
    "lsans": "lbold", "lserif": "lserifb", "dserif": "dserifb",
}  # fmt: skip
LETTERS = "abcdefghijklmnopqrstuvwxyz"
SYLLABLES = (
    "ba be bo ca co da de di do el en er fa fe fi ga go ha he in is ka ke la le li lo ma me mi mo na ne no on or pa pe "
    "po qu ra re ri ro sa se si so st ta te ti to tra un us va ve vi wa we xi ya za zo sh ch th ng nd"
).split()


@dataclass(frozen=True, slots=True)
class Page:
    """What is taught of one page.

    picture:  uint8 [HEIGHT, WIDTH].
    glyphs:   int16 [n, 6], each a character's number in CHARS, x, y (pixels of its middle), row, column and place.
    answer:   the JSON that is to be said.
    """

    picture: NDArray[np.uint8]
    glyphs: NDArray[np.int16]
    answer: str


def make_template(folder: Path, fonts: Path) -> list[str]:
    """Writes template.pdf, a page of each size with all fonts, and widths.json, the characters' advances.

    Gives the font files that are not there: pages are drawn without them, and are others then.
    """
    files = {name: next(fonts.rglob(f"{file}.ttf"), None) for name, file in FILES.items()}
    here = {name: str(file) for name, file in files.items() if file}
    names = (*BUILT_IN, *here)
    with pymupdf.open() as document:
        for width, height in SIZES:
            page = document.new_page(width=width, height=height)
            for name in names:
                page.insert_font(fontname=name, fontfile=here.get(name), set_simple=name in here)
        document.save(folder / "template.pdf", garbage=4, deflate=True)
    made = {name: pymupdf.Font(fontfile=here[name]) if name in here else pymupdf.Font(name) for name in names}
    widths = {name: [font.glyph_advance(code) for code in range(128)] for name, font in made.items()}
    (folder / "widths.json").write_text(json.dumps(widths))
    return [FILES[name] for name, file in files.items() if file is None]


class Maker:
    """Draws pages over a template, one after the other."""

    def __init__(self, folder: Path) -> None:
        self._document = pymupdf.open(folder / "template.pdf")
        self._widths: dict[str, list[float]] = json.loads((folder / "widths.json").read_text())
        self._streams = [self._document.get_new_xref() for _ in SIZES]
        for page, xref in zip(self._document, self._streams, strict=True):
            self._document.update_object(xref, "<<>>")
            self._document.update_stream(xref, b" ", new=True, compress=0)
            page.set_contents(xref)

    def page(self, chance: random.Random) -> Page:
        """One page; tables that do not fit theirs are thrown away."""
        size, glyphs, answer = self._written(chance)
        return Page(self._drawn(size), glyphs, answer)

    def save(self, file: Path, chance: random.Random) -> None:
        """The same page as a PDF."""
        size, _, _ = self._written(chance)
        with pymupdf.open() as document:
            document.insert_pdf(self._document, from_page=size, to_page=size)
            document[0].clean_contents()  # which drops the fonts it has no letter of
            document.save(file, garbage=4, deflate=True)

    def _written(self, chance: random.Random) -> tuple[int, NDArray[np.int16], str]:
        """Which page of the template it stands on now, its glyphs and the answer."""
        while True:
            size = chance.randrange(len(SIZES))
            if table := self._table(SIZES[size], chance):
                stream, glyphs, answer = table
                self._document.update_stream(self._streams[size], stream.encode("latin-1"), compress=0)
                return size, glyphs, answer

    def _drawn(self, size: int) -> NDArray[np.uint8]:
        """Its pixels, as the product renders them; gray is enough, since all is gray."""
        page = self._document.load_page(size)
        matrix = pymupdf.Matrix(WIDTH / page.rect.width, HEIGHT / page.rect.height)
        pixmap = page.get_pixmap(matrix=matrix, colorspace=pymupdf.csGRAY, alpha=False)
        pixels = np.frombuffer(pixmap.samples_mv, np.uint8).reshape(pixmap.h, pixmap.stride)
        return pixels[:HEIGHT, :WIDTH].copy()  # the pixmap's memory goes with it

    def _table(self, page: tuple[int, int], chance: random.Random) -> tuple[str, NDArray[np.int16], str] | None:
        """The content stream, the glyphs and the answer of a table on a page of that size; None where it is too big."""
        across, down = WIDTH / page[0], HEIGHT / page[1]
        n_rows, n_cols, header = chance.randint(2, 5), chance.randint(2, 4), chance.random() < 0.75
        font, em = chance.choice([name for name in BODY if name in self._widths]), chance.uniform(16.5, 26) / across
        bold = header and BOLD.get(font) in self._widths and chance.random() < 0.6
        fonts = [BOLD[font] if bold and row == 0 else font for row in range(n_rows)]
        gap, margin = chance.uniform(0.9, 2.2) * em, chance.uniform(8, 24) / across
        room = page[0] - 2 * margin - gap * (n_cols - 1)
        rows = _texts(n_rows, n_cols, max(2, min(14, int(room / n_cols / (0.5 * em)))), chance, header=header)
        long = [[self._length(text, fonts[row]) for text in rows[row]] for row in range(n_rows)]  # in ems
        widest = [max(column) for column in zip(*long, strict=True)]
        if not all(widest) or sum(len(text) for row in rows for text in row) > MAX_GLYPHS:
            return None
        em = min(em, room / sum(widest))
        if em < 15.5 / across:
            return None
        widths = [wide * em for wide in widest]
        pitch = min(max(chance.uniform(1.35, 2.6) * em, 30 / down), (page[1] - 12) / n_rows)
        gap += chance.random() * (room - sum(widths)) / n_cols
        whole = sum(widths) + gap * (n_cols - 1)
        left = chance.uniform(margin, max(margin, page[0] - margin - whole))
        top = chance.uniform(6, max(6, page[1] - 6 - pitch * n_rows))
        starts = [left + sum(widths[:col]) + gap * col for col in range(n_cols)]
        inner = [start - gap / 2 for start in starts[1:]]
        edges = [max(left - gap / 2, 2), *inner, min(left + whole + gap / 2, page[0] - 2)]
        ink = chance.choice([0, 0, 0, chance.uniform(0, 0.35)])
        out = [_rules(page[1], edges, top, pitch, n_rows, chance, header=header, bold=bold), f"{ink:.2f} g"]
        glyphs, aligned = [], [chance.choice("lllrrc") for _ in range(n_cols)]
        for row, cells in enumerate(rows):
            base = top + pitch * (row + 0.5) + 0.3 * em
            for col, text in enumerate(cells):
                x = starts[col] + (widths[col] - long[row][col] * em) * {"l": 0.0, "r": 1.0, "c": 0.5}[aligned[col]]
                escaped = text.replace("(", "\\(").replace(")", "\\)")
                out.append(f"BT /{fonts[row]} {em:.3f} Tf {x:.3f} {page[1] - base:.3f} Td ({escaped}) Tj ET")
                for place, char in enumerate(text):
                    wide = self._length(char, fonts[row]) * em
                    where = round((x + wide / 2) * across), round((base - 0.3 * em) * down)
                    glyphs.append((CHARS.index(char), *where, row + 1, col + 1, min(place + 1, CLASSES[2] - 1)))
                    x += wide
        box = left / page[0], top / page[1], (left + whole) / page[0], (top + pitch * n_rows) / page[1]
        table = {"caption": None, "box": [max(0, round(edge * 50) * 20) for edge in box], "header_rows": int(header)}
        answer = json.dumps({"tables": [table | {"rows": rows, "spans": []}]}, separators=(",", ":"))
        return "\n".join(out), np.array(glyphs, np.int16), answer

    def _length(self, text: str, font: str) -> float:
        return sum(self._widths[font][ord(char)] for char in text)


def _texts(n_rows: int, n_cols: int, most: int, chance: random.Random, *, header: bool) -> list[list[str]]:
    """Columns of words or of figures of one kind; `most` characters a cell, a few cells empty."""
    columns = []
    for col in range(n_cols):
        words, kind = chance.random() < (0.35 if col else 0.75), chance.randrange(14)
        cells = [_word(most, chance) if words else _figure(kind, most, chance) for _ in range(n_rows)]
        if header:
            cells[0] = _word(most, chance) if chance.random() < 0.9 else str(chance.randint(1990, 2030))
        empty = [col and row >= header and chance.random() < 0.04 for row in range(n_rows)]
        columns.append(["" if none else cell for none, cell in zip(empty, cells, strict=True)])
    return [list(row) for row in zip(*columns, strict=True)]


def _word(most: int, chance: random.Random) -> str:
    syllables = chance.random() < 0.7
    parts = (
        chance.choices(SYLLABLES, k=chance.randint(1, 3))
        if syllables
        else chance.choices(LETTERS, k=chance.randint(1, 8))
    )
    text, style, extra = "".join(parts), chance.random(), chance.random()
    text = text.capitalize() if style < 0.5 else text.upper() if style < 0.65 else text
    if extra < 0.15:
        text += " " + chance.choice([_word(5, chance), str(chance.randint(1, 99)), "(%)", "#", "&"])
    elif extra < 0.25:
        text += chance.choice([".", ":", "'s", "-" + chance.choice("ABCXYZ"), "/" + chance.choice("abc"), "*", "+"])
    return text[:most].strip() or "x"


def _figure(kind: int, most: int, chance: random.Random) -> str:
    n = chance.choice([chance.randint(0, 99), chance.randint(0, 9999), chance.randint(0, 999_999)])
    text = (
        str(n % 10_000), f"{n:,}", f"{n % 10_000 / 10:.1f}", f"{n / 100:.2f}", f"{n % 101}%", f"${n % 10_000}",
        f"-{n % 1000}", f"{2000 + n % 30}-{1 + n % 12:02d}-{1 + n % 28:02d}", f"{n % 24:02d}:{n % 60:02d}",
        f"({n % 1000})", f"+{n % 100 / 10:.1f}%", f"{chance.choice('ABCDEFGHJKLMNPQRSTUVWXYZ')}{n % 1000}",
        f"{n % 30}/{n % 12 + 1}", f"#{n % 1000}",
    )[kind]  # fmt: skip
    return text if len(text) <= most else str(n)[: min(most, 4)]


def _rules(
    height: float, edges: list[float], top: float, pitch: float, n_rows: int, chance: random.Random, *, header: bool,
    bold: bool,
) -> str:  # fmt: skip
    """Lines and shades. A header is told by bold letters, a line below it or a shade; without any it is none."""

    def level(row: int) -> str:
        y = height - top - pitch * row
        return f"{edges[0]:.2f} {y:.2f} m {edges[-1]:.2f} {y:.2f} l S"

    across = [level(row) for row in range(n_rows + 1)]
    upright = [f"{x:.2f} {height - top:.2f} m {x:.2f} {height - top - pitch * n_rows:.2f} l S" for x in edges]
    kind = chance.choice(["none", "none", "grid", "rows", "box"])
    told = header and (not bold or chance.random() < 0.4)
    cue = chance.choice(["line", "shade", "both"]) if told else "none"
    out = [f"{chance.uniform(0.4, 1.2):.2f} w {chance.choice([0, chance.uniform(0, 0.6)]):.2f} G"]
    if cue in ("shade", "both"):
        y, wide = height - top - pitch, edges[-1] - edges[0]
        out.append(f"{chance.uniform(0.8, 0.95):.2f} g {edges[0]:.2f} {y:.2f} {wide:.2f} {pitch:.2f} re f")
    box = [across[0], across[-1], upright[0], upright[-1]]
    out += {"none": [], "rows": across, "grid": across + upright, "box": box}[kind]
    if cue in ("line", "both"):
        out.append(f"{1.6 if kind in ('grid', 'rows') else 0.8} w " + across[1])
    return "\n".join(out)


if __name__ == "__main__":
    home = Path(sys.argv[1])
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as template:
        for missing in make_template(Path(template), Path("/usr/share/fonts")):
            print(f"drawn without {missing}")
        maker, chance = Maker(Path(template)), random.Random("pages of their own")
        for number in range(int(sys.argv[2])):
            maker.save(home / f"page{number:04d}.pdf", chance)
