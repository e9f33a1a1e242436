"""What every `ChatModel` keeps to, whoever implements it.

An implementation adds itself as one `Case` to CASES: how it is made, and a few contexts that it is shown.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field

from aria_docs.errors import BudgetError, ModelError
from aria_docs.model.chat_model import ChatModel, Question, Shown
from aria_docs.schemas.answers import Answer
from aria_docs.tiling.resolution import MEDIUM, ULTRA


class Small(Answer):
    """Bounded so that a model that knows nothing ends it in 60 tokens."""

    title: Annotated[str, Field(max_length=8)]
    count: Annotated[int, Field(ge=0, le=99)]
    kinds: Annotated[list[Annotated[str, Field(max_length=4)]], Field(max_length=3)]


class Other(Answer):
    """Of another form, for questions of several in one batch."""

    ok: bool
    text: Annotated[str, Field(max_length=20)]


def question(text: str = "What is shown?", model: type[Answer] = Small, max_tokens: int = 200) -> Question:
    return Question(text, json.dumps(model.model_json_schema()), max_tokens)


@dataclass(frozen=True)
class Case:
    """One implementation.

    made:     opens it, for a test's folder.
    context:  of page number n.
    counts:   whether it knows tokens and times.
    """

    name: str
    made: Callable[[Path], AbstractContextManager[ChatModel]]
    context: Callable[[int], Sequence[Shown]]
    counts: bool


@contextmanager
def _aria(folder: Path) -> Iterator[ChatModel]:
    pytest.importorskip("torch")
    from aria_docs.model.aria.model import AriaModel
    from tests.model.aria.conftest import load
    from tests.tiny_aria import build

    model = AriaModel(load(build(folder / "tiny")))
    yield model
    model.close()


def _page(number: int) -> Sequence[Shown]:
    from tests.model.aria.conftest import page

    return [page(number)]


@contextmanager
def _remote(_folder: Path) -> Iterator[ChatModel]:
    from fake_server import FakeServer

    from aria_docs.model.remote import RemoteModel

    with FakeServer() as server, RemoteModel.connect([server.url], model=None, profile=None, key=None) as model:
        yield model


@contextmanager
def _vllm(_folder: Path) -> Iterator[ChatModel]:
    from aria_docs.model.remote import RemoteModel

    profile = "aria-vllm"
    with RemoteModel.connect([os.environ["ARIA_DOCS_VLLM"]], model=None, profile=profile, key=None) as model:
        yield model


def _encoded_page(number: int) -> Sequence[Shown]:
    import numpy as np

    from aria_docs.model.encoding import encode
    from aria_docs.model.profiles.aria_vllm import ARIA_VLLM
    from aria_docs.tiling.budget import page_part
    from aria_docs.tiling.pixels import crops

    part = page_part(number, 595.0, 842.0, ARIA_VLLM.modes[-1])
    picture = np.random.default_rng(number).integers(0, 256, (168, 120, 3), dtype=np.uint8)
    return [Shown(part, encode(crops(picture, part.layout), "jpeg"), str(number))]


CASES = [Case("aria", _aria, _page, counts=True), Case("remote", _remote, _encoded_page, counts=False)]
if "ARIA_DOCS_VLLM" in os.environ:  # by `make test-vllm`: the URL of a real server
    CASES = [Case("remote", _vllm, _encoded_page, counts=False)]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


@pytest.fixture(scope="module")
def model(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChatModel]:
    with case.made(tmp_path_factory.mktemp(case.name)) as made:
        yield made


def test_it_says_what_it_is(model: ChatModel, case: Case) -> None:
    assert model.name == case.name
    assert model.model
    assert model.lanes >= 1


def test_answers_are_of_their_schema_and_in_order(model: ChatModel, case: Case) -> None:
    first, second = model.open(case.context(1)), model.open(case.context(2))
    small, other = question(), question("Is it?", Other)
    replies = model.ask([(first, small), (second, other), (first, other), (second, small)])
    for reply, schema in zip(replies, (Small, Other, Other, Small), strict=True):
        assert reply.ended
        schema.model_validate_json(reply.text)


def test_no_question_sees_another(model: ChatModel, case: Case) -> None:
    """Asked again, after others or with others, a question has the same answer."""
    context = model.open(case.context(1))
    questions = [question(text) for text in ("What is shown?", "How many?", "Which kinds are there?")]
    together = [reply.text for reply in model.ask([(context, asked) for asked in questions])]
    backwards = [model.ask([(context, asked)])[0].text for asked in questions[::-1]]
    assert backwards[::-1] == together


def test_a_context_opened_again_answers_the_same(model: ChatModel, case: Case) -> None:
    texts = []
    for _ in range(2):
        context = model.open(case.context(3))
        texts.append(model.ask([(context, question())])[0].text)
        context.close()
        context.close()
    assert texts[0] == texts[1]


def test_an_answer_is_cut_off_at_its_limit(model: ChatModel, case: Case) -> None:
    (reply,) = model.ask([(model.open(case.context(1)), question(max_tokens=3))])
    assert not reply.ended
    with pytest.raises(ValueError, match="JSON"):
        Small.model_validate_json(reply.text)
    if case.counts:
        assert reply.output_tokens == 3


def test_tokens_and_times_are_told(model: ChatModel, case: Case) -> None:
    on_tokens: list[int] = []
    shown = case.context(1)
    (reply,) = model.ask([(model.open(shown), question())], on_tokens=on_tokens.append)
    if not case.counts:
        return
    assert on_tokens
    assert sum(on_tokens) == reply.output_tokens
    assert reply.input_tokens is not None
    assert reply.input_tokens > shown[0].part.layout.tokens
    assert reply.prefill_s is not None
    assert reply.decode_s is not None
    assert reply.prefill_s > 0
    assert reply.decode_s >= 0


def test_text_is_counted_and_more_text_is_more(model: ChatModel, case: Case) -> None:
    assert 0 < model.count("a table") < model.count("a table of many rows and columns, and of words")


def test_too_many_pages_are_refused_when_they_are_shown(model: ChatModel, case: Case) -> None:
    (one,) = case.context(1)
    sharp = Shown(one.part.at(ULTRA if one.part.layout.mode == MEDIUM else one.part.layout.mode), one.crops, one.key)
    with pytest.raises(BudgetError, match="tokens"):
        model.open([sharp] * 1000)


def test_closing_ends_what_is_asked(case: Case, tmp_path: Path) -> None:
    with case.made(tmp_path) as model:
        context = model.open(case.context(1))
        working = threading.Event()
        ended: list[str] = []

        def ask() -> None:
            try:
                for _ in range(1000):
                    model.ask([(context, question())], on_tokens=lambda _: working.set())
            except ModelError as e:
                ended.append(str(e))

        thread = threading.Thread(target=ask)
        thread.start()
        assert working.wait(60)
        model.close()
        thread.join(60)
        assert not thread.is_alive()
        assert ended
