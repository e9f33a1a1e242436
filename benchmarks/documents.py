"""Digital PDFs: ours against what else people use, on accuracy and CPU seconds per page, in one run.

    python benchmarks/documents.py PDF_FOLDER --truth GT_FOLDER --scorer SCORER.py [--tools NAME,…] [--numbers]

What is compared follows from the files in GT_FOLDER: JSON of tables (score_tables.py), Markdown of pages
(score_markdown.py), or HTML of an article's tables (score_markup_tables.py). For the last two each tool writes its own
Markdown, without OCR. A tool that is not installed is left out, and named: `pip install pdfplumber camelot-py
pymupdf4llm liteparse pdf-inspector opendataloader-pdf`, the last of which needs java. Every tool runs in a process of
its own with one thread; the seconds are CPU seconds without imports, those of its children included.

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


Writer = Callable[[list[Path], Path], None]
"""Writes OUT/NAME.md for each NAME.pdf."""


def _each(markdown: Callable[[Path], str]) -> Writer:
    def write(pdfs: list[Path], out: Path) -> None:
        for path in pdfs:
            (out / f"{path.stem}.md").write_text(markdown(path), encoding="utf-8")

    return write


def our_markdown(path: Path) -> str:
    import aria_docs

    sys.modules["rapidocr"] = None  # type: ignore[assignment]  # as if not installed: no tool reads pictures here
    return aria_docs.read(path).to_markdown()


def pymupdf4llm_markdown(path: Path) -> str:
    import pymupdf4llm

    return str(pymupdf4llm.to_markdown(str(path), use_ocr=False, table_output="html"))


def liteparse_markdown(path: Path) -> str:
    import liteparse

    parser = liteparse.LiteParse(output_format="markdown", ocr_enabled=False, image_mode="off", quiet=True)
    return str(parser.parse(str(path)).text)


def inspector_markdown(path: Path) -> str:
    import pdf_inspector

    return pdf_inspector.process_pdf(str(path)).markdown or ""


def opendataloader(pdfs: list[Path], out: Path) -> None:
    """One call for all files: Java starts once."""
    import opendataloader_pdf

    names = [str(path) for path in pdfs]
    opendataloader_pdf.convert(names, output_dir=str(out), markdown_with_html=True, image_output="off", quiet=True)


def camelot_tables(path: Path) -> str:
    """Its tables alone, as HTML."""
    return "\n\n".join(as_html(table["rows"]) for table in camelot_hybrid(path))


WRITERS: dict[str, tuple[Writer, str, str]] = {
    "ours": (_each(our_markdown), "aria_docs", "aria-docs"),
    "pymupdf4llm": (_each(pymupdf4llm_markdown), "pymupdf4llm", "pymupdf4llm"),
    "liteparse": (_each(liteparse_markdown), "liteparse", "liteparse"),
    "inspector": (_each(inspector_markdown), "pdf_inspector", "pdf-inspector"),
    "opendataloader": (opendataloader, "opendataloader_pdf", "opendataloader-pdf"),
    "hybrid": (_each(camelot_tables), "camelot", "camelot hybrid (tables only)"),
}
"""By name: what writes Markdown, the module it needs, and what it is called in print."""

_COLUMNS = {
    "overall": "overall", "nid": "NID", "teds": "TEDS", "mhs": "MHS", "false_tables": "pages with a false table",
    "false_headings": "with a false heading",
}  # fmt: skip
_MARKUP_COLUMNS = {"teds": "TEDS", "teds_s": "TEDS-S", "grid": "grid", "found": "found", "false": "false"}


def as_html(rows: list[list[str]]) -> str:
    body = ("".join(f"<td>{html.escape(text)}</td>" for text in row) for row in rows)
    return "<table>" + "".join(f"<tr>{row}</tr>" for row in body) + "</table>"


_TABLES = re.compile(r"<table[\s\S]*?</table>|(?:^ *\|.*\| *$\n?)+", re.MULTILINE)
_RULE = re.compile(r"[\s|:-]+")


def tables_as_html(markdown: str) -> str:
    """The tables of a Markdown text, those in HTML as they are, those drawn with | as HTML, in their order."""
    return "\n".join(
        found if found.startswith("<") else as_html(_cells(found.strip().splitlines()))
        for found in (re.sub(r"(?m)^ *\|", "|", match.group()) for match in _TABLES.finditer(markdown))
    )


def _cells(lines: list[str]) -> list[list[str]]:
    rows = [re.split(r"(?<!\\)\|", line.strip()[1:-1]) for line in lines if not _RULE.fullmatch(line)]
    return [[_MARKS.sub(" ", cell).replace("\\|", "|").strip() for cell in row] for row in rows]


_MARKS = re.compile(r"<br ?/?>|\*\*")


def write_markdown(tool: str, folder: Path, out: Path) -> None:
    """What a tool makes of every PDF, and the CPU seconds a page. Runs in a process of its own."""
    write, module, _ = WRITERS[tool]
    importlib.import_module(module)
    pdfs = sorted(folder.glob("*.pdf"))
    write(pdfs[:1], out)  # what a first call loads is no price of a page
    began = sum(os.times()[:4])
    write(pdfs, out)
    seconds = sum(os.times()[:4]) - began
    (out / "seconds").write_text(str(seconds / sum(map(n_pages, pdfs))))


def compare_markdown(folder: Path, truth: Path, scorer: Path, tools: list[str]) -> None:
    """A row a tool: of pages (truth in Markdown) or of the tables of articles (truth in HTML)."""
    of_articles = not any(truth.glob("*.md"))
    columns = _MARKUP_COLUMNS if of_articles else _COLUMNS
    print(f"| tool | {' | '.join(columns.values())} | CPU-s/page |\n| --- |{' --- |' * (len(columns) + 1)}")
    left_out = []
    with tempfile.TemporaryDirectory() as scratch:
        for tool in tools:
            _, module, title = WRITERS[tool]
            if importlib.util.find_spec(module) is None:
                left_out.append(f"{title}: no module {module}")
                continue
            out = Path(scratch, tool)
            _in_its_own_process(tool, folder, out, "write_markdown")
            if of_articles:
                for path in out.glob("*.md"):
                    path.with_suffix(".html").write_text(tables_as_html(path.read_text(encoding="utf-8")))
            command = [sys.executable, str(scorer), str(truth), str(out)]
            printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            score = dict(line.split() for line in printed.splitlines())
            cells = [f"{float(score[name]):.3f}" if "." in score[name] else score[name] for name in columns]
            print(f"| {title} | {' | '.join(cells)} | {float((out / 'seconds').read_text()):.3f} |", flush=True)
    for reason in left_out:
        print(f"\nleft out, {reason}")


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


def _in_its_own_process(tool: str, folder: Path, out: Path, does: str = "predict") -> None:
    out.mkdir()
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import documents; from pathlib import Path"
    call = f"documents.{does}({tool!r}, Path({str(folder)!r}), Path({str(out)!r}))"
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
    parser.add_argument("--tools", help=f"of: {','.join(TOOLS)}; for Markdown: {','.join(WRITERS)}")
    parser.add_argument("--numbers", action="store_true")
    options = parser.parse_args()
    if options.numbers:
        check_numbers(options.folder, options.truth)
    elif options.scorer:
        is_json = any(options.truth.glob("*.json"))
        tools = options.tools.split(",") if options.tools else list(TOOLS if is_json else WRITERS)
        (compare if is_json else compare_markdown)(options.folder, options.truth, options.scorer, tools)
    else:
        parser.error("--scorer or --numbers is needed")


if __name__ == "__main__":
    main()
