"""One task per file, whatever its kind: a task costs Prefect some 100 ms, so pages are shared out inside of it."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run, task_run
from prefect.states import Cancelled
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.tasks import exponential_backoff

from aria_docs.errors import AriaDocsError, Unreachable
from aria_docs.flows.server import prefect_server
from aria_docs.ingest.folder import FoundFile, Kind
from aria_docs.progress import Lines, failure_line
from aria_docs.run.outcome import Failure, Outcome
from aria_docs.run.recipes import Options, read_passwords
from aria_docs.run.run import Run
from aria_docs.storage.database import Keeper, Store
from aria_docs.storage.spool import Spool
from aria_docs.text_table import printable

RETRIES = 2
_ARTIFACT_ROWS = 500
_counting = threading.Lock()


class Told(Lines):
    """Lines on standard error, as without Prefect, that stand in the log of the flow run too. Made within a run; told
    from any thread: a model's own knows no run."""

    def __init__(self) -> None:
        super().__init__()
        self._log = get_run_logger()

    def say(self, sentence: str) -> None:
        """A line here and there."""
        super().say(sentence)
        self._log.info("%s", printable(sentence))


class NotRead(AriaDocsError):
    """Part of a file, or all of it, could not be read; the database knows what and why."""

    def __init__(self, failures: Sequence[Failure]) -> None:
        worst = min(failures, key=lambda failure: not failure.retryable)
        super().__init__(failure_line(worst))
        self.retryable = worst.retryable


def _may_pass(_task: object, _task_run: object, state: State[Any]) -> bool:
    error = state.result(raise_on_failure=False)
    return isinstance(error, AriaDocsError) and error.retryable


@task(
    name="read file",
    task_run_name="{files[0].name}",
    retries=RETRIES,
    retry_delay_seconds=exponential_backoff(backoff_factor=2),
    retry_jitter_factor=0.5,
    retry_condition_fn=_may_pass,
    cache_policy=NO_CACHE,  # what was read before is known to the database
    persist_result=False,
)
def read_file(run: Run, files: tuple[FoundFile, ...], workers: int) -> str | State[None]:
    """Reads what is pending of one content, which several files may hold, into the run's database.

    Returns the path of the first file; the rest is in the database. Raises NotRead.
    """
    outcome = run.read(files, workers=workers)
    failed = None if outcome.interrupted or not outcome.failures else NotRead(outcome.failures)
    if failed and failed.retryable and (task_run.run_count or 1) <= RETRIES:
        outcome = Outcome(outcome.run_id, n_parts=outcome.n_parts)  # the files are counted when they are over
    with _counting:
        run.outcome.add(outcome)
    if failed:
        raise failed
    return Cancelled(message="interrupted") if outcome.interrupted else files[0].path


