"""Ours against transformers on the same crops in one piece, in float32: the same tokens, the same logits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
from aria_docs.errors import ModelError  # noqa: E402
from aria_docs.model.aria.cache import CacheShape, Prefix, Quantised, Tail, TokenSpan  # noqa: E402
from aria_docs.model.aria.decoder import Decoder  # noqa: E402
from aria_docs.model.aria.features import Vision  # noqa: E402
from aria_docs.model.aria.generate import ContextReading, Steps, Writing, chunks, prefill  # noqa: E402
from aria_docs.model.aria.grammar import Grammars  # noqa: E402
from aria_docs.model.aria.tokens import Tokens  # noqa: E402
from aria_docs.model.chat_model import Shown  # noqa: E402
from aria_docs.tiling.resolution import ULTRA  # noqa: E402
from tests.greedy import answer  # noqa: E402
from tests.model.aria.conftest import PAGES, Loaded, frame, load, page, reference, reference_ids  # noqa: E402

CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA card")
QUESTIONS = ["Which tables?", "Please split this video into scenes.", "é", "Summarise this.", "Which tables are there?"]
TOKENS = 8


class Ours:
    """The parts of AriaModel, without a schema."""

    def __init__(self, loaded: Loaded) -> None:
        config = loaded.network.config
        self.tokens = Tokens(loaded.tokenizer, vocabulary=config.text_config.vocab_size, image=config.image_token_index)
        self.vision, self.decoder = Vision(loaded.network), Decoder(loaded.network)
        self.grammars = Grammars(self.tokens)

    def read(self, *contexts: Sequence[Shown], chunk: int = 4096, kept: Quantised | None = None) -> list[Prefix]:
        readings = []
        for context in contexts:
            ids = self.tokens.prefix([one.part for one in context])
            features = torch.cat(self.vision.features(context))
            readings.append(ContextReading(ids, features, Prefix(self.decoder.shape, len(ids), kept=kept)))
        list(prefill(self.decoder, readings, image=self.tokens.image, chunk=chunk))
        return [reading.prefix for reading in readings]

    def question(self, context: Sequence[Shown], text: str) -> list[int]:
        return self.tokens.question([one.part for one in context], text)

    def answers(
        self,
        asked: Sequence[tuple[Sequence[Shown], Prefix, str]],
        *,
        limit: int = TOKENS,
        chunk: int = 4096,
        in_step: bool | None = None,
    ) -> list[list[int]]:
        writings = [
            Writing(self.decoder, prefix, self.question(context, text), None, limit) for context, prefix, text in asked
        ]
        tokens = self.tokens
        answer(
            self.decoder, writings, self.grammars,
            end=tokens.end, forbidden=tokens.forbidden, chunk=chunk, in_step=in_step, on_tokens=lambda _: None,
        )  # fmt: skip
        return [writing.written for writing in writings]

    @torch.inference_mode()
    def logits(self, context: Sequence[Shown], prefix: Prefix, question: str) -> torch.Tensor:
        """Of every token of the question, the last of which chooses the answer's first."""
        ids = torch.tensor(self.question(context, question))
        tail = Tail(self.decoder.shape, len(ids))
        tail.make_room(len(ids))
        hidden = self.decoder.forward(
            self.decoder.embed(ids), [TokenSpan(slice(0, len(ids)), prefix, prefix.length, tail)]
        )
        return self.decoder.logits(hidden).cpu()


@pytest.fixture(scope="module")
def ours(loaded: Loaded) -> Ours:
    return Ours(loaded)


class Theirs:
    """transformers' forward and generate on the whole prompt in one piece."""

    def __init__(self, loaded: Loaded, context: Sequence[Shown]) -> None:
        self.loaded, self.context, self.images = loaded, context, reference(loaded, context)

    @torch.inference_mode()
    def logits(self, question: str) -> torch.Tensor:
        ids = reference_ids(self.loaded, self.context, question)
        return self.loaded.network(input_ids=ids, mm_encoder_outputs=self.images).logits[0].float()

    def answer(self, question: str, tokens: Tokens) -> list[int]:
        ids = reference_ids(self.loaded, self.context, question)
        found = self.loaded.network.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), mm_encoder_outputs=self.images, max_new_tokens=TOKENS,
            do_sample=False, eos_token_id=tokens.end, suppress_tokens=tokens.forbidden,
        )  # fmt: skip
        written: list[int] = found[0, ids.shape[1] :].tolist()
        return written[:-1] if written[-1] == tokens.end else written


