"""A folder of ours, killed before each of its operations on disk and begun again: it always ends in one place."""

from pathlib import Path
from typing import Any

import pytest

from aria_docs import whole_folder
from aria_docs.errors import UsageError

RECORD = "record.json"


class Killed(BaseException):
    """What a SIGKILL is to the code: nothing runs after it."""


def make(output: Path) -> None:
    """As an export does it: an earlier one is replaced."""
    partial = whole_folder.begin(output, RECORD)
    (partial / "images").mkdir()
    for name in ("a.txt", "images/b.txt", RECORD):
        (partial / name).write_text(name)
    if output.exists():
        assert whole_folder.is_ours(output, RECORD)
        whole_folder.remove(output, RECORD)
    partial.rename(output)


def killed_at(instant: int, patch: pytest.MonkeyPatch, output: Path) -> bool:
    """Whether there was such an instant. Operations are counted as pathlib makes them."""
    left = instant
    for name in ("mkdir", "write_text", "unlink", "rmdir", "rename"):
        whole: Any = getattr(Path, name)

        def counted(self: Path, *arguments: Any, whole: Any = whole, **named: Any) -> Any:
            nonlocal left
            if left == 0:
                raise Killed
            left -= 1
            return whole(self, *arguments, **named)

        patch.setattr(Path, name, counted)
    try:
        make(output)
    except Killed:
        return True
    finally:
        patch.undo()
    return False


@pytest.mark.parametrize("replaced", [False, True])
def test_killed_at_every_instant(tmp_path: Path, replaced: bool) -> None:
    instant = 0
    while True:
        output = tmp_path / str(instant) / "out"
        if replaced:
            make(output)
        if not killed_at(instant, pytest.MonkeyPatch(), output):
            break
        make(output)
        assert {str(path.relative_to(output)) for path in output.rglob("*")} == {
            "a.txt", "images", "images/b.txt", RECORD,
        }  # fmt: skip
        assert [path.name for path in output.parent.iterdir()] == ["out"]
        instant += 1
    assert instant > 6


def test_what_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial" / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="name a new folder"):
        whole_folder.begin(tmp_path / "out", RECORD)
    assert (tmp_path / "out.partial" / "thesis.txt").exists()
