"""Damaged PDFs through the real run: none ends it, and each becomes a reading or a failure. benchmarks/fuzz.py makes
them, and reads thousands."""

import runpy
from itertools import islice
from pathlib import Path
from typing import Any

FUZZ = Path(__file__).parent.parent / "benchmarks" / "fuzz.py"
SEED = 11


def test_no_damage_ends_a_run_or_loses_a_file(bench: Any) -> None:
    whole = [bench.pdf("a.pdf", 1, tables=(1,)), bench.pdf("b.pdf", 2, word="Costs", use_objstms=1, deflate=True)]
    pdfs = [whole[i].read_bytes() for i in (0, 1, 1, 1)]
    mutants = dict(islice(runpy.run_path(str(FUZZ))["mutants"](pdfs, seed=SEED), 40))
    assert len(set(mutants.values()) - set(pdfs)) == 40
    for name, pdf in mutants.items():
        (bench.folder / name).write_bytes(pdf)
    outcome = bench.run(timeout_s=30)
    assert outcome.n_files == 42 and outcome.n_read + outcome.n_failed == 42
    read = {path for (path,) in bench.rows("SELECT path FROM files JOIN readings USING (source_id)")}
    failures = dict(bench.rows("SELECT path, error FROM failures"))
    names = {Path(path).name for path in read | failures.keys()}
    assert names == {"a.pdf", "b.pdf", *mutants}
    assert {str(path) for path in whole} <= read - failures.keys()
    # Neither a defect of ours nor a bomb: what is wrong with these files has a name.
    assert set(failures.values()) <= {"Damaged", "Encrypted"}
    damaged = bench.rows("SELECT DISTINCT path FROM files JOIN readings USING (source_id) WHERE status = 'partial'")
    assert len(damaged) > 5 and failures


def test_a_damaged_video_keeps_its_head_and_is_like_no_other(video: Path) -> None:
    whole = video.read_bytes()
    made = runpy.run_path(str(FUZZ))["video_mutants"]([(".mp4", whole)], seed=SEED)
    mutants = dict(islice(made, 20))
    assert len(set(mutants.values()) - {whole}) == 20
    assert all(name.endswith(".mp4") and content[:32] == whole[:32] for name, content in mutants.items())
