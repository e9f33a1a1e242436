"""Damaged PDFs and videos through the real run: none may end it, none may be left without a reading or a failure.

    python benchmarks/fuzz.py FILE... [--count 2000] [--seed 0] [--limit-s 600] [--keep FOLDER]

Every mutant is one of the files given, small ones for choice, with up to three of the injuries below; a video gets
those that know nothing of PDF. The seed decides all. They are read in lots of 250 by `aria-docs run`. Ends with status
1 where a run died or a file got lost; failures that nobody foresaw (`Crashed`) are listed, and with --keep so are the
files, to look at.
"""

from __future__ import annotations

import argparse
import random
import re
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

LOT = 250

_OBJECT = re.compile(rb"\d+ 0 obj.*?endobj", re.DOTALL)
_NUMBER = re.compile(rb"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.])")
_NAME = re.compile(rb"/[A-Za-z][A-Za-z0-9]*")
_STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.DOTALL)
_ODD_NUMBERS = (
    b"0",
    b"-1",
    b"1",
    b"65536",
    b"2147483647",
    b"-2147483648",
    b"99999999999999999999",
    b"1e38",
    b"0.00001",
)


def flipped(pdf: bytes, chance: random.Random) -> bytes:
    """A few bytes are others."""
    damaged = bytearray(pdf)
    for _ in range(chance.choice((1, 4, 30, 200))):
        damaged[chance.randrange(len(damaged))] = chance.randrange(256)
    return bytes(damaged)


def truncated(pdf: bytes, chance: random.Random) -> bytes:
    """The end is missing."""
    return pdf[: chance.randrange(1, len(pdf))]