def read_all(
    paths: Sequence[str],
    keeper: Keeper,
    options: Options,
    *,
    kinds: Sequence[str],
    password_file: str | None,
    command: str,
) -> Outcome:
    """The body of every flow: a task for each file of these kinds with something left to read, then an artifact.

    A ^C ends the tasks soon, with what they have finished stored; then the outcome says `interrupted`.
    """
    if password_file:
        options = replace(options, passwords=read_passwords(Path(password_file)))
    told = Told()
    with Run(keeper, options, command=command, progress=told) as run:
        files = run.find([Path(path) for path in paths], kinds=kinds)
        told.files(len(files))
        done, pending = _by_content(run, files)
        run.outcome.add(run.read(done))
        share = max(1, options.workers // max(1, len(pending)))
        try:
            with ThreadPoolTaskRunner[Any](max_workers=options.workers) as tasks:
                try:
                    reading = [tasks.submit(read_file, {"run": run, "files": f, "workers": share}) for f in pending]
                    ends = [future.result(raise_on_failure=False) for future in reading]
                finally:
                    run.stop()  # else a task that is still reading would keep the others' pool open
        except KeyboardInterrupt:
            run.outcome.interrupted, ends = True, []
    for end in ends:
        if isinstance(end, BaseException) and not isinstance(end, NotRead):
            raise end
    create_table_artifact(
        key="aria-docs-" + "-".join(sorted(kinds)),
        table=_artifact(run.outcome),
        description=f"What was read into {keeper.path}",
    )
    return run.outcome


def _by_content(run: Run, files: Sequence[FoundFile]) -> tuple[list[FoundFile], list[tuple[FoundFile, ...]]]:
    """The files with nothing left to read, and the others: one group for each content, so that none is read twice."""
    done: list[FoundFile] = []
    pending: dict[str, list[FoundFile]] = {}
    for file in files:
        try:
            content = run.pending.content_of(file)
        except Unreachable:
            pending[file.path] = [file]  # its task tries again, and says so
            continue
        if run.pending.tasks(content, file.kind):
            pending.setdefault(content, []).append(file)
        else:
            done.append(file)
    return done, [tuple(same) for same in pending.values()]


def _artifact(outcome: Outcome) -> list[dict[str, Any]]:
    counts = {"read": outcome.n_read, "done before": outcome.n_skipped, "failed": outcome.n_failed}
    rows = [{"file": f"({count} files)", "part": "", "what": what} for what, count in counts.items()]
    failed = outcome.failures[:_ARTIFACT_ROWS]
    return rows + [{"file": printable(item.path), "part": item.part, "what": item.message} for item in failed]


def read_kind(
    kind: Kind, paths: Sequence[str], db: str, options: Options, password_file: str | None
) -> list[str] | State[list[str]]:
    """The body of a flow for the files of one kind, into a database."""
    return read_unattended((kind,), paths, Store(Path(db), on_wait=Told().say), options, password_file)


def read_unattended(
    kinds: Sequence[Kind], paths: Sequence[str], keeper: Keeper, options: Options, password_file: str | None
) -> list[str] | State[list[str]]:
    """What flows without a person before them have in common: they say in a line how it went.

    Returns the paths of the files that failed; all else is with the keeper.
    """
    name = str(flow_run.flow_name)
    try:
        outcome = read_all(paths, keeper, options, kinds=kinds, password_file=password_file, command=f"flow {name}")
    except AriaDocsError as error:
        Told().say(f"{name}: {error}")
        raise
    counts = f"{outcome.n_read} files read, {outcome.n_skipped} done before, {outcome.n_failed} failed"
    Told().say(f"{name}: {counts}; {outcome.n_parts} parts in {outcome.seconds:.1f} s → {keeper.path}")
    failed = sorted({failure.path for failure in outcome.failures})
    return Cancelled(message="interrupted", data=failed) if outcome.interrupted else failed


@flow(name="aria-docs", persist_result=False)
def files(
    paths: list[str], db: str, options: Options, password_file: str | None, command: str, *, spool: bool = False
) -> Outcome | State[Outcome]:
    """PDFs and videos: what `aria-docs run --prefect` runs.

    spool:  `db` is the folder of a spool.
    """
    say = Told().say
    keeper = Spool(Path(db), say=say) if spool else Store(Path(db), on_wait=say)
    outcome = read_all(paths, keeper, options, kinds=("pdf", "video"), password_file=password_file, command=command)
    return Cancelled(message="interrupted", data=outcome) if outcome.interrupted else outcome


def run_as_flow(
    paths: Sequence[Path], keeper: Keeper, options: Options, *, password_file: Path | None, command: str
) -> Outcome:
    """The same work as `aria-docs run`, as a flow run on the Prefect server that is configured, or on one of our own.

    Passwords go by the name of their file: parameters are on show in the Prefect UI.
    """
    called_with = parameters(paths, keeper.path, options, password_file)
    with prefect_server():
        state: Any = files(**called_with, command=command, spool=isinstance(keeper, Spool), return_state=True)
    outcome: Outcome = state.data.result if state.is_cancelled() else state.result()
    return outcome


def parameters(paths: Sequence[Path], db: Path, options: Options, password_file: Path | None) -> dict[str, Any]:
    """What every flow here is called with: absolute, and without secrets."""
    return {
        "paths": [os.path.abspath(path) for path in paths],  # noqa: PTH100 - resolve() would follow links
        "db": os.path.abspath(db),  # noqa: PTH100
        "options": replace(options, passwords=()),
        "password_file": os.path.abspath(password_file) if password_file else None,  # noqa: PTH100
    }
