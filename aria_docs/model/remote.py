"""A `ChatModel` behind one or more OpenAI-compatible servers: one chat completion a question.

Knows the shape of that API; no file, no pixels, no torch, not what the questions are about, and not how requests are
spread and tried again: that is `servers.py`. What a question sends, the context first and the question last, so that a
server with a prefix cache reads the pages once:

    {"messages": [{"role": "user", "content": [
        {"type": "text", "text": "Page 1: "}, {"type": "image_url", …}, …      every crop a picture of its own, in order
        {"type": "text", "text": "\\nPage 2: "}, {"type": "image_url", …}, …
        {"type": "text", "text": "\\nWhich tables …?"}]}],
     "model": …, "temperature": 0, "max_tokens": …, "response_format": {"type": "json_schema", …}, "stop": …}

Everything up to the question is made into bytes once a context, by joining: a page is megabytes of base64.
"""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from typing import Annotated, Self

from pydantic import BaseModel, Field

from aria_docs.errors import EngineError, ModelError
from aria_docs.model.chat_model import Context, Encoded, Question, Reply, Shown
from aria_docs.model.profiles import Profile
from aria_docs.model.profiles.choice import choose
from aria_docs.model.servers import Near, Response, Servers, Sleep
from aria_docs.tiling.budget import upper_bound

IN_FLIGHT = 32
TIMEOUT_S = 600.0
# What a server serves is asked for less patiently: in 4 rounds, within about 7 s where it answers at all.
MODELS_TIMEOUT_S, MODELS_ROUNDS = 30.0, 4
TOLD_S = 1.0


class _CompletionMessage(BaseModel):
    content: str | None = None


class _CompletionChoice(BaseModel):
    message: _CompletionMessage
    finish_reason: str | None = None


class _Usage(BaseModel):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Completion(BaseModel):
    """What is used of the answer to POST /chat/completions."""

    choices: Annotated[list[_CompletionChoice], Field(min_length=1)]
    usage: _Usage | None = None


class _Served(BaseModel):
    """What is used of one model in the answer to GET /models; `root` and `max_model_len` are vLLM's own."""

    id: str
    root: str | None = None
    max_model_len: int | None = None


class _Models(BaseModel):
    data: list[_Served]


class _RemoteContext:
    """Some pages or frames, and their part of a request as soon as one is asked."""

    def __init__(self, shown: Sequence[Shown]) -> None:
        self.near = Near()
        self._shown, self._bytes, self._lock = tuple(shown), b"", threading.Lock()

    def content(self) -> bytes:
        """The start of a request's JSON, up to the question."""
        with self._lock:
            if not self._bytes:
                self._bytes = b"".join(_content(self._shown))
            return self._bytes

    def close(self) -> None:
        with self._lock:
            self._shown, self._bytes = (), b""