def held_to_theirs(
    ours: Ours, loaded: Loaded, context: Sequence[Shown], *, chunk_sizes: Sequence[int], questions: Sequence[str]
) -> None:
    theirs = Theirs(loaded, context)
    expected = {question: (theirs.logits(question), theirs.answer(question, ours.tokens)) for question in questions}
    for chunk in chunk_sizes:
        (prefix,) = ours.read(context, chunk=chunk)
        for question, (logits, _) in expected.items():
            found = ours.logits(context, prefix, question)
            assert (found - logits[-len(found) :]).abs().max() < 1e-4
        for in_step in (False, True):
            answers = ours.answers([(context, prefix, question) for question in questions], in_step=in_step)
            assert answers == [written for _, written in expected.values()]


def test_a_page_of_seven_crops_in_ultra(ours: Ours, loaded: Loaded) -> None:
    held_to_theirs(ours, loaded, [page(1, ULTRA)], chunk_sizes=[1000], questions=QUESTIONS[:1])


def test_pages_of_seven_and_nine_crops_in_one_prompt(ours: Ours, loaded: Loaded) -> None:
    held_to_theirs(ours, loaded, PAGES, chunk_sizes=[4096, 997], questions=QUESTIONS[:2])


def test_frames_of_16_9_and_five_questions(ours: Ours, loaded: Loaded) -> None:
    frames = [frame(second) for second in (3, 61, 4500)]
    held_to_theirs(ours, loaded, frames, chunk_sizes=[130, 129, 1], questions=QUESTIONS)


def test_the_order_of_questions_and_their_company_change_nothing(ours: Ours) -> None:
    contexts = [[page(1)], [frame(1), frame(2)], [page(4, landscape=True)]]
    together = ours.read(*contexts, chunk=200)  # chunks that hold two contexts, or part of one
    asked = [(context, prefix, text) for context, prefix in zip(contexts, together, strict=True) for text in QUESTIONS]
    batch = ours.answers(asked)
    assert len({tuple(found) for found in batch}) > 10, "the answers must differ for this test to mean anything"
    assert ours.answers(asked[::-1]) == batch[::-1]
    alone = [ours.read(context)[0] for context in contexts for _ in QUESTIONS]
    assert [
        ours.answers([(context, prefix, text)])[0] for (context, _, text), prefix in zip(asked, alone, strict=True)
    ] == batch


def test_questions_that_do_not_fit_one_pass_are_read_one_by_one(ours: Ours) -> None:
    context = [page(1)]
    (prefix,) = ours.read(context)
    asked = [(context, prefix, text) for text in QUESTIONS]
    assert ours.answers(asked, chunk=10) == ours.answers(asked)


@pytest.mark.parametrize(("kept", "within"), [("int8", 0.03), ("fp8", 0.1)])
def test_an_8_bit_cache_answers_nearly_the_same(ours: Ours, kept: Quantised, within: float) -> None:
    """The largest error of a logit, as a share of the logits' spread: a fiftieth for int8, under a tenth for fp8."""
    context = PAGES
    (exact,), (near,) = ours.read(context), ours.read(context, kept=kept)
    expected, found = (ours.logits(context, prefix, QUESTIONS[0]) for prefix in (exact, near))
    error = ((found - expected).abs().max() / expected.std()).item()
    assert 0 < error < within


def test_an_8_bit_cache_is_unpacked_in_blocks(ours: Ours, monkeypatch: pytest.MonkeyPatch) -> None:
    from aria_docs.model.aria import cache

    context = [page(1)]
    (prefix,) = ours.read(context, kept="int8")
    whole = ours.logits(context, prefix, QUESTIONS[0])
    monkeypatch.setattr(cache, "_UNPACKED", 50)
    assert (ours.logits(context, prefix, QUESTIONS[0]) - whole).abs().max() < 1e-4


def test_bytes_of_a_token_at_arias_size() -> None:

    aria = CacheShape(20, 128, (torch.device("cpu"),) * 28, torch.bfloat16)
    assert (aria.bytes_per_token(), aria.bytes_per_token("int8")) == (286_720, 147_840)


