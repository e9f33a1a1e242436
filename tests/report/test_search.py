"""What the search looks through: all texts, in files of about a megabyte, within a bound."""

import json
from typing import Any

import pytest

from aria_docs.report import search
from aria_docs.report.content import read_overview
from aria_docs.report.search import Searched, searchable, side_files


def entries(n: int, *, words: str = "fjord " * 20) -> list[tuple[str, str, str, str]]:
    return [(f"{i // 10:032x}", f"t{i % 10}-0", f"Table {i}", words) for i in range(n)]


def test_every_text_is_in_one_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_SIDE_FILE_BYTES", 5_000)
    searched = Searched()
    files = [json.loads(text) for text in side_files(iter(entries(200)), searched)]
    assert len(files) > 3 and searched.n_tables == 200 and searched.n_cut == 0
    assert [head for file in files for _, rows in file for _, head, _ in rows] == [f"Table {i}" for i in range(200)]


def test_beyond_the_bound_each_text_is_cut_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_WHOLE_BYTES", 10_000)
    searched = Searched()
    texts = list(side_files(iter(entries(40, words="überaus lange Worte " * 40)), searched))
    bodies = [body for text in texts for _, rows in json.loads(text) for _, _, body in rows]
    assert len(bodies) == 40 and 20 < searched.n_cut < 40
    cut = bodies[-searched.n_cut :]
    assert all(len(body.encode()) <= 245 and body.endswith(("überaus…", "lange…", "Worte…")) for body in cut)


def test_what_is_searched(made: Any) -> None:
    found = list(searchable(made.store, read_overview(made.store).sources))
    fleet = {place: (head, body) for source, place, head, body in found if source == made.fleet}
    assert fleet["t2-0"] == ("Table 1. The fleet", "\n".join("\t".join(row) for row in made.rows))
    assert fleet["p1"] == ("", "# The fleet of the fjord")
    assert fleet["summary"] == ("The fleet", "Two ferries, one fjord.\nTwo ferries sail.\nBoth are old.")
    film = {place: (head, body) for source, place, head, body in found if source == made.film}
    assert film["s0"] == ("The quay", "A grey morning.") and "s1" in film
    searched = Searched()
    list(side_files(iter(found), searched))
    assert (searched.n_tables, searched.n_pages, searched.n_scenes, searched.n_cues) == (2, 1, 2, 3)
