"""Fits the weights of `model.confidence`, and tells how honest they are on documents that they were not fitted on.

    python benchmarks/confidence.py DATA [--cache FOLDER] [--write]

DATA has pdf/tables, pdf/scans, benchmarks/pmc and benchmarks/opendataloader with their ground truth. --cache keeps the
pages as they were read. --write puts the weights into aria_docs/model/confidence_weights.py.

A table of ours is paired with the true table that shares most words with it; those without a pair are left out, since
there is no cell to compare with. A cell is wrong where text (letters, digits and `%+-.,`) or number differs from what
the truth has at its place; case does not count, since ICDAR's truth has capitals in lower case. "At its place" can be
read in two ways: literally, where one row joined too many moves all below it; or after rows and columns are aligned,
where it costs that row. The fit takes the mean of both; the table has both. Five-fold over documents: each is judged by
weights of the others.
"""

from __future__ import annotations

import argparse
import json
import pickle
import re
import time
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha1
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aria_docs.media import Page, Table, TableCell
from aria_docs.model import confidence
from aria_docs.model.confidence import How
from aria_docs.model.embedded.tables import tables
from aria_docs.model.numbers import numbers
from aria_docs.model.word_cells import WordCells

Floats = NDArray[np.float64]
# Stated, not fitted: the dev sets have no answers of a model, and next to no cell that a failed check names.
STATED = {"model": 0.7, "doubted": 4.0, "ungrounded": 5.0}
# What is known of a whole table is known of all its cells at once: a few hundred tables are less than so many cells.
RIDGE, RIDGE_OF_TABLES = 2.0, 20.0
OF_WHOLE_TABLES = ("rows_joined", "rows_parted", "headless", "high_cells", "odd_cells", "failing")
SETS = {
    "tables": ("pdf/tables/pdf", "pdf/tables/gt"),
    "scans": ("pdf/scans/pdf", "pdf/scans/gt"),
    "pmc": ("benchmarks/pmc/pdfs", "benchmarks/pmc/truth"),
    "opendataloader": ("benchmarks/opendataloader/pdfs", "benchmarks/opendataloader/truth"),
}
WEIGHTS_FILE = Path(confidence.__file__).with_name("confidence_weights.py")


# The truth


@dataclass(frozen=True)
class Grid:
    """Texts by place, each once at the top left of its cell, without rows and columns that have none."""

    page: int | None
    texts: dict[tuple[int, int], str]
    cell: dict[tuple[int, int], int]  # of which number it is

    @classmethod
    def of(cls, placed: Sequence[tuple[int, int, str]], page: int | None = None) -> Grid:
        rows = {row: n for n, row in enumerate(sorted({row for row, _, text in placed if plain(text)}))}
        cols = {col: n for n, col in enumerate(sorted({col for _, col, text in placed if plain(text)}))}
        kept = [(rows[r], cols[c], text, n) for n, (r, c, text) in enumerate(placed) if r in rows and c in cols]
        return cls(page, {(r, c): text for r, c, text, _ in kept}, {(r, c): n for r, c, _, n in kept})

    def lines(self, *, down: bool) -> list[Counter[str]]:
        """The texts of each row, or of each column."""
        count = max((place[down] for place in self.texts), default=-1) + 1
        found: list[Counter[str]] = [Counter() for _ in range(count)]
        for place, text in self.texts.items():
            if plain(text):
                found[place[down]][plain(text)] += 1
        return found

    def words(self) -> Counter[str]:
        return Counter(word for text in self.texts.values() for word in re.findall(r"\w+", text))

    def numbers(self) -> dict[tuple[int, int], float | None]:
        places = sorted(self.texts)
        return dict(zip(places, numbers([self.texts[p] for p in places], [col for _, col in places]), strict=True))


def plain(text: str) -> str:
    text = re.sub("[\u2010-\u2015\u2212]", "-", unicodedata.normalize("NFKC", text)).replace("\u00ad", "")
    return re.sub(r"[^\w%+\-.,]|_", "", text).casefold()


