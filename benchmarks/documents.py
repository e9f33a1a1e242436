"""Tables of digital PDFs: ours against what else people use, on accuracy and CPU seconds per page, in one run.

    python benchmarks/documents.py PDF_FOLDER --truth GT_FOLDER --scorer score_tables.py [--tools NAME,…] [--numbers]

SCORER is a script that takes GT_FOLDER, a folder of predictions and --json FILE. pdfplumber and camelot (`pip install
pdfplumber camelot-py`) are left out, and named, where they are not installed. Every tool runs in a process of its own
with one thread; the seconds are CPU seconds without imports.

--numbers   instead: every cell of the truth that a reader would take for a number, and that ours has found, against
            the `number` of our cell. Prints what is missing or differs from the English reading, to be judged by eye.
"""

from __future__ import annotations

import argparse
import html
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Tables = Iterator[dict[str, Any]]
"""Tables as the scorer takes them: {"page": 1, "rows": [[text]]} or {"page": 1, "cells": [{row, col, …}]}."""


def ours(path: Path) -> Tables:
    from aria_docs.ingest import pdf
    from aria_docs.model.choice import load

    engine = load("embedded")
    with pdf.open_document(path) as document:
        for number in range(1, document.info.n_pages + 1):
            for table in engine.tables(document.with_tables(document.page(number))):
                cells = [
                    {
                        "row": cell.row,
                        "col": cell.col,
                        "rowspan": cell.row_span,
                        "colspan": cell.col_span,
                        "text": cell.text,
                        "number": cell.number,
                    }
                    for cell in table.cells
                ]
                yield {"page": number, "cells": cells}


def pymupdf_refined(path: Path) -> Tables:
    """`extract()` corrupts text in PyMuPDF 2.0; the placements do not."""
    for number, table in _found_by_pymupdf(path, union=True, refine=True):
        yield {"page": number, "cells": placed(table)}


def placed(table: Any) -> list[dict[str, Any]]:
    """The cells of one of PyMuPDF's refined tables: rows of `placements` are like rows of HTML, in which what a span
    from the left or from above covers is not named."""
    cells: list[dict[str, Any]] = []
    covered: set[tuple[int, int]] = set()
    for row, placements in enumerate(table.placements):
        col = 0
        for cell in placements:
            while (row, col) in covered:
                col += 1
            spans = {"rowspan": cell.rowspan, "colspan": cell.colspan}
            cells.append({"row": row, "col": col, **spans, "text": cell.text})
            covered |= {(row + down, col + right) for down in range(cell.rowspan) for right in range(cell.colspan)}
    return cells


def pymupdf_default(path: Path) -> Tables:
    for number, table in _found_by_pymupdf(path):
        yield {"page": number, "rows": table.extract()}


def pymupdf_strict(path: Path) -> Tables:
    for number, table in _found_by_pymupdf(path, use_layout=False, strategy="lines_strict"):
        yield {"page": number, "rows": table.extract()}


def _found_by_pymupdf(path: Path, **how: Any) -> Iterator[tuple[int, Any]]:
    from aria_docs.ingest.mupdf import pymupdf  # its networks with one thread that does not spin, as for ours

    with pymupdf.open(path) as document:
        for page in document:
            for table in page.find_tables(**how).tables:
                yield page.number + 1, table


def plumber(path: Path) -> Tables:
    import pdfplumber

    with pdfplumber.open(path) as document:
        for page in document.pages:
            for rows in page.extract_tables():
                yield {"page": page.page_number, "rows": rows}
            page.close()


def camelot_hybrid(path: Path) -> Tables:
    return _found_by_camelot(path, "hybrid")


def camelot_lattice(path: Path) -> Tables:
    return _found_by_camelot(path, "lattice")


def _found_by_camelot(path: Path, flavor: str) -> Tables:
    import camelot

    for table in camelot.read_pdf(str(path), pages="all", flavor=flavor, suppress_stdout=True):
        yield {"page": table.page, "rows": table.data}


TOOLS: dict[str, tuple[Callable[[Path], Tables], str, str]] = {
    "ours": (ours, "pymupdf", "aria-docs"),
    "refined": (pymupdf_refined, "pymupdf", "PyMuPDF `find_tables(union=True, refine=True)`, placements"),
    "default": (pymupdf_default, "pymupdf", "PyMuPDF `find_tables()`, `extract()`"),
    "strict": (pymupdf_strict, "pymupdf", 'PyMuPDF `strategy="lines_strict"`, `extract()`'),
    "plumber": (plumber, "pdfplumber", "pdfplumber `extract_tables()`"),
    "hybrid": (camelot_hybrid, "camelot", "camelot hybrid"),
    "lattice": (camelot_lattice, "camelot", "camelot lattice"),
}
"""By name: what finds the tables of a file, the module it needs, and what it is called in print."""


