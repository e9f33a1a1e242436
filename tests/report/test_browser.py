"""The report in headless Chromium, as people open it: from disk, without a network.

Wants Debian's chromium (`apt-get install chromium`) or a Chrome, and playwright out of the dev extra; skipped without.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymupdf
import pytest

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
        self._context = chromium.new_context(accept_downloads=True, viewport={"width": 1300, "height": 900}, **options)
        self._context.grant_permissions(["clipboard-read", "clipboard-write"])
        self.page = self._context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", lambda said: self.complaints.append(f"{said.type}: {said.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        self.page.on("request", self._asked)

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self.folder.as_uri() + "/", "data:")):
            self.complaints.append(f"request: {request.url}")

    def go(self, name: str, anchor: str = "") -> Any:
        self.page.goto((self.folder / name).as_uri() + anchor)
        return self.page

    def source(self, source_id: str, anchor: str = "") -> Any:
        return self.go(f"sources/{source_id}.html", anchor)

    def close(self) -> None:
        self._context.close()


@pytest.fixture
def visit(chromium: Any, report: Any) -> Iterator[Visit]:
    window = Visit(chromium, *report)
    yield window
    window.close()
    assert not window.complaints


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
    hit = page.locator(".hits li a")
    hit.wait_for()
    assert page.locator(".count").text_content() == "1 of 3 files"
    hit.click()
    page.wait_for_url(f"**/{visit.made.fleet}.html#t2-0")
    assert in_sight(page.locator("#t2-0"))
    page.go_back()
    page.locator("#find").fill("no such thing")
    page.get_by_text("0 of 3 files").wait_for()
    page.keyboard.press("Escape")
    assert page.locator(".count").text_content() == "3 files"


def test_filters_and_order(visit: Visit) -> None:
    page = visit.go("index.html")
    names = page.locator("#files [role=rowgroup] .line:visible .file a")
    page.get_by_role("button", name="Video").click()
    assert names.all_text_contents() == ["tour.avi"]
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


def test_summary_leads_to_its_pages(visit: Visit) -> None:
    page = visit.source(visit.made.fleet)
    page.get_by_role("link", name="page 3").click()
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
    page.get_by_role("link", name="0:01.5").click()  # a key point, within the second scene
    assert page.url.endswith("#s1")


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
