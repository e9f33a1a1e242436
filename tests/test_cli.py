"""The command as a user meets it: exit statuses, what goes to which stream, and what an end in the middle leaves."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

HERE = Path(__file__).parent

# The command with smaller batches, and with workers that take 50 ms more for each page of `all.text.slow….pdf`.
SLOWLY = f"""if True:
    import sys
    sys.path.insert(0, {str(HERE)!r})
    from aria_docs import cli
    from aria_docs.run import run, scheduler
    from misbehaving import Slow

    run.Sandbox, scheduler.BATCH_PARTS = Slow, 4
    sys.argv[0] = "aria-docs"
    cli.main()
"""


def start_slowly(*arguments: object) -> "subprocess.Popen[str]":
    environment = os.environ | {"PYTHONPATH": str(HERE)}
    return subprocess.Popen(
        [sys.executable, "-c", SLOWLY, *map(str, arguments)], text=True, env=environment, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def one(db: Path, query: str) -> object:
    with duckdb.connect(str(db), read_only=True) as connection:
        return connection.execute(query).fetchall()[0][0]


def wait_for_parts(db: Path, n: int, run: "subprocess.Popen[str]") -> None:
    """Until so many parts are in the database; looks between the run's own openings."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert run.poll() is None, run.communicate()
        time.sleep(0.05)
        try:
            if one(db, "SELECT count(*) FROM readings") >= n:  # type: ignore[operator]
                return
        except (duckdb.IOException, duckdb.CatalogException):  # not made yet, or in use
            pass
    pytest.fail("the run read nothing in two minutes")


def processes_of(session: int) -> list[int]:
    """What still runs in the session of that process, or descends from it."""
    stats = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            stats[int(stat.parent.name)] = int(fields[1])
    found = [session]
    for pid in found:
        found += [child for child, parent in stats.items() if parent == pid]
    return [pid for pid in found if pid in stats]


def test_a_folder_in_a_database_out(aria_docs, bench, tmp_path: Path) -> None:
    bench.pdf("a.pdf", 2, tables=(1,))
    bench.pdf("a b\t\x1b[1m.pdf", 1, word="Other")
    (bench.folder / "bad.pdf").write_text("<html>")
    dry = aria_docs("run", "in", "--db", "r.duckdb", "--dry-run", "--json")
    assert (dry.returncode, len(json.loads(dry.stdout)["pending"])) == (0, 3)
    assert not (tmp_path / "r.duckdb").exists()
    first = aria_docs("run", "in", "--db", "r.duckdb")
    assert (first.returncode, first.stdout) == (1, "")
    [failed] = [line for line in first.stderr.splitlines() if line.startswith("failed: ")]
    assert failed.count(str(bench.folder / "bad.pdf")) == 1
    assert "2 files read, 0 done before, 1 failed" in first.stderr
    second = aria_docs("run", "in/a.pdf", "--db", "r.duckdb", "--json")
    assert (second.returncode, json.loads(second.stdout)["n_skipped"]) == (0, 1)
    status = aria_docs("status", "--db", "r.duckdb")
    assert status.returncode == 0
    assert failed in status.stdout
    assert "\x1b" not in status.stdout + first.stderr + dry.stdout
    assert json.loads(aria_docs("status", "--db", "r.duckdb", "--json").stdout)["results"]["pages"] == 3
    answer = aria_docs("sql", "SELECT sum(number) AS s FROM cells", "--db", "r.duckdb", "--format", "csv")
    assert (answer.returncode, answer.stdout) == (0, "s\n-6.5\n")


