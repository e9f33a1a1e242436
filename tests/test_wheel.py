"""The wheel is whole: unpacked elsewhere and run from there, it reads a file, answers a query and draws a report."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # From a copy of what git tracks: setuptools leaves its build folder where it works.
    source = folder / "source"
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, tracked.split("\0")):
        if name.split("/")[0] in ("aria_docs", "flows", "schemas", "pyproject.toml", "README.md", "LICENSE"):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name, follow_symlinks=False)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir"]
    subprocess.run([*build, str(folder), str(source)], check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_the_wheel_has_its_data_and_no_tests(unpacked: Path) -> None:
    names = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file()}
    shipped = subprocess.run(
        ["git", "ls-files", "aria_docs", "flows", "schemas"], cwd=ROOT, capture_output=True, text=True
    )
    tracked = set(shipped.stdout.split("\n")[:-1]) - {"aria_docs/flows", "aria_docs/schemas"}  # links
    assert {name if name.startswith("aria_docs/") else f"aria_docs/{name}" for name in tracked} <= names
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {"aria_docs"}


def test_it_runs_from_there(unpacked: Path, tmp_path: Path, bench: Any) -> None:
    bench.pdf("a.pdf", 1, tables=(1,)).rename(tmp_path / "a.pdf")
    environment = os.environ | {"PYTHONPATH": str(unpacked)}

    def aria_docs(*arguments: str) -> str:
        command = [sys.executable, "-m", "aria_docs", *arguments, "--db", "r.duckdb"]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = [sys.executable, "-c", "import aria_docs, flows, schemas; print(aria_docs.__file__)"]
    assert subprocess.run(where, cwd=tmp_path, env=environment, capture_output=True, text=True).stdout.startswith(
        str(unpacked)
    )
    aria_docs("run", "a.pdf")
    assert aria_docs("sql", "SELECT sum(number) AS total FROM cells", "--format", "csv") == "total\n1.5\n"
    aria_docs("report", "-o", "report")
    assert (tmp_path / "report" / "index.html").exists()
