"""How fast a spool is loaded and asked, made of generated pages; and, with a folder, what handing out files costs.

    python benchmarks/spool.py [--pages 1000000] [--batches 200] [--folder FOLDER]

Rows are of pages, readings, tables and cells (two of each table). Says rows a second, peak memory, and how long
`document_tables WHERE path = …` takes over the Parquet files. With --folder: its files read by a plain run, by two actors
of a Ray cluster on this machine, and by four shards; all must give the same rows, and so must the shards' spool as it
lies. See spool.md.
"""

# ruff: noqa: E501
from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from aria_docs.storage import batches, lake
from aria_docs.storage.database import Store
from aria_docs.storage.load import load

PAGES_A_FILE = 50
GENERATED = {
    "sources": """SELECT md5(f::VARCHAR) AS source_id, '/made/' || f || '.pdf' AS path, 'pdf' AS kind, 1000::BIGINT AS size_bytes,
        {a}::INTEGER AS n_pages, TIMESTAMP '2026-01-01' AS first_seen_at FROM range({f0}, {f1}) t(f)""",
    "files": """SELECT '/made/' || f || '.pdf' AS path, md5(f::VARCHAR) AS source_id, 1000::BIGINT AS size_bytes,
        TIMESTAMP '2026-01-01' AS modified_at, true AS present FROM range({f0}, {f1}) t(f)""",
    "readings": """SELECT md5('r' || p) AS reading_id, 'made' AS run_id, md5((p // {a})::VARCHAR) AS source_id, 'tables' AS task,
        'page:' || (p % {a} + 1) AS part, 'embedded' AS engine, 'recipe' AS recipe, 'ok' AS status, 0.1::DOUBLE AS seconds,
        TIMESTAMP '2026-01-01' AS read_at FROM range({p0}, {p1}) t(p)""",
    "pages": """SELECT md5((p // {a})::VARCHAR) AS source_id, (p % {a} + 1)::INTEGER AS page, 595.0::DOUBLE AS width_pt,
        842.0::DOUBLE AS height_pt, repeat('Words of page ' || p || ' that are read. ', 40) AS text, false AS from_ocr
        FROM range({p0}, {p1}) t(p)""",
    "tables": """SELECT left(md5('t' || p), 16) AS table_id, md5('r' || p) AS reading_id, md5((p // {a})::VARCHAR) AS source_id,
        (p % {a} + 1)::INTEGER AS page, 0::INTEGER AS table_no, 1.0::DOUBLE AS x0, 1.0::DOUBLE AS y0, 9.0::DOUBLE AS x1,
        9.0::DOUBLE AS y1, 1::INTEGER AS n_rows, 2::INTEGER AS n_cols, 0::INTEGER AS n_header_rows, 'Table ' || p AS caption
        FROM range({p0}, {p1}) t(p)""",
    "cells": """SELECT left(md5('t' || p), 16) AS table_id, 0::INTEGER AS row_no, c::INTEGER AS col_no, 1::INTEGER AS row_span,
        1::INTEGER AS col_span, false AS is_header, (p + c)::VARCHAR AS text, (p + c)::DOUBLE AS number, true AS grounded
        FROM range({p0}, {p1}) t(p), range(2) u(c)""",
}  # fmt: skip


