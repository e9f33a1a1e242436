"""Continuous batching: whoever asks whenever, each answer is what it is alone, and slots are seldom empty."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from aria_docs.errors import ModelError
from aria_docs.media import Page
from aria_docs.model.chat import ChatEngine
from aria_docs.model.chat_model import Question, Reply
from aria_docs.model.seen import SeenDocument, SeenPage

torch = pytest.importorskip("torch")
from aria_docs.model.aria import batch as batches  # noqa: E402
from aria_docs.model.aria.batch import BatchJob, RunningBatch  # noqa: E402
from aria_docs.model.aria.model import AriaModel, Seen  # noqa: E402
from tests.model.aria.conftest import Loaded, frame, page  # noqa: E402


def question(length: int, text: str = "What is shown?") -> Question:
    """Answered in about so many tokens: random weights end no string by themselves."""
    return Question(text, json.dumps({"type": "string", "minLength": length, "maxLength": length}), 400)


CONTEXTS = [[page(1)], [frame(2), frame(3)], [page(4, landscape=True)], [page(5)], [frame(6)]]
QUESTIONS = [question(5), question(60), question(17, "How many?")]


@pytest.fixture(scope="module")
def alone(loaded: Loaded) -> list[Reply]:
    """One question after the other, of one context after the other."""
    model = AriaModel(loaded, slots=1)
    return [model.ask([(model.open(shown), one)])[0] for shown in CONTEXTS for one in QUESTIONS]


def test_answers_of_many_threads_are_those_of_one_after_the_other(loaded: Loaded, alone: list[Reply]) -> None:
    model = AriaModel(loaded, slots=4)

    def ask(number: int) -> Reply:
        context = model.open(CONTEXTS[number // len(QUESTIONS)])
        (reply,) = model.ask([(context, QUESTIONS[number % len(QUESTIONS)])])
        context.close()
        return reply

    with ThreadPoolExecutor(7) as pool:
        replies = list(pool.map(ask, range(len(CONTEXTS) * len(QUESTIONS))))
    assert [reply.text for reply in replies] == [reply.text for reply in alone]
    assert len({reply.text for reply in alone}) > 10
    assert model.batch.is_idle
    assert model.batch.n_busy > 1.5 * model.batch.n_steps, "they were written side by side"


def test_where_memory_is_short_keys_are_let_go_and_answers_stay_the_same(loaded: Loaded, alone: list[Reply]) -> None:
    model = AriaModel(loaded, slots=4)
    contexts = [model.open(shown) for shown in CONTEXTS]
    one = max(context.n_bytes for context in contexts if isinstance(context, Seen))
    model.batch._room = one
    replies = model.ask([(context, asked) for context in contexts for asked in QUESTIONS])
    assert [reply.text for reply in replies] == [reply.text for reply in alone]
    held = [context for context in contexts if isinstance(context, Seen) and context.prefix is not None]
    assert sum(context.n_bytes for context in held) <= one
    again = model.ask([(context, QUESTIONS[0]) for context in contexts])
    assert [reply.text for reply in again] == [reply.text for reply in replies[:: len(QUESTIONS)]]


def test_sixty_pages_of_very_different_lengths_keep_the_slots_busy(loaded: Loaded) -> None:
    """Batches of 8 that wait for their longest answer, as they were before, would be busy for half of the time."""
    lengths = [14, 52, 27, 110, 30, 15, 85, 19, 38, 60] * 6
    model = AriaModel(loaded, slots=8)
    contexts = [model.open([page(1 + number % 7)]) for number in range(60)]
    with ThreadPoolExecutor(20) as pool:
        asked = [pool.submit(model.ask, [(context, question(n))]) for context, n in zip(contexts, lengths, strict=True)]
        replies = [each.result()[0] for each in asked]
    written = [reply.output_tokens or 0 for reply in replies]
    waiting = sum(written) / sum(8 * max(written[at : at + 8]) for at in range(0, 60, 8))
    assert waiting < 0.6
    assert model.batch.busy >= 0.85
    one_by_one = AriaModel(loaded, slots=1)
    for number in range(0, 60, 9):
        (expected,) = one_by_one.ask([(one_by_one.open([page(1 + number % 7)]), question(lengths[number]))])
        assert replies[number].text == expected.text


def test_windows_of_a_document_and_questions_asked_again_join_the_same_batch(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Random weights end no answer within its limit, so each is asked once more, with more room."""
    model = AriaModel(loaded, slots=3)
    model.profile = replace(model.profile, max_images=2)
    steps: list[list[Any]] = []
    take = model.batch._steps.take
    monkeypatch.setattr(model.batch._steps, "take", lambda some: (steps.append(list(some)), take(some))[1])
    engine = ChatEngine(model, answer_tokens=10)
    document = SeenDocument(None, (1, 2, 3, 4), tuple(page(number) for number in (1, 2, 3, 4)), ("summary",))
    engine.read_document(document)
    assert any(len({id(writing.prefix) for writing in some}) == 3 for some in steps), "three windows, side by side"
    one_by_one = [engine.read_pages([_seen_page(number)])[0][0].answer for number in range(5)]
    del steps[:]
    with ThreadPoolExecutor(5) as pool:
        together = list(pool.map(lambda number: engine.read_pages([_seen_page(number)])[0][0].answer, range(5)))
    assert together == one_by_one
    assert any(len({writing._max for writing in some}) == 2 for some in steps), "first and second questions in one step"


