import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aria_docs.errors import BudgetError
from aria_docs.tiling.budget import IMAGE, Budget, Window, frame_label, frame_part, page_part, prompt, upper_bound
from aria_docs.tiling.resolution import HIGH, MEDIUM, MODES, ULTRA, ULTRA_490

QUESTION = "Please split this video into scenes, providing start time, end time, a title and detailed descriptions."


def pages(n, mode=ULTRA, size=(595.276, 841.89)):
    return [page_part(number, *size, mode) for number in range(1, n + 1)]


def frames(n, mode=MEDIUM, duration_s=3600.0):
    return [frame_part(duration_s * (i + 0.5) / n, 1280, 720, mode) for i in range(n)]


def count(text):
    """A tokenizer on one line: special tokens, up to four letters, all else by character."""
    return len(re.findall(r"<\|?\w+\|?>|[a-zA-Z]{1,4}|.", text, re.DOTALL))


exactly = Budget(QUESTION, count=count)


def test_the_prompt_is_that_of_the_official_examples():
    text = prompt([page_part(1, 960, 540, HIGH), page_part(2, 960, 540, HIGH)], "What is it?")
    assert text.replace(IMAGE * 256, "<256>") == (
        "<|im_start|>user\n"
        "Page 1: <fim_prefix><256><fim_suffix>\n"
        "Page 2: <fim_prefix><256><fim_suffix>\n"
        "What is it?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


@pytest.mark.parametrize(
    ("time_s", "label"), [(0, "[00:00]"), (200.9, "[03:20]"), (4500, "[75:00]"), (6e3, "[100:00]")]
)
def test_a_frame_is_labelled_by_minutes_and_seconds(time_s, label):
    assert frame_part(time_s, 1280, 720, MEDIUM).label == label


@pytest.mark.parametrize(
    ("time_s", "apart_s", "label"),
    [(3.48, 1.0, "[00:03]"), (3.48, 0.4, "[00:03.4]"), (3.48, 0.04, "[00:03.48]"), (59.9997, 0.5, "[01:00.0]")],
)
def test_frames_that_lie_close_together_are_told_apart_by_their_labels(time_s, apart_s, label):
    assert frame_label(time_s, apart_s=apart_s) == label


def test_a_page_costs_its_crops_two_markers_and_its_label():
    one, two = (exactly.tokens(pages(n)) for n in (1, 2))
    assert two - one == 1792 + 2 + count("\nPage 2: ")


@pytest.mark.parametrize(
    ("mode", "held"),
    [(ULTRA, 36), (ULTRA_490, 72), (HIGH, 246), (MEDIUM, 474)],  # ARIA's own figures: about 36, 250, 470
    ids=str,
)
def test_how_many_a4_pages_fit_a_window(mode, held):
    budget = Budget("", answer=0, count=count)
    assert budget.how_many(pages(held, mode)[-1]) == held
    assert len(budget.windows(pages(held, mode))) == 1
    assert len(budget.windows(pages(held + 2, mode))) == 2  # early pages have shorter labels


def test_256_frames_fit_at_medium():
    window = Budget(QUESTION).one_window(frames(256))
    assert window == Window(0, 256, window.tokens)
    assert 256 * 128 < window.tokens - 4096 < 36_000


def test_256_frames_do_not_fit_at_high_and_the_error_says_so():
    budget = Budget(QUESTION)
    with pytest.raises(BudgetError) as refused:
        budget.one_window(frames(256, HIGH))
    needed, shown = budget.tokens(frames(256, HIGH)), budget.tokens(frames(256))
    held = budget.how_many(frames(1, HIGH)[0])
    assert str(refused.value) == (
        f"256 frames at high resolution need {needed:,} tokens, 4,096 of them for the answer, "
        f"and a window holds 65,536: take medium resolution ({shown:,} tokens) or at most {held} frames at a time."
    )
    budget.one_window(frames(held, HIGH))  # the ways out are real


def test_never_more_than_256_frames():
    assert Budget(QUESTION).how_many(frames(1)[0]) == 256
    assert Budget(QUESTION).how_many(pages(1, MEDIUM)[0]) > 256
    with pytest.raises(BudgetError, match=r"300 frames at medium .* at most 256 frames: take at most 256 frames"):
        Budget(QUESTION).one_window(frames(300))


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        (
            Budget("", answer=100, limit=1000),
            r"^Page 1 at ultra .* holds 1,000: take high resolution \(\d+ tokens\) or med",
        ),
        (Budget("", answer=5000, limit=6000), r"take high .* or at most 4,1\d\d tokens for the answer\.$"),
        (Budget("x" * 70_000), r"take a shorter question and answer\.$"),
    ],
)
def test_a_single_page_that_does_not_fit(budget, message):
    for refuse in (budget.one_window, budget.windows):
        with pytest.raises(BudgetError, match=message):
            refuse(pages(1))


def test_an_answer_as_short_as_the_error_says_fits():
    with pytest.raises(BudgetError) as refused:
        Budget("", answer=5000, limit=6000).one_window(pages(1))
    shorter = int(re.search(r"at most ([\d,]+) tokens for", str(refused.value))[1].replace(",", ""))
    assert Budget("", answer=shorter, limit=6000).one_window(pages(1)).tokens == 6000