def make(spool: Path, n_pages: int, n_batches: int) -> int:
    """A spool of so many pages; returns the number of its rows."""
    spool.mkdir(parents=True)
    each = n_pages // n_batches // PAGES_A_FILE * PAGES_A_FILE
    n_rows = 0
    for no in range(n_batches):
        at = datetime(2026, 1, 1) + timedelta(seconds=2 * no)
        name = f"{at:%Y%m%dT%H%M%S%f}-00ab-{no:06}"
        where = {"a": PAGES_A_FILE, "p0": no * each, "p1": (no + 1) * each}
        where |= {"f0": where["p0"] // PAGES_A_FILE, "f1": where["p1"] // PAGES_A_FILE}
        counts = {}
        with batches._beside(spool, name) as folder, duckdb.connect() as db:
            for table, query in GENERATED.items():
                path = folder / f"{table}.parquet"
                db.execute(
                    f"COPY (SELECT *, '{name}' AS batch FROM ({query.format(**where)})) TO '{path}' (FORMAT parquet)"
                )
                counts[table] = int((db.fetchone() or (0,))[0])
            batches._seal(folder, {name: at}, counts)
        n_rows += sum(counts.values())
    return n_rows


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure_load(top: Path, n_pages: int, n_batches: int) -> None:
    spool, store = top / "spool", Store(top / "r.duckdb")
    n_rows = make(spool, n_pages, n_batches)
    size = sum(path.stat().st_size for path in spool.rglob("*.parquet"))
    print(f"{n_pages:,} pages, {n_rows:,} rows in {n_batches} batches, {size / 1e6:.0f} MB of Parquet")
    query = "SELECT count(*) FROM document_tables WHERE path = '/made/7.pdf'"
    for what in ("as written", "again"):
        began, cpu = time.perf_counter(), time.process_time()
        [(n,)] = lake.Lake(spool).ask(query).rows
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
        print(f"document_tables WHERE path = …, {what}: {took:.2f} s, {cpu:.2f} CPU-s ({n} rows)", flush=True)
    # What is worked out from tables afterwards (stacks, checks, the index of words) is a cost of any run.
    for name in ("work_out", "rank"):
        setattr(store, name, lambda: None)
    began, cpu, before = time.perf_counter(), time.process_time(), peak_mb()
    loaded = load(spool, store, say=print)
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    print(f"loaded {loaded.n_files} batches in {took:.1f} s, {cpu:.1f} CPU-s, with compaction: "
          f"{n_rows / took:,.0f} rows a second, {n_rows / cpu:,.0f} a CPU-s; "
          f"peak {peak_mb():,.0f} MB ({before:,.0f} before)")  # fmt: skip
    began, cpu = time.perf_counter(), time.process_time()
    lake.Lake(spool).ask(query)
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    print(f"document_tables WHERE path = …, compacted: {took:.2f} s, {cpu:.2f} CPU-s")


def measure_reading(top: Path, folder: Path) -> None:
    program = [sys.executable, "-m", "aria_docs"]

    def timed(what: str, *commands: list[str]) -> None:
        began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        for command in commands:
            subprocess.run(
                [*program, *command, "--quiet"] if command[0] == "run" else [*program, *command], check=False
            )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        print(f"{what}: {time.perf_counter() - began:.1f} s, {cpu:.1f} CPU-s of children that were waited for")

    one, ray, four = (str(top / f"{name}.duckdb") for name in ("one", "ray", "four"))
    timed("a plain run", ["run", str(folder), "--db", one, "--workers", "2"])
    timed("two Ray actors", ["run", str(folder), "--on", "ray", "--workers", "2", "--db", ray])
    spool = ["--spool", str(top / "four")]
    shares = [["run", str(folder), "--shard", f"{n}/4", *spool, "--workers", "2"] for n in (1, 2, 3, 4)]
    timed("four shards, one after the other", *shares, ["load", str(top / "four"), "--db", four])
    plain = rows_of(Store(Path(one)))
    others = {
        "two Ray actors": Store(Path(ray)),
        "four shards": Store(Path(four)),
        "their spool": lake.Lake(top / "four"),
    }
    for name, store in others.items():
        found = rows_of(store)
        n_rows = sum(map(len, found.values()))
        print(f"{name}: {n_rows:,} rows in {len(found)} tables, others than the plain run's in", [
            table for table in found if found[table] != plain[table]] or "none")  # fmt: skip


def rows_of(store: Store) -> dict[str, list[dict[str, object]]]:
    columns = {
        "files": "*", "sources": "* EXCLUDE (first_seen_at)", "readings": "* EXCLUDE (run_id, seconds, read_at)",
        "pages": "*", "tables": "*", "cells": "*", "shots": "*", "scenes": "*", "summaries": "*", "cues": "*",
        "failures": "* EXCLUDE (failed_at)", "form_fields": "*", "page_lines": "*",
    }  # fmt: skip
    return {name: store.records(f"SELECT {what} FROM {name} ORDER BY ALL") for name, what in columns.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=1_000_000)
    parser.add_argument("--batches", type=int, default=200)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    top = Path(tempfile.mkdtemp(prefix="aria-docs-spool-"))
    try:
        if options.pages:
            measure_load(top, options.pages, options.batches)
        if options.folder:
            measure_reading(top, options.folder)
    finally:
        shutil.rmtree(top)


if __name__ == "__main__":
    main()
