"""The chat engine over a model that says what it is told to: known answers, and what it was asked."""

import json
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aria_docs.errors import BudgetError, ModelError
from aria_docs.media import Cue, Page, Shot, Video, VideoInfo, Word
from aria_docs.model import custom as customs
from aria_docs.model.chat import ChatEngine
from aria_docs.model.chat_model import Reply, Shown
from aria_docs.model.profiles import Profile
from aria_docs.model.seen import SeenDocument, SeenPage, SeenVideo
from aria_docs.prompts import AGAIN, SCENES, SUMMARY, TABLES, VIDEO_SUMMARY
from aria_docs.schemas.answers import DocumentSummaryAnswer, ScenesAnswer, SpanAnswer, TablesAnswer, VideoSummaryAnswer
from aria_docs.tiling.budget import ANSWER_TOKENS, frame_part, page_part, upper_bound
from aria_docs.tiling.resolution import MEDIUM, MODES

PROFILE = Profile("fake", MODES, lambda layout: layout.tokens)


@dataclass(eq=False)
class FakeContext:
    shown: list
    closed: int = 0

    def close(self) -> None:
        self.closed += 1


@dataclass
class FakeModel:
    """Gives the replies it is made with, in order; a text is a reply that ended, an error is raised."""

    replies: list
    profile: Profile = PROFILE
    name: str = "aria"
    model: str = "fake"
    revision: str | None = "7"
    lanes: int = 1
    contexts: list = field(default_factory=list)
    calls: list = field(default_factory=list)

    count = staticmethod(upper_bound)

    def open(self, shown):
        self.contexts.append(FakeContext(list(shown)))
        return self.contexts[-1]

    def ask(self, asked, *, on_tokens=lambda _: None):
        assert not any(context.closed for context, _ in asked)
        self.calls.append([(self.contexts.index(context), question) for context, question in asked])
        on_tokens(len(asked))
        said = [self.replies.pop(0) for _ in asked]
        for one in said:
            if isinstance(one, Exception):
                raise one
        return [one if isinstance(one, Reply) else Reply(dumped(one), ended=True) for one in said]

    def close(self) -> None: ...

    @property
    def questions(self):
        return [question for call in self.calls for _, question in call]


def dumped(said) -> str:
    return said if isinstance(said, str) else json.dumps(said)


def cut(said) -> Reply:
    return Reply(dumped(said), ended=False)


def seen_page(number=1, *texts, tasks=("tables",), note=None) -> SeenPage:
    words = tuple(
        Word(text, (100.0 * x, 20.0 * y, 100.0 * x + 40, 20.0 * y + 10))
        for y, line in enumerate(texts, 1)
        for x, text in enumerate(line.split(), 1)
    )
    shown = Shown(page_part(number, 595.0, 842.0, MEDIUM), (), f"page {number}")
    return SeenPage(Page(number, 595.0, 842.0, "", words, note=note), shown, tasks)


def a_table(*rows, caption=None, spans=(), header_rows=1, box=(0, 0, 500, 500)):
    return {
        "caption": caption,
        "box": list(box),
        "header_rows": header_rows,
        "rows": [row.split(" ") for row in rows],
        "spans": [dict(zip(("row", "col", "rows", "cols"), span, strict=True)) for span in spans],
    }


def texts(table) -> list[list[str]]:
    rows = [[""] * table.n_cols for _ in range(table.n_rows)]
    for cell in table.cells:
        rows[cell.row][cell.col] = cell.text
    return rows


# Pages


