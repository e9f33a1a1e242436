"""What is done, what is left, and why."""

from aria_docs.run.run import Run
from aria_docs.status import read_status


def test_a_database_in_words_and_in_numbers(bench) -> None:
    bench.pdf("good.pdf", 3)
    bench.pdf("p2.tables.damaged.pdf", 2, word="Other")
    bench.run(pages=None)
    status = read_status(bench.store)
    assert status.files == [{"kind": "pdf", "files": 2, "sources": 2}]
    assert [tuple(row.values()) for row in status.readings] == [("summary", 2, 2, 0, 0, 0), ("tables", 5, 4, 0, 1, 0)]
    assert status.results["pages"] == 5
    [failure] = status.failures
    assert (failure["part"], failure["error"]) == ("page:2", "Damaged")
    assert (status.missing, status.partial) == ([], [])
    lines = status.as_lines()
    assert lines[0] == "2 PDF files"
    assert "tables   5      4   0        1       0" in lines
    assert f"failed: {failure['message']} [Damaged, tried again with --retry-failed]" in lines
    assert status.as_json()["results"]["summaries"] == 2


def test_pages_that_nobody_asked_for_yet(bench) -> None:
    from aria_docs.run.recipes import parse_pages

    pdf = bench.pdf("a.pdf", 5)
    bench.run(pages=parse_pages("2-3"))
    lines = read_status(bench.store).as_lines()
    assert f"missing: {pdf}: tables, 2 of 5 parts; the next run reads the rest" in lines


def test_a_part_that_vanished_is_missing(bench) -> None:
    """As a race or a killed process may leave it: neither read nor failed."""
    pdf = bench.pdf("a.pdf", 2)
    bench.run()
    with bench.store.writing() as db:
        db.execute("DELETE FROM newest WHERE task = 'summary'")
        db.execute("INSERT INTO newest SELECT 'elsewhere', 'summary', 'document', 'gone'")
        db.execute("INSERT INTO sources SELECT * REPLACE ('elsewhere' AS source_id) FROM sources")
    lines = read_status(bench.store).as_lines()
    assert f"missing: {pdf}: summary, 0 of 1 parts; the next run reads the rest" in lines


def test_files_that_an_interrupted_run_did_not_come_to(bench) -> None:
    read, left, gone = (bench.pdf(f"{name}.pdf", 1, word=name) for name in ("a", "b", "c"))
    with Run(bench.store, bench.options, command="test", progress=bench.told) as run:
        files = run.find([bench.folder])
        run.read(files[:1])
        run.stop()
        run.read(files[1:])
    assert f"not begun: {left} and 1 more file; the next run reads them" in read_status(bench.store).as_lines()
    gone.unlink()
    with Run(bench.store, bench.options, command="test", progress=bench.told) as run:
        run.find([bench.folder])
        run.stop()
    assert read_status(bench.store).unread == [str(left)], f"{read} is read"
    bench.run()
    assert read_status(bench.store).unread == []


def test_failures_and_notes_of_one_kind_are_one_line(bench) -> None:
    for number in range(5):
        bench.pdf(f"p1.tables.damaged+p{number}.x.y.pdf", 2, word=f"Word {number}")
    cut = bench.pdf("cut.pdf", 30, word="Cut")
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size * 2 // 3])
    bench.run()
    status = read_status(bench.store)
    lines = status.as_lines()
    assert len(status.failures) == 5
    assert len([line for line in lines if line.startswith("failed: ")]) == 1
    assert any("(5 parts of 5 files, the first " in line for line in lines)
    assert any(line.startswith("partly read: ") and str(cut) in line for line in lines)


def test_an_empty_database(bench) -> None:
    bench.store.prepare(patience_s=1)
    assert read_status(bench.store).as_lines()[-1].startswith("0 pages, 0 tables")
