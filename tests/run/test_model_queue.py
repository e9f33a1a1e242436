"""What waits for the model: room in bytes, and a failure of one item costs the others nothing."""

import threading
from multiprocessing.connection import wait

import numpy as np
from fake_model import FakeModel

from aria_docs.errors import EngineError, ModelError
from aria_docs.media import Page
from aria_docs.model.chat import ChatEngine
from aria_docs.model.chat_model import Shown
from aria_docs.model.profiles.plain import PLAIN
from aria_docs.model.seen import SeenPage
from aria_docs.run.model_queue import ModelQueue, QueuedAnswer, ResultQueue, n_bytes
from aria_docs.tiling.budget import page_part
from aria_docs.tiling.pixels import crops


def seen(number: int) -> SeenPage:
    part = page_part(number, 100.0, 100.0, PLAIN.modes[-1])
    picture = np.zeros((100, 100, 3), np.uint8)
    return SeenPage(Page(number, 100.0, 100.0, ""), Shown(part, crops(picture, part.layout), str(number)), ("tables",))


def ask(model: FakeModel, numbers, *, load=None):
    """What lies in the results for each of these pages, all put on the queue before the model is there."""
    all_there = threading.Event()

    def wait_and_load():
        all_there.wait(10)
        return (load or (lambda: (model, ChatEngine(model))))()

    queue, results = ModelQueue(wait_and_load, lanes=1, on_tokens=lambda _: None), ResultQueue()
    for number in numbers:
        queue.ask(seen(number), number, results)
    assert queue.is_full or len(list(numbers)) < 2
    all_there.set()
    answers = {}
    while results.n_awaited:
        assert wait([results.connection], timeout=20)
        answers |= {answer.ticket: answer for answer in results.take()}
    queue.close()
    results.close()
    return answers


def test_a_page_that_fails_costs_the_others_nothing() -> None:
    model = FakeModel(PLAIN, fails=["Page 5: "])
    answers = ask(model, range(1, 7))
    assert sorted(answers) == [1, 2, 3, 4, 5, 6]
    assert {number for number, answer in answers.items() if answer.error} == {5}
    assert isinstance(answers[5].error, ModelError)
    assert all(answer.reads[0].task == "tables" for number, answer in answers.items() if number != 5)


def test_room_is_counted_in_bytes_and_one_item_is_always_taken() -> None:
    model = FakeModel(PLAIN, hold=threading.Event())
    size = n_bytes(seen(1))
    assert size == sum(crop.pixels.nbytes for crop in seen(1).shown.crops) > 0
    queue = ModelQueue(lambda: (model, ChatEngine(model)), lanes=40, room_bytes=2 * size, on_tokens=lambda _: None)
    results = ResultQueue()
    assert not queue.is_full
    for number, full in ((1, False), (2, True)):
        queue.ask(seen(number), number, results)
        assert queue.is_full is full
    model.hold.set()
    taken = 0
    while taken < 2:
        assert wait([results.connection], timeout=20)
        taken += len(results.take())
    queue.close()
    assert not queue.is_full, "what was answered is let go"
    results.close()


def test_a_model_that_cannot_be_loaded_is_told_of_for_each() -> None:
    def no_card():
        raise EngineError("no card")

    answers = ask(FakeModel(PLAIN), [1, 2], load=no_card)
    assert [str(answers[number].error) for number in (1, 2)] == ["no card", "no card"]


def test_a_desk_that_is_closed_asks_nothing_more() -> None:
    model = FakeModel(PLAIN, hold=threading.Event())
    queue, results = ModelQueue(lambda: (model, ChatEngine(model)), lanes=1, on_tokens=lambda _: None), ResultQueue()
    queue.ask(seen(1), 1, results)
    queue.ask(seen(2), 2, results)
    while not model.asked:
        pass
    queue.close()
    assert model.closed.is_set()
    assert all(isinstance(answer.error, ModelError) for answer in results.take())
    assert len(model.asked) == 1
    results.close()


def test_an_answer_that_nobody_waits_for_any_more_is_dropped() -> None:
    results = ResultQueue()
    results.close()
    results.put(QueuedAnswer(1))
    assert results.take() == []
