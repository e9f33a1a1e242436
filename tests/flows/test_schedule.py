"""`aria-docs schedule` on a whole Prefect server, with its scheduler: nothing is patched, but the clock ticks often."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("prefect")

from prefect.client.orchestration import get_client

from aria_docs.storage.database import Store
from tests.flows.conftest import make_film

EVERY_TEN_SECONDS = "* * * * * */10"


@pytest.fixture
def schedule(prefect_server_url: str, tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Starts the command; what it says goes to said.txt. A test that fails leaves no process behind."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: object) -> "subprocess.Popen[str]":
        environment = os.environ | {"PREFECT_API_URL": prefect_server_url, "PREFECT_RUNNER_POLL_FREQUENCY": "1"}
        command = [sys.executable, "-m", "aria_docs", "schedule", *map(str, arguments)]
        with (tmp_path / "said.txt").open("w") as said:
            started.append(subprocess.Popen(command, stderr=said, text=True, env=environment, start_new_session=True))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def until(condition: Callable[[], Any], said: Path, patience_s: float = 180) -> Any:
    deadline = time.monotonic() + patience_s
    while not (answer := condition()):
        assert time.monotonic() < deadline, said.read_text()
        time.sleep(0.3)
    return answer


def test_a_film_added_between_two_runs_is_all_that_the_second_reads(
    folder: Path, tmp_path: Path, schedule: Callable[..., "subprocess.Popen[str]"]
) -> None:
    db, said = tmp_path / "a.db", tmp_path / "said.txt"
    cron = ("--cron", EVERY_TEN_SECONDS, "--timezone", "Pacific/Kiritimati")

    def rows(query: str) -> list[dict[str, Any]]:
        return Store(db).records(query) if db.exists() and "runs" in tables() else []

    def tables() -> list[str]:
        return [row["name"] for row in Store(db).records("SHOW TABLES")]

    process = schedule(folder, "--videos", "--db", db, *cron)
    until(lambda: rows("FROM runs WHERE ended_at IS NOT NULL"), said)
    make_film(tmp_path / "new.mp4", shade=90).rename(folder / "new.mp4")  # whole at once, as no copy is
    until(lambda: rows("FROM runs WHERE ended_at IS NOT NULL AND n_read = 1 AND n_skipped = 1"), said)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 143

    assert rows("SELECT n_read, n_skipped, n_failed FROM runs WHERE n_read > 0 ORDER BY started_at") == [
        {"n_read": 1, "n_skipped": 0, "n_failed": 0},
        {"n_read": 1, "n_skipped": 1, "n_failed": 0},
    ]
    names = rows("SELECT parse_filename(path) AS name, count(*) AS n FROM video_scenes GROUP BY ALL ORDER BY name")
    assert names == [{"name": "movie.mp4", "n": 2}, {"name": "new.mp4", "n": 2}]
    assert rows("SELECT DISTINCT kind FROM sources") == [{"kind": "video"}]
    assert f"videos of {folder} → {db}, by '{EVERY_TEN_SECONDS}' in Pacific/Kiritimati: next " in said.read_text()
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    with get_client(sync_client=True) as client:
        ran = {run.name for run in client.read_flow_runs() if run.name.startswith("videos 20")}
    assert ran  # by date, not by an animal
