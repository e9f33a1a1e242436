"""The report in headless Chromium, as people open it: from disk, without a network.

Wants Debian's chromium (`apt-get install chromium`) or a Chrome, and playwright out of the dev extra; skipped without.
The test of accessibility wants axe-core too, which is no part of this repository: `npm pack axe-core`, unpack it, and
name its axe.min.js in AXE_CORE.
"""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pymupdf
import pytest
from typer.testing import CliRunner

from aria_docs.cli import app
from aria_docs.report.content import columns
from aria_docs.report.site import write_report

playwright = pytest.importorskip("playwright.sync_api", reason="pip install '.[dev]' brings playwright")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium here: apt-get install chromium")
FLAGS = [
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Never twice in one process: playwright keeps an event loop in it."""
    with playwright.sync_playwright() as started:
        root = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS + root)
        yield browser
        browser.close()


class Visit:
    """A browser window on the report. `complaints`: console errors, exceptions, requests that leave the folder."""

    def __init__(self, chromium: Any, made: Any, folder: Path, **options: Any) -> None:
        self.made, self.folder = made, folder
        self.own: list[str] = []  # requests of the film's own file
        options = {"viewport": {"width": 1300, "height": 900}, **options}
        self._context = chromium.new_context(accept_downloads=True, **options)
        self._context.grant_permissions(["clipboard-read", "clipboard-write"])
        self.page = self._context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", lambda said: self.complaints.append(f"{said.type}: {said.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        self.page.on("request", self._asked)

    def _asked(self, request: Any) -> None:
        if self.made and request.url == (self.made.files / "tour.webm").as_uri():
            self.own.append(request.url)
        elif not request.url.startswith((self.folder.as_uri() + "/", "data:")):
            self.complaints.append(f"request: {request.url}")

    def go(self, name: str, anchor: str = "") -> Any:
        self.page.goto((self.folder / name).as_uri() + anchor)
        return self.page

    def source(self, source_id: str, anchor: str = "") -> Any:
        return self.go(f"sources/{source_id}.html", anchor)

    def another(self) -> Any:
        """A second tab."""
        return self._context.new_page()

    def close(self) -> None:
        self._context.close()


@pytest.fixture
def visit(chromium: Any, report: Any) -> Iterator[Visit]:
    window = Visit(chromium, *report)
    yield window
    window.close()
    assert not window.complaints


def eventually(page: Any, expression: str) -> None:
    """Waits until it holds; playwright's own waiting would `eval`, which the page's policy forbids."""
    for _ in range(400):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(25)
    raise AssertionError(expression)


def in_sight(locator: Any) -> bool:
    box = locator.bounding_box()
    return bool(box) and 0 <= box["y"] < 900


def test_boxes_lie_on_their_words(visit: Visit) -> None:
    """Each cell's box on the screen, carried back to the page's points, has that cell's words in it and no others."""
    page = visit.source(visit.made.fleet)
    page.locator("#p2 img").scroll_into_view_if_needed()
    picture = page.locator("#p2 .paper img").bounding_box()
    with pymupdf.open(visit.made.files / "fleet.pdf") as document:
        size, words = document[1].rect, document[1].get_text("words")
    assert abs(picture["width"] / picture["height"] - size.width / size.height) < 0.01
    boxes = page.locator("#p2 rect[data-k]").all()
    cells = [text for row in visit.made.rows for text in row]
    assert len(boxes) == len(cells)
    for shown, text in zip(boxes, cells, strict=True):
        box = shown.bounding_box()
        scale = size.width / picture["width"]
        left, top = (box["x"] - picture["x"]) * scale, (box["y"] - picture["y"]) * scale
        right, bottom = left + box["width"] * scale, top + box["height"] * scale
        within = [w[4] for w in words if left <= (w[0] + w[2]) / 2 <= right and top <= (w[1] + w[3]) / 2 <= bottom]
        assert within == [text]


def test_a_cell_and_its_box_light_up_together(visit: Visit) -> None:
    page = visit.source(visit.made.fleet)
    cell = page.get_by_role("cell", name="Krykkje")
    cell.hover()
    key = cell.get_attribute("data-k")
    assert "on" in page.locator(f"g rect[data-k='{key}']").get_attribute("class")
    page.locator("g rect[data-k='3']").hover()
    assert "on" in page.get_by_role("cell", name="Havørn").get_attribute("class").split()


def test_what_is_not_on_the_page_is_marked(visit: Visit) -> None:
    page = visit.source(visit.made.fleet)
    assert page.locator(".grid .un").all_text_contents() == ["Total"]
    assert page.locator("svg rect.un").count() == 1


def test_search_finds_inside_files_and_leads_there(visit: Visit) -> None:
    page = visit.go("index.html")
    page.keyboard.press("/")
    page.keyboard.type("KRYKKJE havorn")  # neither case nor accents matter
    page.get_by_text("1 of 4 files, 1 place").wait_for()
    hit = page.locator(".hits li a")
    assert page.locator(".hits li small").text_content() == "Havørn  │  1998  │  -12"
    assert page.locator(".hits mark").all_text_contents() == ["Havørn"]
    hit.click()
    page.wait_for_url(f"**/{visit.made.fleet}.html#t2-0&q=KRYKKJE+havorn")
    page.locator(".grid .here").wait_for()
    assert page.locator(".grid .hit").all_text_contents() == ["Havørn", "Krykkje"]
    assert in_sight(page.locator(".grid .here"))
    page.go_back()
    page.locator(".hits mark").first.wait_for()
    assert page.locator("#find").input_value() == "KRYKKJE havorn", "Back comes back to what was found"


def test_a_cell_is_found_from_the_overview_and_marked_on_its_page(visit: Visit) -> None:
    page = visit.go("index.html")
    page.locator("#find").fill("-12")
    page.locator(".hits li a").click()
    page.locator(".grid .here").wait_for()
    assert page.locator(".grid .hit").all_text_contents() == ["-12"]
    key = page.locator(".grid .here").get_attribute("data-k")
    assert "on" in page.locator(f"g rect[data-k='{key}']").get_attribute("class"), "its place on the page is lit"


def test_an_empty_answer_says_what_was_searched(visit: Visit) -> None:
    page = visit.go("index.html")
    page.locator("#find").fill("no such thing")
    page.get_by_text("Nothing found inside files").wait_for()
    said = page.locator(".hits .none").text_content()
    for what in ("2 tables", "1 page", "2 scenes", "3 spoken lines", "4 files"):
        assert what in said
    page.locator("#find").press("Escape")
    assert page.locator(".count").text_content() == "4 files"


def test_hits_come_by_relevance_and_all_can_be_reached(visit: Visit) -> None:
    page = visit.go("index.html", "#q=fleet")
    page.locator(".hits mark").first.wait_for()
    first = page.locator(".hits li").first.text_content()
    assert "Table 1. The fleet" in first or "summary" in first, "a caption or a title comes before a text"
    page = visit.go("index.html", "#q=e")
    page.locator(".hits mark").first.wait_for()
    n_places = int(page.locator(".hits h2").text_content().split(":")[1].split()[0])
    assert n_places > 8 and page.locator(".hits li").count() == 8
    page.get_by_role("button", name="Show").click()
    assert page.locator(".hits li").count() == n_places
    assert page.evaluate("document.activeElement.closest('li') === document.querySelector('.hits li:nth-child(9)')")


def test_an_address_reopens_the_view_and_back_leaves_it(visit: Visit) -> None:
    page = visit.go("index.html")
    page.get_by_role("button", name="PDF", exact=True).click()
    page.get_by_role("button", name="File", exact=True).click()
    page.locator("#find").fill("ferries")
    page.locator(".hits mark").first.wait_for()
    view, lines = page.url, page.locator("#files .line:visible .file").all_text_contents()
    assert "kind=pdf" in view and "sort=name" in view and "q=ferries" in view
    other = visit.another()
    other.goto(view)
    other.locator(".hits mark").first.wait_for()
    assert other.locator("#files .line:visible .file").all_text_contents() == lines
    assert other.locator("#find").input_value() == "ferries"
    assert other.get_by_role("button", name="PDF", exact=True).get_attribute("aria-pressed") == "true"
    page.go_back()
    page.get_by_text("2 of 4 files").wait_for()
    assert page.locator("#find").input_value() == "" and "kind=pdf" in page.url
    page.go_back()
    page.go_back()
    page.get_by_text("4 files", exact=True).wait_for()


def test_filters_and_order(visit: Visit) -> None:
    page = visit.go("index.html")
    names = page.locator("#files [role=rowgroup] .line:visible .file a")
    page.get_by_role("button", name="Video").click()
    assert names.all_text_contents() == ["tour.webm"]
    page.get_by_role("group", name="Kind").get_by_role("button", name="All").click()
    page.get_by_role("button", name="File", exact=True).click()
    first = names.all_text_contents()
    page.get_by_role("button", name="File", exact=True).click()
    assert names.all_text_contents() == first[::-1] and "fleet.pdf" in first
    page.get_by_role("button", name="Partial").click()
    assert names.all_text_contents() == ["fleet.pdf"]


def test_copy_and_csv(visit: Visit) -> None:
    page = visit.source(visit.made.fleet)
    page.locator("#t2-0").get_by_role("button", name="Copy").click()
    page.get_by_text("4 rows copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == "\n".join("\t".join(row) for row in visit.made.rows)
    with page.expect_download() as download:
        page.locator("#t2-0").get_by_role("link", name="CSV").click()
    text = Path(download.value.path()).read_text(encoding="utf-8")
    assert text.splitlines() == [",".join(row) for row in visit.made.rows]


def test_a_hostile_document_does_nothing(visit: Visit) -> None:
    for page in (visit.go("index.html"), visit.source(visit.made.hostile), visit.source(visit.made.film)):
        assert page.title() != "owned"
    page = visit.source(visit.made.hostile)
    assert page.locator(".grid th").all_text_contents() == visit.made.evil
    page.keyboard.press("c")
    page.get_by_text("2 rows copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()").split("\n")[0].split("\t")
    assert copied == [visit.made.evil[0], "'" + visit.made.evil[1], "'" + visit.made.evil[2], visit.made.evil[3]]
    page = visit.go("index.html")
    page.locator("#find").fill("script owned")
    page.locator(".hits mark").first.wait_for()
    assert page.title() != "owned"


def test_markup_that_slipped_through_could_not_run(visit: Visit) -> None:
    """The policy in the page, without the escaping: what is put into it as markup stays dead."""
    page = visit.source(visit.made.hostile)
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=data:, onerror=\"document.title=1\">')")
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: 'document.title=1'}))")
    page.wait_for_timeout(100)
    assert page.title() != "1"
    assert len(visit.complaints) == 2 and all("Content Security Policy" in said for said in visit.complaints)
    visit.complaints.clear()


