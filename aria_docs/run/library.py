"""`aria_docs.run`: what the command does, as a function."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from aria_docs.errors import UsageError
from aria_docs.run.outcome import Failure, Outcome

if TYPE_CHECKING:
    from aria_docs.ingest.scans.reader import OcrName


class _Progress:
    """Sentences of a run, for a function of the user's."""

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say = say
        self._n_files = self._n_over = 0

    def files(self, n: int) -> None:
        self._n_files = n

    def opened(self, path: str, n_parts: int, *, pages: int = 0, film_s: float = 0.0) -> None: ...
    def part(self, path: str) -> None: ...
    def tokens(self, n: int) -> None: ...
    def detail(self, sentence: str) -> None: ...

    def file_over(self, path: str) -> None:
        self._n_over += 1
        self._say(f"{self._n_over}/{self._n_files} {path}")

    def failed(self, failure: Failure) -> None:
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
    from aria_docs.ingest.scans.choice import choose as choose_reader
    from aria_docs.model.choice import choose
    from aria_docs.model.custom import load as load_schema
    from aria_docs.run.recipes import Options, parse_pages, parse_tasks
    from aria_docs.run.run import Run
    from aria_docs.storage.database import Store

    listed = [Path(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]
    if missing := [path for path in listed if not path.exists()]:
        raise UsageError(f"{missing[0]}: no such file or folder")
    chosen = choose(engine, model=model, servers=tuple(servers), profile=None)
    options = Options(
        engine=chosen.engine, model=chosen.model, revision=chosen.revision, profile=chosen.profile,
        context=chosen.context, servers=tuple(servers), schema=schema, ocr=choose_reader(ocr),
        tasks=parse_tasks(tasks, also=load_schema(schema, per="document").name if schema else None),
        pages=None if pages is None else parse_pages(pages), passwords=tuple(passwords),
        workers=workers or os.cpu_count() or 1, timeout_s=timeout_s, force=force, retry_failed=retry_failed,
    )  # fmt: skip
    progress = _Progress(on_progress or (lambda _: None))
    with Run(Store(Path(db), on_wait=progress.say), options, command="aria_docs.run", progress=progress) as current:
        files = current.find(listed)
        progress.files(len(files))
        current.outcome.add(current.read(files))
    return current.outcome