def _seen_page(number: int) -> SeenPage:
    return SeenPage(Page(number, 595.0, 842.0, ""), page(number), ("tables",))


def test_while_answers_are_written_a_context_is_read_in_short_pieces(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "BETWEEN", 40)
    model = AriaModel(loaded, slots=2)
    order: list[str] = []
    model.ask(
        [(model.open([page(1)]), question(10)), (model.open([page(2)]), question(90))],
        on_tokens=lambda count: order.append("token" if count else "piece"),
    )
    del order[:]
    cycle = model.batch._cycle

    def watched() -> bool:
        order.append("|")
        return cycle()

    monkeypatch.setattr(model.batch, "_cycle", watched)
    jobs = [(model.open([page(number)]), question(30 + 40 * number)) for number in (1, 2, 3, 4, 5, 6)]
    model.ask(jobs, on_tokens=lambda count: order.append("token" if count else "piece"))
    cycles = " ".join(order).split("|")
    assert any("token" in cycle and "piece" in cycle for cycle in cycles)
    assert all(cycle.count("piece") <= 1 for cycle in cycles[2:]), "one piece between two steps"


class Steps:
    """Writes a token of each answer; those in `broken` fail."""

    def __init__(self, broken: set[int]) -> None:
        self.broken = broken

    def take(self, writings: Any) -> None:
        if any(writing.number in self.broken for writing in writings):
            raise MemoryError("too much")
        for writing in writings:
            writing.written.append(1)


class Writing:
    def __init__(self, number: int, length: int, *, is_broken: bool = False) -> None:
        self.number, self.length, self.written, self.is_broken = number, length, list[int](), is_broken

    @property
    def done(self) -> bool:
        return len(self.written) >= self.length


class Context:
    n_bytes, prefix = 1, None


def made(
    broken: set[int] = frozenset(), unreadable: set[int] = frozenset(), own: int | None = None
) -> tuple[RunningBatch, list[BatchJob]]:  # type: ignore[assignment]
    contexts = [Context() for _ in range(5)]

    def reading(context: Any, between: int | None) -> Iterator[int]:
        if contexts.index(context) in unreadable:
            raise ModelError("no such picture")
        yield 1
        context.prefix = object()

    def translate(error: Exception) -> ModelError | None:
        return ModelError(str(error)) if isinstance(error, MemoryError) else None

    batch = RunningBatch(Steps(broken), reading, slots=3, room=None, translate=translate)  # type: ignore[arg-type]
    jobs = [
        BatchJob(context, lambda _, number=number: Writing(number, 3 + number, is_broken=number == own), lambda _: None)  # type: ignore[misc,arg-type]
        for number, context in enumerate(contexts)
    ]
    return batch, jobs


@pytest.mark.parametrize(
    ("failing", "number"),
    [({"broken": {3}}, 3), ({"unreadable": {3}}, 3), ({"broken": {0}, "own": 0}, 0)],
    ids=["the last that joined", "a context", "one's own grammar, though others joined later"],
)
def test_a_question_that_fails_costs_itself_alone(failing: dict[str, Any], number: int) -> None:
    batch, jobs = made(**failing)
    batch.serve(jobs)
    assert [at for at, job in enumerate(jobs) if job.error] == [number]
    wanted = [length for at, length in enumerate([3, 4, 5, 6, 7]) if at != number]
    assert [len(job.writing.written) for job in jobs if job.writing and not job.error] == wanted
    assert batch.is_idle


def test_a_defect_is_raised_where_it_was_asked_and_others_go_on() -> None:
    batch, jobs = made()
    jobs[3].start = lambda _: 1 / 0  # type: ignore[assignment,return-value]
    with ThreadPoolExecutor(5) as pool:
        served = [pool.submit(batch.serve, [job]) for job in jobs]
        errors = [each.exception(timeout=20) for each in served]
    assert any(isinstance(error, ZeroDivisionError) for error in errors)
    assert sum(job.over for job in jobs) + sum(error is not None for error in errors) >= 5
    assert batch.is_idle
