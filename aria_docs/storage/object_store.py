"""A spool on an object store, as s3://bucket/spool: what differs there from a folder of this machine.

A folder is renamed in one step, so that a batch is made beside and renamed. An object store knows no folders: the
Parquet files of a batch are put first and its manifest last, and what has no manifest is not there.

Paths are those of universal-pathlib, which have pathlib's methods over every file system that fsspec knows.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any, cast
from urllib.parse import urlsplit
from urllib.request import url2pathname

import duckdb

from aria_docs.errors import UsageError

MANIFEST = "manifest.json"


def parse(place: str | Path) -> Path:
    """A folder or file of this machine, also as file://, or a place of an object store by its URL.

    Raises UsageError where what its kind of store needs is not installed.
    """
    text = str(place)
    scheme, separator, _ = text.partition("://")
    if not separator:
        return Path(place)
    if scheme == "file":
        return Path(url2pathname(urlsplit(text).path))
    try:
        from upath import UPath
    except ModuleNotFoundError as error:
        raise UsageError(f"{text}: {scheme}:// needs more packages: pip install 'aria-docs[s3]'") from error
    try:
        path = UPath(text)
        _store(cast(Path, path))
    except (ImportError, ValueError) as error:  # which say what to install, and which kinds there are
        raise UsageError(f"{text}: {error}") from error
    return cast(Path, path)


def is_remote(path: Path) -> bool:
    """Whether it is on an object store."""
    return not isinstance(path, PurePath)


def contents(folder: Path) -> dict[str, dict[str, int]]:
    """What is right under a folder → the files in it and their sizes in bytes; for a file "" and its own.

    All here raise OSError for what a store answers, and for one that cannot be reached.
    """
    store, top = _store(folder)
    found: dict[str, dict[str, int]] = {}
    with _as_os_error():
        store.invalidate_cache()  # some kinds of store would answer from an earlier listing
        listed = store.find(top, detail=True)
    for path, about in listed.items():
        name, _, file = path.removeprefix(f"{top}/").partition("/")
        if path != top and name:  # some consoles leave an object of the folder's own name
            found.setdefault(name, {})[file] = about["size"]
    return found


def manifests(folder: Path, names: Sequence[str]) -> dict[str, bytes | Exception]:
    """The manifest of each batch, read at once; without those that are gone meanwhile."""
    store, top = _store(folder)
    with _as_os_error():
        read = store.cat([f"{top}/{name}/{MANIFEST}" for name in names], on_error="return") if names else {}
    texts = {path.removeprefix(f"{top}/").partition("/")[0]: text for path, text in read.items()}
    return {name: text for name, text in texts.items() if not isinstance(text, FileNotFoundError)}


def put(made: Path, batch: Path) -> None:
    """A folder of this machine as a batch, its manifest last."""
    store, top = _store(batch)
    files = sorted(path.name for path in made.iterdir() if path.name != MANIFEST)
    with _as_os_error():
        store.put([str(made / file) for file in files], [f"{top}/{file}" for file in files])
        store.put_file(str(made / MANIFEST), f"{top}/{MANIFEST}")


def get(batch: Path, files: Sequence[str], folder: Path) -> None:
    """Files of a batch into a folder of this machine."""
    store, top = _store(batch)
    with _as_os_error():
        store.get([f"{top}/{file}" for file in files], [str(folder / file) for file in files])


def remove(batch: Path) -> None:
    """Its manifest first: from then on it is not there."""
    store, top = _store(batch)
    with _as_os_error():
        if store.exists(f"{top}/{MANIFEST}"):
            store.rm_file(f"{top}/{MANIFEST}")
        store.rm(top, recursive=True)


def take(lock: Path, *, stale_s: float) -> bool:
    """Makes the object if it is not there, or older than that."""
    store, path = _store(lock)
    with _as_os_error():
        if store.exists(path) and time.time() - store.modified(path).timestamp() > stale_s:
            store.rm_file(path)
        try:
            store.pipe_file(path, b"", mode="create")
        except FileExistsError:
            return False
    return True


def clear(folder: Path, *, stale_s: float) -> None:
    """Removes batches whose putting or removing has stopped half-way, that long ago."""
    store, top = _store(folder)
    for name, files in contents(folder).items():
        if MANIFEST not in files and "" not in files:
            with _as_os_error():
                newest = max(store.modified(f"{top}/{name}/{file}").timestamp() for file in files)
            if time.time() - newest > stale_s:
                remove(folder / name)


def register(db: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Lets DuckDB read what lies there."""
    store, _ = _store(folder)
    protocols = (store.protocol,) if isinstance(store.protocol, str) else store.protocol
    if not set(protocols) & set(db.list_filesystems()):
        db.register_filesystem(store)


def _store(path: Path) -> tuple[Any, str]:
    """The file system of fsspec, and the path as that has it."""
    remote = cast(Any, path)
    return remote.fs, remote.path


@contextmanager
def _as_os_error() -> Iterator[None]:
    """What s3fs passes on of the client below it: no key, no network. All else it makes an OSError itself."""
    try:
        yield
    except _client_errors() as error:
        raise OSError(errno.EIO, " ".join(str(error).split())[:300]) from error


def _client_errors() -> tuple[type[Exception], ...]:
    try:
        from botocore.exceptions import BotoCoreError
    except ModuleNotFoundError:
        return ()  # another store
    return (BotoCoreError,)
