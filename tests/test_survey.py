"""`aria-docs budget`: real files in, known costs out; a bad file is named and the others are told."""

import json
import subprocess
import sys
from pathlib import Path

import pymupdf
import pytest

from aria_docs.errors import Encrypted, WrongKind
from aria_docs.forecast import Forecast
from aria_docs.media import VideoInfo
from aria_docs.reading import workload
from aria_docs.survey import look_of, survey
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


def test_the_total_is_what_a_run_asks(tmp_path: Path) -> None:
    """Two A4 pages of 7 crops: each is asked for its tables, and both in one window for the summary."""
    pdf(tmp_path / "a4.pdf", (595, 842), (595, 842))
    pdf(tmp_path / "none.pdf", (595, 842))
    command = [sys.executable, "-m", "aria_docs", "budget", str(tmp_path / "a4.pdf"), "--total", "--json"]
    prices = ["--price-in", "2", "--price-out", "10"]

    def total(*options: str) -> dict[str, float]:
        done = subprocess.run([*command, *options], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert [Path(item["path"]).name for item in told["files"]] == ["a4.pdf"]
        return told["total"]  # type: ignore[no-any-return]

    tables, both = total("--tasks", "tables", *prices), total()
    assert (tables["files"], tables["pages"], tables["windows"], tables["tokens_out"]) == (1, 2, 2, 1000)
    assert 2 * 1792 < tables["tokens_in"] < 2 * (1792 + 120)
    assert tables["price"] == round((tables["tokens_in"] * 2 + 1000 * 10) / 1e6, 6)
    assert tables["hours"] == round((tables["tokens_in"] / 8200 + 1000 / 406) / 3600, 4)
    assert (both["windows"], both["tokens_out"], both["price"]) == (3, 1500, None)
    assert 4 * 1792 < both["tokens_in"] < 4 * (1792 + 120)
    vllm = total("--tasks", "tables", "--profile", "aria-vllm")
    assert vllm["tokens_in"] - tables["tokens_in"] == 2 * (7 * 258 - 2 - 1792)
    schema = tmp_path / "own.py"
    schema.write_text("from pydantic import BaseModel\n\nclass Memo(BaseModel):\n    sender: str | None\n")
    own = total("--tasks", "tables", "--schema", f"{schema}:Memo")
    assert (own["windows"], own["tokens_out"]) == (3, 1500)


def test_a_film_of_three_hours_takes_three_windows_and_each_task_asks_all_of_them() -> None:
    film = VideoInfo(10_000.0, 1280, 720, 25.0, 250_000, 0.0, "h264")
    scenes = workload.of_video(film, look_of(tasks="scenes"))
    assert (scenes.windows, scenes.answers) == (3, 3)
    assert 3 * 256 * 128 < scenes.tokens_in == scenes.tokens_read < 3 * 256 * (128 + 8)
    both = workload.of_video(film, look_of(tasks="scenes,summary"))
    assert (both.windows, both.answers, both.tokens_in) == (3, 6, 2 * both.tokens_read)
    assert workload.of_video(film, look_of(tasks="tables")).windows == 0
    assert workload.of_video(film, look_of(tasks="scenes", frames=64)).windows == 1


def test_what_is_for_the_total_needs_it(tmp_path: Path) -> None:
    pdf(tmp_path / "a.pdf", (595, 842))
    command = [sys.executable, "-m", "aria_docs", "budget", str(tmp_path)]
    alone = subprocess.run([*command, "--price-in", "2"], capture_output=True, text=True)
    assert (alone.returncode, "add --total" in alone.stderr) == (2, True)
    unknown = subprocess.run([*command, "--total", "--profile", "gpt"], capture_output=True, text=True)
    assert (unknown.returncode, "no profile 'gpt'" in unknown.stderr) == (2, True)
    shown = subprocess.run([*command, "--total", "--price-out", "1"], capture_output=True, text=True)
    assert "total: 1 file, 1 page\n  2 windows, " in shown.stdout
    assert "price 0.0010, at 0 in and 1 out a million" in shown.stdout
