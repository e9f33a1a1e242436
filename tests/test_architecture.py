"""The ladder of CONTRIBUTING.md, executed: a module imports from its own line only itself, and from lower lines."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# From the top of the house down. Rooms on one line do not import each other.
LADDER = [
    {"aria_docs.__main__"},
    {"aria_docs.cli"},
    {"aria_docs.cli_adapt"},
    {"aria_docs.flows"},
    {"aria_docs.notebook", "aria_docs.progress", "aria_docs.status"},
    {
        "aria_docs.adapt",
        "aria_docs.correct",
        "aria_docs.document",
        "aria_docs.export",
        "aria_docs.report",
        "aria_docs.shell",
        "aria_docs.survey",
    },
    {"aria_docs.run"},
    {"aria_docs.storage"},
    {"aria_docs.reading"},
    {"aria_docs.model", "aria_docs.ingest"},
    {"aria_docs.config", "aria_docs.forecast", "aria_docs.markdown", "aria_docs.prompts", "aria_docs.whole_folder"},
    {"aria_docs.tiling", "aria_docs.turns"},
    {
        "aria_docs.bidi",
        "aria_docs.captions",
        "aria_docs.credentials",
        "aria_docs.errors",
        "aria_docs.formulas",
        "aria_docs.media",
        "aria_docs.schemas",
        "aria_docs.text_table",
        "aria_docs.version",
    },
]

# One door per library: who may import it.
DOORS = {
    "duckdb": {"aria_docs.storage"},
    "prefect": {"aria_docs.flows"},
    "ray": {"aria_docs.flows.ray_run"},
    "torch": {"aria_docs.model.aria"},
    "transformers": {"aria_docs.model.aria"},
    "safetensors": {"aria_docs.model.aria.weights", "aria_docs.model.aria.adapter", "aria_docs.model.aria.adapt"},
    "huggingface_hub": {"aria_docs.model.aria.weights"},
    "accelerate": {"aria_docs.model.aria.weights", "aria_docs.model.aria.adapt"},
    "peft": {"aria_docs.model.aria.adapt"},
    "yaml": {"aria_docs.adapt.config"},
    "pymupdf": {"aria_docs.ingest"},
    "av": {"aria_docs.ingest"},
    "decord": {"aria_docs.ingest"},
    "ffmpeg": {"aria_docs.ingest"},
    "typer": {"aria_docs.cli", "aria_docs.cli_adapt"},
    "rich": {"aria_docs.progress"},
    "xlsxwriter": {"aria_docs.export.xlsx"},
    "opentimelineio": {"aria_docs.export.otio"},
    "jinja2": {"aria_docs.report"},
    "httpx": {"aria_docs.model.remote", "aria_docs.model.servers", "aria_docs.model.aria.weights"},
    "py3langid": {"aria_docs.model.embedded"},
}


def modules() -> dict[str, Path]:
    """Every module of the package; two of its folders stand at the top of the repository."""
    files = {path: path.relative_to(ROOT) for path in (ROOT / "aria_docs").rglob("*.py")}
    for package in ("flows", "schemas"):
        files |= {path: "aria_docs" / path.relative_to(ROOT) for path in (ROOT / package).rglob("*.py")}
    names = {path: ".".join(name.with_suffix("").parts).removesuffix(".__init__") for path, name in files.items()}
    return {name: path for path, name in names.items()}


def imports(path: Path) -> set[str]:
    """Every module that the file names in an import, at the top or inside a function."""
    named: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            named.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: write imports in full"
            named.add(node.module)
            named.update(f"{node.module}.{alias.name}" for alias in node.names)
    return named


def is_in(name: str, room: str) -> bool:
    return name == room or name.startswith(room + ".")


def line_of(name: str) -> tuple[int, str] | None:
    places = [(line, room) for line, rooms in enumerate(LADDER) for room in rooms if is_in(name, room)]
    return min(places) if places else None


MODULES = modules()


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_go_down_the_ladder(name: str) -> None:
    if name == "aria_docs":
        inside = {other for other in imports(MODULES[name]) if other.startswith("aria_docs.")}
        assert {line_of(other) for other in inside} == {
            *map(
                line_of,
                ("aria_docs.document", "aria_docs.notebook", "aria_docs.run", "aria_docs.errors", "aria_docs.version"),
            ),
        }
        return
    own = line_of(name)
    assert own, f"{name} stands on no line of the ladder: give it a room"
    for other in imports(MODULES[name]):
        place = line_of(other)
        if place is None or other == "aria_docs":
            continue
        assert place[1] == own[1] or place[0] > own[0], f"{name} imports {other}, which is not below it"


@pytest.mark.parametrize("library", sorted(DOORS))
def test_one_door_per_library(library: str) -> None:
    users = {name for name, path in MODULES.items() if any(is_in(other, library) for other in imports(path))}
    assert users, f"nobody uses {library}: then it needs no door and no dependency"
    strangers = {name for name in users if not any(is_in(name, door) for door in DOORS[library])}
    assert not strangers


def test_schemas_know_pydantic_only() -> None:
    allowed = set(sys.stdlib_module_names) | {"pydantic", "aria_docs"}
    for name, path in MODULES.items():
        if is_in(name, "aria_docs.schemas"):
            assert {other.partition(".")[0] for other in imports(path)} <= allowed, name


def test_the_command_line_starts_without_the_heavy_libraries() -> None:
    heavy = "{'duckdb', 'pymupdf', 'torch', 'prefect', 'av', 'numpy', 'pydantic', 'PIL', 'onnxruntime'}"
    program = f"import sys, aria_docs.cli; from aria_docs import open; print(sorted({heavy} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


# Where any failure becomes a row, and where a child's failure becomes an answer.
MAY_CATCH_EVERYTHING = {"aria_docs.run.scheduler", "aria_docs.ingest.sandbox"}


def test_only_the_run_may_catch_everything() -> None:
    """A failure becomes a row in one place; `except Exception` anywhere else would hide one."""
    for name, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ExceptHandler) or name in MAY_CATCH_EVERYTHING:
                continue
            caught = ast.unparse(node.type) if node.type else "everything"
            last = node.body[-1]
            re_raised = isinstance(last, ast.Raise) and (
                last.exc is None or ast.unparse(last.cause or last) == node.name
            )
            broad = caught in ("everything", "Exception", "BaseException")
            assert not broad or re_raised, f"{name}:{node.lineno} catches {caught}"


def test_the_ladder_catches_a_trespasser(tmp_path: Path) -> None:
    trespass = tmp_path / "x.py"
    trespass.write_text("def f():\n    from aria_docs.storage.database import Store\n    import aria_docs.cli\n")
    assert {"aria_docs.storage.database.Store", "aria_docs.cli"} <= imports(trespass)
    store, ingest = line_of("aria_docs.storage.database.Store"), line_of("aria_docs.ingest.pdf")
    assert store and ingest
    assert (store[1], ingest[1]) == ("aria_docs.storage", "aria_docs.ingest")
    assert store[0] < ingest[0]


# Distributions whose modules have other names; pydantic_core comes with the pydantic that it belongs to.
DISTRIBUTIONS = {
    "PIL": "pillow",
    "yaml": "pyyaml",
    "ffmpeg": "ffmpeg-python",
    "pydantic_core": "pydantic",
    "upath": "universal-pathlib",
}


def test_what_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [line for name, lines in project["optional-dependencies"].items() if name != "dev" for line in lines]
    listed = [*project["dependencies"], *extras]
    declared = {re.split(r"[^A-Za-z0-9_.-]", line)[0].lower().replace("_", "-") for line in listed}
    imported = {name.partition(".")[0] for path in MODULES.values() for name in imports(path)}
    foreign = imported - sys.stdlib_module_names - {"aria_docs"}
    needed = {DISTRIBUTIONS.get(name, name).lower().replace("_", "-") for name in foreign}
    assert {"duckdb", "torch", "prefect", "onnxruntime"} <= needed
    assert needed - declared == set()
