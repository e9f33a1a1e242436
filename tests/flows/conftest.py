"""One Prefect server for all tests of flows, and two files small enough to be read in a moment."""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("prefect")


@pytest.fixture(scope="session", autouse=True)
def prefect_server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the API, for processes that a test starts."""
    os.environ["PREFECT_HOME"] = str(tmp_path_factory.mktemp("prefect"))
    import flows  # noqa: F401 - sets what Prefect reads when it is imported

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Prefect's own, while its server is imported
        from prefect.settings import PREFECT_API_URL
        from prefect.testing.utilities import prefect_test_harness

        with prefect_test_harness(server_startup_timeout=180):
            yield str(PREFECT_API_URL.value())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A PDF of one page, a copy of it, a video of two seconds with one cut, and a PDF that is none."""
    import imageio_ffmpeg
    import numpy as np
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
    movie = imageio_ffmpeg.write_frames(str(folder / "movie.mp4"), (64, 48), fps=10)
    movie.send(None)
    for shade in [40] * 10 + [200] * 10:
        movie.send(np.full((48, 64, 3), shade, np.uint8).tobytes())
    movie.close()
    return folder
