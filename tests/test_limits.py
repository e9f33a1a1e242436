"""A run in a shell that allows less than ours would: it keeps to that, and reads what it would read."""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

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


@pytest.mark.parametrize("n_processes", [1, 3])
def test_where_no_thread_or_process_can_be_started_a_sentence_says_so(bench: Any, n_processes: int) -> None:
    nobody: dict[str, Any] = {"user": 65534, "group": 65534, "extra_groups": []} if os.getuid() == 0 else {}
    try:
        subprocess.run([sys.executable, "-c", "import aria_docs"], cwd="/", check=True, capture_output=True, **nobody)
    except (PermissionError, subprocess.CalledProcessError):
        pytest.skip("this Python is not for ordinary users, and root has no such limit")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        shutil.copy(bench.pdf("a.pdf", 2), folder)
        done = subprocess.run(
            command("run", folder, "--db", f"{folder}/r.duckdb"), cwd="/", capture_output=True, text=True, timeout=300,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NPROC, (n_processes, n_processes)), **nobody,
        )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert "ulimit -u" in done.stderr.splitlines()[-1]