class _Markup(HTMLParser):
    """Tables as rows of [text, row span, column span]; those within a cell are its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[list[list[tuple[list[str], int, int]]]] = []
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._depth += tag == "table"
        if self._depth != 1:
            return
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            spans = dict(attrs)
            cell = ([], int(spans.get("rowspan") or 1), int(spans.get("colspan") or 1))
            self.tables[-1][-1].append(cell)
        elif tag == "br":
            self.handle_data(" ")

    def handle_endtag(self, tag: str) -> None:
        self._depth -= tag == "table"

    def handle_data(self, data: str) -> None:
        if self._depth and self.tables[-1] and self.tables[-1][-1]:
            self.tables[-1][-1][-1][0].append(data)


def marked_up(text: str) -> Iterator[Grid]:
    parser = _Markup()
    for found in re.findall(r"(?is)<table\b.*?</table>", text):
        parser.feed(found)
    for rows in parser.tables:
        taken: set[tuple[int, int]] = set()
        placed = []
        for i, row in enumerate(rows):
            j = 0
            for parts, high, wide in row:
                while (i, j) in taken:
                    j += 1
                placed.append((i, j, "".join(parts)))
                taken |= {(i + down, j + right) for down in range(high) for right in range(wide)}
                j += wide
        yield Grid.of(placed)


def truths(folder: Path, stem: str) -> list[Grid]:
    if (path := folder / f"{stem}.html").is_file() or (path := folder / f"{stem}.md").is_file():
        return [grid for grid in marked_up(path.read_text(encoding="utf-8")) if grid.texts]
    found = [json.loads(path.read_text()) for path in sorted(folder.glob(f"{stem}*.json"))]
    return [
        Grid.of([(cell["row"], cell["col"], cell["text"] or "") for cell in table["cells"]], table["page"])
        for table in found
        if table["doc"] == f"{stem}.pdf"
    ]


# What is wrong of ours


def shared(one: Counter[str], other: Counter[str]) -> float:
    return 2 * (one & other).total() / max(1, one.total() + other.total())


def pairs(ours: Sequence[Grid], true: Sequence[Grid]) -> dict[int, int]:
    bags = [grid.words() for grid in ours], [grid.words() for grid in true]
    found = [
        (shared(bags[0][i], bags[1][j]), i, j)
        for i, one in enumerate(ours)
        for j, other in enumerate(true)
        if other.page in (None, one.page)
    ]
    chosen: dict[int, int] = {}
    for share, i, j in sorted(found, reverse=True):
        if share >= 0.3 and i not in chosen and j not in chosen.values():
            chosen[i] = j
    return chosen


def aligned(ours: Sequence[Counter[str]], true: Sequence[Counter[str]]) -> dict[int, int]:
    """Lines of ours → lines of the truth, in order, that share most together."""
    share = [[shared(one, other) for other in true] for one in ours]
    best = np.zeros((len(ours) + 1, len(true) + 1))
    for i, row in enumerate(share):
        for j, value in enumerate(row):
            best[i + 1, j + 1] = max(best[i, j + 1], best[i + 1, j], best[i, j] + value)
    i, j = len(ours), len(true)
    found = {}
    while i and j:
        if share[i - 1][j - 1] > 0 and best[i, j] == best[i - 1, j - 1] + share[i - 1][j - 1]:
            i, j = i - 1, j - 1
            found[i] = j
        elif best[i, j] == best[i - 1, j]:
            i -= 1
        else:
            j -= 1
    return found


def wrong(ours: Grid, true: Grid, cells: Sequence[TableCell], *, literally: bool) -> list[bool]:
    rows, cols = (
        {n: n for n in range(10_000)} if literally else aligned(ours.lines(down=axis), true.lines(down=axis))
        for axis in (False, True)
    )
    values = true.numbers()
    found = [False] * len(cells)
    for (row, col), number in ours.cell.items():
        place = rows.get(row, -1), cols.get(col, -1)
        differs = plain(true.texts.get(place, "")) != plain(ours.texts[row, col])
        found[number] = differs or not same(values.get(place), cells[number].number)
    return found


def same(one: float | None, other: float | None) -> bool:
    return one is other if one is None or other is None else abs(one - other) <= 1e-6 * max(1.0, abs(one))


# ContextReading


@dataclass(frozen=True)
class Cells:
    """What is known of all cells of all paired tables: (cells,) each, features (cells, features)."""

    names: list[str]
    features: Floats
    literal: Floats
    aligned: Floats
    sets: NDArray[np.str_]
    documents: NDArray[np.str_]
    tables: NDArray[np.int64]


def pages_of(path: Path, kept: Path | None) -> list[Page]:
    from aria_docs.ingest.documents import open_document

    if kept and kept.exists():
        return pickle.loads(kept.read_bytes())[0]  # type: ignore[no-any-return]
    began = time.process_time()
    with open_document(path, ocr="rapidocr") as document:
        pages = [document.with_tables(document.page(n)) for n in range(1, document.info.n_pages + 1)]
    if kept:
        kept.write_bytes(pickle.dumps((pages, time.process_time() - began)))
    return pages


def how_of(page: Page, table: Table) -> How:
    """As `embedded.tables` says it of the candidate that the table is of."""
    shape = (table.box, table.n_rows, table.n_cols)
    candidate = next(one for one in page.candidates if (one.box, one.n_rows, one.n_cols) == shape)
    grid = "lattice" if candidate.lattice else "ruled" if candidate.ruled else "open"
    return How(grid, candidate.seen, page.from_ocr)  # type: ignore[arg-type]


def read(data: Path, cache: Path | None) -> Cells:
    parts: defaultdict[str, list[Floats]] = defaultdict(list)
    names: list[str] = []
    labels: list[tuple[str, str, int]] = []
    for name, (pdfs, truth) in SETS.items():
        for path in sorted((data / pdfs).glob("*.pdf")):
            true = truths(data / truth, path.stem)
            if not true:
                continue
            pages = pages_of(path, cache / f"{name}--{path.stem}.pkl" if cache else None)
            ours = [(page, table) for page in pages for table in tables(page)]
            grids = [Grid.of([(c.row, c.col, c.text) for c in table.cells], page.number) for page, table in ours]
            for at, partner in pairs(grids, true).items():
                page, table = ours[at]
                found = confidence.features(table, WordCells(table, page.words), how_of(page, table), table.checks)
                names = [name for name in found if name not in STATED]
                parts["features"].append(np.stack([found[name] for name in names], axis=1))
                for way in ("literal", "aligned"):
                    given = wrong(grids[at], true[partner], table.cells, literally=way == "literal")
                    parts[way].append(np.array(given, dtype=np.float64))
                labels += [(name, path.stem, len(parts["literal"]))] * len(table.cells)
    sets, documents, numbered = (np.array(column) for column in zip(*labels, strict=True))
    joined = {key: np.concatenate(arrays) for key, arrays in parts.items()}
    return Cells(names, joined["features"], joined["literal"], joined["aligned"], sets, documents, numbered)


# Fitting


def fitted(features: Floats, errors: Floats, ridge: Floats) -> Floats:
    """Intercept and weights of a logistic regression, no weight below 0: Newton's steps, projected."""
    x = np.hstack([np.ones((len(features), 1)), features])
    low = np.r_[-np.inf, np.zeros(features.shape[1])]
    penalty = np.r_[0.0, ridge]
    weights = np.zeros(x.shape[1])
    weights[0] = np.log((errors.sum() + 1) / ((1 - errors).sum() + 1))

    def loss(weights: Floats) -> float:
        odds = x @ weights
        return float((np.logaddexp(0, odds) - errors * odds).sum() + 0.5 * (penalty * weights**2).sum())

    for _ in range(100):
        chance = 1 / (1 + np.exp(-x @ weights))
        gradient = x.T @ (chance - errors) + penalty * weights
        curvature = (x.T * (chance * (1 - chance))) @ x + np.diag(penalty + 1e-6)
        free = ~((weights <= low + 1e-12) & (gradient > 0))
        step = np.zeros_like(weights)
        step[free] = np.linalg.solve(curvature[np.ix_(free, free)], gradient[free])
        size = 1.0
        while size > 1e-4 and loss(np.maximum(weights - size * step, low)) > loss(weights) + 1e-12:
            size /= 2
        moved = np.maximum(weights - size * step, low)
        if np.abs(moved - weights).max() < 1e-7:
            break
        weights = moved
    return weights


