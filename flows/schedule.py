"""The flows by the clock."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectNotFound
from prefect.runner import Runner
from prefect.schedules import Cron
from prefect.types.entrypoint import EntrypointType
from tzlocal import get_localzone_name

from aria_docs.errors import AriaDocsError, UsageError
from aria_docs.flows.documents import documents
from aria_docs.flows.files import parameters
from aria_docs.flows.server import prefect_server
from aria_docs.flows.videos import videos
from aria_docs.progress import Lines
from aria_docs.run.recipes import Options
from aria_docs.schemas import derive_id

_FLOWS: dict[str, Flow[..., Any]] = {"pdf": documents, "video": videos}
# A run that is due while the one before still goes on is left out: the next one finds whatever it would have found.
_ONE_AT_A_TIME = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)

_PLANNING_PATIENCE_S = 70  # the scheduler looks for new deployments every 5 s, and at all of them every 60 s


def serve(
    paths: Sequence[Path],
    db: Path,
    options: Options,
    *,
    kinds: Sequence[str],
    cron: str,
    timezone: str | None = None,
    password_file: Path | None,
) -> None:
    """Runs the flow of each kind at the times of `cron`, until a ^C or SIGTERM, which then is the caller's.

    timezone:  of these times, as Europe/Oslo; None for the machine's.

    Raises UsageError for a path that does not exist, a cron expression or a time zone that is none.
    """
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path}: no such file or folder")
    zone = timezone or get_localzone_name() or "UTC"
    if zone not in available_timezones():
        raise UsageError(f"--timezone {zone} is no time zone: write for example Europe/Oslo or UTC")
    try:
        schedule = Cron(cron, timezone=zone)
    except ValueError as error:
        raise UsageError(f"--cron {cron!r} is no cron expression: write for example '0 2 * * *'") from error
    called_with = parameters(paths, db, options, password_file)
    where = f"{', '.join(called_with['paths'])} → {called_with['db']}"
    deployments = [
        RunnerDeployment.from_flow(
            _FLOWS[kind],
            name="aria-docs-" + derive_id(where, digits=8),  # other folders served beside it get another
            description=where,
            schedule=schedule,
            parameters=called_with,
            concurrency_limit=_ONE_AT_A_TIME,
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        for kind in kinds
    ]
    names = " and ".join(_FLOWS[kind].name for kind in kinds)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with prefect_server() as ui:
        runner = asyncio.run(_serve(deployments, f"{names} of {where}, by {cron!r} in {zone}", ZoneInfo(zone), ui))
    if runner.ended_by:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        signal.raise_signal(runner.ended_by)
    raise AriaDocsError("the Prefect server does not answer any more: start aria-docs schedule again")


async def _serve(deployments: Sequence[RunnerDeployment], what: str, zone: ZoneInfo, ui: str) -> _Runner:
    await _forget(deployments)
    runner = _Runner()
    ids = [await runner.aadd_deployment(deployment) for deployment in deployments]
    next_run = await _next_run(ids)
    Lines().say(f"{what}: next {next_run.astimezone(zone):%Y-%m-%d %H:%M}, until ^C; Prefect UI at {ui}")
    # A ^C on a terminal goes to the runs' processes too, which would die of it in the middle of their imports: blocked
    # here, it is blocked in them, and comes to this process by the thread that does not block it.
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    signal.signal(signal.SIGINT, runner.handle_sigterm)
    await runner.start()
    return runner


async def _forget(deployments: Sequence[RunnerDeployment]) -> None:
    """What an earlier process served under these names goes: had it been killed in the middle of a run, that run would
    count as going on, and keep out ours for minutes; and the runs it missed would all be due now."""
    async with get_client() as client:
        for deployment in deployments:
            try:
                old = await client.read_deployment_by_name(f"{deployment.flow_name}/{deployment.name}")
            except ObjectNotFound:
                continue
            await client.delete_deployment(old.id)


async def _next_run(deployments: list[UUID]) -> datetime:
    """When the server has planned the first run: some seconds after the deployments were registered."""
    async with get_client() as client:
        for _ in range(_PLANNING_PATIENCE_S):
            if runs := await client.get_scheduled_flow_runs_for_deployments(deployments):
                return min(run.expected_start_time for run in runs if run.expected_start_time)
            await asyncio.sleep(1)
    raise AriaDocsError(
        f"the Prefect server has planned no run within {_PLANNING_PATIENCE_S} s: its scheduler is off, or broken as "
        "that of Prefect 3.8 is with SQLAlchemy 2.1; pip install 'sqlalchemy<2.1' mends it"
    )


class _Runner(Runner):
    """Prefect's, but ended in order: running flows are asked to stop, and store what they have finished."""

    ended_by: int = 0

    def handle_sigterm(self, number: int = signal.SIGTERM, *_: object) -> None:
        """Installed by `start`. A second signal does not wait for the runs."""
        self.ended_by = self.ended_by or number
        if self.stopping or not self._loop:
            raise KeyboardInterrupt
        asyncio.run_coroutine_threadsafe(self.astop(), self._loop)
