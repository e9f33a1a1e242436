"""How fast the database answers: 1,000 documents, 20,000 tables, 2 million cells, 50 videos.

    OMP_NUM_THREADS=1 python benchmarks/sql.py FILE.duckdb      made where it does not exist, in 20 s

Prints the table of sql.md: the seconds of a statement from opening the file to closing it, Python's start not counted;
CPU seconds are those of all threads.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import duckdb

from aria_docs.storage.database import QueryResult, Store

ROOT = Path(__file__).parents[1]
N_DOCUMENTS, N_PAGES, N_ROWS, N_COLS = 1_000, 20, 20, 5  # a table a page: 20,000 of 100 cells

# Every fifth page has a header that 40 documents share; the others have one that nobody else has.
MAKE = f"""
INSERT INTO files SELECT '/archive/report_' || lpad(d::VARCHAR, 4, '0') || '.pdf', md5('d' || d), 100_000,
    TIMESTAMP '2026-01-01', true FROM range({N_DOCUMENTS}) r(d);
INSERT INTO files SELECT '/archive/film_' || lpad(v::VARCHAR, 3, '0') || '.mp4', md5('v' || v), 100_000_000,
    TIMESTAMP '2026-01-01', true FROM range(50) r(v);
INSERT INTO sources SELECT source_id, path, CASE WHEN path LIKE '%.pdf' THEN 'pdf' ELSE 'video' END, size_bytes,
    CASE WHEN path LIKE '%.pdf' THEN {N_PAGES} END, CASE WHEN path LIKE '%.mp4' THEN 3600.0 END, 1280, 720, 25.0,
    TIMESTAMP '2026-01-01' FROM files WHERE path LIKE '/archive/%';
INSERT INTO readings
SELECT md5(source_id || task || part), 'run', source_id, task, part, 'embedded', 'm', 'r', 'p', 'recipe', NULL, 'ok',
    NULL, 0.5, NULL, NULL, NULL, NULL, NULL, NULL, TIMESTAMP '2026-01-01'
FROM (FROM sources WHERE path LIKE '/archive/%') AS sources,
    (SELECT 'tables' AS task, 'page:' || p AS part FROM range(1, {N_PAGES + 1}) r(p)
               UNION ALL SELECT 'summary', 'document' UNION ALL SELECT 'summary', 'video' UNION ALL
               SELECT 'scenes', 'video')
WHERE (kind = 'pdf') = (part <> 'video');
CREATE TEMP TABLE words AS SELECT i, 'w' || left(md5(i::VARCHAR), 3 + i % 6) AS word FROM range(5_000) r(i);
CREATE TEMP TABLE sentences AS
SELECT i, (SELECT string_agg(word, ' ') FROM words WHERE words.i % 331 = s.i % 331) AS sentence
FROM range(331) s(i);
INSERT INTO pages
SELECT source_id, p, 595, 842, string_agg(sentence || ' ' || hash(source_id, p, sentences.i), '. '), false
FROM sources, range(1, {N_PAGES + 1}) r(p), sentences
WHERE kind = 'pdf' AND path LIKE '/archive/%' AND sentences.i % 11 = hash(source_id, p) % 11 GROUP BY ALL;
INSERT INTO tables
SELECT left(md5(reading_id || 't'), 16), reading_id, source_id, substr(part, 6)::INTEGER, 0, 50, 100, 500, 400,
    {N_ROWS}, {N_COLS}, 1, 'Table ' || substr(part, 6) || '. ' || (SELECT any_value(sentence) FROM sentences), NULL, 1.0
FROM readings WHERE task = 'tables' AND recipe = 'recipe';
INSERT INTO cells
SELECT table_id, r, c, 1, 1, r = 0,
    CASE WHEN r = 0 AND c = 0 THEN 'Item'
         WHEN r = 0 AND page % 5 = 0 THEN 'Year ' || (2000 + c) || ' of ' || hash(source_id) % 25
         WHEN r = 0 THEN 'Head ' || c || ' ' || table_id
         WHEN c = 0 THEN 'item ' || r ELSE printf('%,d', (r * 1000 + c)::INTEGER) END,
    CASE WHEN r > 0 AND c > 0 THEN r * 1000 + c END,
    50 + 90 * c, 100 + 15 * r, 140 + 90 * c, 115 + 15 * r, hash(table_id, r, c) % 50 > 0