def test_how_much_a_run_says(aria_docs, bench, tmp_path: Path) -> None:
    good, bad = bench.pdf("a.pdf", 2, tables=(1,)), bench.folder / "bad.pdf"
    bad.write_text("<html>")
    loud = aria_docs("run", "in", "--db", "r.duckdb", "-v", "--log-file", "run.log")
    assert loud.returncode == 1
    assert f"reading {good}: 2 pages\n" in loud.stderr and f"done: {good}, in " in loud.stderr
    assert re.search("1 file read, 0 done before, 1 failed; 2 pages, 1 table, 1 summary in .* s → ", loud.stderr)
    log = (tmp_path / "run.log").read_text()
    for said in ("aria-docs run in --db", "engine: ", f"reading {good}: 2 pages", f"failed: {bad}", "2 pages, 1 table"):
        assert said in log
    quiet = aria_docs("run", "in", "--db", "q.duckdb", "-q")
    assert quiet.returncode == 1
    [line] = quiet.stderr.splitlines()
    assert line.startswith(f"failed: {bad}")


def test_prune_says_what_goes_and_drops_it(aria_docs, bench, tmp_path: Path) -> None:
    bench.pdf("a.pdf", 1, tables=(1,))
    gone = bench.pdf("b.pdf", 1, tables=(1,), word="Other")
    bench.run()
    gone.unlink()
    bench.run()
    db = tmp_path / "r.duckdb"
    dry = aria_docs("prune", "--db", db, "--dry-run")
    assert (dry.returncode, dry.stderr) == (0, "")
    assert dry.stdout.startswith(f"vanished: {gone}\nno file has them any more: 1 content\n")
    assert one(db, "SELECT count(*) FROM sources") == 2
    done = aria_docs("prune", "--db", db)
    assert (done.returncode, done.stdout) == (0, dry.stdout)
    assert one(db, "SELECT count(*) FROM sources") == one(db, "SELECT count(*) FROM tables") == 1
    assert aria_docs("prune", "--db", db).stdout.startswith("nothing to drop")


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["run", "nowhere", "--db", "x.duckdb"], 2, "nowhere: no such file"),
        (["run", "texts", "--db", "x.duckdb"], 2, "no PDF, image or video"),
        (["run", "texts", "--db", "x.duckdb", "--dry-run"], 2, "no PDF, image or video"),
        (["run", "texts"], 2, "--db"),
        (["run", "pdfs", "--db", "x.duckdb", "-v", "-q"], 2, "leave one out"),
        (["run", "pdfs", "--db", "x.duckdb", "--log-file", "no/run.log"], 2, "no/run.log cannot be written"),
        (["run", "texts", "--db", "x.duckdb", "--tasks", "tables,poems"], 2, "'poems' is no task"),
        (["run", "texts", "--db", "x.duckdb", "--pages", "²"], 2, "'²' is no page"),
        (["run", "texts", "--db", "x.duckdb", "--pages", ""], 2, "no page or range"),
        (["run", "texts", "--db", "x.duckdb", "--pages", "5-2"], 2, "backwards"),
        (["run", "texts", "--db", "x.duckdb", "--timeout", "nan"], 2, "--timeout"),
        (["run", "texts", "--db", "x.duckdb", "--timeout", "1e9"], 2, "--timeout"),
        (["run", "texts", "--db", "x.duckdb", "--password-file", "none"], 2, "--password-file none cannot be read"),
        (["run", "texts", "--db", "x.duckdb", "--engine", "oracle"], 2, "oracle"),
        (["run", "pdfs", "--db", "no/x.duckdb"], 1, "no/x.duckdb cannot be opened"),
        (["run", "texts", "--db", "unlock.duckdb"], 1, "unlock.duckdb cannot be opened"),
        (["run", "texts", "--db", "texts"], 1, "texts cannot be opened"),
        (["run", "pdfs", "--db", "other.duckdb", "--dry-run"], 1, "other.duckdb"),
        (["run", "pdfs", "--db", "x.duckdb", "--engine", "remote", "--server", "http://127.0.0.1:9"], 3, "127.0.0.1"),
        (["run", "pdfs", "--db", "x.duckdb", "--engine", "aria", "--model", "no/such"], 3, "no/such"),
        (["status", "--db", "other.duckdb"], 1, "other.duckdb"),
        (["status", "--db", "none.duckdb"], 1, "no such database"),
        (["sql", "SELEC 1", "--db", "other.duckdb"], 1, "syntax error"),
        (["walk"], 2, "walk"),
        (["run", "texts", "--db", "x.duckdb", "--fast"], 2, "--fast"),
    ],
)  # fmt: skip
def test_one_line_and_an_exit_status(tmp_path, monkeypatch, capsys, arguments, status, says) -> None:
    from aria_docs import cli

    monkeypatch.chdir(tmp_path)
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("x")
    (tmp_path / "pdfs").mkdir()
    (tmp_path / "pdfs" / "a.pdf").write_bytes(b"%PDF-1.7")
    (tmp_path / "unlock.duckdb").write_text("hello " * 1000)
    duckdb.connect("other.duckdb").close()
    monkeypatch.setattr(sys, "argv", ["aria-docs", *arguments])
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with pytest.raises(SystemExit) as ended:
        cli.main()
    for number, handler in handlers.items():
        signal.signal(number, handler)
    assert ended.value.code == status
    assert not (tmp_path / "x.duckdb").exists()
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = [line for line in captured.err.splitlines() if not line.startswith(("engine: ", "0 files read"))]
    assert len(lines) == 1, lines
    assert lines[0].startswith("aria-docs: ")
    assert says in lines[0]


