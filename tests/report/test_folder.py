"""The folder: only what a report has made is ever replaced or removed."""

import json
import shutil
from pathlib import Path

import pytest

from aria_docs.errors import UsageError
from aria_docs.report.folder import JOURNAL, MANIFEST, Folder


def write(path: Path, **pages: str) -> int:
    with Folder(path) as site:
        for page, text in pages.items():
            site.finished(page, text, [site.put(f"sub/{page}.html", text)])
        return site.sweep()


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(UsageError, match="no report of aria-docs"):
        Folder(tmp_path)
    with pytest.raises(UsageError, match="is a file"):
        Folder(tmp_path / "index.html")


@pytest.mark.parametrize("name", ["../outside.txt", "/etc/outside.txt"])
def test_a_manifest_that_points_outside_is_not_ours(tmp_path: Path, name: str) -> None:
    listed = {"made_by": "aria-docs report", "pages": {"a": {"fingerprint": "", "files": [name]}}}
    (tmp_path / MANIFEST).write_text(json.dumps(listed))
    with pytest.raises(UsageError):
        Folder(tmp_path)


def test_stale_pages_go_and_foreign_files_stay(tmp_path: Path) -> None:
    write(tmp_path, a="1", b="2")
    (tmp_path / "sub" / "notes.txt").write_text("mine")
    assert write(tmp_path, b="2") == 1
    assert sorted(file.name for file in (tmp_path / "sub").iterdir()) == ["b.html", "notes.txt"]


def test_a_page_stays_where_all_its_files_are_there(tmp_path: Path) -> None:
    write(tmp_path, a="1")
    with Folder(tmp_path) as site:
        assert site.keep("a", "1") and not site.keep("a", "other") and not site.keep("b", "1")
        (tmp_path / "sub" / "a.html").unlink()
        assert not site.keep("a", "1")


def test_cut_short_everything_stays_known_as_ours(tmp_path: Path) -> None:
    write(tmp_path, a="1", b="2")
    with pytest.raises(KeyboardInterrupt), Folder(tmp_path) as site:
        site.finished("c", "3", [site.put("sub/c.html", "3")])
        raise KeyboardInterrupt
    assert write(tmp_path, a="1") == 2  # b and c are swept


def test_a_file_that_no_report_has_made_is_never_overwritten(tmp_path: Path) -> None:
    write(tmp_path, a="1")
    (tmp_path / "sub" / "b.html").write_text("mine")
    with pytest.raises(UsageError, match=r"b\.html is no file of this report"):
        write(tmp_path, a="1", b="2")
    assert (tmp_path / "sub" / "b.html").read_text() == "mine"
    assert write(tmp_path, c="3") == 1, "what was made before the refusal is still ours"


def test_killed_what_was_put_is_ours_and_what_was_finished_is_whole(tmp_path: Path) -> None:
    write(tmp_path / "a", a="1")
    with Folder(tmp_path / "a") as site:
        site.finished("b", "2", [site.put("sub/b.html", "2")])
        site.put("sub/half.html", "3")
        shutil.copytree(tmp_path / "a", tmp_path / "killed")
    journal = tmp_path / "killed" / JOURNAL
    journal.write_text(journal.read_text() + '{"put": "sub/torn')  # the line in which the power went
    (tmp_path / "killed" / "sub" / ".half.html.part").write_text("a draft")
    with Folder(tmp_path / "killed") as site:
        assert not (tmp_path / "killed" / "sub" / ".half.html.part").exists()
        assert site.keep("a", "1") and site.keep("b", "2") and not site.keep("half", "3")
        site.put("sub/half.html", "3 again")
        site.finished("half", "3", ["sub/half.html"])
        assert site.sweep() == 0


def test_what_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(UsageError, match="cannot be written"), Folder(tmp_path / "taken" / "report"):
        pass
    with Folder(tmp_path / "report") as site:
        (tmp_path / "report" / "sub").write_text("a file")
        with pytest.raises(UsageError, match="cannot be written"):
            site.put("sub/a.html", "text")
