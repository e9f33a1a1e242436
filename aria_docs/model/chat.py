"""A vision-language engine over a `ChatModel`: contexts, questions, answers, and what becomes of them.

Knows no file, no store, no torch and no HTTP. What a model says is validated (recovery.py), its cells are found among
the page's own words (grounding.py), its scenes are laid on detected shots (snapping.py), and what several windows of
one document or video say is joined (joining.py).

An answer that was cut off, or does not fit its form, is asked for once more: with a word on that, because a model
that decodes greedily would say the same again, and with up to four times the room. What then still does not fit is
kept as far as it was said whole, and the reading is partial.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import pairwise
from typing import Any, Literal, Protocol, TypeVar

from pydantic import BaseModel

from aria_docs import prompts
from aria_docs.media import Cue, KeyPoint, Scene, Summary, Table, one_note
from aria_docs.model import grounding, joining, quoting, recovery, snapping
from aria_docs.model.cell_grid import grid, tidy
from aria_docs.model.chat_model import ChatModel, Context, Question, Reply, Shown
from aria_docs.model.confidence import How, judge
from aria_docs.model.context_windows import Window, frame_windows, page_windows, plainly, room
from aria_docs.model.page_words import PageWords
from aria_docs.model.record_grounds import SeenWords
from aria_docs.model.recovery import RecoveredAnswer, fitting_fields, recover
from aria_docs.model.seen import Record, SeenDocument, SeenPage, SeenVideo, TaskResult
from aria_docs.schemas.answers import (
    DocumentSummaryAnswer,
    PagePoint,
    SceneAnswer,
    ScenesAnswer,
    TableAnswer,
    TablesAnswer,
    TimePoint,
    VideoSummaryAnswer,
)
from aria_docs.tiling.budget import ANSWER_TOKENS, Budget

_Number = TypeVar("_Number", int, float)

_MORE_ROOM = 4  # times the tokens of the first answer: what the second may have, where the window has it

Kind = Literal["page", "document", "video"]
OnTokens = Callable[[int], None]


class Custom(Protocol):
    """A user's own schema, as `custom.CustomSchema` is one."""

    @property
    def name(self) -> str:
        """Of the task, and of its table."""

    def question(self, kind: Kind) -> str:
        """What is asked of a page, a document or a video."""

    def wire(self, kind: Kind) -> str:
        """The JSON schema of the answer, as text."""

    def parse(self, kind: Kind, text: str) -> tuple[Record, ...]:
        """The records of an answer; those of a video have start_s and end_s. ValueError says in a sentence why not."""

    def recover(self, kind: Kind, text: str) -> tuple[Record, ...]:
        """What still holds of an answer that was cut off or that `parse` refuses; () where nothing does."""


