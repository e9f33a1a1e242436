"""How pages and frames come to be shown: which frames, with which words, at which resolution. Told in this process."""

import numpy as np
import pytest

from aria_docs.errors import BudgetError
from aria_docs.ingest import sandbox
from aria_docs.media import Cue, DocumentInfo, Frame, Shot, VideoInfo
from aria_docs.model.chat_model import Encoded
from aria_docs.model.engine import ModelId
from aria_docs.model.seen import SeenDocument, SeenPage, SeenVideo
from aria_docs.reading import show as showing
from aria_docs.reading.messages import Begun, Job, Look, ReadPages, ShowPages
from aria_docs.schemas.readings import Finished
from aria_docs.tiling.pixels import Crop
from tests.conftest import make_pdf

EVERY_S = [float(second) for second in range(100)]
EVERY_MINUTE = [60.0 * minute for minute in range(150)]  # two hours and a half


@pytest.fixture
def tell(monkeypatch):
    """What a child says of a file that it shows for these tasks."""
    monkeypatch.setattr(sandbox, "allow_cpu", lambda seconds: None)

    def told(path, *requests, tasks=("tables", "summary"), profile="aria", context=65_536, **look):
        looked = Look(profile, context, "What is there?", min(4_096, context // 2), **look)
        recipes = dict.fromkeys(tasks, "0" * 16)
        job = Job(str(path), "0" * 32, "run", "aria", recipes, 60.0, look=looked, model=ModelId("m", "1"))
        show = showing.show_document if path.suffix == ".pdf" else showing.show_video
        return list(show(job, requests))

    return told


def of_kind(answers, kind):
    return [answer for answer in answers if isinstance(answer, kind)]


@pytest.mark.parametrize(
    ("times_s", "n", "asked", "expected"),
    [
        (EVERY_S, 4, None, [12, 37, 62, 87]),  # the middles of four bins
        (EVERY_S[:3], 4, None, [0, 1, 2]),
        (EVERY_MINUTE, 2, None, [12, 37, 62, 87, 112, 137]),  # three begun hours, two of each
        (EVERY_MINUTE, 2, 2, [37, 112]),  # so many were asked for, in one window
        ([], 4, None, []),
    ],
)
def test_which_frames(times_s, n, asked, expected) -> None:
    assert showing._choose(times_s, [0.0], n, "uniform", asked) == expected


def test_every_shot_has_its_share_in_every_window() -> None:
    chosen = showing._choose(EVERY_S, [0.0, 90.0], 2, "shots", None)
    assert [index >= 90 for index in chosen] == [False, True]
    long = showing._choose(EVERY_MINUTE, [0.0, 60.0 * 148], 2, "shots", None)
    assert len(long) == 6
    assert max(long) >= 148, "the last shot is shown, short as it is"


def test_no_frame_is_shown_on_the_way_from_one_shot_to_the_next() -> None:
    shots = [Shot(0, 4, "start", 0, 0), Shot(4, 8, "dissolve", 3, 5), Shot(8, 10, "cut", 8, 8)]
    assert showing.settle([0.0, 2, 2.5, 3, 4, 4.9, 5, 5.5, 8, 9], shots) == [0, 2, 2.5, 5.5, 8, 9]
    short = [Shot(0, 4, "start", 0, 0), Shot(4, 5.2, "wipe", 3, 4.8), Shot(5.2, 9, "cut", 5.2, 5.2)]
    assert showing.settle([2.5, 4.85, 5, 6], short) == [2.5, 5, 6]


def test_nothing_is_shown_twice_nor_what_is_made_up() -> None:
    def frame(time_s, grey, damaged=False):
        pixels = np.full((90, 160, 3), grey, np.uint8)
        pixels[40:56, 40:48] = grey // 2  # so much is a letter
        return Frame(time_s, pixels, damaged)

    def told(*frames):
        return [frame.time_s for frame in showing.distinct(frames)]

    slide = [frame(second, 200 + second % 2) for second in range(5)]  # as compression leaves it
    assert told(*slide, frame(5, 20), frame(6, 200), frame(6, 200)) == [0, 4, 5, 6]
    assert told(frame(0, 9, damaged=True), frame(1, 50), frame(2, 90, damaged=True), frame(3, 120)) == [1, 3]
    assert told(frame(0, 9, damaged=True), frame(1, 50, damaged=True)) == [0]
    typed = frame(1, 200)
    typed.pixels[40:56, 56:64] = 100
    assert told(frame(0, 200), typed, frame(2, 200)) == [0, 1, 2]


def test_words_stand_before_the_frame_that_follows() -> None:
    said = [Cue(2.0, 3.0, "a"), Cue(11.0, 12.0, "b\n c"), Cue(19.0, 20.0, "d"), Cue(25.0, 26.0, "e")]
    assert showing._with_words([10.0, 20.0], said) == ["a\n", "b c\nd\ne\n"]
    assert showing._with_words([10.0, 20.0], []) == ["", ""]


def test_a_page_is_rendered_once_at_the_size_of_its_grid(tell, tmp_path, monkeypatch) -> None:
    from aria_docs.ingest import pdf

    def render_to(self, number, size_px):
        picture = render(self, number, size_px)
        rendered.append((size_px, picture.shape))
        return picture

    rendered, render = [], pdf.OpenPdf.render_to
    monkeypatch.setattr(pdf.OpenPdf, "render_to", render_to)
    path = make_pdf(tmp_path / "a.pdf", 2, tables=(1,))
    answers = tell(path, ReadPages((1, 2)), tasks=("tables",), pages=("tables",))
    assert isinstance(of_kind(answers, DocumentInfo)[0], DocumentInfo)
    [first, _] = of_kind(answers, SeenPage)
    assert rendered == [((1960, 2940), (2940, 1960, 3))] * 2
    assert [crop.pixels.shape for crop in first.shown.crops[1:]] == [(980, 980, 3)] * 6
    assert all(isinstance(crop, Crop) for crop in first.shown.crops)
    assert min(crop.pixels.min() for crop in first.shown.crops) < 60, "there is ink"
    assert first.page.words[0].text == "Sales"
    assert [part.pages[0].page for part in of_kind(answers, Finished)] == [1, 2], "the text comes first"


def test_a_whole_document_is_shown_as_sharply_as_one_window_holds(tell, tmp_path) -> None:
    path = make_pdf(tmp_path / "a.pdf", 3)
    modes = {}
    for context in (65_536, 9_500, 4_096, 600):
        request = ShowPages((1, 3), "pages that could not be read: 2", ("Sales", "Costs"))
        [seen] = of_kind(tell(path, request, document=("summary",), context=context), SeenDocument)
        modes[context] = str(seen.shown[0].part.layout.mode)
    assert seen.pages == (1, 3)
    assert seen.note == "pages that could not be read: 2"
    assert seen.texts == ("Sales", "Costs")
    assert modes == {65_536: "ultra", 9_500: "ultra", 4_096: "high", 600: "medium"}


def test_more_pages_than_a_model_is_shown_are_told_of(tell, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(showing, "MAX_WHOLE_PAGES", 2)
    path = make_pdf(tmp_path / "a.pdf", 3)
    [seen] = of_kind(tell(path, ShowPages((1, 2, 3)), document=("summary",), resolution="medium"), SeenDocument)
    assert seen.pages == (1, 2)
    assert seen.note == "only the first 2 of 3 pages were shown"


def test_a_server_is_sent_pictures(tell, tmp_path) -> None:
    path = make_pdf(tmp_path / "a.pdf", 1)
    [seen] = of_kind(tell(path, ReadPages((1,)), pages=("tables",), profile="plain"), SeenPage)
    assert all(isinstance(crop, Encoded) and crop.data[:2] == b"\xff\xd8" for crop in seen.shown.crops)


def test_frames_are_exact_and_small(tell, video) -> None:
    answers = tell(video, tasks=("scenes", "summary"), video=("scenes", "summary"), frames=6)
    [seen] = of_kind(answers, SeenVideo)
    assert [begun.stage for begun in of_kind(answers, Begun)] == ["open", "shots", "frames"]
    assert isinstance(of_kind(answers, VideoInfo)[0], VideoInfo)
    assert len(seen.shown) == 6
    assert seen.times_s == tuple(sorted(seen.times_s))
    # 24 a second: bins of half a second, the frame on the screen at their middles
    np.testing.assert_allclose(seen.times_s, [0.25, 0.75, 1.25, 1.75, 2.25, 2.75], atol=1 / 24)
    assert all(max(one.crops[0].pixels.shape) == 490 for one in seen.shown)
    assert seen.shown[0].part.label == "The harbour of Bergen lies in the fog.\n[00:00.2]"
    assert len(seen.video.shots) == 2


def test_a_summary_alone_looks_for_no_shots(tell, video) -> None:
    answers = tell(video, tasks=("summary",), video=("summary",), frames=2)
    assert "shots" not in [begun.stage for begun in of_kind(answers, Begun)]
    assert len(of_kind(answers, SeenVideo)[0].video.shots) == 1


def test_frames_that_do_not_fit_are_refused_with_the_ways_out(tell, video) -> None:
    with pytest.raises(BudgetError, match="medium resolution"):
        tell(video, tasks=("scenes",), video=("scenes",), frames=72, resolution="high", context=16_384)


def test_a_pdf_without_a_page_has_a_reading_for_each_task(tell, tmp_path, monkeypatch) -> None:
    from aria_docs.ingest import pdf

    path = make_pdf(tmp_path / "a.pdf", 1)
    monkeypatch.setattr(pdf, "_info", lambda path, handle: DocumentInfo(0))
    readings = [part.reading for part in of_kind(tell(path, pages=("tables",), document=("summary",)), Finished)]
    assert [(row.task, row.part, row.status, row.note) for row in readings] == [
        ("tables", "document", "ok", "0 pages"), ("summary", "document", "ok", "0 pages"),
    ]  # fmt: skip
