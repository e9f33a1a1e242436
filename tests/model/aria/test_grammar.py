"""Every answer that ends is valid JSON of its schema: 200 of 200 by a random model, 40 of each kind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field

from aria_docs.schemas.answers import Answer, DocumentSummaryAnswer, ScenesAnswer, TablesAnswer, VideoSummaryAnswer

torch = pytest.importorskip("torch")
from aria_docs.errors import EngineError  # noqa: E402
from aria_docs.model.aria.generate import Writing  # noqa: E402
from aria_docs.model.aria.grammar import Grammars  # noqa: E402
from aria_docs.model.aria.tokens import Tokens  # noqa: E402
from tests.greedy import answer  # noqa: E402
from tests.model.aria.conftest import Loaded, load, page  # noqa: E402
from tests.model.aria.test_generate import Ours  # noqa: E402
from tests.tiny_aria import build  # noqa: E402


class Currency(Enum):
    EUR = "EUR"
    USD = "USD"


class Line(Answer):
    what: Annotated[str, Field(max_length=30)]
    amount: Annotated[str, Field(pattern=r"^-?[0-9]{1,9}\.[0-9]{2}$")]


class Invoice(Answer):
    """As a user would write it."""

    number: Annotated[str, Field(max_length=20)]
    day: date | None
    currency: Currency
    paid: bool
    lines: Annotated[list[Line], Field(max_length=5)]


def bounded(model: type[Answer], *, text: int, items: int) -> str:
    """The schema with every bound on strings and lists lowered, so that an answer ends within a few hundred tokens."""

    def lowered(node: object) -> object:
        if isinstance(node, list):
            return [lowered(item) for item in node]
        if not isinstance(node, dict):
            return node
        limits = {"maxLength": text, "maxItems": items}
        return {
            key: min(value, max(limits[key], node.get("minItems", 0))) if key in limits else lowered(value)
            for key, value in node.items()
        }

    return json.dumps(lowered(model.model_json_schema()))


KINDS = [TablesAnswer, ScenesAnswer, DocumentSummaryAnswer, VideoSummaryAnswer, Invoice]


@pytest.mark.parametrize("model", KINDS, ids=lambda model: model.__name__)
def test_forty_of_forty(loaded: Loaded, model: type[Answer]) -> None:
    ours = Ours(loaded)
    contexts = [[page(number)] for number in range(1, 9)]
    schema = bounded(model, text=12, items=2)
    questions = [f"Question {number}?" for number in range(5)]
    writings = [
        Writing(ours.decoder, prefix, ours.question(context, text), ours.grammars.constraint(schema), 400)
        for context, prefix in zip(contexts, ours.read(*contexts), strict=True)
        for text in questions
    ]
    tokens = ours.tokens
    answer(ours.decoder, writings, ours.grammars, end=tokens.end, forbidden=tokens.forbidden, on_tokens=lambda _: None)
    assert [writing.ended for writing in writings] == [True] * 40
    texts = [tokens.text(writing.written) for writing in writings]
    assert len(set(texts)) > 10, "answers must differ for this test to mean anything"
    for text in texts:
        model.model_validate_json(text)
        assert json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False).count(" ") == text.count(" ")
    special = {*tokens.forbidden, tokens.end}
    assert not special & {number for writing in writings for number in writing.written}


def test_what_is_forced_is_not_asked_of_the_model(loaded: Loaded) -> None:
    ours = Ours(loaded)
    constraint = ours.grammars.constraint('{"const": "nothing to choose"}')
    (prefix,) = ours.read([page(1)])
    writing = Writing(ours.decoder, prefix, [1, 2], constraint, 100)
    steps: list[int] = []
    tokens = ours.tokens
    answer(ours.decoder, [writing], ours.grammars, end=tokens.end, forbidden=[], on_tokens=steps.append)
    assert writing.ended
    assert tokens.text(writing.written) == '"nothing to choose"'
    assert len(steps) <= 1 < len(writing.written)


@pytest.mark.parametrize("in_step", [False, True])
def test_a_choice_is_the_likeliest_that_the_schema_allows(loaded: Loaded, in_step: bool) -> None:
    """Every token that was not forced has the largest logit of all allowed ones, in one pass over the whole answer."""
    ours = Ours(loaded)
    context = [page(2)]
    (prefix,) = ours.read(context)
    schema = bounded(Invoice, text=12, items=2)
    ids = ours.question(context, "Which invoice?")
    writing = Writing(ours.decoder, prefix, ids, ours.grammars.constraint(schema), 300)
    tokens = ours.tokens
    answer(
        ours.decoder, [writing], ours.grammars,
        end=tokens.end, forbidden=tokens.forbidden, in_step=in_step, on_tokens=lambda _: None,
    )  # fmt: skip
    from aria_docs.model.aria.cache import Tail, TokenSpan

    whole = torch.tensor(ids + writing.written)
    tail = Tail(ours.decoder.shape, len(whole))
    tail.make_room(len(whole))
    with torch.inference_mode():
        span = TokenSpan(slice(0, len(whole)), prefix, prefix.length, tail)
        logits = ours.decoder.logits(ours.decoder.forward(ours.decoder.embed(whole), [span]))[len(ids) - 1 :]
    constraint, chosen = ours.grammars.constraint(schema), 0
    forced: list[int] = []
    for token, row in zip(writing.written, logits, strict=False):
        forced = forced or constraint.forced()
        if forced:
            assert token == forced.pop(0)
        else:
            allowed = ours.grammars.allowed([(constraint, [])])[0]
            allowed[tokens.forbidden] = False
            best = row.masked_fill(~allowed, -torch.inf)
            assert best[token] >= best.max() - 1e-4
            chosen += 1
        constraint.take([token])
    assert constraint.complete
    assert chosen > 5


@pytest.mark.parametrize(
    ("schema", "said"),
    [("nonsense", "is not JSON"), ('{"type": "string", "pattern": "(?=x)y"}', "look-around")],
)
def test_a_schema_that_cannot_be_kept_is_refused(loaded: Loaded, schema: str, said: str) -> None:
    with pytest.raises(EngineError, match=said):
        Ours(loaded).grammars.constraint(schema)


@pytest.fixture(scope="module")
def pad_outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    folder: Path = tmp_path_factory.mktemp("aria") / "outside"
    yield load(build(folder, pad_outside=True))


def test_a_tokenizer_with_pad_outside_the_embedding_works(pad_outside: Loaded) -> None:
    config = pad_outside.network.config
    tokens = Tokens(pad_outside.tokenizer, vocabulary=config.text_config.vocab_size, image=config.image_token_index)
    assert pad_outside.tokenizer.pad_token_id == 512 == tokens.vocabulary
    assert Grammars(tokens).allowed([(None, [])]).shape == (1, 512)