def test_wrong_usage_leaves_nothing_behind(aria_docs, bench, tmp_path: Path) -> None:
    """No folder of an export that chose nothing, no run of a path that is absent, no database where JSON lies."""
    bench.pdf("a.pdf", 1)
    bench.run()
    db, other = str(bench.store.path), tmp_path / "other.json"
    assert aria_docs("export", "--db", db, "-o", str(tmp_path / "out"), "--table", "abc").returncode == 2
    assert not (tmp_path / "out").exists()
    assert aria_docs("run", str(tmp_path / "absent"), "--db", db).returncode == 2
    assert bench.store.ask("SELECT count(*) FROM runs").rows == [(1,)]
    other.write_text('{"a": 1}')
    ended = aria_docs("run", str(bench.folder), "--db", str(other))
    assert ended.stderr.strip().endswith("other.json cannot be opened as a DuckDB database: it is another kind of file")
    assert other.read_text() == '{"a": 1}'


def test_wrong_usage_names_the_help_of_its_command(aria_docs) -> None:
    assert aria_docs("adapt", "train").stderr.strip().endswith("(see aria-docs adapt train --help)")


def test_a_defect_of_ours_is_one_line_too(tmp_path: Path) -> None:
    program = "import aria_docs.status, aria_docs.cli as c; aria_docs.status.read_status = None; c.main()"
    ended = subprocess.run(
        [sys.executable, "-c", program, "status", "--db", "x"], capture_output=True, text=True, cwd=tmp_path
    )
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert "a defect" in ended.stderr


def test_the_command_line_imports_nothing_heavy() -> None:
    program = "import sys, aria_docs.cli; print(*{m.partition('.')[0] for m in sys.modules})"
    loaded = set(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout.split())
    assert loaded >= {"aria_docs", "typer"}
    assert not loaded & {"av", "decord", "duckdb", "numpy", "onnxruntime", "PIL", "prefect", "pymupdf", "torch"}


