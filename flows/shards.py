"""Many machines: each reads a share of the files and leaves finished parts in a spool, then one loads the spool.

    shards ── deployments of a work pool ──> shard 1/N … shard N/N ──> load
    on_ray ── a Ray cluster: actors that are handed files ──────────> the same loading, in the flow's own process

The spool is a folder that all of them see, as they do the files, under the same paths. A share whose worker was lost is
run again, and reads only what is not in the spool yet.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import State, flow
from prefect.client.orchestration import get_client
from prefect.deployments import run_deployment
from prefect.runtime import flow_run
from prefect.states import Completed

from aria_docs.errors import AriaDocsError
from aria_docs.flows.files import RETRIES, FlowLog, read_unattended, run_name
from aria_docs.ingest.shards import Shard, parse_shard
from aria_docs.model.choice import choose
from aria_docs.run.recipes import Options, read_passwords
from aria_docs.storage.database import Store
from aria_docs.storage.load import load
from aria_docs.storage.object_store import parse
from aria_docs.storage.spool import Spool

_POLL_S = 2.0


def _shard_name() -> str:
    return f"{run_name()} {flow_run.parameters.get('share', '1/1')}"


@flow(name="shard", flow_run_name=_shard_name, persist_result=False)
def shard(
    paths: list[str], spool: str, share: str = "1/1", options: Options | None = None, password_file: str | None = None
) -> State[list[str]]:
    """Reads one share of the files, as 1/4 for the first of four, into the spool: a task for each file.

    The result is the paths of the files that failed; all else is in the spool.
    """
    keeper = Spool(parse(spool), say=FlowLog().say)
    state = read_unattended(("pdf", "video"), paths, keeper, _for_share(options, share), password_file)
    if state.is_failed():  # the share was read all the same: `shards` reads one again only if its worker was lost
        return Completed(name="Files failed", message=state.message, data=state.data)
    return state


@flow(name="load", flow_run_name=run_name, persist_result=False)
def load_spool(spool: str, db: str) -> int:
    """Takes what is in the spool into the database, each of its files once. Returns how many there were.

    Raises AriaDocsError where some had to be left out: the others are loaded.
    """
    log = FlowLog()
    loaded = load(parse(spool), Store(Path(db), on_wait=log.say), say=log.say)
    log.say(f"{loaded.n_files} batches loaded, {loaded.n_before} loaded before; {loaded.n_parts} parts → {db}")
    if loaded.left:
        raise AriaDocsError(f"left out of {db}: {'; '.join(loaded.left.values())}")
    return loaded.n_files


@flow(name="shards", flow_run_name=run_name, persist_result=False)
def shards(
    paths: list[str],
    spool: str,
    db: str,
    n: int = 2,
    options: Options | None = None,
    password_file: str | None = None,
    deployments: str = "aria-docs",
) -> None:
    """Runs `shard` n times and then `load` as deployments, wherever the work pool's workers are.

    A share that crashed is run again; with one that has failed for good, the others are loaded all the same.

    deployments:  the name of both, in `prefect.yaml`.

    Raises AriaDocsError where a share was not read, or not all of the spool loaded.
    """
    shown = replace(options, passwords=()) if options else None  # parameters are on show: passwords go by their file
    common = {"paths": paths, "spool": spool, "options": shown, "password_file": password_file}
    waiting = [str(Shard(number + 1, n)) for number in range(n)]
    for _ in range(1 + RETRIES):
        calls = {share: common | {"share": share} for share in waiting}
        waiting = _run_all(f"shard/{deployments}", calls)
        if not waiting:
            break
    if _run_all(f"load/{deployments}", {"load": {"spool": spool, "db": db}}):
        raise AriaDocsError(f"{spool} was not loaded into {db}, or not all of it: load/{deployments} says why")
    if waiting:
        raise AriaDocsError(f"not read, after {1 + RETRIES} runs: shards {', '.join(waiting)}; all else is in {db}")


def _run_all(deployment: str, calls: Mapping[str, dict[str, Any]]) -> list[str]:
    """Starts a run of the deployment for each call, waits for all. Returns the keys of those that did not complete."""
    runs: dict[str, UUID] = {}
    for key, parameters in calls.items():
        started: Any = run_deployment(deployment, parameters=parameters, flow_run_name=key, timeout=0)
        runs[key] = started.id
    failed: list[str] = []
    with get_client(sync_client=True) as client:
        while runs:
            time.sleep(_POLL_S)
            for key, run_id in list(runs.items()):
                state = client.read_flow_run(run_id).state
                if state and state.is_final():
                    del runs[key]
                    failed += [] if state.is_completed() else [key]
    return failed


@flow(name="on ray", flow_run_name=run_name, persist_result=False)
def on_ray(
    paths: list[str],
    spool: str,
    db: str | None = None,
    options: Options | None = None,
    password_file: str | None = None,
    address: str | None = None,
) -> list[str]:
    """What `aria-docs run --on ray` does, in this flow run. Returns the paths of the files that failed."""
    from aria_docs.flows.ray_run import read_on_ray

    log, chosen = FlowLog(), _for_share(options, "1/1")
    if password_file:
        chosen = replace(chosen, passwords=read_passwords(Path(password_file)))
    outcome = read_on_ray(
        [Path(path) for path in paths], parse(spool), chosen, command="flow on ray", progress=log, address=address,
        db=Path(db) if db else None,
    )  # fmt: skip
    if outcome.interrupted:
        raise AriaDocsError(f"interrupted: what was finished is in {spool}")
    return sorted({failure.path for failure in outcome.failures})


def _for_share(options: Options | None, share: str) -> Options:
    """The options, with all that the machine they are for decides. Raises UsageError, EngineError."""
    chosen = options or Options(workers=os.cpu_count() or 1)
    if chosen.engine != "embedded" and not chosen.profile:  # a deployment's parameters name a server and no more
        found = choose(chosen.engine, model=chosen.model, servers=chosen.servers)
        facts = {"model": found.model, "revision": found.revision, "profile": found.profile, "context": found.context}
        chosen = replace(chosen, **facts)  # type: ignore[arg-type]
    return replace(chosen, shard=parse_shard(share))
