"""The desk: pages that wait together are asked about together, and a failure of some costs the others nothing."""

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
from aria_docs.run.model_queue import Answered, Desk, Tray
from aria_docs.tiling.budget import page_part
from aria_docs.tiling.pixels import crops


def seen(number: int) -> SeenPage:
    part = page_part(number, 100.0, 100.0, PLAIN.modes[-1])
    picture = np.zeros((100, 100, 3), np.uint8)
    return SeenPage(Page(number, 100.0, 100.0, ""), Shown(part, crops(picture, part.layout), str(number)), ("tables",))


def ask(model: FakeModel, numbers, *, load=None):
    """What lies in the tray for each of these pages, all put on the desk before the model is there."""
    all_there = threading.Event()

    def wait_and_load():
        all_there.wait(10)
        return (load or (lambda: (model, ChatEngine(model))))()

    desk, tray = Desk(wait_and_load, lanes=1, told=lambda _: None), Tray()
    for number in numbers:
        desk.ask(seen(number), number, tray)
    assert desk.is_full
    all_there.set()
    answers = {}
    while tray.n_awaited:
        assert wait([tray.connection], timeout=20)
        answers |= {answer.ticket: answer for answer in tray.take()}
    desk.close()
    tray.close()
    return answers


def test_pages_that_wait_are_asked_about_together() -> None:
    model = FakeModel(PLAIN, together=4)
    answers = ask(model, range(1, 7))
    assert [len(labels) for labels in model.asked] == [4, 2]
    assert all(answer.reads[0].task == "tables" and answer.error is None for answer in answers.values())
    assert sorted(answers) == [1, 2, 3, 4, 5, 6]


def test_pages_that_fail_together_are_asked_about_one_by_one() -> None:
    model = FakeModel(PLAIN, together=6, fails=["Page 5: ", "Page 5: "])
    answers = ask(model, range(1, 7))
    assert [labels for labels in model.asked if len(labels) == 1] == [[f"Page {n}: "] for n in range(1, 7)]
    assert {number for number, answer in answers.items() if answer.error} == {5}
    assert isinstance(answers[5].error, ModelError)


def test_a_model_that_cannot_be_loaded_is_told_of_for_each() -> None:
    def no_card():
        raise EngineError("no card")

    answers = ask(FakeModel(PLAIN), [1, 2], load=no_card)
    assert [str(answers[number].error) for number in (1, 2)] == ["no card", "no card"]


def test_a_desk_that_is_closed_asks_nothing_more() -> None:
    model = FakeModel(PLAIN, hold=threading.Event())
    desk, tray = Desk(lambda: (model, ChatEngine(model)), lanes=1, told=lambda _: None), Tray()
    desk.ask(seen(1), 1, tray)
    desk.ask(seen(2), 2, tray)
    while not model.asked:
        pass
    desk.close()
    assert model.closed.is_set()
    assert all(isinstance(answer.error, ModelError) for answer in tray.take())
    assert len(model.asked) == 1
    tray.close()


def test_an_answer_that_nobody_waits_for_any_more_is_dropped() -> None:
    tray = Tray()
    tray.close()
    tray.put(Answered(1))
    assert tray.take() == []