def test_killed_in_the_middle_again_and_again(bench, tmp_path: Path) -> None:
    for name in ("all.text.slow+a.pdf", "all.text.slow+b.pdf"):
        bench.pdf(name, 40, tables=(5, 30), word=name)
    whole = bench.run()
    expected = bench.dump()
    db = tmp_path / "killed.duckdb"
    for n in (1, 15, 40, 70):
        run = start_slowly("run", bench.folder, "--db", db, "--workers", "2")
        wait_for_parts(db, n, run)
        os.kill(run.pid, signal.SIGKILL)
        run.communicate()
        written = one(db, "SELECT count(*) FROM readings")
    run = start_slowly("run", bench.folder, "--db", db, "--workers", "2", "--json")
    out, err = run.communicate()
    assert run.returncode == 0, err
    outcome = json.loads(out)
    assert outcome["n_read"] + outcome["n_skipped"] == 2
    assert outcome["n_parts"] == whole.n_parts - written  # type: ignore[operator]
    bench.store.path = db
    assert bench.dump() == expected


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_interrupted(bench, tmp_path: Path, name: str) -> None:
    bench.pdf("all.text.slow.pdf", 300)
    db = tmp_path / "r.duckdb"
    run = start_slowly("run", bench.folder, "--db", db, "--workers", "2", "--json")
    wait_for_parts(db, 1, run)
    children = processes_of(run.pid)
    assert len(children) >= 3  # itself, the warm process, a child
    os.kill(run.pid, getattr(signal, name))
    out, err = run.communicate(timeout=60)
    assert run.returncode == {"SIGINT": 130, "SIGTERM": 143}[name], err
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith("interrupted: ")
    outcome = json.loads(out)
    assert outcome["interrupted"]
    assert one(db, "SELECT count(*) FROM readings") == outcome["n_parts"] > 0
    assert one(db, "SELECT count(*) FROM runs WHERE ended_at IS NOT NULL") == 1
    assert [pid for pid in children if Path(f"/proc/{pid}").exists() and pid in processes_of(pid)] == []


def catches(pid: int, number: int) -> bool:
    """Whether the process has a handler for this signal."""
    [mask] = re.findall(r"^SigCgt:\s*(\w+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return bool(int(mask, 16) >> (number - 1) & 1)


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_interrupted_where_there_is_nothing_to_keep(tmp_path: Path, name: str, status: int) -> None:
    import duckdb

    db = tmp_path / "r.duckdb"
    with duckdb.connect(db):  # held for writing by another, so that the command waits
        command = [sys.executable, "-m", "aria_docs", "correct", "--db", str(db), "--table", "a", "--text", "b"]
        waiting = subprocess.Popen([*command, "--row", "0", "--col", "0"], stderr=subprocess.PIPE, text=True)
        while not catches(waiting.pid, signal.SIGTERM):
            time.sleep(0.05)
        os.kill(waiting.pid, getattr(signal, name))
        _, err = waiting.communicate(timeout=60)
    assert waiting.returncode == status
    assert err == "aria-docs: interrupted\n"


def test_a_terminal_sees_bars_and_plain_lines_of_failures(bench, tmp_path: Path) -> None:
    bench.pdf("good.pdf")
    (bench.folder / "b\x1b[2Jad.pdf").write_text("<html>")
    leader, follower = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "aria_docs", "run", "in", "--db", "r.duckdb"], cwd=tmp_path, stderr=follower,
        stdout=subprocess.PIPE, env=os.environ | {"TERM": "xterm", "COLUMNS": "300"},
    ) as run:  # fmt: skip
        os.close(follower)
        seen = b""
        while select.select([leader], [], [], 60)[0]:
            try:
                seen += os.read(leader, 65536)
            except OSError:  # the other end is closed
                break
        assert run.wait() == 1
        assert run.stdout
        assert run.stdout.read() == b""
    os.close(leader)
    text = seen.decode()
    assert "\x1b[2J" not in text
    assert re.search(r"failed: \S*b\\x1b\[2Jad\.pdf is no PDF", text)
    assert "1/2" in text or "2/2" in text


def test_an_answer_is_appended_by_the_shell_and_fits_a_socket(aria_docs, bench, tmp_path: Path) -> None:
    bench.store.prepare(patience_s=1)
    with (tmp_path / "all.csv").open("w+") as file:
        file.write("before\n")
        file.flush()
        subprocess.run(
            [sys.executable, "-m", "aria_docs", "sql", "SELECT 1 AS a", "--db", "r.duckdb", "--format", "csv"],
            cwd=tmp_path, stdout=file, check=True,
        )  # fmt: skip
    assert (tmp_path / "all.csv").read_text() == "before\na\n1\n"