def chances(features: Floats, weights: Floats) -> Floats:
    return 1 / (1 + np.exp(-(weights[0] + features @ weights[1:])))


def held_out(features: Floats, errors: Floats, ridge: Floats, documents: NDArray[np.str_], *, folds: int = 5) -> Floats:
    """The chance of an error of each, by weights of documents of other folds."""
    order = sorted(set(documents.tolist()), key=lambda name: sha1(name.encode()).hexdigest())
    fold = np.array([order.index(name) % folds for name in documents.tolist()])
    found = np.zeros(len(errors))
    for n in range(folds):
        found[fold == n] = chances(features[fold == n], fitted(features[fold != n], errors[fold != n], ridge))
    return np.clip(found, 0.002, 0.98)


def calibration_error(expected: Floats, errors: Floats, *, bins: int = 10) -> float:
    order = np.argsort(expected, kind="stable")
    return sum(
        abs(expected[part].mean() - errors[part].mean()) * len(part)
        for part in np.array_split(order, bins)
        if len(part)
    ) / len(expected)


def found_in(expected: Floats, errors: Floats, share: float = 0.05) -> float:
    """Of all errors, those in this share of all cells, the likeliest first; the mean over orders of what is equal."""
    pick = np.random.default_rng(18)
    count = round(share * len(expected))
    tries = [errors[np.lexsort((pick.random(len(expected)), -expected))[:count]].sum() for _ in range(10)]
    return float(np.mean(tries)) / max(1.0, float(errors.sum()))


