"""File names: safe, unlike each other, the same for the same input."""

import pytest

from aria_docs.export.names import Names


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("Annual report", "Annual report"),
        ("../../etc/passwd", "etc passwd"),
        ("a/b\\c:d*e?f", "a b c d e f"),
        ("tab\tline\nnul\0", "tab line nul"),
        ("…", "…"),
        ("...", "_"),
        ("", "_"),
        ("CON", "_CON"),
        ("com1.txt", "_com1.txt"),
        ("console", "console"),
        ("\u202egpj.exe", "gpj.exe"),
        ("x" * 300, "x" * 80),
    ],
)
def test_names_are_safe(words: str, name: str) -> None:
    assert Names().take(words) == name


def test_no_two_are_alike() -> None:
    names = Names()
    assert [names.take(words) for words in ("a", "A", "a", "a-2", "a")] == ["a", "A-2", "a-3", "a-2-2", "a-4"]
