"""The wheel is whole: installed elsewhere it reads a file, answers a query, draws a report; it takes but one name."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import aria_docs

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
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
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    [site] = (folder / "venv").glob("lib/python*/site-packages")
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "venv" / "bin" / "python")]
    install = [*pip, "install", "--quiet", "--no-deps", "--no-index", "--no-compile", str(wheel)]
    # PYTHONPATH may name this checkout, whose egg-info would pass for the installed package.
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(install, check=True, capture_output=True, env=clean)
    # What it needs is not installed again; it stands ahead of this checkout.
    (site / "others.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    return folder / "venv"


def site_packages(venv: Path) -> Path:
    [site] = venv.glob("lib/python*/site-packages")
    return site


def test_the_wheel_has_its_data_and_nothing_beside_the_package(installed: Path) -> None:
    site = site_packages(installed)
    shipped = ["git", "ls-files", "aria_docs", "flows", "schemas"]
    tracked = subprocess.run(shipped, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")[:-1]
    expected = set(tracked) - {"aria_docs/flows", "aria_docs/schemas"}  # links
    names = {str(path.relative_to(site)) for path in site.rglob("*") if path.is_file()}
    assert {name if name.startswith("aria_docs/") else f"aria_docs/{name}" for name in expected} <= names
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {"aria_docs", "others.pth"}
    assert "aria_docs/py.typed" in names


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A user's own, with names that this repository uses too; whoever takes them for ours breaks."""
    for name in ("schemas.py", "reading.py", "run.py", "storage.py", "flows/__init__.py", "report/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("raise RuntimeError('this is the project of the user')\n")
    return tmp_path


@pytest.mark.parametrize("how", [["bin/python", "-m", "aria_docs"], ["bin/aria-docs"]], ids=["module", "command"])
def test_it_works_in_a_project_with_modules_of_the_same_names(
    installed: Path, project: Path, bench: Any, how: list[str]
) -> None:
    bench.pdf("a.pdf", 1, tables=(1,)).rename(project / "a.pdf")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    program = [str(installed / how[0]), *how[1:]]

    def python(*arguments: str) -> str:
        done = subprocess.run(arguments, cwd=project, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    python(*program, "run", "a.pdf", "--db", "r.duckdb")
    n_cells = python(*program, "sql", "SELECT count(*) AS n FROM cells", "--format", "csv", "--db", "r.duckdb")
    assert n_cells == "n\n12\n"
    opened = "import aria_docs; print(aria_docs.__file__, len(aria_docs.open('r.duckdb').tables()))"
    assert (
        python(str(installed / "bin/python"), "-c", opened) == f"{site_packages(installed)}/aria_docs/__init__.py 1\n"
    )
    python(*program, "report", "-o", "pages", "--db", "r.duckdb")
    assert (project / "pages" / "index.html").exists()
    if importlib.util.find_spec("prefect"):
        named = "from aria_docs.flows.documents import documents; print(documents.name)"
        assert python(str(installed / "bin/python"), "-c", named) == "documents\n"


PUBLIC = """
import sys

import aria_docs
from aria_docs import AriaDocsError, errors

db = aria_docs.open("results.duckdb", passwords=["one"])
count: int = len(db.tables())
for table in db.tables():
    print(table.df().shape, table.page.path)
try:
    rows: list[tuple[object, ...]] = db.sql("SELECT 1").rows
except errors.QueryError as error:
    sys.exit(str(error))
except AriaDocsError:
    raise
version: str = aria_docs.__version__
"""


def test_a_user_of_the_public_names_is_checked_strictly(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text(PUBLIC)
    (tmp_path / "bad.py").write_text(PUBLIC.replace("len(db.tables", "len(db.tabels"))  # so that the check can fail
    python = str(installed / "bin/python")
    command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", python, "good.py", "bad.py"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stdout.splitlines()
    assert said[:-1] == ['bad.py:8: error: "Database" has no attribute "tabels"; maybe "tables"?  [attr-defined]']


def test_what_is_meant_to_be_used_is_shown() -> None:
    assert dir(aria_docs) == sorted(aria_docs.__all__)
    for name in aria_docs.__all__:
        assert hasattr(aria_docs, name)
    assert {"AriaDocsError", "errors", "open"} <= set(aria_docs.__all__)
