"""Known answers, and what must hold for any times."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aria_docs.errors import UsageError
from aria_docs.ingest.video.sampling import MAX_FRAMES, by_shot, uniform

SECONDS = [float(i) for i in range(8)]
STILL = [0.0, 0.1, 0.2, 0.3, 10.0]  # the fourth stands on the screen for almost all of the time


@pytest.mark.parametrize(
    ("times_s", "n", "expected"),
    [
        (SECONDS, 1, [4]),
        (SECONDS, 3, [1, 4, 6]),
        (SECONDS, 4, [1, 3, 5, 7]),
        (SECONDS, 8, [0, 1, 2, 3, 4, 5, 6, 7]),
        (SECONDS, 100, [0, 1, 2, 3, 4, 5, 6, 7]),
        (STILL, 2, [3]),
        (STILL, 4, [3, 4]),
        ([7.0], 1, [0]),
        ([], 4, []),
    ],
)
def test_uniform_takes_the_middles_of_bins_of_time(times_s, n, expected):
    assert uniform(times_s, n) == expected


def test_the_end_of_a_video_is_not_lost():
    """`int(len / n) * i`, as public loaders have it, sees the first half of these."""
    chosen = uniform([i / 25 for i in range(511)], 256)
    assert chosen[-1] >= 509
    assert max(b - a for a, b in pairwise(chosen)) <= 2


times = st.lists(st.floats(0.001, 100), min_size=1, max_size=600).map(
    lambda gaps: [sum(gaps[:i]) for i in range(len(gaps))]
)


@given(times, st.integers(1, MAX_FRAMES))
def test_uniform_is_ascending_without_doubles_and_no_more_than_n(times_s, n):
    chosen = uniform(times_s, n)
    assert 1 <= len(chosen) <= n
    assert all(a < b for a, b in pairwise(chosen))
    assert chosen[0] >= 0 and chosen[-1] < len(times_s)


@pytest.mark.parametrize(
    ("starts_s", "n", "expected"),
    [
        ([0.0], 2, [2, 6]),
        ([0.0, 1.0], 2, [0, 4]),  # one each, whatever their length
        ([0.0, 1.0], 3, [0, 2, 6]),  # the third to the longer
        ([0.0, 1.0, 6.0], 2, [3, 7]),  # more shots than frames: the longest
        ([0.0, 5.1, 5.2], 4, [1, 3, 5, 7]),  # a shot in which no frame begins gets none
    ],
)
def test_by_shot(starts_s, n, expected):
    assert by_shot(SECONDS, starts_s, n) == expected


@given(times, st.integers(1, MAX_FRAMES), st.lists(st.floats(0.01, 500), max_size=40))
def test_by_shot_leaves_no_shot_out_while_there_are_frames(times_s, n, cuts_s):
    starts_s = sorted({0.0, *(cut for cut in cuts_s if cut <= times_s[-1])})
    chosen = by_shot(times_s, starts_s, n)
    assert len(chosen) == min(n, len(times_s)) or len(chosen) <= n
    assert all(a < b for a, b in pairwise(chosen))
    shot_of = [sum(start <= t for start in starts_s) for t in times_s]
    seen = {shot_of[i] for i in chosen}
    assert len(seen) == min(n, len(set(shot_of)))


@pytest.mark.parametrize("n", [0, -1, 257])
def test_a_model_takes_1_to_256(n):
    with pytest.raises(UsageError, match=f"^{n} frames .* 1 to 256"):
        uniform(SECONDS, n)
    with pytest.raises(UsageError):
        by_shot(SECONDS, [0.0], n)