def spliced(pdf: bytes, chance: random.Random) -> bytes:
    """A stretch of the file stands over another."""
    length = chance.randrange(1, max(2, len(pdf) // 8))
    here, there = chance.randrange(len(pdf)), chance.randrange(len(pdf))
    return pdf[:there] + pdf[here : here + length] + pdf[there + length * chance.randrange(2) :]


def blanked(content: bytes, chance: random.Random) -> bytes:
    """A stretch of the file is zeros, as after a copy that was broken off and taken up again."""
    start, length = chance.randrange(len(content)), chance.randrange(1, max(2, len(content) // 8))
    return content[:start] + bytes(len(content[start : start + length])) + content[start + length :]


def swapped_streams(pdf: bytes, chance: random.Random) -> bytes:
    """One object has the stream of another."""
    streams = list(_STREAM.finditer(pdf))
    if len(streams) < 2:
        return flipped(pdf, chance)
    one, other = chance.sample(streams, 2)
    return pdf[: one.start(1)] + other[1] + pdf[one.end(1) :]


def doubled_object(pdf: bytes, chance: random.Random) -> bytes:
    """An object stands twice, the second time under another's number."""
    objects = list(_OBJECT.finditer(pdf))
    if not objects:
        return flipped(pdf, chance)
    one, other = chance.choice(objects)[0], chance.choice(objects)[0]
    number = other.partition(b" ")[0]
    at = chance.choice(objects).end()
    return pdf[:at] + b"\n" + number + b" " + one.partition(b" ")[2] + pdf[at:]


def renumbered(pdf: bytes, chance: random.Random) -> bytes:
    """Sizes, counts, references, offsets or coordinates are others."""
    return _replaced(pdf, _NUMBER, _ODD_NUMBERS, chance)


def renamed(pdf: bytes, chance: random.Random) -> bytes:
    """Keys and types are other keys and types of the same file."""
    return _replaced(pdf, _NAME, _NAME.findall(pdf), chance)


def damaged_content(pdf: bytes, chance: random.Random) -> bytes:
    """A compressed stream holds numbers that it did not: what a flipped byte cannot do without breaking the stream."""
    streams = list(_STREAM.finditer(pdf))
    chance.shuffle(streams)
    for stream in streams:
        try:
            content = zlib.decompress(stream[1])
        except zlib.error:
            continue
        injury = chance.choice((renumbered, flipped, truncated))
        return pdf[: stream.start(1)] + zlib.compress(injury(content or b" ", chance)) + pdf[stream.end(1) :]
    return renumbered(pdf, chance)


def _replaced(pdf: bytes, what: re.Pattern[bytes], by: Sequence[bytes], chance: random.Random) -> bytes:
    places = list(what.finditer(pdf))
    chosen = chance.sample(places, min(len(places), chance.choice((1, 2, 8, 40))))
    for place in sorted(chosen, key=lambda place: -place.start()):
        pdf = pdf[: place.start()] + chance.choice(by) + pdf[place.end() :]
    return pdf


INJURIES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    flipped, truncated, spliced, swapped_streams, doubled_object, renumbered, renamed, damaged_content,
)  # fmt: skip
OF_ANY_FILE = (flipped, truncated, spliced, blanked)
# The first bytes tell what a video is; without them it is no video, which is quickly said.
HEAD = 32


def mutants(pdfs: Sequence[bytes], *, seed: int) -> Iterator[tuple[str, bytes]]:
    """Without end: a name that tells the injuries, and the damaged bytes. Each begins like a PDF."""
    return _injured([(".pdf", b"%PDF-1.7\n", pdf) for pdf in pdfs], INJURIES, seed)


def video_mutants(videos: Sequence[tuple[str, bytes]], *, seed: int) -> Iterator[tuple[str, bytes]]:
    """Without end: a name that tells the injuries, with the suffix given, and the damaged bytes behind a whole head."""
    return _injured([(suffix, video[:HEAD], video[HEAD:]) for suffix, video in videos], OF_ANY_FILE, seed)


def _injured(
    files: Sequence[tuple[str, bytes, bytes]], kinds: Sequence[Callable[[bytes, random.Random], bytes]], seed: int
) -> Iterator[tuple[str, bytes]]:
    chance = random.Random(seed)
    number = 0
    while True:
        suffix, head, body = chance.choice(files)
        # Each injury in turn comes first, so that a few mutants have them all.
        injuries = [kinds[number % len(kinds)], *chance.choices(kinds, k=chance.choice((0, 0, 1, 2)))]
        for injury in injuries:
            body = injury(body, chance) or b" "
        yield f"{number:04}-{'-'.join(injury.__name__ for injury in injuries)}{suffix}", head + body
        number += 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="+", type=Path, help="PDFs, or videos")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit-s", type=float, default=600, help="no further lot is begun after this time")
    parser.add_argument("--keep", type=Path, help="a folder for the files that crashed, got lost or took too long")
    options = parser.parse_args()
    contents = [(path.suffix.lower(), content) for path in options.file if (content := path.read_bytes())]
    pdfs = [content for suffix, content in contents if suffix == ".pdf"]
    source = mutants(pdfs, seed=options.seed) if pdfs else video_mutants(contents, seed=options.seed)
    began, n_read, n_bad = time.monotonic(), 0, 0
    kinds: Counter[str] = Counter()
    while n_read < options.count and time.monotonic() - began < options.limit_s:
        with tempfile.TemporaryDirectory() as folder:
            lot = [next(source) for _ in range(min(LOT, options.count - n_read))]
            for name, pdf in lot:
                Path(folder, name).write_bytes(pdf)
            n_bad += _read(Path(folder), [name for name, _ in lot], kinds, options.keep)
            n_read += len(lot)
        print(f"{n_read} files in {time.monotonic() - began:.0f} s: {dict(kinds)}", flush=True)
    return 1 if n_bad else 0


def _read(folder: Path, names: list[str], kinds: Counter[str], keep: Path | None) -> int:
    """Reads a lot, counts what became of its files, and returns how many were lost; all where the run died."""
    from aria_docs.storage.database import Store

    database = folder / "r.duckdb"
    command = [sys.executable, "-m", "aria_docs", "run", str(folder), "--db", str(database), "--timeout", "20"]
    run = subprocess.run(command, capture_output=True, text=True)
    died = run.returncode not in (0, 1) or "Traceback" in run.stderr
    if died or not database.exists():
        print(f"the run ended with {run.returncode}: {run.stderr[-2000:]}")
        return len(names)
    store = Store(database)
    read = {
        Path(row["path"]).name
        for row in store.records("SELECT DISTINCT f.path FROM files f JOIN readings r USING (source_id)")
    }
    failures = store.records("SELECT path, stage, error, message FROM failures")
    lost = set(names) - read - {Path(row["path"]).name for row in failures}
    odd = lost | {Path(row["path"]).name for row in failures if row["error"] in ("Crashed", "OutOfMemory", "TimedOut")}
    kinds["read"] += len(read)
    kinds.update(row["error"] for row in failures)
    for name in sorted(lost):
        print(f"lost: {name}")
    for row in failures:
        if row["error"] in ("Crashed", "OutOfMemory", "TimedOut"):
            print(f"{row['error']} in {row['stage']}: {row['message']}")
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        for name in odd:
            (keep / name).write_bytes((folder / name).read_bytes())
    return len(lost)


if __name__ == "__main__":
    sys.exit(main())