FROM (SELECT t.* FROM tables t JOIN readings USING (reading_id) WHERE recipe = 'recipe') AS made,
    range({N_ROWS}) x(r), range({N_COLS}) y(c) ORDER BY source_id, page, r, c;
INSERT INTO scenes
SELECT reading_id, source_id, n, n * 36.0, n * 36.0 + 36, 'cut', 'Scene ' || n, sentence, NULL
FROM readings, range(100) r(n), sentences WHERE recipe = 'recipe' AND task = 'scenes' AND sentences.i = n;
INSERT INTO shots SELECT source_id, scene_no, start_s, end_s, transition, start_s, start_s FROM scenes
WHERE title LIKE 'Scene %';
INSERT INTO summaries
SELECT reading_id, source_id, 'Report', 'en', (SELECT string_agg(sentence, '. ') FROM sentences WHERE i < 8),
    [{{'text': 'point', 'page': 1, 'start_s': NULL}}] FROM readings WHERE recipe = 'recipe' AND task = 'summary';
"""


def make(store: Store) -> None:
    """The example files, read, and a thousand documents around them."""
    command = [sys.executable, "-m", "aria_docs", "run", str(ROOT / "examples"), "--db", str(store.path)]
    subprocess.run(command, check=True, capture_output=True)
    with duckdb.connect(str(store.path)) as db:
        db.execute(MAKE)


def main(path: Path) -> None:
    store = Store(path)
    if not path.exists():
        make(store)
    [[n_cells]] = store.ask("SELECT count(*) FROM cells").rows
    print(f"{n_cells:,} cells, {path.stat().st_size / 1e6:.0f} MB, DuckDB {duckdb.__version__}\n")
    print("| what | wall s | CPU s | rows |\n| --- | --- | --- | --- |")
    measured("lay the stacked views (once, at the end of a run)", store.stack, times=1)
    measured("open, `SELECT 1`, close", lambda: store.ask("SELECT 1"))
    [[table_id]] = store.ask("SELECT min(table_id) FROM tables").rows
    measured("`tbl_…`, a typed view", lambda: store.ask(f"SELECT * FROM tbl_{table_id}"))
    measured("`extracted_table('…')`", lambda: store.ask(f"FROM extracted_table('{table_id}')"))
    [[stack, n_tables]] = store.ask("SELECT stack, n_tables FROM stacks ORDER BY stack LIMIT 1").rows
    measured(f"`stacked_…`, all rows of {n_tables} tables", lambda: store.ask(f"FROM {stack}"))
    measured("`search('…')` that finds every sixth page", lambda: store.ask("FROM search('w3a')"))
    for name, query in cookbook(store):
        measured(f"cookbook {name}", partial(store.ask, query))


def cookbook(store: Store) -> list[tuple[str, str]]:
    """The queries of docs/cookbook.md, with the ids that its tables have here."""

    def id_of(named: re.Match[str]) -> str:
        caption = named[1].replace("'", "''")
        [[found]] = store.ask(f"SELECT min(table_id) FROM document_tables WHERE caption = '{caption}'").rows
        return f"tbl_{found}"

    page = (ROOT / "docs" / "cookbook.md").read_text(encoding="utf-8")
    page = re.sub(r"tbl_[0-9a-f]{16} -- (.*)", id_of, page)
    return re.findall(r"^## (.*?)$.*?```sql\n(.*?)\n```", page, re.DOTALL | re.MULTILINE)


def measured(name: str, run: Callable[[], QueryResult | None], *, times: int = 3) -> None:
    """The quickest of a few."""
    best, rows = (float("inf"), 0.0), ""
    for _ in range(times):
        wall, cpu = time.perf_counter(), time.process_time()
        answer = run()
        best = min(best, (time.perf_counter() - wall, time.process_time() - cpu))
        rows = f"{len(answer.rows):,}" if answer else ""
    print(f"| {name} | {best[0]:.2f} | {best[1]:.2f} | {rows} |", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
