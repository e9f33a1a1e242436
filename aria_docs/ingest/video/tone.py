"""High dynamic range and wide gamut → sRGB. Pure arithmetic on 16-bit RGB.

Scenes of the two broadcast systems (ITU-R BT.2100) look grey where their code values are taken for those of a common
screen. Here code values become light (the transfer function), highlights are compressed (Reinhard et al. 2002,
"Photographic tone reproduction for digital images", equation 4, on the largest channel, so that hues stay), BT.2020's
primaries become BT.709's (BT.2087), and light becomes sRGB.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

WHITE_NITS = 203.0  # graphics white (ITU-R BT.2408)
PEAK_NITS = 1000.0  # of the screens that most films are graded on
TO_BT709 = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32)


@dataclass(frozen=True, slots=True)
class Colours:
    """How code values are to be understood.

    transfer:  pq (SMPTE ST 2084), hlg (ARIB STD-B67), or that of common screens.
    wide:      primaries of BT.2020.
    """

    transfer: Literal["pq", "hlg", "common"]
    wide: bool


def colours_of(*, transfer: int, primaries: int) -> Colours | None:
    """From the numbers of ITU-T H.273; None for those that a common screen shows as they are."""
    names: dict[int, Literal["pq", "hlg"]] = {16: "pq", 18: "hlg"}
    wide = primaries == 9
    return Colours(names.get(transfer, "common"), wide) if transfer in names or wide else None


def to_srgb(pixels: NDArray[np.uint16], colours: Colours) -> NDArray[np.uint8]:
    """(height, width, 3) → the same in sRGB."""
    light = _light(colours.transfer)[pixels]
    if colours.transfer == "hlg":
        luminance = light @ np.array([0.2627, 0.678, 0.0593], np.float32)
        light *= (np.maximum(luminance, 1e-6) ** 0.2)[..., None]  # the system gamma of a screen of 1,000 nits
        light *= PEAK_NITS / WHITE_NITS
    if colours.transfer != "common":
        largest = np.maximum(light.max(-1, keepdims=True), 1e-6)
        light *= (1 + largest / (PEAK_NITS / WHITE_NITS) ** 2) / (1 + largest)
    if colours.wide:
        light = light @ TO_BT709.T
    coded = np.clip(light, 0, 1)
    coded = np.where(coded <= 0.0031308, 12.92 * coded, 1.055 * coded ** (1 / 2.4) - 0.055)
    return (coded * 255 + 0.5).astype(np.uint8)


@cache
def _light(transfer: str) -> NDArray[np.float32]:
    """(65536,) code value → linear light; 1 is graphics white, for HLG the peak."""
    coded = np.arange(65536) / 65535
    if transfer == "pq":  # SMPTE ST 2084, equation 4.1
        root = coded ** (1 / 78.84375)
        nits = 10_000 * (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125)
        light = nits / WHITE_NITS
    elif transfer == "hlg":  # BT.2100, table 5
        light = np.where(coded <= 0.5, coded**2 / 3, (np.exp((coded - 0.55991073) / 0.17883277) + 0.28466892) / 12)
    else:
        light = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    return light.astype(np.float32)
