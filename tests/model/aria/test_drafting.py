"""Guesses from what an answer quotes: where they come from, and that they change no token of an answer."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aria_docs.media import Cue, Page, Shot, Video, VideoInfo, Word
from aria_docs.model import quoting
from aria_docs.model.chat import ChatEngine
from aria_docs.model.chat_model import Shown
from aria_docs.model.seen import SeenDocument, SeenPage, SeenVideo
from aria_docs.tiling.budget import page_part
from aria_docs.tiling.pixels import crops
from aria_docs.tiling.resolution import MEDIUM

torch = pytest.importorskip("torch")
from aria_docs.model.aria import generate  # noqa: E402
from aria_docs.model.aria.drafting import Draft  # noqa: E402
from aria_docs.model.aria.model import AriaModel  # noqa: E402
from tests.greedy import answer  # noqa: E402
from tests.model.aria.conftest import Loaded, frame, load  # noqa: E402
from tests.model.aria.test_generate import QUESTIONS, Ours, page  # noqa: E402


def passes(source: str, said: str, most: int = 24) -> int:
    """How many passes of a model an answer takes: each gives a token, and what stands of the guess."""
    draft, written, count = Draft([ord(char) for char in source]), list[int](), 0
    answer = [ord(char) for char in said]
    while len(written) < len(answer):
        guess = draft.following(written, most)
        left = answer[len(written) :]
        stood = next((at for at, token in enumerate(guess) if at >= len(left) or token != left[at]), len(guess))
        draft.learn(len(guess), stood)
        written += left[: stood + 1]
        count += 1
    return count


TEXT = '[["Item","2024"],["zinc","12.5"],["argon","-7"],["nickel","1,234"]]'


@pytest.mark.parametrize(
    ("said", "at_most"),
    [
        (TEXT, 4),
        (TEXT.replace("argon", "ergon"), 8),  # a letter misread
        (TEXT.replace("argon", "argoon"), 9),  # one too many
        (TEXT.replace("argon", "agon"), 9),  # one left out
        (TEXT.replace('["zinc","12.5"],', ""), 10),  # a row left out
        (TEXT.replace('["argon"', '["lynx","3"],["argon"'), 16),  # a row that the source has not
    ],
)
def test_a_source_is_found_again_where_the_answer_left_it(said: str, at_most: int) -> None:
    assert passes(TEXT, said) <= at_most < len(said) / 3


def test_guessing_is_given_up_where_nothing_stands() -> None:
    said = "".join(random.Random(1).choices("abcdefgh", k=300))
    draft = Draft([ord(char) for char in TEXT])
    guessed = 0
    for end in range(1, 300):
        guess = draft.following([ord(char) for char in said[:end]], 24)
        guessed += len(guess)
        draft.learn(len(guess), 0)
    assert draft.is_off
    assert guessed < 600
    assert not Draft([]).following([1, 2], 24)


def test_the_words_of_a_page_as_the_answer_would_have_them() -> None:
    words = [
        Word("Net", (20, 10, 38, 20)), Word("sales", (41, 10, 65, 20)), Word("2024", (120, 11, 145, 21)),
        Word("zinc", (20, 30, 40, 40)), Word("12.5", (125, 30, 145, 40)), Word("x", (190, 30, 195, 40)),
        Word("Year", (20, 50, 40, 60)), Word("7", (140, 50, 145, 60)), Word("y", (190, 50, 195, 60)),
        Word("lead", (20, 70, 40, 80)), Word("z", (190, 70, 195, 80)),
    ]  # fmt: skip
    layout = page_part(1, 200.0, 100.0, MEDIUM).layout
    said = quoting.tables(words, layout, (1000, 1000))
    assert said == (
        '{"tables":[{"caption":null,"box":[100,100,975,800],"header_rows":1,"rows":[["Net sales","2024",""],'
        '["zinc","12.5","x"],["Year","7","y"],["lead","","z"]],"spans":[]}]}'
    )
    assert quoting.tables([], layout, (1000, 1000)) == ""


@pytest.mark.parametrize("in_step", [False, True])
def test_guesses_change_no_token(loaded: Loaded, in_step: bool) -> None:
    """Guesses that are right, wrong in the middle, and wrong at once; in passes, and in steps of a fixed width."""
    ours = Ours(loaded)
    (prefix,) = ours.read([page(1)])
    plain = [ours.answers([([page(1)], prefix, text)], limit=40)[0] for text in QUESTIONS]
    sources = [plain[0], plain[1][:10] + plain[0], plain[2][::-1], [], plain[4][:1] + plain[4][2:]]
    writings = [
        generate.Writing(ours.decoder, prefix, ours.question([page(1)], text), None, 40, draft=Draft(source))
        for text, source in zip(QUESTIONS, sources, strict=True)
    ]
    answer(
        ours.decoder, writings, ours.grammars, end=ours.tokens.end, forbidden=ours.tokens.forbidden, in_step=in_step,
        on_tokens=lambda _: None,
    )  # fmt: skip
    assert [writing.written for writing in writings] == plain
    assert writings[0].n_passes < 40 / (5 if in_step else 10)
    assert writings[3].n_passes >= len(plain[3])


def test_summaries_and_scenes_quote_and_say_the_same(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts of pages and subtitles as sources: of random weights, what they said without them."""
    video = Video(
        VideoInfo(9.0, 1280, 720, 1.0, 9, 0.0, ""), (Shot(0.0, 9.0, "start", 0.0, 0.0),), (None,), (Cue(1.0, 2.0, ""),)
    )  # fmt: skip
    film = SeenVideo(video, (2.0, 6.0), (frame(2), frame(6)), ("scenes", "summary"))
    report = SeenDocument(None, (1, 2), (page(1), page(2)), ("summary",), texts=("", ""))

    def said(model: AriaModel, heard: str, texts: tuple[str, str]) -> list[str]:
        engine = ChatEngine(model, answer_tokens=60)
        cues = (Cue(1.0, 2.0, heard),)
        reads = engine.read_video(replace(film, video=replace(video, cues=cues)))
        reads += engine.read_document(replace(report, texts=texts))
        return [read.answer or "" for read in reads]

    plain = said(AriaModel(loaded, drafts=False), "", ("", ""))
    scenes, summary, of_pages = plain
    drafts = []
    learn = Draft.learn
    monkeypatch.setattr(Draft, "learn", lambda self, *counts: (drafts.append(self), learn(self, *counts))[1])
    # What they will say, with words of others around it: most of it stands.
    guessed = said(AriaModel(loaded), f"Fog. {scenes} Ships. {summary}", ("The harbour.", f"Grew. {of_pages}"))
    assert guessed == plain
    assert sum(draft.n_stood for draft in set(drafts)) > 60
    assert said(AriaModel(loaded), "Nothing of it.", ("Other", "words")) == plain


