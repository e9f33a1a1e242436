"""What is done, what is left, and why."""

from aria_docs.status import read_status


def test_a_database_in_words_and_in_numbers(bench) -> None:
    bench.pdf("good.pdf", 3)
    bench.pdf("p2.tables.damaged.pdf", 2, word="Other")
    bench.run(pages=None)
    status = read_status(bench.store)
    assert status.files == [{"kind": "pdf", "files": 2, "sources": 2}]
    assert [(row["task"], row["parts"], row["ok"]) for row in status.readings] == [("summary", 2, 2), ("tables", 4, 4)]
    assert status.results["pages"] == 5
    [failure] = status.failures
    assert (failure["part"], failure["error"]) == ("page:2", "Damaged")
    assert status.unfinished == []
    lines = status.as_lines()
    assert lines[0] == "2 pdf files (2 different)"
    assert "tables   4      4   0" in lines
    assert f"failed: {failure['message']} [Damaged, tried again with --retry-failed]" in lines
    assert status.as_json()["results"]["summaries"] == 2


def test_pages_that_nobody_asked_for_yet(bench) -> None:
    from aria_docs.run.recipes import parse_pages

    pdf = bench.pdf("a.pdf", 5)
    bench.run(pages=parse_pages("2-3"))
    assert f"unfinished: {pdf}: 2 of 5 pages" in read_status(bench.store).as_lines()


def test_an_empty_database(bench) -> None:
    bench.store.prepare(patience_s=1)
    assert read_status(bench.store).as_lines()[-1].startswith("0 pages, 0 tables")
