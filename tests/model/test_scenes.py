import io

import pytest
from PIL import Image

from aria_docs.media import Cue, Shot, Video, VideoInfo
from aria_docs.model.embedded.scenes import scenes

COLOURS = {"A": "red", "B": "blue", "C": "lime", "D": "white", "E": "black", "F": "yellow"}


def jpeg(letter):
    buffer = io.BytesIO()
    Image.new("RGB", (32, 18), COLOURS[letter]).save(buffer, "JPEG")
    return buffer.getvalue()


def video(looks, *, cues=(), fades=()):
    """One second per letter; a dash is a shot without a thumbnail."""
    kinds = ["start", *("fade" if i in fades else "cut" for i in range(1, len(looks)))]
    return Video(
        VideoInfo(float(len(looks)), 32, 18, 25.0, 25 * len(looks), 0.0, "h264"),
        tuple(Shot(float(i), i + 1.0, kind, float(i), float(i)) for i, kind in enumerate(kinds)),
        tuple(None if letter == "-" else jpeg(letter) for letter in looks),
        tuple(cues),
    )


def test_one_scene_per_shot():
    found = scenes(video("ABA", fades=[2]))
    assert [(s.start_s, s.end_s, s.transition) for s in found] == [(0, 1, "start"), (1, 2, "cut"), (2, 3, "fade")]
    assert [s.thumbnail for s in found] == [jpeg("A"), jpeg("B"), jpeg("A")]
    assert all(s.title is None and s.description is None for s in found)


def test_a_scene_is_described_by_what_is_said_in_it():
    cues = [Cue(0.1, 0.5, "Hello."), Cue(0.6, 1.2, "You there?"), Cue(0.9, 1.3, "Yes."), Cue(1.9, 2.1, "On the edge.")]
    assert [s.description for s in scenes(video("ABC", cues=cues))] == ["Hello. You there?", "Yes.", "On the edge."]


@pytest.mark.parametrize(
    ("looks", "fades", "starts"),
    [
        ("A", [], [0]),
        ("AAA", [], [0]),
        ("ABC", [], [0, 1, 2]),
        ("ABABCDC", [], [0, 4]),
        ("ABCDA", [], [0]),
        ("ABCDEA", [], [0, 1, 2, 3, 4, 5]),  # too far apart
        ("AABB", [], [0, 2]),
        ("AAAA", [2], [0, 2]),  # a fade parts what looks alike
        ("ABAB", [2], [0, 1, 2, 3]),
        ("A-A-B", [], [0, 3, 4]),  # no picture is like no other
    ],
)
def test_shots_that_look_alike_hold_those_between_them_together(looks, fades, starts):
    found = scenes(video(looks, fades=fades), group=True)
    assert [s.start_s for s in found] == starts
    assert [s.end_s for s in found] == [*starts[1:], len(looks)]


def test_a_group_takes_its_words_and_its_longest_shot():
    film = video("ABA", cues=[Cue(0.1, 0.2, "One,"), Cue(2.1, 2.2, "two.")])
    longer = Shot(1.0, 2.0, "cut", 1.0, 1.0), Shot(2.0, 9.0, "cut", 2.0, 2.0)
    film = Video(film.info, (film.shots[0], *longer), (jpeg("A"), jpeg("B"), jpeg("A")), film.cues)
    [scene] = scenes(film, group=True)
    assert (scene.start_s, scene.end_s, scene.transition, scene.description) == (0.0, 9.0, "start", "One, two.")
    assert scene.thumbnail == jpeg("A")
