"""Some HTTP servers that answer alike: many requests under way at once, and what is done when they go wrong.

The only door to httpx. Knows no model, no page and nothing of what is asked; `remote.py` does. All requests live in one
background thread with an event loop of its own, and callers in other threads hold futures: so `close` ends all of them
at once, whoever waits for them.

**Where to.** To the server with the fewest requests under way, at most `in_flight`; whoever has been answered by one
goes back to it (it has the pages in its cache) unless it has `FARTHER` more to do than another.

**What goes wrong.** 429, 5xx, a lost connection, a request that takes longer than its limit, and a body that is cut off
or makes no sense are tried again: at once on another server, if there is one that has not failed too, else after a
wait. The waits double from 1 s to 60 s, less up to half at random, or are as long as Retry-After says, at most 120 s.
After `ROUNDS` rounds of this, at least as many attempts, a request is given up: within 4 minutes of waiting where no
server names a time, and 18 where each always names a long one. Requests that run into their limit are given up after
half an hour in all. Every other status is the request's own fault and is not tried again. A server whose connections
are lost is left alone for 1 to 30 s, as long as there is another.
"""

from __future__ import annotations

import asyncio
import functools
import random
import re
import ssl
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Coroutine, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Generic, TypeVar

import httpx

from aria_docs.credentials import without_credentials
from aria_docs.errors import EngineError, ModelError, Refused

ROUNDS = 10
FIRST_WAIT_S, LONGEST_WAIT_S, LONGEST_NAMED_WAIT_S = 1.0, 60.0, 120.0
PATIENCE_S = 1800.0  # with requests that run into their limit
ALONE_S, LONGEST_ALONE_S = 1.0, 30.0
FARTHER = 4
CONNECT_S = 10.0
# Servers close connections that are idle, vLLM's after 5 s; one that closes while it is taken up again counts as lost.
IDLE_S = 2.0

Sleep = Callable[[float], Awaitable[None]]
Parsed = TypeVar("Parsed")

_WAYS_OUT = {
    400: "ask for fewer pages or frames or a lower --resolution, or name another --profile",
    401: "set ARIA_DOCS_API_KEY",
    403: "set ARIA_DOCS_API_KEY to a key that may ask this",
    404: "see that --server ends in /v1 and serves this --model",
    413: "ask for fewer pages or frames or a lower --resolution",
}


@dataclass(frozen=True, slots=True)
class Response(Generic[Parsed]):
    """What a server answered, and how long the request that it answered took, from its first byte to the last."""

    value: Parsed
    seconds: float


@dataclass(eq=False, slots=True)
class _Server:
    """One server and how it does. Only the background thread changes it.

    url:          without a slash at the end, as requests use it; shown: without a name and password in it.
    outstanding:  requests under way.
    losses:       connections lost since the last answer.
    alone_until:  on the loop's clock.
    free:         clients that no request uses, the last one used last.
    """

    url: str
    shown: str
    outstanding: int = 0
    losses: int = 0
    alone_until: float = 0.0
    free: list[httpx.AsyncClient] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Near:
    """What several requests have in common: the server that was asked last."""

    server: _Server | None = None


class _FailedAttempt(Exception):
    """One attempt that failed for a reason that may pass.

    wait_s:  what the server asked for; late: whether it ran into its limit.
    """

    def __init__(self, why: str, *, wait_s: float = 0.0, late: bool = False) -> None:
        super().__init__(why)
        self.wait_s, self.late = wait_s, late


