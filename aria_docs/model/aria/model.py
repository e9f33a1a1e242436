"""`ChatModel` on this machine: Aria's own weights, many questions for one reading of the pages or frames.

Puts together what the other files of this folder do: crops → features → a prefix that is read once → answers side by
side. Turns what PyTorch says when memory runs out into ModelError.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Protocol

import torch

from aria_docs.errors import ModelError
from aria_docs.model.aria.cache import Prefix, Quantised
from aria_docs.model.aria.decoder import Decoder
from aria_docs.model.aria.feature_cache import LIMIT_BYTES, FeatureCache, fingerprint
from aria_docs.model.aria.features import Vision
from aria_docs.model.aria.generate import CHUNK, Reading, Writing, answer, prefill
from aria_docs.model.aria.grammar import Grammars
from aria_docs.model.aria.tokens import Tokens
from aria_docs.model.chat_model import Context, Question, Reply, Shown
from aria_docs.model.profiles.aria import ARIA
from aria_docs.tiling.budget import Budget

TOGETHER = 8  # answers as one batch: they wake 35 of 64 experts where one wakes 6, so weights are read for several
_PAGE_TOKENS = 1_792 + 4_096  # an A4 page in ultra and the longest answer: what `together` counts on


class Loaded(Protocol):
    """What `weights.load` gives: an AriaForConditionalGeneration in eval mode, and what belongs to it."""

    @property
    def network(self) -> Any: ...  # noqa: D102

    @property
    def tokenizer(self) -> Any: ...  # noqa: D102

    @property
    def model(self) -> str: ...  # noqa: D102

    @property
    def revision(self) -> str | None: ...  # noqa: D102


class Seen:
    """A context: what is shown, and, from the first question on, its keys instead of its pixels.

    ids:     its prefix.
    prefix:  None before the first question, and again once closed.
    """

    def __init__(self, shown: Sequence[Shown], ids: Sequence[int]) -> None:
        self.shown: Sequence[Shown] = tuple(shown)
        self.parts = tuple(one.part for one in shown)
        self.ids = ids
        self.prefix: Prefix | None = None
        self.closed = False

    def close(self) -> None:
        """Gives the keys back. Harmless when done twice."""
        self.prefix, self.shown, self.closed = None, (), True


class AriaModel:
    """Aria on this machine.

    kv_cache:       how contexts' keys are kept: fp8 and int8 take half the memory of bfloat16.
    feature_cache:  where features are kept from run to run; None for nowhere.
    chunk:          tokens of a pass while a context is read.
    """

    name = "aria"
    lanes = 1
    unreachable: tuple[str, ...] = ()

    def __init__(
        self,
        loaded: Loaded,
        *,
        kv_cache: Quantised | None = None,
        feature_cache: FeatureCache | None = None,
        chunk: int = CHUNK,
    ) -> None:
        config = loaded.network.config
        self.model, self.revision = loaded.model, loaded.revision
        self.profile = replace(ARIA, context=min(ARIA.context, config.text_config.max_position_embeddings))
        self._tokens = Tokens(
            loaded.tokenizer, vocabulary=config.text_config.vocab_size, image=config.image_token_index
        )
        self._grammars = Grammars(self._tokens)
        self._vision = Vision(loaded.network, cache=feature_cache, checked=self._check)
        self._decoder = Decoder(loaded.network, checked=self._check)
        self._kept, self._chunk = kv_cache, chunk
        self._closing = threading.Event()
        self._described = f"{loaded}, keys and values in {kv_cache}" if kv_cache else str(loaded)
        self.together = _together(self._decoder, kv_cache)

    @classmethod
    def load(
        cls,
        model: str,
        *,
        quantize: Literal["int8", "int4"] | None = None,
        kv_cache: Quantised | None = None,
        device: str | None = None,
        adapter: str | None = None,
        feature_cache_bytes: int = LIMIT_BYTES,
    ) -> AriaModel:
        """From a folder or a hub id.

        device:               cpu, cuda, cuda:1, …; None for the first card, all where one is too small, or the CPU.
        adapter:              the folder of a LoRA adapter, see `adapter.py`; None for the weights as they are.
        feature_cache_bytes:  what features may take on disk, in ~/.cache/aria-docs or ARIA_DOCS_CACHE; 0 for none.

        Raises EngineError where the weights cannot be had, are not Aria's, or do not fit.
        """
        from aria_docs.model.aria import weights

        loaded = weights.load(model, quantize=quantize, device=device, adapter=adapter)
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
        self._reset_peak()
        return Seen(shown, self._tokens.prefix(parts))

    def ask(
        self, asked: Sequence[tuple[Context, Question]], *, told: Callable[[int], None] = lambda _: None
    ) -> list[Reply]:
        """A reply to each question, in their order, `together` at a time.

        Times are those of the batch that a question was answered in, on the wall.

        Raises ModelError where memory runs out, where a question does not fit behind its context, and after `close`.
        """
        # Neighbours of one context share its keys, and its reading is the shorter the fewer wait for it.
        order = sorted(
            range(len(asked)), key=lambda place: [id(context) for context, _ in asked].index(id(asked[place][0]))
        )
        replies: dict[int, Reply] = {}
        with self._memory_told():
            for start in range(0, len(order), self.together):
                batch = order[start : start + self.together]
                replies |= zip(batch, self._answered([asked[place] for place in batch], told), strict=True)
        return [replies[place] for place in range(len(asked))]

    def close(self) -> None:
        """Ends what is in `ask` before the next layer or token, with ModelError. May be called from another thread."""
        self._closing.set()

    def _answered(self, asked: Sequence[tuple[Context, Question]], told: Callable[[int], None]) -> list[Reply]:
        began_s = time.perf_counter()
        contexts = [_seen(context) for context, _ in asked]
        questions = [
            self._tokens.question(seen.parts, question.text)
            for seen, (_, question) in zip(contexts, asked, strict=True)
        ]
        limits = [
            self._limit(seen, ids, question)
            for seen, ids, (_, question) in zip(contexts, questions, asked, strict=True)
        ]
        constraints = [self._grammars.constraint(question.schema) for _, question in asked]
        self._read(contexts, told)
        writings = [
            Writing(self._decoder, prefix, ids, constraint, limit)
            for seen, ids, constraint, limit in zip(contexts, questions, constraints, limits, strict=True)
            if (prefix := seen.prefix) is not None
        ]
        answer(
            self._decoder,
            writings,
            self._grammars,
            end=self._tokens.end,
            forbidden=self._tokens.forbidden,
            chunk=self._chunk,
            told=told,
        )
        peak = self._peak_bytes()
        return [
            Reply(
                text=self._tokens.text(writing.written),
                ended=writing.ended,
                input_tokens=len(seen.ids) + len(ids),
                output_tokens=len(writing.written),
                prefill_s=writing.first_s - began_s,
                decode_s=writing.last_s - writing.first_s,
                peak_bytes=peak,
            )
            for writing, seen, ids in zip(writings, contexts, questions, strict=True)
        ]

    def _read(self, contexts: Sequence[Seen], told: Callable[[int], None]) -> None:
        """Features and keys of the contexts that have none yet. On failure they have none still."""
        new = [seen for seen in dict.fromkeys(contexts) if seen.prefix is None]
        if not new:
            return
        features = iter(self._vision.features([one for seen in new for one in seen.shown]))
        readings = [
            Reading(
                seen.ids,
                torch.cat([next(features) for _ in seen.shown]),
                Prefix(self._decoder.shape, len(seen.ids), kept=self._kept),
            )
            for seen in new
        ]
        prefill(self._decoder, readings, image=self._tokens.image, chunk=self._chunk, told=told)
        for seen, reading in zip(new, readings, strict=True):
            seen.prefix, seen.shown = reading.prefix, ()

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

    @contextmanager
    def _memory_told(self) -> Iterator[None]:
        self._check()
        try:
            yield
        except torch.OutOfMemoryError as e:
            raise _out_of_memory("the graphics card", e) from e
        except MemoryError as e:
            raise _out_of_memory("this machine", e) from e
        except RuntimeError as e:
            if "can't allocate memory" not in str(e):  # of torch's CPU allocator, which has no class of its own
                raise
            raise _out_of_memory("this machine", e) from e

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


def _together(decoder: Decoder, kept: Quantised | None) -> int:
    """As many pages as free memory has room for keys of, and no more than TOGETHER."""
    cards = [device for device in decoder.shape.devices if device.type == "cuda"]
    if not cards:
        return TOGETHER
    free = min(torch.cuda.mem_get_info(device)[0] for device in set(cards)) * len(set(cards))
    return max(1, min(TOGETHER, free // 2 // (_PAGE_TOKENS * decoder.shape.bytes_per_token(kept))))


def _out_of_memory(where: str, error: BaseException) -> ModelError:
    said = str(error).split(". ")[0]
    return ModelError(
        f"Memory of {where} ran out ({said}): take a lower --resolution, fewer --frames, --kv-cache int8, or "
        f"--quantize int4."
    )
