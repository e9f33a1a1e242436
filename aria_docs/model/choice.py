"""Which engine reads, and how it is loaded: what `--engine` and its options mean on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Literal

from aria_docs.errors import EngineError, UsageError
from aria_docs.model.chat_model import ChatModel
from aria_docs.model.engine import Engine, Name

PUBLISHED = "rhymes-ai/Aria"
ARIA_LANES = 40  # 32 answers side by side, and pages that are read before one of them ends


def load(name: str) -> Engine:
    """The engine of that name that reads in the child. Raises EngineError for a name that is none."""
    if name == "embedded":
        from aria_docs.model.embedded.engine import EmbeddedEngine

        return EmbeddedEngine()
    raise EngineError(f"{name!r} is no engine that reads by itself: there is 'embedded'")


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """Who reads, as `--engine` and what belongs to it mean on this machine.

    why:       in a few words.
    model:     name or folder of the weights, revision: their state; None for embedded.
    profile:   what the model has to be shown, by name; context: tokens of its window.
    adapter:   the folder of a LoRA adapter for Aria's weights; its contents are part of `revision`.
    """

    engine: Name
    why: str
    model: str | None = None
    revision: str | None = None
    profile: str = ""
    context: int = 0
    adapter: str | None = None

    def __str__(self) -> str:
        adapted = f"with {self.adapter}" if self.adapter else None
        return " ".join(filter(None, (f"engine: {self.engine}", self.model, adapted, f"({self.why})")))


def choose(
    asked: Literal["auto"] | Name,
    *,
    model: str | None = None,
    revision: str | None = None,
    device: str | None = None,
    servers: Sequence[str] = (),
    profile: str | None = None,
    adapter: str | None = None,
) -> EngineChoice:
    """The engine that `--engine asked` means on this machine: with `auto`, aria where a CUDA device and weights are,
    else remote where a server is named, else embedded.

    model:    of --model: a folder or hub id for aria, a name that a server knows for remote.
    revision: of --revision: which state of a hub id; device: of --device; both for aria alone.
    profile:  for remote, in place of the one that fits the model's name.
    adapter:  for aria, the folder of a LoRA adapter.

    Loads no weights. Raises UsageError for options of another engine, EngineError where the one asked for cannot run.
    """
    why = "asked for"
    if asked == "auto":
        asked, why = _best(model, servers)
        servers, profile = ((), None) if asked == "aria" else (servers, profile)  # they were for the second best
    if asked != "aria":
        for option, value in (("--revision", revision), ("--device", device)):
            if value:
                raise UsageError(f"{option} is for Aria on this machine, and {asked} reads ({why}): add --engine aria")
    if asked == "embedded":
        for option, given in (("--model", model), ("--server", servers), ("--profile", profile)):
            if given:
                raise UsageError(f"{option} is for the engines aria and remote, and the embedded engine reads ({why})")
        _refuse_adapter(adapter, asked, why)
        return EngineChoice("embedded", why)
    if asked == "remote":
        if not servers:
            raise UsageError("--engine remote needs a server: name it with --server http://…/v1")
        _refuse_adapter(adapter, asked, why)
        from aria_docs.model.remote import RemoteModel

        with RemoteModel.connect(servers, model=model, profile=profile, key=api_key()) as remote:
            return EngineChoice(
                "remote", why, remote.model, remote.revision, remote.profile.name, remote.profile.context
            )
    if servers or profile:
        raise UsageError("--server and --profile are for --engine remote, and Aria itself reads here")
    from aria_docs.model.profiles.aria import ARIA

    weights = _weights()
    weights.find_device(device)
    name = model or PUBLISHED
    folder = weights.locate(name, revision=revision)
    context = weights.read_config(folder).text_config.max_position_embeddings
    state = weights.revision_of(folder)
    if adapter is not None:
        from aria_docs.model.aria import adapter as adapters

        state = weights.adapted_revision(state, adapters.identity(Path(adapter)))
    return EngineChoice("aria", why, name, state, ARIA.name, min(ARIA.context, context), adapter)


def open_model(
    choice: EngineChoice,
    *,
    device: str | None = None,
    servers: Sequence[str] = (),
    request_timeout_s: float = 600.0,
    quantize: Literal["int8", "int4"] | None = None,
    kv_cache: Literal["fp8", "int8"] | None = None,
    on_failed: Callable[[str], None] = lambda _: None,
) -> ChatModel:
    """The model of a choice, ready to be asked. Aria's weights are loaded: minutes. Raises EngineError.

    on_failed:  called, from any thread, with why a request to a server failed that is tried again.
    """
    assert choice.engine != "embedded" and choice.model, choice
    if choice.engine == "remote":
        from aria_docs.model.remote import RemoteModel

        return RemoteModel.connect(
            servers, model=choice.model, profile=choice.profile, timeout_s=request_timeout_s, key=api_key(),
            on_failed=on_failed,
        )  # fmt: skip
    from aria_docs.model.aria.model import AriaModel

    # The very state that was chosen, should the hub's branch have moved on; a folder has no other.
    here = Path(choice.model).expanduser().is_dir()
    revision = None if here or choice.revision is None else choice.revision.partition("+")[0]
    return AriaModel.load(
        choice.model,
        revision=revision,
        device=device,
        quantize=quantize,
        kv_cache=kv_cache,
        adapter=choice.adapter,
    )


def _refuse_adapter(adapter: str | None, engine: Name, why: str) -> None:
    if adapter is not None:
        served = "merge it (aria-docs adapt merge) and serve the result" if engine == "remote" else "add --engine aria"
        raise UsageError(f"--adapter is for Aria on this machine, and the {engine} engine reads ({why}): {served}")


def lanes(engine: Name, servers: Sequence[str]) -> int:
    """How many threads may ask the model at once."""
    if engine == "remote":
        from aria_docs.model.remote import IN_FLIGHT

        return IN_FLIGHT * len(servers)
    return ARIA_LANES if engine == "aria" else 1


def api_key() -> str | None:
    """Of the servers, from the environment."""
    return os.environ.get("ARIA_DOCS_API_KEY") or os.environ.get("OPENAI_API_KEY") or None


def _weights() -> ModuleType:
    """The room of Aria's weights. Raises EngineError where the aria extra is not installed."""
    try:
        from aria_docs.model.aria import weights
    except ModuleNotFoundError as error:
        hint = "pip install 'aria-docs[aria]' brings it"
        raise EngineError(f"--engine aria needs {error.name}, which is not installed: {hint}") from error
    return weights


def _best(model: str | None, servers: Sequence[str]) -> tuple[Name, str]:
    has_card = _has_card()
    if has_card and _are_here(model or PUBLISHED):
        return "aria", "a CUDA device and weights are here"
    lacking = f"no {model or PUBLISHED} here" if has_card else "no CUDA device here"
    return (
        ("remote", f"a server is named, and {lacking}") if servers else ("embedded", f"{lacking}, and no server named")
    )


def _has_card() -> bool:
    """Asked of the driver's own files first: torch takes seconds to load."""
    if not Path("/proc/driver/nvidia/version").exists():
        return False
    try:
        from aria_docs.model.aria.attention import has_card
    except ModuleNotFoundError:  # the aria extra is not installed
        return False
    return has_card()


def _are_here(model: str) -> bool:
    """A folder, or weights in this machine's hub cache."""
    from aria_docs.model.aria import weights

    try:
        weights.locate(model, download=False)
    except EngineError:  # that is the answer
        return False
    return True