ROWS = [["Metal", "Yield", "Share"], ["zinc", "12.5", "40%"], ["argon", "-7", "1,234"], ["lynx", "88.0", "$56"]]


def small_page(number: int) -> SeenPage:
    """A page with a table as tests/data/tiny_aria reads them, other numbers on each."""
    import numpy as np
    import pymupdf

    random_ = random.Random(number)
    with pymupdf.open() as document:
        made = document.new_page(width=300, height=200)
        for row, cells in enumerate(ROWS):
            for col, text in enumerate(cells):
                said = str(random_.randint(1, 9999)) if row and col == 1 else text
                made.insert_text(
                    (20 + 90 * col, 50 + 30 * row), said, fontname="cobo" if row == 0 else "cour", fontsize=12
                )
        words = tuple(Word(word[4], tuple(word[:4])) for word in made.get_text("words"))
        part = page_part(1, 300.0, 200.0, MEDIUM)
        width, height = part.layout.size_px
        shot = made.get_pixmap(matrix=pymupdf.Matrix(width / 300, height / 200), alpha=False)
    picture = np.frombuffer(shot.samples, np.uint8).reshape(shot.height, shot.width, 3)[:height, :width]
    return SeenPage(Page(1, 300.0, 200.0, "", words=words), Shown(part, crops(picture, part.layout), "p"), ("tables",))


def test_an_aria_that_reads_takes_a_third_of_the_passes_and_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load(Path(__file__).parents[2] / "data" / "tiny_aria")
    loaded.network.float()
    pages = [small_page(number) for number in range(4)]
    finished: dict[bool, list[Any]] = {False: [], True: []}
    choose = generate.Writing.choose
    answers = {}
    for drafts in (False, True):

        def counted(self: Any, *given: Any, drafts: bool = drafts) -> None:
            choose(self, *given)
            if self.done:
                finished[drafts].append(self)

        monkeypatch.setattr(generate.Writing, "choose", counted)
        engine = ChatEngine(AriaModel(loaded, drafts=drafts))
        answers[drafts] = [read.answer for [read] in engine.read_pages(pages)]
    assert answers[True] == answers[False]
    assert len(set(answers[True])) == 4
    tokens = sum(len(writing.written) for writing in finished[True])
    assert sum(writing.n_passes for writing in finished[True]) <= 0.35 * tokens
    assert sum(writing.n_passes for writing in finished[False]) > 0.9 * tokens
