"""What people have corrected or confirmed → a folder of examples in the data layout.

    corrections ── of a page ──> page as shown ── our question ──> its tables as the views show them
                └─ of a scene ─> frames as shown, `[MM:SS]` before each ──> the video's scenes

A page is an example where somebody has corrected or confirmed something on it, and every other table on it is read
with high confidence: what nobody has looked at is not taught. With `everything`, confidence alone is enough, and
summaries and records of a user's own schema, for which there are no corrections, come along.

Pages and frames are made by the same child as in a run (reading/show.py) and stored as PNG, which keeps every pixel.
The folder appears whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image

from aria_docs import prompts, whole_folder
from aria_docs.adapt import answers
from aria_docs.errors import AriaDocsError, TimedOut, Unreachable, UsageError
from aria_docs.ingest.sandbox import Sandbox
from aria_docs.model.context_windows import plainly
from aria_docs.model.custom import load as load_schema
from aria_docs.model.engine import ModelId
from aria_docs.model.profiles.aria import ARIA
from aria_docs.model.seen import SeenDocument, SeenPage, SeenVideo
from aria_docs.reading.messages import Job, Look, ReadPages, ShowPages
from aria_docs.tiling.budget import ANSWER_TOKENS, MARKERS, WINDOW
from aria_docs.tiling.pixels import Crop

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from aria_docs.model.chat_model import Shown
    from aria_docs.model.custom import CustomSchema
    from aria_docs.storage.database import Store

RECORD = "export.json"  # what was exported: the folder is ours where it stands
CONFIDENT = 0.95  # of the cells of a table nobody has looked at, on the mean: of 20 such cells one may be wrong
TEST_SHARE = 0.1  # of documents
_LIMIT_S = 60.0  # CPU seconds for a page, or for each begun minute of video, as in a run
_QUESTIONS = {"tables": prompts.TABLES, "scenes": prompts.SCENES, "summary": prompts.SUMMARY}

Row = dict[str, Any]
Resolution = Literal["medium", "high", "ultra"]


@dataclass(frozen=True, slots=True)
class Exported:
    """How many examples there are, and what could not be one, a sentence each."""

    train: int
    test: int
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Example:
    """What is to become a line.

    page:         None for a whole document or video.
    resolution:   how it was shown to the model that read it; None for the default.
    corrections:  their ids.
    """

    source_id: str
    path: str
    kind: str
    task: str
    question: str
    answer: str
    page: int | None = None
    resolution: Resolution | None = None
    frames: int | None = None
    corrections: tuple[str, ...] = ()


@dataclass(slots=True)
class _Found:
    examples: list[Example] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def export(
    store: Store,
    output: Path,
    *,
    everything: bool = False,
    schema: str | None = None,
    resolution: Resolution | None = None,
    frames: int | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Exported:
    """Writes the folder.

    schema:      FILE.py:Model, a user's own, whose answers come along; with `everything` alone.
    resolution:  for all; None as each was read, and the default of a run where no model read it.
    frames:      of each video; None as each was read.

    Raises UsageError where there is nothing to export or `output` is not ours, StoreError.
    """
    if output.exists() and not whole_folder.is_ours(output, RECORD):
        raise UsageError(f"{output} is there and holds no export: name a new folder with -o")
    found = _collect(store, everything=everything, schema=schema, resolution=resolution, frames=frames)
    if not found.examples:
        why = f" ({found.left_out[0]})" if found.left_out else ""
        more = "" if everything else ", and --all takes what was read with high confidence"
        raise UsageError(f"{store.path} holds nothing to learn from{why}: `aria-docs correct` says what is right{more}")
    partial = whole_folder.begin(output, RECORD)
    (partial / "images").mkdir()
    lines, left_out = _draw(found.examples, partial, say)
    if not lines:
        whole_folder.remove(partial, RECORD)
        raise UsageError(f"none of {len(found.examples):,} examples could be drawn ({left_out[0]})")
    tested = _test_sources({example.source_id for example, _ in lines})
    counts = {"train": 0, "test": 0}
    texts = dict.fromkeys(counts, "")
    for example, line in lines:
        split = "test" if example.source_id in tested else "train"
        counts[split] += 1
        texts[split] += json.dumps(line, ensure_ascii=False) + "\n"
    for split, text in texts.items():
        (partial / f"{split}.jsonl").write_text(text, encoding="utf-8")
    (partial / RECORD).write_text(json.dumps(counts | {"db": str(store.path)}), encoding="utf-8")
    if output.exists():
        whole_folder.remove(output, RECORD)
    partial.rename(output)
    return Exported(counts["train"], counts["test"], (*found.left_out, *left_out))


def _test_sources(sources: Iterable[str]) -> set[str]:
    """The documents of the test split: by their contents' hash, so that one stays where it is when others come.

    At least one where there are two, and never all.
    """
    *ranked, _ = sorted(sources, key=_place)
    return {source for source in ranked if _place(source) < TEST_SHARE} or set(ranked[:1])


def _place(source_id: str) -> float:
    return int(hashlib.sha256(source_id.encode()).hexdigest()[:8], 16) / 2**32


# Which rows


def _collect(
    store: Store, *, everything: bool, schema: str | None, resolution: Resolution | None, frames: int | None
) -> _Found:
    corrections = _corrections(store, everything=everything)
    found = _Found()
    shown = {"resolution": resolution, "frames": frames}
    _collect_pages(store, corrections, found, everything=everything, shown=shown)
    _collect_scenes(store, corrections, found, everything=everything, shown=shown)
    if everything:
        _collect_summaries(store, found, shown=shown)
    if schema:
        if not everything:
            raise UsageError("--schema takes answers that nobody can have corrected: add --all")
        _collect_records(store, load_schema(schema), found, shown=shown)
    return found


def _corrections(store: Store, *, everything: bool) -> list[Row]:
    """Those that hold; none where the database is older than corrections and confidence alone is asked for."""
    if not store.records("SELECT 1 FROM information_schema.tables WHERE table_name = 'corrections'"):
        if everything:
            return []
        raise UsageError(
            f"{store.path} has no table of corrections: `aria-docs correct` makes it with the first one, and --all "
            "exports what was read with high confidence"
        )
    return store.records(
        "SELECT correction_id, source_id, page, target, anchor FROM corrections WHERE state = 'applied' "
        "ORDER BY correction_id"
    )


def _columns(store: Store, view: str, optional: Sequence[str]) -> str:
    """ ", v.a, v.b" of those that the view has, NULL for others: views grow with versions."""
    found = store.records(f"SELECT column_name AS name FROM information_schema.columns WHERE table_name = '{view}'")
    known = {row["name"] for row in found}
    return "".join(f", v.{name}" if name in known else f", NULL AS {name}" for name in optional)


_READ_AS = """
    json_extract_string(c.options, '$.resolution') AS resolution,
    CAST(json_extract_string(c.options, '$.frames') AS INTEGER) AS frames
