"""examples/truth.json is what the files beside it hold: asked of the libraries that read them, not of our code."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pymupdf
import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
TRUTH: dict[str, Any] = json.loads((EXAMPLES / "truth.json").read_text(encoding="utf-8"))
REPORT, SCAN, FILM = (TRUTH[name] for name in ("annual_report.pdf", "annual_report_scan.pdf", "museum_tour.mp4"))


def test_they_are_small_enough_to_be_committed() -> None:
    assert sum(path.stat().st_size for path in EXAMPLES.iterdir() if path.is_file()) < 5e6


@pytest.mark.parametrize("name", ["annual_report.pdf", "annual_report_scan.pdf"])
def test_pages_and_title(name: str) -> None:
    with pymupdf.open(EXAMPLES / name) as document:
        assert document.page_count == TRUTH[name]["pages"]
        assert (document.metadata["title"] or None) == TRUTH[name]["title"]


def test_every_cell_of_the_report_stands_in_its_box() -> None:
    with pymupdf.open(EXAMPLES / "annual_report.pdf") as document:
        for table in REPORT["tables"]:
            words = document[table["page"] - 1].get_text("words")
            for cell in table["cells"]:
                x0, y0, x1, y1 = cell["bbox"]
                inside = [w[4] for w in words if x0 <= (w[0] + w[2]) / 2 < x1 and y0 <= (w[1] + w[3]) / 2 < y1]
                assert " ".join(inside) == cell["text"], (table["caption"], cell)


def test_the_scan_is_a_picture_of_page_four() -> None:
    with (
        pymupdf.open(EXAMPLES / "annual_report_scan.pdf") as scan,
        pymupdf.open(EXAMPLES / "annual_report.pdf") as report,
    ):
        assert scan[0].get_text().strip() == ""
        assert len(scan[0].get_images()) == 1
        grey = [page.get_pixmap(dpi=40, colorspace=pymupdf.csGRAY) for page in (scan[0], report[3])]
    a, b = (np.frombuffer(pixmap.samples, np.uint8).astype(float) for pixmap in grey)
    assert np.corrcoef(a, b)[0, 1] > 0.8
    assert SCAN["tables"] == [{**table, "page": 1} for table in REPORT["tables"] if table["page"] == 4]


def test_tables_are_whole_grids_and_their_numbers_are_those_of_their_texts() -> None:
    for table in REPORT["tables"]:
        slots = [
            (cell["row"] + i, cell["col"] + j)
            for cell in table["cells"]
            for i in range(cell["rowspan"])
            for j in range(cell["colspan"])
        ]
        assert sorted(slots) == [(i, j) for i in range(table["n_rows"]) for j in range(table["n_cols"])]
        for cell in table["cells"]:
            assert table["rows"][cell["row"]][cell["col"]] == cell["text"]
            assert cell["is_header"] == (cell["row"] < table["n_header_rows"])
            digits = re.sub(r"[^\d.]", "", cell["text"])
            if cell["number"] is None:
                assert not digits or re.search(r"[A-Za-z]", cell["text"]), cell
            else:
                negative = cell["text"].startswith(("(", "−"))
                assert cell["number"] == (-1 if negative else 1) * float(digits), cell


def test_the_tables_are_of_many_kinds() -> None:
    cells = [cell for table in REPORT["tables"] for cell in table["cells"]]
    texts = " ".join(cell["text"] for cell in cells)
    assert all(mark in texts for mark in ("(34,918)", "4.2 %", "−3.4 %", "9,865*", "¹", "€ 0.84", "–"))
    assert {(cell["rowspan"] > 1, cell["colspan"] > 1) for cell in cells} == {
        (False, False),
        (True, False),
        (False, True),
    }
    assert max(table["n_header_rows"] for table in REPORT["tables"]) == 2
    [before, after] = [table for table in REPORT["tables"] if "fleet" in table["caption"]]
    assert after["continues"] and after["page"] == before["page"] + 1 and after["rows"][0] == before["rows"][0]
    with pymupdf.open(EXAMPLES / "annual_report.pdf") as document:
        assert document[5].get_images() and len(document[3].get_drawings()) > 20


@pytest.fixture(scope="module")
def frames() -> np.ndarray[Any, np.dtype[np.float64]]:
    """Every frame of the film at 64×36, grey: (n, 36, 64)."""
    with av.open(EXAMPLES / "museum_tour.mp4") as container:
        small = [frame.reformat(64, 36, "gray").to_ndarray() for frame in container.decode(video=0)]
    return np.stack(small).astype(np.float64)


def test_the_film_is_as_long_and_large_as_it_says(frames: np.ndarray[Any, np.dtype[np.float64]]) -> None:
    with av.open(EXAMPLES / "museum_tour.mp4") as container:
        stream = container.streams.video[0]
        assert (stream.codec.name, stream.width, stream.height) == ("h264", FILM["width"], FILM["height"])
        assert stream.average_rate == FILM["fps"] and container.duration == FILM["duration"] * 1e6
    assert len(frames) == FILM["frames"] == FILM["duration"] * FILM["fps"]


def distance(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> float:
    return float(np.abs(a - b).mean())


def test_transitions_are_exact_to_the_frame(frames: np.ndarray[Any, np.dtype[np.float64]]) -> None:
    kinds = [change["kind"] for change in FILM["transitions"]]
    assert len(FILM["scenes"]) == 10 and sorted(kinds) == ["cut"] * 7 + ["dissolve", "fade"]
    steps = np.abs(np.diff(frames, axis=0)).mean(axis=(1, 2))  # steps[i] is from frame i to i + 1
    for change in FILM["transitions"]:
        first, middle, end = (round(change[key] * FILM["fps"]) for key in ("start", "time", "end"))
        if change["kind"] == "cut":
            assert first == middle == end
            around = np.delete(steps[first - 6 : first + 5], 5)
            assert steps[first - 1] > 5 * around.max(), change
        else:
            assert first < middle < end
        before, between, after = frames[first - 1], frames[middle], frames[end]
        if change["kind"] == "dissolve":
            half = distance(between, (before + after) / 2)
            assert half < 0.5 * min(distance(between, before), distance(between, after))
        if change["kind"] == "fade":
            assert between.max() < 25 < min(before.mean(), after.mean())
    assert [scene["start"] for scene in FILM["scenes"][1:]] == [change["time"] for change in FILM["transitions"]]


def test_subtitles_are_those_of_the_truth() -> None:
    blocks = (EXAMPLES / "museum_tour.srt").read_text(encoding="utf-8").strip().split("\n\n")
    found = []
    for number, block in enumerate(blocks, start=1):
        index, times, text = block.split("\n", 2)
        clocks = re.fullmatch(r"(\d\d):(\d\d):(\d\d),(\d{3}) --> (\d\d):(\d\d):(\d\d),(\d{3})", times)
        assert int(index) == number and clocks is not None
        h0, m0, s0, ms0, h1, m1, s1, ms1 = map(int, clocks.groups())
        start, end = h0 * 3600 + m0 * 60 + s0 + ms0 / 1000, h1 * 3600 + m1 * 60 + s1 + ms1 / 1000
        found.append({"start": start, "end": end, "text": text})
    assert found == FILM["cues"]
    for cue in found:  # each is said within one shot
        assert sum(scene["start"] <= cue["start"] < cue["end"] <= scene["end"] for scene in FILM["scenes"]) == 1


def test_the_truth_is_what_the_code_draws_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    try:
        from annual_report import make_report
        from museum_tour import CUTS, FPS, SHOTS

        assert make_report(tmp_path / "again.pdf") == REPORT["tables"]
        assert [scene["start"] * FPS for scene in FILM["scenes"]] == pytest.approx(CUTS[:-1])
        sources = (EXAMPLES / "README.md").read_text(encoding="utf-8").lower()
        assert all(f"| {shot.source.replace('bunny', 'big buck bunny')}" in sources for shot in SHOTS)
    finally:
        for name in ("annual_report", "museum_tour"):
            sys.modules.pop(name, None)
