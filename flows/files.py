"""One task per file, whatever its kind: a task costs Prefect some 100 ms, so pages are shared out inside of it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.runtime import flow_run, task_run
from prefect.states import Cancelled, Completed, Failed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from prefect.tasks import exponential_backoff

from aria_docs.credentials import hand_down, with_credentials, without_credentials
from aria_docs.errors import AriaDocsError, Unreachable
from aria_docs.flows.server import prefect_server
from aria_docs.ingest.folder import FoundFile, Kind
from aria_docs.progress import Both, Lines, LogFile, failure_line
from aria_docs.run.outcome import Failure, Outcome
from aria_docs.run.pending import chunks
from aria_docs.run.recipes import Options, read_passwords
from aria_docs.run.run import Run
from aria_docs.storage.database import Store
from aria_docs.storage.keeper import Keeper
from aria_docs.storage.object_store import is_remote, parse
from aria_docs.storage.spool import Spool
from aria_docs.text_table import printable

RETRIES = 2
_ARTIFACT_ROWS = 500
_AHEAD = 2  # tasks that are submitted at a time, for each thread: Prefect keeps all that it knows of a task in memory
_counting = threading.Lock()


@dataclass(slots=True)
class FlowReading:
    """What a flow has read so far. failed_now: the failures of files that it tried, not those of earlier runs."""

    run: Run
    failed_now: list[Failure]

    @property
    def outcome(self) -> Outcome:
        """How it went."""
        return self.run.outcome


class FlowLog(Lines):
    """Lines on standard error, as without Prefect, that stand in the log of the flow run too. Made within a run; used
    from any thread: a model's own knows no run.

    quiet: standard error has failures only.
    """

    def __init__(self, *, verbose: bool = False, quiet: bool = False) -> None:
        super().__init__(verbose=verbose)
        self._quiet = quiet
        self._log = get_run_logger()

    def add_failure(self, failure: Failure) -> None:
        """A line here and there."""
        self._write(failure_line(failure), here=True)

    def say(self, sentence: str) -> None:
        """A line here and there."""
        self._write(sentence, here=not self._quiet)

    def _write(self, sentence: str, *, here: bool) -> None:
        if here:
            super().say(sentence)
        self._log.info("%s", printable(sentence))


class ReadFailed(AriaDocsError):
    """Part of a file, or all of it, could not be read; the database knows what and why."""

    def __init__(self, failures: Sequence[Failure]) -> None:
        worst = min(failures, key=lambda failure: not failure.retryable)
        super().__init__(failure_line(worst))
        self.retryable = worst.retryable


def run_name() -> str:
    """The name of a flow run: its flow and its date, in the machine's time."""
    return f"{flow_run.flow_name} {datetime.now().astimezone():%Y-%m-%d %H:%M}"


def _is_retryable(_task: object, _task_run: object, state: State[Any]) -> bool:
    error = state.result(raise_on_failure=False)
    return isinstance(error, AriaDocsError) and error.retryable


@task(
    name="read file",
    task_run_name="{files[0].name}",
    retries=RETRIES,
    retry_delay_seconds=exponential_backoff(backoff_factor=2),
    retry_jitter_factor=0.5,
    retry_condition_fn=_is_retryable,
    cache_policy=NO_CACHE,  # what was read before is known to the database
    persist_result=False,
)
def read_file(reading: FlowReading, files: tuple[FoundFile, ...], workers: int) -> str | State[None]:
    """Reads what is pending of one content, which several files may hold, into the run's database.

    Returns the path of the first file; the rest is in the database. Raises ReadFailed.
    """
    outcome = reading.run.read(files, workers=workers)
    failed = None if outcome.interrupted or not outcome.failures else ReadFailed(outcome.failures)
    if failed and failed.retryable and (task_run.run_count or 1) <= RETRIES:
        outcome = Outcome(outcome.run_id, n_parts=outcome.n_parts)  # the files are counted when they are over
    with _counting:
        reading.outcome.add(outcome)
        reading.failed_now += outcome.failures
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
    log: FlowLog | Both | None = None,
) -> FlowReading:
    """The body of every flow: a task for each content of these kinds with something left to read, then an artifact.

    A ^C ends the tasks soon, with what they have finished stored; then the outcome says `interrupted`.
    """
    options = replace(options, servers=with_credentials(options.servers))
    if password_file:
        options = replace(options, passwords=read_passwords(Path(password_file)))
    log = log or FlowLog()
    with log, Run(keeper, options, command=without_credentials(command), progress=log) as run:
        reading = FlowReading(run, [])
        files = run.find([Path(path) for path in paths], kinds=kinds)
        log.files(len(files), files)
        done: list[FoundFile] = []
        is_over = False
        try:
            with ThreadPoolTaskRunner[Any](max_workers=options.workers) as tasks:
                try:
                    _submit(reading, _pending(run, files, done), tasks, options.workers)
                    run.outcome.add(run.read(done))
                    is_over = True
                finally:
                    if not is_over:  # a task that is still reading would keep the pool open
                        run.stop()
        except KeyboardInterrupt:
            run.outcome.interrupted = True
    create_table_artifact(
        key="aria-docs-" + "-".join(sorted(kinds)),
        table=_artifact(run.outcome),
        description=f"What was read into {keeper.path}",
    )
    return reading