"""


def _collect_pages(
    store: Store, corrections: Sequence[Row], found: _Found, *, everything: bool, shown: dict[str, Any]
) -> None:
    tables = store.records(f"""
        SELECT v.*, p.width_pt, p.height_pt, s.kind, {_READ_AS}
        FROM (SELECT v.path, v.page, v.table_no, v.caption, v.n_rows, v.n_cols, v.n_header_rows, v.table_id, v.grounded,
                     v.source_id, v.reading_id, v.x0, v.y0, v.x1, v.y1
                     {_columns(store, "document_tables", ("corrected",))}
              FROM document_tables v QUALIFY row_number() OVER (PARTITION BY v.table_id ORDER BY v.path) = 1) v
        JOIN pages p ON p.source_id = v.source_id AND p.page = v.page
        JOIN sources s ON s.source_id = v.source_id
        JOIN readings r ON r.reading_id = v.reading_id LEFT JOIN recipes c ON c.recipe = r.recipe
        ORDER BY v.source_id, v.page, v.table_no""")
    cells: dict[str, list[Row]] = defaultdict(list)
    for row in store.records(f"""
        SELECT DISTINCT v.table_id, v.row_no, v.col_no, v.row_span, v.col_span, v.text
               {_columns(store, "document_cells", ("corrected", "confidence"))}
        FROM document_cells v ORDER BY v.table_id, v.row_no, v.col_no"""):
        cells[row["table_id"]].append(row)
    known: dict[tuple[str, int], list[Row]] = defaultdict(list)
    for table in tables:
        known[table["source_id"], table["page"]].append(table)
    said: dict[tuple[str, int], list[Row]] = defaultdict(list)
    for one in corrections:
        if one["target"] != "scene" and one["page"] is not None:
            said[one["source_id"], one["page"]].append(one)
    emptied = {place: _page_facts(store, *place) for place in said.keys() - known.keys()}
    for place in sorted(known.keys() | said.keys()) if everything else sorted(said):
        on_page = known.get(place, [])
        facts = on_page[0] if on_page else emptied[place]
        if facts is None:
            continue  # the file is gone, and its rows with it
        where = f"{facts['path']} page {place[1]}"
        unsure = [table for table in on_page if not _sure(table, cells[table["table_id"]], said[place])]
        if unsure:
            others = f"of {len(on_page)} tables on it, {len(unsure)}" if len(on_page) > 1 else "its table"
            found.left_out.append(f"{where}: {others} nobody has confirmed, and confidence is low")
            continue
        try:
            both = [(table, cells[table["table_id"]]) for table in on_page]
            answer = answers.tables(both, facts["width_pt"], facts["height_pt"])
        except (UsageError, IndexError) as error:
            found.left_out.append(f"{where}: {error}")
            continue
        ids = tuple(one["correction_id"] for one in said[place])
        found.examples.append(_example(facts, "tables", prompts.TABLES, answer, shown, page=place[1], corrections=ids))


def _page_facts(store: Store, source_id: str, page: int) -> Row | None:
    """Of a page that has no table any more, because somebody said that it has none."""
    rows = store.records(f"""
        SELECT p.source_id, p.width_pt, p.height_pt, f.path, s.kind, NULL AS resolution, NULL AS frames
        FROM pages p JOIN sources s USING (source_id) JOIN files f ON f.source_id = p.source_id AND f.present
        WHERE p.source_id = '{source_id}' AND p.page = {page} ORDER BY f.path LIMIT 1""")
    return rows[0] if rows else None


def _sure(table: Row, cells: Sequence[Row], corrections: Sequence[Row]) -> bool:
    """Whether somebody has looked at a table, or it is read with high confidence."""
    if table["corrected"] or any(cell["corrected"] for cell in cells):
        return True
    if any(_is_within(one["anchor"], table) for one in corrections):
        return True
    known = [cell["confidence"] for cell in cells if cell["confidence"] is not None]
    # Read before cells had a confidence: those that stand on the page with their words are right far more often.
    share = sum(known) / len(known) if known else table["grounded"]
    return share is not None and share >= CONFIDENT


def _is_within(anchor: Any, table: Row) -> bool:
    """Whether a correction's box lies in a table: a confirmation changes no value that would show it."""
    data = json.loads(anchor) if isinstance(anchor, str) else anchor
    box = data.get("box") if isinstance(data, dict) else None
    if not box:
        return False
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return bool(table["x0"] <= x <= table["x1"] and table["y0"] <= y <= table["y1"])


