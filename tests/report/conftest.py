"""A database with a document, a hostile one, a video and failures; its files are drawn here, so all boxes are known."""

import io
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import av
import duckdb
import numpy as np
import pymupdf
import pytest
from PIL import Image

from aria_docs.report.site import write_report
from aria_docs.schemas.readings import FailureRow, Finished, ReadingRow, RunRow, reading_id
from aria_docs.schemas.scenes import SceneRow, ShotRow
from aria_docs.schemas.sources import FileRow, PageRow, SourceRow
from aria_docs.schemas.summaries import KeyPointRow, SummaryRow
from aria_docs.schemas.tables import CellRow, TableRow, table_id
from aria_docs.storage.database import Batch, Store

READ_AT = datetime(2026, 11, 22, 9, 30)
WIDTH, HEIGHT = 420.0, 595.0
ROWS = [["Ferry", "Built", "Cars"], ["Havørn", "1998", "-12"], ["Krykkje", "2021", "60"], ["Total", "none", "48"]]
EVIL = [
    "<script>document.title='owned'</script>",
    "=cmd|'/C calc'!A0",
    "+3 %",
    "<img src=x onerror=\"document.title='owned'\">",
]
EVIL_NAME = "<img src=x onerror=alert(1)>&amp;.pdf"
FRAMES = [0.25, 1.0, 1.75]
CUES = [(0.0, 0.9, "The tide is coming in."), (0.9, 1.4, "There she sails."), (1.4, 2.0, "Farewell, Krykkje!")]


def box_of(row: int, col: int) -> tuple[float, float, float, float]:
    """Where the cell stands on its page, in points."""
    return (60.0 + 100 * col, 200.0 + 30 * row, 160.0 + 100 * col, 230.0 + 30 * row)


def draw_document(path: Path) -> None:
    with pymupdf.open() as document:
        document.new_page(width=WIDTH, height=HEIGHT).insert_text((60, 80), "The fleet of the fjord", fontsize=20)
        page = document.new_page(width=WIDTH, height=HEIGHT)
        for r, row in enumerate(ROWS):
            for c, text in enumerate(row):
                x0, _, _, y1 = box_of(r, c)
                page.insert_text((x0 + 6, y1 - 9), text, fontsize=12)
        document.new_page(width=WIDTH, height=HEIGHT)
        document.save(path)


