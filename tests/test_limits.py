"""A run in a shell that allows less than ours would: it keeps to that, and reads what it would read."""

import os
import subprocess
from pathlib import Path
from typing import Any

from aria_docs.storage.database import Store
from tests.conftest import command


def test_a_run_keeps_to_the_limits_of_its_shell(bench: Any, tmp_path: Path) -> None:
    """`benchmarks/limits.sh` has each of these alone, and some that are too small."""
    bench.pdf("a.pdf", 2, tables=(1, 2))
    db = tmp_path / "r.duckdb"
    limits = "ulimit -t 3600 -f 2000000 -n 64 -s 4096; ulimit -v 60000000"
    done = subprocess.run(
        ["bash", "-c", f'{limits}; exec "$@"', "bash", *command("run", bench.folder, "--db", db, "--tasks", "tables")],
        cwd=tmp_path, env=os.environ | {"HOME": "/nonexistent"}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert Store(db).records("SELECT page, n_rows FROM document_tables ORDER BY page") == [
        {"page": 1, "n_rows": 4},
        {"page": 2, "n_rows": 4},
    ]
