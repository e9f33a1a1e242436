"""What each rule of table geometry is worth: what its removal gains and loses on every set with a truth.

    python benchmarks/rules.py DATA SCORING --cache FOLDER [--rules NAME,…]

DATA and SCORING are the folders of the measuring sets and of their scorers. The pages' words, drawings and regions of
the layout network are kept in the cache folder, so that a second run takes seconds a rule and no network. A rule is
removed by putting a function in its place that changes nothing, and only pages on which that would answer otherwise are
read again. Printed: per set the measure with all rules, and per
rule the difference without it, in thousandths (-5: the set loses .005 without the rule); `=` where no table differs.
"""

# ruff: noqa: ARG001, ARG005 (what stands in for a rule takes what the rule takes)
from __future__ import annotations

import argparse
import html
import json
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from aria_docs.ingest.tables import candidates, columns, lattice, open_table, row_bands
from aria_docs.media import Page, Table
from aria_docs.model.embedded import tables

Without = tuple[Any, str, Callable[..., Any]]

RULES: dict[str, Without] = {
    "records in a band": (lattice, "with_records", lambda grid, words: grid),
    "slivers and spare columns": (lattice, "_without_slivers", lambda grid, words: grid),
    "ends of lines between rules": (lattice, "_inner_ends", lambda rules, edges: []),
    "open sides": (lattice, "_open_ends", lambda rules, across: []),
    "cells parted at a short line": (lattice, "_split_cells", lambda grid, words: grid),
    "title or note in the frame": (lattice, "_drop_framed_text", lambda cells, n_cols: cells),
    "head above the first line": (candidates, "_with_head", lambda grid, box, words: grid),
    "one view of a place": (candidates, "_once", lambda found: found),
    "frame of a page": (candidates, "_is_frame", lambda grid, box: False),
    "region parted at captions": (candidates, "_split_box", lambda box, words, grids, rules: [box]),
    "tables side by side": (candidates, "_sides", lambda box, words, rules: [box]),
    "lines tell columns": (candidates, "tells_columns", lambda grid, words: True),
    "blocks of numbers": (candidates, "number_blocks", lambda words: []),
    "upright heads": (candidates, "level", list),
    "missing edges": (columns, "_missing_edges", lambda edges, lines, height: []),
    "columns a blank apart": (columns, "_narrow_edges", lambda edges, lines, height: []),
    "columns without a common line": (columns, "_clear_edges", lambda edges, lines, height: []),
    "title above an open table": (open_table, "_without_title", lambda lines, full, edges: lines),
    "notes under an open table": (open_table, "_without_notes", lambda lines, full, edges: lines),
    "spanners by their place": (open_table, "_centred_spanners", lambda grid, line, lines: []),
    "spanners that repeat": (open_table, "_heads_repeat", lambda grid, line, lines, groups: False),
    "names with small prefixes": (row_bands, "is_prefixed", lambda text: False),
    "rising last column": (tables, "_is_numbered", lambda candidate, filled: False),
    "contents with leaders": (tables, "_is_contents", lambda candidate, filled: False),
    "terms and definitions": (tables, "_defines", lambda candidate: False),
    "few cells under heads": (tables, "_has_heads", lambda candidate, filled: False),
    "captions save sparse tables": (tables, "is_named", lambda box, around: False),
}
RULES["several spanners over a rule"] = (
    open_table,
    "_spanners_of_rule",
    lambda grid, words, cols: [open_table._CellDraft(cols[0], cols[-1], words)] if words else [],
)


@dataclass(frozen=True, slots=True)
class Look:
    """What `candidates.find` sees of a page; `groups` are the regions of the network."""

    page: Page
    quarters: int = 0
    scale: float = 1.0
    drawings: tuple[Any, ...] = ()
    groups: tuple[Any, ...] = ()


class _Handle:
    """A page that answers from its look."""

    def __init__(self, look: Look) -> None:
        self.look = look
        self.layout_information: list[Any] = []

    def get_cdrawings(self) -> Any:
        return list(self.look.drawings)

    def get_layout(self, **_: Any) -> None:
        self.layout_information = list(self.look.groups)


