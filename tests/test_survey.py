"""`aria-docs budget`: real files in, known costs out; a bad file is named and the others are told."""

import json
import subprocess
import sys
from pathlib import Path

import pymupdf
import pytest

from aria_docs.errors import Encrypted, WrongKind
from aria_docs.forecast import Forecast
from aria_docs.survey import survey
from aria_docs.tiling.resolution import HIGH


def pdf(path: Path, *sizes: tuple[float, float], rotated: bool = False, password: str = "") -> None:
    with pymupdf.open() as document:
        for width, height in sizes:
            page = document.new_page(width=width, height=height)
            page.insert_text((20, 40), "text")
            if rotated:
                page.set_rotation(90)
        encryption = {"encryption": pymupdf.PDF_ENCRYPT_AES_256, "user_pw": password} if password else {}
        document.save(path, **encryption)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pdf(tmp_path / "a4.pdf", (595, 842), (595, 842))
    pdf(tmp_path / "slides.pdf", (540, 960), rotated=True)
    pdf(tmp_path / "locked.pdf", (595, 842), password="secret")
    (tmp_path / "page.pdf").write_text("<html>an error page</html>")
    return tmp_path


def test_pages_cost_what_the_model_s_rule_says(folder: Path) -> None:
    found = list(survey([folder]))
    forecasts = {Path(item.path).name: item for item in found if isinstance(item, Forecast)}
    assert {name: item.parts[0].tokens for name, item in forecasts.items()} == {"a4.pdf": 1792, "slides.pdf": 768}
    assert [part.part for part in forecasts["a4.pdf"].parts] == ["page:1", "page:2"]
    assert sorted(type(item).__name__ for item in found if not isinstance(item, Forecast)) == [
        Encrypted.__name__,
        WrongKind.__name__,
    ]
    [high] = [item for item in survey([folder / "a4.pdf"], mode=HIGH) if isinstance(item, Forecast)]
    assert [part.tokens for part in high.parts] == [256, 256]


def test_the_command(folder: Path) -> None:
    command = [sys.executable, "-m", "aria_docs", "budget", str(folder), "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.count("failed: ") == 2
    told = json.loads(done.stdout)
    assert [set(item) for item in told] == [
        {"path", "kind", "mode", "parts", "tokens", "windows", "kv_bytes", "hours"}
    ] * 2
    [a4] = [item for item in told if item["path"].endswith("a4.pdf")]
    assert a4["parts"][0] == {
        "part": "page:1", "width": 595.0, "height": 842.0, "grid": [2, 3], "crops": 7, "tokens": 1792
    }  # fmt: skip
    assert a4["kv_bytes"] == a4["tokens"] * 286720
    told = subprocess.run([*command[:-2], str(folder / "a4.pdf")], capture_output=True, text=True)
    assert told.returncode == 0
    assert "2 pages" in told.stdout
    assert "80 GB card" in told.stdout
    empty = subprocess.run([*command[:-2], str(folder), "--frames", "0"], capture_output=True, text=True)
    assert empty.returncode == 2


def test_the_command_needs_no_torch() -> None:
    program = "import sys, aria_docs.survey; print({'torch', 'transformers', 'duckdb'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "set()\n"
