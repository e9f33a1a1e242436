"""The folder a report is written to: what is ours in it, what need not be made again, what is stale.

`report.json` lists every file that a report has put there; only those are ever replaced or removed. While a report is
made, `report.journal` has a line for each file before it is written and for each page once it is whole, so that one
that was cut short, by whatever, is taken up where it stopped.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Self

from aria_docs.errors import UsageError

MANIFEST = "report.json"
JOURNAL = "report.journal"
_MAKER = "aria-docs report"
_LOOSE = "loose"  # the manifest's page of files that no finished page has


@dataclass(slots=True)
class _ReportPage:
    """A source's page: what it was made from, and its files."""

    fingerprint: str
    files: list[str] = field(default_factory=list)


class Folder:
    """A context manager: on leaving, the manifest lists what is there, however the work ended. Threads may share it."""

    def __init__(self, path: Path) -> None:
        """Raises UsageError where the folder holds anything that no report has made."""
        self.path = path
        self._lock = threading.Lock()
        self._before = _read_manifest(path)
        self._ours = {name for page in self._before.values() for name in page.files}
        self._now: dict[str, _ReportPage] = {}
        self._journal: TextIOWrapper | None = None

    def __enter__(self) -> Self:
        for name in self._before.get(_LOOSE, _ReportPage("")).files:  # a draft that a kill has left
            _draft(self.path / name).unlink(missing_ok=True)
        self._write_manifest(self._before)
        try:
            self._journal = (self.path / JOURNAL).open("a", encoding="utf-8")
        except OSError as e:
            raise _not_writable(self.path / JOURNAL, e) from e
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        # Cut short, what was there before is still there, and ours.
        listed = self._now if kind is None else self._before | self._now
        loose = self._ours - {name for page in listed.values() for name in page.files}
        if loose and kind is not None:
            listed = listed | {_LOOSE: _ReportPage("", sorted(loose))}
        self._write_manifest(listed)
        if self._journal:
            self._journal.close()
        (self.path / JOURNAL).unlink(missing_ok=True)

    def keep(self, page: str, *fingerprints: str) -> bool:
        """Whether a page made from one of these is there whole; then it stays."""
        before = self._before.get(page)
        if not before or before.fingerprint not in fingerprints or not all(self.has(name) for name in before.files):
            return False
        with self._lock:
            self._now[page] = before
        return True

    def has(self, name: str) -> bool:
        """Whether the file is there, and ours."""
        return name in self._ours and (self.path / name).is_file()

    def put(self, name: str, content: str | bytes) -> str:
        """Writes a file, whole or not at all. Returns its name.

        Raises UsageError, also where a file of that name is there that no report has made.
        """
        self._claim(name)
        target = self.path / name
        draft = _draft(target)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(content.encode() if isinstance(content, str) else content)
            draft.replace(target)
        except OSError as e:
            raise _not_writable(target, e) from e
        return name

    def finished(self, page: str, fingerprint: str, files: list[str]) -> None:
        """A page and all its files are there."""
        with self._lock:
            self._now[page] = _ReportPage(fingerprint, files)
            self._note({"page": page, "fingerprint": fingerprint, "files": files})

    def sweep(self) -> int:
        """Removes what earlier reports made and this one does not have. Returns how many files."""
        stale = self._ours - {name for page in self._now.values() for name in page.files}
        n_removed = 0
        for name in stale:
            n_removed += (self.path / name).is_file()
            (self.path / name).unlink(missing_ok=True)
        for folder in {(self.path / name).parent for name in stale} - {self.path}:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        self._ours -= stale
        return n_removed

    def _claim(self, name: str) -> None:
        with self._lock:
            if name in self._ours or name == MANIFEST:
                return
            if (self.path / name).exists():
                raise UsageError(
                    f"{self.path / name} is no file of this report: move it away, or name another folder with -o"
                )
            self._ours.add(name)
            self._note({"put": name})

    def _note(self, line: dict[str, Any]) -> None:
        if self._journal:
            self._journal.write(json.dumps(line) + "\n")
            self._journal.flush()

    def _write_manifest(self, pages: dict[str, _ReportPage]) -> None:
        listed = {name: {"fingerprint": page.fingerprint, "files": page.files} for name, page in pages.items()}
        self.put(MANIFEST, json.dumps({"made_by": _MAKER, "pages": listed}, indent=0))


def _draft(target: Path) -> Path:
    return target.with_name(f".{target.name}.part")


def _not_writable(target: Path, error: OSError) -> UsageError:
    why = error.strerror or type(error).__name__
    return UsageError(f"{target} cannot be written ({why}): make room for it, or name another -o")


def _read_manifest(path: Path) -> dict[str, _ReportPage]:
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path} is a file: name a folder for the report with -o")
    if not path.is_dir() or not any(path.iterdir()):
        return {}
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        pages = {
            name: _ReportPage(page["fingerprint"], list(page["files"])) for name, page in manifest["pages"].items()
        }
        loose = pages.setdefault(_LOOSE, _ReportPage(""))
        for line in _journal_lines(path):
            if "put" in line:
                loose.files.append(line["put"])
            else:
                pages[line["page"]] = _ReportPage(line["fingerprint"], list(line["files"]))
        ours = manifest["made_by"] == _MAKER and all(_inside(name) for page in pages.values() for name in page.files)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        ours = False
    if not ours:
        raise UsageError(f"{path} holds files that are no report of aria-docs: name a new or empty folder with -o")
    return pages


def _journal_lines(path: Path) -> Iterator[Any]:
    """What a report that was cut short has noted; its last line may be half there."""
    if not (path / JOURNAL).is_file():
        return
    for line in (path / JOURNAL).read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            yield json.loads(line)


def _inside(name: object) -> bool:
    """Whether a name out of a manifest stays inside the folder."""
    return isinstance(name, str) and not Path(name).is_absolute() and ".." not in Path(name).parts
