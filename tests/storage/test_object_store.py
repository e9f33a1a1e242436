"""A spool on an object store: a real S3 server on this machine, and the real command."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec
import pytest

from aria_docs import open as open_database
from aria_docs.errors import AriaDocsError, QueryError, SpoolError, UsageError
from aria_docs.ingest.shards import Shard
from aria_docs.schemas.spool import GoneRow
from aria_docs.storage import batches, lake, object_store
from aria_docs.storage.database import Store
from aria_docs.storage.lake import Lake
from aria_docs.storage.load import load
from aria_docs.storage.spool import Spool
from tests.conftest import SharedSandbox, make_pdf
from tests.storage.test_spool import dump, make_table_over_pages, read

NAMES = [f"20260101T00000000000{number}-abc-{number:06}" for number in range(4)]
AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (tmp_path_factory.mktemp("s3") / "log").open("w")
    running = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], stdout=log, stderr=log
    )
    for _ in range(600):
        with closing(socket.socket()) as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    running.send_signal(signal.SIGTERM)
    running.wait(10)
    log.close()


@pytest.fixture(scope="module", autouse=True)
def keys(server: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        given = {"AWS_ENDPOINT_URL": server, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "planted-secret"}
        for name, value in given.items():
            patch.setenv(name, value)
        store().mkdir("archive")
        yield


def store() -> Any:
    return object_store._store(object_store.parse("s3://archive"))[0]


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Path:
    return object_store.parse(f"s3://archive/{request.node.name[:40]}")


def write(place: Path, *names: str) -> None:
    with batches.Writer(place) as writer:
        for name in names:
            writer.write(name, [GoneRow(path=f"/{name}")], at=AT)


def aria_docs(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "aria_docs", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_shards_leave_there_what_a_plain_run_stores(place: Path, tmp_path: Path, box: Any) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    make_table_over_pages(folder / "over.pdf")
    for number in range(3):
        make_pdf(folder / f"{number}.pdf", 3, tables=(1, 2), word=f"Fish {number}")
    (folder / "bad.pdf").write_bytes(b"%PDF-1.7\nnothing")
    one, two = Store(tmp_path / "one.duckdb"), Store(tmp_path / "two.duckdb")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aria_docs.run.run.Sandbox", lambda **_: SharedSandbox(box))
        read(one, folder)
        read(Spool(place), folder, shard=Shard(1, 2))
        assert read(Spool(place), folder, shard=Shard(1, 2)).n_read == 0
    done = aria_docs("run", folder, "--shard", "2/2", "--spool", place)
    assert f"→ {place}\ninto a database: aria-docs load {place} --db FILE" in done.stderr
    assert len(lake.names(place)) == 3  # a compacted one of each run that read, and one of the run that did not

    query = "SELECT parse_filename(path) AS file, page, number, text FROM document_cells ORDER BY ALL"
    asked = aria_docs("sql", query, "--spool", place, "--format", "json")
    assert [tuple(row.values()) for row in json.loads(asked.stdout)] == one.ask(query).rows
    with open_database(str(place)) as opened:
        assert len(opened.tables()) == 9

    assert load(place, two, say=print).left == {}
    assert dump(two) == dump(one)
    assert load(place, two, say=print).n_files == 0
    assert b"planted-secret" not in two.path.read_bytes()


def test_a_batch_that_was_put_in_part_is_not_there(place: Path) -> None:
    write(place, *NAMES[:2])
    files, top = object_store._store(place)
    files.rm_file(f"{top}/{NAMES[0]}/{object_store.MANIFEST}")  # killed before the manifest, or while it is removed
    assert lake.names(place) == NAMES[1:2]
    assert [held.folder.name for held in lake.batches(place, on_bad=lambda *_: pytest.fail("told"))] == NAMES[1:2]
    batches.clear(place)
    assert NAMES[0] in object_store.contents(place), "another process may be about to put its manifest"
    object_store.clear(place, stale_s=-60)
    assert list(object_store.contents(place)) == NAMES[1:2]


def test_whoever_looks_while_a_batch_is_put_or_removed_sees_all_of_it_or_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, _ = object_store._store(place)
    seen: list[tuple[str, list[str]]] = []
    for name in ("put", "put_file", "rm_file", "rm"):
        real = getattr(files, name)

        def looked_at(*given: Any, of: str = name, real: Any = real, **how: Any) -> None:
            seen.append((of, lake.names(place)))
            real(*given, **how)
            seen.append((of, lake.names(place)))

        monkeypatch.setattr(files, name, looked_at)
    write(place, NAMES[0])
    object_store.remove(place / NAMES[0])
    there = [NAMES[0]]
    assert seen == [
        ("put", []), ("put", []), ("put_file", []), ("put_file", there),
        ("rm_file", there), ("rm_file", []), ("rm", []), ("rm", []),
    ]  # fmt: skip


def test_what_others_leave_or_remove_meanwhile_is_seen(place: Path) -> None:
    write(place, *NAMES[:2])
    assert lake.names(place) == NAMES[:2]
    another, top = fsspec.filesystem("s3", skip_instance_cache=True), object_store._store(place)[1]
    another.pipe_file(f"{top}/", b"")  # as a console makes a folder
    another.copy(f"{top}/{NAMES[1]}", f"{top}/{NAMES[2]}", recursive=True)
    another.rm(f"{top}/{NAMES[0]}", recursive=True)
    assert set(object_store.contents(place)) == set(NAMES[1:3])
    assert list(object_store.manifests(place, NAMES[:3])) == NAMES[1:3]


def test_small_batches_become_one_and_each_row_is_there_once(place: Path) -> None:
    write(place, *NAMES[:3])
    batches.compact(place)
    [compacted] = lake.batches(place, on_bad=lambda *_: pytest.fail("told"))
    assert list(compacted.manifest.batches) == NAMES[:3]
    assert list(object_store.contents(place)) == [f"{NAMES[0]}+3"], "neither lock nor the batches that it holds"
    write(place, NAMES[3])
    assert object_store.take(place / ".compacting", stale_s=3600)
    assert not object_store.take(place / ".compacting", stale_s=3600)
    batches.compact(place)  # another one does so
    assert len(lake.names(place)) == 2
    assert object_store.take(place / ".compacting", stale_s=-60), "of a process that was killed"


def test_a_batch_that_is_not_as_its_manifest_says_is_named_and_left(place: Path, tmp_path: Path) -> None:
    write(place, *NAMES[:2])
    files, top = object_store._store(place)
    path = f"{top}/{NAMES[0]}/files.parquet"
    whole = files.cat_file(f"{top}/{NAMES[1]}/files.parquet")
    files.pipe_file(path, whole[:-9] + b"x" * 9)
    said: list[str] = []
    loaded = load(place, Store(tmp_path / "r.duckdb"), say=said.append)
    assert (loaded.n_files, list(loaded.left)) == (1, [NAMES[0]])
    assert "is not as" in said[0]
    files.pipe_file(path, whole[:-9])
    with pytest.raises(SpoolError, match=f"{NAMES[0]}/files.parquet cannot be understood: it is not as long"):
        Lake(place).ask("FROM files")
    files.pipe_file(f"{top}/notes.txt", b"x")
    assert "notes.txt" in load(place, Store(tmp_path / "s.duckdb"), say=said.append).left


def test_a_query_reads_the_batches_and_nothing_else_of_the_store(place: Path) -> None:
    write(place, NAMES[0])
    store().pipe_file("archive/secret.csv", b"a,b\n1,2\n")
    assert Lake(place).ask("SELECT count(*) FROM files").rows == [(0,)]
    with pytest.raises(QueryError, match="disabled by configuration"):
        Lake(place).ask("FROM read_csv('s3://archive/secret.csv')")


@pytest.mark.parametrize(
    "url, why",
    [
        ("s3://no-such-bucket/spool", "bucket does not exist"),
        ("s3://archive/nothing-here", "no such folder"),
        ("gopher://archive/spool", "gopher"),
    ],
)
def test_what_is_not_there_is_said_in_a_sentence(url: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(AriaDocsError, match=why):
        load(object_store.parse(url), Store(tmp_path / "r.duckdb"), say=print)
    with pytest.raises(AriaDocsError, match=why):
        open_database(url)
    assert not (tmp_path / "r.duckdb").exists()


def test_a_server_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    make_pdf(tmp_path / "a.pdf", 1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    done = aria_docs("run", tmp_path, "--shard", "1/1", "--spool", "s3://archive/x")
    assert done.returncode == 1
    assert "\naria-docs: s3://archive/x: Could not connect to the endpoint" in f"\n{done.stderr}"


def test_places_of_this_machine(tmp_path: Path) -> None:
    assert object_store.parse(f"file://{tmp_path}/a%20b") == tmp_path / "a b"
    assert object_store.parse("spool/x") == Path("spool/x")
    assert not object_store.is_remote(tmp_path)
    with pytest.raises(UsageError, match="gs://x"):
        object_store.parse("gs://x/y")
    assert Spool(object_store.parse(f"file://{tmp_path}")).path == tmp_path
