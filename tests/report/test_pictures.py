"""Pictures out of children: one answer for each that is wanted, whatever becomes of the child."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aria_docs.ingest.sandbox import Sandbox
from aria_docs.report import pictures
from aria_docs.report.pictures import PictureRequest, draw, pages_pictured


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as warm:
        yield warm


def test_pages_and_frames(sandbox: Sandbox, made: Any) -> None:
    pages = list(draw(sandbox, PictureRequest(str(made.files / "fleet.pdf"), numbers=(1, 3))))
    assert [drawn.at for drawn in pages] == [1, 3]
    assert all(drawn.picture and drawn.cover and len(drawn.cover) < len(drawn.picture) for drawn in pages[:1])
    frames = list(draw(sandbox, PictureRequest(str(made.files / "tour.webm"), times_s=(0.25, 1.75))))
    assert [drawn.at for drawn in frames] == [0.25, 1.75] and frames[0].picture != frames[1].picture


def test_a_file_that_does_not_open_gives_a_reason_for_each(sandbox: Sandbox, tmp_path: Path) -> None:
    torn = tmp_path / "torn.pdf"
    torn.write_bytes(b"%PDF-1.7 and no more")
    assert [(drawn.at, drawn.picture) for drawn in draw(sandbox, PictureRequest(str(torn), numbers=(1, 2)))] == [
        (1, None),
        (2, None),
    ]
    gone = list(draw(sandbox, PictureRequest(str(tmp_path / "gone.pdf"), numbers=(1,))))
    assert gone[0].retryable and "gone.pdf cannot be opened" in (gone[0].why_not or "")


class Dying:
    """A sandbox whose children die at the page that kills: `draw_pages` of this module in place of the real one."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def start(self, _worker: str, job: PictureRequest) -> Any:
        return self._sandbox.start("report_workers:dies_at_odd_pages", job)


def test_a_page_that_kills_its_child_costs_itself(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))
    with Sandbox() as fresh:
        drawn = list(draw(Dying(fresh), PictureRequest("x.pdf", numbers=(2, 3, 4, 6))))  # type: ignore[arg-type]
        assert [(d.at, d.picture) for d in drawn] == [(2, b"2"), (3, None), (4, b"4"), (6, b"6")]
        given_up = list(draw(Dying(fresh), PictureRequest("x.pdf", numbers=(1, 3, 5, 7, 8))))  # type: ignore[arg-type]
        assert [d.at for d in given_up] == [1, 3, 5, 7, 8] and not any(d.picture for d in given_up)


def test_a_page_that_takes_too_long_costs_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setattr(pictures, "_LIMIT_S", 1.0)
    with Sandbox() as fresh:
        drawn = list(draw(Dying(fresh), PictureRequest("slow.pdf", numbers=(2, 1000))))  # type: ignore[arg-type]
    assert drawn[0].picture and drawn[1].why_not == "drawing took more than 1 seconds"


@pytest.mark.parametrize(
    ("n_pages", "with_tables", "named", "pictured"),
    [(9, [4, 4], [7], [1, 4, 7]), (0, [], [], []), (None, [], [], []), (3, [2], [0, 99], [1, 2])],
)
def test_which_pages(n_pages: int | None, with_tables: list[int], named: list[int], pictured: list[int]) -> None:
    assert pages_pictured(n_pages, with_tables, named) == pictured
