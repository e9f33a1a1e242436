"""`aria_docs.run`: what the command does, as a function."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from aria_docs.run.outcome import Failure, Outcome, Silent

if TYPE_CHECKING:
    from aria_docs.ingest.scans.reader import OcrName


class _Sentences(Silent):
    """Sentences of a run, for a function of the user's."""

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say = say
        self._n_files = self._n_over = 0

    def files(self, n: int) -> None:
        self._n_files = n

    def end_file(self, path: str) -> None:
        self._n_over += 1
        self._say(f"{self._n_over}/{self._n_files} {path}")

    def add_failure(self, failure: Failure) -> None:
        self._say(f"failed: {failure.message}")

    def say(self, sentence: str) -> None:
        self._say(sentence)


def run(
    paths: str | Path | Iterable[str | Path],
    *,
    db: str | Path,
    tasks: str = "tables,scenes,summary",
    engine: Literal["auto", "embedded", "aria", "remote"] = "auto",
    model: str | None = None,
    servers: Sequence[str] = (),
    schema: str | None = None,
    pages: str | None = None,
    passwords: Sequence[str] = (),
    ocr: OcrName | None = None,
    workers: int | None = None,
    timeout_s: float = 60.0,
    force: bool = False,
    retry_failed: bool = False,
    on_progress: Callable[[str], object] | None = None,
) -> Outcome:
    """See `aria_docs.run`."""
    from aria_docs.ingest.folder import require
    from aria_docs.run.options import build
    from aria_docs.run.run import Run
    from aria_docs.storage.database import Store

    listed = [Path(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]
    require(listed)
    _, options = build(
        engine=engine, model=model, servers=servers, tasks=tasks, schema=schema, pages=pages, ocr=ocr, workers=workers,
        passwords=tuple(passwords), timeout_s=timeout_s, force=force, retry_failed=retry_failed,
    )  # fmt: skip
    progress = _Sentences(on_progress or (lambda _: None))
    with Run(Store(Path(db), on_wait=progress.say), options, command="aria_docs.run", progress=progress) as current:
        files = current.find(listed)
        progress.files(len(files))
        current.outcome.add(current.read(files))
    return current.outcome
