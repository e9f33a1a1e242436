"""What the run costs beyond parsing, and what a second worker brings. Wall seconds, alternating, medians.

    python benchmarks/run.py PDF... [--rounds N]

bare     the same parsing in one process: pages, layout network, tables; no sandbox, no database
bare ×2  the same with two threads in the network
1, 2     `aria-docs run --tasks tables` with one and with two workers, each with one thread, into a new database
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# onnxruntime's sessions are made while PyMuPDF is imported, with one thread unless this wrapper says otherwise.
BARE = """
import sys, time
import onnxruntime
threads = int(sys.argv[1])
class Session(onnxruntime.InferenceSession):
    def __init__(self, path_or_bytes, sess_options=None, **more):
        if sess_options is not None:
            sess_options.intra_op_num_threads = threads
        super().__init__(path_or_bytes, sess_options=sess_options, **more)
onnxruntime.InferenceSession = Session
from pathlib import Path
from aria_docs.ingest import pdf
from aria_docs.model.choice import load
pdf.warm()
engine = load("embedded")
n = 0
for path in sys.argv[2:]:
    with pdf.open_document(Path(path)) as document:
        for number in range(1, document.info.n_pages + 1):
            n += len(engine.tables(document.with_tables(document.page(number))))
print(n)
"""


def bare(threads, paths, _folder):
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    subprocess.run(
        [sys.executable, "-c", BARE, str(threads), *paths], check=True, env=environment, stdout=subprocess.DEVNULL
    )


def run(workers, paths, folder):
    command = [sys.executable, "-m", "aria_docs", "run", *paths, "--tasks", "tables", "--workers", str(workers)]
    subprocess.run([*command, "--db", str(folder / "r.duckdb")], check=True, stderr=subprocess.DEVNULL)


WAYS = {"bare": (bare, 1), "bare ×2": (bare, 2), "1": (run, 1), "2": (run, 2)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pdf", nargs="+")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    seconds = {way: [] for way in WAYS}
    for _ in range(options.rounds):
        for way, (measured, n) in WAYS.items():
            with tempfile.TemporaryDirectory() as folder:
                began = time.perf_counter()
                measured(n, options.pdf, Path(folder))
                seconds[way].append(time.perf_counter() - began)
    medians = {way: statistics.median(values) for way, values in seconds.items()}
    print("| way | median s | of bare |\n| --- | --- | --- |")
    for way, median in medians.items():
        print(f"| {way} | {median:.1f} | {median / medians['bare']:.2f} |")
    print(
        f"\ntwo workers: {medians['1'] / medians['2']:.2f}× one; {medians['bare ×2'] / medians['2']:.2f}× two threads"
    )


if __name__ == "__main__":
    main()