def _submit(
    reading: FlowReading, pending: Iterator[tuple[FoundFile, ...]], tasks: TaskRunner[Any], workers: int
) -> None:
    """Hands contents to tasks, a few more than there are threads, and waits for all. Raises what is no ReadFailed."""
    n_room = _AHEAD * workers
    room = threading.Semaphore(n_room)
    defects: list[BaseException] = []

    def over(future: PrefectFuture[Any]) -> None:
        end: Any = future.result(raise_on_failure=False)
        if isinstance(end, BaseException) and not isinstance(end, ReadFailed):
            defects.append(end)
        room.release()

    first = list(islice(pending, workers))  # fewer contents than threads: each may use several
    share = max(1, workers // max(1, len(first)))
    for files in chain(first, pending):
        room.acquire()
        if defects:
            room.release()
            break
        tasks.submit(read_file, {"reading": reading, "files": files, "workers": share}).add_done_callback(over)
    for _ in range(n_room):
        room.acquire()
    if defects:
        raise defects[0]


def _pending(run: Run, files: Iterable[FoundFile], done: list[FoundFile]) -> Iterator[tuple[FoundFile, ...]]:
    """The contents with something left to read, each as the files that hold it; the other files go to `done`.

    Files are hashed in small groups as their turn comes, while others are read. Only files of one size can be copies of
    each other.
    """
    files = list(files)
    whole = run.pending.find_finished(files)
    done += whole
    of_size: dict[tuple[str, int], list[FoundFile]] = {}
    for file in files:
        if file not in whole:
            of_size.setdefault((file.kind, file.size_bytes), []).append(file)
    for _, candidates in groupby(_look_up(run, list(chain(*of_size.values()))), lambda f: (f.kind, f.size_bytes)):
        pending: dict[str, list[FoundFile]] = {}
        for file in candidates:
            try:
                content = run.pending.content_of(file)
            except Unreachable:
                pending[file.path] = [file]  # its task tries again, and says so
                continue
            if run.pending.tasks(content, file.kind):
                pending.setdefault(content, []).append(file)
            else:
                done.append(file)
        yield from (tuple(same) for same in pending.values())


def _look_up(run: Run, files: Sequence[FoundFile]) -> Iterator[FoundFile]:
    """The files, with one question to the keeper for each group."""
    for chunk in chunks(files):
        run.pending.look_up(chunk)
        yield from chunk


def _artifact(outcome: Outcome) -> list[dict[str, Any]]:
    counts = {"read": outcome.n_read, "done before": outcome.n_skipped, "failed": outcome.n_failed}
    rows = [{"file": f"({count} files)", "part": "", "what": what} for what, count in counts.items()]
    failed = outcome.failures[:_ARTIFACT_ROWS]
    return rows + [{"file": printable(item.path), "part": item.part, "what": item.message} for item in failed]


def read_kind(
    kind: Kind, paths: Sequence[str], db: str, options: Options, password_file: str | None
) -> State[list[str]]:
    """The body of a flow for the files of one kind, into a database. Its state says whether files failed."""
    return read_unattended((kind,), paths, Store(Path(db), on_wait=FlowLog().say), options, password_file)


def read_unattended(
    kinds: Sequence[Kind], paths: Sequence[str], keeper: Keeper, options: Options, password_file: str | None
) -> State[list[str]]:
    """What flows without a person before them have in common: they say in a line how it went.

    The state holds the paths of the files that failed; all else is with the keeper.
    """
    name = str(flow_run.flow_name)
    try:
        reading = read_all(paths, keeper, options, kinds=kinds, password_file=password_file, command=f"flow {name}")
    except AriaDocsError as error:
        FlowLog().say(f"{name}: {error}")
        raise
    outcome = reading.outcome
    counts = f"{outcome.n_read} files read, {outcome.n_skipped} done before, {outcome.n_failed} failed"
    FlowLog().say(f"{name}: {counts}; {outcome.n_parts} parts in {outcome.seconds:.1f} s → {keeper.path}")
    return final_state(reading, data=sorted({failure.path for failure in outcome.failures}))


def final_state(reading: FlowReading, *, data: Any) -> State[Any]:
    """How a flow run ends in the Prefect UI: Failed if a file failed in it, Completed under another name if files
    failed in earlier runs and were not tried again. The message has their number and the reason of the first."""
    outcome = reading.outcome
    if outcome.interrupted:
        return Cancelled(message="interrupted", data=data)
    if not outcome.failures:
        return Completed(message=f"{outcome.n_read} files read, {outcome.n_skipped} done before", data=data)
    n_now = len({failure.path for failure in reading.failed_now})
    n_before = len({failure.path for failure in outcome.failures}) - n_now
    counts = [f"{n_now} failed"] * bool(n_now) + [f"{n_before} failed in earlier runs"] * bool(n_before)
    first = (reading.failed_now or outcome.failures)[0]
    message = f"{outcome.n_files} files, {' and '.join(counts)}: {printable(first.message)}"
    if n_now:
        return Failed(message=message, data=data)
    return Completed(name="Failed before", message=message, data=data)


@flow(name="aria-docs", flow_run_name=run_name, persist_result=False)
def files(
    paths: list[str],
    db: str,
    options: Options,
    password_file: str | None,
    command: str,
    *,
    spool: bool = False,
    verbose: bool = False,
    quiet: bool = False,
    log_file: str | None = None,
) -> State[Outcome]:
    """PDFs and videos: what `aria-docs run --prefect` runs.

    spool:  `db` is the folder of a spool.
    verbose, quiet, log_file:  as of `aria-docs run`.
    """
    here = FlowLog(verbose=verbose, quiet=quiet)
    log = Both(here, LogFile(Path(log_file))) if log_file else here
    keeper = Spool(parse(db), say=log.say) if spool else Store(Path(db), on_wait=log.say)
    reading = read_all(
        paths, keeper, options, kinds=("pdf", "video"), password_file=password_file, command=command, log=log
    )
    return final_state(reading, data=reading.outcome)


def run_as_flow(
    paths: Sequence[Path],
    keeper: Keeper,
    options: Options,
    *,
    password_file: Path | None,
    command: str,
    verbose: bool = False,
    quiet: bool = False,
    log_file: Path | None = None,
) -> Outcome:
    """The same work as `aria-docs run`, as a flow run on the configured Prefect server, or on one of our own."""
    called_with = parameters(paths, keeper.path, options, password_file)
    with prefect_server():
        state: State[Any] = files(
            **called_with,
            command=without_credentials(command),
            spool=isinstance(keeper, Spool),
            verbose=verbose,
            quiet=quiet,
            log_file=str(log_file.absolute()) if log_file else None,
            return_state=True,
        )
    outcome = state.data.result if hasattr(state.data, "result") else state.data
    if isinstance(outcome, Outcome):
        return outcome
    state.result()
    raise AriaDocsError(f"the flow run ended as {state.name}: {state.message}")


def parameters(paths: Sequence[Path], db: Path, options: Options, password_file: Path | None) -> dict[str, Any]:
    """What every flow here is called with: absolute, and without secrets, as Prefect stores and shows parameters.

    Passwords of PDFs go by the name of their file, those of servers by the environment.
    """
    hand_down(options.servers)
    return {
        "paths": [os.path.abspath(path) for path in paths],  # noqa: PTH100 - resolve() would follow links
        "db": str(db) if is_remote(db) else os.path.abspath(db),  # noqa: PTH100
        "options": replace(options, passwords=(), servers=tuple(map(without_credentials, options.servers))),
        "password_file": os.path.abspath(password_file) if password_file else None,  # noqa: PTH100
    }