def looks(pdf: Path, cache: Path, every: int) -> list[Look]:
    kept = cache / f"{pdf.parent.parent.name}-{pdf.stem}.pkl"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(pickle.dumps(list(_looks(pdf, every))))
    found: list[Look] = pickle.loads(kept.read_bytes())
    return found


def _looks(path: Path, every: int) -> Iterator[Look]:
    from aria_docs.ingest import pdf

    with pdf.open_document(path) as document:
        for number in range(1, document.info.n_pages + 1, every):
            page = document.page(number)
            with document._open(number) as handle:
                if len(page.words) < 4 or page.from_ocr:
                    yield Look(page)
                    continue
                quarters = document._text_of(number)[0].quarters
                with candidates._upright(handle, page, quarters) as (upright, quarters, scale):
                    drawings = upright.get_cdrawings()
                    upright.get_layout(return_raw=True)
                    groups = tuple(map(_plain, upright.layout_information or ()))
                    yield Look(page, quarters, scale, tuple(drawings), groups)


def _plain(group: dict[str, Any]) -> dict[str, Any]:
    grid = group.get("table_grid")
    lines = grid and SimpleNamespace(v_lines=list(map(float, grid.v_lines)), h_lines=list(map(float, grid.h_lines)))
    box = tuple(map(float, group["group_bbox"][:4]))
    return {"class_name": group["class_name"], "group_bbox": box, "table_grid": lines}


def found_in(look: Look) -> tuple[Table, ...]:
    if len(look.page.words) < 4:
        return ()
    table_candidates, _ = candidates._find(_Handle(look), look.page, look.quarters, look.scale)
    return tables.tables(replace(look.page, candidates=table_candidates))


def as_html(table: Table) -> str:
    rows: dict[int, str] = {}
    for cell in table.cells:
        spans = f' rowspan="{cell.row_span}" colspan="{cell.col_span}"'
        rows[cell.row] = rows.get(cell.row, "") + f"<td{spans}>{html.escape(cell.text)}</td>"
    return "<table>" + "".join(f"<tr>{rows.get(row, '')}</tr>" for row in range(table.n_rows)) + "</table>"


def as_json(number: int, table: Table) -> dict[str, Any]:
    cells = [
        {"row": c.row, "col": c.col, "rowspan": c.row_span, "colspan": c.col_span, "text": c.text} for c in table.cells
    ]
    return {"page": number, "cells": cells}


@dataclass(frozen=True, slots=True)
class Set:
    """A set of PDFs; `measure` scores the tables by file, `every` takes one page of so many."""

    name: str
    folder: str
    measure: Callable[[Path, Path, Path], float]
    every: int = 1


def _printed(command: list[Any], name: str) -> float:
    said = subprocess.run([sys.executable, *map(str, command)], check=True, capture_output=True, text=True).stdout
    return float(re.search(rf"^{name}\s+([\d.]+)", said, re.MULTILINE)[1])  # type: ignore[index]


def pmc(data: Path, scoring: Path, out: Path) -> float:
    return _printed([scoring / "score_markup_tables.py", data / "benchmarks/pmc/truth", out], "teds")


def opendataloader(data: Path, scoring: Path, out: Path) -> float:
    return _printed([scoring / "score_markdown.py", data / "benchmarks/opendataloader/truth", out], "teds")


def icdar(data: Path, scoring: Path, out: Path) -> float:
    command = [sys.executable, scoring / "score_tables.py", data / "pdf/tables/gt", out, "--json", out / "score"]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    return float(json.loads((out / "score").read_text())["AR"]["F1"])


def false_tables(data: Path, scoring: Path, out: Path) -> float:
    """Tables on every ninth page of manuals, in thousands below zero: each is taken for false."""
    return -sum(len(json.loads(path.read_text())["tables"]) for path in out.glob("*.json")) / 1_000