def draw_video(path: Path) -> None:
    """Two seconds, 20 frames, each a grey of its own."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for n in range(20):
            pixels = np.full((48, 64, 3), 12 * n, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())


def file_row(path: Path, source_id: str) -> FileRow:
    facts = path.stat()
    changed = datetime.fromtimestamp(facts.st_mtime, UTC).replace(tzinfo=None)
    return FileRow(path=str(path), source_id=source_id, size_bytes=facts.st_size, modified_at=changed)


def source_row(path: Path, source_id: str, **more: object) -> SourceRow:
    kind = "pdf" if path.suffix == ".pdf" else "video"
    size = path.stat().st_size
    return SourceRow(source_id=source_id, path=str(path), kind=kind, size_bytes=size, first_seen_at=READ_AT, **more)


def reading(source_id: str, task: str, part: str, **more: object) -> ReadingRow:
    rid = reading_id(source_id=source_id, task=task, part=part, recipe="r1")
    values = {
        "reading_id": rid, "run_id": "run", "source_id": source_id, "task": task, "part": part, "engine": "embedded",
        "recipe": "r1", "status": "ok", "seconds": 0.5, "read_at": READ_AT,
    }  # fmt: skip
    return ReadingRow(**values | more)


def table(of: ReadingRow, page: int, rows: list[list[str]], *, number: int = 0, caption: str | None = None) -> Finished:
    """A table read from a page; the cell 'Total' is not grounded."""
    tid = table_id(reading_id=of.reading_id, page=page, table_no=number)
    n_cols = max(map(len, rows))
    x0, y0, _, _ = box_of(0, 0)
    _, _, x1, y1 = box_of(len(rows) - 1, n_cols - 1)
    row = TableRow(
        table_id=tid, reading_id=of.reading_id, source_id=of.source_id, page=page, table_no=number, x0=x0, y0=y0, x1=x1,
        y1=y1, n_rows=len(rows), n_cols=n_cols, n_header_rows=1, caption=caption, grounded=0.9,
    )  # fmt: skip
    cells = tuple(
        CellRow(
            table_id=tid, row_no=r, col_no=c, row_span=1, col_span=1, is_header=r == 0, text=text,
            number=number_of(text), **dict(zip(("x0", "y0", "x1", "y1"), box_of(r, c), strict=True)),
            grounded=text != "Total",
        )
        for r, texts in enumerate(rows)
        for c, text in enumerate(texts)
    )  # fmt: skip
    size = PageRow(source_id=of.source_id, page=page, width_pt=WIDTH, height_pt=HEIGHT, text="", from_ocr=False)
    return Finished(reading=of, pages=(size,), tables=(row,), cells=cells)


def number_of(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def summary(source_id: str, part: str, *points: KeyPointRow, title: str = "The fleet") -> Finished:
    of = reading(source_id, "summary", part)
    row = SummaryRow(
        reading_id=of.reading_id, source_id=source_id, title=title, language="en", text="Two ferries, one fjord.",
        key_points=list(points),
    )  # fmt: skip
    return Finished(reading=of, summaries=(row,))


def write_cues(store: Store, source_id: str, cues: list[tuple[float, float, str]]) -> None:
    """As DESIGN.md has the table, in whatever version of the database."""
    with duckdb.connect(store.path) as db:
        db.execute(
            "CREATE TABLE IF NOT EXISTS cues (source_id VARCHAR, cue_no INTEGER, start_s DOUBLE, end_s DOUBLE, "
            "text VARCHAR, origin VARCHAR)"
        )
        rows = [(source_id, n, *cue, "sidecar") for n, cue in enumerate(cues)]
        db.executemany(
            "INSERT INTO cues (source_id, cue_no, start_s, end_s, text, origin) VALUES (?, ?, ?, ?, ?, ?)", rows
        )


def failure(path: Path | str, **more: object) -> FailureRow:
    values = {
        "path": str(path), "source_id": None, "task": "", "part": "", "recipe": "r1", "stage": "open",
        "error": "Damaged", "message": "nothing in it can be read: fetch or export it again", "retryable": False,
        "failed_at": READ_AT,
    }  # fmt: skip
    return FailureRow(**values | more)


FLEET, HOSTILE, FILM = "f1ee7" + "0" * 27, "e7" + "1" * 30, "f11" + "2" * 29


@dataclass(frozen=True)
class Made:
    """The database, and what its tests need to know of it."""

    store: Store
    files: Path
    fleet = FLEET
    hostile = HOSTILE
    film = FILM
    rows = ROWS
    evil = EVIL
    frames = FRAMES
    box_of = staticmethod(box_of)

    def fleet_alone(self) -> None:
        """Only the fleet's file is there."""
        self.store.forget([str(file) for file in self.files.iterdir() if file.name != "fleet.pdf"])

    def bring_back(self) -> None:
        """The fleet's file is found again."""
        self.store.write(Batch(files=[file_row(self.files / "fleet.pdf", FLEET)]))

    def fail_alike(self, n: int) -> None:
        """As many failures of one reason, two in each file."""
        self.store.write(
            Batch(
                failures=[
                    failure(f"/in/{i // 2}.pdf", task="tables", part=f"page:{i % 2 + 1}", error="EngineError",
                            message=f"/in/{i // 2}.pdf: 400 Bad Request: no image inputs")
                    for i in range(n)
                ]
            )
        )  # fmt: skip

    def read_again(self) -> None:
        """The fleet's table, later and with another last row."""
        later = reading(FLEET, "tables", "page:2", read_at=READ_AT.replace(hour=11))
        changed = table(later, 2, [*ROWS[:-1], ["Sum", "none", "48"]], caption="Table 1. The fleet")
        self.store.write(Batch(finished=[changed]))

    def encrypt(self) -> None:
        """The fleet's file is replaced by one of the same content behind a password."""
        path = self.files / "fleet.pdf"
        with pymupdf.open(path) as document:
            document.save(self.files / "locked", encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="x", owner_pw="y")
        (self.files / "locked").replace(path)
        self.store.write(Batch(files=[file_row(path, FLEET)]))


