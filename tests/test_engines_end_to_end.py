"""The command line with a model: Aria of a few random weights on this machine, and a server of the tests."""

import json
from pathlib import Path

import duckdb
import pytest
import tiny_aria
from fake_server import FakeServer

EXAMPLES = Path(__file__).parents[1] / "examples"
README = " ".join((EXAMPLES.parent / "README.md").read_text(encoding="utf-8").split())
INPUT = (EXAMPLES / "annual_report.pdf", EXAMPLES / "museum_tour.mp4")
READINGS = [
    ("scenes", "video"), ("summary", "document"), ("summary", "video"), ("tables", "page:2"), ("tables", "page:3"),
]  # fmt: skip


def rows(db: Path, query: str) -> list[tuple]:
    with duckdb.connect(str(db), read_only=True) as opened:
        return opened.execute(query).fetchall()


def test_a_tiny_aria_reads_the_examples(aria_docs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARIA_DOCS_CACHE", str(tmp_path / "cache"))
    tiny = tiny_aria.build(tmp_path / "tiny")
    db = tmp_path / "a.duckdb"
    command = ["run", *INPUT, "--db", db, "--engine", "aria", "--model", tiny, "--pages", "2-3", "--frames", "8"]
    done = aria_docs(*command, "--resolution", "medium", "--json")
    assert done.returncode == 0, done.stderr
    assert "engine: aria" in done.stderr
    assert "sdpa" in done.stderr, "the attention that was chosen is told"
    assert json.loads(done.stdout)["n_parts"] == 5
    assert rows(db, "SELECT task, part FROM readings ORDER BY ALL") == READINGS
    facts = (
        "engine = 'aria' AND input_tokens > 100 AND output_tokens > 0 AND prefill_s > 0 AND length(model_revision) = 16"
    )
    assert rows(db, f"SELECT count(*) FILTER ({facts}) FROM readings") == [(5,)]
    assert all(isinstance(json.loads(answer), dict | list) for (answer,) in rows(db, "SELECT answer FROM readings"))
    assert rows(db, "SELECT len(frames) FROM readings WHERE part = 'video'") == [(8,), (8,)]
    assert rows(db, "SELECT count(*) FROM scenes")[0][0] >= 1
    again = aria_docs(*command, "--resolution", "medium", "--json")
    assert json.loads(again.stdout)["n_skipped"] == 2


def test_two_servers_read_the_examples(aria_docs, tmp_path: Path) -> None:
    db = tmp_path / "r.duckdb"
    with FakeServer(faults=["500", "half"]) as one, FakeServer(faults=["429", "no json"]) as other:
        done = aria_docs(
            "run", *INPUT, "--db", db, "--engine", "remote", "--server", one.url, "--server", other.url,
            "--pages", "2-3", "--schema", f"{EXAMPLES / 'invoice.py'}:Invoice",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert one.asked
        assert other.asked
        pictures = [part for asked in one.asked for part in asked.content if part["type"] == "image_url"]
        assert all(part["image_url"]["url"].startswith("data:image/jpeg;base64,") for part in pictures)
    read = rows(db, "SELECT task, part FROM readings ORDER BY ALL")
    assert read == sorted([*READINGS, ("invoice", "document"), ("invoice", "video")])
    for query in (  # README's
        "SELECT currency, sum(total) FROM latest_x_invoice GROUP BY currency",
        "SELECT path, text FROM document_cells WHERE NOT grounded AND text <> ''",
    ):
        assert query.partition(" WHERE ")[2] in README or query in README
        assert aria_docs("sql", query, "--db", db).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--engine", "remote"], "needs a server"),
        (["--engine", "remote", "--server", "http://127.0.0.1:9/v1"], "127.0.0.1:9"),
        (["--schema", f"{EXAMPLES / 'invoice.py'}:Invoice"], "--engine aria or --engine remote"),
        (["--engine", "aria", "--model", str(EXAMPLES)], "config.json"),
        (["--quantize", "int8"], "--engine aria"),
        (["--frames", "9"], "--engine aria"),
    ],
)
def test_what_cannot_run_is_one_sentence(aria_docs, tmp_path: Path, arguments: list[str], sentence: str) -> None:
    done = aria_docs("run", EXAMPLES, "--db", tmp_path / "n.duckdb", *arguments)
    assert done.returncode in (1, 2)
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "n.duckdb").exists()
