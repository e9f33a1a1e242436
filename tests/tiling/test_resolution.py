import pytest

from aria_docs.errors import UsageError
from aria_docs.tiling.resolution import HIGH, MEDIUM, ULTRA, ULTRA_490, fit, named, patch_grid


@pytest.mark.parametrize(
    ("size", "long_px", "fitted"),
    [
        ((1280, 720), 490, (490, 336)),  # in proportion 275: stretched to the least short edge
        ((720, 1280), 490, (336, 490)),
        ((1920, 1080), 980, (980, 551)),  # 551.25, cut and not rounded
        ((1191, 1684), 980, (693, 980)),
        ((1000, 1000), 980, (980, 980)),
        ((600, 2400), 980, (336, 980)),
        ((1, 30_000), 980, (336, 980)),
        ((30_000, 1), 490, (490, 336)),
        ((1, 1), 490, (490, 490)),
        ((50_000, 40_000), 980, (980, 784)),
    ],
)
def test_fit(size, long_px, fitted):
    assert fit(*size, long_px) == fitted


@pytest.mark.parametrize(
    ("size", "patches"),
    [((490, 336), (24, 35)), ((980, 980), (70, 70)), ((980, 551), (40, 70)), ((490, 490), (35, 35))],
)
def test_patch_grid_counts_begun_patches(size, patches):
    assert patch_grid(size) == patches


def test_modes_by_name():
    assert [named(name) for name in ("medium", "high", "ultra", "ultra-490")] == [MEDIUM, HIGH, ULTRA, ULTRA_490]
    with pytest.raises(UsageError, match=r"no resolution '4k': take one of ultra, high, medium, ultra-490"):
        named("4k")
