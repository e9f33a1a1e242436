"""`ChatModel` on this machine: Aria's own weights, many questions for one reading of the pages or frames.

Puts together what the other files of this folder do: crops → features → a prefix that is read once → answers side by
side. Turns what PyTorch says when memory runs out into ModelError.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch

from aria_docs.errors import ModelError
from aria_docs.model.aria.attention import kernels
from aria_docs.model.aria.batch import BatchJob, Readable, RunningBatch
from aria_docs.model.aria.cache import Prefix, Quantised
from aria_docs.model.aria.decoder import Decoder
from aria_docs.model.aria.drafting import Draft
from aria_docs.model.aria.feature_cache import LIMIT_BYTES, FeatureCache, fingerprint
from aria_docs.model.aria.features import Vision
from aria_docs.model.aria.generate import CHUNK, ContextReading, Steps, Writing, prefill
from aria_docs.model.aria.grammar import Grammars
from aria_docs.model.aria.tokens import Tokens
from aria_docs.model.chat_model import Context, Question, Reply, Shown
from aria_docs.model.choice import ARIA_LANES
from aria_docs.model.profiles.aria import ARIA
from aria_docs.tiling.budget import Budget

if TYPE_CHECKING:
    from aria_docs.model.aria.weights import LoadedAria

_CPU_SLOTS = 8  # answers side by side: they wake 35 of 64 experts where one wakes 6, so weights are read for several
_SHOWN = 16  # pages or frames whose features are made between two steps of answers
_WORK_BYTES = 3 * 2**30  # of a pass of CHUNK tokens
_CARD_SLOTS = 32  # all 64 are awake: a step reads the weights once for 32 tokens, whose keys are then as much again


class Seen:
    """A context: what is shown, and, once a question was asked, its keys.

    ids:      its prefix; n_bytes: of their keys and values.
    prefix:   None before the first question, where memory was needed for others, and once closed.
    """

    def __init__(self, shown: Sequence[Shown], ids: Sequence[int], n_bytes: int) -> None:
        self.shown: Sequence[Shown] = tuple(shown)  # kept until it is closed: keys may have to be read again
        self.parts = tuple(one.part for one in shown)
        self.ids, self.n_bytes = ids, n_bytes
        self.prefix: Prefix | None = None
        self.closed = False

    def close(self) -> None:
        """Gives keys and pixels back. Harmless when done twice."""
        self.prefix, self.shown, self.closed = None, (), True


class AriaModel:
    """Aria on this machine.

    kv_cache:       how contexts' keys are kept: fp8 and int8 take half the memory of bfloat16.
    slots:          answers written side by side; None for as many as pay on the device.
    drafts:         whether answers are guessed from what they quote; it changes no token.
    feature_cache:  where features are kept from run to run; None for nowhere.
    chunk:          tokens of a pass while a context is read.
    """

    name = "aria"
    lanes = ARIA_LANES
    unreachable: tuple[str, ...] = ()

    def __init__(
        self,
        loaded: LoadedAria,
        *,
        kv_cache: Quantised | None = None,
        feature_cache: FeatureCache | None = None,
        chunk: int = CHUNK,
        slots: int | None = None,
        drafts: bool = True,
    ) -> None:
        config = loaded.network.config
        self.model = loaded.model
        self.revision: str | None = loaded.revision
        self.profile = replace(ARIA, context=min(ARIA.context, config.text_config.max_position_embeddings))
        self._tokens = Tokens(
            loaded.tokenizer, vocabulary=config.text_config.vocab_size, image=config.image_token_index
        )
        self._grammars = Grammars(self._tokens)
        self._vision = Vision(loaded.network, cache=feature_cache, checked=self._check)
        self._decoder = Decoder(loaded.network, checked=self._check)
        self._kept, self._chunk = kv_cache, chunk
        self._closing = threading.Event()
        vision = config.vision_config
        heads = vision.num_attention_heads
        self.kernels = kernels(
            self._decoder.device,
            self._decoder.shape.dtype,
            tower=(heads, vision.hidden_size // heads),
            recorded=self._decoder.records,
        )
        kept = f", keys and values in {kv_cache}" if kv_cache else ""
        self._described = f"{loaded}{kept}; {self.kernels}"
        self._drafts = drafts
        steps = Steps(
            self._decoder,
            self._grammars,
            end=self._tokens.end,
            forbidden=self._tokens.forbidden,
            chunk=chunk,
        )
        if slots is None:
            slots = min(_CARD_SLOTS, self._decoder.widest) if self._cards() else _CPU_SLOTS
        self.batch = RunningBatch(
            steps, self._reading, slots=slots, room=_room_for_keys(self._decoder), translate=_out_of_memory
        )

    @classmethod
    def load(
        cls,
        model: str,
        *,
        revision: str | None = None,
        quantize: Literal["int8", "int4"] | None = None,
        kv_cache: Quantised | None = None,
        device: str | None = None,
        packed: bool | None = None,
        adapter: str | None = None,
        feature_cache_bytes: int = LIMIT_BYTES,
    ) -> AriaModel:
        """From a folder or a hub id.

        revision:             of a hub id: a commit, branch or tag.
        packed:               the decoder's weights in oneDNN's layout; None where that is of use.
        device:               cpu, cuda, cuda:1, …; None for the first card, all where one is too small, or the CPU.
        adapter:              the folder of a LoRA adapter, see `adapter.py`; None for the weights as they are.
        feature_cache_bytes:  what features may take on disk, in ~/.cache/aria-docs or ARIA_DOCS_CACHE; 0 for none.

        Raises EngineError where the weights cannot be had, are not Aria's, or do not fit.
        """
        from aria_docs.model.aria import weights

        loaded = weights.load(
            model, revision=revision, quantize=quantize, device=device, packed=packed, adapter=adapter
        )
        cache = None
        if feature_cache_bytes:
            network = loaded.network
            dtype = network.model.multi_modal_projector.query.dtype
            identity = fingerprint(network)
            cache = FeatureCache(cache_folder(), weights=identity, dtype=dtype, limit=feature_cache_bytes)
        return cls(loaded, kv_cache=kv_cache, feature_cache=cache)

    def __repr__(self) -> str:
        return self._described

    def count(self, text: str) -> int:
        """Tokens of a text, special ones recognised, none added."""
        return self._tokens.count(text)

    def open(self, shown: Sequence[Shown]) -> Context:
        """A context of these pages or frames; BudgetError where they leave no room for a question."""
        parts = [one.part for one in shown]
        Budget("", answer=1, limit=self.profile.context, count=self.count).one_window(parts)
        if self.batch.is_idle:
            self._reset_peak()
        ids = self._tokens.prefix(parts)
        return Seen(shown, ids, len(ids) * self._decoder.shape.bytes_per_token(self._kept))

    def ask(
        self, asked: Sequence[tuple[Context, Question]], *, on_tokens: Callable[[int], None] = lambda _: None
    ) -> list[Reply]:
        """A reply to each question, in their order, written side by side with those of other threads.

        Times are on the wall: of a context's first question from when it began to be read.

        Raises ModelError where memory runs out, where a question does not fit behind its context, and after `close`.
        """
        self._check()
        asking = [self._asking(_seen(context), question, on_tokens) for context, question in asked]
        self.batch.serve([one.job for one in asking])
        for one in asking:
            if one.job.error:
                raise one.job.error
        peak = self._peak_bytes()
        return [self._reply(one, peak) for one in asking]

    def close(self) -> None:
        """Ends what is in `ask` before the next layer or token, with ModelError. May be called from another thread."""
        self._closing.set()

    def _asking(self, seen: Seen, question: Question, on_tokens: Callable[[int], None]) -> _Asking:
        ids = self._tokens.question(seen.parts, question.text)
        limit = self._limit(seen, ids, question)
        constraint = self._grammars.constraint(question.schema)
        draft = Draft(self._tokens.likely(question.quoted)) if self._drafts and question.quoted else None

        def start(prefix: Prefix) -> Writing:
            return Writing(self._decoder, prefix, ids, constraint, limit, draft=draft)

        return _Asking(BatchJob(seen, start, on_tokens), n_input=len(seen.ids) + len(ids))

    def _reply(self, asking: _Asking, peak: int | None) -> Reply:
        writing = asking.job.writing
        assert writing is not None
        return Reply(
            text=self._tokens.text(writing.written),
            ended=writing.ended,
            input_tokens=asking.n_input,
            output_tokens=len(writing.written),
            prefill_s=writing.first_s - asking.job.began_s,
            decode_s=writing.last_s - writing.first_s,
            peak_bytes=peak,
        )

    def _reading(self, seen: Readable, between: int | None) -> Iterator[int]:
        """Features and keys of a context, piece by piece. On failure it has none still."""
        assert isinstance(seen, Seen)
        features: list[torch.Tensor] = []
        for start in range(0, len(seen.shown), step := _SHOWN if between else len(seen.shown)):
            if start:
                yield between or 0
            with torch.inference_mode():
                features += self._vision.features(seen.shown[start : start + step])
        reading = ContextReading(
            seen.ids, torch.cat(features), Prefix(self._decoder.shape, len(seen.ids), kept=self._kept)
        )
        chunk = min(between or self._chunk, self._chunk)
        yield from prefill(self._decoder, [reading], image=self._tokens.image, chunk=chunk)
        seen.prefix = reading.prefix

    def _limit(self, seen: Seen, ids: Sequence[int], question: Question) -> int:
        """Tokens the answer may have: as asked, or what the window leaves."""
        left = self.profile.context - len(seen.ids) - len(ids)
        if left < 1:
            raise ModelError(
                f"A context of {len(seen.ids):,} tokens and a question of {len(ids):,} leave no room in a window of "
                f"{self.profile.context:,}: show fewer pages or frames, or at a lower resolution."
            )
        return min(question.max_tokens, left)

    def _check(self) -> None:
        if self._closing.is_set():
            raise ModelError("The model was closed while it worked: run again to read what is left.")

    def _reset_peak(self) -> None:
        for device in self._cards():
            torch.cuda.reset_peak_memory_stats(device)

    def _peak_bytes(self) -> int | None:
        """Over all cards; None on a CPU, whose process holds more than the model."""
        cards = self._cards()
        return sum(torch.cuda.max_memory_allocated(device) for device in cards) if cards else None

    def _cards(self) -> list[torch.device]:
        return sorted({device for device in self._decoder.shape.devices if device.type == "cuda"}, key=str)


def cache_folder() -> Path:
    """Where features are kept: ARIA_DOCS_CACHE, or aria-docs in the user's folder for caches."""
    chosen = os.environ.get("ARIA_DOCS_CACHE")
    if chosen:
        return Path(chosen) / "features"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aria-docs" / "features"


