"""Scenes that a model names, laid on shots: known answers."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aria_docs.media import Shot, Video, VideoInfo
from aria_docs.model.snapping import Named, link, scenes, seconds, stretch


def video(*starts, end=100.0, kinds=(), without=()) -> Video:
    """Shots at these seconds; the thumbnail of the shot at 12 s is b"12"."""
    edges = [0.0, *starts, end]
    shots = tuple(
        Shot(a, b, kind, a, a)
        for (a, b), kind in zip(pairwise(edges), ["start", *(kinds or ["cut"] * len(starts))], strict=True)
    )
    pictures = tuple(None if shot.start_s in without else b"%d" % shot.start_s for shot in shots)
    return Video(VideoInfo(end, 32, 18, 25.0, int(25 * end), 0.0, "h264"), shots, pictures)


def named(*starts, end=100.0):
    return [Named(float(a), float(b), f"from {a}", None) for a, b in zip(starts, [*starts[1:], end], strict=True)]


def edges(found):
    assert found[0].start_s == 0 and found[0].transition == "start"
    assert all(a.end_s == b.start_s and a.start_s < a.end_s for a, b in pairwise(found))
    return [scene.start_s for scene in found]


def test_clocks() -> None:
    assert [seconds(clock) for clock in ("0:07", "03:20", "75:03.5")] == [7, 200, 4503.5]


@pytest.mark.parametrize(
    ("starts", "shots", "expected"),
    [
        ([0, 20, 40], [20.4, 39.1], [0, 20.4, 39.1]),
        ([0, 20, 40], [22.5, 37.0], [0, 20, 40]),  # too far
        ([5, 20], [5.2, 20.2], [0, 20.2]),  # the first starts at 0, whatever is said
        ([0, 20, 21], [21.1], [0, 20, 21.1]),  # one shot for two: the nearer takes it
        ([0, 20, 21], [20.4], [0, 20.4, 21]),
        ([0, 20, 21], [19.2, 20.6], [0, 19.2, 20.6]),
        ([0, 1], [], [0, 1]),
        ([0, 99], [99.9], [0, 99.9]),
    ],
)
def test_edges_go_to_shots_within_two_seconds(starts, shots, expected) -> None:
    assert edges(scenes(named(*starts), video(*shots), shown_s=[])) == expected


@pytest.mark.parametrize(
    ("shots", "expected"),
    [
        ([72.0], 72.0),  # the cut is before the frame that is named
        ([84.0], 80.0),  # and not far behind it
        ([64.0, 76.0, 83.0], 76.0),
        ([71.0, 79.0], 79.0),  # both as far from the middle; this one nearer to what was said
        ([69.5], 80.0),
    ],
)
def test_with_frames_ten_seconds_apart_the_cut_is_between_them(shots, expected) -> None:
    shown = [float(second) for second in range(0, 100, 10)]
    assert edges(scenes(named(0, 80), video(*shots), shown_s=shown)) == [0, expected]


def test_a_label_is_the_whole_second_of_its_frame() -> None:
    shown = [0.9, 10.9, 20.9]
    assert edges(scenes(named(0, 20), video(20.5), shown_s=shown)) == [0, 20.5]


def test_a_time_that_no_frame_has_is_taken_as_it_is() -> None:
    shown = [0.0, 10.0, 20.0, 30.0]
    assert edges(scenes(named(0, 15), video(10.5, 19.5), shown_s=shown)) == [0, 10.5]
    assert edges(scenes(named(0, 15), video(21.0), shown_s=shown)) == [0, 15]


def test_transitions_are_those_of_the_shots() -> None:
    found = scenes(named(0, 20, 40, 60), video(20.0, 40.0, kinds=["dissolve", "fade"]), shown_s=[])
    assert [scene.transition for scene in found] == ["start", "dissolve", "fade", "cut"]


def test_the_thumbnail_is_that_of_the_middle_or_of_the_nearest_shot() -> None:
    film = video(20.0, 40.0, 60.0, without=(40.0,))
    found = scenes(named(0, 20, 40), film, shown_s=[])
    assert [scene.thumbnail for scene in found] == [b"0", b"20", b"60"]
    found = scenes(named(0, 40, 52), film, shown_s=[])
    assert [scene.thumbnail for scene in found] == [b"20", b"20", b"60"]  # the middles are 20, 46 and 76
    assert scenes([], video(without=(0.0,)), shown_s=[])[0].thumbnail is None


def test_nothing_named_is_one_scene() -> None:
    for nothing in ([], named(100), named(500)):
        [scene] = scenes(nothing, video(20.0), shown_s=[])
        assert (scene.start_s, scene.end_s, scene.title, scene.transition) == (0, 100, None, "start")


def test_a_window_sorts_joins_and_clips() -> None:
    said = [
        Named(70, 90, "c", "C"),
        Named(10, 20, "gone", None),
        Named(30, 60, "a", "A"),
        Named(60, 70, "b", "B"),
        Named(60, 65, "b2", "B2"),
        Named(95, 99, "beyond", None),
    ]
    found = stretch(said, start_s=40, end_s=90, broke_off=False)
    assert found == (Named(40, 60, "a", "A"), Named(60, 70, "b", "B B2"), Named(70, 90, "c", "C"))


def test_after_an_answer_broke_off_nothing_is_known() -> None:
    found = stretch(named(0, 10, end=15.0), start_s=0, end_s=100, broke_off=True)
    assert found[-1] == Named(15, 100, None, None) and len(found) == 3
    assert len(stretch(named(0, 10), start_s=0, end_s=100, broke_off=True)) == 2
    assert stretch([], start_s=0, end_s=100, broke_off=True) == ()


def test_a_scene_goes_on_in_the_next_window() -> None:
    first = (Named(0, 30, "a", "A"), Named(30, 50, "b", "B"))
    second = (Named(50, 70, "b", "more"), Named(70, 90, "c", None))
    assert link([first, second]) == (first[0], Named(30, 70, "b", "B more"), second[1])
    nameless = (Named(50, 90, None, None),)
    assert link([nameless, nameless]) == nameless * 2
    assert link([(), first]) == first


def test_neighbours_of_the_same_words_are_one() -> None:
    alike = [Named(0, 10, "a", "A"), Named(10, 20, "a", "A"), Named(20, 30, "a", "B")]
    assert edges(scenes(alike, video(), shown_s=[])) == [0, 20]


TIMES = st.integers(0, 120).map(float)


@given(
    said=st.lists(st.tuples(TIMES, TIMES, st.sampled_from(["a", "b", None])), max_size=12),
    shots=st.sets(st.floats(0.5, 99.5), max_size=12),
    shown=st.sets(st.floats(0, 100), max_size=12),
    broke_off=st.booleans(),
)
def test_scenes_have_no_gaps_whatever_is_said(said, shots, shown, broke_off) -> None:
    scenes_said = [Named(start, max(start, end), title, None) for start, end, title in said]
    clipped = stretch(scenes_said, start_s=0.0, end_s=100.0, broke_off=broke_off)
    found = scenes(link([clipped]), video(*sorted(shots)), shown_s=sorted(shown))
    starts = edges(found)
    assert found[-1].end_s == 100 and len(set(starts)) == len(starts)
    cuts = {shot.start_s for shot in video(*sorted(shots)).shots}
    assert all(start in cuts or start == int(start) for start in starts)