def test_keys(visit: Visit) -> None:
    page = visit.source(visit.made.fleet)
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.id") == "t2-0" and in_sight(page.locator("#t2-0"))
    page.keyboard.press("b")
    assert page.locator("g rect[data-k='1']").evaluate("box => getComputedStyle(box).stroke") == "none"
    page.keyboard.press("?")
    assert page.get_by_role("dialog").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("jb?")  # in a search these are letters
    assert page.locator("#find").input_value() == "jb?"
    page.get_by_text("0 of 1 table").wait_for()


def test_keyboard_alone_reaches_everything(visit: Visit) -> None:
    """Tab comes to every link, button and field; arrows to every cell, and its place on the page lights up."""
    for name in ("index.html", f"sources/{visit.made.fleet}.html", f"sources/{visit.made.film}.html"):
        page = visit.go(name)
        wanted = page.locator("a[href]:visible, button:visible, input:visible, video:visible, summary:visible")
        total = page.evaluate(
            "nodes => nodes.filter(n => !n.closest('.timeline, dialog')).length", wanted.element_handles()
        )
        reached = set()
        for _ in range(3 * total + 20):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("[...document.querySelectorAll('*')].indexOf(document.activeElement)"))
        missed = page.evaluate(
            """([nodes, reached]) => nodes.filter(n => !n.closest('.timeline, dialog'))
            .filter(n => !reached.includes([...document.querySelectorAll('*')].indexOf(n))).map(n => n.outerHTML)""",
            [wanted.element_handles(), list(reached)],
        )
        assert not missed
    page = visit.source(visit.made.fleet)
    page.locator("#t2-0 .scroll").focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    assert page.evaluate("document.activeElement.textContent") == "2021"
    key = page.evaluate("document.activeElement.dataset.k")
    assert "on" in page.locator(f"g rect[data-k='{key}']").get_attribute("class")