def test_tables_of_pages_are_asked_together_and_found_on_their_pages() -> None:
    pages = [seen_page(1, "Year km", "2019 1,234"), seen_page(2), seen_page(3, "Year km", "2019 7", note="half of it")]
    table = a_table("Year km", "2019 1,234", caption=" Trade\n")
    model = FakeModel([{"tables": [table]}, {"tables": []}, {"tables": [table]}])
    on_tokens = []
    reads = ChatEngine(model).read_pages(pages, on_tokens=on_tokens.append)
    assert [[read.task for read in of_page] for of_page in reads] == [["tables"]] * 3
    [found] = reads[0][0].tables
    assert (found.n_rows, found.n_cols, found.n_header_rows, found.caption) == (2, 2, 1, "Trade")
    assert [(cell.text, cell.number, cell.is_header) for cell in found.cells] == [
        *(("Year", None, True), ("km", None, True), ("2019", 2019, False), ("1,234", 1234, False))
    ]
    assert found.grounded == 1.0 and found.box == (100, 20, 240, 50)
    assert found.confidence and all(cell.confidence for cell in found.cells)
    assert reads[1][0].tables == () and reads[1][0].note is None
    assert reads[2][0].tables[0].grounded == 0.75 and reads[2][0].note == "half of it"
    assert json.loads(reads[0][0].answer) == {"tables": [table]}
    [call] = model.calls
    assert [at for at, _ in call] == [0, 1, 2] and on_tokens == [3]
    question = call[0][1]
    assert (question.text, question.max_tokens) == (TABLES, ANSWER_TOKENS)
    schema = json.loads(question.schema)
    assert "$defs" not in schema and "$ref" not in question.schema and schema["additionalProperties"] is False
    assert [context.closed for context in model.contexts] == [1, 1, 1]


def test_a_scan_without_words_is_grounded_nowhere() -> None:
    [[read]] = ChatEngine(FakeModel([{"tables": [a_table("Year km", "2019 7", box=(100, 100, 600, 200))]}])).read_pages(
        [seen_page()]
    )
    [table] = read.tables
    assert not any(cell.grounded for cell in table.cells) and table.grounded == 0.0
    assert table.box == pytest.approx((59.5, 84.2, 357.0, 168.4))


