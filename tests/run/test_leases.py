"""Who reads which files: every unit once, copies together, and again where a worker vanished."""

import random
from datetime import datetime
from pathlib import Path

from aria_docs.ingest.folder import FoundFile
from aria_docs.run.leases import MOST_LOSSES, TERM_S, Leases


def found(path: str | Path, size: int) -> FoundFile:
    return FoundFile(str(path), "pdf", True, size, datetime(2026, 1, 1))


def test_large_ones_first_then_many_small_ones() -> None:
    files = [found(f"/nowhere/{number}", number + 1) for number in range(1000)]
    leases = Leases(files, n_workers=2)
    sizes = []
    while lease := leases.next("a"):
        sizes.append(len(lease.files))
        leases.done("a")
    assert sum(sizes) == 1000 and sizes[0] == 125 and sizes[-8:] == [1] * 8
    assert leases.is_over


def test_copies_are_read_by_one_worker(tmp_path: Path) -> None:
    for name, text in (("a", "x" * 50), ("b", "y" * 50), ("c", "x" * 50)):
        (tmp_path / name).write_text(text)
    leases = Leases([found(tmp_path / name, 50) for name in "abc"], n_workers=3)
    handed = [[Path(file.path).name for file in lease.files] for worker in "xyz" if (lease := leases.next(worker))]
    assert sorted(handed) == [["a", "c"], ["b"]]


def test_what_a_lost_worker_had_goes_to_another_and_is_given_up_at_last() -> None:
    now = [0.0]
    leases = Leases([found("/a", 1), found("/b", 2)], n_workers=1, clock=lambda: now[0])
    for n in range(MOST_LOSSES):
        lease = leases.next(f"{n}")
        assert lease and lease.again == (n > 0) and [file.path for file in lease.files] == ["/b"]
        now[0] += TERM_S / 2
        leases.heard(f"{n}")
        now[0] += TERM_S - 1
        assert leases.overdue() == []
        now[0] += 2
        assert leases.overdue() == [f"{n}"]
        given_up = leases.lost(f"{n}")
    assert [unit.files[0].path for unit in given_up] == ["/b"]
    lease = leases.next("last")
    assert lease and not lease.again and not leases.is_over
    leases.done("last")
    assert leases.is_over


def test_stretches_are_read_before_the_rest_also_where_one_is_given_up() -> None:
    leases = Leases([found("/a", 9), found("/b", 1)], n_workers=2, count_pages=lambda file: 950 * (file.path == "/a"))
    left = {lease.pages for name in map(str, range(7)) if (lease := leases.next(name)) and lease.pages}
    lost = leases.next("lost")
    assert lost and lost.pages and not lost.is_rest
    for name in map(str, range(7)):
        leases.done(name)
    for n in range(MOST_LOSSES):
        assert leases.lost("lost") == []
        again = leases.next("lost")
        assert again and again.is_rest == (n == MOST_LOSSES - 1) and again.again
    pages = [page for pages in (*left, lost.pages) for page in range(pages.first, (pages.last or 0) + 1)]
    assert len(pages) == len(set(pages)) == 950 - 7 and min(set(range(1, 951)).difference(pages)) >= 2
    leases.done("lost")
    last = leases.next("last")
    assert last and [file.path for file in last.files] == ["/b"]


def test_only_a_few_documents_are_opened_to_be_shared_out() -> None:
    counted = list[str]()
    files = [found(f"/{number}", 9 << 20) for number in range(1000)]
    leases = Leases(files, n_workers=2, count_pages=lambda file: counted.append(file.path) or 0)
    assert leases.next("a") and counted == []
    leases.done("a")
    while leases.next("a"):
        leases.done("a")
    assert len(counted) == 4 * 2 and leases.is_over


def test_whoever_vanishes_every_file_is_read() -> None:
    rng = random.Random(0)
    files = [found(f"/{number}", rng.randint(1, 9) << 20) for number in range(200)]
    leases, read, held = Leases(files, n_workers=5), list[str](), dict[str, list[str]]()
    while not leases.is_over:
        worker = rng.choice("abcde")
        if worker not in held and (lease := leases.next(worker)):
            held[worker] = [file.path for file in lease.files]
        elif worker in held and rng.random() < 0.05:
            assert leases.lost(worker) == []
            del held[worker]
        elif worker in held:
            leases.done(worker)
            read += held.pop(worker)
    assert sorted(read) == sorted(file.path for file in files)