def test_a_part_leads_back_to_its_address_and_its_sql(visit: Visit) -> None:
    page = visit.source(visit.made.fleet)
    page.locator("#t2-0").get_by_role("button", name="Link, SQL").click()
    page.get_by_role("button", name="Copy SQL").click()
    query = page.evaluate("navigator.clipboard.readText()")
    assert [row["c0"] for row in visit.made.store.records(query)] == [row[0] for row in visit.made.rows]
    page.get_by_role("button", name="Copy Link to this").click()
    link = page.evaluate("navigator.clipboard.readText()")
    page.keyboard.press("Escape")
    other = visit.another()
    other.goto(link)
    assert in_sight(other.locator("#t2-0")) and other.evaluate("document.activeElement.id") == "t2-0"
    page.locator("#p3 [data-lead]").click()
    query = page.locator("#lead code").nth(1).text_content()
    assert visit.made.store.records(query) == [{"text": ""}]
    page = visit.source(visit.made.film)
    page.locator("#s1").get_by_role("button", name="Link, SQL").click()
    [scene] = visit.made.store.records(page.locator("#lead code").nth(1).text_content())
    assert scene["start_s"] == 1.2


def test_a_page_is_zoomed_and_its_pdf_opens_there(visit: Visit) -> None:
    page = visit.source(visit.made.fleet)
    link = page.locator("#p2").get_by_role("link", name="Open the PDF at this page")
    assert link.get_attribute("href") == (visit.made.files / "fleet.pdf").as_uri() + "#page=2"
    before = page.locator("#p2 img").bounding_box()["width"]
    page.locator("#p2").get_by_role("button", name="Zoom").click()
    width = page.locator("#zoom img").bounding_box()["width"]
    page.get_by_role("button", name="Larger").click()
    assert before < width < page.locator("#zoom img").bounding_box()["width"]