def test_boxes_in_pixels_where_the_profile_says_so() -> None:
    profile = replace(PROFILE, boxes="pixels")
    seen = seen_page()
    across, down = seen.shown.part.layout.overview_px
    table = a_table("a", "b", box=(0, 0, across, down // 2))
    [[read]] = ChatEngine(FakeModel([{"tables": [table]}], profile=profile)).read_pages([seen])
    assert read.tables[0].box == pytest.approx((0, 0, 595, 421), abs=1)


def test_ragged_rows_spans_and_empty_tables() -> None:
    ragged = a_table("Trade ", "2019 2020", "5", spans=[(0, 0, 1, 2), (0, 1, 2, 1), (9, 9, 9, 9)])
    model = FakeModel([{"tables": [a_table(), ragged, a_table("", "")]}])
    [[read]] = ChatEngine(model).read_pages([seen_page()])
    [table] = read.tables
    assert texts(table) == [["Trade", ""], ["2019", "2020"], ["5", ""]]
    assert table.cells[0].col_span == 2 and len(table.cells) == 5


def test_an_answer_cut_off_is_asked_for_again_with_more_room() -> None:
    whole = {"tables": [a_table("Year km", "2019 7")]}
    model = FakeModel([cut(json.dumps(whole)[:-9]), {"tables": []}, whole])
    reads = ChatEngine(model).read_pages([seen_page(1), seen_page(2)])
    assert [len(of_page[0].tables) for of_page in reads] == [1, 0]
    assert reads[0][0].note is None and reads[0][0].answer == json.dumps(whole)
    first, second = model.calls
    assert [at for at, _ in first] == [0, 1] and [at for at, _ in second] == [0]
    again = second[0][1]
    assert again.text == f"{TABLES}\n{AGAIN}" and again.max_tokens == 4 * ANSWER_TOKENS
    assert again.schema == first[0][1].schema


def test_the_second_answer_has_what_the_window_leaves() -> None:
    profile = replace(PROFILE, context=3000)
    model = FakeModel([cut(""), cut("")], profile=profile)
    ChatEngine(model).read_pages([seen_page()])
    first, second = model.questions
    assert first.max_tokens == 1500  # half the window
    prompt = upper_bound(f"<|im_start|>user\nPage 1: <fim_prefix><fim_suffix>\n{TABLES}\n{AGAIN}<|im_end|>\n")
    assert 1500 < second.max_tokens < 3000 - 128 - prompt


def test_asking_again_never_asks_for_more_than_the_window() -> None:
    seen = seen_video(a_video(), [float(second) for second in range(4)])
    parts = [shown.part for shown in seen.shown]
    full = replace(PROFILE, context=PROFILE.budget(SCENES, answer=400).tokens(parts))
    model = FakeModel([cut(""), cut("")], profile=full)
    ChatEngine(model, answer_tokens=400).read_video(seen)
    first, second = model.questions
    assert len(model.contexts) == 1 and first.max_tokens == 400
    assert full.budget(second.text, answer=second.max_tokens).tokens(parts) <= full.context
    assert second.max_tokens > 250


def test_what_was_said_whole_is_kept_of_an_answer_cut_off_twice() -> None:
    text = json.dumps({"tables": [a_table("Year km", "2019 7"), a_table("Port t", "Ulm 5", "Bonn 6")]})
    long, short = cut(text[: text.index("Bonn")]), cut(text[:50])
    for replies, kept in (([long, short], 2), ([short, long], 2), ([cut(""), cut("I cannot")], 0)):
        [[read]] = ChatEngine(FakeModel(replies)).read_pages([seen_page()])
        assert len(read.tables) == kept
        rest = "what was said whole is kept" if kept else "nothing of it can be kept"
        assert read.note == f"the answer was cut off at its token limit, twice: {rest}"
        if kept:
            assert texts(read.tables[1]) == [["Port", "t"], ["Ulm", "5"]] and read.answer == long.text


def test_an_answer_that_does_not_fit_is_asked_for_again_and_its_fitting_parts_kept() -> None:
    bad = a_table("Year km", "2019 7", spans=[(0, 0, 1, 1)])
    bad["rows"].insert(1, ["x", 5])
    bad["box"] = [1]
    [[read]] = ChatEngine(FakeModel([{"tables": [bad, "no table"]}] * 2)).read_pages([seen_page()])
    [table] = read.tables
    assert texts(table) == [["Year", "km"], ["2019", "7"]] and table.box == (0, 0, 595, 842)
    assert read.note.startswith("the answer does not fit its form (tables.0.box") and "twice" in read.note


def test_every_byte_of_an_answer_cut_off() -> None:
    page = seen_page(1, "Year km", "2019 12")
    whole = {"tables": [a_table("Year km", "2019 12", caption="A 1"), a_table("2020 34", spans=[(0, 0, 1, 2)])]}
    text = json.dumps(whole)
    rows = {tuple(row) for table in whole["tables"] for row in table["rows"]}
    for length in range(len(text)):
        [[read]] = ChatEngine(FakeModel([cut(text[:length])] * 2)).read_pages([page])
        assert read.note
        for table in read.tables:
            assert {tuple(row) for row in texts(table)} <= rows
            assert table.caption in (None, "A 1")
    assert len(read.tables) == 2


def test_costs_are_added_up() -> None:
    first = Reply("{", True, input_tokens=10, output_tokens=1, prefill_s=1.0, decode_s=2.0, peak_bytes=70)
    second = Reply('{"tables": []}', True, input_tokens=12, output_tokens=3, prefill_s=0.5, decode_s=1.0, peak_bytes=60)
    [[read]] = ChatEngine(FakeModel([first, second])).read_pages([seen_page()])
    costs = (read.input_tokens, read.output_tokens, read.prefill_s, read.decode_s, read.peak_bytes)
    assert costs == (22, 4, 1.5, 3.0, 70)
    [[read]] = ChatEngine(FakeModel([{"tables": []}])).read_pages([seen_page()])
    assert (read.input_tokens, read.prefill_s, read.peak_bytes) == (None, None, None)


def test_no_page_is_no_question() -> None:
    assert ChatEngine(FakeModel([])).read_pages([]) == []


def test_errors_go_up_and_contexts_are_closed() -> None:
    model = FakeModel([ModelError("no memory")])
    with pytest.raises(ModelError):
        ChatEngine(model).read_pages([seen_page()])
    assert [context.closed for context in model.contexts] == [1]
    small = replace(PROFILE, context=300)
    with pytest.raises(BudgetError):
        ChatEngine(FakeModel([], profile=small)).read_pages([seen_page()])


# Documents


def a_summary(title="T", language="en", text="Text.", points=()):
    points = [{"text": words, "page": page} for words, page in points]
    return {"title": title, "language": language, "text": text, "key_points": points}


def seen_document(n, *, first=1, tasks=("summary",), note=None) -> SeenDocument:
    numbers = tuple(range(first, first + n))
    shown = tuple(Shown(page_part(number, 595.0, 842.0, MEDIUM), (), str(number)) for number in numbers)
    return SeenDocument("Claimed", numbers, shown, tasks, note)


def test_a_summary_names_no_page_that_was_not_shown() -> None:
    said = a_summary(points=[("One", 5), ("Two", 1), ("Three", 99), (" ", 5)])
    [read] = ChatEngine(FakeModel([said])).read_document(seen_document(2, first=5, note="page 7 is damaged"))
    assert (read.summary.title, read.summary.language, read.summary.text) == ("T", "en", "Text.")
    assert [(point.text, point.page) for point in read.summary.key_points] == [
        ("One", 5),
        ("Two", None),
        ("Three", None),
    ]
    assert read.note == "page 7 is damaged" and read.answer == json.dumps(said)


def test_a_long_document_is_read_in_windows_that_overlap() -> None:
    profile = replace(PROFILE, max_images=3)
    said = [a_summary("", points=[("One", 1)]), a_summary("B", "de", "Mehr.", [("one", 3), ("Two", 5)])]
    model = FakeModel(list(said), profile=profile)
    [read] = ChatEngine(model).read_document(seen_document(5))
    assert [[one.key for one in context.shown] for context in model.contexts] == [["1", "2", "3"], ["3", "4", "5"]]
    assert (read.summary.title, read.summary.language, read.summary.text) == ("B", "en", "Text.\n\nMehr.")
    assert [(point.text, point.page) for point in read.summary.key_points] == [("One", 1), ("Two", 5)]
    assert json.loads(read.answer) == [json.dumps(one) for one in said]
    assert [context.closed for context in model.contexts] == [1, 1]


def test_what_an_answer_may_quote_is_of_its_own_window() -> None:
    """Pages' texts, and what is said while its frames are shown: guesses for a model that drafts."""
    model = FakeModel([a_summary(), a_summary()], profile=replace(PROFILE, max_images=3))
    seen = replace(seen_document(5), texts=("One\n\npage", "two", "three", "four", "five"))
    ChatEngine(model).read_document(seen)
    assert [question.quoted for question in model.questions] == ["One page two three", "three four five"]
    video = replace(
        a_video(end=300.0), cues=(Cue(1.0, 2.0, "Fog."), Cue(149.0, 151.0, "Ships."), Cue(150.0, 151.0, "Sun."))
    )
    times = [float(second) for second in range(300)]
    model = FakeModel([{"scenes": [a_scene("0:00", "5:00")]}] * 2)
    ChatEngine(model).read_video(seen_video(video, times))
    assert [question.quoted for question in model.questions] == ["Fog. Ships.", "Sun."]


def test_a_window_that_fails_is_named() -> None:
    profile = replace(PROFILE, max_images=3)
    model = FakeModel([a_summary(), cut('{"title": "Half", "la'), cut("")], profile=profile)
    [read] = ChatEngine(model).read_document(seen_document(5))
    assert read.note == "pages 3–5: the answer was cut off at its token limit, twice: what was said whole is kept"
    assert read.summary.title == "T"


def test_nothing_said_is_no_summary() -> None:
    [read] = ChatEngine(FakeModel([a_summary("", "en", "")])).read_document(seen_document(1))
    assert read.summary is None and read.note is None
    [read] = ChatEngine(FakeModel([cut(""), cut("")])).read_document(seen_document(1))
    assert read.summary is None and read.note


# Videos


def a_video(*cuts, end=100.0, note=None) -> Video:
    edges = [0.0, *cuts, end]
    shots = tuple(Shot(start, stop, "cut" if start else "start", start, start) for start, stop in pairwise(edges))
    return Video(
        VideoInfo(end, 64, 36, 25.0, 2500, 0.0, "h264"), shots, tuple(b"%d" % s.start_s for s in shots), (), note
    )


def seen_video(video, times_s, tasks=("scenes",)) -> SeenVideo:
    shown = tuple(Shown(frame_part(time, 1280, 720, MEDIUM), (), str(time)) for time in times_s)
    return SeenVideo(video, tuple(times_s), shown, tasks)


def a_scene(start, end, title="A", description="D."):
    return {"start": start, "end": end, "title": title, "description": description}


def test_scenes_and_a_summary_of_one_video() -> None:
    scenes = {"scenes": [a_scene("0:40", "9:59", "B"), a_scene("0:00", "0:40"), a_scene("0:40", "0:41", "B", "D.")]}
    summary = {
        "title": "T",
        "language": "en",
        "text": "Text.",
        "key_points": [{"text": "a", "time": "0:12"}, {"text": "b", "time": "9:00"}],
    }
    model = FakeModel([scenes, summary])
    times = [float(second) for second in range(0, 100, 5)]
    reads = ChatEngine(model).read_video(seen_video(a_video(39.2, note="broken at 90 s"), times, ("scenes", "summary")))
    found = [(scene.start_s, scene.end_s, scene.title, scene.thumbnail) for scene in reads[0].scenes]
    assert found == [(0, 39.2, "A", b"0"), (39.2, 100, "B", b"39")]
    assert [(point.text, point.start_s) for point in reads[1].summary.key_points] == [("a", 12), ("b", 100)]
    assert [read.note for read in reads] == ["broken at 90 s"] * 2
    assert [read.frames for read in reads] == [tuple(times)] * 2
    assert [question.text for question in model.questions] == [SCENES, VIDEO_SUMMARY] and len(model.contexts) == 1


def test_more_frames_than_the_model_takes_are_read_in_windows() -> None:
    times = [float(second) for second in range(300)]
    first = {"scenes": [a_scene("0:00", "1:00"), a_scene("1:00", "4:00", "B")]}  # the window ends at 149.5 s
    second = {"scenes": [a_scene("0:10", "0:20", "gone"), a_scene("2:00", "3:00", "B"), a_scene("3:00", "5:00", "C")]}
    model = FakeModel([first, second])
    [read] = ChatEngine(model).read_video(seen_video(a_video(60.5, end=300.0), times))
    assert [len(context.shown) for context in model.contexts] == [150, 150]
    found = [(scene.start_s, scene.end_s, scene.title) for scene in read.scenes]
    assert found == [(0, 60.5, "A"), (60.5, 180, "B"), (180, 300, "C")]
    assert read.note is None and len(json.loads(read.answer)) == 2


@pytest.mark.parametrize(
    ("replies", "note"),
    [
        ([{"scenes": []}], "the model named no scene"),
        ([{"scenes": [a_scene("5:00", "6:00")]}], "the model named no scene"),
        (
            ["soon"] * 2,
            "the answer is no whole JSON object, twice: nothing of it can be kept; the model named no scene",
        ),
    ],
)
def test_nothing_sensible_is_one_scene(replies, note) -> None:
    [read] = ChatEngine(FakeModel(replies)).read_video(seen_video(a_video(50.0), [10.0, 90.0]))
    [scene] = read.scenes
    assert (scene.start_s, scene.end_s, scene.title, scene.transition) == (0, 100, None, "start")
    assert read.note == note


def test_a_window_that_names_no_scene_is_one_of_nothing_known() -> None:
    times = [float(second) for second in range(300)]
    model = FakeModel([{"scenes": [a_scene("0:00", "2:30")]}, {"scenes": []}])
    [read] = ChatEngine(model).read_video(seen_video(a_video(end=300.0), times))
    assert [(scene.start_s, scene.title) for scene in read.scenes] == [(0, "A"), (149.5, None)]
    assert read.note == "the model named no scene in 2:29–5:00"


def test_scenes_cut_off_at_every_byte() -> None:
    text = json.dumps({"scenes": [a_scene("0:00", "0:12"), a_scene("0:12", "0:47", "B"), a_scene("0:47", "1:40", "C")]})
    for length in range(len(text)):
        [read] = ChatEngine(FakeModel([cut(text[:length])] * 2)).read_video(seen_video(a_video(), [10.0, 90.0]))
        assert {scene.title for scene in read.scenes} <= {"A", "B", "C", None} and read.note
        assert {scene.start_s for scene in read.scenes} <= {0, 12, 47, 100}
        assert read.scenes[0].start_s == 0 and read.scenes[-1].end_s == 100


# A user's own schema

INVOICE = """
from pydantic import BaseModel
class Line(BaseModel):
    what: str
    price: float
class Invoice(BaseModel):
    '''An invoice.'''
    number: str | None = None
    lines: list[Line] = []
"""


@pytest.fixture
def invoice(tmp_path):
    path = tmp_path / "invoice.py"
    path.write_text(INVOICE)
    return customs.load(f"{path}:Invoice")


def test_a_custom_schema_per_page_beside_tables(invoice) -> None:
    said = {"number": "A 7", "lines": [{"what": "tea", "price": 2.5}]}
    model = FakeModel([{"tables": []}, {"tables": []}, said])
    pages = [seen_page(1, tasks=("tables", "invoice")), seen_page(2)]
    reads = ChatEngine(model, custom=invoice).read_pages(pages)
    assert [read.task for read in reads[0]] == ["tables", "invoice"]
    [record] = reads[0][1].records
    assert record.values == said
    assert [[at for at, _ in call] for call in model.calls] == [[0, 1], [0]] and len(model.contexts) == 2
    assert model.questions[2].text == invoice.question("page") and model.questions[2].schema == invoice.wire("page")


def test_a_custom_answer_over_windows_is_joined_and_validated_again(invoice) -> None:
    profile = replace(PROFILE, max_images=3)
    tea, rum = {"what": "tea", "price": 2.5}, {"what": "rum", "price": 9.0}
    model = FakeModel([{"number": None, "lines": [tea]}, {"number": "A 7", "lines": [tea, rum]}], profile=profile)
    [read] = ChatEngine(model, custom=invoice).read_document(seen_document(5, tasks=("invoice",)))
    [record] = read.records
    assert record.values == {"number": "A 7", "lines": [tea, rum]} and read.note is None


def test_a_custom_answer_cut_off_or_unfit(invoice) -> None:
    text = json.dumps({"number": "A 7", "lines": [{"what": "tea", "price": 2.5}, {"what": "rum", "price": 9.75}]})
    kept = []
    for length in range(len(text)):
        engine = ChatEngine(FakeModel([cut(text[:length])] * 2), custom=invoice)
        [read] = engine.read_document(seen_document(1, tasks=("invoice",)))
        assert read.note and len(read.records) <= 1
        kept += [(record.values["number"], len(record.values["lines"])) for record in read.records]
    assert set(kept) <= {("A 7", 0), ("A 7", 1), ("A 7", 2)} and ("A 7", 1) in kept
    unfit = {"number": "A 7", "lines": [{"what": "tea", "price": "dear"}]}
    [read] = ChatEngine(FakeModel([unfit] * 2), custom=invoice).read_document(seen_document(1, tasks=("invoice",)))
    assert read.note.startswith("the answer does not fit its form (") and "twice" in read.note


def test_custom_segments_stay_in_what_was_shown(invoice) -> None:
    segments = {"segments": [{"start": "0:10", "end": "9:00", "number": "A 7", "lines": []}]}
    model = FakeModel([segments])
    [read] = ChatEngine(model, custom=invoice).read_video(seen_video(a_video(), [10.0, 90.0], ("invoice",)))
    [record] = read.records
    assert (record.start_s, record.end_s, record.values["number"]) == (10, 100, "A 7") and read.frames == (10.0, 90.0)


# Whatever fits the form


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(["7", "2019", "Year", "1 234"])
SPAN = st.builds(
    SpanAnswer, row=st.integers(0, 6), col=st.integers(0, 6), rows=st.integers(1, 5), cols=st.integers(1, 5)
)
TABLE = st.fixed_dictionaries(
    {
        "caption": st.none() | TEXT,
        "box": st.lists(st.integers(0, 9999), min_size=4, max_size=4),
        "header_rows": st.integers(0, 20),
        "rows": st.lists(st.lists(TEXT, max_size=6), max_size=6),
        "spans": st.lists(SPAN, max_size=5),
    }
)


@settings(max_examples=150, deadline=None)
@given(st.lists(TABLE, max_size=3))
def test_any_tables_that_fit_keep_what_media_promises(tables) -> None:
    said = TablesAnswer.model_validate({"tables": tables}).model_dump_json()
    page = seen_page(1, "Year 7 7", "2019 7 1 234", "2019 Year")
    [[read]] = ChatEngine(FakeModel([said])).read_pages([page])
    assert read.note is None and read.answer == said
    for table in read.tables:
        covered = [
            (cell.row + down, cell.col + right)
            for cell in table.cells
            for down in range(cell.row_span)
            for right in range(cell.col_span)
        ]
        assert sorted(covered) == [(row, col) for row in range(table.n_rows) for col in range(table.n_cols)]
        assert 0 <= table.n_header_rows <= table.n_rows and any(cell.text for cell in table.cells)
        assert 0 <= table.box[0] < table.box[2] <= 595 and 0 <= table.box[1] < table.box[3] <= 842
        for cell in table.cells:
            assert cell.is_header == (cell.row < table.n_header_rows)
            assert (cell.box is not None) == (cell.grounded and bool(cell.text))
    boxes = [cell.box for table in read.tables for cell in table.cells if cell.box]
    assert len(boxes) == len(set(boxes))  # a word is no two cells'


CLOCK = st.builds("{}:{:02d}".format, st.integers(0, 3), st.integers(0, 59))
SCENE = st.fixed_dictionaries({"start": CLOCK, "end": CLOCK, "title": TEXT, "description": TEXT})


@settings(max_examples=100, deadline=None)
@given(st.lists(SCENE, max_size=8), st.sets(st.floats(1, 99), max_size=6))
def test_any_scenes_that_fit_are_gapless(scenes, cuts) -> None:
    said = ScenesAnswer.model_validate({"scenes": scenes}).model_dump_json()
    seen = seen_video(a_video(*sorted(cuts)), [float(second) for second in range(0, 100, 7)])
    [read] = ChatEngine(FakeModel([said])).read_video(seen)
    assert read.scenes[0].start_s == 0 and read.scenes[-1].end_s == 100
    assert all(a.end_s == b.start_s for a, b in pairwise(read.scenes))
    assert all(scene.start_s < scene.end_s for scene in read.scenes)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(TEXT, st.integers(1, 99_999)), max_size=5), st.lists(st.tuples(TEXT, CLOCK), max_size=5), TEXT
)
def test_any_summary_that_fits_names_what_was_shown(pages, times, text) -> None:
    said = a_summary("Title", "en", text, pages)
    model = FakeModel([DocumentSummaryAnswer.model_validate(said).model_dump_json()])
    [read] = ChatEngine(model).read_document(seen_document(3))
    assert {point.page for point in read.summary.key_points} <= {None, 1, 2, 3}
    said = {**said, "key_points": [{"text": words, "time": clock} for words, clock in times]}
    model = FakeModel([VideoSummaryAnswer.model_validate(said).model_dump_json()])
    [read] = ChatEngine(model).read_video(seen_video(a_video(), [10.0], ("summary",)))
    assert all(0 <= point.start_s <= 100 for point in read.summary.key_points)


def test_the_document_is_asked_for_its_summary() -> None:
    model = FakeModel([a_summary()])
    ChatEngine(model).read_document(seen_document(2))
    assert model.questions[0].text == SUMMARY
