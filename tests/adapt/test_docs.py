"""docs/adapting.md: its commands, run one after the other on a tiny random Aria and two documents."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

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
    assert len(steps) == 11  # two more for the second step; the tenth needs a server
    first = [part if part != "aria" else "embedded" for part in steps[0]]
    first = [part for part in first if part not in ("--model", "ARIA", "--resolution", "medium")]

    def call(arguments: list[str]) -> str:
        arguments = [str(checkpoint) if part == "ARIA" else part for part in arguments]
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, (arguments, done.output, done.exception)
        return done.output + capfd.readouterr().err

    call(first)
    found = call([*steps.pop(1), "--format", "json"])
    mended, confirmed = steps.pop(1), steps.pop(1)
    ids = [row["table_id"] for row in json.loads(found[found.index("[") :])]
    for command, table in ((mended, ids[0]), (confirmed, ids[1])):
        command[command.index("--table") + 1] = table
    confirmed[-1] = "row 1"
    call(mended)
    call(confirmed)
    call(steps.pop(1))
    lines, tested = ((tmp_path / "examples" / f"{split}.jsonl").read_text() for split in ("train", "test"))
    assert lines and tested
    assert "KX-41" in lines + tested
    assert (lines + tested).count('"correction": ["') == 2
    dry, trained, resumed, scored, again, merged = steps[1:]
    assert "memory: " in call(dry)
    assert not (tmp_path / "adapter").exists()
    call(trained)
    assert "trained so before" in call(resumed)
    said = call(scored)
    assert "before: " in said
    assert "after: " in said
    call(again)
    call(merged)
    assert json.loads((tmp_path / "adapted" / "merged.json").read_text()).keys() == {"base", "adapter"}
