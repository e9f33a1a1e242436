"""A folder that appears whole or not at all, whatever instant a kill comes at.

NAME.partial/RECORD    written first, removed last: as long as anything is in the folder, it is known as ours
NAME/                  renamed from it
"""

from __future__ import annotations

import shutil
from pathlib import Path

from aria_docs.errors import UsageError


def begin(output: Path, record: str) -> Path:
    """A new NAME.partial beside the output, with nothing but an empty record in it; a killed one's goes.

    Raises UsageError where the partial folder is not ours.
    """
    partial = output.with_name(output.name + ".partial")
    if partial.exists():
        if not is_ours(partial, record):
            raise UsageError(f"{partial} is there and is nothing unfinished of ours: name a new folder with -o")
        remove(partial, record)
    partial.mkdir(parents=True)
    (partial / record).write_text("{}", encoding="utf-8")
    return partial


def is_ours(folder: Path, record: str) -> bool:
    """Whether it has our record, or nothing at all in it."""
    return folder.is_dir() and ((folder / record).is_file() or not any(folder.iterdir()))


def remove(folder: Path, record: str) -> None:
    """The record goes last: what a kill leaves is ours still."""
    for path in folder.iterdir():
        if path.name == record:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    (folder / record).unlink(missing_ok=True)
    folder.rmdir()