@pytest.mark.parametrize(("n", "mode"), [(1, ULTRA), (33, ULTRA), (40, HIGH), (200, HIGH), (300, MEDIUM)])
def test_the_best_mode_that_fits(n, mode):
    assert Budget(QUESTION).best_mode(pages(n, MEDIUM)) == mode


def test_no_mode_fits():
    with pytest.raises(BudgetError, match=r"600 pages at medium resolution .* take at most \d+ pages at a time"):
        Budget(QUESTION).best_mode(pages(600))


def spans(windows):
    return [(window.start, window.stop) for window in windows]


def test_windows_repeat_the_overlap():
    budget = Budget("", answer=0, limit=3 * (1792 + 40))
    assert spans(budget.windows(pages(5), overlap=1)) == [(0, 3), (2, 5)]
    assert spans(budget.windows(pages(5), overlap=0)) == [(0, 3), (3, 5)]
    assert spans(budget.windows(pages(5), overlap=2)) == [(0, 3), (1, 4), (2, 5)]
    assert spans(budget.windows(pages(5), overlap=9)) == [(0, 3), (1, 4), (2, 5)]  # a new page in each all the same


def test_the_overlap_gives_way_to_a_large_page():
    small, large = (595, 842), (1920, 1080)  # 1,792 and 2,304 tokens
    parts = [page_part(i, *size, ULTRA) for i, size in enumerate((small, small, large), start=1)]
    assert spans(Budget("", answer=0, limit=2 * (1792 + 50)).windows(parts)) == [(0, 2), (2, 3)]


modes = st.sampled_from([*MODES, ULTRA_490])
edges = st.floats(20, 3000)
some_pages = st.builds(
    lambda sizes, mode: [page_part(i, *size, mode) for i, size in enumerate(sizes, start=1)],
    st.lists(st.tuples(edges, edges), min_size=1, max_size=120),
    modes,
)
some_frames = st.builds(frames, st.integers(1, 256), modes, st.floats(0, 9000))
bounded = settings(derandomize=True, max_examples=100, deadline=None)


@bounded
@given(some_pages, st.integers(0, 3), st.integers(2500, 65_536), st.text(max_size=50))
def test_windows_hold_every_page_and_never_more_than_the_limit(parts, overlap, limit, question):
    budget = Budget(question, answer=0, limit=limit, count=count)
    try:
        windows = budget.windows(parts, overlap=overlap)
    except BudgetError:
        assert any(budget.tokens([part]) > limit for part in parts)
        return
    assert (windows[0].start, windows[-1].stop) == (0, len(parts))
    for window in windows:
        assert window.tokens == budget.tokens(parts[window.start : window.stop]) <= limit
        if window.stop < len(parts):
            assert budget.tokens(parts[window.start : window.stop + 1]) > limit  # as full as it gets
    for one, following in itertools.pairwise(windows):
        assert one.start < following.start <= one.stop < following.stop
        assert one.stop - following.start <= overlap


@bounded
@given(st.one_of(some_pages, some_frames), st.text(alphabet=st.characters(exclude_characters="<>"), max_size=200))
def test_tokens_are_those_the_prompt_really_holds(parts, question):
    held = count(prompt(parts, question))
    assert Budget(question, answer=0, count=count).tokens(parts) == held
    assert Budget(question, answer=0).tokens(parts) >= held


def trained(kind):
    """A tokenizer like Aria's (SentencePiece's BPE with byte fallback, a blank in front of every run of text) or a
    byte-level one, trained on a few lines, with Aria's special tokens."""
    tokenizers = pytest.importorskip("tokenizers")
    special = ["<unk>", "<fim_prefix>", "<fim_suffix>", IMAGE, "<|im_start|>", "<|im_end|>"]
    lines = ["user\nPage 1: assistant\n", "\nPage 23: ", "[03:20] [75:00]", QUESTION] * 3
    if kind == "bytes":
        tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
        tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    else:
        tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="<unk>", byte_fallback=True))
        blanks = [tokenizers.normalizers.Prepend("▁"), tokenizers.normalizers.Replace(" ", "▁")]
        tokenizer.normalizer = tokenizers.normalizers.Sequence(blanks)
        alphabet = [chr(code) for code in range(33, 127)]
        special += [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=700, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(lines, trainer)
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)


@pytest.mark.parametrize("kind", ["bytes", "sentencepiece"])
@pytest.mark.parametrize("question", ["", QUESTION, "Größe & Höhe: 表はどこですか？ 🙂\n\n  two  blanks"])
@pytest.mark.parametrize("parts", [pages(1), pages(12), frames(30)], ids=["page", "pages", "frames"])
def test_with_a_real_tokenizer(kind, question, parts):
    tokenizer = trained(kind)
    held = tokenizer(prompt(parts, question))
    assert Budget(question, answer=0, count=tokenizer).tokens(parts) == held
    assert Budget(question, answer=0).tokens(parts) >= held


def test_the_upper_bound_is_bytes_and_one_blank_for_each_run_of_text():
    assert upper_bound("") == 0
    assert upper_bound("<fim_suffix>\nPage 1: <fim_prefix>") == 2 + 9 + 1
    assert upper_bound("é🙂") == 2 + 4 + 1
    assert upper_bound("\ud800") == 3 + 1