def _seen(context: Context) -> Seen:
    assert isinstance(context, Seen), "a context of another model"
    if context.closed:
        raise ModelError("A question was asked of a context that is closed: open it again.")
    return context


@dataclass(frozen=True, slots=True)
class _Asking:
    """A question, and the tokens of its whole prompt."""

    job: BatchJob
    n_input: int


def _room_for_keys(decoder: Decoder) -> int | None:
    """Bytes for contexts' keys: of what cards have free beside the weights, what a pass and the answers do not need."""
    cards = {device for device in decoder.shape.devices if device.type == "cuda"}
    if not cards:
        return None
    free = min(torch.cuda.mem_get_info(device)[0] for device in cards) * len(cards)
    return max(0, int(0.8 * (free - _WORK_BYTES * len(cards))))


def _out_of_memory(error: Exception) -> ModelError | None:
    """What to say where memory ran out; None for any other error."""
    if isinstance(error, torch.OutOfMemoryError):
        where = "the graphics card"
    # torch's allocator for CPUs has no class of its own.
    elif isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        where = "this machine"
    else:
        return None
    said = str(error).split(". ")[0]
    return ModelError(
        f"Memory of {where} ran out ({said}): take a lower --resolution, fewer --frames, --kv-cache int8, or "
        f"--quantize int4."
    )