class RemoteModel:
    """One model, served by each of some servers. `connect` makes one; the constructor asks nobody anything."""

    name = "remote"
    revision: str | None = None

    def __init__(
        self,
        servers: Sequence[str],
        *,
        model: str,
        profile: Profile,
        key: str | None = None,
        timeout_s: float = TIMEOUT_S,
        in_flight: int = IN_FLIGHT,
        unreachable: Sequence[str] = (),
        sleep: Sleep = asyncio.sleep,
        on_failed: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Servers that are known to serve that model.

        servers:      URLs that end in /v1.
        key:          sent as a bearer token, never shown.
        timeout_s:    of one request, from its first byte to the answer's last.
        in_flight:    requests under way at once to each server.
        unreachable:  why other servers are not among them.
        sleep:        how the background thread waits before it tries again.
        on_failed:    called, in that thread, with why an attempt failed.
        """
        self.model, self.profile, self.unreachable = model, profile, tuple(unreachable)
        self._servers = Servers(
            servers, key=key, timeout_s=timeout_s, in_flight=in_flight, sleep=sleep, on_failed=on_failed
        )
        self.lanes = in_flight * len(self._servers.urls)

    @classmethod
    def connect(
        cls,
        servers: Sequence[str],
        *,
        model: str | None = None,
        profile: str | None = None,
        key: str | None = None,
        timeout_s: float = TIMEOUT_S,
        in_flight: int = IN_FLIGHT,
        sleep: Sleep = asyncio.sleep,
        on_failed: Callable[[str], None] = lambda _: None,
    ) -> RemoteModel:
        """Asks all servers what they serve and takes those that answer; `unreachable` says why the others don't.

        model:    one of the ids that they serve, or the weights it was loaded from; needed where one serves several.
        profile:  by name, in place of the one that the model's names choose.

        Raises EngineError where no server answers, or one does not serve the model; UsageError for a profile that
        does not exist.
        """
        if not servers:
            raise EngineError("The remote engine needs a server: name one with --server http://HOST:8000/v1.")
        servers = list(dict.fromkeys(url.rstrip("/") for url in servers))
        asking = Servers(servers, key=key, timeout_s=min(timeout_s, MODELS_TIMEOUT_S), sleep=sleep)
        try:
            answers = asking.get("/models", _models, rounds=MODELS_ROUNDS)
        finally:
            asking.close()
        unreachable = [str(answer) for answer in answers if isinstance(answer, ModelError)]
        if len(unreachable) == len(servers):
            raise EngineError(f"No server says what it serves. {' '.join(unreachable)}")
        chosen = [
            _choose_model(url, answer.data, model)
            for url, answer in zip(asking.urls, answers, strict=True)
            if isinstance(answer, _Models)
        ]
        ids = sorted({served.id for served in chosen})
        if len(ids) > 1:
            raise EngineError(f"The servers serve different models, {' and '.join(ids)}: choose one with --model.")
        windows = [served.max_model_len for served in chosen if served.max_model_len]
        return cls(
            [url for url, answer in zip(servers, answers, strict=True) if isinstance(answer, _Models)],
            model=ids[0],
            profile=choose(ids[0], chosen[0].root, max_model_len=min(windows, default=None), profile=profile),
            key=key,
            timeout_s=timeout_s,
            in_flight=in_flight,
            unreachable=unreachable,
            sleep=sleep,
            on_failed=on_failed,
        )

    def count(self, text: str) -> int:
        """An upper bound: the tokenizer is with the server, and a request for every label would cost more."""
        return upper_bound(text)

    def open(self, shown: Sequence[Shown]) -> Context:
        """A context of these pages or frames; nothing is sent until the first question.

        Raises BudgetError where they alone are more tokens, pictures or frames than the model takes.
        """
        self.profile.budget("", answer=0, count=self.count).one_window([each.part for each in shown])
        return _RemoteContext(shown)

    def ask(
        self, asked: Sequence[tuple[Context, Question]], *, on_tokens: Callable[[int], None] = lambda _: None
    ) -> list[Reply]:
        """A reply to each question, in their order; all are sent at once, as far as in_flight allows.

        Of a reply, prefill_s is None, since an answer comes whole, and decode_s is what the request that was answered
        took, from its first byte to the answer's last: the server's own queue and its reading of the context are in
        it, earlier attempts and waits for a place are not. Tokens are those of the server's `usage`.

        on_tokens gets the tokens of each reply, and 0 once a second until one comes.

        Raises Refused where a server takes a question for wrong and ModelError where none answers it; what else was
        asked with it is then ended.
        """
        waiting = [self._send(context, question) for context, question in asked]
        try:
            left = set(waiting)
            while left:
                done, left = futures.wait(left, timeout=TOLD_S, return_when=futures.FIRST_COMPLETED)
                for each in done:
                    on_tokens(_reply(each.result()).output_tokens or 0)
                if not done:
                    on_tokens(0)
            return [_reply(each.result()) for each in waiting]
        except futures.CancelledError as e:
            raise ModelError("The requests were ended before a server answered: run again to ask anew.") from e
        finally:
            for each in waiting:
                each.cancel()

    def close(self) -> None:
        """Ends all requests under way, within a moment. Harmless when done twice."""
        self._servers.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"RemoteModel({self.model!r}, profile={self.profile.name!r}, lanes={self.lanes})"

    def _send(self, context: Context, question: Question) -> futures.Future[Response[_Completion]]:
        assert isinstance(context, _RemoteContext), context
        body = (context.content(), _asking(question, self.model, self.profile))
        return self._servers.post("/chat/completions", body, _completion, near=context.near)


def _content(shown: Sequence[Shown]) -> Iterator[bytes]:
    yield b'{"messages":[{"role":"user","content":['
    for number, each in enumerate(shown):
        yield _text(("\n" if number else "") + each.part.label)
        for crop in each.crops:
            assert isinstance(crop, Encoded), crop
            yield b',{"type":"image_url","image_url":{"url":"data:%s;base64,' % crop.media_type.encode()
            yield base64.b64encode(crop.data)
            yield b'"}}'
        yield b","


def _asking(question: Question, model: str, profile: Profile) -> bytes:
    """The rest of the request after `_content`."""
    options = {"model": model, "temperature": 0, "max_tokens": question.max_tokens}
    if profile.stop:
        options["stop"] = list(profile.stop)
    form = (
        b'{"type":"json_schema","json_schema":{"name":"answer","strict":true,"schema":%s}}' % question.schema.encode()
    )
    rest = json.dumps(options)[1:].encode()
    return _text("\n" + question.text) + b']}],"response_format":' + form + b"," + rest


def _text(text: str) -> bytes:
    return json.dumps({"type": "text", "text": text}).encode()


def _models(body: bytes) -> _Models:
    return _Models.model_validate_json(body)


def _completion(body: bytes) -> _Completion:
    return _Completion.model_validate_json(body)


def _reply(answered: Response[_Completion]) -> Reply:
    first, usage = answered.value.choices[0], answered.value.usage or _Usage()
    return Reply(
        first.message.content or "",
        ended=first.finish_reason != "length",
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        decode_s=answered.seconds,
    )


def _choose_model(url: str, served: Sequence[_Served], model: str | None) -> _Served:
    """What a server serves of that name, or its only one; EngineError where that is not clear."""
    names = " or ".join(each.id for each in served)
    if not served:
        raise EngineError(f"{url} serves no model: start it with one.")
    if model is None and len(served) > 1:
        raise EngineError(f"{url} serves several models: choose {names} with --model.")
    fitting = [each for each in served if model in (None, each.id)] or [each for each in served if each.root == model]
    if not fitting:
        raise EngineError(f"{url} does not serve {model}: choose {names} with --model.")
    return fitting[0]
