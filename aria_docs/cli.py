"""The command line: flags in, calls out, no logic. Every error that people can meet is one line and an exit status."""

from __future__ import annotations

import functools
import inspect
import io
import json
import os
import shlex
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from aria_docs import cli_adapt, config
from aria_docs.credentials import without_credentials
from aria_docs.errors import AriaDocsError, EngineError, UsageError
from aria_docs.export import Format

if TYPE_CHECKING:
    from aria_docs.model.choice import EngineChoice
    from aria_docs.progress import Both, Shown
    from aria_docs.run.outcome import Outcome
    from aria_docs.run.pending import ReadingPlan
    from aria_docs.run.recipes import Options
    from aria_docs.storage.database import Keeper, Store
    from aria_docs.storage.load import LoadSummary

app = typer.Typer(
    name="aria-docs",
    help="Folders of PDFs and long videos in, one DuckDB file of tables, scenes and summaries out, queried with SQL.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.add_typer(cli_adapt.app)

_READ, _ENGINE, _LIMITS, _OUTPUT = "What to read", "Engine", "Limits", "Output"
_PANELS = (_READ, _ENGINE, _LIMITS, _OUTPUT, None)


def _option(panel: str | None, text: str, *names: str, **rest: Any) -> Any:
    return typer.Option(*names, rich_help_panel=panel, help=text, **rest)


def _flag(panel: str | None, text: str, *names: str) -> Any:
    return typer.Option(*names, rich_help_panel=panel, help=text, metavar=" ")


def _place(text: str) -> Path:
    """Of a spool."""
    from aria_docs.storage.object_store import parse

    return parse(text)


def _db(panel: str | None, text: str) -> Any:
    return _option(panel, f"{text} (or ARIA_DOCS_DB)", "--db", metavar="FILE", envvar="ARIA_DOCS_DB", show_envvar=False)


_MADE = "The database; created if it does not exist."
Paths = Annotated[list[Path], typer.Argument(metavar="PATH", help="Files and folders, searched recursively.")]
Db = Annotated[Path, _db(None, "The database.")]
NewDb = Annotated[Path, _db(None, _MADE)]
Engine = Annotated[
    Literal["auto", "embedded", "aria", "remote"],
    _option(_ENGINE, "auto, embedded, aria or remote; auto takes the best that this machine can run.", metavar="NAME"),
]
Model = Annotated[
    str | None, _option(_ENGINE, "Aria's weights; of --engine remote, the server's model.", metavar="DIR_OR_ID")
]
Revision = Annotated[
    str | None, _option(_ENGINE, "Branch, tag or commit of --model, where that is a hub id.", metavar="REVISION")
]
Device = Annotated[
    str | None,
    _option(_ENGINE, "Where Aria runs: cpu, cuda or cuda:1. (default: the first card, else cpu)", metavar="DEVICE"),
]
Adapter = Annotated[
    str | None, _option(_ENGINE, "A LoRA adapter for Aria's weights, as aria-docs adapt train makes.", metavar="DIR")
]
Server = Annotated[
    list[str] | None,
    _option(_ENGINE, "An OpenAI-compatible server, to its /v1; several share the work.", metavar="URL"),
]
Profile = Annotated[
    str | None, _option(_ENGINE, "How to show pages to the server's model. (default: by its name)", metavar="NAME")
]
Resolution = Annotated[
    Literal["medium", "high", "ultra"] | None,
    _option(_ENGINE, "(default: ultra for pages, medium for videos, for whole documents what fits)"),
]
Frames = Annotated[
    int | None,
    _option(_ENGINE, "Frames of each video that a model is shown. (default: what fits)", min=1, max=256, metavar="N"),
]
Sampling = Annotated[Literal["uniform", "shots"], _option(_ENGINE, "Frames evenly in time, or a share for each shot.")]
Schema = Annotated[str | None, _option(_READ, "A pydantic model whose fields are read too.", metavar="FILE.py:MODEL")]
Per = Annotated[Literal["page", "document"], _option(_READ, "Whether --schema is asked page by page.")]
Quantize = Annotated[Literal["int8", "int4"] | None, _option(_ENGINE, "Aria's experts in fewer bits.")]
KvCache = Annotated[Literal["fp8", "int8"] | None, _option(_ENGINE, "Aria's keys and values in fewer bits.")]
RequestTimeout = Annotated[
    float, _option(_ENGINE, "The longest that a server may take for an answer.", min=0.1, metavar="SECONDS")
]
Tasks = Annotated[str, _option(_READ, "What to read: tables,scenes,summary or some of these.", metavar="LIST")]
Group = Annotated[bool, _flag(_READ, "Merge related shots into scenes.", "--group")]
SpeechModel = Annotated[
    Path | None,
    _option(_READ, "A faster-whisper model, for the words of videos without subtitles.", metavar="DIR"),
]
Ocr = Annotated[
    Literal["rapidocr", "tesseract"] | None,
    _option(_READ, "What reads scanned pages. (default: rapidocr, where the ocr extra is installed)"),
]
Pages = Annotated[str | None, _option(_READ, "Only these pages of each PDF, as in 1-5,9,20-.", metavar="LIST")]
Workers = Annotated[
    int | None, _option(_LIMITS, "Files and pages read at once. (default: the number of cores)", min=1, metavar="N")
]
PasswordFile = Annotated[
    Path | None, _option(_READ, "Passwords for encrypted PDFs, one a line; each is tried.", metavar="FILE")
]
Timeout = Annotated[
    float,
    _option(_LIMITS, "CPU seconds for a page, or for each begun minute of video.", min=0.1, metavar="SECONDS"),
]
Json = Annotated[bool, _flag(None, "Print the result as JSON.", "--json")]
Debug = Annotated[bool, _flag(None, "Show tracebacks, and what the parsers' libraries print.", "--debug")]

_FORMAT_OF: dict[str, Literal["csv", "json", "parquet", "markdown"]] = {
    ".csv": "csv", ".json": "json", ".parquet": "parquet", ".md": "markdown",
}  # fmt: skip
_NOTHING = "no PDF, image or video was found there: name a file or folder that holds some"


_EXAMPLES = {
    "run": (
        "run ~/reports ~/recordings --db results.duckdb",
        "run papers --db papers.duckdb --tasks tables --pages 1-20",
    ),
    "load": (
        "load /shared/spool --db papers.duckdb",
        "load /shared/spool --db papers.duckdb --json",
    ),
    "schedule": (
        'schedule ~/reports --cron "0 2 * * *" --db results.duckdb',
        'schedule ~/films --videos --cron "*/30 * * * *" --db films.duckdb',
    ),
    "sql": (
        'sql "SELECT path, page, caption FROM document_tables" --db results.duckdb',
        "sql \"FROM figures WHERE period = '2024'\" --db results.duckdb -o figures.xlsx",
    ),
    "export": (
        'export --db results.duckdb -o out --format xlsx --path "*annual*"',
        "export --db films.duckdb -o out --format chapters",
    ),
    "status": (
        "status --db results.duckdb",
        "status --db results.duckdb --json",
    ),
    "correct": (
        "correct --db r.duckdb --table f56a1a82965f483a --row 3 --col 1 --text 1,294",
        "correct --db r.duckdb --from corrections.json",
    ),
    "budget": (
        "budget ~/reports",
        "budget ~/films --frames 64 --json",
        "budget ~/reports --total --price-in 0.2 --price-out 0.6",
    ),
    "prune": (
        "prune --db results.duckdb --dry-run",
        "prune --db results.duckdb",
    ),
    "read": (
        "read report.pdf",
        "read film.mp4 --format json -o film.json",
    ),
    "report": (
        "report --db results.duckdb -o pages",
        "report --db films.duckdb -o films",
    ),
}


def _examples(command: str) -> str:
    """Two examples below the help of a command."""
    return "Examples:\n\n" + "\n\n".join(f"  aria-docs {example}" for example in _EXAMPLES[command])


def _print_version(wanted: bool) -> None:
    if wanted:
        from aria_docs.version import __version__

        typer.echo(f"aria-docs {__version__}")
        raise typer.Exit


@dataclass(frozen=True, slots=True)
class _RunOptions:
    """The options that decide how files are read."""

    choice: EngineChoice
    options: Options
    password_file: Path | None


def _options(
    *,
    engine: Engine = "auto",
    model: Model = None,
    revision: Revision = None,
    device: Device = None,
    adapter: Adapter = None,
    server: Server = None,
    profile: Profile = None,
    resolution: Resolution = None,
    frames: Frames = None,
    sampling: Sampling = "uniform",
    schema: Schema = None,
    per: Per = "document",
    quantize: Quantize = None,
    kv_cache: KvCache = None,
    request_timeout: RequestTimeout = 600.0,
    tasks: Tasks = "tables,scenes,summary",
    group: Group = False,
    speech_model: SpeechModel = None,
    ocr: Ocr = None,
    pages: Pages = None,
    workers: Workers = None,
    password_file: PasswordFile = None,
    timeout: Timeout = 60.0,
    debug: Debug = False,
) -> _RunOptions:
    """The options that say how is read, of every command that reads into a database."""
    from aria_docs.run.options import build
    from aria_docs.run.recipes import read_passwords

    choice, options = build(
        engine=engine, model=model, revision=revision, device=device, adapter=adapter, servers=server or (),
        profile=profile, tasks=tasks, schema=schema, per=per, pages=pages, ocr=ocr, workers=workers,
        resolution=resolution, frames=frames, sampling=sampling, quantize=quantize, kv_cache=kv_cache, group=group,
        speech=speech_model, passwords=read_passwords(password_file) if password_file else (),
        timeout_s=timeout, request_timeout_s=request_timeout, debug=debug,
    )  # fmt: skip
    return _RunOptions(choice, options, password_file)


Asked = Callable[[], _RunOptions]


def _panel(parameter: inspect.Parameter) -> int:
    """The place of a parameter's group in the help; arguments come first."""
    declared = getattr(parameter.annotation, "__metadata__", ())
    return 1 + _PANELS.index(declared[0].rich_help_panel) if declared and hasattr(declared[0], "envvar") else 0


def _with_options(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the options of `_options` in place of its parameter `asked`, by which it has them read."""
    shared = inspect.signature(_options, eval_str=True).parameters
    own = inspect.signature(command, eval_str=True).parameters

    @functools.wraps(command)
    def with_options(**given: Any) -> None:
        named = {name: given.pop(name) for name in shared}
        command(**given, asked=functools.partial(_options, **named))

    together = sorted((*own.values(), *shared.values()), key=_panel)
    taken = [parameter.replace(kind=parameter.KEYWORD_ONLY) for parameter in together if parameter.name != "asked"]
    with_options.__signature__ = inspect.Signature(taken)  # type: ignore[attr-defined]
    with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in taken}
    return with_options


@app.callback()
def everything(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    config_file: Annotated[
        Path | None,
        typer.Option(
            config.OPTION,
            metavar="FILE",
            help=f"Options of all commands in TOML; the command line wins. (default: {config.FILE}, if it is there)",
        ),
    ] = None,
) -> None:
    """Folders of PDFs and long videos in, one DuckDB file of tables, scenes and summaries out, queried with SQL."""


@app.command(epilog=_examples("run"))
@_with_options
def run(
    paths: Paths,
    asked: Asked,
    db: Annotated[Path | None, _db(_OUTPUT, _MADE)] = None,
    shard: Annotated[
        str | None, _option(_READ, "Only this share of the files, as in 1/4 for the first of four.", metavar="I/N")
    ] = None,
    spool: Annotated[
        Path | None,
        _option(
            _OUTPUT,
            "Leave what is read there, a folder or s3://, for aria-docs load; in place of --db.",
            metavar="FOLDER",
            parser=_place,
        ),
    ] = None,
    force: Annotated[bool, _flag(_READ, "Read everything again.", "--force")] = False,
    retry_failed: Annotated[bool, _flag(_READ, "Try everything again that has failed.", "--retry-failed")] = False,
    dry_run: Annotated[bool, _flag(_OUTPUT, "Say what would be read, and read nothing.", "--dry-run")] = False,
    as_json: Json = False,
    verbose: Annotated[bool, _flag(_OUTPUT, "Name each file, slow pages and retries too.", "-v", "--verbose")] = False,
    quiet: Annotated[bool, _flag(_OUTPUT, "Say nothing but what could not be read.", "-q", "--quiet")] = False,
    log_file: Annotated[
        Path | None, _option(_OUTPUT, "Add all that -v says to this file, with times.", metavar="FILE")
    ] = None,
    prefect: Annotated[
        bool, _flag(None, "The same as a Prefect flow run: retries, artifacts, the Prefect UI.", "--prefect")
    ] = False,
    on: Annotated[
        Literal["ray"] | None,
        typer.Option(help="Read on a Ray cluster, with --workers actors, by way of --spool or a spool beside --db."),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(metavar="A", help="Of --on ray: the cluster. (default: RAY_ADDRESS, else this machine alone)"),
    ] = None,
) -> None:
    """Read what is new, changed, or failed for a reason that may pass, and store it."""
    from aria_docs import progress
    from aria_docs.ingest.folder import require
    from aria_docs.ingest.shards import parse_shard
    from aria_docs.run.pending import holds_any, plan
    from aria_docs.run.run import Run
    from aria_docs.storage.lake import exists

    if verbose and quiet:
        raise UsageError("-v and -q: one says more and the other less, so leave one out")
    if address and not on:
        raise UsageError("--address is of a Ray cluster: add --on ray")
    if on and (prefect or shard):
        raise UsageError("--on ray hands the files out itself: leave --shard and --prefect out")
    require(paths)
    log = progress.LogFile(log_file) if log_file and not (dry_run or prefect) else None
    shown = progress.for_run(verbose=verbose, quiet=quiet, log=log)
    loaded_into, db, spool = (db, None, spool or _beside(db)) if on else (None, db, spool)
    keeper = _keeper(db, spool, shard=shard or ("1/1" if on else None), say=shown.say)
    reading = asked()
    options = replace(reading.options, force=force, retry_failed=retry_failed)
    if shard:
        options = replace(options, shard=parse_shard(shard))
    if not exists(keeper.path) and not holds_any(paths):  # before anything is made
        raise UsageError(_NOTHING)
    if dry_run:
        _end_of_plan(plan(paths, keeper, options), as_json=as_json)
    if prefect:
        from aria_docs.flows.files import run_as_flow

        flow = run_as_flow(
            paths, keeper, options, password_file=reading.password_file, command=_command(),
            verbose=verbose, quiet=quiet, log_file=log_file,
        )  # fmt: skip
        _end(flow, db, spool, as_json=as_json, quiet=quiet)
    with shown:
        if log:
            log.say(_command())
        shown.say(str(reading.choice))
        if on:
            outcome = _on_ray(paths, keeper.path, options, progress=shown, address=address, db=loaded_into)
            _end(outcome, loaded_into, None if loaded_into else spool, as_json=as_json, quiet=quiet)
        with Run(keeper, options, command=_command(), progress=shown) as current:
            files = current.find(paths)
            shown.files(len(files), files)
            current.outcome.add(current.read(files))
        if log:
            log.say(current.outcome.as_line())
    _end(current.outcome, db, spool, as_json=as_json, quiet=quiet)


@app.command(epilog=_examples("load"))
def load(
    spool: Annotated[
        Path,
        typer.Argument(
            metavar="SPOOL", help="Where workers have left finished parts: a folder, or s3://.", parser=_place
        ),
    ],
    db: NewDb,
    as_json: Json = False,
    debug: Debug = False,  # noqa: ARG001 - read by main
) -> None:
    """Take what is in a spool into the database, each of its files once."""
    from aria_docs.storage.database import Store
    from aria_docs.storage.load import load as take
    from aria_docs.text_table import printable

    def say(sentence: str) -> None:
        typer.echo(printable(sentence), err=True)

    _end_of_load(take(spool, Store(db, on_wait=say), say=say), spool, db, as_json=as_json)


@app.command(epilog=_examples("schedule"))
@_with_options
def schedule(
    paths: Paths,
    db: Annotated[Path, _db(_OUTPUT, _MADE)],
    asked: Asked,
    cron: Annotated[str, typer.Option(metavar="CRON", help="When, as in '0 2 * * *' for every night at two.")],
    timezone: Annotated[
        str | None, typer.Option(metavar="TZ", help="Of CRON, as in Europe/Oslo. (default: the machine's)")
    ] = None,
    documents: Annotated[bool, _flag(None, "PDFs only.", "--documents")] = False,
    videos: Annotated[bool, _flag(None, "Videos only.", "--videos")] = False,
) -> None:
    """Serve the flows on a schedule, until interrupted; each run reads what is new or changed."""
    reading = asked()
    from aria_docs.flows.schedule import serve

    kinds = [kind for kind, asked in (("pdf", documents), ("video", videos)) if asked] or ["pdf", "video"]
    serve(
        paths, db, reading.options, kinds=kinds, cron=cron, timezone=timezone, password_file=reading.password_file
    )  # fmt: skip


@app.command(epilog=_examples("sql"))
def sql(
    query: Annotated[
        str | None,
        typer.Argument(
            metavar="[QUERY]", help="One statement that reads; - takes it from standard input; none is a prompt."
        ),
    ] = None,
    db: Annotated[Path | None, _db(None, "The database.")] = None,
    spool: Annotated[
        Path | None,
        typer.Option(
            "--spool",
            metavar="FOLDER",
            parser=_place,
            help="A spool as it is, without a database: the same tables and views.",
        ),
    ] = None,
    form: Annotated[
        Literal["table", "lines", "markdown", "csv", "json", "parquet"] | None,
        typer.Option("--format", help="How the answer is written. (default: table, or by the suffix of -o)"),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="A .csv, .json, .parquet, .xlsx or .md file.")
    ] = None,
    debug: Debug = False,  # noqa: ARG001 - read by main
) -> None:
    """Query a database or a spool, read-only."""
    store = _open_store(db, spool)
    if query is None:
        if output or form:
            raise UsageError("--format and -o are for one query: name it, or - for standard input")
        from aria_docs import shell

        shell.run(store)
        return
    if query == "-":
        query = sys.stdin.read()
    if output and form is None:
        form = _FORMAT_OF.get(output.suffix.lower())
        if output.suffix.lower() == ".xlsx":
            from aria_docs.export.xlsx import write_answer

            write_answer(output, store.ask(query))
            return
        if form is None:
            raise UsageError(
                f"-o {output}: the suffix says the format, {', '.join(_FORMAT_OF)} or .xlsx; or add --format"
            )
    store.answer(query, form=form or "table", target=output)


@app.command(epilog=_examples("export"))
def export(
    db: Db,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FOLDER", help="Where the files are written.")],
    form: Annotated[
        Format,
        typer.Option(
            "--format",
            help="csv, parquet and xlsx are of tables (csv of scenes too), markdown of all, the others of videos.",
        ),
    ] = "csv",
    stacked: Annotated[
        bool, _flag(None, "Tables of one stack as one file or sheet, instead of one each.", "--stacked")
    ] = False,
    separate: Annotated[
        bool, _flag(None, "Of xlsx: a workbook for each table, instead of one for all.", "--separate")
    ] = False,
    path: Annotated[
        str | None, typer.Option(metavar="GLOB", help="Only files whose path or name matches, as in '*annual*'.")
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(
            metavar="SQL", help="Only tables of document_tables, or scenes of video_scenes, where this holds."
        ),
    ] = None,
    table: Annotated[list[str] | None, typer.Option(metavar="ID", help="Only this table; may be repeated.")] = None,
    max_chapters: Annotated[
        int | None, typer.Option(metavar="N", help="Of chapters: at most so many for a video. (default: 12)")
    ] = None,
    debug: Debug = False,  # noqa: ARG001 - read by main
) -> None:
    """Write tables, chapters, edit lists, clips, pictures or subtitles to a folder, with a manifest."""
    from aria_docs.export import Chosen, Left
    from aria_docs.export import export as write
    from aria_docs.storage.database import Store
    from aria_docs.text_table import printable

    def say(left: Left) -> None:
        typer.echo(printable(f"{left.source}: {left.error}"), err=True)

    chosen = Chosen(path=path, where=where, tables=tuple(table or ()))
    done = write(
        Store(db),
        output,
        form=form,
        stacked=stacked,
        separate=separate,
        chosen=chosen,
        max_chapters=max_chapters,
        on_left=say,
    )
    failed = [left for left in done.left if not left.is_unwanted]
    left = f", {len(failed)} left out" if failed else ""
    typer.echo(f"{len(done.written)} file{'s' * (len(done.written) != 1)} → {output}{left}", err=True)
    raise typer.Exit(1 if failed else 0)


@app.command(epilog=_examples("read"))
def read(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A PDF, an image or a video.")],
    form: Annotated[
        Literal["markdown", "json"], typer.Option("--format", help="Markdown, or everything that was read as JSON.")
    ] = "markdown",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="OUT", help="A file to write. (default: standard output)")
    ] = None,
    pages: Pages = None,
    ocr: Ocr = None,
    password_file: PasswordFile = None,
    timeout: Timeout = 60.0,
    debug: Debug = False,  # noqa: ARG001 - read by main
) -> None:
    """Read one file without a database and print what was read."""
    from aria_docs.document import read as read_file
    from aria_docs.progress import failure_line
    from aria_docs.run.recipes import read_passwords
    from aria_docs.text_table import printable

    passwords = read_passwords(password_file) if password_file else ()
    document = read_file(file, pages=pages, passwords=passwords, ocr=ocr, timeout_s=timeout)
    is_json = form == "json"
    text = json.dumps(document.as_json(), indent=2, ensure_ascii=False) + "\n" if is_json else document.to_markdown()
    if output:
        output.write_text(text, encoding="utf-8")
    else:
        typer.echo(text, nl=False)
    for note in document.notes:
        typer.echo(printable(f"not read: {note}"), err=True)
    for failure in document.failures:
        typer.echo(printable(failure_line(failure)), err=True)
    raise typer.Exit(1 if document.failures else 0)


@app.command(epilog=_examples("status"))
def status(db: Db, as_json: Json = False, debug: Debug = False) -> None:  # noqa: ARG001 - read by main
    """What is done, what has failed and why."""
    from aria_docs.status import read_status
    from aria_docs.storage.database import Store
    from aria_docs.text_table import printable

    current = read_status(Store(db))
    if as_json:
        typer.echo(json.dumps(current.as_json(), indent=2, default=str))
    else:
        typer.echo("\n".join(map(printable, current.as_lines())))


@app.command(epilog=_examples("prune"))
def prune(
    db: Db,
    dry_run: Annotated[bool, _flag(None, "Say what would go, and change nothing.", "--dry-run")] = False,
    debug: Debug = False,  # noqa: ARG001 - read by main
) -> None:
    """Drop what belongs to vanished files and superseded recipes, after saying what."""
    from aria_docs.storage.database import Store
    from aria_docs.storage.prune import prunable
    from aria_docs.text_table import printable

    store = Store(db)
    found = prunable(store)
    typer.echo("\n".join(map(printable, found.as_lines())))
    if found and not dry_run:
        store.prune()
        typer.echo(f"dropped from {db}", err=True)


@app.command(epilog=_examples("correct"))
def correct(
    db: Db,
    table: Annotated[str | None, typer.Option(metavar="ID", help="The table_id of the cell's table.")] = None,
    row: Annotated[int | None, typer.Option(min=0, metavar="N", help="The cell's row, from 0.")] = None,
    col: Annotated[int | None, typer.Option(min=0, metavar="N", help="The cell's column, from 0.")] = None,
    text: Annotated[str | None, typer.Option(metavar="T", help="What the cell says on the page.")] = None,
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="A .json or .csv file of corrections, as the report downloads it."),
    ] = None,
    debug: Debug = False,  # noqa: ARG001 - read by main
) -> None:
    """Correct what was read; corrections outlive every new reading."""
    from aria_docs.correct import read_corrections
    from aria_docs.storage.database import Store
    from aria_docs.text_table import printable

    if not db.exists():
        raise UsageError(f"{db}: no such database; `aria-docs run FOLDER --db {db}` makes it")
    store = Store(db)
    store.prepare(patience_s=10.0)
    if source:
        if table is not None:
            raise UsageError("--from names the corrections: leave --table out")
        given = read_corrections(source)
    else:
        if table is None or row is None or col is None or text is None:
            raise UsageError("name a cell with --table, --row, --col and --text, or a file with --from")
        given = [store.cell_correction(table, row, col, text)]
    done = store.correct(given)
    for sentence in done.stale:
        typer.echo(printable(sentence), err=True)
    known = f", {done.known} known before" if done.known else ""
    typer.echo(f"{done.applied} applied, {len(done.stale)} stale{known} → {db}", err=True)


@app.command(epilog=_examples("budget"))
def budget(
    paths: Paths,
    resolution: Annotated[
        Literal["medium", "high", "ultra"] | None,
        typer.Option(help="The mode for all files. (default: ultra for PDFs, medium for videos)"),
    ] = None,
    frames: Annotated[
        int | None, typer.Option(min=1, max=256, help="Frames of each video. (default: as many as fit, at most 256)")
    ] = None,
    with_total: Annotated[
        bool, _flag(None, "Add up what a run would take: tokens in and out, windows, hours, price.", "--total")
    ] = False,
    profile: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Of --total: which kind of model is shown the pages. (default: aria)"),
    ] = None,
    tasks: Annotated[
        str | None, typer.Option(metavar="LIST", help="Of --total: what is read. (default: tables,scenes,summary)")
    ] = None,
    schema: Annotated[
        str | None, typer.Option(metavar="FILE.py:MODEL", help="Of --total: a pydantic model that is read too.")
    ] = None,
    price_in: Annotated[
        float | None, typer.Option(min=0, metavar="X", help="Of --total: price of a million tokens that are sent.")
    ] = None,
    price_out: Annotated[
        float | None, typer.Option(min=0, metavar="Y", help="Of --total: price of a million tokens that are answered.")
    ] = None,
    as_json: Json = False,
    debug: Debug = False,  # noqa: ARG001 - read by main
) -> None:
    """What reading with Aria would take: tiles, tokens, windows, GPU memory. Reads no model."""
    from aria_docs.forecast import Forecast, in_all, total
    from aria_docs.survey import look_of, survey
    from aria_docs.text_table import printable
    from aria_docs.tiling.resolution import named

    of_total = {
        "--profile": profile, "--tasks": tasks, "--schema": schema, "--price-in": price_in, "--price-out": price_out,
    }  # fmt: skip
    if not with_total and (named_too := [option for option, value in of_total.items() if value is not None]):
        raise UsageError(f"{named_too[0]} is for the sum over all files: add --total")
    asked = tasks or "tables,scenes,summary"
    look = (
        look_of(tasks=asked, schema=schema, profile=profile, resolution=resolution, frames=frames)
        if with_total
        else None
    )
    forecasts = list(survey(paths, mode=named(resolution) if resolution else None, frames=frames, look=look))
    good = [item for item in forecasts if isinstance(item, Forecast)]
    in_sum = total(good, price_in=price_in, price_out=price_out)
    if as_json and with_total:
        typer.echo(json.dumps({"files": [item.as_json() for item in good], "total": in_sum.as_json()}, indent=2))
    elif as_json:
        typer.echo(json.dumps([item.as_json() for item in good], indent=2))
    for item in forecasts:
        if not isinstance(item, Forecast):
            typer.echo(f"failed: {printable(str(item))}", err=True)
        elif not as_json:
            typer.echo("\n".join(printable(line) for line in item.as_text().splitlines()))
    if with_total and good and not as_json:
        typer.echo(in_sum.as_text())
    elif len(good) > 1 and not as_json:
        typer.echo(in_all(good))
    if not forecasts:
        raise UsageError(_NOTHING)
    raise typer.Exit(0 if len(good) == len(forecasts) else 1)


@app.command(epilog=_examples("report"))
def report(
    db: Db,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FOLDER", help="Where the pages go.")],
    no_pictures: Annotated[
        bool, _flag(None, "Draw no pages and frames; those of an earlier report stay.", "--no-pictures")
    ] = False,
    debug: Debug = False,  # noqa: ARG001 - read by main
) -> None:
    """Make a folder of web pages that show what was read, or bring it up to date."""
    from aria_docs.progress import steps
    from aria_docs.report.site import as_sentences, write_report
    from aria_docs.storage.database import Store

    with steps("pages") as progress:
        store = Store(db, on_wait=progress.say)
        made = write_report(store, output, pictures=not no_pictures, on_progress=progress.at)
    for line in as_sentences(made):
        typer.echo(line, err=True)


def _open_store(db: Path | None, spool: Path | None) -> Store:
    """Who is asked."""
    from aria_docs.storage.database import Store
    from aria_docs.storage.lake import Lake

    if spool:  # ARIA_DOCS_DB may be set all the same
        return Lake(spool)
    if db is None:
        raise UsageError("nothing to ask: add --db FILE, or --spool FOLDER")
    return Store(db)


def _beside(db: Path | None) -> Path | None:
    """The spool of a run on many machines whose end is a database."""
    return Path(f"{db}.spool") if db else None


def _on_ray(
    paths: list[Path], spool: Path, options: Options, *, progress: Shown | Both, address: str | None, db: Path | None
) -> Outcome:
    """Raises UsageError where Ray is not installed."""
    try:
        from aria_docs.flows.ray_run import read_on_ray
    except ModuleNotFoundError as error:
        raise UsageError("--on ray needs Ray: pip install 'aria-docs[ray]', on every machine") from error
    return read_on_ray(paths, spool, options, command=_command(), progress=progress, address=address, db=db)


def _keeper(db: Path | None, spool: Path | None, *, shard: str | None, say: Callable[[str], None]) -> Keeper:
    """The database or spool that a run writes to."""
    from aria_docs.storage.database import Store
    from aria_docs.storage.spool import Spool

    if db and spool:
        raise UsageError("--db and --spool: what is read goes to one of them, so leave the other out")
    if db:
        return Store(db, on_wait=say)
    if spool and not shard:
        raise UsageError("--spool is for a share of the files: add --shard 1/4, or --shard 1/1 for all of them")
    if spool:
        return Spool(spool, say=say)
    raise UsageError("nowhere to store what is read: add --db FILE, or --shard I/N with --spool FOLDER")


def _end_of_load(loaded: LoadSummary, spool: Path, db: Path, *, as_json: bool) -> None:
    """Says what was loaded; a file that was left out makes the exit status 1."""
    if as_json:
        typer.echo(json.dumps(asdict(loaded) | {"spool": str(spool), "db": str(db)}, indent=2))
    else:
        left = f", {len(loaded.left)} left out" if loaded.left else ""
        counts = f"{loaded.n_files} batches loaded, {loaded.n_before} loaded before{left}"
        typer.echo(f"{counts}; {loaded.n_parts} parts → {db}", err=True)
    raise typer.Exit(1 if loaded.left else 0)


def _end_of_plan(plan: ReadingPlan, *, as_json: bool) -> None:
    """Says what would be read, and exits with the status that a run with nothing to read would have."""
    from aria_docs.progress import failure_line
    from aria_docs.text_table import printable

    if not (plan.pending or plan.done or plan.failures or plan.n_elsewhere):
        raise UsageError(_NOTHING)
    if as_json:
        typer.echo(json.dumps(asdict(plan), indent=2))
    else:
        for path in plan.pending:
            typer.echo(f"would read: {printable(path)}")
        for failure in plan.failures:
            typer.echo(printable(failure_line(failure)))
        elsewhere = f", {plan.n_elsewhere} of other shards" if plan.n_elsewhere else ""
        typer.echo(
            f"{len(plan.pending)} to read, {len(plan.done)} done before{elsewhere}, "
            f"{plan.n_ignored} other files ignored"
        )
    raise typer.Exit(1 if plan.failures else 0)


def _end(outcome: Outcome, db: Path | None, spool: Path | None, *, as_json: bool, quiet: bool = False) -> None:
    """Says how the run ended, and exits with the status of that."""
    from aria_docs.text_table import printable

    if as_json:
        where = {"db": str(db)} if db else {"spool": str(spool)}
        typer.echo(json.dumps(asdict(outcome) | where, indent=2))
    else:
        for line in outcome.partial_lines():
            typer.echo(printable(line), err=True)
        if not quiet:
            typer.echo(printable(f"{outcome.as_line()} → {db or spool}"), err=True)
        if spool and not quiet:
            typer.echo(f"into a database: aria-docs load {shlex.quote(str(spool))} --db FILE", err=True)
        elif outcome.n_failed and not quiet:
            typer.echo(f"why: aria-docs status --db {shlex.quote(str(db))}", err=True)
    if outcome.interrupted:
        typer.echo("interrupted: what was finished is kept, and the same command reads the rest", err=True)
        sys.exit(_interrupts.status)  # not Exit(130), which is what Typer makes of any other interrupt
    if outcome.n_files == outcome.n_elsewhere == 0:
        raise UsageError(_NOTHING)
    raise typer.Exit(1 if outcome.n_failed else 0)


def _names(context: Any) -> list[str]:
    """The names of the commands of a context: ["adapt", "train"]; empty for the command itself."""
    return [*_names(context.parent), context.info_name] if context and context.parent else []


def _command() -> str:
    return without_credentials(shlex.join(["aria-docs", *sys.argv[1:]]))


def _read_config(command: Any, arguments: list[str]) -> tuple[list[str], dict[str, dict[str, Any]]]:
    """Arguments without --config, and what its file says. `adapt` has a --config of its own."""
    if "adapt" in arguments[:1] or {"-h", "--help", "--version"} & set(arguments):
        return arguments, {}
    left, file = config.split(arguments)
    if file is None:
        return left, {}
    known = {
        name: {
            option.removeprefix("--"): (parameter.name, parameter.multiple)
            for parameter in one.params
            for option in parameter.opts
            if option.startswith("--")
        }
        for name, one in command.commands.items()
        if name != "adapt"
    }
    return left, config.defaults(file, known, left)


class _Interrupted(KeyboardInterrupt):
    """A signal came. Where a plain KeyboardInterrupt passes an `exec`, as in many imports, CPython ends by SIGINT
    whatever the exit status."""


class _Interrupts:
    """What ^C and SIGTERM do: the first ends the work, and what is finished is stored; a second one is answered with
    a line; a third ends the process where it stands."""

    def __init__(self) -> None:
        self.n, self.status = 0, 130

    def __call__(self, number: int, _: object) -> None:
        self.n += 1
        if self.n == 1:
            self.status = 128 + number
            raise _Interrupted
        if self.n == 2:
            os.write(2, b"aria-docs: storing what is finished; once more ends at once\n")
        else:
            os.write(2, b"aria-docs: ended at once; what was stored before is kept\n")
            os._exit(self.status)


_interrupts = _Interrupts()


_FEW_PROCESSES = 1024


def _probe_threads() -> None:
    """Raises RuntimeError where a shell allows few processes and threads: OpenBLAS would answer that with a SIGINT."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return
    if 0 <= resource.getrlimit(resource.RLIMIT_NPROC)[0] < _FEW_PROCESSES:
        over = threading.Event()
        try:
            for _ in range(os.cpu_count() or 1):
                threading.Thread(target=over.wait, daemon=True).start()
        finally:
            over.set()


def main() -> None:
    """Entry of the `aria-docs` command."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a service manager's stop keeps what is finished too
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup and a shell's & leave it
            signal.signal(number, _interrupts)
    if "--debug" not in sys.argv:
        sys.excepthook = lambda kind, error, _: typer.echo(
            f"aria-docs: {kind.__name__}: {error} (a defect: --debug says where)", err=True
        )
    if sys.stdout.encoding.lower() != "utf-8" and isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file name must not end the command
    try:
        _probe_threads()
        # Not app(): Typer puts its own hook in place of ours, and that prints a traceback.
        command = typer.main.get_command(app)
        arguments, defaults = _read_config(command, sys.argv[1:])
        status = command(arguments, standalone_mode=False, default_map=defaults)
        if status == 130 and _interrupts.n:
            raise KeyboardInterrupt
        sys.exit(status)
    except (KeyboardInterrupt, typer.Abort):
        typer.echo("aria-docs: interrupted", err=True)
        sys.exit(_interrupts.status)
    except typer.TyperException as error:
        if message := error.format_message():  # none where the help was asked for by leaving everything out
            at = " ".join(["aria-docs", *_names(getattr(error, "ctx", None))])
            typer.echo(f"aria-docs: {message} (see {at} --help)", err=True)
        sys.exit(2)
    except RuntimeError as error:
        if "can't start new thread" not in str(error):
            raise
        typer.echo("aria-docs: no thread can be started: allow more processes (ulimit -u)", err=True)
        sys.exit(3)
    except AriaDocsError as error:
        if "--debug" in sys.argv:
            traceback.print_exception(error)
        typer.echo(f"aria-docs: {error}", err=True)
        sys.exit(2 if isinstance(error, UsageError) else 3 if isinstance(error, EngineError) else 1)
