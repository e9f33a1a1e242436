"""The prompt as ids: as many as the budget counts, as the tokenizer writes the whole, and none outside the network."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

torch = pytest.importorskip("torch")
from aria_docs.errors import EngineError, ModelError  # noqa: E402
from aria_docs.model.aria.tokens import Tokens  # noqa: E402
from aria_docs.tiling.budget import Budget, ContextImage, frame_part, page_part, prompt  # noqa: E402
from aria_docs.tiling.resolution import HIGH, MEDIUM, ULTRA  # noqa: E402
from tests.model.aria.conftest import Loaded  # noqa: E402

QUESTION = "Which tables are on these pages? Ünïcödé, 1,234.5"
CONTEXTS = [
    [page_part(1, 595, 842, ULTRA)],
    [page_part(number, 595, 842, HIGH) for number in range(9, 12)],
    [frame_part(second, 1920, 1080, MEDIUM) for second in (0, 59, 4500)],
]


@pytest.fixture(scope="module")
def tokens(loaded: Loaded) -> Tokens:
    return Tokens(loaded.tokenizer, vocabulary=512, image=9)


@pytest.mark.parametrize("parts", CONTEXTS)
def test_as_many_as_the_budget_counts_and_as_the_tokenizer_writes(
    tokens: Tokens, parts: Sequence[ContextImage]
) -> None:
    ids = tokens.prefix(parts) + tokens.question(parts, QUESTION)
    assert len(ids) == Budget(QUESTION, answer=0, count=tokens.count).tokens(parts)
    assert ids == tokens.tokenizer(prompt(parts, QUESTION), add_special_tokens=False)["input_ids"]
    assert ids.count(9) == sum(part.layout.tokens for part in parts)


def test_an_answer_is_text_again(tokens: Tokens) -> None:
    text = '{"a":"Ünïcödé  two blanks","b":[1,2]}'
    assert tokens.text(tokens.ids(text)) == text


def test_all_special_tokens_but_the_end_are_forbidden(tokens: Tokens) -> None:
    assert tokens.forbidden == [number for number in range(13) if number != tokens.end]


def test_a_picture_in_the_words_is_refused(tokens: Tokens) -> None:
    part = page_part(1, 595, 842, MEDIUM)
    with pytest.raises(ModelError, match=r"The question contains <\|img\|>"):
        tokens.question([part], "What is <|img|>?")
    with pytest.raises(ModelError, match=r"A label contains <\|img\|>"):
        tokens.prefix([ContextImage("frame", "[00:01] he said <|img|>", part.layout)])


def test_an_id_outside_the_network_is_refused(loaded: Loaded) -> None:
    small = Tokens(loaded.tokenizer, vocabulary=300, image=9)
    with pytest.raises(ModelError, match="outside the 300 tokens"):
        small.ids("<unused_450>")
    # A page may say so, and what an answer is guessed from must not cost it the answer.
    assert 0 < max(small.likely("<unused_450>")) < 300
    assert small.likely("x<pad>y") == [*small.ids("x"), *small.ids("y")]


def test_a_tokenizer_of_another_model_is_refused(loaded: Loaded) -> None:
    with pytest.raises(EngineError, match=r"<\|img\|> the id 9 and the network expects 7"):
        Tokens(loaded.tokenizer, vocabulary=512, image=7)
    with pytest.raises(EngineError, match=r"<\|im_end\|> the id 11, outside the 11 of the network"):
        Tokens(loaded.tokenizer, vocabulary=11, image=9)
