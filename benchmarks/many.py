"""What many small files cost, and what a large database costs. CPU seconds, of all processes together, but where said.

    python benchmarks/many.py files [-n 20000] [--tasks summary] [--workers 2] [--keep FOLDER]
    python benchmarks/many.py pages [-n 4000000] [--keep FOLDER]

files   generated PDFs of one page with 3,000 letters, one in four with a small table as well, read into a new database.
        `first` and `last` are the first and the last quarter of the files in the order in which they were finished;
        `bare` is their text (with --tasks tables: `find_tables` too) by PyMuPDF in one loop, on 1,000 of them.
pages   a database of documents of 100 pages with 1 kB each and a table on every twentieth page. Ten new files are read
        into it and into an empty one: seconds on the wall, and the parent's memory at most. Then two questions.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

WORDS = [
    "".join(pair)
    for pair in zip(
        random.Random(0).choices("har ber fog lam kee nor coa fer sal tun mar gul pil rov".split(), k=4000),
        random.Random(1).choices("bour gen pers lit east ries mon nage ting dock hand wick stead".split(), k=4000),
        strict=True,
    )
]


def make_pdf(path: Path, number: int, *, table: bool) -> None:
    import pymupdf

    chance = random.Random(number)
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_text((60, 60), f"Letter {number} of the harbour office", fontsize=14)
        lines: list[str] = []
        while sum(map(len, lines)) < 3000:
            lines.append(" ".join(chance.choices(WORDS, k=12)).capitalize() + ".")
        page.insert_text((60, 90), lines, fontsize=9)
        if table:
            rows = [("Item", "Amount", "Tax")] + [
                (f"Crate {row}", f"{chance.randint(1, 999)}.50", "7") for row in range(4)
            ]
            for row in range(len(rows) + 1):
                page.draw_line((60, 620 + 16 * row), (420, 620 + 16 * row))
            for column in range(4):
                page.draw_line((60 + 120 * column, 620), (60 + 120 * column, 620 + 16 * len(rows)))
            for row, texts in enumerate(rows):
                for column, text in enumerate(texts):
                    page.insert_text((64 + 120 * column, 632 + 16 * row), text, fontsize=9)
        document.save(path, deflate=True)


def tree_cpu_s() -> float:
    """CPU seconds of this process and of all that descend from it, ended ones included."""
    parents, cpu = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # ended meanwhile
            continue
        pid = int(stat.parent.name)
        parents[pid], cpu[pid] = int(fields[1]), sum(map(int, fields[11:15]))
    tree = [os.getpid()]
    for process in tree:
        tree += [child for child, parent in parents.items() if parent == process]
    return sum(cpu[pid] for pid in tree if pid in cpu) / os.sysconf("SC_CLK_TCK")


def peak_mb() -> float:
    """The most memory of this process. (ru_maxrss would be that of the process which started this one, if larger.)"""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def read(folder: str, db: str, tasks: str, workers: str) -> None:
    """In a process of its own: reads the folder, and prints what that cost as JSON."""
    from aria_docs.progress import Lines
    from aria_docs.run.recipes import Options
    from aria_docs.run.run import Run
    from aria_docs.storage.database import Store

    marks: list[float] = []

    class Clock(Lines):
        def end_file(self, path: str) -> None:
            super().end_file(path)
            if self._meter.n_over % max(1, self._meter.n_files // 4) == 0:
                marks.append(tree_cpu_s())

        def say(self, sentence: str) -> None:
            pass

    clock = Clock()
    before, began = tree_cpu_s(), time.monotonic()
    options = Options(tasks=tuple(tasks.split(",")), workers=int(workers))
    with Run(Store(Path(db)), options, command="benchmark", progress=clock) as run:
        files = run.find([Path(folder)])
        clock.files(len(files))
        marks.append(tree_cpu_s())
        run.outcome.add(run.read(files))
    print(
        json.dumps(
            {
                "n_read": run.outcome.n_read,
                "n_failed": run.outcome.n_failed,
                "cpu_s": tree_cpu_s() - before,
                "wall_s": time.monotonic() - began,
                "marks": marks,
                "parent_mb": peak_mb(),
            }
        )
    )


def bare(tasks: str, *paths: str) -> None:
    """In a process of its own: the same files in one loop, without a run."""
    from aria_docs.ingest.mupdf import pymupdf

    n = 0
    began = time.process_time()
    for path in paths:
        with pymupdf.open(path) as document:
            for page in document:
                n += len(page.get_text())
                if "tables" in tasks:
                    n += len(page.find_tables().tables)
    print(json.dumps({"cpu_s": time.process_time() - began, "n": n}))


def apart(*arguments: object) -> dict:
    done = subprocess.run([sys.executable, __file__, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def files(options: argparse.Namespace, folder: Path) -> None:
    sources, db = folder / "in", folder / "r.duckdb"
    if not sources.exists():
        sources.mkdir()
        for number in range(options.n):
            inside = sources / f"{number // 1000:03}"
            inside.mkdir(exist_ok=True)
            make_pdf(inside / f"{number:06}.pdf", number, table=number % 4 == 0)
    paths = sorted(sources.rglob("*.pdf"))
    sample = random.Random(2).sample(paths, min(1000, len(paths)))
    alone = apart("bare", options.tasks, *sample)["cpu_s"] / len(sample) * 1000
    cost = apart("read", sources, db, options.tasks, options.workers)
    quarters = [after - before for before, after in pairwise(cost["marks"])]
    each = cost["cpu_s"] / len(paths) * 1000
    again = apart("read", sources, db, options.tasks, options.workers)
    print("| what | figure |\n| --- | --- |")
    print(f"| files read, failed ({options.tasks}) | {cost['n_read']:,}, {cost['n_failed']:,} |")
    print(f"| first, last quarter, CPU s | {quarters[0]:.1f}, {quarters[-1]:.1f}: {quarters[-1] / quarters[0]:.3f} |")
    print(f"| a file, CPU ms | {each:.1f} |")
    print(f"| a file bare, CPU ms | {alone:.1f}: {each - alone:.1f} more |")
    print(f"| parent at most, MB | {cost['parent_mb']:.0f} |")
    print(f"| nothing new: a second run, CPU s | {again['cpu_s']:.1f} |")
    print(f"| database, MB | {db.stat().st_size / 1e6:.0f} |")


def fill(db: Path, n_pages: int, recipes: dict[str, str]) -> None:
    """Rows as runs leave them: 100 pages a document, eight of 20,000 pieces of 125 letters a page."""
    import duckdb

    from aria_docs.storage.database import Store

    Store(db).prepare(patience_s=0)
    chance = random.Random(3)
    pieces = [" ".join(chance.choices(WORDS, k=15)).ljust(125)[:125] for _ in range(20_000)]
    n_documents = max(1, n_pages // 100)
    at = datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)
    model = "'run', source_id, task, part, 'embedded', 'm', 'r', NULL, recipe, NULL, 'ok', NULL, 0.1"
    with duckdb.connect(str(db)) as connection:
        run = connection.execute

        def n_columns(table: str) -> int:
            where = f"WHERE schema_name = 'main' AND table_name = '{table}'"
            return run(f"SELECT count(*) FROM duckdb_columns() {where}").fetchone()[0]

        run("SET preserve_insertion_order = false")
        run("SET search_path = 'main,aria_docs_internal'")
        run("SET VARIABLE pieces = ?", [pieces])
        run("INSERT INTO sources SELECT md5(d::VARCHAR), '/archive/' || d || '.pdf', 'pdf', 100000 + d, 100, NULL, "
            f"NULL, NULL, NULL, ? FROM range({n_documents}) t(d)", [at])  # fmt: skip
        run("INSERT INTO files SELECT path, source_id, size_bytes, ?, true FROM sources", [at])
        words = " || ' ' || ".join(
            f"list_extract(getvariable('pieces'), 1 + CAST(hash(d * 100 + p, {salt}) % 20000 AS INTEGER))"
            for salt in range(8)
        )
        for first in range(0, n_documents, 2000):  # bounds memory
            run(f"INSERT INTO pages SELECT md5(d::VARCHAR), p, 595, 842, {words}, false "
                f"FROM range({first}, {min(first + 2000, n_documents)}) t(d), range(1, 101) u(p)")  # fmt: skip
        readings = (
            "SELECT md5(source_id || task || part) AS reading_id, "
            + model
            + ", NULL, NULL, NULL, NULL, NULL, NULL, ? FROM "
        )
        run(f"INSERT INTO readings {readings} (SELECT source_id, 'tables' AS task, 'page:' || page AS part, "
            f"'{recipes['tables']}' AS recipe FROM pages)", [at])  # fmt: skip
        run(f"INSERT INTO readings {readings} (SELECT source_id, 'summary' AS task, 'document' AS part, "
            f"'{recipes['summary']}' AS recipe FROM sources)", [at])  # fmt: skip
        run("INSERT INTO newest SELECT source_id, task, part, reading_id FROM readings")
        run("INSERT INTO summaries SELECT reading_id, source_id, 'A letter', 'en', 'The harbour and its lamps.', [] "
            "FROM readings WHERE task = 'summary'")  # fmt: skip
        table = (
            "substr(md5(reading_id), 1, 16), reading_id, source_id, CAST(split_part(part, ':', 2) AS INTEGER) AS page"
        )
        more = ", NULL" * (n_columns("tables") - 15)
        run(f"INSERT INTO tables SELECT {table}, 0, 60, 60, 400, 200, 3, 3, 1, NULL, NULL, 1.0{more} FROM readings "
            "WHERE task = 'tables' AND page % 20 = 0")  # fmt: skip
        more = ", NULL" * (n_columns("cells") - 13)
        # A hundred headers, so that there are as many stacks.
        name = "'Column ' || c || ' of ' || hash(table_id) % 100"
        text = f"CASE WHEN r = 0 THEN {name} ELSE (r * c + 1)::VARCHAR END"
        run(f"INSERT INTO cells SELECT table_id, r, c, 1, 1, r = 0, {text}, CASE WHEN r > 0 THEN r * c + 1 END, "
            f"60, 60, 100, 80, true{more} FROM tables, range(3) t(r), range(3) u(c)")  # fmt: skip
        run("CHECKPOINT")


def ask(db: Path, query: str, *, rounds: int) -> tuple[float, int]:
    from aria_docs.storage.database import Store

    best, n = float("inf"), 0
    for _ in range(rounds):
        began = time.monotonic()
        n = len(Store(db).records(query))
        best = min(best, time.monotonic() - began)
    return best, n


def pages(options: argparse.Namespace, folder: Path) -> None:
    from aria_docs.run.recipes import Options

    sources, db = folder / "new", folder / "large.duckdb"
    recipes = {task: row.recipe for task, row in Options(tasks=("tables", "summary")).recipes().items()}
    if not db.exists():
        fill(db, options.n, recipes)
        # The first run lays what an earlier one would have: it is not what is measured.
        empty = folder / "empty"
        empty.mkdir(exist_ok=True)
        make_pdf(empty / "first.pdf", 10**6, table=True)
        apart("read", empty, db, "tables,summary", 1)
    sources.mkdir(exist_ok=True)
    for number in range(10):
        make_pdf(sources / f"{time.time_ns()}.pdf", time.time_ns(), table=number % 4 == 0)
    small = apart("read", sources, folder / f"{time.time_ns()}.duckdb", "tables,summary", 1)
    large = apart("read", sources, db, "tables,summary", 1)
    size = db.stat().st_size / 1e9
    print("| what | empty | large | more |\n| --- | --- | --- | --- |")
    for name, unit in (("wall_s", "s"), ("cpu_s", "CPU s"), ("parent_mb", "MB of the parent")):
        print(f"| ten new files, {unit} | {small[name]:.1f} | {large[name]:.1f} | {large[name] - small[name]:.1f} |")
    seconds, n = ask(db, "FROM document_tables WHERE path = '/archive/7.pdf'", rounds=3)
    print(f"| `document_tables WHERE path = …`, s | | {seconds:.2f} ({n} rows) | |")
    seconds, n = ask(db, "FROM search('guldock') LIMIT 20", rounds=1)
    print(f"| `search('word')`, s | | {seconds:.1f} ({seconds / size:.1f} a GB of file) | |")
    print(f"\n{options.n:,} pages, {size:.1f} GB.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["files", "pages"])
    parser.add_argument("-n", type=int)
    parser.add_argument("--tasks", default="summary")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where files and databases stay")
    options = parser.parse_args()
    options.n = options.n or {"files": 20_000, "pages": 4_000_000}[options.what]
    measured = {"files": files, "pages": pages}[options.what]
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
        measured(options, options.keep)
    else:
        with tempfile.TemporaryDirectory() as folder:
            measured(options, Path(folder))


if __name__ == "__main__":
    if sys.argv[1:2] in (["read"], ["bare"]):
        {"read": read, "bare": bare}[sys.argv[1]](*sys.argv[2:])
    else:
        main()