def _collect_scenes(
    store: Store, corrections: Sequence[Row], found: _Found, *, everything: bool, shown: dict[str, Any]
) -> None:
    ids: dict[str, list[str]] = defaultdict(list)
    for one in corrections:
        if one["target"] == "scene":
            ids[one["source_id"]].append(one["correction_id"])
    scenes: dict[str, list[Row]] = defaultdict(list)
    for row in store.records(f"""
        SELECT v.path, v.scene_no, v.start_s, v.end_s, v.title, v.description, v.source_id, r.status, s.kind, {_READ_AS}
        FROM (SELECT * FROM video_scenes
              QUALIFY row_number() OVER (PARTITION BY reading_id, scene_no ORDER BY path) = 1) v
        JOIN sources s ON s.source_id = v.source_id
        JOIN readings r ON r.reading_id = v.reading_id LEFT JOIN recipes c ON c.recipe = r.recipe
        ORDER BY v.source_id, v.start_s"""):
        scenes[row["source_id"]].append(row)
    for source_id, rows in scenes.items():
        if source_id not in ids and not (everything and rows[0]["status"] == "ok"):
            continue
        try:
            answer = answers.scenes(rows)
        except UsageError as error:
            found.left_out.append(f"{rows[0]['path']}: {error}")
            continue
        given = tuple(ids[source_id])
        found.examples.append(_example(rows[0], "scenes", prompts.SCENES, answer, shown, corrections=given))


