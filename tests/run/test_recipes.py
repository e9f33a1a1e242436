"""What a user asks for, parsed; and which of it decides an answer."""

from pathlib import Path

import pytest

from aria_docs.errors import UsageError
from aria_docs.run.recipes import Options, parse_pages, parse_tasks, read_passwords


@pytest.mark.parametrize(
    ("text", "pages"),
    [("3", [3]), ("1-2,5", [1, 2, 5]), ("5-", [5, 6, 7, 8]), (" 2 , 4 - 5 ", [2, 4, 5]), ("7,7-7", [7]), ("99", [])],
)
def test_pages(text: str, pages: list[int]) -> None:
    ranges = parse_pages(text)
    assert [page for page in range(1, 9) if any(page in part for part in ranges)] == pages


@pytest.mark.parametrize("text", ["", "0", "-3", "a", "1,,2", "3-2", "1-2-3", "²", "1.5", "--", "0-4"])
def test_no_pages(text: str) -> None:
    with pytest.raises(UsageError, match="--pages"):
        parse_pages(text)


def test_tasks_in_their_own_order() -> None:
    assert parse_tasks("summary, tables") == ("tables", "summary")
    for text in ("", "tables,", "tables,poems"):
        with pytest.raises(UsageError, match="is no task"):
            parse_tasks(text)


@pytest.mark.parametrize("timeout_s", [0.0, -1.0, float("nan"), float("inf"), 1e6])
def test_a_timeout_that_is_none(timeout_s: float) -> None:
    with pytest.raises(UsageError, match="--timeout"):
        Options(timeout_s=timeout_s)


def test_passwords_as_they_stand_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "passwords"
    path.write_bytes("\ufeffsesame\r\n\n two words \npäss\x0cwort\n".encode())
    assert read_passwords(path) == ("sesame", " two words ", "päss\x0cwort")
    path.write_bytes(b"\xff\xfe")
    for unreadable in (path, tmp_path / "none", tmp_path):
        with pytest.raises(UsageError, match="--password-file"):
            read_passwords(unreadable)


def test_what_decides_an_answer_and_what_does_not() -> None:
    def hashes(**changes: object) -> dict[str, str]:
        return {task: row.recipe for task, row in Options(**changes).recipes().items()}  # type: ignore[arg-type]

    usual = hashes()
    assert set(usual) == {"tables", "scenes", "summary"}
    assert len(set(usual.values())) == 3
    same = {"workers": 9, "timeout_s": 1.0, "force": True, "retry_failed": True, "passwords": ("x",), "debug": True}
    assert hashes(**same) == usual
    assert {task for task, recipe in hashes(group=True).items() if recipe != usual[task]} == {"scenes"}
    assert {task for task, recipe in hashes(pages=parse_pages("1-5")).items() if recipe != usual[task]} == {"summary"}
    assert hashes(tasks=("tables",)) == {"tables": usual["tables"]}
