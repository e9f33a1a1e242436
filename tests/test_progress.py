"""What reaches standard error: nothing that a file name could do to a terminal."""

import os

import pytest

from aria_docs import progress
from aria_docs.progress import Bars, Lines
from aria_docs.run.outcome import Failure
from aria_docs.text_table import printable

NASTY = "/in/\x1b]0;title\x07 line\nbreak\ttab " + os.fsdecode(b"\xff") + "\u202egnp.pdf"


def test_printable() -> None:
    assert printable("/in/ü 視 🎬.pdf") == "/in/ü 視 🎬.pdf"
    assert printable(NASTY) == r"/in/\x1b]0;title\x07 line\nbreak\ttab \udcff\u202egnp.pdf"


@pytest.mark.parametrize("kind", [Bars, Lines])
def test_a_run_is_told(kind: type[Bars | Lines], capsys: pytest.CaptureFixture[str]) -> None:
    with kind() as shown:
        shown.files(1)
        shown.opened(NASTY, 2)
        shown.part(NASTY)
        shown.failed(Failure(NASTY, "page:2", "Damaged", f"{NASTY}: page 2 cannot be read [bold]"))
        shown.part(NASTY)
        shown.file_over(NASTY)
        shown.file_over("/in/done-before.pdf")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"failed: {printable(NASTY)}: page 2 cannot be read [bold]" in captured.err
    assert "\x07" not in captured.err
    assert "\u202e" not in captured.err


def test_a_line_now_and_then(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    lines = Lines()
    lines.files(3)
    lines.file_over("a")
    for now[0] in (4.0, 8.0, 12.0, 16.0, 30.0):
        lines.part("/in/b.pdf")
    assert capsys.readouterr().err == "1/3 files, 3 parts; at b.pdf\n1/3 files, 5 parts; at b.pdf\n"