def test_a_long_document_has_all_pages_rows_and_words(chromium: Any, long_report: Path) -> None:
    visit = Visit(chromium, None, long_report)
    name = f"sources/{next((long_report / 'sources').glob('*.html')).name}"
    page = visit.go(name)
    assert page.locator(".sheet-row").count() == 60
    assert (long_report / name).stat().st_size < 200_000, "long texts are side files"
    page.locator("#p7 summary").click()
    page.locator("#p7 .words").get_by_text("Landmark 7.").wait_for()
    assert page.locator("#t50-0 tr").count() == 100
    page.get_by_role("button", name="Show all rows").click()
    page.locator("#t50-0").get_by_text("Fjordling 299", exact=True).wait_for()
    assert page.locator("#t50-0 tr").count() == 300 and page.locator("#t50-0 thead tr").count() == 1
    assert page.locator("g[data-table=t50-0] rect[data-k]").count() in (0, 600)
    page = visit.go("index.html", "#q=fjordling+287")
    page.locator(".hits li a").click()
    page.locator(".grid .here").wait_for()
    assert in_sight(page.get_by_text("Fjordling 287", exact=True)), "a row that the page cuts is shown when asked for"
    page = visit.go("index.html", "#q=landmark+33")
    page.locator(".hits li a").click()
    page.locator("#p33 mark.here").wait_for()
    assert in_sight(page.locator("#p33 mark.here"))
    visit.close()
    assert not visit.complaints


def test_summary_leads_to_its_pages(visit: Visit) -> None:
    page = visit.source(visit.made.fleet)
    page.get_by_role("link", name="page 3", exact=True).click()
    assert in_sight(page.locator("#p3"))
    page.locator("#p3 img").wait_for()
    assert page.locator("#p3 img").evaluate("image => image.decode().then(() => image.naturalHeight)") == 1200