class ChatEngine:
    """Tables, scenes, summaries and a user's own records, asked of a model that looks at pictures.

    custom:         the user's schema, asked where a seen thing names it among its tasks.
    answer_tokens:  the length an answer is cut off at the first time it is asked for; never more than half the window.
    """

    def __init__(self, model: ChatModel, *, custom: Custom | None = None, answer_tokens: int = ANSWER_TOKENS) -> None:
        self._model, self._custom = model, custom
        self._answer_tokens = min(answer_tokens, model.profile.context // 2)

    def read_pages(self, seen: Sequence[SeenPage], *, on_tokens: OnTokens = lambda _: None) -> list[list[TaskResult]]:
        """For each page, in order, what each of its tasks found. A task is asked of all pages together.

        Raises BudgetError where a page does not fit the window, ModelError where the model could not be run.
        """
        contexts: list[_Open] = []
        reads: list[dict[str, TaskResult]] = [{} for _ in seen]
        try:
            for page in seen:
                budget = self._budget(self._form(task, "page") for task in page.tasks)
                budget.one_window([plainly(page.shown).part])
                contexts.append(self._open([page.shown], budget))
            for task in dict.fromkeys(task for page in seen for task in page.tasks):
                form = self._form(task, "page")
                asked = [at for at, page in enumerate(seen) if task in page.tasks]
                said = self._ask([(contexts[at], self._quoting(form, task, seen[at])) for at in asked], on_tokens)
                for at, one in zip(asked, said, strict=True):
                    reads[at][task] = self._page_read(task, seen[at], one)
        finally:
            _close(contexts)
        return [[by_task[task] for task in page.tasks] for page, by_task in zip(seen, reads, strict=True)]

    def read_document(self, seen: SeenDocument, *, on_tokens: OnTokens = lambda _: None) -> list[TaskResult]:
        """What each task found in a document, in order. Raises as `read_pages`.

        Where the document is longer than the model's window, each window is asked, and what they say is joined.
        """
        forms = {task: self._form(task, "document") for task in seen.tasks}
        budget = self._budget(forms.values())
        windows = page_windows([plainly(shown).part for shown in seen.shown], budget)
        quoted = [" ".join(" ".join(seen.texts[start:stop]).split()) for start, stop in windows]
        said = self._ask_windows(seen.shown, windows, quoted, budget, forms, on_tokens)
        stretches = [_number_pages(seen.pages[start:stop]) for start, stop in windows]
        return [self._document_read(task, seen, said[task], stretches) for task in seen.tasks]

    def read_video(self, seen: SeenVideo, *, on_tokens: OnTokens = lambda _: None) -> list[TaskResult]:
        """What each task found in a video, in order. Raises as `read_pages`.

        Where there are more frames than the model is shown at once, each window is asked about its stretch.
        """
        forms = {task: self._form(task, "video") for task in seen.tasks}
        budget = self._budget(forms.values())
        windows = frame_windows([plainly(shown).part for shown in seen.shown], budget)
        between = [(seen.times_s[stop - 1] + seen.times_s[stop]) / 2 for _, stop in windows[:-1]]
        stretches = list(pairwise([0.0, *between, seen.video.info.duration_s]))
        quoted = [_words_of(seen.video.cues, stretch) for stretch in stretches]
        said = self._ask_windows(seen.shown, windows, quoted, budget, forms, on_tokens)
        return [self._video_read(task, seen, said[task], stretches) for task in seen.tasks]

    # Asking

    def _form(self, task: str, kind: Kind) -> _Form:
        if (task, kind) in _FORMS:
            return _FORMS[task, kind]
        custom = self._custom
        assert custom and task == custom.name, (task, kind)
        return _Form(custom.question(kind), custom.wire(kind), partial(_check_custom, custom, kind))

    def _quoting(self, form: _Form, task: str, seen: SeenPage) -> _Form:
        words = seen.page.words
        if task != "tables":
            return replace(form, quoted=quoting.text(words))
        edges = self._model.profile.box_edges(seen.shown.part.layout)
        return replace(form, quoted=quoting.tables(words, seen.shown.part.layout, edges))

    def _budget(self, forms: Iterable[_Form]) -> Budget:
        longest = max((form.question for form in forms), key=self._model.count, default="")
        return self._model.profile.budget(longest, answer=self._answer_tokens, count=self._model.count)

    def _open(self, shown: Sequence[Shown], budget: Budget) -> _Open:
        plain = [plainly(one) for one in shown]
        return _Open(self._model.open(plain), room([one.part for one in plain], budget))

    def _ask_windows(
        self,
        shown: Sequence[Shown],
        windows: Sequence[Window],
        quoted: Sequence[str],
        budget: Budget,
        forms: Mapping[str, _Form],
        on_tokens: OnTokens,
    ) -> dict[str, list[_Said]]:
        """What each window says to each task: all asked at once, and side by side as far as memory holds their keys.

        quoted:  of each window, what its answers may quote.
        """
        contexts: list[_Open] = []
        try:
            for start, stop in windows:
                contexts.append(self._open(shown[start:stop], budget))
            pairs = list(zip(contexts, quoted, strict=True))
            asked = [(context, replace(form, quoted=words)) for context, words in pairs for form in forms.values()]
            said = self._ask(asked, on_tokens)
        finally:
            _close(contexts)
        return {task: said[at :: len(forms)] for at, task in enumerate(forms)}

    def _ask(self, asked: Sequence[tuple[_Open, _Form]], on_tokens: OnTokens) -> list[_Said]:
        """What is said to each question: the first time, or the second where the first answer has a fault."""
        if not asked:
            return []
        tokens = self._answer_tokens
        questions = [
            (context.context, Question(form.question, form.schema, tokens, form.quoted)) for context, form in asked
        ]
        replies = self._model.ask(questions, on_tokens=on_tokens)
        said = [_Said.of(form, reply) for (_, form), reply in zip(asked, replies, strict=True)]
        faulty = [at for at, one in enumerate(said) if one.answer.fault]
        if faulty:
            questions = []
            for at in faulty:
                context, form = asked[at]
                more = min(_MORE_ROOM * tokens, context.room - self._model.count(f"\n{prompts.AGAIN}"))
                questions.append((context.context, Question(form.again, form.schema, more, form.quoted)))
            for at, reply in zip(faulty, self._model.ask(questions, on_tokens=on_tokens), strict=True):
                said[at] = said[at].or_else(_Said.of(asked[at][1], reply))
        return said

    # What the answers come to

    def _page_read(self, task: str, seen: SeenPage, said: _Said) -> TaskResult:
        note = one_note(seen.page.note, _fault(said))
        if task == "tables":
            tables = _tables(said.answer.data, seen, self._model.profile.box_edges(seen.shown.part.layout))
            return _read(task, [said], note, tables=tables)
        records, fault = self._records("page", [said])
        words = SeenWords([(seen.page.number, seen.page.words)])
        return _read(task, [said], one_note(note, fault), records=_ground(records, words))

    def _document_read(
        self, task: str, seen: SeenDocument, said: Sequence[_Said], stretches: Sequence[str]
    ) -> TaskResult:
        note = one_note(seen.note, *_faults(said, [f"pages {pages}" for pages in stretches]))
        if task == "summary":
            found = [_document_summary(one.answer.data, seen.pages) for one in said]
            return _read(task, said, note, summary=joining.summaries([summary for summary in found if summary]))
        records, fault = self._records("document", said)
        words = SeenWords(list(zip(seen.pages, seen.words, strict=True)) if seen.words else [])
        return _read(task, said, one_note(note, fault), records=_ground(records, words))

    def _video_read(
        self, task: str, seen: SeenVideo, said: Sequence[_Said], stretches: Sequence[tuple[float, float]]
    ) -> TaskResult:
        end_s = seen.video.info.duration_s
        note = one_note(seen.video.note, *_faults(said, [f"{_clock(start)}–{_clock(end)}" for start, end in stretches]))
        read = partial(_read, task, said, frames=seen.times_s)
        if task == "scenes":
            scenes, fault = _scenes(said, seen, stretches)
            return read(one_note(note, fault), scenes=scenes)
        if task == "summary":
            found = [_video_summary(one.answer.data, end_s) for one in said]
            return read(note, summary=joining.summaries([summary for summary in found if summary]))
        records = [
            _within(record, stretch)
            for one, stretch in zip(said, stretches, strict=True)
            for record in self._records("video", [one])[0]
        ]
        return read(note, records=_ground(records, SeenWords([])))

    def _records(self, kind: Kind, said: Sequence[_Said]) -> tuple[tuple[Record, ...], str | None]:
        """The records of one or several windows; and why what they say together does not hold, where it does not."""
        custom = self._custom
        assert custom
        if len(said) == 1:
            [one] = said
            return (custom.recover if one.answer.fault else custom.parse)(kind, one.json), None
        text = json.dumps(joining.objects(one.answer.data for one in said), ensure_ascii=False)
        try:
            return custom.parse(kind, text), None
        except ValueError as error:
            return custom.recover(kind, text), f"the answers of {len(said)} windows do not go together ({error})"


@dataclass(frozen=True, slots=True)
class _Form:
    """A question, the JSON schema of its answer, what an answer is worth, check(text, ended), and what it may quote."""

    question: str
    schema: str
    check: Callable[[str, bool], RecoveredAnswer]
    quoted: str = ""

    @property
    def again(self) -> str:
        """The question when it is asked once more."""
        return f"{self.question}\n{prompts.AGAIN}"


@dataclass(frozen=True, slots=True)
class _Open:
    """A context, and the tokens that an answer may have in it at most."""

    context: Context
    room: int


@dataclass(frozen=True, slots=True)
class _Said:
    """An answer, the text it was read from, and all replies that it took."""

    text: str
    answer: RecoveredAnswer
    replies: tuple[Reply, ...]

    @classmethod
    def of(cls, form: _Form, reply: Reply) -> _Said:
        """What one reply is worth."""
        return cls(reply.text, form.check(reply.text, reply.ended), (reply,))

    def or_else(self, second: _Said) -> _Said:
        """The second answer; this one where neither is whole and this one says more."""
        better = self if second.answer.fault and _size(self) > _size(second) else second
        return replace(better, replies=self.replies + second.replies)

    @property
    def json(self) -> str:
        """The text without what stands around its JSON."""
        return recovery.complete(self.text) or self.text


def _size(said: _Said) -> int:
    return len(str(said.answer.data))


@cache
def _wire(model: type[BaseModel]) -> str:
    """A model's JSON schema, short: definitions in their places, without titles and descriptions."""
    schema = model.model_json_schema()
    return json.dumps(_inline(schema, schema.get("$defs", {})), separators=(",", ":"))


def _inline(schema: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_inline(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inline(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    return {
        key: {name: _inline(field, definitions) for name, field in value.items()}
        if key == "properties"
        else _inline(value, definitions)
        for key, value in schema.items()
        if key not in ("$defs", "title", "description")
    }


def _form(question: str, model: type[BaseModel], whole: set[str]) -> _Form:
    return _Form(question, _wire(model), lambda text, ended: recover(model, text, ended=ended, whole=whole))


_FORMS: dict[tuple[str, Kind], _Form] = {
    ("tables", "page"): _form(prompts.TABLES, TablesAnswer, {"rows", "spans"}),
    ("summary", "document"): _form(prompts.SUMMARY, DocumentSummaryAnswer, {"key_points"}),
    ("scenes", "video"): _form(prompts.SCENES, ScenesAnswer, {"scenes"}),
    ("summary", "video"): _form(prompts.VIDEO_SUMMARY, VideoSummaryAnswer, {"key_points"}),
}


def _check_custom(custom: Custom, kind: Kind, text: str, ended: bool) -> RecoveredAnswer:
    said = recovery.complete(text)
    if said is None:
        return recovery.recover_broken(text, ended=ended, whole=None)
    data = recovery.partial(said, whole=None)
    try:
        custom.parse(kind, said)
    except ValueError as error:
        return RecoveredAnswer(data, f"the answer does not fit its form ({error})")
    return RecoveredAnswer(data)


def _close(contexts: Iterable[_Open]) -> None:
    for context in contexts:
        context.context.close()


def _tables(data: Mapping[str, Any], seen: SeenPage, edges: tuple[int, int]) -> tuple[Table, ...]:
    words, taken = PageWords(seen.page.words), set[int]()
    found = []
    items = data.get("tables")
    for item in items if isinstance(items, list) else ():
        said = fitting_fields(TableAnswer, item)
        rows = said.get("rows", [])
        shifted = len(rows) != len(item["rows"]) if rows else False  # a row was no row: nothing stands where spans say
        cells = grid(rows, [] if shifted else said.get("spans", []), header_rows=said.get("header_rows", 0))
        if cells is None:
            continue
        hint = grounding.hint_box(said["box"], seen.shown.part.layout, edges) if "box" in said else None
        caption = tidy(said.get("caption") or "") or None
        table = grounding.table(cells, words, seen.page, caption=caption, hint=hint, taken=taken)
        found.append(judge(table, seen.page.words, How("model", from_ocr=seen.page.from_ocr)))
    return tuple(found)


def _scenes(
    said: Sequence[_Said], seen: SeenVideo, stretches: Sequence[tuple[float, float]]
) -> tuple[tuple[Scene, ...], str | None]:
    """The scenes of all windows; and a note where a window names none: then its stretch is one, of nothing known."""
    found = []
    silent = []
    for one, (start, end) in zip(said, stretches, strict=True):
        scenes = fitting_fields(ScenesAnswer, dict(one.answer.data)).get("scenes", [])
        named = [_name_scene(scene) for scene in scenes]
        clipped = snapping.stretch(named, start_s=start, end_s=end, broke_off=one.answer.broke_off)
        if not clipped:
            clipped = (snapping.Named(start, end, None, None),)
            silent.append(f"{_clock(start)}–{_clock(end)}" if len(said) > 1 else "")
        found.append(clipped)
    scenes = snapping.scenes(snapping.link(found), seen.video, shown_s=seen.times_s)
    where = [f"in {stretch}" for stretch in silent if stretch]
    return scenes, " ".join(["the model named no scene", ", ".join(where)]).strip() if silent else None


def _name_scene(scene: SceneAnswer) -> snapping.Named:
    start, end = snapping.seconds(scene.start), snapping.seconds(scene.end)
    return snapping.Named(start, max(start, end), tidy(scene.title) or None, _prose(scene.description) or None)


def _document_summary(data: Mapping[str, Any], pages: Sequence[int]) -> Summary | None:
    said = fitting_fields(DocumentSummaryAnswer, dict(data))
    points: list[PagePoint] = said.get("key_points", [])
    shown = set(pages)
    return _summary(said, [KeyPoint(tidy(point.text), point.page if point.page in shown else None) for point in points])


def _video_summary(data: Mapping[str, Any], end_s: float) -> Summary | None:
    said = fitting_fields(VideoSummaryAnswer, dict(data))
    points: list[TimePoint] = said.get("key_points", [])
    return _summary(
        said, [KeyPoint(tidy(point.text), start_s=min(snapping.seconds(point.time), end_s)) for point in points]
    )


def _summary(said: Mapping[str, Any], points: Sequence[KeyPoint]) -> Summary | None:
    """None where nothing is said."""
    title, text = tidy(said.get("title", "")) or None, _prose(said.get("text", ""))
    kept = tuple(point for point in points if point.text)
    return Summary(title, said.get("language"), text, kept) if title or text or kept else None


def _prose(text: str) -> str:
    return "\n".join(tidy(line) for line in text.splitlines()).strip()


def _ground(records: Sequence[Record], words: SeenWords) -> tuple[Record, ...]:
    return tuple(replace(record, grounds=words.grounds(record.values)) for record in records)


def _words_of(cues: Sequence[Cue], stretch: tuple[float, float]) -> str:
    """What is said in a stretch of a video."""
    return " ".join(cue.text for cue in cues if stretch[0] <= cue.start_s < stretch[1])


def _within(record: Record, stretch: tuple[float, float]) -> Record:
    """A record of a video, no part of it outside the stretch that was shown."""
    if record.start_s is None or record.end_s is None:
        return record
    start, end = (min(max(time, stretch[0]), stretch[1]) for time in (record.start_s, record.end_s))
    return replace(record, start_s=start, end_s=end)


def _read(task: str, said: Sequence[_Said], note: str | None, **found: Any) -> TaskResult:
    replies = [reply for one in said for reply in one.replies]
    texts = [one.text for one in said]
    return TaskResult(
        task=task,
        answer=texts[0] if len(texts) == 1 else json.dumps(texts, ensure_ascii=False),
        note=note,
        prefill_s=_sum(reply.prefill_s for reply in replies),
        decode_s=_sum(reply.decode_s for reply in replies),
        peak_bytes=max((reply.peak_bytes for reply in replies if reply.peak_bytes is not None), default=None),
        input_tokens=_sum(reply.input_tokens for reply in replies),
        output_tokens=_sum(reply.output_tokens for reply in replies),
        **found,
    )


def _sum(values: Iterable[_Number | None]) -> _Number | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _fault(said: _Said) -> str | None:
    """The note on an answer that has a fault after it was asked for twice."""
    if said.answer.fault is None:
        return None
    kept = "what was said whole is kept" if said.answer.data else "nothing of it can be kept"
    return f"{said.answer.fault}, twice: {kept}"


def _faults(said: Sequence[_Said], where: Sequence[str]) -> list[str | None]:
    faults = [_fault(one) for one in said]
    if len(said) == 1:
        return faults
    return [fault and f"{place}: {fault}" for fault, place in zip(faults, where, strict=True)]


def _number_pages(pages: Sequence[int]) -> str:
    return f"{pages[0]}–{pages[-1]}" if len(pages) > 1 else str(pages[0])


def _clock(time_s: float) -> str:
    return f"{int(time_s) // 60}:{int(time_s) % 60:02d}"
