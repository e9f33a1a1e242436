"""The prompt of `aria-docs sql`: statements that end in a semicolon, answers as tables, a history.

The database is open only while a statement runs, so that a nightly job gets in between two of them.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from aria_docs.errors import StoreError

if TYPE_CHECKING:
    from aria_docs.storage.database import Store

HELP = """\
A statement ends with a semicolon and may take several lines. It can read, and nothing else.
  .tables          what there is to query
  .schema NAME     the columns of a table or view
  .help  .quit     (Ctrl-D quits too, Ctrl-C throws a begun statement away)
A table by its id: FROM tbl_0123456789abcdef; pages, captions and scenes by their words: FROM search('ferry revenue');
"""
_TABLES = """
    SELECT table_name AS name, CASE table_type WHEN 'VIEW' THEN 'view' ELSE 'table' END AS kind
    FROM information_schema.tables WHERE table_schema = 'main' AND table_name <> 'migrations' ORDER BY kind DESC, name
"""
_KEPT = 1000  # statements of the history


def run(store: Store) -> None:
    """Answers the statements on standard input until it ends. A terminal gets a prompt and a history, a pipe neither.

    Raises StoreError where there is no database; a statement that fails is one line, and the next is asked for.
    """
    store.ask("SELECT 1")
    terminal = sys.stdin.isatty()
    if terminal:
        sys.stderr.write(f"{store.path}, read-only; .help says what there is\n")
    with _history() if terminal else contextlib.nullcontext():
        for text in statements(input, prompts=("aria> ", "  ..> ") if terminal else ("", "")):
            if text in (".quit", ".exit"):
                return
            try:
                _answer(store, text)
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
        if not begun and line.strip().startswith("."):
            yield line.strip()
        elif begun or line.strip():
            begun.append(line)
            if line.rstrip().endswith(";"):
                yield "\n".join(begun)
                begun = []
    if begun:
        yield "\n".join(begun)


def _answer(store: Store, text: str) -> None:
    command, _, name = text.partition(" ")
    if command == ".tables":
        text = _TABLES
    elif command == ".schema" and name.strip():
        text = 'DESCRIBE "{}"'.format(name.strip().replace('"', '""'))
    elif command.startswith("."):
        sys.stdout.write(HELP)
        return
    store.answer(text, form="table", target=None)


@contextlib.contextmanager
def _history() -> Iterator[None]:
    """Editing of lines, and the statements of earlier times, where this Python has readline."""
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
    try:
        yield
    finally:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            readline.write_history_file(file)
        except OSError as error:
            sys.stderr.write(f"the history was not kept: {file}: {error.strerror}\n")
