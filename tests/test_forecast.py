import json
import subprocess
import sys

import pytest

from aria_docs import forecast
from aria_docs.errors import BudgetError
from aria_docs.media import VideoInfo
from aria_docs.tiling.budget import Budget
from aria_docs.tiling.resolution import HIGH, MEDIUM, ULTRA

A4, SLIDE = (595.276, 841.89), (960.0, 540.0)
FILM = VideoInfo(duration_s=3500.0, width=1280, height=720, fps=30.0, n_frames=105_000, start_s=0.0, codec="h264")
BUDGET = Budget("Which tables are on these pages?", answer=1024)


def test_json_of_a_document():
    found = forecast.document("a.pdf", [A4, SLIDE], budget=BUDGET).as_json()
    assert json.loads(json.dumps(found)) == found
    assert found == {
        "path": "a.pdf",
        "kind": "pdf",
        "mode": "ultra",
        "parts": [
            {"part": "page:1", "width": 595.276, "height": 841.89, "grid": [2, 3], "crops": 7, "tokens": 1792},
            {"part": "page:2", "width": 960.0, "height": 540.0, "grid": [2, 1], "crops": 3, "tokens": 768},
        ],
        "tokens": found["tokens"],
        "windows": 1,
        "kv_bytes": found["tokens"] * 286_720,
        "hours": 0.0008,  # 0.4 s to read 3,640 tokens, 2.5 s to write 1,000
    }
    assert 1792 + 768 + 1024 < found["tokens"] < 1792 + 768 + 1024 + 120


def test_json_of_a_video():
    found = forecast.video("v.mp4", FILM, budget=BUDGET).as_json()
    part = {"part": "video", "width": 1280, "height": 720, "grid": [1, 1], "crops": 256, "tokens": 32_768}
    assert (found["kind"], found["mode"], found["parts"], found["windows"]) == ("video", "medium", [part], 1)


def test_a_long_document_takes_windows_and_the_cache_holds_the_fullest():
    found = forecast.document("long.pdf", [A4] * 100, budget=BUDGET)
    assert [(window.start, window.stop) for window in found.windows] == [(0, 35), (34, 69), (68, 100)]
    assert found.tokens == sum(window.tokens for window in found.windows)
    assert found.kv_bytes() == 286_720 * max(window.tokens for window in found.windows) < 286_720 * 65_536
    assert found.kv_bytes("fp8") * 128 * 2 == found.kv_bytes() * (128 + 4)
    assert found.whole == HIGH
    assert forecast.document("longer.pdf", [A4] * 1000, budget=BUDGET).whole is None


def test_a_document_without_pages():
    found = forecast.document("empty.pdf", [], budget=BUDGET)
    assert (found.as_json()["windows"], found.tokens, found.kv_bytes(), found.whole) == (0, 0, 0, None)
    assert found.as_text() == "empty.pdf: 0 pages, ultra resolution"


@pytest.mark.parametrize(
    ("limit", "fits"),
    [
        (9_000, {24: ("int4", "bf16"), 48: ("int8", "bf16"), 80: ("bf16", "bf16")}),
        (20_000, {24: ("int4", "fp8"), 48: ("int8", "bf16"), 80: ("bf16", "bf16")}),
        (65_536, {24: None, 48: ("int8", "fp8"), 80: ("bf16", "bf16")}),
    ],
)
def test_what_fits_which_card(limit, fits):
    found = forecast.document("a.pdf", [A4] * 100, budget=Budget("", limit=limit))
    assert {card: found.on_card(card) for card in forecast.CARDS_GB} == fits


@pytest.mark.parametrize(("frames", "n_frames", "shown"), [(None, 105_000, 256), (64, 105_000, 64), (None, 40, 40)])
def test_frames_of_a_video(frames, n_frames, shown):
    info = VideoInfo(3500.0, 1280, 720, 30.0, n_frames, 0.0, "h264")
    found = forecast.video("v.mp4", info, budget=BUDGET, frames=frames)
    assert (found.frames, found.parts[0].crops, found.parts[0].tokens) == (shown, shown, shown * 128)


def test_fewer_frames_at_high_and_an_error_where_256_are_asked_for():
    found = forecast.video("v.mp4", FILM, budget=BUDGET, mode=HIGH)
    assert 230 < found.frames < 256
    with pytest.raises(BudgetError, match=r"256 frames at high .* 65,536: take medium .* or at most \d+ frames"):
        forecast.video("v.mp4", FILM, budget=BUDGET, mode=HIGH, frames=256)
    with pytest.raises(BudgetError, match="at most 256 frames"):
        forecast.video("v.mp4", FILM, budget=BUDGET, mode=MEDIUM, frames=257)


def test_text_of_a_document():
    sizes = [A4] * 40 + [SLIDE]
    lines = forecast.document("a.pdf", sizes, budget=BUDGET, mode=ULTRA).as_text().splitlines()
    assert lines[:3] == [
        "a.pdf: 41 pages, ultra resolution",
        "  pages 1-40: 595.276 × 841.89 pt, 2×3 tiles and overview, 7 crops, 1,792 image tokens each",
        "  page 41: 960 × 540 pt, 2×1 tiles and overview, 3 crops, 768 image tokens",
    ]
    assert lines[3].endswith(" tokens in 2 windows of at most 65,536; one window holds it at high resolution")
    assert lines[4] == "  KV cache 18.4 GB in bf16, 9.5 GB in fp8"
    assert lines[5] == "  24 GB card: does not fit; it holds windows of 25,702 tokens (int4 weights, fp8 cache)"
    assert lines[6:] == [
        "  48 GB card: fits with int8 weights, fp8 cache",
        "  80 GB card: fits with bf16 weights, bf16 cache",
    ]


def test_text_of_a_video():
    lines = forecast.video("v.mp4", FILM, budget=BUDGET).as_text().splitlines()
    assert lines[0] == "v.mp4: 3,500.0 s, 256 frames, medium resolution"
    assert lines[1] == "  frames: 1280 × 720 px, 256 crops, 32,768 image tokens"


def test_needs_neither_torch_nor_a_parser():
    code = "import sys, aria_docs.forecast; print(*{'torch', 'pymupdf', 'av', 'duckdb', 'PIL'} & sys.modules.keys())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"


def test_hours_of_a_folder_at_measured_rates():
    """Four thousand pages of 1,792 tokens: 7.2 M tokens read at 8,200 a second, two million written at 406."""
    pages = forecast.document("a.pdf", [A4] * 4_000, budget=BUDGET)
    assert pages.hours == pytest.approx((pages.tokens / 8_200 + 2_000_000 / 406) / 3600)
    film = forecast.video("v.mp4", FILM, budget=BUDGET)
    assert film.hours == pytest.approx((film.tokens / 18_000 + 1_000 / 406) / 3600)
    said = forecast.in_all([pages, film])
    assert said.startswith(f"2 files: {pages.tokens + film.tokens:,} tokens, 1.6 hours on one H100 80 GB")
    assert "minutes on one H100" in forecast.in_all([film])
