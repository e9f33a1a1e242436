"""The contract of an engine, over every engine that can run here."""

import io

import pytest
from PIL import Image

from aria_docs.errors import EngineError, UsageError
from aria_docs.media import Cue, Page, Shot, TableCandidate, TableCell, Video, VideoInfo, Word
from aria_docs.model import choice as choices
from aria_docs.model.choice import choose, load
from aria_docs.model.engine import TASKS, Engine

ENGINES = ("embedded",)

CELLS = tuple(
    TableCell(row, col, text, box=(100.0 * col, 20.0 * row, 100.0 * col + 90, 20.0 * row + 15))
    for row, texts in enumerate((("Item", "2024", "2025"), ("Fares", "1,204.5", "(12)"), ("Freight", "310", "45 %")))
    for col, text in enumerate(texts)
)
WORDS = tuple(Word(cell.text, cell.box) for cell in CELLS if cell.box)
PAGE = Page(
    1, 595.0, 842.0, "\n".join(cell.text for cell in CELLS), WORDS,
    (TableCandidate((0.0, 0.0, 300.0, 60.0), 3, 3, 1, CELLS),),
)  # fmt: skip


def jpeg(grey: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (32, 18), (grey, grey, grey)).save(out, "JPEG")
    return out.getvalue()


SHOTS = (
    Shot(0.0, 4.0, "start", 0.0, 0.0),
    Shot(4.0, 10.0, "cut", 4.0, 4.0),
)
VIDEO = Video(
    VideoInfo(10.0, 640, 360, 25.0, 250, 0.0, "h264"), SHOTS, (jpeg(40), None),
    cues=(Cue(1.0, 2.0, "A ferry leaves the harbour."), Cue(5.0, 7.0, "The captain speaks.")),
)  # fmt: skip


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    return load(request.param)


def test_an_engine_says_who_answers(engine: Engine) -> None:
    assert engine.name in ENGINES
    for task in TASKS:
        model = engine.model_id(task)
        assert model == engine.model_id(task), "the same answerer has the same recipe"
        assert model.model
        assert model.revision


def test_tables_keep_the_grid_and_read_the_numbers(engine: Engine) -> None:
    [table] = engine.tables(PAGE)
    assert (table.n_rows, table.n_cols) == (3, 3)
    at = {(cell.row, cell.col): cell for cell in table.cells}
    assert at[0, 1].text == "2024"
    assert [at[1, 1].number, at[1, 2].number, at[2, 1].number, at[2, 2].number] == [1204.5, -12, 310, 45]
    assert at[1, 0].number is None
    assert table.grounded == 1.0
    assert table.confidence and all(cell.confidence for cell in table.cells)
    assert not engine.tables(Page(2, 595.0, 842.0, "No table here.", (Word("No", (0, 0, 9, 9)),)))


def test_scenes_are_gapless_and_invent_nothing(engine: Engine) -> None:
    scenes = engine.scenes(VIDEO, group=False)
    assert [(scene.start_s, scene.end_s) for scene in scenes] == [(0.0, 4.0), (4.0, 10.0)]
    assert [scene.transition for scene in scenes] == ["start", "cut"]
    assert [scene.description for scene in scenes] == ["A ferry leaves the harbour.", "The captain speaks."]
    assert scenes[0].thumbnail == jpeg(40)
    silent = Video(VIDEO.info, SHOTS, (None, None))
    assert [scene.description for scene in engine.scenes(silent, group=False)] == [None, None]
    grouped = engine.scenes(VIDEO, group=True)
    assert grouped[0].start_s == 0.0
    assert grouped[-1].end_s == 10.0
    assert len(grouped) <= 2


def test_summaries_name_where_they_come_from(engine: Engine) -> None:
    pages = [
        (3, "# Ferries\n\nThe company runs nine ferries across the fjord. Each ferry carries two hundred people."),
        (4, "Passenger numbers rose by a tenth in the past year. The company will order a new electric ferry."),
    ]
    summary = engine.summarise_document(pages, title=None)
    assert summary
    assert summary.text
    assert {point.page for point in summary.key_points} <= {3, 4}
    assert engine.summarise_document([(1, "")], title=None) is None
    spoken = engine.summarise_video(VIDEO.cues)
    assert spoken
    assert {point.start_s for point in spoken.key_points} <= {1.0, 5.0}
    assert engine.summarise_video(()) is None


def test_an_engine_that_is_none() -> None:
    with pytest.raises(EngineError, match="'embedded'"):
        load("nonesuch")
    assert choose("auto").engine in ENGINES
    assert choose("embedded").engine == "embedded"


@pytest.mark.parametrize(
    ("card", "weights", "servers", "expected"),
    [
        (True, True, (), ("aria", "a CUDA device and weights are here")),
        (True, True, ("http://gpu/v1",), ("aria", "a CUDA device and weights are here")),
        (True, False, ("http://gpu/v1",), ("remote", "a server is named, and no rhymes-ai/Aria here")),
        (False, True, ("http://gpu/v1",), ("remote", "a server is named, and no CUDA device here")),
        (True, False, (), ("embedded", "no rhymes-ai/Aria here, and no server named")),
        (False, True, (), ("embedded", "no CUDA device here, and no server named")),
    ],
)
def test_auto_takes_the_best_that_is_there(monkeypatch, card, weights, servers, expected) -> None:
    monkeypatch.setattr(choices, "_has_card", lambda: card)
    monkeypatch.setattr(choices, "_are_here", lambda model: weights)
    assert choices._best(None, servers) == expected


@pytest.mark.parametrize(
    ("asked", "options", "sentence"),
    [
        ("embedded", {"model": "x"}, "--model is for"),
        ("embedded", {"servers": ("http://gpu/v1",)}, "--server is for"),
        ("aria", {"servers": ("http://gpu/v1",)}, "--server and --profile are for"),
        ("remote", {}, "needs a server"),
    ],
)
def test_options_of_another_engine_are_refused(asked, options, sentence) -> None:
    with pytest.raises(UsageError, match=sentence):
        choose(asked, **options)


@pytest.mark.parametrize("option", ["revision", "device"])
def test_a_revision_and_a_device_are_for_aria(option: str) -> None:
    with pytest.raises(UsageError, match=f"--{option} is for Aria on this machine, and embedded reads"):
        choose("embedded", **{option: "cpu"})
