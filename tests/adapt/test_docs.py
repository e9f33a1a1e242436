"""docs/adapting.md: its commands, run one after the other on a tiny random Aria and two documents."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from test_export import correct

GUIDE = Path(__file__).parents[2] / "docs" / "adapting.md"


def commands() -> list[list[str]]:
    blocks = re.findall(r"```bash\n(aria-docs .*?)\n```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    return [shlex.split(block)[1:] for block in blocks]


def test_the_ten_steps(
    bench: Any, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    """Answers of random weights are noise: the rows are the embedded engine's, and the correction is made by hand."""
    from typer.testing import CliRunner

    from aria_docs.cli import app

    monkeypatch.chdir(tmp_path)
    for number in range(3):
        bench.pdf(f"page{number}.pdf", 1, tables=(1,), word=f"Sales{number}")
    bench.folder.rename(tmp_path / "invoices")
    [settings] = re.findall(r"```yaml\n(.*?)\n```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "adapt.yaml").write_text(settings + "\nbf16: false\nmax_image_size: 490\n")
    steps = commands()
    assert len(steps) == 9  # the tenth needs a server
    first = [part if part != "aria" else "embedded" for part in steps[0]]
    first = [part for part in first if part not in ("--model", "ARIA", "--resolution", "medium")]

    def call(arguments: list[str]) -> str:
        arguments = [str(checkpoint) if part == "ARIA" else part for part in arguments]
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, (arguments, done.output, done.exception)
        return done.output + capfd.readouterr().err

    call(first)
    assert steps[1][0] == "correct"
    correct(tmp_path / "results.duckdb", "page0.pdf", "table")  # until that command is there
    call(steps[2])
    lines = (tmp_path / "examples" / "train.jsonl").read_text().splitlines()
    tested = (tmp_path / "examples" / "test.jsonl").read_text().splitlines()
    assert lines
    assert tested
    assert "memory: " in call(steps[3])
    assert not (tmp_path / "adapter").exists()
    call(steps[4])
    assert "trained so before" in call(steps[5])
    said = call(steps[6])
    assert "before: " in said
    assert "after: " in said
    call(steps[7])
    call(steps[8])
    assert json.loads((tmp_path / "adapted" / "merged.json").read_text()).keys() == {"base", "adapter"}
