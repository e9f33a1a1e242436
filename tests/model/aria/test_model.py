"""What AriaModel adds to the contract of tests/model/test_chat_model.py: windows, memory, features on disk, batches."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from aria_docs.errors import ModelError
from aria_docs.model.chat_model import Question
from aria_docs.schemas.answers import Answer

torch = pytest.importorskip("torch")
from aria_docs.model.aria import model as engine  # noqa: E402
from aria_docs.model.aria.decoder import Decoder  # noqa: E402
from aria_docs.model.aria.model import AriaModel, cache_folder  # noqa: E402
from aria_docs.tiling.budget import Budget  # noqa: E402
from tests.model.aria.conftest import PAGES, Loaded, frame, load, page  # noqa: E402
from tests.tiny_aria import build  # noqa: E402


class Small(Answer):
    title: str = Field(max_length=8)
    count: int = Field(ge=0, le=99)


def question(text: str = "What is shown?", max_tokens: int = 100) -> Question:
    return Question(text, json.dumps(Small.model_json_schema()), max_tokens)


def texts(model: AriaModel, contexts: Sequence[Any], questions: Sequence[Question]) -> list[str]:
    return [reply.text for reply in model.ask([(context, one) for context in contexts for one in questions])]


QUESTIONS = [question(text) for text in ("What is shown?", "How many?", "Which ones are there?")]


def test_from_a_folder_with_features_on_disk(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARIA_DOCS_CACHE", str(tmp_path))
    said, encoded = [], []
    for _ in range(2):
        model = AriaModel.load(str(checkpoint), device="cpu")
        said.append(texts(model, [model.open(PAGES)], QUESTIONS))
        encoded.append(model._vision.encoded)
        assert model.model == str(checkpoint)
        assert model.revision
    assert said[0] == said[1]
    assert encoded == [16, 0]
    assert len(list(cache_folder().iterdir())) == 2


def test_without_room_on_disk_nothing_is_kept(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARIA_DOCS_CACHE", str(tmp_path))
    model = AriaModel.load(str(checkpoint), device="cpu", feature_cache_bytes=0)
    texts(model, [model.open([frame(1)])], QUESTIONS[:1])
    assert not list(tmp_path.iterdir())


def test_a_reply_counts_the_whole_prompt_and_the_first_question_pays_for_the_context(loaded: Loaded) -> None:
    model = AriaModel(loaded)
    context = model.open(PAGES)
    first, second = (model.ask([(context, question())])[0] for _ in range(2))
    parts = [one.part for one in PAGES]
    assert first.input_tokens == Budget(question().text, answer=0, count=model.count).tokens(parts)
    assert second.input_tokens == first.input_tokens
    assert first.prefill_s is not None
    assert second.prefill_s is not None
    assert second.prefill_s < first.prefill_s
    assert first.peak_bytes is None  # the process of a CPU holds more than the model


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA card")
def test_on_a_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARIA_DOCS_CACHE", str(tmp_path / "cache"))
    folder = build(tmp_path / "aria", dtype=torch.bfloat16)
    for model in (AriaModel.load(str(folder)), AriaModel.load(str(folder), quantize="int8", kv_cache="fp8")):
        replies = model.ask([(model.open(PAGES), one) for one in QUESTIONS])
        assert all(reply.ended and json.loads(reply.text) for reply in replies)
        assert all(reply.peak_bytes for reply in replies)
        assert "on cuda" in repr(model)


def test_more_questions_than_go_together_are_asked_in_turn(loaded: Loaded) -> None:
    wide, narrow = AriaModel(loaded), AriaModel(loaded, slots=2)
    contexts = [[page(1)], [frame(2), frame(3)], [page(4, landscape=True)]]
    expected = texts(wide, [wide.open(one) for one in contexts], QUESTIONS)
    assert len(set(expected)) > 3
    assert texts(narrow, [narrow.open(one) for one in contexts], QUESTIONS) == expected


@pytest.mark.parametrize("kept", ["int8", "fp8"])
def test_answers_from_an_8_bit_cache_are_of_their_schema(loaded: Loaded, kept: Any) -> None:
    model = AriaModel(loaded, kv_cache=kept)
    for text in texts(model, [model.open(PAGES)], QUESTIONS):
        Small.model_validate_json(text)


def test_the_window_is_that_of_the_weights(tmp_path: Path) -> None:
    """A page of 128 tokens and its label in a window of 200: room for a short question and a shortened answer."""
    model = AriaModel(load(build(tmp_path / "short", positions=200)))
    assert model.profile.context == 200
    context = model.open([page(1)])
    (reply,) = model.ask([(context, question("Why?", max_tokens=1000))])
    assert reply.input_tokens is not None
    assert reply.output_tokens is not None
    assert reply.input_tokens + reply.output_tokens <= 200
    with pytest.raises(ModelError, match=r"leave no room in a window of 200: show fewer"):
        model.ask([(context, question("Why? " * 40))])


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception, *, after: int) -> None:
    """The pass after so many good ones raises."""
    forward, passes = Decoder.forward, []

    def fails(self: Decoder, *arguments: Any) -> torch.Tensor:
        passes.append(1)
        if len(passes) > after:
            raise error
        return forward(self, *arguments)

    monkeypatch.setattr(Decoder, "forward", fails)


@pytest.mark.parametrize("after", [0, 2], ids=["while reading", "while answering"])
@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 2 bytes"),
        MemoryError("Unable to allocate 2.00 GiB for an array"),
    ],
    ids=["card", "torch on a CPU", "numpy"],
)
def test_memory_that_runs_out_is_told_with_the_ways_out_and_the_context_lives(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch, error: Exception, after: int
) -> None:
    model = AriaModel(loaded)
    context = model.open([page(1)])
    with monkeypatch.context() as patch:
        failing(patch, error, after=after)
        with pytest.raises(ModelError, match=r"ran out .*--resolution, fewer --frames, --kv-cache int8, or --quantize"):
            model.ask([(context, question())])
    again = AriaModel(loaded)
    assert texts(model, [context], QUESTIONS) == texts(again, [again.open([page(1)])], QUESTIONS)


def test_other_errors_of_torch_are_not_called_memory(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    model = AriaModel(loaded)
    failing(monkeypatch, RuntimeError("mat1 and mat2 shapes cannot be multiplied"), after=0)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        model.ask([(model.open([page(1)]), question())])


def test_closing_stops_a_context_while_it_is_read_and_frees_it(loaded: Loaded) -> None:
    model = AriaModel(loaded, chunk=20)
    context = model.open([page(1)])
    on_tokens: list[int] = []

    def closes(count: int) -> None:
        on_tokens.append(count)
        model.close()

    with pytest.raises(ModelError, match="closed while it worked"):
        model.ask([(context, question())], on_tokens=closes)
    assert on_tokens == [0], "after the first chunk of the context"
    with pytest.raises(ModelError, match="closed"):
        model.ask([(context, question())])


def test_a_closed_context_cannot_be_asked(loaded: Loaded) -> None:
    model = AriaModel(loaded)
    context = model.open([page(1)])
    context.close()
    with pytest.raises(ModelError, match="context that is closed"):
        model.ask([(context, question())])


def test_keys_that_were_let_go_are_read_again(loaded: Loaded) -> None:
    model = AriaModel(loaded)
    context = model.open([page(1)])
    assert isinstance(context, engine.Seen)
    first = texts(model, [context], QUESTIONS)
    assert context.prefix is not None
    context.prefix = None  # as the batch does where memory is short
    assert texts(model, [context], QUESTIONS) == first
    context.close()
    assert context.prefix is None
    assert not context.shown