def test_a_video_shows_its_scenes_and_what_the_model_saw(visit: Visit) -> None:
    page = visit.source(visit.made.film)
    assert page.locator(".scenes h3").all_text_contents() == ["The quay", "Scene 2"]
    line = page.locator(".timeline svg").bounding_box()
    second = page.locator(".timeline .scene").nth(1).bounding_box()
    assert abs((second["x"] - line["x"]) / line["width"] - 1.2 / 2) < 0.01
    turn = page.locator(".timeline .turn").bounding_box()
    assert abs((turn["x"] - line["x"]) / line["width"] - 1.0 / 2) < 0.01
    greys = []
    for image in page.locator(".frames img").all():
        image.scroll_into_view_if_needed()
        assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") == 64
        greys.append(image.get_attribute("src"))
    assert len(set(greys)) == len(visit.made.frames)
    page.locator(".timeline a").first.hover()
    assert "A grey morning." in page.locator(".preview").text_content()
    page.locator("#find").fill("morning")
    page.get_by_text("1 of 2 scenes").wait_for()
    page.locator("#find").fill("")
    page.get_by_role("link", name="0:01.5").click()  # a key point, within the second scene
    page.wait_for_url("**#t=1.50")


def test_a_film_plays_from_a_scene_with_its_words_beside_it(visit: Visit) -> None:
    page = visit.source(visit.made.film)
    assert not visit.own, "nothing of the film is loaded before someone asks for it"
    page.locator("#s1").get_by_role("button", name="Play").click()
    eventually(page, "document.querySelector('video').currentTime >= 1.2")
    page.locator("#s1[aria-current]").wait_for()
    assert visit.own
    page.locator(".cues li").nth(0).get_by_role("link").click()
    page.locator(".cues li:nth-child(1)[aria-current]").wait_for()
    page.locator(".cues li:nth-child(2)[aria-current]").wait_for()  # it goes along
    page = visit.another()
    page.goto(visit.page.url.partition("#")[0] + "#t=1.5")
    page.locator(".cues li:nth-child(3)[aria-current]").wait_for()
    eventually(page, "Math.abs(document.querySelector('video').currentTime - 1.5) < .05")
    assert page.evaluate("document.querySelector('video').paused"), "an address does not begin to talk"
    page.locator("#find").fill("farewell")
    page.get_by_text("0 of 2 scenes, 1 spoken line").wait_for()
    assert page.locator(".cues li:visible mark").all_text_contents() == ["Farewell,"]


def test_a_spoken_word_is_found_at_its_second(visit: Visit) -> None:
    page = visit.go("index.html", "#q=farewell")
    page.locator(".hits li a").click()
    page.locator(".cues li:nth-child(3)[aria-current]").wait_for()
    eventually(page, "Math.abs(document.querySelector('video').currentTime - 1.4) < .05")


def test_a_film_that_does_not_play_says_what_would(chromium: Any, made: Any, tmp_path: Path) -> None:
    (made.files / "tour.webm").write_bytes(b"no film any more")
    write_report(made.store, tmp_path / "report", pictures=False)
    visit = Visit(chromium, made, tmp_path / "report")
    page = visit.source(made.film)
    page.locator("#s0").get_by_role("button", name="Play").click()
    page.get_by_text("This browser cannot play the file").wait_for()
    assert f"aria-docs export --db {made.store.path} --format clips" in page.locator(".unplayable").text_content()
    visit.close()
    assert not visit.complaints


