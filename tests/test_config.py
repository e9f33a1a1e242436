"""`aria-docs.toml`: the command line wins, what is unknown is named, and commands take what is theirs."""

import json
from pathlib import Path

import pytest

from aria_docs import config
from aria_docs.errors import UsageError

KNOWN = {
    "run": {"db": ("db", False), "server": ("server", True), "tasks": ("tasks", False), "spool": ("spool", False)},
    "sql": {"db": ("db", False), "request-timeout": ("request_timeout", False)},
}


def defaults(tmp_path: Path, text: str, *arguments: str) -> dict[str, dict[str, object]]:
    file = tmp_path / "my.toml"
    file.write_text(text)
    return config.defaults(file, KNOWN, arguments)


def test_each_command_takes_what_is_its_own(tmp_path: Path) -> None:
    text = 'db = "a"\nserver = "http://x/v1"\ntasks = ["tables", "summary"]\n[sql]\ndb = "b"\nrequest_timeout = 2.5\n'
    assert defaults(tmp_path, text) == {
        "run": {"db": "a", "server": ["http://x/v1"], "tasks": "tables,summary"},
        "sql": {"db": "b", "request_timeout": 2.5},
    }
    assert "db" not in defaults(tmp_path, text, "--spool=s")["run"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("worker = 3", "my.toml: no command has an option --worker"),
        ("[runs]\nworkers = 3", r"my.toml: \[runs\] is no command; there are run, sql"),
        ('[sql]\nserver = "x"', "my.toml: aria-docs sql has no option --server"),
        ("db = ", "my.toml cannot be read as TOML: Invalid value"),
    ],
)
def test_what_is_unknown_is_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        defaults(tmp_path, text)


def test_where_the_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert config.split(["run", "in"]) == (["run", "in"], None)
    (tmp_path / "aria-docs.toml").write_text("")
    assert config.split(["run", "in"]) == (["run", "in"], Path("aria-docs.toml"))
    assert config.split(["run", "--config", "a.toml", "in"]) == (["run", "in"], Path("a.toml"))
    assert config.split(["--config=b.toml", "run", "--", "--config"]) == (["run", "--", "--config"], Path("b.toml"))
    with pytest.raises(UsageError, match="--config names no file"):
        config.split(["run", "--config"])


def test_the_command(aria_docs, bench, tmp_path: Path) -> None:
    bench.pdf("a.pdf", 3, tables=(1, 2, 3))
    (tmp_path / "aria-docs.toml").write_text(
        'db = "mine.duckdb"\ntasks = "tables"\npages = "1-2"\n[run]\njson = true\n'
    )
    first = aria_docs("run", "in", "--pages", "1")
    assert first.returncode == 0, first.stderr
    told = json.loads(first.stdout)
    assert (told["db"], told["n_parts"]) == ("mine.duckdb", 1), "the command line wins"
    assert json.loads(aria_docs("run", "in").stdout)["n_parts"] == 1, "page 2"
    counted = aria_docs("sql", "SELECT count(*) AS n FROM readings", "--format", "csv")
    assert counted.stdout == "n\n2\n"
    (tmp_path / "other.toml").write_text("paegs = 1\n")
    wrong = aria_docs("run", "in", "--config", "other.toml")
    assert (wrong.returncode, wrong.stderr) == (2, "aria-docs: other.toml: no command has an option --paegs\n")
    (tmp_path / "other.toml").write_text('workers = "four"\n')
    wrong = aria_docs("run", "in", "--db", "x.duckdb", "--config", "other.toml")
    assert wrong.returncode == 2 and "--workers" in wrong.stderr and len(wrong.stderr.splitlines()) == 1
    assert "--config" in aria_docs("--help").stdout
