"""A small OpenAI-compatible server: /v1/models and /v1/chat/completions over real sockets, and every way to go wrong.

In a test it runs in a thread of its own (`with FakeServer() as server`); for a benchmark it is a process:

    python tests/model/fake_server.py --latency 0.2        prints its URL, and reads no body
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

MODEL = {"id": "fake", "object": "model"}


@dataclass(frozen=True)
class Asked:
    """One request: its path, its headers in lower case, its body as JSON."""

    path: str
    headers: dict[str, str]
    body: Any

    @property
    def content(self) -> list[dict[str, Any]]:
        return self.body["messages"][0]["content"]

    @property
    def question(self) -> str:
        return self.content[-1]["text"].strip()


def fitting(schema: dict[str, Any], root: dict[str, Any] | None = None) -> Any:
    """The smallest thing that fits a schema, of those that this project's answers and most users' have."""
    root = root or schema
    if "$ref" in schema:
        return fitting(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    if alternatives := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
        return fitting(alternatives[0], root)
    match schema.get("type"):
        case "object":
            return {name: fitting(schema["properties"][name], root) for name in schema.get("required", ())}
        case "array":
            return [fitting(schema["items"], root) for _ in range(schema.get("minItems", 0))]
        case "string":
            texts = ("", "en", "0:00", "2026-01-31", "1.00", "x" * schema.get("minLength", 0))
            return next(
                text
                for text in texts
                if len(text) >= schema.get("minLength", 0) and re.search(schema.get("pattern", ""), text)
            )
        case "integer" | "number":
            return schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1)
        case "boolean":
            return False
        case "null":
            return None
    raise AssertionError(f"no rule for {schema}")


def fits_its_schema(asked: Asked) -> str:
    return json.dumps(fitting(asked.body["response_format"]["json_schema"]["schema"]))


def echoes_the_question(asked: Asked) -> str:
    return json.dumps({"asked": asked.question})


class FakeServer:
    """Answers after latency_s, in turn with each of the faults as long as there are any:

    a number       that status; "429 after 7" with Retry-After
    half           half of a good body, then the connection's end
    nothing        the connection's end
    hang           no answer until the server closes
    no json        a body that is a web page
    wrong json     a body of another shape
    off schema     an answer that does not fit the question's schema
    cut            an answer that was cut off at max_tokens
    none           a good answer after all

    faults:  in the order in which requests arrive, or what to do with a request.
    answer:  what the model says.
    models:  what GET /models lists; faults_at_start: in turn for these requests.
    """

    def __init__(
        self,
        *,
        faults: Iterable[str] | Callable[[Asked], str] = (),
        faults_at_start: Iterable[str] = (),
        answer: Callable[[Asked], str] = fits_its_schema,
        models: Iterable[dict[str, Any]] = (MODEL,),
        latency_s: float = 0.0,
        reads: bool = True,
    ) -> None:
        self._faults = faults if callable(faults) else _in_turn(faults)
        self._faults_at_start = iter(faults_at_start)
        self._answer, self._models, self._latency_s, self._reads = answer, list(models), latency_s, reads
        self.asked: list[Asked] = []
        self.asked_for_models: list[Asked] = []
        self.answered = 0
        self.at_once = self.most_at_once = 0
        self._started = threading.Event()

    def __enter__(self) -> FakeServer:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()), daemon=True)
        self._thread.start()
        assert self._started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.die()

    def die(self) -> None:
        """Ends at once: open connections are cut, new ones refused."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join()

    async def _live(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0, limit=2**20)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        self._started.set()
        await self._end.wait()
        server.close()
        for writer in self._writers:
            writer.transport.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._writers.add(writer)
        self._tasks.add(task)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                request, *lines = head.decode().split("\r\n")[:-2]
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                body = await self._body(reader, int(headers.get("content-length", 0)))
                if not await self._respond(Asked(request.split()[1], headers, body), writer):
                    return
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            return  # the client has gone, or the server dies
        finally:
            self._writers.discard(writer)
            self._tasks.discard(task)
            writer.close()

    async def _body(self, reader: asyncio.StreamReader, size: int) -> Any:
        if self._reads:
            return json.loads(await reader.readexactly(size)) if size else None
        while size:
            size -= len(await reader.read(min(size, 2**20)))
        return None

    async def _respond(self, asked: Asked, writer: asyncio.StreamWriter) -> bool:
        """Sends the answer to one request, or goes wrong; True where the connection lives on."""
        if asked.path == "/v1/models":
            self.asked_for_models.append(asked)
            fault, good = next(self._faults_at_start, "none"), {"object": "list", "data": self._models}
            return await self._send(writer, fault, good)
        if asked.path != "/v1/chat/completions":
            return await self._send(writer, "404", {})
        self.asked.append(asked)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            fault = self._faults(asked)
            await asyncio.sleep(self._latency_s)
            said = self._answer(asked) if self._reads else "{}"
            said = {"off schema": '{"nonsense": 1}', "cut": said[: len(said) // 2]}.get(fault, said)
            choice = {"index": 0, "message": {"role": "assistant", "content": said}}
            limit = 4 * asked.body["max_tokens"] if self._reads else len(said)  # characters
            choice["message"]["content"] = said[:limit]
            choice["finish_reason"] = "length" if fault == "cut" or len(said) > limit else "stop"
            usage = {"prompt_tokens": 1000 + len(self.asked), "completion_tokens": len(said)}
            good = {"object": "chat.completion", "choices": [choice], "usage": usage}
            lives_on = await self._send(writer, fault, good)
            self.answered += fault == "none"
            return lives_on
        finally:
            self.at_once -= 1

    async def _send(self, writer: asyncio.StreamWriter, fault: str, good: dict[str, Any]) -> bool:
        status, more, body = "200", "", json.dumps(good).encode()
        if match := re.fullmatch(r"(\d+)(?: after (.+))?", fault):
            status, named = match.groups()
            more = f"Retry-After: {named}\r\n" if named else ""
            body = json.dumps({"error": {"message": f"the fake server says {status}", "code": int(status)}}).encode()
        elif fault == "no json":
            body = b"<html>gateway</html>"
        elif fault == "wrong json":
            body = b'{"choices": "none"}'
        elif fault == "hang":
            await self._end.wait()
        if fault in ("nothing", "hang"):
            return False
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{more}\r\n"
        writer.write(head.encode() + (body[: len(body) // 2] if fault == "half" else body))
        await writer.drain()
        return fault != "half"


def _in_turn(faults: Iterable[str]) -> Callable[[Asked], str]:
    left = iter(faults)
    return lambda _asked: next(left, "none")


def forever(fault: str) -> Iterator[str]:
    while True:
        yield fault


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.2, help="seconds for each answer")
    parser.add_argument("--reads", action="store_true", help="parse the bodies")
    given = parser.parse_args()
    with FakeServer(latency_s=given.latency, reads=given.reads) as running:
        print(running.url, flush=True)  # noqa: T201
        threading.Event().wait()