def predict(tool: str, folder: Path, out: Path) -> None:
    """One prediction file for each PDF, with its CPU seconds. Runs in a process of its own."""
    find, module, _ = TOOLS[tool]
    importlib.import_module("aria_docs.ingest.mupdf" if module == "pymupdf" else module)
    pdfs = sorted(folder.glob("*.pdf"))
    list(find(pdfs[0]))  # what a first call loads is no price of a page
    for path in pdfs:
        began = time.process_time()
        tables = list(find(path))
        seconds = time.process_time() - began
        found = {"doc": path.name, "seconds": seconds, "pages": n_pages(path), "tables": tables}
        (out / f"{path.stem}.json").write_text(json.dumps(found))


def n_pages(path: Path) -> int:
    from aria_docs.ingest.mupdf import pymupdf

    with pymupdf.open(path) as document:
        return int(document.page_count)


def _in_its_own_process(tool: str, folder: Path, out: Path) -> None:
    out.mkdir()
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import documents; from pathlib import Path"
    call = f"documents.predict({tool!r}, Path({str(folder)!r}), Path({str(out)!r}))"
    environment = os.environ | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    subprocess.run([sys.executable, "-c", f"{code}; {call}"], check=True, env=environment)


def compare(folder: Path, truth: Path, scorer: Path, tools: list[str]) -> None:
    print("| tool | adjacency F1 | whole rows F1 | found / false | CPU-s/page |\n| --- | --- | --- | --- | --- |")
    left_out = []
    with tempfile.TemporaryDirectory() as scratch:
        for tool in tools:
            _, module, title = TOOLS[tool]
            if importlib.util.find_spec(module) is None:
                left_out.append(f"{title}: no module {module}")
                continue
            out, result = Path(scratch, tool), Path(scratch, f"{tool}.json")
            _in_its_own_process(tool, folder, out)
            command = [sys.executable, str(scorer), str(truth), str(out), "--json", str(result)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            score = json.loads(result.read_text())
            adjacency, rows = (f"{score[k]['F1']:.3f} ({score[k]['macro_F1']:.3f})" for k in ("AR", "ROW"))
            counts = f"{score['found']} of {score['gt_tables']} / {score['unpaired_pred']}"
            print(f"| {title} | {adjacency} | {rows} | {counts} | {score['seconds_per_page']:.2f} |", flush=True)
    for reason in left_out:
        print(f"\nleft out, {reason}")


_LOOKS_LIKE_A_NUMBER = re.compile(r"[-+(\u2212\u2013]?\s?[$€£]?\s?[.,]?\d[\d.,'\s\u00a0]*\s?[%€)*]{0,3}")


def check_numbers(folder: Path, truth: Path) -> None:
    """Compares the numbers of our cells with the English reading of the truth's cells of the same text and page."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch, "ours")
        _in_its_own_process("ours", folder, out)
        found: dict[tuple[str, int, str], set[float | None]] = {}
        for path in out.glob("*.json"):
            prediction = json.loads(path.read_text())
            for table in prediction["tables"]:
                for cell in table["cells"]:
                    key = (prediction["doc"], table["page"], plain(cell["text"]))
                    found.setdefault(key, set()).add(cell["number"])
    counts = {"as in English": 0, "another": 0, "none": 0, "cell not found": 0}
    for document, page, text in texts_of(truth):
        if not _LOOKS_LIKE_A_NUMBER.fullmatch(text):
            continue
        pages = [page] if page else sorted({key[1] for key in found if key[0] == document})
        values = set().union(*(found.get((document, number, plain(text)), set()) for number in pages))
        expected = english(text)
        case = "as in English" if values == {expected} else "none" if values == {None} else "another"
        counts[case if values else "cell not found"] += 1
        if values and case != "as in English":
            print(f"{case}: {document} {text!r}: {sorted(values, key=str)}, in English {expected}")
    print(counts)


def texts_of(truth: Path) -> Iterator[tuple[str, int | None, str]]:
    """File, page (None where the truth has none) and text of each cell: JSON of ICDAR, tables in HTML or Markdown.

    Cells with raised or lowered parts are passed over: their digits are no part of the number.
    """
    for path in sorted(truth.glob("*.json")):
        table = json.loads(path.read_text())
        for cell in table["cells"]:
            yield table["doc"], table["page"], cell["text"].strip()
    for path in sorted([*truth.glob("*.html"), *truth.glob("*.md")]):
        for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", path.read_text(encoding="utf-8"), re.DOTALL):
            if "<sup" not in cell and "<sub" not in cell:
                yield f"{path.stem}.pdf", None, html.unescape(re.sub(r"<[^>]+>", "", cell)).strip()


def plain(text: str) -> str:
    return "".join(text.split())


def english(text: str) -> float | None:
    """The value where a point is the decimal sign; a bracket or any dash in front is a minus."""
    digits = re.sub(r"[^\d.]", "", text)
    if digits.count(".") > 1:
        return None
    negative = text.strip()[0] in "-(\u2212\u2013"
    return -float(digits) if negative else float(digits)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--scorer", type=Path)
    parser.add_argument("--tools", default=",".join(TOOLS), help="of: %(default)s")
    parser.add_argument("--numbers", action="store_true")
    options = parser.parse_args()
    if options.numbers:
        check_numbers(options.folder, options.truth)
    elif options.scorer:
        compare(options.folder, options.truth, options.scorer, options.tools.split(","))
    else:
        parser.error("--scorer or --numbers is needed")


if __name__ == "__main__":
    main()
