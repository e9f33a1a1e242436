"""`aria-docs.toml`: options as they would stand on the command line, which wins over them.

db = "results.duckdb"       # for every command that has the option
workers = 4
[export]                    # for one command
format = "xlsx"
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aria_docs.errors import UsageError

FILE = "aria-docs.toml"
OPTION = "--config"

# Of these two a command takes one: what the command line names leaves the file's other one out.
_RIVALS = {"--spool": "db", "--db": "spool", "-q": "verbose", "--quiet": "verbose", "-v": "quiet", "--verbose": "quiet"}

Known = Mapping[str, Mapping[str, tuple[str, bool]]]
"""command → option, without dashes in front → the name of its parameter, and whether it may be repeated."""


def split(arguments: Sequence[str]) -> tuple[list[str], Path | None]:
    """Arguments without `--config FILE`, and the file: the one that is named, else that of the working folder."""
    left, file = [], None
    items = iter(arguments)
    for item in items:
        if item == "--":
            left += [item, *items]
        elif item.startswith(f"{OPTION}="):
            file = Path(item.partition("=")[2])
        elif item == OPTION:
            value = next(items, None)
            if value is None:
                raise UsageError(f"{OPTION} names no file: write {OPTION} FILE")
            file = Path(value)
        else:
            left.append(item)
    if file is None and Path(FILE).is_file():
        file = Path(FILE)
    return left, file


def defaults(file: Path, known: Known, arguments: Sequence[str]) -> dict[str, dict[str, Any]]:
    """command → parameter → value, of a file. Raises UsageError, which names what is unknown."""
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{file} cannot be read as TOML: {error}") from error
    found: dict[str, dict[str, Any]] = {command: {} for command in known}
    of_commands = {name: value for name, value in content.items() if isinstance(value, dict)}
    for name, value in content.items():
        if name in of_commands:
            continue
        having = [command for command, options in known.items() if _key(name) in options]
        if not having:
            raise UsageError(f"{file}: no command has an option --{name}")
        for command in having:
            _put(found[command], known[command], name, value)
    for command, values in of_commands.items():
        if command not in known:
            raise UsageError(f"{file}: [{command}] is no command; there are {', '.join(known)}")
        for name, value in values.items():
            if _key(name) not in known[command]:
                raise UsageError(f"{file}: aria-docs {command} has no option --{name}")
            _put(found[command], known[command], name, value)
    for option in arguments:
        for values in found.values():
            values.pop(_RIVALS.get(option.partition("=")[0], ""), None)
    return found


def _key(name: str) -> str:
    return name.replace("_", "-")


def _put(values: dict[str, Any], options: Mapping[str, tuple[str, bool]], name: str, value: Any) -> None:
    """A list for what may be repeated; for what takes a list in one text, the text."""
    parameter, is_repeated = options[_key(name)]
    if is_repeated:
        values[parameter] = value if isinstance(value, list) else [value]
    else:
        values[parameter] = ",".join(map(str, value)) if isinstance(value, list) else value
