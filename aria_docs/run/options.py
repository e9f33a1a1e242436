"""What a command line or a Python call asks for → `Options`: lists parsed, the engine and the OCR reader chosen."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Literal

from aria_docs.ingest.scans.choice import choose as choose_reader
from aria_docs.ingest.scans.reader import OcrName
from aria_docs.model.choice import EngineChoice, choose
from aria_docs.model.custom import load
from aria_docs.run.recipes import Options, parse_pages, parse_tasks


def build(
    *,
    engine: Literal["auto", "embedded", "aria", "remote"] = "auto",
    model: str | None = None,
    revision: str | None = None,
    device: str | None = None,
    adapter: str | None = None,
    servers: Sequence[str] = (),
    profile: str | None = None,
    tasks: str = "tables,scenes,summary",
    schema: str | None = None,
    per: Literal["page", "document"] = "document",
    pages: str | None = None,
    ocr: OcrName | None = None,
    workers: int | None = None,
    **others: Any,
) -> tuple[EngineChoice, Options]:
    """The engine that was chosen and why, and the options of the run. `others` are fields of `Options` as they are.

    Raises UsageError, and EngineError where the engine cannot be had.
    """
    own_task = load(schema, per=per).name if schema else None
    chosen = choose(
        engine, model=model, revision=revision, device=device, servers=servers, profile=profile, adapter=adapter
    )
    options = Options(
        engine=chosen.engine, model=chosen.model, revision=chosen.revision, profile=chosen.profile,
        context=chosen.context, adapter=chosen.adapter, device=device, servers=tuple(servers), schema=schema, per=per,
        tasks=parse_tasks(tasks, also=own_task), pages=None if pages is None else parse_pages(pages),
        ocr=choose_reader(ocr), workers=workers or os.cpu_count() or 1, **others,
    )  # fmt: skip
    return chosen, options
