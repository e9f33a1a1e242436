"""A Prefect server to run flows on: the one that is configured, or one of our own while it is needed.

Prefect's ephemeral server has no scheduler, and its last words go to the user's terminal. So ours is a whole server, in
a process of its own, with its output in a file. Its database is the one in PREFECT_HOME: past runs stay on record.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL, temporary_settings

from aria_docs.credentials import SERVERS
from aria_docs.errors import AriaDocsError

_STARTING_PATIENCE_S = 180.0  # a new PREFECT_HOME is given its tables first, which takes a busy machine a minute
_STOPPING_PATIENCE_S = 5.0
# Not for the server: flow runs are processes of ours, and ask with what ours has.
_SECRETS = ("ARIA_DOCS_API_KEY", "OPENAI_API_KEY", SERVERS)
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


@contextmanager
def prefect_server() -> Iterator[str]:
    """Flows run on this server within the context; gives the address of its UI.

    Raises AriaDocsError where the configured server does not answer, or ours does not start.
    """
    if url := PREFECT_API_URL.value():
        with get_client(sync_client=True) as client:
            if error := client.api_healthcheck():
                raise AriaDocsError(
                    f"no Prefect server answers at PREFECT_API_URL {url} ({error}): start it, or unset PREFECT_API_URL"
                )
        yield PREFECT_UI_URL.value() or url.removesuffix("/api")
        return
    port = _free_port()
    address = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        server = subprocess.Popen(
            [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            env=_environment(f"{address}/api"),
            start_new_session=True,  # ^C is for the flows; they still need the server to say how they ended
            preexec_fn=_die_with_parent,
        )
        try:
            with temporary_settings({PREFECT_API_URL: f"{address}/api"}):
                with get_client(sync_client=True) as client:
                    _wait_for(server, client, said)
                yield address
        finally:
            if server.poll() is None:  # Prefect tells the server of runs in the background, and would go on trying
                APILogWorker.drain_all(timeout=_STOPPING_PATIENCE_S)
                EventsWorker.drain_all(timeout=_STOPPING_PATIENCE_S)
            server.terminate()
            try:
                server.wait(_STOPPING_PATIENCE_S)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _environment(api: str) -> dict[str, str]:
    """Of the server: its own address for the UI, which would look for the API at port 4200; none of our secrets."""
    own = {
        "PREFECT_UI_API_URL": api,
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
    }
    return {name: value for name, value in os.environ.items() if name not in _SECRETS} | own


def _wait_for(server: subprocess.Popen[bytes], client: SyncPrefectClient, said: IO[str]) -> None:
    began = time.monotonic()
    while client.api_healthcheck() is not None:
        if server.poll() is not None or time.monotonic() - began > _STARTING_PATIENCE_S:
            said.seek(0)
            lines = [line for line in said.read().splitlines() if line.strip()]
            why = lines[-1].strip() if lines else f"silent for {_STARTING_PATIENCE_S:g} s"
            raise AriaDocsError(f"no Prefect server could be started ({why}): start one and set PREFECT_API_URL")
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _die_with_parent() -> None:
    """Called in the server's process before it becomes that: a kill -9 of ours leaves no server behind."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