def _collect_summaries(store: Store, found: _Found, *, shown: dict[str, Any]) -> None:
    for row in store.records(f"""
        SELECT v.*, s.kind, {_READ_AS}
        FROM (SELECT * FROM file_summaries
              QUALIFY row_number() OVER (PARTITION BY reading_id ORDER BY path) = 1) v
        JOIN sources s ON s.source_id = v.source_id
        JOIN readings r ON r.reading_id = v.reading_id AND r.status = 'ok'
        LEFT JOIN recipes c ON c.recipe = r.recipe ORDER BY v.source_id"""):
        of_video = row["kind"] == "video"
        try:
            answer = answers.summary(row, of_video=of_video)
        except UsageError as error:
            found.left_out.append(f"{row['path']}: its summary: {error}")
            continue
        question = prompts.VIDEO_SUMMARY if of_video else prompts.SUMMARY
        found.examples.append(_example(row, "summary", question, answer, shown))


def _collect_records(store: Store, schema: CustomSchema, found: _Found, *, shown: dict[str, Any]) -> None:
    """What a model said word by word, where one context answered and the answer held."""
    name = schema.name.replace("'", "''")
    for row in store.records(f"""
        SELECT f.path, r.part, r.answer, r.source_id, s.kind, {_READ_AS}
        FROM latest_readings r JOIN sources s USING (source_id) JOIN recipes c ON c.recipe = r.recipe
        JOIN files f ON f.source_id = r.source_id AND f.present
        WHERE r.task = '{name}' AND r.status = 'ok' AND r.answer LIKE '{{%'
          AND json_extract_string(c.options, '$.schema.hash') = '{schema.hash}'
        QUALIFY row_number() OVER (PARTITION BY r.reading_id ORDER BY f.path) = 1 ORDER BY r.source_id, r.part"""):
        page = int(row["part"].partition(":")[2]) if row["part"].startswith("page:") else None
        kind: Any = "page" if page else "video" if row["kind"] == "video" else "document"
        question = schema.question(kind)
        found.examples.append(_example(row, schema.name, question, row["answer"], shown, page=page))


def _example(
    row: Row,
    task: str,
    question: str,
    answer: str,
    shown: dict[str, Any],
    *,
    page: int | None = None,
    corrections: tuple[str, ...] = (),
) -> Example:
    resolution, frames = shown["resolution"] or row["resolution"], shown["frames"] or row["frames"]
    kind = row["kind"]
    return Example(row["source_id"], row["path"], kind, task, question, answer, page, resolution, frames, corrections)


# How they are shown


def _draw(
    examples: Sequence[Example], folder: Path, say: Callable[[str], None]
) -> tuple[list[tuple[Example, Row]], list[str]]:
    """A line for each example, its pictures written; and why some have none."""
    lines: list[tuple[Example, Row]] = []
    left_out: list[str] = []
    with Sandbox() as box:
        for number, example in enumerate(examples, start=1):
            where = example.path if example.page is None else f"{example.path} page {example.page}"
            try:
                lines.append((example, _line(example, box, folder)))
            except AriaDocsError as error:
                left_out.append(f"{where}: {error}")
            if number % 100 == 0:
                say(f"{number:,} of {len(examples):,} drawn")
    return lines, left_out


