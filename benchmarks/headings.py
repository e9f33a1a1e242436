"""Headings of ten articles, marked by hand in headings.txt, against those of a Markdown export.

    aria-docs run PMC_PDFS --db a.duckdb && aria-docs export --db a.duckdb --format markdown -o OUT
    python benchmarks/headings.py OUT [--list]

A heading is found where one of the export, used once, is nearly the same text; case, blanks and signs do not count.
Two joined to one, or one torn in two, are faults of both sides. --list prints what was missed and what is false.
"""

from __future__ import annotations

import argparse
import re
from difflib import SequenceMatcher
from pathlib import Path

_ALIKE = 0.85  # of the letters: a formula or a raised mark may be spelled otherwise
_RUNS_IN = "> "


def marked(path: Path) -> dict[str, list[str]]:
    """The headings of each article, in order; those that run in begin with `> `."""
    found: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("== "):
            found[line[3:]] = []
        elif line and not line.startswith("#"):
            found[list(found)[-1]].append(line)
    return found


def headings_of(markdown: str) -> list[str]:
    return re.findall(r"^#{1,6} (.+)$", markdown, re.MULTILINE)


def unpaired(truth: list[str], found: list[str]) -> tuple[list[str], list[str]]:
    """What was missed, and what is false."""
    missed, left = [], list(found)
    for heading in truth:
        same = [n for n, text in enumerate(left) if _alike(heading.removeprefix(_RUNS_IN), text)]
        if same:
            del left[same[0]]
        else:
            missed.append(heading)
    return missed, left


def _alike(a: str, b: str) -> bool:
    a, b = (re.sub(r"[\W_]", "", text).casefold() for text in (a, b))
    return a == b or SequenceMatcher(None, a, b, autojunk=False).ratio() >= _ALIKE


def f1(n_right: int, n_truth: int, n_found: int) -> float:
    return 2 * n_right / max(1, n_truth + n_found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("markdown", type=Path)
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    sums = [0, 0, 0]
    print("| article | right | marked | found | F1 |\n| --- | --- | --- | --- | --- |")
    for name, truth in marked(Path(__file__).with_suffix(".txt")).items():
        found = headings_of((options.markdown / f"{name}.md").read_text(encoding="utf-8"))
        missed, false = unpaired(truth, found)
        counts = (len(truth) - len(missed), len(truth), len(found))
        sums = [a + b for a, b in zip(sums, counts, strict=True)]
        print(f"| {name} | {counts[0]} | {counts[1]} | {counts[2]} | {f1(*counts):.2f} |")
        if options.list:
            print(*(f"    missed: {text}" for text in missed), *(f"    false: {text}" for text in false), sep="\n")
    print(f"| all | {sums[0]} | {sums[1]} | {sums[2]} | {f1(*sums):.3f} |")


if __name__ == "__main__":
    main()
