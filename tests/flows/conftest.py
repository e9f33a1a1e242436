"""One Prefect server for all tests of flows, and files small enough to be read in a moment."""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import make_pdf

pytest.importorskip("prefect")


@pytest.fixture(scope="session", autouse=True)
def prefect_ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server that `run --prefect` and `schedule` start, with its scheduler; the address of its UI."""
    os.environ["PREFECT_HOME"] = str(tmp_path_factory.mktemp("prefect"))
    import aria_docs.flows  # noqa: F401 - sets what Prefect reads when it is imported

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Prefect's own
        from aria_docs.flows.server import prefect_server

        with prefect_server() as address:
            yield address


@pytest.fixture(scope="session")
def prefect_server_url(prefect_ui: str) -> str:
    """The address of the API, for processes that a test starts."""
    return f"{prefect_ui}/api"


def make_film(path: Path, *, shade: int = 40) -> Path:
    """Two seconds with one cut."""
    import imageio_ffmpeg
    import numpy as np

    film = imageio_ffmpeg.write_frames(str(path), (64, 48), fps=10)
    film.send(None)
    for grey in [shade] * 10 + [200] * 10:
        film.send(np.full((48, 64, 3), grey, np.uint8).tobytes())
    film.close()
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A PDF of one page, a copy of it, a video of two seconds with one cut, and a PDF that is none."""
    import pymupdf

    folder = tmp_path / "in"
    folder.mkdir()
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_text((72, 72), "The yearly report of the lighthouse keepers of the northern coast.")
        page.insert_text((72, 96), "Nine lamps were lit, and the tenth was found to be a star.")
        document.save(folder / "report.pdf")
    (folder / "copy.pdf").write_bytes((folder / "report.pdf").read_bytes())
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7\nnothing follows")
    make_film(folder / "movie.mp4")
    return folder


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight PDFs of three pages, each with a table that goes on on the next page."""
    folder = tmp_path_factory.mktemp("tables") / "in"
    folder.mkdir()
    for name in "abcdefgh":
        make_pdf(folder / f"{name}.pdf", 3, tables=(1, 2, 3), word=f"Report {name}")
    return folder
