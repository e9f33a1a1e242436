"""Runs that are killed with SIGKILL at random instants: is anything lost, or there twice?

    python benchmarks/kill.py [-n 100] [--film] [--spool] [--seed 0]
    python benchmarks/kill.py --ray [-n 10] [--seed 0]

A folder of PDFs with tables, a broken one and, with --film, a film is read once without a kill. Then run after run over
the same folder is killed at an instant between its start and the time that a whole run takes; a run that gets to its
end is checked whole, and a new database is begun. After each kill: rows that were there before are there still, and no
row is there more often than a whole run makes it. With --spool each run leaves a spool, which is loaded into a database
after each kill.

With --ray, two actors of a Ray cluster of this machine read forty such PDFs, and one of them is killed every few
seconds; then the driver is, once, and the same command runs again. Says how much was read twice.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import duckdb

ROOT = Path(__file__).parents[1]
sys.path[:0] = map(str, (ROOT, ROOT / "tests", ROOT / "tests" / "model"))

from aria_docs.storage.database import Store  # noqa: E402
from tests.conftest import make_pdf, make_video  # noqa: E402

# What differs from run to run, and what a whole run sets at its end.
VOLATILE = {"run_id", "seconds", "read_at", "failed_at", "first_seen_at", "modified_at", "continues", "n_pages"}
VOLATILE |= {"duration_s", "width", "height", "fps", "prefill_s", "decode_s"}
TABLES = ["files", "sources", "readings", "pages", "tables", "cells", "shots", "scenes", "summaries", "failures"]
KEPT = ["readings", "pages", "tables", "cells", "shots", "scenes", "summaries"]


def make_folder(folder: Path, *, film: bool) -> None:
    folder.mkdir()
    for number in range(4):
        make_pdf(folder / f"{number}.pdf", 6, tables=(1, 2, 3, 5), word=f"Report {number}")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7\nnothing follows")
    if film:
        make_video(folder / "harbour.mp4")


def rows(db: Path) -> dict[str, Counter[str]]:
    if not db.exists():
        return {table: Counter() for table in TABLES}
    store = Store(db)
    there = {row["name"] for row in store.records("SELECT table_name AS name FROM duckdb_tables()")}
    found = {}
    for table in TABLES:
        listed = store.records(f"FROM {table}") if table in there else []
        found[table] = Counter(repr([(key, row[key]) for key in row if key not in VOLATILE]) for row in listed)
    return found


def start(folder: Path, target: list[str]) -> subprocess.Popen:
    command = [sys.executable, "-m", "aria_docs", "run", str(folder), *target, "--workers", "2"]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)


def children_of(pid: int, *named: str) -> list[int]:
    listed = subprocess.run(["pgrep", "-P", str(pid), *named], capture_output=True, text=True).stdout.split()
    return [int(child) for child in listed]


def actors_of(driver: subprocess.Popen) -> list[int]:
    """The workers of the cluster that a driver started."""
    return [actor for daemon in children_of(driver.pid) for actor in children_of(daemon, "-f", "ray::ReaderActor")]


def kill_on_ray(place: Path, n_kills: int, chance: random.Random) -> bool:
    """Whether nothing was lost or there twice."""
    folder, spool = place / "in", place / "spool"
    for number in range(4, 40):
        make_pdf(folder / f"{number}.pdf", 6, tables=(1, 2, 3, 5), word=f"Report {number}")
    start(folder, ["--db", str(place / "whole.duckdb")]).wait()
    whole, target, kills, good = rows(place / "whole.duckdb"), ["--on", "ray", "--spool", str(spool)], 0, True
    while kills < n_kills:
        driver, here = start(folder, target), 0
        while driver.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                driver.wait(chance.uniform(5, 25))
            actors = actors_of(driver)
            if actors and kills < n_kills:
                os.kill(chance.choice(actors), signal.SIGKILL)
                kills, here = kills + 1, here + 1
        good &= is_whole(spool, whole, f"{here} workers killed")
    driver = start(folder, target)
    with contextlib.suppress(subprocess.TimeoutExpired):
        driver.wait(chance.uniform(15, 40))
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    start(folder, target).wait()
    return is_whole(spool, whole, "the driver killed") and good


def is_whole(spool: Path, whole: dict[str, Counter[str]], what: str) -> bool:
    """Loads the spool and compares; the spool is gone then."""
    db = spool.with_suffix(".duckdb")
    db.unlink(missing_ok=True)
    load = [sys.executable, "-m", "aria_docs", "load", str(spool), "--db", str(db)]
    files = f"read_parquet('{spool}/*/readings.parquet')"
    [(n_all, n_once)] = duckdb.sql(f"SELECT count(*), count(DISTINCT reading_id) FROM {files}").fetchall()
    subprocess.run(load, check=True, stderr=subprocess.DEVNULL)
    now = rows(db)
    lost = sum(sum((whole[table] - now[table]).values()) for table in TABLES)
    more = sum(sum((now[table] - whole[table]).values()) for table in TABLES)
    print(f"{what}: {lost} rows lost, {more} that no whole run makes, {n_all - n_once} of {n_once} parts read twice")
    shutil.rmtree(spool)
    return not lost and not more


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=100)
    parser.add_argument("--spool", action="store_true")
    parser.add_argument("--film", action="store_true", help="a film too, which doubles the time")
    parser.add_argument("--ray", action="store_true", help="kill the workers of a cluster")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        make_folder(place / "in", film=options.film)
        if options.ray:
            sys.exit(not kill_on_ray(place, options.n, chance))
        began = time.monotonic()
        start(place / "in", ["--db", str(place / "whole.duckdb")]).wait()
        whole_s = time.monotonic() - began
        whole = rows(place / "whole.duckdb")
        print(f"a whole run takes {whole_s:.1f} s and makes {sum(map(len, whole.values()))} rows", flush=True)

        db, spool = place / "r.duckdb", place / "spool"
        target = ["--spool", str(spool), "--shard", "1/1"] if options.spool else ["--db", str(db)]
        kills = ends = mended = faults = 0
        before = rows(db)
        while kills < options.n:
            process = start(place / "in", target)
            try:
                process.wait(chance.uniform(0, whole_s))
                ends += 1
            except subprocess.TimeoutExpired:
                os.kill(process.pid, signal.SIGKILL)  # it alone: its children have to notice
                process.wait()
                kills += 1
                if kills % 5 == 0:
                    print(f"{kills} kills, {ends} runs that ended, {faults} faults", flush=True)
            if options.spool and spool.exists():
                db.unlink(missing_ok=True)
                load = [sys.executable, "-m", "aria_docs", "load", str(spool), "--db", str(db)]
                subprocess.run(load, check=True, stderr=subprocess.DEVNULL)
            now = rows(db)
            for table in TABLES:
                lost = sum((before[table] - now[table]).values()) if table in KEPT else 0
                doubled = sum((now[table] - whole[table]).values())
                if lost or doubled:
                    faults += 1
                    print(f"kill {kills}: {table}: {lost} rows lost, {doubled} that no whole run makes", flush=True)
            is_whole = process.returncode in (0, 1)
            if is_whole:
                missing = {table: sum((whole[table] - now[table]).values()) for table in TABLES}
                if any(missing.values()):
                    faults += 1
                    print(f"after a whole run are missing: {missing}", flush=True)
                mended += 1
                db.unlink(missing_ok=True)
                shutil.rmtree(spool, ignore_errors=True)
            before = rows(db)
        left = subprocess.run(["pgrep", "-fc", f"{place}"], capture_output=True, text=True).stdout.strip()
        print(f"{kills} kills, {ends} runs that ended ({mended} databases checked whole), {faults} faults, "
              f"{left} processes left")  # fmt: skip
        sys.exit(bool(faults))


if __name__ == "__main__":
    main()
