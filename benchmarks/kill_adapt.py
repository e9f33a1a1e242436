"""Export, train, merge and run, each killed with SIGKILL at random instants and run again: does each end in one place?

    python benchmarks/kill_adapt.py --model ../shared/data/tiny-aria/model [-n 10] [--seed 0]

Each step is run once without a kill. Then, n times, from the same state: it is killed at an instant between its start
and the time that the whole step took, run again to its end, and what it leaves is compared: every file of the export
and of the merged checkpoint byte by byte, the adapter's weights, curve (without its seconds) and records, the rows of
the database. A folder .partial, a checkpoint or a temporary file that is left over counts as a fault.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path += map(str, (ROOT, ROOT / "tests", ROOT / "tests" / "adapt"))

import kinds  # noqa: E402
import pymupdf  # noqa: E402
from kill import rows  # noqa: E402

CONFIG = {
    "learning_rate": 2e-3, "num_train_epochs": 5, "per_device_train_batch_size": 2, "gradient_accumulation_steps": 1,
    "lora_r": 4, "bf16": False, "max_image_size": 490,
}  # fmt: skip
SORTED = ("target_modules", "target_parameters")  # sets to PEFT: their order differs from run to run


def draw(folder: Path, n: int, seed: int) -> None:
    """Small pages with a ruled table of codes each, which the embedded engine reads."""
    folder.mkdir()
    chance = random.Random(seed)
    for number in range(n):
        with pymupdf.open() as document:
            page = document.new_page(width=kinds.SIZE[0], height=kinds.SIZE[1])
            for row, cells in enumerate(kinds.rows(chance)):
                for column, text in enumerate(cells):
                    left, top = 20 + 64 * column, 20 + 28 * row
                    page.draw_rect((left, top, left + 64, top + 28), width=0.8)
                    page.insert_text((left + 5, top + 19), text, fontname="helv", fontsize=12.5)
            document.save(folder / f"page{number}.pdf")


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "aria_docs", *arguments]


def call(arguments: list[str]) -> None:
    done = subprocess.run(arguments, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    if done.returncode:
        sys.exit(f"{arguments[3:]} ended with {done.returncode}: {done.stderr}")


def state(folder: Path) -> dict[str, Any]:
    """What stands in a folder, by name: the same for two folders that say the same."""
    return {str(path.relative_to(folder)): _content(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def _content(path: Path) -> Any:
    if path.name == "loss.csv":
        return [line.rpartition(",")[0] for line in path.read_text().splitlines()]
    if path.name == "adapter_config.json":
        found = json.loads(path.read_text())
        return found | {key: sorted(found[key] or ()) for key in SORTED}
    return hashlib.sha256(path.read_bytes()).hexdigest()


def killed(arguments: list[str], after_s: float) -> bool:
    """Whether it was still at work then."""
    process = subprocess.Popen(arguments, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True
    return False


def measure(
    name: str, n: int, chance: random.Random, arguments: list[str], again: list[str], target: Path,
    read: Callable[[Path], Any],
) -> int:  # fmt: skip
    """Faults of one step. target: what it makes, removed before each kill."""
    began = time.monotonic()
    call(arguments)
    whole_s, whole = time.monotonic() - began, read(target)
    siblings = {path.name for path in target.parent.iterdir()}
    kept = target.with_name("whole-" + target.name)
    target.rename(kept)
    kills = faults = 0
    while kills < n:
        kills += killed(arguments, chance.uniform(0.1, 1) * whole_s)
        call(again)
        now = read(target)
        left = {path.name for path in target.parent.iterdir()} - siblings - {kept.name}
        if now != whole or left:
            faults += 1
            differs = [key for key in whole.keys() | now.keys() if whole.get(key) != now.get(key)]
            print(f"{name}, kill {kills}: differs in {differs}, left over {sorted(left)}", flush=True)
        shutil.rmtree(target) if target.is_dir() else target.unlink()
    kept.rename(target)
    print(f"{name}: a whole one takes {whole_s:.1f} s; {kills} kills, {faults} faults", flush=True)
    return faults


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("-n", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        draw(place / "in", 8, options.seed)
        (place / "config.yaml").write_text(json.dumps(CONFIG))
        db, data, adapter, merged = place / "db" / "r.duckdb", place / "out", place / "adapter", place / "merged"
        db.parent.mkdir()
        call(command("run", str(place / "in"), "--db", str(db), "--engine", "embedded", "--tasks", "tables"))
        model = ("--model", options.model)
        export = command("adapt", "export", "--db", str(db), "-o", str(data), "--all", "--resolution", "medium")
        train = command("adapt", "train", str(data), *model, "--config", str(place / "config.yaml"), "-o", str(adapter))
        merge = command("adapt", "merge", str(adapter), *model, "-o", str(merged))
        target = place / "read" / "r.duckdb"
        target.parent.mkdir()
        run = command("run", str(place / "in"), "--db", str(target), "--engine", "aria", *model, "--adapter", str(adapter), "--resolution", "medium", "--tasks", "tables")  # fmt: skip  # noqa: E501
        faults = measure("export", options.n, chance, export, export, data, state)
        faults += measure("train", options.n, chance, train, [*train, "--resume"], adapter, state)
        faults += measure("merge", options.n, chance, merge, merge, merged, state)
        faults += measure("run", options.n, chance, run, run, target, rows)
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
