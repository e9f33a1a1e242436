"""Known answers on scenes made here: what is a boundary, of which kind, and what only looks like one."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from aria_docs.ingest.video import watch as video
from aria_docs.ingest.video.opening import open_clip
from aria_docs.ingest.video.shots import HEIGHT_PX, STRETCH, WIDTH_PX, detect
from aria_docs.ingest.video.sweeps import is_panned

FPS = 25


def scene(seed, n, *, pan_px=0.0, zoom=0.0):
    """(n, 18, 32, 3) floats: a window onto soft random patches that moves `pan_px` and grows by `zoom` a frame."""
    rng = np.random.default_rng(seed)
    patches = rng.uniform(0, 255, (12, 20, 3))
    frames = []
    for i in range(n):
        scale = 0.25 * (1 + zoom * i)
        y = np.clip(5.5 + (np.arange(HEIGHT_PX) - HEIGHT_PX / 2) * scale, 0, 10.99)
        x = 2 + abs((pan_px * i * 0.25 + 8) % 16 - 8) + np.arange(WIDTH_PX) * scale  # to and fro
        x = np.clip(x, 0, 18.99)
        (y0, x0), (fy, fx) = (y.astype(int), x.astype(int)), (y % 1, x % 1)
        rows = patches[y0] * (1 - fy)[:, None, None] + patches[y0 + 1] * fy[:, None, None]
        frames.append(rows[:, x0] * (1 - fx)[:, None] + rows[:, x0 + 1] * fx[:, None])
    return np.array(frames)


def dissolve(a, b):
    share = ((np.arange(len(a)) + 1) / (len(a) + 1))[:, None, None, None]
    return a * (1 - share) + b * share


def enlarged(frames):
    """(n, 18, 32, 3) → (n, 54, 96, 3): each pixel three times."""
    return frames.reshape(-1, HEIGHT_PX, WIDTH_PX, 3).repeat(3, 1).repeat(3, 2).round().astype(np.uint8)


def shots(frames, *, times_s=None, noise=1.0, referee=None):
    frames = frames + np.random.default_rng(0).normal(0, noise, frames.shape)
    times_s = np.arange(len(frames)) / FPS if times_s is None else times_s
    pixels = enlarged(np.clip(frames, 1, 255).astype(np.uint8))
    pixels[:, ::2, ::2] -= 1  # a camera's picture is nowhere plain
    return list(
        detect(
            zip(times_s.tolist(), pixels, [True] * len(pixels), strict=True),
            duration_s=len(frames) / FPS,
            referee=referee,
        )
    )


def boundaries(frames, **options):
    return [(shot.transition, shot.start_s) for shot in shots(frames, **options)[1:]]


def hard_cut():
    return np.concatenate([scene(1, 50), scene(2, 50)]), [("cut", 2.0, 2.0)]


def cut_in_motion():
    return np.concatenate([scene(1, 50, pan_px=1), scene(2, 50, pan_px=-1.5)]), [("cut", 2.0, 2.0)]


def cut_beside_motion_as_large_as_itself():
    """Before it everything is elsewhere from frame to frame, but in the same colours."""
    before, after = scene(1, 50, pan_px=7), scene(2, 50, pan_px=7)
    return np.concatenate([before * (0.55, 0.45, 0.35), after * (0.35, 0.45, 0.55)]), [("cut", 2.0, 2.0)]


def two_cuts_half_a_second_apart():
    return np.concatenate([scene(1, 50), scene(2, 12), scene(3, 50)]), [("cut", 2.0, 2.0), ("cut", 2.48, 2.48)]


def cut_at_night():
    return np.concatenate([scene(1, 50), scene(2, 50)]) * 0.08, [("cut", 2.0, 2.0)]


def slow_dissolve():
    a, b = scene(1, 80), scene(2, 80)
    return np.concatenate([a[:50], dissolve(a[50:], b[:30]), b[30:]]), [("dissolve", 2.0, 3.2)]


def quick_dissolve_in_motion():
    a, b = scene(1, 58, pan_px=0.3), scene(2, 58, zoom=0.004)
    return np.concatenate([a[:50], dissolve(a[50:], b[:8]), b[8:]]), [("dissolve", 2.0, 2.32)]


def dissolve_in_a_letterbox():
    frames, expected = slow_dissolve()
    frames[:, :3] = frames[:, -3:] = 0
    return frames, expected


def fade_in_a_letterbox():
    frames, expected = fade(0)()
    frames[:, :4] = frames[:, -4:] = 0
    return frames, expected


def a_wrong_picture_between_two_shots():
    return np.concatenate([scene(1, 50), scene(3, 3), scene(2, 50)]), [("cut", 2.12, 2.12)]


def a_short_shot_between_two_views_of_another():
    a, b = scene(1, 106, pan_px=0.2), scene(2, 6)
    return np.concatenate([a[:50], b, a[56:]]), [("cut", 2.0, 2.0), ("cut", 2.24, 2.24)]


def a_picture_of_almost_nothing():
    fog = 120 + (scene(3, 30) - 128) * 0.12
    return np.concatenate([scene(1, 50), fog, scene(2, 50)]), [("cut", 2.0, 2.0), ("cut", 3.2, 3.2)]


def fade(level):
    def make():
        a, b, blank = scene(1, 62), scene(2, 62), np.full((12, HEIGHT_PX, WIDTH_PX, 3), float(level))
        ramps = dissolve(a[50:], blank), dissolve(blank, b[:12])
        return np.concatenate([a[:50], *ramps, b[12:]]), [("fade", 2.0, 3.0)]

    make.__name__ = f"fade_through_{level}"
    return make


def cut_to_black_for_a_moment():
    black = np.zeros((10, HEIGHT_PX, WIDTH_PX, 3))
    return np.concatenate([scene(1, 50), black, scene(2, 50)]), [("fade", 2.0, 2.44)]


def black_for_long_is_a_shot():
    a, black, b = scene(1, 62), np.zeros((75, HEIGHT_PX, WIDTH_PX, 3)), scene(2, 62)
    frames = np.concatenate([a[:50], dissolve(a[50:], black[:12]), black, dissolve(black[:12], b[:12]), b[12:]])
    return frames, [("fade", 2.0, 2.6), ("fade", 5.4, 6.0)]


@pytest.mark.parametrize(
    "make",
    [
        hard_cut,
        cut_in_motion,
        cut_beside_motion_as_large_as_itself,
        two_cuts_half_a_second_apart,
        cut_at_night,
        slow_dissolve,
        quick_dissolve_in_motion,
        dissolve_in_a_letterbox,
        fade_in_a_letterbox,
        a_wrong_picture_between_two_shots,
        a_short_shot_between_two_views_of_another,
        a_picture_of_almost_nothing,
        fade(0),
        fade(255),
        cut_to_black_for_a_moment,
        black_for_long_is_a_shot,
    ],
    ids=lambda make: make.__name__,
)
def test_a_boundary_is_found_where_it_is(make):
    frames, expected = make()
    found = boundaries(frames)
    assert [kind for kind, _ in found] == [kind for kind, _, _ in expected]
    for (_, at_s), (_, low_s, high_s) in zip(found, expected, strict=True):
        assert low_s - 0.001 <= at_s <= high_s + 0.001


def flash():
    frames = scene(1, 120, pan_px=0.4)
    for first, length in ((20, 1), (50, 2), (90, 4)):
        frames[first : first + length] = frames[first : first + length] * 0.2 + 255 * 0.8
    return frames


def dropped_picture():
    frames = scene(1, 100)
    frames[50:52] = scene(2, 2)
    return frames


def swell_of_light():
    frames = scene(1, 100)
    frames[40:60] *= (1 + 0.8 * np.sin(np.pi * (np.arange(20) + 0.5) / 20))[:, None, None, None]
    return frames


def slow_swell_of_light():
    frames = scene(1, 250, zoom=0.0003) * 0.5
    frames[60:180] *= (1 + 1.2 * np.sin(np.pi * (np.arange(120) + 0.5) / 120))[:, None, None, None]
    return frames


def light_goes_on():
    frames = scene(1, 100) * 0.5
    frames[50:] = frames[50:] * 2.5 + 10
    return frames


def light_comes_up():
    frames = scene(1, 150)
    return frames * np.clip(0.3 + (np.arange(150) - 50) / 30, 0.3, 1.0)[:, None, None, None]


def dip_to_black():
    frames = scene(1, 100)
    frames[40:64] *= np.abs(np.cos(np.pi * (np.arange(24) + 0.5) / 24))[:, None, None, None]
    return frames


def something_passes_by():
    frames = scene(1, 100)
    for i in range(14):
        x = -14 + 46 * i // 14
        frames[40 + i, :, max(0, x) : max(0, x + 14)] = (20, 30, 40)
    return frames


def caption():
    frames = scene(1, 100)
    frames[40:70, 13:16, 5:27] = 250
    return frames


def a_grid_is_drawn():
    frames = scene(1, 100)
    frames[50:, 2::5] += 18 * np.sign(128 - frames[50:, 2::5])
    return frames


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param(lambda: scene(1, 100), id="still"),
        pytest.param(lambda: scene(1, 200, pan_px=0.5), id="pan"),
        pytest.param(lambda: scene(1, 200, pan_px=2.5), id="fast pan"),
        pytest.param(lambda: scene(1, 100, zoom=0.008), id="zoom"),
        pytest.param(lambda: np.zeros((100, HEIGHT_PX, WIDTH_PX, 3)), id="black"),
        pytest.param(lambda: np.random.default_rng(3).uniform(0, 255, (100, 18, 32, 3)), id="snow"),
        *(flash, dropped_picture, swell_of_light, slow_swell_of_light, light_goes_on, light_comes_up),
        *(dip_to_black, something_passes_by, caption, a_grid_is_drawn),
    ],
)
def test_what_only_looks_like_a_boundary_is_none(frames):
    assert boundaries(frames()) == []


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_few_frames_are_one_shot(n):
    [shot] = shots(scene(1, n))
    assert (shot.start_s, shot.end_s, shot.transition) == (0.0, n / FPS, "start")


def test_shots_leave_no_gap_and_know_their_transitions():
    found = shots(slow_dissolve()[0])
    assert found[0].start_s == 0 and found[-1].end_s == 130 / FPS
    assert all(a.end_s == b.start_s for a, b in pairwise(found))
    assert found[1].transition_start_s == pytest.approx(2.0, abs=0.25)
    assert found[1].transition_end_s == pytest.approx(3.2, abs=0.25)
    assert found[1].start_s == pytest.approx(2.6, abs=0.1)


def test_times_are_those_of_the_frames():
    """Where frames lie unevenly, the boundary is at the first frame of the new shot all the same."""
    times_s = np.cumsum(np.random.default_rng(5).choice([0.02, 0.04, 0.12], 100))
    assert boundaries(hard_cut()[0], times_s=times_s) == [("cut", times_s[50])]


@pytest.mark.parametrize("length", [STRETCH, STRETCH + 1, 2 * STRETCH + 17])
def test_a_long_stream_has_no_seams(length):
    kinds = [scene(seed, 61, pan_px=0.2) for seed in range(7)]
    frames = np.concatenate([kinds[i % 7] for i in range(length // 61 + 1)])[:length]
    expected = [("cut", i / FPS) for i in range(61, length, 61) if length - i > 3]
    assert [b for b in boundaries(frames) if b[1] < (length - 3) / FPS] == expected


def test_dissolves_at_a_seam_are_found_once():
    """At a new place with regard to the seam each time, so that some lie across it."""
    for lead in range(STRETCH - 100, STRETCH + 20, 15):
        a, b = scene(1, lead + 20), scene(2, 300)
        frames = np.concatenate([a[:lead], dissolve(a[lead:], b[:20]), b[20:]])
        [(kind, at_s)] = boundaries(frames)
        assert kind == "dissolve" and lead <= at_s * FPS <= lead + 20


def test_shots_are_given_while_frames_are_still_coming():
    taken = []

    def stream():
        for i, frame in enumerate(np.concatenate([scene(1, 50), scene(2, 4 * STRETCH)])):
            taken.append(i)
            yield i / FPS, enlarged(frame.astype(np.uint8))[0], True

    first = next(detect(stream(), duration_s=200.0))
    assert first.end_s == 2.0 and len(taken) == STRETCH


def half_a_cut():
    """After two seconds three of the eight columns of blocks show something else."""
    frames = scene(1, 100)
    frames[50:, :, :12] = scene(2, 50)[:, :, :12]
    return frames


@pytest.mark.parametrize(("likely", "expected"), [(1.0, [("cut", 2.0)]), (0.0, [])])
def test_a_referee_decides_what_is_in_doubt(likely, expected):
    windows = []

    def referee(window):
        windows.append(window)
        return np.full(len(window), likely, np.float32)

    assert boundaries(half_a_cut(), referee=referee) == expected
    [window] = windows
    assert window.shape == (100, 27, 48, 3)
    steps = np.abs(np.diff(window.astype(int), axis=0)).mean((1, 2, 3))
    assert steps.argmax() == 49, "the change is in the middle, where the network sees best"


def test_a_referee_is_asked_once_however_long_the_video_is():
    asked = []
    frames = np.concatenate([np.tile(half_a_cut()[:1], (STRETCH - 100, 1, 1, 1)), half_a_cut(), scene(3, STRETCH)])
    boundaries(frames, referee=lambda window: asked.append(1) or np.zeros(len(window), np.float32))
    assert len(asked) == 1


def test_a_referee_is_not_asked_about_what_is_clear():
    def referee(window):
        raise AssertionError("nothing is in doubt here")

    for clear in (hard_cut, slow_dissolve):
        frames, expected = clear()
        assert len(boundaries(frames, referee=referee)) == len(expected)


COMPOSED = Path(__file__).parents[4] / "shared/data/video/scenes"


@pytest.mark.skipif(not COMPOSED.exists(), reason="the composed videos are not here")
@pytest.mark.parametrize("name", ["fastpan_01.mp4", "mixed_02.mp4", "vfr_01.mp4"])
def test_composed_videos(name):
    """Every transition within two frames, and no other."""
    truth = json.loads((COMPOSED / name).with_suffix(".json").read_text())
    slack_s = 2.5 * truth["duration"] / truth["frames"]
    found = video.watch(open_clip(COMPOSED / name)).shots[1:]
    assert [s.transition for s in found] == [t["kind"] for t in truth["transitions"]]
    for shot, transition in zip(found, truth["transitions"], strict=True):
        assert transition["start"] - slack_s <= shot.start_s <= transition["end"] + slack_s


def page(seed, n_lines=9):
    """(54, 96, 3): a slide, light, with a bar at its head and lines of letters."""
    rng = np.random.default_rng(seed)
    slide = np.full((54, 96, 3), 245, np.uint8)
    slide[:4] = (20, 60, 140)
    for line in range(n_lines):
        length = rng.integers(40, 80)
        letters = rng.integers(90, 245, (3, length, 1)).astype(np.uint8)
        slide[7 + 5 * line : 10 + 5 * line, 6 : 6 + length] = letters
    return slide


def screen(*pictures, fps=25):
    """Each a (54, 96, 3) and how many frames it stands → transitions and their seconds; with what coding leaves."""
    frames = np.concatenate([np.repeat(picture[None], n, 0) for picture, n in pictures])
    noise = np.random.default_rng(1).integers(-1, 2, frames.shape)
    pixels = np.clip(frames + noise, 0, 255).astype(np.uint8)
    stream = ((i / fps, frame, True) for i, frame in enumerate(pixels))
    return [(shot.transition, shot.start_s) for shot in list(detect(stream, duration_s=len(frames) / fps))[1:]]


def test_a_slide_is_replaced():
    assert screen((page(1), 100), (page(2), 100), (page(3), 50)) == [("cut", 4.0), ("cut", 8.0)]


def test_a_dark_slide_is_replaced():
    assert screen((255 - page(1), 100), (255 - page(2), 100)) == [("cut", 4.0)]


@pytest.mark.parametrize("n_lines", [0, 1])
def test_a_slide_of_few_words(n_lines):
    """A title, and a line at most."""

    def few(seed):
        slide = page(seed, n_lines + 2)
        slide[8:12, 6:50] = np.random.default_rng(seed + 50).integers(60, 245, (4, 44, 1))
        return slide

    assert screen((few(1), 100), (few(2), 100)) == [("cut", 4.0)]


def test_a_slide_fades_into_the_next_at_a_low_rate():
    faded = [((page(1) * (1 - t) + page(2) * t).astype(np.uint8), 1) for t in np.linspace(0, 1, 17)[1:-1]]
    [(kind, at_s)] = screen((page(1), 50), *faded, (page(2), 50), fps=12.5)
    assert kind == "dissolve" and 4.0 <= at_s <= 5.2


def test_a_slide_with_a_lecturer_in_the_corner():
    pictures = []
    for i in range(200):
        slide = page(1 if i < 100 else 2)
        slide[36:, 70:] = np.random.default_rng(i // 2).integers(0, 255, (18, 26, 1))
        pictures.append((slide, 1))
    assert screen(*pictures) == [("cut", 4.0)]


def test_a_slide_is_pushed_by_the_next():
    both = np.concatenate([page(1), page(2)], 1)
    pushed = [(both[:, 96 * i // 13 : 96 * i // 13 + 96], 1) for i in range(1, 13)]
    [(kind, at_s)] = screen((page(1), 100), *pushed, (page(2), 100))
    assert kind == "wipe" and 4.0 <= at_s <= 4.52


def test_typing_builds_and_scrolling_replace_nothing():
    typed = [(page(1, n_lines), 40) for n_lines in range(1, 10)]
    assert screen(*typed) == []
    paper = np.concatenate([page(seed)[5:] for seed in range(4)])
    scrolled = [(paper[y : y + 54], 30 if y % 10 == 0 else 1) for y in range(0, 100, 2)]
    assert screen(*scrolled) == []


def test_a_lower_third_over_a_still_picture_replaces_nothing():
    photo = np.random.default_rng(5).integers(60, 200, (27, 48, 3)).repeat(2, 0).repeat(2, 1).astype(np.uint8)
    covered = photo.copy()
    covered[40:50] = 235
    covered[43:46, 4:30] = np.random.default_rng(6).integers(20, 235, (3, 26, 1))
    assert screen((photo, 60), (covered, 60), (photo, 60)) == []


def test_a_picture_out_of_focus_or_without_its_colours_is_not_replaced():
    photo = np.random.default_rng(5).integers(20, 235, (27, 48, 3)).repeat(2, 0).repeat(2, 1).astype(np.uint8)
    steps = [np.asarray(Image.fromarray(photo).filter(ImageFilter.GaussianBlur(1.5 * i / 8))) for i in range(9)]
    assert screen((photo, 60), *((step, 1) for step in steps), (steps[-1], 60)) == []
    grey = np.asarray(Image.fromarray(photo).convert("L").convert("RGB"))
    assert screen((photo, 60), (grey, 60), (photo, 60)) == []


def test_cards_of_one_layout_and_other_colours_are_cut():
    """In other light they would be one picture."""
    red, blue = np.full((54, 96, 3), (200, 60, 60), np.uint8), np.full((54, 96, 3), (40, 80, 160), np.uint8)
    red[20:34, 10:60:3] = blue[20:34, 25:75:4] = 255
    stream = ((i / 25, red if i < 60 else blue, True) for i in range(120))
    assert [(shot.transition, shot.start_s) for shot in detect(stream, duration_s=4.8)][1:] == [("cut", 2.4)]


def test_a_full_slide_gives_way_to_a_sparse_one():
    """Moved far enough up, the full one too leaves little but paper."""
    rng = np.random.default_rng(7)
    full, sparse = np.full((2, 54, 96, 3), 245, np.uint8)
    full[6:34, 6:80] = rng.integers(60, 245, (28, 74, 1))
    sparse[8:12, 20:60] = rng.integers(60, 245, (4, 40, 1))
    assert screen((full, 60), (sparse, 60)) == [("cut", 2.4)]


def test_a_film_of_one_frame_a_second_is_cut_where_the_scene_changes():
    walks = [scene(seed, 9, pan_px=5) * tint for seed, tint in ((1, (0.9, 0.6, 0.3)), (2, (0.3, 0.6, 0.9)))]
    pixels = enlarged(np.concatenate(walks))
    stream = ((float(i), frame, True) for i, frame in enumerate(pixels))
    assert [shot.start_s for shot in detect(stream, duration_s=18.0)] == [0.0, 9.0]


@pytest.mark.parametrize(
    ("rows", "columns", "panned"), [(0, 144, True), (80, 0, True), (27, 48, True), (0, 96, False), (54, 0, False)]
)
def test_a_pan_is_none_by_exactly_the_size_of_the_picture(rows, columns, panned):
    """That is a push."""
    wide = np.random.default_rng(3).uniform(0, 255, (140, 250)).astype(np.float32)
    way = [*[0.0] * 5, *np.linspace(0, 1, 25), *[1.0] * 5]
    lumas = np.stack([wide[round(t * rows) :, round(t * columns) :][:54, :96] for t in way])
    assert is_panned(lumas, 8, 26) is panned


def test_a_slide_show_of_a_picture_every_three_seconds():
    photos = [scene(seed, 1)[0].repeat(3, 0).repeat(3, 1).astype(np.uint8) for seed in range(6)]
    stream = ((3.0 * i, photo, True) for i, photo in enumerate(photos))
    found = list(detect(stream, duration_s=18.0))
    assert [(s.transition, s.start_s) for s in found[1:]] == [("cut", 3.0 * i) for i in range(1, 6)]


@pytest.mark.parametrize("fps", [60, 120])
def test_high_rates_are_cut_at_the_very_frame(fps):
    n = 2 * fps + 1  # not one of those that are looked at
    frames = np.concatenate([scene(1, n, pan_px=12 / fps), scene(2, n, pan_px=12 / fps)])
    pixels = enlarged(np.clip(frames, 0, 255).astype(np.uint8))
    stream = ((i / fps, frame, True) for i, frame in enumerate(pixels))
    assert [s.start_s for s in detect(stream, duration_s=2 * n / fps)][1:] == [n / fps]


def test_a_quick_montage():
    frames = np.concatenate([scene(1, 50), *(scene(seed, 4) for seed in range(2, 9)), scene(9, 50)])
    assert boundaries(frames) == [("cut", i / FPS) for i in range(50, 79, 4)]


def test_bars_that_come_are_no_cut():
    frames = scene(1, 100)
    frames[50:, :4] = frames[50:, -4:] = 0
    assert boundaries(frames) == []


def test_bars_that_close_on_a_camera_that_moves_are_no_dissolve():
    frames = enlarged(scene(1, 100, pan_px=0.04))
    for i, frame in enumerate(frames):
        bar = min(9, max(0, (i - 35) // 2))
        frame[:bar] = frame[54 - bar :] = 0
    assert screen(*((frame, 1) for frame in frames)) == []


def test_upright_pictures_in_a_wide_film_are_cut():
    """A third of the picture changes, all that is there between the bars; elsewhere the film is wide."""
    frames = np.concatenate([scene(1, 75), scene(2, 75), scene(3, 75)])
    frames[75:, :, :11] = frames[75:, :, -11:] = 0
    assert boundaries(frames) == [("cut", 3.0), ("cut", 6.0)]


def test_a_dissolve_of_four_seconds():
    a, b = scene(1, 100), scene(2, 100)
    [(kind, at_s)] = boundaries(np.concatenate([scene(1, 75), dissolve(a, b), scene(2, 75)]))
    assert kind == "dissolve" and 4.0 <= at_s <= 6.0


def test_a_low_rate_has_no_cut_at_its_last_frame():
    frames = scene(1, 40, pan_px=0.8)
    assert boundaries(frames, times_s=np.arange(40) / 5) == []


def test_one_shot_that_fades_in_and_out():
    frames = scene(1, 150, pan_px=0.1)
    frames *= np.clip(np.minimum(np.arange(150), np.arange(150)[::-1]) / 30, 0, 1)[:, None, None, None]
    assert boundaries(frames) == []


def test_what_damage_leaves_out_is_no_cut():
    """For a second nothing can be read, and meanwhile the camera moves on."""
    frames = np.clip(scene(1, 150, pan_px=0.4), 0, 255).astype(np.uint8)
    stream = ((i / FPS, frame, not 60 <= i < 85) for i, frame in enumerate(enlarged(frames)))
    assert len(list(detect(stream, duration_s=6.0))) == 1


@pytest.mark.parametrize("way", ["left", "down", "diagonal"])
def test_wipes_between_pictures_that_move(way):
    y, x = np.mgrid[:HEIGHT_PX, :WIDTH_PX]
    order = {"left": 1 - x / WIDTH_PX, "down": y / HEIGHT_PX, "diagonal": (x / WIDTH_PX + y / HEIGHT_PX) / 2}[way]
    a, b = scene(1, 95, pan_px=0.3) * 0.5, 255 - scene(2, 95, zoom=0.003) * 0.5
    share = np.clip((np.arange(95) - 45) / 25, 0, 1)[:, None, None]
    frames = np.where((order < share)[..., None], b, a)
    [(kind, at_s)] = boundaries(frames)
    assert kind == "wipe" and 1.8 <= at_s <= 2.8


@pytest.mark.parametrize("way", ["left", "up", "ring"])
def test_wipes_between_pictures_of_like_colours(way):
    y, x = np.mgrid[:HEIGHT_PX, :WIDTH_PX]
    ring = 1.45 * np.hypot(x / WIDTH_PX - 0.5, y / HEIGHT_PX - 0.5)
    order = {"left": 1 - x / WIDTH_PX, "up": 1 - y / HEIGHT_PX, "ring": ring}[way]
    a, b = scene(5, 95, pan_px=0.3), scene(6, 95, zoom=0.003)
    share = np.clip((np.arange(95) - 45) / 25, 0, 1)[:, None, None]
    [(kind, at_s)] = boundaries(np.where((order < share)[..., None], b, a))
    assert kind == "wipe" and 1.8 <= at_s <= 2.8
