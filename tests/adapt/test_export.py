"""Corrected rows as examples: which pages are one, what they answer, and that pictures are those of a run.

The table `corrections` and the views' `corrected` are made here by DESIGN.md's columns.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from PIL import Image

from aria_docs import prompts
from aria_docs.adapt import export, layout
from aria_docs.adapt.showing import Viewer
from aria_docs.errors import UsageError
from aria_docs.ingest.pdf import open_document
from aria_docs.storage.database import Store
from aria_docs.tiling.budget import page_part
from aria_docs.tiling.pixels import Crop, crops
from aria_docs.tiling.resolution import ULTRA
from tests.conftest import Bench, SharedSandbox

CORRECTIONS = """
CREATE TABLE corrections(correction_id VARCHAR, source_id VARCHAR, page INTEGER, target VARCHAR, anchor JSON,
    before JSON, after JSON, made_at TIMESTAMP, made_by VARCHAR, note VARCHAR, state VARCHAR)
"""


@pytest.fixture(scope="module")
def read_once(tmp_path_factory: pytest.TempPathFactory, box: Any, video: Path) -> Path:
    """Three reports of two pages, a table on each second page; a film of two shots."""
    bench = Bench(tmp_path_factory.mktemp("read"))
    for number in range(3):
        bench.pdf(f"report{number}.pdf", 2, tables=(2,), word=f"Sales{number}")
    (bench.folder / "harbour.mp4").write_bytes(video.read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aria_docs.run.run.Sandbox", lambda **_: SharedSandbox(box))
        outcome = bench.run(tasks=("tables", "scenes", "summary"))
    assert outcome.n_failed == 0
    return bench.store.path


@pytest.fixture
def db(read_once: Path, tmp_path: Path) -> Path:
    """A database of its own for each test."""
    return Path(shutil.copy(read_once, tmp_path / "r.duckdb"))


def correct(db: Path, path: str, target: str, *, state: str = "applied", cell: str | None = None) -> None:
    """One correction of the table on page 2, or of the film's first scene; a cell shows it in the view."""
    with duckdb.connect(str(db)) as opened:
        opened.execute(CORRECTIONS.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS"))
        [(source,)] = opened.execute("SELECT source_id FROM files WHERE path LIKE ?", [f"%{path}"]).fetchall()
        boxes = opened.execute("SELECT x0, y0, x1, y1 FROM tables WHERE source_id = ?", [source]).fetchall()
        anchor = {"box": boxes[0]} if boxes else {"start_s": 0.0}
        page = 2 if boxes else None
        values = [f"c-{path}", source, page, target, json.dumps(anchor), '"before"', json.dumps(cell), state]
        opened.execute("INSERT INTO corrections VALUES (?, ?, ?, ?, ?, ?, ?, now(), 'me', NULL, ?)", values)
        if cell:
            [(view,)] = opened.execute("SELECT sql FROM duckdb_views() WHERE view_name = 'document_cells'").fetchall()
            shown = f"CASE WHEN t.path LIKE '%{path}' AND c.row_no = 1 AND c.col_no = 1 THEN '{cell}' ELSE c.text END"
            opened.execute(
                view.replace("CREATE VIEW", "CREATE OR REPLACE VIEW").replace("c.\"text\"", f"{shown} AS \"text\"")
                .replace("c.text,", f"{shown} AS text,")
            )  # fmt: skip


def exported(db: Path, folder: Path, **how: Any) -> tuple[export.Exported, list[layout.DataLine]]:
    done = export.export(Store(db), folder, **how)
    lines = []
    for split in ("train", "test"):
        found, refused = layout.read(folder, split)  # type: ignore[arg-type]
        assert not refused
        lines += found
    return done, lines


def answer(line: layout.DataLine) -> Any:
    return json.loads(line.messages[-1].content[0].text)


def test_without_corrections_it_says_the_way_out(db: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds nothing to learn from: `aria-docs correct` says .*--all"):
        export.export(Store(db), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_corrected_page_is_an_example_and_no_other(db: Path, tmp_path: Path) -> None:
    correct(db, "report0.pdf", "cell", cell="mended")
    correct(db, "report1.pdf", "cell", state="stale")
    done, [line] = exported(db, tmp_path / "out")
    assert (done.train, done.test, done.left_out) == (1, 0, ())
    [table] = answer(line)["tables"]
    assert table["rows"][0] == ["Item", "First", "Second"]
    assert table["rows"][1] == ["row 1", "mended", "(1)"]
    assert table["header_rows"] == 1
    assert table["box"] == pytest.approx([72 / 595 * 1000, 150 / 842 * 1000, 372 / 595 * 1000, 230 / 842 * 1000], abs=6)
    texts = [item.text for item in line.messages[0].content]
    assert texts == ["Page 2: ", "", f"\n{prompts.TABLES}"]
    assert line.about["correction"] == ["c-report0.pdf"]
    assert line.about["source"]["page"] == 2
    assert line.about["source"]["path"].endswith("report0.pdf")


def test_a_page_is_shown_as_a_run_shows_it(db: Path, tmp_path: Path) -> None:
    """In ultra, stored as one stretched picture: its overview and tiles are the run's, pixel by pixel."""
    correct(db, "report0.pdf", "table")
    _, [line] = exported(db, tmp_path / "out")
    with open_document(Path(line.about["source"]["path"])) as document:
        part = page_part(2, *document.size(2), ULTRA)
        wanted = crops(document.render_to(2, part.layout.render_px), part.layout)
    with Viewer() as viewer:
        [seen] = viewer.look(line, pixels=True).shown
    assert seen.part.layout == part.layout
    for one, other in zip(seen.crops, wanted, strict=True):
        assert isinstance(one, Crop)
        assert np.array_equal(one.pixels, other.pixels)


def test_scenes_have_exact_times_and_labelled_frames(db: Path, tmp_path: Path) -> None:
    correct(db, "harbour.mp4", "scene")
    _, [line] = exported(db, tmp_path / "out", frames=4)
    assert [(scene["start"], scene["end"]) for scene in answer(line)["scenes"]] == [("0:00", "0:01"), ("0:01", "0:03")]
    labels = [item.text for item in line.messages[0].content if item.kind == "text"]
    assert labels[0] == "[00:00.3]"  # three quarters of a second apart
    assert labels[-1] == f"\n{prompts.SCENES}"
    assert all(label.startswith("\n[00:0") for label in labels[1:-1])
    assert len(line.images) == 4
    with Image.open(line.images[0]) as picture:
        assert picture.size == (490, 367)


def test_everything_of_high_confidence_comes_with_all(db: Path, tmp_path: Path) -> None:
    done, lines = exported(db, tmp_path / "out", everything=True, resolution="medium", frames=2)
    assert done.train + done.test == len(lines)
    tasks = sorted(line.about["source"]["task"] for line in lines)
    assert tasks.count("tables") == 3
    assert tasks.count("scenes") == 1
    assert {line.about["shown"]["mode"] for line in lines} == {"medium"}
    summary = next(line for line in lines if line.about["source"]["task"] == "summary" and "pdf" in str(line.images[0]))
    assert [item.text for item in summary.messages[0].content][:3] == ["Page 1: ", "", "\nPage 2: "]
    assert answer(summary)["key_points"]


def test_the_split_is_by_document(db: Path, tmp_path: Path) -> None:
    export.export(Store(db), tmp_path / "out", everything=True, resolution="medium", frames=2)
    sides = [
        {line.about["source"]["source_id"] for line in layout.read(tmp_path / "out", split)[0]}
        for split in ("train", "test")
    ]  # type: ignore[arg-type]
    assert sides[0]
    assert sides[1]
    assert not sides[0] & sides[1]
    many = [f"{number:032x}" for number in range(2_000)]
    tested = export._test_sources(many)
    assert 150 < len(tested) < 250
    assert tested & set(many[:1000]) == export._test_sources(many[:1000])  # others change nothing


def test_low_confidence_is_not_taught(db: Path, tmp_path: Path) -> None:
    with duckdb.connect(str(db)) as opened:
        doubted = "SELECT source_id FROM files WHERE path LIKE '%report0.pdf'"
        opened.execute(f"UPDATE tables SET grounded = 0.5 WHERE source_id IN ({doubted})")
        columns = opened.execute("SELECT column_name FROM duckdb_columns() WHERE table_name = 'cells'").fetchall()
        if ("confidence",) in columns:
            of_it = f"SELECT table_id FROM tables WHERE source_id IN ({doubted})"
            opened.execute(f"UPDATE cells SET confidence = 0.5 WHERE table_id IN ({of_it})")
    done, lines = exported(db, tmp_path / "out", everything=True, resolution="medium", frames=2)
    assert sum(line.about["source"]["task"] == "tables" for line in lines) == 2
    assert any("report0.pdf page 2" in reason and "confidence is low" in reason for reason in done.left_out)


def test_exported_again_it_takes_its_own_place_and_nobody_elses(db: Path, tmp_path: Path) -> None:
    correct(db, "report0.pdf", "table")
    exported(db, tmp_path / "out")
    half = tmp_path / "out.partial"  # as a kill leaves it
    half.mkdir()
    (half / "export.json").write_text("{}")
    correct(db, "report1.pdf", "table")
    done, _ = exported(db, tmp_path / "out")
    assert done.train + done.test == 2
    assert not half.exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="holds no export"):
        export.export(Store(db), tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").exists()
