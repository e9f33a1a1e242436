"""The prompt: statements over lines, errors that do not end it, a history, a file that others get at in between."""

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from aria_docs.shell import statements
from aria_docs.storage.database import Store


def typed(*lines: str | type[BaseException]) -> tuple[Callable[[str], str], list[str]]:
    waiting, prompts = list(lines), list[str]()

    def read(prompt: str) -> str:
        prompts.append(prompt)
        line = waiting.pop(0) if waiting else EOFError
        if isinstance(line, str):
            return line
        raise line

    return read, prompts


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["SELECT 1;", "SELECT 2; "], ["SELECT 1;", "SELECT 2; "]),
        (["SELECT", "", "  1;"], ["SELECT\n\n  1;"]),
        (["", "  ", ".tables", "FROM x;"], [".tables", "FROM x;"]),
        (["SELECT 1", KeyboardInterrupt, "SELECT 2;"], ["SELECT 2;"]),
        (["SELECT 1"], ["SELECT 1"]),
        (["SELECT", ".5;"], ["SELECT\n.5;"]),
        ([], []),
    ],
)
def test_statements(lines: list[str | type[BaseException]], expected: list[str]) -> None:
    assert list(statements(typed(*lines)[0], prompts=("> ", "+ "))) == expected


def test_a_begun_statement_has_a_prompt_of_its_own() -> None:
    read, prompts = typed("SELECT", "1;")
    list(statements(read, prompts=("> ", "+ ")))
    assert prompts == ["> ", "+ ", "> "]


@pytest.fixture
def db(tmp_path: Path) -> Path:
    path = tmp_path / "r.duckdb"
    Store(path).prepare(patience_s=1)
    return path


def command(db: Path) -> list[str]:
    return [sys.executable, "-m", "aria_docs", "sql", "--db", str(db)]


def test_a_pipe_is_answered_and_an_error_does_not_end_it(db: Path) -> None:
    lines = "SELECT 40 + 2 AS a;\nDROP TABLE cells;\n.tables\n.schema pages\n.what\nSELECT 6 * 7000 AS b"
    done = subprocess.run(command(db), input=lines, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert all(word in done.stdout for word in ("42", "document_tables", "width_pt", ".quit", "42000"))
    assert "aria>" not in done.stdout
    [error] = done.stderr.splitlines()
    assert "SELECT" in error


def test_no_database_is_an_error_at_once(tmp_path: Path) -> None:
    done = subprocess.run(command(tmp_path / "no.duckdb"), input="SELECT 1;", capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no such database" in done.stderr


class Terminal:
    """`aria-docs sql` at a terminal."""

    def __init__(self, db: Path, home: Path) -> None:
        self._end, theirs = pty.openpty()
        self._process = subprocess.Popen(
            command(db), stdin=theirs, stdout=theirs, stderr=theirs, env=os.environ | {"XDG_STATE_HOME": str(home)}
        )
        os.close(theirs)
        self._seen = b""

    def wait_for(self, text: str, *, patience_s: float = 30.0) -> None:
        end = time.monotonic() + patience_s
        while text.encode() not in self._seen:
            assert select.select([self._end], [], [], max(0.0, end - time.monotonic()))[0], self._seen
            self._seen += os.read(self._end, 4096)
        self._seen = self._seen.partition(text.encode())[2]

    def type(self, text: str) -> None:
        os.write(self._end, text.encode())

    def quit(self) -> int:
        self.type(".quit\n")  # not ^D: the terminal may drop it while readline is still setting it up
        try:
            while os.read(self._end, 4096):
                pass
        except OSError:  # Linux says so when the other end is closed
            pass
        os.close(self._end)
        return self._process.wait(timeout=30)


def test_a_terminal_has_a_history_and_leaves_the_file_alone(db: Path, tmp_path: Path) -> None:
    pytest.importorskip("readline")
    terminal = Terminal(db, tmp_path)
    terminal.wait_for("aria> ")
    terminal.type("SELECT 'for' || 'ty-two';\n")
    terminal.wait_for("forty-two")
    terminal.wait_for("aria> ")
    Store(db).prepare(patience_s=2)  # a writer gets in while the prompt waits
    assert terminal.quit() == 0
    assert "forty" not in (tmp_path / "aria-docs" / "history").read_text()
    assert "SELECT 'for' || 'ty-two';" in (tmp_path / "aria-docs" / "history").read_text()
    again = Terminal(db, tmp_path)
    again.wait_for("aria> ")
    again.type("\x1b[A\x1b[A\n")  # the line before ".quit"
    again.wait_for("forty-two")
    assert again.quit() == 0
