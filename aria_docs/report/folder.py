"""The folder a report is written to: what is ours in it, what need not be made again, what is stale.

`report.json` lists every file that a report has put there. Only those are ever replaced or removed.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from aria_docs.errors import UsageError

MANIFEST = "report.json"
_MAKER = "aria-docs report"


@dataclass(slots=True)
class _Page:
    """A source's page: what it was made from, and its files."""

    fingerprint: str
    files: list[str] = field(default_factory=list)


class Folder:
    """A context manager: on leaving, the manifest tells what is there, however the work ended. Threads may share it."""

    def __init__(self, path: Path) -> None:
        """Raises UsageError where the folder holds anything that no report has made."""
        self.path = path
        self._lock = threading.Lock()
        self._before = _read_manifest(path)
        self._now: dict[str, _Page] = {}

    def __enter__(self) -> Self:
        self._write_manifest(self._before)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        # Cut short, what was there before is still there, and ours.
        self._write_manifest(self._now if kind is None else self._before | self._now)

    def keep(self, page: str, fingerprint: str) -> bool:
        """Whether a page made from the same is there whole; then it stays."""
        before = self._before.get(page)
        if not before or before.fingerprint != fingerprint or not all(self.has(name) for name in before.files):
            return False
        with self._lock:
            self._now[page] = before
        return True

    def has(self, name: str) -> bool:
        """Whether the file is there, and ours or about to be."""
        return (self.path / name).is_file()

    def put(self, name: str, content: str | bytes) -> str:
        """Writes a file, whole or not at all. Returns its name. Raises UsageError."""
        target = self.path / name
        draft = target.with_name(f".{target.name}.part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(content.encode() if isinstance(content, str) else content)
            draft.replace(target)
        except OSError as e:
            why = e.strerror or type(e).__name__
            raise UsageError(f"{target} cannot be written ({why}): make room for it, or name another -o") from e
        return name

    def finished(self, page: str, fingerprint: str, files: list[str]) -> None:
        """A page and all its files are there."""
        with self._lock:
            self._now[page] = _Page(fingerprint, files)

    def sweep(self) -> int:
        """Removes what earlier reports made and this one does not have. Returns how many files."""
        wanted = {name for page in self._now.values() for name in page.files}
        stale = {name for page in self._before.values() for name in page.files} - wanted
        for name in stale:
            (self.path / name).unlink(missing_ok=True)
        for folder in {(self.path / name).parent for name in stale} - {self.path}:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        return len(stale)

    def _write_manifest(self, pages: dict[str, _Page]) -> None:
        listed = {name: {"fingerprint": page.fingerprint, "files": page.files} for name, page in pages.items()}
        self.put(MANIFEST, json.dumps({"made_by": _MAKER, "pages": listed}, indent=0))


def _read_manifest(path: Path) -> dict[str, _Page]:
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path} is a file: name a folder for the report with -o")
    if not path.is_dir() or not any(path.iterdir()):
        return {}
    try:
        told = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        pages = {name: _Page(page["fingerprint"], list(page["files"])) for name, page in told["pages"].items()}
        ours = told["made_by"] == _MAKER and all(_inside(name) for page in pages.values() for name in page.files)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        ours = False
    if not ours:
        raise UsageError(f"{path} holds files that are no report of aria-docs: name a new or empty folder with -o")
    return pages


def _inside(name: object) -> bool:
    """Whether a name out of a manifest stays inside the folder."""
    return isinstance(name, str) and not Path(name).is_absolute() and ".." not in Path(name).parts
