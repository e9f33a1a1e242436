"""Answers side by side with shapes that never change, against the decoder's own pass; on a card as a CUDA graph."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")
from aria_docs.model.aria import generate, lockstep  # noqa: E402
from aria_docs.model.aria.cache import Prefix, Tail, TokenSpan  # noqa: E402
from aria_docs.model.aria.decoder import Decoder  # noqa: E402
from aria_docs.model.aria.lockstep import Lockstep  # noqa: E402
from tests.model.aria.conftest import PAGES, Loaded, load, page  # noqa: E402
from tests.model.aria.test_generate import CUDA, QUESTIONS, Ours  # noqa: E402


def pass_over(decoder: Decoder, prefix: Prefix, tail: Tail, ids: list[int]) -> torch.Tensor:
    tail.make_room(len(ids))
    span = TokenSpan(slice(0, len(ids)), prefix, prefix.length, tail)
    hidden = decoder.forward(decoder.embed(torch.tensor(ids)), [span])
    tail.advance(len(ids))
    return decoder.logits(hidden[-1:])[0].cpu()


@torch.inference_mode()
def compare(decoder: Decoder, prefixes: list[Prefix], *, recorded: bool, within: float) -> None:
    """Three answers behind two contexts, questions of different lengths, one of which ends early."""
    behind = [prefixes[0], prefixes[0], prefixes[1]]
    apart, together = ([Tail(decoder.shape, 40) for _ in behind] for _ in range(2))
    for number, prefix in enumerate(behind):
        for tails in (apart, together):
            pass_over(decoder, prefix, tails[number], list(range(20, 25 + number)))
    steps = Lockstep(decoder, list(zip(behind, together, strict=True)), recorded=recorded)
    for token in range(30, 36):
        going = range(3) if token < 33 else (0, 2)
        assert steps.serves([together[number] for number in going])
        found = steps.step([(together[number], [token + number]) for number in going]).cpu()
        for number in going:
            together[number].advance(1)
        for number, logits in zip(going, found, strict=True):
            expected = pass_over(decoder, behind[number], apart[number], [token + number])
            assert (logits - expected).abs().max() < within * expected.std()
    assert [tail.length for tail in together] == [11, 9, 13]
    assert not steps.serves(together[:1])  # most of its rows have ended
    # A pass of several tokens goes on where the steps have stopped.
    expected, found = (pass_over(decoder, behind[0], tails[0], [40, 41, 42]) for tails in (apart, together))
    assert (found - expected).abs().max() < within * expected.std()


def test_a_step_is_a_pass_of_one_token_for_each(loaded: Loaded) -> None:
    ours = Ours(loaded)
    compare(ours.decoder, ours.read([page(1)], [page(2)]), recorded=False, within=1e-4)


@CUDA
@pytest.mark.parametrize("kept", [None, "int8"])
def test_on_a_card_a_recorded_step_is_a_pass(checkpoint: Any, kept: Any) -> None:
    on_card = load(checkpoint)
    on_card.network.cuda().bfloat16()
    there = Ours(on_card)
    assert there.decoder.records
    compare(there.decoder, there.read([page(1)], [page(2)], kept=kept), recorded=True, within=0.2)


def test_when_the_longest_has_filled_its_room_there_is_more(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    rooms = []

    class Watched(Lockstep):
        def __init__(self, *given: Any, **options: Any) -> None:
            super().__init__(*given, **options)
            rooms.append(self._room)

    monkeypatch.setattr(lockstep, "_LEAST_ROOM", 8)
    monkeypatch.setattr(generate, "Lockstep", Watched)
    ours = Ours(loaded)
    (prefix,) = ours.read(PAGES)
    asked = [(PAGES, prefix, question) for question in QUESTIONS[:2]]
    length = max(len(ours.question(PAGES, question)) for _, _, question in asked)
    whole = ours.answers(asked, limit=150, in_step=False)
    assert ours.answers(asked, limit=150, in_step=True) == whole
    assert max(map(len, whole)) > length + 2, "the answers are long enough to fill a room"
    assert len(rooms) > 1
    assert rooms == sorted(rooms)


def test_with_more_answers_than_go_in_step_nothing_is_different(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = []
    monkeypatch.setattr(Decoder, "widest", 8)

    class Watched(Lockstep):
        def step(self, tokens: Any) -> torch.Tensor:
            together.append(len(tokens))
            return super().step(tokens)

    monkeypatch.setattr(generate, "Lockstep", Watched)
    ours = Ours(loaded)
    (prefix,) = ours.read([page(1)])
    asked = [([page(1)], prefix, f"Which {number}?") for number in range(8 + 1)]
    assert ours.answers(asked, in_step=True) == ours.answers(asked, in_step=False)
    assert not together  # one more than go
    assert ours.answers(asked[1:], in_step=True) == ours.answers(asked[1:], in_step=False)
    assert max(together) == 8
