"""Makes a small database and a small spool with an earlier version of this project, and a dump of every row in them.

    git worktree add /tmp/old ed3e2f9
    PYTHONPATH=/tmp/old python tests/data/make_earlier.py ed3e2f9

`files/` are the files that both were read from. They are committed: PyMuPDF writes another id into each PDF it makes.
"""

import gzip
import importlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pymupdf

HERE = Path(__file__).parent
HEADER = ("Harbour", "Ferries", "Tonnes")
OURS = "aria_docs_internal"  # the schema of our own tables, since 0.2
TABLES = """
    SELECT table_name FROM information_schema.tables
    WHERE table_type = 'BASE TABLE' AND table_schema IN ('main', 'aria_docs_internal') ORDER BY table_name
"""


def make_files(folder: Path) -> None:
    """Tables on neighbouring pages that go on, one that stands alone, a film with subtitles, and a PDF that is none."""
    folder.mkdir()
    with pymupdf.open() as document:
        for number, top in ((1, 500), (2, 80), (3, 80)):
            page = document.new_page()
            if number == 1:
                page.insert_text((72, 60), "Ferries of the northern coast", fontsize=16)
            harbours = [(f"Harbour {number}-{row}", f"{row}", f"{row}.5") for row in range(11)]
            draw_table(page, top, [HEADER, *harbours[1:]] if number == 1 else harbours)
        document.save(folder / "ferries.pdf", garbage=4, deflate=True)
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_text((72, 72), "The harbour master writes that two ferries were late in October.")
        page.insert_text((72, 96), "Neither of them had met the fog that the coast guard had forecast.")
        draw_table(page, 200, [HEADER, ("Bergen", "2", "1,234.5"), ("Ålesund", "1", "(12)")])
        document.save(folder / "letter.pdf", garbage=4, deflate=True)
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7\nnothing follows")
    importlib.import_module("tests.conftest").make_video(folder / "fog.mp4")


def draw_table(page: pymupdf.Page, top: float, rows: Sequence[Sequence[str]]) -> None:
    for row in range(len(rows) + 1):
        page.draw_line((72, top + 20 * row), (432, top + 20 * row))
    for column in range(4):
        page.draw_line((72 + 120 * column, top), (72 + 120 * column, top + 20 * len(rows)))
    for row, texts in enumerate(rows):
        for column, text in enumerate(texts):
            page.insert_text((76 + 120 * column, top + 14 + 20 * row), text, fontsize=11)


def as_text(value: Any) -> Any:
    """A value as JSON has it: whatever is no number, text, list or truth as text, a picture in hex."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return [as_text(item) for item in value]
    if isinstance(value, dict):
        return {key: as_text(item) for key, item in value.items()}
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def dump(db: Path) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table that is stored, in order."""
    with duckdb.connect(str(db), read_only=True) as connection:
        if connection.execute(f"SELECT 1 FROM duckdb_schemas() WHERE schema_name = '{OURS}'").fetchall():
            connection.execute(f"SET search_path = 'main,{OURS}'")
        tables = [name for (name,) in connection.execute(TABLES).fetchall()]
        rows = {}
        for table in tables:
            cursor = connection.execute(f'FROM "{table}" ORDER BY ALL')
            names = [column[0] for column in cursor.description or ()]
            rows[table] = [dict(zip(names, map(as_text, row), strict=True)) for row in cursor.fetchall()]
    return rows


def main(commit: str) -> None:
    """What the version on PYTHONPATH makes of the files."""
    server = importlib.import_module("fake_server").FakeServer
    target, files = HERE / commit, HERE / "files"
    if not files.exists():
        make_files(files)
    target.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, server() as model:
        folder = Path(temporary)
        shutil.copytree(files, folder / "in")
        shutil.copy(HERE / "letter.py", folder)

        def run(*arguments: str) -> None:
            done = subprocess.run([sys.executable, "-m", "aria_docs", "run", *arguments], cwd=folder)
            assert done.returncode in (0, 1), arguments  # 1: broken.pdf

        run("in", "--db", "r.duckdb", "--engine", "embedded")
        asked = (
            "--engine",
            "remote",
            "--server",
            model.url,
            "--tasks",
            "tables,letter",
            "--schema",
            "letter.py:Letter",
        )
        run("in/letter.pdf", "--db", "r.duckdb", *asked)
        run("in", "--spool", "spool", "--shard", "1/1", "--engine", "embedded")
        subprocess.run(
            [sys.executable, "-m", "aria_docs", "load", "spool", "--db", "loaded.duckdb"], cwd=folder, check=True
        )
        (target / "r.duckdb.gz").write_bytes(gzip.compress((folder / "r.duckdb").read_bytes(), mtime=0))
        shutil.rmtree(target / "spool", ignore_errors=True)
        shutil.copytree(folder / "spool", target / "spool")
        dumps = {"commit": commit, "r.duckdb": dump(folder / "r.duckdb"), "spool": dump(folder / "loaded.duckdb")}
        (target / "rows.json").write_text(json.dumps(dumps, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
