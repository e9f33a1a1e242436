"""Seconds → frames and timecodes of the rates that editing programs know. Pure arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

# SMPTE ST 12-1, with its doubles.
STANDARD = (
    *(Fraction(24000, 1001), Fraction(24), Fraction(25), Fraction(30000, 1001)),
    *(Fraction(30), Fraction(50), Fraction(60000, 1001), Fraction(60)),
)


@dataclass(frozen=True, slots=True)
class Rate:
    """A standard rate in frames per second."""

    fps: Fraction

    @property
    def counted(self) -> int:
        """How many frames the timecode counts in a second: 30 for 29.97."""
        return math.ceil(self.fps)

    @property
    def drops(self) -> bool:
        """Whether the timecode leaves numbers out, to keep up with the clock: 29.97 and 59.94 do, 23.976 doesn't."""
        return self.fps.denominator == 1001 and self.counted % 30 == 0

    def frames(self, time_s: float) -> int:
        """The first frame at or after that time, as clips are cut; a quarter of a frame makes up for rounded ticks."""
        return math.ceil(time_s * self.fps - Fraction(1, 4))

    def timecode(self, frames: int) -> str:
        """HH:MM:SS:FF, with ; before the frames where numbers are dropped; after 24 hours it begins again.

        Dropping, per minute but every tenth: 2 numbers of 30, 4 of 60 (SMPTE ST 12-1, section 5.2.2).
        """
        if self.drops:
            dropped = self.counted // 15
            per_minute, per_ten = self.counted * 60 - dropped, self.counted * 600 - 9 * dropped
            tens, rest = divmod(frames, per_ten)
            frames += 9 * dropped * tens + dropped * max(0, (rest - dropped) // per_minute)
        seconds, frame = divmod(frames, self.counted)
        minutes, second = divmod(seconds, 60)
        hours, minute = divmod(minutes, 60)
        return f"{hours % 24:02}:{minute:02}:{second:02}{';' if self.drops else ':'}{frame:02}"


def nearest(fps: float) -> Rate:
    """The standard rate of which these frames per second are nearest to a whole part.

    29.87 (a telephone's variable rate) → 29.97; 12.5 → 25; 15 → 30; 120 → 60. Frames of a variable rate lie between
    those of the timecode: each time is then right to half a frame.
    """

    def distances(rate: Fraction) -> tuple[float, float]:
        ratio = float(rate) / fps
        part = ratio / round(ratio) if ratio > 0.75 else ratio * round(1 / ratio)
        return round(abs(math.log(part)), 5), abs(math.log(ratio))  # of several that fit, the one nearest to itself

    return Rate(min(STANDARD, key=distances))


def clock(time_s: float, *, digits: int = 3) -> str:
    """01:02:03.456, hours in as many digits as they need, at least two."""
    ticks = round(time_s * 10**digits)
    seconds, fraction = divmod(ticks, 10**digits)
    whole = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{whole}.{fraction:0{digits}}" if digits else whole
