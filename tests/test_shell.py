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

from aria_docs.shell import completions, statements
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


@pytest.mark.parametrize("word", ["exit", "quit;", ".exit", "\\q", "QUIT"])
def test_words_that_leave(db: Path, word: str) -> None:
    done = subprocess.run(command(db), input=f"{word}\nSELECT 40 + 2;", capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_mode_and_a_schema_with_comments(db: Path) -> None:
    lines = ".mode csv\nSELECT 1 AS a, 2 AS b;\n.schema document_tables\n"
    done = subprocess.run(command(db), input=lines, capture_output=True, text=True, timeout=60)
    assert "a,b\n1,2\n" in done.stdout
    assert "caption" in done.stdout


def test_completions() -> None:
    names = ["document_tables", "document_cells", "Path", "search("]
    assert completions("doc", names) == ["document_cells", "document_tables"]
    assert completions("se", names) == ["search(", "select"]
    assert completions("SEL", names) == ["SELECT"]
    assert completions("pa", names) == ["Path"]
    assert completions(".q", names) == [".quit"]


def test_a_wrong_name_is_answered_with_the_right_one(db: Path) -> None:
    for query, hint in (("captoin FROM document_tables", '"caption"'), ("1 FROM document_tabels", "document_tables")):
        done = subprocess.run([*command(db), f"SELECT {query}"], capture_output=True, text=True)
        [line] = done.stderr.splitlines()
        assert hint in line


@pytest.mark.parametrize("columns", ["40", "80", "200", ""])
def test_a_long_caption_is_shown_whole_at_every_width(db: Path, columns: str) -> None:
    caption = "Table 12. Unemployment rates by sex, age group and region of the country in the years from 1999 to 2006"
    query = f"SELECT 'unemployment_report.pdf' AS file, 12 AS page, 7 AS n_rows, 5 AS n_cols, '{caption}' AS caption"
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    if columns:
        environment["COLUMNS"] = columns
    done = subprocess.run([*command(db), query], capture_output=True, text=True, env=environment)
    plain = "".join("".join(line.split("│")[5:6]) or line for line in done.stdout.splitlines()).replace(" ", "")
    assert caption.replace(" ", "") in plain
    assert "…" not in done.stdout
    assert "unemployment" in done.stdout


def test_the_suffix_says_the_format(db: Path, tmp_path: Path) -> None:
    assert subprocess.run([*command(db), "SELECT 1 AS a", "-o", str(tmp_path / "a.md")]).returncode == 0
    assert (tmp_path / "a.md").read_text() == "| a |\n| ---: |\n| 1 |\n"
    done = subprocess.run([*command(db), "SELECT 1", "-o", str(tmp_path / "a.ods")], capture_output=True, text=True)
    assert done.returncode == 2
    assert ".ods" in done.stderr and ".xlsx" in done.stderr
    assert not (tmp_path / "a.ods").exists()