def _line(example: Example, box: Sandbox, folder: Path) -> Row:
    if not Path(example.path).is_file():
        raise Unreachable(f"{example.path} is gone: put it back, and export again")
    if found := next((marker for marker in MARKERS if marker in example.answer), None):
        raise UsageError(f"its answer holds {found}, a marker of the model's own")
    shown = _show(example, box)
    content: list[Row] = []
    text, images, sizes = "", [], []
    for number, one in enumerate(map(plainly, shown)):
        content += [{"type": "text", "text": text + one.part.label}, {"type": "image"}]
        text = "\n"
        stem = f"p{example.page}" if example.page else f"{number:04d}"
        mode = one.part.layout.mode.name
        name = f"images/{example.source_id[:12]}-{example.kind}-{mode}-{stem}.png"
        if not (folder / name).exists():
            Image.fromarray(picture(one)).save(folder / name)
        images.append(name)
        layout = one.part.layout
        sizes.append([layout.width, layout.height] if one.part.kind == "page" else None)
    content.append({"type": "text", "text": f"\n{example.question}"})
    return {
        "messages": [
            {"role": "user", "content": content},
            {"role": "assistant", "content": [{"type": "text", "text": example.answer}]},
        ],
        "images": images,
        "source": {"path": example.path, "source_id": example.source_id, "page": example.page, "task": example.task},
        "correction": list(example.corrections),
        "shown": {"mode": shown[0].part.layout.mode.name, "sizes_pt": sizes},
    }


def picture(shown: Shown) -> NDArray[np.uint8]:
    """The one picture that crops are cut from: tiles put together again, or the overview where nothing is cut."""
    crops = [crop.pixels for crop in shown.crops if isinstance(crop, Crop)]
    if not shown.part.layout.mode.splits:
        return crops[0]
    columns, rows = shown.part.layout.grid
    tiles = crops[1:]
    lines = [np.concatenate(tiles[row * columns : (row + 1) * columns], axis=1) for row in range(rows)]
    return np.concatenate(lines, axis=0)


def _show(example: Example, box: Sandbox) -> tuple[Shown, ...]:
    """As a run shows it."""
    task = example.task
    look = Look(
        profile=ARIA.name,
        context=WINDOW,
        question=max((*_QUESTIONS.values(), example.question), key=len),
        answer=ANSWER_TOKENS,
        resolution=example.resolution,
        frames=example.frames,
        pages=(task,) if example.page else (),
        document=(task,) if example.kind != "video" and not example.page else (),
        video=(task,) if example.kind == "video" else (),
    )
    job = Job(example.path, example.source_id, "", "aria", {task: ""}, _LIMIT_S, look=look, model=ModelId(None, None))
    of_video = example.kind == "video"
    child = box.start(f"aria_docs.reading.show:{'show_video' if of_video else 'show_document'}", job)
    try:
        for answer in _answers(child, example):
            if isinstance(answer, SeenPage):
                return (answer.shown,)
            if isinstance(answer, SeenDocument | SeenVideo):
                if len(answer.shown) > 1 and _windows(answer, example) > 1:
                    raise UsageError("it is longer than one window, and a line is one: export it at a lower resolution")
                return answer.shown
    finally:
        child.kill()
    raise Unreachable("nothing of it can be shown")


def _answers(child: Any, example: Example) -> Iterator[Any]:
    limit_s = 10 * _LIMIT_S * 60
    if example.page:
        child.send(ReadPages((example.page,)))
    while child.connection.poll(limit_s):
        try:
            answer = child.receive()
        except StopIteration:
            return
        yield answer
        if type(answer).__name__ == "DocumentInfo" and not example.page:
            child.send(ShowPages(tuple(range(1, answer.n_pages + 1))))
    raise TimedOut(f"it was not drawn within {limit_s:g} s")


def _windows(seen: SeenDocument | SeenVideo, example: Example) -> int:
    from aria_docs.model.context_windows import frame_windows, page_windows

    cut = frame_windows if isinstance(seen, SeenVideo) else page_windows
    return len(cut([plainly(one).part for one in seen.shown], ARIA.budget(example.question)))