def test_a_cell_is_corrected_in_place_undone_and_downloaded(chromium: Any, doubted: Any) -> None:
    visit = Visit(chromium, *doubted)
    made = visit.made
    page = visit.source(made.fleet)
    cell = page.locator("#t2-0 [data-k]").nth(5)
    assert cell.text_content() == "-12"
    cell.dblclick()
    page.keyboard.type("12")
    page.keyboard.press("Enter")
    page.get_by_text("1 correction", exact=True).wait_for()
    page.locator("#t2-0 .scroll").focus()
    for key in ("ArrowDown", "ArrowDown", "Enter"):  # by the keyboard alone: Havørn
        page.keyboard.press(key)
    page.keyboard.type("Havhest")
    page.keyboard.press("Escape")
    assert page.get_by_role("cell", name="Havørn").count() == 1, "Escape leaves it as it was"
    page.keyboard.press("Enter")
    page.keyboard.type("Havhest")
    page.keyboard.press("Enter")
    page.get_by_text("2 corrections", exact=True).wait_for()
    page.get_by_role("button", name="Undo the last").click()
    assert page.get_by_role("cell", name="Havørn").count() == 1
    page = visit.source(made.film)
    assert page.get_by_text("1 correction", exact=True).is_visible(), "they go along from page to page"
    page.locator("#s0").focus()
    page.keyboard.press("e")
    page.keyboard.type("The pier")
    page.keyboard.press("Enter")
    page.get_by_label("Your name").fill("Ada")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download corrections.json").click()
    rows = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    common = {"made_by": "Ada", "note": "made in the report"}
    assert rows == [
        {"path": str(made.files / "fleet.pdf"), "source_id": made.fleet, "page": 2, "target": "cell",
         "anchor": {"box": list(made.box_of(1, 2)), "row": 1, "col": 2}, "before": "-12", "after": "12", **common},
        {"path": str(made.files / "tour.webm"), "source_id": made.film, "page": None, "target": "scene",
         "anchor": {"start_s": 0, "end_s": 1.2, "field": "title"}, "before": "The quay", "after": "The pier", **common},
    ]  # fmt: skip
    visit.close()
    assert not visit.complaints


def test_the_review_goes_from_cell_to_cell_by_keys(chromium: Any, doubted: Any) -> None:
    visit = Visit(chromium, *doubted)
    page = visit.go("index.html")
    page.get_by_role("link", name="3 cells worth a look").click()
    hand = page.locator(".at-hand")
    assert hand.locator("input").input_value() == "-12"
    x0, y0, x1, y1 = visit.made.box_of(1, 2)
    ring = hand.locator("rect")
    assert [float(ring.get_attribute(name)) for name in ("x", "y", "width", "height")] == [x0, y0, x1 - x0, y1 - y0]
    page.keyboard.press("e")
    page.keyboard.type("12")
    page.keyboard.press("Enter")
    assert hand.locator("input").input_value() == "2021", "the next comes by itself"
    page.keyboard.press("y")
    assert hand.locator("input").input_value() == "Total"
    page.get_by_text("2 corrections", exact=True).wait_for()
    page.keyboard.press("u")
    page.get_by_text("1 correction", exact=True).wait_for()
    page.keyboard.press("k")
    address = page.url
    with page.expect_download() as download:
        page.get_by_role("button", name="Download corrections.json").click()
    [row] = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    assert (row["before"], row["after"], row["anchor"]["row"], row["anchor"]["col"]) == ("-12", "12", 1, 2)
    other = visit.another()
    other.goto(address)
    assert other.locator(".at-hand input").input_value() == "2021", "an address reopens its cell"
    visit.close()
    assert not visit.complaints


def test_a_correction_goes_from_the_review_into_the_database_and_the_next_report(
    chromium: Any, made: Any, tmp_path: Path
) -> None:
    with duckdb.connect(made.store.path) as db:
        db.execute(
            "INSERT INTO checks SELECT table_id, 0, 'sum', false, NULL, 2, [{'row_no': 1, 'col_no': 2}], 12, 72, 48, "
            "'the rows sum to 48' FROM tables WHERE caption = 'Table 1. The fleet'"
        )
    folder = tmp_path / "report"
    write_report(made.store, folder)
    visit = Visit(chromium, made, folder)
    page = visit.go("review.html")
    assert page.locator(".at-hand input").input_value() == "-12", "a check that names one cell comes first"
    page.keyboard.press("e")
    page.keyboard.type("12")
    page.keyboard.press("Enter")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download corrections.json").click()
    download.value.save_as(tmp_path / "corrections.json")
    visit.close()
    done = CliRunner().invoke(
        app, ["correct", "--db", str(made.store.path), "--from", str(tmp_path / "corrections.json")]
    )
    assert done.exit_code == 0, done.output
    query = "SELECT text, number, corrected, confidence FROM document_cells WHERE corrected"
    assert [tuple(row.values()) for row in made.store.records(query)] == [("12", 12.0, True, 1.0)]
    assert [row["text"] for row in made.store.records("FROM review")] == ["Total"]
    write_report(made.store, folder)
    visit = Visit(chromium, made, folder)
    cell = visit.source(made.fleet).locator("#t2-0 [data-k]").nth(5)
    assert cell.text_content() == "12"
    assert visit.go("review.html").locator(".at-hand input").input_value() == "Total"
    visit.close()
    assert not visit.complaints


