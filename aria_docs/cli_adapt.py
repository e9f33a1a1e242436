"""`aria-docs adapt`: flags in, calls out, no logic. Mounted by `cli.py`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from aria_docs.errors import UsageError

app = typer.Typer(
    name="adapt",
    help="From corrected rows to an adapted model: examples, a LoRA adapter, a merged checkpoint, a score.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Data = Annotated[Path, typer.Argument(metavar="DIR", help="A folder of examples, with train.jsonl and its media.")]
Model = Annotated[str, typer.Option("--model", metavar="DIR_OR_ID", help="Aria's weights.")]
Device = Annotated[str | None, typer.Option("--device", help="cpu, cuda, cuda:1. [default: the first card, or cpu]")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]


@app.command("export")
def export_examples(
    db: Annotated[Path, typer.Option("--db", metavar="FILE", help="The database.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="A new folder for the examples.")],
    everything: Annotated[
        bool, typer.Option("--all", help="Also what nobody has corrected or confirmed, where confidence is high.")
    ] = False,
    schema: Annotated[
        str | None,
        typer.Option("--schema", metavar="FILE.py:MODEL", help="Answers of your own schema too; with --all."),
    ] = None,
    resolution: Annotated[
        Literal["medium", "high", "ultra"] | None, typer.Option(help="[default: as each was read]")
    ] = None,
    frames: Annotated[
        int | None, typer.Option(min=1, max=256, help="Frames of each video. [default: as each was read]")
    ] = None,
    debug: Debug = False,  # noqa: ARG001 - read by main
) -> None:
    """Write corrected and confirmed tables, scenes, summaries and records as examples to learn from."""
    from aria_docs.adapt.export import export
    from aria_docs.storage.database import Store

    done = export(
        Store(db, on_wait=_say),
        output,
        everything=everything,
        schema=schema,
        resolution=resolution,
        frames=frames,
        say=_say,
    )
    for reason in done.left_out:
        _say(f"left out: {reason}")
    _say(f"{done.train:,} examples to train on and {done.test:,} to test → {output}")


@app.command()
def train(
    folder: Data,
    model: Model,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="ADAPTER", help="The folder of the adapter.")],
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="Settings, in the keys of Rhymes' YAML files.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in ADAPTER.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check every line and say what memory it takes; train nothing.")
    ] = False,
    device: Device = None,
    debug: Debug = False,  # noqa: ARG001 - read by main
) -> None:
    """Train a LoRA adapter on a folder of examples. Full tuning of all weights is not offered."""
    from aria_docs.adapt.config import read
    from aria_docs.adapt.train import needs
    from aria_docs.adapt.train import train as start

    needs()
    settings, ignored = read(config)
    for key in ignored:
        _say(f"{config}: {key} means nothing here and is ignored")
    finished = start(
        folder, model=model, output=output, settings=settings, resume=resume, dry_run=dry_run, device=device, say=_say
    )
    if not finished:
        raise typer.Exit(130)


@app.command()
def merge(
    adapter: Annotated[Path, typer.Argument(metavar="ADAPTER", help="The folder of the adapter.")],
    model: Model,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT", help="A new folder for the checkpoint.")],
    debug: Debug = False,  # noqa: ARG001 - read by main
) -> None:
    """Write a checkpoint with the adapter in its weights, for transformers and vLLM; checked before it is there."""
    from aria_docs.adapt.train import needs

    needs()
    from aria_docs.model.aria.adapt.merging import merge as write

    write(model, adapter, output, say=_say)


@app.command()
def score(
    folder: Data,
    model: Model,
    adapter: Annotated[
        str | None, typer.Option("--adapter", metavar="ADAPTER", help="Compare the model with this adapter in it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Results on standard output as JSON.")] = False,
    device: Device = None,
    debug: Debug = False,  # noqa: ARG001 - read by main
) -> None:
    """Ask the test examples, before and after: exact pages, cells, scenes, and what got worse."""
    from aria_docs.adapt.score import score as measure

    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder: name one with test.jsonl")
    found = measure(folder, model=model, adapter=adapter, device=device, say=_say)
    if as_json:
        typer.echo(json.dumps(found.as_json(), indent=2))
    else:
        typer.echo("\n".join(found.as_lines()))


def _say(sentence: str) -> None:
    from aria_docs.text_table import printable

    typer.echo(printable(sentence), err=True)