def make_database(folder: Path) -> Made:
    files = folder / "files"
    files.mkdir()
    fleet, hostile, film = files / "fleet.pdf", files / EVIL_NAME, files / "tour.webm"
    draw_document(fleet)
    with pymupdf.open() as document:
        document.new_page(width=WIDTH, height=HEIGHT).insert_text((60, 80), "harmless to look at")
        document.save(str(hostile))
    draw_video(film)

    jpeg = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(jpeg, "JPEG")
    scenes = reading(FILM, "scenes", "video", engine="remote", model="rhymes-ai/Aria", frames=FRAMES)
    blank = PageRow(
        source_id=FLEET, page=1, width_pt=WIDTH, height_pt=HEIGHT, text="# The fleet of the fjord", from_ocr=False
    )
    parts = [
        Finished(reading=reading(FLEET, "tables", "page:1"), pages=(blank,)),
        table(reading(FLEET, "tables", "page:2"), 2, ROWS, caption="Table 1. The fleet"),
        Finished(
            reading=reading(FLEET, "tables", "page:3", status="partial", note="no text layer"),
            pages=(PageRow(source_id=FLEET, page=3, width_pt=WIDTH, height_pt=HEIGHT, text="", from_ocr=False),),
        ),
        summary(
            FLEET,
            "document",
            KeyPointRow(text="Two ferries sail.", page=1),
            KeyPointRow(text="Both are old.", page=3),
        ),
        table(reading(HOSTILE, "tables", "page:1"), 1, [EVIL, ["a", "b", "c", "</table></main>"]], caption=EVIL[0]),
        summary(HOSTILE, "document", KeyPointRow(text=EVIL[3], page=1), title="</title>" + EVIL[0]),
        Finished(
            reading=scenes,
            shots=(
                ShotRow(source_id=FILM, shot_no=0, start_s=0, end_s=1.2, transition="start", transition_start_s=0,
                        transition_end_s=0),
                ShotRow(source_id=FILM, shot_no=1, start_s=1.2, end_s=2, transition="dissolve", transition_start_s=1.0,
                        transition_end_s=1.4),
            ),
            scenes=(
                SceneRow(reading_id=scenes.reading_id, source_id=FILM, scene_no=0, start_s=0, end_s=1.2,
                         transition="start", title="The quay", description="A grey morning.",
                         thumbnail=jpeg.getvalue()),
                SceneRow(reading_id=scenes.reading_id, source_id=FILM, scene_no=1, start_s=1.2, end_s=2,
                         transition="dissolve", title=None, description=EVIL[0], thumbnail=None),
            ),
        ),
        summary(FILM, "video", KeyPointRow(text="It brightens.", start_s=1.5), title="A tour"),
    ]  # fmt: skip
    store = Store(folder / "results.duckdb")
    store.prepare(patience_s=5)
    store.begin_run(
        RunRow(run_id="run", started_at=READ_AT, command="aria-docs run x", engine="embedded", recipe="r1"), []
    )
    store.write(
        Batch(
            files=[file_row(fleet, FLEET), file_row(hostile, HOSTILE), file_row(film, FILM)],
            sources=[
                source_row(fleet, FLEET, n_pages=3),
                source_row(hostile, HOSTILE, n_pages=1),
                source_row(film, FILM, duration_s=2.0, width=64, height=48, fps=10.0),
            ],
            finished=parts,
            failures=[
                failure(files / "torn.pdf"),
                failure(fleet, source_id=FLEET, task="tables", part="page:2", error="TimedOut", message=EVIL[0]),
            ],
        )
    )
    write_cues(store, FILM, CUES)
    return Made(store, files)