SETS = (
    Set("pmc TEDS", "benchmarks/pmc/pdfs", pmc),
    Set("opendataloader TEDS", "benchmarks/opendataloader/pdfs", opendataloader),
    Set("ICDAR adjacency F1", "pdf/tables/pdf", icdar),
    Set("manuals: tables", "pdf/long", false_tables, every=9),
)


Place = tuple[str, int]  # a file's stem, and which of its looks
Answers = dict[Place, tuple[Table, ...]]


def whole_of(some: Set, data: Path, cache: Path) -> tuple[dict[Place, Look], Answers, dict[str, set[Place]]]:
    """All looks of a set, their tables with all rules, and on which of them each rule changes something."""
    seen: dict[Place, Look] = {}
    found: Answers = {}
    acting: dict[str, set[Place]] = {name: set() for name in RULES}
    for pdf in sorted((data / some.folder).glob("*.pdf")):
        for n, look in enumerate(looks(pdf, cache, some.every)):
            place = pdf.stem, n
            seen[place] = look
            with watched(acting, place):
                found[place] = found_in(look)
    return seen, found, acting


@contextmanager
def watched(acting: dict[str, set[Place]], place: Place) -> Iterator[None]:
    """Inside, rules that answer other than what stands for their absence are noted."""
    kept = {name: getattr(module, attribute) for name, (module, attribute, _) in RULES.items()}

    def watch(name: str, rule: Callable[..., Any], instead: Callable[..., Any]) -> Callable[..., Any]:
        def answer(*args: Any) -> Any:
            result = rule(*args)
            if place not in acting[name] and instead(*args) != result:
                acting[name].add(place)
            return result

        return answer

    for name, (module, attribute, instead) in RULES.items():
        setattr(module, attribute, watch(name, kept[name], instead))
    try:
        yield
    finally:
        for name, (module, attribute, _) in RULES.items():
            setattr(module, attribute, kept[name])


def without(name: str, seen: dict[Place, Look], found: Answers, acting: dict[str, set[Place]]) -> Answers:
    """The tables without a rule."""
    module, attribute, instead = RULES[name]
    kept = getattr(module, attribute)
    setattr(module, attribute, instead)
    try:
        return found | {place: found_in(seen[place]) for place in sorted(acting[name])}
    finally:
        setattr(module, attribute, kept)


def score(some: Set, seen: dict[Place, Look], found: Answers, data: Path, scoring: Path, out: Path) -> float:
    out.mkdir(parents=True, exist_ok=True)
    by_file: dict[str, list[tuple[int, Table]]] = {}
    for place, of_page in found.items():
        by_file.setdefault(place[0], []).extend((seen[place].page.number, table) for table in of_page)
    for name, own in by_file.items():
        document = {"doc": f"{name}.pdf", "tables": [as_json(number, table) for number, table in own]}
        (out / f"{name}.json").write_text(json.dumps(document))
        for suffix in ("html", "md"):
            (out / f"{name}.{suffix}").write_text("\n\n".join(as_html(table) for _, table in own) + "\n")
    return some.measure(data, scoring, out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("scoring", type=Path)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--rules", default=",".join(RULES))
    args = parser.parse_args()
    whole = [whole_of(some, args.data, args.cache / "looks") for some in SETS]
    scores = [
        score(some, seen, found, args.data, args.scoring, args.cache / some.name)
        for some, (seen, found, _) in zip(SETS, whole, strict=True)
    ]
    print("| rule removed | " + " | ".join(some.name for some in SETS) + " |\n|" + " --- |" * (len(SETS) + 1))
    print("| none | " + " | ".join(f"{value:.4f}" for value in scores) + " |", flush=True)
    for name in args.rules.split(","):
        shown = []
        for some, (seen, found, acting), value in zip(SETS, whole, scores, strict=True):
            after = without(name, seen, found, acting)
            if after == found:
                shown.append("=")
            else:
                changed = score(some, seen, after, args.data, args.scoring, args.cache / some.name)
                shown.append(f"{1_000 * (changed - value):+.1f}")
        print(f"| {name} | " + " | ".join(shown) + " |", flush=True)


if __name__ == "__main__":
    main()