class Servers:
    """The servers, and the thread in which requests to them live."""

    def __init__(
        self,
        urls: Sequence[str],
        *,
        key: str | None = None,
        timeout_s: float = 600.0,
        in_flight: int = 32,
        sleep: Sleep = asyncio.sleep,
        on_failed: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Sends nothing yet.

        key:        sent to each as a bearer token, never shown.
        timeout_s:  of one request, from its first byte to the answer's last.
        in_flight:  requests under way at once to each server.
        sleep:      how the background thread waits before it tries again.
        on_failed:  called, in that thread, with why an attempt failed.

        Raises EngineError for a URL or a key that cannot be sent.
        """
        self._servers = [_server(url) for url in dict.fromkeys(url.rstrip("/") for url in urls)]
        self._key, self._timeout_s, self._in_flight, self._sleep = _sendable(key), timeout_s, in_flight, sleep
        self._on_failed = on_failed
        self._lock, self._closed = threading.Lock(), False
        started: Future[asyncio.AbstractEventLoop] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._live(started)), name="aria-docs requests", daemon=True
        )
        self._thread.start()
        self._loop = started.result()

    @property
    def urls(self) -> tuple[str, ...]:
        """As they may be shown."""
        return tuple(server.shown for server in self._servers)

    def get(self, path: str, parse: Callable[[bytes], Parsed], *, rounds: int) -> list[Parsed | ModelError]:
        """What each server answers, in their order, or why it does not."""
        waiting = [
            self._submit(self._ask([server], "GET", path, (), parse, Near(), rounds)) for server in self._servers
        ]
        answers: list[Parsed | ModelError] = []
        for each in waiting:
            try:
                answers.append(each.result().value)
            except ModelError as error:
                answers.append(error)
        return answers

    def post(
        self, path: str, body: tuple[bytes, ...], parse: Callable[[bytes], Parsed], *, near: Near
    ) -> Future[Response[Parsed]]:
        """What one of the servers answers to a JSON body, given in pieces.

        parse:  raises ValueError for a body that makes no sense.

        The future raises Refused where a server takes the request for wrong, ModelError where none answers, and is
        cancelled by `close`. Raises ModelError after that.
        """
        return self._submit(self._ask(self._servers, "POST", path, body, parse, near, ROUNDS))

    def close(self) -> None:
        """Ends all requests under way, and the thread. Harmless when done twice."""
        with self._lock:
            closed, self._closed = self._closed, True
        if not closed:
            self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def _submit(self, asking: Coroutine[None, None, Response[Parsed]]) -> Future[Response[Parsed]]:
        with self._lock:
            if not self._closed:
                return asyncio.run_coroutine_threadsafe(asking, self._loop)
        asking.close()
        raise ModelError(f"The connection to {' and '.join(self.urls)} is closed: open the engine again.")

    async def _live(self, started: Future[asyncio.AbstractEventLoop]) -> None:
        """The thread's whole life: until `close`, and then the end of every request."""
        self._end, self._freed = asyncio.Event(), asyncio.Event()
        started.set_result(asyncio.get_running_loop())
        await self._end.wait()
        under_way = asyncio.all_tasks() - {asyncio.current_task()}
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        for server in self._servers:
            for client in server.free:
                await client.aclose()

    def _client(self) -> httpx.AsyncClient:
        """A client of one connection: httpx's own pool looks at each of its connections for each of the others."""
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        limits = httpx.Limits(max_connections=1, keepalive_expiry=IDLE_S)
        timeout = httpx.Timeout(None, connect=CONNECT_S)
        return httpx.AsyncClient(headers=headers, limits=limits, timeout=timeout, verify=_certificates())

    async def _ask(
        self,
        servers: Sequence[_Server],
        method: str,
        path: str,
        body: tuple[bytes, ...],
        parse: Callable[[bytes], Parsed],
        near: Near,
        rounds: int,
    ) -> Response[Parsed]:
        began, attempts = time.monotonic(), 0
        for at in range(rounds):
            failed: dict[_Server, _FailedAttempt] = {}
            while server := await self._place(servers, failed, near):
                attempts += 1
                try:
                    return await self._attempt(server, method, path, body, parse)
                except _FailedAttempt as failure:
                    failed[server] = last = failure
                    self._on_failed(f"attempt {attempts} failed: {failure}")
                finally:
                    server.outstanding -= 1
                    self._freed.set()
            waited = time.monotonic() - began
            if at + 1 == rounds or (last.late and waited > PATIENCE_S):
                break
            await self._sleep(_wait_s(at, min(failure.wait_s for failure in failed.values())))
        times = f"{attempts} attempts in {waited:,.0f} s" if attempts > 1 else "one attempt"
        raise ModelError(f"No answer after {times}: {last}; run again when the server is well.")

    async def _place(self, servers: Sequence[_Server], failed: Container[_Server], near: Near) -> _Server | None:
        """The server to ask next, as soon as it has room; None where all that are worth asking have failed."""
        while True:
            now = self._loop.time()
            left = [server for server in servers if server not in failed]
            well = [server for server in left if server.alone_until <= now]
            if not well and len(left) < len(servers):
                return None
            free = [server for server in well or left if server.outstanding < self._in_flight]
            if free:
                near.server = min(free, key=lambda server: self._far(server, near))
                near.server.outstanding += 1
                return near.server
            self._freed.clear()
            await self._freed.wait()

    def _far(self, server: _Server, near: Near) -> float:
        return server.outstanding - FARTHER * (server is near.server) + random.random() / 2

    async def _attempt(
        self, server: _Server, method: str, path: str, body: tuple[bytes, ...], parse: Callable[[bytes], Parsed]
    ) -> Response[Parsed]:
        content, headers = None, {}
        if body:
            content = _pieces(body)
            headers = {"Content-Type": "application/json", "Content-Length": str(sum(map(len, body)))}
        client = server.free.pop() if server.free else self._client()
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await client.request(method, server.url + path, content=content, headers=headers)
        except TimeoutError:
            self._lose(server)
            why = f"{server.shown} took longer than the {self._timeout_s:g} s of --request-timeout"
            raise _FailedAttempt(why, late=True) from None
        except httpx.HTTPError as e:
            self._lose(server)
            raise _FailedAttempt(
                f"the connection to {server.shown} failed ({self._clean(str(e)) or type(e).__name__})"
            ) from e
        finally:
            server.free.append(client)
        seconds = time.perf_counter() - began
        server.losses = 0
        if response.is_success:
            try:
                return Response(parse(response.content), seconds)
            except ValueError as e:
                raise _FailedAttempt(f"{server.shown} answered what is no answer: {self._first_words(response)}") from e
        why = f"{server.shown} answered {response.status_code}: {self._first_words(response)}"
        if response.status_code == HTTPStatus.TOO_MANY_REQUESTS or response.is_server_error:
            wait_s = _retry_after_s(response.headers.get("Retry-After"))
            if wait_s:
                server.alone_until = max(server.alone_until, self._loop.time() + wait_s)
            raise _FailedAttempt(why, wait_s=wait_s)
        raise Refused(f"{why}; {_WAYS_OUT.get(response.status_code, 'see that --server names the right one')}.")

    def _lose(self, server: _Server) -> None:
        """Leaves a server alone for a while, twice as long as the last time; what was lost together counts once."""
        now = self._loop.time()
        if server.alone_until <= now:
            server.alone_until = now + min(ALONE_S * 2.0**server.losses, LONGEST_ALONE_S)
            server.losses += 1

    def _first_words(self, response: httpx.Response) -> str:
        """The first words of an answer, on one line."""
        return self._clean(" ".join(response.text[:1000].split())[:300]) or "an empty body"

    def _clean(self, text: str) -> str:
        """A text of a server or a library without the key in it."""
        return text.replace(self._key, "…") if self._key else text


@functools.cache
def _certificates() -> ssl.SSLContext:
    """The usual certificates; loading them takes longer than many a request."""
    return httpx.create_ssl_context()


async def _pieces(body: tuple[bytes, ...]) -> AsyncIterator[bytes]:
    for piece in body:
        yield piece


def _wait_s(at: int, named_s: float) -> float:
    """How long to wait after a round, from 0; at random, so that all who were sent away don't come back at once."""
    if named_s:
        return named_s * (1 + random.random() / 10)
    return min(FIRST_WAIT_S * 2.0**at, LONGEST_WAIT_S) * (1 - random.random() / 2)


def _retry_after_s(retry_after: str | None) -> float:
    """What Retry-After asks for, as seconds or as a date (RFC 9110, 10.2.3); 0 where it asks for nothing."""
    if not retry_after:
        return 0.0
    if re.fullmatch(r"[0-9]+(\.[0-9]*)?", retry_after):
        seconds = float(retry_after)
    else:
        try:
            seconds = (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):  # no date, or one without a zone
            return 0.0
    return min(max(seconds, 0.0), LONGEST_NAMED_WAIT_S)


def _server(url: str) -> _Server:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as e:
        raise EngineError(f"{without_credentials(url)} is no URL ({e}): give one like http://HOST:8000/v1.") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise EngineError(f"{without_credentials(url)} is no URL of a server: give one like http://HOST:8000/v1.")
    return _Server(url, str(parsed.copy_with(userinfo=b"")))


def _sendable(key: str | None) -> str | None:
    key = key.strip() if key else None
    if key and not (key.isascii() and key.isprintable()):
        raise EngineError("The server's key has characters that cannot be sent: set ARIA_DOCS_API_KEY anew.")
    return key or None
