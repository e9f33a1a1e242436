"""Features: each crop once, no padding, no weights kept, and from disk where they are there. All in float32."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from aria_docs.errors import EngineError  # noqa: E402
from aria_docs.model.aria.feature_cache import FeatureCache, fingerprint  # noqa: E402
from aria_docs.model.aria.features import AT_ONCE, Vision, project  # noqa: E402
from aria_docs.tiling.pixels import Crop  # noqa: E402
from tests.model.aria.conftest import PAGES, Loaded, frame, reference  # noqa: E402

FRAMES = [frame(second) for second in range(20)]


@pytest.mark.parametrize("context", [PAGES, FRAMES[:3]], ids=["pages of 7 and 9 crops", "frames of 16:9"])
def test_the_same_as_transformers_on_padded_squares(loaded: Loaded, context: list[object]) -> None:
    with torch.inference_mode():
        found = torch.cat(Vision(loaded.network).features(context))  # type: ignore[arg-type]
    expected = reference(loaded, context)["image"].pooler_output.flatten(0, 1)  # type: ignore[arg-type]
    assert (found - expected).abs().max() < 1e-5


def test_each_crop_goes_through_the_tower_once_and_few_at_a_time(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    vision, batches = Vision(loaded.network), []
    encode = vision.encode
    monkeypatch.setattr(vision, "encode", lambda batch: batches.append((len(batch), batch.patches)) or encode(batch))
    with torch.inference_mode():
        found = vision.features([*PAGES, *FRAMES])
    assert vision.encoded == 7 + 9 + 20
    # The first page's overview, the tiles of both pages together, the second page's overview among the frames.
    assert sorted(batches) == [(1, (35, 25)), (5, (24, 35)), (14, (35, 35)), (AT_ONCE, (24, 35))]
    assert [len(one) for one in found] == [7 * 128, 9 * 128, *[128] * 20]


def test_the_projector_keeps_no_weights_and_asks_by_mode(loaded: Loaded) -> None:
    projector = loaded.network.model.multi_modal_projector
    patches = torch.randn(2, 1225, 32)
    with torch.inference_mode():
        assert (project(projector, patches, 128) - projector(patches)).abs().max() < 1e-5
        assert project(projector, patches[:, :840], 256).shape == (2, 256, 64)


def cache(folder: Path, *, weights: str = "w", limit: int = 10**9) -> FeatureCache:
    return FeatureCache(folder, weights=weights, dtype=torch.float32, limit=limit)


def test_a_second_time_nothing_is_encoded(loaded: Loaded, tmp_path: Path) -> None:
    first = Vision(loaded.network, cache=cache(tmp_path))
    second = Vision(loaded.network, cache=cache(tmp_path))
    with torch.inference_mode():
        made, kept = first.features(PAGES), second.features(PAGES)
    assert (first.encoded, second.encoded) == (16, 0)
    for one, other in zip(made, kept, strict=True):
        assert torch.equal(one, other)


def test_other_pixels_weights_or_modes_are_other_features(loaded: Loaded, tmp_path: Path) -> None:
    crops = [Crop(np.full((490, 490, 3), level, np.uint8), (35, 35)) for level in (1, 2)]
    names = {
        cache(tmp_path).name(crops[:1], 128),
        cache(tmp_path).name(crops[1:], 128),
        cache(tmp_path).name(crops, 128),
        cache(tmp_path).name(crops[::-1], 128),
        cache(tmp_path).name(crops[:1], 256),
        cache(tmp_path, weights="v").name(crops[:1], 128),
    }
    assert len(names) == 6
    before = fingerprint(loaded.network)
    query = loaded.network.model.multi_modal_projector.query.data
    query[0, 0] += 1
    after = fingerprint(loaded.network)
    query[0, 0] -= 1
    assert before != after


def test_bounded_and_the_longest_unused_goes_first(tmp_path: Path) -> None:
    small = cache(tmp_path, limit=3 * 400)
    for number, name in enumerate("abc"):
        small.write({name: torch.full((10, 10), float(number))})
        os.utime(tmp_path / f"{name}.features", (number, number))
    assert small.read("a", (10, 10)) is not None  # so that b is the one that was used longest ago
    small.write({"d": torch.zeros(10, 10)})
    assert {path.stem for path in tmp_path.iterdir()} == {"a", "c", "d"}
    assert small.read("b", (10, 10)) is None


def test_a_file_that_lost_its_end_is_made_again(tmp_path: Path) -> None:
    kept = cache(tmp_path)
    kept.write({"a": torch.ones(10, 10)})
    (tmp_path / "a.features").write_bytes(b"1234")
    assert kept.read("a", (10, 10)) is None


def test_processes_share_a_folder(tmp_path: Path) -> None:
    """Two that write, read and remove the same names, in a folder too small for them: no error, no torn file."""
    program = """
import sys, pathlib, torch
from aria_docs.model.aria.feature_cache import FeatureCache
torch.set_num_threads(1)
cache = FeatureCache(pathlib.Path(sys.argv[1]), weights="w", dtype=torch.float32, limit=3 * 40_000)
for number in range(300):
    name = "abcdef"[number % 6]
    found = cache.read(name, (100, 100))
    assert found is None or bool((found == found[0, 0]).all())
    cache.write({name: torch.full((100, 100), float(number))})
"""
    started = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stderr=subprocess.PIPE) for _ in range(2)
    ]
    for process in started:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors.decode()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 3 * 40_000


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EngineError, match="ARIA_DOCS_CACHE"):
        cache(tmp_path / "file" / "features").write({"a": torch.ones(1, 1)})
