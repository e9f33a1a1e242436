"""Eight PDFs with tables on neighbouring pages, four at once, on a real Prefect server: as a plain run reads them."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("prefect")

from aria_docs.flows.documents import documents
from aria_docs.flows.files import run_as_flow
from aria_docs.run.recipes import Options
from aria_docs.run.run import Run
from aria_docs.storage.database import Store
from tests.conftest import Told
from tests.storage.test_spool import dump

OPTIONS = Options(workers=4)


@pytest.fixture(scope="module")
def plain(tables: Path) -> dict[str, list[dict[str, Any]]]:
    store = Store(tables.parent / "plain.duckdb")
    with Run(store, OPTIONS, command="test", progress=Told()) as run:
        run.outcome.add(run.read(run.find([tables])))
    assert len(store.records("FROM document_tables")) == 24
    assert len(store.records("FROM tables WHERE continues IS NOT NULL")) == 0
    return dump(store)


@pytest.mark.parametrize("flow", ["of the command", "documents"])
def test_a_flow_stores_the_rows_of_a_plain_run(
    flow: str, tables: Path, plain: dict[str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    store = Store(tmp_path / "a.db")
    if flow == "documents":
        assert documents([str(tables)], str(store.path), OPTIONS) == []
    else:
        outcome = run_as_flow([tables], store, OPTIONS, password_file=None, command="test")
        assert (outcome.n_read, outcome.n_failed, outcome.failures) == (8, 0, [])
    assert dump(store) == plain
