"""Secrets that a user hands over are used, and found nowhere afterwards: not in the database, the report, what was
said, or what Prefect stores."""

import base64
import os
import subprocess
import sys
from pathlib import Path

import pymupdf
import pytest
from fake_server import FakeServer

pytest.importorskip("prefect")

from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_HOME

from aria_docs.storage.database import Store
from tests.data.make_earlier import dump

KEY, OTHER_KEY, TOKEN = "sk-planted-9d1c77", "sk-planted-b02f", "token-planted-5e6a"
USER, PASSWORD, OF_PDF = "planted-user", "planted-pw-31aa", "planted-pdf-password"
SECRETS = (KEY, OTHER_KEY, TOKEN, USER, PASSWORD, OF_PDF, base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode())


def found_in(data: bytes) -> list[str]:
    return [secret for secret in SECRETS if secret.encode() in data]


@pytest.fixture
def letters(tmp_path: Path) -> Path:
    """One that needs the password, one that needs another, and one that is none."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name, password in (("open", None), ("ours", OF_PDF), ("theirs", "another")):
        with pymupdf.open() as document:
            document.new_page().insert_text((72, 72), f"The letter called {name} is about the harbour.")
            encryption = pymupdf.PDF_ENCRYPT_AES_256 if password else pymupdf.PDF_ENCRYPT_NONE
            document.save(folder / f"{name}.pdf", encryption=encryption, user_pw=password, owner_pw=password)
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7\nnothing follows")
    return folder


def test_planted_secrets_are_found_nowhere(letters: Path, tmp_path: Path, prefect_server_url: str) -> None:
    db, passwords = tmp_path / "r.duckdb", tmp_path / "passwords.txt"
    passwords.write_text(f"{OF_PDF}\n")
    planted = {"ARIA_DOCS_API_KEY": KEY, "OPENAI_API_KEY": OTHER_KEY, "MY_TOKEN": TOKEN}
    environment = os.environ | planted | {"PREFECT_API_URL": prefect_server_url}
    said = b""

    def aria_docs(*arguments: object) -> int:
        nonlocal said
        command = [sys.executable, "-m", "aria_docs", *map(str, arguments)]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True)
        said += done.stdout + done.stderr
        return done.returncode

    with FakeServer(faults=["off schema"] * 5) as model:
        url = model.url.replace("://", f"://{USER}:{PASSWORD}@")
        asked = ("--engine", "remote", "--server", url, "--password-file", passwords)
        assert aria_docs("run", letters, "--db", db, "--prefect", *asked) == 1  # two letters cannot be read
        assert {request.headers["authorization"] for request in model.asked} <= {
            f"Bearer {KEY}",
            f"Basic {SECRETS[-1]}",
        }
        assert model.asked
    assert aria_docs("run", letters, "--db", db, *asked) != 0  # the server is gone
    assert (
        aria_docs("run", letters, "--db", db, "--engine", "remote", "--server", f"ftp://{USER}:{PASSWORD}@host/v1") != 0
    )
    assert aria_docs("status", "--db", db) == 0
    assert aria_docs("report", "--db", db, "-o", tmp_path / "report") == 0

    with_text = "SELECT DISTINCT parse_filename(path) AS name FROM files JOIN pages USING (source_id) ORDER BY name"
    read = Store(db).records(with_text)
    assert [row["name"] for row in read] == ["open.pdf", "ours.pdf"]
    assert found_in(str(dump(db)).encode() + db.read_bytes()) == []
    assert found_in(said) == []
    for page in (tmp_path / "report").rglob("*"):
        assert page.is_dir() or found_in(page.read_bytes()) == [], page
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(limit=200, sort="START_TIME_DESC")  # other tests' scheduled runs are among them
    assert str(db) in {run.parameters.get("db") for run in runs}  # Prefect's database is the one that is searched
    kept = {path.name: path.read_bytes() for path in Path(PREFECT_HOME.value()).glob("prefect.db*")}
    assert any(str(db).encode() in data for data in kept.values())
    assert [(name, found) for name, data in kept.items() if (found := found_in(data))] == []