def make_long(folder: Path) -> Store:
    """A document that is no longer there: 60 pages of 8,000 letters, and a table of 300 rows on page 50."""
    store = Store(folder / "long.duckdb")
    store.prepare(patience_s=5)
    rows = [["No", "Name"], *([str(n), f"Fjordling {n}"] for n in range(1, 300))]
    words = "The water of the fjord is cold and clear. " * 190
    texts = tuple(
        PageRow(
            source_id=FLEET, page=n, width_pt=WIDTH, height_pt=HEIGHT, text=f"{words} Landmark {n}.", from_ocr=False
        )
        for n in range(1, 61)
    )
    listed = table(reading(FLEET, "tables", "page:50"), 50, rows, caption="Table 9. The young")
    finished = [
        Finished(reading=listed.reading, tables=listed.tables, cells=listed.cells),
        Finished(reading=reading(FLEET, "tables", "page:1"), pages=texts),
    ]
    source = SourceRow(
        source_id=FLEET, path="/gone/long.pdf", kind="pdf", size_bytes=9, n_pages=60, first_seen_at=READ_AT
    )
    file = FileRow(path="/gone/long.pdf", source_id=FLEET, size_bytes=9, modified_at=READ_AT)
    store.write(Batch(files=[file], sources=[source], finished=finished))
    return store


@pytest.fixture(scope="session")
def long_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of `make_long`."""
    folder = tmp_path_factory.mktemp("long")
    write_report(make_long(folder), folder / "report")
    return folder / "report"


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return make_database(tmp_path)


def doubt(store: Store) -> None:
    """As DESIGN.md has it: 2021 is unsure, and a check says that 12 would make the sum of the cars right."""
    with duckdb.connect(store.path) as db:
        db.execute("DROP VIEW review")  # whose order is that of the database, and which knows no confidence
        db.execute("ALTER TABLE cells ADD COLUMN IF NOT EXISTS confidence DOUBLE")
        db.execute("UPDATE cells SET confidence = CASE text WHEN '2021' THEN 0.61 ELSE 0.98 END")
        db.execute(
            "CREATE TABLE IF NOT EXISTS checks (table_id VARCHAR, check_no INTEGER, kind VARCHAR, holds BOOLEAN, "
            "row_no INTEGER, col_no INTEGER, suspects STRUCT(row_no INTEGER, col_no INTEGER)[], mend VARCHAR, "
            "expected DOUBLE, found DOUBLE, note VARCHAR)"
        )
        db.execute(
            "CREATE TABLE IF NOT EXISTS corrections (correction_id VARCHAR, source_id VARCHAR, page INTEGER, "
            "target VARCHAR, anchor JSON, before JSON, after JSON, made_at TIMESTAMP, made_by VARCHAR, note VARCHAR, "
            "state VARCHAR)"
        )
        [(id_,)] = db.execute("SELECT table_id FROM tables WHERE caption = 'Table 1. The fleet'").fetchall()
        db.execute(
            "INSERT INTO checks (table_id, check_no, kind, holds, col_no, suspects, mend, expected, found, note) "
            "VALUES (?, 0, 'sum', false, 2, [{'row_no': 1, 'col_no': 2}], '12', 72, 48, 'the rows sum to 48')",
            [id_],
        )


@pytest.fixture(scope="session")
def doubted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Made, Path]:
    """A report of a database that knows what may be wrong, and takes corrections."""
    folder = tmp_path_factory.mktemp("doubted")
    made = make_database(folder)
    doubt(made.store)
    write_report(made.store, folder / "report")
    return made, folder / "report"


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> tuple[Made, Path]:
    """A report that no test changes, and what it was made from."""
    folder = tmp_path_factory.mktemp("report")
    made = make_database(folder)
    write_report(made.store, folder / "report")
    return made, folder / "report"
