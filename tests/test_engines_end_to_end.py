"""The command line with a model: Aria of a few random weights on this machine, and a server of the tests."""

import json
from pathlib import Path

import duckdb
import pymupdf
import pytest
import tiny_aria
import torch
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
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # products this small are slower on several, ten times on busy cores
    tiny = tiny_aria.build(tmp_path / "tiny", dtype=torch.bfloat16, positions=4_096)  # as published
    db = tmp_path / "a.duckdb"
    command = ["run", *INPUT, "--db", db, "--engine", "aria", "--model", tiny, "--pages", "2-3", "--frames", "8"]
    done = aria_docs(*command, "--resolution", "medium", "--json")
    assert done.returncode == 0, done.stderr
    assert "engine: aria" in done.stderr
    assert "attention: tower torch's flash for CPUs" in done.stderr, "the kernels that run are named"
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


ROWS = [["Metal", "Yield", "Share"], ["zinc", "12.5", "40%"], ["argon", "-7", "1,234"], ["lynx", "88.0", "$56"]]


@pytest.mark.parametrize("kept", [[], ["--quantize", "int8", "--kv-cache", "int8", "--device", "cpu"]])
def test_an_aria_that_reads_small_tables_reads_them(
    aria_docs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: list[str]
) -> None:
    """tests/data/tiny_aria has learned to read; these words were not among those it learned from."""
    monkeypatch.setenv("ARIA_DOCS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # products this small are slower on several, ten times on busy cores
    with pymupdf.open() as document:
        page = document.new_page(width=300, height=200)
        for row, cells in enumerate(ROWS):
            for col, text in enumerate(cells):
                page.insert_text(
                    (20 + 90 * col, 50 + 30 * row), text, fontname="cobo" if row == 0 else "cour", fontsize=12
                )
        page.draw_line((16, 58), (270, 58))
        document.save(tmp_path / "small.pdf")
    db = tmp_path / "t.duckdb"
    aria = Path(__file__).parent / "data" / "tiny_aria"
    command = ["run", tmp_path / "small.pdf", "--db", db, "--engine", "aria", "--model", aria, "--tasks", "tables"]
    done = aria_docs(*command, "--resolution", "medium", *kept)
    assert done.returncode == 0, done.stderr
    found = rows(db, "SELECT list(text ORDER BY col_no) FROM cells GROUP BY row_no ORDER BY row_no")
    assert [texts for (texts,) in found] == ROWS
    assert rows(db, "SELECT bool_and(grounded), count(*) FILTER (is_header) FROM cells") == [(True, 3)]


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
    assert done.returncode in (2, 3)
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "n.duckdb").exists()
