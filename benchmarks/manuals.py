"""Long manuals: ours against PyMuPDF's refined search on every page, in speed, memory and what is found.

    python benchmarks/manuals.py PDF [--every N] [--from PAGE] [--tables]
    python benchmarks/manuals.py PDF --memory

Without --memory: every N-th page, read in turn by both in one process with one thread; CPU seconds per page, their
ratio, and the pages on which the two find tables of other sizes (with --tables, all pages with tables).
--memory: `aria-docs run --workers 2` over the whole file, with the largest memory that a child held, and the CPU
seconds that all processes of the run took together.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def compare(path: Path, pages: range, *, every_table: bool) -> None:
    from aria_docs.ingest import pdf
    from aria_docs.ingest.mupdf import pymupdf
    from aria_docs.model.choice import load

    pdf.warm()
    engine = load("embedded")
    ours_s = theirs_s = 0.0
    n_tables = [0, 0]
    with pdf.open_document(path) as document, pymupdf.open(path) as theirs:
        numbers = [number for number in pages if number <= document.info.n_pages]
        for number in numbers:
            began = time.process_time()
            tables = engine.tables(document.with_tables(document.page(number)))
            between = time.process_time()
            refined = theirs[number - 1].find_tables(union=True, refine=True).tables
            ours_s, theirs_s = ours_s + between - began, theirs_s + time.process_time() - between
            sizes = [(table.n_rows, table.n_cols) for table in tables]
            others = [(table.row_count, table.col_count) for table in refined]
            n_tables = [n_tables[0] + len(sizes), n_tables[1] + len(others)]
            if sorted(sizes) != sorted(others) or (every_table and sizes):
                print(f"page {number}: ours {sizes}, PyMuPDF {others}", flush=True)
    print(f"{path.name}: {len(numbers)} pages, {n_tables[0]} tables, PyMuPDF {n_tables[1]}")
    each = [1000 * seconds / len(numbers) for seconds in (ours_s, theirs_s)]
    print(f"{each[0]:.0f} and {each[1]:.0f} CPU-ms a page: {theirs_s / ours_s:.1f}×")


def memory(path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "aria_docs", "run", str(path), "--workers", "2", "--tasks", "tables,summary"]
        run = subprocess.Popen([*command, "--db", str(Path(folder, "r.duckdb"))], stderr=subprocess.DEVNULL)
        peak = 0
        while run.poll() is None:
            peak = max([peak, *(_resident_kb(pid) for pid in _descendants(run.pid))])
            time.sleep(0.2)
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{path.name}: {peak / 1024:.0f} MiB in the largest process, {spent.ru_utime + spent.ru_stime:.0f} CPU-s")


def _facts(pid: int | str) -> dict[str, str]:
    """What Linux tells of a process; nothing of one that has just ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _descendants(pid: int) -> list[int]:
    """The process and all below it."""
    parents = {int(p.name): int(_facts(p.name).get("PPid", 0)) for p in Path("/proc").iterdir() if p.name.isdigit()}
    family = [pid]
    for member in family:
        family += [child for child, parent in parents.items() if parent == member]
    return family


def _resident_kb(pid: int) -> int:
    return int(_facts(pid).get("VmRSS", "0 kB").split()[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pdf", type=Path)
    parser.add_argument("--every", type=int, default=1, metavar="N")
    parser.add_argument("--from", type=int, default=1, dest="first", metavar="PAGE")
    parser.add_argument("--tables", action="store_true")
    parser.add_argument("--memory", action="store_true")
    options = parser.parse_args()
    if options.memory:
        memory(options.pdf)
    else:
        os.environ["OMP_NUM_THREADS"] = "1"
        compare(options.pdf, range(options.first, 1 << 20, options.every), every_table=options.tables)


if __name__ == "__main__":
    main()
