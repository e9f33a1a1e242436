"""The flow for PDFs: what is new or changed among them is read into the database."""

from __future__ import annotations

from prefect import State, flow

from aria_docs.flows.files import read_kind, run_name
from aria_docs.run.recipes import Options


@flow(name="documents", flow_run_name=run_name, persist_result=False)
def documents(
    paths: list[str], db: str, options: Options | None = None, password_file: str | None = None
) -> State[list[str]]:
    """Reads the PDFs under the paths; the run fails if one of them does. All that could be read is in the database.

    The result is the paths of the files that failed in earlier runs and were not tried again.
    """
    return read_kind("pdf", paths, db, options or Options(), password_file)
