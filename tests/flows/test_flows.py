import json
import os
import re
import signal
import smtplib
import subprocess
import sys
import threading
import time
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("prefect")

import httpx
import pymupdf
import yaml
from fake_server import FakeServer
from prefect.client.orchestration import get_client
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.utilities.importtools import import_object

from aria_docs.errors import AriaDocsError, UsageError
from aria_docs.flows import schedule, server
from aria_docs.flows.documents import documents
from aria_docs.flows.files import RETRIES, read_file, run_as_flow
from aria_docs.flows.videos import videos
from aria_docs.run import pending
from aria_docs.run.outcome import Failure, Outcome
from aria_docs.run.recipes import Options
from aria_docs.run.run import Run
from aria_docs.storage.database import Store
from tests.conftest import make_pdf

ROOT = Path(__file__).parents[2]


def stored(db: Path, query: str) -> list[dict[str, Any]]:
    return Store(db).records(query)


def newest_artifact(key: str) -> list[dict[str, str]]:
    with get_client(sync_client=True) as client:
        answer = client._client.post("/artifacts/latest/filter", json={"artifacts": {"key": {"any_": [key]}}})
    rows: list[dict[str, str]] = json.loads(answer.json()[0]["data"])
    return rows


def task_runs(flow_run_name: str | None = None) -> dict[str, tuple[str, int]]:
    """State and number of attempts by name, of the newest flow run."""
    with get_client(sync_client=True) as client:
        newest = client.read_flow_runs(limit=1, sort="START_TIME_DESC")[0]
        answer = client._client.post("/task_runs/filter", json={"flow_runs": {"id": {"any_": [str(newest.id)]}}})
    return {run["name"]: (run["state_name"], run["run_count"]) for run in answer.json()}


def test_documents_reads_the_pdfs_and_nothing_else(folder: Path, tmp_path: Path) -> None:
    db = tmp_path / "a.db"

    state = documents([str(folder)], str(db), Options(workers=2), return_state=True)

    assert (state.type.value, state.name) == ("FAILED", "Failed")
    assert state.message.startswith(f"3 files, 1 failed: {folder / 'broken.pdf'} begins like a PDF, but")
    assert stored(db, "SELECT kind, n_pages FROM sources WHERE n_pages IS NOT NULL") == [{"kind": "pdf", "n_pages": 1}]
    assert stored(db, "SELECT n_read, n_failed FROM runs") == [{"n_read": 2, "n_failed": 1}]
    rows = newest_artifact("aria-docs-pdf")
    assert [row["what"] for row in rows[:3]] == ["read", "done before", "failed"]
    assert [row["file"] for row in rows] == ["(2 files)", "(0 files)", "(1 files)", str(folder / "broken.pdf")]


def test_how_much_a_flow_run_says(folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log, db = tmp_path / "run.log", Store(tmp_path / "a.db")
    run_as_flow([folder], db, Options(workers=2), password_file=None, command="test", quiet=True, log_file=log)
    said = capfd.readouterr().err
    assert re.search(r"^failed: .*broken\.pdf", said, re.MULTILINE)
    assert not re.search(r"^reading ", said, re.MULTILINE)
    lines = log.read_text().splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}", line) for line in lines)
    assert any("failed: " in line and "broken.pdf" in line for line in lines)


def test_videos_reads_the_videos_and_nothing_else(folder: Path, tmp_path: Path) -> None:
    db = tmp_path / "a.db"

    assert videos([str(folder)], str(db)) == []

    assert stored(db, "SELECT kind, round(duration_s, 1) AS s FROM sources") == [{"kind": "video", "s": 2.0}]
    assert stored(db, "SELECT start_s FROM scenes ORDER BY start_s") == [{"start_s": 0.0}, {"start_s": 1.0}]