def test_where_the_database_takes_no_corrections_none_is_offered(visit: Visit) -> None:
    if "corrections" in columns(visit.made.store):
        pytest.skip("every database takes corrections")
    page = visit.source(visit.made.fleet)
    assert page.get_by_role("button", name="Correct").count() == 0
    page.get_by_role("cell", name="Krykkje").dblclick()
    assert page.locator("[contenteditable=plaintext-only]").count() == 0
    page = visit.go("review.html")
    assert page.locator(".at-hand input").count() == 0 and page.locator(".at-hand rect").count() == 1


def test_a_touched_cell_shows_its_place_on_a_narrow_screen(chromium: Any, report: Any) -> None:
    visit = Visit(chromium, *report, viewport={"width": 390, "height": 844}, has_touch=True)
    page = visit.source(visit.made.fleet)
    page.get_by_role("cell", name="Krykkje").tap()
    peek = page.locator(".peek")
    assert in_sight(peek) and peek.locator("image").get_attribute("href").endswith("p2-1200.webp")
    x0, y0, x1, y1 = visit.made.box_of(2, 0)
    ring = peek.locator("rect")
    assert [float(ring.get_attribute(name)) for name in ("x", "y", "width", "height")] == [x0, y0, x1 - x0, y1 - y0]
    visit.close()
    assert not visit.complaints


AXE = os.environ.get("AXE_CORE", "")


@pytest.mark.skipif(not Path(AXE).is_file(), reason="AXE_CORE names no axe.min.js of axe-core: npm pack axe-core")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(chromium: Any, doubted: Any, scheme: str) -> None:
    visit = Visit(chromium, *doubted, color_scheme=scheme, bypass_csp=True)
    views = [
        "review.html",
        "index.html",
        "index.html#q=fleet",
        f"sources/{visit.made.fleet}.html",
        f"sources/{visit.made.film}.html",
    ]
    for width in (1300, 390):
        visit.page.set_viewport_size({"width": width, "height": 844})
        for view in views:
            name, _, anchor = view.partition("#")
            page = visit.go(name, f"#{anchor}" if anchor else "")
            page.wait_for_timeout(300)
            page.evaluate(Path(AXE).read_text(encoding="utf-8"))
            found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
            serious = [fault for fault in found if fault["impact"] in ("serious", "critical")]
            assert not serious, (view, width, [(fault["id"], fault["nodes"][0]["html"]) for fault in serious])
    visit.close()


def test_dark_print_and_narrow(chromium: Any, report: Any) -> None:
    for options in ({"color_scheme": "dark"}, {"color_scheme": "light"}):
        window = Visit(chromium, *report, **options)
        page = window.source(window.made.fleet)
        shade = page.evaluate("getComputedStyle(document.body).backgroundColor").strip("rgb()").split(",")
        assert (sum(map(int, shade)) < 150) == (options["color_scheme"] == "dark")
        page.emulate_media(media="print")
        assert not page.locator(".tools").is_visible() and page.locator("#t2-0 table").is_visible()
        with pymupdf.open(stream=page.pdf()) as paper:
            assert sum(len(sheet.get_images()) for sheet in paper) == 3, "every page's picture is printed"
        page.emulate_media(media="screen")
        for width in (360, 800):
            page.set_viewport_size({"width": width, "height": 800})
            for name in ("index.html", f"sources/{window.made.fleet}.html", f"sources/{window.made.film}.html"):
                window.go(name)
                assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} is wider than {width}"
        window.close()
        assert not window.complaints
