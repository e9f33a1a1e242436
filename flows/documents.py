"""The flow for PDFs: what is new or changed among them is read into the database."""

from __future__ import annotations

from prefect import State, flow

from aria_docs.flows.files import read_kind
from aria_docs.run.recipes import Options


@flow(name="documents", persist_result=False)
def documents(
    paths: list[str], db: str, options: Options | None = None, password_file: str | None = None
) -> list[str] | State[list[str]]:
    """Reads the PDFs under the paths. Returns the paths of the files that failed; all else is in the database."""
    return read_kind("pdf", paths, db, options or Options(), password_file)
