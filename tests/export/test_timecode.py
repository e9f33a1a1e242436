"""Timecodes as SMPTE ST 12-1 counts them, known from its own examples and from what editing programs show."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aria_docs.export.timecode import STANDARD, Rate, clock, nearest

NTSC = Fraction(30000, 1001)


@pytest.mark.parametrize(
    ("fps", "frames", "timecode"),
    [
        (25, 0, "00:00:00:00"),
        (25, 24, "00:00:00:24"),
        (25, 25, "00:00:01:00"),
        (24, 24 * 3600, "01:00:00:00"),
        (Fraction(24000, 1001), 24 * 60, "00:01:00:00"),  # never drops, and so falls behind the clock
        (NTSC, 1799, "00:00:59;29"),
        (NTSC, 1800, "00:01:00;02"),
        (NTSC, 17981, "00:09:59;29"),
        (NTSC, 17982, "00:10:00;00"),
        (NTSC, 107892, "01:00:00;00"),
        (Fraction(60000, 1001), 3599, "00:00:59;59"),
        (Fraction(60000, 1001), 3600, "00:01:00;04"),
        (50, 50 * 86400, "00:00:00:00"),
    ],
)
def test_timecode(fps, frames, timecode):
    assert Rate(Fraction(fps)).timecode(frames) == timecode


@given(st.sampled_from(STANDARD), st.integers(0, 60 * 3600))
def test_no_timecode_is_used_twice_and_dropping_keeps_up_with_the_clock(fps, frames):
    rate = Rate(fps)
    assert rate.timecode(frames) < rate.timecode(frames + 1)
    hours, minutes, seconds, frame = (int(part) for part in rate.timecode(frames).replace(";", ":").split(":"))
    shown_s = hours * 3600 + minutes * 60 + seconds + frame / rate.counted
    if rate.drops:
        assert shown_s == pytest.approx(frames / float(fps), abs=0.1)


@pytest.mark.parametrize(
    ("fps", "standard"),
    [
        (25.0, 25),
        (23.976, Fraction(24000, 1001)),
        (29.97, NTSC),
        (30.0, 30),
        (29.87, NTSC),  # a telephone
        (12.5, 25),
        (15.0, 30),
        (10.0, 30),
        (14.985, NTSC),
        (120.0, 60),
        (119.88, Fraction(60000, 1001)),
        (1.0, 24),
    ],
)
def test_nearest_standard_rate(fps, standard):
    assert nearest(fps).fps == standard


@given(st.sampled_from(STANDARD), st.integers(0, 10 * 3600 * 60))
def test_a_frame_is_found_by_its_time_however_that_was_rounded(fps, number):
    rate = Rate(fps)
    assert rate.frames(float(number / fps)) == number
    assert rate.frames(round(float(number / fps), 3)) == number  # Matroska's ticks


def test_a_time_between_two_frames_means_the_later_one_as_in_clips():
    assert Rate(Fraction(25)).frames(0.06) == 2


def test_clock():
    assert clock(0.0) == "00:00:00.000"
    assert clock(59.9996) == "00:01:00.000"
    assert clock(3723.456) == "01:02:03.456"
    assert clock(360000.5, digits=9) == "100:00:00.500000000"
    assert clock(59.5, digits=0) == "00:01:00"