@pytest.mark.parametrize(
    ("lengths", "size", "expected"),
    [
        ([3, 5], 4, [[(0, 0, 3), (1, 0, 1)], [(1, 1, 5)]]),
        ([10], 4, [[(0, 0, 4)], [(0, 4, 8)], [(0, 8, 10)]]),
        ([2, 2, 2], 100, [[(0, 0, 2), (1, 0, 2), (2, 0, 2)]]),
        ([4, 4], 4, [[(0, 0, 4)], [(1, 0, 4)]]),
    ],
)
def test_chunks(lengths: list[int], size: int, expected: list[list[tuple[int, int, int]]]) -> None:
    assert list(chunks(lengths, size)) == expected


def test_broken_weights_end_an_answer(checkpoint: Path) -> None:
    broken = load(checkpoint)
    broken.network.lm_head.weight.data[5:99] = torch.nan
    ours = Ours(broken)
    (prefix,) = ours.read([page(1)])
    with pytest.raises(ModelError, match="NaN"):
        ours.answers([([page(1)], prefix, "é")])


def test_no_numbers_are_the_fault_of_the_answer_that_has_them(loaded: Loaded) -> None:
    """Else a page that breaks the network would cost another one, the last that joined its batch."""
    ours = Ours(loaded)
    prefix = Prefix(ours.decoder.shape, 3)
    steps = Steps(ours.decoder, ours.grammars, end=ours.tokens.end, forbidden=[])
    one, other = (Writing(ours.decoder, prefix, [5, 6], None, 9) for _ in range(2))
    logits = torch.zeros(2, ours.decoder.vocabulary)
    logits[0] = torch.nan
    with pytest.raises(ModelError, match="NaN"):
        steps._choose([one, other], logits)
    assert (one.is_broken, other.is_broken) == (True, False)


def test_an_answer_stops_at_its_end_and_at_its_limit() -> None:
    shape = CacheShape(1, 4, (torch.device("cpu"),), torch.float32)
    decoder, prefix = SimpleNamespace(shape=shape), Prefix(shape, 3)
    free = Writing(decoder, prefix, [1, 2], None, 5)
    assert free.pending == [1, 2]
    free.choose([7], end=11)
    assert (free.pending, free.written, free.done) == ([7], [7], False)
    free.choose([11], end=11)
    assert (free.pending, free.written, free.ended) == ([], [7], True), "the end is no part of the answer"
    cut = Writing(decoder, prefix, [1], None, 2)
    for token in (7, 8):
        cut.choose([token], end=11)
    assert (cut.written, cut.ended, cut.done) == ([7, 8], False, True)


def test_a_tail_grows_and_keeps_what_it_has(ours: Ours) -> None:
    tail = Tail(ours.decoder.shape, 1000)
    kept = []
    for _ in range(1000):
        tail.make_room(1)
        new = torch.randn(2, 1, 2, 1, 32)
        for layer in range(2):
            tail.write(layer, *new)
        kept.append(new)
        tail.advance(1)
    tail.length -= 1
    (piece,) = tail.pieces(0, 1)
    assert torch.equal(torch.stack([piece.keys, piece.values]), torch.cat(kept, dim=3))


@CUDA
def test_on_a_card_logits_are_those_of_the_cpu(checkpoint, ours: Ours) -> None:
    from tests.model.aria.conftest import load

    on_card = load(checkpoint)
    on_card.network.cuda()
    there = Ours(on_card)
    (near,), (far,) = ours.read(PAGES, chunk=997), there.read(PAGES, chunk=997)
    expected, found = ours.logits(PAGES, near, QUESTIONS[0]), there.logits(PAGES, far, QUESTIONS[0])
    assert (found - expected).abs().max() < 1e-3


@CUDA
@pytest.mark.parametrize("kept", [None, "int8", "fp8"])
def test_on_a_card_in_bfloat16_batch_and_single_logits_agree(checkpoint, kept: Quantised | None) -> None:
    from tests.model.aria.conftest import load

    on_card = load(checkpoint)
    on_card.network.cuda().bfloat16()
    there = Ours(on_card)
    (whole,), (cut,) = there.read(PAGES, kept=kept), there.read(PAGES, chunk=997, kept=kept)
    expected, found = (there.logits(PAGES, prefix, QUESTIONS[0]) for prefix in (whole, cut))
    assert ((found - expected).abs().max() / expected.std()) < 0.2
