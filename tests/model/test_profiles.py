"""What is known of each kind of model: known answers, and that a budget counts by them."""

from dataclasses import replace

import pytest

from aria_docs.errors import BudgetError, UsageError
from aria_docs.model.profiles import Profile, internvl, qwen
from aria_docs.model.profiles.aria import ARIA
from aria_docs.model.profiles.aria_vllm import ARIA_VLLM
from aria_docs.model.profiles.choice import SERVED, choose, profile_named
from aria_docs.model.profiles.internvl import INTERNVL
from aria_docs.model.profiles.plain import PLAIN
from aria_docs.model.profiles.qwen import QWEN2_5_VL, QWEN2_VL, QWEN3_VL
from aria_docs.tiling import split
from aria_docs.tiling.budget import Budget, frame_part, page_part, upper_bound
from aria_docs.tiling.resolution import HIGH, MODES, ULTRA

A4 = (595.276, 841.89)
QUESTION = "Please split this video into scenes."
ALL = pytest.mark.parametrize("profile", [ARIA, *SERVED], ids=lambda profile: profile.name)


def pages(profile, n=1, mode=None):
    return [page_part(number, *A4, mode or profile.modes[0]) for number in range(1, n + 1)]


@pytest.mark.parametrize(
    ("profile", "mode", "page_tokens", "frame_tokens"),
    [
        (ARIA, "ultra", 1792, 768),
        (ARIA, "high", 256, 256),
        (ARIA, "medium", 128, 128),
        (ARIA_VLLM, "ultra", 7 * 258 - 2, 3 * 258 - 2),
        (ARIA_VLLM, "high", 256, 256),
        (QWEN2_VL, "high", 48 * 34, 48 * 27),
        (QWEN2_5_VL, "ultra", 80 * 57, 80 * 45),
        (QWEN2_5_VL, "high", 48 * 34, 48 * 27),
        (QWEN2_5_VL, "medium", 24 * 17, 24 * 14),
        (QWEN3_VL, "ultra", 70 * 50, 70 * 39),
        (QWEN3_VL, "medium", 21 * 15, 21 * 12),
        (INTERNVL, "ultra", 256 * (2 * 3 + 1), 256 * (4 * 2 + 1)),
        (INTERNVL, "medium", 256 * (2 * 3 + 1), 256 * (2 * 1 + 1)),
        (PLAIN, "high", 64 * (46 + 1), 36 * (64 + 1)),
        (PLAIN, "medium", 38 * (27 + 1), 22 * (38 + 1)),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_what_a_page_and_a_frame_cost(profile: Profile, mode, page_tokens, frame_tokens):
    layouts = split.page(*A4, profile.mode(mode)), split.frame(1280, 720, profile.mode(mode))
    assert tuple(map(profile.image_tokens, layouts)) == (page_tokens, frame_tokens)


@pytest.mark.parametrize(
    ("size", "square_px", "least", "largest", "resized"),
    # What `smart_resize` of transformers 5.23 answers.
    [
        ((1583, 2240), 28, 3_136, 12_845_056, (1596, 2240)),
        ((1000, 700), 28, 3_136, 12_845_056, (1008, 700)),
        ((5000, 5000), 28, 3_136, 12_845_056, (3556, 3556)),
        ((40, 30), 28, 3_136, 12_845_056, (84, 56)),
        ((672, 378), 32, 65_536, 16_777_216, (672, 384)),
        ((100, 100), 32, 65_536, 16_777_216, (256, 256)),
        ((98, 42), 28, 3_136, 12_845_056, (112, 56)),
    ],
)
def test_qwen_resizes_to_whole_squares(size, square_px, least, largest, resized):
    assert qwen.resize(size, square_px, least, largest) == resized


@pytest.mark.parametrize(
    ("size", "grid"),
    # What vLLM 0.32 answers for 12 tiles.
    [
        ((1268, 1792), (2, 3)),
        ((1792, 1008), (4, 2)),
        ((672, 378), (2, 1)),
        ((448, 448), (1, 1)),
        ((1344, 1344), (3, 3)),
        ((448, 2000), (1, 5)),
        ((4000, 300), (12, 1)),
    ],
)
def test_internvl_cuts_by_shape(size, grid):
    assert internvl.grid(size) == grid


@ALL
def test_the_dearest_picture_is_no_dearer_than_a_window_and_the_modes_get_cheaper(profile):
    costs = [profile.image_tokens(split.page(*A4, mode)) for mode in profile.modes]
    assert costs == sorted(costs, reverse=True)
    assert costs[0] < profile.context / 4
    assert {mode.name for mode in profile.modes} <= {mode.name for mode in MODES}


@ALL
def test_a_budget_by_the_profile(profile):
    budget = profile.budget(QUESTION, answer=1000)
    [page] = pages(profile)
    alone = budget.tokens([page])
    labels = "<|im_start|>user\nPage 1: <fim_prefix>" + f"<fim_suffix>\n{QUESTION}<|im_end|>\n<|im_start|>assistant\n"
    assert alone == profile.image_tokens(page.layout) + upper_bound(labels) + 1000
    held = budget.how_many(page)
    assert budget.tokens(pages(profile, held)) <= profile.context < budget.tokens(pages(profile, held + 2))


def test_the_budget_of_aria_here_is_the_default():
    default = Budget(QUESTION)
    assert replace(ARIA.budget(QUESTION), image_tokens=default.image_tokens) == default


def test_aria_behind_vllm_takes_about_230_frames():
    frames = [frame_part(float(i), 1280, 720, HIGH) for i in range(231)]
    budget = ARIA_VLLM.budget(QUESTION, answer=1000)
    budget.one_window(frames[:230])
    with pytest.raises(BudgetError, match=r"^231 frames at high .* and at most 230 frames: take at most 230 frames at"):
        budget.one_window(frames)
    assert ARIA_VLLM.budget(QUESTION).how_many(frames[0]) == 229
    with pytest.raises(UsageError, match=r"profile aria-vllm has no medium resolution: take ultra or high\.$"):
        ARIA_VLLM.mode("medium")


def test_a_limit_of_pictures_cuts_windows_and_is_named():
    budget = Budget("", answer=0, max_images=16)
    parts = [page_part(number, *A4, ULTRA) for number in range(1, 6)]  # 7 crops each
    assert budget.how_many(parts[0]) == 2
    assert [(window.start, window.stop) for window in budget.windows(parts, overlap=0)] == [(0, 2), (2, 4), (4, 5)]
    assert budget.best_mode(parts) == HIGH
    with pytest.raises(
        BudgetError,
        match=r"^5 pages at ultra .* and at most 16 pictures, not 35: take high resolution \(.* at most 2 pages at",
    ):
        budget.one_window(parts)
    with pytest.raises(BudgetError, match=r"^Page 1 at ultra .* at most 6 pictures, not 7: take high resolution"):
        Budget("", answer=0, max_images=6).windows(parts)


@pytest.mark.parametrize(
    ("profile", "edges"),
    [(ARIA, (1000, 1000)), (QWEN2_VL, (1000, 1000)), (QWEN2_5_VL, (952, 1344)), (QWEN3_VL, (1000, 1000))],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_what_boxes_count_to(profile, edges):
    layout = split.page(*A4, profile.mode("high"))
    assert profile.box_edges(layout) == edges


@pytest.mark.parametrize(
    ("names", "name"),
    [
        (["rhymes-ai/Aria"], "aria-vllm"),
        (["/weights/Aria-Chat"], "aria-vllm"),
        (["tiny_aria"], "aria-vllm"),
        (["variations"], "plain"),
        (["reader", "/models/aria"], "aria-vllm"),
        (["Qwen/Qwen2-VL-7B-Instruct"], "qwen2-vl"),
        (["Qwen/Qwen2.5-VL-72B-Instruct-AWQ"], "qwen2.5-vl"),
        (["qwen2_5-vl"], "qwen2.5-vl"),
        (["Qwen/Qwen3-VL-30B-A3B-Instruct"], "qwen3-vl"),
        (["Qwen3.5-9B"], "qwen3-vl"),
        (["Qwen/Qwen3-32B"], "plain"),
        (["OpenGVLab/InternVL3_5-8B"], "internvl"),
        (["gpt-4o", None], "plain"),
        ([], "plain"),
    ],
    ids=str,
)
def test_the_names_of_a_model_choose_its_profile(names, name):
    assert choose(*names).name == name


def test_a_server_lowers_the_window_and_says_it_where_it_is_not_known():
    assert choose("aria", max_model_len=8192).context == 8192
    assert choose("aria", max_model_len=131_072).context == 65_536
    assert choose("gpt", max_model_len=131_072).context == 131_072
    assert choose("gpt").context == 32_768


def test_an_option_chooses_before_the_names():
    assert choose("rhymes-ai/Aria", profile="internvl") == INTERNVL
    assert [profile_named(profile.name) for profile in SERVED] == list(SERVED)
    with pytest.raises(UsageError, match="no profile 'aria': take one of aria-vllm, qwen2-vl, "):
        profile_named("aria")


def test_served_models_take_picture_files():
    assert {profile.encoded for profile in SERVED} == {"jpeg"}
    assert ARIA.encoded == "pixels"
