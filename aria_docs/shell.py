"""The prompt of `aria-docs sql`: statements that end in a semicolon, answers as tables, a history.

The database is open only while a statement runs, so that a nightly job gets in between two of them.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aria_docs.errors import StoreError

if TYPE_CHECKING:
    from aria_docs.storage.database import Format, Store

HELP = """\
A statement ends with a semicolon and may take several lines. It only reads. Tab completes names.
  .tables          the tables and views
  .schema NAME     the columns of a table or view, with what they mean
  .mode MODE       table, lines, markdown, csv or json
  .help  .quit     (exit, quit and Ctrl-D leave too; Ctrl-C drops a begun statement)
A table by its id: FROM tbl_0123456789abcdef; pages, captions and scenes by their words: FROM search('ferry revenue');
"""
_TABLES = """
    SELECT view_name AS name, 'view' AS kind, comment FROM duckdb_views() WHERE schema_name = 'main' AND NOT internal
    UNION ALL SELECT table_name, 'table', comment FROM duckdb_tables() WHERE schema_name = 'main' AND NOT internal
    ORDER BY kind DESC, name
"""
_COLUMNS = """
    SELECT column_name AS name, data_type AS type, comment FROM duckdb_columns()
    WHERE schema_name = 'main' AND lower(table_name) = lower('{name}') ORDER BY column_index
"""
_NAMES = """
    SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main'
    UNION SELECT view_name FROM duckdb_views() WHERE schema_name = 'main' AND NOT internal
    UNION SELECT column_name FROM duckdb_columns() WHERE schema_name = 'main' AND NOT internal
    UNION SELECT function_name || '(' FROM duckdb_functions() WHERE schema_name = 'main' AND NOT internal
"""
_WORDS = """SELECT FROM WHERE GROUP BY ORDER BY LIMIT JOIN USING LEFT DISTINCT HAVING QUALIFY AND OR NOT NULL LIKE
    ILIKE BETWEEN IN CASE WHEN THEN ELSE END AS count( sum( avg( min( max( round( DESCRIBE SUMMARIZE .tables .schema
    .mode .help .quit""".split()
_MODES: tuple[Format, ...] = ("table", "lines", "markdown", "csv", "json")
_LEAVE = (".quit", ".exit", "quit", "exit", "\\q")
_KEPT = 1000  # statements of the history


def run(store: Store) -> None:
    """Answers the statements on standard input until it ends. A terminal gets a prompt and a history, a pipe neither.

    Raises StoreError where there is no database; a statement that fails is one line, and the next is asked for.
    """
    names = [name for (name,) in store.ask(_NAMES).rows]
    terminal = sys.stdin.isatty()
    if terminal:
        sys.stderr.write(f"{store.path}, read-only; .help says what there is\n")
    mode: Format = "table"
    with _history(names) if terminal else contextlib.nullcontext():
        for text in statements(input, prompts=("aria> ", "  ..> ") if terminal else ("", "")):
            if text.rstrip(";").strip().lower() in _LEAVE:
                return
            try:
                mode = _answer(store, text, mode)
            except StoreError as error:
                sys.stderr.write(f"{error}\n")
            except KeyboardInterrupt:
                sys.stderr.write("interrupted\n")


def statements(read: Callable[[str], str], *, prompts: tuple[str, str]) -> Iterator[str]:
    """Lines, joined until one ends in a semicolon or the input does; a line that begins with a dot stands alone.

    read:  gives a line for a prompt; raises EOFError at the end, and KeyboardInterrupt, which drops what was begun.
    """
    begun: list[str] = []
    while True:
        try:
            line = read(prompts[bool(begun)])
        except KeyboardInterrupt:
            sys.stderr.write("\n")
            begun = []
            continue
        except EOFError:
            break
        if not begun and (line.strip().startswith(".") or line.strip().lower() in _LEAVE):
            yield line.strip()
        elif begun or line.strip():
            begun.append(line)
            if line.rstrip().endswith(";"):
                yield "\n".join(begun)
                begun = []
    if begun:
        yield "\n".join(begun)


def _answer(store: Store, text: str, mode: Format) -> Format:
    """Prints the answer; returns the mode for the next one."""
    command, _, name = text.partition(" ")
    name = name.strip()
    if command == ".tables":
        store.answer(_TABLES, form="table", target=None)
    elif command == ".schema" and name:
        store.answer(_COLUMNS.format(name=name.replace("'", "''")), form="table", target=None)
    elif command == ".mode" and (found := [known for known in _MODES if known == name]):
        return found[0]
    elif command.startswith("."):
        sys.stdout.write(HELP)
    else:
        store.answer(text, form=mode, target=None)
    return mode


def completions(begun: str, names: Iterable[str]) -> list[str]:
    """The names and words that begin as the word before the cursor does; SQL's own words in the case it is typed in."""
    low = begun.lower()
    found = sorted({name for name in names if name.lower().startswith(low)}, key=str.lower)
    words = [word if begun.isupper() or word.startswith(".") else word.lower() for word in _WORDS]
    return found + [
        word for word in words if word.lower().startswith(low) and word.lower() not in map(str.lower, found)
    ]


@contextlib.contextmanager
def _history(names: Sequence[str]) -> Iterator[None]:
    """Editing of lines, completion of names, and the statements of earlier times, where this Python has readline."""
    try:
        import readline
    except ModuleNotFoundError:
        yield
        return
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    file = Path(state, "aria-docs", "history")
    with contextlib.suppress(OSError):  # none yet, or not to be read: a prompt without history is still a prompt
        readline.read_history_file(file)
    readline.set_history_length(_KEPT)
    readline.set_completer_delims(" \t\n,;()=<>'+-*/")
    readline.set_completer(lambda begun, n: next(itertools.islice(completions(begun, names), n, None), None))
    # macOS has libedit under this name, and it takes another command.
    libedit = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if libedit else "tab: complete")
    try:
        yield
    finally:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            readline.write_history_file(file)
        except OSError as error:
            sys.stderr.write(f"the history was not kept: {file}: {error.strerror}\n")