def table_fit(cells: Cells, expected: Floats) -> tuple[Floats, Floats, Floats]:
    """Of tables: weights over the log of the errors expected in each; chance held out; whether any cell is wrong."""
    ids = sorted(set(cells.tables.tolist()))
    first = [int(np.argmax(cells.tables == n)) for n in ids]
    logs = np.array([[np.log(expected[cells.tables == n].sum())] for n in ids])
    is_wrong = np.array([float(cells.aligned[cells.tables == n].any()) for n in ids])
    ridge = np.array([RIDGE])
    return fitted(logs, is_wrong, ridge), held_out(logs, is_wrong, ridge, cells.documents[first]), is_wrong


def report(cells: Cells, expected: Floats) -> Iterator[str]:
    way = "wrong, {} | calibration error | wrong cells in the lowest 5 %"
    yield f"| set | cells | expected | {way.format('aligned')} | {way.format('literally')} |"
    yield "|---" * 9 + "|"
    for name in ("all", *SETS):
        here = np.ones(len(expected), dtype=bool) if name == "all" else cells.sets == name
        if not here.any():
            continue
        row = [name, f"{here.sum():,}", f"{expected[here].mean():.4f}"]
        for errors in (cells.aligned[here], cells.literal[here]):
            row += [f"{errors.mean():.4f}", f"{calibration_error(expected[here], errors):.4f}"]
            row += [f"{found_in(expected[here], errors):.2f}" if errors.any() else "–"]
        yield "| " + " | ".join(row) + " |"


def module(cells: Cells, weights: Floats, of_tables: Floats) -> str:
    n_documents, n_tables = len(set(cells.documents.tolist())), len(set(cells.tables.tolist()))
    lines = [
        '"""Weights of `confidence`: log-odds of an error. Written by `benchmarks/confidence.py --write`.',
        "",
        f"Fitted {datetime.now(UTC):%Y-%m-%d} on {len(cells.literal):,} cells, {n_tables} tables, {n_documents} files:",
        "the dev halves of ICDAR 2013, of scans made of it, of PMC articles and of opendataloader-bench.",
        '"""',
        "",
        f"INTERCEPT = {weights[0]:.3f}",
        "WEIGHTS = {",
        *(f'    "{name}": {weight:.3f},' for name, weight in zip(cells.names, weights[1:], strict=True)),
        "    # stated",
        *(f'    "{name}": {weight:.3f},' for name, weight in STATED.items()),
        "}",
        "# Of a table: intercept, and weight of the logarithm of the errors expected in it.",
        f"OF_TABLES = ({of_tables[0]:.3f}, {of_tables[1]:.3f})",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    if given.cache:
        given.cache.mkdir(parents=True, exist_ok=True)
    cells = read(given.data, given.cache)
    errors = (cells.literal + cells.aligned) / 2
    ridge = np.array([RIDGE_OF_TABLES if name in OF_WHOLE_TABLES else RIDGE for name in cells.names])
    expected = held_out(cells.features, errors, ridge, cells.documents)
    print("\n".join(report(cells, expected)))
    weights = fitted(cells.features, errors, ridge)
    of_tables, chance, is_wrong = table_fit(cells, expected)
    error = calibration_error(chance, is_wrong, bins=5)
    print(f"\nTables: {len(is_wrong)}, {is_wrong.mean():.3f} with a wrong cell, calibration error {error:.3f}")
    print("\n" + module(cells, weights, of_tables))
    if given.write:
        WEIGHTS_FILE.write_text(module(cells, weights, of_tables), encoding="utf-8")


if __name__ == "__main__":
    main()