def test_the_flow_of_the_command_line_reads_each_content_once_and_nothing_twice(folder: Path, tmp_path: Path) -> None:
    db, options = tmp_path / "a.db", Options(workers=2)

    first = run_as_flow([folder], Store(db), options, password_file=None, command="test")
    tasks = task_runs()
    second = run_as_flow([folder], Store(db), options, password_file=None, command="test")

    assert (first.n_read, first.n_skipped, first.n_failed) == (3, 0, 1)
    assert (second.n_read, second.n_skipped, second.n_failed) == (0, 3, 1)
    assert tasks == {"copy.pdf": ("Completed", 1), "movie.mp4": ("Completed", 1), "broken.pdf": ("Failed", 1)}


def test_what_may_pass_is_tried_again_and_what_cannot_is_not(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: dict[str, int] = {}
    read = Run.read

    def short_of_memory(run: Run, files: Any, *, workers: int | None = None) -> Outcome:
        files = list(files)
        for file in files:
            attempts[file.name] = attempts.get(file.name, 0) + 1
            if file.name == "movie.mp4" and attempts[file.name] == 1:
                return Outcome("", 1, 0, 1, failures=[Failure(file.path, "video", "OutOfMemory", "full", True)])
        return read(run, files, workers=workers)

    monkeypatch.setattr(Run, "read", short_of_memory)
    monkeypatch.setattr(read_file, "retry_delay_seconds", [0.1] * RETRIES)
    outcome = run_as_flow([folder], Store(tmp_path / "a.db"), Options(), password_file=None, command="test")

    assert attempts == {"copy.pdf": 1, "report.pdf": 1, "movie.mp4": 2, "broken.pdf": 1}
    assert (outcome.n_read, outcome.n_failed) == (3, 1)
    assert task_runs()["movie.mp4"] == ("Completed", 2)


def test_what_never_passes_is_given_up(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_memory(run: Run, files: Any, *, workers: int | None = None) -> Outcome:
        files = list(files)
        failures = [Failure(file.path, "", "OutOfMemory", "full", True) for file in files]
        return Outcome("", len(files), 0, len(files), failures=failures)

    monkeypatch.setattr(Run, "read", out_of_memory)
    monkeypatch.setattr(read_file, "retry_delay_seconds", [0.1] * RETRIES)
    outcome = run_as_flow(
        [folder / "movie.mp4"], Store(tmp_path / "a.db"), Options(), password_file=None, command="test"
    )

    assert (outcome.n_files, outcome.n_failed, len(outcome.failures)) == (1, 1, 1)
    assert task_runs() == {"movie.mp4": ("Failed", 1 + RETRIES)}


def newest_run() -> Any:
    with get_client(sync_client=True) as client:
        return client.read_flow_runs(limit=1, sort="START_TIME_DESC")[0]


def test_the_state_of_a_run_says_which_files_failed_and_when(folder: Path, tmp_path: Path) -> None:
    db, broken = str(tmp_path / "a.db"), str(folder / "broken.pdf")

    first = documents([str(folder)], db, return_state=True)
    second = documents([str(folder)], db, return_state=True)
    (folder / "broken.pdf").unlink()
    third = documents([str(folder)], db, return_state=True)

    assert (first.type.value, first.name) == ("FAILED", "Failed")
    assert first.message.startswith(f"3 files, 1 failed: {broken} begins like a PDF, but nothing in it can be read")
    assert (second.type.value, second.name) == ("COMPLETED", "Failed before")
    assert second.message.startswith(f"3 files, 1 failed in earlier runs: {broken} begins")
    assert second.result() == [broken]
    assert (third.type.value, third.name) == ("COMPLETED", "Completed")
    assert third.message == "0 files read, 2 done before"


def test_the_mail_of_the_documentation_is_sent_when_a_file_fails(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [script] = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "flows.md").read_text(), re.DOTALL)
    served: list[tuple[Any, dict[str, Any]]] = []
    mails: list[EmailMessage] = []

    class Smtp(smtplib.SMTP):
        def __init__(self, host: str) -> None:
            assert host == "localhost"

        def __enter__(self) -> "Smtp":
            return self

        def send_message(self, message: Any, *_: Any, **__: Any) -> Any:
            mails.append(message)

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(smtplib, "SMTP", Smtp)
    monkeypatch.setattr(type(documents), "serve", lambda flow, **called: served.append((flow, called)))
    exec(script, {"__name__": "__main__"})
    [(flow, called)] = served
    assert documents.validate_parameters(called["parameters"])["db"].endswith(".duckdb")

    flow([str(folder)], str(tmp_path / "a.db"), return_state=True)
    flow([str(folder)], str(tmp_path / "a.db"), return_state=True)  # no news, no mail

    [mail] = mails
    assert mail["Subject"].startswith("documents 20") and mail["Subject"].endswith(": Failed")
    assert str(folder / "broken.pdf") in mail.get_content()


def test_a_run_is_named_by_its_flow_and_date(folder: Path, tmp_path: Path) -> None:
    before = datetime.now().replace(second=0, microsecond=0)
    documents([str(folder / "report.pdf")], str(tmp_path / "a.db"))
    name, _, date = newest_run().name.partition(" ")
    assert name == "documents"
    assert before <= datetime.strptime(date, "%Y-%m-%d %H:%M") <= datetime.now()


def test_files_are_hashed_and_submitted_as_room_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of twelve files the first eight are hashed together, and two threads may have four tasks in all."""
    (tmp_path / "in").mkdir()
    for number in range(12):
        make_pdf(tmp_path / "in" / f"{number:02}.pdf", 1, word="Report" + "s" * number)
    hashed: set[str] = set()
    submitted: list[str] = []
    at_first: list[tuple[int, int]] = []
    is_full = threading.Event()
    hash_of, read, submit = pending.sha256_of, Run.read, ThreadPoolTaskRunner.submit

    def counted(path: str, **how: Any) -> str:
        hashed.add(path)
        return hash_of(path, **how)

    def held(run: Run, files: Any, *, workers: int | None = None) -> Outcome:
        is_full.wait(30)  # else the threads would be done before there is anything to see
        at_first.append((len(hashed), len(submitted)))
        return read(run, files, workers=workers)

    def noted(runner: Any, task: Any, parameters: dict[str, Any], *rest: Any, **more: Any) -> Any:
        submitted.append(parameters["files"][0].name)
        threading.Timer(0.5, is_full.set).start() if len(submitted) == 4 else None
        return submit(runner, task, parameters, *rest, **more)

    monkeypatch.setattr(pending, "sha256_of", counted)
    monkeypatch.setattr(Run, "read", held)
    monkeypatch.setattr(ThreadPoolTaskRunner, "submit", noted)
    options = Options(tasks=("tables",), workers=2)
    outcome = run_as_flow([tmp_path / "in"], Store(tmp_path / "a.db"), options, password_file=None, command="test")
    assert at_first[0] == (8, 4)
    assert (outcome.n_read, len(hashed), len(submitted)) == (12, 12, 12)


def test_our_own_errors_come_through(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a.db").write_text("not a database, and longer than a header would be" * 100)

    with pytest.raises(AriaDocsError, match="cannot be opened as a DuckDB database"):
        run_as_flow([folder], Store(tmp_path / "a.db"), Options(), password_file=None, command="test")


def test_interrupted_it_keeps_what_is_done_and_leaves_no_process(
    tmp_path: Path, folder: Path, prefect_server_url: str
) -> None:
    with pymupdf.open() as document:
        for number in range(3000):
            document.new_page().insert_text((72, 72), f"Page {number} of a very long report.")
        document.save(folder / "long.pdf")
    db = tmp_path / "a.db"
    command = [sys.executable, "-m", "aria_docs", "run", str(folder), "--db", str(db), "--prefect", "--workers", "2"]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PREFECT_API_URL": prefect_server_url},
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not (db.exists() and stored(db, "SELECT * FROM readings WHERE part LIKE 'page:%' LIMIT 5")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.3)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "Traceback" not in said and said.splitlines()[-1].startswith("interrupted: what was finished is kept")
    assert stored(db, "SELECT * FROM runs WHERE ended_at IS NOT NULL")
    assert 0 < len(stored(db, "SELECT * FROM readings WHERE part LIKE 'page:%'")) < 3000
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def test_the_ui_at_the_printed_address_asks_this_server(prefect_ui: str) -> None:
    named = httpx.get(f"{prefect_ui}/ui-settings").json()["api_url"]
    assert named == f"{prefect_ui}/api"
    assert httpx.get(f"{named}/health").json() is True
    page = httpx.get(prefect_ui, headers={"Accept": "text/html"}, follow_redirects=True)
    assert page.headers["Content-Type"].startswith("text/html") and "<script" in page.text


def test_the_server_is_told_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ARIA_DOCS_API_KEY", "OPENAI_API_KEY", "ARIA_DOCS_SERVERS"):
        monkeypatch.setenv(name, "hidden")
    given = server._environment("http://127.0.0.1:1/api")
    assert "hidden" not in given.values() and given["PATH"] == os.environ["PATH"]


@pytest.mark.parametrize("entry", yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"])
def test_the_deployments_of_prefect_yaml_fit_their_flows(
    entry: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)

    flow = import_object(entry["entrypoint"])

    called_with = flow.validate_parameters(entry["parameters"])
    assert called_with.get("paths", ["examples"]) == ["examples"]
    assert "spool" in called_with or entry["concurrency_limit"] == {"limit": 1, "collision_strategy": "CANCEL_NEW"}


@pytest.mark.parametrize(
    ("path", "cron", "sentence"),
    [
        ("nowhere", "* * * * *", "nowhere: no such file or folder"),
        (".", "at two", "--cron 'at two' is no cron expression: write for example '0 2 * * *'"),
    ],
)
def test_a_schedule_that_cannot_be(path: str, cron: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=sentence.replace("*", r"\*")):
        schedule.serve([Path(path)], tmp_path / "a.db", Options(), kinds=["pdf"], cron=cron, password_file=None)


def test_a_schedule_in_a_zone_that_is_none(tmp_path: Path) -> None:
    called = {"kinds": ["pdf"], "cron": "0 2 * * *", "timezone": "Mars/Olympus", "password_file": None}
    with pytest.raises(UsageError, match="--timezone Mars/Olympus is no time zone: write for example Europe/Oslo"):
        schedule.serve([tmp_path], tmp_path / "a.db", Options(), **called)


def test_a_schedule_says_when_the_server_plans_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deployments are there all the same."""
    monkeypatch.setattr(schedule, "_PLANNING_PATIENCE_S", 0)
    options = Options(workers=3, passwords=("secret",))
    called = {"kinds": ["pdf", "video"], "cron": "0 2 * * *", "timezone": "Asia/Tokyo", "password_file": None}

    with pytest.raises(AriaDocsError, match="planned no run within 0 s"):
        schedule.serve([folder], tmp_path / "a.db", options, **called)

    with get_client(sync_client=True) as client:
        found = {served.entrypoint: served for served in client.read_deployments()}
    assert found.keys() == {"aria_docs.flows.documents.documents", "aria_docs.flows.videos.videos"}
    for served in found.values():
        assert served.schedules[0].schedule.cron == "0 2 * * *"
        assert served.schedules[0].schedule.timezone == "Asia/Tokyo"
        assert served.concurrency_options.collision_strategy == "CANCEL_NEW"
        assert "secret" not in json.dumps(served.parameters)
        assert documents.validate_parameters(served.parameters)["options"].workers == 3


def test_a_flow_reads_with_the_model_of_a_server(folder: Path, tmp_path: Path) -> None:
    """Parameters name an engine and a server and no more; the model is told of from its own thread."""
    db = tmp_path / "a.db"
    with FakeServer() as model:
        options = Options(engine="remote", servers=(model.url,), workers=2)
        assert documents([str(folder)], str(db), options, return_state=True).name == "Failed"
    assert stored(db, "SELECT DISTINCT engine, model FROM readings") == [{"engine": "remote", "model": "fake"}]
    assert stored(db, "SELECT error FROM failures") == [{"error": "Damaged"}]
