"""README and help say what is true: every query runs, every answer shown is the answer, every option exists.

`python tests/test_docs.py` writes the answers of today into README.md and docs/cookbook.md.
"""

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from aria_docs import cli
from aria_docs.storage.database import Store
from aria_docs.text_table import show
from aria_docs.version import __version__

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
COOKBOOK = ROOT / "docs" / "cookbook.md"
COMMANDS = ("run", "read", "load", "sql", "status", "correct", "report", "export", "budget", "prune", "schedule")
# A query, and after it what it answers (absent until the first refresh).
_QUERY = re.compile(r"```sql\n(?P<query>.*?)\n```\n(?:\n```text\n(?P<answer>.*?)\n```\n)?", re.DOTALL)


def aria_docs(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"COLUMNS": "400"}  # pytest sets 80
    command = [sys.executable, "-m", "aria_docs", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def read_examples(db: Path) -> None:
    done = aria_docs("run", str(ROOT / "examples"), "--db", str(db))
    assert done.returncode == 0, done.stderr


@pytest.fixture
def db(examples_db: Path) -> Path:
    return examples_db


def ask(query: str, db: Path, form: str = "table") -> str:
    answer = aria_docs("sql", query, "--db", str(db), "--format", form)
    assert answer.returncode == 0, f"{query}: {answer.stderr}"
    return answer.stdout.strip("\n")


def with_todays_ids(text: str, db: Path) -> str:
    """Ids of tables change with the rules they are read by: the caption beside one says which is meant."""

    def id_of(named: re.Match[str]) -> str:
        caption = named["caption"].replace("'", "''")
        [table_id] = ask(
            f"SELECT table_id FROM document_tables WHERE caption = '{caption}' AND NOT path LIKE '%_scan.pdf'",
            db,
            "csv",
        ).split()[1:]
        return f"tbl_{table_id} -- {named['caption']}"

    return re.sub(r"tbl_[0-9a-f]{16} -- (?P<caption>.*)", id_of, text)


def values(box: str) -> list[list[str]]:
    """The cells of a drawn table: how the lines are drawn may change with DuckDB's version."""
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in box.splitlines() if "│" in line]


@pytest.mark.parametrize(("page", "n_queries"), [(README, 5), (COOKBOOK, 10)], ids=["README", "cookbook"])
def test_answers_shown_are_the_answers(page: Path, n_queries: int, db: Path) -> None:
    blocks = list(_QUERY.finditer(page.read_text(encoding="utf-8")))
    assert len(blocks) >= n_queries
    for block in blocks:
        assert block["answer"], f"no answer shown for: {block['query']}"
        assert values(block["answer"]) == values(ask(with_todays_ids(block["query"], db), db))


def squeezed(text: str) -> str:
    return re.sub(r"\s", "", text)


@pytest.mark.parametrize("columns", ["40", "80", "200", None], ids=str)
def test_every_value_of_every_readme_query_is_shown(
    columns: str | None, db: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a terminal of any width, and through a pipe (no COLUMNS, no terminal)."""
    if columns:
        monkeypatch.setenv("COLUMNS", columns)
    else:
        monkeypatch.delenv("COLUMNS", raising=False)
    store = Store(db)
    for block in _QUERY.finditer(README.read_text(encoding="utf-8")):
        query = with_todays_ids(block["query"], db)
        answer = store.ask(query)
        store.answer(query, form="table", target=None)
        drawn = capsys.readouterr().out
        assert answer.rows
        if "│" in drawn:
            assert columns is None or max(map(len, drawn.splitlines())) <= int(columns)
            lines = values(drawn)
            for number, name in enumerate(answer.names):
                expected = name + "".join(show(row[number]) for row in answer.rows)
                assert squeezed("".join(line[number] for line in lines)) == squeezed(expected)
        else:
            expected = [
                f"{name}{show(value)}" for row in answer.rows for name, value in zip(answer.names, row, strict=True)
            ]
            lines = re.sub(r"── row \d+ ──", "", drawn)
            assert squeezed(lines) == squeezed("".join(expected))


def test_readme_options_and_commands_exist() -> None:
    helps = {command: aria_docs(command, "--help").stdout for command in COMMANDS}
    helps["all"] = aria_docs("--help").stdout
    text = README.read_text(encoding="utf-8")
    for option in set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)):
        assert any(option in show for show in helps.values()), option
    named = set(re.findall(r"aria-docs ([a-z]+)", text))
    assert named == {*COMMANDS, "adapt"}
    show = aria_docs("--help").stdout
    assert all(re.search(rf"^\W*{command} ", show, re.MULTILINE) for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_groups_and_two_examples(command: str) -> None:
    show = aria_docs(command, "--help").stdout
    assert show.count(f"aria-docs {command} ") >= 2, "two examples"
    if command in ("run", "schedule"):
        assert all(group in show for group in ("What to read", "Engine", "Limits", "Output"))
        assert "(default: ultra for pages" in " ".join(show.split())


def test_options_of_reading_are_declared_once() -> None:
    """`run` and `schedule` take them from one function, and neither can change or forget one."""
    shared = set(inspect.signature(cli._options).parameters)
    assert len(shared) > 20
    for command in (cli.run, cli.schedule):
        assert shared < set(inspect.signature(command).parameters)
        assert not shared & set(inspect.signature(inspect.unwrap(command, stop=lambda _: False)).parameters)


def test_version_and_completion() -> None:
    assert aria_docs("--version").stdout == f"aria-docs {__version__}\n"
    assert "--install-completion" in aria_docs("--help").stdout


def test_the_database_may_come_from_the_environment(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARIA_DOCS_DB", str(db))
    assert aria_docs("sql", "SELECT 41 + 1 AS a", "--format", "csv").stdout == "a\n42\n"


def test_readme_links_lead_somewhere() -> None:
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_database_opens_in_an_older_duckdb(db: Path) -> None:
    """Files are written in the storage format of 1.5 (64 is 0.9 to 1.1, 65 is 1.2, 68 is 1.5, 2.0 has its own)."""
    with duckdb.connect(str(db), read_only=True) as opened:
        [(tags,)] = opened.execute("SELECT tags FROM duckdb_databases() WHERE NOT internal").fetchall()
    assert "v1.5" in str(tags), tags


def test_the_examples_of_the_library_run(tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "library.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 10
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)], cwd=tmp_path, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "| Revenue" in done.stdout or "Revenue" in done.stdout
    assert "92218000" in done.stdout, "EUR thousand, in EUR"
    assert (tmp_path / "income.xlsx").exists() and (tmp_path / "income.png").exists()


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "results.duckdb"
        read_examples(made)
        for page in (README, COOKBOOK):
            text = with_todays_ids(page.read_text(encoding="utf-8"), made)
            refreshed = _QUERY.sub(
                lambda block: f"```sql\n{block['query']}\n```\n\n```text\n{ask(block['query'], made)}\n```\n", text
            )
            page.write_text(refreshed, encoding="utf-8")
